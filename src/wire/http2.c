/* http2.c - one connection of HTTP/2 over nghttp2: what its frames mean for streams, and where its
 * limits are.
 *
 * nghttp2 checks what RFC 9113 demands of frames and of heads (pseudo fields, fields of
 * connections, lengths) and answers what breaks it. What is added here is what a server must not
 * let a client do however correct its frames are: see calm(). */
#include "wire/http2.h"

#include "base/check.h"
#include "base/mem.h"
#include "wire/http2_private.h"
#include "wire/request.h"
#include "wire/text.h"

#define SECOND_NS UINT64_C(1000000000)

/* ---- Limits ---- */

/* The client is told what is wrong, and read no further. */
static void fail(struct http2_session *h, uint32_t code, const char *complaint)
{
    if (h->has_failed) {
        return;
    }
    h->has_failed = true;
    h->complaint = complaint;
    const int32_t last = nghttp2_session_get_last_proc_stream_id(h->ng);
    CHECK(nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE, last, code, (const uint8_t *)complaint,
                                strlen(complaint)) == 0);
}

/* It does too much of something. */
static void calm(struct http2_session *h, const char *complaint)
{
    fail(h, NGHTTP2_ENHANCE_YOUR_CALM, complaint);
}

static void count(struct http2_session *h, unsigned *counter, unsigned max, const char *complaint)
{
    if (++*counter > max) {
        calm(h, complaint);
    }
}

/* gRPC's clients send fewer signs of life when they read "too_many_pings". */
static void count_chore(struct http2_session *h)
{
    count(h, &h->counts.chores, HTTP2_CHORES_MAX, "too_many_pings");
}

/* ---- Streams that are closed ---- */

static struct http2_stream *stream_of(struct http2_session *h, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h->ng, id);
}

/* nghttp2 could remember them itself: all of them, which is memory that is cold when it is used
 * again. What it would say is only due for the latest. */
static void remember_end(struct http2_session *h, const struct http2_stream *s)
{
    if (s->is_request_done || s->is_left) {
        h->ended[h->ended_count++ % ENDED_IDS] = s->id;
    }
}

static bool has_ended(const struct http2_session *h, int32_t id)
{
    for (unsigned i = 0; i < ENDED_IDS; i++) {
        if (h->ended[i] == id) {
            return true;
        }
    }
    return false;
}

/* Frames on a stream that the client has ended before are an error of the connection (RFC 9113
 * section 5.1); on one that this side has reset they may have been under way. True: it is open. */
static bool check_open(struct http2_session *h, int32_t id)
{
    if (id > h->last_id || h->has_failed) {
        return false;
    }
    const bool is_open = stream_of(h, id) != NULL;
    if (!is_open && has_ended(h, id)) {
        fail(h, NGHTTP2_STREAM_CLOSED, "a frame for a stream that was closed");
    }
    return is_open;
}

static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *head, void *arg)
{
    (void)ng;
    if (head->type == NGHTTP2_HEADERS) { /* DATA: see http2_session_input() */
        (void)check_open(arg, head->stream_id);
    }
    return 0;
}

/* ---- Heads ---- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct http2_session *h = arg;
    h->is_in_head = true;
    h->head = NULL;
    h->head_bytes = 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0; /* trailers of a request are read, and mean nothing here */
    }
    const int32_t id = frame->hd.stream_id;
    struct http2_stream *s = h->has_failed ? NULL : h->events->on_open(h->arg);
    if (s == NULL) {
        return nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    }
    s->session = h;
    s->id = id;
    h->last_id = id;
    s->request.is_http2 = true;
    s->request.headers = s->headers;
    h->head = s;
    CHECK(nghttp2_session_set_stream_user_data(ng, id, s) == 0);
    return 0;
}

static void refuse(struct http2_stream *s, unsigned status, const char *why)
{
    if (s->refusal == 0) {
        s->refusal = status;
        s->why = why;
    }
}

/* In these, `value` lies in the stream's arena. */
static void set_host(struct http2_stream *s, struct slice value)
{
    if (!request_is_authority(value)) {
        refuse(s, 400, "the authority is not the name of a host");
    } else if (s->request.host.data == NULL) {
        s->request.host = value;
    } else if (!slice_equal(s->request.host, value)) { /* RFC 9113 section 8.3.1 */
        refuse(s, 400, "the authority and the host are not the same");
    }
}

