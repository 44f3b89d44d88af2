/* store.c - one database for the node, one column family per group.
 *
 * Families. Making one costs 3 to 5 ms (RocksDB syncs its manifest and options), which for 17 is
 * more than an empty start may take. So a new store opens with none, and the first drain of a
 * group makes its family; until then reads of the group find nothing in RocksDB. How many there
 * shall be is said by the layout file, not by those that exist.
 *
 * Trouble. RocksDB's counter of background errors never goes back, so pressure is what the last
 * write or flush met, and while that was bad an empty write asks whether it is over. */
#include "engine/disk/store.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "engine/disk/layout.h"

#define NAME_ROOM       20
#define SHARDS_MAX      1024
#define LOW_WATER_TIMES 2 /* the memtables must fit so many times */

/* What a group may owe before it is drained: one part in so many of its share of the record cache,
 * and no more than takes RocksDB a few milliseconds. */
#define OWED_SHARE 4
#define OWED_BYTES ((size_t)512 << 10)

/* ---- Families ---- */

static void name_of(char name[NAME_ROOM], unsigned group)
{
    (void)snprintf(name, NAME_ROOM, "group-%04u", group);
}

/* False: it is not a group's name. */
static bool group_of(const struct disk_store *s, const char *name, unsigned *group)
{
    char again[NAME_ROOM];
    for (unsigned i = 0; i < s->group_count; i++) {
        name_of(again, i);
        if (strcmp(name, again) == 0) {
            *group = i;
            return true;
        }
    }
    return false;
}

enum err store_make_family(struct disk_store *s, unsigned group)
{
    enum err err = ERR_OK;
    if (store_family(s, group) != NULL) {
        return ERR_OK;
    }
    CHECK(pthread_mutex_lock(&s->making) == 0);
    if (store_family(s, group) == NULL) {
        char name[NAME_ROOM];
        char *text = NULL;
        name_of(name, group);
        rocksdb_column_family_handle_t *family =
            rocksdb_create_column_family(s->db, s->options, name, &text);
        err = rocks_err(text, ERR_IO, name, NULL);
        if (err == ERR_OK) {
            atomic_store_explicit(&s->groups[group].family, family, memory_order_release);
        }
    }
    CHECK(pthread_mutex_unlock(&s->making) == 0);
    return err;
}

/* ---- Opening ---- */

static void take_handles(struct disk_store *s, char **names,
                         rocksdb_column_family_handle_t **handles, size_t count)
{
    unsigned group = 0;
    for (size_t i = 0; i < count; i++) {
        if (group_of(s, names[i], &group)) {
            atomic_store(&s->groups[group].family, handles[i]);
        } else {
            CHECK(s->default_family == NULL);
            s->default_family = handles[i];
        }
    }
}

static enum err open_families(struct disk_store *s, char **names, size_t count, struct err_why *why)
{
    rocksdb_column_family_handle_t **handles =
        mem_zero(count, sizeof(rocksdb_column_family_handle_t *));
    const rocksdb_options_t **options = mem_zero(count, sizeof(rocksdb_options_t *));
    char *text = NULL;
    unsigned group = 0;
    enum err err = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        options[i] = s->options;
        if (strcmp(names[i], "default") != 0 && !group_of(s, names[i], &group)) {
            err = err_set(why, ERR_CORRUPT, "%s holds an unknown family %s", s->path, names[i]);
        }
    }
    if (err == ERR_OK) {
        s->db = rocksdb_open_column_families(s->options, s->path, (int)count,
                                             (const char *const *)names, options, handles, &text);
        err = rocks_err(text, ERR_IO, s->path, why);
    }
    if (err == ERR_OK) {
        take_handles(s, names, handles, count);
    }
    mem_free(handles);
    mem_free(options);
    return err;
}

static bool is_new(const struct disk_store *s)
{
    char path[LAYOUT_PATH_MAX + NAME_ROOM];
    (void)snprintf(path, sizeof(path), "%s/CURRENT", s->path);
    return access(path, F_OK) != 0;
}

static enum err open_database(struct disk_store *s, struct err_why *why)
{
    if (is_new(s)) {
        char name[] = "default";
        char *names[] = {name};
        return open_families(s, names, 1, why);
    }
    char *text = NULL;
    size_t count = 0;
    char **names = rocksdb_list_column_families(s->options, s->path, &count, &text);
    enum err err = rocks_err(text, ERR_IO, s->path, why);
    if (err == ERR_OK) {
        err = open_families(s, names, count, why);
        rocksdb_list_column_families_destroy(names, count);
    }
    return err;
}

