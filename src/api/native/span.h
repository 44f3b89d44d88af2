/* span.h - which keys a request means: those that begin with ?prefix=, lie between ?from= and ?to=,
 * or both. */
#ifndef API_NATIVE_SPAN_H
#define API_NATIVE_SPAN_H

#include "api/native/native.h"

struct span {
    struct slice from;
    struct slice to; /* NULL data: no end */
};

/* What all three have in common; NULL data: not given. Lies in the arena, or is borrowed. */
struct span span_of(struct arena *arena, struct slice prefix, struct slice from, struct slice to);

/* Goes on behind `after`, the last key of an earlier list, in the direction of this one. */
void span_resume(struct source_config *config, struct slice after);

/* From three parameters. Errors: ERR_INVALID (longer than a key). */
MUST_CHECK enum err span_read(struct arena *arena, const struct parameter *prefix,
                              const struct parameter *from, const struct parameter *to,
                              struct span *out, struct err_why *why);

#endif
