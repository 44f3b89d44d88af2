/* exchange.c - what a handler of HTTP sees of a connection (struct http_exchange_ops).
 *
 * Answers gather in the connection's `out`, which is written at the end of the turn. A
 * complete exchange lives until then: its handler may still be on the stack. */
#include "api/operations.h"
#include "base/check.h"
#include "front/private.h"

/* By way of the arena, which is not const even where the handler's view is. */
static struct exchange *of(const struct http_exchange *x)
{
    return container_of(x->arena, struct exchange, arena);
}

struct buf *exchange_out(struct connection *c)
{
    if (c->out.capacity == 0) {
        c->out = front_buf_get(c->loop);
    }
    connection_touch(c);
    return &c->out;
}

/* ---- Counting ---- */

static void count(struct exchange *e)
{
    struct front_loop *l = e->connection->loop;
    if (l->done_ns == 0) {
        l->done_ns = front_now_ns(l);
    }
    const uint64_t us = l->done_ns > e->started_ns ? (l->done_ns - e->started_ns) / 1000 : 0;
    if (e->stats != NULL) {
        histogram_add(&e->stats->latency_us, us);
    }
    if (us > l->context->slow_us) {
        log_warn(l->front->log, "http", "slow request", F_TEXT("operation", e->x.route->name),
                 F_U64("us", us), F_U64("status", e->status));
    }
}

/* The counters of a route; looked up by name once per loop. */
static struct operation_stats *stats_of(struct front_loop *l, const struct http_route *route,
                                        enum dialect dialect)
{
    const size_t start = (size_t)((uintptr_t)route >> 4);
    for (size_t i = 0; i < ROUTES_MAX; i++) {
        struct route_stats *r = &l->routes[(start + i) % ROUTES_MAX];
        if (r->route == NULL) {
            r->route = route;
            r->stats = operation_find(&l->context->stats[dialect], route->name);
        }
        if (r->route == route) {
            return r->stats;
        }
    }
    return NULL;
}

/* ---- Answers ---- */

static bool is_head_only(const struct exchange *e)
{
    return e->x.request.method == HTTP_HEAD;
}

/* The connection goes on after this answer. */
static bool may_keep(const struct exchange *e)
{
    return e->head.is_keep_alive && e->is_body_done && !e->connection->is_ending;
}

static void complete(struct exchange *e)
{
    e->is_answered = true;
    count(e);
    connection_touch(e->connection);
}

static void note_status(struct exchange *e, unsigned status)
{
    CHECK(e->is_begun && !e->is_answered && !e->is_streaming && !e->x.is_aborted);
    e->status = status;
}

static void answer_whole(struct http_exchange *x, unsigned status,
                         const struct http_header *headers, size_t header_count, struct slice body)
{
    struct exchange *e = of(x);
    note_status(e, status);
    const bool has_body = status != 204 && status != 304;
    if (!may_keep(e)) {
        e->head.is_keep_alive = false;
    }
    struct buf *out = exchange_out(e->connection);
    http1_write_head(out, &(struct http1_answer){.status = status,
                                                 .headers = headers,
                                                 .header_count = header_count,
                                                 .length = has_body ? body.size : HTTP1_NO_BODY,
                                                 .date = front_date(e->connection->loop),
                                                 .is_closing = !e->head.is_keep_alive});
    if (has_body && !is_head_only(e)) {
        buf_append_slice(out, body);
    }
    complete(e);
}

static void answer_begin(struct http_exchange *x, unsigned status,
                         const struct http_header *headers, size_t header_count)
{
    struct exchange *e = of(x);
    note_status(e, status);
    e->is_streaming = true;
    const bool is_closing = !e->head.is_keep_alive || e->connection->is_ending;
    struct buf *out = exchange_out(e->connection);
    http1_write_head(
        out, &(struct http1_answer){.status = status,
                                    .headers = headers,
                                    .header_count = header_count,
                                    .length = e->head.minor > 0 ? HTTP1_CHUNKED : HTTP1_NO_BODY,
                                    .date = front_date(e->connection->loop),
                                    .is_closing = is_closing});
}

