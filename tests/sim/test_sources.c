/* Sources: answers of unknown size in pages, merged over all shards, with and without writes in
 * between; cursors: where a client goes on later.
 *
 * HOLDFAST_SEED=n runs one seed of the tests that have many. */
#include "base/mem.h"
#include "base/random.h"
#include "harness.h"
#include "sim/reading.h"

static const struct node_config plain = {.loops = 3, .shards = 5, .memory_max = 64 << 20};

/* ---- Ranges against what they must give ---- */

/* A bound: key number `i`, or between it and the one before; beyond the last: no bound. */
static struct slice bound(struct random *random, unsigned i, char *text)
{
    key_text(i, text);
    if (random_below(random, 2) == 0) {
        text[3] = '\0';
    }
    return slice_of_text(text);
}

struct wanted {
    unsigned first;
    unsigned end;
};

/* Which keys the range of `config` has. */
static struct wanted wanted_keys(const struct source_config *c)
{
    struct wanted w = {KEYS, KEYS};
    for (unsigned i = KEYS; i-- > 0;) {
        char key[TEXT_MAX];
        key_text(i, key);
        const int from = slice_compare(slice_of_text(key), c->from);
        if (from > 0 || (from == 0 && !c->is_after)) {
            w.first = i;
        }
        if (c->to.data != NULL && slice_compare(slice_of_text(key), c->to) >= 0) {
            w.end = i;
        }
    }
    w.end = w.end < w.first ? w.first : w.end;
    return w;
}

static void check_range(const struct seen *seen, const struct source_config *c)
{
    const struct wanted w = wanted_keys(c);
    const unsigned all = w.end - w.first;
    EXPECT_EQ(ERR_OK, seen->err);
    EXPECT_EQ(c->limit != 0 && c->limit < all ? c->limit : all, seen->count);
    for (unsigned i = 0; i < seen->count; i++) {
        const unsigned at = c->is_reverse ? w.end - 1 - i : w.first + i;
        char text[TEXT_MAX];
        key_text(at, text);
        EXPECT(strcmp(text, seen->keys[i]) == 0);
        value_text(at, text);
        EXPECT(strcmp(c->keys_only ? "" : text, seen->values[i]) == 0);
    }
}

static void run_ranges(uint64_t seed)
{
    static const size_t page_bytes[] = {0, 1, 300, 3000, 1 << 20};
    struct scene s;
    struct random random = {seed};
    struct seen *seen = mem_zero(1, sizeof(*seen));
    const struct node_config config = {.loops = 1 + (uint32_t)(seed % 3),
                                       .shards = 1 + (uint32_t)(seed % 7),
                                       .memory_max = 1 << 24};
    scene_open(&s, seed, &config);
    const struct standin_faults faults = {.wait_permille = (unsigned)(seed % 3) * 100};
    standin_set_faults(s.node.medium, &faults);
    const struct table_options whole = {.partition = PARTITION_TABLE};
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "whole", whole));
    static const char *const names[] = {"kv", "cache", "whole"};
    for (size_t t = 0; t < 3; t++) {
        const uint32_t id = scene_table(&s, names[t]);
        put_keys(&s, id);
        for (int i = 0; i < 25; i++) {
            char from[TEXT_MAX];
            char to[TEXT_MAX];
            struct source_config c = {
                .kind = SOURCE_RANGE,
                .table = id,
                .from = bound(&random, (unsigned)random_below(&random, KEYS), from),
                .limit = random_below(&random, 3) == 0 ? random_below(&random, KEYS + 10) : 0,
                .is_reverse = random_below(&random, 2) == 0,
                .is_after = random_below(&random, 2) == 0,
                .keys_only = random_below(&random, 2) == 0};
            if (random_below(&random, 4) == 0) {
                c.from = slice_of(NULL, 0);
            }
            if (random_below(&random, 3) > 0) {
                c.to = bound(&random, (unsigned)random_below(&random, KEYS + 20), to);
            }
            const size_t bytes = page_bytes[random_below(&random, 5)];
            read_all(&s, (uint32_t)random_below(&random, config.loops), seen, &c, bytes);
            check_range(seen, &c);
        }
    }
    scene_close(&s);
    mem_free(seen);
}

