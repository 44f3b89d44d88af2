/* signal.h - signals as callbacks of a loop. Real world only. */
#ifndef SYS_SIGNAL_H
#define SYS_SIGNAL_H

#include "sys/loop.h"

struct signal_watch;

typedef void (*signal_fn)(void *arg, int number);

/* Errors: ERR_IO. */
MUST_CHECK enum err signal_watch_open(struct loop *l, int number, signal_fn call, void *arg,
                                      struct signal_watch **out, struct err_why *why);
void signal_watch_close(struct signal_watch **w);

#endif
