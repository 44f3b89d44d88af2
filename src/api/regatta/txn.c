/* KV.Txn: compares and operations as one OP_TXN of the table's shard.
 *
 * A missing key holds for no comparison here, whereas it is different from every value in model; so
 * NOT_EQUAL becomes two comparisons: the key exists, and its value is another one. */
#include "api/regatta/pairs.h"
#include "base/check.h"

struct txn_op {
    struct grpc_op o;
    const Regatta__V1__TxnRequest *q;
    bool is_read;
};

/* What is being built. */
struct building {
    struct grpc_call *g;
    uint32_t table;
    struct compare *compares;
    uint32_t compare_count;
    uint32_t open_count; /* compares to the end of the table */
    size_t reads;
    bool has_writes;
    struct slice end; /* above every key; made when it is needed */
};

static struct refusal no_refusal(void)
{
    return (struct refusal){GRPC_OK, ERR_OK, NULL};
}

/* ---- Compares ---- */

static struct slice highest(struct building *b)
{
    if (b->end.data == NULL) {
        uint8_t *bytes = arena_get(b->g->x->arena, KEY_MAX + 1);
        memset(bytes, 0xff, KEY_MAX + 1);
        b->end = slice_of(bytes, KEY_MAX + 1);
    }
    return b->end;
}

static bool relation_of(Mvcc__V1__Compare__CompareResult result, enum compare_relation *relation)
{
    switch ((int)result) {
    case MVCC__V1__COMPARE__COMPARE_RESULT__EQUAL:
        *relation = COMPARE_EQUAL;
        return true;
    case MVCC__V1__COMPARE__COMPARE_RESULT__GREATER:
        *relation = COMPARE_GREATER;
        return true;
    case MVCC__V1__COMPARE__COMPARE_RESULT__LESS:
        *relation = COMPARE_LESS;
        return true;
    case MVCC__V1__COMPARE__COMPARE_RESULT__NOT_EQUAL:
        *relation = COMPARE_NOT_EQUAL;
        return true;
    default: /* the field holds what the client has sent */
        return false;
    }
}

static struct refusal add_compare(struct building *b, const Mvcc__V1__Compare *c)
{
    const bool is_range = c->has_end_case == MVCC__V1__COMPARE__HAS_END_RANGE_END;
    const bool has_value = c->target_union_case == MVCC__V1__COMPARE__TARGET_UNION_VALUE;
    struct extent extent = extent_of(c->key, is_range, c->range_end);
    enum compare_relation relation = COMPARE_EQUAL;
    if (c->target != MVCC__V1__COMPARE__COMPARE_TARGET__VALUE ||
        !relation_of(c->result, &relation)) {
        return REFUSAL_INVALID("unknown comparison");
    }
    const struct refusal r = extent_check(&extent);
    if (r.status != GRPC_OK) {
        return r;
    }
    if (is_range && extent.to.data == NULL) {
        if (++b->open_count > REGATTA_OPEN_COMPARES_MAX) {
            return REFUSAL_LIMIT("too many comparisons to the end of the table");
        }
        extent.to = highest(b);
    }
    struct compare out = {.table = b->table,
                          .key = extent.from,
                          .range_end = is_range ? extent.to : (struct slice){0}};
    if (!has_value || relation == COMPARE_NOT_EQUAL) {
        out.target = COMPARE_EXISTS;
        out.number = 1;
        b->compares[b->compare_count++] = out;
    }
    if (has_value) {
        out.target = COMPARE_VALUE;
        out.relation = relation;
        out.value = grpc_slice(c->value);
        b->compares[b->compare_count++] = out;
    }
    return no_refusal();
}

/* ---- Operations ---- */

/* The write of an operation, behind the read of what it replaces if that is asked for; or its read.
 * 0: it is unknown. */
static size_t parts_of(const Mvcc__V1__RequestOp *r)
{
    switch ((int)r->request_case) {
    case MVCC__V1__REQUEST_OP__REQUEST_REQUEST_RANGE:
        return 1;
    case MVCC__V1__REQUEST_OP__REQUEST_REQUEST_PUT:
        return r->request_put->prev_kv ? 2 : 1;
    case MVCC__V1__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
        return r->request_delete_range->prev_kv ? 2 : 1;
    default: /* none, or of a later version */
        return 0;
    }
}

/* The keys that an operation is about. */
static struct extent extent_of_op(const Mvcc__V1__RequestOp *r)
{
    if (r->request_case == MVCC__V1__REQUEST_OP__REQUEST_REQUEST_RANGE) {
        const Mvcc__V1__RequestOp__Range *q = r->request_range;
        return extent_of(q->key, q->has_end_case == MVCC__V1__REQUEST_OP__RANGE__HAS_END_RANGE_END,
                         q->range_end);
    }
    if (r->request_case == MVCC__V1__REQUEST_OP__REQUEST_REQUEST_PUT) {
        return extent_of(r->request_put->key, false, r->request_put->key);
    }
    const Mvcc__V1__RequestOp__DeleteRange *q = r->request_delete_range;
    return extent_of(q->key,
                     q->has_end_case == MVCC__V1__REQUEST_OP__DELETE_RANGE__HAS_END_RANGE_END,
                     q->range_end);
}

