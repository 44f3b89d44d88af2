/* Connections that speak HTTP/2, as their clients see them. */
#include "base/mem.h"
#include "http2_client.h"
#include "sim/front_world.h"

/* A client with its connection. */
struct peer {
    struct sim_client *socket;
    struct http2_client *http2;
    bool is_broken; /* what the server says is no HTTP/2 */
};

static struct peer peer_connect_with(struct front_world *w, uint32_t window, bool keeps_windows)
{
    return (struct peer){world_connect(w), http2_client_new(window, keeps_windows), false};
}

static struct peer peer_connect(struct front_world *w)
{
    return peer_connect_with(w, 65535, false);
}

static void peer_close(struct peer *p)
{
    sim_client_close(&p->socket);
    http2_client_free(&p->http2);
}

static void say(struct peer *p)
{
    struct buf out = {0};
    http2_client_output(p->http2, &out);
    sim_client_write(p->socket, buf_slice(&out));
    buf_deinit(&out);
}

/* Lets `ms` pass, in which the client reads and answers. */
static void peer_run(struct peer *p, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        say(p);
        world_run(1);
        struct buf *in = sim_client_input(p->socket);
        if (in->size > 0) {
            p->is_broken |= !http2_client_input(p->http2, buf_slice(in));
            buf_clear(in);
        }
    }
    say(p);
}

static struct client_stream *ask(struct peer *p, const char *method, const char *path,
                                 struct slice body)
{
    return http2_client_request(p->http2, method, path, NULL, body, false);
}

static struct client_stream *get(struct peer *p, const char *path)
{
    return ask(p, "GET", path, (struct slice){NULL, 0});
}

static void expect_text(const char *want, const struct buf *got)
{
    if (!slice_equal(slice_of_text(want), buf_slice(got))) {
        (void)fprintf(stderr, "want:\n%s\ngot:\n%.*s\n", want, (int)got->size,
                      (const char *)got->data);
        exit(1);
    }
}

static void expect_answer(const struct client_stream *s, unsigned status, const char *body)
{
    EXPECT_EQ(status, s->status);
    EXPECT(s->is_ended);
    EXPECT_EQ(0, s->code);
    if (body != NULL) {
        expect_text(body, &s->body);
    }
}

static void filled(struct buf *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        buf_append_byte(b, (uint8_t)(i * 7 + i / 251));
    }
}

/* ---- Requests ---- */

static void test_requests(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect(&w);
    const struct client_stream *hello = get(&p, "/hello");
    const struct client_stream *later = get(&p, "/later/a");
    const struct client_stream *head = ask(&p, "HEAD", "/hello", (struct slice){NULL, 0});
    const struct client_stream *none = get(&p, "/none");
    const struct client_stream *echo = ask(&p, "POST", "/echo", SLICE("hello world"));
    const struct client_stream *empty = ask(&p, "POST", "/echo", SLICE(""));
    const struct client_stream *drop = ask(&p, "POST", "/drop", SLICE("xyz"));
    const struct client_stream *count = ask(&p, "POST", "/count", SLICE("1234567"));
    const struct client_stream *nothing = ask(&p, "POST", "/count", SLICE(""));
    const struct client_stream *big = get(&p, "/big?n=100000");
    const struct client_stream *mirror = ask(&p, "POST", "/mirror", SLICE("ab"));
    peer_run(&p, 100);
    expect_answer(hello, 200, "hello");
    expect_text("content-length: 5\n", &hello->head);
    expect_answer(later, 200, "/later/a");
    expect_text("x-host: \ncontent-length: 8\n", &later->head); /* the host is no field here */
    expect_answer(head, 200, "");
    expect_text("content-length: 5\n", &head->head);
    expect_answer(none, 404, "404 page not found");
    expect_text("content-type: text/plain\ncontent-length: 18\n", &none->head);
    expect_answer(echo, 200, "hello world");
    expect_answer(empty, 200, "");
    expect_text("", &empty->head);
    expect_answer(drop, 200, "");
    expect_answer(count, 200, "7");
    expect_answer(nothing, 200, "0");
    expect_answer(big, 200, NULL);
    EXPECT_EQ(100000, big->body.size);
    expect_answer(mirror, 200, "ab");
    expect_text("x-sum: all\n", &mirror->trailers);
    peer_close(&p);
    world_close(&w);
}

