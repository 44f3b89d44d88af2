/* The server's side of HTTP/2 against nghttp2's client, and against frames that no good client
 * sends. Limits of attacks have a file of their own: test_http2_limits.c. */
#include "http2_world.h"
#include "wire/http2_private.h"

static struct slice text(const char *s)
{
    return slice_of_text(s);
}

static void expect_text(const char *want, const struct buf *got)
{
    if (!slice_equal(text(want), buf_slice(got))) {
        (void)fprintf(stderr, "want:\n%s\ngot:\n%.*s\n", want, (int)got->size,
                      (const char *)got->data);
        exit(1);
    }
}

/* ---- Requests and answers ---- */

static void test_request(void)
{
    static const char *const fields[] = {"x-first", "1", "te", "trailers", "x-empty", "", NULL};
    for (size_t piece = 0; piece < 20; piece++) {
        struct http2_world w;
        world_open(&w, 65535, false);
        w.piece = piece;
        struct client_stream *c = http2_client_request(w.client, "GET", "/kv/a%20b?x=1&y", fields,
                                                       (struct slice){NULL, 0}, false);
        world_carry(&w);
        EXPECT_EQ(1, w.count);
        struct served *s = w.served[0];
        const struct http_request *r = &s->stream.request;
        EXPECT(s->has_head && s->stream.is_request_done && !r->has_body && r->is_http2);
        EXPECT_EQ(HTTP_GET, r->method);
        EXPECT(slice_equal(text("GET"), r->method_text));
        EXPECT(slice_equal(text("/kv/a%20b"), r->path));
        EXPECT(slice_equal(text("x=1&y"), r->query));
        EXPECT(slice_equal(text("localhost"), r->host));
        EXPECT_EQ(3, r->header_count);
        EXPECT(slice_equal(text("1"), http_header(r, "x-first")));
        EXPECT(slice_equal(text("trailers"), http_header(r, "te")));
        EXPECT(http_header(r, "x-empty").data != NULL && http_header(r, "x-empty").size == 0);

        const struct http_header header = {SLICE("X-Answer"), SLICE("Yes")};
        http2_stream_answer(&s->stream,
                            &(struct http2_answer){.status = 200,
                                                   .headers = &header,
                                                   .header_count = 1,
                                                   .length = 5,
                                                   .date = SLICE("Sun, 06 Nov 1994 08:49:37 GMT"),
                                                   .has_body = true});
        http2_stream_write(&s->stream, text("he"));
        http2_stream_write(&s->stream, text("llo"));
        EXPECT_EQ(5, http2_stream_waiting(&s->stream));
        EXPECT_EQ(5, http2_session_waiting(w.server));
        http2_stream_end(&s->stream);
        world_carry(&w);
        EXPECT_EQ(200, c->status);
        expect_text("x-answer: Yes\ncontent-length: 5\n", &c->head);
        expect_text("hello", &c->body);
        EXPECT(c->is_ended && c->is_closed && c->code == 0);
        EXPECT(s->is_closed && s->is_complete);
        EXPECT_EQ(5, s->stream.sent_bytes);
        EXPECT_EQ(0, http2_session_waiting(w.server));
        world_close(&w);
    }
}

static void test_methods(void)
{
    static const struct {
        const char *text;
        enum http_method method;
    } all[] = {{"GET", HTTP_GET},         {"HEAD", HTTP_HEAD},   {"POST", HTTP_POST},
               {"PUT", HTTP_PUT},         {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE},
               {"OPTIONS", HTTP_OPTIONS}, {"BREW", HTTP_OTHER}};
    struct http2_world w;
    world_open(&w, 65535, false);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        (void)http2_client_request(w.client, all[i].text, "/", NULL, (struct slice){NULL, 0},
                                   false);
        world_carry(&w);
        EXPECT_EQ(all[i].method, w.served[i]->stream.request.method);
        EXPECT(slice_equal(text(all[i].text), w.served[i]->stream.request.method_text));
    }
    world_close(&w);
}

