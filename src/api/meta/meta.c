/* What gRPC's tools and load balancers ask any server: health and reflection. */
#include "api/meta/meta.h"

#include "api/service.h"

void meta_service_name_to(struct buf *out, struct slice package, struct slice name)
{
    buf_append_slice(out, package);
    buf_append_byte(out, '.');
    buf_append_slice(out, name);
}

static const struct http_route *find(const struct http_request *request)
{
    if (!slice_starts_with(request->path, SLICE("/grpc."))) {
        return NULL;
    }
    const struct http_route *route = health_find(request);
    return route == NULL ? reflection_find(request) : route;
}

const struct http_dialect *meta_dialect(void)
{
    static const struct http_dialect dialect = {
        .name = "meta", .dialect = DIALECT_ADMIN, .find = find, .is_everywhere = true};
    return &dialect;
}
