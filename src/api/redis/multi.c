/* multi.c - MULTI, EXEC and WATCH.
 *
 * Between MULTI and EXEC arguments are copied and nothing else; EXEC runs the handlers of all
 * commands, so that their ops gather in one OP_TXN, and their encoders over its results. What WATCH
 * saw goes with it as comparisons: a key's revision is what it was, or the txn does nothing. */
#include "api/redis/session.h"
#include "base/check.h"

#define MULTI_SMALL ((size_t)64 << 10) /* bytes of a transaction that is always taken */

struct queued {
    const struct command_spec *spec;
    const struct slice *args; /* in the arena */
    size_t arg_count;
};

struct multi {
    struct arena arena;
    struct queued *queued; /* owned */
    size_t count;
    size_t capacity;
    size_t counted;   /* of the arena, in loop_context.held_bytes */
    bool is_spoiled;  /* a command was refused: so is EXEC */
    bool wants_alone; /* one of the commands does */
};

/* ---- Queueing ---- */

enum verdict redis_multi(struct task *t)
{
    struct redis_session *s = t->session;
    if (s->multi != NULL) {
        return task_error(t, ERR_INVALID, "ERR MULTI calls can not be nested");
    }
    s->multi = mem_zero(1, sizeof(*s->multi));
    return task_ok(t);
}

void multi_spoil(struct redis_session *s)
{
    s->multi->is_spoiled = true;
}

void multi_drop(struct redis_session *s)
{
    struct multi *m = s->multi;
    if (m == NULL) {
        return;
    }
    s->context->held_bytes -= m->counted;
    arena_deinit(&m->arena);
    mem_free(m->queued);
    mem_free(m);
    s->multi = NULL;
}

static struct queued *queue_place(struct multi *m)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity == 0 ? 8 : m->capacity * 2;
        m->queued = mem_resize(m->queued, m->capacity * sizeof(*m->queued));
    }
    return &m->queued[m->count++];
}

/* Commands on all keys of the table belong into a transaction only where these lie in its shard.
 * False: they do not, the error is written. FLUSHALL is about sixteen tables. */
static bool keys_are_whole(struct task *t)
{
    const struct redis_session *s = t->session;
    const bool is_whole = t->spec->handler == redis_flushall ? router_shards(s->router) == 1
                                                             : session_table_is_whole(s);
    if ((t->spec->flags & FLAG_WHOLE) == 0 || is_whole) {
        return true;
    }
    (void)task_errorf(t, ERR_CROSS_SHARD,
                      "CROSSSLOT '%s' inside MULTI needs all keys in one shard: a data directory "
                      "made with --shards 1, or a table with partition=table",
                      t->spec->name);
    return false;
}

/* For itself, or with what the handlers of the loop keep for all clients. */
static bool is_too_large(const struct redis_session *s)
{
    const struct multi *m = s->multi;
    return m->count >= REDIS_MULTI_MAX || m->arena.used_bytes >= REDIS_MULTI_BYTES ||
           (m->arena.used_bytes > MULTI_SMALL && s->context->held_bytes > HELD_MAX);
}

void multi_queue(struct task *t)
{
    struct multi *m = t->session->multi;
    if ((t->spec->flags & FLAG_NO_MULTI) != 0) {
        m->is_spoiled = true;
        (void)task_error(t, ERR_INVALID, "ERR Command not allowed inside a transaction");
        return;
    }
    session_refresh_table(t->session);
    if (!keys_are_whole(t)) {
        m->is_spoiled = true;
        return;
    }
    if (is_too_large(t->session)) {
        m->is_spoiled = true;
        (void)task_error(t, ERR_TOO_LARGE, "ERR the transaction is too large");
        return;
    }
    struct slice *args = arena_get(&m->arena, t->arg_count * sizeof(*args));
    for (size_t i = 0; i < t->arg_count; i++) {
        args[i] = arena_copy(&m->arena, t->args[i]);
    }
    *queue_place(m) = (struct queued){t->spec, args, t->arg_count};
    t->session->context->held_bytes += m->arena.used_bytes - m->counted;
    m->counted = m->arena.used_bytes;
    m->wants_alone = m->wants_alone || (t->spec->flags & FLAG_ALONE) != 0;
    resp_simple(t->out, "QUEUED");
}

enum verdict multi_abort(struct task *t)
{
    multi_drop(t->session);
    watch_drop(t->session);
    return task_error(t, ERR_INVALID,
                      "EXECABORT Transaction discarded because of: wrong number of arguments for "
                      "'exec' command");
}

enum verdict redis_discard(struct task *t)
{
    struct redis_session *s = t->session;
    if (s->multi == NULL) {
        return task_error(t, ERR_INVALID, "ERR DISCARD without MULTI");
    }
    multi_drop(s);
    watch_drop(s);
    return task_ok(t);
}

