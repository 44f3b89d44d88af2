/* grpc_reply.c - the answer of a call: head, frames, trailers; or, when nothing was sent before
 * the status, all of it in the head. */
#include "api/grpc_private.h"
#include "api/http_err.h"
#include "base/check.h"
#include "wire/json.h"

#define KEPT_BYTES      ((size_t)256 << 10) /* of the buffer in which messages are encoded */
#define STATUS_TEXT_MAX ((size_t)1024) /* bytes of a text that quotes: header lists are small */

/* ---- Answers ---- */

size_t grpc_waiting(const struct grpc_call *g)
{
    return g->is_aborted ? 0 : http_stream_waiting(g->x);
}

static void begin(struct grpc_call *g)
{
    static const struct http_header plain = {GRPC_TEXT("content-type"),
                                             GRPC_TEXT("application/grpc")};
    if (g->has_begun) {
        return;
    }
    g->has_begun = true;
    if (g->reply_encoding == GRPC_IDENTITY && !g->is_web) {
        http_stream_begin(g->x, 200, &plain, 1);
        return;
    }
    const struct http_header headers[] = {
        {SLICE("content-type"), g->is_web ? grpc_web_type(g) : plain.value},
        {SLICE("grpc-encoding"), slice_of_text(grpc_encoding_name(g->reply_encoding))}};
    http_stream_begin(g->x, 200, headers, g->reply_encoding == GRPC_IDENTITY ? 1 : 2);
}

static void write_bytes(struct grpc_call *g, struct slice bytes)
{
    if (g->is_web) {
        grpc_web_write(g, bytes);
    } else {
        http_stream_write(g->x, bytes);
    }
}

struct buf *grpc_message(struct grpc_call *g)
{
    struct buf *out = &grpc_context(g)->grpc_out;
    CHECK(out->size == 0);
    (void)grpc_message_begin(out);
    return out;
}

void grpc_send_message(struct grpc_call *g)
{
    struct buf *out = &grpc_context(g)->grpc_out;
    CHECK(!g->is_finished);
    if (!g->is_aborted) {
        begin(g);
        grpc_message_end(out, 0, g->reply_encoding);
        write_bytes(g, buf_slice(out));
    }
    buf_clear(out);
    if (out->capacity > KEPT_BYTES) {
        buf_deinit(out);
    }
}

void grpc_send(struct grpc_call *g, const ProtobufCMessage *message)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    struct buf *out = grpc_message(g);
    buf_extend(out, protobuf_c_message_pack(message, buf_reserve(out, size)));
    grpc_send_message(g);
}

void grpc_send_packed(struct grpc_call *g, struct slice message)
{
    buf_append_slice(grpc_message(g), message);
    grpc_send_message(g);
}

void grpc_close(struct loop_context *context)
{
    buf_deinit(&context->grpc_out);
}

/* ---- Status ---- */

static struct slice status_text(enum grpc_status status)
{
    static const struct slice texts[] = {
        GRPC_TEXT("0"),  GRPC_TEXT("1"),  GRPC_TEXT("2"),  GRPC_TEXT("3"),  GRPC_TEXT("4"),
        GRPC_TEXT("5"),  GRPC_TEXT("6"),  GRPC_TEXT("7"),  GRPC_TEXT("8"),  GRPC_TEXT("9"),
        GRPC_TEXT("10"), GRPC_TEXT("11"), GRPC_TEXT("12"), GRPC_TEXT("13"), GRPC_TEXT("14"),
        GRPC_TEXT("15"), GRPC_TEXT("16")};
    CHECK(status <= GRPC_UNAUTHENTICATED);
    return texts[status];
}

/* What a status that a dialect chose by itself counts as. */
static enum err err_of(enum grpc_status status)
{
    switch (status) {
    case GRPC_OK:
        return ERR_OK;
    case GRPC_CANCELLED:
        return ERR_CANCELED;
    case GRPC_UNKNOWN:
    case GRPC_INVALID_ARGUMENT:
    case GRPC_INTERNAL: /* as grpc-go says of messages that it cannot read */
        return ERR_INVALID;
    case GRPC_DEADLINE_EXCEEDED:
        return ERR_TIMEOUT;
    case GRPC_NOT_FOUND:
        return ERR_NOT_FOUND;
    case GRPC_ALREADY_EXISTS:
        return ERR_ALREADY_EXISTS;
    case GRPC_PERMISSION_DENIED:
        return ERR_DENIED;
    case GRPC_RESOURCE_EXHAUSTED:
        return ERR_TOO_LARGE;
    case GRPC_FAILED_PRECONDITION:
        return ERR_WRONG_TYPE;
    case GRPC_ABORTED:
        return ERR_CONFLICT;
    case GRPC_OUT_OF_RANGE:
        return ERR_OVERFLOW;
    case GRPC_UNIMPLEMENTED:
        return ERR_UNIMPLEMENTED;
    case GRPC_UNAVAILABLE:
        return ERR_UNAVAILABLE;
    case GRPC_DATA_LOSS:
        return ERR_CORRUPT;
    case GRPC_UNAUTHENTICATED:
        return ERR_UNAUTHENTICATED;
    }
    UNREACHABLE("no status");
}

