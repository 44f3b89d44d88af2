/* rest.h - the REST interface of Regatta's first version: five routes, POST with JSON. */
#ifndef API_REGATTA_REST_H
#define API_REGATTA_REST_H

#include "wire/http.h"

/* NULL: the path is not one of them. */
const struct http_route *rest_find(const struct http_request *request);

#endif
