/* record_cache.h - rows in memory in front of RocksDB: the hot ones, in a bounded number of bytes,
 * and those that a commit has published and RocksDB has not been given yet: it is owed them.
 *
 * One part per group, each with a lock of its own; one budget of bytes for all. Inside a part
 * rows that nothing is owed of are evicted by S3-FIFO (Yang and others, SOSP 2023): a small queue
 * that most rows leave unread, a main queue for the rest, and the fingerprints of what left the
 * small one.
 *
 * Owing. A commit publishes all its rows under the lock of its part, as owed. Whoever gives them
 * to RocksDB takes all of a part at once, so that they are of one state, writes them, and says how
 * that ended. Until it has ended well they are found here, whatever the budget; they count towards
 * it. A row may be owed as absent. A row that changes while it is being given is owed again.
 *
 * Being right. What is found here is always the newest published state of the row, and what is
 * not found here RocksDB has. A reader that fills brings the ticket it drew before it asked
 * RocksDB: each change makes the tickets of that row (and of few others) stale, and a stale ticket
 * inserts nothing. So once a reader has seen a row's new state, no reader finds its old one here.
 * A range that is taken away is only noted; its rows go when they are met, or all together when
 * many ranges have been noted.
 *
 * Any thread; publishing in one part: its owner; giving: one thread at a time. Private to
 * engine/disk. */
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

/* A row that RocksDB is owed. */
struct owed_row {
    struct slice key;
    struct slice row; /* NULL data: it is gone */
};

/* Returns an owned cache of at most `bytes` (0: keeps nothing but what is owed) in `parts` parts.
 * `seed` makes collisions unforeseeable. */
struct record_cache *record_cache_new(size_t bytes, unsigned parts, uint64_t seed);

/* Frees `*c` and sets it to NULL. */
void record_cache_free(struct record_cache **c);

/* Never depends on anything but the key and the cache's seed. */
uint64_t record_cache_hash(const struct record_cache *c, struct slice key);

/* ---- Between lock and unlock of the part ---- */

void record_cache_lock(struct record_cache *c, unsigned part);
void record_cache_unlock(struct record_cache *c, unsigned part);

/* Brings what find and publish look at closer. */
void record_cache_approach(const struct record_cache *c, const struct cache_key *k);

/* True: `*row` is a copy of the row in `arena`, or has NULL data: it is known to be absent. False:
 * RocksDB must be asked. Sets `*ticket` in either case. */
bool record_cache_find(struct record_cache *c, const struct cache_key *k, struct arena *arena,
                       struct slice *row, uint64_t *ticket);

/* The row has changed to `row`, which RocksDB is owed; NULL data: it is gone. `is_unseen`: once
 * RocksDB has it it is not kept here, unless somebody has read it. */
void record_cache_publish(struct record_cache *c, const struct cache_key *k, struct slice row,
                          bool is_unseen);

/* RocksDB is about to be given the row by another way, before the lock is left. */
void record_cache_change(struct record_cache *c, const struct cache_key *k);

/* It has been; nothing of the part is owed. NULL data: the row is gone, or is not to be kept. */
void record_cache_changed(struct record_cache *c, const struct cache_key *k, struct slice row);

/* The rows with from <= key < to are taken away from RocksDB before the lock is left: as they are
 * now they are not found any more. Nothing of the part is owed. */
void record_cache_erase_range(struct record_cache *c, unsigned part, struct slice from,
                              struct slice to);

/* Copies of what is owed, in order of the keys, in `arena`. Sets `*count`. */
struct owed_row *record_cache_copy_owed(struct record_cache *c, unsigned part, struct arena *arena,
                                        size_t *count);

/* ---- Without the lock ---- */

/* Nobody has changed `k` since `ticket` was drawn. */
bool record_cache_is_fresh(const struct record_cache *c, const struct cache_key *k,
                           uint64_t ticket);

/* Keeps a copy of `row`, read after `ticket` was drawn, unless that is stale. */
void record_cache_fill(struct record_cache *c, const struct cache_key *k, struct slice row,
                       uint64_t ticket);

/* Evicts until the budget is kept; the part `own` pays first. After publishing. */
void record_cache_trim(struct record_cache *c, unsigned own);

/* Bytes that a part owes. */
size_t record_cache_owed(const struct record_cache *c, unsigned part);

/* Takes all that is owed, in order of the keys; owned, the bytes are the cache's until
 * record_cache_given(), which follows. Sets `*count`; NULL: nothing is owed. */
struct owed_row *record_cache_take(struct record_cache *c, unsigned part, size_t *count);

/* RocksDB has got what was taken (or has not, and is owed it still). */
void record_cache_given(struct record_cache *c, unsigned part, bool is_written);

struct cache_stats record_cache_stats(struct record_cache *c, unsigned part);

#endif
