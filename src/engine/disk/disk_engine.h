/* disk_engine.h - one group's engine: what its parts share. Private to engine/disk. */
#ifndef ENGINE_DISK_DISK_ENGINE_H
#define ENGINE_DISK_DISK_ENGINE_H

#include "engine/disk/batch.h"
#include "engine/disk/store.h"
#include "engine/engine_ops.h"

struct disk_engine {
    struct engine base;
    struct disk_store *store;
    unsigned group;
    _Atomic uint64_t applied;
    _Atomic unsigned views;
    _Atomic uint64_t written; /* bytes of all commits since it was opened */

    /* The writer. */
    bool has_begun;
    uint64_t batch_number; /* of this engine, from 1 */
    struct batch batch;
};

/* A constant state: a snapshot, and what RocksDB was owed then and could not be given. */
struct disk_view {
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *read_all, *read_cached;
    struct owed_row *owed; /* in order of the keys */
    size_t owed_count;
    struct arena arena; /* of these */
};

/* What a struct reader's state[0] says; of a view, state[1] is its address, state[2] what had been
 * written. */
enum disk_reader {
    DISK_LATEST,
    DISK_WRITER,
    DISK_VIEW
};

static inline struct disk_engine *disk_of(struct engine *e)
{
    return (struct disk_engine *)(void *)e;
}

static inline struct disk_view *disk_view_of(const struct reader *r)
{
    struct disk_view *v;
    memcpy(&v, &r->state[1], sizeof(struct disk_view *));
    return v;
}

/* ---- read.c: readers ---- */

struct cache_key disk_key(struct disk_engine *e, struct slice key);

void disk_view_init(struct disk_view *v, struct disk_engine *e);
void disk_view_deinit(struct disk_view *v, struct disk_engine *e);

/* Where and how to read in RocksDB. */
struct disk_source {
    struct disk_engine *engine;
    const rocksdb_readoptions_t *options;
    bool may_wait;       /* as the options say */
    struct arena *arena; /* the rows are copied to it */
};

static inline struct disk_source disk_newest(struct disk_engine *e, enum engine_wait wait,
                                             struct arena *arena)
{
    const struct disk_store *s = e->store;
    return (struct disk_source){e, wait == ENGINE_NO_WAIT ? s->read_cached : s->read_all,
                                wait == ENGINE_MAY_WAIT, arena};
}

MUST_CHECK enum err disk_read(const struct disk_source *from, struct slice key, struct slice *row);

/* Several, at most ENGINE_BATCH_MAX; of one state if it may wait or the options hold a
 * snapshot. */
void disk_read_many(const struct disk_source *from, const struct slice *keys, size_t count,
                    struct slice *rows, enum err *results);

/* disk_durable_get(). */
enum err disk_read_durable(struct disk_engine *e, struct slice key, struct arena *arena,
                           struct record *record);

enum err disk_get(const struct reader *r, struct slice key, enum engine_wait wait,
                  struct arena *arena, struct record *record);
void disk_get_many(struct lookup *lookups, size_t count, enum engine_wait wait, struct arena *arena,
                   enum err *results);

/* ---- write.c: the writer ---- */

void disk_begin(struct engine *base);
enum err disk_approach(struct lookup *lookups, size_t count, enum engine_wait wait);
enum err disk_find(struct lookup *l, enum engine_wait wait, struct arena *arena);
void disk_put(struct lookup *l, const struct record *record);
void disk_erase(struct lookup *l, uint64_t revision);
void disk_touch(struct lookup *l);
bool disk_erase_range(struct engine *base, struct slice from, struct slice to, uint64_t revision,
                      size_t limit);
enum err disk_commit(struct engine *base, uint64_t index);
void disk_abort(struct engine *base);

/* ---- scan.c ---- */

void disk_scan_open(struct scan *s, const struct reader *r, struct slice from, struct slice to,
                    bool is_reverse);
enum err disk_scan_next(struct scan *s, struct record *record);
void disk_scan_close(struct scan *s);

#endif
