/* write.c - the writer of one group.
 *
 * What it finds and what it writes is kept in the batch (batch.h), so reads of its own writes,
 * and repeated reads, do not ask the store. A commit publishes the rows it changes in the record
 * cache, all at once; RocksDB is given them later (drain.c). A commit that takes ranges away, and
 * that is rare, is written to RocksDB itself, ranges first, while readers of the group wait. */
#include "base/check.h"
#include "engine/disk/disk_engine.h"
#include "engine/disk/row.h"

/* lookup.place: the entry of the key, and the number of the batch in which that is true. */
enum {
    PLACE_ENTRY,
    PLACE_BATCH
};

static struct batch_entry *placed(const struct disk_engine *e, const struct lookup *l)
{
    struct batch_entry *entry;
    memcpy(&entry, &l->place[PLACE_ENTRY], sizeof(struct batch_entry *));
    return l->place[PLACE_BATCH] == e->batch_number ? entry : NULL;
}

static void place(const struct disk_engine *e, struct lookup *l, struct batch_entry *entry)
{
    l->place[PLACE_ENTRY] = (uint64_t)(uintptr_t)entry;
    l->place[PLACE_BATCH] = e->batch_number;
}

void disk_begin(struct engine *base)
{
    struct disk_engine *e = disk_of(base);
    CHECK(!e->has_begun);
    e->has_begun = true;
    e->batch_number++;
}

/* ---- Finding ---- */

/* The entry of the key if that needs no look into RocksDB, else NULL. The cache is locked. */
static struct batch_entry *at_hand(struct disk_engine *e, const struct cache_key *k)
{
    struct batch_entry *entry = batch_find(&e->batch, k->key, k->hash);
    if (entry != NULL) {
        return entry;
    }
    struct slice row = {0};
    uint64_t ticket = 0;
    const bool is_known = batch_is_erased(&e->batch, k->key) ||
                          record_cache_find(e->store->records, k, &e->batch.arena, &row, &ticket);
    return is_known ? batch_add(&e->batch, k->key, k->hash, row) : NULL;
}

/* Enters what RocksDB answered. Errors: `result`, if it is no answer. */
static enum err enter(struct disk_engine *e, const struct cache_key *k, enum err result,
                      struct slice row, struct batch_entry **entry)
{
    if (result != ERR_OK && result != ERR_NOT_FOUND) {
        return result;
    }
    *entry = batch_find(&e->batch, k->key, k->hash); /* the key may have been asked for twice */
    if (*entry == NULL) {
        *entry = batch_add(&e->batch, k->key, k->hash, result == ERR_OK ? row : (struct slice){0});
    }
    return ERR_OK;
}

/* Those of the lookups that belong to one engine and are not at hand. */
struct missing {
    size_t count;
    struct lookup *lookups[ENGINE_BATCH_MAX];
    struct cache_key keys[ENGINE_BATCH_MAX];
};

/* Places those that are at hand; the others stay in `m`. */
static void take_at_hand(struct disk_engine *e, struct missing *m)
{
    struct record_cache *records = e->store->records;
    size_t missing = 0;
    record_cache_lock(records, e->group);
    for (size_t i = 0; i < m->count; i++) {
        record_cache_approach(records, &m->keys[i]);
    }
    for (size_t i = 0; i < m->count; i++) {
        struct batch_entry *entry = at_hand(e, &m->keys[i]);
        if (entry != NULL) {
            place(e, m->lookups[i], entry);
        } else {
            m->lookups[missing] = m->lookups[i];
            m->keys[missing++] = m->keys[i];
        }
    }
    record_cache_unlock(records, e->group);
    m->count = missing;
}

static enum err load_missing(struct disk_engine *e, const struct missing *m, enum engine_wait wait)
{
    struct slice keys[ENGINE_BATCH_MAX];
    struct slice rows[ENGINE_BATCH_MAX];
    enum err results[ENGINE_BATCH_MAX];
    for (size_t i = 0; i < m->count; i++) {
        keys[i] = m->keys[i].key;
    }
    const struct disk_source from = disk_newest(e, wait, &e->batch.arena);
    disk_read_many(&from, keys, m->count, rows, results);
    enum err worst = ERR_OK;
    for (size_t i = 0; i < m->count; i++) {
        struct batch_entry *entry = NULL;
        const enum err err = enter(e, &m->keys[i], results[i], rows[i], &entry);
        if (err == ERR_OK) {
            place(e, m->lookups[i], entry);
        } else if (worst == ERR_OK || worst == ERR_WOULD_WAIT) {
            worst = err;
        }
    }
    return worst;
}

