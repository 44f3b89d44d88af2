/* pairs.c - Put, Lookup and their streams, for pairs with and without the name of an index.
 *
 * A single request is a stream of one, so each rule stands here once. */
#include "api/dstash/dstash.h"
#include "proto/dstash/dstash.pb-c.h"
#include "proto/google/protobuf/empty.pb-c.h"
#include "proto/google/protobuf/wrappers.pb-c.h"

/* KVPair or IndexKVPair. */
struct pair {
    struct slice index; /* DSTASH_TABLE where none is named */
    struct slice key;
    struct slice value;
};

/* In the slot's `user`: what the answer echoes. */
struct kept {
    struct slice index; /* with a zero behind it; NULL data: a pair without */
    bool is_batch;      /* answers come what may */
};

static bool has_index(const struct grpc_call *g)
{
    return g->method->request == &dstash__index_kvpair__descriptor;
}

static struct pair pair_of(const struct grpc_call *g, const ProtobufCMessage *message)
{
    if (has_index(g)) {
        const Dstash__IndexKVPair *p = (const Dstash__IndexKVPair *)message;
        return (struct pair){grpc_string(p->indexpath), grpc_slice(p->key), grpc_slice(p->value)};
    }
    const Dstash__KVPair *p = (const Dstash__KVPair *)message;
    return (struct pair){SLICE(DSTASH_TABLE), grpc_slice(p->key), grpc_slice(p->value)};
}

static struct slice append(uint8_t **at, struct slice bytes)
{
    const struct slice copy = slice_of(*at, bytes.size);
    if (bytes.size > 0) {
        memcpy(*at, bytes.data, bytes.size);
    }
    *at += bytes.size;
    return copy;
}

/* Copies a pair into the slot's room and makes an op of it; returns the copied name. */
static struct slice keep(struct grpc_flow_slot *s, const struct pair *p, enum op_kind kind,
                         bool is_batch)
{
    struct kept *kept =
        grpc_flow_room(s, sizeof(*kept) + p->index.size + 1 + p->key.size + p->value.size);
    uint8_t *at = (uint8_t *)(kept + 1);
    const struct slice index = append(&at, p->index);
    *at++ = '\0';
    kept->index = has_index(s->flow->g) ? index : (struct slice){0};
    kept->is_batch = is_batch;
    s->user = kept;
    s->call.op.kind = (uint8_t)kind;
    s->call.op.key = append(&at, p->key);
    s->call.op.value = append(&at, p->value);
    return index;
}

/* ---- Put ---- */

static const char *complaint(const struct grpc_call *g, const struct pair *p)
{
    if (p->index.size == 0) {
        return "Index must be specified.";
    }
    if (p->key.size == 0) {
        return "Key must be specified.";
    }
    if (p->key.size > DSTASH_KEY_MAX) {
        return "key is too large";
    }
    return p->value.size > router_value_max(grpc_context(g)->router) ? "value is too large" : NULL;
}

static enum grpc_flow_step take_put(struct grpc_flow_slot *s, const ProtobufCMessage *message)
{
    const struct pair p = pair_of(s->flow->g, message);
    const char *wrong = complaint(s->flow->g, &p);
    if (wrong != NULL) {
        return dstash_refuse(s, wrong);
    }
    return dstash_write(s, keep(s, &p, OP_PUT, true));
}

static void done_put(struct grpc_flow_slot *s, const struct result *result)
{
    if (result->err != ERR_OK) {
        (void)dstash_fail(s, result->err);
    }
}

static void end_put(struct grpc_call *g)
{
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    grpc_reply(g, &empty.base);
}

static const struct grpc_flow_ops *put_ops(void)
{
    static const struct grpc_flow_ops ops = {
        .take = take_put, .done = done_put, .end = end_put, .is_silent = true};
    return &ops;
}

void dstash_put(struct grpc_call *g, const ProtobufCMessage *message)
{
    grpc_flow_one(g, put_ops(), message);
}

void dstash_batch_put(struct grpc_call *g)
{
    (void)grpc_flow_new(g, put_ops());
}

/* ---- Lookup ---- */

/* A missing key is a pair without a value. */
static void answer(struct grpc_flow_slot *s, struct slice index, struct slice key,
                   struct slice value)
{
    if (index.data != NULL) {
        Dstash__IndexKVPair p;
        dstash__index_kvpair__init(&p);
        p.indexpath = unconst(index.data);
        p.key = grpc_bytes(key);
        p.value = grpc_bytes(value);
        grpc_flow_answer(s, &p.base);
        return;
    }
    Dstash__KVPair p = DSTASH__KVPAIR__INIT;
    p.key = grpc_bytes(key);
    p.value = grpc_bytes(value);
    grpc_flow_answer(s, &p.base);
}