static struct disk_store *store_new(const struct disk_config *config)
{
    struct disk_store *s = mem_zero(1, sizeof(*s));
    s->path = mem_text(config->path);
    s->write_bytes = config->write_bytes;
    s->group_count = config->shards + 1;
    s->groups = mem_zero(s->group_count, sizeof(*s->groups));
    for (unsigned i = 0; i < s->group_count; i++) {
        CHECK(pthread_mutex_init(&s->groups[i].giving, NULL) == 0);
    }
    s->owed_bytes = config->record_bytes / s->group_count / OWED_SHARE;
    s->owed_bytes = s->owed_bytes < OWED_BYTES ? s->owed_bytes : OWED_BYTES;
    /* The seed need not be secret for long: it only makes collisions unforeseeable. */
    s->records = record_cache_new(config->record_bytes, s->group_count, (uint64_t)(uintptr_t)s);
    s->blocks = rocks_cache_new(config->cache_bytes);
    s->options = rocks_options_new(config, s->blocks);
    s->read_all = rocks_read_new(ROCKS_ALL);
    s->read_cached = rocks_read_new(ROCKS_CACHED);
    s->read_durable = rocks_read_new(ROCKS_DURABLE);
    s->write = rocks_write_new();
    s->nothing = rocksdb_writebatch_create();
    CHECK(pthread_mutex_init(&s->making, NULL) == 0);
    CHECK(pthread_mutex_init(&s->keeping, NULL) == 0);
    CHECK(pthread_cond_init(&s->wanted, NULL) == 0);
    return s;
}

static void close_database(struct disk_store *s)
{
    if (s->db == NULL) {
        return;
    }
    for (unsigned i = 0; i < s->group_count; i++) {
        const enum err err = store_drain(s, i);
        (void)err; /* what cannot be given is like what was not flushed: the journal has it */
        rocksdb_column_family_handle_t *family = store_family(s, i);
        if (family != NULL) {
            rocksdb_column_family_handle_destroy(family);
        }
    }
    rocksdb_column_family_handle_destroy(s->default_family);
    rocksdb_close(s->db); /* flushes what is in memtables, since there is no log */
}

static void store_free(struct disk_store *s)
{
    close_database(s);
    CHECK(pthread_cond_destroy(&s->wanted) == 0);
    CHECK(pthread_mutex_destroy(&s->keeping) == 0);
    CHECK(pthread_mutex_destroy(&s->making) == 0);
    for (unsigned i = 0; i < s->group_count; i++) {
        CHECK(pthread_mutex_destroy(&s->groups[i].giving) == 0);
    }
    rocksdb_writebatch_destroy(s->nothing);
    rocksdb_writeoptions_destroy(s->write);
    rocksdb_readoptions_destroy(s->read_durable);
    rocksdb_readoptions_destroy(s->read_cached);
    rocksdb_readoptions_destroy(s->read_all);
    rocksdb_options_destroy(s->options);
    rocksdb_cache_destroy(s->blocks);
    record_cache_free(&s->records);
    mem_free(s->groups);
    mem_free(s->path);
    mem_free(s);
}

enum err disk_store_open(const struct disk_config *config, struct disk_store **out,
                         struct err_why *why)
{
    CHECK(config->shards >= 1 && config->shards <= SHARDS_MAX);
    CHECK(config->jobs >= 1);
    const enum err layout = layout_open(config->path, config->shards, why);
    if (layout != ERR_OK) {
        return layout;
    }
    struct disk_store *s = store_new(config);
    const enum err err = open_database(s, why);
    if (err != ERR_OK) {
        store_free(s);
        return err;
    }
    store_begin_keeping(s);
    *out = s;
    return ERR_OK;
}

void disk_store_close(struct disk_store **s)
{
    if (*s == NULL) {
        return;
    }
    store_end_keeping(*s);
    for (unsigned i = 0; i < (*s)->group_count; i++) {
        CHECK(!atomic_load(&(*s)->groups[i].is_open));
    }
    store_free(*s);
    *s = NULL;
}

struct engine *disk_store_engine(struct disk_store *s, unsigned group)
{
    CHECK(group < s->group_count);
    CHECK(!atomic_exchange(&s->groups[group].is_open, true));
    return disk_engine_new(s, group);
}

/* ---- Pressure ---- */

