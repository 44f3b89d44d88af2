/* content.h - the value of PUT /kv/:key, which may come in three ways. */
#ifndef API_STRATO_CONTENT_H
#define API_STRATO_CONTENT_H

#include "wire/http.h"

/* From a JSON body {"content": ...}, else from the form field Content (of the body or the query),
 * else from ?value=. Lies in the exchange's arena. Errors: ERR_INVALID, with the binder's text. */
MUST_CHECK enum err content_read(struct http_exchange *x, struct slice *content,
                                 struct err_why *why);

#endif