/* ---- WATCH ---- */

void watch_drop(struct redis_session *s)
{
    while (s->watches != NULL) {
        struct watch *w = s->watches;
        s->watches = w->next;
        /* While its read is under way, the command that asked holds it, too. */
        if (w->is_waiting) {
            w->is_dropped = true;
        } else {
            mem_free(w);
        }
    }
    s->watch_count = 0;
    s->watch_bytes = 0;
}

static void note_watch(struct watch *w, const struct result *result)
{
    w->is_waiting = false;
    if (w->is_dropped) {
        mem_free(w);
        return;
    }
    w->revision = result->err == ERR_OK ? result->mod_revision : 0;
    if (result->err != ERR_OK && result->err != ERR_NOT_FOUND) {
        w->err = result->err;
    }
}

static void encode_watch(struct task *t, struct buf *out, const struct result *result)
{
    struct watch **watches = t->state;
    (void)out;
    (void)task_note(t, result);
    t->session->watch_waiting--;
    note_watch(watches[t->index], result);
}

/* All that is watched then, in keys and in bytes. */
static bool watch_is_too_much(const struct task *t)
{
    const struct redis_session *s = t->session;
    size_t bytes = s->watch_bytes;
    for (size_t i = 1; i < t->arg_count; i++) {
        bytes += t->args[i].size;
    }
    return s->watch_count + t->arg_count - 1 > REDIS_WATCH_MAX || bytes > REDIS_WATCH_BYTES;
}

enum verdict redis_watch(struct task *t)
{
    struct redis_session *s = t->session;
    const size_t count = t->arg_count - 1;
    if (s->multi != NULL) {
        return task_error(t, ERR_INVALID, "ERR WATCH inside MULTI is not allowed");
    }
    session_refresh_table(s);
    if (watch_is_too_much(t)) {
        return task_error(t, ERR_TOO_LARGE, "ERR too many keys are watched");
    }
    struct watch **watches = task_memory(t, count * sizeof(struct watch *));
    for (size_t i = 0; i < count; i++) {
        const struct slice key = t->args[i + 1];
        struct watch *w = mem_zero(1, sizeof(*w) + key.size);
        *w = (struct watch){
            .next = s->watches, .table = s->table_id, .is_waiting = true, .size = key.size};
        memcpy(w->key, key.data, key.size);
        s->watches = w;
        s->watch_bytes += key.size;
        watches[i] = w;
        task_part(t, OP_STAT, key)->flags = OP_NO_TOUCH;
    }
    s->watch_count += (uint32_t)count;
    s->watch_waiting += (uint32_t)count;
    t->state = watches;
    t->encode = encode_watch;
    t->finish = finish_ok;
    return TASK_CALLS;
}

enum verdict redis_unwatch(struct task *t)
{
    watch_drop(t->session);
    return task_ok(t);
}

/* ---- EXEC ---- */

static void exec_free(struct exec *x)
{
    arena_deinit(&x->arena);
    mem_free(x->tasks);
    mem_free(x->ops);
    buf_deinit(&x->replies);
    buf_deinit(&x->pieces);
    mem_free(x);
}

/* Runs the handler of one queued command. */
static void exec_task(struct redis_session *s, struct exec *x, const struct queued *q)
{
    struct task *t = &x->tasks[x->task_count++];
    *t = (struct task){.session = s,
                       .spec = q->spec,
                       .args = q->args,
                       .arg_count = q->arg_count,
                       .out = &x->replies,
                       .exec = x,
                       .first_op = (uint32_t)x->op_count,
                       .reply_at = x->replies.size};
    session_refresh_table(s);
    if (s->table_id == 0 && (q->spec->flags & (FLAG_READ | FLAG_WRITE)) != 0) {
        (void)task_error(t, ERR_NOT_FOUND, "ERR the selected table does not exist any more");
    } else if (keys_are_whole(t)) { /* SELECT may have come between */
        const enum verdict verdict = q->spec->handler(t);
        CHECK(verdict == TASK_CALLS || verdict == TASK_REPLIED);
    }
    if (t->op_count > 0) {
        x->has_memory = x->has_memory || s->table_is_memory;
        x->has_disk = x->has_disk || !s->table_is_memory;
    }
    t->reply_size = x->replies.size - t->reply_at;
}

static struct exec *exec_new(struct redis_session *s)
{
    struct multi *m = s->multi;
    struct exec *x = mem_zero(1, sizeof(*x));
    x->arena = m->arena; /* the arguments live on */
    m->arena = (struct arena){0};
    x->tasks = mem_zero(m->count + 1, sizeof(*x->tasks));
    return x;
}

