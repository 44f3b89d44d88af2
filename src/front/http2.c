/* http2.c - a connection that speaks HTTP/2: its bytes, its time-outs, its end.
 *
 *   consume ─► session ─► exchanges (http2_stream.c) ··· handlers answer
 *   flush, at the end of the turn: what is due to handlers ─► session's output ─► one write
 *
 * Answers are taken out of the session only while the socket takes them: what a slow client does
 * not read stays in its streams, and stops those who produce it.
 *
 * A draining connection tells its client first that no more should be begun, and only when it
 * has read that which stream was the last: so no request is lost between the two. */
#include "front/http2.h"

#include "base/check.h"

static uint64_t after_ms(const struct connection *c, uint64_t ms)
{
    return loop_now_ns(c->loop->loop) + ms * UINT64_C(1000000);
}

/* ---- Its end ---- */

void http2_free_if_gone(struct http2_connection *h)
{
    struct connection *c = h->connection;
    if (h->session != NULL || h->exchange_count > 0) {
        return;
    }
    CHECK(c->http2 == h && list_empty(&h->due));
    c->http2 = NULL;
    mem_free(h);
    connection_free_if_gone(c);
}

void http2_close(struct connection *c)
{
    struct http2_connection *h = c->http2;
    if (h == NULL || h->session == NULL) {
        return;
    }
    http2_session_free(&h->session);
    front_buf_give(c->loop, &c->out);
    h->exchange_count++; /* so that it stays until all of them know */
    http2_exchanges_abort(h);
    h->exchange_count--;
    http2_free_if_gone(h);
}

/* All is said; handlers that are not done are told that their client is gone. */
static void finish(struct connection *c)
{
    const char *complaint = http2_session_complaint(c->http2->session);
    if (complaint != NULL) {
        log_warn(c->loop->front->log, "front", "a client was cut off",
                 F_TEXT("peer", pipe_peer(&c->pipe)), F_TEXT("why", complaint));
    }
    connection_finish(c);
    http2_close(c);
}

/* ---- Input ---- */

void http2_open(struct connection *c)
{
    struct http2_connection *h = mem_zero(1, sizeof(*h));
    h->connection = c;
    h->session = http2_session_new(http2_events(), h, &c->loop->http2_pool);
    h->idle_ns = loop_now_ns(c->loop->loop);
    list_init(&h->exchanges);
    list_init(&h->due);
    c->http2 = h;
    c->phase = PHASE_HTTP2;
    connection_deadline(c, HEAD_MS);
    connection_touch(c);
}

void http2_consume(struct connection *c, struct input *in)
{
    struct http2_connection *h = c->http2;
    const bool was_in_head = http2_session_is_in_head(h->session);
    h->ping_ns = 0;
    http2_session_input(h->session, slice_of(input_data(in), input_size(in)),
                        loop_now_ns(c->loop->loop));
    in->begin = in->end;
    if (!http2_session_is_in_head(h->session)) {
        c->deadline_ns = 0;
    } else if (!was_in_head) {
        connection_deadline(c, HEAD_MS);
    }
    connection_touch(c);
}

/* A client that sends no more cannot open windows or confirm anything: it has gone, and gets only
 * what is answered by the end of this turn. */
void http2_end(struct connection *c)
{
    connection_touch(c);
}

/* ---- The end of the turn ---- */

/* Writes what the socket takes. False: the connection is gone. */
static bool write_out(struct connection *c)
{
    struct http2_connection *h = c->http2;
    if (connection_waiting(c) >= HTTP_STREAM_HIGH) {
        return true;
    }
    if (c->out.capacity == 0) {
        c->out = front_buf_get(c->loop);
    }
    const bool has_more = http2_session_output(h->session, &c->out, HTTP_STREAM_HIGH);
    connection_write(c, &c->out);
    if (c->phase == PHASE_GONE) {
        return false;
    }
    front_buf_give(c->loop, &c->out);
    if (has_more && connection_waiting(c) < HTTP_STREAM_HIGH) {
        connection_touch(c);
    }
    return true;
}

void http2_flush(struct connection *c)
{
    struct http2_connection *h = c->http2;
    bool was_due = http2_exchanges_go_on(h);
    if (!write_out(c)) {
        return;
    }
    if (c->has_ended || http2_session_is_over(h->session)) {
        finish(c);
        return;
    }
    if (!list_empty(&h->due) && http2_exchanges_go_on(h)) { /* there may be room now */
        connection_touch(c);
        was_due = true;
    }
    if (was_due) {
        loop_again(c->loop->loop); /* calls were handed over behind the router's hook */
    }
    connection_read(c, connection_waiting(c) < HTTP_STREAM_HIGH);
}

/* ---- Time ---- */

void http2_drain(struct connection *c)
{
    struct http2_connection *h = c->http2;
    if (h->drain_ns == 0) {
        h->drain_ns = after_ms(c, HTTP2_DRAIN_MS);
        http2_session_drain(h->session);
        connection_touch(c);
    }
}

/* A client that is silent for long, though it waits for answers, is asked whether it is there. */
static void see_to_life(struct connection *c, uint64_t now_ns)
{
    struct http2_connection *h = c->http2;
    const uint64_t silent_ns = now_ns - c->active_ns;
    if (h->ping_ns == 0 && silent_ns > HTTP2_SILENT_MS * UINT64_C(1000000)) {
        h->ping_ns = now_ns + HTTP2_PONG_MS * UINT64_C(1000000);
        http2_session_ping(h->session);
        connection_touch(c);
    } else if (h->ping_ns != 0 && h->ping_ns <= now_ns) {
        connection_cut(c);
    }
}

void http2_sweep(struct connection *c, uint64_t now_ns)
{
    struct http2_connection *h = c->http2;
    if (c->deadline_ns != 0 && c->deadline_ns <= now_ns) {
        connection_cut(c); /* a head, or the preface, that does not become whole */
        return;
    }
    if (h->drain_ns != 0 && h->drain_ns <= now_ns) {
        http2_session_drain(h->session);
        connection_touch(c);
    }
    http2_exchanges_sweep(h, now_ns);
    if (h->exchange_count > 0) {
        see_to_life(c, now_ns);
    } else if (now_ns - h->idle_ns > HTTP2_IDLE_MS * UINT64_C(1000000)) {
        http2_drain(c);
    }
}
