/* grpc.h - gRPC methods as routes of HTTP (source: grpc/doc/PROTOCOL-HTTP2.md).
 *
 *   dialect's find() ─► grpc_find ─► method.route ─► on_message ─► (ops) ─► grpc_reply / grpc_fail
 *
 * A method is a route whose functions are those of grpc.c, so listeners, limits, metrics and the
 * slow-request log treat it like any other. What is common to all methods happens here: framing,
 * compression both ways, decoding, limits, deadlines, status and trailers, gRPC-Web. A handler
 * sees whole messages and answers with messages and one status.
 *
 * Everything of one call happens on one loop's thread. */
#ifndef API_GRPC_H
#define API_GRPC_H

#include <protobuf-c/protobuf-c.h>

#include "router/context.h"
#include "wire/grpc.h"
#include "wire/http.h"

#define GRPC_MESSAGE_MAX ((size_t)4 << 20) /* bytes of a request message, unless a method says */

struct grpc_call;
struct grpc_op;
struct grpc_text;

/* One method. Constant; `route` first, filled by GRPC_ROUTE. */
struct grpc_method {
    struct http_route route;
    const char *path; /* "/proto.KV/KVGet" */
    const ProtobufCMessageDescriptor *request;
    size_t message_max; /* of one request message, decompressed; 0: GRPC_MESSAGE_MAX */
    bool client_streams;

    /* A stream of requests begins: before its first message. NULL: nothing to prepare. */
    void (*on_open)(struct grpc_call *g);
    /* Without client_streams: the one request; it and its bytes live as long as the call. With it:
     * the next message, borrowed for this call; NULL: the client has sent its last one. */
    void (*on_message)(struct grpc_call *g, const ProtobufCMessage *message);
    /* Less than half of HTTP_STREAM_HIGH waits for the socket. NULL: does not stream. */
    void (*on_writable)(struct grpc_call *g);
    /* The client is gone, has cancelled, or sends what cannot be read. The handler withdraws what
     * it has begun and calls grpc_done() as soon as nothing refers to `g`. NULL: it never has
     * anything under way but what grpc_op_start() began. That is withdrawn in any case, before this
     * is called. */
    void (*on_abort)(struct grpc_call *g);
    /* The deadline has passed, whatever the call waits for; about once a second from then on. The
     * handler ends what would go on for ever with grpc_late(), and what is under way with its own
     * result. NULL: a call that waits for its client is withdrawn as by on_abort, and ended so. */
    void (*on_late)(struct grpc_call *g);
};

/* For the field `route`; `name` is that of the operation in metrics: "kv_get". */
#define GRPC_ROUTE(operation)                                                                      \
    {                                                                                              \
        .name = (operation), .body_max = SIZE_MAX, .is_streaming = true, .handle = grpc_handle,    \
        .on_body = grpc_on_body, .on_writable = grpc_on_writable, .on_abort = grpc_on_abort,       \
        .on_deadline = grpc_on_deadline                                                            \
    }
void grpc_handle(struct http_exchange *x, void *arg);
void grpc_on_body(struct http_exchange *x, struct slice bytes);
void grpc_on_writable(struct http_exchange *x);
void grpc_on_abort(struct http_exchange *x);
void grpc_on_deadline(struct http_exchange *x);

/* One call of a method. In the exchange's arena. */
struct grpc_call {
    struct http_exchange *x;
    const struct grpc_method *method;
    void *user;           /* the handler's own */
    uint64_t deadline_ns; /* on the loop's clock, for call.deadline_ns; 0: none */
    bool is_aborted;
    bool is_finished; /* a status was given */

    /* Private to grpc*.c. */
    struct grpc_reader reader;
    const ProtobufCMessage *message; /* without client_streams: the one has come */
    struct grpc_op *op;              /* begun by grpc_op_start() and not done */
    struct arena messages;           /* with client_streams: the one that is handed out */
    const char *refusal;             /* the text to end with when the handler is done, or NULL */
    enum grpc_status refusal_status;
    struct buf held;        /* came with a message behind which the stream was paused */
    size_t held_begin;      /* what was handed out of it */
    size_t counted_bytes;   /* in loop_context.held_bytes */
    bool *is_gone;          /* to be set when the call ends, while messages are handed out */
    struct grpc_text *text; /* base64 of gRPC-Web that is not decoded yet; NULL: is none */
    enum grpc_encoding reply_encoding;
    bool is_web;
    bool is_paused;
    bool has_begun; /* the head of the answer is sent */
    bool has_ended; /* the client sends no more */
};

static inline struct loop_context *grpc_context(const struct grpc_call *g)
{
    return g->x->loop_arg;
}

