/* What a client of HTTP/2 may not do, however correct its frames are: each flood ends in GOAWAY,
 * and what it could occupy until then is bounded. */
#include "http2_world.h"

static const char *const get[] = {":method",   "GET",   ":scheme", "http", ":authority",
                                  "localhost", ":path", "/",       NULL};

static struct slice find_goaway(const struct buf *out)
{
    struct slice rest = buf_slice(out);
    for (;;) {
        EXPECT(rest.size >= 9);
        const size_t size =
            9 + ((size_t)rest.data[0] << 16 | (size_t)rest.data[1] << 8 | (size_t)rest.data[2]);
        EXPECT(rest.size >= size);
        if (rest.data[3] == NGHTTP2_GOAWAY) {
            return slice_of(rest.data, size);
        }
        rest = slice_skip(rest, size);
    }
}

/* Injects `bytes`, and expects the connection to end with that code and text. */
static void expect_goaway(struct http2_world *w, const struct buf *bytes, uint32_t code,
                          const char *why)
{
    struct buf out = {0};
    world_inject(w, bytes, &out);
    EXPECT(http2_session_is_over(w->server));
    EXPECT(http2_session_complaint(w->server) != NULL);
    const struct slice goaway = find_goaway(&out);
    EXPECT_EQ(code, goaway.data[9 + 7]);
    EXPECT(slice_equal(slice_of_text(why), slice_skip(goaway, 9 + 8)));
    buf_clear(&out);
    world_inject(w, bytes, &out);
    EXPECT_EQ(0, out.size); /* it says nothing any more */
    buf_deinit(&out);
}

static void append_reset(struct buf *out, uint32_t id)
{
    frame_append(out, NGHTTP2_RST_STREAM, 0, id, slice_of("\0\0\0\x08", 4));
}

/* Rapid reset: requests that are taken back at once, so that there are never many streams. */
static void test_rapid_reset(void)
{
    struct http2_world w;
    struct buf in = {0};
    world_open(&w, 65535, false);
    for (uint32_t i = 0; i < HTTP2_RESETS_MAX; i++) {
        frame_head(&in, 2 * i + 1, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, get);
        append_reset(&in, 2 * i + 1);
    }
    world_inject(&w, &in, NULL);
    EXPECT(!http2_session_is_over(w.server));
    EXPECT_EQ(HTTP2_RESETS_MAX, w.closed);

    w.now_ns += UINT64_C(1000000000); /* a second later as many are allowed again, ... */
    buf_clear(&in);
    for (uint32_t i = HTTP2_RESETS_MAX; i < 2 * HTTP2_RESETS_MAX; i++) {
        frame_head(&in, 2 * i + 1, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, get);
        append_reset(&in, 2 * i + 1);
    }
    world_inject(&w, &in, NULL);
    EXPECT(!http2_session_is_over(w.server));

    buf_clear(&in); /* ... and one more is too much */
    frame_head(&in, 4 * HTTP2_RESETS_MAX + 1, NGHTTP2_FLAG_END_HEADERS, get);
    append_reset(&in, 4 * HTTP2_RESETS_MAX + 1);
    expect_goaway(&w, &in, NGHTTP2_ENHANCE_YOUR_CALM, "too many requests that end before answers");
    EXPECT_EQ(w.count, w.closed);
    buf_deinit(&in);
    world_close(&w);
}

/* The same by errors that make the server reset its streams. */
static void test_made_resets(void)
{
    struct http2_world w;
    struct buf in = {0};
    world_open(&w, 65535, false);
    for (uint32_t i = 0; i <= HTTP2_RESETS_MAX && !http2_session_is_over(w.server); i++) {
        buf_clear(&in);
        frame_head(&in, 2 * i + 1, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, get);
        frame_append(&in, NGHTTP2_WINDOW_UPDATE, 0, 2 * i + 1, slice_of("\0\0\0\0", 4));
        world_inject(&w, &in, NULL);
    }
    EXPECT(http2_session_is_over(w.server));
    buf_deinit(&in);
    world_close(&w);
}

