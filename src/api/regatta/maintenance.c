/* Maintenance of both generations, but for Backup and Restore. A reset empties tables: whoever
 * fills them (a leader, a queue) fills them again. */
#include "api/regatta/maintenance.h"

#include "api/regatta/whole.h"

static bool is_allowed(struct grpc_call *g)
{
    if (!regatta_is_allowed(g, grpc_context(g)->facts->maintenance_token)) {
        return false;
    }
    const enum err ready = router_is_ready(grpc_context(g)->router);
    if (ready != ERR_OK) {
        regatta_fail(g, ready);
    }
    return ready == ERR_OK;
}

/* ---- Reset ---- */

/* It cannot be withdrawn: a client that leaves is forgotten when it is done. */
struct reset {
    struct emptying emptying;
    struct grpc_call *g;
    void (*reply)(struct grpc_call *g);
};

void regatta_reset_on_abort(struct grpc_call *g)
{
    if (g->user == NULL) {
        grpc_done(g);
    }
}

static void on_emptied(struct emptying *e)
{
    const struct reset *r = container_of(e, struct reset, emptying);
    struct grpc_call *g = r->g;
    g->user = NULL;
    if (g->is_aborted) {
        grpc_done(g);
    } else if (e->err != ERR_OK) {
        regatta_fail(g, e->err);
    } else {
        r->reply(g);
    }
}

static void reset(struct grpc_call *g, const struct slice *names, size_t count,
                  void (*reply)(struct grpc_call *g))
{
    if (count == 0) {
        reply(g);
        return;
    }
    struct reset *r = arena_zero(g->x->arena, sizeof(*r));
    r->g = g;
    r->reply = reply;
    r->emptying = (struct emptying){
        .router = grpc_context(g)->router, .names = names, .count = count, .done = on_emptied};
    g->user = r;
    emptying_start(&r->emptying);
}

static void reset_all(struct grpc_call *g, void (*reply)(struct grpc_call *g))
{
    size_t count = 0;
    const struct slice *names = whole_tables(grpc_context(g)->router, g->x->arena, &count);
    reset(g, names, count, reply);
}

static void reply_reset(struct grpc_call *g)
{
    const Maintenance__V1__ResetResponse reply = MAINTENANCE__V1__RESET_RESPONSE__INIT;
    grpc_reply(g, &reply.base);
}

void regatta_reset(struct grpc_call *g, const ProtobufCMessage *m)
{
    const Maintenance__V1__ResetRequest *q = (const Maintenance__V1__ResetRequest *)m;
    struct refusal r = REFUSAL_INVALID(TEXT_TABLE_NOT_SET);
    if (!is_allowed(g)) {
        return;
    }
    if (q->reset_all) {
        reset_all(g, reply_reset);
        return;
    }
    struct slice *name = arena_get(g->x->arena, sizeof(*name));
    *name = grpc_slice(q->table);
    if (name->size > 0 && regatta_table(grpc_context(g), *name, &r) != NULL) {
        reset(g, name, 1, reply_reset);
    } else {
        regatta_refuse(g, r);
    }
}

static void reply_early_reset(struct grpc_call *g)
{
    const Regatta__V1__ResetResponse reply = REGATTA__V1__RESET_RESPONSE__INIT;
    grpc_reply(g, &reply.base);
}

void regatta_early_reset(struct grpc_call *g, const ProtobufCMessage *m)
{
    const Regatta__V1__ResetRequest *q = (const Regatta__V1__ResetRequest *)m;
    if (!is_allowed(g)) {
        return;
    }
    if (is_own_member(grpc_context(g), q->member_id)) {
        reset_all(g, reply_early_reset);
    } else {
        regatta_refuse(g, REFUSAL_INVALID(TEXT_NO_MEMBER));
    }
}

/* ---- Hash ---- */

struct hash_call {
    struct hashing hashing;
    struct grpc_call *g;
};

void regatta_hash_on_abort(struct grpc_call *g)
{
    struct hash_call *h = g->user;
    if (h == NULL) {
        grpc_done(g);
    } else {
        hashing_cancel(&h->hashing);
    }
}

static void on_hashed(struct hashing *hashing)
{
    const struct hash_call *h = container_of(hashing, struct hash_call, hashing);
    struct grpc_call *g = h->g;
    g->user = NULL;
    if (g->is_aborted) {
        grpc_done(g);
        return;
    }
    if (hashing->err != ERR_OK) {
        regatta_fail(g, hashing->err);
        return;
    }
    Regatta__V1__ResponseHeader header = regatta_early_header(grpc_context(g));
    Regatta__V1__HashResponse reply = REGATTA__V1__HASH_RESPONSE__INIT;
    reply.header = &header;
    reply.hash = hashing->hash;
    grpc_reply(g, &reply.base);
}

void regatta_early_hash(struct grpc_call *g, const ProtobufCMessage *m)
{
    (void)m;
    if (!is_allowed(g)) {
        return;
    }
    struct hash_call *h = arena_zero(g->x->arena, sizeof(*h));
    h->g = g;
    h->hashing = (struct hashing){.router = grpc_context(g)->router, .done = on_hashed};
    h->hashing.names = whole_tables(h->hashing.router, g->x->arena, &h->hashing.count);
    g->user = h;
    hashing_start(&h->hashing);
}
