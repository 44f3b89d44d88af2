/* http.c - a connection that speaks HTTP/1.1: one request after the other.
 *
 *   HEAD ──► (no body) ─────────────────────► ANSWER ──► flush: kept? ──► HEAD
 *     ├────► BODY    gathers it, whole ─────►   │                  └────► LINGER
 *     └────► STREAM  hands it on as it comes ►  │
 *
 * Requests sent ahead wait in the input, which is not read further meanwhile. */
#include "base/check.h"
#include "front/private.h"

/* ---- Refusals ---- */

void http_refuse(struct connection *c, unsigned status, const char *detail)
{
    if (c->exchange != NULL) {
        CHECK(!c->exchange->common.is_begun);
        http1_exchange_give(c->loop, c->exchange);
        c->exchange = NULL;
    }
    struct buf body = {0};
    exchange_problem(&body, status, detail);
    const struct http_header type = {SLICE("Content-Type"), SLICE("application/problem+json")};
    struct buf *out = connection_out(c);
    http1_write_head(out, &(struct http1_answer){.status = status,
                                                 .headers = &type,
                                                 .header_count = 1,
                                                 .length = body.size,
                                                 .date = front_date(c->loop),
                                                 .is_closing = true});
    buf_append_slice(out, buf_slice(&body));
    buf_deinit(&body);
    connection_write(c, out);
    connection_finish(c);
}

/* ---- The head ---- */

static void say_continue(struct connection *c, const struct http1_exchange *h,
                         const struct input *in)
{
    if (h->head.wants_continue && input_size(in) <= h->head.consumed) {
        buf_append_text(connection_out(c), "HTTP/1.1 100 Continue\r\n\r\n");
    }
}

/* The request lies at `data` now; its head is read again, for where its parts are. */
static void move_to(struct http1_exchange *h, const uint8_t *data)
{
    if (h->base == data) {
        return;
    }
    const size_t size = h->head.consumed;
    h->head.scanned = 0;
    CHECK(http1_read_head(&h->head, data, size) == HTTP1_HEAD);
    h->common.x.request = h->head.request;
    h->base = data;
}

/* The request is complete: `size` bytes, of which the last `body_size` are its body. */
static void begin_whole(struct connection *c, struct input *in, size_t size, size_t body_size)
{
    struct http1_exchange *h = c->exchange;
    uint8_t *data = input_data(in);
    move_to(h, data);
    if (h->common.x.route->body_max > 0) {
        h->common.x.request.body = slice_of(data + size - body_size, body_size);
    }
    h->chunk = chunk_hold(in->chunk);
    h->common.is_body_done = true;
    c->phase = PHASE_HTTP_ANSWER;
    c->wanted = 0;
    c->deadline_ns = 0;
    exchange_begin(&h->common);
}

/* The head gets a chunk of its own, because such a request may last. */
static void begin_stream(struct connection *c, struct input *in)
{
    struct http1_exchange *h = c->exchange;
    const size_t size = h->head.consumed;
    h->chunk = chunk_new(size);
    memcpy(h->chunk->bytes, input_data(in), size);
    move_to(h, h->chunk->bytes);
    in->begin += size;
    c->phase = PHASE_HTTP_STREAM;
    connection_deadline(c, BODY_MS);
    exchange_begin(&h->common);
}

/* The head in c->exchange was read. */
static void begin_request(struct connection *c, struct input *in)
{
    struct http1_exchange *h = c->exchange;
    const struct http1_head *head = &h->head;
    const char *detail = NULL;
    const unsigned refusal =
        exchange_prepare(&h->common, &head->request, head->content_length, &detail);
    if (refusal != 0) {
        http_refuse(c, refusal, detail);
        return;
    }
    h->body_left = head->content_length;
    h->body_end = head->consumed;
    h->chunks = (struct http1_chunks){0};
    if (h->common.x.route->is_streaming) {
        say_continue(c, h, in);
        begin_stream(c, in);
    } else if (!head->request.has_body) {
        begin_whole(c, in, head->consumed, 0);
        in->begin += head->consumed;
    } else {
        say_continue(c, h, in);
        c->phase = PHASE_HTTP_BODY;
        connection_deadline(c, BODY_MS);
    }
}

/* True: a request has begun, or was refused. */
static bool read_head(struct connection *c, struct input *in)
{
    if (c->is_ending) {
        connection_finish(c);
        return false;
    }
    c->is_blocked = false;
    struct http1_exchange *h = http1_exchange_get(c);
    h->head.scanned = c->scanned;
    h->base = input_data(in);
    const enum http1_status status = http1_read_head(&h->head, h->base, input_size(in));
    if (status == HTTP1_HEAD) {
        c->scanned = 0;
        c->exchange = h;
        begin_request(c, in);
        return true;
    }
    if (status == HTTP1_MORE && c->scanned == 0) {
        connection_deadline(c, HEAD_MS);
    }
    c->scanned = h->head.scanned;
    const unsigned refusal = h->head.status;
    const char *why = h->head.why;
    http1_exchange_give(c->loop, h);
    if (status == HTTP1_BROKEN) {
        http_refuse(c, refusal, why);
    }
    return false;
}

