/* A slot's life:
 *
 *   HELD ─► FRESH ─► CALLED ─► READY ─► (sent, given back)
 *     └─────────────────────────▲ │
 *   FRESH ◄── AGAIN ◄── CALLED    └─ with a status: the end of the stream
 *
 * `busy` counts those in the first three states. A flow is over when none is busy and no deferred
 * call is due; only then the grpc_call is finished or given back, so nothing refers to it. */
#include "api/grpc_flow.h"

#include "base/check.h"
#include "base/mem.h"

#define WINDOW_FIRST 256
#define WINDOW_LEAST 8
#define ROUND_SMALL  ((size_t)1 << 20) /* bytes of a window's answers: the next one is larger */
#define ROUND_LARGE  ((size_t)4 << 20) /* the next one is smaller */
#define GATHER_MAX   512 /* calls: they are handed over before the turn ends, while they are near */
#define SPARE_MAX    8192              /* slots kept by a loop */
#define KEPT_BYTES   ((size_t)1 << 10) /* room kept by a spare slot */

enum slot_state {
    SLOT_HELD,
    SLOT_FRESH,
    SLOT_CALLED,
    SLOT_AGAIN,
    SLOT_READY
};

/* ---- Slots of a loop ---- */

struct grpc_flow_pool {
    struct list spare;
    size_t spare_count;
    size_t used;
};

static struct grpc_flow_pool *pool_of(struct loop_context *context)
{
    if (context->flows == NULL) {
        context->flows = mem_zero(1, sizeof(*context->flows));
        list_init(&context->flows->spare);
    }
    return context->flows;
}

static void free_slot(struct grpc_flow_slot *s)
{
    buf_deinit(&s->room);
    buf_deinit(&s->answer);
    mem_free(s);
}

static struct grpc_flow_slot *pool_get(struct grpc_flow_pool *p)
{
    p->used++;
    if (list_empty(&p->spare)) {
        return mem_zero(1, sizeof(struct grpc_flow_slot));
    }
    struct grpc_flow_slot *s = container_of(p->spare.next, struct grpc_flow_slot, link);
    list_remove(&s->link);
    p->spare_count--;
    return s;
}

static void pool_give(struct grpc_flow_pool *p, struct grpc_flow_slot *s)
{
    CHECK(p->used > 0);
    p->used--;
    if (p->spare_count >= SPARE_MAX) {
        free_slot(s);
        return;
    }
    if (s->room.capacity > KEPT_BYTES) {
        buf_deinit(&s->room);
    }
    if (s->answer.capacity > KEPT_BYTES) {
        buf_deinit(&s->answer);
    }
    /* In front: what was used last is used next, while it is near. */
    s->link.next = p->spare.next;
    s->link.prev = &p->spare;
    p->spare.next->prev = &s->link;
    p->spare.next = &s->link;
    p->spare_count++;
}

void grpc_flow_close(struct loop_context *context)
{
    struct grpc_flow_pool *p = context->flows;
    if (p == NULL) {
        return;
    }
    CHECK(p->used == 0);
    while (!list_empty(&p->spare)) {
        struct grpc_flow_slot *s = container_of(p->spare.next, struct grpc_flow_slot, link);
        list_remove(&s->link);
        free_slot(s);
    }
    mem_free(p);
    context->flows = NULL;
}

static struct grpc_flow_slot *add_slot(struct grpc_flow *f)
{
    struct grpc_flow_slot *s = pool_get(pool_of(grpc_context(f->g)));
    buf_clear(&s->room);
    buf_clear(&s->answer);
    s->call.op = (struct op){0};
    s->flow = f;
    s->user = NULL;
    s->may_repeat = false;
    s->state = SLOT_HELD;
    s->status = GRPC_OK;
    s->has_answer = false;
    list_push(&f->slots, &s->link);
    f->count++;
    f->busy++;
    return s;
}

static size_t slot_bytes(const struct grpc_flow_slot *s)
{
    return s->room.size + s->answer.size;
}

