/* The encoding, version 1, or 2 for a txn that holds a txn:
 *
 *   version | stamp | random, 8 bytes little-endian | op
 *   op: kind, 1 byte | mask of fields | table | key | the fields in the mask, in order
 *
 * Numbers are base 128 (varint.h), signed ones zigzag; bytes stand behind their size; an
 * array behind its count. A field that is not there is zero. Reading takes each byte
 * exactly once from the front, so that a cut entry is never a shorter good one. */
#include "model/command.h"

#include "model/varint.h"

#define VERSION_FLAT   1 /* a txn holds no txn */
#define VERSION_NESTED 2

enum field {
    FIELD_VALUE = 1 << 0,
    FIELD_FLAGS = 1 << 1,
    FIELD_CONDITION = 1 << 2,
    FIELD_EXPIRY = 1 << 3,
    FIELD_NUMBER = 1 << 4,
    FIELD_NUMBER2 = 1 << 5,
    FIELD_REVISION = 1 << 6,
    FIELD_LIMIT = 1 << 7,
    FIELD_OTHER_TABLE = 1 << 8,
    FIELD_ITEMS = 1 << 9,
    FIELD_OTHER = 1 << 10, /* present even when it is empty: NULL means no end */
    FIELD_ID = 1 << 11,
    FIELD_AUTHOR = 1 << 12,
    FIELD_IDEMPOTENCY_ID = 1 << 13,
    FIELD_COMPARES = 1 << 14,
    FIELD_OPS = 1 << 15,
    FIELD_ELSE_OPS = 1 << 16,
    FIELD_ALL = (1 << 17) - 1
};

static uint64_t zigzag(int64_t number)
{
    return (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t number)
{
    return (int64_t)(number >> 1 ^ ((number & 1) != 0 ? UINT64_MAX : 0));
}

static void put_number(struct buf *out, uint64_t number)
{
    uint8_t *p = buf_reserve(out, VARINT_MAX);
    buf_extend(out, (size_t)(varint_put(p, number) - p));
}

static void put_slice(struct buf *out, struct slice s)
{
    put_number(out, s.size);
    buf_append_slice(out, s);
}

static unsigned fields_of(const struct op *op)
{
    return (op->value.size > 0 ? FIELD_VALUE : 0U) | (op->flags != 0 ? FIELD_FLAGS : 0U) |
           (op->condition != 0 ? FIELD_CONDITION : 0U) | (op->expiry_ms != 0 ? FIELD_EXPIRY : 0U) |
           (op->number != 0 ? FIELD_NUMBER : 0U) | (op->number2 != 0 ? FIELD_NUMBER2 : 0U) |
           (op->revision != 0 ? FIELD_REVISION : 0U) | (op->limit != 0 ? FIELD_LIMIT : 0U) |
           (op->other_table != 0 ? FIELD_OTHER_TABLE : 0U) |
           (op->item_count != 0 ? FIELD_ITEMS : 0U) | (op->other.data != NULL ? FIELD_OTHER : 0U) |
           (op->id.size > 0 ? FIELD_ID : 0U) | (op->author.size > 0 ? FIELD_AUTHOR : 0U) |
           (op->idempotency_id.size > 0 ? FIELD_IDEMPOTENCY_ID : 0U) |
           (op->compare_count != 0 ? FIELD_COMPARES : 0U) | (op->op_count != 0 ? FIELD_OPS : 0U) |
           (op->else_op_count != 0 ? FIELD_ELSE_OPS : 0U);
}

static void put_compares(struct buf *out, const struct op *op)
{
    put_number(out, op->compare_count);
    for (uint32_t i = 0; i < op->compare_count; i++) {
        const struct compare *c = &op->compares[i];
        const bool is_range = c->range_end.data != NULL;
        buf_append_byte(out, (uint8_t)c->target);
        buf_append_byte(out, (uint8_t)c->relation);
        buf_append_byte(out, is_range ? 1 : 0);
        put_number(out, c->table);
        put_slice(out, c->key);
        if (is_range) {
            put_slice(out, c->range_end);
        }
        put_slice(out, c->value);
        put_number(out, c->number);
    }
}

static void put_op(struct buf *out, const struct op *op);

static void put_ops(struct buf *out, const struct op *ops, uint32_t count)
{
    put_number(out, count);
    for (uint32_t i = 0; i < count; i++) {
        put_op(out, &ops[i]);
    }
}

/* What the hot operations have none of. */
static void put_rare_fields(struct buf *out, const struct op *op, unsigned fields)
{
    if ((fields & FIELD_ITEMS) != 0) {
        put_number(out, op->item_count);
        for (uint32_t i = 0; i < op->item_count; i++) {
            put_slice(out, op->items[i]);
        }
    }
    const struct {
        unsigned field;
        struct slice bytes;
    } slices[] = {{FIELD_OTHER, op->other},
                  {FIELD_ID, op->id},
                  {FIELD_AUTHOR, op->author},
                  {FIELD_IDEMPOTENCY_ID, op->idempotency_id}};
    for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
        if ((fields & slices[i].field) != 0) {
            put_slice(out, slices[i].bytes);
        }
    }
    if ((fields & FIELD_COMPARES) != 0) {
        put_compares(out, op);
    }
    if ((fields & FIELD_OPS) != 0) {
        put_ops(out, op->ops, op->op_count);
    }
    if ((fields & FIELD_ELSE_OPS) != 0) {
        put_ops(out, op->else_ops, op->else_op_count);
    }
}

