/* The disk engine: the suite for all engines, and what only a disk can do. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/random.h"
#include "engine/disk_store.h"
#include "harness.h"
#include "unit/disk_folder.h"
#include "unit/engine_conformance.h"

#define MIB ((size_t)1 << 20)

/* The thread sanitizer asks for it: it sees RocksDB's copies, but not the atomics that order them.
 */
const char *__tsan_default_options(void); /* NOLINT(readability-identifier-naming) */
const char *__tsan_default_options(void)  /* NOLINT(readability-identifier-naming) */
{
    return "ignore_noninstrumented_modules=1";
}

static struct disk_config config_of(const struct folder *f)
{
    return (struct disk_config){.path = f->path,
                                .shards = 2,
                                .cache_bytes = 8 * MIB,
                                .write_bytes = 4 * MIB,
                                .record_bytes = MIB,
                                .jobs = 2};
}

/* ---- The suite ---- */

struct storage {
    struct folder folder;
    struct disk_config config;
    struct disk_store *store;
};

static void open_store(struct storage *s, struct engine **engines)
{
    struct err_why why = {0};
    EXPECT_EQ(ERR_OK, disk_store_open(&s->config, &s->store, &why));
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
    const size_t record_bytes = s->config.record_bytes;
    s->folder = folder_new();
    s->config = config_of(&s->folder);
    s->config.record_bytes = record_bytes;
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
    folder_remove(&s->folder);
}

static struct engine_factory factory_of(struct storage *s, size_t record_bytes)
{
    *s = (struct storage){.config.record_bytes = record_bytes};
    return (struct engine_factory){
        .arg = s, .open = open_engines, .reopen = reopen_engines, .close = close_engines};
}

static void test_conformance(void)
{
    struct storage storage;
    const struct engine_factory f = factory_of(&storage, MIB);
    engine_conformance(&f);
}

static void test_conformance_uncached(void)
{
    struct storage storage;
    const struct engine_factory f = factory_of(&storage, 0);
    engine_conformance(&f);
}

static void test_random(void)
{
    struct storage storage;
    const struct engine_factory f = factory_of(&storage, 4096); /* evicts all the time */
    engine_conformance_random(&f, conformance_seed(20), 1500);
}

/* ---- One store, by hand ---- */

struct world {
    struct folder folder;
    struct disk_config config;
    struct disk_store *store;
    struct engine *e; /* of group 1 */
    struct arena arena;
};

static void reopen(struct world *w)
{
    struct err_why why = {0};
    engine_close(&w->e);
    disk_store_close(&w->store);
    EXPECT_EQ(ERR_OK, disk_store_open(&w->config, &w->store, &why));
    w->e = disk_store_engine(w->store, 1);
}

static void setup(struct world *w)
{
    *w = (struct world){.folder = folder_new()};
    w->config = config_of(&w->folder);
    reopen(w);
}

static void teardown(struct world *w)
{
    engine_close(&w->e);
    disk_store_close(&w->store);
    arena_deinit(&w->arena);
    folder_remove(&w->folder);
}

static void put_in_batch(struct world *w, const char *key, struct slice value)
{
    struct lookup l = {.engine = w->e, .key = slice_of_text(key)};
    const enum err err = engine_find(&l, ENGINE_MAY_WAIT, &w->arena);
    EXPECT(err == ERR_OK || err == ERR_NOT_FOUND);
    engine_put(&l, &(struct record){.key = l.key,
                                    .value = value,
                                    .mod_revision = engine_applied(w->e) + 1,
                                    .version = 1});
}

static void erase_in_batch(struct world *w, struct slice key)
{
    struct lookup l = {.engine = w->e, .key = key};
    EXPECT_EQ(ERR_OK, engine_find(&l, ENGINE_MAY_WAIT, &w->arena));
    engine_erase(&l, 100);
}

static void put(struct world *w, const char *key, const char *value)
{
    engine_begin(w->e);
    put_in_batch(w, key, slice_of_text(value));
    EXPECT_EQ(ERR_OK, engine_commit(w->e, engine_applied(w->e) + 1));
}

