/* task.c - commands in flight.
 *
 * Commands wait in one queue per session, in the order in which they came. The first one's reply is
 * written straight into `out`; those behind it write into a buffer of their own, which is moved
 * when their turn comes. */
#include <stdio.h>

#include "api/redis/session.h"
#include "base/check.h"

#define FREE_COMMANDS_MAX 8192                /* kept per loop */
#define FREE_PARTS_MAX    16384               /* kept per loop */
#define ASIDE_MAX         ((size_t)256 << 10) /* bytes; then a command uses a buffer of its own */
#define BUF_KEPT_MAX      ((size_t)8192)      /* bytes of a buffer that a free command keeps */

/* A piece of task_memory() that does not fit into the command. */
struct block {
    struct block *next;
    _Alignas(8) uint8_t bytes[];
};

/* ---- Making and freeing ---- */

static void keep_small(struct buf *b)
{
    if (b->capacity > BUF_KEPT_MAX) {
        buf_deinit(b);
    }
    buf_clear(b);
}

static struct command *take_command(struct redis_loop *l)
{
    struct command *c = l->free_commands;
    if (c == NULL) {
        return mem_zero(1, sizeof(*c));
    }
    l->free_commands = c->next;
    l->free_command_count--;
    return c;
}

static void give_command(struct redis_loop *l, struct command *c)
{
    while (c->blocks != NULL) {
        struct block *block = c->blocks;
        c->blocks = block->next;
        mem_free(block);
    }
    if (l->free_command_count >= FREE_COMMANDS_MAX) {
        buf_deinit(&c->reply);
        buf_deinit(&c->pieces);
        mem_free(c);
        return;
    }
    keep_small(&c->reply);
    keep_small(&c->pieces);
    c->next = l->free_commands;
    l->free_commands = c;
    l->free_command_count++;
}

static struct part *take_part(struct redis_loop *l)
{
    struct part *p = l->free_parts;
    if (p == NULL) {
        return mem_zero(1, sizeof(*p));
    }
    l->free_parts = p->next;
    l->free_part_count--;
    return p;
}

static void give_parts(struct redis_loop *l, struct command *c)
{
    for (struct part *p = c->parts, *next = NULL; p != NULL; p = next) {
        next = p->next;
        if (l->free_part_count >= FREE_PARTS_MAX) {
            mem_free(p);
            continue;
        }
        p->next = l->free_parts;
        l->free_parts = p;
        l->free_part_count++;
    }
    c->parts = NULL;
}

static void task_init(struct task *t, struct redis_session *s, const struct command_spec *spec)
{
    *t = (struct task){.session = s, .spec = spec};
}

struct command *command_new(struct redis_session *s, const struct command_spec *spec)
{
    struct command *c = take_command(s->loop);
    task_init(&c->task, s, spec);
    c->next = NULL;
    c->chunk = NULL;
    c->is_done = false;
    c->is_silent = false;
    c->is_aside = false;
    c->parts = NULL;
    c->parts_tail = &c->parts;
    c->part_count = 0;
    c->waiting = 0;
    c->room_used = 0;
    c->started_ns = s->input_ns;
    c->task.out = s->head == NULL ? &s->out : &c->reply;
    *s->tail = c;
    s->tail = &c->next;
    s->command_count++;
    return c;
}

static struct command *command_of(struct task *t)
{
    CHECK(t->exec == NULL);
    return container_of(t, struct command, task);
}

void commands_free(struct redis_loop *l)
{
    for (struct command *c = l->free_commands, *next = NULL; c != NULL; c = next) {
        next = c->next;
        buf_deinit(&c->reply);
        buf_deinit(&c->pieces);
        mem_free(c);
    }
    for (struct part *p = l->free_parts, *next = NULL; p != NULL; p = next) {
        next = p->next;
        mem_free(p);
    }
    l->free_commands = NULL;
    l->free_parts = NULL;
}

/* ---- Ops ---- */

static struct op *exec_op(struct task *t)
{
    struct exec *x = t->exec;
    if (x->op_count == x->op_capacity) {
        x->op_capacity = x->op_capacity == 0 ? 16 : x->op_capacity * 2;
        x->ops = mem_resize(x->ops, x->op_capacity * sizeof(*x->ops));
    }
    t->op_count++;
    return &x->ops[x->op_count++];
}

struct op *task_op(struct task *t, enum op_kind kind, struct slice key)
{
    struct op *op = t->exec == NULL ? &command_of(t)->call.op : exec_op(t);
    *op = (struct op){.kind = (uint8_t)kind, .table = t->session->table_id, .key = key};
    return op;
}

