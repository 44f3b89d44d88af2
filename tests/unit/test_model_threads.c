/* One thread writes, two read: what a reader sees of a set is always of one state, and a table that
 * is open is found while others come and go. */
#include <pthread.h>
#include <stdatomic.h>

#include "harness.h"
#include "unit/model_world.h"

/* RocksDB is not built with the thread sanitizer, which therefore knows none of its locks. */
const char *__tsan_default_options(void); /* NOLINT(readability-identifier-naming) */
const char *__tsan_default_options(void)  /* NOLINT(readability-identifier-naming) */
{
    return "ignore_noninstrumented_modules=1";
}

#define TURNS   3000
#define READERS 2

struct shared {
    struct model_world world;
    _Atomic bool is_over;
    _Atomic unsigned ready;
};

/* Members come and go in pairs, so that a whole state has an even number of them. */
static void check_set(struct shared *s, struct arena *arena)
{
    const struct op members = {
        .kind = OP_SET_RANGE_MEMBERS, .table = WORLD_TABLE, .key = SLICE("set")};
    const struct op number = {.kind = OP_GET, .table = WORLD_OTHER, .key = SLICE("n")};
    const struct op lone[] = {{.kind = OP_COUNT, .table = WORLD_LATE}};
    struct result results[3];
    struct step steps[3] = {{.op = &members}, {.op = &number}, {.op = &lone[0]}};
    for (size_t i = 0; i < 3; i++) {
        steps[i].model = s->world.model;
        steps[i].moment.now_ms = 1;
        steps[i].result = &results[i];
        steps[i].budget_bytes = WORLD_BUDGET;
    }
    model_read(steps, 3, ENGINE_MAY_WAIT, arena);
    EXPECT_EQ(ERR_OK, results[0].err);
    EXPECT_EQ(0, results[0].row_count % 2);
    EXPECT_EQ(ERR_OK, results[1].err);
    EXPECT(results[1].is_integer);
    EXPECT_EQ(ERR_OK, results[2].err);
    EXPECT(model_table_is_open(s->world.model, WORLD_LATE));
}

static void *reader_main(void *arg)
{
    struct shared *s = arg;
    struct arena arena = {0};
    struct epoch_reader *reader = epoch_join(&s->world.epoch);
    atomic_fetch_add(&s->ready, 1);
    while (!atomic_load(&s->is_over)) {
        check_set(s, &arena);
        arena_reset(&arena);
        epoch_quiet(&s->world.epoch, reader);
    }
    epoch_leave(reader);
    arena_deinit(&arena);
    return NULL;
}

static void write_turn(struct shared *s, unsigned turn)
{
    char names[2][16];
    struct slice items[2];
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%u-%u", turn * 7 % 40, i);
        items[i] = slice_of_text(names[i]);
    }
    const bool is_dropped = turn % 100 == 99;
    const uint32_t id = WORLD_LATE + 512 * (1 + turn % 3); /* in the bucket of WORLD_LATE */
    const struct op ops[] = {
        {.kind = is_dropped      ? OP_DELETE
                 : turn % 3 == 0 ? OP_SET_REMOVE
                                 : OP_SET_ADD,
         .table = WORLD_TABLE,
         .key = SLICE("set"),
         .items = is_dropped ? NULL : items,
         .item_count = is_dropped ? 0 : 2},
        {.kind = OP_ADD, .table = WORLD_OTHER, .key = SLICE("n"), .number = 1},
        {.kind = turn % 2 == 0 ? OP_TABLE_OPEN : OP_TABLE_CLOSE, .table = id},
        {.kind = OP_SWEEP, .limit = 50},
    };
    struct result results[4];
    world_batch(&s->world, ops, results, 4, true);
    EXPECT(results[0].err == ERR_OK || results[0].err == ERR_NOT_FOUND);
}

static void test_threads(enum world_kind kind, unsigned turns)
{
    struct shared s = {0};
    pthread_t threads[READERS];
    world_open(&s.world, kind);
    write_turn(&s, 1);
    for (size_t i = 0; i < READERS; i++) {
        EXPECT_EQ(0, pthread_create(&threads[i], NULL, reader_main, &s));
    }
    while (atomic_load(&s.ready) < READERS) {
    }
    for (unsigned turn = 2; turn < turns; turn++) {
        write_turn(&s, turn);
    }
    atomic_store(&s.is_over, true);
    for (size_t i = 0; i < READERS; i++) {
        EXPECT_EQ(0, pthread_join(threads[i], NULL));
    }
    world_close(&s.world);
}

static void test_memory(void)
{
    test_threads(WORLD_MEMORY, TURNS);
}

static void test_disk(void)
{
    test_threads(WORLD_DISK, TURNS / 4);
}

static const struct test_case cases[] = {
    {"memory", test_memory},
    {"disk", test_disk},
};

TEST_MAIN(cases)
