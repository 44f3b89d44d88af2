#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "base/random.h"
#include "engine/disk/record_cache.h"
#include "harness.h"

struct world {
    struct record_cache *cache;
    struct arena arena;
};

static struct world world_of(size_t bytes, unsigned parts)
{
    return (struct world){.cache = record_cache_new(bytes, parts, 7)};
}

static void end(struct world *w)
{
    record_cache_free(&w->cache);
    EXPECT(w->cache == NULL);
    arena_deinit(&w->arena);
}

static struct cache_key key_in(const struct world *w, unsigned part, const char *text)
{
    const struct slice key = slice_of_text(text);
    return (struct cache_key){key, record_cache_hash(w->cache, key), part};
}

static struct cache_key key_of(const struct world *w, const char *text)
{
    return key_in(w, 0, text);
}

static bool find(struct record_cache *cache, const struct cache_key *k, struct arena *arena,
                 struct slice *row, uint64_t *ticket)
{
    record_cache_lock(cache, k->part);
    record_cache_approach(cache, k);
    const bool is_known = record_cache_find(cache, k, arena, row, ticket);
    record_cache_unlock(cache, k->part);
    return is_known;
}

/* Reads as a reader does that finds `row` in the store. */
static void fill(struct world *w, const struct cache_key *k, struct slice row)
{
    struct slice found;
    uint64_t ticket = 0;
    if (!find(w->cache, k, &w->arena, &found, &ticket)) {
        record_cache_fill(w->cache, k, row, ticket);
    }
}

/* The row that is there, or nothing. */
static struct slice cached(struct world *w, const struct cache_key *k)
{
    struct slice row = {0};
    uint64_t ticket = 0;
    (void)find(w->cache, k, &w->arena, &row, &ticket);
    return row;
}

static bool is_known(struct world *w, const struct cache_key *k)
{
    struct slice row = {0};
    uint64_t ticket = 0;
    return find(w->cache, k, &w->arena, &row, &ticket);
}

static void publish(struct world *w, const struct cache_key *k, struct slice row)
{
    record_cache_lock(w->cache, k->part);
    record_cache_publish(w->cache, k, row, false);
    record_cache_unlock(w->cache, k->part);
    record_cache_trim(w->cache, k->part);
}

/* Gives what a part owes to nobody. Returns how many rows that were. */
static size_t give(struct world *w, unsigned part, bool is_written)
{
    size_t count = 0;
    mem_free(record_cache_take(w->cache, part, &count));
    record_cache_given(w->cache, part, is_written);
    return count;
}

static void test_fill_and_find(void)
{
    struct world w = world_of(1 << 20, 2);
    const struct cache_key k = key_of(&w, "k");
    const struct cache_key same_key = key_in(&w, 1, "k");
    EXPECT(cached(&w, &k).data == NULL);
    fill(&w, &k, SLICE("row"));
    EXPECT(slice_equal(cached(&w, &k), SLICE("row")));
    EXPECT(cached(&w, &same_key).data == NULL);
    const struct cache_stats stats = record_cache_stats(w.cache, 0);
    EXPECT_EQ(1, stats.hits);
    EXPECT_EQ(2, stats.misses);
    EXPECT(stats.bytes > 4);
    EXPECT_EQ(0, record_cache_stats(w.cache, 1).bytes);
    end(&w);
}

/* Zeros of this size have a hash of their own, and each byte counts. */
static void expect_own_hash(const struct record_cache *cache, size_t size)
{
    uint8_t bytes[40] = {0};
    const uint64_t hash = record_cache_hash(cache, slice_of(bytes, size));
    EXPECT(hash != record_cache_hash(cache, slice_of(bytes, size - 1)));
    for (size_t i = 0; i < size; i++) {
        bytes[i] = 1;
        EXPECT(hash != record_cache_hash(cache, slice_of(bytes, size)));
        bytes[i] = 0;
    }
}

static void test_hash_sees_every_byte(void)
{
    struct world w = world_of(0, 1);
    for (size_t size = 1; size <= 40; size++) {
        expect_own_hash(w.cache, size);
    }
    end(&w);
}

