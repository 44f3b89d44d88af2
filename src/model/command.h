/* command.h - an op as bytes: what travels in a log entry.
 *
 * Versions 1 and 2; see docs/formats.md. Everything that apply needs lies in the entry or in the
 * state: the stamp and the random number of the moment it was ordered travel with it. */
#ifndef MODEL_COMMAND_H
#define MODEL_COMMAND_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/op.h"

struct command {
    uint64_t stamp_ms; /* the time of the command */
    uint64_t random;   /* seed of its random choices */
    struct op op;
};

/* Appends the command's bytes to `out`. `op` has passed op_check(). */
void command_encode(struct buf *out, const struct command *c);

/* Reads a command; slices point into `bytes`, arrays lie in `arena`. The whole of `bytes` must be
 * used. Whatever the bytes are, nothing is read outside them. Errors: ERR_CORRUPT,
 * ERR_UNIMPLEMENTED (a newer version). */
MUST_CHECK enum err command_decode(struct slice bytes, struct arena *arena, struct command *c,
                                   struct err_why *why);

#endif