static void test_body(void)
{
    struct http2_world w;
    world_open(&w, 65535, false);
    w.piece = 7;
    static const char *const fields[] = {"content-length", "11", NULL};
    struct client_stream *c =
        http2_client_request(w.client, "POST", "/", fields, text("hello "), true);
    world_carry(&w);
    struct served *s = w.served[0];
    EXPECT(s->has_head && !s->has_end && s->stream.request.has_body);
    EXPECT_EQ(11, s->stream.content_length);
    expect_text("hello ", &s->body);
    http2_client_send(w.client, c, text("world"), true);
    world_carry(&w);
    EXPECT(s->has_end);
    expect_text("hello world", &s->body);
    served_answer(s, 204, (struct slice){NULL, 0});
    world_carry(&w);
    EXPECT_EQ(204, c->status);
    EXPECT(c->is_ended && c->is_closed);
    world_close(&w);
}

/* As gRPC answers: head, messages, trailers; and trailers alone. */
static void test_trailers(void)
{
    struct http2_world w;
    world_open(&w, 65535, false);
    struct client_stream *c = world_get(&w, "/");
    struct served *s = w.served[0];
    const struct http_header trailers[] = {{SLICE("grpc-status"), SLICE("0")},
                                           {SLICE("X-Note"), SLICE("done")}};
    http2_stream_answer(
        &s->stream,
        &(struct http2_answer){.status = 200, .length = HTTP2_NO_LENGTH, .has_body = true});
    http2_stream_write(&s->stream, text("one"));
    world_carry(&w);
    expect_text("one", &c->body);
    EXPECT(!c->is_ended);
    http2_stream_write(&s->stream, text("two"));
    http2_stream_trailers(&s->stream, trailers, 2);
    http2_stream_end(&s->stream);
    world_carry(&w);
    expect_text("onetwo", &c->body);
    expect_text("", &c->head);
    expect_text("grpc-status: 0\nx-note: done\n", &c->trailers);
    EXPECT(c->is_ended && c->is_closed && s->is_complete);

    c = world_get(&w, "/");
    s = w.served[1];
    http2_stream_answer(
        &s->stream,
        &(struct http2_answer){.status = 200, .length = HTTP2_NO_LENGTH, .has_body = true});
    world_carry(&w); /* nothing to send: the stream is put aside, ... */
    http2_stream_trailers(&s->stream, trailers, 1);
    http2_stream_end(&s->stream); /* ... and woken by its end */
    world_carry(&w);
    expect_text("grpc-status: 0\n", &c->trailers);
    EXPECT(c->is_ended && c->is_closed);

    c = world_get(&w, "/");
    s = w.served[2];
    http2_stream_answer(&s->stream, &(struct http2_answer){.status = 200,
                                                           .headers = trailers,
                                                           .header_count = 1,
                                                           .length = HTTP2_NO_LENGTH});
    world_carry(&w);
    expect_text("grpc-status: 0\n", &c->head);
    EXPECT(c->is_ended && c->is_closed && c->body.size == 0 && c->trailers.size == 0);
    world_close(&w);
}

static void test_continue(void)
{
    static const char *const fields[] = {"expect", "100-continue", NULL};
    struct http2_world w;
    world_open(&w, 65535, false);
    struct client_stream *c =
        http2_client_request(w.client, "POST", "/", fields, (struct slice){NULL, 0}, true);
    world_carry(&w);
    EXPECT(w.served[0]->stream.wants_continue);
    http2_stream_continue(&w.served[0]->stream);
    world_carry(&w);
    EXPECT_EQ(100, c->status);
    http2_client_send(w.client, c, text("x"), true);
    world_carry(&w);
    served_answer(w.served[0], 200, text("y"));
    world_carry(&w);
    EXPECT_EQ(100, c->interim);
    EXPECT_EQ(200, c->status);
    world_close(&w);
}

/* Whoever is answered before it has sent all has the answer before it is asked to stop. */
static void test_early_answer(void)
{
    struct http2_world w;
    world_open(&w, 65535, false);
    struct client_stream *c = http2_client_request(w.client, "POST", "/", NULL, text("a"), true);
    world_carry(&w);
    served_answer(w.served[0], 413, text("no"));
    world_carry(&w);
    EXPECT_EQ(413, c->status);
    expect_text("no", &c->body);
    EXPECT(c->is_ended && !c->is_closed);
    EXPECT(w.served[0]->stream.is_sent);
    http2_stream_reset(&w.served[0]->stream, HTTP2_NO_ERROR);
    world_carry(&w);
    EXPECT(c->is_closed);
    EXPECT_EQ(NGHTTP2_NO_ERROR, c->code);
    EXPECT(w.served[0]->is_closed && w.served[0]->is_complete);
    world_close(&w);
}

/* ---- Bad requests ---- */