/* ---- Bodies ---- */

static void gather_length(struct connection *c, struct input *in)
{
    const struct http1_exchange *h = c->exchange;
    const size_t body = (size_t)h->head.content_length;
    const size_t size = h->head.consumed + body;
    if (input_size(in) < size) {
        c->wanted = size;
        connection_deadline(c, BODY_MS);
        return;
    }
    begin_whole(c, in, size, body);
    in->begin += size;
}

/* Decodes in place, so that the body follows the head without gaps. */
static void gather_chunks(struct connection *c, struct input *in)
{
    struct http1_exchange *h = c->exchange;
    size_t used = 0;
    size_t decoded = 0;
    const size_t raw_at = h->body_end;
    const enum http1_chunk_status status = http1_chunks_read(
        &h->chunks, input_data(in) + raw_at, input_size(in) - raw_at, &used, &decoded);
    if (status == HTTP1_CHUNK_BROKEN) {
        http_refuse(c, 400, "the chunked body is broken");
        return;
    }
    h->body_end += decoded;
    const size_t body = h->body_end - h->head.consumed;
    if (body > exchange_body_max(&h->common)) {
        http_refuse(c, 413, "the body is larger than allowed here");
    } else if (status == HTTP1_CHUNK_MORE) {
        in->end = in->begin + h->body_end;
        connection_deadline(c, BODY_MS);
    } else {
        begin_whole(c, in, h->body_end, body);
        in->begin += raw_at + used;
    }
}

static void end_body(struct connection *c)
{
    c->phase = PHASE_HTTP_ANSWER;
    c->deadline_ns = 0;
    c->exchange->common.x.route->on_body(&c->exchange->common.x, (struct slice){NULL, 0});
}

static bool takes_body(const struct http1_exchange *h)
{
    return !h->common.is_paused && !h->common.is_answered;
}

static void stream_length(struct connection *c, struct input *in)
{
    struct http1_exchange *h = c->exchange;
    const size_t have = input_size(in);
    const size_t part = h->body_left < have ? (size_t)h->body_left : have;
    h->body_left -= part;
    h->common.is_body_done = h->body_left == 0;
    if (part > 0) {
        const struct slice bytes = slice_of(input_data(in), part);
        in->begin += part;
        h->common.x.route->on_body(&h->common.x, bytes);
    }
    if (h->common.is_body_done && takes_body(h)) {
        end_body(c);
    }
}

static void stream_chunks(struct connection *c, struct input *in)
{
    struct http1_exchange *h = c->exchange;
    if (input_size(in) > 0 && !h->common.is_body_done) {
        uint8_t *data = input_data(in);
        size_t used = 0;
        size_t decoded = 0;
        const enum http1_chunk_status status =
            http1_chunks_read(&h->chunks, data, input_size(in), &used, &decoded);
        if (status == HTTP1_CHUNK_BROKEN || decoded > h->common.x.route->body_max - h->body_left) {
            connection_cut(c); /* its answer may have begun */
            return;
        }
        h->common.is_body_done = status == HTTP1_CHUNK_END;
        h->body_left += decoded;
        in->begin += used;
        if (decoded > 0) {
            h->common.x.route->on_body(&h->common.x, slice_of(data, decoded));
        }
    }
    if (h->common.is_body_done && takes_body(h)) {
        end_body(c);
    }
}

static void stream_body(struct connection *c, struct input *in)
{
    struct http1_exchange *h = c->exchange;
    if (!takes_body(h)) {
        c->deadline_ns = 0; /* the handler's turn, not the client's */
        return;
    }
    connection_deadline(c, BODY_MS);
    if (h->head.is_chunked) {
        stream_chunks(c, in);
    } else {
        stream_length(c, in);
    }
}

/* ---- The connection ---- */

/* Reads as long as there is something to take: a request, its body, or the client's end. */
static void see_to_reading(struct connection *c)
{
    const struct http1_exchange *h = c->exchange;
    const bool is_paused = c->phase == PHASE_HTTP_STREAM && !takes_body(h);
    connection_read(c, !c->has_ended && !c->is_blocked && !is_paused &&
                           connection_waiting(c) < HTTP_STREAM_HIGH);
}

