/* http2_stream.c - streams of HTTP/2 as exchanges: what a handler sees of them (struct
 * http_exchange_ops), and what becomes of their bodies.
 *
 *   on_head ─► refused, or its route:
 *                takes no body, or none comes ─────────────► handler
 *                takes it whole: gathered, on_end ─────────► handler
 *                streams: handler, then on_body for what comes; kept while the handler pauses
 *   answer  ─► waits in the stream for the client's window; on_closed when it is sent
 *
 * An exchange is given back when its stream is closed and it is answered. A stream that closes
 * before is withdrawn, and its exchange given back when the handler says so. */
#include "base/check.h"
#include "front/http2.h"

static struct http2_exchange *of(const struct http_exchange *x)
{
    return container_of(exchange_of(x), struct http2_exchange, common);
}

static struct http2_exchange *of_stream(struct http2_stream *s)
{
    return container_of(s, struct http2_exchange, stream);
}

static struct front_loop *loop_of(const struct http2_exchange *e)
{
    return e->common.connection->loop;
}

static uint64_t after_ms(const struct http2_exchange *e, uint64_t ms)
{
    return loop_now_ns(loop_of(e)->loop) + ms * UINT64_C(1000000);
}

/* ---- Life ---- */

static struct http2_exchange *get(struct http2_connection *h)
{
    struct front_loop *l = h->connection->loop;
    struct http2_exchange *e = l->http2_exchanges;
    if (e == NULL) {
        e = mem_zero(1, sizeof(*e));
    } else {
        l->http2_exchanges = e->spare;
        l->http2_exchange_count--;
    }
    return e;
}

static void free_exchange(struct http2_exchange *e)
{
    http2_stream_deinit(&e->stream);
    buf_deinit(&e->body);
    arena_deinit(&e->common.arena);
    mem_free(e);
}

static void forget_body(struct http2_exchange *e)
{
    loop_of(e)->large_bytes -= e->body.size;
    buf_clear(&e->body);
}

static void give(struct http2_exchange *e)
{
    struct front_loop *l = loop_of(e);
    struct http2_connection *h = e->owner;
    forget_body(e);
    list_remove(&e->link);
    list_remove(&e->due);
    h->exchange_count--;
    h->idle_ns = loop_now_ns(l->loop);
    if (l->http2_exchange_count >= HTTP2_EXCHANGES_MAX || l->is_closing) {
        free_exchange(e);
        return;
    }
    if (e->body.capacity > HTTP2_BODY_KEPT) {
        buf_deinit(&e->body);
    }
    if (e->stream.out.capacity > HTTP2_BODY_KEPT) {
        http2_stream_deinit(&e->stream);
    }
    arena_reset(&e->common.arena);
    e->spare = l->http2_exchanges;
    l->http2_exchanges = e;
    l->http2_exchange_count++;
}

void http2_exchanges_free(struct front_loop *l)
{
    while (l->http2_exchanges != NULL) {
        struct http2_exchange *e = l->http2_exchanges;
        l->http2_exchanges = e->spare;
        free_exchange(e);
    }
    http2_pool_deinit(&l->http2_pool);
}

/* Its stream is closed, or its whole connection. */
static void withdraw(struct http2_exchange *e)
{
    if (e->common.is_answered || !e->common.is_begun) {
        give(e);
    } else {
        exchange_abort(&e->common);
    }
}

void http2_exchanges_abort(struct http2_connection *h)
{
    for (struct list *at = h->exchanges.next; at != &h->exchanges;) {
        struct http2_exchange *e = container_of(at, struct http2_exchange, link);
        at = at->next;
        if (!e->common.x.is_aborted) {
            withdraw(e);
        }
    }
}

/* ---- What a handler says ---- */

static bool is_head_only(const struct http2_exchange *e)
{
    return e->common.x.request.method == HTTP_HEAD;
}

/* Answers that nobody reads must not fill the memory, however many streams they are on. */
static bool may_keep(const struct http2_exchange *e, size_t size)
{
    const size_t waiting = http2_session_waiting(e->owner->session);
    return waiting + size <= OUT_MAX + router_value_max(loop_of(e)->context->router);
}

