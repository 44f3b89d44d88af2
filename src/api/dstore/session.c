/* session.c - lines in flight, and their replies in order.
 *
 *   line ─► command at the end of the queue ─► answered at once
 *                                          └► a put ─► router ─► on_put
 *   the first commands of the queue, as far as they are answered ─► out
 *
 * One node is always the leader: it says so from the moment it can serve, and refuses like a
 * follower before. */
#include "api/dstore/dstore.h"
#include "api/dstore/line.h"
#include "api/dstore/payload.h"
#include "api/http_err.h"
#include "api/log_id.h"
#include "api/operations.h"
#include "base/check.h"
#include "base/mem.h"
#include "wire/json.h"

#define TABLE "log"

struct command {
    struct command *next; /* in the session's queue */
    struct dstore_session *session;
    struct call call;
    struct operation_stats *stats; /* may be NULL */
    uint64_t started_ns;
    const char *name;
    struct buf reply; /* with the end of its line; empty: ACK */
    size_t bytes_used;
    bool is_done;
    uint8_t bytes[]; /* what `call` refers to */
};

struct dstore_session {
    struct loop_context *context;
    struct dstore_owner owner;
    struct call_order order;
    struct command *head;
    struct command **tail;
    size_t count;
    size_t bytes;   /* of the commands */
    size_t scanned; /* of the unfinished line: no end in there */
    struct buf out;
    struct arena arena; /* of one line */
    bool is_told;
    bool is_ending; /* takes no more lines */
    bool is_gone;
};

struct dstore_session *dstore_open(struct loop_context *context, const struct dstore_owner *owner)
{
    struct dstore_session *s = mem_zero(1, sizeof(*s));
    s->context = context;
    s->owner = *owner;
    s->tail = &s->head;
    return s;
}

static void free_session(struct dstore_session *s)
{
    buf_deinit(&s->out);
    arena_deinit(&s->arena);
    mem_free(s);
}

static void tell(struct dstore_session *s)
{
    if (!s->is_told && !s->is_gone) {
        s->is_told = true;
        s->owner.on_output(s->owner.arg);
    }
}

static uint64_t now_ns(const struct dstore_session *s)
{
    return s->context->now_ns == NULL ? 0 : s->context->now_ns();
}

/* ---- Commands ---- */

static struct command *command_new(struct dstore_session *s, const struct dstore_line *line,
                                   size_t bytes)
{
    struct command *c = mem_alloc(sizeof(*c) + bytes);
    const char *name = dstore_command_name(line->command);
    *c = (struct command){.session = s,
                          .stats = operation_find(&s->context->stats[DIALECT_DSTORE], name),
                          .started_ns = now_ns(s),
                          .name = name};
    *s->tail = c;
    s->tail = &c->next;
    s->count++;
    return c;
}

static struct slice keep(struct command *c, struct slice bytes)
{
    uint8_t *copy = c->bytes + c->bytes_used;
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    c->bytes_used += bytes.size;
    return slice_of(copy, bytes.size);
}

static void measure(const struct command *c)
{
    const struct loop_context *context = c->session->context;
    const uint64_t now = now_ns(c->session);
    const uint64_t us = now > c->started_ns ? (now - c->started_ns) / 1000 : 0;
    if (c->stats != NULL) {
        histogram_add(&c->stats->latency_us, us);
    }
    if (us >= context->slow_us) {
        log_warn(context->facts->log, "dstore", "slow request", F_TEXT("operation", c->name),
                 F_U64("us", us));
    }
}

/* Moves the replies that are next into `out`. */
static void flush(struct dstore_session *s)
{
    while (s->head != NULL && s->head->is_done) {
        struct command *c = s->head;
        s->head = c->next;
        s->tail = s->head == NULL ? &s->head : s->tail;
        s->count--;
        s->bytes -= c->bytes_used;
        measure(c);
        if (c->reply.size == 0 && !s->is_gone) {
            buf_append_text(&s->out, "ACK\n");
        } else if (!s->is_gone) {
            buf_append_slice(&s->out, buf_slice(&c->reply));
        }
        buf_deinit(&c->reply);
        mem_free(c);
    }
    tell(s);
}

static void count_error(const struct command *c, enum err e)
{
    if (c->stats != NULL) {
        metric_add(&c->stats->errors[e], 1);
    }
}