static uint64_t number_of(rocksdb_t *db, const char *name)
{
    uint64_t number = 0;
    return rocksdb_property_int(db, name, &number) == 0 ? number : 0;
}

void store_note(struct disk_store *s, enum err err)
{
    if (err == ERR_BUSY) {
        return; /* says nothing about the disk */
    }
    const enum disk_pressure trouble = err == ERR_OK         ? DISK_FINE
                                       : err == ERR_NO_SPACE ? DISK_FULL
                                                             : DISK_DAMAGED;
    if (atomic_load_explicit(&s->trouble, memory_order_relaxed) != trouble) {
        atomic_store_explicit(&s->trouble, trouble, memory_order_relaxed);
    }
}

/* An empty write meets what stops all writes. */
static enum err ask(struct disk_store *s)
{
    char *text = NULL;
    rocksdb_write(s->db, s->write, s->nothing, &text);
    return rocks_err(text, ERR_BUSY, "write", NULL);
}

enum err store_check(struct disk_store *s)
{
    const bool is_stalled = number_of(s->db, "rocksdb.is-write-stopped") != 0 ||
                            number_of(s->db, "rocksdb.actual-delayed-write-rate") != 0;
    if (!is_stalled) {
        return ERR_OK;
    }
    /* A full disk stops the flushes, and that looks like a stall. */
    const enum err err = ask(s);
    return err == ERR_OK ? ERR_BUSY : err;
}

/* A full disk is better met before RocksDB meets it. */
static bool is_low(const struct disk_store *s)
{
    struct statvfs room;
    return statvfs(s->path, &room) == 0 &&
           (uint64_t)room.f_bavail * room.f_frsize < LOW_WATER_TIMES * (uint64_t)s->write_bytes;
}

enum disk_pressure disk_pressure(struct disk_store *s)
{
    const bool was_fine = atomic_load_explicit(&s->trouble, memory_order_relaxed) == DISK_FINE;
    const enum err err = was_fine ? store_check(s) : ask(s);
    if (!was_fine || err != ERR_OK) {
        store_note(s, err);
    }
    const enum disk_pressure trouble = atomic_load_explicit(&s->trouble, memory_order_relaxed);
    if (trouble != DISK_FINE) {
        return trouble;
    }
    if (is_low(s)) {
        return DISK_FULL;
    }
    return err == ERR_BUSY ? DISK_STALLED : DISK_FINE;
}

enum err store_flush(struct disk_store *s, unsigned group, bool is_waiting)
{
    /* RocksDB would wait until a flush can no longer cause a stall. */
    if (!is_waiting && store_number(s, group, "rocksdb.num-immutable-mem-table") > 0) {
        return ERR_BUSY;
    }
    const enum err drained = store_drain(s, group);
    rocksdb_column_family_handle_t *family = store_family(s, group);
    if (drained != ERR_OK || family == NULL) {
        return drained;
    }
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    char *text = NULL;
    rocksdb_flushoptions_set_wait(options, is_waiting ? 1 : 0);
    rocksdb_flush_cf(s->db, options, family, &text);
    rocksdb_flushoptions_destroy(options);
    const enum err err = rocks_err(text, ERR_BUSY, "flush", NULL);
    store_note(s, err);
    return err;
}

/* ---- Figures ---- */

uint64_t store_number(struct disk_store *s, unsigned group, const char *name)
{
    uint64_t number = 0;
    rocksdb_column_family_handle_t *family = store_family(s, group);
    if (family == NULL || rocksdb_property_int_cf(s->db, family, name, &number) != 0) {
        return 0;
    }
    return number;
}

struct disk_store_stats disk_store_stats(struct disk_store *s)
{
    struct disk_store_stats stats = {
        .block_cache_bytes = rocksdb_cache_get_usage(s->blocks),
        .block_cache_hits = atomic_load_explicit(&s->block_hits, memory_order_relaxed),
        .block_cache_misses = atomic_load_explicit(&s->block_misses, memory_order_relaxed),
    };
    for (unsigned i = 0; i < s->group_count; i++) {
        stats.memtable_bytes += store_number(s, i, "rocksdb.cur-size-all-mem-tables");
        stats.pending_compaction_bytes +=
            store_number(s, i, "rocksdb.estimate-pending-compaction-bytes");
        stats.files_bytes += store_number(s, i, "rocksdb.total-sst-files-size");
    }
    return stats;
}

void disk_store_power_cut(struct disk_store *s)
{
    (void)s;
    UNREACHABLE("only the stand-in can lose its power");
}
