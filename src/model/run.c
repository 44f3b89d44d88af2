/* How ops are carried out: one by one, and many with their records looked up side by side.
 *
 * A group of steps goes through three passes: the keys of their records are composed and
 * approached together; then those of the members that a step alone adds, removes or asks
 * for in a large set, which needs the set's header; then each is carried out in its order
 * and finds what it needs close by. */
#include "model/state.h"
#include "model/varint.h"

#define VIEW_TRIES    4 /* an engine may find no slot only because all are just being given back */
#define SCRATCH_BYTES ((size_t)64) /* longer row keys lie in the arena */

enum {
    HAS_RECORD = 1 << 0,  /* op->key names one */
    HAS_TABLE = 1 << 1,   /* which must be open */
    POINT_READ = 1 << 2,  /* looks at its record and at nothing else */
    HAS_MEMBERS = 1 << 3, /* items are members of the set */
    NEEDS_SCAN = 1 << 4   /* of the engine, whatever the data are */
};

struct kind {
    op_fn run;
    unsigned traits;
};

static const struct kind *kind_of(uint8_t kind)
{
    enum {
        RECORD = HAS_RECORD | HAS_TABLE,
        SCAN = HAS_TABLE | NEEDS_SCAN
    };
    static const struct kind kinds[OP_KIND_COUNT] = {
        [OP_GET] = {op_get, RECORD | POINT_READ},
        [OP_STAT] = {op_stat, RECORD | POINT_READ},
        [OP_PUT] = {op_put, RECORD},
        [OP_EXPIRE] = {op_expire, RECORD},
        [OP_DELETE] = {op_delete, RECORD},
        [OP_COPY] = {op_copy, RECORD},
        [OP_RENAME] = {op_rename, RECORD},
        [OP_APPEND] = {op_append, RECORD},
        [OP_SET_RANGE] = {op_set_range, RECORD},
        [OP_BIT_SET] = {op_bit_set, RECORD},
        [OP_BIT_FIELD] = {op_bit_field, RECORD | POINT_READ},
        [OP_BIT_OP] = {op_bit_op, RECORD},
        [OP_ADD] = {op_add, RECORD},
        [OP_ADD_FLOAT] = {op_add_float, RECORD},
        [OP_SET_ADD] = {op_set_add, RECORD | HAS_MEMBERS},
        [OP_SET_REMOVE] = {op_set_remove, RECORD | HAS_MEMBERS},
        [OP_SET_MOVE] = {op_set_move, RECORD},
        [OP_SET_POP] = {op_set_pop, RECORD | NEEDS_SCAN},
        [OP_SET_HAS] = {op_set_has, RECORD | HAS_MEMBERS},
        [OP_SET_RANDOM] = {op_set_random, RECORD | NEEDS_SCAN},
        [OP_SET_COMBINE] = {op_set_combine, SCAN},
        [OP_SET_STORE] = {op_set_store, RECORD | NEEDS_SCAN},
        [OP_LOG_APPEND] = {op_log_append, RECORD},
        [OP_LOG_READ] = {op_log_read, RECORD},
        [OP_RANGE] = {op_range, SCAN},
        [OP_SET_RANGE_MEMBERS] = {op_set_range_members, RECORD | NEEDS_SCAN},
        [OP_LOG_RANGE] = {op_log_range, RECORD | NEEDS_SCAN},
        [OP_DELETE_RANGE] = {op_delete_range, SCAN},
        [OP_COUNT] = {op_count, HAS_TABLE | POINT_READ},
        [OP_RANDOM_KEY] = {op_random_key, SCAN},
        [OP_TXN] = {op_txn, HAS_TABLE},
        [OP_TABLE_OPEN] = {op_table_open, 0},
        [OP_TABLE_CLOSE] = {op_table_close, 0},
        [OP_SWEEP] = {op_sweep, NEEDS_SCAN},
    };
    CHECK(kind > OP_NONE);
    CHECK(kind < OP_KIND_COUNT);
    return &kinds[kind];
}

/* Composes the row key of the op's record, in `scratch` if it fits there. */
static void aim(struct lookup *l, struct engine *engine, const struct op *op, struct arena *arena,
                uint8_t *scratch)
{
    const size_t room = ROW_RECORD_HEAD + op->key.size;
    uint8_t *bytes = room <= SCRATCH_BYTES && scratch != NULL ? scratch : arena_get(arena, room);
    uint8_t *end = slice_put(row_record_head(bytes, op->table), op->key);
    l->engine = engine;
    l->key = slice_of(bytes, (size_t)(end - bytes));
    memset(l->place, 0, sizeof(l->place));
}

