/* line.h - what a line of the protocol asks for, of either generation. */
#ifndef API_DSTORE_LINE_H
#define API_DSTORE_LINE_H

#include "base/slice.h"

enum dstore_command {
    DSTORE_NONE,   /* unknown: the connection is closed without a reply */
    DSTORE_LEADER, /* dstore */
    DSTORE_WRITE,
    DSTORE_LDR, /* Hedge, and all below */
    DSTORE_PUT,
    DSTORE_HEY,   /* alone */
    DSTORE_HELLO, /* HEY with a member's name */
    DSTORE_SND,
    DSTORE_ALL,
    DSTORE_MEM,
    DSTORE_SEM,
    DSTORE_SEA,
    DSTORE_SER,
    DSTORE_COMMAND_COUNT
};

struct dstore_line {
    enum dstore_command command;
    struct slice payload; /* the word behind the command; in the line */
    bool replaces;        /* PUT ... noappend */
};

/* `text` is a line without the byte that ends it. */
struct dstore_line dstore_line_read(struct slice text);

/* Lower-case name, for metrics. */
const char *dstore_command_name(enum dstore_command command);

#endif
