#include "harness.h"
#include "wire/http.h"

static struct slice text(const char *s)
{
    return slice_of_text(s);
}

static void test_decode(void)
{
    struct arena arena = {0};
    struct slice out;
    EXPECT(http_decode(&arena, text("a%20b+c%2fd"), false, &out));
    EXPECT(slice_equal(text("a b+c/d"), out));
    EXPECT(http_decode(&arena, text("a%20b+c"), true, &out));
    EXPECT(slice_equal(text("a b c"), out));
    EXPECT(http_decode(&arena, text("%00%fF"), true, &out));
    EXPECT(slice_equal(slice_of("\0\xff", 2), out));
    EXPECT(http_decode(&arena, text(""), true, &out));
    EXPECT_EQ(0, out.size);
    EXPECT(!http_decode(&arena, text("%"), true, &out));
    EXPECT(!http_decode(&arena, text("a%2"), true, &out));
    EXPECT(!http_decode(&arena, text("a%g0"), true, &out));
    EXPECT(!http_decode(&arena, text("%0g"), true, &out));
    arena_deinit(&arena);
}

static void test_query(void)
{
    struct arena arena = {0};
    struct http_request r = {.query = text("a=1&b=x%20y+z&c&%64=4&e=%zz&e=5&f=6=7&a=8&&=9")};
    struct slice value;
    EXPECT(http_query(&r, &arena, "a", &value));
    EXPECT(slice_equal(text("1"), value));
    EXPECT(http_query(&r, &arena, "b", &value));
    EXPECT(slice_equal(text("x y z"), value));
    EXPECT(http_query(&r, &arena, "c", &value));
    EXPECT_EQ(0, value.size);
    EXPECT(http_query(&r, &arena, "d", &value));
    EXPECT(slice_equal(text("4"), value));
    EXPECT(http_query(&r, &arena, "e", &value)); /* the broken one counts as absent */
    EXPECT(slice_equal(text("5"), value));
    EXPECT(http_query(&r, &arena, "f", &value));
    EXPECT(slice_equal(text("6=7"), value));
    EXPECT(!http_query(&r, &arena, "g", &value));
    r.query = (struct slice){NULL, 0};
    EXPECT(!http_query(&r, &arena, "a", &value));
    arena_deinit(&arena);
}

static void test_segments(void)
{
    struct slice s[2];
    EXPECT_EQ(1, http_segments(text("/"), s, 2));
    EXPECT_EQ(0, s[0].size);
    EXPECT_EQ(2, http_segments(text("/kv/a%2fb"), s, 2));
    EXPECT(slice_equal(text("kv"), s[0]));
    EXPECT(slice_equal(text("a%2fb"), s[1]));
    EXPECT_EQ(3, http_segments(text("/kv/a/"), s, 2));
    EXPECT(slice_equal(text("a"), s[1]));
    EXPECT_EQ(4, http_segments(text("//a//"), s, 2));
}

static void test_header(void)
{
    const struct http_header headers[] = {{SLICE("Content-Type"), SLICE("a")},
                                          {SLICE("content-type"), SLICE("b")}};
    const struct http_request r = {.headers = headers, .header_count = 2};
    EXPECT(slice_equal(text("a"), http_header(&r, "content-type")));
    EXPECT(http_header(&r, "content-typ").data == NULL);
    EXPECT(http_header(&r, "content-types").data == NULL);
}

static const struct test_case cases[] = {
    {"decode", test_decode},
    {"query", test_query},
    {"segments", test_segments},
    {"header", test_header},
};

TEST_MAIN(cases)