struct op *task_part(struct task *t, enum op_kind kind, struct slice key)
{
    struct op *op = NULL;
    if (t->exec == NULL) {
        struct command *c = command_of(t);
        struct part *p = take_part(t->session->loop);
        p->command = c;
        p->next = NULL;
        p->index = c->part_count++;
        p->piece_size = 0;
        *c->parts_tail = p;
        c->parts_tail = &p->next;
        op = &p->call.op;
    } else {
        op = exec_op(t);
    }
    *op = (struct op){.kind = (uint8_t)kind, .table = t->session->table_id, .key = key};
    return op;
}

void *task_memory(struct task *t, size_t size)
{
    if (t->exec != NULL) {
        return arena_get(&t->exec->arena, size);
    }
    struct command *c = command_of(t);
    const size_t rounded = (size + 7) & ~(size_t)7;
    if (rounded <= COMMAND_ROOM - c->room_used) {
        void *memory = c->room + c->room_used;
        c->room_used += rounded;
        return memory;
    }
    struct block *block = mem_alloc(sizeof(*block) + size);
    block->next = c->blocks;
    c->blocks = block;
    return block->bytes;
}

struct slice task_copy(struct task *t, struct slice bytes)
{
    uint8_t *copy = task_memory(t, bytes.size);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return slice_of(copy, bytes.size);
}

const struct slice *task_items(struct task *t, size_t first, size_t count)
{
    CHECK(first + count <= t->arg_count);
    struct slice *items = task_memory(t, count * sizeof(*items));
    memcpy(items, t->args + first, count * sizeof(*items));
    return items;
}

bool task_is_first(const struct task *t)
{
    return t->exec != NULL || &t->session->head->task == t;
}

bool task_is_split(const struct task *t, const struct slice *keys, size_t count, size_t step)
{
    const struct redis_session *s = t->session;
    const struct table *table = router_table_by_id(s->router, s->table_id);
    if (table == NULL) {
        return false;
    }
    const uint32_t first = router_shard_of(s->router, table, keys[0]);
    for (size_t i = step; i < count; i += step) {
        if (router_shard_of(s->router, table, keys[i]) != first) {
            return true;
        }
    }
    return false;
}

/* ---- Replies of handlers ---- */

enum verdict task_error(struct task *t, enum err err, const char *text)
{
    t->err = err;
    resp_error(t->out, text);
    return TASK_REPLIED;
}

enum verdict task_errorf(struct task *t, enum err err, const char *fmt, ...)
{
    char text[512];
    va_list list;
    va_start(list, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, list);
    va_end(list);
    return task_error(t, err, text);
}

enum verdict task_syntax_error(struct task *t)
{
    return task_error(t, ERR_INVALID, "ERR syntax error");
}

enum verdict task_wrong_arity(struct task *t, const char *name)
{
    return task_errorf(t, ERR_INVALID, "ERR wrong number of arguments for '%s' command", name);
}

enum verdict task_ok(struct task *t)
{
    resp_simple(t->out, "OK");
    return TASK_REPLIED;
}

/* ---- Errors of results ---- */

void task_fail(struct task *t, struct buf *out, enum err err)
{
    task_fail_text(t, out, err, error_text(t->session, t->spec, err));
}

void task_fail_text(struct task *t, struct buf *out, enum err err, const char *text)
{
    t->err = err;
    resp_error(out, text);
}

bool task_note(struct task *t, const struct result *result)
{
    if (result->err == ERR_OK || result->err == ERR_NOT_FOUND) {
        t->succeeded++;
        return true;
    }
    if (t->failure == ERR_OK) {
        t->failure = result->err;
    }
    return false;
}

bool task_failed(struct task *t, struct buf *out)
{
    if (t->failure == ERR_OK) {
        return false;
    }
    const bool is_write = (t->spec->flags & FLAG_WRITE) != 0;
    task_fail(t, out, is_write && t->succeeded > 0 ? ERR_UNKNOWN_OUTCOME : t->failure);
    return true;
}

/* Operations that make a missing key, or never speak of one. */
#define OP_BIT(kind) (UINT64_C(1) << (kind))
#define MAKING                                                                                     \
    (OP_BIT(OP_PUT) | OP_BIT(OP_APPEND) | OP_BIT(OP_SET_RANGE) | OP_BIT(OP_BIT_SET) |              \
     OP_BIT(OP_BIT_FIELD) | OP_BIT(OP_BIT_OP) | OP_BIT(OP_ADD) | OP_BIT(OP_ADD_FLOAT) |            \
     OP_BIT(OP_SET_ADD) | OP_BIT(OP_SET_STORE) | OP_BIT(OP_TXN))

