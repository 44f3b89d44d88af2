#include "base/mem.h"
#include "harness.h"
#include "wire/http1.h"

static struct slice text(const char *s)
{
    return slice_of_text(s);
}

/* Reads `input` with `first` bytes at the first call and one more at each other, each time from a
 * fresh copy. The copy of the last call is returned in `*copy`. */
static enum http1_status read_pieces(struct http1_head *h, struct slice input, size_t first,
                                     uint8_t **copy)
{
    *copy = NULL;
    h->scanned = 0;
    for (size_t size = first;; size++) {
        uint8_t *bytes = mem_alloc(size + 1);
        memcpy(bytes, input.data, size);
        mem_free(*copy);
        *copy = bytes;
        const enum http1_status status = http1_read_head(h, bytes, size);
        if (status != HTTP1_MORE || size == input.size) {
            return status;
        }
    }
}

static void test_head(void)
{
    static const char input[] = "POST /kv/a%20b?x=1&y HTTP/1.1\r\nHost: localhost:8080\r\n"
                                "Content-Length:  12 \r\nX-Empty:\r\nX-Tab:\ta\tb\t\r\n\r\nhello";
    struct http1_head *h = mem_zero(1, sizeof(*h));
    for (size_t first = 0; first < sizeof(input); first++) {
        uint8_t *copy = NULL;
        EXPECT_EQ(HTTP1_HEAD, read_pieces(h, text(input), first, &copy));
        EXPECT_EQ(sizeof(input) - 1 - 5, h->consumed);
        EXPECT_EQ(HTTP_POST, h->request.method);
        EXPECT(slice_equal(text("POST"), h->request.method_text));
        EXPECT(slice_equal(text("/kv/a%20b"), h->request.path));
        EXPECT(slice_equal(text("x=1&y"), h->request.query));
        EXPECT(slice_equal(text("localhost:8080"), h->request.host));
        EXPECT_EQ(4, h->request.header_count);
        EXPECT_EQ(12, h->content_length);
        EXPECT(h->request.has_body);
        EXPECT(h->is_keep_alive);
        EXPECT_EQ(1, h->minor);
        EXPECT(slice_equal(text("a\tb"), http_header(&h->request, "x-tab")));
        EXPECT_EQ(0, http_header(&h->request, "x-empty").size);
        EXPECT(http_header(&h->request, "x-empty").data != NULL);
        EXPECT(http_header(&h->request, "x-none").data == NULL);
        mem_free(copy);
    }
    mem_free(h);
}

struct good_case {
    const char *input;
    const char *path;
    const char *host;
    enum http_method method;
    bool is_keep_alive;
    bool is_chunked;
};

