/* session.c - one connection: bytes to commands, barriers, the selected table. */
#include "api/redis/session.h"

#include <stdio.h>

#include "base/check.h"

#define IDLE_BYTES_MAX ((size_t)32 << 10) /* of an empty buffer */

/* ---- The selected table ---- */

struct slice database_name(uint32_t db, char buffer[8])
{
    if (db == 0) {
        return SLICE("kv");
    }
    const int size = snprintf(buffer, 8, "db%u", (unsigned)db);
    CHECK(size > 0 && size < 8);
    return slice_of(buffer, (size_t)size);
}

void session_refresh_table(struct redis_session *s)
{
    const uint64_t version = router_catalogue_version(s->router);
    if (s->catalogue_version == version && s->table_id != 0) {
        return;
    }
    const struct table *table = router_table(s->router, s->table_name);
    s->catalogue_version = version;
    s->table_id = table == NULL ? 0 : table->id;
    s->table_is_memory = table != NULL && table->options.engine == TABLE_MEMORY;
}

void session_select(struct redis_session *s, uint32_t db, struct slice name)
{
    CHECK(name.size <= TABLE_NAME_MAX);
    memmove(s->table_bytes, name.data, name.size);
    s->table_name = slice_of(s->table_bytes, name.size);
    s->db = db;
    s->table_id = 0;
    session_refresh_table(s);
}

void session_reset(struct redis_session *s)
{
    char buffer[8];
    multi_drop(s);
    watch_drop(s);
    session_select(s, 0, database_name(0, buffer));
    s->version = 2;
    s->reply_mode = REPLY_ON;
    s->name_size = 0;
    s->name[0] = 0;
}

/* ---- Life ---- */

struct redis_session *redis_open(struct loop_context *context, const struct redis_owner *owner)
{
    struct redis_session *s = mem_zero(1, sizeof(*s));
    const size_t value_max = router_value_max(context->router);
    s->context = context;
    s->router = context->router;
    s->loop = redis_loop_of(context);
    s->owner = *owner;
    s->parser.bulk_max = value_max > KEY_MAX ? value_max : KEY_MAX;
    s->tail = &s->head;
    s->read_window = REDIS_READ_WINDOW;
    s->opened_ms = s->active_ms = router_now_ms(s->router);
    session_reset(s);
    return s;
}

static void session_free(struct redis_session *s)
{
    CHECK(s->call_count == 0);
    multi_drop(s);
    watch_drop(s);
    resp_parser_deinit(&s->parser);
    buf_deinit(&s->out);
    buf_deinit(&s->aside);
    mem_free(s);
}

void redis_close(struct redis_session **s)
{
    struct redis_session *session = *s;
    if (session == NULL) {
        return;
    }
    *s = NULL;
    session->is_gone = true;
    session->is_ending = true;
    session->owner.peer = ""; /* it was the connection's; commands may end later */
    if (session->command_count == 0) {
        session_free(session);
    } else if (session->sleeper != NULL) {
        redis_wake(session);
    }
}

/* Everything is answered: as many reads may be in flight next time as have answers of the size seen
 * of late that fit into REDIS_READ_BYTES, and at most four times as many as this time. So a client
 * that asks for large values without reading its replies costs a bounded amount of memory. */
static void adapt_window(struct redis_session *s)
{
    const size_t fitting = REDIS_READ_BYTES / (s->answer_max + 1) + 1;
    const size_t grown = (size_t)s->read_window * 4;
    const size_t window = fitting < grown ? fitting : grown;
    s->read_window = (uint32_t)(window < REDIS_CALLS_MAX ? window : REDIS_CALLS_MAX);
    s->answer_max /= 2;
}

void session_advance(struct redis_session *s)
{
    if (s->command_count == 0) {
        if (s->is_waiting) {
            adapt_window(s);
        }
        s->is_waiting = false;
        if (s->is_gone) {
            session_free(s);
            return;
        }
    }
    if (!s->is_told && !s->is_gone) {
        s->is_told = true;
        s->owner.on_output(s->owner.arg);
    }
}

