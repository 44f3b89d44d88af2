/* numbers.c - strings that hold a number. */
#include "api/redis/session.h"

static enum verdict add(struct task *t, int64_t amount)
{
    task_op(t, OP_ADD, t->args[1])->number = amount;
    t->encode = encode_number;
    return TASK_CALLS;
}

enum verdict redis_incr(struct task *t)
{
    return add(t, 1);
}

enum verdict redis_decr(struct task *t)
{
    return add(t, -1);
}

enum verdict redis_incrby(struct task *t)
{
    int64_t amount = 0;
    return arg_integer(t, 2, &amount) ? add(t, amount) : TASK_REPLIED;
}

enum verdict redis_decrby(struct task *t)
{
    int64_t amount = 0;
    if (!arg_integer(t, 2, &amount)) {
        return TASK_REPLIED;
    }
    if (amount == INT64_MIN) {
        return task_error(t, ERR_OVERFLOW, "ERR decrement would overflow");
    }
    return add(t, -amount);
}

static void encode_float(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK) {
        resp_bulk(out, result->value);
    } else if (result->err == ERR_NOT_A_NUMBER) {
        task_fail_text(t, out, result->err, "ERR value is not a valid float");
    } else if (result->err == ERR_OVERFLOW) {
        task_fail_text(t, out, result->err, "ERR increment would produce NaN or Infinity");
    } else {
        task_fail(t, out, result->err);
    }
}

enum verdict redis_incrbyfloat(struct task *t)
{
    task_op(t, OP_ADD_FLOAT, t->args[1])->value = t->args[2];
    t->encode = encode_float;
    return TASK_CALLS;
}
