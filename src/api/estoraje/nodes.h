/* nodes.h - the routes of Estoraje that tell about the cluster: truthful for a cluster of one. */
#ifndef API_ESTORAJE_NODES_H
#define API_ESTORAJE_NODES_H

#include "wire/http.h"

/* GET of `path`; NULL: none of these. */
const struct http_route *nodes_find_get(struct slice path);

/* DELETE of `path`. */
const struct http_route *nodes_find_delete(struct slice path);

#endif
