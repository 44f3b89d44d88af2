/* Regatta without a connection: spans of keys, messages up to their limit, statuses, tokens, backup
 * files; clients that leave at any moment, and clients that do not read. */
#include "api/regatta/backup_file.h"
#include "api/regatta/pairs.h"
#include "api/regatta/rest_json.h"
#include "base/random.h"
#include "fake_exchange.h"
#include "harness.h"
#include "sys/sim/world.h"
#include "wire/grpc.h"
#include "wire/json.h"
#include "wire/protobuf.h"

/* ---- Spans ---- */

static ProtobufCBinaryData bytes_of(const char *text)
{
    return grpc_bytes(slice_of_text(text));
}

static void test_extents(void)
{
    struct arena arena = {0};
    struct extent e = extent_of(bytes_of("k"), false, bytes_of("")); /* one key */
    EXPECT(e.is_single && slice_equal(e.from, SLICE("k")));
    struct op op = {0};
    extent_read(&e, false, false, &op);
    EXPECT_EQ(OP_GET, op.kind);
    extent_read(&e, true, false, &op);
    EXPECT_EQ(OP_STAT, op.kind);
    op = (struct op){0};
    extent_delete(&e, &arena, &op);
    EXPECT(op.kind == OP_DELETE_RANGE && slice_equal(op.other, slice_of("k", 2)));
    e = extent_of(bytes_of("k"), true, grpc_bytes(slice_of("", 1))); /* to the end */
    EXPECT(!e.is_single && e.to.data == NULL);
    e = extent_of(bytes_of("k"), true, grpc_bytes(slice_of("\0", 2))); /* a bound as any other */
    EXPECT(e.to.size == 2);
    e = extent_of(bytes_of("k"), true, (ProtobufCBinaryData){0}); /* there, and empty */
    EXPECT(!e.is_single && e.to.data != NULL && e.to.size == 0);
    e = extent_of(bytes_of("a"), true, bytes_of("b"));
    op = (struct op){0};
    extent_read(&e, true, false, &op);
    EXPECT(op.kind == OP_RANGE && op.flags == OP_KEYS_ONLY && slice_equal(op.other, SLICE("b")));
    char longest[REGATTA_KEY_MAX + 1];
    memset(longest, 'k', sizeof(longest));
    e = extent_of(grpc_bytes(slice_of(longest, REGATTA_KEY_MAX)), true, bytes_of("b"));
    EXPECT_EQ(GRPC_OK, extent_check(&e).status);
    e.to = slice_of(longest, REGATTA_KEY_MAX + 1);
    EXPECT_EQ(GRPC_FAILED_PRECONDITION, extent_check(&e).status);
    arena_deinit(&arena);
}

/* What is encoded by hand is what packing gives. */
static void expect_encoded(const Regatta__V1__RangeResponse *m, const struct pairs *p)
{
    struct buf wanted = {0};
    struct buf got = {0};
    const size_t size = regatta__v1__range_response__get_packed_size(m);
    (void)regatta__v1__range_response__pack(m, buf_reserve(&wanted, size + 1));
    buf_extend(&wanted, size);
    pairs_to(p, 3, &got);
    EXPECT(slice_equal(buf_slice(&wanted), buf_slice(&got)));
    buf_deinit(&wanted);
    buf_deinit(&got);
}

