/* Deletes of many records by one operation: taken one by one up to a number, by a range of the
 * engine beyond it. On both engines. */
#include "harness.h"
#include "unit/model_world.h"

#define KEY(text)   .table = WORLD_TABLE, .key = SLICE(text)
#define KEY_ROOM    32
#define SHORT_BYTES 4096 /* more than a range takes in the store, less than its rows would */

/* Runs `test` in a fresh world of each kind. */
static void in_worlds(void (*test)(struct model_world *w))
{
    const enum world_kind kinds[] = {WORLD_MEMORY, WORLD_DISK};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct model_world w;
        world_open(&w, kinds[i]);
        test(&w);
        world_close(&w);
    }
}

/* The key of row `i`: they are in order. */
static struct slice key_of(char *room, size_t i)
{
    (void)snprintf(room, KEY_ROOM, "%06zu", i);
    return slice_of_text(room);
}

static void put(struct model_world *w, struct slice key, const char *value, uint64_t expiry_ms)
{
    const struct op op = {.kind = OP_PUT,
                          .table = WORLD_TABLE,
                          .key = key,
                          .value = slice_of_text(value),
                          .expiry_ms = expiry_ms};
    EXPECT_EQ(ERR_OK, world_do(w, &op).err);
}

static void put_rows(struct model_world *w, size_t rows)
{
    char room[KEY_ROOM];
    for (size_t i = 0; i < rows; i++) {
        put(w, key_of(room, i), "1", 0);
    }
}

static void expect_value(struct model_world *w, const char *key, const char *want)
{
    const struct op op = {.kind = OP_GET, .table = WORLD_TABLE, .key = slice_of_text(key)};
    const struct result result = world_read(w, &op);
    EXPECT_EQ(want == NULL ? ERR_NOT_FOUND : ERR_OK, result.err);
    EXPECT(want == NULL || slice_equal(slice_of_text(want), result.value));
}

/* Adds so many that each is a row. */
static void add_members(struct model_world *w)
{
    char rooms[500][KEY_ROOM];
    struct slice items[500];
    for (size_t i = 0; i < 500; i++) {
        items[i] = key_of(rooms[i], i);
    }
    const struct op op = {.kind = OP_SET_ADD, KEY("s"), .items = items, .item_count = 500};
    EXPECT_EQ(500, world_do(w, &op).count);
}

/* Taken away in several pieces, up to a limit that lies in any of them. */
static void long_delete_range(struct model_world *w)
{
    const size_t rows = 20000;
    char room[KEY_ROOM];
    put_rows(w, rows);
    const size_t limits[] = {1, 255, 256, 257, 800, 5000, 0};
    size_t left = rows;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const size_t wanted = limits[i] == 0 ? left - 1 : limits[i];
        const struct op op = {
            .kind = OP_DELETE_RANGE, KEY(""), .other = SLICE("019999"), .limit = limits[i]};
        EXPECT_EQ(wanted, world_do(w, &op).count);
        left -= wanted;
        const struct op first = {.kind = OP_RANGE, KEY(""), .limit = 1};
        EXPECT(slice_equal(key_of(room, rows - left), world_read(w, &first).rows[0].key));
    }
    EXPECT_EQ(1, left);
}

static void test_long_delete_range(void)
{
    in_worlds(long_delete_range);
}

static uint64_t rows_of(const struct reader *r)
{
    struct scan scan = {0};
    struct record record;
    uint64_t count = 0;
    scan_open(&scan, r, SLICE(""), slice_of(NULL, 0), false);
    while (scan_next(&scan, &record) == ERR_OK) {
        count++;
    }
    scan_close(&scan);
    return count;
}

/* Of every kind, as published. */
static uint64_t rows_now(struct model_world *w)
{
    struct reader view;
    EXPECT_EQ(ERR_OK, view_open(w->engine, &view));
    const uint64_t count = rows_of(&view);
    view_close(&view);
    return count;
}

/* Every third record has expired by the next millisecond, every third one does at `late_ms`. */
static void put_fleeting(struct model_world *w, size_t rows, uint64_t late_ms)
{
    char room[KEY_ROOM];
    for (size_t i = 0; i < rows; i++) {
        const uint64_t expiries[] = {0, w->now_ms + 1, late_ms};
        put(w, key_of(room, i), "1", expiries[i % 3]);
    }
    w->now_ms++;
}

