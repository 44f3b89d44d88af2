/* state.h - a model from inside, and one op on its way through it. Private to model/.
 *
 * Errors. Functions return ERR_OK, an answer for the op (ERR_WRONG_TYPE, ...), or an error
 * of the engine (is_engine_err()), which ends the batch. An op decides on its answer
 * before its first write, so an op that failed has changed nothing. */
#ifndef MODEL_STATE_H
#define MODEL_STATE_H

#include <stdatomic.h>

#include "base/check.h"
#include "base/random.h"
#include "model/model.h"
#include "model/rows.h"

#define TABLE_BUCKETS 512

/* A table that is open, or a free entry. Never given back before the model is. */
struct table {
    _Atomic(struct table *) next; /* in its bucket, or among the free ones */
    _Atomic uint32_t id;
    _Atomic bool is_open;
    _Atomic uint64_t count; /* live records */
    uint64_t default_ttl_ms;
    bool is_touched; /* in this batch: it has an undo entry */
};

/* Looked up by any thread, changed by the owner. */
struct table_map {
    _Atomic(struct table *) buckets[TABLE_BUCKETS];
    _Atomic uint64_t moves; /* odd while an entry moves to another list */
    struct table *free;
};

/* A table before the batch. */
struct table_undo {
    struct table *table;
    uint64_t count;
    uint64_t default_ttl_ms;
    bool was_open;
};

/* What a model keeps besides rows and tables; a row of durable models. */
struct model_state {
    uint64_t next_incarnation; /* from 1 */
    uint64_t garbage_first;    /* numbers of META_GARBAGE rows: first <= n < next */
    uint64_t garbage_next;
    uint64_t retry_first; /* of META_RETRY rows */
    uint64_t retry_next;
    uint64_t retry_oldest_ms; /* stamp of the first */
    uint64_t expiry_min_ms;   /* nothing expires before; UINT64_MAX: nothing does. Not stored */
};

struct model {
    struct engine *engine;
    size_t value_max;
    bool is_durable;
    bool has_begun;
    struct model_state state;
    struct model_state before; /* the batch */
    struct table_map tables;
    struct table_undo *undo; /* owned */
    size_t undo_count;
    size_t undo_room;
    struct arena arena; /* of the commit */
};

/* How a run of steps reads. */
struct run {
    enum engine_wait wait;
    bool is_writer;
    struct arena *arena;
    const struct reader *view; /* of readers: NULL is the newest state */
};

/* One op on its way. */
struct task {
    const struct run *run;
    struct model *model;
    const struct op *op;
    const struct moment *moment;
    struct result *result;
    struct table *table;    /* op->table; NULL for operations without one */
    struct lookup *lookup;  /* of the op's record; may have been approached */
    struct lookup *element; /* of the op's only member in a large set; NULL: not approached */
    uint64_t element_incarnation;
    enum err element_fetched; /* with `is_fetched`: what looking it up said */
    size_t budget_bytes;      /* of rows that a read may answer */
    struct reader reader;     /* task_reader() */
    bool has_reader;
    bool is_fetched; /* `lookup` holds the record already, or `fetched` says why not */
    enum err fetched;
};

/* A record as a task found it. */
struct place {
    struct lookup *lookup; /* lookup->record holds it */
    struct table *table;
    bool is_there; /* a row, perhaps expired */
    bool is_live;
};

static inline bool is_engine_err(enum err err)
{
    return err == ERR_IO || err == ERR_CORRUPT || err == ERR_WOULD_WAIT;
}

/* ---- tables.c ---- */

/* NULL: not open. Any thread. */
struct table *table_find(struct model *m, uint32_t id);

/* Owner; notes how it was before the batch. */
void table_touch(struct model *m, struct table *t);

static inline void table_count_add(struct model *m, struct table *t, int64_t change)
{
    if (m->is_durable && !t->is_touched) {
        table_touch(m, t);
    }
    const uint64_t count = atomic_load_explicit(&t->count, memory_order_relaxed);
    atomic_store_explicit(&t->count, count + (uint64_t)change, memory_order_relaxed);
}

MUST_CHECK enum err op_table_open(struct task *t);
MUST_CHECK enum err op_table_close(struct task *t);

/* Reads open tables and counts from the rows. */
MUST_CHECK enum err tables_load(struct task *t);

