/* payload.h - what is behind WRITE and PUT: an object of JSON in base64, read as Go would. */
#ifndef API_DSTORE_PAYLOAD_H
#define API_DSTORE_PAYLOAD_H

#include "base/arena.h"
#include "base/err.h"

struct payload {
    struct slice key;
    struct slice value;
};

/* In the arena. `package` is the one whose KeyValue it is read into, for the texts of errors. With
 * `is_hasty`, as in Hedge, what can be decoded counts, and an error in the base64 shows only where
 * the JSON is not whole because of it. Errors: ERR_INVALID, with Go's text. */
MUST_CHECK enum err payload_read(struct slice text, const char *package, bool is_hasty,
                                 struct arena *arena, struct payload *payload, struct err_why *why);

#endif
