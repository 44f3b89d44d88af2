/* read.c - readers: the record cache, then RocksDB.
 *
 * Several keys of one state. All are looked for in the record cache under one lock; the others are
 * read from RocksDB, and commits may happen in between. So at the end the tickets of these are
 * held against the cache: while a ticket stays fresh the row is the one of the moment in which it
 * was drawn. Otherwise, and that is rare, all keys are read from one view, past the cache.
 *
 * RocksDB's MultiGet is not used when waiting is forbidden: with read tier 1 it reads from the
 * disk nevertheless, or finds nothing in the block cache, depending on where the table's index
 * is. */
#include "base/check.h"
#include "engine/disk/disk_engine.h"
#include "engine/disk/row.h"

struct cache_key disk_key(struct disk_engine *e, struct slice key)
{
    return (struct cache_key){key, record_cache_hash(e->store->records, key), e->group};
}

/* What RocksDB does not take now is copied. While nobody else gives it anything, and the cache is
 * locked, snapshot and copy are one state. */
static void view_at_once(struct disk_view *v, struct disk_engine *e)
{
    struct disk_store *s = e->store;
    CHECK(pthread_mutex_lock(&s->groups[e->group].giving) == 0);
    record_cache_lock(s->records, e->group);
    v->snapshot = rocksdb_create_snapshot(s->db);
    v->owed = record_cache_copy_owed(s->records, e->group, &v->arena, &v->owed_count);
    record_cache_unlock(s->records, e->group);
    CHECK(pthread_mutex_unlock(&s->groups[e->group].giving) == 0);
}

void disk_view_init(struct disk_view *v, struct disk_engine *e)
{
    *v = (struct disk_view){0};
    if (store_drain(e->store, e->group) == ERR_OK) {
        v->snapshot = rocksdb_create_snapshot(e->store->db);
    } else {
        view_at_once(v, e);
    }
    v->read_all = rocks_read_new(ROCKS_ALL);
    v->read_cached = rocks_read_new(ROCKS_CACHED);
    rocksdb_readoptions_set_snapshot(v->read_all, v->snapshot);
    rocksdb_readoptions_set_snapshot(v->read_cached, v->snapshot);
}

void disk_view_deinit(struct disk_view *v, struct disk_engine *e)
{
    rocksdb_readoptions_destroy(v->read_all);
    rocksdb_readoptions_destroy(v->read_cached);
    rocksdb_release_snapshot(e->store->db, v->snapshot);
    arena_deinit(&v->arena);
}

/* ---- RocksDB ---- */

/* Ends one read: takes `value` and `text`, of which one is NULL at least. */
static enum err take_row(struct disk_store *s, rocksdb_pinnableslice_t *value, char *text,
                         struct arena *arena, struct slice *row)
{
    const enum err err = rocks_err(text, ERR_WOULD_WAIT, "read", NULL);
    atomic_fetch_add_explicit(err == ERR_WOULD_WAIT ? &s->block_misses : &s->block_hits, 1,
                              memory_order_relaxed);
    if (err != ERR_OK || value == NULL) {
        return err == ERR_OK ? ERR_NOT_FOUND : err;
    }
    size_t size = 0;
    const char *bytes = rocksdb_pinnableslice_value(value, &size);
    *row = arena_copy(arena, slice_of(bytes, size));
    rocksdb_pinnableslice_destroy(value);
    return ERR_OK;
}

enum err disk_read(const struct disk_source *from, struct slice key, struct slice *row)
{
    struct disk_store *s = from->engine->store;
    rocksdb_column_family_handle_t *family = store_family(s, from->engine->group);
    if (family == NULL) {
        return ERR_NOT_FOUND;
    }
    char *text = NULL;
    rocksdb_pinnableslice_t *value = rocksdb_get_pinned_cf(s->db, from->options, family,
                                                           (const char *)key.data, key.size, &text);
    return take_row(s, value, text, from->arena, row);
}

