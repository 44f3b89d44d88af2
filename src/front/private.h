/* private.h - the inside of front/: what its files share. Not for other folders.
 *
 * The way of bytes:
 *
 *   stream -> pipe.c         takes TLS off, where there is some
 *          -> connection.c   reads into the loop's area (area.c), tells the protocol (choose.c,
 *                            sniff.c)
 *          -> resp.c         hands them to a session of api/redis
 *          -> text.c         the same for lines, api/dstore; only where a listener names it
 *          -> http.c         heads and bodies become exchanges (exchange.c), after guard.c agreed;
 *                            http_answer.c writes their answers
 *          -> http2.c        the same for streams of HTTP/2 (http2.h)
 *   hook of the loop (loop.c) at the end of the turn, behind the router's: one write for each
 *                            connection that has something to say
 *
 * A connection belongs to one loop and is only touched on its thread. */
#ifndef FRONT_PRIVATE_H
#define FRONT_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/dstore/dstore.h"
#include "api/redis/redis.h"
#include "base/chunk.h"
#include "base/list.h"
#include "front/front.h"
#include "front/pipe.h"
#include "sys/mailbox.h"
#include "wire/http1.h"
#include "wire/http2.h"

/* ---- Limits ---- */

#define HANDSHAKE_MS 10000  /* of TLS, from its first byte */
#define HEAD_MS      10000  /* from the first byte of a request to the end of its head */
#define BODY_MS      30000  /* without a byte of a body that is due */
#define IDLE_MS      120000 /* between requests of an HTTP connection */
#define STALL_MS     60000  /* without the client taking a byte of what waits for it */
#define LINGER_MS    2000   /* after the last answer, until the client closes */
#define SWEEP_MS     1000
#define OUT_MAX      ((size_t)64 << 20)  /* bytes waiting beyond one value, and of all clients of */
#define OUT_ALL_MAX  ((size_t)512 << 20) /* a loop: beyond both the client is cut off */
#define INPUT_MAX    ((size_t)512 << 20) /* bytes of unfinished large requests of one loop */
#define DROPPED_MAX  ((size_t)64 << 10)  /* of a body that the route does not want */
#define WRAPPING_MAX ((size_t)1 << 20)   /* what JSON may add to twice a value */
#define PIPELINE_MAX 64                  /* requests of one connection answered in one turn */
#define DIALECTS_MAX 12

/* ---- The area: where sockets are read into (area.c) ---- */

#define AREA_BYTES ((size_t)120 << 10) /* below malloc's threshold for memory of its own */
#define AREA_LEAST ((size_t)16 << 10)  /* lent to a read at least, beside what lies before it */
#define AREAS_MAX  8                   /* kept for the next turns */

/* Chunks shared by all connections of a loop, filled from front to end. */
struct area {
    struct chunk *chunk; /* held; NULL: none */
    size_t used;
    struct chunk *spent[AREAS_MAX]; /* held: full ones of this turn, then spare ones */
    size_t spent_count;
    size_t spare_count; /* the first of `spent` that nobody else holds */
};

/* At least `gap` + AREA_LEAST bytes; returns where, and how much there is in `*size`. Nothing is
 * taken before area_take(). */
uint8_t *area_lend(struct area *a, size_t gap, size_t *size);

/* The first `size` bytes of what was lent last are in use: until nobody holds their chunk. */
void area_take(struct area *a, size_t size);

/* The turn is over: chunks that nobody holds are used again from their beginning. */
void area_turn(struct area *a);
void area_deinit(struct area *a);

/* ---- Telling protocols apart (sniff.c) ---- */

enum protocol {
    PROTOCOL_UNKNOWN, /* not enough bytes to tell */
    PROTOCOL_RESP,
    PROTOCOL_HTTP,
    PROTOCOL_HTTP2,
    PROTOCOL_TLS
};

enum protocol sniff(const uint8_t *data, size_t size);

/* ---- Who may ask (guard.c) ---- */

/* Whether `host`, as in the header field, is an address, localhost or one of `names`; so a page
 * whose name was bent to this machine's address is recognised. Empty is fine: no browser. */
bool guard_host_is_known(struct slice host, char *const *names, size_t count);

/* Whether the header field Origin names the host that was asked. */
bool guard_origin_is_host(struct slice origin, struct slice host);

/* ---- The node ---- */