/* How an error is said. */
enum form {
    FORM_ACK,  /* behind ACK, in base64 */
    FORM_BARE, /* in base64 alone */
    FORM_FINAL /* as FORM_ACK; trying again would not help */
};

static void reply_error(struct command *c, enum form form, enum err e, const char *text)
{
    struct buf plain = {0};
    count_error(c, e);
    if (form == FORM_FINAL) {
        buf_append_text(&plain, "0:");
    }
    buf_append_text(&plain, text);
    buf_append_text(&c->reply, form == FORM_BARE ? "" : "ACK ");
    base64_to(&c->reply, buf_slice(&plain));
    buf_append_byte(&c->reply, '\n');
    buf_deinit(&plain);
}

/* As who does not lead. */
static void reply_follower(struct command *c, enum err e)
{
    count_error(c, e);
    buf_append_byte(&c->reply, '\n');
}

/* ---- Puts ---- */

static void fail_put(struct command *c, enum err e, const char *text)
{
    if (e == ERR_STARTING) {
        reply_follower(c, e);
    } else {
        reply_error(c, FORM_ACK, e, text);
    }
}

static void on_put(struct call *call)
{
    struct command *c = container_of(call, struct command, call);
    struct dstore_session *s = c->session;
    const enum err e = call->result.err;
    if (e != ERR_OK) {
        fail_put(c, e, http_err_text(e));
    }
    c->is_done = true;
    flush(s);
    if (s->is_gone && s->head == NULL) {
        free_session(s);
    }
}

/* What is to be put. Errors: ERR_STARTING, ERR_NOT_FOUND, ERR_INVALID. */
static enum err read_put(struct dstore_session *s, const struct dstore_line *line, struct op *op,
                         struct err_why *why)
{
    struct router *r = s->context->router;
    const bool is_hedge = line->command == DSTORE_PUT;
    const struct table *t = router_table(r, SLICE(TABLE));
    struct payload payload;
    enum err e = router_is_ready(r);
    if (e != ERR_OK) {
        return e;
    }
    if (t == NULL) {
        return err_set(why, ERR_NOT_FOUND, "%s", http_err_text(ERR_NOT_FOUND));
    }
    e = payload_read(line->payload, is_hedge ? "hedge" : "dstore", is_hedge, &s->arena, &payload,
                     why);
    if (e != ERR_OK) {
        return e;
    }
    *op = (struct op){.kind = OP_LOG_APPEND,
                      .table = t->id,
                      .key = payload.key,
                      .value = payload.value,
                      .author = slice_of_text(s->context->facts->node_name)};
    op->flags = line->replaces ? OP_LOG_REPLACE : 0; /* always the same id, or always another */
    op->id = line->replaces ? SLICE("-") : version_id(router_random(r), &s->arena, op);
    return ERR_OK;
}

static void put(struct dstore_session *s, const struct dstore_line *line)
{
    struct op op = {0};
    struct err_why why = {0};
    const enum err e = read_put(s, line, &op, &why);
    struct command *c = command_new(s, line, op.key.size + op.value.size + op.id.size);
    if (e != ERR_OK) {
        fail_put(c, e, why.text);
        c->is_done = true;
        return;
    }
    op.key = keep(c, op.key);
    op.value = keep(c, op.value);
    op.id = keep(c, op.id);
    s->bytes += c->bytes_used;
    c->call = (struct call){.op = op, .done = on_put, .order = &s->order};
    router_call(s->context->router, &c->call);
}

/* ---- Lines ---- */

static void confirm(struct dstore_session *s, const struct dstore_line *line)
{
    struct command *c = command_new(s, line, 0);
    const enum err e = router_is_ready(s->context->router);
    if (e != ERR_OK) {
        reply_follower(c, e);
        s->is_ending = line->command == DSTORE_LEADER;
    }
    c->is_done = true;
}

/* The members, in base64: the caller alone. We are none of them, who would be sent messages; and
 * callers break on anything that is no object. */
static void greet(struct dstore_session *s, const struct dstore_line *line)
{
    struct buf members = {0};
    if (line->payload.size > DSTORE_ID_MAX) {
        s->is_ending = true; /* as for any line that is no command */
        return;
    }
    struct command *c = command_new(s, line, 0);
    buf_append_byte(&members, '{');
    json_string_to(&members, line->payload, JSON_HTML);
    buf_append_text(&members, ":{}}");
    base64_to(&c->reply, buf_slice(&members));
    buf_append_byte(&c->reply, '\n');
    buf_deinit(&members);
    c->is_done = true;
}

