/* search.c - Search: the ids of the strings that have all terms of a query.
 *
 *   terms ─► count their sets ─► pages of the smallest set ─► in the next set? ... ─► send
 *                                     ▲                                               │
 *                                     └────────── when the client keeps up ◄──────────┘
 *
 * So memory holds the query and one page. A query without terms lists every string. */
#include <stdlib.h>

#include "api/dstash/strings.h"
#include "base/check.h"
#include "proto/google/protobuf/wrappers.pb-c.h"

#define PAGE_BYTES ((size_t)64 << 10) /* of a set, with what the router adds to each member */

struct set {
    struct slice key;
    uint64_t count;
};

/* In the exchange's arena. */
struct search {
    struct dstash_stream stream;
    struct grpc_call *g;
    struct call call; /* one at a time */
    struct set *sets; /* the smallest first, once they are counted */
    struct op *stats;
    size_t set_count;
    uint32_t table;
    struct source *source;
    struct source_page page;
    struct buf documents; /* of the page, as far as they have the terms so far */
    struct buf items;     /* struct slice each, for OP_SET_HAS */
    size_t next_set;
    uint64_t last_id;
    bool has_last; /* an id was sent */
    bool is_calling, is_paging, is_page_last, is_stalled;
};

/* ---- Ids ---- */

static void send_id(struct grpc_call *g, uint64_t id)
{
    Google__Protobuf__UInt64Value value = GOOGLE__PROTOBUF__UINT64_VALUE__INIT;
    value.value = id;
    grpc_send(g, &value.base);
}

/* ---- All strings ---- */

static void send_string(struct dstash_rows *r, const struct row *row)
{
    if (row->key.size != DOCUMENT_BYTES + 1) {
        return;
    }
    const uint64_t id = document_id(document_of(row->key));
    if (!r->has_last || r->last_id != id) {
        send_id(r->g, id);
    }
    r->last_id = id;
    r->has_last = true;
}

static void list_all(struct grpc_call *g, uint32_t table)
{
    const struct source_config config = {.kind = SOURCE_RANGE,
                                         .table = table,
                                         .from = SLICE("s"),
                                         .to = SLICE("t"),
                                         .keys_only = true};
    struct dstash_rows *r = arena_zero(g->x->arena, sizeof(*r));
    r->g = g;
    r->row = send_string;
    dstash_rows_start(r, &config);
}

/* ---- Steps ---- */

static struct grpc_call *release(struct search *s)
{
    struct grpc_call *g = s->g;
    source_close(&s->source);
    buf_deinit(&s->documents);
    buf_deinit(&s->items);
    g->user = NULL;
    return g;
}

static void next_page(struct search *s);

/* Something has come to its end; true: so has the search. */
static bool is_over(struct search *s, enum err e)
{
    s->is_calling = false;
    s->is_paging = false;
    if (s->g->is_aborted) {
        grpc_done(release(s));
        return true;
    }
    if (e != ERR_OK) {
        dstash_fail_call(release(s), e);
        return true;
    }
    return false;
}

static void start_call(struct search *s, call_fn done)
{
    s->call.done = done;
    s->call.arg = s;
    s->call.deadline_ns = s->g->deadline_ns;
    s->is_calling = true;
    router_call(grpc_context(s->g)->router, &s->call);
}

/* ---- One page through all sets ---- */

static void send_page(struct search *s)
{
    for (size_t at = 0; at < s->documents.size; at += DOCUMENT_BYTES) {
        const uint64_t id = document_id(slice_of(s->documents.data + at, DOCUMENT_BYTES));
        if (!s->has_last || s->last_id != id) {
            send_id(s->g, id);
        }
        s->last_id = id;
        s->has_last = true;
    }
    if (s->is_page_last) {
        grpc_finish(release(s), GRPC_OK, (struct slice){0});
    } else {
        next_page(s);
    }
}

static void on_has(struct call *c);

static void ask_next_set(struct search *s)
{
    if (s->next_set == s->set_count || s->documents.size == 0) {
        send_page(s);
        return;
    }
    buf_clear(&s->items);
    for (size_t at = 0; at < s->documents.size; at += DOCUMENT_BYTES) {
        const struct slice item = slice_of(s->documents.data + at, DOCUMENT_BYTES);
        buf_append(&s->items, &item, sizeof(item));
    }
    s->call.op = (struct op){.kind = OP_SET_HAS,
                             .table = s->table,
                             .key = s->sets[s->next_set++].key,
                             .items = (const struct slice *)(const void *)s->items.data,
                             .item_count = (uint32_t)(s->items.size / sizeof(struct slice))};
    start_call(s, on_has);
}

