/* draw.h - a record of a table by chance, whichever shard it lies in: one shard after the other is
 * asked, from a random one on, until one has a record. */
#ifndef ROUTER_DRAW_H
#define ROUTER_DRAW_H

#include "router/router.h"

struct draw;
typedef void (*draw_fn)(struct draw *d);

/* Owned by the caller until `done` has run, once, never before router_draw() has returned. */
struct draw {
    uint32_t table;
    struct call_order *order; /* may be NULL */
    uint64_t deadline_ns;     /* as in struct call */
    draw_fn done;             /* reads call.result: that of OP_RANDOM_KEY */
    void *arg;
    bool is_unwanted; /* the caller may set it: no other shard is asked */

    /* Private to draw.c, but for the result. */
    struct call call;
    struct router *router;
    uint32_t shard;
    uint32_t tried;
    char key[24];
};

void router_draw(struct router *r, struct draw *d);

#endif
