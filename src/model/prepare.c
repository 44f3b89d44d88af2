/* Brings the rows that a durable batch will read into reach, many at a time, before it runs.
 *
 * What is not foreseen here is no fault: engine_find() then says ERR_WOULD_WAIT in the
 * middle of the batch, which is given up and run again on a worker. */
#include "model/state.h"
#include "model/varint.h"

#define FORESEEN_ITEMS 64 /* members or source keys of one op; more are left to the run */
#define FORESEEN_BYTES                                                                             \
    ((size_t)64 << 20) /* of rows: the others are found, or not wanted, one by one */

struct prepare {
    struct lookup lookups[ENGINE_BATCH_MAX];
    size_t count;
    enum engine_wait wait;
    enum err err;
    struct engine *engine;
    struct model *model;
    struct arena *arena;
    struct task task; /* for those who compose keys or find rows */
};

static void flush(struct prepare *x)
{
    const bool is_much = x->count > 0 && engine_batch_bytes(x->engine) > FORESEEN_BYTES;
    if (x->err == ERR_OK && x->count > 0 && !is_much) {
        x->err = engine_approach(x->lookups, x->count, x->wait);
    }
    x->count = 0;
}

/* `key` stays until the next flush. */
static void want(struct prepare *x, struct slice key)
{
    if (x->count == ENGINE_BATCH_MAX) {
        flush(x);
    }
    struct lookup *l = &x->lookups[x->count++];
    l->engine = x->engine;
    l->key = key;
    memset(l->place, 0, sizeof(l->place));
}

static void turn_to(struct prepare *x, const struct step *step)
{
    x->model = step->model;
    x->engine = step->model->engine;
    x->task.model = step->model;
    x->task.moment = &step->moment;
    x->task.has_reader = false;
}

static void want_record(struct prepare *x, uint32_t table, struct slice key)
{
    want(x, record_row(&x->task, table, key));
}

/* Records that the op names. */
static void want_records(struct prepare *x, const struct op *op)
{
    if (op_needs_scan(op) && x->wait == ENGINE_NO_WAIT && !scan_is_cheap(x->engine)) {
        x->err = ERR_WOULD_WAIT;
        return;
    }
    if (op_has_record(op)) {
        want_record(x, op->table, op->key);
    }
    const bool is_moving = op->kind == OP_RENAME || op->kind == OP_SET_MOVE;
    if (op->kind == OP_COPY || is_moving) {
        want_record(x, is_moving ? op->table : op->other_table, op->other);
    }
    if (op->kind == OP_BIT_OP || op->kind == OP_SET_COMBINE || op->kind == OP_SET_STORE) {
        for (uint32_t i = 0; i < op->item_count && i < FORESEEN_ITEMS; i++) {
            want_record(x, op->table, op->items[i]);
        }
    }
    if (op->idempotency_id.size > 0) {
        want(x, result_row(x->arena, op));
    }
}

static void want_elements(struct prepare *x, const struct op *op, const struct record *record)
{
    struct set_header header;
    if (record->type != RECORD_SET || set_header_get(record->value, &header) != ERR_OK) {
        return;
    }
    const bool is_move = op->kind == OP_SET_MOVE;
    const uint32_t count = is_move ? 1 : op->item_count;
    for (uint32_t i = 0; i < count && i < FORESEEN_ITEMS; i++) {
        const struct slice member = is_move ? op->value : op->items[i];
        uint8_t *bytes = arena_get(x->arena, ROW_ELEMENT_HEAD + member.size);
        uint8_t *end = slice_put(row_element_head(bytes, op->table, header.incarnation), member);
        want(x, slice_of(bytes, (size_t)(end - bytes)));
    }
}

static bool has_members(const struct op *op)
{
    return op_has_members(op) || op->kind == OP_SET_MOVE;
}

static bool is_replacing(const struct op *op)
{
    return op->kind == OP_LOG_APPEND && (op->flags & OP_LOG_REPLACE) != 0;
}

/* What the op reads depends on its record as it is now: members, versions. */
static void want_more(struct prepare *x, const struct op *op)
{
    struct lookup l;
    struct result result;
    struct place p;
    if (x->err != ERR_OK || !op_has_record(op) || !(has_members(op) || is_replacing(op))) {
        return;
    }
    struct task t = x->task;
    t.op = op;
    t.lookup = &l;
    t.result = &result;
    t.table = table_find(x->model, op->table);
    if (t.table == NULL) {
        return;
    }
    task_aim(&t);
    x->err = place_find(&t, &p);
    if (x->err != ERR_OK || !p.is_live) {
        return;
    }
    struct slice id;
    if (is_replacing(op) && l.record.type == RECORD_LOG && log_row(&t, &l.record, &id)) {
        want(x, id);
    }
    if (has_members(op)) {
        want_elements(x, op, &l.record);
    }
}

static void want_compares(struct prepare *x, const struct op *op)
{
    for (uint32_t i = 0; i < op->compare_count; i++) {
        const struct compare *c = &op->compares[i];
        if (c->range_end.data == NULL) {
            want_record(x, c->table, c->key);
        } else if (x->wait == ENGINE_NO_WAIT && !scan_is_cheap(x->engine)) {
            x->err = ERR_WOULD_WAIT;
        }
    }
}

/* Calls `fn` for the op, and for the parts of a txn. */
static void for_parts(struct prepare *x, const struct op *op,
                      void (*fn)(struct prepare *x, const struct op *op))
{
    fn(x, op);
    if (op->kind != OP_TXN) {
        return;
    }
    for (uint32_t i = 0; i < op->op_count; i++) {
        for_parts(x, &op->ops[i], fn);
    }
    for (uint32_t i = 0; i < op->else_op_count; i++) {
        for_parts(x, &op->else_ops[i], fn);
    }
}

enum err model_prepare(struct step *steps, size_t count, enum engine_wait wait)
{
    if (count == 0 || !steps[0].model->is_durable) {
        return ERR_OK;
    }
    struct arena *arena = &steps[0].model->arena;
    const struct run run = {.wait = wait, .is_writer = true, .arena = arena};
    struct prepare x = {.wait = wait, .arena = arena, .task = {.run = &run}};
    for (size_t i = 0; i < count && x.err == ERR_OK; i++) {
        CHECK(steps[i].model->has_begun);
        turn_to(&x, &steps[i]);
        for_parts(&x, steps[i].op, want_compares);
        for_parts(&x, steps[i].op, want_records);
    }
    flush(&x);
    x.model = NULL;
    for (size_t i = 0; i < count && x.err == ERR_OK; i++) {
        turn_to(&x, &steps[i]);
        for_parts(&x, steps[i].op, want_more);
    }
    flush(&x);
    arena_reset(arena);
    return x.err;
}
