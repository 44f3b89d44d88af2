/* choose.c - what a connection speaks, by its first bytes, and again by the first inside TLS. */
#include "front/private.h"

void connection_await_request(struct connection *c)
{
    c->deadline_ns = 0;
    if ((c->serves & (LISTENS_REDIS | LISTENS_TEXT)) == 0) { /* their pools are silent for hours */
        connection_deadline(c, IDLE_MS);
    }
}

/* The client speaks TLS: what it says inside is told apart again. */
static void begin_tls(struct connection *c, struct input *in)
{
    struct tls_context *context = front_tls(c->loop->front);
    const char *why = NULL;
    if (context == NULL) {
        why = "there is no certificate";
    } else if (pipe_is_tls(&c->pipe)) {
        why = "TLS inside TLS";
    } else if (!pipe_begin_tls(c->loop, &c->pipe, context,
                               slice_of(input_data(in), input_size(in)))) {
        why = "too many at a time";
    }
    if (why != NULL) {
        log_debug(c->loop->front->log, "front", "a TLS client was sent away",
                  F_TEXT("peer", pipe_peer(&c->pipe)), F_TEXT("why", why));
        connection_cut(c);
    } else {
        connection_deadline(c, HANDSHAKE_MS);
        in->begin = in->end;
    }
    tls_context_release(&context);
}

void connection_secured(struct connection *c)
{
    if (c->phase == PHASE_SNIFF) {
        c->active_ns = 0; /* it has said nothing yet */
        connection_await_request(c);
    }
}

static void refuse_plain(struct connection *c, enum protocol protocol)
{
    if (protocol != PROTOCOL_RESP) {
        http_refuse(c, 400, "only TLS is spoken here: use https");
        return;
    }
    struct buf out = front_buf_get(c->loop);
    buf_append_text(&out, "-ERR only TLS is spoken here\r\n");
    connection_write(c, &out);
    front_buf_give(c->loop, &out);
    connection_finish(c);
}

/* Where lines are spoken there is nothing else to tell apart, but for TLS around them. */
static void choose_text(struct connection *c, struct input *in, bool must_be_tls)
{
    if (sniff(input_data(in), 1) == PROTOCOL_TLS) {
        begin_tls(c, in);
    } else if (must_be_tls) {
        connection_cut(c);
    } else {
        text_open(c);
    }
}

/* ALPN has agreed on HTTP/2, and something else comes. */
static bool breaks_agreement(const struct connection *c, enum protocol protocol)
{
    return slice_equal(pipe_protocol(&c->pipe), SLICE("h2")) && protocol != PROTOCOL_HTTP2;
}

void choose_protocol(struct connection *c, struct input *in)
{
    const bool must_be_tls = c->loop->front->is_tls_only && !pipe_is_tls(&c->pipe);
    if ((c->serves & LISTENS_TEXT) != 0) {
        choose_text(c, in, must_be_tls);
        return;
    }
    const enum protocol protocol = sniff(input_data(in), input_size(in));
    if (protocol == PROTOCOL_UNKNOWN) {
        if (c->deadline_ns == 0 || c->active_ns == 0) {
            connection_deadline(c, HEAD_MS);
        }
        return;
    }
    if (must_be_tls && protocol != PROTOCOL_TLS) {
        refuse_plain(c, protocol);
        return;
    }
    if (breaks_agreement(c, protocol)) {
        connection_cut(c);
        return;
    }
    switch (protocol) {
    case PROTOCOL_UNKNOWN:
        break;
    case PROTOCOL_RESP:
        c->deadline_ns = 0;
        if ((c->serves & LISTENS_REDIS) == 0) {
            http_refuse(c, 400, "only HTTP is spoken here");
            break;
        }
        c->phase = PHASE_RESP;
        resp_open(c);
        break;
    case PROTOCOL_HTTP:
        c->phase = PHASE_HTTP_HEAD;
        break;
    case PROTOCOL_HTTP2:
        http2_open(c);
        break;
    case PROTOCOL_TLS:
        begin_tls(c, in);
        break;
    }
}
