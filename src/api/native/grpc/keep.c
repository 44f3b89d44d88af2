#include "api/native/grpc/keep.h"

void *keep_bytes(struct keeper *k, const void *data, size_t size)
{
    const size_t room = (size + 7) & ~(size_t)7;
    k->size += room;
    if (k->at == NULL || size == 0) {
        return unconst(data);
    }
    void *copy = memcpy(k->at, data, size);
    k->at += room;
    return copy;
}

static void keep_slice(struct keeper *k, struct slice *s)
{
    s->data = keep_bytes(k, s->data, s->size);
}

static void keep_items(struct keeper *k, struct op *op)
{
    struct slice *items = keep_bytes(k, op->items, op->item_count * sizeof(*items));
    for (uint32_t i = 0; i < op->item_count; i++) {
        struct slice item = op->items[i];
        keep_slice(k, &item);
        items[i] = item;
    }
    op->items = items;
}

static void keep_compares(struct keeper *k, struct op *op)
{
    struct compare *compares = keep_bytes(k, op->compares, op->compare_count * sizeof(*compares));
    for (uint32_t i = 0; i < op->compare_count; i++) {
        struct compare c = op->compares[i];
        keep_slice(k, &c.key);
        keep_slice(k, &c.range_end);
        keep_slice(k, &c.value);
        compares[i] = c;
    }
    op->compares = compares;
}

static const struct op *keep_branch(struct keeper *k, const struct op *ops, uint32_t count);

void keep_op(struct keeper *k, struct op *op)
{
    keep_slice(k, &op->key);
    keep_slice(k, &op->value);
    keep_slice(k, &op->other);
    keep_slice(k, &op->id);
    keep_slice(k, &op->author);
    keep_slice(k, &op->idempotency_id);
    keep_items(k, op);
    keep_compares(k, op);
    op->ops = keep_branch(k, op->ops, op->op_count);
    op->else_ops = keep_branch(k, op->else_ops, op->else_op_count);
}

/* A part of a transaction has none itself. */
static const struct op *keep_branch(struct keeper *k, const struct op *ops, uint32_t count)
{
    struct op *copies = keep_bytes(k, ops, count * sizeof(*copies));
    for (uint32_t i = 0; i < count; i++) {
        struct op copy = ops[i];
        keep_op(k, &copy);
        copies[i] = copy;
    }
    return copies;
}