static void put_op(struct buf *out, const struct op *op)
{
    const unsigned fields = fields_of(op);
    buf_append_byte(out, op->kind);
    put_number(out, fields);
    put_number(out, op->table);
    put_slice(out, op->key);
    if ((fields & FIELD_VALUE) != 0) {
        put_slice(out, op->value);
    }
    if ((fields & FIELD_FLAGS) != 0) {
        put_number(out, op->flags);
    }
    if ((fields & FIELD_CONDITION) != 0) {
        buf_append_byte(out, op->condition);
    }
    const struct {
        unsigned field;
        uint64_t number;
    } numbers[] = {{FIELD_EXPIRY, op->expiry_ms},
                   {FIELD_NUMBER, zigzag(op->number)},
                   {FIELD_NUMBER2, zigzag(op->number2)},
                   {FIELD_REVISION, op->revision},
                   {FIELD_LIMIT, op->limit},
                   {FIELD_OTHER_TABLE, op->other_table}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if ((fields & numbers[i].field) != 0) {
            put_number(out, numbers[i].number);
        }
    }
    if (fields >= FIELD_ITEMS) {
        put_rare_fields(out, op, fields);
    }
}

void command_encode(struct buf *out, const struct command *c)
{
    buf_append_byte(out, op_has_txn(&c->op) ? VERSION_NESTED : VERSION_FLAT);
    put_number(out, c->stamp_ms);
    uint8_t *p = buf_reserve(out, sizeof(c->random));
    for (unsigned i = 0; i < sizeof(c->random); i++) {
        p[i] = (uint8_t)(c->random >> (8 * i));
    }
    buf_extend(out, sizeof(c->random));
    put_op(out, &c->op);
}

/* What is left to be read; the takers return false when it is not what they expect. */
struct reading {
    struct slice rest;
    struct arena *arena;
    unsigned depth_left; /* of txns inside of each other */
};

static bool take_byte(struct reading *r, uint8_t *byte)
{
    if (r->rest.size == 0) {
        return false;
    }
    *byte = r->rest.data[0];
    slice_advance(&r->rest, 1);
    return true;
}

static bool take_u32(struct reading *r, uint32_t *number)
{
    uint64_t wide;
    if (!varint_take(&r->rest, &wide) || wide > UINT32_MAX) {
        return false;
    }
    *number = (uint32_t)wide;
    return true;
}

/* The count of an array whose elements take at least `size_min` bytes each, so that hostile
 * bytes cannot ask for much more memory than they have. */
static bool take_count(struct reading *r, size_t size_min, uint32_t *count)
{
    return take_u32(r, count) && *count > 0 && *count <= OP_ITEMS_MAX &&
           *count <= r->rest.size / size_min;
}

static bool take_items(struct reading *r, struct op *op)
{
    if (!take_count(r, 1, &op->item_count)) {
        return false;
    }
    struct slice *items = arena_get(r->arena, op->item_count * sizeof(*items));
    for (uint32_t i = 0; i < op->item_count; i++) {
        if (!varint_take_slice(&r->rest, &items[i])) {
            return false;
        }
    }
    op->items = items;
    return true;
}

static bool take_compare(struct reading *r, struct compare *c)
{
    uint8_t target;
    uint8_t relation;
    uint8_t is_range;
    if (!take_byte(r, &target) || !take_byte(r, &relation) || !take_byte(r, &is_range) ||
        target > COMPARE_VERSION || relation > COMPARE_GREATER || is_range > 1 ||
        !take_u32(r, &c->table) || !varint_take_slice(&r->rest, &c->key)) {
        return false;
    }
    c->target = (enum compare_target)target;
    c->relation = (enum compare_relation)relation;
    if (is_range == 1 && !varint_take_slice(&r->rest, &c->range_end)) {
        return false;
    }
    return varint_take_slice(&r->rest, &c->value) && varint_take(&r->rest, &c->number);
}

static bool take_compares(struct reading *r, struct op *op)
{
    if (!take_count(r, 7, &op->compare_count)) {
        return false;
    }
    struct compare *compares = arena_zero(r->arena, op->compare_count * sizeof(*compares));
    for (uint32_t i = 0; i < op->compare_count; i++) {
        if (!take_compare(r, &compares[i])) {
            return false;
        }
    }
    op->compares = compares;
    return true;
}

