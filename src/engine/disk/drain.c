/* drain.c - giving RocksDB what it is owed.
 *
 * A commit only publishes its rows in the record cache (the journal has them on disk). All that a
 * group owes goes to RocksDB as one batch, so what RocksDB holds is always the state of one index,
 * which is among the rows. That pays three times: rows that change often, and the rows that every
 * commit writes, are written once; a large batch costs less than many small ones; and a batch in
 * order of its keys finds its places in the memtable faster.
 *
 * A group is drained by the keeper, a thread of the store, when it owes more than its share; by a
 * commit, when the keeper is behind or RocksDB has refused a batch; by views and scans, which read
 * RocksDB; by flushes, and before the store is closed. */
#include "base/check.h"
#include "base/mem.h"
#include "engine/disk/store.h"

#define OWED_TIMES_MAX 2 /* a group that owes its share so many times commits no more */

static void put_rows(rocksdb_writebatch_t *batch, rocksdb_column_family_handle_t *family,
                     const struct owed_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct owed_row *r = &rows[i];
        if (r->row.data == NULL) {
            rocksdb_writebatch_delete_cf(batch, family, (const char *)r->key.data, r->key.size);
        } else {
            rocksdb_writebatch_put_cf(batch, family, (const char *)r->key.data, r->key.size,
                                      (const char *)r->row.data, r->row.size);
        }
    }
}

static enum err give(struct disk_store *s, unsigned group, const struct owed_row *rows,
                     size_t count)
{
    char *text = NULL;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    put_rows(batch, store_family(s, group), rows, count);
    rocksdb_write(s->db, s->write, batch, &text);
    rocksdb_writebatch_destroy(batch);
    const enum err err = rocks_err(text, ERR_BUSY, "write", NULL);
    store_note(s, err);
    return err;
}

enum err store_drain(struct disk_store *s, unsigned group)
{
    if (record_cache_owed(s->records, group) == 0) {
        return ERR_OK;
    }
    enum err err = store_check(s); /* before much is taken for nothing, again and again */
    err = err == ERR_OK ? store_make_family(s, group) : err;
    if (err != ERR_OK) {
        store_note(s, err);
        return err;
    }
    CHECK(pthread_mutex_lock(&s->groups[group].giving) == 0);
    size_t count = 0;
    struct owed_row *rows = record_cache_take(s->records, group, &count);
    if (count > 0) {
        err = give(s, group, rows, count);
        record_cache_given(s->records, group, err == ERR_OK);
    }
    CHECK(pthread_mutex_unlock(&s->groups[group].giving) == 0);
    mem_free(rows);
    return err;
}

enum err store_admit(struct disk_store *s, unsigned group)
{
    const size_t owed = record_cache_owed(s->records, group);
    const bool is_fine = atomic_load_explicit(&s->trouble, memory_order_relaxed) == DISK_FINE;
    return is_fine && owed <= s->owed_bytes * OWED_TIMES_MAX ? ERR_OK : store_drain(s, group);
}

void store_owes(struct disk_store *s, unsigned group)
{
    struct disk_group *g = &s->groups[group];
    if (record_cache_owed(s->records, group) <= s->owed_bytes ||
        atomic_load_explicit(&g->wants_drain, memory_order_relaxed)) {
        return;
    }
    CHECK(pthread_mutex_lock(&s->keeping) == 0);
    atomic_store(&g->wants_drain, true);
    CHECK(pthread_cond_signal(&s->wanted) == 0);
    CHECK(pthread_mutex_unlock(&s->keeping) == 0);
}

/* ---- The keeper ---- */

/* A group that wants to be drained; `group_count`: none does. */
static unsigned next_wanted(struct disk_store *s)
{
    unsigned group = 0;
    while (group < s->group_count && !atomic_load(&s->groups[group].wants_drain)) {
        group++;
    }
    return group;
}

/* A drain that fails is asked for again by the next commit. */
static void *keep(void *arg)
{
    struct disk_store *s = arg;
    CHECK(pthread_mutex_lock(&s->keeping) == 0);
    while (!s->is_closing) {
        const unsigned group = next_wanted(s);
        if (group == s->group_count) {
            CHECK(pthread_cond_wait(&s->wanted, &s->keeping) == 0);
            continue;
        }
        CHECK(pthread_mutex_unlock(&s->keeping) == 0);
        const enum err err = store_drain(s, group);
        (void)err; /* noted; the next commits will meet it */
        atomic_store(&s->groups[group].wants_drain, false);
        CHECK(pthread_mutex_lock(&s->keeping) == 0);
    }
    CHECK(pthread_mutex_unlock(&s->keeping) == 0);
    return NULL;
}

void store_begin_keeping(struct disk_store *s)
{
    s->has_keeper = pthread_create(&s->keeper, NULL, keep, s) == 0;
    if (s->has_keeper) {
        (void)pthread_setname_np(s->keeper, "keeper"); /* for those who look at threads */
    }
}

void store_end_keeping(struct disk_store *s)
{
    CHECK(pthread_mutex_lock(&s->keeping) == 0);
    s->is_closing = true;
    CHECK(pthread_cond_signal(&s->wanted) == 0);
    CHECK(pthread_mutex_unlock(&s->keeping) == 0);
    if (s->has_keeper) {
        CHECK(pthread_join(s->keeper, NULL) == 0);
    }
}