/* ---- Commands ---- */

/* Whether and how the reply is to be seen (CLIENT REPLY). */
static void choose_reply(struct redis_session *s, struct command *c)
{
    if (s->reply_mode == REPLY_SKIP_NEXT) {
        s->reply_mode = REPLY_SKIP_THIS;
    } else if (s->reply_mode == REPLY_SKIP_THIS) {
        s->reply_mode = REPLY_ON;
    }
    task_silence(&c->task, s->reply_mode == REPLY_OFF || s->reply_mode == REPLY_SKIP_THIS);
}

/* The bytes of an inline command are gone with the next one. */
static void copy_args(struct task *t)
{
    struct slice *args = task_memory(t, t->arg_count * sizeof(*args));
    for (size_t i = 0; i < t->arg_count; i++) {
        args[i] = task_copy(t, t->args[i]);
    }
    t->args = args;
}

static bool arity_fits(const struct command_spec *spec, size_t arg_count)
{
    return spec->arity >= 0 ? arg_count == (size_t)spec->arity : arg_count >= (size_t)-spec->arity;
}

/* What Redis checks before it looks at a command's own arguments. */
static enum verdict refuse(struct task *t)
{
    if (t->session->multi != NULL) {
        multi_spoil(t->session);
    }
    return TASK_REPLIED;
}

static enum verdict judge(struct task *t)
{
    struct redis_session *s = t->session;
    const struct command_spec *spec = t->spec;
    if (!arity_fits(spec, t->arg_count)) {
        if (spec->handler == redis_exec) {
            return multi_abort(t);
        }
        (void)task_wrong_arity(t, spec->name);
        return refuse(t);
    }
    if ((spec->flags & FLAG_LOADING) == 0 && router_is_ready(s->router) != ERR_OK) {
        (void)task_error(t, ERR_STARTING, error_text(s, spec, ERR_STARTING));
        return refuse(t);
    }
    if (s->multi != NULL && (spec->flags & FLAG_NOW) == 0) {
        multi_queue(t);
        return TASK_REPLIED;
    }
    session_refresh_table(s);
    if (s->table_id == 0 && (spec->flags & (FLAG_READ | FLAG_WRITE)) != 0) {
        return task_error(t, ERR_NOT_FOUND, "ERR the selected table does not exist any more");
    }
    return spec->handler(t);
}

/* True: all earlier commands come first. */
static bool must_wait(const struct redis_session *s, const struct command_spec *spec)
{
    if (s->multi != NULL && (spec->flags & FLAG_NOW) == 0) {
        return false; /* it will be queued */
    }
    const bool is_read = (spec->flags & FLAG_READ) != 0;
    return (spec->flags & FLAG_ALONE) != 0 || (is_read && s->call_count >= s->read_window);
}

/* False: not now. */
static bool dispatch(struct redis_session *s, struct slice raw)
{
    const struct command_spec *spec = command_find(&s->loop->command_index, s->parser.args[0]);
    if (s->command_count > 0 && must_wait(s, spec)) {
        return false;
    }
    struct command *c = command_new(s, spec);
    struct task *t = &c->task;
    t->args = s->parser.args;
    t->arg_count = s->parser.arg_count;
    s->last_spec = spec;
    c->raw = raw;
    c->chunk = chunk_hold(s->chunk);
    if (s->parser.is_copied) {
        copy_args(t);
    }
    const enum reply_mode mode = s->reply_mode;
    choose_reply(s, c);
    const enum verdict verdict = judge(t);
    if (verdict == TASK_WAITS) {
        s->reply_mode = mode;
    }
    command_start(c, verdict);
    return verdict != TASK_WAITS;
}

