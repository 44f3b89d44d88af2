/* status, and the description of this very interface. */
#include "api/native/native.h"
#include "api/native/openapi.h"

static void number_to(struct buf *out, const char *name, uint64_t number)
{
    buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)number);
}

static void text_to(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    json_string_to(out, slice_of_text(text), JSON_PLAIN);
}

static void status(struct http_exchange *x, void *arg)
{
    (void)arg;
    const struct node_facts *facts = http_context(x)->facts;
    const enum err ready = facts->readiness(facts->arg);
    struct node_totals totals = {0};
    struct err_why why = {0};
    struct buf body = {0};
    const enum err e = parameters_none(x, &why);
    if (e != ERR_OK) {
        native_fail(x, e, why.text);
        return;
    }
    facts->totals(facts->arg, &totals);
    buf_append_text(&body, ready == ERR_OK ? "{\"ready\":true" : "{\"ready\":false");
    text_to(&body, "state", ready == ERR_OK ? "ready" : err_name(ready));
    text_to(&body, "version", facts->version);
    text_to(&body, "node", facts->node_name);
    text_to(&body, "node_id", facts->node_id);
    text_to(&body, "address", facts->address);
    number_to(&body, "uptime_s", totals.uptime_s);
    number_to(&body, "threads", facts->threads);
    number_to(&body, "shards", facts->shards);
    number_to(&body, "connections", totals.connections);
    number_to(&body, "commands_total", totals.commands_total);
    number_to(&body, "memory_used_bytes", totals.memory_used_bytes);
    number_to(&body, "memory_limit_bytes", totals.memory_limit_bytes);
    number_to(&body, "resident_bytes", totals.resident_bytes);
    buf_append_byte(&body, '}');
    native_respond(x, 200, &body);
}

static void openapi(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct err_why why = {0};
    const enum err e = parameters_none(x, &why);
    if (e != ERR_OK) {
        native_fail(x, e, why.text);
        return;
    }
    const struct http_header type = {SLICE("Content-Type"), SLICE("application/json")};
    http_respond(x, 200, &type, 1, openapi_document());
}

const struct native_resource *native_node(size_t *count)
{
    static const struct http_route status_route = {
        .name = "status", .handle = status, .on_abort = http_task_on_abort};
    static const struct http_route openapi_route = {
        .name = "openapi", .handle = openapi, .on_abort = http_task_on_abort};
    static const struct native_resource resources[] = {
        {.pattern = {"status"}, .get = &status_route},
        {.pattern = {"openapi.json"}, .get = &openapi_route},
    };
    *count = sizeof(resources) / sizeof(resources[0]);
    return resources;
}