static void on_has(struct call *c)
{
    struct search *s = c->arg;
    const struct result *result = &c->result;
    if (is_over(s, result->err)) {
        return;
    }
    CHECK(result->row_count == s->documents.size / DOCUMENT_BYTES);
    size_t kept = 0;
    for (size_t i = 0; i < result->row_count; i++) {
        if (result->rows[i].number != 0) {
            memmove(s->documents.data + kept, s->documents.data + i * DOCUMENT_BYTES,
                    DOCUMENT_BYTES);
            kept += DOCUMENT_BYTES;
        }
    }
    s->documents.size = kept;
    ask_next_set(s);
}

static void on_page(struct source_page *p)
{
    struct search *s = p->arg;
    if (is_over(s, p->err)) {
        return;
    }
    s->is_page_last = p->is_end;
    buf_clear(&s->documents);
    for (size_t i = 0; i < p->row_count; i++) {
        if (p->rows[i].key.size == DOCUMENT_BYTES) {
            buf_append_slice(&s->documents, p->rows[i].key);
        }
    }
    s->next_set = 1;
    ask_next_set(s);
}

static void next_page(struct search *s)
{
    s->is_stalled = grpc_waiting(s->g) >= HTTP_STREAM_HIGH;
    if (s->is_stalled) {
        return;
    }
    s->is_paging = true;
    s->page.bytes_max = PAGE_BYTES;
    s->page.done = on_page;
    s->page.arg = s;
    source_next(s->source, &s->page);
}

/* ---- The query ---- */

static int by_count(const void *a, const void *b)
{
    const struct set *left = a;
    const struct set *right = b;
    return (left->count > right->count) - (left->count < right->count);
}

static void on_counted(struct call *c)
{
    struct search *s = c->arg;
    enum err e = c->result.err;
    for (size_t i = 0; e == ERR_OK && i < c->result.result_count; i++) {
        e = c->result.results[i].err;
        s->sets[i].count = c->result.results[i].count;
    }
    if (e == ERR_NOT_FOUND && !s->g->is_aborted) { /* no string has this term */
        grpc_finish(release(s), GRPC_OK, (struct slice){0});
        return;
    }
    if (is_over(s, e)) {
        return;
    }
    qsort(s->sets, s->set_count, sizeof(*s->sets), by_count);
    const struct source_config config = {
        .kind = SOURCE_MEMBERS, .table = s->table, .key = s->sets[0].key};
    s->source = source_open(grpc_context(s->g)->router, &config);
    next_page(s);
}

static void go_on(struct dstash_stream *stream)
{
    struct search *s = container_of(stream, struct search, stream);
    if (s->is_stalled) {
        next_page(s);
    }
}

static void abort_search(struct dstash_stream *stream)
{
    struct search *s = container_of(stream, struct search, stream);
    if (s->is_calling) {
        router_cancel(grpc_context(s->g)->router, &s->call);
    } else if (s->is_paging) {
        source_close(&s->source); /* the page ends, and with it the call */
    } else {
        grpc_done(release(s));
    }
}

static void count_sets(struct grpc_call *g, uint32_t table, const struct terms *t)
{
    struct arena *arena = g->x->arena;
    struct search *s = arena_zero(arena, sizeof(*s));
    s->g = g;
    s->table = table;
    s->set_count = t->count;
    s->sets = arena_zero(arena, t->count * sizeof(*s->sets));
    s->stats = arena_zero(arena, t->count * sizeof(*s->stats));
    for (size_t i = 0; i < t->count; i++) {
        uint8_t key[TERM_KEY_MAX];
        s->sets[i].key = arena_copy(arena, slice_of(key, term_key(key, t->list[i])));
        s->stats[i] = (struct op){.kind = OP_STAT, .table = table, .key = s->sets[i].key};
    }
    s->call.op = (struct op){.kind = OP_TXN,
                             .table = table,
                             .key = s->sets[0].key,
                             .ops = s->stats,
                             .op_count = (uint32_t)t->count};
    s->stream = (struct dstash_stream){.go_on = go_on, .abort = abort_search};
    g->user = &s->stream;
    start_call(s, on_counted);
}

void dstash_search(struct grpc_call *g, const ProtobufCMessage *message)
{
    const struct slice query = grpc_slice(((const Google__Protobuf__BytesValue *)message)->value);
    struct terms t = {0};
    const char *wrong = string_complaint(&t, query, "Search string must not be empty");
    uint32_t table = 0;
    const enum err e = dstash_find(g, SLICE(DSTASH_SEARCH_TABLE), &table);
    if (wrong != NULL) {
        dstash_refuse_call(g, wrong);
    } else if (e == ERR_NOT_FOUND) { /* nothing was ever indexed */
        grpc_finish(g, GRPC_OK, (struct slice){0});
    } else if (e != ERR_OK) {
        dstash_fail_call(g, e);
    } else if (t.count == 0) {
        list_all(g, table);
    } else {
        count_sets(g, table, &t);
    }
    terms_deinit(&t);
}
