/* What an op must look like, whatever the data are: one line per operation, and a
 * function for those that need more. */
#include "model/op.h"

#define BIT(n) (1U << (n))

enum {
    PUT_CONDITIONS = BIT(IF_ABSENT) | BIT(IF_PRESENT) | BIT(IF_REVISION) | BIT(IF_NOT_REVISION),
    DELETE_CONDITIONS = BIT(IF_PRESENT) | BIT(IF_REVISION) | BIT(IF_NOT_REVISION),
    EXPIRE_CONDITIONS =
        BIT(EXPIRE_NX) | BIT(EXPIRE_XX) | BIT(EXPIRE_GT) | BIT(EXPIRE_LT) | BIT(EXPIRE_XX_LT),
};

typedef enum err (*check_fn)(const struct op *op, size_t value_max, struct err_why *why);

/* Zeroed: a table and no flag is all there is to say. */
struct rule {
    unsigned flags;      /* allowed, besides OP_NO_TOUCH */
    unsigned conditions; /* allowed, besides IF_ANY */
    bool has_no_table;
    bool is_range;  /* key and other are bounds: one byte longer than a key at most */
    bool is_alone;  /* may not be part of a txn */
    check_fn check; /* more; may be NULL */
};

static enum err check_put(const struct op *op, size_t value_max, struct err_why *why)
{
    (void)value_max;
    const bool has_expiry = op->expiry_ms != 0 || (op->flags & OP_SET_EXPIRY) != 0;
    if ((op->flags & OP_KEEP_TTL) != 0 && has_expiry) {
        return err_set(why, ERR_INVALID, "an expiry cannot be both kept and set");
    }
    return ERR_OK;
}

static enum err check_destination(const struct op *op, size_t value_max, struct err_why *why)
{
    (void)value_max;
    if (op->kind == OP_COPY && op->other_table == 0) {
        return err_set(why, ERR_INVALID, "a destination table is missing");
    }
    return ERR_OK;
}

static enum err check_set_range(const struct op *op, size_t value_max, struct err_why *why)
{
    if (op->number < 0) {
        return err_set(why, ERR_INVALID, "an offset is negative");
    }
    if ((uint64_t)op->number + op->value.size > value_max) {
        return err_set(why, ERR_TOO_LARGE, "a value would be larger than %zu bytes", value_max);
    }
    return ERR_OK;
}

static enum err check_bit_offset(uint64_t offset, unsigned bits, size_t value_max,
                                 struct err_why *why)
{
    if (offset > (uint64_t)STRING_MAX * 8 || offset + bits > (uint64_t)value_max * 8) {
        return err_set(why, ERR_TOO_LARGE, "a bit offset is too large");
    }
    return ERR_OK;
}

static enum err check_bit_set(const struct op *op, size_t value_max, struct err_why *why)
{
    if (op->number < 0 || op->number2 < 0 || op->number2 > 1) {
        return err_set(why, ERR_INVALID, "a bit is 0 or 1 at an offset of 0 or more");
    }
    return check_bit_offset((uint64_t)op->number, 1, value_max, why);
}

