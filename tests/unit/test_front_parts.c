/* The parts of front/ that need no connection: telling protocols apart, guarding against
 * browsers, the area that sockets are read into. */
#include "front/private.h"
#include "harness.h"

static struct slice text(const char *s)
{
    return slice_of_text(s);
}

struct sniff_case {
    const char *input;
    enum protocol protocol;
};

static const struct sniff_case sniff_cases[] = {
    {"*1\r\n$4\r\nPING\r\n", PROTOCOL_RESP},
    {"*", PROTOCOL_RESP},
    {"PING\r\n", PROTOCOL_RESP},
    {"PING\n", PROTOCOL_RESP},
    {"PIN", PROTOCOL_UNKNOWN},
    {"\r\n", PROTOCOL_UNKNOWN},
    {"\r", PROTOCOL_UNKNOWN},
    {"\r\n\r\n", PROTOCOL_RESP},
    {"GET / HTTP/1.1\r\n", PROTOCOL_HTTP},
    {"GET / HTTP/1.1", PROTOCOL_UNKNOWN},
    {"GET  / HTTP/1.1\r\n", PROTOCOL_HTTP}, /* wrong HTTP, but no RESP: a browser may send it */
    {"\r\nGET / HTTP/1.0\r\n", PROTOCOL_HTTP},
    {"GET http://a/ HTTP/1.1\r\n", PROTOCOL_HTTP},
    {"OPTIONS * HTTP/1.1\r\n", PROTOCOL_HTTP},
    {"PRI * HTTP/2.0\r\n", PROTOCOL_HTTP2},
    {"PRI * HTTP/2.0\r", PROTOCOL_UNKNOWN},
    {"\r\nPRI * HTTP/2.0\r\n", PROTOCOL_HTTP},
    {"GET /key\r\n", PROTOCOL_RESP},
    {"SET /key value\r\n", PROTOCOL_RESP},
    {"SET key HTTP/1.1\r\n", PROTOCOL_RESP},
    {"\x16\x03\x01", PROTOCOL_TLS},
};

static void test_sniff(void)
{
    for (size_t i = 0; i < sizeof(sniff_cases) / sizeof(sniff_cases[0]); i++) {
        const struct slice input = text(sniff_cases[i].input);
        EXPECT_EQ(sniff_cases[i].protocol, sniff(input.data, input.size));
    }
    struct buf endless = {0};
    buf_append_text(&endless, "GET /");
    while (endless.size <= HTTP1_LINE_MAX) {
        EXPECT_EQ(PROTOCOL_UNKNOWN, sniff(endless.data, endless.size));
        buf_append_byte(&endless, 'a');
    }
    EXPECT_EQ(PROTOCOL_HTTP, sniff(endless.data, endless.size));
    memcpy(endless.data, "GET a", 5);
    EXPECT_EQ(PROTOCOL_RESP, sniff(endless.data, endless.size));
    buf_deinit(&endless);
}

static void test_hosts(void)
{
    char node[] = "node.example";
    char *const names[] = {node};
    static const char *const good[] = {
        "",      "localhost",   "LocalHost:8080",  "127.0.0.1",   "10.1.2.3:80",
        "[::1]", "[fe80::1]:1", "node.example:80", "NODE.example"};
    static const char *const bad[] = {"evil.example", "localhost.evil.example", "127.0.0.1.evil:80",
                                      "1234:80",      "node.example.evil",      ":80"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        EXPECT(guard_host_is_known(text(good[i]), names, 1));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        EXPECT(!guard_host_is_known(text(bad[i]), names, 1));
    }
}

static void test_origins(void)
{
    EXPECT(guard_origin_is_host(text("http://localhost:8080"), text("localhost:8080")));
    EXPECT(guard_origin_is_host(text("https://A"), text("a")));
    EXPECT(!guard_origin_is_host(text("http://localhost:8081"), text("localhost:8080")));
    EXPECT(!guard_origin_is_host(text("http://localhost"), text("localhost:8080")));
    EXPECT(!guard_origin_is_host(text("null"), text("localhost")));
    EXPECT(!guard_origin_is_host(text("http://"), text("")));
    EXPECT(!guard_origin_is_host(text("localhost"), text("localhost")));
}

static void test_area(void)
{
    struct area a = {0};
    size_t size = 0;
    uint8_t *first = area_lend(&a, 0, &size);
    EXPECT_EQ(AREA_BYTES, size);
    area_take(&a, 100);
    uint8_t *second = area_lend(&a, 100, &size);
    EXPECT(second == first + 100);
    struct chunk *held = chunk_hold(a.chunk);
    area_take(&a, size);
    EXPECT(area_lend(&a, 0, &size) != second); /* full: another chunk */
    EXPECT(a.chunk != held);
    area_take(&a, size);
    (void)area_lend(&a, 0, &size);
    area_turn(&a); /* the held one is let go of, the others are kept */
    EXPECT_EQ(1, a.spent_count);
    EXPECT_EQ(1, held->holds);
    chunk_release(held);
    struct chunk *spare = a.spent[0];
    area_take(&a, size);
    (void)area_lend(&a, 0, &size);
    EXPECT(a.chunk == spare);
    area_turn(&a);
    struct chunk *kept = chunk_hold(a.chunk);
    (void)area_lend(&a, 0, &size);
    area_take(&a, 10);
    area_turn(&a); /* held: not from the beginning */
    (void)area_lend(&a, 0, &size);
    EXPECT_EQ(AREA_BYTES - 10, size);
    chunk_release(kept);
    area_deinit(&a);
}

/* What ten thousand idle clients cost, besides what the system keeps for their sockets. */
static void test_sizes(void)
{
    EXPECT(sizeof(struct connection) <= 384);
}

static const struct test_case cases[] = {
    {"sniff", test_sniff}, {"hosts", test_hosts}, {"origins", test_origins},
    {"area", test_area},   {"sizes", test_sizes},
};

TEST_MAIN(cases)
