/*   source_next ─► on_page: keep its keys ─► delete 256 ─► on_deleted ... ─► all of them: next page
 *
 * What was deleted before an error stays deleted; the problem's detail says how many. */
#include "api/native/clearing.h"

#include "base/check.h"
#include "base/mem.h"

#define BATCH_MAX  256 /* deletes under way */
#define PAGE_BYTES ((size_t)16 << 10)

struct clearing {
    struct http_task task;
    struct http_exchange *x;
    uint32_t table;
    struct source *source;
    struct source_page page;
    struct arena keys; /* of the page */
    struct slice *key_list;
    size_t key_count;
    size_t key_next;
    struct call *calls; /* [BATCH_MAX]; owned */
    size_t waiting;
    uint64_t deleted;
    enum err err; /* the first that mattered */
    bool is_last_page;
    bool is_paging;
    bool is_aborted;
};

static void next_page(struct clearing *c);

static void release(struct clearing *c)
{
    struct source *source = c->source;
    c->source = NULL;
    source_close(&source);
    arena_deinit(&c->keys);
    mem_free(c->calls);
    c->x->user = NULL;
}

static void finish(struct clearing *c)
{
    struct http_exchange *x = c->x;
    const enum err e = c->err;
    const uint64_t deleted = c->deleted;
    release(c);
    if (e != ERR_OK) {
        struct err_why why;
        (void)err_set(&why, e, "%s; %llu keys had been deleted", http_err_text(e),
                      (unsigned long long)deleted);
        native_fail(x, e, why.text);
        return;
    }
    struct buf body = {0};
    buf_append_text(&body, "{\"deleted\":");
    buf_append_u64(&body, deleted);
    buf_append_byte(&body, '}');
    native_respond(x, 200, &body);
}

/* Nothing is under way: what now? */
static void go_on(struct clearing *c);

static void on_deleted(struct call *call)
{
    struct clearing *c = call->arg;
    const enum err e = call->result.err;
    if (e == ERR_OK) {
        c->deleted++;
    } else if (e != ERR_NOT_FOUND && c->err == ERR_OK) {
        c->err = e;
    }
    if (--c->waiting == 0) {
        go_on(c);
    }
}

static void delete_batch(struct clearing *c)
{
    struct call *list[BATCH_MAX];
    size_t count = 0;
    while (count < BATCH_MAX && c->key_next < c->key_count) {
        struct call *call = &c->calls[count];
        *call = (struct call){
            .op = {.kind = OP_DELETE, .table = c->table, .key = c->key_list[c->key_next++]},
            .done = on_deleted,
            .arg = c,
            .order = c->x->connection_order};
        list[count++] = call;
    }
    c->waiting = count;
    router_call_many(http_context(c->x)->router, list, count);
}

static void go_on(struct clearing *c)
{
    if (c->is_aborted) {
        struct http_exchange *x = c->x;
        release(c);
        http_done(x);
    } else if (c->err == ERR_OK && c->key_next < c->key_count) {
        delete_batch(c);
    } else if (c->err == ERR_OK && !c->is_last_page) {
        next_page(c);
    } else {
        finish(c);
    }
}

static void on_page(struct source_page *p)
{
    struct clearing *c = p->arg;
    c->is_paging = false;
    c->err = p->err;
    c->is_last_page = p->is_end;
    arena_reset(&c->keys);
    c->key_next = 0;
    c->key_count = p->err == ERR_OK ? p->row_count : 0;
    c->key_list = arena_get(&c->keys, (c->key_count + 1) * sizeof(*c->key_list));
    for (size_t i = 0; i < c->key_count; i++) {
        c->key_list[i] = arena_copy(&c->keys, p->rows[i].key);
    }
    go_on(c);
}

static void next_page(struct clearing *c)
{
    CHECK(!c->is_paging);
    c->is_paging = true;
    c->page = (struct source_page){.bytes_max = PAGE_BYTES, .done = on_page, .arg = c};
    source_next(c->source, &c->page);
}

static void on_abort(struct http_task *t)
{
    struct clearing *c = container_of(t, struct clearing, task);
    /* A page or deletes are under way, always; their end sees this. */
    CHECK(c->is_paging || c->waiting > 0);
    c->is_aborted = true;
}

void clearing_start(struct http_exchange *x, uint32_t table, const struct span *span)
{
    struct clearing *c = arena_zero(x->arena, sizeof(*c));
    const struct source_config config = {.kind = SOURCE_RANGE,
                                         .table = table,
                                         .from = span->from,
                                         .to = span->to,
                                         .keys_only = true,
                                         .order = x->connection_order};
    CHECK(x->user == NULL);
    x->user = &c->task;
    c->task.abort = on_abort;
    c->x = x;
    c->table = table;
    c->calls = mem_zero(BATCH_MAX, sizeof(*c->calls));
    c->source = source_open(http_context(x)->router, &config);
    next_page(c);
}