/* What goes with a record goes with a long range, too, and nothing that comes later. */
static void long_delete_range_of_all_kinds(struct model_world *w)
{
    const size_t rows = 9000;
    const uint64_t late_ms = w->now_ms + 1000;
    const struct op all = {.kind = OP_DELETE_RANGE, KEY("")};
    add_members(w); /* brings what a model keeps of its own */
    EXPECT_EQ(1, world_do(w, &all).count);
    (void)world_sweep(w);
    const uint64_t before = rows_now(w);
    put_fleeting(w, rows, late_ms);
    add_members(w);
    struct reader view;
    EXPECT_EQ(ERR_OK, view_open(w->engine, &view));
    const uint64_t kept = rows_of(&view);
    EXPECT(kept >= before + rows + 500);
    EXPECT_EQ(rows / 3 * 2 + 1, world_do(w, &all).count);
    EXPECT_EQ(0, model_count(w->model, WORLD_TABLE));
    expect_value(w, "000000", NULL);
    EXPECT_EQ(kept, rows_of(&view));
    view_close(&view);
    put(w, SLICE("000002"), "2", late_ms);
    put(w, SLICE("000005"), "3", 0);
    put(w, SLICE("000008"), "2", late_ms + 10);
    (void)world_sweep(w);
    EXPECT_EQ(3, model_count(w->model, WORLD_TABLE));
    w->now_ms = late_ms;
    (void)world_sweep(w);
    EXPECT_EQ(2, model_count(w->model, WORLD_TABLE));
    expect_value(w, "000002", NULL);
    expect_value(w, "000005", "3");
    expect_value(w, "000008", "2");
    EXPECT_EQ(2, world_do(w, &all).count);
    (void)world_sweep(w);
    EXPECT_EQ(before, rows_now(w));
}

static void test_long_delete_range_of_all_kinds(void)
{
    in_worlds(long_delete_range_of_all_kinds);
}

/* What follows in its transaction, and in its batch, sees that the rows are gone. */
static void long_delete_range_in_batch(struct model_world *w)
{
    const size_t rows = 9000;
    put_rows(w, rows);
    const struct op first = {
        .kind = OP_DELETE_RANGE, KEY(""), .other = SLICE("000100"), .limit = 5000};
    const struct op rest = {.kind = OP_DELETE_RANGE, KEY("")};
    const struct op count = {.kind = OP_RANGE, KEY(""), .flags = OP_COUNT_ONLY};
    const struct op get = {.kind = OP_GET, KEY("000000")};
    const struct op put_back = {.kind = OP_PUT, KEY("000007"), .value = SLICE("2")};
    const struct op parts[] = {get, first, rest, get, count, put_back, count};
    const struct op txn = {
        .kind = OP_TXN, KEY(""), .ops = parts, .op_count = sizeof(parts) / sizeof(parts[0])};
    const struct op batch[] = {get, txn, get, count, put_back, rest, count, put_back};
    struct result results[8];
    world_batch(w, batch, results, 8, true);
    const struct result *in_txn = results[1].results;
    EXPECT_EQ(ERR_OK, in_txn[0].err);
    EXPECT_EQ(100, in_txn[1].count);
    EXPECT_EQ(rows - 100, in_txn[2].count);
    EXPECT_EQ(ERR_NOT_FOUND, in_txn[3].err);
    EXPECT_EQ(0, in_txn[4].count);
    EXPECT_EQ(1, in_txn[5].version);
    EXPECT_EQ(1, in_txn[6].count);
    EXPECT_EQ(ERR_NOT_FOUND, results[2].err);
    EXPECT_EQ(1, results[3].count);
    EXPECT_EQ(2, results[4].version);
    EXPECT_EQ(1, results[5].count);
    EXPECT_EQ(0, results[6].count);
    EXPECT_EQ(1, results[7].version);
    EXPECT_EQ(1, model_count(w->model, WORLD_TABLE));
    expect_value(w, "000007", "2");
    expect_value(w, "000008", NULL);
    if (w->kind == WORLD_DISK) {
        world_reopen(w);
        EXPECT_EQ(1, model_count(w->model, WORLD_TABLE));
        expect_value(w, "000007", "2");
        expect_value(w, "000008", NULL);
    }
}

static void test_long_delete_range_in_batch(void)
{
    in_worlds(long_delete_range_in_batch);
}

/* A long range costs the store as little as a short one, so that no other group waits for it. */
static void test_long_delete_range_is_short(void)
{
    struct model_world w;
    struct reader view;
    world_open(&w, WORLD_DISK);
    put_rows(&w, 9000);
    EXPECT_EQ(ERR_OK, view_open(w.engine, &view));
    const struct op all = {.kind = OP_DELETE_RANGE, KEY("")};
    EXPECT_EQ(9000, world_do(&w, &all).count);
    EXPECT(view_bytes(&view) < SHORT_BYTES);
    view_close(&view);
    world_close(&w);
}

static const struct test_case cases[] = {
    {"long_delete_range", test_long_delete_range},
    {"long_delete_range_of_all_kinds", test_long_delete_range_of_all_kinds},
    {"long_delete_range_in_batch", test_long_delete_range_in_batch},
    {"long_delete_range_is_short", test_long_delete_range_is_short},
};

TEST_MAIN(cases)
