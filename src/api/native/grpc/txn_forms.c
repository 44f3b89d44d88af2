/* Transactions: comparisons, and two lists of operations. */
#include "api/native/grpc/translate.h"
#include "api/native/native.h"

/* ---- Comparisons ---- */

static void read_target(struct reading *r, const Holdfast__V1__Compare *m, struct compare *c)
{
    switch ((unsigned)m->target_case) {
    case HOLDFAST__V1__COMPARE__TARGET_EXISTS:
        c->target = COMPARE_EXISTS;
        c->number = m->exists ? 1 : 0;
        break;
    case HOLDFAST__V1__COMPARE__TARGET_VALUE:
        c->target = COMPARE_VALUE;
        c->value = grpc_slice(m->value);
        break;
    case HOLDFAST__V1__COMPARE__TARGET_REVISION:
        c->target = COMPARE_MOD_REVISION;
        c->number = m->revision;
        break;
    case HOLDFAST__V1__COMPARE__TARGET_CREATE_REVISION:
        c->target = COMPARE_CREATE_REVISION;
        c->number = m->create_revision;
        break;
    case HOLDFAST__V1__COMPARE__TARGET_VERSION:
        c->target = COMPARE_VERSION;
        c->number = m->version;
        break;
    default:
        reading_refuse(r, ERR_INVALID, "a comparison lacks what it compares");
        break;
    }
}

static void read_compare(struct reading *r, const Holdfast__V1__Compare *m, struct compare *c)
{
    const unsigned relation = (unsigned)m->relation;
    struct op place = {0};
    struct reading part = {.t = r->t, .op = &place, .err = r->err, .why = r->why};
    *c = (struct compare){0};
    if (m->range_end.len > 0) {
        read_whole(&part, m->table);
        c->range_end = grpc_slice(m->range_end);
    } else {
        read_place(&part, m->table, m->key);
    }
    r->err = part.err;
    c->table = place.table;
    c->key = grpc_slice(m->key);
    /* Unspecified is the first one, too. */
    c->relation = (enum compare_relation)(relation == 0 ? COMPARE_EQUAL : relation - 1);
    if (relation > HOLDFAST__V1__COMPARE_RELATION__COMPARE_RELATION_GREATER) {
        reading_refuse(r, ERR_INVALID, "there is no such relation");
    }
    read_target(r, m, c);
}

static void read_compares(struct reading *r, const Holdfast__V1__TxnRequest *m)
{
    struct compare *list = arena_get(r->t->arena, m->n_compares * sizeof(*list));
    for (size_t i = 0; r->err == ERR_OK && i < m->n_compares; i++) {
        read_compare(r, m->compares[i], &list[i]);
    }
    r->op->compares = list;
    r->op->compare_count = (uint32_t)m->n_compares;
}

/* ---- Operations ---- */

static const struct op *read_branch(struct reading *r, size_t count,
                                    Holdfast__V1__Operation *const *messages, unsigned **numbers)
{
    struct translation part = *r->t;
    struct op *list = arena_zero(part.arena, count * sizeof(*list));
    enum read_level level = READ_LINEARIZABLE;
    part.is_part = true;
    *numbers = arena_get(part.arena, count * sizeof(**numbers));
    for (size_t i = 0; r->err == ERR_OK && i < count; i++) {
        r->err = operation_read(&part, messages[i], &list[i], &level, &(*numbers)[i], r->why);
    }
    return list;
}

/* The table of the whole: the one it names, or that of its first part. */
static void read_table(struct reading *r, const Holdfast__V1__TxnRequest *m)
{
    struct op *op = r->op;
    if (grpc_string(m->table).size > 0) {
        read_place(r, m->table, (ProtobufCBinaryData){0});
    } else if (op->compare_count > 0) {
        op->table = op->compares[0].table;
    } else if (op->op_count > 0) {
        op->table = op->ops[0].table;
    } else if (op->else_op_count > 0) {
        op->table = op->else_ops[0].table;
    } else {
        reading_refuse(r, ERR_INVALID, "a transaction has a part, or a table");
    }
}

enum err txn_read(const struct translation *t, const Holdfast__V1__TxnRequest *message,
                  struct op *op, enum read_level *level, struct txn_forms *forms,
                  struct err_why *why)
{
    struct translation inner = *t;
    struct reading r = {.t = &inner, .op = op, .why = why};
    const size_t parts = message->n_compares + message->n_success + message->n_failure;
    if (parts > OP_ITEMS_MAX) {
        return err_set(why, ERR_TOO_LARGE, "a transaction has more than %zu parts", OP_ITEMS_MAX);
    }
    inner.table = grpc_string(message->table);
    op->kind = OP_TXN;
    read_id(&r, message->idempotency_id);
    read_level_of(&r, message->read_level);
    read_compares(&r, message);
    op->ops = read_branch(&r, message->n_success, message->success, &forms->success);
    op->op_count = (uint32_t)message->n_success;
    op->else_ops = read_branch(&r, message->n_failure, message->failure, &forms->failure);
    op->else_op_count = (uint32_t)message->n_failure;
    if (r.err == ERR_OK) {
        read_table(&r, message);
    }
    txn_place(op);
    *level = r.level;
    return r.err == ERR_OK ? op_check(op, router_value_max(t->router), why) : r.err;
}

Holdfast__V1__TxnResponse *txn_answer(const struct txn_forms *forms, const struct answering *a)
{
    const struct result *r = a->result;
    const unsigned *numbers = r->succeeded ? forms->success : forms->failure;
    const struct op *ops = r->succeeded ? a->op->ops : a->op->else_ops;
    Holdfast__V1__TxnResponse *m = arena_get(a->arena, sizeof(*m));
    Holdfast__V1__OperationResult *results =
        arena_get(a->arena, r->result_count * sizeof(*results));
    holdfast__v1__txn_response__init(m);
    m->succeeded = r->succeeded;
    m->revision = r->mod_revision;
    m->n_results = r->result_count;
    m->results = arena_get(a->arena, r->result_count * sizeof(void *));
    for (size_t i = 0; i < r->result_count; i++) {
        struct answering part = *a;
        part.op = &ops[i];
        part.result = &r->results[i];
        m->results[i] = &results[i];
        operation_answer(numbers[i], &part, &results[i]);
    }
    return m;
}
