/* strings.c - whole strings and parts of them. */
#include "api/redis/session.h"

/* ---- Options of SET and GETEX ---- */

struct string_options {
    enum op_condition condition;
    bool keeps_ttl;
    bool is_persistent; /* GETEX PERSIST */
    bool wants_previous;
    size_t time_arg; /* 0: none */
    struct time_unit unit;
};

static bool time_option(const struct task *t, size_t at, struct time_unit *unit)
{
    static const struct {
        const char *name;
        struct time_unit unit;
    } names[] = {{"ex", {.is_seconds = true}},
                 {"px", {0}},
                 {"exat", {.is_seconds = true, .is_absolute = true}},
                 {"pxat", {.is_absolute = true}}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (arg_is(t, at, names[i].name)) {
            *unit = names[i].unit;
            return true;
        }
    }
    return false;
}

/* At most one of the options that say when the key expires. */
static bool has_ttl_option(const struct string_options *o)
{
    return o->keeps_ttl || o->is_persistent || o->time_arg != 0;
}

/* One option at args[*at]. False: it is none, or it does not go with those before. */
static bool read_option(const struct task *t, size_t *at, bool is_set, struct string_options *o)
{
    if (is_set && arg_is(t, *at, "nx") && o->condition != IF_PRESENT) {
        o->condition = IF_ABSENT;
    } else if (is_set && arg_is(t, *at, "xx") && o->condition != IF_ABSENT) {
        o->condition = IF_PRESENT;
    } else if (is_set && arg_is(t, *at, "get")) {
        o->wants_previous = true;
    } else if (is_set && arg_is(t, *at, "keepttl") && o->time_arg == 0) {
        o->keeps_ttl = true;
    } else if (!is_set && arg_is(t, *at, "persist") && o->time_arg == 0) {
        o->is_persistent = true;
    } else if (!has_ttl_option(o) && *at + 1 < t->arg_count && time_option(t, *at, &o->unit)) {
        o->time_arg = ++*at;
    } else {
        return false;
    }
    return true;
}

static bool read_options(struct task *t, size_t from, bool is_set, struct string_options *o)
{
    *o = (struct string_options){.condition = IF_ANY};
    for (size_t at = from; at < t->arg_count; at++) {
        if (!read_option(t, &at, is_set, o)) {
            (void)task_syntax_error(t);
            return false;
        }
    }
    return true;
}

/* ---- Whole strings ---- */

enum verdict redis_get(struct task *t)
{
    (void)task_op(t, OP_GET, t->args[1]);
    t->encode = encode_string;
    return TASK_CALLS;
}

static void encode_set(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_CONFLICT) {
        resp_null(out, t->session->version);
    } else {
        encode_ok(t, out, result);
    }
}

static enum verdict put(struct task *t, struct slice value, encode_fn encode)
{
    task_op(t, OP_PUT, t->args[1])->value = value;
    t->encode = encode;
    return TASK_CALLS;
}

enum verdict redis_set(struct task *t)
{
    if (t->arg_count == 3) {
        return put(t, t->args[2], encode_ok);
    }
    struct string_options o;
    uint64_t expiry_ms = 0;
    if (!read_options(t, 3, true, &o) ||
        (o.time_arg != 0 && !arg_time(t, o.time_arg, o.unit, &expiry_ms))) {
        return TASK_REPLIED;
    }
    struct op *op = task_op(t, OP_PUT, t->args[1]);
    op->value = t->args[2];
    op->condition = (uint8_t)o.condition;
    op->expiry_ms = expiry_ms;
    op->flags = (uint16_t)((o.time_arg != 0 ? OP_SET_EXPIRY : 0) | (o.keeps_ttl ? OP_KEEP_TTL : 0) |
                           (o.wants_previous ? OP_WANT_PREV : 0));
    t->encode = o.wants_previous ? encode_previous : encode_set;
    return TASK_CALLS;
}

enum verdict redis_getset(struct task *t)
{
    struct op *op = task_op(t, OP_PUT, t->args[1]);
    op->value = t->args[2];
    op->flags = OP_WANT_PREV;
    t->encode = encode_previous;
    return TASK_CALLS;
}

