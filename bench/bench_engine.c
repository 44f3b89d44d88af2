/* bench_engine KEYS [KIND [PART]] - the memory engine: ns per operation, bytes per key, pauses.
 * KIND: string (16-byte key, 64-byte value), counter (16 and 8), set (5 rows of a set); row keys
 * have a prefix of one byte. PART: some, all (views, threads), single (one by one), load, points
 * (get and overwrite in batches of 100, five times), shards (the same over 16 engines). */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"
#include "engine/memory.h"

#define BATCH_MAX   100
#define ENGINES_MAX 16

static const struct slice none = {NULL, 0};

struct bench {
    struct epoch epoch;
    struct epoch_reader *reader;
    struct engine *engines[ENGINES_MAX];
    unsigned engine_count;
    uint64_t keys;
    uint64_t revision;
    struct random random;
    size_t value_size;
    bool is_set;
    uint8_t names[BATCH_MAX][32];
    uint32_t *pauses; /* ns of single puts */
};

static uint64_t clock_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static size_t resident_bytes(void)
{
    char line[128];
    char *end = line;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL);
    const char *text = fgets(line, sizeof(line), f);
    CHECK(text != NULL);
    (void)fclose(f);
    (void)strtoul(text, &end, 10); /* mapped */
    return strtoul(end, NULL, 10) * 4096;
}

static uint64_t mix(uint64_t x)
{
    struct random r = {x};
    return random_next(&r);
}

/* Key number `i`: 16 random bytes, or "set:<8 random bytes>:<member>", behind a prefix byte. */
static struct slice name_of(const struct bench *b, uint64_t i, uint8_t *bytes)
{
    bytes[0] = 1;
    if (b->is_set) {
        const uint64_t set = mix(i / 5 + 1);
        const uint64_t member = mix(i);
        const uint8_t head[] = {'s', 'e', 't', ':'};
        memcpy(bytes + 1, head, sizeof(head));
        memcpy(bytes + 5, &set, 8);
        bytes[13] = ':';
        memcpy(bytes + 14, &member, 8);
        return slice_of(bytes, 22);
    }
    const uint64_t parts[2] = {mix(i + 1), mix(~i)};
    memcpy(bytes + 1, parts, sizeof(parts));
    return slice_of(bytes, 1 + sizeof(parts));
}

static struct lookup lookup_of(const struct bench *b, uint64_t i, uint8_t *bytes)
{
    CHECK(b->engine_count > 0);
    return (struct lookup){.engine = b->engines[i % b->engine_count], .key = name_of(b, i, bytes)};
}

/* As apply does it: find, then write what follows from it. */
static void write_one(struct bench *b, struct lookup *l, bool is_erase)
{
    static const uint8_t value[64] = "value";
    const bool exists = engine_find(l, ENGINE_NO_WAIT, NULL) == ERR_OK;
    const uint64_t revision = ++b->revision;
    if (is_erase) {
        engine_erase(l, revision);
        return;
    }
    const struct record record = {.key = l->key,
                                  .value = slice_of(value, b->value_size),
                                  .mod_revision = revision,
                                  .create_revision = exists ? l->record.create_revision : revision,
                                  .version = exists ? l->record.version + 1 : 1};
    engine_put(l, &record);
}

static void commit(struct bench *b, struct engine *e)
{
    const enum err result = engine_commit(e, b->revision);
    CHECK(result == ERR_OK);
}

static void write_batch(struct bench *b, uint64_t first, size_t count, bool is_random,
                        bool is_erase)
{
    struct lookup lookups[BATCH_MAX];
    for (size_t n = 0; n < count; n++) {
        const uint64_t i = is_random ? random_below(&b->random, b->keys) : first + n;
        lookups[n] = lookup_of(b, i, b->names[n]);
    }
    for (unsigned i = 0; i < b->engine_count; i++) {
        engine_begin(b->engines[i]);
    }
    for (size_t done = 0; done < count; done += ENGINE_BATCH_MAX) {
        const size_t left = count - done;
        const size_t group = left < ENGINE_BATCH_MAX ? left : ENGINE_BATCH_MAX;
        if (count > 1) {
            CHECK(engine_approach(lookups + done, group, ENGINE_NO_WAIT) == ERR_OK);
        }
        for (size_t n = done; n < done + group; n++) {
            write_one(b, &lookups[n], is_erase);
        }
    }
    b->revision++;
    for (unsigned i = 0; i < b->engine_count; i++) {
        commit(b, b->engines[i]);
    }
    epoch_quiet(&b->epoch, b->reader);
}

