/* The list of tables: names, rows and what is refused of them, lookups, shares. */
#include <stdio.h>

#include "base/random.h"
#include "harness.h"
#include "router/catalogue.h"

static struct table make_table(const char *name, uint32_t id)
{
    struct table t = {.id = id, .name_size = (uint8_t)strlen(name)};
    memcpy(t.name, name, t.name_size);
    return t;
}

static void test_names(void)
{
    char longest[TABLE_NAME_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    EXPECT(table_name_is_valid(slice_of(longest, TABLE_NAME_MAX)));
    EXPECT(!table_name_is_valid(slice_of(longest, TABLE_NAME_MAX + 1)));
    EXPECT(!table_name_is_valid(SLICE("")));
    EXPECT(table_name_is_valid(SLICE("AZaz09._-")));
    EXPECT(table_name_is_valid(SLICE(".")) && table_name_is_valid(SLICE("-")));
    for (unsigned byte = 0; byte < 256; byte++) {
        const uint8_t text[] = {'a', (uint8_t)byte};
        const bool is_good = byte < 128 && byte > 0 &&
                             strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                    "._-",
                                    (int)byte) != NULL;
        EXPECT_EQ(is_good, table_name_is_valid(slice_of(text, 2)));
        EXPECT_EQ(is_good, table_name_is_valid(slice_of(text + 1, 1)));
    }
}

/* ---- Rows ---- */

static void expect_same(const struct table *a, const struct table *b)
{
    EXPECT_EQ(a->id, b->id);
    EXPECT_EQ(a->options.engine, b->options.engine);
    EXPECT_EQ(a->options.partition, b->options.partition);
    EXPECT_EQ(a->options.evict, b->options.evict);
    EXPECT_EQ(a->options.default_ttl_ms, b->options.default_ttl_ms);
    EXPECT_EQ(a->created_ms, b->created_ms);
    EXPECT_EQ(a->is_built_in, b->is_built_in);
    EXPECT_EQ(a->name_size, b->name_size);
    EXPECT(memcmp(a->name, b->name, sizeof(a->name)) == 0);
}

static void test_round_trip(void)
{
    struct random random = {1};
    for (int i = 0; i < 1000; i++) {
        char name[TABLE_NAME_MAX + 1] = {0};
        memset(name, 'a' + (int)random_below(&random, 26),
               1 + random_below(&random, TABLE_NAME_MAX));
        struct table t = make_table(name, 2 + (uint32_t)random_below(&random, UINT32_MAX - 2));
        t.options =
            (struct table_options){.engine = (enum table_engine)random_below(&random, 2),
                                   .partition = (enum table_partition)random_below(&random, 2),
                                   .evict = (enum table_evict)random_below(&random, 2),
                                   .default_ttl_ms = random_next(&random)};
        t.created_ms = random_next(&random);
        t.is_built_in = random_below(&random, 2) == 1;
        struct buf row = {0};
        struct table back;
        table_encode(&row, &t);
        EXPECT_EQ(ERR_OK, table_decode(slice_of_text(name), buf_slice(&row), &back));
        expect_same(&t, &back);
        buf_deinit(&row);
    }
}

/* The bytes are what docs/formats.md says, for ever. */
static void test_bytes(void)
{
    static const uint8_t want[32] = {1,    1,    0,    1,    0x04, 0x03, 0x02, 0x01, /* id */
                                     0x88, 0x13, 0,    0,    0,    0,    0,    0,    /* 5000 */
                                     0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 1};
    struct table t = make_table("t", 0x01020304);
    t.options =
        (struct table_options){.engine = TABLE_MEMORY, .evict = EVICT_LRU, .default_ttl_ms = 5000};
    t.created_ms = UINT64_C(0x0102030405060708);
    t.is_built_in = true;
    struct buf row = {0};
    table_encode(&row, &t);
    EXPECT(slice_equal(buf_slice(&row), slice_of(want, sizeof(want))));
    buf_deinit(&row);
}

struct corrupt_case {
    const char *what;
    size_t offset;
    uint8_t value;
};