static void set_pseudo(struct http2_stream *s, struct slice name, struct slice value)
{
    switch (name.size) {
    case 5: /* :path, whose query and whose meaning of '*' need the method */
        s->request.path = value;
        break;
    case 7: /* :method; :scheme is checked by nghttp2, and all the same to us */
        if (name.data[1] == 'm') {
            s->request.method_text = value;
            s->request.method = request_method(value);
        }
        break;
    case 10:
        set_host(s, value);
        break;
    default:
        break; /* :protocol is not offered, so nghttp2 refuses it */
    }
}

/* Takes note of the fields that mean something to a connection. */
static void note_field(struct http2_stream *s, struct slice name, struct slice value)
{
    switch (name.size) {
    case 4:
        if (text_is(name, "host")) {
            set_host(s, value);
        }
        break;
    case 6:
        if (text_is(name, "expect")) {
            s->wants_continue = text_is(value, "100-continue");
            if (!s->wants_continue) {
                refuse(s, 417, "the only expectation understood is 100-continue");
            }
        }
        break;
    case 14:
        if (text_is(name, "content-length") && !request_length(value, &s->content_length)) {
            refuse(s, 400, "content-length is no number of bytes");
        }
        break;
    default:
        break;
    }
}

static struct slice bytes_of(nghttp2_rcbuf *counted)
{
    const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(counted);
    return slice_of(bytes.base, bytes.len);
}

/* Bytes that live as long as the stream; those of HPACK's table of constants do anyway. */
static struct slice keep(struct http2_stream *s, nghttp2_rcbuf *counted)
{
    const struct slice bytes = bytes_of(counted);
    return nghttp2_rcbuf_is_static(counted) != 0 ? bytes : arena_copy(s->arena, bytes);
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *counted_name,
                     nghttp2_rcbuf *counted_value, uint8_t flags, void *arg)
{
    (void)ng;
    (void)frame;
    (void)flags;
    struct http2_session *h = arg;
    struct http2_stream *s = h->head;
    const struct slice name = bytes_of(counted_name);
    const struct slice value = bytes_of(counted_value);
    h->head_bytes += name.size + value.size + 32;
    if (h->head_bytes > HTTP2_HEAD_READ_MAX) {
        calm(h, "a head without end");
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (s == NULL) {
        return 0;
    }
    if (h->head_bytes > HTTP2_HEAD_MAX) {
        refuse(s, 431, "the header is too large");
    } else if (s->request.header_count == HTTP_HEADERS_MAX) {
        refuse(s, 431, "too many header fields");
    }
    if (s->refusal != 0) {
        return 0;
    }
    const struct slice kept = keep(s, counted_value);
    if (name.data[0] == ':') {
        set_pseudo(s, name, kept);
        return 0;
    }
    s->headers[s->request.header_count++] = (struct http_header){keep(s, counted_name), kept};
    note_field(s, name, kept);
    return 0;
}

/* nghttp2 would leave such a field out, and go on. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                             nghttp2_rcbuf *value, uint8_t flags, void *arg)
{
    (void)ng;
    (void)frame;
    (void)name;
    (void)value;
    (void)flags;
    (void)arg;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void end_head(struct http2_session *h, struct http2_stream *s, bool is_all)
{
    s->is_request_done = is_all;
    s->request.has_body = !is_all;
    const struct slice target = s->request.path;
    if (s->refusal == 0 && (target.size == 0 || !request_set_target(&s->request, target))) {
        refuse(s, s->request.method == HTTP_OTHER && target.size == 0 ? 501 : 400,
               "the request target is not a path, or has a character that must be escaped");
    }
    h->events->on_head(h->arg, s);
}

/* ---- Frames ---- */

static void end_request(struct http2_session *h, struct http2_stream *s)
{
    if (s != NULL && !s->is_request_done) {
        s->is_request_done = true;
        h->events->on_end(h->arg, s);
    }
}

static void on_headers(struct http2_session *h, const nghttp2_frame *frame)
{
    const bool is_all = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    struct http2_stream *s = h->head;
    h->is_in_head = false;
    h->head = NULL;
    if (s != NULL) {
        end_head(h, s, is_all);
    } else if (is_all) {
        end_request(h, stream_of(h, frame->hd.stream_id));
    }
}

static void on_reset(struct http2_session *h, int32_t id)
{
    struct http2_stream *s = stream_of(h, id);
    if (s != NULL) {
        s->is_left = true;
    }
}

static void on_ping(struct http2_session *h, const nghttp2_frame *frame)
{
    if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
        count_chore(h);
    } else if (h->is_draining) {
        http2_session_drain(h); /* it knows, and began what it began before */
    }
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    (void)ng;
    struct http2_session *h = arg;
    const bool is_all = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (h->has_failed) {
        return 0;
    }
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        on_headers(h, frame);
        break;
    case NGHTTP2_DATA:
        if (is_all) {
            end_request(h, stream_of(h, frame->hd.stream_id));
        } else if (frame->hd.length <= frame->data.padlen) {
            count_chore(h);
        }
        break;
    case NGHTTP2_SETTINGS:
        h->is_in_head = false; /* the first frame is one of these */
        count(h, &h->counts.settings, HTTP2_SETTINGS_MAX, "too many settings");
        break;
    case NGHTTP2_PING:
        on_ping(h, frame);
        break;
    case NGHTTP2_RST_STREAM:
        on_reset(h, frame->hd.stream_id);
        break;
    case NGHTTP2_PRIORITY:
        count_chore(h);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        if (frame->window_update.window_size_increment < HTTP2_SMALL_UPDATE) {
            count_chore(h);
        }
        break;
    default:
        break;
    }
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *arg)
{
    (void)flags;
    struct http2_session *h = arg;
    struct http2_stream *s = h->fed;
    if (s == NULL || s->id != stream_id) {
        s = h->fed = stream_of(h, stream_id);
    }
    h->unconsumed += size;
    if (h->unconsumed >= HTTP2_CONNECTION_WINDOW / 4) {
        CHECK(nghttp2_session_consume_connection(ng, h->unconsumed) == 0);
        h->unconsumed = 0;
    }
    if (s != NULL && !s->is_reset && !h->has_failed) {
        h->events->on_body(h->arg, s, slice_of(data, size));
    }
    return 0;
}