static struct engine_stats stats_of(const struct bench *b)
{
    struct engine_stats sum = {0};
    for (unsigned i = 0; i < b->engine_count; i++) {
        const struct engine_stats stats = engine_stats(b->engines[i]);
        sum.rows += stats.rows;
        sum.used_bytes += stats.used_bytes;
        sum.waiting += stats.waiting;
    }
    return sum;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a;
    const uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static void report_pauses(struct bench *b)
{
    qsort(b->pauses, b->keys, sizeof(b->pauses[0]), by_number);
    (void)printf("put new, single: p50 %u p99 %u p99.99 %u p99.999 %u max %u ns\n",
                 b->pauses[b->keys / 2], b->pauses[b->keys / 100 * 99],
                 b->pauses[b->keys / 10000 * 9999], b->pauses[b->keys - 1 - b->keys / 100000],
                 b->pauses[b->keys - 1]);
}

static void load(struct bench *b, size_t batch)
{
    const size_t before = resident_bytes();
    const uint64_t start = clock_ns();
    uint64_t last = start;
    for (uint64_t i = 0; i < b->keys; i += batch) {
        write_batch(b, i, batch, false, false);
        if (batch == 1) {
            const uint64_t now = clock_ns();
            b->pauses[i] = (uint32_t)(now - last);
            last = now;
        }
    }
    const double ns = (double)(clock_ns() - start) / (double)b->keys;
    (void)printf("put new, batch %zu: %.0f ns; %.1f bytes a key by RSS, %.1f counted\n", batch, ns,
                 (double)(resident_bytes() - before) / (double)b->keys,
                 (double)stats_of(b).used_bytes / (double)b->keys);
    if (batch == 1) {
        report_pauses(b);
    }
}

static void measure_puts(struct bench *b, size_t batch, uint64_t count)
{
    const uint64_t start = clock_ns();
    for (uint64_t i = 0; i < count; i += batch) {
        write_batch(b, 0, batch, true, false);
    }
    (void)printf("overwrite, batch %zu: %.0f ns\n", batch,
                 (double)(clock_ns() - start) / (double)count);
}

/* Returns how many were found. */
static uint64_t get_some(struct bench *b, struct random *random, uint8_t names[][32], size_t batch)
{
    struct lookup lookups[BATCH_MAX];
    enum err results[BATCH_MAX];
    uint64_t found = 0;
    for (size_t n = 0; n < batch; n++) {
        lookups[n] = lookup_of(b, random_below(random, b->keys), names[n]);
    }
    if (batch == 1) {
        const struct reader latest = engine_latest(lookups[0].engine);
        results[0] = engine_get(&latest, lookups[0].key, ENGINE_NO_WAIT, NULL, &lookups[0].record);
    } else {
        for (size_t done = 0; done < batch; done += ENGINE_BATCH_MAX) {
            const size_t left = batch - done;
            engine_get_many(lookups + done, left < ENGINE_BATCH_MAX ? left : ENGINE_BATCH_MAX,
                            ENGINE_NO_WAIT, NULL, results + done);
        }
    }
    for (size_t n = 0; n < batch; n++) {
        /* as a server does: touch the value */
        found += results[n] == ERR_OK ? 1U + (lookups[n].record.value.data[0] & 0x80U) : 0U;
    }
    return found;
}

static void measure_gets(struct bench *b, size_t batch, uint64_t count)
{
    uint64_t found = 0;
    const uint64_t start = clock_ns();
    for (uint64_t i = 0; i < count; i += batch) {
        found += get_some(b, &b->random, b->names, batch);
        epoch_quiet(&b->epoch, b->reader);
    }
    const double ns = (double)(clock_ns() - start) / (double)count;
    CHECK(found >= count / batch * batch);
    (void)printf("get, batch %zu: %.0f ns\n", batch, ns);
}

static void measure_scan(struct bench *b, bool is_reverse)
{
    struct reader view;
    struct scan s;
    struct record record;
    uint64_t rows = 0;
    uint64_t sum = 0;
    CHECK(view_open(b->engines[0], &view) == ERR_OK);
    scan_open(&s, &view, none, none, is_reverse);
    const uint64_t start = clock_ns();
    while (scan_next(&s, &record) == ERR_OK) {
        rows++;
        sum += record.value.data[0];
    }
    const double seconds = (double)(clock_ns() - start) / 1e9;
    (void)printf("scan %s: %.1f million keys a second (%lu rows, %lu)\n",
                 is_reverse ? "reverse" : "forward", (double)rows / seconds / 1e6,
                 (unsigned long)rows, (unsigned long)(sum & 1));
    scan_close(&s);
    struct random random = {is_reverse ? 8 : 7};
    const uint64_t short_start = clock_ns();
    for (int i = 0; i < 100000; i++) {
        uint8_t name[32];
        scan_open(&s, &view, name_of(b, random_below(&random, b->keys), name), none, is_reverse);
        for (int n = 0; n < 10; n++) {
            sum += scan_next(&s, &record) == ERR_OK ? record.value.data[0] : 0;
        }
        scan_close(&s);
    }
    (void)printf("range of 10: %.2f us (%lu)\n", (double)(clock_ns() - short_start) / 1e8,
                 (unsigned long)(sum & 1));
    view_close(&view);
}

struct scaling {
    struct bench *bench;
    _Atomic bool *stop;
    struct random random;
    uint64_t done;
};

static void *read_thread(void *arg)
{
    struct scaling *s = arg;
    uint8_t(*names)[32] = mem_zero(BATCH_MAX, sizeof(*names));
    struct epoch_reader *reader = epoch_join(&s->bench->epoch);
    while (!atomic_load(s->stop)) {
        (void)get_some(s->bench, &s->random, names, BATCH_MAX);
        epoch_quiet(&s->bench->epoch, reader);
        s->done += BATCH_MAX;
    }
    epoch_leave(reader);
    mem_free(names);
    return NULL;
}

/* `readers` threads read in batches of 100; this thread may overwrite meanwhile. */
static void measure_scaling(struct bench *b, unsigned readers, bool is_writing)
{
    pthread_t threads[4];
    struct scaling work[4];
    _Atomic bool stop = false;
    uint64_t writes = 0;
    uint64_t total = 0;
    for (unsigned i = 0; i < readers; i++) {
        work[i] = (struct scaling){b, &stop, {1000 + i}, 0};
        CHECK(pthread_create(&threads[i], NULL, read_thread, &work[i]) == 0);
    }
    const uint64_t start = clock_ns();
    if (!is_writing) {
        epoch_idle(b->reader);
    }
    while (clock_ns() - start < 1500000000) {
        if (is_writing) {
            write_batch(b, 0, BATCH_MAX, true, false);
            writes += BATCH_MAX;
        } else {
            (void)usleep(10000);
        }
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < readers; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        total += work[i].done;
    }
    const double seconds = (double)(clock_ns() - start) / 1e9;
    (void)printf("%u readers%s: %.2f M get/s, %.2f M put/s\n", readers,
                 is_writing ? " and the writer" : "", (double)total / seconds / 1e6,
                 (double)writes / seconds / 1e6);
    epoch_quiet(&b->epoch, b->reader);
}

static void settle(struct bench *b)
{
    for (int turn = 0; turn < 6; turn++) {
        epoch_quiet(&b->epoch, b->reader);
        for (unsigned i = 0; i < b->engine_count; i++) {
            while (engine_collect(b->engines[i], 1000)) {
            }
        }
    }
}

static void report(struct bench *b, const char *when)
{
    const struct engine_stats stats = stats_of(b);
    (void)printf("%s: %lu rows, %.1f MB counted, %.1f MB resident, %lu waiting\n", when,
                 (unsigned long)stats.rows, (double)stats.used_bytes / 1e6,
                 (double)resident_bytes() / 1e6, (unsigned long)stats.waiting);
}

static void measure_view(struct bench *b)
{
    struct reader view;
    settle(b);
    report(b, "before");
    CHECK(view_open(b->engines[0], &view) == ERR_OK);
    measure_puts(b, BATCH_MAX, 1000000);
    settle(b);
    report(b, "a view held over 1 M overwrites");
    measure_puts(b, BATCH_MAX, 1000000);
    settle(b);
    report(b, "and over 1 M more");
    view_close(&view);
    settle(b);
    report(b, "released");
}

static void measure_erases(struct bench *b, size_t batch)
{
    const uint64_t start = clock_ns();
    for (uint64_t i = 0; i < b->keys; i += batch) {
        write_batch(b, i, batch, false, true);
    }
    (void)printf("erase, batch %zu: %.0f ns\n", batch,
                 (double)(clock_ns() - start) / (double)b->keys);
    settle(b);
    report(b, "after erasing");
}

/* The rows go as those of a dropped table do, 100 at a time. */
static void measure_erase_range(struct bench *b)
{
    const uint64_t start = clock_ns();
    for (bool is_done = false; !is_done;) {
        engine_begin(b->engines[0]);
        is_done = engine_erase_range(b->engines[0], none, none, ++b->revision, BATCH_MAX);
        b->revision++;
        commit(b, b->engines[0]);
        epoch_quiet(&b->epoch, b->reader);
    }
    (void)printf("erase range: %.0f ns a row\n", (double)(clock_ns() - start) / (double)b->keys);
    settle(b);
    report(b, "after erasing the range");
}

/* A cache that is full: a new row comes for each one that goes. */
static void measure_coldest(struct bench *b, uint64_t count)
{
    const uint8_t prefix = 1;
    const uint64_t start = clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        struct record record;
        while (engine_coldest(b->engines[0], slice_of(&prefix, 1), 100, &record) != ERR_OK) {
        }
        struct lookup l = {.engine = b->engines[0], .key = record.key};
        engine_begin(b->engines[0]);
        write_one(b, &l, true);
        b->revision++;
        commit(b, b->engines[0]);
        write_batch(b, b->keys + i, 1, false, false);
    }
    (void)printf("evict one, put one: %.0f ns\n", (double)(clock_ns() - start) / (double)count);
}

