/* Several operations at once: compares, then one of two branches, under one revision. An operation
 * of a branch may be such a transaction itself, which sees what those before it did (MSETNX in a
 * MULTI).
 *
 * An operation of the branch that fails says so in its own result, and the others go on,
 * as between MULTI and EXEC of Redis.
 *
 * Answers. What a branch answers is bounded by a constant, because it is a part of what a txn does:
 * results may be kept for a retry, and apply knows no budget. A txn that only reads is refused. One
 * that writes does all it was ordered to; reads that find no room are not made and say so, and a
 * write whose answer finds none is made and says only that it may have been. */
#include "model/state.h"

/* A record as a comparison sees it; missing ones are zeros. */
struct seen {
    bool exists;
    const struct record *record;
};

static bool relation_holds(enum compare_relation relation, int order)
{
    switch (relation) {
    case COMPARE_EQUAL:
        return order == 0;
    case COMPARE_NOT_EQUAL:
        return order != 0;
    case COMPARE_LESS:
        return order < 0;
    case COMPARE_GREATER:
        return order > 0;
    }
    return false;
}

static int order_of(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* What is no string equals no value and is neither less nor greater. */
static enum err value_holds(struct task *t, const struct compare *c, const struct seen *seen,
                            bool *holds)
{
    struct slice text;
    if (!seen->exists || record_type(seen->record->type) != TYPE_STRING) {
        *holds = c->relation == COMPARE_NOT_EQUAL;
        return ERR_OK;
    }
    const enum err err = string_text(t, seen->record, &text);
    *holds = err == ERR_OK && relation_holds(c->relation, slice_compare(text, c->value));
    return err;
}

static enum err seen_holds(struct task *t, const struct compare *c, const struct seen *seen,
                           bool *holds)
{
    uint64_t number = 0;
    switch (c->target) {
    case COMPARE_VALUE:
        return value_holds(t, c, seen, holds);
    case COMPARE_EXISTS:
        number = seen->exists ? 1 : 0;
        break;
    case COMPARE_MOD_REVISION:
        number = seen->exists ? seen->record->mod_revision : 0;
        break;
    case COMPARE_CREATE_REVISION:
        number = seen->exists ? seen->record->create_revision : 0;
        break;
    case COMPARE_VERSION:
        number = seen->exists ? seen->record->version : 0;
        break;
    }
    *holds = relation_holds(c->relation, order_of(number, c->number));
    return ERR_OK;
}

static enum err key_holds(struct task *t, const struct compare *c, bool *holds)
{
    struct lookup l = {.engine = t->model->engine, .key = record_row(t, c->table, c->key)};
    const enum err err = row_find(t, &l);
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return err;
    }
    const bool is_open = table_find(t->model, c->table) != NULL;
    const struct seen seen = {.exists = is_open && err == ERR_OK && !is_past(t, l.record.expiry_ms),
                              .record = &l.record};
    return seen_holds(t, c, &seen, holds);
}

/* It must hold for every record of the range; an empty range compares as one missing record. */
static enum err range_holds(struct task *t, const struct compare *c, bool *holds)
{
    struct scan scan = {0};
    struct record record;
    struct seen seen = {false, NULL};
    const struct slice from = record_row(t, c->table, c->key);
    const struct slice to = record_row(t, c->table, c->range_end);
    const bool is_empty = table_find(t->model, c->table) == NULL || slice_compare(from, to) >= 0;
    enum err err = is_empty ? ERR_NOT_FOUND : rows_open(t, &scan, from, to, false);
    *holds = true;
    while (err == ERR_OK && *holds && (err = scan_next(&scan, &record)) == ERR_OK) {
        if (!is_past(t, record.expiry_ms)) {
            seen = (struct seen){true, &record};
            err = seen_holds(t, c, &seen, holds);
        }
    }
    if (!is_empty) {
        scan_close(&scan);
    }
    if (err == ERR_NOT_FOUND) {
        err = seen.exists ? ERR_OK : seen_holds(t, c, &seen, holds);
    }
    return err;
}

static size_t answer_bytes(const struct result *result)
{
    size_t bytes = result->value.size;
    for (size_t i = 0; i < result->row_count; i++) {
        const struct row *row = &result->rows[i];
        bytes += sizeof(*row) + row->key.size + row->value.size + row->author.size;
    }
    for (size_t i = 0; i < result->result_count; i++) {
        bytes += answer_bytes(&result->results[i]);
    }
    return bytes;
}

/* Carries out a part whose answer has no room any more. */
static enum err run_beyond(struct task *part)
{
    if (op_is_read(part->op)) {
        return ERR_TOO_LARGE;
    }
    const enum err err = task_run(part);
    if (is_engine_err(err) || answer_bytes(part->result) == 0) {
        return err;
    }
    *part->result = (struct result){0};
    return ERR_UNKNOWN_OUTCOME;
}

static enum err run_branch(struct task *t, const struct op *ops, uint32_t count)
{
    struct result *results = arena_zero(t->run->arena, count * sizeof(*results));
    size_t budget_bytes = t->budget_bytes;
    size_t answered = 0;
    t->result->results = results;
    t->result->result_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct moment moment = *t->moment;
        struct random random = {t->moment->random + i};
        moment.random = random_next(&random); /* two draws of one txn differ */
        struct lookup room;
        struct task part = {.run = t->run,
                            .model = t->model,
                            .op = &ops[i],
                            .moment = &moment,
                            .result = &results[i],
                            .lookup = &room,
                            .budget_bytes = budget_bytes};
        if (answered > TXN_ANSWER_MAX && op_is_read(t->op)) {
            t->result->result_count = 0;
            return ERR_TOO_LARGE;
        }
        task_aim(&part);
        const enum err err = answered > TXN_ANSWER_MAX ? run_beyond(&part) : task_run(&part);
        if (is_engine_err(err)) {
            return err;
        }
        results[i].err = err;
        answered += answer_bytes(&results[i]);
        for (size_t r = 0; r < results[i].row_count; r++) {
            const size_t bytes = sizeof(struct row) + results[i].rows[r].value.size;
            budget_bytes -= bytes < budget_bytes ? bytes : budget_bytes;
        }
    }
    return ERR_OK;
}

/* Nothing that is compared is answered: the memory for one value is enough. */
static enum err compare_all(struct task *t, bool *holds)
{
    struct arena arena = {0};
    struct run run = *t->run;
    struct task part = *t;
    enum err err = ERR_OK;
    run.arena = &arena;
    part.run = &run;
    *holds = true;
    for (uint32_t i = 0; i < t->op->compare_count && *holds && err == ERR_OK; i++) {
        const struct compare *c = &t->op->compares[i];
        err = c->range_end.data == NULL ? key_holds(&part, c, holds) : range_holds(&part, c, holds);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    return err;
}

enum err op_txn(struct task *t)
{
    const struct op *op = t->op;
    const enum err err = compare_all(t, &t->result->succeeded);
    if (err != ERR_OK) {
        return err;
    }
    t->result->mod_revision = t->moment->revision;
    return t->result->succeeded ? run_branch(t, op->ops, op->op_count)
                                : run_branch(t, op->else_ops, op->else_op_count);
}
