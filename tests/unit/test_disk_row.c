/* A record's bytes on the disk, and what cannot be one. */
#include "engine/disk/row.h"
#include "harness.h"

static void expect_same(const struct record *want, struct slice row)
{
    struct record got = {0};
    EXPECT_EQ(ERR_OK, row_decode(row, &got));
    EXPECT(slice_equal(want->value, got.value));
    EXPECT_EQ(want->mod_revision, got.mod_revision);
    EXPECT_EQ(want->create_revision, got.create_revision);
    EXPECT_EQ(want->version, got.version);
    EXPECT_EQ(want->expiry_ms, got.expiry_ms);
    EXPECT_EQ(want->type, got.type);
}

static void test_round_trip(void)
{
    static const struct record records[] = {
        {.value = {NULL, 0}},
        {.value = {(const uint8_t *)"v", 1}, .mod_revision = 1, .create_revision = 1, .version = 1},
        {.mod_revision = REVISION_MAX, .version = UINT64_MAX, .expiry_ms = UINT64_MAX, .type = 15},
        {.mod_revision = REVISION_MAX, .create_revision = REVISION_MAX, .expiry_ms = 1},
        {.mod_revision = 128, .create_revision = 127, .version = 16384, .type = 3},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        const struct slice row = row_encode(&records[i], &arena);
        EXPECT(row.size <= ROW_HEAD_MAX + records[i].value.size);
        expect_same(&records[i], row);
    }
    arena_deinit(&arena);
}

static void test_small_head(void)
{
    struct arena arena = {0};
    const struct record record = {.mod_revision = 100, .create_revision = 100, .version = 1};
    EXPECT_EQ(5, row_encode(&record, &arena).size);
    arena_deinit(&arena);
}

/* No part of the head can be missing. */
static void test_cut_short(void)
{
    struct arena arena = {0};
    const struct record record = {.mod_revision = 1000, .version = 3, .expiry_ms = 1 << 20};
    const struct slice row = row_encode(&record, &arena);
    struct record got;
    for (size_t size = 0; size < row.size; size++) {
        EXPECT_EQ(ERR_CORRUPT, row_decode(slice_of(row.data, size), &got));
    }
    arena_deinit(&arena);
}

static void test_impossible_rows(void)
{
    const struct slice rows[] = {
        SLICE("\x00\x00\x01\x00\x01"),                                     /* format 0 */
        SLICE("\x02\x00\x01\x00\x01"),                                     /* a newer one */
        SLICE("\x01\x20\x01\x00\x01"),                                     /* an unknown flag */
        SLICE("\x01\x00\x81\x00\x00\x01"),                                 /* a longer form of 1 */
        SLICE("\x01\x00\x01\x02\x01"),                                     /* created before 0 */
        SLICE("\x01\x10\x01\x00\x01\x00"),                                 /* expires never */
        SLICE("\x01\x00\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00\x01"),     /* above REVISION_MAX */
        SLICE("\x01\x00\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), /* above 64 bits */
        SLICE("\x01\x00\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    };
    struct record got;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        EXPECT_EQ(ERR_CORRUPT, row_decode(rows[i], &got));
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"round_trip", test_round_trip},
        {"small_head", test_small_head},
        {"cut_short", test_cut_short},
        {"impossible_rows", test_impossible_rows},
    };
    return test_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