static void test_publish_replaces(void)
{
    static const char *const rows[] = {"one", "another", "a much longer row than the others were",
                                       "x"};
    struct world w = world_of(1 << 20, 1);
    const struct cache_key k = key_of(&w, "k");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        publish(&w, &k, slice_of_text(rows[i]));
        EXPECT(slice_equal(cached(&w, &k), slice_of_text(rows[i])));
        EXPECT_EQ(i % 2,
                  i % 2 == 0 ? 0 : give(&w, 0, true)); /* owed once, however often it changed */
        EXPECT(slice_equal(cached(&w, &k), slice_of_text(rows[i])));
    }
    publish(&w, &k, (struct slice){0});
    EXPECT(is_known(&w, &k));
    EXPECT(cached(&w, &k).data == NULL);
    EXPECT_EQ(1, give(&w, 0, true));
    EXPECT(!is_known(&w, &k));
    EXPECT_EQ(0, record_cache_stats(w.cache, 0).bytes);
    EXPECT_EQ(0, record_cache_owed(w.cache, 0));
    end(&w);
}

/* What is owed is taken in order, and found whatever happens meanwhile. */
static void test_taken_rows(void)
{
    struct world w = world_of(1 << 20, 1);
    const struct cache_key a = key_of(&w, "a");
    const struct cache_key b = key_of(&w, "b");
    const struct cache_key c = key_of(&w, "c");
    size_t count = 0;
    EXPECT(record_cache_take(w.cache, 0, &count) == NULL);
    record_cache_given(w.cache, 0, true);
    publish(&w, &c, (struct slice){0});
    publish(&w, &b, SLICE("1"));
    publish(&w, &a, SLICE("1"));
    struct owed_row *rows = record_cache_take(w.cache, 0, &count);
    EXPECT_EQ(3, count);
    publish(&w, &a, SLICE("2")); /* the bytes that were taken do not change */
    publish(&w, &a, SLICE("3"));
    EXPECT(slice_equal(rows[0].key, SLICE("a")) && slice_equal(rows[0].row, SLICE("1")));
    EXPECT(slice_equal(rows[1].key, SLICE("b")) && slice_equal(rows[1].row, SLICE("1")));
    EXPECT(slice_equal(rows[2].key, SLICE("c")) && rows[2].row.data == NULL);
    EXPECT(slice_equal(cached(&w, &a), SLICE("3")));
    EXPECT(slice_equal(cached(&w, &b), SLICE("1")));
    EXPECT(is_known(&w, &c));
    record_cache_given(w.cache, 0, false);
    mem_free(rows);
    EXPECT(slice_equal(cached(&w, &a), SLICE("3")));
    rows = record_cache_take(w.cache, 0, &count);
    EXPECT_EQ(3, count); /* all are owed still */
    EXPECT(slice_equal(rows[0].row, SLICE("3")));
    publish(&w, &b, SLICE("2"));
    record_cache_given(w.cache, 0, true);
    mem_free(rows);
    EXPECT(!is_known(&w, &c));
    EXPECT_EQ(1, give(&w, 0, true)); /* b changed while it was given */
    EXPECT(slice_equal(cached(&w, &b), SLICE("2")));
    EXPECT_EQ(0, record_cache_owed(w.cache, 0));
    end(&w);
}

static void test_unseen_rows(void)
{
    struct world w = world_of(1 << 20, 1);
    const struct cache_key seen = key_of(&w, "seen");
    const struct cache_key unseen = key_of(&w, "unseen");
    record_cache_lock(w.cache, 0);
    record_cache_publish(w.cache, &seen, SLICE("row"), true);
    record_cache_publish(w.cache, &unseen, SLICE("row"), true);
    record_cache_unlock(w.cache, 0);
    EXPECT(is_known(&w, &seen));
    EXPECT_EQ(2, give(&w, 0, true));
    EXPECT(is_known(&w, &seen));
    EXPECT(!is_known(&w, &unseen));
    end(&w);
}

