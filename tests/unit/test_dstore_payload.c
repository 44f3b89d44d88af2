/* dstore's lines without a node: what a line asks for, base64 and JSON with Go's error texts. */
#include "api/dstore/line.h"
#include "api/dstore/payload.h"
#include "api/go_base64.h"
#include "base/random.h"
#include "harness.h"
#include "wire/json.h"

struct line_case {
    const char *text;
    enum dstore_command command;
    const char *payload;
    bool replaces;
};

static const struct line_case line_cases[] = {
    {"LEADER", DSTORE_LEADER, "", false},
    {"LEADER\r", DSTORE_LEADER, "", false},
    {"LEADERX y", DSTORE_LEADER, "", false},
    {"LDR", DSTORE_LDR, "", false},
    {"LDR\r", DSTORE_LDR, "", false},
    {"LDRsomething", DSTORE_LDR, "", false},
    {"HEY", DSTORE_HEY, "", false},
    {"HEY\r", DSTORE_HEY, "", false},
    {"HEY ", DSTORE_HELLO, "", false},
    {"HEY 10.0.0.1:8080", DSTORE_HELLO, "10.0.0.1:8080", false},
    {"HEYO", DSTORE_NONE, "", false},
    {"WRITE", DSTORE_NONE, "", false},
    {"WRITE ", DSTORE_WRITE, "", false},
    {"WRITE abc", DSTORE_WRITE, "abc", false},
    {"WRITE abc def", DSTORE_WRITE, "abc", false},
    {"WRITE  abc", DSTORE_WRITE, "", false},
    {"WRITEX abc", DSTORE_NONE, "", false},
    {"PUT", DSTORE_NONE, "", false},
    {"PUT ", DSTORE_PUT, "", false},
    {"PUT abc", DSTORE_PUT, "abc", false},
    {"PUT abc noappend", DSTORE_PUT, "abc", true},
    {"PUT abc noappend more", DSTORE_PUT, "abc", true},
    {"PUT abc noappend\r", DSTORE_PUT, "abc", false},
    {"PUT abc NOAPPEND", DSTORE_PUT, "abc", false},
    {"PUT abc x noappend", DSTORE_PUT, "abc", false},
    {"put abc", DSTORE_NONE, "", false},
    {"SND abc", DSTORE_SND, "abc", false},
    {"ALL abc", DSTORE_ALL, "abc", false},
    {"MEM abc", DSTORE_MEM, "abc", false},
    {"SEM name 2 a:1", DSTORE_SEM, "name", false},
    {"SEA name a:1", DSTORE_SEA, "name", false},
    {"SER name a:1", DSTORE_SER, "name", false},
    {"SEM", DSTORE_NONE, "", false},
    {"", DSTORE_NONE, "", false},
    {" ", DSTORE_NONE, "", false},
    {"POST / HTTP/1.1\r", DSTORE_NONE, "", false},
    {"*1\r", DSTORE_NONE, "", false},
};

static void test_lines(void)
{
    for (size_t i = 0; i < sizeof(line_cases) / sizeof(line_cases[0]); i++) {
        const struct line_case *c = &line_cases[i];
        const struct dstore_line line = dstore_line_read(slice_of_text(c->text));
        EXPECT_EQ(c->command, line.command);
        EXPECT(c->command == DSTORE_NONE || slice_equal(slice_of_text(c->payload), line.payload));
        EXPECT_EQ(c->replaces, line.replaces);
    }
    const struct dstore_line none = dstore_line_read(slice_of(NULL, 0));
    EXPECT_EQ(DSTORE_NONE, none.command);
    for (int i = 0; i < DSTORE_COMMAND_COUNT; i++) {
        EXPECT(dstore_command_name((enum dstore_command)i)[0] != '\0');
    }
}

/* ---- Base64 ---- */

struct base64_case {
    const char *text;
    const char *bytes; /* also what was decoded before the error */
    int error;         /* number of the byte; -1: none */
};

