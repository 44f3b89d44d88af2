/* multipart.h - one field of a form as `curl -F` sends it (RFC 7578). */
#ifndef API_STRATO_MULTIPART_H
#define API_STRATO_MULTIPART_H

#include "base/err.h"
#include "base/slice.h"

/* The first field `name` that is no file; `*value` lies in `body`, NULL data when there is none.
 * Errors: ERR_INVALID (the type names no boundary), with Go's text. */
MUST_CHECK enum err multipart_field(struct slice content_type, struct slice body, const char *name,
                                    struct slice *value, struct err_why *why);

#endif
