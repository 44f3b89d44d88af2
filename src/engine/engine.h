/* engine.h - ordered keys and values at rest: one shard's part of one storage.
 *
 * One writer, many readers. "Owner" functions are called by one thread at a time, the
 * one that owns the shard (or the worker that applies for it); readers on any thread.
 * engine_begin() opens the writer, whose reads see its own writes; engine_commit()
 * publishes all of them at once; nothing is visible before.
 *
 * Two implementations: engine/memory (a B+tree with versions, volatile) and engine/disk
 * (RocksDB; or its simulated stand-in with the same contract). Keys here are rows: what
 * they mean is model's affair. A record's revisions, type and expiry are only kept.
 *
 * Waiting. The disk engine may have to read from the disk. With ENGINE_NO_WAIT such a
 * call answers ERR_WOULD_WAIT instead and must be repeated with ENGINE_MAY_WAIT on a
 * worker thread. The memory engine never waits.
 *
 * Lifetime of what a read returns: memory: until the reading thread's next epoch_quiet()
 * or epoch_idle() (engine/epoch.h), or view_close(); disk: it is copied into the arena
 * that the caller gives. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

#define ENGINE_KEY_MAX   ((size_t)65536 + 64) /* bytes of a row key; at least 1 */
#define ENGINE_VALUE_MAX ((size_t)1 << 30)    /* bytes */
#define ENGINE_BATCH_MAX 32                   /* keys approached side by side */
#define ENGINE_TYPE_MAX  15
#define REVISION_MAX     (((uint64_t)1 << 56) - 1)
#define VIEWS_MAX        64 /* open at a time in one engine */

enum engine_wait {
    ENGINE_NO_WAIT,
    ENGINE_MAY_WAIT
};

/* One version of one row. */
struct record {
    struct slice key;
    struct slice value;
    uint64_t mod_revision;
    uint64_t create_revision;
    uint64_t version;   /* writes since it was created, from 1 */
    uint64_t expiry_ms; /* 0: never */
    uint8_t type;       /* 0 to ENGINE_TYPE_MAX */
};

struct engine_ops;

/* What all implementations begin with. */
struct engine {
    const struct engine_ops *ops;
};

/* Which state is read. Made by engine_latest(), engine_writer(), view_open(). */
struct reader {
    struct engine *engine;
    uint64_t state[3]; /* private to engine/ */
};

/* A key on its way through an engine. Zero `place` at first. */
struct lookup {
    struct engine *engine;
    struct slice key;     /* 1 to ENGINE_KEY_MAX bytes; borrowed */
    uint64_t place[6];    /* private to engine/: a hint, never wrong */
    struct record record; /* set by engine_find(), engine_get_many() */
};

struct engine_stats {
    uint64_t rows;       /* memory: exact; disk: an estimate */
    uint64_t used_bytes; /* memory held: records, nodes, garbage; disk: memtables */
    uint64_t disk_bytes;
    uint64_t waiting; /* replaced versions and nodes not given back yet */
    uint64_t cache_hits, cache_misses, cache_bytes; /* record cache */
    uint64_t views;                                 /* open */
    uint64_t pinned_bytes; /* memory: of replaced versions that only views keep */
};

/* ---- Readers ---- */

/* The newest published state, at each call anew. */
struct reader engine_latest(struct engine *e);

/* Owner, between begin and commit: the published state and the writer's own writes. */
struct reader engine_writer(struct engine *e);

/* A constant state, kept until view_close(), for any length of time; it costs what is replaced
 * meanwhile. Any thread. Errors: ERR_BUSY (VIEWS_MAX are open). */
MUST_CHECK enum err view_open(struct engine *e, struct reader *view);

/* Any thread. Nothing read through it is used any more, no scan of it is open. */
void view_close(struct reader *view);

/* About how much longer everything has become because of this view, in bytes: memory: the replaced
 * versions that no newer view needs too, as of the last collection; disk: all that was written
 * since it was opened, which is never less. Any thread. */
uint64_t view_bytes(const struct reader *view);

/* Errors: ERR_NOT_FOUND, ERR_WOULD_WAIT, ERR_IO, ERR_CORRUPT. */
MUST_CHECK enum err engine_get(const struct reader *r, struct slice key, enum engine_wait wait,
                               struct arena *arena, struct record *record);

/* Newest published state of up to ENGINE_BATCH_MAX keys side by side; their engines may differ but
 * are of one kind. `results[i]` as engine_get(); keys of one engine are read from one state. */