static const struct good_case good_cases[] = {
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", "a", HTTP_GET, true, false},
    {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", "a", HTTP_GET, true, false},
    {"HEAD /x HTTP/1.0\r\n\r\n", "/x", "", HTTP_HEAD, false, false},
    {"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "/x", "", HTTP_GET, false, false},
    {"PUT /x HTTP/1.1\r\nHost:\r\nConnection: Close\r\n\r\n", "/x", "", HTTP_PUT, false, false},
    {"PUT /x HTTP/1.1\r\nhost: h\r\nconnection: te, close\r\n\r\n", "/x", "h", HTTP_PUT, false,
     false},
    {"PUT /x HTTP/1.1\r\nhost: h\r\nconnection: closed\r\n\r\n", "/x", "h", HTTP_PUT, true, false},
    {"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n", "/x", "h", HTTP_POST,
     true, true},
    {"GET http://b:1/y?z HTTP/1.1\r\nHost: a\r\n\r\n", "/y", "b:1", HTTP_GET, true, false},
    {"GET https://b?z HTTP/1.1\r\nHost: a\r\n\r\n", "/", "b", HTTP_GET, true, false},
    {"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "/", "[::1]:80", HTTP_OPTIONS, true, false},
    {"DELETE /x HTTP/1.9\r\nHost: a\r\n\r\n", "/x", "a", HTTP_DELETE, true, false},
    {"PATCH /\xc3\xa4 HTTP/1.1\r\nHost: a\r\nX: \xff\x80\r\n\r\n", "/\xc3\xa4", "a", HTTP_PATCH,
     true, false},
    {"LIST /x HTTP/1.1\r\nHost: a\r\n\r\n", "/x", "a", HTTP_OTHER, true, false},
    {"get /x HTTP/1.1\r\nHost: a\r\n\r\n", "/x", "a", HTTP_OTHER, true, false},
};

static void test_good(void)
{
    struct http1_head *h = mem_zero(1, sizeof(*h));
    for (size_t i = 0; i < sizeof(good_cases) / sizeof(good_cases[0]); i++) {
        const struct good_case *c = &good_cases[i];
        uint8_t *copy = NULL;
        EXPECT_EQ(HTTP1_HEAD, read_pieces(h, text(c->input), i % 7, &copy));
        EXPECT(slice_equal(text(c->path), h->request.path));
        EXPECT(slice_equal(text(c->host), h->request.host));
        EXPECT_EQ(c->method, h->request.method);
        EXPECT_EQ(c->is_keep_alive, h->is_keep_alive);
        EXPECT_EQ(c->is_chunked, h->is_chunked);
        EXPECT_EQ(strlen(c->input), h->consumed);
        mem_free(copy);
    }
    mem_free(h);
}

struct bad_case {
    const char *input;
    unsigned status;
};

/* Each of these has been read differently by two servers in a row somewhere. */
static const struct bad_case bad_cases[] = {
    /* Lengths and codings. */
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\x0b\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
     "chunked\r\n\r\n",
     400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
     "chunked\r\n\r\n",
     400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
     400},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    /* Names and lines. */
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\n Content-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\n: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nX\x01: 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nX\xc3: 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nX: abcdefghijk\x7flm\r\n\r\n", 400},
    {"POST / HTTP/1.1\nHost: a\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\n\n", 400},
    {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    /* Hosts. */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
    {"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    /* The first line. */
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /\r\n\r\n", 400},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/11.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
    {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
    {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417},
};

static void expect_bad(struct http1_head *h, const struct bad_case *c, size_t first)
{
    uint8_t *copy = NULL;
    const enum http1_status status = read_pieces(h, text(c->input), first, &copy);
    if (status != HTTP1_BROKEN || h->status != c->status) {
        (void)fprintf(stderr, "status %d %u: %s\n", (int)status, h->status, c->input);
        exit(1);
    }
    EXPECT(h->why != NULL);
    mem_free(copy);
}

static void test_bad(void)
{
    struct http1_head *h = mem_zero(1, sizeof(*h));
    for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
        for (size_t first = 0; first <= strlen(bad_cases[i].input); first += 11) {
            expect_bad(h, &bad_cases[i], first);
        }
    }
    mem_free(h);
}

static void expect_refused(struct http1_head *h, const struct buf *input, unsigned status)
{
    h->scanned = 0;
    EXPECT_EQ(HTTP1_BROKEN, http1_read_head(h, input->data, input->size));
    EXPECT_EQ(status, h->status);
}

static void fill(struct buf *b, size_t size)
{
    while (b->size < size) {
        buf_append_byte(b, 'a');
    }
}

static void test_sizes(void)
{
    struct http1_head *h = mem_zero(1, sizeof(*h));
    struct buf input = {0};
    buf_append_text(&input, "GET /");
    fill(&input, HTTP1_LINE_MAX + 100);
    buf_append_text(&input, " HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_refused(h, &input, 414);

    buf_clear(&input);
    fill(&input, HTTP1_HEAD_MAX + 1);
    expect_refused(h, &input, 414);

    buf_clear(&input);
    buf_append_text(&input, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    fill(&input, HTTP1_HEAD_MAX + 1);
    expect_refused(h, &input, 431);

    buf_clear(&input);
    buf_append_text(&input, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (size_t i = 0; i < HTTP_HEADERS_MAX - 1; i++) {
        buf_append_text(&input, "X: y\r\n");
    }
    const size_t size = input.size;
    buf_append_text(&input, "\r\n");
    h->scanned = 0;
    EXPECT_EQ(HTTP1_HEAD, http1_read_head(h, input.data, input.size));
    input.size = size;
    buf_append_text(&input, "X: y\r\n\r\n");
    expect_refused(h, &input, 431);
    buf_deinit(&input);
    mem_free(h);
}

static void test_expect(void)
{
    struct http1_head *h = mem_zero(1, sizeof(*h));
    struct slice input = text("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n");
    EXPECT_EQ(HTTP1_HEAD, http1_read_head(h, input.data, input.size));
    EXPECT(h->wants_continue);
    h->scanned = 0;
    input = text("PUT / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(HTTP1_HEAD, http1_read_head(h, input.data, input.size));
    EXPECT(!h->wants_continue);
    mem_free(h);
}

/* Decodes `input` in pieces of `step` bytes into `out`. */
static enum http1_chunk_status decode(struct slice input, size_t step, struct buf *out,
                                      size_t *used)
{
    struct http1_chunks c = {0};
    buf_clear(out);
    *used = 0;
    while (*used < input.size) {
        uint8_t piece[256];
        size_t size = input.size - *used < step ? input.size - *used : step;
        memcpy(piece, input.data + *used, size);
        size_t consumed = 0;
        size_t decoded = 0;
        const enum http1_chunk_status status =
            http1_chunks_read(&c, piece, size, &consumed, &decoded);
        if (status == HTTP1_CHUNK_BROKEN) {
            return status;
        }
        buf_append(out, piece, decoded);
        *used += consumed;
        if (status == HTTP1_CHUNK_END) {
            return status;
        }
        EXPECT_EQ(size, consumed);
    }
    return HTTP1_CHUNK_MORE;
}

static void test_chunks(void)
{
    const struct slice input =
        text("5\r\nhello\r\n00A;x=\"y\"\r\n 0123\r\n789\r\n0\r\nTrailer: x\r\nY: z\r\n\r\nNEXT");
    struct buf out = {0};
    for (size_t step = 1; step <= input.size; step++) {
        size_t used = 0;
        EXPECT_EQ(HTTP1_CHUNK_END, decode(input, step, &out, &used));
        EXPECT_EQ(input.size - 4, used);
        EXPECT(slice_equal(text("hello 0123\r\n789"), buf_slice(&out)));
    }
    buf_deinit(&out);
}

static void test_broken_chunks(void)
{
    static const char *const inputs[] = {
        "\r\n",
        " 5\r\n",
        "5 \r\n",
        "5\n",
        "g\r\n",
        "+5\r\n",
        "-1\r\n",
        "0x5\r\n",
        ";\r\n",
        "5\rhello",
        "1\r\nab",
        "1\r\na\n",
        "1\r\na\rb",
        "0\r\n\n",
        "0\r\n X: y\r\n\r\n",
        "5;a\nb",
        "5;\x01\r\n",
        "0\r\nX: \x7f",
        "0\r\nX\rY",
        "1\r\na\r\n\r\n",
        "1000000000000000\r\n",
        "fffffffffffffffff\r\n",
    };
    struct buf out = {0};
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        size_t used = 0;
        EXPECT_EQ(HTTP1_CHUNK_BROKEN, decode(text(inputs[i]), 1, &out, &used));
        EXPECT_EQ(HTTP1_CHUNK_BROKEN, decode(text(inputs[i]), 100, &out, &used));
    }
    struct buf endless = {0};
    while (endless.size < 100000) { /* extensions must not grow for ever */
        buf_append_text(&endless, "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n");
    }
    size_t used = 0;
    EXPECT_EQ(HTTP1_CHUNK_BROKEN, decode(buf_slice(&endless), 200, &out, &used));
    buf_deinit(&endless);
    buf_deinit(&out);
}

static void expect_bytes(struct buf *out, const char *want)
{
    if (!slice_equal(text(want), buf_slice(out))) {
        (void)fprintf(stderr, "want %s, got %.*s\n", want, (int)out->size, (const char *)out->data);
        exit(1);
    }
    buf_clear(out);
}

static void test_write(void)
{
    struct buf out = {0};
    const struct http_header headers[] = {{SLICE("Content-Type"), SLICE("raw")},
                                          {SLICE("X"), {NULL, 0}}};
    http1_write_head(&out, &(struct http1_answer){200, headers, 2, 123,
                                                  SLICE("Sun, 06 Nov 1994 08:49:37 GMT"), false});
    expect_bytes(&out, "HTTP/1.1 200 OK\r\nContent-Type: raw\r\nX: \r\nContent-Length: 123\r\n"
                       "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
    http1_write_head(
        &out, &(struct http1_answer){.status = 204, .length = HTTP1_NO_BODY, .is_closing = true});
    expect_bytes(&out, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    http1_write_head(&out, &(struct http1_answer){.status = 299, .length = HTTP1_CHUNKED});
    expect_bytes(&out, "HTTP/1.1 299 Unknown\r\nTransfer-Encoding: chunked\r\n\r\n");
    http1_write_chunk(&out, text("0123456789abcdef"));
    http1_write_chunk(&out, text(""));
    http1_write_last_chunk(&out);
    expect_bytes(&out, "10\r\n0123456789abcdef\r\n0\r\n\r\n");
    char date[30];
    http1_date(UINT64_C(784111777123), date);
    EXPECT(strcmp("Sun, 06 Nov 1994 08:49:37 GMT", date) == 0);
    EXPECT(strcmp("Not Found", http_reason(404)) == 0);
    EXPECT(strcmp("Unknown", http_reason(299)) == 0);
    buf_deinit(&out);
}

static const struct test_case cases[] = {
    {"head", test_head},
    {"good", test_good},
    {"bad", test_bad},
    {"sizes", test_sizes},
    {"expect", test_expect},
    {"chunks", test_chunks},
    {"broken_chunks", test_broken_chunks},
    {"write", test_write},
};

TEST_MAIN(cases)
