/* source.c - answers of unknown size: pages pulled from shards and merged in order.
 *
 * A strand is what comes from one shard: a page of rows, kept here, and where the next
 * page begins. The rows given out are the least of all strands' first rows, until some
 * strand runs dry; then that one is asked for its next page.
 *
 * A strand of a snapshot first asks for something small: when that is answered, the writes before
 * it are published, and the view that is pinned then has them. */
#include "base/check.h"
#include "base/mem.h"
#include "base/planted.h"
#include "router/router_private.h"

#define PAGE_LEAST ((size_t)4 << 10) /* bytes asked of one shard */

struct strand {
    struct source *source;
    struct call call;
    struct shard_view *view; /* of a snapshot, from its first page to its last */
    struct arena arena;      /* of the page */
    const struct row *rows;
    size_t count;
    size_t next;
    struct buf edge; /* last key given out, where the next page goes on */
    uint64_t below;  /* logs: last version given out */
    uint32_t shard;
    bool has_edge;
    bool is_end;
};

struct source {
    struct router *router;
    struct source_config config;
    struct arena arena; /* of the config's bytes */
    struct strand *strands;
    size_t strand_count;
    struct strand **heap; /* [strand_count]; see heap_build() */
    size_t heap_count;
    size_t waiting; /* calls under way */
    struct source_page *page;
    struct loop_task task;
    struct row *rows; /* of the page */
    size_t row_capacity;
    uint64_t given;
    enum err err;
    bool is_closed;
};

static bool is_merged(const struct source *s)
{
    return s->config.kind == SOURCE_RANGE;
}

static const struct table *table_of(const struct source *s)
{
    return catalogue_by_id(s->router->catalogue, s->config.table);
}

static void add_strands(struct source *s)
{
    const struct table *t = table_of(s);
    const bool is_all = is_merged(s) && t != NULL && t->options.partition == PARTITION_KEY;
    s->strand_count = is_all ? router_shards(s->router) : 1;
    s->strands = mem_zero(s->strand_count, sizeof(*s->strands));
    s->heap = mem_zero(s->strand_count, sizeof(struct strand *));
    for (size_t i = 0; i < s->strand_count; i++) {
        struct strand *d = &s->strands[i];
        d->source = s;
        d->below = s->config.below;
        if (is_all) {
            d->shard = (uint32_t)i;
        } else if (s->config.kind == SOURCE_SHARD) {
            d->shard = s->config.shard;
        } else if (t != NULL) {
            d->shard = router_shard_of(s->router, t, s->config.key);
        }
    }
}

struct source *source_open(struct router *r, const struct source_config *config)
{
    struct source *s = mem_zero(1, sizeof(*s));
    s->router = r;
    s->config = *config;
    s->config.key = arena_copy(&s->arena, config->key);
    s->config.from = arena_copy(&s->arena, config->from);
    if (config->to.data != NULL) {
        s->config.to = arena_copy(&s->arena, config->to);
    }
    add_strands(s);
    return s;
}

static void close_views(struct source *s)
{
    for (size_t i = 0; i < s->strand_count; i++) {
        shard_view_close(&s->strands[i].view);
    }
}

static void free_source(struct source *s)
{
    close_views(s);
    for (size_t i = 0; i < s->strand_count; i++) {
        arena_deinit(&s->strands[i].arena);
        buf_deinit(&s->strands[i].edge);
    }
    arena_deinit(&s->arena);
    mem_free(s->heap);
    mem_free(s->strands);
    mem_free(s->rows);
    mem_free(s);
}

/* What to ask for next. A range goes on behind its edge: the least key above it, or below it. */
static void fill_op(struct strand *d, uint64_t limit)
{
    const struct source_config *c = &d->source->config;
    struct op *op = &d->call.op;
    *op = (struct op){.table = c->table, .limit = limit};
    op->flags = (uint16_t)((c->is_reverse ? OP_REVERSE : 0) | (c->keys_only ? OP_KEYS_ONLY : 0));
    switch (c->kind) {
    case SOURCE_RANGE:
    case SOURCE_SHARD:
        op->kind = OP_RANGE;
        op->key = c->from;
        op->other = c->to;
        op->flags |= c->is_after ? OP_AFTER : 0;
        if (d->has_edge && c->is_reverse) {
            op->other = buf_slice(&d->edge);
        } else if (d->has_edge) {
            op->key = buf_slice(&d->edge);
            op->flags |= OP_AFTER;
        }
        return;
    case SOURCE_MEMBERS:
        op->kind = OP_SET_RANGE_MEMBERS;
        op->key = c->key;
        op->other = d->has_edge ? buf_slice(&d->edge) : c->from;
        op->flags |= d->has_edge || c->is_after ? OP_AFTER : 0;
        return;
    case SOURCE_LOG:
        op->kind = OP_LOG_RANGE;
        op->key = c->key;
        op->number = (int64_t)d->below;
        return;
    }
}

