/* rocks.h - RocksDB's errors and options in this program's words. Private to engine/disk. */
#ifndef ENGINE_DISK_ROCKS_H
#define ENGINE_DISK_ROCKS_H

#include <rocksdb/c.h>

#include "engine/disk_store.h"

/* What RocksDB said (NULL: nothing went wrong); frees the text. RocksDB has no codes in C, so
 * its sentences are compared. `Result incomplete` (of a read: not in memory; of a write: stalled)
 * becomes `incomplete`. `what` and the text go to `why`, which may be NULL. */
enum err rocks_err(char *text, enum err incomplete, const char *what, struct err_why *why);

/* Both owned. The options share the cache. */
rocksdb_cache_t *rocks_cache_new(size_t bytes);
rocksdb_options_t *rocks_options_new(const struct disk_config *config, rocksdb_cache_t *cache);

/* Owned; `tier` as in RocksDB: all, block cache and memtables only, what is on the disk only. */
enum rocks_tier {
    ROCKS_ALL = 0,
    ROCKS_CACHED = 1,
    ROCKS_DURABLE = 2
};
rocksdb_readoptions_t *rocks_read_new(enum rocks_tier tier);

/* Without RocksDB's own log, and refused rather than delayed when compaction is behind. Owned. */
rocksdb_writeoptions_t *rocks_write_new(void);

#endif