static const struct base64_case base64_cases[] = {
    {"", "", -1},
    {"YQ==", "a", -1},
    {"YWI=", "ab", -1},
    {"YWJj", "abc", -1},
    {"YWJjZA==", "abcd", -1},
    {"YW\r\nJj\r", "abc", -1},
    {"YQ=\r=\r", "a", -1},
    {"YR==", "a", -1}, /* stray bits */
    {"YWJj*", "abc", 4},
    {"Y", "", 0},
    {"YQ", "", 0},
    {"YQ=", "", 3},
    {"YWI", "", 0},
    {"YWJjZ", "abc", 4},
    {"YWJjZA", "abc", 4},
    {"YWJjZA=", "abc", 7},
    {"=", "", 0},
    {"Y=", "", 1},
    {"Y===", "", 1},
    {"YQ=x", "", 2},
    {"YQ=\nx", "", 3},
    {"YQ==YQ==", "a", 4},
    {"YWI=x", "ab", 4},
    {"YWI=\rx", "ab", 5},
    {"YW_j", "", 2},
    {"YW-j", "", 2},
    {"\xff", "", 0},
};

static void test_base64(void)
{
    for (size_t i = 0; i < sizeof(base64_cases) / sizeof(base64_cases[0]); i++) {
        const struct base64_case *c = &base64_cases[i];
        struct buf out = {0};
        struct err_why why = {0};
        char want[64];
        const enum err e = go_base64_read(&out, slice_of_text(c->text), &why);
        EXPECT_EQ(c->error < 0 ? ERR_OK : ERR_INVALID, e);
        EXPECT(slice_equal(slice_of_text(c->bytes), buf_slice(&out)));
        (void)snprintf(want, sizeof(want), "illegal base64 data at input byte %d", c->error);
        EXPECT(e == ERR_OK || strcmp(want, why.text) == 0);
        buf_deinit(&out);
    }
}

/* Whatever is encoded comes back, wherever line breaks are. */
static void test_base64_random(void)
{
    struct random random = {7};
    for (int round = 0; round < 2000; round++) {
        uint8_t bytes[3000];
        struct buf text = {0};
        struct buf broken = {0};
        struct buf back = {0};
        const size_t size = random_below(&random, round % 4 == 0 ? sizeof(bytes) + 1 : 100);
        const uint64_t breaks = round % 8 == 0 ? 10000 : 8; /* one in so many */
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)random_next(&random);
        }
        base64_to(&text, slice_of(bytes, size));
        for (size_t i = 0; i < text.size; i++) {
            buf_append_byte(&broken, text.data[i]);
            if (random_below(&random, breaks) == 0) {
                buf_append_text(&broken, "\r");
            }
        }
        EXPECT_EQ(ERR_OK, go_base64_read(&back, buf_slice(&broken), NULL));
        EXPECT(slice_equal(slice_of(bytes, size), buf_slice(&back)));
        buf_deinit(&text);
        buf_deinit(&broken);
        buf_deinit(&back);
    }
}

/* ---- JSON ---- */

struct json_case {
    const char *json;
    const char *key;
    const char *value;
    const char *error; /* NULL: none */
};

static const struct json_case json_cases[] = {
    {"{\"key\":\"k\",\"value\":\"v\",\"timestamp\":\"0001-01-01T00:00:00Z\"}", "k", "v", NULL},
    {"{}", "", "", NULL},
    {" {\"VALUE\":\"v\" , \"Key\":\"k\"}\r\n", "k", "v", NULL},
    {"null", "", "", NULL},
    {"{\"key\":null,\"value\":\"\"}", "", "", NULL},
    {"{\"key\":\"a\",\"key\":\"b\",\"other\":[1,{\"key\":\"c\"}]}", "b", "", NULL},
    {"{\"key\":\"\\u00e9\\n\",\"value\":\"a\xff\xc3z\"}", "\xc3\xa9\n",
     "a\xef\xbf\xbd\xef\xbf\xbdz", NULL},
    {"", "", "", "unexpected end of JSON input"},
    {" ", "", "", "unexpected end of JSON input"},
    {"{\"key\":", "", "", "unexpected end of JSON input"},
    {"{\"key\":\"k", "", "", "unexpected end of JSON input"},
    {"{\"key\":\"k\"} x", "", "", "invalid character 'x' after top-level value"},
    {"{\"key\":1} x", "", "", "invalid character 'x' after top-level value"},
    {"x", "", "", "invalid character 'x' looking for beginning of value"},
    {"{key", "", "", "invalid character 'k' looking for beginning of object key string"},
    {"{\"key\":\"k\" \"value\"", "", "", "invalid character '\"' after object key:value pair"},
    {"{\"value\":1}", "", "",
     "json: cannot unmarshal number into Go struct field KeyValue.value of type string"},
    {"{\"key\":true,\"value\":1}", "", "",
     "json: cannot unmarshal bool into Go struct field KeyValue.key of type string"},
    {"{\"key\":{}}", "", "",
     "json: cannot unmarshal object into Go struct field KeyValue.key of type string"},
    {"{\"key\":[]}", "", "",
     "json: cannot unmarshal array into Go struct field KeyValue.key of type string"},
    {"[1]", "", "", "json: cannot unmarshal array into Go value of type dstore.KeyValue"},
    {"\"x\"", "", "", "json: cannot unmarshal string into Go value of type dstore.KeyValue"},
    {"5", "", "", "json: cannot unmarshal number into Go value of type dstore.KeyValue"},
};

