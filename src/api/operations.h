/* operations.h - where requests and errors of one operation are counted. */
#ifndef API_OPERATIONS_H
#define API_OPERATIONS_H

#include "router/facts.h"

/* The counters of operation `name`, constant text; made at its first use. NULL: the list is full.
 * On the loop that owns `stats`; other threads may read it meanwhile. */
struct operation_stats *operation_find(struct dialect_stats *stats, const char *name);

#endif