enum err disk_approach(struct lookup *lookups, size_t count, enum engine_wait wait)
{
    CHECK(count <= ENGINE_BATCH_MAX);
    bool is_done[ENGINE_BATCH_MAX] = {false};
    enum err worst = ERR_OK;
    struct missing m;
    for (size_t first = 0; first < count; first++) {
        struct disk_engine *e = disk_of(lookups[first].engine);
        CHECK(e->has_begun);
        m.count = 0;
        for (size_t i = first; i < count; i++) {
            if (is_done[i] || lookups[i].engine != lookups[first].engine) {
                continue;
            }
            is_done[i] = true;
            m.lookups[m.count] = &lookups[i];
            m.keys[m.count++] = disk_key(e, lookups[i].key);
        }
        take_at_hand(e, &m);
        const enum err err = m.count == 0 ? ERR_OK : load_missing(e, &m, wait);
        worst = worst == ERR_OK || worst == ERR_WOULD_WAIT ? (err == ERR_OK ? worst : err) : worst;
    }
    return worst;
}

/* The entry of `l`, loaded if need be. */
static enum err load(struct disk_engine *e, struct lookup *l, enum engine_wait wait,
                     struct batch_entry **entry)
{
    *entry = placed(e, l);
    if (*entry != NULL) {
        return ERR_OK;
    }
    const struct cache_key k = disk_key(e, l->key);
    record_cache_lock(e->store->records, e->group);
    *entry = at_hand(e, &k);
    record_cache_unlock(e->store->records, e->group);
    if (*entry == NULL) {
        struct slice row = {0};
        const struct disk_source from = disk_newest(e, wait, &e->batch.arena);
        const enum err result = disk_read(&from, l->key, &row);
        const enum err err = enter(e, &k, result, row, entry);
        if (err != ERR_OK) {
            return err;
        }
    }
    place(e, l, *entry);
    return ERR_OK;
}

enum err disk_find(struct lookup *l, enum engine_wait wait, struct arena *arena)
{
    struct disk_engine *e = disk_of(l->engine);
    CHECK(e->has_begun);
    struct batch_entry *entry = NULL;
    enum err err = load(e, l, wait, &entry);
    if (err != ERR_OK) {
        return err;
    }
    if (entry->row.data == NULL) {
        return ERR_NOT_FOUND;
    }
    err = row_decode(arena_copy(arena, entry->row), &l->record);
    l->record.key = arena_copy(arena, l->key);
    return err;
}

/* ---- Changing ---- */

static struct batch_entry *found(struct disk_engine *e, struct lookup *l)
{
    CHECK(e->has_begun);
    struct batch_entry *entry = placed(e, l);
    if (entry == NULL) {
        const struct cache_key k = disk_key(e, l->key);
        entry = batch_find(&e->batch, k.key, k.hash);
    }
    CHECK(entry != NULL); /* it has been found before */
    return entry;
}

void disk_put(struct lookup *l, const struct record *record)
{
    struct disk_engine *e = disk_of(l->engine);
    struct batch_entry *entry = found(e, l);
    DCHECK(slice_equal(l->key, record->key));
    batch_set(&e->batch, entry, row_encode(record, &e->batch.arena));
}

void disk_erase(struct lookup *l, uint64_t revision)
{
    struct disk_engine *e = disk_of(l->engine);
    (void)revision; /* RocksDB keeps an order of its own */
    batch_set(&e->batch, found(e, l), (struct slice){0});
}

void disk_touch(struct lookup *l)
{
    struct disk_engine *e = disk_of(l->engine);
    CHECK(e->has_begun);
    const struct cache_key k = disk_key(e, l->key);
    struct batch_entry *entry = batch_find(&e->batch, k.key, k.hash);
    if (entry == NULL) {
        entry = batch_add(&e->batch, k.key, k.hash, (struct slice){0});
        entry->is_stored = true;
        entry->is_unseen = true;
    }
    place(e, l, entry);
}

bool disk_erase_range(struct engine *base, struct slice from, struct slice to, uint64_t revision,
                      size_t limit)
{
    struct disk_engine *e = disk_of(base);
    (void)revision;
    (void)limit; /* one tombstone, however many rows */
    CHECK(e->has_begun);
    CHECK(to.data != NULL);
    if (slice_compare(from, to) < 0) {
        batch_erase_range(&e->batch, from, to);
    }
    return true;
}

/* ---- Commit ---- */

