/* http.h - HTTP messages, whatever the version: requests as handlers see them, and the
 * exchange by which they answer.
 *
 * A dialect's handler is given an exchange and answers it exactly once: whole
 * (http_respond), or as a stream. The owner of the connection (front) implements
 * struct http_exchange_ops, for HTTP/1 and for HTTP/2. Everything happens on one loop's
 * thread. */
#ifndef WIRE_HTTP_H
#define WIRE_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define HTTP_HEADERS_MAX 64 /* header fields of one request */

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_PATCH,
    HTTP_OPTIONS,
    HTTP_OTHER
};

struct http_header {
    struct slice name; /* as sent (HTTP/1) or in lower case (HTTP/2); compare with http_header() */
    struct slice value;
};

struct http_request {
    enum http_method method;
    struct slice method_text;
    struct slice path;  /* up to '?', still percent-encoded; begins with '/' */
    struct slice query; /* behind '?', still encoded; NULL data: there was no '?' */
    struct slice host;  /* authority without user information */
    const struct http_header *headers;
    size_t header_count;
    struct slice body; /* whole, when the route wanted it so (HTTP_BODY_WHOLE) */
    bool has_body;
    bool is_http2;
};

struct http_exchange;

/* What a route does with a request. The pointer to it is what a router of paths returns. */
struct http_route {
    const char *name;  /* of the operation, for metrics: "kv_get" */
    size_t body_max;   /* bytes; larger: 413. 0 with is_streaming false: a body is read and dropped
                        * up to 64 KiB */
    bool is_streaming; /* on_body is called as bytes come, else `body` is whole at `handle` */
    /* Begins to answer. Streaming: when the head has arrived; else with the whole request. */
    void (*handle)(struct http_exchange *x, void *arg);
    /* Streaming only: the next bytes (borrowed for the call); size 0: the end. The handler takes
     * all; http_pause() stops further calls until http_resume(). */
    void (*on_body)(struct http_exchange *x, struct slice bytes);
    /* A streamed answer may go on: less than half of HTTP_STREAM_HIGH waits for the socket. */
    void (*on_writable)(struct http_exchange *x);
    /* The client is gone, or the connection closes, before the answer was complete. The handler
     * withdraws what it has begun and calls http_done() as soon as nothing refers to `x`. */
    void (*on_abort)(struct http_exchange *x);
    /* `deadline_ns` has passed and the answer is not complete: about once a second from then on.
     * For routes that set it. */
    void (*on_deadline)(struct http_exchange *x);
};

#define HTTP_STREAM_HIGH ((size_t)256 << 10) /* bytes waiting: stop producing */

struct http_exchange_ops {
    void (*respond)(struct http_exchange *x, unsigned status, const struct http_header *headers,
                    size_t header_count, struct slice body);
    void (*stream_begin)(struct http_exchange *x, unsigned status,
                         const struct http_header *headers, size_t header_count);
    void (*stream_write)(struct http_exchange *x, struct slice bytes);
    size_t (*stream_waiting)(const struct http_exchange *x);
    /* NULL: the version has none. */
    void (*stream_trailers)(struct http_exchange *x, const struct http_header *headers,
                            size_t header_count);
    void (*stream_end)(struct http_exchange *x, bool is_complete);
    void (*pause)(struct http_exchange *x);
    void (*resume)(struct http_exchange *x);
    void (*done)(struct http_exchange *x);
};

/* One request and its answer. Made and freed by the owner of the connection. */
struct http_exchange {
    const struct http_exchange_ops *ops;
    const struct http_route *route;
    struct http_request request; /* its bytes live until the answer is complete */
    struct arena *arena;         /* the same lifetime */
    void *connection_order;      /* struct call_order of router/call.h */
    void *loop_arg;              /* of the router on this loop, see api/service.h */
    void *stats;                 /* struct operation_stats of router/facts.h; NULL: not counted */
    void *user;                  /* the handler's own */
    uint64_t deadline_ns;        /* set by the handler, on the loop's clock; 0: none */
    bool is_aborted;
    bool is_tls;     /* the connection is */
    bool is_patient; /* set by the handler: it takes as long as its client or an event does, and is
                      * not slow */
};

/* Answers whole. `headers` need not hold Content-Length, Date or Connection. Bytes are copied. For
 * HEAD the body's length is sent and the body is not. 204 and 304 have none. */
static inline void http_respond(struct http_exchange *x, unsigned status,
                                const struct http_header *headers, size_t header_count,
                                struct slice body)
{
    x->ops->respond(x, status, headers, header_count, body);
}

/* Answers in pieces: chunked in HTTP/1.1. */
static inline void http_stream_begin(struct http_exchange *x, unsigned status,
                                     const struct http_header *headers, size_t header_count)
{
    x->ops->stream_begin(x, status, headers, header_count);
}

static inline void http_stream_write(struct http_exchange *x, struct slice bytes)
{
    x->ops->stream_write(x, bytes);
}

/* Bytes that wait for the socket: at HTTP_STREAM_HIGH stop until on_writable. */
static inline size_t http_stream_waiting(const struct http_exchange *x)
{
    return x->ops->stream_waiting(x);
}

/* Fields behind the body, sent with the end: once, before http_stream_end(). Copied. HTTP/1.1 drops
 * them. */
static inline void http_stream_trailers(struct http_exchange *x, const struct http_header *headers,
                                        size_t header_count)
{
    if (x->ops->stream_trailers != NULL) {
        x->ops->stream_trailers(x, headers, header_count);
    }
}

/* False: the answer is cut off so that the client can tell (HTTP/1: no last chunk, closed). */
static inline void http_stream_end(struct http_exchange *x, bool is_complete)
{
    x->ops->stream_end(x, is_complete);
}

static inline void http_pause(struct http_exchange *x)
{
    x->ops->pause(x);
}

static inline void http_resume(struct http_exchange *x)
{
    x->ops->resume(x);
}

/* After on_abort only: the handler holds nothing of `x` any more. */
static inline void http_done(struct http_exchange *x)
{
    x->ops->done(x);
}

/* The value of the first header of that name (lower case), or NULL data. */
struct slice http_header(const struct http_request *r, const char *lower);

/* Percent-decodes into the arena. False: a broken escape. `plus_is_space` for queries. */
bool http_decode(struct arena *arena, struct slice text, bool plus_is_space, struct slice *out);

/* Cuts `rest` at the first `byte`: returns what lies before it; `rest` goes on behind it, with NULL
 * data when there is nothing more. */
struct slice http_cut(struct slice *rest, uint8_t byte);

/* The decoded value of query parameter `name`; false: absent. A parameter without '=' is empty.
 * Broken escapes: the parameter counts as absent (as Go's net/url drops it). */
bool http_query(const struct http_request *r, struct arena *arena, const char *name,
                struct slice *value);

/* Path segments between slashes, still encoded: fills at most `max`; returns how many there are. */
size_t http_segments(struct slice path, struct slice *segments, size_t max);

/* "Not Found" for 404; "Unknown" for what is not in the list. */
const char *http_reason(unsigned status);

#endif