/* The same bytes in two pieces, cut anywhere: preface, frames, heads. */
static void test_split(void)
{
    struct buf input = {0};
    struct http2_client *client = http2_client_new(65535, false);
    (void)http2_client_request(client, "GET", "/later/x", NULL, (struct slice){NULL, 0}, false);
    (void)http2_client_request(client, "POST", "/echo", NULL, SLICE("hello"), false);
    http2_client_output(client, &input);
    http2_client_free(&client);
    struct front_world w;
    world_open(&w, NULL, 1000);
    for (size_t at = 0; at <= input.size; at++) {
        struct peer p = peer_connect(&w);
        struct client_stream *later = get(&p, "/later/x");
        struct client_stream *echo = ask(&p, "POST", "/echo", SLICE("hello"));
        struct buf out = {0};
        http2_client_output(p.http2, &out);
        EXPECT(slice_equal(buf_slice(&input), buf_slice(&out)));
        sim_client_write(p.socket, slice_of(out.data, at));
        world_run(5);
        sim_client_write(p.socket, slice_skip(buf_slice(&out), at));
        peer_run(&p, 30);
        expect_answer(later, 200, "/later/x");
        expect_answer(echo, 200, "hello");
        buf_deinit(&out);
        peer_close(&p);
    }
    buf_deinit(&input);
    world_close(&w);
}

static void test_refusals(void)
{
    static const char *const evil[] = {"origin", "http://evil.example", NULL};
    static const char *const same[] = {"origin", "http://localhost", NULL};
    static const char *const long_body[] = {"content-length", "2000000", NULL};
    static const char *const dropped[] = {"content-length", "65537", NULL};
    const struct slice none = {NULL, 0};
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect(&w);
    struct buf large = {0};
    filled(&large, 3 << 20);
    const struct client_stream *foreign =
        http2_client_request(p.http2, "GET", "/hello", evil, none, false);
    const struct client_stream *own =
        http2_client_request(p.http2, "GET", "/hello", same, none, false);
    const struct client_stream *told =
        http2_client_request(p.http2, "POST", "/echo", long_body, none, true);
    const struct client_stream *unwanted =
        http2_client_request(p.http2, "POST", "/drop", dropped, none, true);
    const struct client_stream *untold = ask(&p, "POST", "/echo", buf_slice(&large));
    const struct client_stream *streamed =
        http2_client_request(p.http2, "POST", "/drop", NULL, slice_of(large.data, 70000), true);
    peer_run(&p, 200);
    expect_answer(foreign, 403, NULL);
    expect_answer(own, 200, "hello");
    expect_answer(told, 413, NULL);
    expect_answer(unwanted, 413, NULL);
    expect_answer(untold, 413, NULL);
    expect_answer(streamed, 413, NULL);
    EXPECT_EQ(1, w.handled);
    const struct client_stream *after = get(&p, "/hello");
    peer_run(&p, 20);
    expect_answer(after, 200, "hello");
    EXPECT(!told->is_closed);
    peer_run(&p, 4000); /* those that go on sending are asked not to */
    EXPECT(told->is_closed && unwanted->is_closed && untold->is_closed && streamed->is_closed);
    EXPECT_EQ(NGHTTP2_NO_ERROR, untold->code);
    peer_close(&p);

    p = peer_connect(&w); /* a name that somebody points at our address */
    nghttp2_nv fields[] = {
        {(uint8_t *)(uintptr_t) ":method", (uint8_t *)(uintptr_t) "GET", 7, 3, 0},
        {(uint8_t *)(uintptr_t) ":scheme", (uint8_t *)(uintptr_t) "http", 7, 4, 0},
        {(uint8_t *)(uintptr_t) ":authority", (uint8_t *)(uintptr_t) "evil.example", 10, 12, 0},
        {(uint8_t *)(uintptr_t) ":path", (uint8_t *)(uintptr_t) "/hello", 5, 6, 0}};
    struct client_stream *s = &p.http2->streams[p.http2->count++];
    EXPECT_EQ(1, nghttp2_submit_request(p.http2->ng, NULL, fields, 4, NULL, s));
    peer_run(&p, 20);
    expect_answer(s, 421, NULL);
    EXPECT(memmem(s->body.data, s->body.size, "\"code\":\"DENIED\"", 15) != NULL);
    peer_close(&p);
    buf_deinit(&large);
    world_close(&w);
}