static void answer_whole(struct http_exchange *x, unsigned status,
                         const struct http_header *headers, size_t header_count, struct slice body)
{
    struct http2_exchange *e = of(x);
    exchange_note_status(&e->common, status);
    const bool may_have_body = status != 204 && status != 304;
    const bool has_body = may_have_body && body.size > 0 && !is_head_only(e);
    const bool has_length = may_have_body && (body.size > 0 || is_head_only(e));
    if (has_body && !may_keep(e, body.size)) {
        http2_stream_reset(&e->stream, HTTP2_ENHANCE_YOUR_CALM);
        exchange_complete(&e->common);
        return;
    }
    http2_stream_answer(&e->stream,
                        &(struct http2_answer){.status = status,
                                               .headers = headers,
                                               .header_count = header_count,
                                               .length = has_length ? body.size : HTTP2_NO_LENGTH,
                                               .date = front_date(loop_of(e)),
                                               .has_body = has_body});
    if (has_body) {
        http2_stream_write(&e->stream, body);
        http2_stream_end(&e->stream);
    }
    exchange_complete(&e->common);
}

static void answer_begin(struct http_exchange *x, unsigned status,
                         const struct http_header *headers, size_t header_count)
{
    struct http2_exchange *e = of(x);
    exchange_note_status(&e->common, status);
    e->common.is_streaming = true;
    http2_stream_answer(&e->stream, &(struct http2_answer){.status = status,
                                                           .headers = headers,
                                                           .header_count = header_count,
                                                           .length = HTTP2_NO_LENGTH,
                                                           .date = front_date(loop_of(e)),
                                                           .has_body = !is_head_only(e)});
    connection_touch(e->common.connection);
}

static void answer_more(struct http_exchange *x, struct slice bytes)
{
    struct http2_exchange *e = of(x);
    CHECK(e->common.is_streaming && !x->is_aborted);
    if (!is_head_only(e)) {
        http2_stream_write(&e->stream, bytes);
        connection_touch(e->common.connection);
    }
}

static size_t answer_waiting(const struct http_exchange *x)
{
    struct http2_exchange *e = of(x);
    /* A stream that was reset is about to be withdrawn: until then it takes nothing. */
    const size_t waiting = e->stream.is_reset ? HTTP_STREAM_HIGH : http2_stream_waiting(&e->stream);
    if (waiting >= HTTP_STREAM_HIGH && !e->common.wants_writable) {
        e->common.wants_writable = true;
        if (list_empty(&e->due)) {
            list_push(&e->owner->due, &e->due);
        }
    }
    return waiting;
}

static void answer_trailers(struct http_exchange *x, const struct http_header *headers,
                            size_t header_count)
{
    struct http2_exchange *e = of(x);
    CHECK(e->common.is_streaming && !x->is_aborted);
    if (!is_head_only(e)) {
        http2_stream_trailers(&e->stream, headers, header_count);
    }
}

static void answer_end(struct http_exchange *x, bool is_complete)
{
    struct http2_exchange *e = of(x);
    CHECK(e->common.is_streaming && !x->is_aborted);
    e->common.is_streaming = false;
    if (!is_complete) {
        http2_stream_reset(&e->stream, HTTP2_INTERNAL_ERROR);
    } else if (!is_head_only(e)) {
        http2_stream_end(&e->stream);
    }
    exchange_complete(&e->common);
}

static void pause_body(struct http_exchange *x)
{
    of(x)->common.is_paused = true;
}

static void resume_body(struct http_exchange *x)
{
    struct http2_exchange *e = of(x);
    e->common.is_paused = false;
    if (!x->is_aborted && list_empty(&e->due)) {
        list_push(&e->owner->due, &e->due);
        connection_touch(e->common.connection);
    }
}

static void done(struct http_exchange *x)
{
    struct http2_exchange *e = of(x);
    struct http2_connection *h = e->owner;
    CHECK(x->is_aborted);
    give(e);
    http2_free_if_gone(h);
}

static const struct http_exchange_ops *ops(void)
{
    static const struct http_exchange_ops table = {
        .respond = answer_whole,
        .stream_begin = answer_begin,
        .stream_write = answer_more,
        .stream_waiting = answer_waiting,
        .stream_trailers = answer_trailers,
        .stream_end = answer_end,
        .pause = pause_body,
        .resume = resume_body,
        .done = done,
    };
    return &table;
}

/* ---- Requests ---- */

/* Answers in the place of a handler. */
static void refuse(struct http2_exchange *e, unsigned status, const char *detail)
{
    struct buf body = {0};
    exchange_problem(&body, status, detail);
    const struct http_header type = {SLICE("content-type"), SLICE("application/problem+json")};
    e->common.is_answered = true;
    e->body_ns = 0;
    forget_body(e);
    http2_stream_answer(&e->stream, &(struct http2_answer){.status = status,
                                                           .headers = &type,
                                                           .header_count = 1,
                                                           .length = body.size,
                                                           .date = front_date(loop_of(e)),
                                                           .has_body = true});
    http2_stream_write(&e->stream, buf_slice(&body));
    buf_deinit(&body);
    http2_stream_end(&e->stream);
    connection_touch(e->common.connection);
}

