/* connection.c - what concerns this connection alone: PING, HELLO, AUTH and the like. */
#include "api/redis/session.h"

enum verdict redis_ping(struct task *t)
{
    if (t->arg_count > 2) {
        return task_wrong_arity(t, "ping");
    }
    if (t->arg_count == 2) {
        resp_bulk(t->out, t->args[1]);
    } else {
        resp_simple(t->out, "PONG");
    }
    return TASK_REPLIED;
}

enum verdict redis_echo(struct task *t)
{
    resp_bulk(t->out, t->args[1]);
    return TASK_REPLIED;
}

enum verdict redis_quit(struct task *t)
{
    t->session->is_ending = true;
    return task_ok(t);
}

enum verdict redis_reset(struct task *t)
{
    session_reset(t->session);
    task_silence(t, false);
    resp_simple(t->out, "RESET");
    return TASK_REPLIED;
}

/* There is one user, `default`, who needs no password. */
static bool may_log_in(struct task *t, struct slice user)
{
    if (slice_equal(user, SLICE("default"))) {
        return true;
    }
    (void)task_error(t, ERR_UNAUTHENTICATED,
                     "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

enum verdict redis_auth(struct task *t)
{
    if (t->arg_count > 3) {
        return task_syntax_error(t);
    }
    if (t->arg_count == 2) {
        return task_error(t, ERR_INVALID,
                          "ERR AUTH <password> called without any password configured for the "
                          "default user. Are you sure your configuration is correct?");
    }
    return may_log_in(t, t->args[1]) ? task_ok(t) : TASK_REPLIED;
}

bool session_set_name(struct task *t, struct slice name)
{
    struct redis_session *s = t->session;
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] < '!' || name.data[i] > '~') {
            (void)task_error(t, ERR_INVALID,
                             "ERR Client names cannot contain spaces, newlines or special "
                             "characters.");
            return false;
        }
    }
    if (name.size > REDIS_NAME_MAX) {
        (void)task_errorf(t, ERR_TOO_LARGE, "ERR a client name has at most %d bytes",
                          REDIS_NAME_MAX);
        return false;
    }
    memcpy(s->name, name.data, name.size);
    s->name[name.size] = 0;
    s->name_size = name.size;
    return true;
}

/* ---- HELLO ---- */

static void write_hello(struct task *t)
{
    const struct redis_session *s = t->session;
    struct buf *out = t->out;
    resp_map(out, s->version, 7);
    resp_bulk_text(out, "server");
    resp_bulk_text(out, "redis");
    resp_bulk_text(out, "version");
    resp_bulk_text(out, REDIS_VERSION);
    resp_bulk_text(out, "proto");
    resp_integer(out, s->version);
    resp_bulk_text(out, "id");
    resp_integer(out, (int64_t)s->owner.id);
    resp_bulk_text(out, "mode");
    resp_bulk_text(out, "standalone");
    resp_bulk_text(out, "role");
    resp_bulk_text(out, "master");
    resp_bulk_text(out, "modules");
    resp_array(out, 0);
}

/* The options behind the version. `name`: SETNAME, no data if it is not there. */
static bool read_hello(struct task *t, struct slice *name)
{
    for (size_t i = 2; i < t->arg_count; i++) {
        const size_t behind = t->arg_count - i - 1;
        if (arg_is(t, i, "auth") && behind >= 2) {
            if (!may_log_in(t, t->args[i + 1])) {
                return false;
            }
            i += 2;
        } else if (arg_is(t, i, "setname") && behind >= 1) {
            *name = t->args[++i];
        } else {
            const int shown = t->args[i].size < 128 ? (int)t->args[i].size : 128;
            (void)task_errorf(t, ERR_INVALID, "ERR Syntax error in HELLO option '%.*s'", shown,
                              (const char *)t->args[i].data);
            return false;
        }
    }
    return true;
}

enum verdict redis_hello(struct task *t)
{
    int64_t version = t->session->version;
    struct slice name = {NULL, 0};
    if (t->arg_count > 1) {
        const char *error = "ERR Protocol version is not an integer or out of range";
        if (!arg_integer_or(t, 1, &version, error)) {
            return TASK_REPLIED;
        }
        if (version < 2 || version > 3) {
            return task_error(t, ERR_UNIMPLEMENTED, "NOPROTO unsupported protocol version");
        }
    }
    if (!read_hello(t, &name) || (name.data != NULL && !session_set_name(t, name))) {
        return TASK_REPLIED;
    }
    t->session->version = (int)version;
    write_hello(t);
    return TASK_REPLIED;
}
