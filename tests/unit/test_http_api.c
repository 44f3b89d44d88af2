/* What goldens cannot show: clients that leave, clients that do not read, nodes that are not ready,
 * errors that are counted. */
#include "api/operations.h"
#include "fake_exchange.h"
#include "harness.h"

#define MANY_KEYS  3000
#define LONG_ROUND 600 /* lines; what follows is in one round of 512, if that is not too much */

struct fixture {
    struct http_world world;
    const struct http_dialect *dialects[5];
};

static void setup(struct fixture *t)
{
    world_open(&t->world);
    t->dialects[0] = admin_dialect();
    t->dialects[1] = native_dialect();
    t->dialects[2] = strato_dialect();
    t->dialects[3] = estoraje_dialect();
    t->dialects[4] = NULL;
}

static void open_request(struct fixture *t, struct fake_exchange *f, const char *line,
                         struct slice body)
{
    struct buf text = {0};
    buf_printf(&text, "%s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", line, body.size);
    buf_append_slice(&text, body);
    fake_open(f, &t->world, t->dialects, buf_slice(&text));
    buf_deinit(&text);
}

static unsigned request(struct fixture *t, const char *line, struct slice body)
{
    struct fake_exchange f;
    open_request(t, &f, line, body);
    fake_start(&f, 0);
    fake_finish(&f, &t->world);
    const unsigned status = f.status;
    fake_close(&f);
    return status;
}

static void abort_now(struct fake_exchange *f)
{
    f->x.is_aborted = true;
    f->x.route->on_abort(&f->x);
}

/* Lines of a batch that put many keys. */
static void many_lines(struct buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "{\"op\":\"put\",\"key\":\"key-%06zu\",\"value\":\"value of a key\"}\n", i);
    }
}

static void put_many(struct fixture *t, size_t count)
{
    struct buf lines = {0};
    many_lines(&lines, count);
    EXPECT_EQ(200, request(t, "POST /api/v1/tables/kv/batch", buf_slice(&lines)));
    buf_deinit(&lines);
}

static size_t count_bytes(const struct buf *b, uint8_t wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < b->size; i++) {
        count += b->data[i] == wanted ? 1 : 0;
    }
    return count;
}

/* ---- Clients that leave ---- */

static void test_abort_before_the_answer(void)
{
    static const char *const lines[] = {
        "GET /foo",
        "POST /foo",
        "GET /kv/a",
        "PUT /sets/a?item=b",
        "GET /api/v1/tables/kv/keys/a",
        "GET /api/v1/tables/kv/keys",
        "DELETE /api/v1/tables/kv/keys?prefix=k",
        "GET /api/v1/tables/log/logs/a?limit=-1",
        "GET /api/v1/tables/log/logs/a?limit=-2",
        "POST /api/v1/tables/log/logs/a",
        "PUT /api/v1/tables/mine",
        "DELETE /api/v1/tables/mine",
    };
    struct fixture t;
    setup(&t);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct fake_exchange f;
        open_request(&t, &f, lines[i], SLICE(""));
        fake_start(&f, 0);
        EXPECT(!f.is_complete);
        abort_now(&f);
        fake_finish(&f, &t.world);
        EXPECT(f.is_done);
        EXPECT_EQ(0, f.status);
        fake_close(&f);
    }
    world_close(&t.world);
}

static void test_abort_of_a_batch(void)
{
    struct fixture t;
    struct fake_exchange f;
    struct buf lines = {0};
    setup(&t);
    many_lines(&lines, 100);
    open_request(&t, &f, "POST /api/v1/tables/kv/batch", buf_slice(&lines));
    fake_start(&f, 0);
    abort_now(&f);
    fake_finish(&f, &t.world);
    EXPECT(f.is_done);
    fake_close(&f);
    buf_deinit(&lines);
    world_close(&t.world);
}

/* In the middle of a list, while it waits for the client. */
static void test_abort_of_a_stalled_list(void)
{
    struct fixture t;
    struct fake_exchange f;
    setup(&t);
    put_many(&t, MANY_KEYS);
    open_request(&t, &f, "GET /api/v1/tables/kv/keys", SLICE(""));
    f.waiting = HTTP_STREAM_HIGH;
    fake_start(&f, 0);
    world_wait(&t.world, 1000);
    EXPECT(f.is_streamed && !f.is_complete);
    abort_now(&f);
    EXPECT(f.is_done);
    fake_close(&f);
    world_close(&t.world);
}

/* ---- Clients that do not read ---- */