void task_aim(struct task *t)
{
    if ((kind_of(t->op->kind)->traits & HAS_RECORD) != 0) {
        aim(t->lookup, t->model->engine, t->op, t->run->arena, NULL);
    }
}

enum err task_run(struct task *t)
{
    const struct kind *kind = kind_of(t->op->kind);
    CHECK(kind->run != NULL);
    if ((kind->traits & HAS_TABLE) != 0) {
        t->table = table_find(t->model, t->op->table);
        if (t->table == NULL) {
            return ERR_NOT_FOUND;
        }
    }
    return kind->run(t);
}

/* A group of steps on its way. */
struct group {
    struct step *steps;
    size_t count;
    size_t record_count;
    size_t element_count;
    struct lookup records[ENGINE_BATCH_MAX];
    struct lookup elements[ENGINE_BATCH_MAX];
    uint64_t incarnations[ENGINE_BATCH_MAX]; /* of the elements */
    enum err found[ENGINE_BATCH_MAX];        /* readers: of the records */
    enum err found_elements[ENGINE_BATCH_MAX];
    uint8_t record_of[ENGINE_BATCH_MAX]; /* number of the step's lookup, or NONE */
    uint8_t element_of[ENGINE_BATCH_MAX];
    uint8_t scratch[ENGINE_BATCH_MAX][SCRATCH_BYTES];
};

#define NONE UINT8_MAX

static bool has_one_member(const struct op *op)
{
    return (kind_of(op->kind)->traits & HAS_MEMBERS) != 0 && op->item_count == 1;
}

/* A read that a published lookup or two can answer. One member of one set is asked for: header and
 * row may be of two states, because each alone is true of a moment during the call.
 * Anything else that reads several rows must read them from one state. */
static bool is_point_read(const struct op *op)
{
    return (kind_of(op->kind)->traits & POINT_READ) != 0 ||
           (op->kind == OP_SET_HAS && op->item_count == 1);
}

/* First pass: the records; of readers only those that are looked up side by side. */
static void group_aim(struct group *g, struct step *steps, size_t count, bool is_writer,
                      struct arena *arena)
{
    g->steps = steps;
    g->count = count;
    g->record_count = 0;
    g->element_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct op *op = steps[i].op;
        g->record_of[i] = NONE;
        g->element_of[i] = NONE;
        if ((kind_of(op->kind)->traits & HAS_RECORD) != 0 && (is_writer || is_point_read(op))) {
            const size_t r = g->record_count++;
            g->record_of[i] = (uint8_t)r;
            aim(&g->records[r], steps[i].model->engine, op, arena, g->scratch[r]);
        }
    }
}

/* The only member of step `i`, whose record is `record`, if that is a large set. */
static void aim_element(struct group *g, size_t i, const struct lookup *record, struct arena *arena)
{
    const struct op *op = g->steps[i].op;
    struct set_header header;
    if (record->record.type != RECORD_SET ||
        set_header_get(record->record.value, &header) != ERR_OK) {
        return;
    }
    const size_t e = g->element_count++;
    uint8_t *bytes = arena_get(arena, ROW_ELEMENT_HEAD + op->items[0].size);
    uint8_t *end = slice_put(row_element_head(bytes, op->table, header.incarnation), op->items[0]);
    struct lookup *l = &g->elements[e];
    l->engine = record->engine;
    l->key = slice_of(bytes, (size_t)(end - bytes));
    memset(l->place, 0, sizeof(l->place));
    g->incarnations[e] = header.incarnation;
    g->element_of[i] = (uint8_t)e;
}

/* Second pass: members that are asked for alone, in the set as it is before the group runs. */
static enum err group_aim_elements(struct group *g, const struct run *run)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->record_of[i] == NONE || !has_one_member(g->steps[i].op)) {
            continue;
        }
        struct lookup *record = &g->records[g->record_of[i]];
        const enum err err =
            run->is_writer ? engine_find(record, run->wait, run->arena) : g->found[g->record_of[i]];
        if (err == ERR_OK) {
            aim_element(g, i, record, run->arena);
        } else if (err != ERR_NOT_FOUND && run->is_writer) {
            return err;
        }
    }
    if (g->element_count > 0 && run->is_writer) {
        return engine_approach(g->elements, g->element_count, run->wait);
    }
    if (g->element_count > 0) {
        engine_get_many(g->elements, g->element_count, run->wait, run->arena, g->found_elements);
    }
    return ERR_OK;
}

/* What the step of the group has at hand. */
static void task_group(struct task *t, struct group *g, size_t i, bool is_fetched)
{
    if (g->record_of[i] != NONE) {
        t->lookup = &g->records[g->record_of[i]];
        t->is_fetched = is_fetched;
        t->fetched = is_fetched ? g->found[g->record_of[i]] : ERR_OK;
    }
    if (g->element_of[i] != NONE) {
        t->element = &g->elements[g->element_of[i]];
        t->element_incarnation = g->incarnations[g->element_of[i]];
        t->element_fetched = is_fetched ? g->found_elements[g->element_of[i]] : ERR_OK;
    }
}

