/* versions.h - versions of logs as JSON, and ids for new ones. */
#ifndef API_NATIVE_VERSIONS_H
#define API_NATIVE_VERSIONS_H

#include "api/native/native.h"

/* {"key","value","timestamp","id","author"} */
void version_to(struct buf *out, struct slice key, const struct row *row);

/* The id of a version that `op` appends, in the arena: a UUID; made of the draw `random` and the
 * key, or of the idempotency id, so that a retry is answered with the id of the first time. */
struct slice version_id(uint64_t random, struct arena *arena, const struct op *op);

#endif