static void measure_points(struct bench *b, uint64_t count)
{
    for (int round = 0; round < 5; round++) {
        measure_gets(b, BATCH_MAX, count);
        measure_puts(b, BATCH_MAX, count);
    }
}

static void measure_all(struct bench *b, const char *part, uint64_t count)
{
    static const size_t batches[] = {1, 16, 100};
    for (size_t i = 0; i < 3; i++) {
        measure_gets(b, batches[i], count / batches[i] * batches[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        measure_puts(b, batches[i], count / batches[i] * batches[i]);
    }
    measure_scan(b, false);
    measure_scan(b, true);
    if (strcmp(part, "all") == 0) {
        measure_view(b);
        for (unsigned readers = 1; readers <= 3; readers++) {
            measure_scaling(b, readers, false);
            measure_scaling(b, readers, true);
        }
    }
    const size_t batch = strcmp(part, "single") == 0 ? 1 : 16;
    measure_erases(b, strcmp(part, "single") == 0 ? 1 : BATCH_MAX);
    load(b, batch);
    measure_erases(b, batch);
    load(b, BATCH_MAX);
    measure_coldest(b, b->keys / 4);
    measure_erase_range(b);
}

int main(int argc, char **argv)
{
    struct bench *b = aligned_alloc(64, (sizeof(*b) + 63) / 64 * 64);
    CHECK(b != NULL);
    memset(b, 0, sizeof(*b));
    b->keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    const char *kind = argc > 2 ? argv[2] : "string";
    const char *part = argc > 3 ? argv[3] : "some";
    b->value_size = strcmp(kind, "string") == 0 ? 64 : strcmp(kind, "counter") == 0 ? 8 : 0;
    b->is_set = strcmp(kind, "set") == 0;
    b->engine_count = strcmp(part, "shards") == 0 ? ENGINES_MAX : 1;
    b->pauses = mem_alloc(b->keys * sizeof(b->pauses[0]));
    memset(b->pauses, 1, b->keys * sizeof(b->pauses[0]));
    epoch_init(&b->epoch);
    b->reader = epoch_join(&b->epoch);
    const size_t before = resident_bytes();
    for (unsigned i = 0; i < b->engine_count; i++) {
        b->engines[i] = memory_open(&b->epoch, 0);
    }
    (void)printf("empty: %.1f KiB an engine\n",
                 (double)(resident_bytes() - before) / 1024 / b->engine_count);
    load(b, strcmp(part, "single") == 0 ? 1 : BATCH_MAX);
    const uint64_t count = b->keys < 1000000 ? 2000000 : 3000000;
    if (strcmp(part, "points") == 0 || b->engine_count > 1) {
        measure_points(b, count);
    } else if (strcmp(part, "load") != 0 && b->value_size > 0) {
        measure_all(b, part, count);
    }
    settle(b);
    for (unsigned i = 0; i < b->engine_count; i++) {
        engine_close(&b->engines[i]);
    }
    mem_free(b->pauses);
    free(b);
    return 0;
}
