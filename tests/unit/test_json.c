#include "harness.h"
#include "wire/json.h"

static struct slice text(const char *s)
{
    return slice_of_text(s);
}

static void expect_bytes(struct buf *out, const char *want)
{
    if (!slice_equal(text(want), buf_slice(out))) {
        (void)fprintf(stderr, "want %s, got %.*s\n", want, (int)out->size, (const char *)out->data);
        exit(1);
    }
    buf_clear(out);
}

static void test_read(void)
{
    struct err_why why;
    json_t *value =
        json_read(text(" {\"a\": [1, \"x\\u0000y\"], \"b\": 9223372036854775807}"), 1000, &why);
    EXPECT(value != NULL);
    EXPECT(json_integer_value(json_object_get(value, "b")) == INT64_MAX);
    const json_t *array = json_object_get(value, "a");
    EXPECT(slice_equal(slice_of("x\0y", 3), json_slice(json_array_get(array, 1))));
    EXPECT(json_slice(json_array_get(array, 0)).data == NULL);
    EXPECT(json_slice(NULL).data == NULL);
    json_decref(value);
    value = json_read(text("7"), 1, &why);
    EXPECT(json_is_integer(value));
    json_decref(value);
}

static void expect_refused(const char *input, enum err e, const char *sentence)
{
    struct err_why why = {0};
    EXPECT(json_read(text(input), 100, &why) == NULL);
    EXPECT_EQ(e, why.code);
    if (strstr(why.text, sentence) == NULL) {
        (void)fprintf(stderr, "%s: %s\n", input, why.text);
        exit(1);
    }
}

static void test_refused(void)
{
    expect_refused("", ERR_INVALID, "line 1, column 0");
    expect_refused("{\"a\":\n}", ERR_INVALID, "line 2, column 1");
    expect_refused("{\"a\":1,\"a\":2}", ERR_INVALID, "duplicate");
    expect_refused("{} x", ERR_INVALID, "column 4");
    expect_refused("[9223372036854775808]", ERR_INVALID, "too big integer");
    expect_refused("[\"\xff\"]", ERR_INVALID, "unable to decode");
    expect_refused("[\"\\ud800\"]", ERR_INVALID, "invalid Unicode");
    expect_refused("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
                   ERR_INVALID, "byte 33: more than 32");
    expect_refused("\"0123456789012345678901234567890123456789012345678901234567890123456789"
                   "01234567890123456789012345678\"",
                   ERR_TOO_LARGE, "100");
}

/* Brackets in strings do not count as depth; neither do those that are closed again. */
static void test_depth(void)
{
    struct err_why why;
    json_t *value =
        json_read(text("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\", [], {}]"), 1000, &why);
    EXPECT(value != NULL);
    json_decref(value);
    struct buf many = {0};
    buf_append_byte(&many, '[');
    for (size_t i = 0; i < 100; i++) {
        buf_append_text(&many, "[],");
    }
    buf_append_text(&many, "{}]");
    value = json_read(buf_slice(&many), 1000, &why);
    EXPECT_EQ(101, json_array_size(value));
    json_decref(value);
    buf_deinit(&many);
}

static void test_strings(void)
{
    struct buf out = {0};
    json_string_to(&out, text("a\"\\/\n\r\t\x01\x7f <>&\xe2\x80\xa8\xe2\x80\xa9"), JSON_PLAIN);
    expect_bytes(&out, "\"a\\\"\\\\/\\n\\r\\t\\u0001\x7f <>&\xe2\x80\xa8\xe2\x80\xa9\"");
    json_string_to(&out, text("<>&\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa7"), JSON_HTML);
    expect_bytes(&out, "\"\\u003c\\u003e\\u0026\\u2028\\u2029\xe2\x80\xa7\"");
    json_string_to(&out, text("\xc3\xa4\xff\xc3x\xed\xa0\x80\xf0\x9f\x98\x80"), JSON_PLAIN);
    expect_bytes(&out, "\"\xc3\xa4\\ufffd\\ufffdx\\ufffd\\ufffd\\ufffd\xf0\x9f\x98\x80\"");
    json_string_to(&out, (struct slice){NULL, 0}, JSON_HTML);
    expect_bytes(&out, "\"\"");
    buf_deinit(&out);
}

static void test_utf8(void)
{
    static const char *const good[] = {"",
                                       "plain ascii, longer than eight",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2x",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xe2\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xf0\x90\x80",
                                      "12345678\xff"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        EXPECT(utf8_is_valid(text(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        EXPECT(!utf8_is_valid(text(bad[i])));
    }
}

static void test_base64(void)
{
    static const char *const pairs[][2] = {
        {"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "+/8="}};
    struct buf out = {0};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        base64_to(&out, text(pairs[i][0]));
        expect_bytes(&out, pairs[i][1]);
        EXPECT(base64_read(&out, text(pairs[i][1])));
        expect_bytes(&out, pairs[i][0]);
    }
    static const char *const bad[] = {"Z",    "Zg",   "Zg=",    "Zg==Zg==", "Zh==", "Zm9=",
                                      "Z===", "====", "Zm9v\n", "Zm-_",     "=Zg=", "Zg=a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        buf_append_text(&out, "x");
        EXPECT(!base64_read(&out, text(bad[i])));
        expect_bytes(&out, "x");
    }
    buf_deinit(&out);
}

static const struct test_case cases[] = {
    {"read", test_read},       {"refused", test_refused}, {"depth", test_depth},
    {"strings", test_strings}, {"utf8", test_utf8},       {"base64", test_base64},
};

TEST_MAIN(cases)
