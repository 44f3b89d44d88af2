/* op_json.h - operations as JSON objects, in transactions and batches:
 *
 *   {"op":"put","key":"a","value":"b","ttl":"5s","if_absent":true}
 *
 * op_json.c holds the list of them and of their members. */
#ifndef API_NATIVE_OP_JSON_H
#define API_NATIVE_OP_JSON_H

#include "api/native/native.h"

/* Where the objects were found. */
struct op_json_scope {
    const struct table *table;
    struct arena *arena; /* gets all bytes of the ops */
    struct slice author; /* of versions that name none */
    uint64_t now_ms;
    uint64_t random; /* a draw, for ids of versions that have none */
    bool is_part;    /* of a transaction: has no idempotency id of its own */
};

struct op_json_scope op_json_scope(const struct loop_context *context, const struct table *table,
                                   struct arena *arena);

/* Errors: ERR_INVALID; ERR_TOO_LARGE; ERR_CROSS_SHARD (a range over a table that has no one
 * place). */
MUST_CHECK enum err op_json_read(const struct op_json_scope *scope, json_t *value, struct op *op,
                                 struct err_why *why);

/* {"compare": [...], "then": [...], "else": [...]} as an OP_TXN. Errors: as above, ERR_TOO_LARGE.
 */
MUST_CHECK enum err txn_json_read(const struct op_json_scope *scope, const json_t *root,
                                  struct op *op, struct err_why *why);

/* What became of it: an object; of a failed one {"error": problem}. */
void op_json_result_to(struct buf *out, const struct op *op, const struct result *result,
                       uint64_t now_ms);

/* {"error": problem} */
void op_json_error_to(struct buf *out, enum err e, const char *detail);

#endif
