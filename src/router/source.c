/* source.c - answers of unknown size: pages pulled from shards and merged in order.
 *
 * A strand is what comes from one shard: a page of rows, and where the next page begins. A source
 * of one strand hands on what it gets. Of several the rows are kept here, and those given out are
 * the least of all strands' first rows, until some strand runs dry; then that one is asked for its
 * next page.
 *
 * Of a limit each shard is asked for little more than its share, since the shards have about equal
 * parts of most ranges. Where one has more it runs dry before the page has its rows. It is then
 * asked for all of them, from where this page began, and the page is merged anew: so a page never
 * has two states of one shard.
 *
 * A strand of a snapshot first asks for something small: when that is answered, the writes before
 * it are published, and the view that is pinned then has them. */
#include "base/check.h"
#include "base/mem.h"
#include "base/planted.h"
#include "router/router_private.h"

#define PAGE_LEAST ((size_t)4 << 10) /* bytes asked of one shard of several */
#define SHARE_MORE 3                 /* rows asked beyond twice a shard's share */

struct strand {
    struct source *source;
    struct call call;
    struct shard_view *view; /* of a snapshot, from its first page to its last */
    struct buf kept;         /* rows of the page and their bytes, of one strand of several */
    const struct row *rows;
    size_t count;
    size_t first; /* row with which the source's page begins */
    size_t next;
    uint64_t asked;  /* rows at most; 0: no limit */
    struct buf edge; /* last key given out before `rows`: they lie behind it */
    uint64_t below;  /* logs: last version given out */
    uint32_t shard;
    bool has_edge;
    bool is_end;
};

struct source {
    struct router *router;
    struct source_config config;
    uint8_t *bytes;       /* of the config */
    struct strand **heap; /* [strand_count] of several; see heap_build() */
    size_t heap_count;
    size_t waiting; /* calls under way */
    struct source_page *page;
    struct loop_task task;
    struct row *rows; /* of the page */
    size_t row_capacity;
    uint64_t given; /* before this page */
    enum err err;
    bool is_closed;
    size_t strand_count;
    struct strand strands[];
};

/* Copies the bytes of the config. */
static void keep_config(struct source *s, const struct source_config *config)
{
    const size_t to_size = config->to.data == NULL ? 0 : config->to.size;
    uint8_t *to = s->bytes = mem_alloc(config->key.size + config->from.size + to_size + 1);
    s->config = *config;
    s->config.key.data = to;
    to = slice_put(to, config->key);
    s->config.from.data = to;
    to = slice_put(to, config->from);
    if (config->to.data != NULL) {
        s->config.to.data = to;
        (void)slice_put(to, config->to);
    }
}

static const struct table *table_of(const struct router *r, const struct source_config *config)
{
    return catalogue_by_id(r->catalogue, config->table);
}

static uint32_t first_shard(const struct router *r, const struct source_config *config)
{
    const struct table *t = table_of(r, config);
    if (config->kind == SOURCE_SHARD || t == NULL) {
        return config->kind == SOURCE_SHARD ? config->shard : 0;
    }
    return router_shard_of(r, t, config->key);
}

struct source *source_open(struct router *r, const struct source_config *config)
{
    const struct table *t = table_of(r, config);
    const bool is_all =
        config->kind == SOURCE_RANGE && t != NULL && t->options.partition == PARTITION_KEY;
    const size_t count = is_all ? router_shards(r) : 1;
    struct source *s = mem_zero(1, sizeof(*s) + count * sizeof(struct strand));
    s->router = r;
    keep_config(s, config);
    s->strand_count = count;
    s->heap = count > 1 ? mem_alloc(count * sizeof(struct strand *)) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct strand *d = &s->strands[i];
        d->source = s;
        d->below = config->below;
        d->shard = is_all ? (uint32_t)i : first_shard(r, config);
    }
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
        buf_deinit(&s->strands[i].kept);
        buf_deinit(&s->strands[i].edge);
    }
    mem_free(s->bytes);
    mem_free(s->heap);
    mem_free(s->rows);
    mem_free(s);
}

