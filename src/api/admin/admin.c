/* What an operator's tools ask for, outside of any dialect: /metrics, /healthz, /readyz. */
#include "api/http_err.h"
#include "api/http_pages.h"
#include "api/service.h"

static void metrics(struct http_exchange *x, void *arg)
{
    (void)arg;
    const struct node_facts *facts = http_context(x)->facts;
    struct buf body = {0};
    facts->metrics(facts->arg, &body);
    http_page(x, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&body));
    buf_deinit(&body);
}

static void healthz(struct http_exchange *x, void *arg)
{
    (void)arg;
    http_page(x, 200, TEXT_GO_TYPE, SLICE("ok"));
}

static void readyz(struct http_exchange *x, void *arg)
{
    (void)arg;
    const struct node_facts *facts = http_context(x)->facts;
    const enum err e = facts->readiness(facts->arg);
    if (e == ERR_OK) {
        http_page(x, 200, TEXT_GO_TYPE, SLICE("ok"));
        return;
    }
    http_page(x, 503, TEXT_GO_TYPE, slice_of_text(err_name(e)));
}

static const struct http_route *find(const struct http_request *request)
{
    static const struct {
        const char *path;
        struct http_route route;
    } routes[] = {
        {"/metrics", {.name = "metrics", .handle = metrics, .on_abort = http_task_on_abort}},
        {"/healthz", {.name = "healthz", .handle = healthz, .on_abort = http_task_on_abort}},
        {"/readyz", {.name = "readyz", .handle = readyz, .on_abort = http_task_on_abort}},
    };
    if (request->method != HTTP_GET && request->method != HTTP_HEAD) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (slice_equal(request->path, slice_of_text(routes[i].path))) {
            return &routes[i].route;
        }
    }
    return NULL;
}

const struct http_dialect *admin_dialect(void)
{
    static const struct http_dialect dialect = {
        .name = "admin", .dialect = DIALECT_ADMIN, .find = find};
    return &dialect;
}