struct bad_head {
    const char *fields[13];
    unsigned refusal; /* 0: the stream is reset and never seen */
};

static const struct bad_head bad_heads[] = {
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", NULL}, 1}, /* good */
    {{":method", "GET", ":scheme", "http", ":authority", "a", NULL}, 0},
    {{":method", "GET", ":authority", "a", ":path", "/", NULL}, 0},
    {{":scheme", "http", ":authority", "a", ":path", "/", NULL}, 0},
    {{":method", "GET", ":scheme", "http", ":path", "/", NULL}, 0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "", NULL}, 0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "x", NULL}, 0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", ":path", "/", NULL}, 0},
    {{":method", "GET", ":scheme", "http", ":path", "/", "host", "a", ":authority", "a", NULL}, 0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", ":x", "y", NULL}, 0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", ":status", "200", NULL},
     0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "X-Upper", "y", NULL},
     0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "connection", "close",
      NULL},
     0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "transfer-encoding",
      "chunked", NULL},
     0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "te", "gzip", NULL}, 0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "x y", "z", NULL}, 0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "x", "a\nb", NULL}, 0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "content-length", "1",
      NULL},
     0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "content-length", "x",
      NULL},
     0},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "host", "b", NULL},
     400},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "host", "a", NULL}, 1},
    {{":method", "GET", ":scheme", "http", ":path", "/", "host", "a", NULL}, 1},
    {{":method", "CONNECT", ":authority", "a", NULL}, 501},
    {{":method", "GET", ":scheme", "http", ":authority", "u@a", ":path", "/", NULL}, 400},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/#", NULL}, 400},
    {{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "expect", "x", NULL},
     417},
};

static void test_bad_heads(void)
{
    for (size_t i = 0; i < sizeof(bad_heads) / sizeof(bad_heads[0]); i++) {
        struct http2_world w;
        struct buf in = {0};
        struct buf out = {0};
        world_open(&w, 65535, false);
        frame_head(&in, 1, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, bad_heads[i].fields);
        world_inject(&w, &in, &out);
        const struct served *s = w.count == 0 ? NULL : w.served[0];
        const bool is_seen = s != NULL && s->has_head;
        if (is_seen != (bad_heads[i].refusal != 0)) {
            (void)fprintf(stderr, "case %zu\n", i);
        }
        EXPECT_EQ(bad_heads[i].refusal != 0, is_seen);
        if (bad_heads[i].refusal > 1) {
            EXPECT_EQ(bad_heads[i].refusal, s->stream.refusal);
            EXPECT(s->stream.why != NULL);
        } else if (!is_seen) {
            EXPECT_EQ(9 + 4, out.size); /* RST_STREAM, and the connection goes on */
            EXPECT_EQ(NGHTTP2_RST_STREAM, out.data[3]);
            EXPECT_EQ(NGHTTP2_PROTOCOL_ERROR, out.data[12]);
            EXPECT(s == NULL || s->is_closed);
        }
        EXPECT(!http2_session_is_over(w.server));
        buf_deinit(&in);
        buf_deinit(&out);
        world_close(&w);
    }
}

/* A body that is not as long as was said. */
static void test_length_mismatch(void)
{
    static const char *const fields[] = {"content-length", "3", NULL};
    struct http2_world w;
    world_open(&w, 65535, false);
    struct client_stream *c = http2_client_request(w.client, "POST", "/", fields, text("ab"), true);
    world_carry(&w);
    http2_client_send(w.client, c, (struct slice){NULL, 0}, true);
    world_carry(&w);
    EXPECT(!w.served[0]->has_end && w.served[0]->is_closed && !w.served[0]->is_complete);
    EXPECT_EQ(NGHTTP2_PROTOCOL_ERROR, c->code);
    c = http2_client_request(w.client, "POST", "/", fields, text("abcd"), false);
    world_carry(&w);
    EXPECT(!w.served[1]->has_end && w.served[1]->is_closed);
    EXPECT_EQ(NGHTTP2_PROTOCOL_ERROR, c->code);
    world_close(&w);
}