static struct cache_key key_of(const struct disk_engine *e, const struct batch_entry *n)
{
    return (struct cache_key){n->key, n->hash, e->group};
}

/* Publishes the rows; RocksDB is owed them. */
static enum err publish(struct disk_engine *e)
{
    struct record_cache *records = e->store->records;
    uint64_t bytes = 0;
    const enum err err = store_admit(e->store, e->group);
    if (err != ERR_OK) {
        return err;
    }
    record_cache_lock(records, e->group);
    for (const struct batch_entry *n = e->batch.first; n != NULL; n = n->next) {
        if (n->is_changed) {
            const struct cache_key k = key_of(e, n);
            record_cache_publish(records, &k, n->row, n->is_unseen);
            bytes += n->key.size + n->row.size;
        }
    }
    record_cache_unlock(records, e->group);
    record_cache_trim(records, e->group);
    atomic_fetch_add(&e->written, bytes);
    store_owes(e->store, e->group);
    return ERR_OK;
}

static void build(struct disk_engine *e, rocksdb_writebatch_t *batch)
{
    rocksdb_column_family_handle_t *family = store_family(e->store, e->group);
    for (const struct batch_range *r = e->batch.ranges; r != NULL; r = r->next) {
        rocksdb_writebatch_delete_range_cf(batch, family, (const char *)r->from.data, r->from.size,
                                           (const char *)r->to.data, r->to.size);
    }
    for (const struct batch_entry *n = e->batch.first; n != NULL; n = n->next) {
        if (!n->is_changed) {
            continue;
        }
        if (n->row.data == NULL) {
            rocksdb_writebatch_delete_cf(batch, family, (const char *)n->key.data, n->key.size);
        } else {
            rocksdb_writebatch_put_cf(batch, family, (const char *)n->key.data, n->key.size,
                                      (const char *)n->row.data, n->row.size);
        }
    }
}

/* The cache is told of the rows before RocksDB has them, of which readers of RocksDB learn by their
 * tickets, and after. It is locked. */
static enum err write_locked(struct disk_engine *e, rocksdb_writebatch_t *batch)
{
    struct record_cache *records = e->store->records;
    char *text = NULL;
    for (const struct batch_entry *n = e->batch.first; n != NULL; n = n->next) {
        const struct cache_key k = key_of(e, n);
        record_cache_change(records, &k);
    }
    for (const struct batch_range *r = e->batch.ranges; r != NULL; r = r->next) {
        record_cache_erase_range(records, e->group, r->from, r->to);
    }
    rocksdb_write(e->store->db, e->store->write, batch, &text);
    const enum err err = rocks_err(text, ERR_BUSY, "write", NULL);
    for (const struct batch_entry *n = e->batch.first; n != NULL && err == ERR_OK; n = n->next) {
        if (n->is_changed) {
            const struct cache_key k = key_of(e, n);
            record_cache_changed(records, &k, n->is_unseen ? (struct slice){0} : n->row);
        }
    }
    return err;
}

static enum err write_through(struct disk_engine *e)
{
    struct disk_store *s = e->store;
    enum err err = store_make_family(s, e->group);
    err = err == ERR_OK ? store_drain(s, e->group) : err;
    if (err != ERR_OK) {
        store_note(s, err);
        return err;
    }
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    size_t size = 0;
    build(e, batch);
    (void)rocksdb_writebatch_data(batch, &size);
    record_cache_lock(s->records, e->group);
    err = write_locked(e, batch);
    record_cache_unlock(s->records, e->group);
    record_cache_trim(s->records, e->group);
    rocksdb_writebatch_destroy(batch);
    store_note(s, err);
    if (err == ERR_OK) {
        atomic_fetch_add(&e->written, size);
    }
    return err;
}

enum err disk_commit(struct engine *base, uint64_t index)
{
    struct disk_engine *e = disk_of(base);
    CHECK(e->has_begun);
    CHECK(index > atomic_load_explicit(&e->applied, memory_order_relaxed));
    if (e->batch.change_count > 0) {
        const enum err err = e->batch.ranges == NULL ? publish(e) : write_through(e);
        if (err != ERR_OK) {
            return err;
        }
    }
    atomic_store_explicit(&e->applied, index, memory_order_release);
    batch_reset(&e->batch);
    e->has_begun = false;
    return ERR_OK;
}

void disk_abort(struct engine *base)
{
    struct disk_engine *e = disk_of(base);
    CHECK(e->has_begun);
    batch_reset(&e->batch);
    e->has_begun = false;
}