static bool take_op(struct reading *r, struct op *op);

static bool take_ops(struct reading *r, const struct op **ops, uint32_t *count)
{
    if (r->depth_left == 0 || !take_count(r, 4, count)) {
        return false;
    }
    struct op *taken = arena_zero(r->arena, *count * sizeof(*taken));
    r->depth_left--;
    for (uint32_t i = 0; i < *count; i++) {
        if (!take_op(r, &taken[i])) {
            return false;
        }
    }
    r->depth_left++;
    *ops = taken;
    return true;
}

static bool take_numbers(struct reading *r, struct op *op, uint64_t fields)
{
    uint64_t number = 0;
    uint64_t number2 = 0;
    const struct {
        unsigned field;
        uint64_t *number;
    } numbers[] = {{FIELD_EXPIRY, &op->expiry_ms},
                   {FIELD_NUMBER, &number},
                   {FIELD_NUMBER2, &number2},
                   {FIELD_REVISION, &op->revision},
                   {FIELD_LIMIT, &op->limit}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if ((fields & numbers[i].field) != 0 && !varint_take(&r->rest, numbers[i].number)) {
            return false;
        }
    }
    op->number = unzigzag(number);
    op->number2 = unzigzag(number2);
    return (fields & FIELD_OTHER_TABLE) == 0 || take_u32(r, &op->other_table);
}

static bool take_rare_fields(struct reading *r, struct op *op, uint64_t fields)
{
    if ((fields & FIELD_ITEMS) != 0 && !take_items(r, op)) {
        return false;
    }
    const struct {
        unsigned field;
        struct slice *bytes;
    } slices[] = {{FIELD_OTHER, &op->other},
                  {FIELD_ID, &op->id},
                  {FIELD_AUTHOR, &op->author},
                  {FIELD_IDEMPOTENCY_ID, &op->idempotency_id}};
    for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
        if ((fields & slices[i].field) != 0 && !varint_take_slice(&r->rest, slices[i].bytes)) {
            return false;
        }
    }
    if ((fields & FIELD_COMPARES) != 0 && !take_compares(r, op)) {
        return false;
    }
    if ((fields & FIELD_OPS) != 0 && !take_ops(r, &op->ops, &op->op_count)) {
        return false;
    }
    return (fields & FIELD_ELSE_OPS) == 0 || take_ops(r, &op->else_ops, &op->else_op_count);
}

static bool take_op(struct reading *r, struct op *op)
{
    uint64_t fields;
    *op = (struct op){0};
    if (!take_byte(r, &op->kind) || !varint_take(&r->rest, &fields) || fields > FIELD_ALL ||
        !take_u32(r, &op->table) || !varint_take_slice(&r->rest, &op->key)) {
        return false;
    }
    if ((fields & FIELD_VALUE) != 0 && !varint_take_slice(&r->rest, &op->value)) {
        return false;
    }
    uint32_t flags = 0;
    if ((fields & FIELD_FLAGS) != 0 && (!take_u32(r, &flags) || flags > UINT16_MAX)) {
        return false;
    }
    op->flags = (uint16_t)flags;
    if ((fields & FIELD_CONDITION) != 0 && !take_byte(r, &op->condition)) {
        return false;
    }
    return take_numbers(r, op, fields) && (fields < FIELD_ITEMS || take_rare_fields(r, op, fields));
}

enum err command_decode(struct slice bytes, struct arena *arena, struct command *c,
                        struct err_why *why)
{
    struct reading r = {.rest = bytes, .arena = arena};
    uint8_t version;
    if (!take_byte(&r, &version)) {
        return err_set(why, ERR_CORRUPT, "a command is empty");
    }
    if (version > VERSION_NESTED) {
        return err_set(why, ERR_UNIMPLEMENTED, "a command of version %u, newer than this program",
                       version);
    }
    *c = (struct command){0};
    r.depth_left = version;
    const bool has_head =
        version >= VERSION_FLAT && varint_take(&r.rest, &c->stamp_ms) && r.rest.size >= 8;
    if (!has_head) {
        return err_set(why, ERR_CORRUPT, "a command has no head");
    }
    for (unsigned i = 0; i < sizeof(c->random); i++) {
        c->random |= (uint64_t)r.rest.data[i] << (8 * i);
    }
    slice_advance(&r.rest, sizeof(c->random));
    if (!take_op(&r, &c->op) || r.rest.size > 0) {
        return err_set(why, ERR_CORRUPT, "a command is malformed");
    }
    /* Whoever wrote it had checked it, so what apply relies on is checked again here. */
    struct err_why reason = {0};
    if (op_check(&c->op, STRING_MAX, &reason) != ERR_OK) {
        return err_set(why, ERR_CORRUPT, "a command is wrong: %s", reason.text);
    }
    return ERR_OK;
}
