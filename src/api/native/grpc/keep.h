/* keep.h - an op with all that it refers to in one piece of memory, for ops that outlive the
 * message they were read from. */
#ifndef API_NATIVE_GRPC_KEEP_H
#define API_NATIVE_GRPC_KEEP_H

#include "model/op.h"

/* Where copies go. With `at` NULL nothing is copied, and `size` counts the bytes that are needed.
 */
struct keeper {
    uint8_t *at; /* aligned to 8 */
    size_t size;
};

/* `size` bytes at `data`, aligned to 8. */
void *keep_bytes(struct keeper *k, const void *data, size_t size);

/* What `op` refers to; it refers to the copies then. */
void keep_op(struct keeper *k, struct op *op);

#endif
