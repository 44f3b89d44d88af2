#include "http2_client.h"

#include "base/check.h"
#include "base/mem.h"

/* ---- What the server says ---- */

static struct client_stream *stream_of(nghttp2_session *ng, int32_t id)
{
    return nghttp2_session_get_stream_user_data(ng, id);
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2's callback. */
static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *arg)
{
    (void)flags;
    (void)arg;
    struct client_stream *s = stream_of(ng, frame->hd.stream_id);
    CHECK(s != NULL);
    if (name_size == 7 && memcmp(name, ":status", 7) == 0) {
        s->interim = s->status;
        s->status = (unsigned)strtoul((const char *)value, NULL, 10);
        return 0;
    }
    if (name_size == 4 && memcmp(name, "date", 4) == 0) {
        return 0;
    }
    buf_printf(s->has_head ? &s->trailers : &s->head, "%.*s: %.*s\n", (int)name_size,
               (const char *)name, (int)value_size, (const char *)value);
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *arg)
{
    (void)flags;
    (void)arg;
    buf_append(&stream_of(ng, stream_id)->body, data, size);
    return 0;
}

static void on_goaway(struct http2_client *c, const nghttp2_goaway *goaway)
{
    c->goaways++;
    c->goaway_code = goaway->error_code;
    c->goaway_last = goaway->last_stream_id;
    const size_t room = sizeof(c->goaway_text) - 1;
    const size_t size = goaway->opaque_data_len < room ? goaway->opaque_data_len : room;
    if (size > 0) {
        memcpy(c->goaway_text, goaway->opaque_data, size);
    }
    c->goaway_text[size] = '\0';
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct http2_client *c = arg;
    struct client_stream *s = stream_of(ng, frame->hd.stream_id);
    const bool has_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (s != NULL && has_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        s->is_ended = true;
    }
    if (s != NULL && frame->hd.type == NGHTTP2_HEADERS) {
        s->has_head = s->status >= 200;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        on_goaway(c, &frame->goaway);
    }
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
        c->ping_acks++;
    }
    c->window_updates += frame->hd.type == NGHTTP2_WINDOW_UPDATE ? 1 : 0;
    return 0;
}

static int on_close(nghttp2_session *ng, int32_t stream_id, uint32_t code, void *arg)
{
    (void)arg;
    struct client_stream *s = stream_of(ng, stream_id);
    if (s != NULL) {
        s->is_closed = true;
        s->code = code;
    }
    return 0;
}

/* ---- What it says ---- */

/* NOLINTNEXTLINE(readability-function-size): nghttp2's callback. */
static ssize_t on_read(nghttp2_session *ng, int32_t stream_id, uint8_t *to, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)ng;
    (void)stream_id;
    (void)arg;
    struct client_stream *s = source->ptr;
    if (s->to_send.size == 0 && !s->sends_end) {
        s->is_waiting = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    const size_t part = s->to_send.size < size ? s->to_send.size : size;
    if (part > 0) {
        memcpy(to, s->to_send.data, part);
        s->to_send = slice_skip(s->to_send, part);
    }
    if (s->to_send.size == 0 && s->sends_end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)part;
}

