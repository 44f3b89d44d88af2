/* cursor.h - a bounded number of resume points; the router's part of them is in router.h.
 *
 * Any thread. It asks for no time and draws no number by itself, so it can be fuzzed. */
#ifndef ROUTER_CURSOR_H
#define ROUTER_CURSOR_H

#include <pthread.h>

#include "base/buf.h"
#include "router/router.h"

struct cursor_slot {
    uint64_t number; /* 0: free */
    uint64_t from;   /* its predecessor */
    uint64_t used;   /* the larger, the later */
    uint64_t used_ms;
    uint32_t table;
    uint32_t shard;
    struct buf owner;
    struct buf after;
};

struct cursors {
    pthread_mutex_t lock;
    struct cursor_slot slots[CURSORS_MAX];
    size_t taken;  /* slots below were used at least once */
    uint64_t uses; /* so far */
};

/* `c` is zeroed. */
void cursors_init(struct cursors *c);
void cursors_deinit(struct cursors *c);

/* As router_cursor_keep() and router_cursor_find(). `random` makes the number hard to guess. */
uint64_t cursors_keep(struct cursors *c, const struct cursor_point *point, uint64_t now_ms,
                      uint64_t random);
MUST_CHECK enum err cursors_find(struct cursors *c, uint64_t cursor, uint64_t now_ms,
                                 struct arena *arena, struct cursor_point *point);

#endif