static void test_list_waits_for_the_client(void)
{
    struct fixture t;
    struct fake_exchange f;
    setup(&t);
    put_many(&t, MANY_KEYS);
    open_request(&t, &f, "GET /api/v1/tables/kv/keys?keys_only=true", SLICE(""));
    f.waiting = HTTP_STREAM_HIGH;
    fake_start(&f, 0);
    size_t pieces = 0;
    while (!f.is_complete) {
        world_wait(&t.world, 100);
        EXPECT(f.writes <= pieces + 2); /* one page at a time; the last has an end */
        pieces = f.writes;
        f.x.route->on_writable(&f.x);
        f.x.route->on_writable(&f.x); /* once too often does no harm */
    }
    EXPECT(pieces > 1);
    EXPECT(!f.is_cut);
    EXPECT_EQ(MANY_KEYS + 1, count_bytes(&f.body, '{'));
    fake_close(&f);
    world_close(&t.world);
}

static void test_batch_waits_for_the_client(void)
{
    struct fixture t;
    struct fake_exchange f;
    struct buf lines = {0};
    setup(&t);
    many_lines(&lines, 10000);
    open_request(&t, &f, "POST /api/v1/tables/kv/batch", buf_slice(&lines));
    f.waiting = HTTP_STREAM_HIGH;
    fake_start(&f, 4096);
    EXPECT_EQ(1, f.pauses);
    world_wait(&t.world, 100);
    const size_t first = count_bytes(&f.body, '\n');
    EXPECT(first > 0 && first < 100);
    world_wait(&t.world, 100);
    EXPECT_EQ(first, count_bytes(&f.body, '\n'));
    f.waiting = 0;
    f.x.route->on_writable(&f.x);
    fake_finish(&f, &t.world);
    EXPECT(!f.is_paused);
    EXPECT_EQ(10000, count_bytes(&f.body, '\n'));
    fake_close(&f);
    buf_deinit(&lines);
    world_close(&t.world);
}

/* However the body is cut, the answers are the same. */
static void test_batch_in_any_pieces(void)
{
    static const char text[] =
        "{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"}\r\n\n"
        "{\"op\":\"get\",\"key\":\"a\"}\n \n{\"op\":\"increment\",\"key\":\"a\"}";
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct fixture t;
        struct fake_exchange f;
        setup(&t);
        open_request(&t, &f, "POST /api/v1/tables/kv/batch", slice_of_text(text));
        fake_start(&f, piece);
        fake_finish(&f, &t.world);
        EXPECT_EQ(3, count_bytes(&f.body, '\n'));
        EXPECT(memmem(f.body.data, f.body.size, "\"value\":2,", 10) != NULL);
        fake_close(&f);
        world_close(&t.world);
    }
}

static void test_batch_with_an_endless_line(void)
{
    struct fixture t;
    struct fake_exchange f;
    struct buf line = {0};
    setup(&t);
    memset(buf_reserve(&line, WORLD_VALUE_MAX * 4), 'x', WORLD_VALUE_MAX * 4);
    buf_extend(&line, WORLD_VALUE_MAX * 4);
    open_request(&t, &f, "POST /api/v1/tables/kv/batch", buf_slice(&line));
    fake_start(&f, 1 << 16);
    fake_finish(&f, &t.world);
    EXPECT(memmem(f.body.data, f.body.size, "TOO_LARGE", 9) != NULL);
    EXPECT_EQ(1, count_bytes(&f.body, '\n'));
    fake_close(&f);
    buf_deinit(&line);
    world_close(&t.world);
}

/* Lines that make the next rounds long, then the rest: its answers are large. */
static void run_large(struct fixture *t, struct fake_exchange *f, struct buf *rest)
{
    struct buf lines = {0};
    struct buf value = {0};
    memset(buf_reserve(&value, WORLD_VALUE_MAX), 'v', WORLD_VALUE_MAX);
    buf_extend(&value, WORLD_VALUE_MAX);
    setup(t);
    EXPECT_EQ(201, request(t, "PUT /api/v1/tables/kv/keys/large", buf_slice(&value)));
    EXPECT_EQ(201, request(t, "PUT /api/v1/tables/kv/keys/small", SLICE("s")));
    for (int i = 0; i < LONG_ROUND; i++) {
        buf_append_text(&lines, "{\"op\":\"get\",\"key\":\"none\"}\n");
    }
    buf_append_slice(&lines, buf_slice(rest));
    open_request(t, f, "POST /api/v1/tables/kv/batch", buf_slice(&lines));
    fake_start(f, 0);
    fake_finish(f, &t->world);
    EXPECT(!f->is_cut);
    EXPECT_EQ(0, t->world.context.held_bytes);
    buf_deinit(&lines);
    buf_deinit(&value);
    buf_deinit(rest);
}

