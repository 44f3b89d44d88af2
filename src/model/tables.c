/* Open tables, their counts, and how both are brought back when a batch is given up.
 *
 * Readers of other threads walk the buckets while the owner changes them. Entries are never given
 * back, so a walk is always safe; one that was led astray because an entry moved to
 * another list meanwhile sees it by `moves`, and walks again. */
#include "base/mem.h"
#include "model/state.h"
#include "model/varint.h"

static _Atomic(struct table *) *bucket_of(struct table_map *map, uint32_t id)
{
    return &map->buckets[id % TABLE_BUCKETS];
}

static struct table *find_any(struct table_map *map, uint32_t id)
{
    for (;;) {
        const uint64_t moves = atomic_load(&map->moves);
        for (struct table *t = atomic_load(bucket_of(map, id)); t != NULL;
             t = atomic_load(&t->next)) {
            if (atomic_load_explicit(&t->id, memory_order_relaxed) == id) {
                return t;
            }
        }
        if ((moves & 1) == 0 && atomic_load(&map->moves) == moves) {
            return NULL;
        }
    }
}

struct table *table_find(struct model *m, uint32_t id)
{
    struct table *t = find_any(&m->tables, id);
    return t != NULL && atomic_load_explicit(&t->is_open, memory_order_relaxed) ? t : NULL;
}

/* A new entry for `id`, closed. */
static struct table *add(struct table_map *map, uint32_t id)
{
    struct table *t = map->free;
    atomic_fetch_add(&map->moves, 1);
    if (t != NULL) {
        map->free = atomic_load(&t->next);
    } else {
        t = mem_zero(1, sizeof(*t));
    }
    atomic_store(&t->id, id);
    atomic_store(&t->count, 0);
    atomic_store(&t->next, atomic_load(bucket_of(map, id)));
    atomic_store(bucket_of(map, id), t);
    atomic_fetch_add(&map->moves, 1);
    return t;
}

static void drop(struct table_map *map, struct table *t)
{
    _Atomic(struct table *) *link = bucket_of(map, atomic_load(&t->id));
    while (atomic_load(link) != t) {
        CHECK(atomic_load(link) != NULL);
        link = &atomic_load(link)->next;
    }
    atomic_fetch_add(&map->moves, 1);
    atomic_store(link, atomic_load(&t->next));
    atomic_store(&t->id, 0);
    atomic_store(&t->next, map->free);
    map->free = t;
    atomic_fetch_add(&map->moves, 1);
}

void table_touch(struct model *m, struct table *t)
{
    if (t->is_touched) {
        return;
    }
    if (m->undo_count == m->undo_room) {
        m->undo_room = m->undo_room == 0 ? 16 : m->undo_room * 2;
        m->undo = mem_resize(m->undo, m->undo_room * sizeof(*m->undo));
    }
    m->undo[m->undo_count++] = (struct table_undo){.table = t,
                                                   .count = atomic_load(&t->count),
                                                   .default_ttl_ms = t->default_ttl_ms,
                                                   .was_open = atomic_load(&t->is_open)};
    t->is_touched = true;
}

enum err op_table_open(struct task *t)
{
    struct model *m = t->model;
    struct table *table = find_any(&m->tables, t->op->table);
    if (table == NULL) {
        table = add(&m->tables, t->op->table);
    }
    table_touch(m, table);
    atomic_store(&table->is_open, true);
    table->default_ttl_ms = (uint64_t)t->op->number;
    t->result->mod_revision = t->moment->revision;
    if (!m->is_durable) {
        return ERR_OK;
    }
    uint8_t key[ROW_META_MAX];
    uint8_t *end = row_meta_table(key, META_TABLE, t->op->table);
    uint8_t value[VARINT_MAX + TABLE_FACTS_MAX];
    uint8_t *value_end = slice_put(varint_put(value, table->default_ttl_ms), t->op->value);
    row_put(t, slice_of(key, (size_t)(end - key)), slice_of(value, (size_t)(value_end - value)));
    return ERR_OK;
}

