/* The service Tables. */
#include "api/native/grpc/calls.h"
#include "api/native/native.h"
#include "proto/holdfast/v1/tables.pb-c.h"

/* ---- Messages ---- */

/* Both lie together in the arena. */
struct table_message {
    Holdfast__V1__Table table;
    Holdfast__V1__TableOptions options;
};

static Holdfast__V1__Table *table_message(struct grpc_call *g, const struct table *t)
{
    const struct table_options *o = &t->options;
    struct table_message *m = arena_get(g->x->arena, sizeof(*m));
    char *name = arena_zero(g->x->arena, (size_t)t->name_size + 1);
    memcpy(name, t->name, t->name_size);
    holdfast__v1__table__init(&m->table);
    holdfast__v1__table_options__init(&m->options);
    m->options.engine = o->engine == TABLE_MEMORY ? HOLDFAST__V1__ENGINE__ENGINE_MEMORY
                                                  : HOLDFAST__V1__ENGINE__ENGINE_DISK;
    m->options.partition = o->partition == PARTITION_TABLE
                               ? HOLDFAST__V1__PARTITION__PARTITION_TABLE
                               : HOLDFAST__V1__PARTITION__PARTITION_KEY;
    m->options.evict =
        o->evict == EVICT_LRU ? HOLDFAST__V1__EVICT__EVICT_LRU : HOLDFAST__V1__EVICT__EVICT_NONE;
    m->options.default_ttl_ms = o->default_ttl_ms;
    m->table.name = name;
    m->table.options = &m->options;
    m->table.created_ms = t->created_ms;
    m->table.built_in = t->is_built_in;
    m->table.records = router_table_count(grpc_context(g)->router, t);
    return &m->table;
}

/* Unspecified is the first choice, which is 0 in our enums. */
static enum err read_choice(unsigned choice, const char *name, unsigned *out, struct err_why *why)
{
    *out = choice == 0 ? 0 : choice - 1;
    return choice <= 2 ? ERR_OK : err_set(why, ERR_INVALID, "there is no such %s", name);
}

static enum err read_options(const Holdfast__V1__TableOptions *m, struct table_options *out,
                             struct err_why *why)
{
    unsigned engine = 0;
    unsigned partition = 0;
    unsigned evict = 0;
    struct ttl ttl = {0};
    if (m == NULL) {
        return ERR_OK;
    }
    enum err e = read_choice((unsigned)m->engine, "engine", &engine, why);
    e = e == ERR_OK ? read_choice((unsigned)m->partition, "partition", &partition, why) : e;
    e = e == ERR_OK ? read_choice((unsigned)m->evict, "way to evict", &evict, why) : e;
    e = e == ERR_OK ? ttl_of_ms(m->default_ttl_ms, "default_ttl_ms", &ttl, why) : e;
    *out = (struct table_options){.engine = (enum table_engine)engine,
                                  .partition = (enum table_partition)partition,
                                  .evict = (enum table_evict)evict,
                                  .default_ttl_ms = ttl.ms};
    return e;
}

/* ---- Get, List ---- */

void on_table_get(struct grpc_call *g, const ProtobufCMessage *message)
{
    const Holdfast__V1__TablesGetRequest *m = (const Holdfast__V1__TablesGetRequest *)message;
    Holdfast__V1__TablesGetResponse response = HOLDFAST__V1__TABLES_GET_RESPONSE__INIT;
    const struct router *r = grpc_context(g)->router;
    const struct table *t = router_table(r, grpc_string(m->table));
    const enum err ready = router_is_ready(r);
    if (t == NULL) {
        call_fail(g, ready == ERR_OK ? ERR_NOT_FOUND : ready,
                  ready == ERR_OK ? "there is no such table" : NULL, NULL);
        return;
    }
    response.table = table_message(g, t);
    grpc_reply(g, &response.base);
}

void on_table_list(struct grpc_call *g, const ProtobufCMessage *message)
{
    Holdfast__V1__TablesListResponse response = HOLDFAST__V1__TABLES_LIST_RESPONSE__INIT;
    const struct router *r = grpc_context(g)->router;
    const enum err ready = router_is_ready(r);
    size_t count = 0;
    (void)message;
    if (ready != ERR_OK) {
        call_fail(g, ready, NULL, NULL);
        return;
    }
    const struct table *const *tables = router_tables(r, &count);
    response.n_tables = count;
    response.tables = arena_get(g->x->arena, count * sizeof(struct table *));
    for (size_t i = 0; i < count; i++) {
        response.tables[i] = table_message(g, tables[i]);
    }
    grpc_reply(g, &response.base);
}

/* ---- Changes of the catalogue ---- */

static void reply_changed(struct grpc_call *g, const struct table_change *c)
{
    Holdfast__V1__TablesCreateResponse created = HOLDFAST__V1__TABLES_CREATE_RESPONSE__INIT;
    Holdfast__V1__TablesDropResponse dropped = HOLDFAST__V1__TABLES_DROP_RESPONSE__INIT;
    Holdfast__V1__TablesEmptyResponse emptied = HOLDFAST__V1__TABLES_EMPTY_RESPONSE__INIT;
    const struct table *t = router_table(grpc_context(g)->router, c->name);
    if (c->kind == TABLE_DROP) {
        grpc_reply(g, &dropped.base);
    } else if (c->kind == TABLE_EMPTY) {
        grpc_reply(g, &emptied.base);
    } else { /* it may have been dropped again already */
        created.table = t == NULL ? NULL : table_message(g, t);
        grpc_reply(g, &created.base);
    }
}

/* Such a change cannot be withdrawn: a client that leaves is forgotten when it is done. */
static void on_changed(struct table_change *c)
{
    struct grpc_call *g = c->arg;
    g->user = NULL;
    if (g->is_aborted) {
        grpc_done(g);
    } else if (c->err != ERR_OK) {
        call_fail(g, c->err, c->why.text, NULL);
    } else {
        reply_changed(g, c);
    }
}

void on_table_abort(struct grpc_call *g)
{
    if (g->user == NULL) {
        grpc_done(g);
    }
}

static void change(struct grpc_call *g, enum table_change_kind kind, const char *name,
                   const struct table_options *options)
{
    struct table_change *c = arena_zero(g->x->arena, sizeof(*c));
    *c = (struct table_change){
        .kind = kind, .name = grpc_string(name), .options = *options, .done = on_changed, .arg = g};
    g->user = c;
    router_change_table(grpc_context(g)->router, c);
}

void on_table_create(struct grpc_call *g, const ProtobufCMessage *message)
{
    const Holdfast__V1__TablesCreateRequest *m = (const Holdfast__V1__TablesCreateRequest *)message;
    struct table_options options = {0};
    struct err_why why;
    const enum err e = read_options(m->options, &options, &why);
    if (e != ERR_OK) {
        call_fail(g, e, why.text, NULL);
        return;
    }
    change(g, TABLE_CREATE, m->table, &options);
}

void on_table_drop(struct grpc_call *g, const ProtobufCMessage *message)
{
    const Holdfast__V1__TablesDropRequest *m = (const Holdfast__V1__TablesDropRequest *)message;
    change(g, TABLE_DROP, m->table, &(struct table_options){0});
}

void on_table_empty(struct grpc_call *g, const ProtobufCMessage *message)
{
    const Holdfast__V1__TablesEmptyRequest *m = (const Holdfast__V1__TablesEmptyRequest *)message;
    change(g, TABLE_EMPTY, m->table, &(struct table_options){0});
}
