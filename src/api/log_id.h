/* log_id.h - ids for new versions of a log. */
#ifndef API_LOG_ID_H
#define API_LOG_ID_H

#include "base/arena.h"
#include "model/op.h"

/* The id of a version that `op` appends, in the arena: a UUID; made of the draw `random` and the
 * key, or of the idempotency id, so that a retry is answered with the id of the first time. */
struct slice version_id(uint64_t random, struct arena *arena, const struct op *op);

#endif