static enum err get(struct world *w, const char *key, enum engine_wait wait, const char *want)
{
    const struct reader latest = engine_latest(w->e);
    struct record record;
    const enum err err = engine_get(&latest, slice_of_text(key), wait, &w->arena, &record);
    if (err == ERR_OK && want != NULL) {
        EXPECT(slice_equal(slice_of_text(want), record.value));
    }
    return err;
}

static enum err durable(struct world *w, const char *key, const char *want)
{
    struct record record;
    const enum err err = disk_durable_get(w->e, slice_of_text(key), &w->arena, &record);
    if (err == ERR_OK && want != NULL) {
        EXPECT(slice_equal(slice_of_text(want), record.value));
    }
    return err;
}

static void test_cold_reads_would_wait(void)
{
    struct world w;
    enum err results[3];
    setup(&w);
    w.config.record_bytes = 0;
    put(&w, "a", "1");
    put(&w, "b", "1");
    reopen(&w); /* flushes; the block cache is empty */
    EXPECT_EQ(ERR_WOULD_WAIT, get(&w, "a", ENGINE_NO_WAIT, NULL));
    struct lookup lookups[] = {{.engine = w.e, .key = SLICE("a")},
                               {.engine = w.e, .key = SLICE("b")},
                               {.engine = w.e, .key = SLICE("a")}};
    engine_get_many(lookups, 3, ENGINE_NO_WAIT, &w.arena, results);
    EXPECT_EQ(ERR_WOULD_WAIT, results[0]);
    EXPECT_EQ(ERR_WOULD_WAIT, results[1]);
    engine_begin(w.e);
    EXPECT_EQ(ERR_WOULD_WAIT, engine_approach(lookups, 3, ENGINE_NO_WAIT));
    EXPECT_EQ(ERR_WOULD_WAIT, engine_find(&lookups[0], ENGINE_NO_WAIT, &w.arena));
    EXPECT_EQ(ERR_OK, engine_approach(lookups, 3, ENGINE_MAY_WAIT));
    for (size_t i = 0; i < 3; i++) {
        EXPECT_EQ(ERR_OK, engine_find(&lookups[i], ENGINE_NO_WAIT, &w.arena));
    }
    engine_abort(w.e);
    EXPECT_EQ(ERR_OK, get(&w, "a", ENGINE_NO_WAIT, "1")); /* the block is in the cache now */
    EXPECT(disk_store_stats(w.store).block_cache_misses > 0);
    EXPECT(disk_store_stats(w.store).block_cache_hits > 0);
    teardown(&w);
}

/* Even if filters and indexes are not in memory, a row that exists is never said to be absent. */
static void test_small_block_cache(void)
{
    enum {
        KEYS = 20000
    };
    struct world w;
    char key[16];
    unsigned waits = 0;
    setup(&w);
    engine_begin(w.e);
    for (unsigned i = 0; i < KEYS; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i);
        put_in_batch(&w, key, slice_of_text(key));
    }
    EXPECT_EQ(ERR_OK, engine_commit(w.e, 1));
    w.config.record_bytes = 0;
    w.config.cache_bytes = 40000;
    reopen(&w);
    for (unsigned i = 0; i < KEYS; i += 7) {
        (void)snprintf(key, sizeof(key), "key%u", i);
        const enum err err = get(&w, key, ENGINE_NO_WAIT, key);
        EXPECT(err == ERR_OK || err == ERR_WOULD_WAIT);
        waits += err == ERR_WOULD_WAIT ? 1 : 0;
        EXPECT_EQ(ERR_OK, get(&w, key, ENGINE_MAY_WAIT, key));
        arena_reset(&w.arena);
    }
    EXPECT(waits > 1000);
    teardown(&w);
}