static void test_copy_of_what_is_owed(void)
{
    struct world w = world_of(1 << 20, 1);
    const struct cache_key a = key_of(&w, "a");
    const struct cache_key b = key_of(&w, "b");
    const struct cache_key read = key_of(&w, "read");
    size_t count = 0;
    fill(&w, &read, SLICE("row"));
    publish(&w, &b, SLICE("1"));
    publish(&w, &a, (struct slice){0});
    record_cache_lock(w.cache, 0);
    const struct owed_row *rows = record_cache_copy_owed(w.cache, 0, &w.arena, &count);
    record_cache_unlock(w.cache, 0);
    publish(&w, &b, SLICE("2"));
    EXPECT_EQ(2, count);
    EXPECT(slice_equal(rows[0].key, SLICE("a")) && rows[0].row.data == NULL);
    EXPECT(slice_equal(rows[1].key, SLICE("b")) && slice_equal(rows[1].row, SLICE("1")));
    end(&w);
}

/* A change by another way than owing. */
static void test_change(void)
{
    struct world w = world_of(1 << 20, 1);
    const struct cache_key k = key_of(&w, "k");
    struct slice row;
    uint64_t ticket = 0;
    EXPECT(!find(w.cache, &k, &w.arena, &row, &ticket));
    record_cache_lock(w.cache, 0);
    record_cache_change(w.cache, &k);
    EXPECT(!record_cache_is_fresh(w.cache, &k, ticket));
    record_cache_changed(w.cache, &k, SLICE("new"));
    record_cache_unlock(w.cache, 0);
    record_cache_fill(w.cache, &k, SLICE("old"), ticket);
    EXPECT(slice_equal(cached(&w, &k), SLICE("new")));
    EXPECT_EQ(0, record_cache_owed(w.cache, 0));
    record_cache_lock(w.cache, 0);
    record_cache_change(w.cache, &k);
    record_cache_changed(w.cache, &k, (struct slice){0});
    record_cache_unlock(w.cache, 0);
    EXPECT(!is_known(&w, &k));
    end(&w);
}

/* Each of the moments at which a reader may have begun. */
static void test_stale_fill(void)
{
    struct world w = world_of(1 << 20, 1);
    const struct cache_key k = key_of(&w, "k");
    struct slice row;
    uint64_t before = 0;
    uint64_t after = 0;
    EXPECT(!find(w.cache, &k, &w.arena, &row, &before));
    EXPECT(record_cache_is_fresh(w.cache, &k, before));
    publish(&w, &k, (struct slice){0});
    EXPECT(!record_cache_is_fresh(w.cache, &k, before));
    record_cache_fill(w.cache, &k, SLICE("old"), before);
    EXPECT(cached(&w, &k).data == NULL);
    EXPECT_EQ(1, give(&w, 0, true));
    record_cache_fill(w.cache, &k, SLICE("old"), before);
    EXPECT(!find(w.cache, &k, &w.arena, &row, &after));
    record_cache_fill(w.cache, &k, SLICE("new"), after);
    record_cache_fill(w.cache, &k, SLICE("new"), after); /* another reader, as late */
    EXPECT(slice_equal(cached(&w, &k), SLICE("new")));
    end(&w);
}

static void erase_range(struct world *w, const char *from, const char *to)
{
    record_cache_lock(w->cache, 0);
    record_cache_erase_range(w->cache, 0, slice_of_text(from), slice_of_text(to));
    record_cache_unlock(w->cache, 0);
}

static void test_erased_ranges(void)
{
    struct world w = world_of(1 << 20, 1);
    const struct cache_key in = key_of(&w, "b1");
    const struct cache_key out = key_of(&w, "c");
    struct slice row;
    uint64_t ticket = 0;
    fill(&w, &in, SLICE("in"));
    fill(&w, &out, SLICE("out"));
    const struct cache_key other = key_of(&w, "b2");
    EXPECT(!find(w.cache, &other, &w.arena, &row, &ticket));
    erase_range(&w, "b", "c");
    record_cache_fill(w.cache, &other, SLICE("stale"), ticket);
    EXPECT(cached(&w, &other).data == NULL);
    EXPECT(cached(&w, &in).data == NULL);
    EXPECT(slice_equal(cached(&w, &out), SLICE("out")));
    fill(&w, &in, SLICE("again"));
    EXPECT(slice_equal(cached(&w, &in), SLICE("again")));
    end(&w);
}