_Static_assert(OP_KIND_COUNT <= 64, "a set of operations is one word");

const struct result *result_checked(const struct op *op, const struct result *result)
{
    static const struct result unavailable = {.err = ERR_UNAVAILABLE};
    const bool is_making = (MAKING >> op->kind & 1) != 0;
    return result->err == ERR_NOT_FOUND && is_making ? &unavailable : result;
}

/* ---- The end of a command ---- */

static void count_stats(const struct command *c, uint64_t now_ns)
{
    const struct redis_session *s = c->task.session;
    struct dialect_stats *stats = &s->context->stats[DIALECT_REDIS];
    size_t count = 0;
    const size_t index = (size_t)(c->task.spec - command_specs(&count));
    const uint64_t duration_ns = now_ns > c->started_ns ? now_ns - c->started_ns : 0;
    histogram_add(&stats->operations[index].latency_us, duration_ns / 1000);
    if (c->task.err != ERR_OK) {
        metric_add(&stats->operations[index].errors[c->task.err], 1);
    }
    if (duration_ns / 1000 >= s->context->slow_us && (c->task.spec->flags & FLAG_NO_SLOWLOG) == 0) {
        slow_log_add(&s->loop->slow_log, c, duration_ns / 1000);
    }
}

static void release(struct command *c)
{
    struct redis_session *s = c->task.session;
    give_parts(s->loop, c);
    chunk_release(c->chunk);
    give_command(s->loop, c);
}

/* Moves the reply of a command that had to wait for its turn. */
static void take_reply(struct redis_session *s, struct command *c)
{
    buf_append(&s->out, c->reply.data, c->reply.size);
    s->held_bytes -= c->reply.size;
    if (!c->is_aside) {
        return;
    }
    buf_append(&s->out, s->aside.data + c->aside_at, c->aside_size);
    if (--s->aside_count == 0) {
        buf_clear(&s->aside);
    }
}

/* Takes what is answered off the front of the queue. */
static void flush(struct redis_session *s)
{
    if (!s->is_told && s->context->now_ns != NULL) {
        s->now_ns = s->context->now_ns();
    }
    while (s->head != NULL && s->head->is_done) {
        struct command *c = s->head;
        take_reply(s, c);
        count_stats(c, s->now_ns);
        s->head = c->next;
        if (s->head == NULL) {
            s->tail = &s->head;
        }
        s->command_count--;
        release(c);
    }
}

/* More than is kept for one client came at once, and it cannot be told. */
static void drown(struct redis_session *s)
{
    if (!s->is_drowned) {
        log_warn(s->context->facts->log, "redis", "a client was cut off: its answers are too large",
                 F_TEXT("peer", s->owner.peer), F_U64("limit_bytes", REDIS_OUT_MAX));
    }
    s->is_drowned = true;
    s->is_ending = true;
}

static void command_end(struct command *c)
{
    struct redis_session *s = c->task.session;
    c->is_done = true;
    s->held_bytes += c->reply.size;
    if (s->out.size + s->aside.size + s->held_bytes > REDIS_OUT_MAX) {
        drown(s);
    }
    if (c == s->head) {
        flush(s);
    }
    session_advance(s);
}

/* Where the reply goes: straight out if it is this command's turn. */
static struct buf *reply_of(struct command *c)
{
    struct redis_session *s = c->task.session;
    if (c->is_silent || s->is_gone || s->is_drowned) {
        buf_clear(&s->loop->discarded);
        return &s->loop->discarded;
    }
    return c == s->head ? &s->out : &c->reply;
}

struct buf *task_reply(struct task *t)
{
    return reply_of(command_of(t));
}

void task_silence(struct task *t, bool is_silent)
{
    if (t->exec == NULL) {
        command_of(t)->is_silent = is_silent;
        t->out = task_reply(t);
    }
}

void task_finish(struct task *t)
{
    t->session->is_occupied = false;
    command_end(command_of(t));
}

/* ---- Calls ---- */

/* The same, but most replies that must wait for their turn lie side by side in one buffer, which is
 * warm, and not in one per command. `reply_ends()` says that it is written. */