static struct refusal fill_range(const Mvcc__V1__RequestOp__Range *q, const struct extent *extent,
                                 struct op *op)
{
    if (q->limit < 0) {
        return REFUSAL_INVALID("limit must be a positive number");
    }
    if (q->keys_only && q->count_only) {
        return REFUSAL_INVALID("keys_only and count_only must not be set at the same time");
    }
    extent_read(extent, q->keys_only, q->count_only, op);
    op->limit = extent->is_single ? 0 : (uint64_t)q->limit;
    return no_refusal();
}

static struct refusal fill_put(const Mvcc__V1__RequestOp__Put *q, struct op *op)
{
    if (q->key.len == 0) {
        return REFUSAL_INVALID(TEXT_KEY_NOT_SET);
    }
    op->kind = OP_PUT;
    op->key = grpc_slice(q->key);
    op->value = grpc_slice(q->value);
    return refusal_of_value(op->value);
}

/* Fills the parts of one operation. */
static struct refusal fill_parts(struct building *b, const Mvcc__V1__RequestOp *r, struct op *parts)
{
    const size_t count = parts_of(r);
    const struct extent extent = extent_of_op(r);
    struct op *last = &parts[count - 1];
    struct refusal refusal = extent_check(&extent);
    if (refusal.status != GRPC_OK) {
        return refusal;
    }
    for (size_t i = 0; i < count; i++) {
        parts[i].table = b->table;
    }
    if (count > 1) {
        extent_read(&extent, false, false, &parts[0]);
    }
    b->reads += count - 1;
    if (r->request_case == MVCC__V1__REQUEST_OP__REQUEST_REQUEST_RANGE) {
        b->reads++;
        return fill_range(r->request_range, &extent, last);
    }
    b->has_writes = true;
    if (r->request_case == MVCC__V1__REQUEST_OP__REQUEST_REQUEST_PUT) {
        return fill_put(r->request_put, last);
    }
    extent_delete(&extent, b->g->x->arena, last);
    return no_refusal();
}

/* A branch's operations, in the arena. */
static struct refusal fill_branch(struct building *b, Mvcc__V1__RequestOp *const *list,
                                  size_t count, const struct op **ops, uint32_t *op_count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += parts_of(list[i]);
    }
    struct op *parts = arena_zero(b->g->x->arena, total * sizeof(*parts));
    *ops = parts;
    *op_count = (uint32_t)total;
    b->reads = 0;
    struct refusal r = no_refusal();
    for (size_t i = 0; i < count && r.status == GRPC_OK; i++) {
        const size_t used = parts_of(list[i]);
        if (used > 0) {
            r = fill_parts(b, list[i], parts);
        }
        parts += used;
    }
    if (r.status == GRPC_OK && b->reads > REGATTA_TXN_READS_MAX) {
        return REFUSAL_LIMIT("too many reads in a transaction");
    }
    return r;
}

static struct refusal fill_txn(struct building *b, const Regatta__V1__TxnRequest *q, struct op *op)
{
    struct refusal r = no_refusal();
    if (q->n_compare + q->n_success + q->n_failure > REGATTA_TXN_MAX) {
        return REFUSAL_LIMIT("too many operations in a transaction");
    }
    b->compares = arena_zero(b->g->x->arena, 2 * q->n_compare * sizeof(*b->compares));
    for (size_t i = 0; i < q->n_compare && r.status == GRPC_OK; i++) {
        r = add_compare(b, q->compare[i]);
    }
    op->kind = OP_TXN;
    op->compares = b->compares;
    op->compare_count = b->compare_count;
    if (r.status == GRPC_OK) {
        r = fill_branch(b, q->success, q->n_success, &op->ops, &op->op_count);
    }
    if (r.status == GRPC_OK) {
        r = fill_branch(b, q->failure, q->n_failure, &op->else_ops, &op->else_op_count);
    }
    return r;
}

/* ---- The answer ---- */