/* A listener of dialects that HTTP/2 reaches nothing of still speaks it. */
static void test_listener(void)
{
    struct front_world w;
    world_open(&w, "127.0.0.1:0=redis", 100);
    struct peer p = peer_connect(&w);
    const struct client_stream *s = get(&p, "/hello");
    peer_run(&p, 20);
    expect_answer(s, 404, NULL);
    peer_close(&p);
    world_close(&w);
}

/* ---- Streams ---- */

/* A body that its handler pauses again and again comes whole, and so does its answer. */
static void test_streaming(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect(&w);
    struct buf large = {0};
    filled(&large, 3 << 20);
    const struct client_stream *count = ask(&p, "POST", "/count", buf_slice(&large));
    const struct client_stream *mirror = ask(&p, "POST", "/mirror", buf_slice(&large));
    peer_run(&p, 3000);
    expect_answer(count, 200, "3145728");
    expect_answer(mirror, 200, NULL);
    EXPECT(slice_equal(buf_slice(&large), buf_slice(&mirror->body)));
    expect_text("x-sum: all\n", &mirror->trailers);
    buf_deinit(&large);
    peer_close(&p);
    world_close(&w);
}

/* More than the route takes: it cannot be refused any more, as its answer may have begun. */
static void test_streaming_too_much(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect(&w);
    struct buf large = {0};
    filled(&large, 5 << 20);
    const struct client_stream *count = ask(&p, "POST", "/count", buf_slice(&large));
    const struct client_stream *broken = get(&p, "/broken");
    peer_run(&p, 3000);
    EXPECT_EQ(0, count->status);
    EXPECT_EQ(NGHTTP2_ENHANCE_YOUR_CALM, count->code);
    EXPECT_EQ(1, w.aborted);
    EXPECT(broken->is_closed && !broken->is_ended);
    EXPECT_EQ(NGHTTP2_INTERNAL_ERROR, broken->code);
    buf_deinit(&large);
    peer_close(&p);
    world_close(&w);
}

/* A stream whose client does not read stops its producer, not its neighbours. */
static void test_slow_stream(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect_with(&w, 65535, true);
    http2_client_open_window(p.http2, 0, 1 << 30);
    const struct client_stream *slow = get(&p, "/big?n=10000000");
    const struct client_stream *quick = get(&p, "/big?n=10000000");
    peer_run(&p, 10);
    http2_client_open_window(p.http2, quick->id, 1 << 29);
    peer_run(&p, 2000);
    EXPECT_EQ(65535, slow->body.size);
    expect_answer(quick, 200, NULL);
    EXPECT_EQ(10000000, quick->body.size);
    http2_client_open_window(p.http2, slow->id, 1 << 29);
    peer_run(&p, 2000);
    expect_answer(slow, 200, NULL);
    EXPECT_EQ(10000000, slow->body.size);
    peer_close(&p);
    world_close(&w);
}

/* A client that takes nothing: its streams end after a minute, each for itself. */
static void test_stalled_stream(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect_with(&w, 0, true);
    const struct client_stream *slow = get(&p, "/big?n=10000000");
    peer_run(&p, 55000);
    EXPECT_EQ(0, w.aborted);
    EXPECT_EQ(200, slow->status);
    const struct client_stream *other = get(&p, "/hello");
    peer_run(&p, 10);
    http2_client_open_window(p.http2, other->id, 5);
    peer_run(&p, 10000);
    EXPECT_EQ(1, w.aborted);
    EXPECT_EQ(NGHTTP2_CANCEL, slow->code);
    expect_answer(other, 200, "hello");
    client_expect_open(p.socket);
    peer_close(&p);
    world_close(&w);
}

static void test_slow_socket(void)
{
    struct front_world w;
    struct front_stats stats;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect_with(&w, (1U << 31) - 1, true);
    http2_client_open_window(p.http2, 0, 1 << 30);
    sim_client_pause(p.socket, true);
    for (size_t i = 0; i < 50; i++) {
        (void)get(&p, "/big?n=10000000");
    }
    say(&p);
    world_run(5000);
    front_stats(w.front, &stats);
    EXPECT(stats.waiting_bytes > 0 && stats.waiting_bytes < 3 * HTTP_STREAM_HIGH);
    world_run(125000);
    EXPECT(w.handled > 0);
    EXPECT_EQ(w.handled, w.aborted);
    front_stats(w.front, &stats);
    EXPECT_EQ(0, stats.waiting_bytes);
    peer_close(&p);
    world_close(&w);
}