/* The route for a request, or NULL: it is not for one of these services. For a dialect's find().
 * What cannot be served of a path that is ours gets a route that says so: an unknown method of a
 * known service, a wrong content type, HTTP/1 without gRPC-Web; and a browser's preflight. */
const struct http_route *grpc_find(const struct http_request *request,
                                   const struct grpc_method *methods, size_t count);

/* The value of a metadata field of the request, by its lower-case name; NULL data: absent, or not
 * base64. Values of "...-bin" are decoded. */
struct slice grpc_metadata(const struct grpc_call *g, const char *lower);

/* ---- Answers ---- */

/* Sends one message: encoded now, so it may be freed at once. */
void grpc_send(struct grpc_call *g, const ProtobufCMessage *message);

/* The same for a message that is encoded already (wire/protobuf.h; not framed, not compressed). */
void grpc_send_packed(struct grpc_call *g, struct slice message);

/* Where the next message of the call is encoded: append it (wire/protobuf.h), then send it. Until
 * then nothing else is sent on this loop. */
struct buf *grpc_message(struct grpc_call *g);
void grpc_send_message(struct grpc_call *g);

/* Ends the call: trailers, or trailers alone when nothing was sent. `text` is copied; it may be any
 * bytes. Once. The call is gone afterwards unless it was aborted (then see grpc_done()). */
void grpc_finish(struct grpc_call *g, enum grpc_status status, struct slice text);

/* The same, with more trailing metadata; names lower case, "-bin" values raw. */
void grpc_finish_with(struct grpc_call *g, enum grpc_status status, struct slice text,
                      const struct http_header *metadata, size_t count);

/* The end of a call that came to its deadline, with the text for it. */
void grpc_late(struct grpc_call *g);

static inline struct slice grpc_late_text(void)
{
    return SLICE("the deadline has passed");
}

/* One message and OK. */
void grpc_reply(struct grpc_call *g, const ProtobufCMessage *message);
void grpc_reply_packed(struct grpc_call *g, struct slice message);
void grpc_reply_message(struct grpc_call *g);

/* Ends the call with the status of `e` (DESIGN section 8) and that text; NULL: http_err_text(e).
 */
void grpc_fail(struct grpc_call *g, enum err e, const char *text);

/* The same with trailing metadata, as in grpc_finish_with(). */
void grpc_fail_with(struct grpc_call *g, enum err e, const char *text,
                    const struct http_header *metadata, size_t count);
enum grpc_status grpc_status_of(enum err e);

/* Bytes that wait for the socket: at HTTP_STREAM_HIGH stop until on_writable. */
size_t grpc_waiting(const struct grpc_call *g);

/* No further on_message until grpc_resume(); the client's window closes meanwhile. Resuming may
 * call on_message, so the call may be gone when it returns. */
void grpc_pause(struct grpc_call *g);
void grpc_resume(struct grpc_call *g);

/* After on_abort only: nothing refers to `g` any more. */
void grpc_done(struct grpc_call *g);

/* Frees what the loop keeps; nothing is under way on it. */
void grpc_close(struct loop_context *context);

/* ---- One operation for one request ---- */

typedef void (*grpc_op_fn)(struct grpc_op *o, const struct result *result);

/* In the exchange's arena, zeroed; may lie first in a larger struct. */
struct grpc_op {
    struct call call; /* the dialect fills `op` */
    struct grpc_call *g;
    grpc_op_fn answer; /* answers the call; `result` and its bytes are gone when it returns */
};

void grpc_op_init(struct grpc_op *o, struct grpc_call *g, grpc_op_fn answer);
struct grpc_op *grpc_op_new(struct grpc_call *g, grpc_op_fn answer);

/* Finds the table. Errors: ERR_NOT_FOUND, ERR_STARTING. */
MUST_CHECK enum err grpc_op_table(struct grpc_op *o, struct slice table);

/* Carries `call` out; one at a time for a call. The answer is not asked for when the client has
 * gone meanwhile. */
void grpc_op_start(struct grpc_op *o);

/* ---- Protobuf ---- */

/* Memory for unpacked messages: from the arena, never freed. Each piece is preceded by its size. */
ProtobufCAllocator grpc_allocator(struct arena *arena);

/* The bytes of a string in a message that was unpacked with that allocator, as requests are: zero
 * bytes inside it are part of it. */
struct slice grpc_string(const char *text);

static inline struct slice grpc_slice(ProtobufCBinaryData bytes)
{
    return slice_of(bytes.data, bytes.len);
}

static inline ProtobufCBinaryData grpc_bytes(struct slice bytes)
{
    return (ProtobufCBinaryData){.len = bytes.size, .data = unconst(bytes.data)};
}

#endif
