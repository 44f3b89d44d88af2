/* sets.c - one set: members in, out, asked for. Several sets: combine.c. */
#include "api/redis/session.h"

static enum verdict with_members(struct task *t, enum op_kind kind, encode_fn encode)
{
    struct op *op = task_op(t, kind, t->args[1]);
    op->items = task_items(t, 2, t->arg_count - 2);
    op->item_count = (uint32_t)(t->arg_count - 2);
    t->encode = encode;
    return TASK_CALLS;
}

enum verdict redis_sadd(struct task *t)
{
    return with_members(t, OP_SET_ADD, encode_count);
}

enum verdict redis_srem(struct task *t)
{
    return with_members(t, OP_SET_REMOVE, encode_count);
}

enum verdict redis_sismember(struct task *t)
{
    return with_members(t, OP_SET_HAS, encode_has_one);
}

enum verdict redis_smismember(struct task *t)
{
    t->number = (int64_t)t->arg_count - 2;
    return with_members(t, OP_SET_HAS, encode_has_many);
}

enum verdict redis_smembers(struct task *t)
{
    struct op *op = task_op(t, OP_SET_COMBINE, t->args[1]);
    op->number = SET_UNION;
    op->items = task_items(t, 1, 1);
    op->item_count = 1;
    t->encode = encode_member_set;
    return TASK_CALLS;
}

static void encode_card(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK && result->type != TYPE_SET) {
        task_fail(t, out, ERR_WRONG_TYPE);
    } else {
        encode_count(t, out, result);
    }
}

enum verdict redis_scard(struct task *t)
{
    (void)task_op(t, OP_STAT, t->args[1]);
    t->encode = encode_card;
    return TASK_CALLS;
}

enum verdict redis_smove(struct task *t)
{
    struct op *op = task_op(t, OP_SET_MOVE, t->args[1]);
    op->other = t->args[2];
    op->value = t->args[3];
    t->encode = encode_count;
    return TASK_CALLS;
}

/* ---- Random members ---- */

enum verdict redis_spop(struct task *t)
{
    int64_t count = 1;
    if (t->arg_count > 3) {
        return task_syntax_error(t);
    }
    if (t->arg_count == 3) {
        const char *error = "ERR value is out of range, must be positive";
        if (!arg_integer_or(t, 2, &count, error)) {
            return TASK_REPLIED;
        }
        if (count < 0) {
            return task_error(t, ERR_INVALID, error);
        }
    }
    task_op(t, OP_SET_POP, t->args[1])->number = count;
    t->encode = t->arg_count == 3 ? encode_member_set : encode_member;
    return TASK_CALLS;
}

enum verdict redis_srandmember(struct task *t)
{
    int64_t count = 1;
    if (t->arg_count > 3) {
        return task_syntax_error(t);
    }
    if (t->arg_count == 3) {
        if (!arg_integer(t, 2, &count)) {
            return TASK_REPLIED;
        }
        if (count == INT64_MIN) {
            return task_error(t, ERR_INVALID,
                              "ERR value is out of range, value must between "
                              "-9223372036854775807 and 9223372036854775807");
        }
    }
    task_op(t, OP_SET_RANDOM, t->args[1])->number = count;
    t->encode = t->arg_count == 3 ? encode_member_array : encode_member;
    return TASK_CALLS;
}
