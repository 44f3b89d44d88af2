/* scan.c - rows in order: RocksDB's iterator over a snapshot, with rows merged in that RocksDB does
 * not have: the writer's own, and what the view had to copy. What the writer changes while its scan
 * is open is seen, but for rows that are new since scan_open(). */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "engine/disk/disk_engine.h"
#include "engine/disk/row.h"

#define SCAN_SHORT 1000 /* rows; what is behind them stays out of the block cache */

struct scan_state {
    struct disk_engine *engine;
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *iterator; /* NULL: nothing in the store can be in range */
    struct disk_view view;        /* of a scan that is given none */
    bool has_view;
    bool is_reverse;
    bool is_on_row; /* the iterator stands on the row given last */
    size_t stored;  /* rows given out of the store */

    bool is_writer;
    struct owed_row *own; /* in order; owned */
    size_t own_count;
    size_t own_next; /* of `own_count`, counted in the scan's direction */
};

static void begin_iterator(struct scan_state *s, struct slice from, struct slice to)
{
    rocksdb_column_family_handle_t *family = store_family(s->engine->store, s->engine->group);
    const bool is_empty = to.data != NULL && slice_compare(from, to) >= 0;
    if (family == NULL || is_empty) {
        return;
    }
    if (from.size > 0) {
        rocksdb_readoptions_set_iterate_lower_bound(s->options, (const char *)from.data, from.size);
    }
    if (to.data != NULL) {
        rocksdb_readoptions_set_iterate_upper_bound(s->options, (const char *)to.data, to.size);
    }
    s->iterator = rocksdb_create_iterator_cf(s->engine->store->db, s->options, family);
    if (s->is_reverse) {
        rocksdb_iter_seek_to_last(s->iterator);
    } else {
        rocksdb_iter_seek_to_first(s->iterator);
    }
}

static int compare_rows(const void *a, const void *b)
{
    const struct owed_row *first = a;
    const struct owed_row *second = b;
    return slice_compare(first->key, second->key);
}

/* Rows in range that RocksDB does not have: the writer's, and those of the view that the writer
 * has not changed. */
static void collect_own(struct scan_state *s, const struct disk_view *v, struct slice from,
                        struct slice to)
{
    const struct batch *b = &s->engine->batch; /* looked at by the writer only */
    const size_t room = v->owed_count + (s->is_writer ? b->entry_count : 0);
    s->own = mem_alloc(room * sizeof(*s->own));
    for (size_t i = 0; i < v->owed_count; i++) {
        const struct cache_key k = disk_key(s->engine, v->owed[i].key);
        const struct batch_entry *n = s->is_writer ? batch_find(b, k.key, k.hash) : NULL;
        if (key_in_range(k.key, from, to) && (n == NULL || !n->is_changed)) {
            s->own[s->own_count++] = v->owed[i];
        }
    }
    for (const struct batch_entry *n = s->is_writer ? b->first : NULL; n != NULL; n = n->next) {
        if (n->is_changed && key_in_range(n->key, from, to)) {
            s->own[s->own_count++] = (struct owed_row){n->key, n->row};
        }
    }
    if (s->own_count > 1) {
        qsort(s->own, s->own_count, sizeof(*s->own), compare_rows);
    }
}

void disk_scan_open(struct scan *scan, const struct reader *r, struct slice from, struct slice to,
                    bool is_reverse)
{
    struct disk_engine *e = disk_of(r->engine);
    struct scan_state *s = mem_zero(1, sizeof(*s));
    s->engine = e;
    s->is_reverse = is_reverse;
    s->options = rocks_read_new(ROCKS_ALL);
    s->is_writer = r->state[0] == DISK_WRITER;
    CHECK(!s->is_writer || e->has_begun);
    s->has_view = r->state[0] != DISK_VIEW;
    if (s->has_view) {
        disk_view_init(&s->view, e);
    }
    const struct disk_view *v = s->has_view ? &s->view : disk_view_of(r);
    rocksdb_readoptions_set_snapshot(s->options, v->snapshot);
    collect_own(s, v, from, to);
    begin_iterator(s, from, to);
    *scan = (struct scan){r->engine, s};
}

static struct slice iterator_key(const struct scan_state *s)
{
    size_t size = 0;
    const char *key = rocksdb_iter_key(s->iterator, &size);
    return slice_of(key, size);
}