static void test_corrupt(void)
{
    static const struct corrupt_case list[] = {
        {"version 0", 0, 0}, {"newer version", 0, 2}, {"engine", 1, 2},         {"partition", 2, 2},
        {"evict", 3, 2},     {"engine", 1, 255},      {"partition", 2, 255},    {"evict", 3, 255},
        {"built in", 24, 2}, {"padding", 25, 1},      {"end of padding", 31, 1}};
    struct table t = make_table("t", 7);
    t.options.engine = TABLE_MEMORY;
    struct table back;
    struct buf row = {0};
    table_encode(&row, &t);
    for (size_t size = 0; size < row.size; size++) {
        EXPECT_EQ(ERR_CORRUPT, table_decode(SLICE("t"), slice_of(row.data, size), &back));
    }
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        const uint8_t before = row.data[list[i].offset];
        row.data[list[i].offset] = list[i].value;
        if (table_decode(SLICE("t"), buf_slice(&row), &back) != ERR_CORRUPT) {
            (void)fprintf(stderr, "accepted: %s\n", list[i].what);
            EXPECT(false);
        }
        row.data[list[i].offset] = before;
    }
    for (uint8_t id = 0; id <= CATALOGUE_TABLE; id++) { /* ids that no table has */
        row.data[4] = id;
        EXPECT_EQ(ERR_CORRUPT, table_decode(SLICE("t"), buf_slice(&row), &back));
    }
    row.data[4] = 7;
    EXPECT_EQ(ERR_CORRUPT, table_decode(SLICE(""), buf_slice(&row), &back));
    EXPECT_EQ(ERR_CORRUPT, table_decode(SLICE("a b"), buf_slice(&row), &back));
    EXPECT_EQ(ERR_OK, table_decode(SLICE("t"), buf_slice(&row), &back));
    buf_append_byte(&row, 0);
    EXPECT_EQ(ERR_CORRUPT, table_decode(SLICE("t"), buf_slice(&row), &back));
    buf_deinit(&row);
}

/* ---- Lookups ---- */

#define COUNT 300

static void test_lookup(void)
{
    struct table tables[COUNT];
    struct random random = {3};
    for (uint32_t i = 0; i < COUNT; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "t%" PRIu32, i * 7 % COUNT);
        tables[i] = make_table(name, 2 + i * 3);
    }
    for (uint32_t i = COUNT - 1; i > 0; i--) { /* in any order */
        const size_t k = random_below(&random, i + 1);
        const struct table kept = tables[i];
        tables[i] = tables[k];
        tables[k] = kept;
    }
    struct catalogue *c = catalogue_new(42, tables, COUNT);
    EXPECT_EQ(42, c->version);
    EXPECT_EQ(COUNT, c->count);
    for (size_t i = 0; i < COUNT; i++) {
        const struct slice name = slice_of(tables[i].name, tables[i].name_size);
        const struct table *found = catalogue_find(c, name);
        EXPECT(found != NULL && found != &tables[i]); /* a copy */
        expect_same(&tables[i], found);
        EXPECT(catalogue_by_id(c, tables[i].id) == found);
        EXPECT(catalogue_by_id(c, tables[i].id + 1) == NULL);
        EXPECT(catalogue_find(c, slice_of(name.data, name.size - 1)) == NULL || name.size > 2);
        const struct table *const *sorted = c->sorted;
        EXPECT(i == 0 || strcmp(sorted[i - 1]->name, sorted[i]->name) < 0);
    }
    static const char *const none[] = {"", "t", "t300", "T1", "u", "a", "t1 "};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        EXPECT(catalogue_find(c, slice_of_text(none[i])) == NULL);
    }
    EXPECT(catalogue_by_id(c, 0) == NULL && catalogue_by_id(c, CATALOGUE_TABLE) == NULL);
    EXPECT(catalogue_by_id(c, 2 + COUNT * 3) == NULL && catalogue_by_id(c, UINT32_MAX) == NULL);
    catalogue_release(&c);
    EXPECT(c == NULL);
}

