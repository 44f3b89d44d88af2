/* http2.h - HTTP/2 without I/O: the server's side of one connection (RFC 9113), on nghttp2.
 *
 *   http2_session_input() ─► on_open ─► on_head ─► on_body ··· ─► on_end ─► (handler)
 *   http2_stream_answer(), _write(), _trailers(), _end() ─► http2_session_output() ─► on_closed
 *
 * A stream lies in memory of the caller, from on_open until on_closed. Events come out of
 * http2_session_input() and http2_session_output() only; in them streams may be answered and
 * reset, but the session is not freed.
 *
 * Flow control follows the handler: a byte of a body counts against the stream's window until
 * http2_stream_consume(). The connection's window is opened again at once, so that a stream which
 * waits stops itself and not its neighbours. Answers wait in their stream until the client opens
 * its window. */
#ifndef WIRE_HTTP2_H
#define WIRE_HTTP2_H

#include "wire/http.h"

/* What one connection may do. Beyond these it is told GOAWAY with ENHANCE_YOUR_CALM, unless it
 * says otherwise. */
#define HTTP2_STREAMS_MAX       256                 /* at a time; more are refused */
#define HTTP2_HEAD_MAX          ((size_t)64 << 10)  /* names, values and 32 for each field: 431 */
#define HTTP2_HEAD_READ_MAX     ((size_t)256 << 10) /* the same, read to its end for the 431 */
#define HTTP2_CONTINUATIONS_MAX 8                   /* frames of one head */
#define HTTP2_STREAM_WINDOW     (256 << 10)         /* bytes sent ahead of what a handler takes */
#define HTTP2_CONNECTION_WINDOW (1 << 20)
#define HTTP2_RESETS_MAX        1000  /* requests in a second that end without their answer */
#define HTTP2_SETTINGS_MAX      100   /* frames in a second */
#define HTTP2_CHORES_MAX        50000 /* PING, PRIORITY, small WINDOW_UPDATE, empty DATA: the same */
#define HTTP2_SMALL_UPDATE      64    /* bytes: a smaller WINDOW_UPDATE is a chore */
#define HTTP2_ACKS_MAX          1000  /* waiting to be sent */
#define HTTP2_ANSWER_HEADERS    96    /* of an answer or its trailers; more are a CHECK */

#define HTTP2_POOL_CLASSES 10   /* sizes of pieces kept by a pool: up to 640 bytes */
#define HTTP2_POOL_PIECES  1024 /* kept of each */

/* How streams and connections end (RFC 9113 section 7). */
enum http2_code {
    HTTP2_NO_ERROR = 0,
    HTTP2_INTERNAL_ERROR = 2,
    HTTP2_REFUSED_STREAM = 7, /* nothing was done: it may be sent again */
    HTTP2_CANCEL = 8,
    HTTP2_ENHANCE_YOUR_CALM = 11
};

struct http2_session;

struct http2_stream {
    struct http_request request; /* from on_head on; its bytes live in the stream's arena */
    uint64_t content_length;     /* of the request's body; 0: none, or not told */
    unsigned refusal;            /* not 0: the head must be answered with this status, ... */
    const char *why;             /* ... for this reason */
    bool is_request_done;        /* the client has sent all of it */
    bool wants_continue;         /* Expect: 100-continue */
    uint64_t sent_bytes;         /* of the answer's body */
    bool is_sent;  /* all of the answer; it stays open until the request is done too */
    bool is_reset; /* by this side; on_closed comes soon */

    /* Private to wire/. */
    struct http2_session *session; /* NULL: the stream is closed */
    struct arena *arena;
    int32_t id;
    bool is_left;      /* reset by the client */
    bool has_answer;   /* its head was given */
    bool has_end;      /* of the answer: no more is written */
    bool is_deferred;  /* nothing was there to be sent */
    size_t unconsumed; /* bytes consumed that the window does not know of yet */
    struct buf out;    /* of the answer's body */
    size_t out_sent;   /* of `out` */
    void *trailers;    /* nghttp2_nv[trailer_count], in the arena */
    size_t trailer_count;
    char status_text[4];
    uint8_t length_text[20];
    struct http_header headers[HTTP_HEADERS_MAX];
};

