/* store.h - the open database, as its engines see it. Private to engine/disk. */
#ifndef ENGINE_DISK_STORE_IMPL_H
#define ENGINE_DISK_STORE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/disk/record_cache.h"
#include "engine/disk/rocks.h"

struct disk_group {
    _Atomic(rocksdb_column_family_handle_t *) family; /* NULL: not made yet, so it is empty */
    atomic_bool is_open;                              /* has an engine */
    pthread_mutex_t giving;                           /* held by who gives it what it is owed */
    atomic_bool wants_drain;                          /* the keeper shall do so */
};

struct disk_store {
    char *path;
    size_t write_bytes;
    rocksdb_cache_t *blocks;
    rocksdb_options_t *options;
    rocksdb_t *db;
    rocksdb_column_family_handle_t *default_family; /* empty */
    rocksdb_readoptions_t *read_all, *read_cached, *read_durable;
    rocksdb_writeoptions_t *write;
    rocksdb_writebatch_t *nothing; /* an empty batch, to ask whether writes work */
    struct record_cache *records;
    struct disk_group *groups;
    unsigned group_count;

    pthread_mutex_t making; /* a family */
    size_t owed_bytes;      /* by one group, above which the keeper drains it */

    pthread_t keeper;
    bool has_keeper;
    pthread_mutex_t keeping; /* of what the keeper waits for */
    pthread_cond_t wanted;
    bool is_closing;

    _Atomic enum disk_pressure trouble; /* what the last write or flush met */
    _Atomic uint64_t block_hits, block_misses;
};

static inline rocksdb_column_family_handle_t *store_family(struct disk_store *s, unsigned group)
{
    return atomic_load_explicit(&s->groups[group].family, memory_order_acquire);
}

/* Makes the family if need be, which takes some milliseconds. Errors: ERR_IO, ERR_NO_SPACE,
 * ERR_CORRUPT. */
MUST_CHECK enum err store_make_family(struct disk_store *s, unsigned group);

/* ---- drain.c ---- */

/* Gives RocksDB all that it is owed by the group, as one batch. Errors: as engine_commit(). */
MUST_CHECK enum err store_drain(struct disk_store *s, unsigned group);

/* Before a commit that will owe more: drains when too much is owed, or when RocksDB has refused
 * lately, so that it is asked before more is promised. */
MUST_CHECK enum err store_admit(struct disk_store *s, unsigned group);

/* After it: has the keeper drain the group when it is time. */
void store_owes(struct disk_store *s, unsigned group);

/* The thread that drains groups. Without it commits do so. */
void store_begin_keeping(struct disk_store *s);
void store_end_keeping(struct disk_store *s);

/* disk_flush() of one group. */
MUST_CHECK enum err store_flush(struct disk_store *s, unsigned group, bool is_waiting);

/* Would a write be refused now? Cheap. */
MUST_CHECK enum err store_check(struct disk_store *s);

/* Remembers how a write or a flush ended. */
void store_note(struct disk_store *s, enum err err);

/* A number RocksDB keeps about one group, such as "rocksdb.estimate-num-keys". */
uint64_t store_number(struct disk_store *s, unsigned group, const char *name);

/* A new engine of an open store. */
struct engine *disk_engine_new(struct disk_store *s, unsigned group);

#endif