/* A message is never larger than it may be, and says so when rows were left out. */
static void test_pairs(void)
{
    static uint8_t value[REGATTA_VALUE_MAX];
    for (size_t size = 0; size <= sizeof(value); size = size * 3 + 100) {
        struct arena arena = {0};
        struct pairs p = {.arena = &arena};
        const struct row row = {.key = SLICE("key"),
                                .value = slice_of(value, size),
                                .mod_revision = UINT64_MAX,
                                .create_revision = 1};
        size_t rows = 0;
        while (rows < 100000 && pairs_add(&p, &row)) {
            rows++;
        }
        Regatta__V1__RangeResponse m = REGATTA__V1__RANGE_RESPONSE__INIT;
        m.n_kvs = p.count;
        m.kvs = p.list;
        const size_t packed = regatta__v1__range_response__get_packed_size(&m);
        EXPECT(packed <= REGATTA_ANSWER_MAX && rows == p.count);
        expect_encoded(&m, &p);
        EXPECT(rows == 100000 || packed + size + 100 + 5 * rows > REGATTA_ANSWER_MAX);
        arena_deinit(&arena);
    }
    struct arena arena = {0}; /* one that is too large is better than none */
    struct pairs p = {.arena = &arena};
    struct buf large = {0};
    (void)buf_reserve(&large, (size_t)5 << 20);
    buf_extend(&large, (size_t)5 << 20);
    memset(large.data, 0, large.size);
    const struct row row = {.key = SLICE("key"), .value = buf_slice(&large)};
    EXPECT(pairs_add(&p, &row) && !pairs_add(&p, &row));
    buf_deinit(&large);
    arena_deinit(&arena);
}

/* ---- Statuses ---- */

/* A client repeats writes that were answered with two of them. */
static void test_statuses(void)
{
    for (int e = ERR_OK + 1; e < ERR_WOULD_WAIT; e++) {
        const struct refusal r = refusal_of((enum err)e);
        EXPECT(r.status != GRPC_OK && r.status != GRPC_DEADLINE_EXCEEDED);
        EXPECT(r.status != GRPC_CANCELLED && r.text[0] != '\0' && r.err == (enum err)e);
    }
    EXPECT_EQ(GRPC_UNAVAILABLE, refusal_of(ERR_TIMEOUT).status);
    EXPECT_EQ(GRPC_UNAVAILABLE, refusal_of(ERR_UNKNOWN_OUTCOME).status);
    EXPECT_EQ(GRPC_NOT_FOUND, refusal_of(ERR_NOT_FOUND).status);
    EXPECT_EQ(GRPC_FAILED_PRECONDITION, refusal_of(ERR_IO).status);
}

static void test_tokens(void)
{
    static const struct {
        const char *header; /* NULL: none */
        const char *token;
        const char *text; /* NULL: allowed */
    } list[] = {
        {NULL, "", NULL},
        {"anything", "", NULL},
        {"Bearer abc", "abc", NULL},
        {"bEaReR abc", "abc", NULL},
        {NULL, "abc", "Request unauthenticated with bearer"},
        {"", "abc", "Request unauthenticated with bearer"},
        {"Bearer", "abc", "Request unauthenticated with bearer"},
        {"Basic abc", "abc", "Request unauthenticated with bearer"},
        {"Bearer ", "abc", "Invalid token"},
        {"Bearer ab", "abc", "Invalid token"},
        {"Bearer abcabc", "abc", "Invalid token"},
        {"Bearer  abc", "abc", "Invalid token"},
        {"Bearer ABC", "abc", "Invalid token"},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        const struct slice header =
            list[i].header == NULL ? (struct slice){0} : slice_of_text(list[i].header);
        const struct refusal r = refusal_of_token(header, list[i].token);
        EXPECT_EQ(list[i].text == NULL ? GRPC_OK : GRPC_UNAUTHENTICATED, r.status);
        EXPECT(list[i].text == NULL || strcmp(list[i].text, r.text) == 0);
    }
}

/* ---- Backup files ---- */

#define RECORDS 3000

