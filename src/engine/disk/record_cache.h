/* record_cache.h - a bounded cache of hot rows in front of RocksDB.
 *
 * One part per group, each with a lock of its own; one budget of bytes for all. Inside a part
 * rows are evicted by S3-FIFO (Yang and others, SOSP 2023): a small queue that most rows leave
 * unread, a main queue for the rest, and the fingerprints of what left the small one.
 *
 * Being right. A cached row is always the newest published one. The owner hides a row, writes it
 * to RocksDB, then publishes it here; a hidden row is a miss. A reader that fills brings the
 * ticket it drew before it asked RocksDB: each hide and each publication makes the tickets of
 * that row (and of few others) stale, and a stale ticket inserts nothing. So once a reader has
 * seen a row's new state, no reader finds its old one here. A range that is taken away is only
 * noted; its rows go when they are met, or all together when many ranges have been noted.
 *
 * Any thread; hiding and publishing one part: its owner. Private to engine/disk. */
#ifndef ENGINE_DISK_RECORD_CACHE_H
#define ENGINE_DISK_RECORD_CACHE_H

#include <stdint.h>

#include "base/arena.h"

#define RECORD_CACHE_ROW_MAX ((size_t)4096) /* bytes of key and row; larger ones are not kept */

struct record_cache;

struct cache_key {
    struct slice key;
    uint64_t hash; /* record_cache_hash() of it */
    unsigned part;
};

struct cache_stats {
    uint64_t hits, misses, bytes;
};

/* Returns an owned cache of at most `bytes` (0: keeps nothing) in `parts` parts. `seed` makes
 * collisions unforeseeable. */
struct record_cache *record_cache_new(size_t bytes, unsigned parts, uint64_t seed);

/* Frees `*c` and sets it to NULL. */
void record_cache_free(struct record_cache **c);

/* Never depends on anything but the key and the cache's seed. */
uint64_t record_cache_hash(const struct record_cache *c, struct slice key);

/* True: a copy of the row is in `arena`. Sets `*ticket` in either case. */
bool record_cache_find(struct record_cache *c, const struct cache_key *k, struct arena *arena,
                       struct slice *row, uint64_t *ticket);

/* Nobody has hidden or published `k` since `ticket` was drawn. */
bool record_cache_is_fresh(const struct record_cache *c, const struct cache_key *k,
                           uint64_t ticket);

/* The row, or one that shares its tickets, was hidden when `ticket` was drawn. */
bool record_cache_was_hidden(uint64_t ticket);

/* Keeps a copy of `row`, read after `ticket` was drawn, unless that is stale. */
void record_cache_fill(struct record_cache *c, const struct cache_key *k, struct slice row,
                       uint64_t ticket);

/* The row is about to change: it is not found, and not filled, until published or shown. */
void record_cache_hide(struct record_cache *c, const struct cache_key *k);

/* It did not change after all. */
void record_cache_show(struct record_cache *c, const struct cache_key *k);

/* It has changed to `row`; NULL data: it is gone. */
void record_cache_publish(struct record_cache *c, const struct cache_key *k, struct slice row);

/* The rows with from <= key < to of one part are about to go: as they are now they are not found
 * any more. Nothing of the part is filled until record_cache_open(). */
void record_cache_erase_range(struct record_cache *c, unsigned part, struct slice from,
                              struct slice to);

/* The ranges are gone from RocksDB (or are not, after a failure). */
void record_cache_open(struct record_cache *c, unsigned part);

struct cache_stats record_cache_stats(struct record_cache *c, unsigned part);

#endif