/* The answer to one operation, from the results of its parts. */
static enum err answer_one(struct arena *arena, const Mvcc__V1__RequestOp *r,
                           const struct op *parts, const struct result *results,
                           Mvcc__V1__ResponseOp *out)
{
    const size_t count = parts_of(r);
    const struct result *last = &results[count - 1];
    const struct extent extent = extent_of_op(r);
    struct found found = {0};
    enum err e = last->err;
    const bool is_range = r->request_case == MVCC__V1__REQUEST_OP__REQUEST_REQUEST_RANGE;
    if (is_range) {
        e = found_of_extent(arena, &extent, parts, last, &found);
    } else if (count > 1 && found_of_extent(arena, &extent, parts, results, &found) != ERR_OK) {
        found.pairs.count = 0; /* a value that is no string: the write has happened */
    }
    if (e != ERR_OK) {
        return e;
    }
    if (is_range) {
        Mvcc__V1__ResponseOp__Range *range = arena_get(arena, sizeof(*range));
        mvcc__v1__response_op__range__init(range);
        range->n_kvs = r->request_range->count_only ? 0 : found.pairs.count;
        range->kvs = found.pairs.list;
        range->more = found.is_more;
        range->count = found.count;
        out->response_case = MVCC__V1__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
        out->response_range = range;
    } else if (r->request_case == MVCC__V1__REQUEST_OP__REQUEST_REQUEST_PUT) {
        Mvcc__V1__ResponseOp__Put *put = arena_get(arena, sizeof(*put));
        mvcc__v1__response_op__put__init(put);
        put->prev_kv = found.pairs.count > 0 ? found.pairs.list[0] : NULL;
        out->response_case = MVCC__V1__RESPONSE_OP__RESPONSE_RESPONSE_PUT;
        out->response_put = put;
    } else {
        const Mvcc__V1__RequestOp__DeleteRange *q = r->request_delete_range;
        Mvcc__V1__ResponseOp__DeleteRange *deleted = arena_get(arena, sizeof(*deleted));
        mvcc__v1__response_op__delete_range__init(deleted);
        deleted->deleted = q->prev_kv || q->count ? (int64_t)last->count : 0;
        deleted->n_prev_kvs = found.pairs.count;
        deleted->prev_kvs = found.pairs.list;
        out->response_case = MVCC__V1__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE;
        out->response_delete_range = deleted;
    }
    return ERR_OK;
}

/* Fills the answers of the branch that was taken. */
static enum err answer_branch(const struct txn_op *t, const struct result *result,
                              Regatta__V1__TxnResponse *reply)
{
    struct arena *arena = t->o.g->x->arena;
    const bool is_else = !result->succeeded;
    Mvcc__V1__RequestOp *const *list = is_else ? t->q->failure : t->q->success;
    const size_t count = is_else ? t->q->n_failure : t->q->n_success;
    const struct op *parts = is_else ? t->o.call.op.else_ops : t->o.call.op.ops;
    const struct result *results = result->results;
    reply->responses = arena_get(arena, count * sizeof(Mvcc__V1__ResponseOp *));
    for (size_t i = 0; i < count; i++) {
        const size_t used = parts_of(list[i]);
        if (used == 0) {
            continue;
        }
        Mvcc__V1__ResponseOp *out = arena_get(arena, sizeof(*out));
        mvcc__v1__response_op__init(out);
        const enum err e = answer_one(arena, list[i], parts, results, out);
        if (e != ERR_OK) {
            return e;
        }
        reply->responses[reply->n_responses++] = out;
        parts += used;
        results += used;
    }
    CHECK((size_t)(results - result->results) == result->result_count);
    return ERR_OK;
}

static void answer(struct grpc_op *o, const struct result *result)
{
    const struct txn_op *t = container_of(o, struct txn_op, o);
    Regatta__V1__ResponseHeader header =
        regatta_header(grpc_context(o->g), o->call.op.table, t->is_read ? 0 : result->mod_revision);
    Regatta__V1__TxnResponse reply = REGATTA__V1__TXN_RESPONSE__INIT;
    if (result->err != ERR_OK) {
        regatta_fail_op(o->g, result->err, o->call.op.table, grpc_slice(t->q->table));
        return;
    }
    reply.header = &header;
    reply.succeeded = result->succeeded;
    const enum err e = answer_branch(t, result, &reply);
    if (e != ERR_OK && !t->is_read) {
        regatta_refuse(o->g, (struct refusal){GRPC_FAILED_PRECONDITION, e,
                                              "an operation of the transaction has failed; what it "
                                              "writes has happened"});
    } else if (e != ERR_OK) {
        regatta_fail(o->g, e);
    } else {
        grpc_reply(o->g, &reply.base);
    }
}

void regatta_txn(struct grpc_call *g, const ProtobufCMessage *m)
{
    const Regatta__V1__TxnRequest *q = (const Regatta__V1__TxnRequest *)m;
    struct refusal r = no_refusal();
    if (q->table.len == 0) {
        r = REFUSAL_INVALID(TEXT_TABLE_NOT_SET);
    }
    const struct table *t =
        r.status == GRPC_OK ? regatta_table(grpc_context(g), grpc_slice(q->table), &r) : NULL;
    if (t == NULL) {
        regatta_refuse(g, r);
        return;
    }
    struct txn_op *txn = arena_zero(g->x->arena, sizeof(*txn));
    struct building b = {.g = g, .table = t->id};
    txn->q = q;
    regatta_op_init(&txn->o, g, t->id, answer);
    r = fill_txn(&b, q, &txn->o.call.op);
    if (r.status != GRPC_OK) {
        regatta_refuse(g, r);
        return;
    }
    txn->is_read = !b.has_writes;
    txn->o.call.budget_bytes = REGATTA_ANSWER_MAX;
    grpc_op_start(&txn->o);
}