static void test_ranges(void)
{
    each_seed(run_ranges, 30);
}

/* Shard by shard: each key once, and in its own. */
static void test_shards(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    scene_open(&s, 1, &plain);
    put_keys(&s, scene_table(&s, "kv"));
    const struct table *t = router_table(s.node.router[0], SLICE("kv"));
    size_t all = 0;
    for (uint32_t shard = 0; shard < plain.shards; shard++) {
        const struct source_config c = {.kind = SOURCE_SHARD, .table = t->id, .shard = shard};
        read_all(&s, shard % plain.loops, seen, &c, 200);
        for (size_t i = 0; i < seen->count; i++) {
            EXPECT_EQ(shard, router_shard_of(s.node.router[0], t, slice_of_text(seen->keys[i])));
            EXPECT(i == 0 || strcmp(seen->keys[i - 1], seen->keys[i]) < 0);
        }
        all += seen->count;
    }
    EXPECT_EQ(KEYS, all);
    scene_close(&s);
    mem_free(seen);
}

/* Every third key is always there, the others come and go between the pages. */
static void run_changing(uint64_t seed)
{
    struct scene s;
    struct random random = {seed};
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct reading r;
    scene_open(&s, seed, &plain);
    const uint32_t id = scene_table(&s, seed % 2 == 0 ? "kv" : "cache");
    put_keys(&s, id);
    const struct source_config c = {
        .kind = SOURCE_RANGE, .table = id, .is_reverse = seed % 4 < 2, .keys_only = seed % 8 < 4};
    reading_begin(&r, &s, 0, seen, &c);
    while (reading_next(&r, 1 + random_below(&random, 1000))) {
        for (int i = 0; i < 10; i++) {
            const unsigned at = (unsigned)random_below(&random, KEYS);
            char key[TEXT_MAX];
            key_text(at, key);
            const enum err e = at % 3 == 0 || random_below(&random, 2) == 0
                                   ? scene_put(&s, id, key, "changed")
                                   : scene_delete(&s, id, key);
            EXPECT(e == ERR_OK || e == ERR_NOT_FOUND);
        }
    }
    source_close(&r.source);
    EXPECT_EQ(ERR_OK, seen->err);
    size_t always = 0;
    for (size_t i = 0; i < seen->count; i++) {
        const int order = i == 0 ? 0 : strcmp(seen->keys[i - 1], seen->keys[i]);
        EXPECT(i == 0 || (c.is_reverse ? order > 0 : order < 0)); /* so none comes twice */
        always += strtoul(seen->keys[i], NULL, 10) % 3 == 0 ? 1 : 0;
    }
    EXPECT_EQ((KEYS + 2) / 3, always);
    scene_close(&s);
    mem_free(seen);
}

static void test_writes_between_pages(void)
{
    each_seed(run_changing, 40);
}

/* ---- Ends ---- */

static void test_close_early(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct reading r;
    scene_open(&s, 2, &plain);
    const uint32_t tables[] = {scene_table(&s, "kv"), scene_table(&s, "cache")};
    const struct standin_faults cold = {.wait_permille = 1000};
    for (size_t t = 0; t < 2; t++) {
        put_keys(&s, tables[t]);
        const struct source_config c = {.kind = SOURCE_RANGE, .table = tables[t]};
        reading_begin(&r, &s, 1, seen, &c);
        source_close(&r.source); /* before the first page */
        source_close(&r.source);
        for (uint64_t us = 0; us < 40; us++) {
            standin_set_faults(s.node.medium, &cold);
            reading_begin(&r, &s, 1, seen, &c);
            EXPECT(reading_next(&r, 100));
            reading_ask(&r, 100000);
            for (uint64_t i = 0; i < us && !r.is_done; i++) {
                (void)sim_step();
            }
            const bool was_done = r.is_done;
            source_close(&r.source); /* with the page on its way, at each of its steps */
            EXPECT(was_done || sim_run(&r.is_done, SCENE_WAIT_MS));
            EXPECT_EQ(was_done ? ERR_OK : ERR_CANCELED, seen->err);
            EXPECT_EQ(2, r.answers);
        }
    }
    scene_close(&s);
    mem_free(seen);
}

