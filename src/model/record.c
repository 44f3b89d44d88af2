/* Rows and records of a task: what every operation is made of. */
#include "base/planted.h"
#include "model/state.h"
#include "model/varint.h"

#define ROWS_AT_ONCE 128 /* so many have room at once, where they are expected */

const struct reader *task_reader(struct task *t)
{
    if (t->run->view != NULL) {
        return t->run->view;
    }
    if (!t->has_reader) {
        t->reader =
            t->run->is_writer ? engine_writer(t->model->engine) : engine_latest(t->model->engine);
        t->has_reader = true;
    }
    return &t->reader;
}

enum err row_find(struct task *t, struct lookup *l)
{
    if (t->run->is_writer) {
        return engine_find(l, t->run->wait, t->run->arena);
    }
    return engine_get(task_reader(t), l->key, t->run->wait, t->run->arena, &l->record);
}

void row_put(struct task *t, struct slice key, struct slice value)
{
    const struct record record = {.key = key,
                                  .value = value,
                                  .mod_revision = t->moment->revision,
                                  .create_revision = t->moment->revision,
                                  .version = 1};
    engine_put_unseen(t->model->engine, &record);
}

void row_erase(struct task *t, struct slice key)
{
    engine_erase_unseen(t->model->engine, key, t->moment->revision);
}

enum err rows_open(struct task *t, struct scan *s, struct slice from, struct slice to,
                   bool is_reverse)
{
    if (t->run->wait == ENGINE_NO_WAIT && !scan_is_cheap(t->model->engine)) {
        return ERR_WOULD_WAIT;
    }
    scan_open(s, task_reader(t), from, to, is_reverse);
    return ERR_OK;
}

struct slice record_row(struct task *t, uint32_t table, struct slice key)
{
    uint8_t *bytes = arena_get(t->run->arena, ROW_RECORD_HEAD + key.size);
    uint8_t *end = slice_put(row_record_head(bytes, table), key);
    return slice_of(bytes, (size_t)(end - bytes));
}

struct slice range_end_of(struct task *t, struct slice prefix)
{
    uint8_t *bytes = arena_get(t->run->arena, prefix.size);
    (void)slice_put(bytes, prefix);
    return slice_of(bytes, row_range_end(bytes, prefix.size));
}

struct slice row_after(struct task *t, struct slice row)
{
    uint8_t *bytes = arena_get(t->run->arena, row.size + 1);
    *slice_put(bytes, row) = 0;
    return slice_of(bytes, row.size + 1);
}

static void judge(const struct task *t, struct place *p, enum err err)
{
    const struct record *record = &p->lookup->record;
    p->is_there = err == ERR_OK;
    p->is_live = p->is_there && (record->expiry_ms == 0 || record->expiry_ms > t->moment->now_ms ||
                                 planted("ignore-expiry"));
}