struct http2_client *http2_client_new(uint32_t window, bool keeps_windows)
{
    struct http2_client *c = mem_zero(1, sizeof(*c));
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *options = NULL;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    CHECK(nghttp2_option_new(&options) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option_set_no_auto_window_update(options, keeps_windows);
    nghttp2_option_set_max_send_header_block_length(options, (size_t)1 << 20);
    CHECK(nghttp2_session_client_new2(&c->ng, callbacks, c, options) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
    const nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
    CHECK(nghttp2_submit_settings(c->ng, NGHTTP2_FLAG_NONE, &settings, 1) == 0);
    c->keeps_windows = keeps_windows;
    return c;
}

void http2_client_free(struct http2_client **c)
{
    nghttp2_session_del((*c)->ng);
    for (size_t i = 0; i < (*c)->count; i++) {
        struct client_stream *s = &(*c)->streams[i];
        buf_deinit(&s->head);
        buf_deinit(&s->body);
        buf_deinit(&s->trailers);
    }
    mem_free(*c);
    *c = NULL;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

struct client_stream *http2_client_request(struct http2_client *c, const char *method,
                                           const char *path, const char *const *fields,
                                           struct slice body, bool is_open)
{
    CHECK(c->count < CLIENT_STREAMS_MAX);
    struct client_stream *s = &c->streams[c->count++];
    nghttp2_nv all[160];
    size_t count = 0;
    all[count++] = field(":method", method);
    all[count++] = field(":scheme", "http");
    all[count++] = field(":authority", "localhost");
    all[count++] = field(":path", path);
    for (; fields != NULL && *fields != NULL; fields += 2) {
        CHECK(count < 160);
        all[count++] = field(fields[0], fields[1]);
    }
    s->to_send = body;
    s->sends_end = !is_open;
    const nghttp2_data_provider data = {.source.ptr = s, .read_callback = on_read};
    const bool has_body = body.data != NULL || is_open;
    s->id = nghttp2_submit_request(c->ng, NULL, all, count, has_body ? &data : NULL, s);
    CHECK(s->id > 0);
    return s;
}

void http2_client_send(struct http2_client *c, struct client_stream *s, struct slice body,
                       bool is_end)
{
    CHECK(s->to_send.size == 0 && !s->sends_end);
    s->to_send = body;
    s->sends_end = is_end;
    if (s->is_waiting) {
        s->is_waiting = false;
        (void)nghttp2_session_resume_data(c->ng, s->id);
    }
}

void http2_client_reset(struct http2_client *c, const struct client_stream *s, uint32_t code)
{
    CHECK(nghttp2_submit_rst_stream(c->ng, NGHTTP2_FLAG_NONE, s->id, code) == 0);
}

void http2_client_open_window(struct http2_client *c, int32_t stream_id, int32_t size)
{
    CHECK(nghttp2_submit_window_update(c->ng, NGHTTP2_FLAG_NONE, stream_id, size) == 0);
}

bool http2_client_input(struct http2_client *c, struct slice bytes)
{
    return nghttp2_session_mem_recv(c->ng, bytes.data, bytes.size) == (ssize_t)bytes.size;
}

void http2_client_output(struct http2_client *c, struct buf *out)
{
    const uint8_t *bytes = NULL;
    ssize_t size = 0;
    while ((size = nghttp2_session_mem_send(c->ng, &bytes)) > 0) {
        buf_append(out, bytes, (size_t)size);
    }
    CHECK(size == 0);
}

/* ---- By hand ---- */

void frame_append(struct buf *out, uint8_t type, uint8_t flags, uint32_t stream_id,
                  struct slice payload)
{
    const uint8_t head[9] = {(uint8_t)(payload.size >> 16),
                             (uint8_t)(payload.size >> 8),
                             (uint8_t)payload.size,
                             type,
                             flags,
                             (uint8_t)(stream_id >> 24),
                             (uint8_t)(stream_id >> 16),
                             (uint8_t)(stream_id >> 8),
                             (uint8_t)stream_id};
    buf_append(out, head, sizeof(head));
    buf_append_slice(out, payload);
}

void frame_preface(struct buf *out)
{
    buf_append_text(out, CLIENT_PREFACE);
    frame_append(out, NGHTTP2_SETTINGS, 0, 0, (struct slice){NULL, 0});
}

/* A string of HPACK with its length. */
static void append_string(struct buf *out, const char *text)
{
    size_t left = strlen(text);
    if (left < 127) {
        buf_append_byte(out, (uint8_t)left);
    } else {
        buf_append_byte(out, 127);
        for (left -= 127; left >= 128; left /= 128) {
            buf_append_byte(out, (uint8_t)(128 + left % 128));
        }
        buf_append_byte(out, (uint8_t)left);
    }
    buf_append_text(out, text);
}

void frame_head(struct buf *out, uint32_t stream_id, uint8_t flags, const char *const *fields)
{
    struct buf block = {0};
    for (; *fields != NULL; fields += 2) {
        buf_append_byte(&block, 0); /* literal, not indexed */
        append_string(&block, fields[0]);
        append_string(&block, fields[1]);
    }
    frame_append(out, NGHTTP2_HEADERS, flags, stream_id, buf_slice(&block));
    buf_deinit(&block);
}
