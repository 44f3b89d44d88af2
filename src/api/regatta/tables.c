/* Tables: Create, Delete, List. */
#include <inttypes.h>
#include <stdio.h>

#include "api/regatta/regatta.h"

#define TEXT_NAME_NOT_SET "name must be set"
#define ID_TEXT_MAX       24

/* Such a change cannot be withdrawn: a client that leaves is forgotten when it is done. */
struct change {
    struct table_change change;
    struct grpc_call *g;
};

static bool is_allowed(struct grpc_call *g)
{
    return regatta_is_allowed(g, grpc_context(g)->facts->tables_token);
}

void regatta_change_on_abort(struct grpc_call *g)
{
    if (g->user == NULL) {
        grpc_done(g);
    }
}

static struct refusal refusal_of_change(const struct table_change *c)
{
    if (c->err == ERR_ALREADY_EXISTS) {
        return (struct refusal){GRPC_INVALID_ARGUMENT, c->err, "table already exists"};
    }
    if (c->err == ERR_NOT_FOUND) {
        return (struct refusal){GRPC_INVALID_ARGUMENT, c->err, TEXT_TABLE_NOT_FOUND};
    }
    return c->err == ERR_INVALID ? REFUSAL_INVALID(c->why.text) : refusal_of(c->err);
}

static void on_changed(struct table_change *change)
{
    const struct change *c = container_of(change, struct change, change);
    struct grpc_call *g = c->g;
    g->user = NULL;
    if (g->is_aborted) {
        grpc_done(g);
        return;
    }
    if (change->err != ERR_OK) {
        regatta_refuse(g, refusal_of_change(change));
        return;
    }
    if (change->kind == TABLE_DROP) {
        const Regatta__V1__DeleteTableResponse reply = REGATTA__V1__DELETE_TABLE_RESPONSE__INIT;
        grpc_reply(g, &reply.base);
        return;
    }
    char id[ID_TEXT_MAX] = "";
    const struct table *t = router_table(grpc_context(g)->router, change->name);
    if (t != NULL) { /* else it is gone again */
        (void)snprintf(id, sizeof(id), "%" PRIu64, regatta_id(t->id));
    }
    Regatta__V1__CreateTableResponse reply;
    regatta__v1__create_table_response__init(&reply);
    reply.id = id;
    grpc_reply(g, &reply.base);
}

static void start(struct grpc_call *g, enum table_change_kind kind, struct slice name)
{
    struct change *c = arena_zero(g->x->arena, sizeof(*c));
    c->g = g;
    c->change = (struct table_change){.kind = kind,
                                      .name = name,
                                      .options = regatta_options(grpc_context(g)),
                                      .done = on_changed};
    g->user = c;
    router_change_table(grpc_context(g)->router, &c->change);
}

void regatta_create_table(struct grpc_call *g, const ProtobufCMessage *m)
{
    const Regatta__V1__CreateTableRequest *q = (const Regatta__V1__CreateTableRequest *)m;
    const enum err ready = router_is_ready(grpc_context(g)->router);
    if (!is_allowed(g)) {
        return;
    }
    const struct slice name = grpc_string(q->name);
    if (name.size == 0) {
        regatta_refuse(g, REFUSAL_INVALID(TEXT_NAME_NOT_SET));
    } else if (ready != ERR_OK) {
        regatta_fail(g, ready);
    } else {
        start(g, TABLE_CREATE, name);
    }
}

void regatta_delete_table(struct grpc_call *g, const ProtobufCMessage *m)
{
    const Regatta__V1__DeleteTableRequest *q = (const Regatta__V1__DeleteTableRequest *)m;
    struct refusal r = REFUSAL_INVALID(TEXT_NAME_NOT_SET);
    if (!is_allowed(g)) {
        return;
    }
    const struct slice name = grpc_string(q->name);
    if (name.size > 0 && regatta_table(grpc_context(g), name, &r) != NULL) {
        start(g, TABLE_DROP, name);
        return;
    }
    if (r.status == GRPC_NOT_FOUND) {
        r.status = GRPC_INVALID_ARGUMENT;
    }
    regatta_refuse(g, r);
}

void regatta_list_tables(struct grpc_call *g, const ProtobufCMessage *m)
{
    (void)m;
    const struct router *router = grpc_context(g)->router;
    struct arena *arena = g->x->arena;
    Regatta__V1__ListTablesResponse reply = REGATTA__V1__LIST_TABLES_RESPONSE__INIT;
    size_t count = 0;
    if (!is_allowed(g)) {
        return;
    }
    const enum err ready = router_is_ready(router);
    if (ready != ERR_OK) {
        regatta_fail(g, ready);
        return;
    }
    const struct table *const *tables = router_tables(router, &count);
    reply.tables = arena_get(arena, count * sizeof(Regatta__V1__TableInfo *));
    for (size_t i = 0; i < count; i++) {
        if (!is_regatta_table(tables[i])) {
            continue;
        }
        Regatta__V1__TableInfo *info = arena_get(arena, sizeof(*info));
        regatta__v1__table_info__init(info);
        info->name = (char *)arena_zero(arena, tables[i]->name_size + 1U);
        memcpy(info->name, tables[i]->name, tables[i]->name_size);
        info->id = arena_get(arena, ID_TEXT_MAX);
        (void)snprintf(info->id, ID_TEXT_MAX, "%" PRIu64, regatta_id(tables[i]->id));
        reply.tables[reply.n_tables++] = info;
    }
    grpc_reply(g, &reply.base);
}
