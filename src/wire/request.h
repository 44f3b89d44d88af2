/* request.h - private to wire/: the parts of a request that every version of HTTP has, and the
 * rules for them. */
#ifndef WIRE_REQUEST_H
#define WIRE_REQUEST_H

#include "wire/http.h"

enum http_method request_method(struct slice text);

/* Host and port without user information, path or blanks. May be empty. */
bool request_is_authority(struct slice host);

/* Sets path and query. False: `target` is neither a path without blanks, control characters and
 * '#', nor the '*' of OPTIONS. An empty path before a query counts as "/". */
bool request_set_target(struct http_request *r, struct slice target);

/* The number of a Content-Length: digits only, at most 18 of them. */
bool request_length(struct slice value, uint64_t *length);

#endif
