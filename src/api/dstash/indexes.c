/* indexes.c - indexes are tables: found by name, and made by the first write to them.
 *
 * While a table is made, the writes of the flow that need one are held; other streams may make the
 * same table meanwhile, so "it exists" is as good as "it is made". */
#include "api/dstash/dstash.h"
#include "base/check.h"

/* What a held write waits for; in the slot's `user`. */
struct held {
    struct list link; /* of makings */
    struct grpc_flow_slot *slot;
    struct slice name;
};

/* One for a flow, in its `user`. */
struct makings {
    struct table_change change;
    struct list held;
};

enum err dstash_find(const struct grpc_call *g, struct slice name, uint32_t *table)
{
    const struct router *r = grpc_context(g)->router;
    const struct table *t = router_table(r, name);
    if (t == NULL) {
        const enum err ready = router_is_ready(r);
        return ready == ERR_OK ? ERR_NOT_FOUND : ready;
    }
    *table = t->id;
    return ERR_OK;
}

/* Names the table in the slot's op, and in the parts of a transaction. */
static void set_table(struct grpc_flow_slot *s, uint32_t table)
{
    struct op *op = &s->call.op;
    op->table = table;
    for (uint32_t i = 0; i < op->op_count; i++) {
        struct op *part = unconst(&op->ops[i]); /* in the slot's own room */
        part->table = table;
    }
}

static void make_next(struct grpc_flow *f);

/* True: it has been started, or has failed. */
static bool let_go(struct held *h, const struct table_change *made)
{
    struct grpc_flow_slot *s = h->slot;
    uint32_t table = 0;
    const enum err found = dstash_find(s->flow->g, h->name, &table);
    if (found == ERR_OK) {
        list_remove(&h->link);
        set_table(s, table);
        grpc_flow_start(s);
        return true;
    }
    if (slice_equal(made->name, h->name)) {
        const bool is_made = made->err == ERR_OK || made->err == ERR_ALREADY_EXISTS;
        list_remove(&h->link);
        (void)dstash_fail(s, is_made ? ERR_UNAVAILABLE : made->err); /* dropped again meanwhile */
        return true;
    }
    return false;
}

static void on_made(struct table_change *c)
{
    struct grpc_flow *f = c->arg;
    struct makings *m = f->user;
    for (struct list *at = m->held.next; at != &m->held;) {
        struct held *h = container_of(at, struct held, link);
        at = at->next;
        (void)let_go(h, c);
    }
    if (!list_empty(&m->held)) {
        make_next(f);
    }
}

/* That of the strings must lie in one shard, whoever makes it. */
static struct table_options options_of(const struct router *r, struct slice name)
{
    const struct table *like = router_table(r, SLICE(DSTASH_TABLE));
    struct table_options options = {.partition = PARTITION_KEY};
    if (slice_equal(name, SLICE(DSTASH_SEARCH_TABLE))) {
        options.partition = PARTITION_TABLE;
    }
    if (like != NULL) {
        options.engine = like->options.engine;
    }
    return options;
}

static void make_next(struct grpc_flow *f)
{
    struct router *r = grpc_context(f->g)->router;
    struct makings *m = f->user;
    const struct held *h = container_of(m->held.next, struct held, link);
    m->change = (struct table_change){.kind = TABLE_CREATE,
                                      .name = h->name,
                                      .options = options_of(r, h->name),
                                      .done = on_made,
                                      .arg = f};
    router_change_table(r, &m->change);
}

static enum grpc_flow_step hold(struct grpc_flow_slot *s, struct slice name)
{
    struct grpc_flow *f = s->flow;
    struct arena *arena = f->g->x->arena;
    if (f->user == NULL) {
        struct makings *fresh = arena_zero(arena, sizeof(*fresh));
        list_init(&fresh->held);
        f->user = fresh;
    }
    struct makings *m = f->user;
    const bool is_first = list_empty(&m->held);
    struct held *h = arena_zero(arena, sizeof(*h));
    *h = (struct held){.slot = s, .name = name};
    list_push(&m->held, &h->link);
    if (is_first) {
        make_next(f);
    }
    return FLOW_HELD;
}

enum grpc_flow_step dstash_write(struct grpc_flow_slot *s, struct slice name)
{
    const struct makings *m = s->flow->user;
    uint32_t table = 0;
    const enum err e = dstash_find(s->flow->g, name, &table);
    if (e == ERR_OK && m != NULL && !list_empty(&m->held)) { /* not before those in front of it */
        return hold(s, name);
    }
    if (e == ERR_OK) {
        set_table(s, table);
        return FLOW_CALL;
    }
    if (e != ERR_NOT_FOUND) {
        return dstash_fail(s, e);
    }
    if (!table_name_is_valid(name)) {
        return dstash_refuse(s, "the name of an index has 1 to 128 letters, digits, '.', '_', '-'");
    }
    return hold(s, name);
}