static void test_large_head(void)
{
    struct http2_world w;
    world_open(&w, 65535, false);
    char *value = calloc(1, 60001);
    EXPECT(value != NULL);
    memset(value, 'v', 60000);
    const char *const one[] = {"x-a", value, NULL};
    const char *const two[] = {"x-a", value, "x-b", value, NULL};
    (void)http2_client_request(w.client, "GET", "/", one, (struct slice){NULL, 0}, false);
    world_carry(&w);
    EXPECT_EQ(0, w.served[0]->stream.refusal);
    EXPECT_EQ(60000, http_header(&w.served[0]->stream.request, "x-a").size);
    const struct client_stream *c =
        http2_client_request(w.client, "GET", "/", two, (struct slice){NULL, 0}, false);
    world_carry(&w);
    EXPECT_EQ(431, w.served[1]->stream.refusal);
    served_answer(w.served[1], 431, (struct slice){NULL, 0});
    world_carry(&w);
    EXPECT_EQ(431, c->status);

    const char *many[2 * (HTTP_HEADERS_MAX + 1) + 1] = {0};
    for (size_t i = 0; i <= HTTP_HEADERS_MAX; i++) {
        many[2 * i] = "x-many";
        many[2 * i + 1] = "1";
    }
    (void)http2_client_request(w.client, "GET", "/", many, (struct slice){NULL, 0}, false);
    world_carry(&w);
    EXPECT_EQ(431, w.served[2]->stream.refusal);
    many[2 * (size_t)HTTP_HEADERS_MAX] = NULL;
    (void)http2_client_request(w.client, "GET", "/", many, (struct slice){NULL, 0}, false);
    world_carry(&w);
    EXPECT_EQ(0, w.served[3]->stream.refusal);
    EXPECT_EQ(HTTP_HEADERS_MAX, w.served[3]->stream.request.header_count);
    free(value);
    world_close(&w);
}

/* ---- Flow control ---- */

/* A stream whose body nobody takes closes its own window, not that of its neighbours. */
static void test_window_of_requests(void)
{
    struct http2_world w;
    world_open(&w, 65535, false);
    w.is_consuming = false;
    struct buf large = {0};
    memset(buf_reserve(&large, 3 << 20), 'l', 3 << 20);
    buf_extend(&large, 3 << 20);
    (void)http2_client_request(w.client, "POST", "/one", NULL, buf_slice(&large), false);
    world_carry(&w);
    EXPECT_EQ(HTTP2_STREAM_WINDOW, w.served[0]->body.size);
    (void)http2_client_request(w.client, "POST", "/two", NULL, buf_slice(&large), false);
    world_carry(&w);
    EXPECT_EQ(HTTP2_STREAM_WINDOW, w.served[0]->body.size);
    EXPECT_EQ(HTTP2_STREAM_WINDOW, w.served[1]->body.size);
    w.is_consuming = true;
    struct client_stream *c =
        http2_client_request(w.client, "POST", "/three", NULL, buf_slice(&large), false);
    world_carry(&w);
    EXPECT(w.served[2]->has_end && !c->is_closed);
    EXPECT_EQ(large.size, w.served[2]->body.size);
    http2_stream_consume(&w.served[0]->stream, HTTP2_STREAM_WINDOW);
    world_carry(&w);
    EXPECT(w.served[0]->has_end);
    EXPECT_EQ(HTTP2_STREAM_WINDOW, w.served[1]->body.size);
    buf_deinit(&large);
    world_close(&w);
}

/* Answers wait for the client's windows, each in its stream. */
static void test_window_of_answers(void)
{
    struct http2_world w;
    world_open(&w, 1000, true);
    struct client_stream *a = world_get(&w, "/a");
    struct client_stream *b = world_get(&w, "/b");
    struct buf large = {0};
    memset(buf_reserve(&large, 100000), 'l', 100000);
    buf_extend(&large, 100000);
    served_answer(w.served[0], 200, buf_slice(&large));
    served_answer(w.served[1], 200, buf_slice(&large));
    world_carry(&w);
    EXPECT_EQ(1000, a->body.size);
    EXPECT_EQ(1000, b->body.size);
    EXPECT_EQ(99000, http2_stream_waiting(&w.served[0]->stream));
    EXPECT_EQ(198000, http2_session_waiting(w.server));
    http2_client_open_window(w.client, b->id, 99000);
    world_carry(&w);
    EXPECT_EQ(64535, b->body.size); /* the connection's window, less the other's */
    http2_client_open_window(w.client, 0, 1000000);
    world_carry(&w);
    EXPECT_EQ(100000, b->body.size);
    EXPECT(b->is_ended);
    EXPECT_EQ(1000, a->body.size);
    EXPECT_EQ(99000, http2_session_waiting(w.server));
    http2_client_reset(w.client, a, NGHTTP2_CANCEL);
    world_carry(&w);
    EXPECT_EQ(0, http2_session_waiting(w.server));
    EXPECT(w.served[0]->is_closed && !w.served[0]->is_complete);
    buf_deinit(&large);
    world_close(&w);
}