static void test_record_cache_in_front(void)
{
    struct world w;
    setup(&w);
    put(&w, "a", "1");
    EXPECT_EQ(ERR_OK, get(&w, "a", ENGINE_NO_WAIT, "1"));
    EXPECT_EQ(1, engine_stats(w.e).cache_hits);
    reopen(&w);
    EXPECT_EQ(ERR_WOULD_WAIT, get(&w, "a", ENGINE_NO_WAIT, NULL));
    EXPECT_EQ(ERR_OK, get(&w, "a", ENGINE_MAY_WAIT, "1"));
    EXPECT_EQ(0, engine_stats(w.e).cache_hits);
    EXPECT_EQ(ERR_OK, get(&w, "a", ENGINE_NO_WAIT, "1"));
    EXPECT_EQ(1, engine_stats(w.e).cache_hits);
    put(&w, "a", "2");
    EXPECT_EQ(ERR_OK, get(&w, "a", ENGINE_NO_WAIT, "2"));
    EXPECT_EQ(3, engine_stats(w.e).cache_hits); /* put() has found it there */
    teardown(&w);
}

static void test_durable_get(void)
{
    struct world w;
    setup(&w);
    EXPECT_EQ(ERR_NOT_FOUND, durable(&w, "a", NULL));
    EXPECT_EQ(ERR_OK, disk_flush(w.e, true)); /* nothing to do */
    put(&w, "a", "1");
    EXPECT_EQ(ERR_NOT_FOUND, durable(&w, "a", NULL));
    EXPECT_EQ(ERR_OK, disk_flush(w.e, true));
    EXPECT_EQ(ERR_OK, durable(&w, "a", "1"));
    put(&w, "a", "2");
    EXPECT_EQ(ERR_OK, durable(&w, "a", "1"));
    EXPECT_EQ(ERR_OK, disk_flush(w.e, false));
    while (disk_flush(w.e, false) == ERR_BUSY) { /* until the first is done */
        (void)sched_yield();
    }
    EXPECT_EQ(ERR_OK, durable(&w, "a", "2"));
    EXPECT(disk_store_stats(w.store).files_bytes > 0);
    teardown(&w);
}

/* Rows that change again and again are written to RocksDB once; views and flushes get them there.
 */
static void test_owed_rows_are_written_together(void)
{
    struct world w;
    struct reader view;
    struct record record;
    char value[16];
    setup(&w);
    put(&w, "counter", "0");
    EXPECT_EQ(ERR_OK, view_open(w.e, &view));
    view_close(&view);
    const uint64_t before = disk_store_stats(w.store).memtable_bytes;
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(value, sizeof(value), "%u", i);
        put(&w, "counter", value);
        EXPECT_EQ(ERR_OK, get(&w, "counter", ENGINE_NO_WAIT, value));
        arena_reset(&w.arena);
    }
    EXPECT_EQ(ERR_OK, view_open(w.e, &view));
    put(&w, "counter", "newer");
    EXPECT_EQ(ERR_OK, engine_get(&view, SLICE("counter"), ENGINE_NO_WAIT, &w.arena, &record));
    EXPECT(slice_equal(record.value, SLICE("999")));
    view_close(&view);
    EXPECT(disk_store_stats(w.store).memtable_bytes < before + 20000);
    EXPECT_EQ(ERR_OK, disk_flush(w.e, true));
    EXPECT_EQ(ERR_OK, durable(&w, "counter", "newer"));
    teardown(&w);
}

/* A scan of the writer sees the store, its own rows, and what it changes on the way. */
static void test_scan_of_changing_writer(void)
{
    struct world w;
    struct scan s = {0};
    struct record record;
    char seen[64] = "";
    setup(&w);
    put(&w, "a", "1");
    put(&w, "c", "1");
    put(&w, "e", "1");
    put(&w, "g", "1");
    engine_begin(w.e);
    put_in_batch(&w, "b", SLICE("2"));
    put_in_batch(&w, "c", SLICE("2"));
    put_in_batch(&w, "d", SLICE("2"));
    const struct reader writer = engine_writer(w.e);
    scan_open(&s, &writer, (struct slice){0}, (struct slice){0}, false);
    while (scan_next(&s, &record) == ERR_OK) {
        (void)strncat(seen, (const char *)record.key.data, 1);
        (void)strncat(seen, (const char *)record.value.data, 1);
        erase_in_batch(&w, record.key); /* the row it stands on */
        if (record.key.data[0] == 'b') {
            put_in_batch(&w, "g", SLICE("3")); /* one that is still to come */
            erase_in_batch(&w, SLICE("d"));
        }
    }
    scan_close(&s);
    EXPECT(strcmp(seen, "a1b2c2e1g3") == 0);
    EXPECT_EQ(ERR_OK, engine_commit(w.e, 100));
    EXPECT_EQ(ERR_NOT_FOUND, get(&w, "g", ENGINE_MAY_WAIT, NULL));
    teardown(&w);
}

