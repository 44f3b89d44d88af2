/* loop.c - the connections of one loop, and the end of its turn. */
#include "base/check.h"
#include "front/private.h"

struct arrival {
    struct letter letter;
    const struct front_listener *listener;
    stream_socket socket;
    uint64_t id;
};

/* ---- What connections share ---- */

struct buf front_buf_get(struct front_loop *l)
{
    return l->buf_count == 0 ? (struct buf){0} : l->bufs[--l->buf_count];
}

void front_buf_give(struct front_loop *l, struct buf *b)
{
    if (b->capacity == 0) {
        return;
    }
    if (l->buf_count == BUFS_MAX || b->capacity > BUF_KEPT_MAX) {
        buf_deinit(b);
        return;
    }
    buf_clear(b);
    l->bufs[l->buf_count++] = *b;
    *b = (struct buf){0};
}

struct slice front_date(struct front_loop *l)
{
    const uint64_t now_s = loop_now_ns(l->loop) / UINT64_C(1000000000) + 1;
    if (now_s != l->date_s) {
        l->date_s = now_s;
        http1_date(loop_wall_ms(l->loop), l->date);
    }
    return slice_of(l->date, sizeof(l->date) - 1);
}

uint64_t front_now_ns(const struct front_loop *l)
{
    return l->context->now_ns == NULL ? 0 : l->context->now_ns();
}

/* ---- The turn ---- */

static void on_turn(void *arg)
{
    struct front_loop *l = arg;
    struct list batch;
    list_init(&batch);
    list_take(&batch, &l->dirty);
    while (!list_empty(&batch)) {
        struct connection *c = container_of(batch.next, struct connection, dirty);
        list_remove(&c->dirty);
        connection_flush(c);
    }
    area_turn(&l->area);
    l->done_ns = 0;
    if (!list_empty(&l->dirty)) {
        loop_again(l->loop);
    }
}

static void on_sweep(void *arg)
{
    struct front_loop *l = arg;
    const uint64_t now_ns = loop_now_ns(l->loop);
    for (struct list *at = l->connections.next; at != &l->connections;) {
        struct connection *c = container_of(at, struct connection, link);
        at = at->next;
        connection_sweep(c, now_ns);
    }
    if (!list_empty(&l->connections)) {
        front_loop_start_sweep(l);
    }
}

void front_loop_start_sweep(struct front_loop *l)
{
    loop_timer_start(l->loop, &l->sweep, SWEEP_MS, on_sweep, l);
}

/* ---- Life ---- */

static void on_arrival(void *arg, struct letter *letter)
{
    struct front_loop *l = arg;
    struct arrival *a = container_of(letter, struct arrival, letter);
    atomic_fetch_sub(&l->on_way, 1);
    l->has_arrivals = true;
    front_loop_take(l, a->listener, a->socket, a->id);
    mem_free(a);
}

void front_loop_send(struct front_loop *l, const struct front_listener *listener,
                     stream_socket socket, uint64_t id)
{
    atomic_fetch_add(&l->assigned, 1);
    if (l->index == 0) { /* loop 0 accepts */
        front_loop_take(l, listener, socket, id);
        return;
    }
    struct arrival *a = mem_zero(1, sizeof(*a));
    a->listener = listener;
    a->socket = socket;
    a->id = id;
    atomic_fetch_add(&l->on_way, 1);
    mailbox_post(l->mailbox, &a->letter);
}

static void on_drain(void *arg)
{
    struct front_loop *l = arg;
    if (l->has_arrivals || atomic_load(&l->on_way) > 0) { /* accepted before: read first as well */
        front_loop_drain(l);
        return;
    }
    l->is_draining = true;
    for (struct list *at = l->connections.next; at != &l->connections;) {
        struct connection *c = container_of(at, struct connection, link);
        at = at->next;
        connection_drain(c);
    }
}

enum err front_loop_open(struct front *f, struct loop *loop, uint32_t loop_index,
                         struct loop_context *context, struct front_loop **out, struct err_why *why)
{
    CHECK(loop_index < f->loop_count && atomic_load(&f->loops[loop_index]) == NULL);
    struct front_loop *l = mem_zero(1, sizeof(*l));
    const enum err e = mailbox_open(loop, on_arrival, l, &l->mailbox, why);
    if (e != ERR_OK) {
        mem_free(l);
        return e;
    }
    l->front = f;
    l->loop = loop;
    l->context = context;
    l->index = loop_index;
    l->routes = mem_zero(ROUTES_MAX, sizeof(*l->routes));
    list_init(&l->connections);
    list_init(&l->dirty);
    l->drain = (struct loop_task){.call = on_drain, .arg = l};
    pipe_loop_init(l);
    l->hook = (struct loop_hook){.call = on_turn, .arg = l};
    loop_each_turn(loop, &l->hook);
    atomic_fetch_add(&f->holds, 1);
    atomic_store(&f->loops[loop_index], l);
    *out = l;
    return ERR_OK;
}

void front_loop_drain(struct front_loop *l)
{
    l->has_arrivals = false;
    loop_defer_turn(l->loop, &l->drain); /* what was sent before is read first */
}

void front_loop_cut(struct front_loop *l)
{
    l->is_draining = true;
    for (struct list *at = l->connections.next; at != &l->connections;) {
        struct connection *c = container_of(at, struct connection, link);
        at = at->next;
        connection_cut(c);
    }
}

bool front_loop_is_idle(const struct front_loop *l)
{
    return atomic_load(&l->assigned) == 0 && !l->drain.is_queued;
}

void front_loop_close(struct front_loop **loop)
{
    struct front_loop *l = *loop;
    if (l == NULL) {
        return;
    }
    l->is_closing = true;
    mailbox_close(&l->mailbox); /* sockets on their way are refused */
    CHECK(front_loop_is_idle(l));
    loop_timer_stop(&l->sweep);
    loop_hook_remove(&l->hook);
    area_deinit(&l->area);
    pipe_loop_deinit(l);
    while (l->buf_count > 0) {
        buf_deinit(&l->bufs[--l->buf_count]);
    }
    http1_exchanges_free(l);
    http2_exchanges_free(l);
    mem_free(l->routes);
    atomic_store(&l->front->loops[l->index], NULL);
    front_release(l->front);
    mem_free(l);
    *loop = NULL;
}

void front_loop_connections(struct front_loop *l, connection_each_fn each, void *arg)
{
    for (struct list *at = l->connections.next; at != &l->connections; at = at->next) {
        const struct connection *c = container_of(at, struct connection, link);
        if (c->phase != PHASE_GONE) {
            struct connection_facts facts;
            connection_facts(c, &facts);
            each(arg, &facts);
        }
    }
}
