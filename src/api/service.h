/* service.h - how HTTP dialects are found: a request's method and path lead to a route.
 *
 * Each dialect offers one function that looks at the request line and returns its route,
 * or NULL when the path is not its own. front asks them in the order of DESIGN section 9:
 * fixed routes before Estoraje's /{key}. x->loop_arg is the struct loop_context of the
 * loop; x->connection_order the struct call_order of the connection, or of the stream in HTTP/2. */
#ifndef API_SERVICE_H
#define API_SERVICE_H

#include "router/context.h"
#include "wire/http.h"

typedef const struct http_route *(*http_find_fn)(const struct http_request *request);

struct http_dialect {
    const char *name; /* as in --listen ADDR=name */
    enum dialect dialect;
    http_find_fn find;
    bool is_everywhere; /* also on listeners that name other dialects of HTTP */
};

const struct http_dialect *strato_dialect(void);
const struct http_dialect *estoraje_dialect(void);
const struct http_dialect *dstash_dialect(void);
const struct http_dialect *native_dialect(void);      /* /api/v1 */
const struct http_dialect *native_grpc_dialect(void); /* holdfast.v1, under the same name */
const struct http_dialect *regatta_dialect(void);     /* and the REST routes of its first version */
const struct http_dialect *admin_dialect(void);       /* /metrics, /healthz, /readyz */

const struct http_dialect *meta_dialect(void); /* gRPC's health and reflection */

/* The answer to a path that nobody owns: 404, text/plain, "404 page not found". */
const struct http_route *unknown_route(void);

/* The same as `request` understands it: gRPC is answered with a status. */
const struct http_route *unknown_route_for(const struct http_request *request);

#endif
