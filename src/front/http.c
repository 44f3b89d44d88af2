/* http.c - a connection that speaks HTTP/1.1: one request after the other.
 *
 *   HEAD ──► (no body) ─────────────────────► ANSWER ──► flush: kept? ──► HEAD
 *     ├────► BODY    gathers it, whole ─────►   │                  └────► LINGER
 *     └────► STREAM  hands it on as it comes ►  │
 *
 * Requests sent ahead wait in the input, which is not read further meanwhile. */
#include <stdio.h>

#include "base/check.h"
#include "front/private.h"

/* ---- Refusals ---- */

void http_refuse(struct connection *c, unsigned status, const char *detail)
{
    if (c->exchange != NULL) {
        CHECK(!c->exchange->is_begun);
        exchange_give(c->loop, c->exchange);
        c->exchange = NULL;
    }
    char body[512];
    const int size = snprintf(body, sizeof(body),
                              "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,"
                              "\"detail\":\"%s\"}",
                              http_reason(status), status, detail);
    CHECK(size > 0 && (size_t)size < sizeof(body));
    const struct http_header type = {SLICE("Content-Type"), SLICE("application/problem+json")};
    struct buf *out = exchange_out(c);
    http1_write_head(out, &(struct http1_answer){.status = status,
                                                 .headers = &type,
                                                 .header_count = 1,
                                                 .length = (uint64_t)size,
                                                 .date = front_date(c->loop),
                                                 .is_closing = true});
    buf_append(out, body, (size_t)size);
    connection_write(c, out);
    connection_finish(c);
}

/* ---- The head ---- */

static bool is_guarded(struct connection *c, const struct http_request *r)
{
    const struct front *f = c->loop->front;
    if (!guard_host_is_known(r->host, f->hosts, f->host_count)) {
        http_refuse(c, 421,
                    "the host asked for is neither an address, nor localhost, nor "
                    "configured with --host");
        return false;
    }
    const struct slice origin = http_header(r, "origin");
    if (origin.data != NULL && !guard_origin_is_host(origin, r->host)) {
        http_refuse(c, 403, "a page of another origin must not use this server");
        return false;
    }
    return true;
}

static const struct http_route *find_route(const struct connection *c, const struct http_request *r,
                                           enum dialect *dialect)
{
    const struct front *f = c->loop->front;
    for (size_t i = 0; i < f->dialect_count; i++) {
        if ((c->serves & 1U << i) == 0) {
            continue;
        }
        const struct http_route *route = f->dialects[i]->find(r);
        if (route != NULL) {
            *dialect = f->dialects[i]->dialect;
            return route;
        }
    }
    *dialect = DIALECT_ADMIN;
    return unknown_route();
}

/* A body that is gathered whole is never larger than a value and its wrapping may be (base64 in
 * JSON), whatever the route would take. */
static size_t body_max(const struct connection *c, const struct http_route *route)
{
    if (route->is_streaming) {
        return route->body_max;
    }
    if (route->body_max == 0) {
        return DROPPED_MAX;
    }
    const size_t most = 2 * router_value_max(c->loop->context->router) + WRAPPING_MAX;
    return route->body_max < most ? route->body_max : most;
}

static void say_continue(struct connection *c, const struct exchange *e, const struct input *in)
{
    if (e->head.wants_continue && input_size(in) <= e->head.consumed) {
        buf_append_text(exchange_out(c), "HTTP/1.1 100 Continue\r\n\r\n");
    }
}

/* The request lies at `data` now; its head is read again, for where its parts are. */
static void move_to(struct exchange *e, const uint8_t *data)
{
    if (e->base == data) {
        return;
    }
    const size_t size = e->head.consumed;
    e->head.scanned = 0;
    CHECK(http1_read_head(&e->head, data, size) == HTTP1_HEAD);
    e->x.request = e->head.request;
    e->base = data;
}

/* The request is complete: `size` bytes, of which the last `body_size` are its body. */
static void begin_whole(struct connection *c, struct input *in, size_t size, size_t body_size)
{
    struct exchange *e = c->exchange;
    uint8_t *data = input_data(in);
    move_to(e, data);
    if (e->x.route->body_max > 0) {
        e->x.request.body = slice_of(data + size - body_size, body_size);
    }
    e->chunk = chunk_hold(in->chunk);
    e->is_body_done = true;
    c->phase = PHASE_HTTP_ANSWER;
    c->wanted = 0;
    c->deadline_ns = 0;
    exchange_begin(e);
}

/* The head gets a chunk of its own, because such a request may last. */
static void begin_stream(struct connection *c, struct input *in)
{
    struct exchange *e = c->exchange;
    const size_t size = e->head.consumed;
    e->chunk = chunk_new(size);
    memcpy(e->chunk->bytes, input_data(in), size);
    move_to(e, e->chunk->bytes);
    in->begin += size;
    c->phase = PHASE_HTTP_STREAM;
    connection_deadline(c, BODY_MS);
    exchange_begin(e);
}