void http_consume(struct connection *c, struct input *in)
{
    if (c->phase == PHASE_HTTP_HEAD && input_size(in) > 0) {
        (void)read_head(c, in);
    }
    if (c->phase == PHASE_HTTP_BODY && c->exchange->head.is_chunked) {
        gather_chunks(c, in);
    } else if (c->phase == PHASE_HTTP_BODY) {
        gather_length(c, in);
    } else if (c->phase == PHASE_HTTP_STREAM) {
        stream_body(c, in);
    }
    if (c->phase == PHASE_HTTP_ANSWER && input_size(in) > 0) {
        c->is_blocked = true; /* sent ahead: its turn comes */
        connection_read(c, false);
    }
}

/* More of the streamed body is due than lies here. */
static bool is_cut_short(const struct connection *c)
{
    const struct http1_exchange *h = c->exchange;
    if (h->common.is_body_done) {
        return false;
    }
    const size_t have = c->in.chunk == NULL ? 0 : input_size(&c->in);
    return h->head.is_chunked ? have == 0 : have < h->body_left;
}

void http_end(struct connection *c)
{
    if (c->phase == PHASE_HTTP_BODY || (c->phase == PHASE_HTTP_STREAM && is_cut_short(c))) {
        connection_cut(c); /* the rest of the body will never come */
    } else {
        connection_touch(c);
    }
}

/* The answer is complete. False: the connection is not kept. */
static bool end_exchange(struct connection *c)
{
    struct http1_exchange *h = c->exchange;
    const bool is_kept = h->head.is_keep_alive && h->common.is_body_done && !c->is_ending;
    c->exchange = NULL;
    http1_exchange_give(c->loop, h);
    c->phase = PHASE_HTTP_HEAD;
    connection_deadline(c, IDLE_MS);
    return is_kept;
}

static bool is_answered(const struct connection *c)
{
    return c->exchange != NULL && c->exchange->common.is_answered;
}

static void tell_writable(struct connection *c)
{
    struct http1_exchange *h = c->exchange;
    if (h != NULL && h->common.wants_writable && !h->common.is_answered &&
        connection_waiting(c) < HTTP_STREAM_HIGH / 2) {
        h->common.wants_writable = false;
        h->common.x.route->on_writable(&h->common.x);
        loop_again(c->loop->loop);
    }
}

/* The client takes what it is answered, so more may be begun. */
static bool may_begin(const struct connection *c)
{
    return c->out.size + connection_waiting(c) < HTTP_STREAM_HIGH;
}

/* Takes requests that were sent ahead, and bodies that were paused. False: it was the last. */
static bool go_on(struct connection *c)
{
    for (unsigned i = 0; i < PIPELINE_MAX; i++) {
        if (is_answered(c) && !end_exchange(c)) {
            return false;
        }
        const bool has_input = c->phase == PHASE_HTTP_HEAD && c->is_blocked && may_begin(c);
        const bool has_body = c->phase == PHASE_HTTP_STREAM && takes_body(c->exchange) &&
                              (c->in.chunk != NULL || c->exchange->common.is_body_done);
        if (!has_input && !has_body) {
            break;
        }
        connection_continue(c);
        if (!is_answered(c)) {
            break;
        }
    }
    if (is_answered(c)) {
        connection_touch(c); /* enough for one turn */
    }
    return true;
}

void http_flush(struct connection *c)
{
    const bool goes_on = go_on(c);
    if (c->phase >= PHASE_LINGER) {
        return;
    }
    connection_write(c, &c->out);
    if (c->phase == PHASE_GONE) {
        return;
    }
    front_buf_give(c->loop, &c->out);
    tell_writable(c);
    if (c->phase == PHASE_HTTP_HEAD && c->is_blocked && may_begin(c)) {
        connection_touch(c); /* the socket has taken what stood in the way */
    }
    const bool is_last = c->is_ending || (c->has_ended && !c->is_blocked);
    if (!goes_on || (is_last && c->phase == PHASE_HTTP_HEAD)) {
        connection_finish(c);
    } else {
        see_to_reading(c);
    }
}

void http_drain(struct connection *c)
{
    connection_touch(c);
}

void http_timeout(struct connection *c)
{
    const bool is_idle = c->phase == PHASE_HTTP_HEAD && c->in.chunk == NULL;
    if (is_idle) {
        connection_finish(c);
    } else if (c->phase == PHASE_HTTP_STREAM) {
        connection_cut(c); /* its answer may have begun */
    } else {
        http_refuse(c, 408, "the request did not arrive in time");
    }
}

void http_close(struct connection *c)
{
    if (c->exchange != NULL) {
        exchange_abort(&c->exchange->common);
    }
    front_buf_give(c->loop, &c->out);
}