/* The value that the client sends is its default; not ours to look at. */
static enum grpc_flow_step look_up(struct grpc_flow_slot *s, struct pair *p, bool is_batch)
{
    struct grpc_call *g = s->flow->g;
    const enum err e =
        p->key.size > DSTASH_KEY_MAX ? ERR_NOT_FOUND : dstash_find(g, p->index, &s->call.op.table);
    if (e != ERR_OK && e != ERR_NOT_FOUND && !is_batch) {
        return dstash_fail(s, e);
    }
    if (e != ERR_OK) {
        if (e != ERR_NOT_FOUND) {
            dstash_count(g, e);
        }
        answer(s, has_index(g) ? p->index : (struct slice){0}, p->key, (struct slice){0});
        return FLOW_DONE;
    }
    p->value = (struct slice){0};
    (void)keep(s, p, OP_GET, is_batch);
    s->may_repeat = true;
    return FLOW_CALL;
}

static enum grpc_flow_step take_lookup(struct grpc_flow_slot *s, const ProtobufCMessage *message)
{
    struct pair p = pair_of(s->flow->g, message);
    if (p.index.size == 0) {
        return dstash_refuse(s, "Index must be specified.");
    }
    if (p.key.size == 0) {
        return dstash_refuse(s, "Key must be specified.");
    }
    return look_up(s, &p, false);
}

/* A client waits for ever when this stream ends with a status: whatever is wrong with a request,
 * its answer is a pair without a value. */
static enum grpc_flow_step take_batch_lookup(struct grpc_flow_slot *s,
                                             const ProtobufCMessage *message)
{
    struct pair p = pair_of(s->flow->g, message);
    return look_up(s, &p, true);
}

static void done_lookup(struct grpc_flow_slot *s, const struct result *result)
{
    const struct kept *kept = s->user;
    const enum err e = result->err;
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        if (!kept->is_batch) {
            (void)dstash_fail(s, e);
            return;
        }
        dstash_count(s->flow->g, e);
    }
    answer(s, kept->index, s->call.op.key, e == ERR_OK ? result->value : (struct slice){0});
}

static void end_lookup(struct grpc_call *g)
{
    grpc_finish(g, GRPC_OK, (struct slice){0});
}

void dstash_lookup(struct grpc_call *g, const ProtobufCMessage *message)
{
    static const struct grpc_flow_ops ops = {
        .take = take_lookup, .done = done_lookup, .end = end_lookup};
    grpc_flow_one(g, &ops, message);
}

void dstash_batch_lookup(struct grpc_call *g)
{
    static const struct grpc_flow_ops ops = {
        .take = take_batch_lookup, .done = done_lookup, .end = end_lookup};
    (void)grpc_flow_new(g, &ops);
}

/* ---- Items ---- */

/* Sets and logs are no values of this dialect. */
static void send_item(struct dstash_rows *r, const struct row *row)
{
    if (row->type != TYPE_STRING) {
        return;
    }
    if (r->index != NULL) {
        Dstash__IndexKVPair p;
        dstash__index_kvpair__init(&p);
        p.indexpath = unconst(r->index);
        p.key = grpc_bytes(row->key);
        p.value = grpc_bytes(row->value);
        grpc_send(r->g, &p.base);
        return;
    }
    Dstash__KVPair p = DSTASH__KVPAIR__INIT;
    p.key = grpc_bytes(row->key);
    p.value = grpc_bytes(row->value);
    grpc_send(r->g, &p.base);
}

static void items(struct grpc_call *g, struct slice table, const char *index)
{
    struct source_config config = {.kind = SOURCE_RANGE};
    const enum err e = dstash_find(g, table, &config.table);
    if (e == ERR_NOT_FOUND) { /* nobody has written to it yet */
        grpc_finish(g, GRPC_OK, (struct slice){0});
        return;
    }
    if (e != ERR_OK) {
        dstash_fail_call(g, e);
        return;
    }
    struct dstash_rows *r = arena_zero(g->x->arena, sizeof(*r));
    r->g = g;
    r->row = send_item;
    r->index = index;
    dstash_rows_start(r, &config);
}

void dstash_items(struct grpc_call *g, const ProtobufCMessage *message)
{
    (void)message;
    items(g, SLICE(DSTASH_TABLE), NULL);
}

void dstash_index_items(struct grpc_call *g, const ProtobufCMessage *message)
{
    const char *index = ((const Google__Protobuf__StringValue *)message)->value;
    if (grpc_string(index).size == 0) {
        dstash_refuse_call(g, "Index must be specified.");
        return;
    }
    items(g, grpc_string(index), index);
}
