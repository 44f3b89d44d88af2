/* http2.h - the inside of front/: a connection that speaks HTTP/2. Used by http2.c,
 * http2_stream.c and, at its lower end, connection.c.
 *
 *   connection.c ─► http2.c: the connection's bytes, time-outs, its end
 *                     └─► wire/http2.h ─► http2_stream.c: one exchange for each stream */
#ifndef FRONT_HTTP2_H
#define FRONT_HTTP2_H

#include "front/private.h"
#include "wire/http2.h"

#define HTTP2_IDLE_MS       1800000 /* without a stream; gRPC's clients keep such channels */
#define HTTP2_SILENT_MS     120000  /* with streams, but without a byte: then it is asked */
#define HTTP2_PONG_MS       20000   /* for a sign of life, and given this long */
#define HTTP2_DRAIN_MS      1000    /* to learn that no more should be begun */
#define HTTP2_BODY_KEPT     ((size_t)16 << 10) /* larger buffers of streams are given back */
#define HTTP2_EXCHANGES_MAX 256                /* kept for each loop */

/* One stream. Lives until the stream is closed and its handler has let go of it. */
struct http2_exchange {
    struct exchange common;
    struct http2_exchange *spare;
    struct list link; /* of http2_connection.exchanges */
    struct list due;  /* of http2_connection.due */
    struct http2_connection *owner;
    struct call_order order; /* streams are independent of each other: no order among them */
    struct buf body;         /* gathered whole; or what came while the handler paused */
    uint64_t received;       /* bytes of the body */
    size_t dropped;          /* of them, since the request is answered */
    uint64_t body_ns;        /* the next byte of a gathered body comes until then; 0: not due */
    uint64_t stall_ns;       /* the client takes something until then; 0: nothing waits */
    uint64_t stall_sent;     /* bytes it had taken when stall_ns was set */
    uint64_t linger_ns;      /* answered, the rest of the request is waited for until then */
    bool is_end_told;        /* on_body() has been called with the end */
    struct http2_stream stream;
};

struct http2_connection {
    struct connection *connection; /* of whom this is `http2` */
    struct http2_session *session; /* NULL: closed; what is left waits for its handlers */
    struct list exchanges;
    size_t exchange_count;
    struct list due;   /* exchanges with a body to hand on, or that wait to write more */
    uint64_t idle_ns;  /* without an exchange since then */
    uint64_t ping_ns;  /* a sign of life is due until then; 0: none was asked for */
    uint64_t drain_ns; /* it is told the last stream then; 0: it does not drain */
};

/* ---- http2_stream.c ---- */

const struct http2_events *http2_events(void);

/* Hands on what is due: bodies that were paused, and room to write. True: a handler was called. */
bool http2_exchanges_go_on(struct http2_connection *h);

/* Time-outs of streams. */
void http2_exchanges_sweep(struct http2_connection *h, uint64_t now_ns);

/* The session is gone: all exchanges are withdrawn. */
void http2_exchanges_abort(struct http2_connection *h);

/* ---- http2.c ---- */

/* The last exchange of a closed connection is gone: frees it. */
void http2_free_if_gone(struct http2_connection *h);

#endif
