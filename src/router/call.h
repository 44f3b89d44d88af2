/* call.h - what travels from a dialect to the place where it happens, and back.
 *
 * The dialect owns the struct, fills the first part and hands it to router_call(); `done`
 * runs exactly once, on the same loop, never before router_call() has returned. Until
 * then the struct and all bytes its op refers to stay as they are (hold the chunk they
 * lie in). In `done` the result may be read, and the struct freed; the result's bytes are
 * gone when `done` returns. */
#ifndef ROUTER_CALL_H
#define ROUTER_CALL_H

#include "base/list.h"
#include "model/model.h"
#include "shard/shard.h"
#include "sys/mailbox.h"

struct call;

typedef void (*call_fn)(struct call *c);

enum read_level {
    READ_LINEARIZABLE,
    READ_STALE /* this node's state, perhaps old */
};

/* One per connection (or per anything whose commands must seem to run one after another): in which
 * shards it has writes under way. A read behind such a write is answered at its place. Zeroed is
 * ready; alive until all its calls are done. */
struct call_order {
    uint64_t shards; /* one bit per shard modulo 64 */
    uint32_t unfinished;
    uint32_t away; /* calls for memory tables of other loops, which answer in their next turn */
};

/* A letter between the routers of two loops. Private to router/. */
struct router_mail {
    struct letter letter;
    uint8_t kind;
};

struct call {
    struct op op;
    struct result result;
    call_fn done;
    void *arg;
    struct call_order *order; /* may be NULL */
    uint64_t deadline_ns;     /* on loop_now_ns(); 0: none. Passed before it is ordered: TIMEOUT */
    size_t budget_bytes;      /* of the answer's rows; 0: CALL_BUDGET_BYTES */
    enum read_level level;

    /* Private to router/. */
    struct shard_view *view; /* the state a page of a source is read from; NULL: the newest */
    struct shard_work work;
    struct router_mail mail;
    struct call *next;
    struct router *home;
    struct call_group *group;
    struct arena bytes; /* of a result that came from another loop */
    uint32_t owner;     /* loop */
    bool is_marked;     /* in `order` */
};

#define CALL_BUDGET_BYTES ((size_t)64 << 20) /* rows of one answer that is not streamed */

#endif
