/* grpc.c - one call: its head, its messages, its answer.
 *
 *   handle    ─► grpc_call_new: encoding, deadline ─► on_open
 *   on_body   ─► feed ─► deliver: grpc_read ─► take_message ─► on_message
 *               (the end) ─► end_requests ─► on_message
 *   answers   ─► head, frames, trailers; or trailers alone
 *
 * A method without client_streams sees its message when the client has sent all, so that a second
 * one can be refused. A call may end in any on_message, which is when the exchange and its arena,
 * with the call in it, go: `is_gone` on the stack of deliver() tells. */
#include "api/grpc_private.h"
#include "base/check.h"
#include "wire/json.h"

#define COUNTED_LEAST ((size_t)16 << 10) /* bytes of a call: less is not worth counting */

/* ---- The head ---- */

struct head {
    struct slice type;
    struct slice timeout;
    struct slice encoding;
    struct slice accepted;
};

/* One pass; names are told apart by their length first. */
static struct head read_head(const struct http_request *r)
{
    struct head h = {0};
    if (!r->is_http2) {
        return (struct head){http_header(r, "content-type"), http_header(r, "grpc-timeout"),
                             http_header(r, "grpc-encoding"),
                             http_header(r, "grpc-accept-encoding")};
    }
    for (size_t i = 0; i < r->header_count; i++) {
        const struct slice name = r->headers[i].name;
        const struct slice value = r->headers[i].value;
        if (name.size == 12 && memcmp(name.data, "content-type", 12) == 0) {
            h.type = value;
        } else if (name.size == 12 && memcmp(name.data, "grpc-timeout", 12) == 0) {
            h.timeout = value;
        } else if (name.size == 13 && memcmp(name.data, "grpc-encoding", 13) == 0) {
            h.encoding = value;
        } else if (name.size == 20 && memcmp(name.data, "grpc-accept-encoding", 20) == 0) {
            h.accepted = value;
        }
    }
    return h;
}

/* Whether a list like "identity, gzip" holds `name`. */
static bool list_has(struct slice list, struct slice name)
{
    while (list.size > 0) {
        size_t size = 0;
        while (size < list.size && list.data[size] != ',' && list.data[size] != ' ') {
            size++;
        }
        if (slice_equal(slice_of(list.data, size), name)) {
            return true;
        }
        list = slice_skip(list, size < list.size ? size + 1 : size);
    }
    return false;
}

/* Says what we would take, too. */
static void fail_quoting(struct grpc_call *g, enum grpc_status status, const char *before,
                         struct slice value)
{
    static const struct http_header ours = {GRPC_TEXT("grpc-accept-encoding"),
                                            GRPC_TEXT("identity,gzip,zstd,snappy")};
    struct buf text = {0};
    buf_append_text(&text, before);
    buf_append_slice(&text, value);
    buf_append_byte(&text, '"');
    grpc_finish_with(g, status, buf_slice(&text), &ours, 1);
    buf_deinit(&text);
}

/* False: the call has been answered. */
static bool take_encoding(struct grpc_call *g, const struct head *h)
{
    if (h->encoding.data == NULL) {
        return true;
    }
    if (!grpc_encoding_find(h->encoding, &g->reader.encoding)) {
        fail_quoting(g, GRPC_UNIMPLEMENTED,
                     "grpc: Decompressor is not installed for grpc-encoding \"", h->encoding);
        return false;
    }
    /* A client that does not say what it accepts accepts what it sends. */
    if (h->accepted.data == NULL || list_has(h->accepted, h->encoding)) {
        g->reply_encoding = g->reader.encoding;
    }
    return true;
}

static bool take_timeout(struct grpc_call *g, struct slice timeout)
{
    uint64_t ns = 0;
    if (timeout.data == NULL) {
        return true;
    }
    if (!grpc_timeout(timeout, &ns)) {
        fail_quoting(g, GRPC_INTERNAL, "malformed grpc-timeout: \"", timeout);
        return false;
    }
    const uint64_t now_ns = router_now_ns(grpc_context(g)->router);
    g->deadline_ns = ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + ns;
    g->x->deadline_ns = g->deadline_ns;
    return true;
}

