#include "api/strato/ops.h"

#include "base/check.h"

#define CACHE_TTL_DEFAULT_S 5 /* for a time to live of 0 or less */

void strato_cache_put(struct op *op, struct slice value, int32_t ttl_s, uint64_t now_ms)
{
    const uint64_t lasting_s = ttl_s > 0 ? (uint64_t)ttl_s : CACHE_TTL_DEFAULT_S;
    op->kind = OP_PUT;
    op->value = value;
    op->expiry_ms = now_ms + lasting_s * 1000;
    op->flags = OP_SET_EXPIRY;
}

enum err strato_counter(const struct result *result, int64_t *value)
{
    *value = 0;
    if (result->err == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    if (result->err == ERR_OK && !parse_int64(result->value, value)) {
        return ERR_NOT_A_NUMBER;
    }
    return result->err;
}

struct slice strato_flag_text(bool is_set)
{
    return is_set ? SLICE("true") : SLICE("false");
}

enum err strato_flag(const struct result *result, bool *is_set)
{
    *is_set = result->err == ERR_OK && slice_equal(result->value, strato_flag_text(true));
    return result->err == ERR_NOT_FOUND ? ERR_OK : result->err;
}

/* A union of one. */
void strato_set_members(struct op *op, const struct slice *key)
{
    op->kind = OP_SET_COMBINE;
    op->number = SET_UNION;
    op->key = *key;
    op->items = key;
    op->item_count = 1;
}

void strato_set_change(struct op *op, struct strato_set_change *change, enum op_kind kind)
{
    change->parts[0] = (struct op){.kind = (uint8_t)kind,
                                   .table = op->table,
                                   .key = change->key,
                                   .items = &change->item,
                                   .item_count = 1};
    change->parts[1] = (struct op){.table = op->table};
    strato_set_members(&change->parts[1], &change->key);
    op->kind = OP_TXN;
    op->key = change->key;
    op->ops = change->parts;
    op->op_count = 2;
}

const struct result *strato_set_changed(const struct result *result, enum err *e)
{
    *e = result->err;
    for (size_t i = 0; *e == ERR_OK && i < result->result_count; i++) {
        *e = result->results[i].err;
    }
    if (*e != ERR_OK) {
        return NULL;
    }
    CHECK(result->result_count == 2);
    return &result->results[1];
}