/* Writes the counts that changed. */
void tables_save(struct task *t);

/* The batch is over: it was published, or forgotten. */
void tables_published(struct model *m);
void tables_undo(struct model *m);

void tables_deinit(struct model *m);

/* ---- record.c: rows of a task ---- */

/* The state that the task reads. */
const struct reader *task_reader(struct task *t);

/* Finds `l->key` in the state that the task reads. Errors: ERR_NOT_FOUND, those of the engine. */
MUST_CHECK enum err row_find(struct task *t, struct lookup *l);

/* A row that nobody counts: an element, an index or a meta row. What it was does not matter, so it
 * need not be in reach; one that is erased is there. */
void row_put(struct task *t, struct slice key, struct slice value);
void row_erase(struct task *t, struct slice key);

/* Opens a scan of the state that the task reads. Errors: ERR_WOULD_WAIT. */
MUST_CHECK enum err rows_open(struct task *t, struct scan *s, struct slice from, struct slice to,
                              bool is_reverse);

/* The row key of a record, in the arena. */
struct slice record_row(struct task *t, uint32_t table, struct slice key);

/* All rows that begin with `prefix` lie from it to this. In the arena. */
struct slice range_end_of(struct task *t, struct slice prefix);

/* The least row key behind `row`. In the arena. */
struct slice row_after(struct task *t, struct slice row);

/* Finds the record of the task's op, or that of another key; `p->lookup` and `p->table` are set
 * by these functions. An absent record is no error: see `p->is_there`. Engine errors only. */
MUST_CHECK enum err place_find(struct task *t, struct place *p);
MUST_CHECK enum err place_find_other(struct task *t, struct place *p, struct lookup *room,
                                     struct table *table, struct slice key);

/* The same, but what is no live `type` is an answer: ERR_NOT_FOUND, ERR_WRONG_TYPE. */
MUST_CHECK enum err place_find_typed(struct task *t, struct place *p, enum value_type type);

/* ERR_WRONG_TYPE if it is live and of another type. */
MUST_CHECK enum err place_check_type(const struct place *p, enum value_type type);

/* ERR_CONFLICT, with the record's facts in the result, if the op's condition does not hold. */
MUST_CHECK enum err place_check_condition(struct task *t, const struct place *p);

/* When a record written by the op expires: what the op says; else what the record had, if it is
 * kept; else the table's default. */
uint64_t expiry_of(const struct task *t, const struct place *p, bool is_kept);

/* A record that expires then is gone at once. */
static inline bool is_past(const struct task *t, uint64_t expiry_ms)
{
    return expiry_ms != 0 && expiry_ms <= t->moment->now_ms;
}

/* What a record becomes. */
struct change {
    uint8_t kind; /* enum record_kind */
    struct slice value;
    uint64_t expiry_ms;      /* at or before now: it goes */
    bool is_collection_kept; /* the rows of the old record's collection stay its own */
};

/* Writes the record, its index row and the count, and says so in the result (`result` may be
 * NULL). Engine errors only. */
MUST_CHECK enum err record_write(struct task *t, struct place *p, const struct change *c,
                                 struct result *result);

/* Takes it away, if it is there. */
MUST_CHECK enum err record_erase(struct task *t, struct place *p);

/* The same, but the rows of its collection stay: another record has them now. */
MUST_CHECK enum err record_erase_header(struct task *t, struct place *p);

/* The record's row goes, by other means, and is counted elsewhere: takes away what belongs to it,
 * the row of the expiry index only if `has_index`. Errors: ERR_CORRUPT. */
MUST_CHECK enum err record_forget(struct task *t, const struct record *record, bool has_index);

/* Notes rows to be reclaimed: those of one collection, or of a whole table (incarnation 0). */
void garbage_add(struct task *t, uint32_t table, uint64_t incarnation);

/* The facts of a live record, as a read answers them. */
void result_of_record(struct result *result, const struct record *record);

void result_of_place(struct result *result, const struct place *p); /* if it is live */

/* Members or versions. Errors: ERR_CORRUPT. */
MUST_CHECK enum err collection_count(const struct record *record, uint64_t *count);

/* The row that a replacing append to the log in `record` would read. In the arena. False: it is
 * none. */
bool log_row(struct task *t, const struct record *record, struct slice *id);