struct grpc_call *grpc_call_new(struct http_exchange *x)
{
    const struct head h = read_head(&x->request);
    const enum grpc_kind kind = grpc_kind_of(h.type);
    struct grpc_call *g = arena_zero(x->arena, sizeof(*g));
    g->x = x;
    g->method = (const struct grpc_method *)x->route; /* its first member */
    g->reader.message_max = g->method->message_max == 0 ? GRPC_MESSAGE_MAX : g->method->message_max;
    g->is_web = kind == GRPC_KIND_WEB || kind == GRPC_KIND_WEB_TEXT;
    if (kind == GRPC_KIND_WEB_TEXT) {
        g->text = arena_zero(x->arena, sizeof(*g->text));
    }
    x->user = g;
    x->is_patient = g->method->client_streams;
    return take_encoding(g, &h) && take_timeout(g, h.timeout) ? g : NULL;
}

void grpc_handle(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct grpc_call *g = grpc_call_new(x);
    if (g != NULL && g->method->on_open != NULL) {
        g->method->on_open(g);
    }
}

struct slice grpc_metadata(const struct grpc_call *g, const char *lower)
{
    struct slice value = http_header(&g->x->request, lower);
    const struct slice name = slice_of_text(lower);
    if (value.data == NULL || name.size < 4 || memcmp(name.data + name.size - 4, "-bin", 4) != 0) {
        return value;
    }
    struct buf bytes = {0};
    struct buf text = {0};
    buf_append_slice(&text, value);
    while (text.size % 4 != 0) { /* padding may have been left out */
        buf_append_byte(&text, '=');
    }
    value = base64_read(&bytes, buf_slice(&text)) ? arena_copy(g->x->arena, buf_slice(&bytes))
                                                  : (struct slice){0};
    buf_deinit(&bytes);
    buf_deinit(&text);
    return value;
}

/* ---- The end of a call ---- */

void grpc_release(struct grpc_call *g)
{
    grpc_context(g)->held_bytes -= g->counted_bytes;
    g->counted_bytes = 0;
    grpc_reader_deinit(&g->reader);
    arena_deinit(&g->messages);
    buf_deinit(&g->held);
    if (g->is_gone != NULL) {
        *g->is_gone = true;
    }
}

void grpc_done(struct grpc_call *g)
{
    struct http_exchange *x = g->x;
    CHECK(g->is_aborted && g->op == NULL);
    if (g->refusal != NULL) {
        g->is_aborted = g->is_finished = false;
        grpc_finish(g, g->refusal_status, slice_of_text(g->refusal));
        return;
    }
    grpc_release(g);
    x->user = NULL;
    http_done(x);
}

static void end_abort(struct grpc_call *g)
{
    if (g->method->on_abort == NULL) {
        grpc_done(g);
    } else {
        g->method->on_abort(g);
    }
}

static void abort_call(struct grpc_call *g)
{
    g->is_aborted = true;
    if (g->op == NULL) {
        end_abort(g);
    } else {
        router_cancel(grpc_context(g)->router, &g->op->call);
    }
}

void grpc_on_abort(struct http_exchange *x)
{
    struct grpc_call *g = x->user;
    CHECK(g != NULL);
    if (g->is_aborted) {
        g->refusal = NULL; /* nobody is there any more to hear it */
    } else {
        abort_call(g);
    }
}

/* Ends a call whose messages are no good, or do not come. A handler of a stream may have something
 * under way: to it the client is gone, and the status is sent when it is done with that. */
static void refuse(struct grpc_call *g, enum grpc_status status, struct slice text)
{
    if (!g->method->client_streams) {
        grpc_finish(g, status, text);
        return;
    }
    char *copy = arena_zero(g->x->arena, text.size + 1);
    memcpy(copy, text.data, text.size);
    g->refusal = copy;
    g->refusal_status = status;
    http_pause(g->x);
    abort_call(g);
}

/* ---- Requests ---- */