static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    (void)ng;
    const bool is_of_answer = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (is_of_answer && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        struct http2_stream *s = stream_of(arg, frame->hd.stream_id);
        if (s != NULL) {
            s->is_sent = true;
        }
    }
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t stream_id, uint32_t code, void *arg)
{
    (void)ng;
    (void)code;
    struct http2_session *h = arg;
    struct http2_stream *s = stream_of(h, stream_id);
    if (s == NULL) {
        return 0;
    }
    if (h->fed == s) {
        h->fed = NULL;
    }
    if (h->head == s) { /* it broke a rule */
        h->head = NULL;
        h->is_in_head = false;
    }
    if (!s->is_sent && !s->is_reset) {
        count(h, &h->counts.resets, HTTP2_RESETS_MAX, "too many requests that end before answers");
    }
    h->waiting -= http2_stream_waiting(s);
    s->session = NULL;
    remember_end(h, s);
    h->events->on_closed(h->arg, s, s->is_sent);
    return 0;
}

/* ---- The session ---- */

static nghttp2_session_callbacks *callbacks_new(void)
{
    nghttp2_session_callbacks *c = NULL;
    CHECK(nghttp2_session_callbacks_new(&c) == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(c, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(c, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(c, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(c, http2_on_send_data);
    return c;
}

static nghttp2_option *options_new(void)
{
    nghttp2_option *o = NULL;
    CHECK(nghttp2_option_new(&o) == 0);
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_outbound_ack(o, HTTP2_ACKS_MAX);
    nghttp2_option_set_max_continuations(o, HTTP2_CONTINUATIONS_MAX);
    /* Resets are counted here, where it is known which of them cost anything. */
    nghttp2_option_set_stream_reset_rate_limit(o, UINT32_MAX, UINT32_MAX);
    return o;
}

static void send_settings(struct http2_session *h)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP2_HEAD_MAX},
    };
    CHECK(nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, settings,
                                  sizeof(settings) / sizeof(settings[0])) == 0);
    CHECK(nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0,
                                                HTTP2_CONNECTION_WINDOW) == 0);
}