/* Two large answers take turns; a small one need not wait for them. */
static void test_turns(void)
{
    struct http2_world w;
    world_open(&w, 1 << 24, false);
    http2_client_open_window(w.client, 0, 1 << 24);
    struct client_stream *a = world_get(&w, "/a");
    struct client_stream *b = world_get(&w, "/b");
    struct client_stream *small = world_get(&w, "/small");
    struct buf large = {0};
    memset(buf_reserve(&large, 1 << 20), 'l', 1 << 20);
    buf_extend(&large, 1 << 20);
    served_answer(w.served[0], 200, buf_slice(&large));
    served_answer(w.served[1], 200, buf_slice(&large));
    served_answer(w.served[2], 200, text("small"));
    struct buf out = {0};
    EXPECT(http2_session_output(w.server, &out, 300000));
    EXPECT(out.size >= 300000 && out.size < 300000 + 17000);
    EXPECT(http2_client_input(w.client, buf_slice(&out)));
    EXPECT(a->body.size > 100000 && b->body.size > 100000);
    EXPECT(small->is_ended);
    world_carry(&w);
    EXPECT(a->is_ended && b->is_ended);
    EXPECT_EQ(1 << 20, a->body.size);
    EXPECT_EQ(1 << 20, b->body.size);
    buf_deinit(&out);
    buf_deinit(&large);
    world_close(&w);
}

/* Written and sent again and again: the buffer stays small, and its bytes in order. */
static void test_long_stream(void)
{
    struct http2_world w;
    world_open(&w, 100000, false);
    struct client_stream *c = world_get(&w, "/");
    struct http2_stream *s = &w.served[0]->stream;
    struct buf want = {0};
    http2_stream_answer(
        s, &(struct http2_answer){.status = 200, .length = HTTP2_NO_LENGTH, .has_body = true});
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t piece[3000];
        const size_t size = (size_t)i * 37 % sizeof(piece);
        memset(piece, (int)(i & 255), sizeof(piece));
        http2_stream_write(s, slice_of(piece, size));
        buf_append(&want, piece, size);
        if (i % 97 == 0) {
            world_carry(&w);
            EXPECT(s->out.capacity < (1 << 20));
        }
    }
    http2_stream_end(s);
    world_carry(&w);
    EXPECT(c->is_ended);
    EXPECT(slice_equal(buf_slice(&want), buf_slice(&c->body)));
    buf_deinit(&want);
    world_close(&w);
}

/* ---- Ends ---- */

static void test_reset(void)
{
    struct http2_world w;
    world_open(&w, 65535, false);
    struct client_stream *c = world_get(&w, "/");
    http2_client_reset(w.client, c, NGHTTP2_CANCEL);
    world_carry(&w);
    EXPECT(w.served[0]->is_closed && !w.served[0]->is_complete);
    c = world_get(&w, "/");
    http2_stream_answer(
        &w.served[1]->stream,
        &(struct http2_answer){.status = 200, .length = HTTP2_NO_LENGTH, .has_body = true});
    http2_stream_write(&w.served[1]->stream, text("half"));
    world_carry(&w);
    http2_stream_reset(&w.served[1]->stream, HTTP2_INTERNAL_ERROR);
    world_carry(&w);
    EXPECT_EQ(NGHTTP2_INTERNAL_ERROR, c->code);
    EXPECT(!c->is_ended && w.served[1]->is_closed && !w.served[1]->is_complete);
    w.refuses = true;
    c = world_get(&w, "/");
    EXPECT_EQ(NGHTTP2_REFUSED_STREAM, c->code);
    EXPECT_EQ(2, w.count);
    world_close(&w);
}

static const char *const get[] = {":method",   "GET",   ":scheme", "http", ":authority",
                                  "localhost", ":path", "/",       NULL};

/* What comes for a stream that is closed: an error of whoever has closed it himself, and nothing
 * when it was this side. In pieces of any size. */