/* Ids are never used again, so they may lie far apart, and the list is no larger for it. */
static void test_large_ids(void)
{
    struct table tables[40];
    for (uint32_t i = 0; i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "t%" PRIu32, i);
        tables[i] = make_table(name, UINT32_MAX - i * 4096); /* with the same low bits */
    }
    struct catalogue *c = catalogue_new(1, tables, 40);
    for (uint32_t i = 0; i < 40; i++) {
        const struct table *found = catalogue_by_id(c, tables[i].id);
        EXPECT(found != NULL && strcmp(found->name, tables[i].name) == 0);
        EXPECT(catalogue_by_id(c, tables[i].id - 1) == NULL);
        EXPECT(catalogue_by_id(c, tables[i].id - 2048) == NULL);
    }
    catalogue_release(&c);
}

static void test_empty(void)
{
    struct catalogue *c = catalogue_new(0, NULL, 0);
    EXPECT(catalogue_find(c, SLICE("kv")) == NULL);
    EXPECT(catalogue_by_id(c, 0) == NULL && catalogue_by_id(c, 2) == NULL);
    catalogue_release(&c);
    catalogue_release(&c); /* harmless */
}

static void test_shares(void)
{
    const struct table t = make_table("t", 2);
    struct catalogue *c = catalogue_new(1, &t, 1);
    struct catalogue *shares[3];
    for (size_t i = 0; i < 3; i++) {
        shares[i] = catalogue_share(c);
        EXPECT(shares[i] == c);
    }
    catalogue_release(&c);
    for (size_t i = 0; i < 3; i++) { /* alive until the last one is given back */
        EXPECT(catalogue_find(shares[i], SLICE("t")) == catalogue_by_id(shares[i], 2));
        catalogue_release(&shares[i]);
        EXPECT(shares[i] == NULL);
    }
}

/* ---- Built in ---- */

static void check_built_in(enum table_engine engine)
{
    static const char *const names[] = {"kv",  "cache",  "counters", "sets", "flags",
                                        "log", "dstash", "db1",      "db15"};
    struct table list[64];
    const size_t count = built_in_tables(list, 64, 10, engine, 12345);
    EXPECT_EQ(22, count);
    struct catalogue *c = catalogue_new(1, list, count);
    for (size_t i = 0; i < count; i++) {
        EXPECT_EQ(10 + i, list[i].id);
        EXPECT(list[i].is_built_in && list[i].created_ms == 12345);
        EXPECT(table_name_is_valid(slice_of(list[i].name, list[i].name_size)));
        EXPECT_EQ(strlen(list[i].name), list[i].name_size);
        const bool is_cache = strcmp(list[i].name, "cache") == 0;
        EXPECT_EQ(is_cache ? TABLE_MEMORY : engine, list[i].options.engine);
        EXPECT_EQ(is_cache ? EVICT_LRU : EVICT_NONE, list[i].options.evict);
        EXPECT_EQ(is_cache ? 5000 : 0, list[i].options.default_ttl_ms);
        EXPECT_EQ(PARTITION_KEY, list[i].options.partition);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        EXPECT(catalogue_find(c, slice_of_text(names[i])) != NULL);
    }
    EXPECT(catalogue_find(c, SLICE("db0")) == NULL && catalogue_find(c, SLICE("db16")) == NULL);
    catalogue_release(&c);
}

static void test_built_in(void)
{
    struct table few[4];
    check_built_in(TABLE_DISK);
    check_built_in(TABLE_MEMORY);
    memset(few, 0, sizeof(few));
    EXPECT_EQ(22, built_in_tables(few, 3, 2, TABLE_DISK, 1)); /* no more than there is room for */
    EXPECT(few[2].id == 4 && few[3].id == 0);
}

static const struct test_case cases[] = {
    {"names", test_names},         {"round_trip", test_round_trip}, {"bytes", test_bytes},
    {"corrupt", test_corrupt},     {"lookup", test_lookup},         {"empty", test_empty},
    {"large_ids", test_large_ids}, {"shares", test_shares},         {"built_in", test_built_in},
};

TEST_MAIN(cases)
