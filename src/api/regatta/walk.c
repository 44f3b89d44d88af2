/* walk.c - a range page by page.
 *
 *   source_next ─► on_page ─► rows that are wanted ─► a message (streams), or kept for the one
 *        ▲                                                   │
 *        └──────── the client keeps up, or on_writable ◄─────┘
 *
 * What fits into a first small page is of one state without any effort. If there is more it is read
 * again from a state that is pinned, of which there are few.
 *
 * A message of a stream is a page, or part of one whose values are larger than Regatta's may be.
 * `more` of the last one says whether the limit has left anything out, so the page with the first
 * row beyond it is still read. */
#include "api/regatta/walk.h"

#include "base/check.h"

#define PAGE_BYTES       ((size_t)1 << 20)
#define FIRST_PAGE_BYTES ((size_t)128 << 10)

struct walk {
    struct grpc_call *g;
    const Regatta__V1__RangeRequest *q;
    struct source *source;
    struct source_page page;
    struct arena arena; /* of the messages of a page */
    struct pairs pairs;
    uint64_t count; /* in the message */
    uint64_t given; /* altogether */
    uint32_t table;
    bool streams;
    bool is_pinned;
    bool has_more; /* a row that is wanted is beyond the limit, or does not fit */
    bool is_single;
    bool is_paging;
    bool is_stalled; /* waits for on_writable */
};

static void next_page(struct walk *w);
static void open_source(struct walk *w, bool is_pinned);

static void release(struct walk *w)
{
    source_close(&w->source);
    arena_deinit(&w->arena);
    w->g->user = NULL;
}

static void send_message(struct walk *w, bool is_more)
{
    Regatta__V1__ResponseHeader header = regatta_header(grpc_context(w->g), w->table, 0);
    Regatta__V1__RangeResponse reply = REGATTA__V1__RANGE_RESPONSE__INIT;
    reply.header = &header;
    reply.count = (int64_t)w->count;
    reply.more = is_more;
    if (!w->q->count_only) {
        reply.n_kvs = w->pairs.count;
        reply.kvs = w->pairs.list;
    }
    grpc_send(w->g, &reply.base);
    arena_reset(&w->arena);
    w->pairs = (struct pairs){.arena = &w->arena};
    w->count = 0;
}

/* A page's bytes are gone with it, and the only message waits for the others. */
static struct row kept_row(struct walk *w, const struct row *row)
{
    struct row kept = *row;
    if (!w->streams) {
        kept.key = arena_copy(&w->arena, row->key);
        kept.value = arena_copy(&w->arena, row->value);
    }
    return kept;
}

/* False: it is beyond the limit, or does not fit into the only message. */
static bool take(struct walk *w, const struct row *row)
{
    if (w->q->limit > 0 && w->given == (uint64_t)w->q->limit) {
        return false;
    }
    if (!w->q->count_only) {
        const struct row kept = kept_row(w, row);
        if (!pairs_add(&w->pairs, &kept)) { /* other dialects put larger values */
            if (!w->streams) {
                return false;
            }
            send_message(w, true);
            (void)pairs_add(&w->pairs, &kept);
        }
    }
    w->count++;
    w->given++;
    return true;
}

static enum err take_rows(struct walk *w, const struct source_page *p)
{
    const bool has_values = !w->q->keys_only && !w->q->count_only;
    for (size_t i = 0; i < p->row_count && !w->has_more; i++) {
        const struct row *row = &p->rows[i];
        if (w->is_single && !slice_equal(row->key, grpc_slice(w->q->key))) {
            break;
        }
        if (!range_wants(w->q, row->mod_revision, row->create_revision)) {
            continue;
        }
        if (has_values && row->type != TYPE_STRING) {
            return ERR_WRONG_TYPE;
        }
        w->has_more = !take(w, row);
    }
    return ERR_OK;
}

