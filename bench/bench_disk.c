/* bench_disk FOLDER [KEYS] - the disk engine, one thread: how long an empty start takes, a put in
 * batches of 100, a hot get, a get from the block cache, many gets, a restart. FOLDER is made and
 * should not exist; keys have 20 bytes and values 100. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/random.h"
#include "engine/disk_store.h"

#define SHARDS      16
#define BATCH       100
#define VALUE_BYTES 100
#define MIB         ((size_t)1 << 20)
#define KEYS        2000000
#define HOT_KEYS    1000
#define WARM_KEYS   20000
#define READS       1000000

struct bench {
    struct disk_config config;
    struct disk_store *store;
    struct engine *engines[SHARDS];
    struct arena arena;
    uint64_t keys;
};

struct key {
    char text[24];
};

struct moment {
    uint64_t wall_ns, process_ns;
};

static uint64_t clock_of(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct moment now(void)
{
    return (struct moment){clock_of(CLOCK_MONOTONIC), clock_of(CLOCK_PROCESS_CPUTIME_ID)};
}

static void say(const char *what, struct moment begin, uint64_t count)
{
    const struct moment end = now();
    (void)printf("%-34s %8.3f us   process CPU %8.3f us\n", what,
                 (double)(end.wall_ns - begin.wall_ns) / 1e3 / (double)count,
                 (double)(end.process_ns - begin.process_ns) / 1e3 / (double)count);
}

static void say_memory(const char *what)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f != NULL && fscanf(f, "%*d %ld", &pages) == 1) { /* NOLINT(cert-err34-c): the kernel's */
        (void)printf("%-34s %8.1f MiB\n", what,
                     (double)pages * (double)sysconf(_SC_PAGESIZE) / (double)MIB);
    }
    if (f != NULL) {
        (void)fclose(f);
    }
}

/* In random order, as hashes are. */
static struct slice key_of(struct key *key, uint64_t number)
{
    struct random random = {number};
    (void)snprintf(key->text, sizeof(key->text), "kv00%016llx",
                   (unsigned long long)random_next(&random));
    return slice_of(key->text, 20);
}

static struct engine *engine_of(struct bench *b, uint64_t number)
{
    return b->engines[number % SHARDS];
}

static void open_store(struct bench *b)
{
    struct err_why why;
    if (disk_store_open(&b->config, &b->store, &why) != ERR_OK) {
        fatal("%s", why.text);
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        b->engines[i] = disk_store_engine(b->store, i + 1);
    }
}

static void close_store(struct bench *b)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        engine_close(&b->engines[i]);
    }
    disk_store_close(&b->store);
}

/* ---- Writing ---- */

static void commit(struct engine *e)
{
    enum err err;
    do {
        err = engine_commit(e, engine_applied(e) + 1);
    } while (err == ERR_BUSY);
    CHECK(err == ERR_OK);
}

/* Looks `count` keys up together, then writes them, and commits. */
static void put_batch(struct bench *b, const uint64_t *numbers, size_t count)
{
    static const uint8_t value[VALUE_BYTES] = {1};
    struct lookup lookups[BATCH];
    struct key keys[BATCH];
    struct engine *e = engine_of(b, numbers[0]);
    for (size_t i = 0; i < count; i++) {
        lookups[i] = (struct lookup){.engine = e, .key = key_of(&keys[i], numbers[i])};
    }
    engine_begin(e);
    for (size_t i = 0; i < count; i += ENGINE_BATCH_MAX) {
        const size_t rest = count - i;
        CHECK(engine_approach(lookups + i, rest < ENGINE_BATCH_MAX ? rest : ENGINE_BATCH_MAX,
                              ENGINE_MAY_WAIT) == ERR_OK);
    }
    for (size_t i = 0; i < count; i++) {
        const enum err err = engine_find(&lookups[i], ENGINE_MAY_WAIT, &b->arena);
        CHECK(err == ERR_OK || err == ERR_NOT_FOUND);
        engine_put(&lookups[i], &(struct record){.key = lookups[i].key,
                                                 .value = slice_of(value, VALUE_BYTES),
                                                 .mod_revision = engine_applied(e) + 1,
                                                 .version = 1});
    }
    commit(e);
    arena_reset(&b->arena);
}

static void bench_put(struct bench *b, const char *what, uint64_t among)
{
    uint64_t numbers[BATCH];
    const struct moment begin = now();
    uint64_t done = 0;
    for (uint64_t first = 0; first + (uint64_t)SHARDS * BATCH <= among;
         first += (uint64_t)SHARDS * BATCH) {
        for (uint64_t shard = 0; shard < SHARDS; shard++) {
            for (uint64_t i = 0; i < BATCH; i++) {
                numbers[i] = first + i * SHARDS + shard;
            }
            put_batch(b, numbers, BATCH);
            done += BATCH;
        }
    }
    say(what, begin, done);
}

/* ---- Reading ---- */