/* ---- Opening ---- */

static enum err try_open(const struct disk_config *config, const char *sentence)
{
    struct disk_store *store = NULL;
    struct err_why why = {0};
    const enum err err = disk_store_open(config, &store, &why);
    disk_store_close(&store);
    if (err != ERR_OK) {
        EXPECT(strstr(why.text, sentence) != NULL);
    }
    return err;
}

static void write_layout(const struct folder *f, const char *text)
{
    char path[FOLDER_ROOM + 16];
    (void)snprintf(path, sizeof(path), "%s/layout", f->path);
    FILE *file = fopen(path, "w");
    EXPECT(file != NULL);
    EXPECT(fputs(text, file) >= 0);
    EXPECT_EQ(0, fclose(file));
}

/* One row for the last group, so that its family exists. */
static void write_to_last_group(const struct disk_config *config)
{
    struct disk_store *store = NULL;
    struct arena arena = {0};
    EXPECT_EQ(ERR_OK, disk_store_open(config, &store, NULL));
    struct engine *e = disk_store_engine(store, config->shards);
    struct lookup l = {.engine = e, .key = SLICE("k")};
    engine_begin(e);
    EXPECT_EQ(ERR_NOT_FOUND, engine_find(&l, ENGINE_NO_WAIT, &arena));
    engine_put(&l, &(struct record){.key = l.key, .value = SLICE("v")});
    EXPECT_EQ(ERR_OK, engine_commit(e, 1));
    const struct reader latest = engine_latest(e);
    EXPECT_EQ(ERR_OK, engine_get(&latest, l.key, ENGINE_NO_WAIT, &arena, &l.record));
    engine_close(&e);
    disk_store_close(&store);
    arena_deinit(&arena);
}

static void test_refused_layouts(void)
{
    struct folder f = folder_new();
    struct disk_config config = config_of(&f);
    write_to_last_group(&config);
    config.shards = 3;
    EXPECT_EQ(ERR_INVALID, try_open(&config, "made for 2 shards, not for 3"));
    config.shards = 2;
    write_layout(&f, "holdfast disk store\nformat 2\nshards 2\n");
    EXPECT_EQ(ERR_INVALID, try_open(&config, "newer"));
    write_layout(&f, "holdfast disk store\nformat 1\nshards 2");
    EXPECT_EQ(ERR_CORRUPT, try_open(&config, "not a layout file"));
    write_layout(&f, "");
    EXPECT_EQ(ERR_CORRUPT, try_open(&config, "not a layout file"));
    write_layout(&f, "holdfast disk store\nformat 1\nshards 1\n"); /* groups 0 and 1 */
    config.shards = 1;
    EXPECT_EQ(ERR_CORRUPT, try_open(&config, "unknown family group-0002"));
    char path[FOLDER_ROOM + 16];
    (void)snprintf(path, sizeof(path), "%s/layout", f.path);
    EXPECT_EQ(0, unlink(path));
    EXPECT_EQ(ERR_CORRUPT, try_open(&config, "no file layout"));
    folder_remove(&f);
}

static void test_refused_paths(void)
{
    struct folder f = folder_new();
    struct disk_config config = config_of(&f);
    char path[FOLDER_ROOM + 32];
    (void)snprintf(path, sizeof(path), "%s/absent/store", f.path);
    config.path = path;
    EXPECT_EQ(ERR_IO, try_open(&config, "No such file"));
    char *long_path = calloc(1, 5001);
    EXPECT(long_path != NULL);
    memset(long_path, 'x', 5000);
    config.path = long_path;
    EXPECT_EQ(ERR_INVALID, try_open(&config, "longer"));
    free(long_path);
    (void)snprintf(path, sizeof(path), "%s/store", f.path);
    config.path = path;
    struct disk_store *store = NULL;
    EXPECT_EQ(ERR_OK, disk_store_open(&config, &store, NULL));
    EXPECT_EQ(ERR_IO, try_open(&config, "lock"));
    disk_store_close(&store);
    folder_remove(&f);
}

