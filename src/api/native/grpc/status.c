/* The service Status. */
#include "api/native/grpc/calls.h"
#include "proto/holdfast/v1/status.pb-c.h"

void on_status(struct grpc_call *g, const ProtobufCMessage *message)
{
    const struct node_facts *facts = grpc_context(g)->facts;
    const enum err ready = facts->readiness(facts->arg);
    Holdfast__V1__StatusGetResponse m;
    struct node_totals totals = {0};
    (void)message;
    holdfast__v1__status_get_response__init(&m);
    facts->totals(facts->arg, &totals);
    m.ready = ready == ERR_OK;
    m.state = unconst(ready == ERR_OK ? "ready" : err_name(ready));
    m.version = unconst(facts->version);
    m.node = unconst(facts->node_name);
    m.node_id = unconst(facts->node_id);
    m.address = unconst(facts->address);
    m.uptime_s = totals.uptime_s;
    m.threads = facts->threads;
    m.shards = facts->shards;
    m.connections = totals.connections;
    m.commands_total = totals.commands_total;
    m.memory_used_bytes = totals.memory_used_bytes;
    m.memory_limit_bytes = totals.memory_limit_bytes;
    m.resident_bytes = totals.resident_bytes;
    grpc_reply(g, &m.base);
}
