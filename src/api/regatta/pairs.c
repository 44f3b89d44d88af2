#include "api/regatta/pairs.h"

#include "wire/protobuf.h"

/* Numbers of fields in KeyValue. */
enum {
    KV_KEY = 1,
    KV_CREATE_REVISION = 2,
    KV_MOD_REVISION = 3,
    KV_VALUE = 4
};

#define FRAME_BYTES 6 /* of a message in a repeated field: its tag and its length */

struct extent extent_of(ProtobufCBinaryData key, bool has_end, ProtobufCBinaryData range_end)
{
    const struct slice end = grpc_slice(range_end);
    struct extent s = {.from = grpc_slice(key), .is_single = !has_end};
    if (has_end && !slice_equal(end, slice_of("", 1))) {
        s.to = end.size == 0 ? SLICE("") : end; /* not NULL: nothing lies below it */
    }
    return s;
}

struct refusal extent_check(const struct extent *s)
{
    const struct refusal r = refusal_of_key(s->from);
    return r.status == GRPC_OK ? refusal_of_key(s->to) : r;
}

void extent_read(const struct extent *s, bool keys_only, bool count_only, struct op *op)
{
    op->key = s->from;
    if (s->is_single) {
        op->kind = keys_only || count_only ? OP_STAT : OP_GET;
        return;
    }
    op->kind = OP_RANGE;
    op->other = s->to;
    op->flags |= (uint16_t)((keys_only ? OP_KEYS_ONLY : 0) | (count_only ? OP_COUNT_ONLY : 0));
}

void extent_delete(const struct extent *s, struct arena *arena, struct op *op)
{
    op->kind = OP_DELETE_RANGE;
    op->key = s->from;
    op->other = s->to;
    if (s->is_single) { /* up to the least key behind it */
        uint8_t *next = arena_zero(arena, s->from.size + 1);
        memcpy(next, s->from.data == NULL ? (const uint8_t *)"" : s->from.data, s->from.size);
        op->other = slice_of(next, s->from.size + 1);
    }
}

void pairs_reserve(struct pairs *p, size_t count)
{
    if (count <= p->room) {
        return;
    }
    Mvcc__V1__KeyValue **list = arena_get(p->arena, count * sizeof(Mvcc__V1__KeyValue *));
    if (p->count > 0) {
        memcpy(list, p->list, p->count * sizeof(Mvcc__V1__KeyValue *));
    }
    p->list = list;
    p->room = count;
}

static size_t encoded_size(const Mvcc__V1__KeyValue *kv)
{
    return protobuf_bytes_size(KV_KEY, kv->key.len) + protobuf_bytes_size(KV_VALUE, kv->value.len) +
           protobuf_number_size(KV_CREATE_REVISION, (uint64_t)kv->create_revision) +
           protobuf_number_size(KV_MOD_REVISION, (uint64_t)kv->mod_revision);
}

bool pairs_add(struct pairs *p, const struct row *row)
{
    Mvcc__V1__KeyValue *kv = arena_get(p->arena, sizeof(*kv));
    mvcc__v1__key_value__init(kv);
    kv->key = grpc_bytes(row->key);
    kv->value = grpc_bytes(row->value);
    kv->create_revision = (int64_t)row->create_revision;
    kv->mod_revision = (int64_t)row->mod_revision;
    const size_t bytes = encoded_size(kv) + FRAME_BYTES;
    if (p->count > 0 && p->bytes + bytes > REGATTA_ANSWER_MAX) {
        return false;
    }
    if (p->count == p->room) {
        pairs_reserve(p, p->room == 0 ? 16 : p->room * 2);
    }
    p->list[p->count++] = kv;
    p->bytes += bytes;
    return true;
}

void pairs_to(const struct pairs *p, uint32_t number, struct buf *out)
{
    for (size_t i = 0; i < p->count; i++) {
        const Mvcc__V1__KeyValue *kv = p->list[i];
        uint8_t *begin = protobuf_message_begin(out, 2 * PROTOBUF_HEAD_MAX + kv->key.len +
                                                         kv->value.len + 2 * PROTOBUF_NUMBER_MAX);
        uint8_t *to = protobuf_put_bytes(begin, KV_KEY, grpc_slice(kv->key));
        to = protobuf_put_number(to, KV_CREATE_REVISION, (uint64_t)kv->create_revision);
        to = protobuf_put_number(to, KV_MOD_REVISION, (uint64_t)kv->mod_revision);
        to = protobuf_put_bytes(to, KV_VALUE, grpc_slice(kv->value));
        protobuf_message_end(out, number, begin, to);
    }
}

struct row row_of_result(struct slice key, const struct result *result)
{
    return (struct row){.key = key,
                        .value = result->value,
                        .type = result->type,
                        .create_revision = result->create_revision,
                        .mod_revision = result->mod_revision};
}

static enum err found_single(const struct extent *s, const struct op *op,
                             const struct result *result, struct found *out)
{
    if (result->err == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    if (result->err != ERR_OK) {
        return result->err;
    }
    struct row row = row_of_result(s->from, result);
    row.value = op->kind == OP_STAT ? (struct slice){0} : row.value;
    out->count = 1;
    (void)pairs_add(&out->pairs, &row);
    return ERR_OK;
}

enum err found_of_extent(struct arena *arena, const struct extent *s, const struct op *op,
                         const struct result *result, struct found *out)
{
    *out = (struct found){.pairs = {.arena = arena}};
    if (s->is_single) {
        return found_single(s, op, result, out);
    }
    if (result->err != ERR_OK) {
        return result->err;
    }
    out->is_more = result->is_more;
    if ((op->flags & OP_COUNT_ONLY) != 0) {
        out->count = (int64_t)result->count;
        return ERR_OK;
    }
    pairs_reserve(&out->pairs, result->row_count);
    for (size_t i = 0; i < result->row_count; i++) {
        const struct row *row = &result->rows[i];
        if (row->type != TYPE_STRING && (op->flags & OP_KEYS_ONLY) == 0) {
            return ERR_WRONG_TYPE;
        }
        if (!pairs_add(&out->pairs, row)) {
            out->is_more = true;
            break;
        }
    }
    out->count = (int64_t)out->pairs.count;
    return ERR_OK;
}