/* Groups that have no family are empty. */
static void test_groups_without_family(void)
{
    struct folder f = folder_new();
    struct disk_config config = config_of(&f);
    config.shards = 40;
    write_to_last_group(&config);
    for (unsigned group = 0; group <= 40; group += 5) {
        struct disk_store *store = NULL;
        struct arena arena = {0};
        struct record record;
        EXPECT_EQ(ERR_OK, disk_store_open(&config, &store, NULL));
        struct engine *e = disk_store_engine(store, group);
        const struct reader latest = engine_latest(e);
        EXPECT_EQ(group == 40 ? ERR_OK : ERR_NOT_FOUND,
                  engine_get(&latest, SLICE("k"), ENGINE_MAY_WAIT, &arena, &record));
        EXPECT_EQ(ERR_OK, disk_flush(e, true));
        engine_close(&e);
        disk_store_close(&store);
        arena_deinit(&arena);
    }
    folder_remove(&f);
}

/* ---- Damage ---- */

/* Flips a bit near the front of every table file: in the first block of rows. */
static unsigned damage_tables(const struct folder *f)
{
    unsigned count = 0;
    DIR *folder = opendir(f->path);
    EXPECT(folder != NULL);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[FOLDER_ROOM + 300];
        if (strstr(entry->d_name, ".sst") == NULL) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", f->path, entry->d_name);
        const int fd = open(path, O_RDWR);
        char byte;
        EXPECT_EQ(1, pread(fd, &byte, 1, 4));
        byte ^= 1;
        EXPECT_EQ(1, pwrite(fd, &byte, 1, 4));
        EXPECT_EQ(0, close(fd));
        count++;
    }
    EXPECT_EQ(0, closedir(folder));
    return count;
}

static void test_damaged_table(void)
{
    struct world w;
    struct record record;
    struct scan s = {0};
    enum err results[2];
    setup(&w);
    put(&w, "a", "1");
    put(&w, "b", "1");
    EXPECT_EQ(ERR_OK, disk_flush(w.e, true));
    EXPECT_EQ(1, damage_tables(&w.folder));
    reopen(&w);
    EXPECT_EQ(ERR_CORRUPT, get(&w, "a", ENGINE_MAY_WAIT, NULL));
    EXPECT_EQ(ERR_CORRUPT, durable(&w, "a", NULL));
    struct lookup lookups[] = {{.engine = w.e, .key = SLICE("a")},
                               {.engine = w.e, .key = SLICE("b")}};
    engine_get_many(lookups, 2, ENGINE_MAY_WAIT, &w.arena, results);
    EXPECT_EQ(ERR_CORRUPT, results[0]);
    EXPECT_EQ(ERR_CORRUPT, results[1]);
    const struct reader latest = engine_latest(w.e);
    scan_open(&s, &latest, (struct slice){0}, (struct slice){0}, false);
    EXPECT_EQ(ERR_CORRUPT, scan_next(&s, &record));
    scan_close(&s);
    engine_begin(w.e);
    EXPECT_EQ(ERR_CORRUPT, engine_approach(lookups, 2, ENGINE_MAY_WAIT));
    EXPECT_EQ(ERR_CORRUPT, engine_find(&lookups[0], ENGINE_MAY_WAIT, &w.arena));
    engine_abort(w.e);
    put(&w, "z", "1"); /* other rows are fine */
    EXPECT_EQ(ERR_OK, get(&w, "z", ENGINE_MAY_WAIT, "1"));
    teardown(&w);
}

/* ---- A crash ---- */

/* The child: flushes one row, publishes a second, and is gone. */
static int crash(const char *path)
{
    struct world w = {
        .config = {.path = path, .shards = 2, .cache_bytes = MIB, .write_bytes = MIB, .jobs = 1}};
    reopen(&w);
    put(&w, "a", "flushed");
    EXPECT_EQ(ERR_OK, disk_flush(w.e, true));
    put(&w, "a", "lost");
    put(&w, "b", "lost");
    EXPECT_EQ(ERR_OK, durable(&w, "a", "flushed"));
    EXPECT_EQ(ERR_NOT_FOUND, durable(&w, "b", NULL));
    (void)raise(SIGKILL);
    return 1;
}