static void test_closed(void)
{
    for (size_t piece = 0; piece < 24; piece++) {
        for (unsigned way = 0; way < 4; way++) {
            struct http2_world w;
            struct buf in = {0};
            world_open(&w, 65535, false);
            w.piece = piece;
            frame_head(&in, 1, NGHTTP2_FLAG_END_HEADERS, get);
            frame_append(&in, NGHTTP2_DATA, way == 0 ? NGHTTP2_FLAG_END_STREAM : 0, 1,
                         SLICE("body"));
            world_inject(&w, &in, NULL);
            buf_clear(&in);
            if (way == 0) {
                served_answer(w.served[0], 200, text("x"));
            } else if (way == 1) {
                http2_stream_reset(&w.served[0]->stream, HTTP2_CANCEL);
            } else {
                frame_append(&in, NGHTTP2_RST_STREAM, 0, 1, SLICE("\0\0\0\x08"));
            }
            world_inject(&w, &in, NULL);
            EXPECT(w.served[0]->is_closed);
            buf_clear(&in);
            if (way == 3) {
                frame_head(&in, 1, NGHTTP2_FLAG_END_HEADERS, get);
            } else {
                frame_append(&in, NGHTTP2_DATA, 0, 1, SLICE("more"));
            }
            struct buf out = {0};
            world_inject(&w, &in, &out);
            EXPECT_EQ(way != 1, http2_session_is_over(w.server));
            EXPECT(way == 1 ||
                   (out.data[3] == NGHTTP2_GOAWAY && out.data[9 + 7] == NGHTTP2_STREAM_CLOSED));
            EXPECT_EQ(1, w.count);
            buf_deinit(&in);
            buf_deinit(&out);
            world_close(&w);
        }
    }
}

/* The same in one piece, between frames of other streams. */
static void test_closed_at_once(void)
{
    for (unsigned way = 0; way < 3; way++) {
        struct http2_world w;
        struct buf in = {0};
        world_open(&w, 65535, false);
        frame_head(&in, 1, NGHTTP2_FLAG_END_HEADERS, get);
        frame_head(&in, 3, NGHTTP2_FLAG_END_HEADERS, get);
        for (size_t i = 0; i < 3; i++) {
            frame_append(&in, NGHTTP2_DATA, 0, 1, SLICE("one"));
            frame_append(&in, NGHTTP2_DATA, 0, 1, SLICE("two"));
            frame_append(&in, NGHTTP2_DATA, 0, 3, SLICE("three"));
        }
        if (way == 1) {
            frame_append(&in, NGHTTP2_RST_STREAM, 0, 3, SLICE("\0\0\0\x08"));
        }
        frame_append(&in, NGHTTP2_DATA, way == 2 ? NGHTTP2_FLAG_END_STREAM : 0, 3, SLICE("four"));
        frame_append(&in, NGHTTP2_DATA, 0, way == 2 ? 3 : 1, SLICE("five"));
        world_inject(&w, &in, NULL);
        EXPECT_EQ(way != 0, http2_session_is_over(w.server));
        expect_text(way == 0 ? "onetwoonetwoonetwofive" : "onetwoonetwoonetwo", &w.served[0]->body);
        EXPECT_EQ(way == 1, w.served[1]->is_closed);
        EXPECT_EQ(way == 2, w.served[1]->has_end);
        buf_deinit(&in);
        world_close(&w);
    }
}

/* The client is told twice, and what it began before it knew is answered. */
static void test_drain(void)
{
    struct http2_world w;
    world_open(&w, 65535, false);
    struct client_stream *a = world_get(&w, "/a");
    http2_session_drain(w.server);
    struct client_stream *b =
        http2_client_request(w.client, "GET", "/b", NULL, (struct slice){NULL, 0}, false);
    world_carry(&w);
    EXPECT_EQ(2, w.count);
    EXPECT_EQ(2, w.client->goaways);
    EXPECT_EQ(NGHTTP2_NO_ERROR, w.client->goaway_code);
    EXPECT_EQ(b->id, w.client->goaway_last);
    EXPECT(!http2_session_is_over(w.server));
    served_answer(w.served[0], 200, text("a"));
    world_carry(&w);
    EXPECT(!http2_session_is_over(w.server));
    served_answer(w.served[1], 200, text("b"));
    world_carry(&w);
    EXPECT(a->is_ended && b->is_ended);
    EXPECT(http2_session_is_over(w.server));
    EXPECT(http2_session_complaint(w.server) == NULL);
    world_close(&w);
}