#define LISTENS_REDIS (1U << DIALECTS_MAX) /* bits below it: index into front->dialects */
#define LISTENS_TEXT  (LISTENS_REDIS << 1) /* alone */

struct front_listener {
    struct front *front;
    char *address; /* as given, without dialects; owned */
    uint32_t serves;
    struct listener *listener; /* NULL: closed */
};

struct front {
    _Atomic uint32_t holds; /* by front_open() and each front_loop */
    struct log *log;
    struct front_listener listeners[FRONT_LISTENERS_MAX];
    size_t listener_count;
    char *hosts[FRONT_HOSTS_MAX]; /* owned */
    size_t host_count;
    const struct http_dialect *dialects[DIALECTS_MAX];
    size_t dialect_count;
    uint32_t connections_max;
    bool is_insecure;
    bool is_tls_only;
    bool asks_certificate;
    pthread_mutex_t tls_lock;
    struct tls_context *tls;             /* held; under `tls_lock`. NULL: no TLS */
    char address[STREAM_PEER_BYTES * 4]; /* of the first listener, with its port */
    uint64_t last_id;                    /* of a connection; loop 0 */
    metric refused;                      /* loop 0 */
    uint32_t loop_count;
    _Atomic(struct front_loop *) loops[FRONT_LOOPS_MAX];
};

void front_release(struct front *f);

/* What new connections use, as a hold of the caller's; NULL: no TLS. Any thread. */
struct tls_context *front_tls(struct front *f);

/* ---- The loop ---- */

#define BUFS_MAX      64                  /* buffers for answers, kept */
#define BUF_KEPT_MAX  ((size_t)256 << 10) /* larger ones are given back */
#define EXCHANGES_MAX 64                  /* kept */
#define ROUTES_MAX    512                 /* slots of the table of counters */

struct route_stats {
    const struct http_route *route;
    struct operation_stats *stats;
};

struct front_loop {
    struct front *front;
    struct loop *loop;
    struct loop_context *context;
    struct mailbox *mailbox;
    struct loop_hook hook;
    struct loop_timer sweep;
    uint32_t index;
    struct loop_task drain;
    bool has_arrivals; /* since drain was deferred: what they have sent is not read yet */
    bool is_draining;
    bool is_closing;

    struct list connections;
    struct list dirty;         /* connections that want to be looked at this turn */
    _Atomic uint32_t assigned; /* connections and sockets on their way here */
    _Atomic uint32_t on_way;   /* these sockets */
    struct area area;
    struct pipe_loop pipes;
    size_t large_bytes;        /* in chunks of connections' own */
    struct buf bufs[BUFS_MAX]; /* empty ones with room */
    size_t buf_count;
    struct http1_exchange *exchanges; /* spare ones */
    size_t exchange_count;
    struct http2_exchange *http2_exchanges; /* spare ones */
    size_t http2_exchange_count;
    struct http2_pool http2_pool;
    struct route_stats *routes; /* [ROUTES_MAX], by address of the route */
    uint64_t done_ns;           /* when this turn's answers are made; 0: not asked yet */
    uint64_t date_s;            /* the second that `date` tells */
    char date[30];

    metric opened;
    metric bytes_in, bytes_out;
    metric waiting_bytes;
};

/* Takes `socket`. On loop 0: a connection for loop `l`. */
void front_loop_send(struct front_loop *l, const struct front_listener *listener,
                     stream_socket socket, uint64_t id);

/* Takes `socket`, which counts in `assigned`. On the loop itself. */
void front_loop_take(struct front_loop *l, const struct front_listener *listener,
                     stream_socket socket, uint64_t id);

/* Looks at deadlines from now on, as long as there are connections. */
void front_loop_start_sweep(struct front_loop *l);

/* An empty buffer, with room where there is a spare one; and back. */
struct buf front_buf_get(struct front_loop *l);
void front_buf_give(struct front_loop *l, struct buf *b);

/* The present second for the header field Date. */
struct slice front_date(struct front_loop *l);

/* A stopwatch; 0 when nothing is measured. */
uint64_t front_now_ns(const struct front_loop *l);

/* ---- Connections (connection.c) ---- */

