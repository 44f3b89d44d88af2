/* Answers of any size: records of a range, members of a set, versions of a log.
 *
 *   source_next ─► on_page ─► one message ─► the client takes it? ─ yes ─► source_next
 *                                                └ no ─► on_stream_writable ─► source_next
 *
 * So memory holds one page and what the socket has not taken, however long the list. */
#include "api/native/grpc/calls.h"
#include "api/native/grpc/pages.h"
#include "base/check.h"

#define PAGE_BYTES ((size_t)64 << 10)

/* In the exchange's arena. */
struct stream {
    struct grpc_call *g;
    struct op op; /* what is asked for; `limit` counts for the whole */
    struct source *source;
    struct source_page page;
    struct buf last; /* key of the last row */
    uint64_t rows;   /* delivered, or counted */
    bool is_paging;
    bool is_stalled;
};

static void next_page(struct stream *s);

static void release(struct stream *s)
{
    source_close(&s->source);
    buf_deinit(&s->last);
    s->g->user = NULL;
}

static void fail(struct stream *s, enum err e)
{
    struct grpc_call *g = s->g;
    release(s);
    call_fail(g, e, NULL, NULL);
}

static bool is_count(const struct stream *s)
{
    return (s->op.flags & OP_COUNT_ONLY) != 0;
}

static void send_rows(struct stream *s, const struct row *rows, size_t count, bool is_more)
{
    const struct result result = {.rows = rows,
                                  .row_count = count,
                                  .count = is_count(s) ? s->rows : count,
                                  .is_more = is_more,
                                  .value = buf_slice(&s->last)};
    const struct answering a = {
        .op = &s->op, .result = &result, .now_ms = router_now_ms(grpc_context(s->g)->router)};
    page_to(grpc_message(s->g), &a);
    grpc_send_message(s->g);
}

static void take_page(struct stream *s, const struct source_page *p)
{
    const uint64_t room = s->op.limit == 0 ? UINT64_MAX : s->op.limit - s->rows;
    const bool is_more = p->row_count > room;
    const size_t count = is_more ? (size_t)room : p->row_count;
    const bool is_last = is_more || p->is_end;
    struct grpc_call *g = s->g;
    s->rows += count;
    if (is_count(s) ? is_last : count > 0 || is_more) {
        send_rows(s, p->rows, is_count(s) ? 0 : count, is_more);
    }
    if (is_last) {
        release(s);
        grpc_finish(g, GRPC_OK, (struct slice){0});
        return;
    }
    if (count > 0) {
        buf_clear(&s->last);
        buf_append_slice(&s->last, p->rows[count - 1].key);
    }
    if (grpc_waiting(g) >= HTTP_STREAM_HIGH) {
        s->is_stalled = true;
        return;
    }
    next_page(s);
}

static void on_page(struct source_page *p)
{
    struct stream *s = p->arg;
    struct grpc_call *g = s->g;
    s->is_paging = false;
    if (g->is_aborted) {
        release(s);
        grpc_done(g);
    } else if (p->err != ERR_OK) {
        fail(s, p->err);
    } else if (g->deadline_ns != 0 && router_now_ns(grpc_context(g)->router) > g->deadline_ns) {
        fail(s, ERR_TIMEOUT);
    } else {
        take_page(s, p);
    }
}

static void next_page(struct stream *s)
{
    CHECK(!s->is_paging);
    s->is_paging = true;
    s->page = (struct source_page){.bytes_max = PAGE_BYTES, .done = on_page, .arg = s};
    source_next(s->source, &s->page);
}

static struct source_config config_of(const struct op *op)
{
    struct source_config c = {.table = op->table,
                              /* One row beyond the limit tells whether there is more. */
                              .limit =
                                  op->limit == 0 || op->limit == UINT64_MAX ? 0 : op->limit + 1};
    if (op->kind == OP_RANGE) {
        c.kind = SOURCE_RANGE;
        c.from = op->key;
        c.to = op->other;
        c.is_after = (op->flags & OP_AFTER) != 0;
        c.is_reverse = (op->flags & OP_REVERSE) != 0;
        c.keys_only = (op->flags & (OP_KEYS_ONLY | OP_COUNT_ONLY)) != 0;
    } else if (op->kind == OP_SET_RANGE_MEMBERS) {
        c.kind = SOURCE_MEMBERS;
        c.key = op->key;
        c.from = op->other;
        c.is_after = (op->flags & OP_AFTER) != 0;
    } else {
        CHECK(op->kind == OP_LOG_RANGE);
        c.kind = SOURCE_LOG;
        c.key = op->key;
        c.below = (uint64_t)op->number;
    }
    return c;
}

void on_stream(struct grpc_call *g, const ProtobufCMessage *message)
{
    struct stream *s = arena_zero(g->x->arena, sizeof(*s));
    struct translation t = translation_of(g);
    enum read_level level;
    struct err_why why;
    s->g = g;
    t.may_span = true;
    const enum err e =
        form_read(form_of(method_number(g->method)), &t, message, &s->op, &level, &why);
    if (e != ERR_OK) {
        call_fail(g, e, why.text, NULL);
        return;
    }
    const struct source_config config = config_of(&s->op);
    g->user = s;
    s->source = source_open(t.router, &config);
    next_page(s);
}

void on_stream_writable(struct grpc_call *g)
{
    struct stream *s = g->user;
    if (s != NULL && s->is_stalled) {
        s->is_stalled = false;
        next_page(s);
    }
}

void on_stream_abort(struct grpc_call *g)
{
    struct stream *s = g->user;
    if (s != NULL && s->is_paging) {
        return; /* its end sees this */
    }
    if (s != NULL) {
        release(s);
    }
    grpc_done(g);
}
