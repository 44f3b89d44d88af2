/* pairs.h - ranges of keys as Regatta names them, and rows of an answer as messages. */
#ifndef API_REGATTA_PAIRS_H
#define API_REGATTA_PAIRS_H

#include "api/regatta/regatta.h"

/* One key, or the keys from one to another. */
struct extent {
    struct slice from;
    struct slice to; /* NULL data: the end of the table */
    bool is_single;
};

/* `has_end`: there is a range_end, perhaps an empty one. One zero byte is the end of the table. */
struct extent extent_of(ProtobufCBinaryData key, bool has_end, ProtobufCBinaryData range_end);

/* The refusal of a bound over the limit; GRPC_OK: none. */
struct refusal extent_check(const struct extent *s);

/* Makes `op` read the extent's rows, or its one record. */
void extent_read(const struct extent *s, bool keys_only, bool count_only, struct op *op);

/* Makes `op` delete them. The one key is a range, too: that it is not there is no error then, and
 * the write has a revision. */
void extent_delete(const struct extent *s, struct arena *arena, struct op *op);

/* Messages in an arena. Zeroed but for the arena is ready. */
struct pairs {
    struct arena *arena;
    Mvcc__V1__KeyValue **list;
    size_t count;
    size_t room;
    size_t bytes; /* of the messages, as they are sent */
};

/* Room for that many, so that the list need not grow. */
void pairs_reserve(struct pairs *p, size_t count);

/* Adds what a row holds; its bytes are borrowed. False: the message would be too large; the first
 * one always fits. */
bool pairs_add(struct pairs *p, const struct row *row);

/* Appends the messages as elements of field `number`, encoded: what packing them gives, in a third
 * of the time, since ranges are many small ones. */
void pairs_to(const struct pairs *p, uint32_t number, struct buf *out);

/* The record that OP_GET or OP_STAT has found, under `key`. */
struct row row_of_result(struct slice key, const struct result *result);

/* What a range has found: its rows, how many, and whether there is more. Errors: ERR_WRONG_TYPE (a
 * value that is asked for is no string). */
struct found {
    struct pairs pairs;
    int64_t count;
    bool is_more;
};
MUST_CHECK enum err found_of_extent(struct arena *arena, const struct extent *s,
                                    const struct op *op, const struct result *result,
                                    struct found *out);

#endif