static void test_crash(void)
{
    struct world w;
    int status = 0;
    w = (struct world){.folder = folder_new()};
    w.config = config_of(&w.folder);
    const pid_t child = fork();
    if (child == 0) {
        char name[] = "test_engine_disk";
        char mode[] = "--crash";
        char *arguments[] = {name, mode, w.folder.path, NULL};
        (void)execv("/proc/self/exe", arguments);
        _exit(1);
    }
    EXPECT_EQ(child, waitpid(child, &status, 0));
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    reopen(&w);
    EXPECT_EQ(ERR_OK, get(&w, "a", ENGINE_MAY_WAIT, "flushed"));
    EXPECT_EQ(ERR_NOT_FOUND, get(&w, "b", ENGINE_MAY_WAIT, NULL));
    teardown(&w);
}

/* ---- Pressure ---- */

static void fill_random(struct random *random, uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + 8 <= size; at += 8) {
        const uint64_t number = random_next(random);
        memcpy(bytes + at, &number, 8);
    }
}

/* Commits, however often that is refused; counts how often. `key` is new in the batch. */
static enum err commit_at_last(struct world *w, const char *key, unsigned *refused)
{
    const uint64_t index = engine_applied(w->e) + 1;
    enum err err = engine_commit(w->e, index);
    while (err == ERR_BUSY) {
        EXPECT_EQ(ERR_NOT_FOUND, get(w, key, ENGINE_MAY_WAIT, NULL));
        (*refused)++;
        (void)sched_yield();
        err = engine_commit(w->e, index);
    }
    return err;
}

/* Writes faster than the flushes can follow: the writer is refused, keeps its batch, and goes on
 * later; nothing is lost. */
static void test_stall(void)
{
    enum {
        VALUE_BYTES = 65536,
        VALUES = 16,
        BATCHES = 100
    };
    struct world w;
    char key[16];
    unsigned refused = 0;
    struct random random = {1};
    uint8_t *value = calloc(1, VALUE_BYTES);
    EXPECT(value != NULL);
    setup(&w);
    w.config.write_bytes = MIB;
    w.config.jobs = 1;
    reopen(&w);
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        engine_begin(w.e);
        for (unsigned i = 0; i < VALUES; i++) {
            fill_random(&random, value, VALUE_BYTES);
            (void)snprintf(key, sizeof(key), "%u-%u", batch, i);
            put_in_batch(&w, key, slice_of(value, VALUE_BYTES));
        }
        EXPECT_EQ(ERR_OK, commit_at_last(&w, key, &refused));
        EXPECT_EQ(ERR_OK, get(&w, key, ENGINE_MAY_WAIT, NULL));
        arena_reset(&w.arena);
    }
    (void)printf("  refused %u times\n", refused);
    teardown(&w);
    free(value);
}

/* Writes until the disk is full. The last batch stays open. */
static enum err write_until_full(struct world *w)
{
    enum {
        VALUE_BYTES = 1 << 18,
        VALUES_MAX = 400
    };
    struct random random = {1};
    unsigned refused = 0;
    uint8_t *value = calloc(1, VALUE_BYTES);
    EXPECT(value != NULL);
    enum err err = ERR_OK;
    for (unsigned i = 0; i < VALUES_MAX && err == ERR_OK; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "%u", i);
        fill_random(&random, value, VALUE_BYTES);
        engine_begin(w->e);
        put_in_batch(w, key, slice_of(value, VALUE_BYTES));
        err = commit_at_last(w, key, &refused);
        arena_reset(&w->arena);
    }
    free(value);
    return err;
}

static uint64_t count_rows(const struct reader *r, struct slice from, bool is_reverse)
{
    struct scan s = {0};
    struct record record;
    struct slice last = {0};
    uint64_t count = 0;
    char room[16];
    scan_open(&s, r, from, (struct slice){0}, is_reverse);
    while (scan_next(&s, &record) == ERR_OK) {
        EXPECT(count == 0 || (slice_compare(last, record.key) < 0) == !is_reverse);
        EXPECT(record.key.size <= sizeof(room));
        memcpy(room, record.key.data, record.key.size);
        last = slice_of(room, record.key.size);
        count++;
    }
    scan_close(&s);
    return count;
}

