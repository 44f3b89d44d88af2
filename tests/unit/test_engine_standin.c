/* The stand-in for the disk engine: the suite for all engines, its faults, and power cuts. */
#include "base/random.h"
#include "engine/standin/standin.h"
#include "harness.h"
#include "unit/engine_conformance.h"

/* ---- The suite ---- */

struct storage {
    struct standin_medium *medium;
    struct standin_faults faults;
    struct disk_store *store;
};

static void open_store(struct storage *s, struct engine **engines)
{
    const struct disk_config config = {.shards = 2, .medium = s->medium};
    EXPECT_EQ(ERR_OK, disk_store_open(&config, &s->store, NULL));
    for (unsigned i = 0; i < CONFORMANCE_ENGINES; i++) {
        engines[i] = disk_store_engine(s->store, i);
    }
}

static void close_store(struct storage *s, struct engine **engines)
{
    for (unsigned i = 0; i < CONFORMANCE_ENGINES; i++) {
        engine_close(&engines[i]);
    }
    disk_store_close(&s->store);
}

static void open_engines(void *arg, struct engine **engines)
{
    struct storage *s = arg;
    s->medium = standin_medium_new(conformance_seed(1));
    standin_set_faults(s->medium, &s->faults);
    open_store(s, engines);
}

static void reopen_engines(void *arg, struct engine **engines)
{
    close_store(arg, engines);
    open_store(arg, engines);
}

static void close_engines(void *arg, struct engine **engines)
{
    struct storage *s = arg;
    close_store(s, engines);
    standin_medium_free(&s->medium);
}

static struct engine_factory factory_of(struct storage *s)
{
    return (struct engine_factory){
        .arg = s, .open = open_engines, .reopen = reopen_engines, .close = close_engines};
}

static void test_conformance(void)
{
    struct storage storage = {.store = NULL};
    const struct engine_factory f = factory_of(&storage);
    engine_conformance(&f);
}

static void test_random(void)
{
    struct storage storage = {.faults = {.wait_permille = 300, .flush_permille = 100}};
    const struct engine_factory f = factory_of(&storage);
    engine_conformance_random(&f, conformance_seed(30), 500);
}

/* ---- One store, by hand ---- */

struct world {
    struct standin_medium *medium;
    struct disk_store *store;
    struct engine *e; /* of group 1 */
    struct arena arena;
};

static void open_world(struct world *w)
{
    const struct disk_config config = {.shards = 2, .medium = w->medium};
    EXPECT_EQ(ERR_OK, disk_store_open(&config, &w->store, NULL));
    w->e = disk_store_engine(w->store, 1);
}

static void close_world(struct world *w)
{
    engine_close(&w->e);
    disk_store_close(&w->store);
}

static void setup(struct world *w, uint64_t seed)
{
    *w = (struct world){.medium = standin_medium_new(seed)};
    open_world(w);
    EXPECT(standin_medium_of(w->store) == w->medium);
}

static void teardown(struct world *w)
{
    close_world(w);
    standin_medium_free(&w->medium);
    EXPECT(w->medium == NULL);
    arena_deinit(&w->arena);
}

static void put_in_batch(struct world *w, const char *key, const char *value)
{
    struct lookup l = {.engine = w->e, .key = slice_of_text(key)};
    const enum err err = engine_find(&l, ENGINE_MAY_WAIT, &w->arena);
    EXPECT(err == ERR_OK || err == ERR_NOT_FOUND);
    engine_put(&l, &(struct record){.key = l.key, .value = slice_of_text(value), .version = 1});
}

static enum err commit(struct world *w)
{
    return engine_commit(w->e, engine_applied(w->e) + 1);
}

static void put(struct world *w, const char *key, const char *value)
{
    engine_begin(w->e);
    put_in_batch(w, key, value);
    EXPECT_EQ(ERR_OK, commit(w));
}