static void test_json(void)
{
    for (size_t i = 0; i < sizeof(json_cases) / sizeof(json_cases[0]); i++) {
        const struct json_case *c = &json_cases[i];
        struct buf text = {0};
        struct arena arena = {0};
        struct payload payload;
        struct err_why why = {0};
        base64_to(&text, slice_of_text(c->json));
        const enum err e =
            payload_read(buf_slice(&text), "dstore", i % 2 == 0, &arena, &payload, &why);
        EXPECT_EQ(c->error == NULL ? ERR_OK : ERR_INVALID, e);
        if (e == ERR_OK) {
            EXPECT(slice_equal(slice_of_text(c->key), payload.key));
            EXPECT(slice_equal(slice_of_text(c->value), payload.value));
        } else {
            EXPECT(strcmp(c->error, why.text) == 0);
        }
        arena_deinit(&arena);
        buf_deinit(&text);
    }
}

/* dstore reports what is wrong with the base64; Hedge goes on with what it could decode. */
static void test_hasty(void)
{
    struct arena arena = {0};
    struct payload payload;
    struct err_why why = {0};
    const struct slice broken = SLICE("eyJrZXkiOiJrIn0=*"); /* {"key":"k"} */
    EXPECT_EQ(ERR_INVALID, payload_read(broken, "dstore", false, &arena, &payload, &why));
    EXPECT(strcmp("illegal base64 data at input byte 16", why.text) == 0);
    EXPECT_EQ(ERR_OK, payload_read(broken, "hedge", true, &arena, &payload, &why));
    EXPECT(slice_equal(SLICE("k"), payload.key));
    EXPECT_EQ(ERR_INVALID, payload_read(SLICE("*"), "hedge", true, &arena, &payload, &why));
    EXPECT(strcmp("unexpected end of JSON input", why.text) == 0);
    EXPECT_EQ(ERR_INVALID, payload_read(SLICE("WzFd"), "hedge", true, &arena, &payload, &why));
    EXPECT(strcmp("json: cannot unmarshal array into Go value of type hedge.KeyValue", why.text) ==
           0);
    arena_deinit(&arena);
}

/* The payload that the specification gives as a sample. */
static void test_sample(void)
{
    struct arena arena = {0};
    struct payload payload;
    const struct slice sample =
        SLICE("eyJrZXkiOiJzYW1wbGVrZXkiLCJ2YWx1ZSI6InNhbXBsZXZhbHVlIiwidGltZXN0YW1wIjoiMDAwMS0wMS"
              "0wMVQwMDowMDowMFoifQ==");
    EXPECT_EQ(ERR_OK, payload_read(sample, "dstore", false, &arena, &payload, NULL));
    EXPECT(slice_equal(SLICE("samplekey"), payload.key));
    EXPECT(slice_equal(SLICE("samplevalue"), payload.value));
    arena_deinit(&arena);
}

static const struct test_case cases[] = {
    {"lines", test_lines}, {"base64", test_base64}, {"base64_random", test_base64_random},
    {"json", test_json},   {"hasty", test_hasty},   {"sample", test_sample},
};

TEST_MAIN(cases)