/* More streams at a time than were offered. */
static void test_streams(void)
{
    struct http2_world w;
    struct buf in = {0};
    world_open(&w, 65535, false);
    for (uint32_t i = 0; i < 2 * HTTP2_STREAMS_MAX; i++) {
        frame_head(&in, 2 * i + 1, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, get);
    }
    world_inject(&w, &in, NULL);
    EXPECT_EQ(HTTP2_STREAMS_MAX, w.count);
    buf_deinit(&in);
    world_close(&w);
}

static void repeat(struct buf *out, uint8_t type, uint8_t flags, uint32_t id, struct slice payload,
                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        frame_append(out, type, flags, id, payload);
    }
}

static void test_pings(void)
{
    struct http2_world w;
    struct buf in = {0};
    world_open(&w, 65535, false);
    for (size_t i = 0; i < HTTP2_CHORES_MAX / 500; i++) {
        buf_clear(&in);
        repeat(&in, NGHTTP2_PING, 0, 0, SLICE("12345678"), 500);
        world_inject(&w, &in, NULL);
        EXPECT(!http2_session_is_over(w.server));
    }
    buf_clear(&in);
    repeat(&in, NGHTTP2_PING, 0, 0, SLICE("12345678"), 1);
    expect_goaway(&w, &in, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    buf_deinit(&in);
    world_close(&w);
}

/* Acknowledgements that nobody takes off are bounded. */
static void test_acks(void)
{
    struct http2_world w;
    struct buf in = {0};
    world_open(&w, 65535, false);
    repeat(&in, NGHTTP2_PING, 0, 0, SLICE("12345678"), HTTP2_ACKS_MAX + 2);
    http2_session_input(w.server, buf_slice(&in), 0);
    EXPECT(http2_session_is_over(w.server));
    EXPECT(http2_session_complaint(w.server) != NULL);
    buf_deinit(&in);
    world_close(&w);
}

static void test_settings(void)
{
    struct http2_world w;
    struct buf in = {0};
    world_open(&w, 65535, false);
    repeat(&in, NGHTTP2_SETTINGS, 0, 0, SLICE("\0\x04\0\0\0\0"), HTTP2_SETTINGS_MAX + 1);
    expect_goaway(&w, &in, NGHTTP2_ENHANCE_YOUR_CALM, "too many settings");
    buf_deinit(&in);
    world_close(&w);
}

struct chore {
    uint8_t type;
    uint32_t id;
    const char *payload;
    size_t size;
};

static void test_chores(void)
{
    static const struct chore chores[] = {
        {NGHTTP2_PRIORITY, 1, "\0\0\0\0\x10", 5},
        {NGHTTP2_DATA, 1, "", 0},
        {NGHTTP2_WINDOW_UPDATE, 0, "\0\0\0\x01", 4},
        {NGHTTP2_WINDOW_UPDATE, 1, "\0\0\0\x01", 4},
    };
    for (size_t i = 0; i < sizeof(chores) / sizeof(chores[0]); i++) {
        struct http2_world w;
        struct buf in = {0};
        world_open(&w, 65535, false);
        frame_head(&in, 1, NGHTTP2_FLAG_END_HEADERS, get);
        world_inject(&w, &in, NULL);
        buf_clear(&in);
        repeat(&in, chores[i].type, 0, chores[i].id, slice_of(chores[i].payload, chores[i].size),
               HTTP2_CHORES_MAX / 2);
        world_inject(&w, &in, NULL);
        EXPECT(!http2_session_is_over(w.server));
        w.now_ns += UINT64_C(1000000000); /* not in one second: fine */
        world_inject(&w, &in, NULL);
        EXPECT(!http2_session_is_over(w.server));
        repeat(&in, chores[i].type, 0, chores[i].id, slice_of(chores[i].payload, chores[i].size),
               2);
        expect_goaway(&w, &in, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
        buf_deinit(&in);
        world_close(&w);
    }
}

static void test_continuations(void)
{
    struct http2_world w;
    struct buf in = {0};
    world_open(&w, 65535, false);
    frame_head(&in, 1, 0, get);
    repeat(&in, NGHTTP2_CONTINUATION, 0, 1, (struct slice){NULL, 0}, HTTP2_CONTINUATIONS_MAX + 1);
    world_inject(&w, &in, NULL);
    EXPECT(http2_session_is_over(w.server));
    EXPECT_EQ(1, w.count);
    EXPECT(!w.served[0]->has_head);
    buf_deinit(&in);
    world_close(&w);
}

/* A field of 4000 bytes is put into HPACK's table, and then named again and again by one byte. */
static void append_bomb(struct buf *in, uint32_t id, size_t count)
{
    struct buf block = {0};
    static const uint8_t begin[] = {0x82, 0x86, 0x84, 0x41, 1,    'a', /* GET http / "a" */
                                    0x40, 1,    'x',  0x7f, 0xa1, 0x1e};
    buf_append(&block, begin, sizeof(begin));
    memset(buf_reserve(&block, 4000), 'v', 4000);
    buf_extend(&block, 4000);
    memset(buf_reserve(&block, count), 0xbe, count);
    buf_extend(&block, count);
    frame_append(in, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, id,
                 buf_slice(&block));
    buf_deinit(&block);
}

static void test_head_bomb(void)
{
    struct http2_world w;
    struct buf in = {0};
    world_open(&w, 65535, false);
    append_bomb(&in, 1, 20); /* 84 KB: answered */
    world_inject(&w, &in, NULL);
    EXPECT_EQ(431, w.served[0]->stream.refusal);
    EXPECT(w.served[0]->arena.used_bytes <= HTTP2_HEAD_MAX);
    buf_clear(&in);
    append_bomb(&in, 3, 12000); /* 48 MB: not even read */
    expect_goaway(&w, &in, NGHTTP2_ENHANCE_YOUR_CALM, "a head without end");
    EXPECT(w.served[1]->arena.used_bytes <= HTTP2_HEAD_MAX);
    EXPECT(!w.served[1]->has_head);
    buf_deinit(&in);
    world_close(&w);
}

/* Trailers of requests are read, within the same limits. */
static void test_request_trailers(void)
{
    struct http2_world w;
    struct buf in = {0};
    static const char *const trailers[] = {"x-sum", "1", NULL};
    world_open(&w, 65535, false);
    frame_head(&in, 1, NGHTTP2_FLAG_END_HEADERS, get);
    frame_append(&in, NGHTTP2_DATA, 0, 1, SLICE("body"));
    frame_head(&in, 1, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, trailers);
    world_inject(&w, &in, NULL);
    EXPECT(w.served[0]->has_end);
    EXPECT_EQ(4, w.served[0]->body.size);
    EXPECT(http_header(&w.served[0]->stream.request, "x-sum").data == NULL);
    buf_deinit(&in);
    world_close(&w);
}

/* More of a body than its window allows. */
static void test_window_overrun(void)
{
    struct http2_world w;
    struct buf in = {0};
    world_open(&w, 65535, false);
    w.is_consuming = false;
    uint8_t block[16384] = {0};
    frame_head(&in, 1, NGHTTP2_FLAG_END_HEADERS, get);
    for (size_t i = 0; i <= HTTP2_STREAM_WINDOW / sizeof(block); i++) {
        frame_append(&in, NGHTTP2_DATA, 0, 1, slice_of(block, sizeof(block)));
    }
    world_inject(&w, &in, NULL);
    EXPECT(w.served[0]->body.size <= HTTP2_STREAM_WINDOW + sizeof(block));
    EXPECT(w.served[0]->is_closed);
    buf_deinit(&in);
    world_close(&w);
}

static const struct test_case cases[] = {
    {"rapid_reset", test_rapid_reset},
    {"made_resets", test_made_resets},
    {"streams", test_streams},
    {"pings", test_pings},
    {"acks", test_acks},
    {"settings", test_settings},
    {"chores", test_chores},
    {"continuations", test_continuations},
    {"head_bomb", test_head_bomb},
    {"request_trailers", test_request_trailers},
    {"window_overrun", test_window_overrun},
};

TEST_MAIN(cases)
