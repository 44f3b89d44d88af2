/* The service Status. */
#include "api/native/grpc/calls.h"
#include "proto/holdfast/v1/status.pb-c.h"

/* Packing does not change it. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

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
    m.state = text_of(ready == ERR_OK ? "ready" : err_name(ready));
    m.version = text_of(facts->version);
    m.node = text_of(facts->node_name);
    m.node_id = text_of(facts->node_id);
    m.address = text_of(facts->address);
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
