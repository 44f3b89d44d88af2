/* ops.h - Strato's rules, whichever protocol a request came by. */
#ifndef API_STRATO_OPS_H
#define API_STRATO_OPS_H

#include "model/op.h"

/* A value of the cache; a time to live of 0 or less is 5 s. Table and key are the caller's. */
void strato_cache_put(struct op *op, struct slice value, int32_t ttl_s, uint64_t now_ms);

/* What a read of a counter says: 0 until somebody counts. Errors: ERR_NOT_A_NUMBER, the result's.
 */
MUST_CHECK enum err strato_counter(const struct result *result, int64_t *value);

/* A flag as it is stored, and what a read of one says: false until somebody sets it. */
struct slice strato_flag_text(bool is_set);
MUST_CHECK enum err strato_flag(const struct result *result, bool *is_set);

/* All members of a set, in bytewise order; `key` is borrowed until the op is done. */
void strato_set_members(struct op *op, const struct slice *key);

/* A change of a set answers with the whole set as it is then: both in one transaction. Lives until
 * the op is done. */
struct strato_set_change {
    struct slice key;
    struct slice item; /* added or removed */
    struct op parts[2];
};

/* `kind` is OP_SET_ADD or OP_SET_REMOVE; `op` has its table and becomes the transaction. */
void strato_set_change(struct op *op, struct strato_set_change *change, enum op_kind kind);

/* The set after a change; NULL: `*e` says why not. */
const struct result *strato_set_changed(const struct result *result, enum err *e);

#endif