static void protocol_error(struct redis_session *s, const char *error)
{
    struct command *c = command_new(s, command_find(&s->loop->command_index, SLICE("")));
    char text[256];
    c->raw = slice_of(NULL, 0);
    c->is_silent = false;
    (void)snprintf(text, sizeof(text), "ERR %s", error);
    s->is_ending = true;
    command_start(c, task_error(&c->task, ERR_INVALID, text));
}

/* ---- Input ---- */

static bool may_take(const struct redis_session *s)
{
    return !s->is_waiting && !s->is_occupied && !s->is_ending &&
           s->command_count < REDIS_CALLS_MAX && s->call_count < REDIS_CALLS_MAX &&
           s->out.size < REDIS_OUT_HIGH;
}

size_t redis_input(struct redis_session *s, struct chunk *chunk, const uint8_t *data, size_t size)
{
    size_t used = 0;
    s->chunk = chunk;
    s->wanted = 0;
    s->input_ns = s->context->now_ns == NULL ? 0 : s->context->now_ns();
    s->active_ms = router_now_ms(s->router);
    while (used < size && may_take(s)) {
        const enum resp_status status = resp_parse(&s->parser, data + used, size - used);
        if (status == RESP_MORE) {
            s->wanted = s->parser.wanted;
            if (s->parser.wanted > REDIS_COMMAND_MAX) {
                protocol_error(s, "Protocol error: the command is too large");
            }
            break;
        }
        if (status == RESP_BROKEN) {
            protocol_error(s, s->parser.error);
            break;
        }
        if (s->parser.arg_count > 0 && !dispatch(s, slice_of(data + used, s->parser.consumed))) {
            s->is_waiting = true;
            break;
        }
        used += s->parser.consumed;
    }
    s->chunk = NULL;
    return s->is_ending ? size : used;
}

size_t redis_wanted(const struct redis_session *s)
{
    return s->wanted;
}

bool redis_is_full(const struct redis_session *s)
{
    return !may_take(s);
}

bool redis_is_awaiting(const struct redis_session *s)
{
    return s->order.away > 0 && s->out.size < REDIS_HOLD_MAX;
}

struct buf *redis_out(struct redis_session *s)
{
    if (s->is_drowned) {
        buf_deinit(&s->out);
    }
    return &s->out;
}

/* Idle connections are many: they keep no large buffers. */
static void give_back(struct buf *b)
{
    if (b->size == 0 && b->capacity > IDLE_BYTES_MAX) {
        buf_deinit(b);
    }
}

void redis_turn_done(struct redis_session *s)
{
    s->is_told = false;
    give_back(&s->out);
    give_back(&s->aside);
}

bool redis_is_closing(const struct redis_session *s)
{
    return s->is_ending && s->command_count == 0;
}

void redis_wake(struct redis_session *s)
{
    struct task *sleeper = s->sleeper;
    if (sleeper == NULL) {
        return;
    }
    s->sleeper = NULL;
    resp_simple(task_reply(sleeper), "OK");
    task_finish(sleeper);
}

void redis_input_end(struct redis_session *s)
{
    s->is_ending = true;
    if (s->command_count == 0) {
        session_advance(s);
    }
}

void redis_facts(const struct redis_session *s, struct connection_facts *out)
{
    const uint64_t now_ms = router_now_ms(s->router);
    *out = (struct connection_facts){
        .id = s->owner.id,
        .peer = s->owner.peer,
        .protocol = "resp",
        .is_tls = s->owner.is_tls,
        .opened_ms = s->opened_ms,
        .idle_ms = now_ms > s->active_ms ? now_ms - s->active_ms : 0,
        .db = s->db,
        .resp_version = s->version,
    };
    memcpy(out->name, s->name, sizeof(s->name));
    const char *last = s->last_spec == NULL ? "NULL" : s->last_spec->name;
    (void)snprintf(out->last_command, sizeof(out->last_command), "%s", last);
}