/* Writes records, reads them back in pieces of that size. */
static void check_file(uint64_t seed, size_t piece)
{
    struct random random = {seed};
    struct backup_writer w = {0};
    struct buf file = {0};
    static uint8_t noise[4096];
    for (size_t i = 0; i < sizeof(noise); i++) {
        noise[i] = (uint8_t)random_next(&random);
    }
    for (size_t i = 0; i < RECORDS; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "%zu", i);
        backup_write(&w, &file, SLICE("table"), slice_of_text(key),
                     slice_of(noise, i * 7 % sizeof(noise)));
    }
    backup_flush(&w, &file);
    backup_writer_deinit(&w);
    struct backup_reader r = {.record_max = 10000};
    size_t count = 0;
    for (struct slice rest = buf_slice(&file); rest.size > 0;) {
        struct slice part = slice_of(rest.data, piece < rest.size ? piece : rest.size);
        rest = slice_skip(rest, part.size);
        struct slice key;
        struct slice value;
        enum backup_read result;
        while ((result = backup_read(&r, &part, &key, &value)) == BACKUP_RECORD) {
            char wanted[32];
            (void)snprintf(wanted, sizeof(wanted), "%zu", count);
            EXPECT(slice_equal(key, slice_of_text(wanted)));
            EXPECT(slice_equal(value, slice_of(noise, count * 7 % sizeof(noise))));
            count++;
        }
        EXPECT_EQ(BACKUP_MORE, result);
    }
    EXPECT_EQ(RECORDS, count);
    EXPECT(!backup_reader_is_partial(&r));
    backup_reader_deinit(&r);
    buf_deinit(&file);
}

static void test_backup_file(void)
{
    const size_t pieces[] = {1, 13, 4096, 65536, SIZE_MAX};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        check_file(i + 1, pieces[i]);
    }
}

/* A length is believed only up to the limit: no memory is taken for what cannot come. */
static void test_backup_limit(void)
{
    for (size_t size = 99; size <= 101; size++) {
        struct snappy_writer w = {0};
        struct buf file = {0};
        struct slice key;
        struct slice value;
        uint8_t head[8] = {(uint8_t)size};
        snappy_write(&w, &file, slice_of(head, sizeof(head)));
        snappy_flush(&w, &file);
        struct backup_reader r = {.record_max = 100};
        struct slice rest = buf_slice(&file);
        EXPECT_EQ(size > 100 ? BACKUP_BROKEN : BACKUP_MORE, backup_read(&r, &rest, &key, &value));
        EXPECT(backup_reader_is_partial(&r));
        backup_reader_deinit(&r);
        snappy_writer_deinit(&w);
        buf_deinit(&file);
    }
}

/* ---- JSON ---- */

static void test_json(void)
{
    struct arena arena = {0};
    struct rest_request q;
    struct err_why why = {0};
    EXPECT_EQ(ERR_OK, rest_json_read(SLICE("{\"table\":\"dA==\",\"rangeEnd\":\"\",\"limit\":\"-3\","
                                           "\"max_mod_revision\":9223372036854775807,"
                                           "\"linearizable\":true}"),
                                     REST_RANGE, &arena, &q, &why));
    EXPECT(slice_equal(q.table, SLICE("t")) && q.range_end.data != NULL && q.range_end.size == 0);
    EXPECT(q.limit == -3 && q.max_mod_revision == INT64_MAX && q.linearizable);
    EXPECT(q.key.size == 0 && q.value.size == 0);
    EXPECT_EQ(ERR_OK, rest_json_read(SLICE("{\"limit\":5,\"value\":\"dg==\"}"), REST_PUT, &arena,
                                     &q, &why)); /* each message has its own fields */
    EXPECT(q.limit == 0 && slice_equal(q.value, SLICE("v")));
    EXPECT_EQ(ERR_OK, rest_json_read(SLICE("{\"memberId\":\"18446744073709551615\","
                                           "\"operation\":\"CLUSTER\"}"),
                                     REST_RESET, &arena, &q, &why));
    EXPECT(q.member_id == UINT64_MAX && q.operation == 1);
    EXPECT_EQ(ERR_INVALID, rest_json_read(SLICE("{\"table\": \"dGF"), REST_PUT, &arena, &q, &why));
    EXPECT(strcmp("unexpected EOF", why.text) == 0);
    arena_deinit(&arena);
}

/* ---- Calls ---- */

#define RANGE_ALL "\n\1t\22\1\0\32\1\0" /* table t, from 0x00 to the end */

struct fixture {
    struct http_world world;
    const struct http_dialect *dialects[2];
};