static struct buf *reply_begins(struct command *c)
{
    struct redis_session *s = c->task.session;
    struct buf *out = reply_of(c);
    if (out == &c->reply && s->aside.size < ASIDE_MAX) {
        c->is_aside = true;
        c->aside_at = s->aside.size;
        return &s->aside;
    }
    return out;
}

static void reply_ends(struct command *c)
{
    struct redis_session *s = c->task.session;
    if (c->is_aside) {
        c->aside_size = s->aside.size - c->aside_at;
        s->aside_count++;
    }
}

/* Learns how large answers are, for read_window(). */
static void note_answer(struct redis_session *s, size_t size)
{
    s->answer_max = size > s->answer_max ? size : s->answer_max;
}

/* Nobody reads the reply any more: then encoders see this, which costs nothing to write. */
static const struct result withdrawn = {.err = ERR_CANCELED};

static const struct result *result_of(const struct redis_session *s, const struct call *call)
{
    return s->is_gone || s->is_drowned ? &withdrawn : result_checked(&call->op, &call->result);
}

static void on_call_done(struct call *call)
{
    struct command *c = container_of(call, struct command, call);
    struct task *t = &c->task;
    const struct result *result = result_of(t->session, call);
    t->session->call_count--;
    if (t->finish == NULL) {
        struct buf *out = reply_begins(c);
        const size_t before = out->size;
        t->encode(t, out, result);
        note_answer(t->session, out->size - before);
    } else {
        t->encode(t, &c->pieces, result);
        struct buf *out = reply_begins(c);
        t->finish(t, out);
        if (t->err == ERR_OK) {
            buf_append(out, c->pieces.data, c->pieces.size);
        }
    }
    reply_ends(c);
    command_end(c);
}

/* Pieces lie in the order in which the parts were done; replies have the order of the keys. */
static void assemble(struct command *c)
{
    struct buf *out = reply_begins(c);
    c->task.finish(&c->task, out);
    if (c->task.err != ERR_OK) {
        return;
    }
    for (const struct part *p = c->parts; p != NULL; p = p->next) {
        if (p->piece_size > 0) {
            buf_append(out, c->pieces.data + p->piece_at, p->piece_size);
        }
    }
}

static void on_part_done(struct call *call)
{
    struct part *p = container_of(call, struct part, call);
    struct command *c = p->command;
    c->task.session->call_count--;
    c->task.index = p->index;
    p->piece_at = c->pieces.size;
    c->task.encode(&c->task, &c->pieces, result_of(c->task.session, call));
    p->piece_size = c->pieces.size - p->piece_at;
    note_answer(c->task.session, p->piece_size);
    if (--c->waiting > 0) {
        return;
    }
    assemble(c);
    reply_ends(c);
    command_end(c);
}

static void prepare_call(struct redis_session *s, struct call *call, call_fn done)
{
    call->done = done;
    call->arg = NULL;
    call->order = &s->order;
    call->deadline_ns = 0;
    call->budget_bytes = 0;
    call->level = READ_LINEARIZABLE;
    s->call_count++;
}

void command_call(struct command *c)
{
    struct redis_session *s = c->task.session;
    prepare_call(s, &c->call, on_call_done);
    router_call(s->router, &c->call);
}

static void start_parts(struct command *c)
{
    struct redis_session *s = c->task.session;
    struct call **calls = task_memory(&c->task, c->part_count * sizeof(struct call *));
    c->waiting = c->part_count;
    for (struct part *p = c->parts; p != NULL; p = p->next) {
        prepare_call(s, &p->call, on_part_done);
        calls[p->index] = &p->call;
    }
    if ((c->task.spec->flags & FLAG_SPLITS) != 0) {
        router_call_many(s->router, calls, c->part_count);
        return;
    }
    for (uint32_t i = 0; i < c->part_count; i++) {
        router_call(s->router, calls[i]);
    }
}

void command_start(struct command *c, enum verdict verdict)
{
    switch (verdict) {
    case TASK_CALLS:
        if (c->part_count > 0) {
            start_parts(c);
        } else {
            command_call(c);
        }
        return;
    case TASK_REPLIED:
        command_end(c);
        return;
    case TASK_LATER:
        c->task.session->is_occupied = true;
        return;
    case TASK_WAITS:
        command_undo(c);
        return;
    }
}

void command_undo(struct command *c)
{
    struct redis_session *s = c->task.session;
    struct command **at = &s->head;
    while (*at != c) {
        at = &(*at)->next;
    }
    CHECK(c->next == NULL);
    *at = NULL;
    s->tail = at;
    s->command_count--;
    release(c);
}
