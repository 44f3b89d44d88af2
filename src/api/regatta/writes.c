/* KV.Put and KV.DeleteRange. What a write replaces is read in the same transaction, since its
 * revisions are asked for, too. */
#include "api/regatta/pairs.h"

#define PARTS_MAX 2 /* a read of what was, and the write */

struct write_op {
    struct grpc_op o;
    const ProtobufCMessage *q;
    struct op parts[PARTS_MAX];
    struct extent extent; /* of what was */
};

/* Its result, of a transaction or of the operation alone. */
static const struct result *write_result(const struct write_op *w, const struct result *result)
{
    return w->o.call.op.kind == OP_TXN ? &result->results[PARTS_MAX - 1] : result;
}

static enum err write_err(const struct write_op *w, const struct result *result)
{
    return result->err != ERR_OK ? result->err : write_result(w, result)->err;
}

/* The records before the write; empty when they were not asked for. A value that is no string is
 * left out: the write has happened. */
static struct found previous(const struct write_op *w, const struct result *result)
{
    struct found found = {0};
    if (w->o.call.op.kind == OP_TXN) {
        const enum err e = found_of_extent(w->o.g->x->arena, &w->extent, &w->parts[0],
                                           &result->results[0], &found);
        found.pairs.count = e == ERR_OK ? found.pairs.count : 0;
    }
    return found;
}

/* Makes one transaction of the parts. */
static void join(struct write_op *w)
{
    struct op *op = &w->o.call.op;
    for (size_t i = 0; i < PARTS_MAX; i++) {
        w->parts[i].table = op->table;
    }
    op->kind = OP_TXN;
    op->key = w->parts[0].key;
    op->ops = w->parts;
    op->op_count = PARTS_MAX;
    w->o.call.budget_bytes = REGATTA_ANSWER_MAX;
}

static struct write_op *write_new(struct grpc_call *g, const ProtobufCMessage *m, uint32_t table,
                                  grpc_op_fn answer)
{
    struct write_op *w = arena_zero(g->x->arena, sizeof(*w));
    w->q = m;
    regatta_op_init(&w->o, g, table, answer);
    return w;
}

/* Table and key are there. NULL: the call was refused. */
static const struct table *find(struct grpc_call *g, ProtobufCBinaryData table,
                                ProtobufCBinaryData key)
{
    struct refusal r = {GRPC_OK, ERR_OK, NULL};
    if (table.len == 0) {
        r = REFUSAL_INVALID(TEXT_TABLE_NOT_SET);
    } else if (key.len == 0) {
        r = REFUSAL_INVALID(TEXT_KEY_NOT_SET);
    }
    const struct table *t =
        r.status == GRPC_OK ? regatta_table(grpc_context(g), grpc_slice(table), &r) : NULL;
    if (t == NULL) {
        regatta_refuse(g, r);
    }
    return t;
}

/* ---- Put ---- */

static void answer_put(struct grpc_op *o, const struct result *result)
{
    const struct write_op *w = container_of(o, struct write_op, o);
    const enum err e = write_err(w, result);
    if (e != ERR_OK) {
        const Regatta__V1__PutRequest *q = (const Regatta__V1__PutRequest *)w->q;
        regatta_fail_op(o->g, e, o->call.op.table, grpc_slice(q->table));
        return;
    }
    const struct found found = previous(w, result);
    Regatta__V1__ResponseHeader header =
        regatta_header(grpc_context(o->g), o->call.op.table, result->mod_revision);
    Regatta__V1__PutResponse reply = REGATTA__V1__PUT_RESPONSE__INIT;
    reply.header = &header;
    reply.prev_kv = found.pairs.count > 0 ? found.pairs.list[0] : NULL;
    grpc_reply(o->g, &reply.base);
}

void regatta_put(struct grpc_call *g, const ProtobufCMessage *m)
{
    const Regatta__V1__PutRequest *q = (const Regatta__V1__PutRequest *)m;
    const struct table *t = find(g, q->table, q->key);
    if (t == NULL) {
        return;
    }
    struct refusal r = refusal_of_key(grpc_slice(q->key));
    r = r.status == GRPC_OK ? refusal_of_value(grpc_slice(q->value)) : r;
    if (r.status != GRPC_OK) {
        regatta_refuse(g, r);
        return;
    }
    struct write_op *w = write_new(g, m, t->id, answer_put);
    struct op *op = q->prev_kv ? &w->parts[1] : &w->o.call.op;
    op->kind = OP_PUT;
    op->key = grpc_slice(q->key);
    op->value = grpc_slice(q->value);
    if (q->prev_kv) {
        w->extent = extent_of(q->key, false, q->key);
        extent_read(&w->extent, false, false, &w->parts[0]);
        join(w);
    }
    grpc_op_start(&w->o);
}

/* ---- DeleteRange ---- */

static void answer_delete(struct grpc_op *o, const struct result *result)
{
    const struct write_op *w = container_of(o, struct write_op, o);
    const Regatta__V1__DeleteRangeRequest *q = (const Regatta__V1__DeleteRangeRequest *)w->q;
    const enum err e = write_err(w, result);
    if (e != ERR_OK) {
        regatta_fail_op(o->g, e, o->call.op.table, grpc_slice(q->table));
        return;
    }
    const struct found found = previous(w, result);
    Regatta__V1__ResponseHeader header =
        regatta_header(grpc_context(o->g), o->call.op.table, result->mod_revision);
    Regatta__V1__DeleteRangeResponse reply = REGATTA__V1__DELETE_RANGE_RESPONSE__INIT;
    reply.header = &header;
    reply.deleted = q->prev_kv || q->count ? (int64_t)write_result(w, result)->count : 0;
    reply.n_prev_kvs = found.pairs.count;
    reply.prev_kvs = found.pairs.list;
    grpc_reply(o->g, &reply.base);
}

void regatta_delete_range(struct grpc_call *g, const ProtobufCMessage *m)
{
    const Regatta__V1__DeleteRangeRequest *q = (const Regatta__V1__DeleteRangeRequest *)m;
    const struct table *t = find(g, q->table, q->key);
    if (t == NULL) {
        return;
    }
    const bool has_end = q->has_end_case == REGATTA__V1__DELETE_RANGE_REQUEST__HAS_END_RANGE_END;
    const struct extent extent = extent_of(q->key, has_end, q->range_end);
    const struct refusal r = extent_check(&extent);
    if (r.status != GRPC_OK) {
        regatta_refuse(g, r);
        return;
    }
    struct write_op *w = write_new(g, m, t->id, answer_delete);
    w->extent = extent;
    extent_delete(&extent, g->x->arena, q->prev_kv ? &w->parts[1] : &w->o.call.op);
    if (q->prev_kv) {
        extent_read(&extent, false, false, &w->parts[0]);
        join(w);
    }
    grpc_op_start(&w->o);
}