static void open_call(struct fixture *t, struct fake_exchange *f, const char *path,
                      struct slice body)
{
    struct buf text = {0};
    buf_printf(&text,
               "POST %s HTTP/1.1\r\ncontent-type: application/grpc\r\ncontent-length: %zu\r\n\r\n",
               path, body.size);
    buf_append_slice(&text, body);
    fake_open(f, &t->world, t->dialects, buf_slice(&text));
    buf_deinit(&text);
}

static void frame(struct buf *body, struct slice message)
{
    const size_t begin = grpc_message_begin(body);
    buf_append_slice(body, message);
    grpc_message_end(body, begin, GRPC_IDENTITY);
}

/* A table "t" with records of `size` bytes each. */
static void setup(struct fixture *t, size_t count, size_t size)
{
    world_open(&t->world);
    t->dialects[0] = regatta_dialect();
    t->dialects[1] = NULL;
    struct buf value = {0};
    memset(buf_reserve(&value, size + 1), 'v', size);
    buf_extend(&value, size);
    for (size_t i = 0; i < count; i++) {
        char key[32];
        struct fake_exchange f;
        struct buf text = {0};
        (void)snprintf(key, sizeof(key), "%08zu", i);
        struct buf json = {0};
        buf_append_text(&json, "{\"table\":\"dA==\",\"key\":\"");
        base64_to(&json, slice_of_text(key));
        buf_append_text(&json, "\",\"value\":\"");
        base64_to(&json, buf_slice(&value));
        buf_append_text(&json, "\"}");
        buf_printf(&text, "POST /v1/kv/put HTTP/1.1\r\ncontent-length: %zu\r\n\r\n", json.size);
        buf_append_slice(&text, buf_slice(&json));
        fake_run(&f, &t->world, t->dialects, buf_slice(&text));
        EXPECT_EQ(200, f.status);
        fake_close(&f);
        buf_deinit(&text);
        buf_deinit(&json);
    }
    buf_deinit(&value);
}

static void teardown(struct fixture *t)
{
    EXPECT_EQ(0, router_calls(t->world.context.router));
    world_close(&t->world);
}

static bool trailers_say(const struct fake_exchange *f, const char *status)
{
    struct buf wanted = {0};
    buf_printf(&wanted, "grpc-status: %s\n", status);
    const struct buf *in = f->is_streamed ? &f->trailers : &f->headers;
    bool is_there = false;
    for (size_t i = 0; i + wanted.size <= in->size && !is_there; i++) {
        is_there = memcmp(in->data + i, wanted.data, wanted.size) == 0;
    }
    buf_deinit(&wanted);
    return is_there;
}

/* As Regatta's clients call: compressed in snappy's framed format. */
static void test_snappy(void)
{
    struct fixture t;
    struct fake_exchange f;
    struct buf message = {0};
    struct buf body = {0};
    struct buf text = {0};
    setup(&t, 3, 500);
    protobuf_bytes_to(&message, 1, SLICE("t"));
    for (int i = 0; i < 40; i++) { /* the last key counts; what is repeated is what compresses */
        protobuf_bytes_to(&message, 2, SLICE("00000001"));
    }
    const size_t begin = grpc_message_begin(&body);
    buf_append_slice(&body, buf_slice(&message));
    grpc_message_end(&body, begin, GRPC_SNAPPY);
    EXPECT_EQ(1, body.data[0]); /* it is compressed */
    buf_printf(&text,
               "POST /regatta.v1.KV/Range HTTP/1.1\r\ncontent-type: application/grpc\r\n"
               "grpc-encoding: snappy\r\ncontent-length: %zu\r\n\r\n",
               body.size);
    buf_append_slice(&text, buf_slice(&body));
    fake_run(&f, &t.world, t.dialects, buf_slice(&text));
    struct grpc_reader reader = {.encoding = GRPC_SNAPPY, .message_max = 10000};
    struct slice rest = buf_slice(&f.body);
    struct slice answer;
    EXPECT(trailers_say(&f, "0") && rest.size < 500 && rest.data[0] == 1);
    EXPECT_EQ(GRPC_READ_MESSAGE, grpc_read(&reader, &rest, &answer));
    Regatta__V1__RangeResponse *m =
        regatta__v1__range_response__unpack(NULL, answer.size, answer.data);
    EXPECT(m != NULL && m->n_kvs == 1 && m->kvs[0]->value.len == 500 && m->count == 1);
    regatta__v1__range_response__free_unpacked(m, NULL);
    grpc_reader_deinit(&reader);
    fake_close(&f);
    buf_deinit(&message);
    buf_deinit(&body);
    buf_deinit(&text);
    teardown(&t);
}