/* A page is answered with an error, and the source is at its end. */
static void test_errors(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct reading r;
    const struct table_options disk = {.engine = TABLE_DISK};
    scene_open(&s, 3, &plain);
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "dropped", disk));
    const uint32_t id = scene_table(&s, "dropped");
    put_keys(&s, id);
    struct source_config c = {.kind = SOURCE_RANGE, .table = id};
    reading_begin(&r, &s, 2, seen, &c);
    EXPECT(reading_next(&r, 100));
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_DROP, "dropped", disk));
    while (reading_next(&r, 100)) { /* what had been read */
    }
    EXPECT_EQ(ERR_NOT_FOUND, seen->err);
    EXPECT(!reading_next(&r, 100)); /* and again */
    EXPECT_EQ(ERR_NOT_FOUND, seen->err);
    source_close(&r.source);
    c.table = 9999;
    read_all(&s, 0, seen, &c, 100);
    EXPECT_EQ(ERR_NOT_FOUND, seen->err);
    const uint32_t kv = scene_table(&s, "kv");
    EXPECT_EQ(ERR_OK, scene_put(&s, kv, "text", "x"));
    c = (struct source_config){.kind = SOURCE_MEMBERS, .table = kv, .key = SLICE("text")};
    read_all(&s, 0, seen, &c, 100);
    EXPECT_EQ(ERR_WRONG_TYPE, seen->err);
    c.kind = SOURCE_LOG;
    read_all(&s, 0, seen, &c, 100);
    EXPECT_EQ(ERR_WRONG_TYPE, seen->err);
    const struct standin_faults broken = {.wait_permille = 1000, .io_permille = 1000};
    standin_set_faults(s.node.medium, &broken);
    read_all(&s, 0, seen, &c, 100);
    EXPECT_EQ(ERR_IO, seen->err);
    scene_close(&s);
    mem_free(seen);
}

static void on_put(struct call *c)
{
    EXPECT_EQ(ERR_OK, c->result.err);
    *(unsigned *)c->arg += 1;
}

/* A source of a connection sees the writes that the connection has under way. */
static void test_order(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct call calls[20];
    char keys[20][TEXT_MAX];
    scene_open(&s, 4, &plain);
    const uint32_t tables[] = {scene_table(&s, "kv"), scene_table(&s, "cache")};
    for (size_t t = 0; t < 2; t++) {
        struct call_order order = {0};
        unsigned done = 0;
        for (unsigned i = 0; i < 20; i++) {
            key_text(i, keys[i]);
            calls[i] = (struct call){.op = {.kind = OP_PUT,
                                            .table = tables[t],
                                            .key = slice_of_text(keys[i]),
                                            .value = SLICE("x")},
                                     .done = on_put,
                                     .arg = &done,
                                     .order = &order};
            router_call(s.node.router[0], &calls[i]);
        }
        const struct source_config c = {.kind = SOURCE_RANGE, .table = tables[t], .order = &order};
        read_all(&s, 0, seen, &c, 1 << 20);
        EXPECT_EQ(20, seen->count);
        EXPECT_EQ(20, done);
    }
    scene_close(&s);
    mem_free(seen);
}

/* ---- Collections ---- */

#define MEMBERS 300

