/* check.h - `holdfast check DIR`: what a stopped node's folder holds, and whether it is whole. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

/* Prints what it finds; returns the exit code: 0 whole, 1 damaged or unreadable, 2 wrong use. */
int check_command(int count, char *const *arguments);

#endif