/* A long scan must not push everything else out of the block cache: it goes on with another
 * iterator, which fills nothing, on the same row of the same snapshot. */
static void become_long(struct scan_state *s)
{
    const struct slice key = iterator_key(s);
    rocksdb_readoptions_set_fill_cache(s->options, 0);
    rocksdb_iterator_t *iterator = rocksdb_create_iterator_cf(
        s->engine->store->db, s->options, store_family(s->engine->store, s->engine->group));
    rocksdb_iter_seek(iterator, (const char *)key.data, key.size);
    rocksdb_iter_destroy(s->iterator);
    s->iterator = iterator;
}

static void step(struct scan_state *s)
{
    s->is_on_row = false;
    s->stored++;
    if (s->stored == SCAN_SHORT) {
        become_long(s);
        if (!rocksdb_iter_valid(s->iterator)) {
            return; /* an error, which next_stored() finds */
        }
    }
    if (s->is_reverse) {
        rocksdb_iter_prev(s->iterator);
    } else {
        rocksdb_iter_next(s->iterator);
    }
}

/* The store's next row, on which the iterator then stands. Errors: ERR_NOT_FOUND at the end. */
static enum err next_stored(struct scan_state *s, struct record *record, struct slice *row)
{
    if (s->iterator == NULL) {
        return ERR_NOT_FOUND;
    }
    if (!rocksdb_iter_valid(s->iterator)) {
        char *text = NULL;
        rocksdb_iter_get_error(s->iterator, &text);
        const enum err err = rocks_err(text, ERR_IO, "scan", NULL);
        return err == ERR_OK ? ERR_NOT_FOUND : err;
    }
    size_t size = 0;
    const char *bytes = rocksdb_iter_value(s->iterator, &size);
    *row = slice_of(bytes, size);
    record->key = iterator_key(s);
    return ERR_OK;
}

static const struct owed_row *next_own(const struct scan_state *s)
{
    if (s->own_next == s->own_count) {
        return NULL;
    }
    return &s->own[s->is_reverse ? s->own_count - 1 - s->own_next : s->own_next];
}

/* How the writer sees a row: `*row` changes to that; NULL data: it is gone. */
static void look_as_writer(struct scan_state *s, struct slice key, struct slice *row)
{
    const struct batch *b = &s->engine->batch;
    if (b->entry_count == 0 && b->ranges == NULL) {
        return;
    }
    const struct cache_key k = disk_key(s->engine, key);
    const struct batch_entry *entry = batch_find(b, k.key, k.hash);
    if (entry != NULL) {
        *row = entry->row;
    } else if (batch_is_erased(b, key)) {
        *row = (struct slice){0};
    }
}

/* The next row of either side; `row` has NULL data if it is gone. */
static enum err next_either(struct scan_state *s, struct record *record, struct slice *row)
{
    if (s->is_on_row) {
        step(s);
    }
    const enum err err = next_stored(s, record, row);
    const struct owed_row *own = next_own(s);
    if (err == ERR_NOT_FOUND && own == NULL) {
        return ERR_NOT_FOUND;
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return err;
    }
    int order = err == ERR_NOT_FOUND ? 1 : own == NULL ? -1 : slice_compare(record->key, own->key);
    if (err == ERR_OK && own != NULL && s->is_reverse) {
        order = -order;
    }
    if (order <= 0) {
        s->is_on_row = true;
    }
    if (order >= 0) {
        s->own_next++;
        record->key = own->key;
        *row = own->row;
    }
    if (s->is_writer) {
        look_as_writer(s, record->key, row);
    }
    return ERR_OK;
}

enum err disk_scan_next(struct scan *scan, struct record *record)
{
    struct slice row = {0};
    enum err err;
    do {
        err = next_either(scan->state, record, &row);
    } while (err == ERR_OK && row.data == NULL);
    return err == ERR_OK ? row_decode(row, record) : err;
}

void disk_scan_close(struct scan *scan)
{
    struct scan_state *s = scan->state;
    if (s->iterator != NULL) {
        rocksdb_iter_destroy(s->iterator);
    }
    rocksdb_readoptions_destroy(s->options);
    if (s->has_view) {
        disk_view_deinit(&s->view, s->engine);
    }
    mem_free(s->own);
    mem_free(s);
}