/* The messages of Restore for a table "t" of one record. */
static void restore_messages(struct buf *body)
{
    struct backup_writer w = {0};
    struct buf file = {0};
    struct buf chunk = {0};
    struct buf message = {0};
    backup_write(&w, &file, SLICE("t"), SLICE("k"), SLICE("v"));
    backup_flush(&w, &file);
    backup_writer_deinit(&w);
    frame(body, SLICE("\n\3\n\1t"));
    protobuf_bytes_to(&chunk, 1, buf_slice(&file));
    protobuf_element_to(&message, 2, buf_slice(&chunk));
    frame(body, buf_slice(&message));
    buf_deinit(&file);
    buf_deinit(&chunk);
    buf_deinit(&message);
}

static void leave(struct fake_exchange *f)
{
    f->x.is_aborted = true;
    f->x.route->on_abort(&f->x);
}

/* The client of each call leaves after 0, 1, 2, ... turns, until the answer is there before. */
static void check_leaving(struct fixture *t, const char *path, struct slice body)
{
    bool is_answered = false;
    for (unsigned turns = 0; turns < 200 && !is_answered; turns++) {
        struct fake_exchange f;
        open_call(t, &f, path, body);
        fake_start(&f, 0);
        for (unsigned i = 0; i < turns && !f.is_complete; i++) {
            world_wait(&t->world, 1);
        }
        is_answered = f.is_complete;
        if (!is_answered) {
            leave(&f);
            fake_finish(&f, &t->world);
            EXPECT(f.is_done);
        }
        fake_close(&f);
    }
    EXPECT(is_answered);
}

static void test_clients_that_leave(void)
{
    static const struct {
        const char *path;
        struct slice message;
    } calls[] = {
        {"/regatta.v1.KV/Range", {(const uint8_t *)"\n\1t\22\1k", 6}},
        {"/regatta.v1.KV/Range", {(const uint8_t *)RANGE_ALL "\70\1", 11}}, /* counts */
        {"/regatta.v1.KV/IterateRange", {(const uint8_t *)RANGE_ALL, 9}},
        {"/regatta.v1.KV/Put", {(const uint8_t *)"\n\1t\22\1k", 6}},
        {"/regatta.v1.Tables/Create", {(const uint8_t *)"\n\1u", 3}},
        {"/regatta.v1.Maintenance/Hash", {(const uint8_t *)"", 0}},
        {"/maintenance.v1.Maintenance/Backup", {(const uint8_t *)"\n\1t", 3}},
        {"/maintenance.v1.Maintenance/Reset", {(const uint8_t *)"\n\1t", 3}},
        {"/regatta.v1.Maintenance/Reset", {(const uint8_t *)"", 0}},
    };
    struct fixture t;
    setup(&t, 300, 2000);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        struct buf body = {0};
        frame(&body, calls[i].message);
        check_leaving(&t, calls[i].path, buf_slice(&body));
        buf_deinit(&body);
    }
    struct buf body = {0};
    restore_messages(&body);
    for (int i = 0; i < 3; i++) {
        check_leaving(&t, "/maintenance.v1.Maintenance/Restore", buf_slice(&body));
    }
    buf_deinit(&body);
    teardown(&t);
}

/* A Range that begins at any moment of a restore or a reset is answered from the table that was
 * there or the one that came: it never has to be asked again. */