enum connection_phase {
    PHASE_SNIFF,
    PHASE_RESP,
    PHASE_TEXT,
    PHASE_HTTP_HEAD,
    PHASE_HTTP_BODY,   /* gathers the body for its exchange */
    PHASE_HTTP_STREAM, /* hands the body on as it comes */
    PHASE_HTTP_ANSWER, /* the exchange has all it needs */
    PHASE_HTTP2,
    PHASE_LINGER, /* all is said; what still comes is dropped until the client closes */
    PHASE_GONE    /* the stream is closed */
};

/* Received bytes. */
struct input {
    struct chunk *chunk;
    size_t begin, end;
};

static inline uint8_t *input_data(const struct input *in)
{
    return in->chunk->bytes + in->begin;
}

static inline size_t input_size(const struct input *in)
{
    return in->end - in->begin;
}

struct connection {
    struct list link;  /* of front_loop.connections */
    struct list dirty; /* of front_loop.dirty */
    struct front_loop *loop;
    struct pipe pipe;
    uint64_t id;
    uint32_t serves; /* bits, as of its listener */
    enum connection_phase phase;
    bool is_reading;
    bool has_ended;   /* the client sends no more */
    bool is_ending;   /* nothing new is begun: close when what is under way is answered */
    bool is_blocked;  /* the input that is kept is not unfinished, but more than is taken now */
    bool is_overfull; /* no room is left for its unfinished input: cut it */
    bool has_closed;  /* on_closed() has run */

    uint64_t deadline_ns; /* of the phase; 0: none */
    uint64_t stall_ns;    /* the client takes something until then; 0: nothing waits for it */
    size_t stall_bytes;   /* what waited when stall_ns was set */
    size_t seen_waiting;  /* as counted in front_loop.waiting_bytes */
    uint64_t opened_ms;   /* wall clock */
    uint64_t active_ns;   /* last bytes from the client */

    struct input in; /* unfinished: held, own. Empty: NULL chunk */
    size_t wanted;   /* bytes `in` will have at least; 0: unknown */
    struct buf out;  /* of HTTP; a RESP session has its own */

    /* PHASE_RESP. */
    struct redis_session *redis;
    struct waker *waker; /* owned; redis_wake() is due */

    struct dstore_session *dstore; /* PHASE_TEXT */

    /* HTTP. */
    struct http1_exchange *exchange; /* NULL: none under way */
    struct call_order order;
    size_t scanned; /* of the unfinished head */

    struct http2_connection *http2; /* of PHASE_HTTP2, and until its handlers have let go of it */
};

/* What its pipe tells it, as a stream would; `arg` is the connection. */
const struct stream_events *connection_events(void);

/* Wants to be looked at in the hook of this turn. */
void connection_touch(struct connection *c);

/* Bytes that wait for the socket. */
size_t connection_waiting(const struct connection *c);

/* Goes on with input that is kept, if there is any. */
void connection_continue(struct connection *c);

/* Gives `out` to the socket, and cuts a client off that takes too little. */
void connection_write(struct connection *c, struct buf *out);

/* Reads from the socket, or stops. */
void connection_read(struct connection *c, bool is_wanted);

/* All has been said: the rest of the input is dropped, and the stream closed soon. */
void connection_finish(struct connection *c);

/* Ends now. What is under way is withdrawn. */
void connection_cut(struct connection *c);

/* Lets go of the input that is kept. */
void connection_drop_input(struct connection *c);

/* Frees it if nothing refers to it any more. */
void connection_free_if_gone(struct connection *c);

void connection_deadline(struct connection *c, uint64_t after_ms);

/* On behalf of the loop: in its hook, every second, when it drains. None of them frees it. */
void connection_flush(struct connection *c);
void connection_sweep(struct connection *c, uint64_t now_ns);
void connection_drain(struct connection *c);
void connection_facts(const struct connection *c, struct connection_facts *out);

/* ---- What it speaks (choose.c) ---- */

/* PHASE_SNIFF: chooses the next phase by the first bytes, if they are enough. Bytes of TLS go to
 * the pipe, and it begins again inside. */
void choose_protocol(struct connection *c, struct input *in);

/* Its pipe has completed the handshake. */
void connection_secured(struct connection *c);

/* How long it may be silent before its first request. */
void connection_await_request(struct connection *c);

/* ---- RESP (resp.c) ---- */

void resp_open(struct connection *c);

/* Takes what it can of `in`: moves its begin. */
void resp_consume(struct connection *c, struct input *in);
void resp_end(struct connection *c); /* the client sends no more */
void resp_flush(struct connection *c);
void resp_drain(struct connection *c);
void resp_close(struct connection *c);