static void count_error(const struct grpc_call *g, enum err e)
{
    struct operation_stats *stats = g->x->stats;
    if (e != ERR_OK && stats != NULL) {
        metric_add(&stats->errors[e], 1);
    }
}

struct status {
    enum grpc_status code;
    enum err err; /* as which it is counted */
    struct slice text;
    const struct http_header *metadata;
    size_t count;
};

static struct slice metadata_value(const struct grpc_call *g, const struct http_header *h)
{
    if (h->name.size < 4 || memcmp(h->name.data + h->name.size - 4, "-bin", 4) != 0) {
        return h->value;
    }
    struct buf text = {0};
    base64_to(&text, h->value);
    while (text.size > 0 && text.data[text.size - 1] == '=') {
        text.size--;
    }
    const struct slice value = arena_copy(g->x->arena, buf_slice(&text));
    buf_deinit(&text);
    return value;
}

/* At the end of a character. */
static struct slice shortened(struct slice text)
{
    if (text.size > STATUS_TEXT_MAX) {
        text.size = STATUS_TEXT_MAX;
        while (text.size > 0 && (text.data[text.size] & 0xc0) == 0x80) {
            text.size--;
        }
    }
    return text;
}

/* In the arena: the head of an answer without messages (its content type first), or trailers. */
static struct http_header *make_trailers(const struct grpc_call *g, const struct status *s,
                                         size_t *count)
{
    struct http_header *headers = arena_get(g->x->arena, (s->count + 3) * sizeof(*headers));
    size_t at = 0;
    headers[at++] = (struct http_header){SLICE("content-type"), SLICE("application/grpc")};
    headers[at++] = (struct http_header){SLICE("grpc-status"), status_text(s->code)};
    if (s->text.size > 0) {
        struct buf encoded = {0};
        grpc_percent_encode(&encoded, shortened(s->text));
        headers[at++] = (struct http_header){SLICE("grpc-message"),
                                             arena_copy(g->x->arena, buf_slice(&encoded))};
        buf_deinit(&encoded);
    }
    for (size_t i = 0; i < s->count; i++) {
        headers[at++] =
            (struct http_header){s->metadata[i].name, metadata_value(g, &s->metadata[i])};
    }
    *count = at;
    return headers;
}

static void send_status(struct grpc_call *g, const struct status *s)
{
    static const struct http_header ok = {GRPC_TEXT("grpc-status"), GRPC_TEXT("0")};
    struct http_exchange *x = g->x;
    if (g->has_begun && !g->is_web && s->code == GRPC_OK && s->count == 0) {
        http_stream_trailers(x, &ok, 1);
        http_stream_end(x, true);
        return;
    }
    size_t count = 0;
    const struct http_header *headers = make_trailers(g, s, &count);
    if (g->is_web) {
        begin(g);
        grpc_web_trailers(g, headers + 1, count - 1);
        http_stream_end(x, true);
    } else if (g->has_begun) {
        http_stream_trailers(x, headers + 1, count - 1);
        http_stream_end(x, true);
    } else {
        http_respond(x, 200, headers, count, (struct slice){0});
    }
}

static void finish(struct grpc_call *g, const struct status *s)
{
    CHECK(!g->is_finished && g->op == NULL);
    g->is_finished = true;
    if (g->is_aborted) {
        return;
    }
    count_error(g, s->err);
    grpc_release(g);
    send_status(g, s);
}

void grpc_finish_with(struct grpc_call *g, enum grpc_status status, struct slice text,
                      const struct http_header *metadata, size_t count)
{
    finish(g, &(struct status){status, err_of(status), text, metadata, count});
}

void grpc_finish(struct grpc_call *g, enum grpc_status status, struct slice text)
{
    grpc_finish_with(g, status, text, NULL, 0);
}

void grpc_reply(struct grpc_call *g, const ProtobufCMessage *message)
{
    grpc_send(g, message);
    grpc_finish(g, GRPC_OK, (struct slice){0});
}

void grpc_reply_packed(struct grpc_call *g, struct slice message)
{
    grpc_send_packed(g, message);
    grpc_finish(g, GRPC_OK, (struct slice){0});
}

void grpc_reply_message(struct grpc_call *g)
{
    grpc_send_message(g);
    grpc_finish(g, GRPC_OK, (struct slice){0});
}

void grpc_fail(struct grpc_call *g, enum err e, const char *text)
{
    grpc_fail_with(g, e, text, NULL, 0);
}

void grpc_fail_with(struct grpc_call *g, enum err e, const char *text,
                    const struct http_header *metadata, size_t count)
{
    const char *said = text == NULL ? http_err_text(e) : text;
    finish(g, &(struct status){grpc_status_of(e), e, slice_of_text(said), metadata, count});
}