/* More ranges than are noted. */
static void test_many_ranges(void)
{
    struct world w = world_of(1 << 20, 1);
    char keys[200][8];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%03d", i);
        const struct cache_key k = key_of(&w, keys[i]);
        fill(&w, &k, SLICE("row"));
    }
    for (int i = 0; i + 1 < 200; i += 2) {
        erase_range(&w, keys[i], keys[i + 1]);
    }
    for (int i = 0; i < 200; i++) {
        const struct cache_key k = key_of(&w, keys[i]);
        EXPECT_EQ(i % 2 == 1, cached(&w, &k).data != NULL);
    }
    end(&w);
}

static uint64_t all_bytes(struct world *w, unsigned parts)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < parts; i++) {
        bytes += record_cache_stats(w->cache, i).bytes;
    }
    return bytes;
}

static void test_budget(void)
{
    enum {
        BUDGET = 1 << 18
    };
    struct world w = world_of(BUDGET, 4);
    char text[16];
    uint8_t row[300] = {0};
    for (unsigned i = 0; i < 20000; i++) {
        (void)snprintf(text, sizeof(text), "key%u", i);
        const struct cache_key k = key_in(&w, i < 10000 ? 0 : 1 + i % 3, text);
        fill(&w, &k, slice_of(row, i % sizeof(row)));
        EXPECT(all_bytes(&w, 4) <= BUDGET);
        arena_reset(&w.arena);
    }
    EXPECT(all_bytes(&w, 4) > BUDGET / 2);
    /* Those that came later got their share from the first. */
    for (unsigned part = 0; part < 4; part++) {
        EXPECT(record_cache_stats(w.cache, part).bytes > BUDGET / 8);
    }
    end(&w);
}

static void test_what_is_not_kept(void)
{
    struct world w = world_of(1 << 20, 1);
    uint8_t large[RECORD_CACHE_ROW_MAX] = {0};
    const struct cache_key k = key_of(&w, "k");
    fill(&w, &k, slice_of(large, sizeof(large)));
    EXPECT(cached(&w, &k).data == NULL);
    fill(&w, &k, slice_of(large, sizeof(large) - 1));
    EXPECT_EQ(sizeof(large) - 1, cached(&w, &k).size);
    publish(&w, &k, slice_of(large, sizeof(large)));
    EXPECT_EQ(sizeof(large), cached(&w, &k).size); /* while it is owed */
    EXPECT_EQ(1, give(&w, 0, true));
    EXPECT(cached(&w, &k).data == NULL);
    end(&w);

    struct world none = world_of(0, 1);
    fill(&none, &k, SLICE("row"));
    EXPECT(cached(&none, &k).data == NULL);
    publish(&none, &k, SLICE("row"));
    EXPECT(slice_equal(cached(&none, &k), SLICE("row")));
    EXPECT_EQ(1, give(&none, 0, true));
    EXPECT(cached(&none, &k).data == NULL);
    end(&none);
}

/* What is read again and again stays while many others pass through. */
static void test_scan_resistance(void)
{
    struct world w = world_of(1 << 18, 1);
    char text[16];
    unsigned hits = 0;
    for (unsigned i = 0; i < 50000; i++) {
        (void)snprintf(text, sizeof(text), "hot%u", i % 100);
        const struct cache_key hot = key_of(&w, text);
        hits += cached(&w, &hot).data != NULL ? 1 : 0;
        fill(&w, &hot, SLICE("row"));
        (void)snprintf(text, sizeof(text), "cold%u", i);
        const struct cache_key cold = key_of(&w, text);
        fill(&w, &cold, SLICE("row"));
        arena_reset(&w.arena);
    }
    EXPECT(hits > 49000);
    end(&w);
}

/* ---- Threads: a store of numbers that only grow, and a cache in front of it that owes it ---- */

enum {
    RACE_KEYS = 8,
    RACE_READERS = 3,
    RACE_STEPS = 20000,
};