static void remove_slot(struct grpc_flow_slot *s)
{
    struct grpc_flow *f = s->flow;
    CHECK(s->state == SLOT_READY);
    f->bytes -= slot_bytes(s);
    f->count--;
    list_remove(&s->link);
    pool_give(pool_of(grpc_context(f->g)), s);
}

/* ---- Answers, in order ---- */

static uint32_t window_most(const struct grpc_flow *f)
{
    return f->ops->slots_max == 0 ? FLOW_SLOTS_MAX : f->ops->slots_max;
}

static uint32_t window_first(const struct grpc_flow *f)
{
    const uint32_t most = window_most(f);
    return f->ops->is_silent || most < WINDOW_FIRST ? most : WINDOW_FIRST;
}

/* A window's answers have gone out: may the next one be larger? */
static void end_round(struct grpc_flow *f)
{
    if (f->round_bytes < ROUND_SMALL) {
        const uint32_t most = window_most(f);
        f->window = f->window * 2 < most ? f->window * 2 : most;
    } else if (f->round_bytes > ROUND_LARGE) {
        f->window = f->window / 2 > WINDOW_LEAST ? f->window / 2 : WINDOW_LEAST;
    }
    f->round_count = 0;
    f->round_bytes = 0;
}

static void begin_failure(struct grpc_flow *f, struct grpc_flow_slot *s)
{
    f->has_failed = true;
    f->status = s->status;
    buf_append_slice(&f->failure, buf_slice(&s->answer));
}

static void send_slot(struct grpc_flow *f, struct grpc_flow_slot *s)
{
    if (s->status != GRPC_OK) {
        begin_failure(f, s);
    } else if (s->has_answer) {
        grpc_send_packed(f->g, buf_slice(&s->answer));
    }
    f->round_bytes += s->answer.size;
    if (++f->round_count >= f->window) {
        end_round(f);
    }
}

static void start(struct grpc_flow_slot *s);

/* Sends what is ready and next; all that is ready goes when nobody wants it any more. */
static void send_ready(struct grpc_flow *f)
{
    while (!list_empty(&f->slots)) {
        struct grpc_flow_slot *s = container_of(f->slots.next, struct grpc_flow_slot, link);
        const bool is_wanted = !f->has_failed && !f->g->is_aborted;
        if (s->state == SLOT_AGAIN && is_wanted) {
            f->busy++;
            start(s);
            return;
        }
        if (s->state != SLOT_READY && s->state != SLOT_AGAIN) {
            return;
        }
        s->state = SLOT_READY;
        if (is_wanted) {
            f->is_stalled = f->is_stalled || grpc_waiting(f->g) >= HTTP_STREAM_HIGH;
            if (f->is_stalled) {
                return;
            }
            send_slot(f, s);
        }
        remove_slot(s);
    }
}

/* ---- Room ---- */

static bool is_full(const struct grpc_flow *f)
{
    const struct grpc_flow_pool *p = grpc_context(f->g)->flows;
    return f->is_stalled || f->count >= f->window || f->bytes >= FLOW_BYTES_MAX ||
           (f->count >= FLOW_SLOTS_LEAST && p != NULL && p->used >= FLOW_LOOP_SLOTS_MAX);
}

/* Enough to go on for a while, so that not every message is paused and resumed. */
static bool has_room(const struct grpc_flow *f)
{
    return !is_full(f) && f->count <= f->window / 2 && f->bytes <= FLOW_BYTES_MAX / 2;
}

/* The last thing that is done to a flow: resuming may bring messages at once, and its end. */
static void set_pause(struct grpc_flow *f)
{
    if (!f->is_paused && is_full(f)) {
        f->is_paused = true;
        grpc_pause(f->g);
    } else if (f->is_paused && has_room(f)) {
        f->is_paused = false;
        grpc_resume(f->g);
    }
}

/* ---- The end ---- */

