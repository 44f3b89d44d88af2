/* expire.c - when keys expire. */
#include "api/redis/session.h"

/* ---- EXPIRE and its kin ---- */

enum expire_option {
    OPTION_NX = 1 << 0,
    OPTION_XX = 1 << 1,
    OPTION_GT = 1 << 2,
    OPTION_LT = 1 << 3
};

static enum expire_option expire_option(const struct task *t, size_t at)
{
    static const struct {
        const char *name;
        enum expire_option option;
    } names[] = {{"nx", OPTION_NX}, {"xx", OPTION_XX}, {"gt", OPTION_GT}, {"lt", OPTION_LT}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (arg_is(t, at, names[i].name)) {
            return names[i].option;
        }
    }
    return 0;
}

static bool read_conditions(struct task *t, unsigned *options)
{
    *options = 0;
    for (size_t i = 3; i < t->arg_count; i++) {
        const enum expire_option option = expire_option(t, i);
        if (option == 0) {
            const int shown = t->args[i].size < 128 ? (int)t->args[i].size : 128;
            (void)task_errorf(t, ERR_INVALID, "ERR Unsupported option %.*s", shown,
                              (const char *)t->args[i].data);
            return false;
        }
        *options |= option;
    }
    if ((*options & OPTION_NX) != 0 && *options != OPTION_NX) {
        (void)task_error(t, ERR_INVALID,
                         "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*options & OPTION_GT) != 0 && (*options & OPTION_LT) != 0) {
        (void)task_error(t, ERR_INVALID,
                         "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

static enum op_condition condition_of(unsigned options)
{
    if ((options & OPTION_NX) != 0) {
        return EXPIRE_NX;
    }
    if ((options & OPTION_GT) != 0) {
        return EXPIRE_GT; /* says XX as well: no expiry counts as infinite */
    }
    if ((options & OPTION_LT) != 0) {
        return (options & OPTION_XX) != 0 ? EXPIRE_XX_LT : EXPIRE_LT;
    }
    return (options & OPTION_XX) != 0 ? EXPIRE_XX : IF_ANY;
}

static enum verdict expire(struct task *t, bool is_seconds, bool is_absolute)
{
    const struct time_unit unit = {
        .is_seconds = is_seconds, .is_absolute = is_absolute, .may_be_past = true};
    unsigned options = 0;
    uint64_t expiry_ms = 0;
    if (!read_conditions(t, &options) || !arg_time(t, 2, unit, &expiry_ms)) {
        return TASK_REPLIED;
    }
    struct op *op = task_op(t, OP_EXPIRE, t->args[1]);
    op->condition = (uint8_t)condition_of(options);
    op->expiry_ms = expiry_ms;
    t->encode = encode_count;
    return TASK_CALLS;
}

enum verdict redis_expire(struct task *t)
{
    return expire(t, true, false);
}

enum verdict redis_pexpire(struct task *t)
{
    return expire(t, false, false);
}

enum verdict redis_expireat(struct task *t)
{
    return expire(t, true, true);
}

enum verdict redis_pexpireat(struct task *t)
{
    return expire(t, false, true);
}

enum verdict redis_persist(struct task *t)
{
    struct op *op = task_op(t, OP_EXPIRE, t->args[1]);
    op->condition = EXPIRE_XX;
    op->expiry_ms = 0;
    t->encode = encode_count;
    return TASK_CALLS;
}

/* ---- TTL and its kin ---- */

struct ttl_mode {
    bool is_seconds;
    bool is_absolute;
};

static void write_ttl(struct task *t, struct buf *out, const struct result *result,
                      struct ttl_mode mode)
{
    if (result->err == ERR_NOT_FOUND) {
        resp_integer(out, -2);
        return;
    }
    if (result->err != ERR_OK) {
        task_fail(t, out, result->err);
        return;
    }
    if (result->expiry_ms == 0) {
        resp_integer(out, -1);
        return;
    }
    const uint64_t now_ms = mode.is_absolute ? 0 : router_now_ms(t->session->router);
    const uint64_t left_ms = result->expiry_ms > now_ms ? result->expiry_ms - now_ms : 0;
    resp_integer(out, (int64_t)(mode.is_seconds ? (left_ms + 500) / 1000 : left_ms));
}

static void encode_ttl(struct task *t, struct buf *out, const struct result *result)
{
    write_ttl(t, out, result, (struct ttl_mode){.is_seconds = true});
}

static void encode_pttl(struct task *t, struct buf *out, const struct result *result)
{
    write_ttl(t, out, result, (struct ttl_mode){.is_seconds = false});
}

static void encode_expiretime(struct task *t, struct buf *out, const struct result *result)
{
    write_ttl(t, out, result, (struct ttl_mode){.is_seconds = true, .is_absolute = true});
}

static void encode_pexpiretime(struct task *t, struct buf *out, const struct result *result)
{
    write_ttl(t, out, result, (struct ttl_mode){.is_absolute = true});
}

static enum verdict ask_expiry(struct task *t, encode_fn encode)
{
    task_op(t, OP_STAT, t->args[1])->flags = OP_NO_TOUCH;
    t->encode = encode;
    return TASK_CALLS;
}

enum verdict redis_ttl(struct task *t)
{
    return ask_expiry(t, encode_ttl);
}

enum verdict redis_pttl(struct task *t)
{
    return ask_expiry(t, encode_pttl);
}

enum verdict redis_expiretime(struct task *t)
{
    return ask_expiry(t, encode_expiretime);
}

enum verdict redis_pexpiretime(struct task *t)
{
    return ask_expiry(t, encode_pexpiretime);
}
