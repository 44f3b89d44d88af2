#include "base/mem.h"
#include "harness.h"
#include "wire/resp.h"

static struct slice text(const char *s)
{
    return slice_of_text(s);
}

static struct resp_parser parser(void)
{
    return (struct resp_parser){.bulk_max = RESP_BULK_MAX};
}

/* Parses `input` in pieces: first `first` bytes, then `step` more at each call, every time from a
 * fresh copy, so that nothing may point into older bytes. Returns the last status; the bytes stay
 * in `*copy`. */
static enum resp_status parse_pieces(struct resp_parser *p, struct slice input, size_t first,
                                     size_t step, uint8_t **copy)
{
    *copy = NULL;
    for (size_t size = first;; size += step) {
        const size_t part = size < input.size ? size : input.size;
        uint8_t *bytes = mem_alloc(part + 1);
        memcpy(bytes, input.data, part);
        mem_free(*copy);
        *copy = bytes;
        const enum resp_status status = resp_parse(p, bytes, part);
        if (status != RESP_MORE || part == input.size) {
            return status;
        }
        EXPECT(p->wanted > part);
        EXPECT(p->wanted <= input.size);
    }
}

static void test_command(void)
{
    struct resp_parser p = parser();
    const struct slice input = text("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\nnext");
    EXPECT_EQ(RESP_COMMAND, resp_parse(&p, input.data, input.size));
    EXPECT_EQ(3, p.arg_count);
    EXPECT_EQ(input.size - 4, p.consumed);
    EXPECT(slice_equal(p.args[0], text("SET")));
    EXPECT(slice_equal(p.args[1], text("k")));
    EXPECT(slice_equal(p.args[2], text("")));
    EXPECT(p.args[1].data == input.data + 17);
    EXPECT(!p.is_copied);
    resp_parser_deinit(&p);
}

static void expect_digits(struct slice input, size_t first, size_t step)
{
    struct resp_parser p = parser();
    uint8_t *copy = NULL;
    EXPECT_EQ(RESP_COMMAND, parse_pieces(&p, input, first, step, &copy));
    EXPECT_EQ(11, p.arg_count);
    EXPECT_EQ(input.size, p.consumed);
    for (size_t i = 0; i < 10; i++) {
        EXPECT_EQ(1, p.args[i].size);
        EXPECT_EQ('0' + i, p.args[i].data[0]);
    }
    EXPECT(slice_equal(p.args[10], text("hello\r\nworld")));
    mem_free(copy);
    resp_parser_deinit(&p);
}

static void test_split_anywhere(void)
{
    const struct slice input =
        text("*11\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n"
             "$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n$12\r\nhello\r\nworld\r\n");
    for (size_t first = 0; first <= input.size; first++) {
        for (size_t step = 1; step <= input.size; step += 7) {
            expect_digits(input, first, step);
        }
    }
}

static void test_pipeline(void)
{
    struct resp_parser p = parser();
    struct buf input = {0};
    for (size_t i = 0; i < 300; i++) {
        resp_array(&input, i % 20 + 1);
        for (size_t j = 0; j < i % 20 + 1; j++) {
            resp_bulk_integer(&input, (int64_t)(i * j));
        }
        buf_append_text(&input, "PING\r\n");
    }
    size_t at = 0;
    for (size_t i = 0; i < 600; i++) {
        EXPECT_EQ(RESP_COMMAND, resp_parse(&p, input.data + at, input.size - at));
        EXPECT_EQ(i % 2 == 1 ? 1 : i / 2 % 20 + 1, p.arg_count);
        at += p.consumed;
    }
    EXPECT_EQ(input.size, at);
    EXPECT_EQ(RESP_MORE, resp_parse(&p, input.data + at, 0));
    buf_deinit(&input);
    resp_parser_deinit(&p);
}

static void test_nothing_to_do(void)
{
    static const char *const inputs[] = {"*0\r\n", "*-1\r\n", "*-12\r\n", "\r\n", "\n", "  \t\r\n"};
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        struct resp_parser p = parser();
        const struct slice input = text(inputs[i]);
        EXPECT_EQ(RESP_COMMAND, resp_parse(&p, input.data, input.size));
        EXPECT_EQ(0, p.arg_count);
        EXPECT_EQ(input.size, p.consumed);
        resp_parser_deinit(&p);
    }
}

struct broken_case {
    const char *input;
    const char *error;
};