static void answer_more(struct http_exchange *x, struct slice bytes)
{
    struct exchange *e = of(x);
    CHECK(e->is_streaming && !x->is_aborted);
    if (is_head_only(e)) {
        return;
    }
    struct buf *out = exchange_out(e->connection);
    if (e->head.minor > 0) {
        http1_write_chunk(out, bytes);
    } else {
        buf_append_slice(out, bytes);
    }
}

static size_t answer_waiting(const struct http_exchange *x)
{
    struct exchange *e = of(x);
    const struct connection *c = e->connection;
    const size_t waiting = c->out.size + connection_waiting(c);
    e->wants_writable |= waiting >= HTTP_STREAM_HIGH;
    return waiting;
}

static void answer_end(struct http_exchange *x, bool is_complete)
{
    struct exchange *e = of(x);
    CHECK(e->is_streaming && !x->is_aborted);
    e->is_streaming = false;
    if (!is_complete) {
        e->head.is_keep_alive = false; /* the missing end is what tells the client */
    } else if (e->head.minor > 0 && !is_head_only(e)) {
        http1_write_last_chunk(exchange_out(e->connection));
    }
    complete(e);
}

static void pause_body(struct http_exchange *x)
{
    of(x)->is_paused = true;
}

static void resume_body(struct http_exchange *x)
{
    struct exchange *e = of(x);
    e->is_paused = false;
    connection_touch(e->connection);
}

static void done(struct http_exchange *x)
{
    struct exchange *e = of(x);
    struct connection *c = e->connection;
    CHECK(x->is_aborted && c->exchange == e);
    c->exchange = NULL;
    exchange_give(c->loop, e);
    connection_free_if_gone(c);
}

static const struct http_exchange_ops *ops(void)
{
    static const struct http_exchange_ops table = {
        answer_whole, answer_begin, answer_more, answer_waiting,
        answer_end,   pause_body,   resume_body, done,
    };
    return &table;
}

/* ---- Life ---- */

struct exchange *exchange_get(struct front_loop *l)
{
    struct exchange *e = l->exchanges;
    if (e == NULL) {
        return mem_zero(1, sizeof(*e));
    }
    l->exchanges = e->next;
    l->exchange_count--;
    e->is_begun = e->is_answered = false;
    return e;
}

void exchange_give(struct front_loop *l, struct exchange *e)
{
    chunk_release(e->chunk);
    e->chunk = NULL;
    if (l->exchange_count >= EXCHANGES_MAX || l->is_closing) {
        arena_deinit(&e->arena);
        mem_free(e);
        return;
    }
    arena_reset(&e->arena);
    e->next = l->exchanges;
    l->exchanges = e;
    l->exchange_count++;
}

void exchange_prepare(struct connection *c, struct exchange *e, const struct http_route *route,
                      enum dialect dialect)
{
    struct front_loop *l = c->loop;
    e->x = (struct http_exchange){.ops = ops(),
                                  .route = route,
                                  .request = e->head.request,
                                  .arena = &e->arena,
                                  .connection_order = &c->order,
                                  .loop_arg = l->context};
    e->stats = stats_of(l, route, dialect);
    e->started_ns = front_now_ns(l);
    e->body_left = e->head.content_length;
    e->body_end = e->head.consumed;
    e->chunks = (struct http1_chunks){0};
    e->is_begun = e->is_answered = e->is_streaming = false;
    e->is_body_done = e->is_paused = e->wants_writable = false;
    e->status = 0;
}

void exchange_begin(struct exchange *e)
{
    e->is_begun = true;
    e->x.route->handle(&e->x, e->x.loop_arg);
}

void exchange_abort(struct exchange *e)
{
    e->x.is_aborted = true;
    if (!e->is_begun || e->is_answered || e->x.route->on_abort == NULL) {
        done(&e->x);
    } else {
        e->x.route->on_abort(&e->x);
    }
}
