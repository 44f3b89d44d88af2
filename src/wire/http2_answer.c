/* http2_answer.c - answers of HTTP/2: what is written to a stream waits in its buffer, from which
 * nghttp2's frames go into the connection's output in one copy. */
#include "base/check.h"
#include "wire/http2_private.h"
#include "wire/text.h"

#define FRAME_HEAD_BYTES 9
#define SHIFT_BYTES      ((size_t)64 << 10) /* sent bytes are cut off a buffer beyond this */
#define CONSUME_BYTES    ((size_t)16 << 10) /* a window is told of steps of this size */

/* ---- Heads ---- */

/* nghttp2's fields are not const; it does not write to them. */
static uint8_t *as_field(const uint8_t *bytes)
{
    const union {
        const uint8_t *given;
        uint8_t *taken;
    } pointer = {bytes};
    return pointer.taken;
}

/* `flags` says what need not be copied. Names are in lower case, or nghttp2 copies them so. */
static nghttp2_nv field(struct slice name, struct slice value, uint8_t flags)
{
    return (nghttp2_nv){.name = as_field(name.data),
                        .value = as_field(value.data),
                        .namelen = name.size,
                        .valuelen = value.size,
                        .flags = flags};
}

static nghttp2_nv field_kept(struct slice name, struct slice value)
{
    return field(name, value, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
}

static nghttp2_nv status_field(struct http2_stream *s, unsigned status)
{
    CHECK(status >= 200 && status <= 999);
    s->status_text[0] = (char)('0' + status / 100);
    s->status_text[1] = (char)('0' + status / 10 % 10);
    s->status_text[2] = (char)('0' + status % 10);
    return field_kept(SLICE(":status"), slice_of(s->status_text, 3));
}

static nghttp2_nv length_field(struct http2_stream *s, uint64_t length)
{
    const uint8_t *end = text_digits(s->length_text, length);
    return field_kept(SLICE("content-length"),
                      slice_of(s->length_text, (size_t)(end - s->length_text)));
}

void http2_stream_continue(struct http2_stream *s)
{
    const nghttp2_nv status = field_kept(SLICE(":status"), SLICE("100"));
    CHECK(!s->has_answer && s->session != NULL);
    CHECK(nghttp2_submit_headers(s->session->ng, NGHTTP2_FLAG_NONE, s->id, NULL, &status, 1,
                                 NULL) == 0);
}

void http2_stream_answer(struct http2_stream *s, const struct http2_answer *a)
{
    CHECK(!s->has_answer && s->session != NULL);
    CHECK(a->header_count <= HTTP2_ANSWER_HEADERS);
    nghttp2_nv fields[HTTP2_ANSWER_HEADERS + 3];
    size_t count = 0;
    fields[count++] = status_field(s, a->status);
    for (size_t i = 0; i < a->header_count; i++) {
        fields[count++] = field(a->headers[i].name, a->headers[i].value, NGHTTP2_NV_FLAG_NONE);
    }
    if (a->length != HTTP2_NO_LENGTH) {
        fields[count++] = length_field(s, a->length);
    }
    if (a->date.size > 0) {
        fields[count++] = field_kept(SLICE("date"), a->date);
    }
    s->has_answer = true;
    s->has_end = !a->has_body;
    if (s->is_reset) {
        return;
    }
    const nghttp2_data_provider body = {.source.ptr = s, .read_callback = http2_on_read};
    /* It fails when the client has reset the stream, of which on_closed tells in a moment. */
    (void)nghttp2_submit_response(s->session->ng, s->id, fields, count, a->has_body ? &body : NULL);
}

static struct slice copy_lower(struct arena *arena, struct slice name)
{
    uint8_t *bytes = arena_get(arena, name.size);
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t byte = name.data[i];
        bytes[i] = byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
    }
    return slice_of(bytes, name.size);
}

void http2_stream_trailers(struct http2_stream *s, const struct http_header *headers, size_t count)
{
    CHECK(s->has_answer && !s->has_end && s->trailers == NULL);
    CHECK(count <= HTTP2_ANSWER_HEADERS);
    nghttp2_nv *fields = arena_get(s->arena, count * sizeof(*fields));
    for (size_t i = 0; i < count; i++) {
        fields[i] = field_kept(copy_lower(s->arena, headers[i].name),
                               arena_copy(s->arena, headers[i].value));
    }
    s->trailers = fields;
    s->trailer_count = count;
}