/* The words of Redis 7.0; the last one is stricter than Redis, which skips two bytes unseen. */
static const struct broken_case broken_cases[] = {
    {"*a\r\n", "Protocol error: invalid multibulk length"},
    {"*\r\n", "Protocol error: invalid multibulk length"},
    {"*-0\r\n", "Protocol error: invalid multibulk length"},
    {"*+1\r\n", "Protocol error: invalid multibulk length"},
    {"*01\r\n", "Protocol error: invalid multibulk length"},
    {"* 1\r\n", "Protocol error: invalid multibulk length"},
    {"*1048577\r\n", "Protocol error: invalid multibulk length"},
    {"*2147483648\r\n", "Protocol error: invalid multibulk length"},
    {"*99999999999999999999\r\n", "Protocol error: invalid multibulk length"},
    {"*1\r\n+", "Protocol error: expected '$', got '+'"},
    {"*1\r\nx", "Protocol error: expected '$', got 'x'"},
    {"*1\r\n$x\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$-1\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$536870913\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$18446744073709551616\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$1\nab", NULL},
    {"SET \"a\r\n", "Protocol error: unbalanced quotes in request"},
    {"SET 'a\r\n", "Protocol error: unbalanced quotes in request"},
    {"SET \"a\"b\r\n", "Protocol error: unbalanced quotes in request"},
    {"*1\r\n$2\r\nabcd", "Protocol error: expected CRLF behind an argument"},
};

static void expect_broken(const struct broken_case *c, size_t first)
{
    struct resp_parser p = parser();
    uint8_t *copy = NULL;
    const enum resp_status status = parse_pieces(&p, text(c->input), first, 1, &copy);
    EXPECT_EQ(c->error == NULL ? RESP_MORE : RESP_BROKEN, status);
    EXPECT(c->error == NULL || strcmp(c->error, p.error) == 0);
    mem_free(copy);
    resp_parser_deinit(&p);
}

static void test_broken(void)
{
    for (size_t i = 0; i < sizeof(broken_cases) / sizeof(broken_cases[0]); i++) {
        for (size_t first = 0; first <= strlen(broken_cases[i].input); first++) {
            expect_broken(&broken_cases[i], first);
        }
    }
}

static void expect_too_long(const char *begin, char filler, const char *error)
{
    struct resp_parser p = parser();
    struct buf input = {0};
    buf_append_text(&input, begin);
    const size_t head = input.size;
    while (input.size < head + RESP_INLINE_MAX) {
        buf_append_byte(&input, (uint8_t)filler);
        EXPECT_EQ(RESP_MORE, resp_parse(&p, input.data, input.size));
    }
    buf_append_byte(&input, (uint8_t)filler);
    EXPECT_EQ(RESP_BROKEN, resp_parse(&p, input.data, input.size));
    EXPECT(strcmp(error, p.error) == 0);
    buf_deinit(&input);
    resp_parser_deinit(&p);
}

static void test_too_long(void)
{
    expect_too_long("", 'a', "Protocol error: too big inline request");
    expect_too_long("*", '1', "Protocol error: too big mbulk count string");
    expect_too_long("*1\r\n$", '1', "Protocol error: too big bulk count string");
}

struct inline_case {
    const char *input;
    size_t count;
    const char *args[4];
};

static const struct inline_case inline_cases[] = {
    {"PING\r\n", 1, {"PING"}},
    {"PING\n", 1, {"PING"}},
    {"  set   a  b \r\n", 3, {"set", "a", "b"}},
    {"set \"a b\" 'c d'\r\n", 3, {"set", "a b", "c d"}},
    {"set \"\\x41\\n\\r\\t\\b\\a\\\"\\q\" ''\r\n", 3, {"set", "A\n\r\t\b\a\"q", ""}},
    {"set '\\'\\n' \"'\"\r\n", 3, {"set", "'\\n", "'"}},
    {"set a\"b c\" d\r\n", 3, {"set", "ab c", "d"}},
    {"set \"\\xZZ\"\r\n", 2, {"set", "xZZ"}},
    {"get a\vb\r\n", 2, {"get", "a\vb"}},
};

static void expect_inline(const struct inline_case *c, size_t first)
{
    struct resp_parser p = parser();
    uint8_t *copy = NULL;
    EXPECT_EQ(RESP_COMMAND, parse_pieces(&p, text(c->input), first, 1, &copy));
    EXPECT_EQ(c->count, p.arg_count);
    EXPECT(p.is_copied);
    for (size_t i = 0; i < c->count; i++) {
        EXPECT(slice_equal(text(c->args[i]), p.args[i]));
    }
    mem_free(copy);
    resp_parser_deinit(&p);
}

static void test_inline(void)
{
    for (size_t i = 0; i < sizeof(inline_cases) / sizeof(inline_cases[0]); i++) {
        for (size_t first = 0; first <= strlen(inline_cases[i].input); first++) {
            expect_inline(&inline_cases[i], first);
        }
    }
}

static void test_wanted_and_limits(void)
{
    struct resp_parser p = {.bulk_max = 10};
    struct slice input = text("*2\r\n$3\r\nGET\r\n$10\r\nab");
    EXPECT_EQ(RESP_MORE, resp_parse(&p, input.data, input.size));
    EXPECT_EQ(input.size + 10, p.wanted);
    resp_parser_deinit(&p);
    p = (struct resp_parser){.bulk_max = 10};
    input = text("*2\r\n$3\r\nGET\r\n$11\r\nab");
    EXPECT_EQ(RESP_BROKEN, resp_parse(&p, input.data, input.size));
    resp_parser_deinit(&p);
}