enum err op_table_close(struct task *t)
{
    struct model *m = t->model;
    struct table *table = table_find(m, t->op->table);
    t->result->mod_revision = t->moment->revision;
    if (table == NULL) {
        return ERR_OK;
    }
    table_touch(m, table);
    atomic_store(&table->is_open, false);
    atomic_store(&table->count, 0);
    if (m->is_durable) {
        const enum meta_row kinds[] = {META_TABLE, META_COUNT};
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            uint8_t key[ROW_META_MAX];
            uint8_t *end = row_meta_table(key, kinds[i], t->op->table);
            row_erase(t, slice_of(key, (size_t)(end - key)));
        }
    }
    garbage_add(t, t->op->table, 0);
    return ERR_OK;
}

static uint32_t table_of_meta(struct slice key)
{
    CHECK(key.size == 6);
    return (uint32_t)key.data[2] << 24 | (uint32_t)key.data[3] << 16 | (uint32_t)key.data[4] << 8 |
           key.data[5];
}

/* Every row of `kind`: META_TABLE opens a table, META_COUNT gives its count. */
static enum err load_kind(struct task *t, enum meta_row kind)
{
    uint8_t from[ROW_META_MAX];
    uint8_t to[ROW_META_MAX];
    const size_t size = (size_t)(row_meta(from, kind) - from);
    (void)row_meta(to, kind);
    struct scan scan = {0};
    enum err err =
        rows_open(t, &scan, slice_of(from, size), slice_of(to, row_range_end(to, size)), false);
    struct record record;
    while (err == ERR_OK && (err = scan_next(&scan, &record)) == ERR_OK) {
        uint64_t number;
        struct slice value = record.value;
        if (record.key.size != 6 || !varint_take(&value, &number)) {
            err = ERR_CORRUPT;
            break;
        }
        struct table *table = find_any(&t->model->tables, table_of_meta(record.key));
        if (kind == META_TABLE) {
            table = table == NULL ? add(&t->model->tables, table_of_meta(record.key)) : table;
            table->default_ttl_ms = number;
            atomic_store(&table->is_open, true);
        } else if (table != NULL) {
            atomic_store(&table->count, number);
        }
    }
    scan_close(&scan);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err tables_load(struct task *t)
{
    const enum err err = load_kind(t, META_TABLE);
    return err == ERR_OK ? load_kind(t, META_COUNT) : err;
}

void tables_save(struct task *t)
{
    for (size_t i = 0; i < t->model->undo_count; i++) {
        const struct table_undo *undo = &t->model->undo[i];
        const uint64_t count = atomic_load(&undo->table->count);
        if (!atomic_load(&undo->table->is_open) || count == undo->count) {
            continue;
        }
        uint8_t key[ROW_META_MAX];
        uint8_t value[VARINT_MAX];
        uint8_t *end = row_meta_table(key, META_COUNT, atomic_load(&undo->table->id));
        const size_t size = (size_t)(varint_put(value, count) - value);
        row_put(t, slice_of(key, (size_t)(end - key)), slice_of(value, size));
    }
}

/* Forgets the undo entries; tables that are closed now have none of anything any more. */
static void settle(struct model *m)
{
    for (size_t i = 0; i < m->undo_count; i++) {
        struct table *t = m->undo[i].table;
        t->is_touched = false;
        if (!atomic_load(&t->is_open)) {
            drop(&m->tables, t);
        }
    }
    m->undo_count = 0;
}

void tables_published(struct model *m)
{
    settle(m);
}

void tables_undo(struct model *m)
{
    for (size_t i = 0; i < m->undo_count; i++) {
        const struct table_undo *undo = &m->undo[i];
        atomic_store(&undo->table->count, undo->count);
        atomic_store(&undo->table->is_open, undo->was_open);
        undo->table->default_ttl_ms = undo->default_ttl_ms;
    }
    settle(m);
}

void tables_deinit(struct model *m)
{
    for (size_t i = 0; i < TABLE_BUCKETS; i++) {
        struct table *t;
        while ((t = atomic_load(&m->tables.buckets[i])) != NULL) {
            drop(&m->tables, t);
        }
    }
    while (m->tables.free != NULL) {
        struct table *t = m->tables.free;
        m->tables.free = atomic_load(&t->next);
        mem_free(t);
    }
    mem_free(m->undo);
}