struct race {
    struct world world;
    char texts[RACE_KEYS][8];
    _Atomic uint64_t store[RACE_KEYS]; /* 0: absent */
    atomic_bool is_over;
};

static uint64_t number_of(struct slice row)
{
    uint64_t number = 0;
    if (row.data != NULL) {
        EXPECT_EQ(sizeof(number), row.size);
        memcpy(&number, row.data, sizeof(number));
    }
    return number;
}

static void *read_in_race(void *arg)
{
    struct race *r = arg;
    struct arena arena = {0};
    struct random random = {(uint64_t)(uintptr_t)&arena};
    uint64_t newest[RACE_KEYS] = {0};
    while (!atomic_load(&r->is_over)) {
        const size_t i = random_below(&random, RACE_KEYS);
        const struct cache_key k = key_of(&r->world, r->texts[i]);
        struct slice row = {0};
        uint64_t ticket = 0;
        uint64_t number = 0;
        if (find(r->world.cache, &k, &arena, &row, &ticket)) {
            number = number_of(row);
        } else {
            number = atomic_load(&r->store[i]);
            record_cache_fill(r->world.cache, &k, slice_of(&number, sizeof(number)), ticket);
        }
        EXPECT(number >= newest[i]);
        newest[i] = number;
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    return NULL;
}

/* The keeper: some of its writes fail. */
static void *give_in_race(void *arg)
{
    struct race *r = arg;
    for (uint64_t turn = 0; !atomic_load(&r->is_over); turn++) {
        size_t count = 0;
        struct owed_row *rows = record_cache_take(r->world.cache, 0, &count);
        const bool is_written = turn % 3 != 0;
        for (size_t i = 0; i < count && is_written; i++) {
            EXPECT(i == 0 || slice_compare(rows[i - 1].key, rows[i].key) < 0);
            atomic_store(&r->store[rows[i].key.data[1] - '0'], number_of(rows[i].row));
        }
        record_cache_given(r->world.cache, 0, is_written);
        mem_free(rows);
    }
    return NULL;
}

static void test_race(void)
{
    struct race r = {.world = world_of(2000, 1)}; /* rows are evicted as soon as nothing is owed */
    pthread_t threads[RACE_READERS + 1];
    struct random random = {1};
    for (int i = 0; i < RACE_KEYS; i++) {
        (void)snprintf(r.texts[i], sizeof(r.texts[i]), "k%d", i);
    }
    for (int i = 0; i <= RACE_READERS; i++) {
        EXPECT_EQ(0, pthread_create(&threads[i], NULL, i == 0 ? give_in_race : read_in_race, &r));
    }
    for (uint64_t step = 1; step <= RACE_STEPS; step++) {
        const size_t i = random_below(&random, RACE_KEYS);
        const struct cache_key k = key_of(&r.world, r.texts[i]);
        publish(&r.world, &k, slice_of(&step, sizeof(step)));
        struct slice row = {0};
        uint64_t ticket = 0;
        if (find(r.world.cache, &k, &r.world.arena, &row, &ticket)) {
            EXPECT_EQ(step, number_of(row));
        } else {
            EXPECT_EQ(step, atomic_load(&r.store[i]));
        }
        arena_reset(&r.world.arena);
    }
    atomic_store(&r.is_over, true);
    for (int i = 0; i <= RACE_READERS; i++) {
        EXPECT_EQ(0, pthread_join(threads[i], NULL));
    }
    end(&r.world);
}

int main(int argc, char **argv)
{
    const struct test_case cases[] = {
        {"fill_and_find", test_fill_and_find},
        {"hash_sees_every_byte", test_hash_sees_every_byte},
        {"publish_replaces", test_publish_replaces},
        {"taken_rows", test_taken_rows},
        {"unseen_rows", test_unseen_rows},
        {"copy_of_what_is_owed", test_copy_of_what_is_owed},
        {"change", test_change},
        {"stale_fill", test_stale_fill},
        {"erased_ranges", test_erased_ranges},
        {"many_ranges", test_many_ranges},
        {"budget", test_budget},
        {"what_is_not_kept", test_what_is_not_kept},
        {"scan_resistance", test_scan_resistance},
        {"race", test_race},
    };
    return test_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