enum verdict redis_getdel(struct task *t)
{
    task_op(t, OP_DELETE, t->args[1])->flags = OP_WANT_PREV;
    t->encode = encode_previous;
    return TASK_CALLS;
}

enum verdict redis_getex(struct task *t)
{
    struct string_options o;
    uint64_t expiry_ms = 0;
    if (!read_options(t, 2, false, &o) ||
        (o.time_arg != 0 && !arg_time(t, o.time_arg, o.unit, &expiry_ms))) {
        return TASK_REPLIED;
    }
    if (!has_ttl_option(&o)) {
        return redis_get(t);
    }
    struct op *op = task_op(t, OP_EXPIRE, t->args[1]);
    op->expiry_ms = expiry_ms;
    op->condition = o.is_persistent ? EXPIRE_XX : IF_ANY; /* else nothing would be changed */
    op->flags = OP_WANT_PREV;
    t->encode = encode_string;
    return TASK_CALLS;
}

enum verdict redis_setnx(struct task *t)
{
    struct op *op = task_op(t, OP_PUT, t->args[1]);
    op->value = t->args[2];
    op->condition = IF_ABSENT;
    t->encode = encode_found;
    return TASK_CALLS;
}

static enum verdict set_for(struct task *t, bool is_seconds)
{
    uint64_t expiry_ms = 0;
    if (!arg_time(t, 2, (struct time_unit){.is_seconds = is_seconds}, &expiry_ms)) {
        return TASK_REPLIED;
    }
    struct op *op = task_op(t, OP_PUT, t->args[1]);
    op->value = t->args[3];
    op->expiry_ms = expiry_ms;
    op->flags = OP_SET_EXPIRY;
    t->encode = encode_ok;
    return TASK_CALLS;
}

enum verdict redis_setex(struct task *t)
{
    return set_for(t, true);
}

enum verdict redis_psetex(struct task *t)
{
    return set_for(t, false);
}

/* ---- Several strings ---- */

static enum verdict too_many_keys(struct task *t)
{
    return task_errorf(t, ERR_TOO_LARGE, "ERR more than %zu keys in one command", REDIS_KEYS_MAX);
}

static void encode_one_of(struct task *t, struct buf *out, const struct result *result)
{
    /* What is no string reads as missing. */
    const bool is_absent = result->err == ERR_WRONG_TYPE || result->err == ERR_NOT_FOUND;
    if (!is_absent && !task_note(t, result)) {
        return;
    }
    if (is_absent) {
        resp_null(out, t->session->version);
    } else if (out->size > REDIS_PIECES_MAX) {
        t->failure = ERR_TOO_LARGE;
    } else {
        resp_bulk(out, result->value);
    }
}

static void finish_strings(struct task *t, struct buf *out)
{
    if (!task_failed(t, out)) {
        resp_array(out, (size_t)t->number);
    }
}

enum verdict redis_mget(struct task *t)
{
    t->number = (int64_t)t->arg_count - 1;
    if ((size_t)t->number > REDIS_KEYS_MAX) {
        return too_many_keys(t);
    }
    for (size_t i = 1; i < t->arg_count; i++) {
        (void)task_part(t, OP_GET, t->args[i]);
    }
    t->encode = encode_one_of;
    t->finish = finish_strings;
    return TASK_CALLS;
}

enum verdict redis_mset(struct task *t)
{
    if (t->arg_count % 2 == 0) {
        return task_wrong_arity(t, t->spec->name);
    }
    if (t->arg_count / 2 > REDIS_KEYS_MAX) {
        return too_many_keys(t);
    }
    for (size_t i = 1; i < t->arg_count; i += 2) {
        task_part(t, OP_PUT, t->args[i])->value = t->args[i + 1];
    }
    t->encode = encode_noted;
    t->finish = finish_ok;
    return TASK_CALLS;
}