static bool is_over(const struct grpc_flow *f)
{
    if (f->busy > 0 || f->is_deferred) {
        return false;
    }
    return f->g->is_aborted || f->has_failed || (f->has_ended && f->count == 0);
}

static void finish(struct grpc_flow *f)
{
    struct grpc_call *g = f->g;
    struct buf text = f->failure;
    CHECK(f->count == 0);
    f->failure = (struct buf){0};
    g->user = NULL;
    if (g->is_aborted) {
        grpc_done(g);
    } else if (f->has_failed) {
        grpc_finish(g, (enum grpc_status)f->status, buf_slice(&text));
    } else {
        f->ops->end(g);
    }
    buf_deinit(&text);
}

/* Does what can be done now. The flow may be gone afterwards. */
static void pump(struct grpc_flow *f)
{
    send_ready(f);
    if (is_over(f)) {
        finish(f);
    } else if (!f->g->is_aborted && !f->has_failed) {
        set_pause(f);
    }
}

/* ---- Calls ---- */

static void settle(struct grpc_flow_slot *s)
{
    CHECK(s->flow->busy > 0);
    s->state = SLOT_READY;
    s->flow->busy--;
}

/* Too much is waiting in answers; this one can be had again. */
static bool is_forgotten(const struct grpc_flow_slot *s, const struct result *result)
{
    const struct grpc_flow *f = s->flow;
    return s->may_repeat && f->slots.next != &s->link &&
           f->bytes + result->value.size > FLOW_ANSWERS_MAX;
}

static void on_done(struct call *call)
{
    struct grpc_flow_slot *s = call->arg;
    struct grpc_flow *f = s->flow;
    CHECK(s->state == SLOT_CALLED);
    if (f->g->is_aborted || f->has_failed) {
        settle(s);
    } else if (is_forgotten(s, &call->result)) {
        s->state = SLOT_AGAIN;
        f->busy--;
    } else {
        s->state = SLOT_HELD;
        f->ops->done(s, &call->result);
        if (s->state == SLOT_HELD) {
            settle(s);
        }
    }
    pump(f);
}

/* All that has come in this turn, in its order. (Grouping it by shards, router_call_many(), gains
 * nothing: what comes in one turn is one commit anyway.) */
static void send_fresh(struct grpc_flow *f)
{
    while (f->fresh != NULL) {
        struct grpc_flow_slot *s = f->fresh;
        f->fresh = s->next;
        f->fresh_count--;
        if (f->g->is_aborted || f->has_failed) {
            settle(s);
        } else {
            s->state = SLOT_CALLED;
            router_call(grpc_context(f->g)->router, &s->call);
        }
    }
}

/* Not the whole of what has come in one turn waits for its end, or it would be far from the
 * processor again when its time comes. The flow is not over: a deferred call is due. */
static void hand_over(struct grpc_flow *f)
{
    if (f->fresh_count >= GATHER_MAX) {
        send_fresh(f);
        router_relieve(grpc_context(f->g)->router);
    }
}

static void on_turn(void *arg)
{
    struct grpc_flow *f = arg;
    send_fresh(f);
    f->is_deferred = false;
    pump(f);
}

/* What follows is not done now: whoever holds slots may be walking over them. */
static void defer(struct grpc_flow *f)
{
    if (!f->is_deferred) {
        f->is_deferred = true;
        router_defer(grpc_context(f->g)->router, &f->task, on_turn, f);
    }
}

static void start(struct grpc_flow_slot *s)
{
    struct grpc_flow *f = s->flow;
    s->state = SLOT_FRESH;
    s->next = NULL;
    s->call.done = on_done;
    s->call.arg = s;
    s->call.order = &f->order;
    s->call.deadline_ns = f->g->deadline_ns;
    if (f->fresh == NULL) {
        f->fresh = s;
    } else {
        f->fresh_last->next = s;
    }
    f->fresh_last = s;
    f->fresh_count++;
    defer(f);
}

void grpc_flow_start(struct grpc_flow_slot *s)
{
    CHECK(s->state == SLOT_HELD);
    start(s);
}