/* The last row given out is where the next page goes on. */
static void keep_edge(struct strand *d)
{
    const struct row *last = &d->rows[d->next - 1];
    buf_clear(&d->edge);
    buf_append_slice(&d->edge, last->key);
    d->has_edge = true;
    d->below = last->mod_revision;
}

/* What to ask for next. A range goes on behind its edge: the least key above it, or below it. */
static void fill_op(struct strand *d)
{
    const struct source_config *c = &d->source->config;
    struct op *op = &d->call.op;
    *op = (struct op){.table = c->table, .limit = d->asked};
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

/* The rows outlive the call. */
static void keep_rows(struct strand *d)
{
    buf_clear(&d->kept);
    d->rows = rows_copy(buf_reserve(&d->kept, rows_size(d->rows, d->count)), d->rows, d->count);
}

static void on_page(struct call *c)
{
    struct strand *d = container_of(c, struct strand, call);
    struct source *s = d->source;
    const struct result *r = &c->result;
    const bool is_collection = s->config.kind == SOURCE_MEMBERS || s->config.kind == SOURCE_LOG;
    if (r->err == ERR_NOT_FOUND && is_collection) { /* one that does not exist is empty */
        d->is_end = true;
    } else if (r->err != ERR_OK) {
        s->err = r->err;
    } else {
        d->rows = r->rows;
        d->count = r->row_count;
        d->is_end = !r->is_more;
        CHECK(d->is_end || d->count > 0); /* so every page gets on */
    }
    if (s->strand_count > 1) {
        keep_rows(d);
        if (d->is_end) {
            shard_view_close(&d->view);
        }
    }
    end_answer(s);
}

static void send(struct strand *d, call_fn done)
{
    struct source *s = d->source;
    d->call.done = done;
    d->call.order = s->config.order;
    d->call.view = planted("newer-pages") ? NULL : d->view;
    const struct table *t = table_of(s->router, &s->config);
    if (t == NULL || !atomic_load(&s->router->node->is_ready)) {
        router_call(s->router, &d->call); /* is refused, in its own time */
        return;
    }
    router_send_counted(s->router, &d->call, d->shard + 1, t->options.engine == TABLE_MEMORY);
}

static void ask_rows(struct strand *d)
{
    if (d->next > 0) {
        keep_edge(d);
    }
    d->rows = NULL;
    d->count = 0;
    d->first = 0;
    d->next = 0;
    fill_op(d);
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

/* Asks for up to `limit` rows; 0: no limit. */
static void ask(struct strand *d, uint64_t limit)
{
    struct source *s = d->source;
    const size_t bytes = s->page->bytes_max / s->strand_count;
    const size_t least = s->strand_count > 1 ? PAGE_LEAST : 1;
    d->call.budget_bytes = bytes < least ? least : bytes;
    d->asked = limit;
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

/* It has no rows left, and there may be more. */
static bool is_dry(const struct strand *d)
{
    return d->next == d->count && !d->is_end;
}

static size_t row_bytes(const struct row *r)
{
    return sizeof(*r) + r->key.size + r->value.size + r->author.size;
}

static void take_row(struct source *s, struct strand *d)
{
    struct source_page *p = s->page;
    if (p->row_count == s->row_capacity) {
        s->row_capacity = s->row_capacity == 0 ? 64 : s->row_capacity * 2;
        s->rows = mem_resize(s->rows, s->row_capacity * sizeof(*s->rows));
    }
    s->rows[p->row_count++] = d->rows[d->next++];
}

/* Of the limit, before this page. */
static uint64_t limit_left(const struct source *s)
{
    return s->config.limit == 0 ? UINT64_MAX : s->config.limit - s->given;
}

static void end_page(struct source *s)
{
    struct source_page *p = s->page;
    struct shard_view *view = NULL;
    s->page = NULL;
    s->given += p->row_count;
    p->err = s->is_closed ? ERR_CANCELED : s->err;
    p->is_end = p->err != ERR_OK || p->is_end;
    if (p->is_end && s->strand_count == 1) { /* its rows may lie in the view */
        view = s->strands[0].view;
        s->strands[0].view = NULL;
    } else if (p->is_end) {
        close_views(s);
    }
    const bool is_closed = s->is_closed;
    p->done(p);
    shard_view_close(&view);
    if (is_closed) {
        free_source(s);
    }
}

/* The only strand's rows are the page. */
static void hand_on(struct source *s)
{
    struct strand *d = s->strands;
    struct source_page *p = s->page;
    p->rows = d->rows;
    p->row_count = d->count;
    p->is_end = d->is_end || d->count == limit_left(s);
    d->next = d->count;
    if (!p->is_end) {
        keep_edge(d);
    }
    d->rows = NULL;
    d->count = 0;
    d->next = 0;
}

/* The page has `bytes` so far, and shall have no more. */
static bool is_full(const struct source *s, size_t bytes)
{
    return s->page->row_count == limit_left(s) || (bytes > 0 && bytes >= s->page->bytes_max);
}

/* Fills the page with the least rows there are. Returns the strand that has run dry before the page
 * was full, or NULL. */
static struct strand *merge(struct source *s)
{
    size_t bytes = 0;
    heap_build(s);
    while (s->heap_count > 0 && !is_full(s, bytes)) {
        struct strand *d = s->heap[0];
        bytes += row_bytes(&d->rows[d->next]);
        take_row(s, d);
        if (is_dry(d)) {
            return is_full(s, bytes) ? NULL : d;
        }
        heap_advance(s);
    }
    return NULL;
}

/* Its share of the limit was too small. */
static bool is_short(const struct strand *d)
{
    return d->count == d->asked && d->asked < limit_left(d->source);
}

static void begin_anew(struct source *s)
{
    s->page->row_count = 0;
    for (size_t i = 0; i < s->strand_count; i++) {
        s->strands[i].next = s->strands[i].first;
    }
}

/* Every strand asked has answered: makes a page of what there is. */
static void give(struct source *s)
{
    struct source_page *p = s->page;
    if (s->err != ERR_OK || s->is_closed) {
        end_page(s);
        return;
    }
    if (s->strand_count == 1) {
        hand_on(s);
        end_page(s);
        return;
    }
    struct strand *dry = merge(s);
    if (dry != NULL && is_short(dry)) {
        begin_anew(s);
        ask(dry, limit_left(s));
        return;
    }
    p->rows = s->rows;
    p->is_end = p->row_count == limit_left(s) || (dry == NULL && s->heap_count == 0);
    end_page(s);
}

/* What to ask of one shard. */
static uint64_t share_of_limit(const struct source *s)
{
    const uint64_t left = limit_left(s);
    if (s->config.limit == 0) {
        return 0;
    }
    const uint64_t share = left / s->strand_count * 2 + SHARE_MORE;
    return s->strand_count == 1 || share > left ? left : share;
}

static void on_next(void *arg)
{
    struct source *s = arg;
    size_t dry = 0;
    for (size_t i = 0; i < s->strand_count; i++) {
        struct strand *d = &s->strands[i];
        d->first = d->next;
        dry += is_dry(d) ? 1 : 0;
        if (d->view != NULL) {
            shard_view_touch(d->view);
        }
    }
    if (s->is_closed || s->err != ERR_OK || dry == 0 || limit_left(s) == 0) {
        give(s);
        return;
    }
    const uint64_t share = share_of_limit(s);
    s->waiting = 1; /* so that an answer within the loop does not end the page */
    for (size_t i = 0; i < s->strand_count; i++) {
        if (is_dry(&s->strands[i])) {
            ask(&s->strands[i], share);
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