/* NULL: it was refused. */
static const ProtobufCMessage *decode(struct grpc_call *g, struct slice bytes, struct arena *arena)
{
    enum grpc_status status = GRPC_OK;
    struct buf text = {0};
    const ProtobufCMessage *message = grpc_decode(g->method->request, bytes, arena, &status, &text);
    if (message == NULL) {
        refuse(g, status, buf_slice(&text));
    }
    buf_deinit(&text);
    return message;
}

static void take_message(struct grpc_call *g, struct slice bytes)
{
    if (g->method->client_streams) {
        arena_reset(&g->messages);
        const ProtobufCMessage *message = decode(g, bytes, &g->messages);
        if (message != NULL) {
            g->method->on_message(g, message);
        }
    } else if (g->message == NULL) {
        const ProtobufCMessage *message = decode(g, bytes, g->x->arena);
        if (message != NULL) {
            g->message = message;
        }
    } else {
        refuse(g, GRPC_INTERNAL,
               SLICE("cardinality violation: received multiple request messages for "
                     "non-client-streaming RPC"));
    }
}

static void refuse_message(struct grpc_call *g, enum grpc_read error)
{
    struct buf text = {0};
    grpc_read_error_to(&g->reader, error, &text);
    refuse(g, error == GRPC_READ_TOO_LARGE ? GRPC_RESOURCE_EXHAUSTED : GRPC_INTERNAL,
           buf_slice(&text));
    buf_deinit(&text);
}

/* Hands out messages until `bytes` are used up, the stream is paused, or the call has ended: then
 * false. */
static bool deliver(struct grpc_call *g, struct slice *bytes)
{
    bool is_gone = false;
    CHECK(g->is_gone == NULL);
    g->is_gone = &is_gone;
    while (!g->is_paused && !g->is_aborted) {
        struct slice message;
        const enum grpc_read result = grpc_read(&g->reader, bytes, &message);
        if (result == GRPC_READ_MORE) {
            break;
        }
        if (result == GRPC_READ_MESSAGE) {
            take_message(g, message);
        } else {
            refuse_message(g, result);
        }
        if (is_gone) {
            return false;
        }
    }
    g->is_gone = NULL;
    return !g->is_aborted;
}

/* The client has sent all. */
static void end_requests(struct grpc_call *g)
{
    if (grpc_reader_is_partial(&g->reader) || (g->text != NULL && g->text->count > 0)) {
        refuse(g, GRPC_INTERNAL, SLICE("unexpected EOF"));
    } else if (g->method->client_streams) {
        g->method->on_message(g, NULL);
    } else if (g->message == NULL) {
        refuse(g, GRPC_INTERNAL,
               SLICE("cardinality violation: received no request message from "
                     "non-client-streaming RPC"));
    } else {
        g->method->on_message(g, g->message);
    }
}

/* Goes on with what is kept, and then with the client's end. */
static void go_on(struct grpc_call *g)
{
    if (g->held.size > 0) {
        struct slice rest = slice_skip(buf_slice(&g->held), g->held_begin);
        if (!deliver(g, &rest)) {
            return;
        }
        g->held_begin = g->held.size - rest.size;
        /* Not each time: all would be moved for each few. */
        if (g->held_begin >= g->held.size / 2) {
            buf_consume(&g->held, g->held_begin);
            g->held_begin = 0;
        }
    }
    if (g->is_paused) {
        return;
    }
    if (g->has_ended) {
        end_requests(g);
    } else {
        http_resume(g->x);
    }
}

/* Unfinished messages, and requests that wait for their answer, must not fill the memory, however
 * many calls they are in. False: they do. */
static bool count_held(struct grpc_call *g)
{
    const size_t held = g->reader.partial.capacity + g->reader.plain.capacity + g->held.capacity +
                        g->messages.used_bytes + g->x->arena->used_bytes;
    if (held < COUNTED_LEAST && g->counted_bytes == 0) {
        return true;
    }
    size_t *all = &grpc_context(g)->held_bytes;
    *all = *all - g->counted_bytes + held;
    g->counted_bytes = held;
    return *all <= HELD_MAX;
}