struct http2_events {
    /* A request begins. Returns where it is kept, after http2_stream_init(); NULL refuses it. */
    struct http2_stream *(*on_open)(void *arg);
    /* Its head has come. With `is_request_done` there is no body, and no on_end. */
    void (*on_head)(void *arg, struct http2_stream *s);
    /* The next bytes of its body, borrowed for the call. */
    void (*on_body)(void *arg, struct http2_stream *s, struct slice bytes);
    /* The request is complete. */
    void (*on_end)(void *arg, struct http2_stream *s);
    /* The last event: the session does not refer to `s` any more. `is_complete`: the client has
     * been sent all of the answer. */
    void (*on_closed)(void *arg, struct http2_stream *s, bool is_complete);
};

/* ---- The connection ---- */

/* Memory that sessions of one thread share: pieces that were given back and are kept. Zeroed is
 * empty. */
struct http2_pool {
    union http2_piece *lists[HTTP2_POOL_CLASSES];
    unsigned counts[HTTP2_POOL_CLASSES];
};

/* After the last session that used it. */
void http2_pool_deinit(struct http2_pool *pool);

/* Borrows `events` and `pool`. The first bytes of input are the client's preface. */
struct http2_session *http2_session_new(const struct http2_events *events, void *arg,
                                        struct http2_pool *pool);

/* No events: streams that are open are forgotten. Harmless when `*h` is NULL. */
void http2_session_free(struct http2_session **h);

/* Takes all of `bytes`. `now_ns`: of any clock that goes on, for the limits in a second. After
 * http2_session_is_over() it does nothing. */
void http2_session_input(struct http2_session *h, struct slice bytes, uint64_t now_ns);

/* Appends what is to be sent, until `out` holds `max` bytes or a frame more. True: there may be
 * more. */
bool http2_session_output(struct http2_session *h, struct buf *out, size_t max);

/* What is left is to send the output, and to close. */
bool http2_session_is_over(const struct http2_session *h);

/* The sentence for the log when the client has gone too far; else NULL. */
const char *http2_session_complaint(const struct http2_session *h);

/* The client has sent a part of a head, or not yet all of its preface. */
bool http2_session_is_in_head(const struct http2_session *h);

/* Bytes of answers that wait in all streams. */
size_t http2_session_waiting(const struct http2_session *h);

/* Asks the client to begin no more; what it has begun meanwhile is still taken. When it has
 * confirmed that, or at the second call, no stream is taken any more. */
void http2_session_drain(struct http2_session *h);

/* Asks for a sign of life. */
void http2_session_ping(struct http2_session *h);

/* ---- Streams ---- */

/* Before it is returned from on_open. Its buffer is used again. Borrows `arena` until on_closed. */
void http2_stream_init(struct http2_stream *s, struct arena *arena);

/* Frees its buffer, after on_closed or the session's end. */
void http2_stream_deinit(struct http2_stream *s);

#define HTTP2_NO_LENGTH UINT64_MAX

struct http2_answer {
    unsigned status;
    const struct http_header *headers; /* copied */
    size_t header_count;
    uint64_t length;   /* content-length; HTTP2_NO_LENGTH: not told */
    struct slice date; /* borrowed as long as the session; empty: none */
    bool has_body;     /* http2_stream_write() and http2_stream_end() follow */
};

/* An interim answer: 100 Continue. */
void http2_stream_continue(struct http2_stream *s);

void http2_stream_answer(struct http2_stream *s, const struct http2_answer *a);

/* Copies. */
void http2_stream_write(struct http2_stream *s, struct slice bytes);

/* Copies. Before http2_stream_end(). */
void http2_stream_trailers(struct http2_stream *s, const struct http_header *headers, size_t count);

void http2_stream_end(struct http2_stream *s);

/* Ends it now, whatever was answered; what waits is dropped. on_closed follows. With HTTP2_NO_ERROR
 * behind an answer that is sent: the rest of the request is not wanted. */
void http2_stream_reset(struct http2_stream *s, enum http2_code code);

/* Bytes of the answer's body that wait. */
static inline size_t http2_stream_waiting(const struct http2_stream *s)
{
    return s->out.size - s->out_sent;
}

/* The handler has taken `size` bytes of the body. */
void http2_stream_consume(struct http2_stream *s, size_t size);

#endif