/* NULL: it is not there. */
static void expect_row(struct world *w, const char *key, const char *value)
{
    const struct reader latest = engine_latest(w->e);
    struct record record;
    const enum err err =
        engine_get(&latest, slice_of_text(key), ENGINE_MAY_WAIT, &w->arena, &record);
    EXPECT_EQ(value == NULL ? ERR_NOT_FOUND : ERR_OK, err);
    EXPECT(value == NULL || slice_equal(slice_of_text(value), record.value));
}

static bool is_durable(struct world *w, const char *key, const char *value)
{
    struct record record;
    return disk_durable_get(w->e, slice_of_text(key), &w->arena, &record) == ERR_OK &&
           slice_equal(slice_of_text(value), record.value);
}

static void test_close_flushes(void)
{
    struct world w;
    setup(&w, 1);
    put(&w, "a", "1");
    close_world(&w);
    open_world(&w);
    expect_row(&w, "a", "1");
    EXPECT(is_durable(&w, "a", "1"));
    EXPECT_EQ(0, engine_applied(w.e));
    teardown(&w);
}

static void test_power_cut_of_store(void)
{
    struct world w;
    setup(&w, 1);
    put(&w, "a", "1");
    EXPECT_EQ(ERR_OK, disk_flush(w.e, true));
    put(&w, "a", "2");
    put(&w, "b", "2");
    EXPECT(is_durable(&w, "a", "1"));
    engine_close(&w.e);
    disk_store_power_cut(w.store);
    w.e = disk_store_engine(w.store, 1);
    expect_row(&w, "a", "1");
    expect_row(&w, "b", NULL);
    teardown(&w);
}

/* The node is torn down after the cut; nothing of that reaches the medium. */
static void test_power_cut_of_medium(void)
{
    struct world w;
    setup(&w, 1);
    put(&w, "a", "1");
    EXPECT_EQ(ERR_OK, disk_flush(w.e, true));
    put(&w, "a", "2");
    standin_power_cut(w.medium);
    put(&w, "a", "3");
    EXPECT_EQ(ERR_OK, disk_flush(w.e, true));
    close_world(&w);
    open_world(&w);
    expect_row(&w, "a", "1");
    put(&w, "a", "4");
    close_world(&w);
    open_world(&w);
    expect_row(&w, "a", "4");
    teardown(&w);
}

/* Asks for a flush until the row is durable; counts how often it was not yet. */
static unsigned flush_in_background(struct world *w, const char *key, const char *value)
{
    unsigned late = 0;
    while (!is_durable(w, key, value)) {
        const enum err err = disk_flush(w->e, false);
        EXPECT(err == ERR_BUSY || err == ERR_OK);
        late++;
    }
    return late;
}

static void test_flush_in_background(void)
{
    struct world w;
    unsigned late = 0;
    setup(&w, 3);
    for (unsigned i = 0; i < 20; i++) {
        char value[8];
        (void)snprintf(value, sizeof(value), "%u", i);
        put(&w, "a", value);
        late += flush_in_background(&w, "a", value);
        EXPECT_EQ(ERR_OK, disk_flush(w.e, true)); /* the last one may have begun before */
    }
    EXPECT(late > 20); /* one flush is not always enough */
    teardown(&w);
}

static void test_another_number_of_shards(void)
{
    struct world w;
    struct disk_store *store = NULL;
    struct err_why why = {0};
    setup(&w, 1);
    const struct disk_config config = {.shards = 3, .medium = w.medium};
    EXPECT_EQ(ERR_INVALID, disk_store_open(&config, &store, &why));
    EXPECT(strcmp(why.text, "made for 2 shards, not for 3") == 0);
    teardown(&w);
}

static void test_no_medium(void)
{
    struct world w = {.medium = NULL};
    open_world(&w);
    put(&w, "a", "1");
    EXPECT(standin_medium_of(w.store) != NULL);
    close_world(&w);
    open_world(&w);
    expect_row(&w, "a", NULL);
    teardown(&w);
}