static void give(struct source *s);

static void end_answer(struct source *s)
{
    if (--s->waiting == 0) {
        give(s);
    }
}

static void on_page(struct call *c)
{
    struct strand *d = container_of(c, struct strand, call);
    struct source *s = d->source;
    const bool is_collection = s->config.kind == SOURCE_MEMBERS || s->config.kind == SOURCE_LOG;
    if (c->result.err == ERR_NOT_FOUND && is_collection) { /* one that does not exist is empty */
        d->is_end = true;
    } else if (c->result.err != ERR_OK) {
        s->err = c->result.err;
    } else {
        result_keep(&c->result, &d->arena);
        d->rows = c->result.rows;
        d->count = c->result.row_count;
        d->is_end = !c->result.is_more;
    }
    if (d->is_end) {
        shard_view_close(&d->view);
    }
    end_answer(s);
}

static uint64_t limit_left(const struct source *s)
{
    return s->config.limit == 0 ? 0 : s->config.limit - s->given;
}

static void send(struct strand *d, call_fn done)
{
    struct source *s = d->source;
    d->call.done = done;
    d->call.order = s->config.order;
    d->call.view = planted("newer-pages") ? NULL : d->view;
    const struct table *t = table_of(s);
    if (t == NULL || !atomic_load(&s->router->node->is_ready)) {
        router_call(s->router, &d->call); /* is refused, in its own time */
        return;
    }
    router_send_counted(s->router, &d->call, d->shard + 1, t->options.engine == TABLE_MEMORY);
}

static void ask_rows(struct strand *d)
{
    arena_reset(&d->arena);
    d->rows = NULL;
    d->count = 0;
    d->next = 0;
    fill_op(d, limit_left(d->source));
    send(d, on_page);
}

/* What was written before is published. */
static void on_reached(struct call *c)
{
    struct strand *d = container_of(c, struct strand, call);
    struct source *s = d->source;
    enum err e = c->result.err;
    if (e == ERR_OK && s->is_closed) {
        e = ERR_CANCELED;
    }
    if (e == ERR_OK) {
        e = shard_view_open(s->router->host, d->shard + 1, c->work.is_memory, &d->view);
    }
    if (e != ERR_OK) {
        s->err = e;
        end_answer(s);
        return;
    }
    ask_rows(d);
}

static void ask(struct strand *d, size_t bytes)
{
    struct source *s = d->source;
    d->call.budget_bytes = bytes;
    s->waiting++;
    if (!s->config.is_snapshot || d->view != NULL) {
        ask_rows(d);
        return;
    }
    d->call.op = (struct op){.kind = OP_COUNT, .table = s->config.table};
    send(d, on_reached);
}

/* ---- Strands with rows as a heap: that whose first row comes next is at its top ---- */

static bool comes_before(const struct source *s, const struct strand *a, const struct strand *b)
{
    const int order = slice_compare(a->rows[a->next].key, b->rows[b->next].key);
    return s->config.is_reverse ? order > 0 : order < 0;
}

static void heap_sink(struct source *s, size_t at)
{
    struct strand *d = s->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= s->heap_count) {
            break;
        }
        if (child + 1 < s->heap_count && comes_before(s, s->heap[child + 1], s->heap[child])) {
            child++;
        }
        if (!comes_before(s, s->heap[child], d)) {
            break;
        }
        s->heap[at] = s->heap[child];
        at = child;
    }
    s->heap[at] = d;
}

static void heap_build(struct source *s)
{
    s->heap_count = 0;
    for (size_t i = 0; i < s->strand_count; i++) {
        if (s->strands[i].next < s->strands[i].count) {
            s->heap[s->heap_count++] = &s->strands[i];
        }
    }
    for (size_t i = s->heap_count / 2; i > 0; i--) {
        heap_sink(s, i - 1);
    }
}