/* RocksDB takes nothing, and does not have the newest rows: all reads know them nevertheless. One
 * row was put in each commit, and one is in the batch that is open. */
static void check_reads_beside_full_disk(struct world *w)
{
    const uint64_t rows = engine_applied(w->e);
    const struct reader latest = engine_latest(w->e);
    const struct reader writer = engine_writer(w->e);
    struct reader view;
    struct record record;
    char key[16];
    EXPECT_EQ(ERR_OK, view_open(w->e, &view));
    EXPECT_EQ(rows, count_rows(&latest, (struct slice){0}, false));
    EXPECT_EQ(rows, count_rows(&view, (struct slice){0}, true));
    EXPECT_EQ(rows + 1, count_rows(&writer, (struct slice){0}, true));
    EXPECT_EQ(1, count_rows(&writer, SLICE("f"), false));
    for (uint64_t i = 0; i < rows; i++) { /* "first", 0, 1, 2, ..., and the one in the batch */
        (void)snprintf(key, sizeof(key), "%u", (unsigned)i);
        const enum err want = i + 1 < rows ? ERR_OK : ERR_NOT_FOUND;
        const struct slice name = slice_of_text(key);
        EXPECT_EQ(want, engine_get(&view, name, ENGINE_MAY_WAIT, &w->arena, &record));
        EXPECT_EQ(want, get(w, key, ENGINE_MAY_WAIT, NULL));
        arena_reset(&w->arena);
    }
    view_close(&view);
}

/* Fills the disk, reads on, makes room, writes on. True: it could be tried here. */
static bool fill_disk(struct world *w)
{
    unsigned refused = 0;
    struct folder *f = &w->folder;
    if (mount("tmpfs", f->path, "tmpfs", 0, "size=64m") != 0) {
        return false;
    }
    struct disk_config config = config_of(f);
    char store[FOLDER_ROOM + 8];
    char ballast[FOLDER_ROOM + 8];
    (void)snprintf(store, sizeof(store), "%s/store", f->path);
    (void)snprintf(ballast, sizeof(ballast), "%s/ballast", f->path);
    config.path = store;
    config.write_bytes = MIB;
    w->config = config;
    reopen(w);
    put(w, "first", "1");
    EXPECT_EQ(DISK_FINE, disk_pressure(w->store));
    const int fd = open(ballast, O_WRONLY | O_CREAT, 0600);
    EXPECT_EQ(0, posix_fallocate(fd, 0, 40 << 20));
    EXPECT_EQ(ERR_NO_SPACE, write_until_full(w));
    EXPECT_EQ(DISK_FULL, disk_pressure(w->store));
    EXPECT_EQ(ERR_OK, get(w, "first", ENGINE_MAY_WAIT, "1"));
    check_reads_beside_full_disk(w);
    EXPECT_EQ(0, ftruncate(fd, 0));
    EXPECT_EQ(0, close(fd));
    while (disk_pressure(w->store) == DISK_FULL) { /* RocksDB looks every five seconds */
        (void)sched_yield();
    }
    EXPECT_EQ(ERR_OK, commit_at_last(w, "none", &refused));
    engine_close(&w->e);
    disk_store_close(&w->store);
    arena_deinit(&w->arena);
    EXPECT_EQ(0, umount(f->path));
    return true;
}

static void test_full_disk(void)
{
    struct world w = {.folder = folder_new()};
    if (!fill_disk(&w)) {
        (void)printf("  skipped: no right to mount a small file system\n");
    }
    folder_remove(&w.folder);
}

/* ---- Threads: all keys change together, and are read together ---- */

enum {
    RACE_KEYS = 12,
    RACE_READERS = 3,
    RACE_BATCHES = 3000,
};

struct race {
    struct world world;
    char keys[RACE_KEYS][8];
    atomic_bool is_over;
};

static uint64_t number_of(const struct record *record)
{
    uint64_t number;
    EXPECT_EQ(sizeof(number), record->value.size);
    memcpy(&number, record->value.data, sizeof(number));
    return number;
}