static void expect_members(const struct seen *seen, unsigned first, size_t count)
{
    EXPECT_EQ(ERR_OK, seen->err);
    EXPECT_EQ(count, seen->count);
    for (unsigned i = 0; i < seen->count; i++) {
        char text[TEXT_MAX];
        key_text(first + i, text);
        EXPECT(strcmp(text, seen->keys[i]) == 0);
    }
}

static void test_members(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    scene_open(&s, 5, &plain);
    const char *names[] = {"sets", "cache"};
    for (size_t t = 0; t < 2; t++) {
        char from[TEXT_MAX];
        const uint32_t id = scene_table(&s, names[t]);
        struct source_config c = {.kind = SOURCE_MEMBERS, .table = id, .key = SLICE("set")};
        read_all(&s, 1, seen, &c, 100);
        expect_members(seen, 0, 0); /* a set that does not exist is empty */
        EXPECT_EQ(MEMBERS, add_members(&s, id, 0, MEMBERS));
        for (uint32_t loop = 0; loop < plain.loops; loop++) {
            read_all(&s, loop, seen, &c, loop == 0 ? 0 : 100);
            expect_members(seen, 0, MEMBERS);
        }
        key_text(100, from);
        c.from = slice_of_text(from);
        read_all(&s, 1, seen, &c, 700);
        expect_members(seen, 100, MEMBERS - 100);
        c.is_after = true;
        read_all(&s, 1, seen, &c, 700);
        expect_members(seen, 101, MEMBERS - 101);
        c.limit = 50;
        read_all(&s, 1, seen, &c, 700);
        expect_members(seen, 101, 50);
    }
    scene_close(&s);
    mem_free(seen);
}

/* Newest first; what is appended meanwhile is newer than all that is to come. */
static void test_versions(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct reading r;
    scene_open(&s, 6, &plain);
    const uint32_t id = scene_table(&s, "log");
    struct source_config c = {.kind = SOURCE_LOG, .table = id, .key = SLICE("log")};
    read_all(&s, 1, seen, &c, 100);
    EXPECT(seen->err == ERR_OK && seen->count == 0);
    for (unsigned i = 0; i < 100; i++) {
        append_version(&s, id, i);
    }
    unsigned next = 100;
    reading_begin(&r, &s, 2, seen, &c);
    while (reading_next(&r, 150)) {
        append_version(&s, id, next++);
    }
    source_close(&r.source);
    EXPECT(seen->pages > 10 && seen->err == ERR_OK);
    EXPECT_EQ(100, seen->count);
    for (unsigned i = 0; i < 100; i++) {
        char text[TEXT_MAX];
        key_text(99 - i, text);
        EXPECT(strcmp(text, seen->keys[i]) == 0);
        value_text(99 - i, text);
        EXPECT(strcmp(text, seen->values[i]) == 0);
    }
    c.limit = 7;
    read_all(&s, 0, seen, &c, 1);
    EXPECT_EQ(7, seen->count);
    scene_close(&s);
    mem_free(seen);
}

/* ---- Cursors ---- */

static uint64_t keep(struct scene *s, uint32_t loop, uint64_t from, const char *after)
{
    const struct cursor_point point = {.table = 7,
                                       .shard = 3,
                                       .owner = SLICE("an owner"),
                                       .after = slice_of_text(after),
                                       .from = from};
    const uint64_t number = router_cursor_keep(s->node.router[loop], &point);
    EXPECT(number != 0 && number <= INT64_MAX);
    return number;
}

/* The point of that number, from every loop; false: it is gone. */
static bool finds(struct scene *s, uint64_t number, const char *after)
{
    bool is_found = false;
    for (uint32_t loop = 0; loop < s->node.config.loops; loop++) {
        struct arena arena = {0};
        struct cursor_point point;
        const enum err e = router_cursor_find(s->node.router[loop], number, &arena, &point);
        EXPECT(e == ERR_OK || e == ERR_NOT_FOUND);
        EXPECT(loop == 0 || is_found == (e == ERR_OK));
        is_found = e == ERR_OK;
        if (is_found) {
            EXPECT(point.table == 7 && point.shard == 3 && point.from == number);
            EXPECT(slice_equal(point.owner, SLICE("an owner")));
            EXPECT(slice_equal(point.after, slice_of_text(after)));
        }
        arena_deinit(&arena);
    }
    return is_found;
}