/* ---- Bodies ---- */

static void wake(struct http2_stream *s)
{
    if (s->is_deferred) {
        s->is_deferred = false;
        (void)nghttp2_session_resume_data(s->session->ng, s->id); /* fails when it was reset */
    }
}

void http2_stream_write(struct http2_stream *s, struct slice bytes)
{
    CHECK(s->has_answer && !s->has_end);
    if (bytes.size == 0 || s->is_reset) {
        return;
    }
    if (s->out_sent > SHIFT_BYTES && s->out_sent > s->out.size / 2) {
        buf_consume(&s->out, s->out_sent);
        s->out_sent = 0;
    }
    buf_append_slice(&s->out, bytes);
    s->session->waiting += bytes.size;
    wake(s);
}

void http2_stream_end(struct http2_stream *s)
{
    CHECK(s->has_answer && !s->has_end);
    s->has_end = true;
    if (!s->is_reset) {
        wake(s);
    }
}

void http2_stream_reset(struct http2_stream *s, enum http2_code code)
{
    CHECK(s->session != NULL);
    if (!s->is_reset) {
        s->is_reset = true;
        s->session->waiting -= http2_stream_waiting(s);
        buf_clear(&s->out);
        s->out_sent = 0;
        CHECK(nghttp2_submit_rst_stream(s->session->ng, NGHTTP2_FLAG_NONE, s->id, (uint32_t)code) ==
              0);
    }
}

/* NOLINTNEXTLINE(readability-function-size,readability-non-const-parameter): nghttp2's callback. */
ssize_t http2_on_read(nghttp2_session *ng, int32_t stream_id, uint8_t *to, size_t size,
                      uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)to;
    const struct http2_session *h = arg;
    struct http2_stream *s = source->ptr;
    if (h->out->size >= h->out_max) {
        return NGHTTP2_ERR_PAUSE; /* asked again in the next http2_session_output() */
    }
    const size_t waiting = http2_stream_waiting(s);
    if (waiting == 0 && !s->has_end) {
        s->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (waiting > size) {
        return (ssize_t)size;
    }
    if (s->has_end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->trailers != NULL) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            CHECK(nghttp2_submit_trailer(ng, stream_id, s->trailers, s->trailer_count) == 0);
        }
    }
    return (ssize_t)waiting;
}

int http2_on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t size,
                       nghttp2_data_source *source, void *arg)
{
    (void)ng;
    (void)frame;
    struct http2_session *h = arg;
    struct http2_stream *s = source->ptr;
    CHECK(size <= http2_stream_waiting(s));
    uint8_t *to = buf_reserve(h->out, FRAME_HEAD_BYTES + size);
    memcpy(to, head, FRAME_HEAD_BYTES);
    if (size > 0) {
        memcpy(to + FRAME_HEAD_BYTES, s->out.data + s->out_sent, size);
    }
    buf_extend(h->out, FRAME_HEAD_BYTES + size);
    s->out_sent += size;
    s->sent_bytes += size;
    h->waiting -= size;
    if (s->out_sent == s->out.size) {
        buf_clear(&s->out);
        s->out_sent = 0;
    }
    return 0;
}

void http2_stream_consume(struct http2_stream *s, size_t size)
{
    s->unconsumed += size;
    if (s->unconsumed >= CONSUME_BYTES && s->session != NULL && !s->is_request_done) {
        /* Fails only without memory, or for a stream that is gone. */
        (void)nghttp2_session_consume_stream(s->session->ng, s->id, s->unconsumed);
        s->unconsumed = 0;
    }
}

/* ---- Life ---- */

void http2_stream_init(struct http2_stream *s, struct arena *arena)
{
    struct buf out = s->out;
    buf_clear(&out);
    memset(s, 0, offsetof(struct http2_stream, headers));
    s->arena = arena;
    s->out = out;
}

void http2_stream_deinit(struct http2_stream *s)
{
    buf_deinit(&s->out);
}
