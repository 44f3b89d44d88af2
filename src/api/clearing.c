#include "api/clearing.h"

#include "base/check.h"
#include "base/mem.h"

#define PAGE_BYTES ((size_t)16 << 10)

static void next_page(struct clearing *c);

static void finish(struct clearing *c)
{
    source_close(&c->source);
    arena_deinit(&c->keys);
    mem_free(c->calls);
    c->done(c);
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
        c->err = e; /* the first that mattered */
    }
    if (--c->waiting == 0) {
        go_on(c);
    }
}

static void delete_batch(struct clearing *c)
{
    struct call *list[CLEARING_BATCH_MAX];
    size_t count = 0;
    while (count < CLEARING_BATCH_MAX && c->key_next < c->key_count) {
        struct call *call = &c->calls[count];
        *call = (struct call){
            .op = {.kind = OP_DELETE, .table = c->table, .key = c->key_list[c->key_next++]},
            .done = on_deleted,
            .arg = c,
            .order = c->order,
            .deadline_ns = c->deadline_ns};
        list[count++] = call;
    }
    c->waiting = count;
    router_call_many(c->router, list, count);
}

static void go_on(struct clearing *c)
{
    if (c->is_canceled && c->err == ERR_OK) {
        c->err = ERR_CANCELED;
    }
    if (c->err == ERR_OK && c->key_next < c->key_count) {
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
    c->page = (struct source_page){.bytes_max = PAGE_BYTES, .done = on_page, .arg = c};
    source_next(c->source, &c->page);
}

void clearing_start(struct clearing *c)
{
    const struct source_config config = {.kind = SOURCE_RANGE,
                                         .table = c->table,
                                         .from = c->from,
                                         .to = c->to,
                                         .limit = c->limit,
                                         .keys_only = true,
                                         .order = c->order};
    CHECK(c->done != NULL);
    c->calls = mem_zero(CLEARING_BATCH_MAX, sizeof(*c->calls));
    c->source = source_open(c->router, &config);
    next_page(c);
}

void clearing_cancel(struct clearing *c)
{
    c->is_canceled = true;
}
