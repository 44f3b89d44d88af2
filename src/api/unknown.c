#include "api/http_call.h"
#include "api/http_pages.h"
#include "api/service.h"

static void handle(struct http_exchange *x, void *arg)
{
    (void)arg;
    http_page_not_found(x);
}

const struct http_route *unknown_route(void)
{
    static const struct http_route route = {
        .name = "unknown", .handle = handle, .on_abort = http_task_on_abort};
    return &route;
}