static void bench_get(struct bench *b, const char *what, uint64_t among, enum engine_wait wait)
{
    struct random random = {1};
    struct record record;
    struct key key;
    const uint64_t stride = b->keys / among;
    for (uint64_t i = 0; i < among; i++) { /* warm */
        const struct reader latest = engine_latest(engine_of(b, i * stride));
        CHECK(engine_get(&latest, key_of(&key, i * stride), ENGINE_MAY_WAIT, &b->arena, &record) ==
              ERR_OK);
        arena_reset(&b->arena);
    }
    const struct moment begin = now();
    uint64_t waits = 0;
    for (uint64_t i = 0; i < READS; i++) {
        const uint64_t number = random_below(&random, among) * stride;
        const struct reader latest = engine_latest(engine_of(b, number));
        waits += engine_get(&latest, key_of(&key, number), wait, &b->arena, &record) != ERR_OK;
        arena_reset(&b->arena);
    }
    say(what, begin, READS);
    if (waits > 0) {
        (void)printf("   %llu would have waited\n", (unsigned long long)waits);
    }
}

/* Each key of a range of numbers once, one engine after the other. */
static void bench_get_many(struct bench *b, const char *what, uint64_t among, enum engine_wait wait)
{
    struct lookup lookups[ENGINE_BATCH_MAX];
    struct key keys[ENGINE_BATCH_MAX];
    enum err results[ENGINE_BATCH_MAX];
    const struct moment begin = now();
    uint64_t done = 0;
    for (uint64_t shard = 0; shard < SHARDS; shard++) {
        size_t count = 0;
        for (uint64_t number = shard; number < among; number += SHARDS) {
            lookups[count] =
                (struct lookup){.engine = b->engines[shard], .key = key_of(&keys[count], number)};
            if (++count == ENGINE_BATCH_MAX) {
                engine_get_many(lookups, count, wait, &b->arena, results);
                arena_reset(&b->arena);
                done += count;
                count = 0;
            }
        }
    }
    say(what, begin, done);
}

static void bench_scan(struct bench *b)
{
    struct scan s = {0};
    struct record record;
    uint64_t rows = 0;
    const struct moment begin = now();
    for (unsigned i = 0; i < SHARDS; i++) {
        const struct reader latest = engine_latest(b->engines[i]);
        scan_open(&s, &latest, (struct slice){0}, (struct slice){0}, false);
        while (scan_next(&s, &record) == ERR_OK) {
            rows++;
        }
        scan_close(&s);
    }
    say("scan, a row", begin, rows);
}

static void reopen(struct bench *b, size_t record_bytes)
{
    close_store(b);
    b->config.record_bytes = record_bytes;
    const struct moment begin = now();
    open_store(b);
    say("open again", begin, 1);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "usage: bench_disk FOLDER [KEYS]\n");
        return 2;
    }
    struct bench b = {.keys = argc > 2 ? strtoull(argv[2], NULL, 10) : KEYS};
    b.config = (struct disk_config){.path = argv[1],
                                    .shards = SHARDS,
                                    .cache_bytes = 160 * MIB,
                                    .write_bytes = 64 * MIB,
                                    .record_bytes = 64 * MIB,
                                    .jobs = 2};
    b.keys -= b.keys % ((uint64_t)SHARDS * BATCH);
    say_memory("memory before");
    struct moment begin = now();
    open_store(&b);
    say("open an empty folder", begin, 1);
    say_memory("memory, empty");
    bench_put(&b, "put new keys, batches of 100", b.keys);
    bench_put(&b, "overwrite some of them", b.keys / 10);
    begin = now();
    for (unsigned i = 0; i < SHARDS; i++) {
        CHECK(disk_flush(b.engines[i], true) == ERR_OK);
    }
    say("flush all", begin, 1);
    say_memory("memory, loaded");
    bench_get(&b, "hot get (record cache)", HOT_KEYS, ENGINE_NO_WAIT);
    bench_get(&b, "warm get (record cache, 20,000)", WARM_KEYS, ENGINE_NO_WAIT);
    reopen(&b, 0);
    bench_get_many(&b, "cold get_many (page cache)", b.keys, ENGINE_MAY_WAIT);
    bench_get(&b, "block-cache get, 20,000 keys", WARM_KEYS, ENGINE_MAY_WAIT);
    bench_get(&b, "the same, no wait", WARM_KEYS, ENGINE_NO_WAIT);
    bench_get(&b, "block-cache get, 1,000 keys", HOT_KEYS, ENGINE_NO_WAIT);
    bench_get_many(&b, "get_many, 100,000, once", 100000, ENGINE_MAY_WAIT);
    bench_get_many(&b, "get_many, 100,000, again", 100000, ENGINE_MAY_WAIT);
    bench_get_many(&b, "get_many, 100,000, no wait", 100000, ENGINE_NO_WAIT);
    bench_scan(&b);
    say_memory("memory at the end");
    close_store(&b);
    arena_deinit(&b.arena);
    return 0;
}