void disk_read_many(const struct disk_source *from, const struct slice *keys, size_t count,
                    struct slice *rows, enum err *results)
{
    CHECK(count <= ENGINE_BATCH_MAX);
    struct disk_store *s = from->engine->store;
    rocksdb_column_family_handle_t *family = store_family(s, from->engine->group);
    if (!from->may_wait || family == NULL || count <= 1) {
        for (size_t i = 0; i < count; i++) {
            results[i] = disk_read(from, keys[i], &rows[i]);
        }
        return;
    }
    const char *bytes[ENGINE_BATCH_MAX];
    size_t sizes[ENGINE_BATCH_MAX];
    rocksdb_pinnableslice_t *values[ENGINE_BATCH_MAX] = {0};
    char *texts[ENGINE_BATCH_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (const char *)keys[i].data;
        sizes[i] = keys[i].size;
    }
    rocksdb_batched_multi_get_cf(s->db, from->options, family, count, bytes, sizes, values, texts,
                                 false);
    for (size_t i = 0; i < count; i++) {
        results[i] = take_row(s, values[i], texts[i], from->arena, &rows[i]);
    }
}

/* ---- Latest ---- */

static enum err decode(struct slice key, struct slice row, struct arena *arena,
                       struct record *record)
{
    const enum err err = row_decode(row, record);
    record->key = arena_copy(arena, key);
    return err;
}

static enum err get_latest(struct disk_engine *e, struct slice key, enum engine_wait wait,
                           struct arena *arena, struct record *record)
{
    struct record_cache *records = e->store->records;
    const struct cache_key k = disk_key(e, key);
    struct slice row;
    uint64_t ticket = 0;
    record_cache_lock(records, e->group);
    const bool is_known = record_cache_find(records, &k, arena, &row, &ticket);
    record_cache_unlock(records, e->group);
    if (is_known) {
        return row.data == NULL ? ERR_NOT_FOUND : decode(key, row, arena, record);
    }
    const struct disk_source from = disk_newest(e, wait, arena);
    enum err err = disk_read(&from, key, &row);
    if (err == ERR_OK) {
        err = decode(key, row, arena, record);
    }
    if (err == ERR_OK) {
        record_cache_fill(records, &k, row, ticket);
    }
    return err;
}

/* NULL: RocksDB was not owed the row. */
static const struct owed_row *find_owed(const struct disk_view *v, struct slice key)
{
    size_t first = 0;
    size_t end = v->owed_count;
    while (first < end) {
        const size_t middle = first + (end - first) / 2;
        const int order = slice_compare(v->owed[middle].key, key);
        if (order == 0) {
            return &v->owed[middle];
        }
        first = order < 0 ? middle + 1 : first;
        end = order < 0 ? end : middle;
    }
    return NULL;
}

static enum err read_view(const struct disk_view *v, const struct disk_source *from,
                          struct slice key, struct slice *row)
{
    const struct owed_row *owed = find_owed(v, key);
    if (owed == NULL) {
        return disk_read(from, key, row);
    }
    *row = owed->row.data == NULL ? owed->row : arena_copy(from->arena, owed->row);
    return owed->row.data == NULL ? ERR_NOT_FOUND : ERR_OK;
}

static struct disk_source view_source(const struct disk_view *v, struct disk_engine *e,
                                      enum engine_wait wait, struct arena *arena)
{
    return (struct disk_source){e, wait == ENGINE_NO_WAIT ? v->read_cached : v->read_all,
                                wait == ENGINE_MAY_WAIT, arena};
}

enum err disk_get(const struct reader *r, struct slice key, enum engine_wait wait,
                  struct arena *arena, struct record *record)
{
    struct disk_engine *e = disk_of(r->engine);
    if (r->state[0] == DISK_LATEST) {
        return get_latest(e, key, wait, arena, record);
    }
    if (r->state[0] == DISK_WRITER) {
        struct lookup l = {.engine = r->engine, .key = key};
        const enum err err = disk_find(&l, wait, arena);
        *record = l.record;
        return err;
    }
    const struct disk_source from = view_source(disk_view_of(r), e, wait, arena);
    struct slice row;
    const enum err err = read_view(disk_view_of(r), &from, key, &row);
    return err == ERR_OK ? decode(key, row, arena, record) : err;
}

enum err disk_read_durable(struct disk_engine *e, struct slice key, struct arena *arena,
                           struct record *record)
{
    struct slice row;
    const struct disk_source from = {e, e->store->read_durable, true, arena};
    const enum err err = disk_read(&from, key, &row);
    return err == ERR_OK ? decode(key, row, arena, record) : err;
}

/* ---- Several ---- */