/* The first row of the top has been taken. */
static void heap_advance(struct source *s)
{
    const struct strand *top = s->heap[0];
    if (top->next == top->count) {
        s->heap[0] = s->heap[--s->heap_count];
    }
    if (s->heap_count > 0) {
        heap_sink(s, 0);
    }
}

static bool is_dry(const struct source *s)
{
    for (size_t i = 0; i < s->strand_count; i++) {
        const struct strand *d = &s->strands[i];
        if (d->next == d->count && !d->is_end) {
            return true;
        }
    }
    return false;
}

static size_t row_bytes(const struct row *r)
{
    return sizeof(*r) + r->key.size + r->value.size + r->author.size;
}

static void take_row(struct source *s, struct strand *d)
{
    const struct row *r = &d->rows[d->next++];
    struct source_page *p = s->page;
    if (p->row_count == s->row_capacity) {
        s->row_capacity = s->row_capacity == 0 ? 64 : s->row_capacity * 2;
        s->rows = mem_resize(s->rows, s->row_capacity * sizeof(*s->rows));
    }
    s->rows[p->row_count++] = *r;
    buf_clear(&d->edge);
    buf_append_slice(&d->edge, r->key);
    d->has_edge = true;
    d->below = r->mod_revision;
    s->given++;
}

static void end_page(struct source *s)
{
    struct source_page *p = s->page;
    s->page = NULL;
    p->rows = s->rows;
    p->err = s->is_closed ? ERR_CANCELED : s->err;
    p->is_end = p->err != ERR_OK || p->is_end;
    if (p->is_end) {
        close_views(s);
    }
    const bool is_closed = s->is_closed;
    p->done(p);
    if (is_closed) {
        free_source(s);
    }
}

/* Every strand asked has answered: merges what there is. */
static void give(struct source *s)
{
    struct source_page *p = s->page;
    bool dry = is_dry(s);
    size_t bytes = 0;
    heap_build(s);
    while (s->err == ERR_OK && (bytes < p->bytes_max || bytes == 0) && !dry && s->heap_count > 0 &&
           (s->config.limit == 0 || s->given < s->config.limit)) {
        struct strand *d = s->heap[0];
        bytes += row_bytes(&d->rows[d->next]);
        take_row(s, d);
        dry = d->next == d->count && !d->is_end;
        heap_advance(s);
    }
    p->is_end = p->is_end || (s->config.limit != 0 && s->given == s->config.limit) ||
                (!dry && s->heap_count == 0);
    end_page(s);
}

static void on_next(void *arg)
{
    struct source *s = arg;
    size_t dry = 0;
    for (size_t i = 0; i < s->strand_count; i++) {
        dry += s->strands[i].next == s->strands[i].count && !s->strands[i].is_end ? 1 : 0;
        if (s->strands[i].view != NULL) {
            shard_view_touch(s->strands[i].view);
        }
    }
    if (s->is_closed || s->err != ERR_OK || dry == 0) {
        give(s);
        return;
    }
    size_t bytes = s->page->bytes_max / s->strand_count;
    bytes = bytes < PAGE_LEAST ? PAGE_LEAST : bytes;
    s->waiting = 1; /* so that an answer within the loop does not end the page */
    for (size_t i = 0; i < s->strand_count; i++) {
        if (s->strands[i].next == s->strands[i].count && !s->strands[i].is_end) {
            ask(&s->strands[i], bytes);
        }
    }
    s->waiting--;
    CHECK(s->waiting > 0);
}

void source_next(struct source *s, struct source_page *page)
{
    CHECK(s->page == NULL);
    CHECK(!s->is_closed);
    page->rows = NULL;
    page->row_count = 0;
    page->is_end = false;
    page->err = ERR_OK;
    s->page = page;
    s->task.call = on_next;
    s->task.arg = s;
    loop_defer(s->router->loop, &s->task);
}

void source_close(struct source **source)
{
    struct source *s = *source;
    *source = NULL;
    if (s == NULL) {
        return;
    }
    if (s->page == NULL) {
        free_source(s);
    } else {
        s->is_closed = true;
    }
}

void source_forget(struct source **source)
{
    struct source *s = *source;
    *source = NULL;
    if (s != NULL) {
        free_source(s);
    }
}