static struct http2_stream *on_open(void *arg)
{
    struct http2_connection *h = arg;
    struct http2_exchange *e = get(h);
    exchange_init(&e->common, h->connection, ops(), &e->order);
    e->order = (struct call_order){0};
    e->owner = h;
    e->received = e->dropped = 0;
    e->body_ns = e->stall_ns = e->linger_ns = 0;
    e->is_end_told = false;
    list_init(&e->due);
    list_push(&h->exchanges, &e->link);
    h->exchange_count++;
    http2_stream_init(&e->stream, &e->common.arena);
    return &e->stream;
}

static void begin_whole(struct http2_exchange *e)
{
    e->body_ns = 0;
    if (e->common.x.route->body_max > 0) {
        e->common.x.request.body = buf_slice(&e->body);
    }
    exchange_begin(&e->common);
}

static void tell_end(struct http2_exchange *e)
{
    e->is_end_told = true;
    e->common.x.route->on_body(&e->common.x, (struct slice){NULL, 0});
}

/* The handler of a streamed body wants more of it. */
static bool takes_body(const struct http2_exchange *e)
{
    return !e->common.is_paused && !e->common.is_answered && !e->common.x.is_aborted;
}

static void on_head(void *arg, struct http2_stream *s)
{
    (void)arg;
    struct http2_exchange *e = of_stream(s);
    const char *detail = s->why;
    const unsigned refusal =
        s->refusal != 0 ? s->refusal
                        : exchange_prepare(&e->common, &s->request, s->content_length, &detail);
    e->common.is_body_done = s->is_request_done;
    if (refusal != 0) {
        refuse(e, refusal, detail);
        return;
    }
    if (!s->is_request_done && s->wants_continue) {
        http2_stream_continue(s);
    }
    if (e->common.x.route->is_streaming) {
        exchange_begin(&e->common);
        if (s->is_request_done && takes_body(e)) {
            tell_end(e);
        }
    } else if (s->is_request_done) {
        begin_whole(e);
    } else {
        e->body_ns = after_ms(e, BODY_MS);
    }
}

/* ---- Bodies ---- */

/* Keeps bytes, if all that is kept on this loop is not too much. */
static bool keep(struct http2_exchange *e, struct slice bytes)
{
    struct front_loop *l = loop_of(e);
    if (l->large_bytes + bytes.size > INPUT_MAX + router_value_max(l->context->router)) {
        return false;
    }
    l->large_bytes += bytes.size;
    buf_append_slice(&e->body, bytes);
    return true;
}

/* A body whose request is answered already: for a while, as the client may not know yet. It is not
 * reset at once, for there are clients that forget an answer when the reset comes with it. */
static void drop(struct http2_exchange *e, size_t size)
{
    e->dropped += size;
    if (e->dropped <= DROPPED_MAX) {
        http2_stream_consume(&e->stream, size);
    }
}

static void gather(struct http2_exchange *e, struct slice bytes)
{
    e->body_ns = after_ms(e, BODY_MS);
    http2_stream_consume(&e->stream, bytes.size);
    if (e->received > exchange_body_max(&e->common)) {
        refuse(e, 413, "the body is larger than allowed here");
    } else if (e->common.x.route->body_max > 0 && !keep(e, bytes)) {
        refuse(e, 429, "too many large requests are under way");
    }
}

static void hand_on(struct http2_exchange *e, struct slice bytes)
{
    http2_stream_consume(&e->stream, bytes.size);
    e->common.x.route->on_body(&e->common.x, bytes);
}

/* Whose answer may have begun: it can only be cut off when it is too much. */
static void stream(struct http2_exchange *e, struct slice bytes)
{
    const bool is_too_much = e->received > exchange_body_max(&e->common);
    if (!is_too_much && takes_body(e) && e->body.size == 0) {
        hand_on(e, bytes);
    } else if (is_too_much || !keep(e, bytes)) {
        http2_stream_reset(&e->stream, HTTP2_ENHANCE_YOUR_CALM);
    }
}