/* Adds what WATCH saw. False: a key has changed for certain, with its whole table. */
static bool exec_compare(struct redis_session *s, struct exec *x)
{
    x->compares = arena_get(&x->arena, (s->watch_count + 1) * sizeof(*x->compares));
    for (const struct watch *w = s->watches; w != NULL; w = w->next) {
        if (router_table_by_id(s->router, w->table) == NULL) {
            if (w->revision != 0) {
                return false;
            }
            continue;
        }
        x->compares[x->compare_count++] = (struct compare){
            .target = COMPARE_MOD_REVISION,
            .relation = COMPARE_EQUAL,
            .table = w->table,
            .key = arena_copy(&x->arena, slice_of(w->key, w->size)),
            .number = w->revision,
        };
    }
    return true;
}

static void write_task(struct task *t, struct buf *out, const struct result *results)
{
    struct exec *x = t->exec;
    if (t->op_count == 0) {
        if (t->reply_size > 0) {
            buf_append(out, x->replies.data + t->reply_at, t->reply_size);
        }
        return;
    }
    if (t->finish == NULL) {
        t->encode(t, out, result_checked(&x->ops[t->first_op], &results[t->first_op]));
        return;
    }
    buf_clear(&x->pieces);
    for (t->index = 0; t->index < t->op_count; t->index++) {
        const uint32_t i = t->first_op + t->index;
        t->encode(t, &x->pieces, result_checked(&x->ops[i], &results[i]));
    }
    t->finish(t, out);
    if (t->err == ERR_OK) {
        buf_append(out, x->pieces.data, x->pieces.size);
    }
}

static void write_tasks(struct exec *x, struct buf *out, const struct result *results)
{
    const size_t begin = out->size;
    resp_array(out, x->task_count);
    for (size_t i = 0; i < x->task_count; i++) {
        if (out->size - begin > REDIS_PIECES_MAX) {
            resp_error(out, "ERR the answers of the transaction exceed the maximum allowed size");
        } else {
            write_task(&x->tasks[i], out, results);
        }
    }
}

static void encode_exec(struct task *t, struct buf *out, const struct result *result)
{
    struct exec *x = t->state;
    if (result->err != ERR_OK) {
        task_fail(t, out, result->err);
    } else if (!result->succeeded) {
        resp_null_array(out, t->session->version);
    } else {
        CHECK(result->result_count == x->op_count);
        write_tasks(x, out, result->results);
    }
    exec_free(x);
}

static enum verdict exec_send(struct task *t, struct exec *x)
{
    const bool has_ops = x->op_count > 0;
    struct op *op = task_op(t, OP_TXN, has_ops ? x->ops[0].key : x->compares[0].key);
    op->table = has_ops ? x->ops[0].table : x->compares[0].table;
    op->ops = x->ops;
    op->op_count = (uint32_t)x->op_count;
    op->compares = x->compares;
    op->compare_count = x->compare_count;
    t->state = x;
    t->encode = encode_exec;
    return TASK_CALLS;
}

static enum err watch_err(const struct redis_session *s)
{
    for (const struct watch *w = s->watches; w != NULL; w = w->next) {
        if (w->err != ERR_OK) {
            return w->err;
        }
    }
    return ERR_OK;
}

/* The queued commands are carried out, now or with the one call. */
static enum verdict exec_run(struct task *t)
{
    struct redis_session *s = t->session;
    const enum err err = watch_err(s);
    if (err != ERR_OK) {
        return task_error(t, err, error_text(s, t->spec, err));
    }
    struct exec *x = exec_new(s);
    if (!exec_compare(s, x)) { /* before the commands: one may be UNWATCH */
        resp_null_array(t->out, s->version);
        exec_free(x);
        return TASK_REPLIED;
    }
    for (size_t i = 0; i < s->multi->count; i++) {
        exec_task(s, x, &s->multi->queued[i]);
    }
    if (x->has_memory && x->has_disk) {
        (void)task_error(t, ERR_CROSS_SHARD,
                         "CROSSSLOT a memory table and a disk table have no shard in common");
    } else if (x->op_count > 0 || x->compare_count > 0) {
        return exec_send(t, x);
    } else {
        write_tasks(x, t->out, NULL);
    }
    exec_free(x);
    return TASK_REPLIED;
}

enum verdict redis_exec(struct task *t)
{
    struct redis_session *s = t->session;
    if (s->multi == NULL) {
        return task_error(t, ERR_INVALID, "ERR EXEC without MULTI");
    }
    if ((s->watch_waiting > 0 || s->multi->wants_alone) && !task_is_first(t)) {
        return TASK_WAITS;
    }
    enum verdict verdict = TASK_REPLIED;
    if (s->multi->is_spoiled) {
        (void)task_error(t, ERR_INVALID,
                         "EXECABORT Transaction discarded because of previous errors.");
    } else {
        verdict = exec_run(t);
    }
    multi_drop(s);
    watch_drop(s);
    return verdict;
}
