/* reply.c - errors in Redis' words, and the encoders that many commands use. */
#include "api/redis/session.h"
#include "base/check.h"

static const char *too_large_text(const struct command_spec *spec)
{
    if (spec->group == GROUP_STRING || spec->group == GROUP_BITMAP) {
        return "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    }
    return "ERR a key, a value or the answer exceeds the maximum allowed size";
}

const char *error_text(const struct redis_session *s, const struct command_spec *spec, enum err err)
{
    switch (err) {
    case ERR_NOT_FOUND:
        return "ERR no such key";
    case ERR_ALREADY_EXISTS:
        return "ERR it exists already";
    case ERR_WRONG_TYPE:
        return "WRONGTYPE Operation against a key holding the wrong kind of value";
    case ERR_CONFLICT:
        return "ERR a condition did not hold";
    case ERR_INVALID:
        return "ERR invalid arguments";
    case ERR_NOT_A_NUMBER:
        return "ERR value is not an integer or out of range";
    case ERR_OVERFLOW:
        return "ERR increment or decrement would overflow";
    case ERR_TOO_LARGE:
        return too_large_text(spec);
    case ERR_CROSS_SHARD:
        return "CROSSSLOT Keys in request don't hash to the same slot";
    case ERR_UNIMPLEMENTED:
        return "ERR unknown command";
    case ERR_DENIED:
        return "NOPERM this user has no permissions to run the command";
    case ERR_UNAUTHENTICATED:
        return "NOAUTH Authentication required.";
    case ERR_BUSY:
        return "BUSY too many requests are waiting, nothing was changed, try again";
    case ERR_NO_SPACE:
        return s->table_is_memory
                   ? "OOM command not allowed when used memory > 'maxmemory'."
                   : "MISCONF no space is left on the disk: writes are refused until there is room";
    case ERR_STARTING:
        return "LOADING Redis is loading the dataset in memory";
    case ERR_UNAVAILABLE:
        return "CLUSTERDOWN the data are not available now, nothing was changed, try again";
    case ERR_UNKNOWN_OUTCOME:
        return "UNKNOWN the write may have happened";
    case ERR_TIMEOUT:
        return "ERR the time is over, nothing was changed";
    case ERR_CANCELED:
        return "ERR withdrawn, nothing was changed";
    case ERR_IO:
        return "ERR the disk failed";
    case ERR_CORRUPT:
        return "ERR stored data are damaged";
    case ERR_OK:
    case ERR_WOULD_WAIT:
    case ERR_COUNT:
        break;
    }
    UNREACHABLE("not an error that leaves the shard");
}

void encode_string(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK) {
        resp_bulk(out, result->value);
    } else if (result->err == ERR_NOT_FOUND) {
        resp_null(out, t->session->version);
    } else {
        task_fail(t, out, result->err);
    }
}

void encode_previous(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err != ERR_OK && result->err != ERR_CONFLICT && result->err != ERR_NOT_FOUND) {
        task_fail(t, out, result->err);
    } else if (result->was_found) {
        resp_bulk(out, result->value);
    } else {
        resp_null(out, t->session->version);
    }
}

void encode_ok(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK) {
        buf_append(out, "+OK\r\n", 5);
    } else {
        task_fail(t, out, result->err);
    }
}

void encode_count(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK || result->err == ERR_NOT_FOUND) {
        resp_integer(out, result->err == ERR_OK ? (int64_t)result->count : 0);
    } else {
        task_fail(t, out, result->err);
    }
}

void encode_number(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK) {
        resp_integer(out, result->number);
    } else {
        task_fail(t, out, result->err);
    }
}

void encode_found(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK || result->err == ERR_NOT_FOUND || result->err == ERR_CONFLICT) {
        resp_integer(out, result->err == ERR_OK);
    } else {
        task_fail(t, out, result->err);
    }
}

static void append_members(struct buf *out, const struct result *result)
{
    for (size_t i = 0; i < result->row_count; i++) {
        resp_bulk(out, result->rows[i].key);
    }
}

void encode_member_set(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK) {
        resp_set(out, t->session->version, result->row_count);
        append_members(out, result);
    } else if (result->err == ERR_NOT_FOUND) {
        resp_set(out, t->session->version, 0);
    } else {
        task_fail(t, out, result->err);
    }
}

void encode_member_array(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK) {
        resp_array(out, result->row_count);
        append_members(out, result);
    } else if (result->err == ERR_NOT_FOUND) {
        resp_array(out, 0);
    } else {
        task_fail(t, out, result->err);
    }
}

void encode_member(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK && result->row_count > 0) {
        resp_bulk(out, result->rows[0].key);
    } else if (result->err == ERR_OK || result->err == ERR_NOT_FOUND) {
        resp_null(out, t->session->version);
    } else {
        task_fail(t, out, result->err);
    }
}

void encode_has_one(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK || result->err == ERR_NOT_FOUND) {
        resp_integer(out, result->row_count > 0 ? result->rows[0].number : 0);
    } else {
        task_fail(t, out, result->err);
    }
}

void encode_has_many(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err != ERR_OK && result->err != ERR_NOT_FOUND) {
        task_fail(t, out, result->err);
        return;
    }
    resp_array(out, (size_t)t->number);
    for (size_t i = 0; i < (size_t)t->number; i++) {
        resp_integer(out, i < result->row_count ? result->rows[i].number : 0);
    }
}

void encode_noted(struct task *t, struct buf *out, const struct result *result)
{
    (void)out;
    (void)task_note(t, result);
}

void encode_add_found(struct task *t, struct buf *out, const struct result *result)
{
    (void)out;
    t->number += task_note(t, result) && result->err == ERR_OK;
}

void finish_number(struct task *t, struct buf *out)
{
    if (!task_failed(t, out)) {
        resp_integer(out, t->number);
    }
}

void finish_ok(struct task *t, struct buf *out)
{
    if (!task_failed(t, out)) {
        resp_simple(out, "OK");
    }
}