struct http2_session *http2_session_new(const struct http2_events *events, void *arg,
                                        struct http2_pool *pool)
{
    struct http2_session *h = mem_zero(1, sizeof(*h));
    h->events = events;
    h->arg = arg;
    h->is_in_head = true;
    h->scan.skip = NGHTTP2_CLIENT_MAGIC_LEN;
    nghttp2_mem memory = http2_pool_memory(pool);
    nghttp2_session_callbacks *callbacks = callbacks_new();
    nghttp2_option *options = options_new();
    CHECK(nghttp2_session_server_new3(&h->ng, callbacks, h, options, &memory) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
    send_settings(h);
    return h;
}

void http2_session_free(struct http2_session **h)
{
    if (*h != NULL) {
        nghttp2_session_del((*h)->ng);
        mem_free(*h);
        *h = NULL;
    }
}

static void feed(struct http2_session *h, struct slice bytes)
{
    if (bytes.size == 0 || h->has_failed) {
        return;
    }
    const ssize_t used = nghttp2_session_mem_recv(h->ng, bytes.data, bytes.size);
    if (used < 0 && !h->has_failed) {
        h->has_failed = true; /* no preface, or more of something than nghttp2 allows */
        h->complaint = nghttp2_strerror((int)used);
        (void)nghttp2_session_terminate_session(h->ng, used == NGHTTP2_ERR_FLOODED
                                                           ? NGHTTP2_ENHANCE_YOUR_CALM
                                                           : NGHTTP2_PROTOCOL_ERROR);
    }
}

void http2_session_input(struct http2_session *h, struct slice bytes, uint64_t now_ns)
{
    if (h->has_failed) {
        return;
    }
    if (now_ns / SECOND_NS != h->counts.second) {
        h->counts = (struct http2_counts){.second = now_ns / SECOND_NS};
    }
    size_t fed = 0;
    size_t begin = 0;
    int32_t id = 0;
    int32_t open_id = 0; /* of a stream that was open a moment ago */
    for (size_t at = 0; http2_scan_data(&h->scan, bytes, &at, &begin, &id);) {
        if (id == open_id && h->scan.is_quiet) {
            continue; /* it still is */
        }
        feed(h, slice_of(bytes.data + fed, begin - fed));
        fed = begin;
        open_id = check_open(h, id) ? id : 0;
        h->scan.is_quiet = (h->scan.head[4] & NGHTTP2_FLAG_END_STREAM) == 0;
    }
    feed(h, slice_skip(bytes, fed));
}

bool http2_session_output(struct http2_session *h, struct buf *out, size_t max)
{
    h->out = out;
    h->out_max = max;
    const uint8_t *bytes = NULL;
    ssize_t size = 0;
    while (out->size < max && (size = nghttp2_session_mem_send(h->ng, &bytes)) > 0) {
        buf_append(out, bytes, (size_t)size);
    }
    h->out = NULL;
    if (size < 0) {
        h->has_failed = true;
        h->complaint = nghttp2_strerror((int)size);
        return false;
    }
    return out->size >= max;
}

bool http2_session_is_over(const struct http2_session *h)
{
    return h->has_failed ||
           (nghttp2_session_want_read(h->ng) == 0 && nghttp2_session_want_write(h->ng) == 0);
}

const char *http2_session_complaint(const struct http2_session *h)
{
    return h->complaint;
}

bool http2_session_is_in_head(const struct http2_session *h)
{
    return h->is_in_head;
}

size_t http2_session_waiting(const struct http2_session *h)
{
    return h->waiting;
}

void http2_session_drain(struct http2_session *h)
{
    if (h->is_drained || h->has_failed) {
        return;
    }
    if (!h->is_draining) {
        h->is_draining = true;
        CHECK(nghttp2_submit_shutdown_notice(h->ng) == 0);
        http2_session_ping(h);
        return;
    }
    h->is_drained = true;
    const int32_t last = nghttp2_session_get_last_proc_stream_id(h->ng);
    CHECK(nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0) == 0);
}

void http2_session_ping(struct http2_session *h)
{
    CHECK(nghttp2_submit_ping(h->ng, NGHTTP2_FLAG_NONE, NULL) == 0);
}
