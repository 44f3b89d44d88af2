/* Sources with a limit, over shards whose parts of it are not alike: some are asked twice for one
 * page.
 *
 * HOLDFAST_SEED=n runs one seed of the tests that have many. */
#include "base/mem.h"
#include "base/random.h"
#include "harness.h"
#include "sim/reading.h"

#define TOGETHER   3 /* keys of these numbers modulo SPREAD lie in one shard */
#define SPREAD     5
#define MIXED_KEYS 200

/* Key number `i`: of those that lie together, or in whatever shard. */
static void mixed_key(unsigned i, char *out)
{
    (void)snprintf(out, TEXT_MAX, i % SPREAD < TOGETHER ? "%03u{one}" : "%03u-any", i);
}

static void put_mixed(struct scene *s, uint32_t table)
{
    for (unsigned i = 0; i < MIXED_KEYS; i++) {
        char key[TEXT_MAX];
        mixed_key(i, key);
        EXPECT_EQ(ERR_OK, scene_put(s, table, key, "0"));
    }
}

/* Puts all keys that lie together to the same value, at once. */
static void put_together(struct scene *s, uint32_t table, const char *value)
{
    struct op ops[MIXED_KEYS];
    char keys[MIXED_KEYS][TEXT_MAX];
    uint32_t count = 0;
    for (unsigned i = 0; i < MIXED_KEYS; i++) {
        if (i % SPREAD < TOGETHER) {
            mixed_key(i, keys[count]);
            ops[count] = (struct op){.kind = OP_PUT,
                                     .table = table,
                                     .key = slice_of_text(keys[count]),
                                     .value = slice_of_text(value)};
            count++;
        }
    }
    const struct op txn = {
        .kind = OP_TXN, .table = table, .key = ops[0].key, .ops = ops, .op_count = count};
    EXPECT_EQ(ERR_OK, scene_call(s, 0, &txn).err);
}

/* From key number `first` on, as many as the limit says, all that lie together of one state. */
static void check_mixed(const struct seen *seen, const struct source_config *c, unsigned first)
{
    const char *state = NULL;
    EXPECT_EQ(ERR_OK, seen->err);
    EXPECT_EQ(1, seen->pages);
    const unsigned all = c->is_reverse ? first : MIXED_KEYS - first;
    EXPECT_EQ(c->limit != 0 && c->limit < all ? c->limit : all, seen->count);
    for (unsigned i = 0; i < seen->count; i++) {
        char text[TEXT_MAX];
        const unsigned at = c->is_reverse ? first - 1 - i : first + i;
        mixed_key(at, text);
        EXPECT(strcmp(text, seen->keys[i]) == 0);
        if (at % SPREAD < TOGETHER) {
            state = state == NULL ? seen->values[i] : state;
            EXPECT(strcmp(state, seen->values[i]) == 0);
        }
    }
}

/* A page is of one state of each shard, also when a shard has so much of it that it is asked a
 * second time, and writes come between. */
static void run_uneven(uint64_t seed)
{
    struct scene s;
    struct random random = {seed};
    struct seen *seen = mem_zero(1, sizeof(*seen));
    const struct node_config config = {.loops = 1 + (uint32_t)(seed % 3),
                                       .shards = 2 + (uint32_t)(random_below(&random, 20)),
                                       .memory_max = 1 << 24};
    scene_open(&s, seed, &config);
    const struct standin_faults faults = {.wait_permille = 500};
    standin_set_faults(s.node.medium, &faults);
    const uint32_t id = scene_table(&s, seed % 2 == 0 ? "kv" : "cache");
    put_mixed(&s, id);
    unsigned writes = 0;
    for (int i = 0; i < 20; i++) {
        char bound_text[TEXT_MAX];
        const unsigned first = (unsigned)random_below(&random, MIXED_KEYS);
        mixed_key(first, bound_text);
        struct source_config c = {.kind = SOURCE_RANGE,
                                  .table = id,
                                  .limit = random_below(&random, MIXED_KEYS),
                                  .is_reverse = random_below(&random, 2) == 0};
        *(c.is_reverse ? &c.to : &c.from) = slice_of_text(bound_text);
        struct reading r;
        reading_begin(&r, &s, (uint32_t)random_below(&random, config.loops), seen, &c);
        reading_ask(&r, 1 << 20);
        while (!r.is_done) {
            char value[TEXT_MAX];
            (void)snprintf(value, sizeof(value), "%u", ++writes);
            put_together(&s, id, value);
        }
        source_close(&r.source);
        check_mixed(seen, &c, first);
    }
    scene_close(&s);
    mem_free(seen);
}

static void test_uneven_shards(void)
{
    each_seed(run_uneven, 40);
}

/* Part by part, each from behind the last key of the one before: each key once. */
static void run_parts(uint64_t seed)
{
    struct scene s;
    struct random random = {seed};
    struct seen *seen = mem_zero(1, sizeof(*seen));
    const struct node_config config = {
        .loops = 2, .shards = 1 + (uint32_t)(random_below(&random, 20)), .memory_max = 1 << 24};
    scene_open(&s, seed, &config);
    const uint32_t id = scene_table(&s, seed % 2 == 0 ? "kv" : "cache");
    put_mixed(&s, id);
    struct source_config c = {.kind = SOURCE_RANGE,
                              .table = id,
                              .limit = 1 + random_below(&random, 70),
                              .is_reverse = random_below(&random, 2) == 0,
                              .keys_only = random_below(&random, 2) == 0,
                              .is_snapshot = random_below(&random, 2) == 0};
    char last[TEXT_MAX];
    unsigned given = 0;
    do {
        read_all(&s, 1, seen, &c, random_below(&random, 2) == 0 ? 5000 : 1 << 20);
        EXPECT_EQ(ERR_OK, seen->err);
        for (size_t i = 0; i < seen->count; i++, given++) {
            char text[TEXT_MAX];
            mixed_key(c.is_reverse ? MIXED_KEYS - 1 - given : given, text);
            EXPECT(strcmp(text, seen->keys[i]) == 0);
            EXPECT(strcmp(c.keys_only ? "" : "0", seen->values[i]) == 0);
        }
        if (seen->count > 0) {
            (void)snprintf(last, sizeof(last), "%s", seen->keys[seen->count - 1]);
            *(c.is_reverse ? &c.to : &c.from) = slice_of_text(last);
            c.is_after = !c.is_reverse;
        }
    } while (seen->count > 0);
    EXPECT_EQ(MIXED_KEYS, given);
    scene_close(&s);
    mem_free(seen);
}

static void test_parts(void)
{
    each_seed(run_parts, 40);
}

static const struct test_case cases[] = {
    {"uneven_shards", test_uneven_shards},
    {"parts", test_parts},
};

TEST_MAIN(cases)