/* ---- Lines (text.c): as RESP; text_open() enters PHASE_TEXT ---- */

void text_open(struct connection *c);
void text_consume(struct connection *c, struct input *in);
void text_end(struct connection *c);
void text_flush(struct connection *c);
void text_drain(struct connection *c);
void text_close(struct connection *c);

/* ---- HTTP (http.c) ---- */

/* As resp_consume(); may also pull the end of `in` in. Its chunk is NULL when it is empty. */
void http_consume(struct connection *c, struct input *in);
void http_end(struct connection *c);
void http_flush(struct connection *c);
void http_drain(struct connection *c);
void http_timeout(struct connection *c);
void http_close(struct connection *c);

/* Answers with a problem text, and closes then. */
void http_refuse(struct connection *c, unsigned status, const char *detail);

/* ---- HTTP/2 (http2.c) ---- */

/* Enters PHASE_HTTP2: the client's preface is the next thing to be consumed. */
void http2_open(struct connection *c);

/* Takes all of `in`. */
void http2_consume(struct connection *c, struct input *in);
void http2_end(struct connection *c);
void http2_flush(struct connection *c);
void http2_drain(struct connection *c);
void http2_sweep(struct connection *c, uint64_t now_ns);
void http2_close(struct connection *c);

/* Frees what front_loop keeps. */
void http2_exchanges_free(struct front_loop *l);

/* ---- Exchanges, whatever the version of HTTP (exchange.c) ---- */

struct exchange {
    struct http_exchange x;
    struct connection *connection;
    struct arena arena;
    struct operation_stats *stats;
    uint64_t started_ns;
    unsigned status;
    bool is_begun;     /* the handler was called */
    bool is_answered;  /* completely */
    bool is_streaming; /* between stream_begin and stream_end */
    bool is_body_done; /* all of the body has come, and been handed on but for its end */
    bool is_paused;
    bool wants_writable;
};

/* By way of the arena, which is not const even where the handler's view is. */
static inline struct exchange *exchange_of(const struct http_exchange *x)
{
    return container_of(x->arena, struct exchange, arena);
}

/* Of a request that is about to be read; `e` is zeroed, or was used before. */
void exchange_init(struct exchange *e, struct connection *c, const struct http_exchange_ops *ops,
                   struct call_order *order);

/* Makes `e` ready for its handler: looks `request` over and finds its route. `length` is that of
 * its body as far as it was told, else 0. Returns 0, or the status to refuse it with, for the
 * reason in `*detail`. */
unsigned exchange_prepare(struct exchange *e, const struct http_request *request, uint64_t length,
                          const char **detail);

/* Bytes of the largest body its route takes, or drops. */
size_t exchange_body_max(const struct exchange *e);

/* Calls the handler. */
void exchange_begin(struct exchange *e);

/* The time is `now_ns`: tells a handler whose deadline has passed. */
void exchange_sweep(struct exchange *e, uint64_t now_ns);

/* The handler has begun to answer. */
void exchange_note_status(struct exchange *e, unsigned status);

/* The handler has answered: counts it, and sees to its being sent. */
void exchange_complete(struct exchange *e);

/* The client is gone: tells the handler, which calls http_done(); at once when there is no need to
 * tell it. */
void exchange_abort(struct exchange *e);

/* The body of a refusal, as application/problem+json. */
void exchange_problem(struct buf *out, unsigned status, const char *detail);

/* ---- Exchanges of HTTP/1 (http_answer.c) ---- */

struct http1_exchange {
    struct exchange common;
    struct http1_exchange *next; /* spare */
    struct chunk *chunk;         /* held: the request's bytes; NULL while its body is gathered */
    const uint8_t *base;         /* where the head lay when it was read */
    uint64_t body_left;          /* of a streamed body with a length; chunked: how much has come */
    size_t body_end;             /* of a gathered chunked body: bytes of head and decoded body */
    struct http1_chunks chunks;
    struct http1_head head;
};

struct http1_exchange *http1_exchange_get(struct connection *c);
void http1_exchange_give(struct front_loop *l, struct http1_exchange *h);

/* Frees what front_loop keeps. */
void http1_exchanges_free(struct front_loop *l);

/* Where `c` writes its answers. */
struct buf *connection_out(struct connection *c);

#endif
