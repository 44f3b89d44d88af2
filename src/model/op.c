#include "model/op.h"

#include "base/check.h"
#include "base/crc.h"

/* BIT_FIELD changes nothing when all its steps are GETs (BITFIELD_RO of Redis). */
static bool bit_field_is_read(const struct op *op)
{
    for (uint32_t i = 0; i < op->item_count; i++) {
        const struct slice item = op->items[i];
        if (item.size != sizeof(struct bit_field) ||
            item.data[offsetof(struct bit_field, kind)] != BIT_FIELD_GET) {
            return false;
        }
    }
    return true;
}

static bool all_are_reads(const struct op *ops, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ops[i].kind == OP_TXN || !op_is_read(&ops[i])) {
            return false;
        }
    }
    return true;
}

bool op_is_read(const struct op *op)
{
    switch ((enum op_kind)op->kind) {
    case OP_GET:
    case OP_STAT:
    case OP_SET_HAS:
    case OP_SET_RANDOM:
    case OP_SET_COMBINE:
    case OP_LOG_READ:
    case OP_RANGE:
    case OP_SET_RANGE_MEMBERS:
    case OP_LOG_RANGE:
    case OP_COUNT:
    case OP_RANDOM_KEY:
        return true;
    case OP_BIT_FIELD:
        return bit_field_is_read(op);
    case OP_TXN:
        return all_are_reads(op->ops, op->op_count) &&
               all_are_reads(op->else_ops, op->else_op_count);
    case OP_NONE:
    case OP_PUT:
    case OP_EXPIRE:
    case OP_DELETE:
    case OP_COPY:
    case OP_RENAME:
    case OP_APPEND:
    case OP_SET_RANGE:
    case OP_BIT_SET:
    case OP_BIT_OP:
    case OP_ADD:
    case OP_ADD_FLOAT:
    case OP_SET_ADD:
    case OP_SET_REMOVE:
    case OP_SET_MOVE:
    case OP_SET_POP:
    case OP_SET_STORE:
    case OP_LOG_APPEND:
    case OP_DELETE_RANGE:
    case OP_TABLE_OPEN:
    case OP_TABLE_CLOSE:
    case OP_SWEEP:
    case OP_KIND_COUNT:
        break;
    }
    return false;
}

static size_t bytes_of_all(const struct op *ops, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += op_bytes(&ops[i]);
    }
    return bytes;
}

size_t op_bytes(const struct op *op)
{
    size_t bytes = op->key.size + op->value.size + op->other.size + op->id.size + op->author.size +
                   op->idempotency_id.size;
    for (uint32_t i = 0; i < op->item_count; i++) {
        bytes += op->items[i].size;
    }
    for (uint32_t i = 0; i < op->compare_count; i++) {
        const struct compare *c = &op->compares[i];
        bytes += c->key.size + c->range_end.size + c->value.size;
    }
    return bytes + bytes_of_all(op->ops, op->op_count) +
           bytes_of_all(op->else_ops, op->else_op_count);
}

static bool has_txn(const struct op *ops, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ops[i].kind == OP_TXN) {
            return true;
        }
    }
    return false;
}

bool op_has_txn(const struct op *op)
{
    return has_txn(op->ops, op->op_count) || has_txn(op->else_ops, op->else_op_count);
}

const char *op_name(enum op_kind kind)
{
    static const char *const names[OP_KIND_COUNT] = {
        [OP_NONE] = "none",
        [OP_GET] = "get",
        [OP_STAT] = "stat",
        [OP_PUT] = "put",
        [OP_EXPIRE] = "expire",
        [OP_DELETE] = "delete",
        [OP_COPY] = "copy",
        [OP_RENAME] = "rename",
        [OP_APPEND] = "append",
        [OP_SET_RANGE] = "set_range",
        [OP_BIT_SET] = "bit_set",
        [OP_BIT_FIELD] = "bit_field",
        [OP_BIT_OP] = "bit_op",
        [OP_ADD] = "add",
        [OP_ADD_FLOAT] = "add_float",
        [OP_SET_ADD] = "set_add",
        [OP_SET_REMOVE] = "set_remove",
        [OP_SET_MOVE] = "set_move",
        [OP_SET_POP] = "set_pop",
        [OP_SET_HAS] = "set_has",
        [OP_SET_RANDOM] = "set_random",
        [OP_SET_COMBINE] = "set_combine",
        [OP_SET_STORE] = "set_store",
        [OP_LOG_APPEND] = "log_append",
        [OP_LOG_READ] = "log_read",
        [OP_RANGE] = "range",
        [OP_SET_RANGE_MEMBERS] = "set_range_members",
        [OP_LOG_RANGE] = "log_range",
        [OP_DELETE_RANGE] = "delete_range",
        [OP_COUNT] = "count",
        [OP_RANDOM_KEY] = "random_key",
        [OP_TXN] = "txn",
        [OP_TABLE_OPEN] = "table_open",
        [OP_TABLE_CLOSE] = "table_close",
        [OP_SWEEP] = "sweep",
    };
    CHECK(kind < OP_KIND_COUNT);
    return names[kind];
}

/* What lies between the first { and the next }, if there is anything; else all of it. */
static struct slice hash_tag(struct slice key)
{
    const uint8_t *open = key.size == 0 ? NULL : memchr(key.data, '{', key.size);
    if (open == NULL) {
        return key;
    }
    const size_t rest = key.size - (size_t)(open + 1 - key.data);
    const uint8_t *close = memchr(open + 1, '}', rest);
    return close == NULL || close == open + 1 ? key
                                              : slice_of(open + 1, (size_t)(close - open - 1));
}

unsigned key_slot(struct slice key)
{
    const struct slice tag = hash_tag(key);
    return crc16(tag.data, tag.size) % SLOT_COUNT;
}

bool parse_int64(struct slice text, int64_t *number)
{
    if (text.size == 0 || text.size > 20) {
        return false;
    }
    const bool is_negative = text.data[0] == '-';
    const size_t first = is_negative ? 1 : 0;
    if (text.size == first || text.size - first > 19) {
        return false;
    }
    if (text.data[first] == '0') { /* only "0" itself is canonical */
        *number = 0;
        return text.size == 1;
    }
    uint64_t sum = 0; /* 19 digits fit */
    for (size_t i = first; i < text.size; i++) {
        const unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    if (sum > (uint64_t)INT64_MAX + (is_negative ? 1 : 0)) {
        return false;
    }
    *number = (int64_t)(is_negative ? ~sum + 1 : sum);
    return true;
}

size_t rows_size(const struct row *rows, size_t count)
{
    size_t size = count * sizeof(*rows);
    for (size_t i = 0; i < count; i++) {
        size += rows[i].key.size + rows[i].value.size + rows[i].author.size;
    }
    return size;
}

static uint8_t *move_slice(struct slice *s, uint8_t *to)
{
    uint8_t *end = slice_put(to, *s);
    s->data = to;
    return end;
}

struct row *rows_copy(void *to, const struct row *rows, size_t count)
{
    struct row *copy = to;
    if (count == 0) {
        return copy; /* there may be no room at all */
    }
    uint8_t *bytes = (uint8_t *)(copy + count);
    for (size_t i = 0; i < count; i++) {
        copy[i] = rows[i];
        bytes = move_slice(&copy[i].key, bytes);
        bytes = move_slice(&copy[i].value, bytes);
        bytes = move_slice(&copy[i].author, bytes);
    }
    return copy;
}
