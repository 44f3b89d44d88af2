/* context.h - what every connection and dialect handler on one loop is given. */
#ifndef ROUTER_CONTEXT_H
#define ROUTER_CONTEXT_H

#include "router/facts.h"
#include "router/router.h"

#define HELD_MAX ((size_t)512 << 20) /* loop_context.held_bytes: then requests are refused */

struct redis_loop;
struct grpc_flow_pool;

/* One per loop; lives as long as the loop. */
struct loop_context {
    struct router *router;
    const struct node_facts *facts;
    struct dialect_stats *stats; /* [DIALECT_COUNT], this loop's */
    _Atomic uint64_t slow_us;    /* requests that take so long are logged; UINT64_MAX: none. Another
                                  * thread may change it */
    uint64_t (*now_ns)(void);    /* clock_now_ns(), for measuring; NULL: nothing is measured */
    struct redis_loop *redis;    /* api/redis: NULL at first, then its pools of this loop */
    struct grpc_flow_pool *flows; /* api/grpc_flow: the same */
    size_t held_bytes;            /* of requests that come in pieces and are kept by handlers */
    struct buf grpc_out;          /* api/grpc: the message that is being encoded; else empty */
    uint32_t polls;               /* requests that are held until something changes */
};

#endif