static void test_cancel(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect(&w);
    const struct client_stream *never = get(&p, "/never");
    const struct client_stream *open =
        http2_client_request(p.http2, "POST", "/count", NULL, SLICE("abc"), true);
    const struct client_stream *gathered =
        http2_client_request(p.http2, "POST", "/echo", NULL, SLICE("abc"), true);
    peer_run(&p, 10);
    EXPECT_EQ(2, w.handled);
    http2_client_reset(p.http2, never, NGHTTP2_CANCEL);
    http2_client_reset(p.http2, open, NGHTTP2_CANCEL);
    http2_client_reset(p.http2, gathered, NGHTTP2_CANCEL);
    peer_run(&p, 10);
    EXPECT_EQ(2, w.aborted);
    w.refuses = true; /* a call that cannot be withdrawn outlives its stream, ... */
    const struct client_stream *later = get(&p, "/later/x");
    peer_run(&p, 3);
    http2_client_reset(p.http2, later, NGHTTP2_CANCEL);
    peer_run(&p, 3);
    EXPECT_EQ(3, w.aborted);
    const struct client_stream *hello = get(&p, "/hello");
    peer_run(&p, 50);
    expect_answer(hello, 200, "hello");
    (void)get(&p, "/later/y"); /* ... and its connection */
    (void)get(&p, "/never");
    peer_run(&p, 3);
    peer_close(&p);
    world_run(50);
    EXPECT_EQ(5, w.aborted);
    struct front_stats stats;
    front_stats(w.front, &stats);
    EXPECT_EQ(0, stats.connections);
    world_close(&w);
}

/* The client sends no more, so it cannot take part any more: it gets what is answered at once. */
static void test_half_close(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect(&w);
    peer_run(&p, 5);
    const struct client_stream *later = get(&p, "/later/x");
    (void)http2_client_request(p.http2, "POST", "/count", NULL, SLICE("abc"), true);
    const struct client_stream *hello = get(&p, "/hello");
    say(&p);
    sim_client_shutdown(p.socket);
    world_run(50);
    EXPECT(http2_client_input(p.http2, buf_slice(sim_client_input(p.socket))));
    expect_answer(hello, 200, "hello");
    EXPECT(!later->is_ended);
    client_expect_end(p.socket);
    EXPECT_EQ(2, w.aborted);
    peer_close(&p);
    world_close(&w);
}

/* ---- Time ---- */

static void test_timeouts(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *silent = world_connect(&w);
    client_send(silent, CLIENT_PREFACE);
    static const char *const fields[] = {":method", "GET", NULL};
    struct buf in = {0};
    struct sim_client *head = world_connect(&w);
    frame_preface(&in);
    frame_head(&in, 1, 0, fields); /* without END_HEADERS */
    sim_client_write(head, buf_slice(&in));
    buf_deinit(&in);
    struct peer p = peer_connect(&w);
    const struct client_stream *body =
        http2_client_request(p.http2, "POST", "/echo", NULL, SLICE("abc"), true);
    const struct client_stream *stream =
        http2_client_request(p.http2, "POST", "/count", NULL, SLICE("abc"), true);
    peer_run(&p, 9000);
    client_expect_open(silent);
    client_expect_open(head);
    peer_run(&p, 3000);
    client_expect_end(silent);
    client_expect_end(head);
    EXPECT_EQ(0, body->status);
    peer_run(&p, 20000);
    expect_answer(body, 408, NULL);
    EXPECT(!stream->is_closed); /* a stream may be silent for long */
    sim_client_close(&silent);
    sim_client_close(&head);
    peer_close(&p);
    world_close(&w);
}

/* A handler is told that its deadline has passed. */
static void test_deadline(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect(&w);
    const struct client_stream *late = get(&p, "/never?late");
    const struct client_stream *never = get(&p, "/never");
    peer_run(&p, 4900);
    EXPECT_EQ(0, late->status);
    peer_run(&p, 1200);
    expect_answer(late, 504, "late");
    EXPECT_EQ(0, never->status);
    peer_close(&p);
    world_close(&w);
}

/* A client that waits for an answer is asked whether it is there: one does not say so. */
static void test_sign_of_life(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer alive = peer_connect(&w);
    struct peer dead = peer_connect(&w);
    (void)get(&alive, "/never");
    (void)get(&dead, "/never");
    peer_run(&dead, 20);
    peer_run(&alive, 135000);
    client_expect_open(dead.socket);
    peer_run(&alive, 10000);
    client_expect_end(dead.socket);
    client_expect_open(alive.socket);
    EXPECT_EQ(1, w.aborted);
    peer_close(&alive);
    peer_close(&dead);
    world_close(&w);
}

