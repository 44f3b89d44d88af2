/* Strato over HTTP, as its version 0.1.6 spoke. Here: paths to routes, and what the services
 * share (gRPC is rpc.c). Go's router gin shows through in many places; http_pages.h holds those
 * pages. */
#include "api/strato/strato.h"

#include "api/service.h"
#include "base/check.h"

/* The segment behind the service's name. */
static struct slice key_segment(const struct http_request *request)
{
    const struct slice path = request->path;
    CHECK(path.data != NULL && path.size > 1);
    const uint8_t *slash = memchr(path.data + 1, '/', path.size - 1);
    CHECK(slash != NULL);
    return slice_skip(path, (size_t)(slash - path.data) + 1);
}

bool strato_call_init(struct http_call *c, struct http_exchange *x, const char *table,
                      http_call_fn answer)
{
    http_call_init(c, x, answer);
    const enum err e = http_call_place(c, slice_of_text(table), key_segment(&x->request));
    if (e == ERR_INVALID) {
        http_page_bad_path(x);
    } else if (e != ERR_OK) {
        strato_fail(x, e);
    }
    return e == ERR_OK;
}

struct http_call *strato_call(struct http_exchange *x, const char *table, enum op_kind kind,
                              http_call_fn answer)
{
    struct http_call *c = arena_zero(x->arena, sizeof(*c));
    if (!strato_call_init(c, x, table, answer)) {
        return NULL;
    }
    c->call.op.kind = (uint8_t)kind;
    return c;
}

bool strato_query(struct http_exchange *x, const char *name, struct slice *value)
{
    return http_query(&x->request, x->arena, name, value) && value->size > 0;
}

static void respond_error(struct http_exchange *x, unsigned status, struct slice text)
{
    struct http_body body = http_body_begin(x, text.size);
    buf_append_text(&body.buf, "{\"error\":");
    json_string_to(&body.buf, text, JSON_HTML);
    buf_append_byte(&body.buf, '}');
    http_body_send(x, status, JSON_GO_TYPE, &body);
}

void strato_fail(struct http_exchange *x, enum err e)
{
    http_err_count(x, DIALECT_STRATO, e);
    if (e == ERR_NOT_FOUND) {
        http_page_empty(x, 404);
    } else {
        respond_error(x, http_err_status(e), slice_of_text(http_err_text(e)));
    }
}

void strato_refuse(struct http_exchange *x, const char *text)
{
    strato_refuse_slice(x, slice_of_text(text));
}

void strato_refuse_slice(struct http_exchange *x, struct slice text)
{
    http_err_count(x, DIALECT_STRATO, ERR_INVALID);
    respond_error(x, 400, text);
}

void strato_answer_no_content(struct http_call *c, const struct result *result)
{
    if (result->err != ERR_OK) {
        strato_fail(c->x, result->err);
    } else {
        http_page_empty(c->x, 204);
    }
}

static void ping(struct http_exchange *x, void *arg)
{
    (void)arg;
    http_page_empty(x, 200);
}

static const struct http_route *method_route(const struct strato_service *service,
                                             enum http_method method)
{
    switch (method) {
    case HTTP_GET:
        return service->get;
    case HTTP_PUT:
        return service->put;
    case HTTP_DELETE:
        return service->remove;
    case HTTP_HEAD:
    case HTTP_POST:
    case HTTP_PATCH:
    case HTTP_OPTIONS:
    case HTTP_OTHER:
        break;
    }
    return NULL;
}

/* A service's path without a key is nobody else's: on a shared port it must not become Estoraje's
 * key "kv". */
static const struct http_route *find(const struct http_request *request)
{
    static const struct {
        const char *prefix;
        size_t size;
        struct strato_service (*service)(void);
    } services[] = {
        {"/kv/", 4, strato_kv},
        {"/cache/", 7, strato_cache},
        {"/counters/", 10, strato_counters},
        {"/sets/", 6, strato_sets},
        {"/flags/", 7, strato_flags},
    };
    static const struct http_route ping_route = {
        .name = "ping", .handle = ping, .on_abort = http_task_on_abort};
    const struct slice path = request->path;
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        const size_t size = services[i].size;
        if (path.size < size || memcmp(path.data, services[i].prefix, size) != 0) {
            continue;
        }
        const struct strato_service service = services[i].service();
        const struct http_route *route = method_route(&service, request->method);
        route = route == NULL ? NULL : http_tail_route(slice_skip(path, size), route);
        return route == NULL ? unknown_route() : route;
    }
    const struct http_route *rpc = strato_rpc_find(request);
    if (rpc != NULL) {
        return rpc;
    }
    const bool is_ping = slice_equal(path, SLICE("/ping")) || slice_equal(path, SLICE("/ping/"));
    return is_ping && request->method == HTTP_GET
               ? http_tail_route(slice_skip(path, 1), &ping_route)
               : NULL;
}

const struct http_dialect *strato_dialect(void)
{
    static const struct http_dialect dialect = {
        .name = "strato", .dialect = DIALECT_STRATO, .find = find};
    return &dialect;
}
