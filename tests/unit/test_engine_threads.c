/* The memory engine with one writer and three readers. Every batch moves units between two rows
 * of a group, so that at each state a group adds up to GROUP_SUM, however it is read: by a
 * multi-get of the newest state, through a view, by a scan. Within a batch the same rows are
 * written several times, and other rows come and go beside them. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/random.h"
#include "engine/memory.h"
#include "harness.h"

#define GROUPS    50
#define ROWS      8
#define GROUP_SUM UINT64_C(8000)
#define READERS   3
#define BATCHES   20000

struct world {
    struct epoch epoch;
    struct engine *engine;
    _Atomic bool stop;
    _Atomic uint64_t checks;
};

/* The writer's side. */
struct writer {
    struct world *w;
    struct epoch_reader *reader;
    struct random random;
    uint64_t revision;
    uint64_t amounts[GROUPS][ROWS];
};

static struct slice row_key(uint8_t *bytes, unsigned group, unsigned row)
{
    const int size = snprintf((char *)bytes, 32, "group:%04u:row:%u", group, row);
    return slice_of(bytes, (size_t)size);
}

static uint64_t amount_of(const struct record *record)
{
    uint64_t amount;
    EXPECT_EQ(sizeof(amount), record->value.size);
    memcpy(&amount, record->value.data, sizeof(amount));
    return amount;
}

/* Two groups from one state, in mixed order. */
static void check_many(struct world *w, unsigned group)
{
    uint8_t bytes[ROWS * 2][32];
    struct lookup lookups[ROWS * 2];
    enum err results[ROWS * 2];
    uint64_t sum = 0;
    for (unsigned n = 0; n < ROWS * 2; n++) {
        const struct slice key = row_key(bytes[n], (group + n % 2) % GROUPS, n / 2);
        lookups[n] = (struct lookup){.engine = w->engine, .key = key};
    }
    engine_get_many(lookups, ROWS * 2, ENGINE_NO_WAIT, NULL, results);
    for (unsigned n = 0; n < ROWS * 2; n++) { /* a row of 0 is deleted */
        sum += results[n] == ERR_OK ? amount_of(&lookups[n].record) : 0;
    }
    EXPECT_EQ(GROUP_SUM * 2, sum);
}

static void check_view(const struct reader *view, unsigned group)
{
    uint8_t bytes[32];
    uint64_t sum = 0;
    for (unsigned row = 0; row < ROWS; row++) {
        struct record record;
        const enum err e =
            engine_get(view, row_key(bytes, group, row), ENGINE_NO_WAIT, NULL, &record);
        sum += e == ERR_OK ? amount_of(&record) : 0;
    }
    EXPECT_EQ(GROUP_SUM, sum);
}

static void check_scan(struct world *w, const struct reader *view, struct epoch_reader *reader,
                       bool is_reverse)
{
    struct scan s;
    struct record record;
    uint64_t sum = 0;
    unsigned rows = 0;
    scan_open(&s, view, SLICE("group:"), SLICE("group;"), is_reverse);
    while (scan_next(&s, &record) == ERR_OK) {
        sum += amount_of(&record);
        if (++rows % 100 == 0) {
            epoch_quiet(&w->epoch, reader); /* a long scan goes over many turns */
        }
    }
    scan_close(&s);
    EXPECT_EQ(GROUP_SUM * GROUPS, sum);
}

static void *read_thread(void *arg)
{
    struct world *w = arg;
    struct epoch_reader *reader = epoch_join(&w->epoch);
    struct random random = {(uintptr_t)&reader};
    while (!atomic_load(&w->stop)) {
        struct reader view;
        for (int i = 0; i < 20; i++) {
            check_many(w, (unsigned)random_below(&random, GROUPS));
            epoch_quiet(&w->epoch, reader);
        }
        EXPECT_EQ(ERR_OK, view_open(w->engine, &view));
        for (int i = 0; i < 3; i++) {
            check_view(&view, (unsigned)random_below(&random, GROUPS));
            check_scan(w, &view, reader, i == 1);
            EXPECT(engine_stats(w->engine).used_bytes > 0);
            epoch_idle(reader); /* as around a wait */
            epoch_quiet(&w->epoch, reader);
        }
        view_close(&view);
        atomic_fetch_add(&w->checks, 1);
    }
    epoch_leave(reader);
    return NULL;
}

/* `amount` 0: the row is erased. */
static void write_row(struct writer *t, struct slice key, uint64_t amount)
{
    struct lookup l = {.engine = t->w->engine, .key = key};
    const enum err e = engine_find(&l, ENGINE_NO_WAIT, NULL);
    EXPECT(e == ERR_OK || e == ERR_NOT_FOUND);
    t->revision++;
    if (amount == 0) {
        engine_erase(&l, t->revision);
        return;
    }
    const bool is_new = e == ERR_NOT_FOUND;
    const struct record record = {.key = key,
                                  .value = slice_of(&amount, sizeof(amount)),
                                  .mod_revision = t->revision,
                                  .create_revision =
                                      is_new ? t->revision : l.record.create_revision,
                                  .version = is_new ? 1 : l.record.version + 1};
    engine_put(&l, &record);
}