static void test_idle(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect(&w);
    const struct client_stream *s = get(&p, "/hello");
    peer_run(&p, 20);
    expect_answer(s, 200, "hello");
    world_run(1790000);
    client_expect_open(p.socket);
    world_run(20000);
    peer_run(&p, 5000);
    EXPECT_EQ(NGHTTP2_NO_ERROR, p.http2->goaway_code);
    EXPECT(p.http2->goaways > 0);
    client_expect_end(p.socket);
    peer_close(&p);
    world_close(&w);
}

/* The node stops: what is under way is answered, and what was begun before the client knew. */
static void test_drain(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect(&w);
    struct peer idle = peer_connect(&w);
    const struct client_stream *first = get(&p, "/later/1");
    peer_run(&idle, 3);
    peer_run(&p, 3);
    for (size_t i = 0; i < WORLD_LOOPS; i++) {
        front_loop_drain(w.fronts[i]);
    }
    const struct client_stream *second = get(&p, "/later/2");
    peer_run(&p, 100);
    expect_answer(first, 200, "/later/1");
    expect_answer(second, 200, "/later/2");
    EXPECT_EQ(2, p.http2->goaways);
    EXPECT_EQ(NGHTTP2_NO_ERROR, p.http2->goaway_code);
    EXPECT_EQ(second->id, p.http2->goaway_last);
    client_expect_end(p.socket);
    world_run(3000); /* the other has not confirmed it */
    client_expect_end(idle.socket);
    peer_close(&p);
    peer_close(&idle);
    world_close(&w);
}

/* ---- Attacks ---- */

/* A flood ends its connection; its requests are withdrawn, and nobody else notices. */
static void test_flood(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer good = peer_connect(&w);
    struct sim_client *bad = world_connect(&w);
    static const char *const fields[] = {":method",   "GET",   ":scheme", "http", ":authority",
                                         "localhost", ":path", "/never",  NULL};
    struct buf in = {0};
    frame_preface(&in);
    for (uint32_t i = 0; i < 3000; i++) {
        frame_head(&in, 2 * i + 1, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, fields);
        frame_append(&in, NGHTTP2_RST_STREAM, 0, 2 * i + 1, SLICE("\0\0\0\x08"));
    }
    sim_client_write(bad, buf_slice(&in));
    const struct client_stream *s = get(&good, "/hello");
    peer_run(&good, 1000);
    expect_answer(s, 200, "hello");
    client_expect_end(bad);
    EXPECT_EQ(w.handled, w.aborted + 1);
    EXPECT(w.handled < 1300);
    buf_deinit(&in);
    sim_client_close(&bad);
    peer_close(&good);
    world_close(&w);
}

/* Large answers for a window that stays at zero: what they occupy is bounded. */
static void test_zero_window(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct peer p = peer_connect_with(&w, 0, true);
    struct buf large = {0};
    filled(&large, 1 << 20);
    for (size_t i = 0; i < 200; i++) { /* 200 MB of answers */
        (void)ask(&p, "POST", "/echo", buf_slice(&large));
    }
    peer_run(&p, 5000);
    size_t kept = 0;
    for (size_t i = 0; i < 200; i++) {
        const struct client_stream *s = &p.http2->streams[i];
        EXPECT(s->is_closed == (s->code == NGHTTP2_ENHANCE_YOUR_CALM));
        kept += s->is_closed ? 0 : 1;
    }
    EXPECT_EQ(80, kept); /* 64 MiB, and one value of 16 MiB */
    buf_deinit(&large);
    peer_close(&p);
    world_close(&w);
}

static const struct test_case cases[] = {
    {"requests", test_requests},
    {"split", test_split},
    {"refusals", test_refusals},
    {"listener", test_listener},
    {"streaming", test_streaming},
    {"streaming_too_much", test_streaming_too_much},
    {"slow_stream", test_slow_stream},
    {"stalled_stream", test_stalled_stream},
    {"slow_socket", test_slow_socket},
    {"cancel", test_cancel},
    {"half_close", test_half_close},
    {"timeouts", test_timeouts},
    {"deadline", test_deadline},
    {"sign_of_life", test_sign_of_life},
    {"idle", test_idle},
    {"drain", test_drain},
    {"flood", test_flood},
    {"zero_window", test_zero_window},
};

TEST_MAIN(cases)