static void encode_msetnx(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err != ERR_OK) {
        task_fail(t, out, result->err);
        return;
    }
    for (size_t i = 0; i < result->result_count; i++) {
        if (result->results[i].err != ERR_OK) {
            task_fail(t, out, result->results[i].err);
            return;
        }
    }
    resp_integer(out, result->succeeded);
}

/* A transaction of its own: if none of the keys exists, all are put. */
enum verdict redis_msetnx(struct task *t)
{
    if (t->arg_count % 2 == 0) {
        return task_wrong_arity(t, t->spec->name);
    }
    const size_t count = t->arg_count / 2;
    if (count > REDIS_KEYS_MAX) {
        return too_many_keys(t);
    }
    if (count == 1) {
        return redis_setnx(t);
    }
    struct compare *compares = task_memory(t, count * sizeof(*compares));
    struct op *puts = task_memory(t, count * sizeof(*puts));
    const uint32_t table = t->session->table_id;
    for (size_t i = 0; i < count; i++) {
        const struct slice key = t->args[1 + 2 * i];
        compares[i] = (struct compare){
            .target = COMPARE_EXISTS, .relation = COMPARE_EQUAL, .table = table, .key = key};
        puts[i] =
            (struct op){.kind = OP_PUT, .table = table, .key = key, .value = t->args[2 + 2 * i]};
    }
    struct op *op = task_op(t, OP_TXN, t->args[1]);
    op->compares = compares;
    op->compare_count = (uint32_t)count;
    op->ops = puts;
    op->op_count = (uint32_t)count;
    t->encode = encode_msetnx;
    return TASK_CALLS;
}

/* ---- Parts of a string ---- */

enum verdict redis_append(struct task *t)
{
    task_op(t, OP_APPEND, t->args[1])->value = t->args[2];
    t->encode = encode_count;
    return TASK_CALLS;
}

static void encode_strlen(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK && result->type != TYPE_STRING) {
        task_fail(t, out, ERR_WRONG_TYPE);
    } else {
        encode_count(t, out, result);
    }
}

enum verdict redis_strlen(struct task *t)
{
    (void)task_op(t, OP_STAT, t->args[1]);
    t->encode = encode_strlen;
    return TASK_CALLS;
}

static void encode_getrange(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err != ERR_OK && result->err != ERR_NOT_FOUND) {
        task_fail(t, out, result->err);
        return;
    }
    const int64_t size = result->err == ERR_OK ? (int64_t)result->value.size : 0;
    int64_t start = t->number;
    int64_t end = t->number2;
    const bool is_backwards = start < 0 && end < 0 && start > end;
    start = start < 0 ? start + size : start;
    end = end < 0 ? end + size : end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= size ? size - 1 : end;
    if (is_backwards || start > end || size == 0) {
        resp_bulk(out, slice_of(NULL, 0));
        return;
    }
    resp_bulk(out, slice_of(result->value.data + start, (size_t)(end - start + 1)));
}

enum verdict redis_getrange(struct task *t)
{
    if (!arg_integer(t, 2, &t->number) || !arg_integer(t, 3, &t->number2)) {
        return TASK_REPLIED;
    }
    (void)task_op(t, OP_GET, t->args[1]);
    t->encode = encode_getrange;
    return TASK_CALLS;
}

enum verdict redis_setrange(struct task *t)
{
    int64_t offset = 0;
    if (!arg_integer(t, 2, &offset)) {
        return TASK_REPLIED;
    }
    if (offset < 0) {
        return task_error(t, ERR_INVALID, "ERR offset is out of range");
    }
    const struct slice value = t->args[3];
    if (value.size == 0) {
        return redis_strlen(t);
    }
    if ((uint64_t)offset > STRING_MAX ||
        (uint64_t)offset + value.size > router_value_max(t->session->router)) {
        /* Redis looks at the key first, and complains about its type rather than the size. */
        return task_error(t, ERR_TOO_LARGE, error_text(t->session, t->spec, ERR_TOO_LARGE));
    }
    struct op *op = task_op(t, OP_SET_RANGE, t->args[1]);
    op->number = offset;
    op->value = value;
    t->encode = encode_count;
    return TASK_CALLS;
}
