/* meta.h - private to meta/: its methods. */
#ifndef API_META_META_H
#define API_META_META_H

#include "api/grpc.h"

/* The name of a service as the walk gives it, as one text. */
void meta_service_name_to(struct buf *out, struct slice package, struct slice name);

/* Routes of the health service and of reflection, or NULL. */
const struct http_route *health_find(const struct http_request *request);
const struct http_route *reflection_find(const struct http_request *request);

#endif