void grpc_flow_skip(struct grpc_flow_slot *s)
{
    CHECK(s->state == SLOT_HELD);
    settle(s);
    defer(s->flow);
}

void grpc_flow_fail(struct grpc_flow_slot *s, enum grpc_status status, struct slice text)
{
    CHECK(status != GRPC_OK && s->state == SLOT_HELD);
    s->status = (uint8_t)status;
    s->flow->is_closing = true;
    s->flow->bytes -= s->answer.size;
    buf_clear(&s->answer);
    buf_append_slice(&s->answer, text);
    s->flow->bytes += s->answer.size;
    grpc_flow_skip(s);
}

/* ---- Bytes ---- */

void *grpc_flow_room(struct grpc_flow_slot *s, size_t size)
{
    CHECK(s->room.size == 0);
    uint8_t *room = buf_reserve(&s->room, size);
    buf_extend(&s->room, size);
    s->flow->bytes += size;
    return room;
}

void grpc_flow_answer(struct grpc_flow_slot *s, const ProtobufCMessage *message)
{
    CHECK(!s->has_answer);
    const size_t size = protobuf_c_message_get_packed_size(message);
    (void)protobuf_c_message_pack(message, buf_reserve(&s->answer, size));
    buf_extend(&s->answer, size);
    s->flow->bytes += size;
    s->has_answer = true;
}

/* ---- The stream ---- */

struct grpc_flow *grpc_flow_new(struct grpc_call *g, const struct grpc_flow_ops *ops)
{
    struct grpc_flow *f = arena_zero(g->x->arena, sizeof(*f));
    f->ops = ops;
    f->g = g;
    f->window = window_first(f);
    list_init(&f->slots);
    g->user = f;
    return f;
}

static void take(struct grpc_flow *f, const ProtobufCMessage *message)
{
    struct grpc_flow_slot *s = add_slot(f);
    switch (f->ops->take(s, message)) {
    case FLOW_CALL:
        grpc_flow_start(s);
        return;
    case FLOW_DONE:
        if (s->state == SLOT_HELD) { /* has not failed */
            settle(s);
        }
        return;
    case FLOW_HELD:
        return;
    }
}

void grpc_flow_one(struct grpc_call *g, const struct grpc_flow_ops *ops,
                   const ProtobufCMessage *message)
{
    struct grpc_flow *f = grpc_flow_new(g, ops);
    f->has_ended = true;
    take(f, message);
    pump(f);
}

void grpc_flow_on_message(struct grpc_call *g, const ProtobufCMessage *message)
{
    struct grpc_flow *f = g->user;
    if (f == NULL || f->is_closing || g->is_aborted) {
        return;
    }
    if (message == NULL) {
        f->has_ended = true;
    } else {
        take(f, message);
        hand_over(f);
    }
    pump(f);
}

void grpc_flow_on_writable(struct grpc_call *g)
{
    struct grpc_flow *f = g->user;
    if (f != NULL && f->is_stalled) {
        f->is_stalled = false;
        pump(f);
    }
}

void grpc_flow_on_abort(struct grpc_call *g)
{
    struct grpc_flow *f = g->user;
    if (f == NULL) {
        grpc_done(g);
        return;
    }
    for (struct list *at = f->slots.next; at != &f->slots; at = at->next) {
        struct grpc_flow_slot *s = container_of(at, struct grpc_flow_slot, link);
        if (s->state == SLOT_CALLED) {
            router_cancel(grpc_context(g)->router, &s->call);
        }
    }
    pump(f);
}

/* As if the client had sent one more request, which is too late: all before it are answered, so
 * that none whose outcome matters is passed over. */
void grpc_flow_on_late(struct grpc_call *g)
{
    struct grpc_flow *f = g->user;
    if (f != NULL && !f->is_closing && !f->has_ended) {
        grpc_flow_fail(add_slot(f), GRPC_DEADLINE_EXCEEDED, grpc_late_text());
    }
}