static void fail(struct walk *w, enum err e)
{
    struct grpc_call *g = w->g;
    const Regatta__V1__RangeRequest *q = w->q;
    const uint32_t table = w->table;
    const struct slice name = grpc_slice(q->table);
    const bool is_told = w->streams; /* rows of the old table, perhaps */
    release(w);
    if (e == ERR_NOT_FOUND && !is_told && regatta_is_replaced(grpc_context(g), table, name)) {
        regatta_range(g, &q->base); /* of the table that has the name now */
        return;
    }
    regatta_fail_op(g, e, table, name);
}

static void finish(struct walk *w)
{
    struct grpc_call *g = w->g;
    send_message(w, w->has_more);
    release(w);
    grpc_finish(g, GRPC_OK, (struct slice){0});
}

static void on_page(struct source_page *p)
{
    struct walk *w = p->arg;
    w->is_paging = false;
    if (w->g->is_aborted) {
        struct grpc_call *g = w->g;
        release(w);
        grpc_done(g);
        return;
    }
    if (p->err == ERR_OK && !p->is_end && !w->is_pinned) {
        source_close(&w->source);
        open_source(w, true);
        next_page(w);
        return;
    }
    const enum err e = p->err == ERR_OK ? take_rows(w, p) : p->err;
    if (e != ERR_OK) {
        fail(w, e);
        return;
    }
    if (w->has_more || p->is_end) {
        finish(w);
        return;
    }
    if (w->streams && w->pairs.count > 0) {
        send_message(w, true);
    }
    if (grpc_waiting(w->g) >= HTTP_STREAM_HIGH) {
        w->is_stalled = true;
        return;
    }
    next_page(w);
}

static void next_page(struct walk *w)
{
    CHECK(!w->is_paging);
    w->is_paging = true;
    w->page = (struct source_page){
        .bytes_max = w->is_pinned ? PAGE_BYTES : FIRST_PAGE_BYTES, .done = on_page, .arg = w};
    source_next(w->source, &w->page);
}

void regatta_walk_on_writable(struct grpc_call *g)
{
    struct walk *w = g->user;
    if (w != NULL && w->is_stalled && !g->is_aborted) {
        w->is_stalled = false;
        next_page(w);
    }
}

void regatta_walk_on_abort(struct grpc_call *g)
{
    struct walk *w = g->user;
    if (w == NULL) {
        grpc_done(g);
    } else if (!w->is_paging) {
        release(w);
        grpc_done(g);
    }
}

/* Of the source: one row beyond that of the request tells whether there is more. */
static uint64_t limit_of(const Regatta__V1__RangeRequest *q, const struct extent *extent)
{
    if (extent->is_single) {
        return 1;
    }
    return q->limit == 0 || range_is_filtered(q) ? 0 : (uint64_t)q->limit + 1;
}

static void open_source(struct walk *w, bool is_pinned)
{
    const struct extent extent = extent_of_range(w->q);
    const struct source_config config = {.kind = SOURCE_RANGE,
                                         .table = w->table,
                                         .from = extent.from,
                                         .to = extent.to,
                                         .limit = limit_of(w->q, &extent),
                                         .keys_only = w->q->keys_only || w->q->count_only,
                                         .is_snapshot = is_pinned,
                                         .order = w->g->x->connection_order};
    w->is_pinned = is_pinned;
    w->source = source_open(grpc_context(w->g)->router, &config);
}

void walk_start(struct grpc_call *g, const Regatta__V1__RangeRequest *q, uint32_t table,
                bool streams)
{
    const struct extent extent = extent_of_range(q);
    struct walk *w = arena_zero(g->x->arena, sizeof(*w));
    w->g = g;
    w->q = q;
    w->table = table;
    w->streams = streams;
    w->is_single = extent.is_single;
    w->pairs.arena = &w->arena;
    g->user = w;
    open_source(w, false);
    next_page(w);
}

void regatta_iterate(struct grpc_call *g, const ProtobufCMessage *m)
{
    const Regatta__V1__RangeRequest *q = (const Regatta__V1__RangeRequest *)m;
    const struct table *t = range_check(g, q);
    if (t != NULL) {
        walk_start(g, q, t->id, true);
    }
}
