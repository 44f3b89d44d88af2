/* grpc_flow.h - a stream of requests each of which is one operation, answered in their order.
 *
 *   message ─► take ─► slot ─► end of the turn ─► router ··· done ─► slot ─► its answer, in order
 *               ▲                                                               │
 *               └──────────── grpc_resume when there is room again ◄────────────┘
 *
 * A bounded number of operations is under way at once, and what came in one turn travels as one
 * batch. While a flow is full, or its client does not read, the stream is paused, so its window
 * closes. Slots are used again and again. An answer is sent as soon as those before it are: the
 * first ones before the last request has come.
 *
 * A method with client_streams has grpc_flow_new() in its on_open and the three functions below;
 * one without has grpc_flow_one() in its on_message. */
#ifndef API_GRPC_FLOW_H
#define API_GRPC_FLOW_H

#include "api/grpc.h"
#include "base/list.h"

#define FLOW_SLOTS_MAX      8192               /* operations of one stream under way or unsent */
#define FLOW_BYTES_MAX      ((size_t)4 << 20)  /* of their requests and answers; then paused */
#define FLOW_ANSWERS_MAX    ((size_t)64 << 20) /* of answers: reads that may be are done again */
#define FLOW_LOOP_SLOTS_MAX 65536              /* of all streams of a loop: then FLOW_SLOTS_LEAST */
#define FLOW_SLOTS_LEAST    16

struct grpc_flow;

/* What one message wants. */
struct grpc_flow_slot {
    struct call call; /* the dialect fills `op`, whose bytes lie in grpc_flow_room() */
    struct grpc_flow *flow;
    void *user;      /* the dialect's own, in grpc_flow_room() */
    bool may_repeat; /* a read whose answer may be forgotten and asked for again later */

    /* Private to grpc_flow.c. */
    struct list link; /* of the flow, in the order of the requests; or of the spare ones */
    struct grpc_flow_slot *next;
    struct buf room;
    struct buf answer; /* packed; or the text of the failure */
    uint8_t state;
    uint8_t status;
    bool has_answer;
};

enum grpc_flow_step {
    FLOW_CALL, /* carry out slot->call */
    FLOW_DONE, /* nothing is to be carried out: it is answered, or has failed */
    FLOW_HELD  /* grpc_flow_start(), grpc_flow_skip() or grpc_flow_fail() follows, in any case */
};

struct grpc_flow_ops {
    /* A message has come; it is borrowed. */
    enum grpc_flow_step (*take)(struct grpc_flow_slot *s, const ProtobufCMessage *message);
    /* The call is done, and not aborted: grpc_flow_answer() or nothing, grpc_flow_fail(), or
     * grpc_flow_start() with the next step. `result` and its bytes are gone afterwards. */
    void (*done)(struct grpc_flow_slot *s, const struct result *result);
    /* All is answered, the last message has come: grpc_finish() or grpc_reply(). */
    void (*end)(struct grpc_call *g);
    uint32_t slots_max; /* 0: FLOW_SLOTS_MAX */
    bool is_silent;     /* no answer but the last: as many at once as there may be */
};

struct grpc_flow {
    const struct grpc_flow_ops *ops;
    struct grpc_call *g;
    void *user; /* the dialect's own */

    /* Private to grpc_flow.c. */
    struct call_order order;
    struct router_task task;
    struct list slots; /* in the order of the requests */
    struct grpc_flow_slot *fresh, *fresh_last;
    uint32_t fresh_count;
    uint32_t count;  /* of slots */
    uint32_t busy;   /* of them that are not answered */
    uint32_t window; /* how many there may be: more, the smaller the answers are */
    uint32_t round_count;
    size_t round_bytes;
    size_t bytes;
    struct buf failure; /* text */
    uint8_t status;
    bool is_deferred, is_paused, is_stalled, is_closing, has_failed, has_ended;
};

/* In the exchange's arena; sets g->user. */
struct grpc_flow *grpc_flow_new(struct grpc_call *g, const struct grpc_flow_ops *ops);

/* The same for a method with one request. The flow may be over when this returns. */
void grpc_flow_one(struct grpc_call *g, const struct grpc_flow_ops *ops,
                   const ProtobufCMessage *message);

/* For struct grpc_method. */
void grpc_flow_on_message(struct grpc_call *g, const ProtobufCMessage *message);
void grpc_flow_on_writable(struct grpc_call *g);
void grpc_flow_on_abort(struct grpc_call *g);
void grpc_flow_on_late(struct grpc_call *g);

/* `size` bytes aligned to 8, until the slot is done; once for each message. */
void *grpc_flow_room(struct grpc_flow_slot *s, size_t size);

/* Encodes the slot's answer; at most one. */
void grpc_flow_answer(struct grpc_flow_slot *s, const ProtobufCMessage *message);

/* Ends the stream with that status, behind the answers of all earlier requests. No further message
 * is taken; those that were, may be carried out. In take or done, or when held. */
void grpc_flow_fail(struct grpc_flow_slot *s, enum grpc_status status, struct slice text);

/* A held slot: its call is carried out; or it needs none. */
void grpc_flow_start(struct grpc_flow_slot *s);
void grpc_flow_skip(struct grpc_flow_slot *s);

/* The loop ends; no flow is left on it. Harmless when none ever was. */
void grpc_flow_close(struct loop_context *context);

#endif
