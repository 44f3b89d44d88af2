/* disk_store.h - the node's one database on disk, and the engines of its shards in it.
 *
 * A link seam: engine/disk is RocksDB (one column family per shard, its own log off,
 * a bounded cache of hot records in front); engine/standin is the simulated stand-in,
 * whose state survives in the store object and loses what was not flushed at
 * disk_store_power_cut(). Engines do not log: what a commit published is durable only
 * when it has been flushed; the shard replays the rest from the journal. */
#ifndef ENGINE_DISK_STORE_H
#define ENGINE_DISK_STORE_H

#include "engine/engine.h"

struct disk_store;
struct standin_medium;

struct disk_config {
    const char *path;    /* folder of its own; created if absent */
    unsigned shards;     /* from 1 to 1024; fixed at creation (group 0 has one of its own) */
    size_t cache_bytes;  /* of blocks, filters and indexes */
    size_t write_bytes;  /* of memtables, all shards together */
    size_t record_bytes; /* of the record cache */
    unsigned jobs;       /* background threads, at least 1 */

    /* Stand-in only (engine/standin/standin.h): what survives the store; shared, or NULL: nothing
     * does. */
    struct standin_medium *medium;
};

enum disk_pressure {
    DISK_FINE,
    DISK_STALLED, /* compaction is behind: keep the batch, try again after 1 ms */
    DISK_FULL,    /* no room: heals by itself when there is */
    DISK_DAMAGED, /* background error: writes are refused until the file is replaced */
};

/* Errors: ERR_IO, ERR_CORRUPT, ERR_NO_SPACE, ERR_INVALID (another number of shards). */
MUST_CHECK enum err disk_store_open(const struct disk_config *config, struct disk_store **out,
                                    struct err_why *why);

/* Flushes, then closes; all engines are closed. Frees `*s` and sets it to NULL. */
void disk_store_close(struct disk_store **s);

/* The engine of group `group` (0 to `shards`), owned; published index 0 until
 * engine_commit(): the shard reads its applied index from a row of its own. */
struct engine *disk_store_engine(struct disk_store *s, unsigned group);

/* The row as it would be found after a crash now. May wait. Errors: ERR_NOT_FOUND, ERR_IO. */
MUST_CHECK enum err disk_durable_get(struct engine *e, struct slice key, struct arena *arena,
                                     struct record *record);

/* Makes everything published durable; not waiting: begins to, and disk_durable_get() tells when it
 * is done. Errors: ERR_BUSY (not waiting: an earlier flush still runs; ask again later),
 * ERR_NO_SPACE, ERR_IO, ERR_CORRUPT. */
MUST_CHECK enum err disk_flush(struct engine *e, bool is_waiting);

/* Cheap; once per turn. Any thread. */
enum disk_pressure disk_pressure(struct disk_store *s);

struct disk_store_stats {
    uint64_t block_cache_bytes, block_cache_hits, block_cache_misses;
    uint64_t memtable_bytes, pending_compaction_bytes, files_bytes;
};
struct disk_store_stats disk_store_stats(struct disk_store *s);

/* Stand-in only: everything not flushed is lost, as at a power cut. Engines must be closed. */
void disk_store_power_cut(struct disk_store *s);

#endif
