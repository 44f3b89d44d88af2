/* KV.Range: one key, or a range that one read can answer; the rest is walk.c. */
#include "api/regatta/walk.h"
#include "wire/protobuf.h"

/* Numbers of fields in RangeResponse, behind its header. */
enum {
    RANGE_KVS = 3,
    RANGE_MORE = 4,
    RANGE_COUNT = 5
};

#define COUNT_AT_ONCE UINT64_C(10000) /* keys that one read counts; for more there are pages */

struct range_op {
    struct grpc_op o;
    const Regatta__V1__RangeRequest *q;
};

static struct refusal check_form(const Regatta__V1__RangeRequest *q)
{
    if (q->limit < 0) {
        return REFUSAL_INVALID("limit must be a positive number");
    }
    if (q->keys_only && q->count_only) {
        return REFUSAL_INVALID("keys_only and count_only must not be set at the same time");
    }
    if (q->table.len == 0) {
        return REFUSAL_INVALID(TEXT_TABLE_NOT_SET);
    }
    if (q->key.len == 0) {
        return REFUSAL_INVALID(TEXT_KEY_NOT_SET);
    }
    return (struct refusal){GRPC_OK, ERR_OK, NULL};
}

const struct table *range_check(struct grpc_call *g, const Regatta__V1__RangeRequest *q)
{
    struct refusal r = check_form(q);
    const struct table *t = NULL;
    if (r.status == GRPC_OK) {
        t = regatta_table(grpc_context(g), grpc_slice(q->table), &r);
    }
    if (r.status == GRPC_OK) {
        const struct extent extent = extent_of_range(q);
        r = extent_check(&extent);
    }
    if (r.status != GRPC_OK) {
        regatta_refuse(g, r);
        return NULL;
    }
    return t;
}

bool range_wants(const Regatta__V1__RangeRequest *q, uint64_t mod_revision,
                 uint64_t create_revision)
{
    const int64_t mod = (int64_t)mod_revision;
    const int64_t create = (int64_t)create_revision;
    return (q->min_mod_revision <= 0 || mod >= q->min_mod_revision) &&
           (q->max_mod_revision <= 0 || mod <= q->max_mod_revision) &&
           (q->min_create_revision <= 0 || create >= q->min_create_revision) &&
           (q->max_create_revision <= 0 || create <= q->max_create_revision);
}

static uint64_t limit_of(const Regatta__V1__RangeRequest *q)
{
    const uint64_t limit = (uint64_t)q->limit;
    const bool is_long = q->count_only && (limit == 0 || limit > COUNT_AT_ONCE);
    return is_long ? COUNT_AT_ONCE : limit;
}

/* Encodes the rows without the message around them. */
static void reply_found(struct grpc_call *g, const struct range_op *r, const struct found *found)
{
    Regatta__V1__ResponseHeader header = regatta_header(grpc_context(g), r->o.call.op.table, 0);
    Regatta__V1__RangeResponse reply = REGATTA__V1__RANGE_RESPONSE__INIT;
    struct buf *out = grpc_message(g);
    reply.header = &header;
    const size_t size = regatta__v1__range_response__get_packed_size(&reply);
    (void)regatta__v1__range_response__pack(&reply, buf_reserve(out, size + found->pairs.bytes));
    buf_extend(out, size);
    if (!r->q->count_only) {
        pairs_to(&found->pairs, RANGE_KVS, out);
    }
    protobuf_number_to(out, RANGE_MORE, found->is_more ? 1 : 0);
    protobuf_number_to(out, RANGE_COUNT, (uint64_t)found->count);
    grpc_reply_message(g);
}

static void answer(struct grpc_op *o, const struct result *result)
{
    const struct range_op *r = container_of(o, struct range_op, o);
    if (result->err == ERR_OK && result->is_more && r->q->count_only &&
        limit_of(r->q) != (uint64_t)r->q->limit) {
        walk_start(o->g, r->q, o->call.op.table, false);
        return;
    }
    const struct slice name = grpc_slice(r->q->table);
    if (result->err == ERR_NOT_FOUND &&
        regatta_is_replaced(grpc_context(o->g), o->call.op.table, name)) {
        regatta_range(o->g, &r->q->base); /* of the table that has the name now */
        return;
    }
    const struct extent extent = extent_of_range(r->q);
    struct found found;
    enum err e = found_of_extent(o->g->x->arena, &extent, &o->call.op, result, &found);
    if (result->err == ERR_NOT_FOUND && regatta_is_gone(grpc_context(o->g), o->call.op.table)) {
        e = ERR_NOT_FOUND; /* of the table, not of a key */
    }
    if (e != ERR_OK) {
        regatta_fail_op(o->g, e, o->call.op.table, name);
        return;
    }
    if (extent.is_single && found.count > 0 &&
        !range_wants(r->q, result->mod_revision, result->create_revision)) {
        found.count = 0;
        found.pairs.count = 0;
    }
    reply_found(o->g, r, &found);
}

void regatta_range(struct grpc_call *g, const ProtobufCMessage *m)
{
    const Regatta__V1__RangeRequest *q = (const Regatta__V1__RangeRequest *)m;
    const struct table *t = range_check(g, q);
    if (t == NULL) {
        return;
    }
    const struct extent extent = extent_of_range(q);
    if (!extent.is_single && range_is_filtered(q)) { /* many rows may be looked at for few */
        walk_start(g, q, t->id, false);
        return;
    }
    struct range_op *r = arena_zero(g->x->arena, sizeof(*r));
    r->q = q;
    regatta_op_init(&r->o, g, t->id, answer);
    extent_read(&extent, q->keys_only, q->count_only, &r->o.call.op);
    r->o.call.op.limit = extent.is_single ? 0 : limit_of(q);
    r->o.call.budget_bytes = REGATTA_ANSWER_MAX;
    r->o.call.level = q->linearizable ? READ_LINEARIZABLE : READ_STALE;
    grpc_op_start(&r->o);
}
