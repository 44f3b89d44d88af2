/* Connections as clients see them: split anywhere, sent ahead, half closed, too slow, too large,
 * hostile. */
#include "base/mem.h"
#include "front/private.h"
#include "sim/front_world.h"

#define HELLO_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

/* Sends `input` in two pieces, cut at `at`, on a connection of its own. */
static struct sim_client *send_split(struct front_world *w, const char *input, size_t at)
{
    struct sim_client *c = world_connect(w);
    sim_client_write(c, slice_of(input, at));
    world_run(5);
    sim_client_write(c, slice_skip(slice_of_text(input), at));
    world_run(100);
    return c;
}

/* All of them have come, and nothing else; QUIT of the stand-in overtakes what is waiting. */
static void expect_replies(const struct buf *in)
{
    static const char *const replies[] = {"$5\r\nhello\r\n", "$3\r\nabc\r\n", "$0\r\n\r\n",
                                          "$2\r\n\r\n\r\n",  "$3\r\nend\r\n", "+OK\r\n"};
    size_t size = 0;
    for (size_t i = 0; i < 6; i++) {
        EXPECT(memmem(in->data, in->size, replies[i], strlen(replies[i])) != NULL);
        size += strlen(replies[i]);
    }
    EXPECT_EQ(size, in->size);
}

static void test_resp_split(void)
{
    static const char input[] =
        "*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n*2\r\n$5\r\nLATER\r\n$3\r\nabc\r\n*2\r\n$4\r\nECHO\r\n"
        "$0\r\n\r\n*0\r\n*2\r\n$5\r\nLATER\r\n$2\r\n\r\n\r\n*2\r\n$4\r\nECHO\r\n$3\r\nend\r\n"
        "*1\r\n$4\r\nQUIT\r\n";
    struct front_world w;
    world_open(&w, NULL, 100);
    for (size_t at = 0; at < sizeof(input); at++) {
        struct sim_client *c = send_split(&w, input, at);
        expect_replies(sim_client_input(c));
        client_expect_end(c);
        sim_client_close(&c);
    }
    world_close(&w);
}

/* Replies that wait for those behind them are sent with them. */
static void test_held_replies(void)
{
    static const char input[] = "*2\r\n$5\r\nLATER\r\n$1\r\nx\r\n*2\r\n$3\r\nBIG\r\n$1\r\n1\r\n";
    for (int holds = 0; holds < 2; holds++) {
        struct front_world w;
        world_open(&w, NULL, 100);
        w.holds = holds == 1;
        struct sim_client *c = world_connect(&w);
        client_send(c, input); /* the stand-in answers BIG first */
        world_run(5);
        client_expect(c, holds == 1 ? "" : "$1\r\nb\r\n");
        world_run(100);
        client_expect(c, holds == 1 ? "$1\r\nb\r\n$1\r\nx\r\n" : "$1\r\nx\r\n");
        sim_client_close(&c);
        world_close(&w);
    }
}

static void test_http_split(void)
{
    static const char input[] =
        "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nhello world"
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n7;x=y\r\n there!\r\n0\r\nT: x\r\n\r\n"
        "GET /later/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "POST /drop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nxyz"
        "HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n1234567"
        "POST /count HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n8\r\n12345678\r\n0\r\n\r\n"
        "POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        "GET /big?n=5 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    static const char want[] = HELLO_ANSWER
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"
        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello there!"
        "HTTP/1.1 200 OK\r\nX-Host: localhost\r\nContent-Length: 8\r\n\r\n/later/1"
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7"
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n11"
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0"
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nxxxxx\r\n0\r\n\r\n"
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\n"
        "404 page not found"
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    struct front_world w;
    world_open(&w, NULL, 100);
    for (size_t at = 0; at < sizeof(input); at++) {
        struct sim_client *c = send_split(&w, input, at);
        client_expect(c, want);
        client_expect_end(c);
        sim_client_close(&c);
    }
    world_close(&w);
}

