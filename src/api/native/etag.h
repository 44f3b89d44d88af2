/* etag.h - entity tags: the modification revision in quotes; and ranges of bytes. */
#ifndef API_NATIVE_ETAG_H
#define API_NATIVE_ETAG_H

#include "model/op.h"

/* Quotes and twenty digits. */
struct etag {
    char text[24];
};

struct etag etag_of(uint64_t revision);

enum etag_match {
    ETAG_ABSENT, /* no such header */
    ETAG_BROKEN, /* neither "*" nor a list of entity tags */
    ETAG_MATCHES,
    ETAG_DIFFERS
};

/* Compares If-Match (strongly: a weak tag never matches) or If-None-Match with an existing
 * record's revision. */
enum etag_match etag_match(struct slice header, uint64_t revision, bool is_weak_allowed);

/* Turns the two headers of a write into the condition of `op`. Errors: ERR_INVALID (broken, both,
 * several tags), ERR_CONFLICT (can never hold). */
MUST_CHECK enum err etag_condition(struct slice if_match, struct slice if_none_match, struct op *op,
                                   struct err_why *why);

enum byte_range {
    BYTE_RANGE_NONE, /* no such header, or one that is to be ignored (RFC 9110, 14.2) */
    BYTE_RANGE_PART,
    BYTE_RANGE_BEYOND /* nothing of it exists: 416 */
};

/* One range of `total` bytes; several at once are answered whole. */
enum byte_range byte_range_read(struct slice header, uint64_t total, uint64_t *first,
                                uint64_t *size);

#endif