/* A million arguments, then little ones: the room for the million is given back. */
static void test_many_arguments(void)
{
    struct resp_parser p = parser();
    struct buf input = {0};
    resp_array(&input, RESP_ARGS_MAX);
    for (size_t i = 0; i < RESP_ARGS_MAX; i++) {
        buf_append_text(&input, "$1\r\nx\r\n");
    }
    for (size_t size = 0; size < input.size; size += 700000) {
        EXPECT_EQ(RESP_MORE, resp_parse(&p, input.data, size));
    }
    EXPECT_EQ(RESP_COMMAND, resp_parse(&p, input.data, input.size));
    EXPECT_EQ(RESP_ARGS_MAX, p.arg_count);
    EXPECT(p.args[0].data == input.data + 14);
    EXPECT(p.args[RESP_ARGS_MAX - 1].data == input.data + input.size - 3);
    const struct slice ping = text("*1\r\n$4\r\nPING\r\n");
    EXPECT_EQ(RESP_COMMAND, resp_parse(&p, ping.data, ping.size));
    EXPECT(p.capacity < 100);
    buf_deinit(&input);
    resp_parser_deinit(&p);
}

static void test_names(void)
{
    EXPECT(resp_is(text("GeT"), "get"));
    EXPECT(resp_is(text("A-b1"), "a-b1"));
    EXPECT(!resp_is(text("get"), "gets"));
    EXPECT(!resp_is(text("gets"), "get"));
    EXPECT(!resp_is(text("g\x05t"), "get"));
    EXPECT(!resp_is(slice_of("get\0", 4), "get"));
    EXPECT(resp_is(text(""), ""));
}

static void expect_reply(struct buf *out, const char *want)
{
    if (!slice_equal(text(want), buf_slice(out))) {
        (void)fprintf(stderr, "want %s, got %.*s\n", want, (int)out->size, (const char *)out->data);
        exit(1);
    }
    buf_clear(out);
}

static void test_replies(void)
{
    struct buf out = {0};
    resp_simple(&out, "OK");
    expect_reply(&out, "+OK\r\n");
    resp_error(&out, "ERR a\r\nb");
    expect_reply(&out, "-ERR a  b\r\n");
    resp_integer(&out, INT64_MIN);
    expect_reply(&out, ":-9223372036854775808\r\n");
    resp_integer(&out, 0);
    expect_reply(&out, ":0\r\n");
    resp_bulk(&out, text("hello"));
    expect_reply(&out, "$5\r\nhello\r\n");
    resp_bulk(&out, (struct slice){NULL, 0});
    expect_reply(&out, "$0\r\n\r\n");
    resp_bulk_text(&out, "x");
    expect_reply(&out, "$1\r\nx\r\n");
    resp_bulk_integer(&out, -12);
    expect_reply(&out, "$3\r\n-12\r\n");
    resp_array(&out, 12);
    expect_reply(&out, "*12\r\n");
    buf_deinit(&out);
}

static void test_versions(void)
{
    struct buf out = {0};
    resp_null(&out, 2);
    resp_null(&out, 3);
    resp_null_array(&out, 2);
    resp_null_array(&out, 3);
    expect_reply(&out, "$-1\r\n_\r\n*-1\r\n_\r\n");
    resp_map(&out, 2, 3);
    resp_map(&out, 3, 3);
    expect_reply(&out, "*6\r\n%3\r\n");
    resp_set(&out, 2, 3);
    resp_set(&out, 3, 3);
    expect_reply(&out, "*3\r\n~3\r\n");
    resp_push(&out, 2, 3);
    resp_push(&out, 3, 3);
    expect_reply(&out, "*3\r\n>3\r\n");
    resp_bool(&out, 2, true);
    resp_bool(&out, 3, true);
    resp_bool(&out, 3, false);
    expect_reply(&out, ":1\r\n#t\r\n#f\r\n");
    resp_double(&out, 2, 1.5);
    resp_double(&out, 3, 1.5);
    resp_double(&out, 3, 1.0 / 0.0);
    resp_double(&out, 2, -1.0 / 0.0);
    expect_reply(&out, "$3\r\n1.5\r\n,1.5\r\n,inf\r\n$4\r\n-inf\r\n");
    resp_verbatim(&out, 2, text("ab"));
    resp_verbatim(&out, 3, text("ab"));
    expect_reply(&out, "$2\r\nab\r\n=6\r\ntxt:ab\r\n");
    buf_deinit(&out);
}

static const struct test_case cases[] = {
    {"command", test_command},
    {"split_anywhere", test_split_anywhere},
    {"pipeline", test_pipeline},
    {"nothing_to_do", test_nothing_to_do},
    {"broken", test_broken},
    {"too_long", test_too_long},
    {"inline", test_inline},
    {"wanted_and_limits", test_wanted_and_limits},
    {"many_arguments", test_many_arguments},
    {"names", test_names},
    {"replies", test_replies},
    {"versions", test_versions},
};

TEST_MAIN(cases)
