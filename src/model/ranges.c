/* Records of a table in order: range, delete-range, count. */
#include "model/state.h"
#include "model/varint.h"

/* Rows that a delete-range takes at a time: twice as many each time, because to open a scan costs
 * an engine on disk a look at every row that the batch has changed so far. */
#define DELETE_CHUNK_FIRST 256
#define DELETE_CHUNK_MAX   16384
#define DELETE_CHUNK_BYTES ((size_t)1 << 20) /* of their keys, about */

/* The rows of the op's range. A bound may be one byte longer than a key. */
static void op_bounds(struct task *t, struct slice *from, struct slice *to)
{
    const struct op *op = t->op;
    *from = record_row(t, op->table, op->key);
    if ((op->flags & OP_AFTER) != 0) {
        *from = row_after(t, *from);
    }
    *to = op->other.data != NULL
              ? record_row(t, op->table, op->other)
              : range_end_of(t, slice_of(from->data, row_record_head_size(op->table)));
}

/* One record as a row of the answer. */
static enum err answer_record(struct task *t, struct rows *rows, const struct record *record)
{
    const bool has_value = (t->op->flags & OP_KEYS_ONLY) == 0;
    const size_t head = row_record_head_size(t->op->table);
    struct row *row =
        rows_add(t, rows, record->key.size - head + (has_value ? record->value.size : 0));
    row->key = scanned_bytes(t, row_rest(record->key, head));
    row->type = (uint8_t)record_type(record->type);
    row->mod_revision = record->mod_revision;
    row->create_revision = record->create_revision;
    row->version = record->version;
    row->expiry_ms = record->expiry_ms;
    if (!has_value) {
        return ERR_OK;
    }
    if (row->type != TYPE_STRING) {
        uint64_t count = 0;
        const enum err err = collection_count(record, &count);
        row->number = (int64_t)count;
        return err;
    }
    if (record->type == RECORD_STRING) {
        row->value = scanned_bytes(t, record->value);
        return ERR_OK;
    }
    return string_text(t, record, &row->value);
}

/* Counting has no rows to go on behind: when it stops at the limit, the last key it counted. */
static void answer_last_key(struct task *t, struct rows *rows, struct slice last)
{
    const size_t head = row_record_head_size(t->op->table);
    struct row *row = rows_add(t, rows, 0);
    row->key = row_rest(last, head);
}

enum err op_range(struct task *t)
{
    struct rows rows = {.expected = t->op->limit};
    struct scan scan = {0};
    struct record record;
    struct slice last = slice_of(NULL, 0);
    struct slice from;
    struct slice to;
    const bool is_count = (t->op->flags & OP_COUNT_ONLY) != 0;
    op_bounds(t, &from, &to);
    if (slice_compare(from, to) >= 0) {
        return ERR_OK;
    }
    enum err err = rows_open(t, &scan, from, to, (t->op->flags & OP_REVERSE) != 0);
    while (err == ERR_OK && (err = scan_next(&scan, &record)) == ERR_OK) {
        if (is_past(t, record.expiry_ms)) {
            continue;
        }
        const bool is_full = rows_are_full(t, &rows);
        if (is_full || (t->op->limit > 0 && t->result->count == t->op->limit)) {
            t->result->is_more = true;
            break;
        }
        t->result->count++;
        if (!is_count) {
            err = answer_record(t, &rows, &record);
        } else if (t->result->count == t->op->limit) {
            last = scanned_bytes(t, record.key);
        }
    }
    scan_close(&scan);
    if (t->result->is_more && is_count) {
        answer_last_key(t, &rows, last);
    }
    rows_answer(t, &rows);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Keys of rows, in an arena. */
struct chunk {
    struct slice *keys;
    size_t count;
    size_t room;
};

/* The keys of the next rows, and where to go on. ERR_NOT_FOUND: there is no more. */
static enum err next_keys(struct task *t, struct slice *from, struct slice to, struct chunk *c)
{
    struct scan scan = {0};
    struct record record;
    size_t bytes = 0;
    enum err err = rows_open(t, &scan, *from, to, false);
    while (err == ERR_OK && c->count < c->room && bytes < DELETE_CHUNK_BYTES &&
           (err = scan_next(&scan, &record)) == ERR_OK) {
        bytes += record.key.size;
        c->keys[c->count++] = arena_copy(t->run->arena, record.key);
    }
    scan_close(&scan);
    if (err == ERR_OK) {
        *from = c->keys[c->count - 1]; /* it will be gone, or it is beyond the limit */
    }
    return err;
}

/* Deletes the record at `row`; one that has expired goes too, but is not counted. */
static enum err delete_row(struct task *t, struct slice row)
{
    struct lookup l = {.engine = t->model->engine, .key = row};
    struct place p = {.lookup = &l, .table = t->table};
    const enum err err = row_find(t, &l);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    p.is_there = true;
    p.is_live = !is_past(t, l.record.expiry_ms);
    t->result->count += p.is_live ? 1 : 0;
    return record_erase(t, &p);
}

/* Deletes the next `room` rows, or fewer. ERR_NOT_FOUND: it was the last. */
static enum err delete_chunk(struct task *t, struct slice *from, struct slice to, size_t room)
{
    const uint64_t limit = t->op->limit == 0 ? UINT64_MAX : t->op->limit;
    struct chunk c = {.keys = arena_get(t->run->arena, room * sizeof(struct slice)), .room = room};
    enum err end = next_keys(t, from, to, &c);
    for (size_t i = 0; i < c.count && t->result->count < limit && !is_engine_err(end); i++) {
        const enum err err = delete_row(t, c.keys[i]);
        end = err == ERR_OK ? end : err;
    }
    return end;
}

/* However many rows there are, the memory of one chunk is enough; of two, because the second one
 * begins behind a key of the first. */
enum err op_delete_range(struct task *t)
{
    struct slice from;
    struct slice to;
    const uint64_t limit = t->op->limit == 0 ? UINT64_MAX : t->op->limit;
    op_bounds(t, &from, &to);
    t->result->mod_revision = t->moment->revision;
    enum err end = slice_compare(from, to) < 0 ? ERR_OK : ERR_NOT_FOUND;
    struct arena arenas[2] = {{0}};
    size_t room = DELETE_CHUNK_FIRST;
    for (unsigned turn = 0; end == ERR_OK && t->result->count < limit; turn ^= 1) {
        struct run run = *t->run;
        struct task part = *t;
        arena_reset(&arenas[turn]);
        run.arena = &arenas[turn];
        part.run = &run;
        end = delete_chunk(&part, &from, to, room);
        room = room < DELETE_CHUNK_MAX ? room * 2 : room;
    }
    arena_deinit(&arenas[0]);
    arena_deinit(&arenas[1]);
    return end == ERR_NOT_FOUND ? ERR_OK : end;
}

enum err op_count(struct task *t)
{
    t->result->count = atomic_load_explicit(&t->table->count, memory_order_relaxed);
    return ERR_OK;
}