static enum err check_bit_field(const struct op *op, size_t value_max, struct err_why *why)
{
    for (uint32_t i = 0; i < op->item_count; i++) {
        struct bit_field step;
        if (op->items[i].size != sizeof(step)) {
            return err_set(why, ERR_INVALID, "a step on a bit field has %zu bytes",
                           op->items[i].size);
        }
        memcpy(&step, op->items[i].data, sizeof(step));
        const unsigned bits_max = step.is_signed != 0 ? 64 : 63;
        if (step.kind > BIT_FIELD_ADD || step.overflow > OVERFLOW_FAIL || step.is_signed > 1 ||
            step.bits < 1 || step.bits > bits_max) {
            return err_set(why, ERR_INVALID, "a step on a bit field is malformed");
        }
        const enum err err = check_bit_offset(step.offset, step.bits, value_max, why);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

static enum err check_keys(const struct op *op, size_t value_max, struct err_why *why)
{
    (void)value_max;
    if (op->item_count == 0) {
        return err_set(why, ERR_INVALID, "at least one key or member is needed");
    }
    for (uint32_t i = 0; i < op->item_count; i++) {
        if (op->items[i].size > KEY_MAX) {
            return err_set(why, ERR_TOO_LARGE, "a key or member is larger than %zu bytes", KEY_MAX);
        }
    }
    return ERR_OK;
}

static enum err check_bit_op(const struct op *op, size_t value_max, struct err_why *why)
{
    if (op->number < BIT_AND || op->number > BIT_NOT ||
        (op->number == BIT_NOT && op->item_count != 1)) {
        return err_set(why, ERR_INVALID, "no such operation on bits");
    }
    return check_keys(op, value_max, why);
}

static enum err check_combine(const struct op *op, size_t value_max, struct err_why *why)
{
    if (op->number < SET_UNION || op->number > SET_DIFFERENCE) {
        return err_set(why, ERR_INVALID, "no such combination of sets");
    }
    return check_keys(op, value_max, why);
}

static enum err check_member(const struct op *op, size_t value_max, struct err_why *why)
{
    (void)value_max;
    if (op->value.size > KEY_MAX) {
        return err_set(why, ERR_TOO_LARGE, "a member is larger than %zu bytes", KEY_MAX);
    }
    return ERR_OK;
}

static enum err check_not_negative(const struct op *op, size_t value_max, struct err_why *why)
{
    (void)value_max;
    if (op->number < 0) {
        return err_set(why, ERR_INVALID, "a number is negative");
    }
    return ERR_OK;
}

static enum err check_random(const struct op *op, size_t value_max, struct err_why *why)
{
    (void)value_max;
    if (op->number < -(int64_t)OP_ITEMS_MAX) {
        return err_set(why, ERR_TOO_LARGE, "more than %zu members are asked for", OP_ITEMS_MAX);
    }
    return ERR_OK;
}

static enum err check_log_append(const struct op *op, size_t value_max, struct err_why *why)
{
    (void)value_max;
    if (op->id.size < 1 || op->id.size > LOG_ID_MAX) {
        return err_set(why, ERR_INVALID, "an id has 1 to %zu bytes", LOG_ID_MAX);
    }
    if (op->author.size > AUTHOR_MAX) {
        return err_set(why, ERR_TOO_LARGE, "an author is larger than %zu bytes", AUTHOR_MAX);
    }
    return ERR_OK;
}

static enum err check_log_read(const struct op *op, size_t value_max, struct err_why *why)
{
    (void)value_max;
    if (op->number < -2) {
        return err_set(why, ERR_INVALID, "a number of versions is -2 or more");
    }
    return ERR_OK;
}

static enum err check_table_open(const struct op *op, size_t value_max, struct err_why *why)
{
    if (op->value.size > TABLE_FACTS_MAX) {
        return err_set(why, ERR_TOO_LARGE, "facts of a table are too large");
    }
    return check_not_negative(op, value_max, why);
}

static enum err check_sweep(const struct op *op, size_t value_max, struct err_why *why)
{
    (void)value_max;
    if (op->limit == 0) {
        return err_set(why, ERR_INVALID, "a sweep needs a limit");
    }
    return ERR_OK;
}

static enum err check_txn(const struct op *op, size_t value_max, struct err_why *why);

static const struct rule *rule_of(uint8_t kind)
{
    static const struct rule rules[OP_KIND_COUNT] = {
        [OP_PUT] = {.flags = OP_KEEP_TTL | OP_WANT_PREV | OP_SET_EXPIRY,
                    .conditions = PUT_CONDITIONS,
                    .check = check_put},
        [OP_EXPIRE] = {.flags = OP_WANT_PREV | OP_SET_EXPIRY, .conditions = EXPIRE_CONDITIONS},
        [OP_DELETE] = {.flags = OP_WANT_PREV, .conditions = DELETE_CONDITIONS},
        [OP_COPY] = {.flags = OP_REPLACE, .check = check_destination},
        [OP_RENAME] = {.flags = OP_REPLACE, .check = check_destination},
        [OP_APPEND] = {.flags = OP_SET_EXPIRY},
        [OP_SET_RANGE] = {.flags = OP_SET_EXPIRY, .check = check_set_range},
        [OP_BIT_SET] = {.flags = OP_SET_EXPIRY, .check = check_bit_set},
        [OP_BIT_FIELD] = {.flags = OP_SET_EXPIRY, .check = check_bit_field},
        [OP_BIT_OP] = {.flags = OP_SET_EXPIRY, .check = check_bit_op},
        [OP_ADD] = {.flags = OP_SET_EXPIRY},
        [OP_ADD_FLOAT] = {.flags = OP_SET_EXPIRY},
        [OP_SET_ADD] = {.flags = OP_SET_EXPIRY, .check = check_keys},
        [OP_SET_REMOVE] = {.check = check_keys},
        [OP_SET_MOVE] = {.check = check_member},
        [OP_SET_POP] = {.check = check_not_negative},
        [OP_SET_HAS] = {.check = check_keys},
        [OP_SET_RANDOM] = {.check = check_random},
        [OP_SET_COMBINE] = {.flags = OP_COUNT_ONLY, .check = check_combine},
        [OP_SET_STORE] = {.flags = OP_SET_EXPIRY, .check = check_combine},
        [OP_LOG_APPEND] = {.flags = OP_LOG_REPLACE | OP_SET_EXPIRY, .check = check_log_append},
        [OP_LOG_READ] = {.check = check_log_read},
        [OP_RANGE] = {.flags = OP_REVERSE | OP_KEYS_ONLY | OP_COUNT_ONLY | OP_AFTER,
                      .is_range = true},
        [OP_SET_RANGE_MEMBERS] = {.flags = OP_AFTER},
        [OP_LOG_RANGE] = {.check = check_not_negative},
        [OP_DELETE_RANGE] = {.is_range = true},
        [OP_TXN] = {.check = check_txn},
        [OP_TABLE_OPEN] = {.is_alone = true, .check = check_table_open},
        [OP_TABLE_CLOSE] = {.is_alone = true},
        [OP_SWEEP] = {.is_alone = true, .has_no_table = true, .check = check_sweep},
    };
    return kind == OP_NONE || kind >= OP_KIND_COUNT ? NULL : &rules[kind];
}

static enum err check_compares(const struct op *op, struct err_why *why)
{
    for (uint32_t i = 0; i < op->compare_count; i++) {
        const struct compare *c = &op->compares[i];
        if (c->table == 0 || (unsigned)c->target > COMPARE_VERSION ||
            (unsigned)c->relation > COMPARE_GREATER) {
            return err_set(why, ERR_INVALID, "a comparison is malformed");
        }
        if (c->key.size > KEY_MAX + 1 || c->range_end.size > KEY_MAX + 1) {
            return err_set(why, ERR_TOO_LARGE, "a key is larger than %zu bytes", KEY_MAX);
        }
    }
    return ERR_OK;
}

static enum err check_branch(const struct op *ops, uint32_t count, size_t value_max,
                             struct err_why *why)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct rule *rule = rule_of(ops[i].kind);
        if (rule == NULL || rule->is_alone) {
            return err_set(why, ERR_INVALID, "not an operation for a transaction");
        }
        if (ops[i].kind == OP_TXN && op_has_txn(&ops[i])) {
            return err_set(why, ERR_INVALID, "transactions are nested more than once");
        }
        if (ops[i].idempotency_id.size > 0) {
            return err_set(why, ERR_INVALID, "a part of a transaction has an idempotency id");
        }
        const enum err err = op_check(&ops[i], value_max, why);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

static enum err check_txn(const struct op *op, size_t value_max, struct err_why *why)
{
    const size_t parts = (size_t)op->compare_count + op->op_count + op->else_op_count;
    if (parts > OP_ITEMS_MAX) {
        return err_set(why, ERR_TOO_LARGE, "a transaction has more than %zu parts", OP_ITEMS_MAX);
    }
    if (op->idempotency_id.size > 0 && op_has_txn(op)) {
        return err_set(why, ERR_INVALID, "a transaction with a transaction inside is not kept");
    }
    enum err err = check_compares(op, why);
    if (err == ERR_OK) {
        err = check_branch(op->ops, op->op_count, value_max, why);
    }
    return err == ERR_OK ? check_branch(op->else_ops, op->else_op_count, value_max, why) : err;
}

static enum err check_sizes(const struct op *op, const struct rule *rule, size_t value_max,
                            struct err_why *why)
{
    const size_t key_max = KEY_MAX + (rule->is_range ? 1 : 0);
    /* The bound of a walk over a set may be the successor of its longest member. */
    if (op->key.size > key_max || op->other.size > KEY_MAX + 1 ||
        (op->other.size > KEY_MAX &&
         (op->kind == OP_COPY || op->kind == OP_RENAME || op->kind == OP_SET_MOVE))) {
        return err_set(why, ERR_TOO_LARGE, "a key is larger than %zu bytes", KEY_MAX);
    }
    if (op->value.size > value_max) {
        return err_set(why, ERR_TOO_LARGE, "a value is larger than %zu bytes", value_max);
    }
    if (op->item_count > OP_ITEMS_MAX) {
        return err_set(why, ERR_TOO_LARGE, "more than %zu keys or members", OP_ITEMS_MAX);
    }
    if (op->idempotency_id.size > IDEMPOTENCY_ID_MAX) {
        return err_set(why, ERR_INVALID, "an idempotency id has 1 to %zu bytes",
                       IDEMPOTENCY_ID_MAX);
    }
    return ERR_OK;
}

enum err op_check(const struct op *op, size_t value_max, struct err_why *why)
{
    const struct rule *rule = rule_of(op->kind);
    if (rule == NULL) {
        return err_set(why, ERR_INVALID, "no such operation");
    }
    if (op->table == 0 && !rule->has_no_table) {
        return err_set(why, ERR_INVALID, "a table is missing");
    }
    if ((op->flags & ~(rule->flags | OP_NO_TOUCH)) != 0) {
        return err_set(why, ERR_INVALID, "a flag does not fit the operation");
    }
    if (op->condition > EXPIRE_XX_LT ||
        ((rule->conditions | BIT(IF_ANY)) & BIT(op->condition)) == 0) {
        return err_set(why, ERR_INVALID, "a condition does not fit the operation");
    }
    const enum err err = check_sizes(op, rule, value_max, why);
    return err == ERR_OK && rule->check != NULL ? rule->check(op, value_max, why) : err;
}
