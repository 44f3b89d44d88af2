/* Records of a table in order: range, delete-range, count. */
#include "model/state.h"
#include "model/varint.h"

/* Rows that a delete-range takes one by one, or of a longer one the first. The others go with them
 * by one range of the engine: a batch of a million rows would hold up every group that commits
 * meanwhile. A range for each short one would make reads slow, which look at all of them. */
#define DELETE_ROWS_MAX  4096
#define DELETE_BYTES_MAX ((size_t)1 << 20) /* of their keys, about */

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

struct taken_key {
    struct taken_key *next;
    struct slice key;
};

/* The rows that a delete-range has taken so far. */
struct taken {
    struct arena arena;
    struct taken_key *keys; /* of the first ones; in the arena */
    size_t key_count;
    size_t key_bytes;
    uint64_t count;
    struct arena scratch; /* of one row */
    struct run run;
    struct task task; /* ours, with `scratch` */
};

/* The keys are not all there: the rows go by a range. */
static bool is_long(const struct taken *taken)
{
    return taken->count > taken->key_count;
}

static void keep_key(struct taken *taken, struct slice key)
{
    struct taken_key *k = arena_get(&taken->arena, sizeof(*k));
    *k = (struct taken_key){taken->keys, arena_copy(&taken->arena, key)};
    taken->keys = k;
    taken->key_count++;
    taken->key_bytes += key.size;
}

/* Notes one row; what belongs to it goes now. Of a long range on disk the rows of the expiry index
 * stay: the sweep takes each when it is due, and finds no record to it. */
static enum err take_row(struct task *t, struct taken *taken, const struct record *record)
{
    const bool is_first = !is_long(taken) && taken->key_count < DELETE_ROWS_MAX &&
                          taken->key_bytes < DELETE_BYTES_MAX;
    if (is_first) {
        keep_key(taken, record->key);
    }
    taken->count++;
    t->result->count += is_past(t, record->expiry_ms) ? 0 : 1;
    arena_reset(&taken->scratch);
    return record_forget(&taken->task, record, is_first || !t->model->is_durable);
}

/* Takes the rows from `from` on, up to the op's limit. `end`: behind the last one. */
static enum err take_rows(struct task *t, struct taken *taken, struct slice from, struct slice *end)
{
    const uint64_t limit = t->op->limit == 0 ? UINT64_MAX : t->op->limit;
    struct scan scan = {0};
    struct record record;
    enum err err = rows_open(t, &scan, from, *end, false);
    while (err == ERR_OK && (err = scan_next(&scan, &record)) == ERR_OK) {
        err = take_row(t, taken, &record);
        if (err == ERR_OK && t->result->count == limit) {
            *end = row_after(t, record.key);
            break;
        }
    }
    scan_close(&scan);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Takes the rows between `from` and `end` out of the engine. */
static void erase_taken(struct task *t, const struct taken *taken, struct slice from,
                        struct slice end)
{
    if (is_long(taken)) {
        const bool is_gone =
            engine_erase_range(t->model->engine, from, end, t->moment->revision, SIZE_MAX);
        CHECK(is_gone);
        return;
    }
    for (const struct taken_key *k = taken->keys; k != NULL; k = k->next) {
        row_erase(t, k->key);
    }
}

/* One scan, which reads each record once; then the rows go. However many they are, the memory for
 * the first ones is enough. */
enum err op_delete_range(struct task *t)
{
    struct slice from;
    struct slice to;
    op_bounds(t, &from, &to);
    t->result->mod_revision = t->moment->revision;
    if (slice_compare(from, to) >= 0) {
        return ERR_OK;
    }
    struct taken taken = {.run = *t->run, .task = *t};
    taken.run.arena = &taken.scratch;
    taken.task.run = &taken.run;
    const enum err err = take_rows(t, &taken, from, &to);
    if (err == ERR_OK && taken.count > 0) {
        table_count_add(t->model, t->table, -(int64_t)taken.count);
        erase_taken(t, &taken, from, to);
    }
    arena_deinit(&taken.arena);
    arena_deinit(&taken.scratch);
    return err;
}

enum err op_count(struct task *t)
{
    t->result->count = atomic_load_explicit(&t->table->count, memory_order_relaxed);
    return ERR_OK;
}