/* The state of which all keys are, which is `newest` or a later one. Nothing has been flushed, so
 * nothing has to wait. */
static uint64_t get_all(struct race *r, struct arena *arena, enum engine_wait wait, uint64_t newest)
{
    struct lookup lookups[RACE_KEYS];
    enum err results[RACE_KEYS];
    for (int i = 0; i < RACE_KEYS; i++) {
        lookups[i] = (struct lookup){.engine = r->world.e, .key = slice_of_text(r->keys[i])};
    }
    engine_get_many(lookups, RACE_KEYS, wait, arena, results);
    EXPECT_EQ(ERR_OK, results[0]);
    const uint64_t number = number_of(&lookups[0].record);
    EXPECT(number >= newest);
    for (int i = 1; i < RACE_KEYS; i++) {
        EXPECT_EQ(ERR_OK, results[i]);
        EXPECT_EQ(number, number_of(&lookups[i].record));
    }
    return number;
}

static uint64_t get_one(struct race *r, struct arena *arena, uint64_t newest)
{
    const struct reader latest = engine_latest(r->world.e);
    const struct slice key = slice_of_text(r->keys[newest % RACE_KEYS]);
    struct record record;
    EXPECT_EQ(ERR_OK, engine_get(&latest, key, ENGINE_NO_WAIT, arena, &record));
    EXPECT(number_of(&record) >= newest);
    return number_of(&record);
}

static void *read_in_race(void *arg)
{
    struct race *r = arg;
    struct arena arena = {0};
    uint64_t newest = 0;
    while (!atomic_load(&r->is_over)) {
        newest = get_all(r, &arena, ENGINE_MAY_WAIT, newest);
        newest = get_one(r, &arena, newest);
        newest = get_all(r, &arena, ENGINE_NO_WAIT, newest);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    return NULL;
}

static void change_all(struct race *r, uint64_t number)
{
    engine_begin(r->world.e);
    for (int i = 0; i < RACE_KEYS; i++) {
        put_in_batch(&r->world, r->keys[i], slice_of(&number, sizeof(number)));
    }
    EXPECT_EQ(ERR_OK, engine_commit(r->world.e, number));
    arena_reset(&r->world.arena);
}

static void test_race(void)
{
    struct race r = {.is_over = false};
    pthread_t readers[RACE_READERS];
    setup(&r.world);
    r.world.config.record_bytes = 1000; /* room for few of them: hits and misses together */
    reopen(&r.world);
    for (int i = 0; i < RACE_KEYS; i++) {
        (void)snprintf(r.keys[i], sizeof(r.keys[i]), "k%d", i);
    }
    change_all(&r, 1);
    for (int i = 0; i < RACE_READERS; i++) {
        EXPECT_EQ(0, pthread_create(&readers[i], NULL, read_in_race, &r));
    }
    for (uint64_t number = 2; number <= RACE_BATCHES; number++) {
        change_all(&r, number);
    }
    atomic_store(&r.is_over, true);
    for (int i = 0; i < RACE_READERS; i++) {
        EXPECT_EQ(0, pthread_join(readers[i], NULL));
    }
    teardown(&r.world);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"crash", test_crash},
        {"cold_reads_would_wait", test_cold_reads_would_wait},
        {"small_block_cache", test_small_block_cache},
        {"record_cache_in_front", test_record_cache_in_front},
        {"durable_get", test_durable_get},
        {"owed_rows_are_written_together", test_owed_rows_are_written_together},
        {"scan_of_changing_writer", test_scan_of_changing_writer},
        {"refused_layouts", test_refused_layouts},
        {"refused_paths", test_refused_paths},
        {"groups_without_family", test_groups_without_family},
        {"damaged_table", test_damaged_table},
        {"stall", test_stall},
        {"full_disk", test_full_disk},
        {"race", test_race},
        {"conformance", test_conformance},
        {"conformance_uncached", test_conformance_uncached},
        {"random", test_random},
    };
    if (argc == 3 && strcmp(argv[1], "--crash") == 0) {
        return crash(argv[2]);
    }
    return test_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