/* The head in c->exchange was read. */
static void begin_request(struct connection *c, struct input *in)
{
    struct exchange *e = c->exchange;
    const struct http1_head *h = &e->head;
    if (!is_guarded(c, &h->request)) {
        return;
    }
    enum dialect dialect = DIALECT_ADMIN;
    const struct http_route *route = find_route(c, &h->request, &dialect);
    exchange_prepare(c, e, route, dialect);
    if (h->content_length > body_max(c, route)) {
        http_refuse(c, 413, "the body is larger than allowed here");
        return;
    }
    if (route->is_streaming) {
        say_continue(c, e, in);
        begin_stream(c, in);
    } else if (!h->request.has_body) {
        begin_whole(c, in, h->consumed, 0);
        in->begin += h->consumed;
    } else {
        say_continue(c, e, in);
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
    struct exchange *e = exchange_get(c->loop);
    e->connection = c;
    e->head.scanned = c->scanned;
    e->base = input_data(in);
    const enum http1_status status = http1_read_head(&e->head, e->base, input_size(in));
    if (status == HTTP1_HEAD) {
        c->scanned = 0;
        c->exchange = e;
        begin_request(c, in);
        return true;
    }
    if (status == HTTP1_MORE && c->scanned == 0) {
        connection_deadline(c, HEAD_MS);
    }
    c->scanned = e->head.scanned;
    const unsigned refusal = e->head.status;
    const char *why = e->head.why;
    exchange_give(c->loop, e);
    if (status == HTTP1_BROKEN) {
        http_refuse(c, refusal, why);
    }
    return false;
}

/* ---- Bodies ---- */

static void gather_length(struct connection *c, struct input *in)
{
    const struct exchange *e = c->exchange;
    const size_t body = (size_t)e->head.content_length;
    const size_t size = e->head.consumed + body;
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
    struct exchange *e = c->exchange;
    size_t used = 0;
    size_t decoded = 0;
    const size_t raw_at = e->body_end;
    const enum http1_chunk_status status = http1_chunks_read(
        &e->chunks, input_data(in) + raw_at, input_size(in) - raw_at, &used, &decoded);
    if (status == HTTP1_CHUNK_BROKEN) {
        http_refuse(c, 400, "the chunked body is broken");
        return;
    }
    e->body_end += decoded;
    const size_t body = e->body_end - e->head.consumed;
    if (body > body_max(c, e->x.route)) {
        http_refuse(c, 413, "the body is larger than allowed here");
    } else if (status == HTTP1_CHUNK_MORE) {
        in->end = in->begin + e->body_end;
        connection_deadline(c, BODY_MS);
    } else {
        begin_whole(c, in, e->body_end, body);
        in->begin += raw_at + used;
    }
}

static void end_body(struct connection *c)
{
    c->phase = PHASE_HTTP_ANSWER;
    c->deadline_ns = 0;
    c->exchange->x.route->on_body(&c->exchange->x, (struct slice){NULL, 0});
}

static bool takes_body(const struct exchange *e)
{
    return !e->is_paused && !e->is_answered;
}

static void stream_length(struct connection *c, struct input *in)
{
    struct exchange *e = c->exchange;
    const size_t have = input_size(in);
    const size_t part = e->body_left < have ? (size_t)e->body_left : have;
    e->body_left -= part;
    e->is_body_done = e->body_left == 0;
    if (part > 0) {
        const struct slice bytes = slice_of(input_data(in), part);
        in->begin += part;
        e->x.route->on_body(&e->x, bytes);
    }
    if (e->is_body_done && takes_body(e)) {
        end_body(c);
    }
}

static void stream_chunks(struct connection *c, struct input *in)
{
    struct exchange *e = c->exchange;
    if (input_size(in) > 0 && !e->is_body_done) {
        uint8_t *data = input_data(in);
        size_t used = 0;
        size_t decoded = 0;
        const enum http1_chunk_status status =
            http1_chunks_read(&e->chunks, data, input_size(in), &used, &decoded);
        if (status == HTTP1_CHUNK_BROKEN || decoded > e->x.route->body_max - e->body_left) {
            connection_cut(c); /* its answer may have begun */
            return;
        }
        e->is_body_done = status == HTTP1_CHUNK_END;
        e->body_left += decoded;
        in->begin += used;
        if (decoded > 0) {
            e->x.route->on_body(&e->x, slice_of(data, decoded));
        }
    }
    if (e->is_body_done && takes_body(e)) {
        end_body(c);
    }
}

static void stream_body(struct connection *c, struct input *in)
{
    struct exchange *e = c->exchange;
    if (!takes_body(e)) {
        c->deadline_ns = 0; /* the handler's turn, not the client's */
        return;
    }
    connection_deadline(c, BODY_MS);
    if (e->head.is_chunked) {
        stream_chunks(c, in);
    } else {
        stream_length(c, in);
    }
}

/* ---- The connection ---- */

/* Reads as long as there is something to take: a request, its body, or the client's end. */
static void see_to_reading(struct connection *c)
{
    const struct exchange *e = c->exchange;
    const bool is_paused = c->phase == PHASE_HTTP_STREAM && !takes_body(e);
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
    const struct exchange *e = c->exchange;
    if (e->is_body_done) {
        return false;
    }
    const size_t have = c->in.chunk == NULL ? 0 : input_size(&c->in);
    return e->head.is_chunked ? have == 0 : have < e->body_left;
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
    struct exchange *e = c->exchange;
    const bool is_kept = e->head.is_keep_alive && e->is_body_done && !c->is_ending;
    c->exchange = NULL;
    exchange_give(c->loop, e);
    c->phase = PHASE_HTTP_HEAD;
    connection_deadline(c, IDLE_MS);
    return is_kept;
}

static bool is_answered(const struct connection *c)
{
    return c->exchange != NULL && c->exchange->is_answered;
}

static void tell_writable(struct connection *c)
{
    struct exchange *e = c->exchange;
    if (e != NULL && e->wants_writable && !e->is_answered &&
        connection_waiting(c) < HTTP_STREAM_HIGH / 2) {
        e->wants_writable = false;
        e->x.route->on_writable(&e->x);
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
                              (c->in.chunk != NULL || c->exchange->is_body_done);
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
        exchange_abort(c->exchange);
    }
    front_buf_give(c->loop, &c->out);
}