static void feed(struct grpc_call *g, struct slice bytes)
{
    const bool is_waiting = g->is_paused || g->held.size > 0;
    if (!is_waiting && !deliver(g, &bytes)) {
        return;
    }
    if (bytes.size > 0) {
        buf_append_slice(&g->held, bytes);
    }
    if (!count_held(g)) {
        refuse(g, GRPC_RESOURCE_EXHAUSTED, SLICE("too many large requests are under way"));
    }
}

static void feed_text(struct grpc_call *g, struct slice text)
{
    struct buf bytes = {0};
    if (grpc_text_read(g->text, text, &bytes)) {
        feed(g, buf_slice(&bytes));
    } else {
        refuse(g, GRPC_INTERNAL, SLICE("the body is not base64"));
    }
    buf_deinit(&bytes);
}

void grpc_on_body(struct http_exchange *x, struct slice bytes)
{
    struct grpc_call *g = x->user;
    if (g->is_aborted) {
        return; /* refused; its handler is not done yet */
    }
    if (bytes.size == 0) {
        g->has_ended = true;
        if (!g->is_paused) {
            end_requests(g);
        }
    } else if (g->text != NULL) {
        feed_text(g, bytes);
    } else {
        feed(g, bytes);
    }
}

void grpc_on_writable(struct http_exchange *x)
{
    struct grpc_call *g = x->user;
    if (!g->is_aborted && g->method->on_writable != NULL) {
        g->method->on_writable(g);
    }
}

void grpc_pause(struct grpc_call *g)
{
    if (!g->is_paused && !g->is_aborted) {
        g->is_paused = true;
        http_pause(g->x);
    }
}

void grpc_resume(struct grpc_call *g)
{
    if (!g->is_paused || g->is_aborted) {
        return;
    }
    g->is_paused = false;
    if (g->is_gone != NULL) { /* called by on_message: deliver() goes on */
        http_resume(g->x);
    } else {
        go_on(g);
    }
}

/* ---- Deadlines ---- */

void grpc_late(struct grpc_call *g)
{
    grpc_finish(g, GRPC_DEADLINE_EXCEEDED, grpc_late_text());
}

/* What is under way for a whole request is waited for: it takes its time and no more, and only its
 * result can say what has happened. What may never come is the client's next message. */
void grpc_on_deadline(struct http_exchange *x)
{
    struct grpc_call *g = x->user;
    const bool has_request = g->method->client_streams || g->has_ended;
    if (g->is_aborted) {
        return;
    }
    if (has_request && g->method->on_late != NULL) {
        g->method->on_late(g);
    } else if (!g->has_ended && !g->is_paused) {
        refuse(g, GRPC_DEADLINE_EXCEEDED, grpc_late_text());
    }
}

/* ---- Operations ---- */

void grpc_op_init(struct grpc_op *o, struct grpc_call *g, grpc_op_fn answer)
{
    o->g = g;
    o->answer = answer;
}

struct grpc_op *grpc_op_new(struct grpc_call *g, grpc_op_fn answer)
{
    struct grpc_op *o = arena_zero(g->x->arena, sizeof(*o));
    grpc_op_init(o, g, answer);
    return o;
}

enum err grpc_op_table(struct grpc_op *o, struct slice table)
{
    const struct router *r = grpc_context(o->g)->router;
    const struct table *t = router_table(r, table);
    if (t == NULL) {
        const enum err ready = router_is_ready(r);
        return ready == ERR_OK ? ERR_NOT_FOUND : ready;
    }
    o->call.op.table = t->id;
    return ERR_OK;
}

static void on_op_done(struct call *call)
{
    struct grpc_op *o = call->arg;
    struct grpc_call *g = o->g;
    g->op = NULL;
    if (g->is_aborted) {
        end_abort(g);
    } else {
        o->answer(o, &call->result);
    }
}

/* Calls of one connection have no order among each other, so none is given to the router: a read
 * need not wait for a neighbour's write. */
void grpc_op_start(struct grpc_op *o)
{
    struct grpc_call *g = o->g;
    CHECK(g->op == NULL && !g->is_aborted && !g->is_finished);
    g->op = o;
    o->call.done = on_op_done;
    o->call.arg = o;
    o->call.deadline_ns = g->deadline_ns;
    router_call(grpc_context(g)->router, &o->call);
}