static void on_body(void *arg, struct http2_stream *s, struct slice bytes)
{
    (void)arg;
    struct http2_exchange *e = of_stream(s);
    e->received += bytes.size;
    if (e->common.is_answered) {
        drop(e, bytes.size);
    } else if (e->common.x.route->is_streaming) {
        stream(e, bytes);
    } else {
        gather(e, bytes);
    }
}

static void on_end(void *arg, struct http2_stream *s)
{
    (void)arg;
    struct http2_exchange *e = of_stream(s);
    e->common.is_body_done = true;
    if (e->common.is_answered) {
        return;
    }
    if (!e->common.x.route->is_streaming) {
        begin_whole(e);
    } else if (takes_body(e) && e->body.size == 0) {
        tell_end(e);
    }
}

/* A handler that had paused goes on. Bytes that are handed on lie in a buffer of their own,
 * because the handler may pause again, and more may come. */
static void hand_on_kept(struct http2_exchange *e)
{
    struct buf kept = e->body;
    e->body = (struct buf){0};
    if (kept.size > 0) {
        loop_of(e)->large_bytes -= kept.size;
        hand_on(e, buf_slice(&kept));
    }
    buf_deinit(&kept);
    if (e->common.is_body_done && !e->is_end_told && takes_body(e)) {
        tell_end(e);
    }
}

static bool has_body_due(const struct http2_exchange *e)
{
    return takes_body(e) && e->common.x.route->is_streaming &&
           (e->body.size > 0 || (e->common.is_body_done && !e->is_end_told));
}

static bool has_room_due(const struct http2_exchange *e)
{
    return e->common.wants_writable && !e->common.is_answered && !e->common.x.is_aborted &&
           !e->stream.is_reset && http2_stream_waiting(&e->stream) < HTTP_STREAM_HIGH / 2;
}

bool http2_exchanges_go_on(struct http2_connection *h)
{
    bool was_due = false;
    struct list batch;
    list_init(&batch);
    list_take(&batch, &h->due);
    while (!list_empty(&batch)) {
        struct http2_exchange *e = container_of(batch.next, struct http2_exchange, due);
        list_remove(&e->due);
        if (has_body_due(e)) {
            was_due = true;
            hand_on_kept(e);
        }
        if (has_room_due(e)) {
            was_due = true;
            e->common.wants_writable = false;
            e->common.x.route->on_writable(&e->common.x);
        }
        if (e->common.wants_writable && list_empty(&e->due)) {
            list_push(&h->due, &e->due);
        }
    }
    return was_due;
}

static void on_closed(void *arg, struct http2_stream *s, bool is_complete)
{
    (void)arg;
    (void)is_complete;
    withdraw(of_stream(s));
}

const struct http2_events *http2_events(void)
{
    static const struct http2_events table = {on_open, on_head, on_body, on_end, on_closed};
    return &table;
}

/* ---- Time-outs ---- */

/* Bytes wait for the client's window, and it has taken none for too long. */
static bool has_stalled(struct http2_exchange *e, uint64_t now_ns)
{
    const uint64_t sent = e->stream.sent_bytes;
    if (http2_stream_waiting(&e->stream) == 0) {
        e->stall_ns = 0;
        return false;
    }
    if (e->stall_ns == 0 || e->stall_sent != sent) {
        e->stall_ns = now_ns + STALL_MS * UINT64_C(1000000);
        e->stall_sent = sent;
    }
    return e->stall_ns <= now_ns;
}

/* All of the answer is sent, but not of the request, for long enough. */
static bool has_lingered(struct http2_exchange *e, uint64_t now_ns)
{
    if (!e->stream.is_sent) {
        return false;
    }
    if (e->linger_ns == 0) {
        e->linger_ns = now_ns + LINGER_MS * UINT64_C(1000000);
    }
    return e->linger_ns <= now_ns;
}

void http2_exchanges_sweep(struct http2_connection *h, uint64_t now_ns)
{
    for (struct list *at = h->exchanges.next; at != &h->exchanges; at = at->next) {
        struct http2_exchange *e = container_of(at, struct http2_exchange, link);
        if (e->stream.session == NULL) {
            continue;
        }
        if (has_lingered(e, now_ns)) {
            http2_stream_reset(&e->stream, HTTP2_NO_ERROR);
            connection_touch(h->connection);
        } else if (has_stalled(e, now_ns)) {
            http2_stream_reset(&e->stream, HTTP2_CANCEL);
            connection_touch(h->connection);
        } else if (e->body_ns != 0 && e->body_ns <= now_ns) {
            refuse(e, 408, "the request did not arrive in time");
        } else {
            exchange_sweep(&e->common, now_ns);
        }
    }
}