static void test_would_wait(void)
{
    struct world w;
    enum err results[1];
    struct record record;
    setup(&w, 1);
    put(&w, "a", "1");
    standin_set_faults(w.medium, &(struct standin_faults){.wait_permille = 1000});
    const struct reader latest = engine_latest(w.e);
    EXPECT_EQ(ERR_WOULD_WAIT, engine_get(&latest, SLICE("a"), ENGINE_NO_WAIT, &w.arena, &record));
    EXPECT_EQ(ERR_OK, engine_get(&latest, SLICE("a"), ENGINE_MAY_WAIT, &w.arena, &record));
    struct lookup l = {.engine = w.e, .key = SLICE("a")};
    engine_get_many(&l, 1, ENGINE_NO_WAIT, &w.arena, results);
    EXPECT_EQ(ERR_WOULD_WAIT, results[0]);
    engine_begin(w.e);
    EXPECT_EQ(ERR_WOULD_WAIT, engine_approach(&l, 1, ENGINE_NO_WAIT));
    EXPECT_EQ(ERR_WOULD_WAIT, engine_find(&l, ENGINE_NO_WAIT, &w.arena));
    EXPECT_EQ(ERR_OK, engine_approach(&l, 1, ENGINE_MAY_WAIT));
    EXPECT_EQ(ERR_OK, engine_find(&l, ENGINE_NO_WAIT, &w.arena)); /* until the commit */
    engine_abort(w.e);
    engine_begin(w.e);
    EXPECT_EQ(ERR_WOULD_WAIT, engine_find(&l, ENGINE_NO_WAIT, &w.arena));
    engine_abort(w.e);
    teardown(&w);
}

static void test_io_errors(void)
{
    struct world w;
    struct record record;
    setup(&w, 1);
    standin_set_faults(w.medium, &(struct standin_faults){.io_permille = 1000});
    const struct reader latest = engine_latest(w.e);
    EXPECT_EQ(ERR_IO, engine_get(&latest, SLICE("a"), ENGINE_MAY_WAIT, &w.arena, &record));
    EXPECT_EQ(ERR_IO, disk_durable_get(w.e, SLICE("a"), &w.arena, &record));
    struct lookup l = {.engine = w.e, .key = SLICE("a")};
    engine_begin(w.e);
    EXPECT_EQ(ERR_IO, engine_approach(&l, 1, ENGINE_MAY_WAIT));
    EXPECT_EQ(ERR_IO, engine_find(&l, ENGINE_MAY_WAIT, &w.arena));
    engine_abort(w.e);
    teardown(&w);
}