/* ---- rows of an answer ---- */

struct rows {
    struct row *rows; /* in the arena */
    size_t count;
    size_t room;
    size_t bytes;
    uint64_t expected; /* how many there will be at most; 0: unknown */
};

/* Bytes of a row that a scan or a read has found, as long as the answer. */
struct slice scanned_bytes(struct task *t, struct slice bytes);

/* A zeroed row at the end, that counts as `bytes` and what a row takes. */
struct row *rows_add(struct task *t, struct rows *rows, size_t bytes);

/* The budget of reads is used up. */
bool rows_are_full(const struct task *t, const struct rows *rows);

/* They become the answer. */
void rows_answer(struct task *t, const struct rows *rows);

/* ---- strings ---- */

/* The text of a string record, in the arena if it is an integer. */
MUST_CHECK enum err string_text(struct task *t, const struct record *record, struct slice *text);

/* Writes a string, as an integer if it is one. `is_kept`: as expiry_of(). */
MUST_CHECK enum err string_write(struct task *t, struct place *p, struct slice text, bool is_kept);

/* A string for changing, in the arena. */
struct string_bytes {
    uint8_t *data;
    size_t size;
    bool has_grown;
};

/* The op's string as at least `size` bytes, zeros behind its end.
 * Errors: ERR_WRONG_TYPE, ERR_TOO_LARGE, engine. */
MUST_CHECK enum err string_grow(struct task *t, struct place *p, size_t size,
                                struct string_bytes *bytes);

/* The old string, if the op wants it. Errors: ERR_WRONG_TYPE, engine. */
MUST_CHECK enum err string_previous(struct task *t, const struct place *p);

/* ---- run.c ---- */

/* Makes the task's lookup that of the op's record, if the op has one. */
void task_aim(struct task *t);

/* Carries out the op. */
MUST_CHECK enum err task_run(struct task *t);

/* It cannot be done without a scan of the engine. */
bool op_needs_scan(const struct op *op);
bool op_has_record(const struct op *op);  /* its key names one */
bool op_has_members(const struct op *op); /* its items are members of a set */

/* ---- idempotency.c ---- */

/* The same for a write with an idempotency id: once, or the answer of the first time. */
MUST_CHECK enum err idempotency_run(struct task *t);

/* The row that keeps the op's result. */
struct slice result_row(struct arena *arena, const struct op *op);

/* Forgets results that are too old, up to `*left`, which is counted down. */
MUST_CHECK enum err idempotency_sweep(struct task *t, uint64_t *left);
bool idempotency_is_due(const struct model *m, uint64_t now_ms);

/* ---- sweep.c ---- */

/* When the first record expires; UINT64_MAX: none does. */
MUST_CHECK enum err expiry_peek(struct task *t, uint64_t *expiry_ms);
bool sweep_is_due(const struct model *m, uint64_t now_ms);

/* ---- operations: each carries out one, and leaves its answer in the result ---- */

typedef enum err (*op_fn)(struct task *t);

enum err op_get(struct task *t);
enum err op_stat(struct task *t);
enum err op_put(struct task *t);
enum err op_expire(struct task *t);
enum err op_delete(struct task *t);
enum err op_copy(struct task *t);
enum err op_rename(struct task *t);
enum err op_append(struct task *t);
enum err op_set_range(struct task *t);
enum err op_bit_set(struct task *t);
enum err op_bit_field(struct task *t);
enum err op_bit_op(struct task *t);
enum err op_add(struct task *t);
enum err op_add_float(struct task *t);
enum err op_set_add(struct task *t);
enum err op_set_remove(struct task *t);
enum err op_set_move(struct task *t);
enum err op_set_pop(struct task *t);
enum err op_set_has(struct task *t);
enum err op_set_random(struct task *t);
enum err op_set_combine(struct task *t);
enum err op_set_store(struct task *t);
enum err op_log_append(struct task *t);
enum err op_log_read(struct task *t);
enum err op_range(struct task *t);
enum err op_set_range_members(struct task *t);
enum err op_log_range(struct task *t);
enum err op_delete_range(struct task *t);
enum err op_count(struct task *t);
enum err op_random_key(struct task *t);
enum err op_txn(struct task *t);
enum err op_sweep(struct task *t);

#endif