static void check_replacing(struct fixture *t, struct slice range, const char *path,
                            struct slice change)
{
    bool is_over = false;
    for (unsigned turns = 0; turns < 3000 && !is_over; turns++) {
        struct fake_exchange changing;
        struct fake_exchange reading;
        open_call(t, &changing, path, change);
        open_call(t, &reading, "/regatta.v1.KV/Range", range);
        fake_start(&changing, 0);
        for (unsigned i = 0; i < turns && sim_step(); i++) {
        }
        is_over = changing.is_complete;
        fake_start(&reading, 0);
        fake_finish(&reading, &t->world);
        fake_finish(&changing, &t->world);
        EXPECT(trailers_say(&reading, "0"));
        EXPECT(trailers_say(&changing, "0"));
        fake_close(&reading);
        fake_close(&changing);
    }
    EXPECT(is_over);
}

static void test_reads_of_a_table_that_is_replaced(void)
{
    static const struct slice ranges[] = {
        {(const uint8_t *)"\n\1t\22\1k", 6},
        {(const uint8_t *)RANGE_ALL, 9},
        {(const uint8_t *)RANGE_ALL "\70\1", 11},  /* counts */
        {(const uint8_t *)RANGE_ALL "\100\1", 11}, /* leaves out by revision, so it goes by pages */
    };
    struct fixture t;
    struct buf restore = {0};
    struct buf reset = {0};
    setup(&t, 3, 500);
    restore_messages(&restore);
    frame(&reset, SLICE("\n\1t"));
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        struct buf range = {0};
        frame(&range, ranges[i]);
        check_replacing(&t, buf_slice(&range), "/maintenance.v1.Maintenance/Restore",
                        buf_slice(&restore));
        check_replacing(&t, buf_slice(&range), "/maintenance.v1.Maintenance/Reset",
                        buf_slice(&reset));
        buf_deinit(&range);
    }
    buf_deinit(&restore);
    buf_deinit(&reset);
    teardown(&t);
}

/* What does not fit is not produced: memory is a page and what the socket has not taken. */
static void check_stalling(struct fixture *t, const char *path, struct slice message)
{
    struct fake_exchange f;
    struct buf body = {0};
    frame(&body, message);
    open_call(t, &f, path, buf_slice(&body));
    f.waiting = HTTP_STREAM_HIGH;
    fake_start(&f, 0);
    world_wait(&t->world, 50);
    EXPECT(!f.is_complete);
    const size_t first = f.body.size;
    EXPECT(first > 0 && first < (size_t)2 << 20);
    world_wait(&t->world, 50);
    EXPECT_EQ(first, f.body.size);
    f.x.route->on_writable(&f.x); /* one page more */
    world_wait(&t->world, 50);
    EXPECT(f.body.size > first && !f.is_complete);
    f.waiting = 0;
    f.x.route->on_writable(&f.x);
    fake_finish(&f, &t->world);
    EXPECT(f.is_complete && trailers_say(&f, "0"));
    EXPECT(f.body.size > (size_t)5 << 20);
    fake_close(&f);
    open_call(t, &f, path, buf_slice(&body)); /* and a client that leaves while it stalls */
    f.waiting = HTTP_STREAM_HIGH;
    fake_start(&f, 0);
    world_wait(&t->world, 50);
    leave(&f);
    EXPECT(f.is_done);
    fake_close(&f);
    buf_deinit(&body);
}

static void test_clients_that_stall(void)
{
    struct fixture t;
    setup(&t, 60, 100000);
    check_stalling(&t, "/regatta.v1.KV/IterateRange", slice_of(RANGE_ALL, 9));
    teardown(&t);
}

static const struct test_case cases[] = {
    {"extents", test_extents},
    {"pairs", test_pairs},
    {"statuses", test_statuses},
    {"tokens", test_tokens},
    {"backup_file", test_backup_file},
    {"backup_limit", test_backup_limit},
    {"json", test_json},
    {"snappy", test_snappy},
    {"clients_that_leave", test_clients_that_leave},
    {"clients_that_stall", test_clients_that_stall},
    {"reads_of_a_table_that_is_replaced", test_reads_of_a_table_that_is_replaced},
};

TEST_MAIN(cases)