/* Moves units within one group. */
static void move(struct writer *t, unsigned group)
{
    uint8_t bytes[32];
    const unsigned from = (unsigned)random_below(&t->random, ROWS);
    const unsigned to = (from + 1 + (unsigned)random_below(&t->random, ROWS - 1)) % ROWS;
    uint64_t *amounts = t->amounts[group];
    const uint64_t moved = random_below(&t->random, 4) == 0 ? amounts[from] : amounts[from] / 3;
    amounts[from] -= moved;
    amounts[to] += moved;
    write_row(t, row_key(bytes, group, from), amounts[from]);
    write_row(t, row_key(bytes, group, to), amounts[to]);
}

static void write_batch(struct writer *t, bool is_growing)
{
    const unsigned group = (unsigned)random_below(&t->random, GROUPS);
    engine_begin(t->w->engine);
    for (unsigned n = 0; n < 3; n++) {
        move(t, group);
    }
    for (unsigned n = 0; n < 8; n++) {
        uint8_t bytes[32];
        const int size = snprintf((char *)bytes, 32, "%s%u", n % 2 == 0 ? "group" : "z",
                                  (unsigned)random_below(&t->random, 8000));
        const bool is_put = random_below(&t->random, 4) != 0 ? is_growing : !is_growing;
        write_row(t, slice_of(bytes, (size_t)size), is_put ? 1 : 0);
    }
    EXPECT_EQ(ERR_OK, engine_commit(t->w->engine, ++t->revision));
    epoch_quiet(&t->w->epoch, t->reader);
    (void)engine_collect(t->w->engine, 50);
}

static void erase_rows(struct writer *t, struct slice from, struct slice to)
{
    bool is_done = false;
    while (!is_done) {
        engine_begin(t->w->engine);
        is_done = engine_erase_range(t->w->engine, from, to, ++t->revision, 50);
        EXPECT_EQ(ERR_OK, engine_commit(t->w->engine, ++t->revision));
        epoch_quiet(&t->w->epoch, t->reader);
    }
}

static void fill_groups(struct writer *t)
{
    uint8_t bytes[32];
    engine_begin(t->w->engine);
    for (unsigned group = 0; group < GROUPS; group++) {
        for (unsigned row = 0; row < ROWS; row++) {
            t->amounts[group][row] = GROUP_SUM / ROWS;
            write_row(t, row_key(bytes, group, row), GROUP_SUM / ROWS);
        }
    }
    EXPECT_EQ(ERR_OK, engine_commit(t->w->engine, ++t->revision));
}

static void expect_empty(struct writer *t, uint64_t used_at_start)
{
    for (int turn = 0; turn < 10; turn++) {
        epoch_quiet(&t->w->epoch, t->reader);
        while (engine_collect(t->w->engine, 1000)) {
        }
    }
    const struct engine_stats stats = engine_stats(t->w->engine);
    EXPECT_EQ(0, stats.rows);
    EXPECT_EQ(0, stats.waiting);
    EXPECT_EQ(used_at_start, stats.used_bytes);
}

static void test_sums(void)
{
    struct world w = {.stop = false};
    struct writer t = {.w = &w, .random = {1}};
    pthread_t threads[READERS];
    epoch_init(&w.epoch);
    t.reader = epoch_join(&w.epoch);
    w.engine = memory_open(&w.epoch, 0);
    const uint64_t used_at_start = engine_stats(w.engine).used_bytes;
    fill_groups(&t);
    for (unsigned i = 0; i < READERS; i++) {
        EXPECT_EQ(0, pthread_create(&threads[i], NULL, read_thread, &w));
    }
    for (unsigned batch = 0; batch < BATCHES || atomic_load(&w.checks) < 30; batch++) {
        struct record record;
        write_batch(&t, batch / 2000 % 2 == 0);
        if (batch % 16 == 0) { /* its marks, too, are shared with the readers */
            (void)!engine_coldest(w.engine, SLICE("group:"), 20, &record);
        }
        if (batch % 5000 == 4999) {
            erase_rows(&t, SLICE("z"), SLICE("zz"));
        }
    }
    atomic_store(&w.stop, true);
    for (unsigned i = 0; i < READERS; i++) {
        EXPECT_EQ(0, pthread_join(threads[i], NULL));
    }
    erase_rows(&t, SLICE("group"), (struct slice){NULL, 0});
    expect_empty(&t, used_at_start);
    engine_close(&w.engine);
    epoch_leave(t.reader);
}

static const struct test_case cases[] = {{"sums", test_sums}};

TEST_MAIN(cases)
