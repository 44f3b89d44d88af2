/* index.c - BatchIndex: each string is one transaction that adds it to the sets of its terms. All
 * of it lies in one shard, so a string is indexed as a whole or not at all, and doing it again
 * changes nothing. */
#include "api/dstash/strings.h"
#include "proto/google/protobuf/empty.pb-c.h"
#include "proto/google/protobuf/wrappers.pb-c.h"

/* What an indexed string keeps in its slot, in front of `ops` and the terms' keys. */
struct indexing {
    uint8_t key[DOCUMENT_BYTES + 1];
    struct slice document; /* the item of every set */
    struct op ops[];       /* a set for each term, then the string */
};

static void add_term(struct op *op, struct indexing *i, uint8_t **at, struct slice term)
{
    const size_t size = term_key(*at, term);
    *op = (struct op){
        .kind = OP_SET_ADD, .key = slice_of(*at, size), .items = &i->document, .item_count = 1};
    *at += size;
}

static void make_txn(struct grpc_flow_slot *s, const struct terms *t, struct slice string)
{
    size_t keys = 0;
    for (size_t i = 0; i < t->count; i++) {
        keys += t->list[i].size < TERM_KEY_MAX ? t->list[i].size + 1 : TERM_KEY_MAX;
    }
    const size_t ops_size = (t->count + 1) * sizeof(struct op);
    struct indexing *in = grpc_flow_room(s, sizeof(*in) + ops_size + keys);
    uint8_t *at = (uint8_t *)in + sizeof(*in) + ops_size;
    string_key(in->key, string);
    in->document = document_of(slice_of(in->key, sizeof(in->key)));
    for (size_t i = 0; i < t->count; i++) {
        add_term(&in->ops[i], in, &at, t->list[i]);
    }
    const struct slice key = slice_of(in->key, sizeof(in->key));
    in->ops[t->count] = (struct op){.kind = OP_PUT, .key = key};
    s->call.op =
        (struct op){.kind = OP_TXN, .key = key, .ops = in->ops, .op_count = (uint32_t)t->count + 1};
}

static enum grpc_flow_step take(struct grpc_flow_slot *s, const ProtobufCMessage *message)
{
    const struct slice string = grpc_slice(((const Google__Protobuf__BytesValue *)message)->value);
    struct terms t = {0};
    const char *wrong = string_complaint(&t, string, "String value must not be empty");
    if (wrong == NULL) {
        make_txn(s, &t, string);
    }
    terms_deinit(&t);
    return wrong != NULL ? dstash_refuse(s, wrong) : dstash_write(s, SLICE(DSTASH_SEARCH_TABLE));
}

static void done(struct grpc_flow_slot *s, const struct result *result)
{
    enum err e = result->err;
    for (size_t i = 0; e == ERR_OK && i < result->result_count; i++) {
        e = result->results[i].err;
    }
    if (e != ERR_OK) {
        (void)dstash_fail(s, e);
    }
}

static void end(struct grpc_call *g)
{
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    grpc_reply(g, &empty.base);
}

void dstash_batch_index(struct grpc_call *g)
{
    static const struct grpc_flow_ops ops = {
        .take = take, .done = done, .end = end, .is_silent = true};
    (void)grpc_flow_new(g, &ops);
}