void engine_get_many(struct lookup *lookups, size_t count, enum engine_wait wait,
                     struct arena *arena, enum err *results);

/* ---- The writer ("owner" all) ---- */

void engine_begin(struct engine *e);

/* Brings the way to up to ENGINE_BATCH_MAX keys into reach, side by side; engines may differ but
 * are of one kind and have all begun. Disk: loads the records, so that engine_find() of these keys
 * does not wait until the commit. Errors: ERR_WOULD_WAIT, ERR_IO, ERR_CORRUPT. */
MUST_CHECK enum err engine_approach(struct lookup *lookups, size_t count, enum engine_wait wait);

/* The record at `l->key` as the writer sees it now; `l` may have been approached or not.
 * Errors: ERR_NOT_FOUND, ERR_WOULD_WAIT, ERR_IO, ERR_CORRUPT. */
MUST_CHECK enum err engine_find(struct lookup *l, enum engine_wait wait, struct arena *arena);

/* Puts `record` (all fields; its key equals `l->key`; bytes are copied), whatever was there.
 * Revisions of one key never decrease. `l` has been found before. */
void engine_put(struct lookup *l, const struct record *record);

/* Takes the row away; harmless if it is absent. `l` has been found before. */
void engine_erase(struct lookup *l, uint64_t revision);

/* The same for a row that has not been found, whatever it is now: for rows that are seldom read,
 * and whose old state does not matter. The disk engine does not look for it, and keeps it out of
 * the record cache. An erase should hit a row that is there. Bytes are copied. */
void engine_put_unseen(struct engine *e, const struct record *record);
void engine_erase_unseen(struct engine *e, struct slice key, uint64_t revision);

/* Takes rows with from <= key < to away: memory: at most `limit`; disk: all, by one range
 * tombstone. True: all are gone, for readers at the commit, as if each had been erased; in steps it
 * is for rows that nobody reads any more (a dropped table or collection). */
bool engine_erase_range(struct engine *e, struct slice from, struct slice to, uint64_t revision,
                        size_t limit);

/* Between begin and commit: bytes that the batch holds in memory of its own, of rows found and
 * written. */
size_t engine_batch_bytes(const struct engine *e);

/* Publishes everything since engine_begin() as state `index`, which is greater than
 * engine_applied(). Errors (disk; nothing was published or changed, and the writer stays open:
 * call again later, or engine_abort()): ERR_BUSY (stalled by compaction), ERR_NO_SPACE, ERR_IO,
 * ERR_CORRUPT. */
MUST_CHECK enum err engine_commit(struct engine *e, uint64_t index);

/* Forgets everything since engine_begin(). Disk only (memory: CHECKs that nothing was written). */
void engine_abort(struct engine *e);

/* Index of the newest published state; 0 at first (disk: the value given at open). */
uint64_t engine_applied(const struct engine *e);

/* Once per turn of the loop: gives back what no reader and no view needs any more, at most
 * `budget` objects. True: there was more to do. Disk: nothing. */
bool engine_collect(struct engine *e, size_t budget);

/* Memory only: the next row with prefix `prefix` that nobody has read or written since the hand
 * last passed it (second chance, a cheap LRU); moves the hand at most `budget` rows.
 * Errors: ERR_NOT_FOUND (none in this stretch; call again). */
MUST_CHECK enum err engine_coldest(struct engine *e, struct slice prefix, size_t budget,
                                   struct record *record);

/* Any thread. */
struct engine_stats engine_stats(struct engine *e);

/* Frees `*e` and sets it to NULL; no view or scan is open. Disk: the store is closed later. */
void engine_close(struct engine **e);

/* ---- Scans: rows in order ---- */

struct scan_state;

/* Open: callers embed it. Zeroed is closed. */
struct scan {
    struct engine *engine;
    struct scan_state *state; /* owned */
};

/* Rows with from <= key < to; `to` with NULL data: no end. Borrows `r`, and `from` and `to` until
 * scan_close(). A scan of engine_latest() ends in the turn in which it began. */
void scan_open(struct scan *s, const struct reader *r, struct slice from, struct slice to,
               bool is_reverse);

/* The next row; valid until the next call, but see scan_is_cheap(). A scan of the disk engine may
 * wait: not on a loop. Errors: ERR_NOT_FOUND at the end, ERR_IO, ERR_CORRUPT. */
MUST_CHECK enum err scan_next(struct scan *s, struct record *record);

void scan_close(struct scan *s);

/* True if scans of this engine never wait, and their rows stay as long as what a read returns. */
bool scan_is_cheap(const struct engine *e);

#endif
