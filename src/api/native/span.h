/* span.h - which keys a request means: ?prefix=, or ?from= and ?to=, and a cursor. */
#ifndef API_NATIVE_SPAN_H
#define API_NATIVE_SPAN_H

#include "api/native/native.h"

struct span {
    struct slice from;
    struct slice to; /* NULL data: no end */
};

/* The keys that begin with `prefix`. `to` lies in the arena. */
struct span span_of_prefix(struct arena *arena, struct slice prefix);

/* From three parameters. Errors: ERR_INVALID (prefix beside from or to). */
MUST_CHECK enum err span_read(struct arena *arena, const struct parameter *prefix,
                              const struct parameter *from, const struct parameter *to,
                              struct span *out, struct err_why *why);

#endif