/* One that does not confirm it is told at the second call. */
static void test_drain_at_once(void)
{
    struct http2_world w;
    world_open(&w, 65535, false);
    struct buf none = {0};
    struct buf out = {0};
    http2_session_drain(w.server);
    world_inject(&w, &none, &out);
    EXPECT(!http2_session_is_over(w.server));
    http2_session_drain(w.server);
    world_inject(&w, &none, &out);
    EXPECT(http2_session_is_over(w.server));
    buf_deinit(&out);
    world_close(&w);
}

static void test_preface(void)
{
    static const char *const bad[] = {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
                                      "GET / HTTP/1.1\r\n\r\n\r\n"};
    for (size_t i = 0; i < 2; i++) {
        struct http2_world w;
        world_open(&w, 65535, false);
        http2_session_free(&w.server);
        w.server = http2_session_new(&(const struct http2_events){0}, &w, &w.pool);
        EXPECT(http2_session_is_in_head(w.server));
        struct buf in = {0};
        buf_append_text(&in, bad[i]);
        world_inject(&w, &in, NULL);
        EXPECT(http2_session_is_over(w.server));
        EXPECT(http2_session_complaint(w.server) != NULL);
        world_inject(&w, &in, NULL); /* is not read any more */
        buf_deinit(&in);
        world_close(&w);
    }
}

static void test_in_head(void)
{
    static const char *const fields[] = {":method", "GET",        ":scheme", "http", ":path",
                                         "/",       ":authority", "a",       NULL};
    struct http2_world w;
    struct buf in = {0};
    world_open(&w, 65535, false);
    EXPECT(!http2_session_is_in_head(w.server));
    frame_head(&in, 1, NGHTTP2_FLAG_END_STREAM, fields);
    world_inject(&w, &in, NULL);
    EXPECT(http2_session_is_in_head(w.server));
    buf_clear(&in);
    frame_append(&in, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, (struct slice){NULL, 0});
    world_inject(&w, &in, NULL);
    EXPECT(!http2_session_is_in_head(w.server));
    EXPECT(w.served[0]->has_head);
    buf_deinit(&in);
    world_close(&w);
}

/* Pieces of all sizes keep their bytes, also when they grow, and come back for the next one. */
static void test_pool(void)
{
    struct http2_pool pool = {0};
    nghttp2_mem memory = http2_pool_memory(&pool);
    static const uint8_t zeros[3000];
    for (size_t size = 0; size < 1500; size++) {
        uint8_t *a = memory.calloc(size, 2, memory.mem_user_data);
        EXPECT(((uintptr_t)a & 15) == 0);
        EXPECT(size == 0 || memcmp(a, zeros, 2 * size) == 0);
        uint8_t *b = memory.malloc(size, memory.mem_user_data);
        memset(a, 'a', 2 * size);
        memset(b, 'b', size);
        a = memory.realloc(a, 3 * size + 1, memory.mem_user_data);
        for (size_t i = 0; i < 2 * size; i++) {
            EXPECT_EQ('a', a[i]);
        }
        memset(a, 'a', 3 * size + 1);
        for (size_t i = 0; i < size; i++) {
            EXPECT_EQ('b', b[i]);
        }
        memory.free(b, memory.mem_user_data);
        memory.free(a, memory.mem_user_data);
    }
    memory.free(NULL, memory.mem_user_data);
    void *first = memory.realloc(NULL, 100, memory.mem_user_data);
    memory.free(first, memory.mem_user_data);
    EXPECT(memory.malloc(101, memory.mem_user_data) == first);
    memory.free(first, memory.mem_user_data);
    http2_pool_deinit(&pool);
    EXPECT(pool.lists[1] == NULL);
}

static const struct test_case cases[] = {
    {"request", test_request},
    {"methods", test_methods},
    {"body", test_body},
    {"trailers", test_trailers},
    {"continue", test_continue},
    {"early_answer", test_early_answer},
    {"bad_heads", test_bad_heads},
    {"length_mismatch", test_length_mismatch},
    {"large_head", test_large_head},
    {"window_of_requests", test_window_of_requests},
    {"window_of_answers", test_window_of_answers},
    {"turns", test_turns},
    {"long_stream", test_long_stream},
    {"reset", test_reset},
    {"closed", test_closed},
    {"closed_at_once", test_closed_at_once},
    {"drain", test_drain},
    {"drain_at_once", test_drain_at_once},
    {"preface", test_preface},
    {"in_head", test_in_head},
    {"pool", test_pool},
};

TEST_MAIN(cases)