/* Those of the lookups that belong to one engine. */
struct group_read {
    struct disk_engine *engine;
    enum engine_wait wait;
    struct arena *arena;
    size_t count;
    size_t places[ENGINE_BATCH_MAX]; /* in the caller's arrays */
    struct cache_key keys[ENGINE_BATCH_MAX];
    uint64_t tickets[ENGINE_BATCH_MAX];
    struct slice rows[ENGINE_BATCH_MAX];
    enum err results[ENGINE_BATCH_MAX];
    bool is_hit[ENGINE_BATCH_MAX];
};

/* Reads from RocksDB what was no hit. */
static void read_missing(struct group_read *g, const struct disk_source *from)
{
    struct slice keys[ENGINE_BATCH_MAX];
    struct slice rows[ENGINE_BATCH_MAX];
    enum err results[ENGINE_BATCH_MAX];
    size_t missing = 0;
    for (size_t i = 0; i < g->count; i++) {
        if (!g->is_hit[i]) {
            keys[missing++] = g->keys[i].key;
        }
    }
    disk_read_many(from, keys, missing, rows, results);
    missing = 0;
    for (size_t i = 0; i < g->count; i++) {
        if (!g->is_hit[i]) {
            g->rows[i] = rows[missing];
            g->results[i] = results[missing++];
        }
    }
}

/* All rows are those of one state. */
static bool is_one_state(const struct group_read *g)
{
    for (size_t i = 0; i < g->count; i++) {
        if (!g->is_hit[i] &&
            !record_cache_is_fresh(g->engine->store->records, &g->keys[i], g->tickets[i])) {
            return false;
        }
    }
    return true;
}

static void read_past_cache(struct group_read *g)
{
    struct disk_view v;
    disk_view_init(&v, g->engine);
    const struct disk_source from = view_source(&v, g->engine, g->wait, g->arena);
    for (size_t i = 0; i < g->count; i++) {
        g->results[i] = read_view(&v, &from, g->keys[i].key, &g->rows[i]);
    }
    disk_view_deinit(&v, g->engine);
}

/* Returns how many are not there. */
static size_t find_all(struct group_read *g)
{
    struct record_cache *records = g->engine->store->records;
    size_t missing = 0;
    record_cache_lock(records, g->engine->group);
    for (size_t i = 0; i < g->count; i++) {
        record_cache_approach(records, &g->keys[i]);
    }
    for (size_t i = 0; i < g->count; i++) {
        g->is_hit[i] =
            record_cache_find(records, &g->keys[i], g->arena, &g->rows[i], &g->tickets[i]);
        g->results[i] = g->is_hit[i] && g->rows[i].data == NULL ? ERR_NOT_FOUND : ERR_OK;
        missing += g->is_hit[i] ? 0 : 1;
    }
    record_cache_unlock(records, g->engine->group);
    return missing;
}

static void read_group(struct group_read *g)
{
    if (find_all(g) == 0) {
        return;
    }
    const struct disk_source from = disk_newest(g->engine, g->wait, g->arena);
    read_missing(g, &from);
    if (g->count > 1 && !is_one_state(g)) {
        read_past_cache(g);
        return;
    }
    for (size_t i = 0; i < g->count; i++) {
        if (!g->is_hit[i] && g->results[i] == ERR_OK) {
            record_cache_fill(g->engine->store->records, &g->keys[i], g->rows[i], g->tickets[i]);
        }
    }
}

void disk_get_many(struct lookup *lookups, size_t count, enum engine_wait wait, struct arena *arena,
                   enum err *results)
{
    CHECK(count <= ENGINE_BATCH_MAX);
    bool is_done[ENGINE_BATCH_MAX] = {false};
    struct group_read g;
    for (size_t first = 0; first < count; first++) {
        if (is_done[first]) {
            continue;
        }
        g = (struct group_read){
            .engine = disk_of(lookups[first].engine), .wait = wait, .arena = arena};
        for (size_t i = first; i < count; i++) {
            if (lookups[i].engine == lookups[first].engine) {
                is_done[i] = true;
                g.places[g.count] = i;
                g.keys[g.count++] = disk_key(g.engine, lookups[i].key);
            }
        }
        read_group(&g);
        for (size_t i = 0; i < g.count; i++) {
            struct lookup *l = &lookups[g.places[i]];
            results[g.places[i]] = g.results[i] == ERR_OK
                                       ? decode(l->key, g.rows[i], arena, &l->record)
                                       : g.results[i];
        }
    }
}