enum err place_find(struct task *t, struct place *p)
{
    p->lookup = t->lookup;
    p->table = t->table;
    const enum err err = t->is_fetched ? t->fetched : row_find(t, t->lookup);
    judge(t, p, err);
    t->result->was_found = p->is_live;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err place_find_other(struct task *t, struct place *p, struct lookup *room, struct table *table,
                          struct slice key)
{
    const uint32_t id = atomic_load_explicit(&table->id, memory_order_relaxed);
    *room = (struct lookup){.engine = t->model->engine, .key = record_row(t, id, key)};
    p->lookup = room;
    p->table = table;
    const enum err err = row_find(t, room);
    judge(t, p, err);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err place_check_type(const struct place *p, enum value_type type)
{
    return p->is_live && record_type(p->lookup->record.type) != type ? ERR_WRONG_TYPE : ERR_OK;
}

enum err place_find_typed(struct task *t, struct place *p, enum value_type type)
{
    const enum err err = place_find(t, p);
    if (err != ERR_OK) {
        return err;
    }
    return p->is_live ? place_check_type(p, type) : ERR_NOT_FOUND;
}

uint64_t expiry_of(const struct task *t, const struct place *p, bool is_kept)
{
    if (t->op->expiry_ms != 0 || (t->op->flags & OP_SET_EXPIRY) != 0) {
        return t->op->expiry_ms;
    }
    if (is_kept && p->is_live) {
        return p->lookup->record.expiry_ms;
    }
    const uint64_t ttl = p->table->default_ttl_ms;
    if (ttl == 0) {
        return 0;
    }
    return ttl > UINT64_MAX - t->moment->now_ms ? 0 : t->moment->now_ms + ttl;
}

void garbage_add(struct task *t, uint32_t table, uint64_t incarnation)
{
    uint8_t key[ROW_META_MAX];
    uint8_t value[2 * VARINT_MAX];
    uint8_t *end = row_meta_number(key, META_GARBAGE, t->model->state.garbage_next++);
    uint8_t *value_end = varint_put(varint_put(value, table), incarnation);
    row_put(t, slice_of(key, (size_t)(end - key)), slice_of(value, (size_t)(value_end - value)));
}

/* The record `old` was a collection and is none any more: its rows go later. */
static enum err collection_drop(struct task *t, const struct table *table, const struct record *old)
{
    uint64_t incarnation;
    if (old->type == RECORD_SET) {
        struct set_header header;
        if (set_header_get(old->value, &header) != ERR_OK) {
            return ERR_CORRUPT;
        }
        incarnation = header.incarnation;
    } else {
        struct log_header header;
        if (log_header_get(old->value, &header) != ERR_OK) {
            return ERR_CORRUPT;
        }
        incarnation = header.incarnation;
    }
    garbage_add(t, atomic_load_explicit(&table->id, memory_order_relaxed), incarnation);
    return ERR_OK;
}

static bool has_rows(const struct record *record)
{
    return record->type == RECORD_SET || record->type == RECORD_LOG;
}

/* The index row of the record row `row` moves from `before` to `after`; 0: there is none. */
static void expiry_move(struct task *t, struct slice row, uint64_t before, uint64_t after)
{
    uint8_t *bytes = arena_get(t->run->arena, ROW_EXPIRY_HEAD + row.size);
    const struct slice key = slice_of(bytes, ROW_EXPIRY_HEAD + row.size);
    if (before != 0) {
        (void)slice_put(row_expiry_head(bytes, before), row);
        row_erase(t, key);
    }
    if (after != 0) {
        (void)slice_put(row_expiry_head(bytes, after), row);
        row_put(t, key, slice_of(NULL, 0));
        if (after < t->model->state.expiry_min_ms) {
            t->model->state.expiry_min_ms = after;
        }
    }
}

enum err record_forget(struct task *t, const struct record *record, bool has_index)
{
    if (record->expiry_ms != 0 && has_index) {
        expiry_move(t, record->key, record->expiry_ms, 0);
    }
    return has_rows(record) ? collection_drop(t, t->table, record) : ERR_OK;
}

static enum err erase(struct task *t, struct place *p, bool is_header_only)
{
    if (!p->is_there) {
        return ERR_OK;
    }
    const struct record old = p->lookup->record;
    engine_erase(p->lookup, t->moment->revision);
    table_count_add(t->model, p->table, -1);
    enum err err = ERR_OK;
    if (old.expiry_ms != 0) {
        expiry_move(t, p->lookup->key, old.expiry_ms, 0);
    }
    if (has_rows(&old) && !is_header_only) {
        err = collection_drop(t, p->table, &old);
    }
    p->is_there = false;
    p->is_live = false;
    return err;
}

enum err record_erase(struct task *t, struct place *p)
{
    return erase(t, p, false);
}

enum err record_erase_header(struct task *t, struct place *p)
{
    return erase(t, p, true);
}

enum err record_write(struct task *t, struct place *p, const struct change *c,
                      struct result *result)
{
    if (is_past(t, c->expiry_ms)) {
        if (result != NULL) {
            result->mod_revision = t->moment->revision;
            result->expiry_ms = c->expiry_ms;
        }
        return record_erase(t, p);
    }
    const struct record *old = &p->lookup->record;
    const struct record record = {.key = p->lookup->key,
                                  .value = c->value,
                                  .mod_revision = t->moment->revision,
                                  .create_revision =
                                      p->is_live ? old->create_revision : t->moment->revision,
                                  .version = p->is_live ? old->version + 1 : 1,
                                  .expiry_ms = c->expiry_ms,
                                  .type = c->kind};
    if (result != NULL) {
        result->type = (uint8_t)record_type(c->kind);
        result->mod_revision = record.mod_revision;
        result->create_revision = record.create_revision;
        result->version = record.version;
        result->expiry_ms = record.expiry_ms;
    }
    const uint64_t expiry_before = p->is_there ? old->expiry_ms : 0;
    const bool is_kept = p->is_live && c->is_collection_kept;
    struct record dropped = {0};
    if (p->is_there && has_rows(old) && !is_kept) {
        dropped = *old;
    }
    engine_put(p->lookup, &record);
    if (!p->is_there) {
        table_count_add(t->model, p->table, 1);
    }
    if (expiry_before != c->expiry_ms) {
        expiry_move(t, p->lookup->key, expiry_before, c->expiry_ms);
    }
    return dropped.type == RECORD_NONE ? ERR_OK : collection_drop(t, p->table, &dropped);
}

void result_of_record(struct result *result, const struct record *record)
{
    result->type = (uint8_t)record_type(record->type);
    result->mod_revision = record->mod_revision;
    result->create_revision = record->create_revision;
    result->version = record->version;
    result->expiry_ms = record->expiry_ms;
}

struct slice scanned_bytes(struct task *t, struct slice bytes)
{
    return scan_is_cheap(t->model->engine) ? bytes : arena_copy(t->run->arena, bytes);
}

static size_t first_room(const struct rows *rows)
{
    const bool is_known = rows->expected > 0 && rows->expected <= ROWS_AT_ONCE;
    return is_known ? (size_t)rows->expected : 8;
}

struct row *rows_add(struct task *t, struct rows *rows, size_t bytes)
{
    if (rows->count == rows->room) {
        rows->room = rows->room == 0 ? first_room(rows) : rows->room * 2;
        struct row *more = arena_get(t->run->arena, rows->room * sizeof(*more));
        if (rows->count > 0) {
            memcpy(more, rows->rows, rows->count * sizeof(*more));
        }
        rows->rows = more;
    }
    struct row *row = &rows->rows[rows->count++];
    *row = (struct row){0};
    rows->bytes += sizeof(*row) + bytes;
    return row;
}

bool rows_are_full(const struct task *t, const struct rows *rows)
{
    return rows->bytes > t->budget_bytes;
}

void rows_answer(struct task *t, const struct rows *rows)
{
    t->result->rows = rows->rows;
    t->result->row_count = rows->count;
}
