#include "api/grpc_private.h"
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

const struct http_route *unknown_route_for(const struct http_request *request)
{
    if (request->method == HTTP_POST &&
        grpc_kind_of(http_header(request, "content-type")) != GRPC_KIND_NONE) {
        return grpc_unknown_service_route(request);
    }
    return unknown_route();
}