static void test_cursors(void)
{
    struct scene s;
    scene_open(&s, 7, &plain);
    const uint64_t wrong[] = {0, 1, 5, CURSORS_MAX, UINT64_MAX, INT64_MAX};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        EXPECT(!finds(&s, wrong[i], ""));
    }
    const uint64_t one = keep(&s, 0, 0, "one");
    const uint64_t two = keep(&s, 1, 0, "two");
    EXPECT(one != two);
    EXPECT(finds(&s, one, "one") && finds(&s, two, "two"));
    EXPECT(!finds(&s, one + CURSORS_MAX, "") && !finds(&s, one ^ 1, ""));
    scene_run(CURSOR_KEEP_MS - 10000);
    EXPECT(finds(&s, one, "one")); /* which is a use */
    scene_run(20000);
    EXPECT(finds(&s, one, "one"));
    EXPECT(!finds(&s, two, "two"));
    scene_run(CURSOR_KEEP_MS + 1000);
    EXPECT(!finds(&s, one, "one"));
    scene_close(&s);
}

/* The client may ask again with the cursor it has, until it has used the next one. */
static void test_long_scan(void)
{
    struct scene s;
    scene_open(&s, 8, &plain);
    const uint64_t other = keep(&s, 0, 0, "other");
    uint64_t before = 0;
    uint64_t last = keep(&s, 0, 0, "0");
    for (unsigned i = 1; i < 3 * CURSORS_MAX; i++) {
        char text[TEXT_MAX];
        char text_before[TEXT_MAX];
        (void)snprintf(text, sizeof(text), "%u", i);
        (void)snprintf(text_before, sizeof(text_before), "%u", i - 1);
        const uint64_t next = keep(&s, i % plain.loops, last, text);
        EXPECT(finds(&s, next, text) && finds(&s, last, text_before));
        EXPECT(before == 0 || !finds(&s, before, ""));
        before = last;
        last = next;
    }
    EXPECT(finds(&s, other, "other")); /* two places were enough */
    scene_close(&s);
}

static void test_too_many_cursors(void)
{
    struct scene s;
    scene_open(&s, 9, &plain);
    uint64_t *numbers = mem_zero(2 * CURSORS_MAX, sizeof(*numbers));
    for (size_t i = 0; i < CURSORS_MAX; i++) {
        numbers[i] = keep(&s, 0, 0, "x");
    }
    for (size_t i = 0; i < CURSORS_MAX / 2; i++) {
        EXPECT(finds(&s, numbers[i], "x"));
    }
    /* Those go first that were not used since, all in the same millisecond. */
    for (size_t i = 0; i < CURSORS_MAX / 2; i++) {
        numbers[CURSORS_MAX + i] = keep(&s, 1, 0, "x");
        EXPECT(!finds(&s, numbers[CURSORS_MAX / 2 + i], "x"));
    }
    for (size_t i = 0; i < CURSORS_MAX / 2; i++) {
        EXPECT(finds(&s, numbers[i], "x"));
        EXPECT(finds(&s, numbers[CURSORS_MAX + i], "x"));
    }
    mem_free(numbers);
    scene_close(&s);
}

static const struct test_case cases[] = {
    {"ranges", test_ranges},
    {"shards", test_shards},
    {"writes_between_pages", test_writes_between_pages},
    {"close_early", test_close_early},
    {"errors", test_errors},
    {"order", test_order},
    {"members", test_members},
    {"versions", test_versions},
    {"cursors", test_cursors},
    {"long_scan", test_long_scan},
    {"too_many_cursors", test_too_many_cursors},
};

TEST_MAIN(cases)
