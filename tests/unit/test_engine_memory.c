/* The memory engine: the suite for all engines, and many random runs. Linked twice, the second
 * time with nodes of 8 children, so that few rows make deep trees. */
#include "engine/memory.h"
#include "harness.h"
#include "unit/engine_conformance.h"

struct storage {
    struct epoch epoch;
    struct epoch_reader *reader;
};

static void open_engines(void *arg, struct engine **engines)
{
    struct storage *s = arg;
    epoch_init(&s->epoch);
    s->reader = epoch_join(&s->epoch);
    for (unsigned i = 0; i < CONFORMANCE_ENGINES; i++) {
        engines[i] = memory_open(&s->epoch, 0);
    }
}

static void close_engines(void *arg, struct engine **engines)
{
    struct storage *s = arg;
    for (unsigned i = 0; i < CONFORMANCE_ENGINES; i++) {
        engine_close(&engines[i]);
    }
    epoch_leave(s->reader);
}

static void end_turn(void *arg)
{
    struct storage *s = arg;
    epoch_quiet(&s->epoch, s->reader);
}

static struct engine_factory factory_of(struct storage *s)
{
    return (struct engine_factory){.arg = s,
                                   .open = open_engines,
                                   .close = close_engines,
                                   .turn = end_turn,
                                   .is_memory = true};
}

static void test_conformance(void)
{
    struct storage storage;
    const struct engine_factory f = factory_of(&storage);
    engine_conformance(&f);
}

static void test_random(void)
{
    struct storage storage;
    const struct engine_factory f = factory_of(&storage);
    const uint64_t first = conformance_seed(10);
    const uint64_t last = getenv("HOLDFAST_SEED") != NULL ? first : first + 3;
    for (uint64_t seed = first; seed <= last; seed++) {
        engine_conformance_random(&f, seed, 2500);
    }
}

/* The first state is what the opener says. */
static void test_applied(void)
{
    struct epoch epoch;
    epoch_init(&epoch);
    struct engine *e = memory_open(&epoch, 77);
    EXPECT_EQ(77, engine_applied(e));
    EXPECT(scan_is_cheap(e));
    engine_close(&e);
    EXPECT(e == NULL);
    engine_close(&e);
}

/* A thread that is not quiet holds memory back, an idle or absent one does not. */
static void test_epochs(void)
{
    struct epoch epoch;
    epoch_init(&epoch);
    struct epoch_reader *one = epoch_join(&epoch);
    struct epoch_reader *two = epoch_join(&epoch);
    const uint64_t stamp = epoch_advance(&epoch);
    EXPECT(epoch_safe(&epoch) <= stamp);
    epoch_quiet(&epoch, one);
    EXPECT(epoch_safe(&epoch) <= stamp);
    epoch_idle(two);
    EXPECT(epoch_safe(&epoch) > stamp);
    const uint64_t later = epoch_advance(&epoch);
    epoch_quiet(&epoch, two);
    EXPECT(epoch_safe(&epoch) <= later);
    epoch_quiet(&epoch, one);
    EXPECT(epoch_safe(&epoch) > later);
    epoch_leave(two);
    const uint64_t last = epoch_advance(&epoch);
    epoch_quiet(&epoch, one);
    EXPECT(epoch_safe(&epoch) > last);
    EXPECT(epoch_join(&epoch) == two);
    epoch_leave(two);
    epoch_leave(one);
}

#define BLOCKS_MAX 200

static void take_blocks(struct pages *p, bool is_huge, struct block_place *places)
{
    for (unsigned i = 0; i < BLOCKS_MAX; i++) {
        places[i] = pages_take(p, is_huge);
        EXPECT_EQ(0, (uintptr_t)places[i].memory % 64);
        EXPECT(places[i].size > BLOCK_SIZE / 2);
        EXPECT(places[i].size <= BLOCK_SIZE);
        memset(places[i].memory, (int)i, places[i].size);
        memset(places[i].head, (int)i, BLOCK_HEAD_SIZE);
    }
}

/* Blocks and their heads do not overlap, and a block leads to its head. */
static void test_pages(void)
{
    struct pages p;
    struct block_place places[BLOCKS_MAX];
    pages_init(&p);
    for (unsigned round = 0; round < 4; round++) {
        take_blocks(&p, round % 2 == 1, places);
        for (unsigned i = 0; i < BLOCKS_MAX; i++) {
            const unsigned n = (i * 77 + 5) % BLOCKS_MAX; /* in no order */
            uint8_t *last = places[n].memory + places[n].size - 1;
            EXPECT(pages_head(places[n].memory) == places[n].head);
            EXPECT(pages_head(last) == places[n].head);
            EXPECT_EQ(n, places[n].memory[0]);
            EXPECT_EQ(n, *last);
            EXPECT_EQ(n, ((const uint8_t *)places[n].head)[BLOCK_HEAD_SIZE - 1]);
            pages_give(&p, last);
        }
        EXPECT(p.small.all == NULL);
        EXPECT(p.huge.all == NULL);
    }
}

#define SEQUENCES     5
#define SEQUENCE_ROWS 2000

/* Row `i` of sequence `n`, as the last of all so far. */
static void put_row(struct engine *e, size_t n, size_t i, uint64_t revision)
{
    char key[32];
    const int size = snprintf(key, sizeof(key), "%c%06zu", (char)('a' + (int)n), i);
    struct lookup l = {.engine = e, .key = slice_of(key, (size_t)size)};
    const struct record record = {
        .key = l.key, .mod_revision = revision, .create_revision = revision, .version = 1};
    engine_begin(e);
    EXPECT_EQ(ERR_NOT_FOUND, engine_find(&l, ENGINE_NO_WAIT, NULL));
    engine_put(&l, &record);
    EXPECT_EQ(ERR_OK, engine_commit(e, revision));
}

static uint64_t bytes_of_sequences(bool are_mixed)
{
    struct epoch epoch;
    epoch_init(&epoch);
    struct engine *e = memory_open(&epoch, 0);
    for (size_t i = 0; i < SEQUENCES * SEQUENCE_ROWS; i++) {
        const size_t n = are_mixed ? i % SEQUENCES : i / SEQUENCE_ROWS;
        put_row(e, n, are_mixed ? i / SEQUENCES : i % SEQUENCE_ROWS, i + 1);
    }
    while (engine_collect(e, 1000)) {
    }
    const uint64_t bytes = engine_stats(e).used_bytes;
    engine_close(&e);
    return bytes;
}

/* Rows that come in order fill their leaves, also when several such sequences take turns. */
static void test_sequences(void)
{
    const uint64_t in_order = bytes_of_sequences(false);
    const uint64_t mixed = bytes_of_sequences(true);
    EXPECT(mixed < in_order + in_order / 10);
}

static const struct test_case cases[] = {
    {"conformance", test_conformance}, {"random", test_random}, {"applied", test_applied},
    {"epochs", test_epochs},           {"pages", test_pages},   {"sequences", test_sequences},
};

TEST_MAIN(cases)
