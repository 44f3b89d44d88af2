/* Regatta: paths to routes, and what the services share. */
#include "api/regatta/regatta.h"

#include "api/regatta/maintenance.h"
#include "api/regatta/rest.h"
#include "api/service.h"

#define TERM 1 /* of the consensus of one node, as far as clients see it */

bool is_regatta_table(const struct table *t)
{
    return t->options.partition == PARTITION_TABLE &&
           !slice_equal(slice_of(t->name, t->name_size), SLICE("dstash.search"));
}

const struct table *regatta_table(const struct loop_context *c, struct slice name,
                                  struct refusal *r)
{
    const struct table *t = router_table(c->router, name);
    if (t != NULL && is_regatta_table(t)) {
        return t;
    }
    const enum err ready = router_is_ready(c->router);
    *r = ready == ERR_OK ? REFUSAL_NO_TABLE : refusal_of(ready);
    return NULL;
}

bool regatta_is_replaced(const struct loop_context *c, uint32_t id, struct slice name)
{
    const struct table *t = router_table(c->router, name);
    return t != NULL && t->id != id;
}

void regatta_fail_op(struct grpc_call *g, enum err e, uint32_t id, struct slice name)
{
    const bool is_replaced = regatta_is_replaced(grpc_context(g), id, name);
    regatta_fail(g, e == ERR_NOT_FOUND && is_replaced ? ERR_UNAVAILABLE : e);
}

struct table_options regatta_options(const struct loop_context *c)
{
    const struct table *kv = router_table(c->router, SLICE("kv"));
    return (struct table_options){.engine = kv == NULL ? TABLE_DISK : kv->options.engine,
                                  .partition = PARTITION_TABLE};
}

Regatta__V1__ResponseHeader regatta_header(const struct loop_context *c, uint32_t id,
                                           uint64_t revision)
{
    Regatta__V1__ResponseHeader header = REGATTA__V1__RESPONSE_HEADER__INIT;
    header.shard_id = regatta_id(id);
    header.replica_id = c->facts->node_number;
    header.revision = revision;
    header.raft_term = TERM;
    header.raft_leader_id = c->facts->node_number;
    return header;
}

Regatta__V1__ResponseHeader regatta_early_header(const struct loop_context *c)
{
    Regatta__V1__ResponseHeader header = regatta_header(c, 0, 0);
    header.shard_id = REGATTA_CLUSTER_ID;
    return header;
}

void regatta_op_init(struct grpc_op *o, struct grpc_call *g, uint32_t table, grpc_op_fn answer)
{
    grpc_op_init(o, g, answer);
    o->call.op.table = table;
    if (o->call.deadline_ns == 0) {
        o->call.deadline_ns = router_now_ns(grpc_context(g)->router) + REGATTA_DEADLINE_NS;
    }
}

/* ---- Routes ---- */

static const struct grpc_method methods[] = {
    {.route = GRPC_ROUTE("range"),
     .path = "/regatta.v1.KV/Range",
     .request = &regatta__v1__range_request__descriptor,
     .on_message = regatta_range,
     .on_writable = regatta_walk_on_writable,
     .on_abort = regatta_walk_on_abort},
    {.route = GRPC_ROUTE("iterate_range"),
     .path = "/regatta.v1.KV/IterateRange",
     .request = &regatta__v1__range_request__descriptor,
     .on_message = regatta_iterate,
     .on_writable = regatta_walk_on_writable,
     .on_abort = regatta_walk_on_abort},
    {.route = GRPC_ROUTE("put"),
     .path = "/regatta.v1.KV/Put",
     .request = &regatta__v1__put_request__descriptor,
     .on_message = regatta_put},
    {.route = GRPC_ROUTE("delete_range"),
     .path = "/regatta.v1.KV/DeleteRange",
     .request = &regatta__v1__delete_range_request__descriptor,
     .on_message = regatta_delete_range},
    {.route = GRPC_ROUTE("txn"),
     .path = "/regatta.v1.KV/Txn",
     .request = &regatta__v1__txn_request__descriptor,
     .on_message = regatta_txn},
    {.route = GRPC_ROUTE("tables_create"),
     .path = "/regatta.v1.Tables/Create",
     .request = &regatta__v1__create_table_request__descriptor,
     .on_message = regatta_create_table,
     .on_abort = regatta_change_on_abort},
    {.route = GRPC_ROUTE("tables_delete"),
     .path = "/regatta.v1.Tables/Delete",
     .request = &regatta__v1__delete_table_request__descriptor,
     .on_message = regatta_delete_table,
     .on_abort = regatta_change_on_abort},
    {.route = GRPC_ROUTE("tables_list"),
     .path = "/regatta.v1.Tables/List",
     .request = &regatta__v1__list_tables_request__descriptor,
     .on_message = regatta_list_tables},
    {.route = GRPC_ROUTE("member_list"),
     .path = "/regatta.v1.Cluster/MemberList",
     .request = &regatta__v1__member_list_request__descriptor,
     .on_message = regatta_member_list},
    {.route = GRPC_ROUTE("status"),
     .path = "/regatta.v1.Cluster/Status",
     .request = &regatta__v1__status_request__descriptor,
     .on_message = regatta_status},
    {.route = GRPC_ROUTE("backup"),
     .path = "/maintenance.v1.Maintenance/Backup",
     .request = &maintenance__v1__backup_request__descriptor,
     .on_message = regatta_backup,
     .on_writable = regatta_backup_on_writable,
     .on_abort = regatta_backup_on_abort},
    {.route = GRPC_ROUTE("restore"),
     .path = "/maintenance.v1.Maintenance/Restore",
     .request = &maintenance__v1__restore_message__descriptor,
     .client_streams = true,
     .on_open = regatta_restore_on_open,
     .on_message = regatta_restore,
     .on_abort = regatta_restore_on_abort},
    {.route = GRPC_ROUTE("reset"),
     .path = "/maintenance.v1.Maintenance/Reset",
     .request = &maintenance__v1__reset_request__descriptor,
     .on_message = regatta_reset,
     .on_abort = regatta_reset_on_abort},
    {.route = GRPC_ROUTE("early_hash"),
     .path = "/regatta.v1.Maintenance/Hash",
     .request = &regatta__v1__hash_request__descriptor,
     .on_message = regatta_early_hash,
     .on_abort = regatta_hash_on_abort},
    {.route = GRPC_ROUTE("early_reset"),
     .path = "/regatta.v1.Maintenance/Reset",
     .request = &regatta__v1__reset_request__descriptor,
     .on_message = regatta_early_reset,
     .on_abort = regatta_reset_on_abort},
};

static const struct http_route *find(const struct http_request *request)
{
    const struct http_route *route =
        grpc_find(request, methods, sizeof(methods) / sizeof(methods[0]));
    return route == NULL ? rest_find(request) : route;
}

const struct http_dialect *regatta_dialect(void)
{
    static const struct http_dialect dialect = {
        .name = "regatta", .dialect = DIALECT_REGATTA, .find = find};
    return &dialect;
}