static struct task task_of(const struct run *run, const struct step *step)
{
    *step->result = (struct result){0};
    return (struct task){.run = run,
                         .model = step->model,
                         .op = step->op,
                         .moment = &step->moment,
                         .result = step->result,
                         .budget_bytes = step->budget_bytes};
}

/* Third pass of the writer. */
static enum err group_run(struct group *g, const struct run *run)
{
    for (size_t i = 0; i < g->count; i++) {
        struct step *step = &g->steps[i];
        CHECK(step->model->has_begun);
        struct task t = task_of(run, step);
        task_group(&t, g, i, false);
        const bool has_id = step->op->idempotency_id.size > 0 && !op_is_read(step->op);
        const enum err err = has_id ? idempotency_run(&t) : task_run(&t);
        if (is_engine_err(err)) {
            return err;
        }
        step->result->err = err;
    }
    return ERR_OK;
}

enum err model_run(struct step *steps, size_t count, enum engine_wait wait, struct arena *arena)
{
    const struct run run = {.wait = wait, .is_writer = true, .arena = arena};
    struct group g;
    enum err err = ERR_OK;
    for (size_t first = 0; first < count && err == ERR_OK; first += g.count) {
        const size_t left = count - first;
        group_aim(&g, steps + first, left < ENGINE_BATCH_MAX ? left : ENGINE_BATCH_MAX, true,
                  arena);
        if (g.record_count > 1) {
            err = engine_approach(g.records, g.record_count, wait);
        }
        if (err == ERR_OK && g.record_count > 1) {
            err = group_aim_elements(&g, &run);
        }
        if (err == ERR_OK) {
            err = group_run(&g, &run);
        }
    }
    return err;
}

/* A read that is not alone with its record. */
static void read_alone(struct step *step, const struct run *run)
{
    struct lookup lookup;
    struct reader view;
    struct run pinned = *run;
    struct task t = task_of(&pinned, step);
    t.lookup = &lookup;
    if (op_needs_scan(step->op) && run->wait == ENGINE_NO_WAIT &&
        !scan_is_cheap(step->model->engine)) {
        step->result->err = ERR_WOULD_WAIT; /* before a view is opened for nothing */
        return;
    }
    const bool is_pinning = run->view == NULL && !is_point_read(step->op);
    if (is_pinning) {
        step->result->err = ERR_BUSY;
        for (unsigned i = 0; i < VIEW_TRIES && step->result->err == ERR_BUSY; i++) {
            step->result->err = view_open(step->model->engine, &view);
        }
        if (step->result->err != ERR_OK) {
            return;
        }
        pinned.view = &view;
    }
    task_aim(&t);
    step->result->err = task_run(&t);
    if (is_pinning) {
        view_close(&view);
    }
}

void model_read(struct step *steps, size_t count, enum engine_wait wait, struct arena *arena)
{
    const struct run run = {.wait = wait, .arena = arena};
    struct group g;
    for (size_t first = 0; first < count; first += g.count) {
        const size_t left = count - first;
        group_aim(&g, steps + first, left < ENGINE_BATCH_MAX ? left : ENGINE_BATCH_MAX, false,
                  arena);
        engine_get_many(g.records, g.record_count, wait, arena, g.found);
        const enum err err = group_aim_elements(&g, &run);
        CHECK(err == ERR_OK); /* readers have an answer for each step */
        for (size_t i = 0; i < g.count; i++) {
            struct step *step = &g.steps[i];
            DCHECK(op_is_read(step->op));
            if (g.record_of[i] == NONE) {
                read_alone(step, &run);
                continue;
            }
            struct task t = task_of(&run, step);
            task_group(&t, &g, i, true);
            step->result->err = task_run(&t);
        }
    }
}

void model_read_view(struct step *step, const struct reader *view, enum engine_wait wait,
                     struct arena *arena)
{
    CHECK(op_is_read(step->op));
    const struct run run = {.wait = wait, .arena = arena, .view = view};
    read_alone(step, &run);
}

bool op_needs_scan(const struct op *op)
{
    return (kind_of(op->kind)->traits & NEEDS_SCAN) != 0 ||
           (op->kind == OP_LOG_READ && op->number != 0 && op->number != 1);
}

bool op_has_record(const struct op *op)
{
    return (kind_of(op->kind)->traits & HAS_RECORD) != 0;
}

bool op_has_members(const struct op *op)
{
    return (kind_of(op->kind)->traits & HAS_MEMBERS) != 0;
}