static void refuse(struct dstore_session *s, const struct dstore_line *line, enum form form)
{
    struct command *c = command_new(s, line, 0);
    reply_error(c, form, ERR_UNIMPLEMENTED, "hedge: not supported");
    c->is_done = true;
}

static void carry_out(struct dstore_session *s, const struct dstore_line *line)
{
    switch (line->command) {
    case DSTORE_LEADER:
    case DSTORE_LDR:
        confirm(s, line);
        return;
    case DSTORE_WRITE:
        put(s, line);
        s->is_ending = true;
        return;
    case DSTORE_PUT:
        put(s, line);
        return;
    case DSTORE_HEY:
        command_new(s, line, 0)->is_done = true;
        s->is_ending = true;
        return;
    case DSTORE_HELLO:
        greet(s, line);
        return;
    case DSTORE_SND:
    case DSTORE_ALL:
        refuse(s, line, FORM_BARE);
        return;
    case DSTORE_MEM:
    case DSTORE_SEM:
    case DSTORE_SER:
        refuse(s, line, FORM_ACK);
        return;
    case DSTORE_SEA:
        refuse(s, line, FORM_FINAL);
        return;
    case DSTORE_NONE: /* closed without a reply */
    case DSTORE_COMMAND_COUNT:
        s->is_ending = true;
        return;
    }
}

static size_t line_max(const struct dstore_session *s)
{
    return 2 * router_value_max(s->context->router) + DSTORE_LINE_EXTRA;
}

/* A line that is longer than any may be; what of it there is. */
static void refuse_long(struct dstore_session *s, struct slice begin)
{
    const struct dstore_line line = dstore_line_read(slice_of(begin.data, 8)); /* its command */
    if (line.command == DSTORE_WRITE || line.command == DSTORE_PUT) {
        struct command *c = command_new(s, &line, 0);
        reply_error(c, FORM_ACK, ERR_TOO_LARGE, "the line is too long");
        c->is_done = true;
    }
    s->is_ending = true;
}

/* Takes the next line of `data`; returns its bytes, 0: it is not whole. */
static size_t take_line(struct dstore_session *s, struct slice data)
{
    CHECK(s->scanned <= data.size);
    const uint8_t *end = memchr(data.data + s->scanned, '\n', data.size - s->scanned);
    const size_t size = end == NULL ? data.size : (size_t)(end - data.data);
    if (size > line_max(s)) {
        refuse_long(s, data);
        return data.size;
    }
    s->scanned = end == NULL ? size : 0;
    if (end == NULL) {
        return 0;
    }
    const struct dstore_line line = dstore_line_read(slice_of(data.data, size));
    carry_out(s, &line);
    arena_reset(&s->arena);
    return size + 1;
}

size_t dstore_input(struct dstore_session *s, const uint8_t *data, size_t size)
{
    size_t used = 0;
    size_t taken = 1;
    while (used < size && taken > 0 && !s->is_ending && !dstore_is_full(s)) {
        taken = take_line(s, slice_of(data + used, size - used));
        used += taken;
    }
    flush(s);
    return s->is_ending ? size : used;
}

bool dstore_is_full(const struct dstore_session *s)
{
    return s->count >= DSTORE_LINES_MAX || s->bytes >= DSTORE_BYTES_MAX ||
           s->out.size >= DSTORE_OUT_HIGH;
}

struct buf *dstore_out(struct dstore_session *s)
{
    return &s->out;
}

void dstore_turn_done(struct dstore_session *s)
{
    s->is_told = false;
}

bool dstore_is_closing(const struct dstore_session *s)
{
    return s->is_ending && s->head == NULL;
}

void dstore_input_end(struct dstore_session *s)
{
    s->is_ending = true;
    tell(s);
}

void dstore_close(struct dstore_session **session)
{
    struct dstore_session *s = *session;
    *session = NULL;
    if (s == NULL) {
        return;
    }
    s->is_gone = true;
    s->is_ending = true;
    flush(s);
    if (s->head == NULL) {
        free_session(s);
    }
}