/* A client that has said all it wanted still gets all its answers. */
static void test_half_close(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *resp = world_connect(&w);
    for (size_t i = 0; i < 20; i++) { /* more than the session takes at once */
        client_send(resp, "*2\r\n$5\r\nLATER\r\n$1\r\nx\r\n");
    }
    client_send(resp, "*2\r\n$5\r\nLAT"); /* never becomes whole */
    sim_client_shutdown(resp);
    struct sim_client *http = world_connect(&w);
    client_send(http, "GET /later/a HTTP/1.1\r\nHost: [::1]\r\n\r\n"
                      "GET /later/b HTTP/1.1\r\nHost: [::1]\r\n\r\nGET /lat");
    sim_client_shutdown(http);
    struct sim_client *silent = world_connect(&w);
    sim_client_shutdown(silent);
    struct sim_client *cut = world_connect(&w);
    client_send(cut, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    sim_client_shutdown(cut);
    world_run(1000);
    EXPECT_EQ(20 * 7, sim_client_input(resp)->size);
    client_expect_end(resp);
    client_expect(http, "HTTP/1.1 200 OK\r\nX-Host: [::1]\r\nContent-Length: 8\r\n\r\n/later/a"
                        "HTTP/1.1 200 OK\r\nX-Host: [::1]\r\nContent-Length: 8\r\n\r\n/later/b");
    client_expect_end(http);
    client_expect_end(silent);
    client_expect_end(cut);
    sim_client_close(&resp);
    sim_client_close(&http);
    sim_client_close(&silent);
    sim_client_close(&cut);
    world_close(&w);
}

static uint64_t waiting_bytes(const struct front_world *w)
{
    struct front_stats stats;
    front_stats(w->front, &stats);
    return stats.waiting_bytes;
}

static void test_slow_reader_of_resp(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *c = world_connect(&w);
    sim_client_pause(c, true);
    for (size_t i = 0; i < 1000; i++) {
        client_send(c, "*2\r\n$3\r\nBIG\r\n$5\r\n10000\r\n");
    }
    struct buf ahead = {0};
    for (size_t i = 0; i < 5000; i++) { /* 500 KB that nobody reads meanwhile */
        buf_append_text(&ahead, "*2\r\n$4\r\nECHO\r\n$78\r\n");
        memset(buf_reserve(&ahead, 80), 'e', 80);
        buf_extend(&ahead, 78);
        buf_append_text(&ahead, "\r\n");
    }
    sim_client_write(c, buf_slice(&ahead));
    buf_deinit(&ahead);
    world_run(1000);
    EXPECT(waiting_bytes(&w) < (3 << 20));
    EXPECT(sim_client_waiting_bytes(c) > 0);
    sim_client_pause(c, false);
    world_run(30000);
    EXPECT_EQ(1000 * (size_t)10010 + 5000 * (size_t)85, sim_client_input(c)->size);
    sim_client_close(&c);
    world_close(&w);
}

/* A large answer, or those to a pipeline, come in one turn, and no socket takes them at once: who
 * reads gets it all, unless it is too much for the loop. */
static void test_large_answers(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *large = world_connect(&w);
    client_send(large, "*2\r\n$3\r\nBIG\r\n$9\r\n100000000\r\n");
    world_run(10);
    EXPECT(waiting_bytes(&w) > (OUT_MAX + router_value_max(NULL)));
    client_expect_open(large); /* (all of it would take the simulated world minutes) */
    sim_client_close(&large);
    world_run(100);
    struct sim_client *huge = world_connect(&w);
    client_send(huge, "*2\r\n$3\r\nBIG\r\n$9\r\n550000000\r\n");
    world_run(1000);
    client_expect_end(huge);
    EXPECT_EQ(0, waiting_bytes(&w));
    sim_client_close(&huge);
    world_close(&w);
}

static void test_slow_reader_of_http(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *c = world_connect(&w);
    sim_client_pause(c, true);
    client_send(c, "GET /big?n=10000000 HTTP/1.0\r\n\r\n");
    world_run(1000);
    EXPECT(waiting_bytes(&w) > 0);
    EXPECT(waiting_bytes(&w) < 2 * HTTP_STREAM_HIGH);
    sim_client_pause(c, false);
    world_run(30000);
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    strip_dates(sim_client_input(c));
    EXPECT_EQ(10000000 + sizeof(head) - 1, sim_client_input(c)->size);
    client_expect_end(c);
    sim_client_close(&c);

    /* One that takes nothing at all is cut off after a minute, and its request withdrawn. */
    c = world_connect(&w);
    sim_client_pause(c, true);
    client_send(c, "GET /big?n=10000000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    world_run(58000);
    EXPECT_EQ(0, w.aborted);
    world_run(64000); /* or two: something was taken at the beginning */
    EXPECT_EQ(1, w.aborted);
    EXPECT_EQ(0, waiting_bytes(&w));
    sim_client_close(&c);
    world_close(&w);
}

/* Many requests sent ahead, whose answers nobody reads: only some are begun. */
static void test_slow_reader_ahead(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *c = world_connect(&w);
    struct buf input = {0};
    for (size_t i = 0; i < 100; i++) {
        buf_append_text(&input,
                        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
        memset(buf_reserve(&input, 100000), 'x', 100000);
        buf_extend(&input, 100000);
    }
    sim_client_pause(c, true);
    sim_client_write(c, buf_slice(&input));
    world_run(10000);
    EXPECT(w.handled < 10);
    EXPECT(waiting_bytes(&w) < 2 * HTTP_STREAM_HIGH);
    sim_client_pause(c, false);
    world_run(30000);
    EXPECT_EQ(100, w.handled);
    strip_dates(sim_client_input(c));
    EXPECT_EQ(100 * (100000 + strlen("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")),
              sim_client_input(c)->size);
    sim_client_close(&c);
    buf_deinit(&input);
    world_close(&w);
}

static void test_time_outs(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *silent = world_connect(&w);
    struct sim_client *head = world_connect(&w);
    struct sim_client *body = world_connect(&w);
    struct sim_client *stream = world_connect(&w);
    struct sim_client *idle = world_connect(&w);
    struct sim_client *resp = world_connect(&w);
    client_send(body, "POST /echo HTTP/1.1\r\nHost: a.b\r\nHost: localhost\r\n");
    client_send(resp, "PING\r\n*1\r\n$4\r\n");
    client_send(idle, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_send(stream, "POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nx");
    for (int i = 0; i < 20; i++) { /* one byte a second: never a whole head */
        sim_client_write(head, slice_of(&"GET /hello HTTP/1.1\r\n"[i], 1));
        world_run(1000);
    }
    client_expect_end(head);
    client_expect_end(body);
    client_expect_open(stream);
    world_run(20000);
    client_expect_end(stream);
    EXPECT_EQ(1, w.aborted);
    client_expect_open(idle);
    world_run(90000);
    client_expect(idle, HELLO_ANSWER);
    client_expect_end(idle);
    client_expect(resp, "$4\r\nPING\r\n");
    client_expect_open(resp);
    client_expect_open(silent);
    sim_client_close(&silent);
    sim_client_close(&head);
    sim_client_close(&body);
    sim_client_close(&stream);
    sim_client_close(&idle);
    sim_client_close(&resp);
    world_close(&w);
}

static void test_deadline(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *c = world_connect(&w);
    client_send(c, "GET /never?late HTTP/1.1\r\nHost: localhost\r\n\r\n"
                   "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    world_run(4900);
    EXPECT_EQ(0, sim_client_input(c)->size);
    world_run(1200);
    client_expect(c, "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 4\r\n\r\nlate" HELLO_ANSWER);
    world_run(10000); /* it is told once */
    sim_client_close(&c);
    world_close(&w);
}

struct refused_case {
    const char *input;
    unsigned status;
    const char *code;
};

/* Behind each of them lies a request that must not be answered. */
static const struct refused_case refused_cases[] = {
    {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n",
     400, "INVALID"},
    {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 5\r\n\r\nhello", 400, "INVALID"},
    {"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400,
     "INVALID"},
    {"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501,
     "UNIMPLEMENTED"},
    {"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello", 400,
     "INVALID"},
    {"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello", 400,
     "INVALID"},
    {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999999999\r\n\r\n", 413,
     "TOO_LARGE"},
    {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n", 413, "TOO_LARGE"},
    {"POST /drop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n", 413, "TOO_LARGE"},
    {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", 400,
     "INVALID"},
    {"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
     "ffffffffffffffff\r\n",
     400, "INVALID"},
    {"GET /hello HTTP/1.1\nHost: localhost\n\n", 400, "INVALID"},
    {"GET /hello HTTP/1.1\r\n\r\n", 400, "INVALID"},
    {"GET /hello HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400, "INVALID"},
    {"GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "DENIED"},
    {"GET /hello HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", 403,
     "DENIED"},
    {"GET /hello HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n", 403, "DENIED"},
    {"GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 421, "DENIED"},
    {"GET /hello HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, "UNIMPLEMENTED"},
    {"GET /hello HTTP/1.1\r\nHost: localhost\r\nExpect: nothing\r\n\r\n", 417, "UNIMPLEMENTED"},
};

static void test_refused(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    for (size_t i = 0; i < sizeof(refused_cases) / sizeof(refused_cases[0]); i++) {
        struct sim_client *c = world_connect(&w);
        client_send(c, refused_cases[i].input);
        client_send(c, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
        world_run(1000);
        client_expect_problem(c, refused_cases[i].status, refused_cases[i].code);
        client_expect_end(c);
        EXPECT_EQ(0, w.handled);
        EXPECT_EQ(0, w.commands);
        sim_client_close(&c);
    }
    world_close(&w);
}

static void test_broken_resp(void)
{
    static const char *const inputs[] = {
        "*1000000000\r\n", "*1\r\n$99999999999\r\n", "*1\r\n$16777217\r\n", "*1\r\nx",
        "set \"a\r\n",
    };
    struct front_world w;
    world_open(&w, NULL, 100);
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        struct sim_client *c = world_connect(&w);
        client_send(c, inputs[i]);
        client_send(c, "*1\r\n$4\r\nPING\r\n");
        world_run(1000);
        EXPECT(slice_starts_with(buf_slice(sim_client_input(c)), SLICE("-Protocol error")));
        client_expect_end(c);
        EXPECT_EQ(0, w.commands);
        sim_client_close(&c);
    }
    struct sim_client *tls = world_connect(&w);
    client_send(tls, "\x16\x03\x01\x02");
    world_run(1000);
    client_expect(tls, "");
    client_expect_end(tls);
    sim_client_close(&tls);
    world_close(&w);
}

/* A listener speaks what it was told to, and HTTP never passes for RESP. */
static void test_dialects(void)
{
    static const char form[] = "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n"
                               "ECHO x\r\nECHO y\r\n";
    struct front_world w;
    world_open(&w, "localhost:0=redis", 100);
    struct sim_client *c = world_connect(&w);
    client_send(c, form);
    world_run(1000);
    client_expect_status(c, 404);
    EXPECT_EQ(0, w.commands);
    sim_client_close(&c);
    c = world_connect(&w);
    client_send(c, "ECHO x\r\n");
    world_run(1000);
    client_expect(c, "$1\r\nx\r\n");
    sim_client_close(&c);
    world_close(&w);

    world_open(&w, "unix:/tmp/front.socket=native", 100);
    c = world_connect(&w);
    client_send(c, "*1\r\n$4\r\nPING\r\n");
    world_run(1000);
    client_expect_status(c, 400);
    client_expect_end(c);
    EXPECT_EQ(0, w.commands);
    sim_client_close(&c);
    world_close(&w);
}

static void expect_refused_config(const char *listen, enum err want)
{
    const struct http_dialect *dialects[] = {stand_in_dialect()};
    const struct front_config config = {.loops = 1,
                                        .listen = {listen},
                                        .listen_count = 1,
                                        .dialects = dialects,
                                        .dialect_count = 1};
    struct front *f = NULL;
    struct err_why why;
    EXPECT_EQ(want, front_open(&config, &f, &why));
    front_close(&f);
}

static void test_config(void)
{
    expect_refused_config(":8080", ERR_DENIED);
    expect_refused_config("0.0.0.0:8080", ERR_DENIED);
    expect_refused_config("[::]:8080", ERR_DENIED);
    expect_refused_config("localhost.evil.example:80", ERR_DENIED); /* not this machine */
    expect_refused_config("127.0.0.1:0=nonsense", ERR_INVALID);
    expect_refused_config("127.0.0.1:0=redis,", ERR_INVALID);
    expect_refused_config("127.0.0.1:0=", ERR_INVALID);
    expect_refused_config("127.0.0.1:0=redis,native", ERR_OK);
    expect_refused_config("[::1]:0", ERR_OK);
}

static void test_continue(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *c = world_connect(&w);
    client_send(c, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
                   "Expect: 100-continue\r\n\r\n");
    world_run(100);
    client_expect(c, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(c, "hello");
    world_run(100);
    client_expect(c, HELLO_ANSWER);
    client_send(c, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n"
                   "Expect: 100-continue\r\n\r\n");
    world_run(100);
    client_expect_status(c, 413);
    sim_client_close(&c);
    world_close(&w);
}

/* One large value between small commands, and a large body. */
static void test_large(void)
{
    const size_t size = (size_t)3 << 20;
    struct front_world w;
    world_open(&w, NULL, 100);
    struct buf input = {0};
    buf_append_text(&input, "*2\r\n$5\r\nLATER\r\n$1\r\na\r\n*2\r\n$5\r\nLATER\r\n$3145728\r\n");
    for (size_t i = 0; i < size; i++) {
        buf_append_byte(&input, (uint8_t)(i * i >> 5));
    }
    buf_append_text(&input, "\r\n*2\r\n$5\r\nLATER\r\n$1\r\nb\r\n");
    struct sim_client *c = world_connect(&w);
    sim_client_write(c, buf_slice(&input));
    world_run(20000);
    struct buf *in = sim_client_input(c);
    EXPECT_EQ(size + 12 + 14, in->size);
    const size_t skipped =
        strlen("*2\r\n$5\r\nLATER\r\n$1\r\na\r\n*2\r\n$5\r\nLATER\r\n$3145728\r\n");
    EXPECT(memcmp(in->data + 7 + 10, input.data + skipped, size) == 0);
    sim_client_close(&c);

    c = world_connect(&w);
    buf_clear(&input);
    buf_append_text(&input, "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                            "chunked\r\n\r\n");
    for (size_t i = 0; i < 1000; i++) {
        buf_append_text(&input, "3e8\r\n");
        memset(buf_reserve(&input, 1000), (int)('a' + i % 26), 1000);
        buf_extend(&input, 1000);
        buf_append_text(&input, "\r\n");
    }
    buf_append_text(&input, "0\r\n\r\nGET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    sim_client_write(c, buf_slice(&input));
    world_run(20000);
    in = sim_client_input(c);
    strip_dates(in);
    const size_t head = strlen("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    EXPECT_EQ(head + 1000000 + strlen(HELLO_ANSWER), in->size);
    for (size_t i = 0; i < 1000000; i++) {
        EXPECT_EQ('a' + i / 1000 % 26, in->data[head + i]);
    }
    sim_client_close(&c);
    buf_deinit(&input);
    world_close(&w);
}

static void test_streamed_body(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *c = world_connect(&w);
    struct buf input = {0};
    buf_append_text(&input, "POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n"
                            "\r\n");
    memset(buf_reserve(&input, 3000000), 'x', 3000000);
    buf_extend(&input, 3000000);
    sim_client_write(c, buf_slice(&input));
    client_send(c, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    world_run(100000);
    client_expect(c, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n3000000" HELLO_ANSWER);
    /* Beyond the route's limit, without having said so: cut off. */
    client_send(c, "POST /count HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "500000\r\n");
    sim_client_write(c, slice_of(input.data, input.size));
    sim_client_write(c, slice_of(input.data, input.size));
    world_run(100000);
    client_expect_end(c);
    EXPECT_EQ(1, w.aborted);
    sim_client_close(&c);
    buf_deinit(&input);
    world_close(&w);
}

/* The connection breaks while its requests are under way; `refuses`: one of them cannot be
 * withdrawn and ends later. */
static void expect_reset(bool refuses)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    w.refuses = refuses;
    struct sim_client *later = world_connect(&w);
    struct sim_client *never = world_connect(&w);
    struct sim_client *resp = world_connect(&w);
    client_send(later, "GET /later/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_send(never, "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_send(resp, "*2\r\n$5\r\nLATER\r\n$1\r\na\r\n");
    world_run(3);
    EXPECT_EQ(2, w.handled);
    EXPECT_EQ(1, w.sessions);
    front_loop_cut(w.fronts[0]);
    front_loop_cut(w.fronts[1]);
    EXPECT_EQ(2, w.aborted);
    world_run(100);
    EXPECT_EQ(0, w.sessions);
    EXPECT(front_loop_is_idle(w.fronts[0]) && front_loop_is_idle(w.fronts[1]));
    client_expect_end(later);
    client_expect_end(resp);
    sim_client_close(&later);
    sim_client_close(&never);
    sim_client_close(&resp);
    world_close(&w);
}

static void test_reset(void)
{
    expect_reset(false);
    expect_reset(true);
}

/* The client is gone while answers are under way: they go nowhere, and nothing is left behind. */
static void test_client_leaves(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *clients[30];
    for (size_t i = 0; i < 30; i++) {
        clients[i] = world_connect(&w);
        client_send(clients[i], i % 3 == 0   ? "GET /later/x HTTP/1.1\r\nHost: localhost\r\n\r\n"
                                : i % 3 == 1 ? "*2\r\n$5\r\nLATER\r\n$1\r\na\r\n"
                                             : "GET /big?n=9000000 HTTP/1.1\r\nHost: [::1]:1"
                                               "\r\n\r\n");
    }
    for (size_t i = 0; i < 30; i++) {
        world_run(i % 2);
        sim_client_close(&clients[i]);
    }
    world_run(200000);
    EXPECT(front_loop_is_idle(w.fronts[0]) && front_loop_is_idle(w.fronts[1]));
    world_close(&w);
}

static void test_drain(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *silent = world_connect(&w);
    struct sim_client *idle = world_connect(&w);
    struct sim_client *http = world_connect(&w);
    struct sim_client *resp = world_connect(&w);
    client_send(idle, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_send(http, "GET /later/x HTTP/1.1\r\nHost: localhost\r\n\r\n"
                      "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_send(resp, "*2\r\n$5\r\nLATER\r\n$1\r\na\r\n");
    world_run(3);
    front_stop_accepting(w.front);
    front_loop_drain(w.fronts[0]);
    front_loop_drain(w.fronts[1]);
    world_run(3);
    client_expect_end(silent);
    client_expect_end(idle);
    client_expect_open(http);
    client_expect_open(resp);
    world_run(100);
    client_expect(http, "HTTP/1.1 200 OK\r\nX-Host: localhost\r\nContent-Length: 8\r\n"
                        "Connection: close\r\n\r\n/later/x");
    client_expect(resp, "$1\r\na\r\n");
    client_expect_end(http);
    client_expect_end(resp);
    sim_client_close(&silent);
    sim_client_close(&idle);
    sim_client_close(&http);
    sim_client_close(&resp);
    world_run(10000);
    EXPECT(front_loop_is_idle(w.fronts[0]) && front_loop_is_idle(w.fronts[1]));
    world_close(&w);
}

static uint64_t connections_of(const struct front_world *w)
{
    struct front_stats stats;
    front_stats(w->front, &stats);
    return stats.connections;
}

/* Whoever was accepted before the drain is answered, though the socket is still on its way from the
 * loop that accepts to the one that serves, at any moment of it. */
static void test_drain_of_arrivals(void)
{
    bool is_read = false;
    for (unsigned steps = 0; !is_read; steps++) {
        struct front_world w;
        struct sim_client *clients[8];
        world_open_without_delay(&w);
        for (size_t i = 0; i < 8; i++) {
            clients[i] = sim_connect(front_address(w.front)); /* and nothing happens yet */
            client_send(clients[i], "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
        }
        while (connections_of(&w) < 8) {
            EXPECT(sim_step());
        }
        for (unsigned i = 0; i < steps; i++) {
            EXPECT(sim_step());
        }
        is_read = w.handled == 8;
        front_stop_accepting(w.front);
        front_loop_drain(w.fronts[0]);
        front_loop_drain(w.fronts[1]);
        world_run(100);
        for (size_t i = 0; i < 8; i++) {
            client_expect_status(clients[i], 200);
            client_expect_end(clients[i]);
            sim_client_close(&clients[i]);
        }
        world_run(10000);
        EXPECT(front_loop_is_idle(w.fronts[0]) && front_loop_is_idle(w.fronts[1]));
        world_close(&w);
    }
}

static void count_connection(void *arg, const struct connection_facts *facts)
{
    unsigned *count = arg;
    EXPECT(facts->id > 0);
    EXPECT(facts->peer[0] != '\0');
    (*count)++;
}

/* Each loop gets its share; beyond the limit there is no more. */
static void test_share_and_limit(void)
{
    struct front_world w;
    world_open(&w, NULL, 10);
    struct sim_client *clients[11];
    for (size_t i = 0; i < 11; i++) {
        clients[i] = world_connect(&w);
        client_send(clients[i], i % 2 == 0 ? "ECHO x\r\n" : "GET /hello HTTP/1.1\r\nHost: ::1\r\n");
        world_run(10);
    }
    client_expect_end(clients[10]);
    unsigned first = 0;
    unsigned second = 0;
    front_loop_connections(w.fronts[0], count_connection, &first);
    front_loop_connections(w.fronts[1], count_connection, &second);
    EXPECT_EQ(5, first);
    EXPECT_EQ(5, second);
    struct front_stats stats;
    front_stats(w.front, &stats);
    EXPECT_EQ(10, stats.connections);
    EXPECT_EQ(10, stats.connections_total);
    EXPECT_EQ(1, stats.connections_refused);
    EXPECT(stats.bytes_in > 0 && stats.bytes_out > 0);
    for (size_t i = 0; i < 11; i++) {
        sim_client_close(&clients[i]);
    }
    world_run(100);
    struct sim_client *again = world_connect(&w);
    client_send(again, "ECHO x\r\n");
    world_run(100);
    client_expect(again, "$1\r\nx\r\n");
    sim_client_close(&again);
    world_close(&w);
}

/* Any pieces, any pauses: the same answers. */
static void test_random_pieces(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct buf input = {0};
    struct buf want = {0};
    for (unsigned i = 0; i < 2000; i++) {
        const size_t size = (size_t)(sim_random() % (i % 50 == 0 ? 60000 : 200));
        buf_printf(&input, "*2\r\n$%d\r\n%s\r\n$%zu\r\n", i % 3 == 0 ? 5 : 4,
                   i % 3 == 0 ? "LATER" : "ECHO", size);
        buf_printf(&want, "$%zu\r\n", size);
        for (size_t at = 0; at < size; at++) {
            buf_append_byte(&input, (uint8_t)(i + at));
            buf_append_byte(&want, (uint8_t)(i + at));
        }
        buf_append_text(&input, "\r\n");
        buf_append_text(&want, "\r\n");
    }
    struct sim_client *c = world_connect(&w);
    for (size_t at = 0; at < input.size;) {
        const size_t left = input.size - at;
        const size_t most = sim_random() % 4 == 0 ? 100000 : 300;
        const size_t part = 1 + (size_t)(sim_random() % most);
        sim_client_write(c, slice_of(input.data + at, part < left ? part : left));
        at += part < left ? part : left;
        if (sim_random() % 3 == 0) {
            sim_client_pause(c, sim_random() % 2 == 0);
            world_run(sim_random() % 3);
        }
    }
    sim_client_pause(c, false);
    world_run(100000);
    EXPECT(slice_equal(buf_slice(&want), buf_slice(sim_client_input(c))));
    sim_client_close(&c);
    buf_deinit(&input);
    buf_deinit(&want);
    world_close(&w);
}

static const struct test_case cases[] = {
    {"held replies", test_held_replies},
    {"resp_split", test_resp_split},
    {"http_split", test_http_split},
    {"half_close", test_half_close},
    {"slow_reader_of_resp", test_slow_reader_of_resp},
    {"large_answers", test_large_answers},
    {"slow_reader_of_http", test_slow_reader_of_http},
    {"slow_reader_ahead", test_slow_reader_ahead},
    {"time_outs", test_time_outs},
    {"deadline", test_deadline},
    {"refused", test_refused},
    {"broken_resp", test_broken_resp},
    {"dialects", test_dialects},
    {"config", test_config},
    {"continue", test_continue},
    {"large", test_large},
    {"streamed_body", test_streamed_body},
    {"reset", test_reset},
    {"client_leaves", test_client_leaves},
    {"drain", test_drain},
    {"drain_of_arrivals", test_drain_of_arrivals},
    {"share_and_limit", test_share_and_limit},
    {"random_pieces", test_random_pieces},
};

TEST_MAIN(cases)