/* A commit that is refused keeps its batch. */
static void test_refused_commits(void)
{
    static const struct {
        struct standin_faults faults;
        enum err err;
        enum disk_pressure pressure;
    } cases[] = {
        {{.busy_permille = 1000}, ERR_BUSY, DISK_FINE},
        {{.is_stalled = true}, ERR_BUSY, DISK_STALLED},
        {{.is_full = true}, ERR_NO_SPACE, DISK_FULL},
        {{.is_damaged = true}, ERR_CORRUPT, DISK_DAMAGED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;
        setup(&w, 1);
        EXPECT_EQ(DISK_FINE, disk_pressure(w.store));
        standin_set_faults(w.medium, &cases[i].faults);
        EXPECT_EQ(cases[i].pressure, disk_pressure(w.store));
        const bool can_flush = cases[i].err == ERR_BUSY;
        EXPECT_EQ(can_flush ? ERR_OK : cases[i].err, disk_flush(w.e, true));
        engine_begin(w.e);
        put_in_batch(&w, "a", "1");
        EXPECT_EQ(cases[i].err, commit(&w));
        expect_row(&w, "a", NULL);
        put_in_batch(&w, "b", "1");
        EXPECT_EQ(cases[i].err, commit(&w));
        standin_set_faults(w.medium, &(struct standin_faults){0});
        EXPECT_EQ(ERR_OK, commit(&w));
        expect_row(&w, "a", "1");
        expect_row(&w, "b", "1");
        teardown(&w);
    }
}

/* What cannot be flushed at the close is lost. */
static void test_close_when_full(void)
{
    struct world w;
    setup(&w, 1);
    put(&w, "a", "1");
    standin_set_faults(w.medium, &(struct standin_faults){.is_full = true});
    close_world(&w);
    standin_set_faults(w.medium, &(struct standin_faults){0});
    open_world(&w);
    expect_row(&w, "a", NULL);
    teardown(&w);
}

/* ---- Random: after a cut the state is that of one commit, not older than the last durable one */

enum {
    COUNTERS = 5
};

/* Every commit writes its number to all counters. */
static void count(struct world *w, unsigned number)
{
    char value[16];
    (void)snprintf(value, sizeof(value), "%u", number);
    engine_begin(w->e);
    for (char key[] = "0"; key[0] < '0' + COUNTERS; key[0]++) {
        put_in_batch(w, key, value);
    }
    EXPECT_EQ(ERR_OK, commit(w));
}

/* What a durable counter says; 0: nothing. */
static unsigned durable_number(struct world *w)
{
    struct record record;
    if (disk_durable_get(w->e, SLICE("0"), &w->arena, &record) != ERR_OK) {
        return 0;
    }
    unsigned number = 0;
    for (size_t i = 0; i < record.value.size; i++) {
        number = number * 10 + (record.value.data[i] - (unsigned)'0');
    }
    return number;
}

static void do_something(struct world *w, struct random *random, unsigned *number)
{
    switch (random_below(random, 10)) {
    case 0:
        EXPECT_EQ(ERR_OK, disk_flush(w->e, true));
        EXPECT_EQ(*number, durable_number(w));
        break;
    case 1:
    case 2:
        EXPECT(disk_flush(w->e, false) != ERR_NO_SPACE);
        break;
    default:
        count(w, ++*number);
        break;
    }
}

static void cut_and_compare(struct world *w, unsigned *number)
{
    const unsigned before = durable_number(w);
    standin_power_cut(w->medium);
    close_world(w);
    open_world(w);
    const unsigned after = durable_number(w);
    char value[16];
    EXPECT(after >= before && after <= *number);
    (void)snprintf(value, sizeof(value), "%u", after);
    for (char key[] = "0"; key[0] < '0' + COUNTERS; key[0]++) {
        expect_row(w, key, after == 0 ? NULL : value);
    }
    *number = after;
}

static void test_random_power_cuts(void)
{
    const uint64_t seed = conformance_seed(1);
    (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", seed);
    for (uint64_t round = 0; round < 50; round++) {
        struct world w;
        struct random random = {seed + round};
        unsigned number = 0;
        setup(&w, seed + round);
        standin_set_faults(w.medium, &(struct standin_faults){.flush_permille = 50});
        for (unsigned i = 0; i < 100; i++) {
            do_something(&w, &random, &number);
            if (random_below(&random, 20) == 0) {
                cut_and_compare(&w, &number);
            }
            arena_reset(&w.arena);
        }
        teardown(&w);
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"close_flushes", test_close_flushes},
        {"power_cut_of_store", test_power_cut_of_store},
        {"power_cut_of_medium", test_power_cut_of_medium},
        {"flush_in_background", test_flush_in_background},
        {"another_number_of_shards", test_another_number_of_shards},
        {"no_medium", test_no_medium},
        {"would_wait", test_would_wait},
        {"io_errors", test_io_errors},
        {"refused_commits", test_refused_commits},
        {"close_when_full", test_close_when_full},
        {"random_power_cuts", test_random_power_cuts},
        {"conformance", test_conformance},
        {"random", test_random},
    };
    return test_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
