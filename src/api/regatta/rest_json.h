/* rest_json.h - requests of the first version's REST interface as JSON, read as its gateway did. */
#ifndef API_REGATTA_REST_JSON_H
#define API_REGATTA_REST_JSON_H

#include "base/arena.h"
#include "base/err.h"

/* The fields of all requests. */
struct rest_request {
    struct slice table;
    struct slice key;
    struct slice value;
    struct slice range_end; /* NULL data: absent; it may be empty */
    int64_t limit;
    int64_t min_mod_revision;
    int64_t max_mod_revision;
    int64_t min_create_revision;
    int64_t max_create_revision;
    uint64_t member_id;
    int64_t operation; /* enum ResetOperation */
    bool linearizable;
    bool keys_only;
    bool count_only;
    bool prev_kv;
};

enum rest_message {
    REST_RANGE,
    REST_PUT,
    REST_DELETE_RANGE,
    REST_HASH,
    REST_RESET
};

/* Reads a message; its bytes lie in the arena. An empty text is an empty message, unknown names are
 * skipped, null is absent, and what follows the value is not looked at.
 * Errors: ERR_INVALID, with the text of the gateway's decoder. */
MUST_CHECK enum err rest_json_read(struct slice text, enum rest_message message,
                                   struct arena *arena, struct rest_request *out,
                                   struct err_why *why);

#endif