/* The bytes of the answer to line `number` of the rest. */
static struct slice answer_at(const struct fake_exchange *f, size_t number)
{
    struct slice body = buf_slice(&f->body);
    for (size_t i = 0;; i++) {
        const uint8_t *end = memchr(body.data, '\n', body.size);
        EXPECT(end != NULL);
        const size_t size = (size_t)(end - body.data);
        if (i == LONG_ROUND + number) {
            return slice_of(body.data, size);
        }
        body = slice_skip(body, size + 1);
    }
}

static bool says(struct slice answer, const char *text)
{
    return memmem(answer.data, answer.size, text, strlen(text)) != NULL;
}

/* Answers that would fill the memory are not all made at once, and none is lost. */
static void test_batch_of_large_values(void)
{
    struct fixture t;
    struct fake_exchange f;
    struct buf rest = {0};
    for (int i = 0; i < 50; i++) {
        buf_append_text(&rest, "{\"op\":\"get\",\"key\":\"large\"}\n\nnonsense\n");
        buf_append_text(&rest, "{\"op\":\"get\",\"key\":\"small\"}\n");
    }
    run_large(&t, &f, &rest);
    EXPECT_EQ(LONG_ROUND + 150, count_bytes(&f.body, '\n'));
    EXPECT(f.largest < 10 * WORLD_VALUE_MAX);
    for (size_t i = 0; i < 150; i += 3) {
        EXPECT(answer_at(&f, i).size > WORLD_VALUE_MAX);
        EXPECT(says(answer_at(&f, i + 1), "INVALID"));
        EXPECT(answer_at(&f, i + 2).size < 200);
    }
    fake_close(&f);
    world_close(&t.world);
}

/* What a write of the round has changed is not shown to a read in front of it. */
static void test_batch_of_large_values_and_writes(void)
{
    struct fixture t;
    struct fake_exchange f;
    struct buf rest = {0};
    size_t refused = 0;
    for (int i = 0; i < 50; i++) {
        buf_append_text(&rest, "{\"op\":\"get\",\"key\":\"large\"}\n");
    }
    buf_append_text(&rest, "{\"op\":\"put\",\"key\":\"large\",\"value\":\"new\"}\n");
    buf_append_text(&rest, "{\"op\":\"get\",\"key\":\"large\"}\n");
    run_large(&t, &f, &rest);
    EXPECT_EQ(LONG_ROUND + 52, count_bytes(&f.body, '\n'));
    for (size_t i = 0; i < 50; i++) {
        const struct slice answer = answer_at(&f, i);
        const bool is_refused = says(answer, "\"BUSY\"");
        EXPECT(is_refused || answer.size > WORLD_VALUE_MAX);
        refused += is_refused ? 1 : 0;
    }
    EXPECT(refused > 30);
    EXPECT(says(answer_at(&f, 50), "\"created\":false"));
    EXPECT(says(answer_at(&f, 51), "\"new\""));
    fake_close(&f);
    world_close(&t.world);
}

/* Unfinished lines of all batches share a limit. */
static void test_batch_that_is_too_much(void)
{
    struct fixture t;
    struct fake_exchange f;
    struct buf lines = {0};
    setup(&t);
    buf_append_text(&lines, "{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"}\n{\"op\":\"put\",");
    for (int i = 0; i < 100000; i++) {
        buf_append_text(&lines, "          ");
    }
    buf_append_text(&lines, "\"key\":\"b\",\"value\":\"1\"}\n");
    open_request(&t, &f, "POST /api/v1/tables/kv/batch", buf_slice(&lines));
    t.world.context.held_bytes = HELD_MAX;
    fake_start(&f, 10000);
    fake_finish(&f, &t.world);
    EXPECT_EQ(HELD_MAX, t.world.context.held_bytes);
    EXPECT_EQ(2, count_bytes(&f.body, '\n'));
    EXPECT(says(buf_slice(&f.body), "\"created\":true"));
    EXPECT(says(buf_slice(&f.body), "too many large requests"));
    EXPECT_EQ(404, request(&t, "GET /api/v1/tables/kv/keys/b", SLICE("")));
    fake_close(&f);
    buf_deinit(&lines);
    world_close(&t.world);
}

/* ---- Limits and states ---- */

