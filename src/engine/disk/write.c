/* write.c - the writer of one group.
 *
 * What it finds and what it writes is kept in the batch (batch.h), so reads of its own writes,
 * and repeated reads, do not ask the store. A commit hides the rows it will change in the record
 * cache, writes them to RocksDB in one batch (ranges first), and publishes them in the cache. */
#include "base/check.h"
#include "engine/disk/disk_engine.h"
#include "engine/disk/row.h"

#define WRITE_BATCH_KEEP ((size_t)1 << 20) /* a larger one gives its memory back */

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

/* The entry of the key if that needs no look into RocksDB, else NULL. */
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
            const struct cache_key k = disk_key(e, lookups[i].key);
            struct batch_entry *entry = at_hand(e, &k);
            if (entry != NULL) {
                place(e, &lookups[i], entry);
            } else {
                m.lookups[m.count] = &lookups[i];
                m.keys[m.count++] = k;
            }
        }
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
    *entry = at_hand(e, &k);
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

static void build(struct disk_engine *e, rocksdb_column_family_handle_t *family)
{
    rocksdb_writebatch_clear(e->write_batch);
    for (const struct batch_range *r = e->batch.ranges; r != NULL; r = r->next) {
        rocksdb_writebatch_delete_range_cf(e->write_batch, family, (const char *)r->from.data,
                                           r->from.size, (const char *)r->to.data, r->to.size);
    }
    for (const struct batch_entry *n = e->batch.first; n != NULL; n = n->next) {
        if (!n->is_changed) {
            continue;
        }
        if (n->row.data == NULL) {
            rocksdb_writebatch_delete_cf(e->write_batch, family, (const char *)n->key.data,
                                         n->key.size);
        } else {
            rocksdb_writebatch_put_cf(e->write_batch, family, (const char *)n->key.data,
                                      n->key.size, (const char *)n->row.data, n->row.size);
        }
    }
}

static void clear_write_batch(struct disk_engine *e)
{
    size_t size = 0;
    (void)rocksdb_writebatch_data(e->write_batch, &size);
    rocksdb_writebatch_clear(e->write_batch);
    if (size > WRITE_BATCH_KEEP) {
        rocksdb_writebatch_destroy(e->write_batch);
        e->write_batch = rocksdb_writebatch_create();
    }
}

static void hide(struct disk_engine *e)
{
    struct record_cache *records = e->store->records;
    for (const struct batch_range *r = e->batch.ranges; r != NULL; r = r->next) {
        record_cache_erase_range(records, e->group, r->from, r->to);
    }
    for (const struct batch_entry *n = e->batch.first; n != NULL; n = n->next) {
        if (n->is_changed) {
            record_cache_hide(records, &(struct cache_key){n->key, n->hash, e->group});
        }
    }
}

/* Undoes hide(): with the new rows after a commit, with the old ones after a failure. */
static void unhide(struct disk_engine *e, bool is_committed)
{
    struct record_cache *records = e->store->records;
    for (const struct batch_entry *n = e->batch.first; n != NULL; n = n->next) {
        if (!n->is_changed) {
            continue;
        }
        const struct cache_key k = {n->key, n->hash, e->group};
        if (is_committed) {
            record_cache_publish(records, &k, n->is_unseen ? (struct slice){0} : n->row);
        } else {
            record_cache_show(records, &k);
        }
    }
    if (e->batch.ranges != NULL) {
        record_cache_open(records, e->group);
    }
}

static enum err write_changes(struct disk_engine *e)
{
    struct disk_store *s = e->store;
    enum err err = store_make_family(s, e->group);
    if (err != ERR_OK) {
        return err;
    }
    char *text = NULL;
    build(e, store_family(s, e->group));
    hide(e);
    rocksdb_write(s->db, s->write, e->write_batch, &text);
    err = rocks_err(text, ERR_BUSY, "write", NULL);
    unhide(e, err == ERR_OK);
    if (err == ERR_OK) {
        size_t size = 0;
        (void)rocksdb_writebatch_data(e->write_batch, &size);
        atomic_fetch_add(&e->written, size);
    }
    clear_write_batch(e);
    return err;
}

enum err disk_commit(struct engine *base, uint64_t index)
{
    struct disk_engine *e = disk_of(base);
    CHECK(e->has_begun);
    CHECK(index > atomic_load_explicit(&e->applied, memory_order_relaxed));
    if (e->batch.change_count > 0) {
        const enum err err = write_changes(e);
        store_note(e->store, err);
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
