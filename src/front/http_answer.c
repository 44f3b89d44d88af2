/* http_answer.c - what a handler sees of a connection that speaks HTTP/1 (struct
 * http_exchange_ops).
 *
 * Answers gather in the connection's `out`, which is written at the end of the turn. A
 * complete exchange lives until then: its handler may still be on the stack. */
#include "base/check.h"
#include "front/private.h"

static struct http1_exchange *of(const struct http_exchange *x)
{
    return container_of(exchange_of(x), struct http1_exchange, common);
}

struct buf *connection_out(struct connection *c)
{
    if (c->out.capacity == 0) {
        c->out = front_buf_get(c->loop);
    }
    connection_touch(c);
    return &c->out;
}

/* ---- Answers ---- */

static bool is_head_only(const struct http1_exchange *h)
{
    return h->common.x.request.method == HTTP_HEAD;
}

/* The connection goes on after this answer. */
static bool may_keep(const struct http1_exchange *h)
{
    return h->head.is_keep_alive && h->common.is_body_done && !h->common.connection->is_ending;
}

static void answer_whole(struct http_exchange *x, unsigned status,
                         const struct http_header *headers, size_t header_count, struct slice body)
{
    struct http1_exchange *h = of(x);
    exchange_note_status(&h->common, status);
    const bool has_body = status != 204 && status != 304;
    if (!may_keep(h)) {
        h->head.is_keep_alive = false;
    }
    struct buf *out = connection_out(h->common.connection);
    http1_write_head(out, &(struct http1_answer){.status = status,
                                                 .headers = headers,
                                                 .header_count = header_count,
                                                 .length = has_body ? body.size : HTTP1_NO_BODY,
                                                 .date = front_date(h->common.connection->loop),
                                                 .is_closing = !h->head.is_keep_alive});
    if (has_body && !is_head_only(h)) {
        buf_append_slice(out, body);
    }
    exchange_complete(&h->common);
}

static void answer_begin(struct http_exchange *x, unsigned status,
                         const struct http_header *headers, size_t header_count)
{
    struct http1_exchange *h = of(x);
    exchange_note_status(&h->common, status);
    h->common.is_streaming = true;
    const bool is_closing = !h->head.is_keep_alive || h->common.connection->is_ending;
    struct buf *out = connection_out(h->common.connection);
    http1_write_head(
        out, &(struct http1_answer){.status = status,
                                    .headers = headers,
                                    .header_count = header_count,
                                    .length = h->head.minor > 0 ? HTTP1_CHUNKED : HTTP1_NO_BODY,
                                    .date = front_date(h->common.connection->loop),
                                    .is_closing = is_closing});
}

static void answer_more(struct http_exchange *x, struct slice bytes)
{
    struct http1_exchange *h = of(x);
    CHECK(h->common.is_streaming && !x->is_aborted);
    if (is_head_only(h)) {
        return;
    }
    struct buf *out = connection_out(h->common.connection);
    if (h->head.minor > 0) {
        http1_write_chunk(out, bytes);
    } else {
        buf_append_slice(out, bytes);
    }
}

static size_t answer_waiting(const struct http_exchange *x)
{
    struct http1_exchange *h = of(x);
    const struct connection *c = h->common.connection;
    const size_t waiting = c->out.size + connection_waiting(c);
    h->common.wants_writable |= waiting >= HTTP_STREAM_HIGH;
    return waiting;
}

static void answer_end(struct http_exchange *x, bool is_complete)
{
    struct http1_exchange *h = of(x);
    CHECK(h->common.is_streaming && !x->is_aborted);
    h->common.is_streaming = false;
    if (!is_complete) {
        h->head.is_keep_alive = false; /* the missing end is what tells the client */
    } else if (h->head.minor > 0 && !is_head_only(h)) {
        http1_write_last_chunk(connection_out(h->common.connection));
    }
    exchange_complete(&h->common);
}

static void pause_body(struct http_exchange *x)
{
    of(x)->common.is_paused = true;
}

static void resume_body(struct http_exchange *x)
{
    struct http1_exchange *h = of(x);
    h->common.is_paused = false;
    connection_touch(h->common.connection);
}

static void done(struct http_exchange *x)
{
    struct http1_exchange *h = of(x);
    struct connection *c = h->common.connection;
    CHECK(x->is_aborted && c->exchange == h);
    c->exchange = NULL;
    http1_exchange_give(c->loop, h);
    connection_free_if_gone(c);
}

static const struct http_exchange_ops *ops(void)
{
    static const struct http_exchange_ops table = {
        .respond = answer_whole,
        .stream_begin = answer_begin,
        .stream_write = answer_more,
        .stream_waiting = answer_waiting,
        .stream_end = answer_end,
        .pause = pause_body,
        .resume = resume_body,
        .done = done,
    };
    return &table;
}

/* ---- Life ---- */

struct http1_exchange *http1_exchange_get(struct connection *c)
{
    struct front_loop *l = c->loop;
    struct http1_exchange *h = l->exchanges;
    if (h == NULL) {
        h = mem_zero(1, sizeof(*h));
    } else {
        l->exchanges = h->next;
        l->exchange_count--;
    }
    exchange_init(&h->common, c, ops(), &c->order);
    return h;
}

void http1_exchange_give(struct front_loop *l, struct http1_exchange *h)
{
    chunk_release(h->chunk);
    h->chunk = NULL;
    if (l->exchange_count >= EXCHANGES_MAX || l->is_closing) {
        arena_deinit(&h->common.arena);
        mem_free(h);
        return;
    }
    arena_reset(&h->common.arena);
    h->next = l->exchanges;
    l->exchanges = h;
    l->exchange_count++;
}

void http1_exchanges_free(struct front_loop *l)
{
    while (l->exchanges != NULL) {
        struct http1_exchange *h = l->exchanges;
        l->exchanges = h->next;
        arena_deinit(&h->common.arena);
        mem_free(h);
    }
}