static void test_values_too_large(void)
{
    struct fixture t;
    struct buf value = {0};
    setup(&t);
    memset(buf_reserve(&value, WORLD_VALUE_MAX + 1), 'x', WORLD_VALUE_MAX + 1);
    buf_extend(&value, WORLD_VALUE_MAX);
    EXPECT_EQ(200, request(&t, "POST /big", buf_slice(&value)));
    EXPECT_EQ(200, request(&t, "GET /kv/big", SLICE("")));
    EXPECT_EQ(200, request(&t, "PUT /api/v1/tables/kv/keys/big", buf_slice(&value)));
    buf_extend(&value, 1);
    EXPECT_EQ(413, request(&t, "POST /big", buf_slice(&value)));
    EXPECT_EQ(413, request(&t, "PUT /api/v1/tables/kv/keys/big", buf_slice(&value)));
    buf_deinit(&value);
    world_close(&t.world);
}

static void test_other_types(void)
{
    struct fixture t;
    setup(&t);
    EXPECT_EQ(201, request(&t, "PUT /api/v1/tables/kv/sets/s/members/a", SLICE("")));
    EXPECT_EQ(409, request(&t, "GET /s", SLICE("")));
    EXPECT_EQ(409, request(&t, "GET /kv/s", SLICE("")));
    EXPECT_EQ(200, request(&t, "POST /s", SLICE("now a string")));
    EXPECT_EQ(200, request(&t, "GET /kv/s", SLICE("")));
    EXPECT_EQ(201, request(&t, "PUT /api/v1/tables/counters/keys/c", SLICE("no number")));
    EXPECT_EQ(400, request(&t, "GET /counters/c", SLICE("")));
    EXPECT_EQ(400, request(&t, "PUT /counters/c?increment=1", SLICE("")));
    world_close(&t.world);
}

static void test_readiness(void)
{
    struct fixture t;
    setup(&t);
    EXPECT_EQ(200, request(&t, "GET /readyz", SLICE("")));
    t.world.readiness = ERR_UNAVAILABLE;
    EXPECT_EQ(503, request(&t, "GET /readyz", SLICE("")));
    EXPECT_EQ(200, request(&t, "GET /healthz", SLICE("")));
    t.world.readiness = ERR_OK;
    world_close(&t.world);
}

static void test_errors_are_counted(void)
{
    struct fixture t;
    setup(&t);
    EXPECT_EQ(404, request(&t, "GET /missing", SLICE("")));
    EXPECT_EQ(404, request(&t, "GET /missing", SLICE("")));
    EXPECT_EQ(400, request(&t, "PUT /cache/a", SLICE("")));
    const struct operation_stats *get = operation_find(&t.world.stats[DIALECT_ESTORAJE], "get");
    const struct operation_stats *put = operation_find(&t.world.stats[DIALECT_STRATO], "cache_put");
    EXPECT_EQ(2, metric_get(&get->errors[ERR_NOT_FOUND]));
    EXPECT_EQ(1, metric_get(&put->errors[ERR_INVALID]));
    EXPECT(operation_find(&t.world.stats[DIALECT_ESTORAJE], "get") == get);
    world_close(&t.world);
}

/* Every operation of every dialect has a slot. */
static void test_slots_run_out(void)
{
    struct dialect_stats *stats = calloc(1, sizeof(*stats));
    char names[OPERATIONS_MAX + 1][8];
    EXPECT(stats != NULL);
    for (int i = 0; i <= OPERATIONS_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "op%d", i);
        EXPECT_EQ(i < OPERATIONS_MAX, operation_find(stats, names[i]) != NULL);
    }
    free(stats);
}

static const struct test_case cases[] = {
    {"abort_before_the_answer", test_abort_before_the_answer},
    {"abort_of_a_batch", test_abort_of_a_batch},
    {"abort_of_a_stalled_list", test_abort_of_a_stalled_list},
    {"list_waits_for_the_client", test_list_waits_for_the_client},
    {"batch_waits_for_the_client", test_batch_waits_for_the_client},
    {"batch_in_any_pieces", test_batch_in_any_pieces},
    {"batch_with_an_endless_line", test_batch_with_an_endless_line},
    {"batch_of_large_values", test_batch_of_large_values},
    {"batch_of_large_values_and_writes", test_batch_of_large_values_and_writes},
    {"batch_that_is_too_much", test_batch_that_is_too_much},
    {"values_too_large", test_values_too_large},
    {"other_types", test_other_types},
    {"readiness", test_readiness},
    {"errors_are_counted", test_errors_are_counted},
    {"slots_run_out", test_slots_run_out},
};

TEST_MAIN(cases)
