/* arena.h - memory that is given back in one go. Zeroed is empty.
 *
 * arena_reset() keeps the first chunk, so an arena that is reset once per turn of
 * a loop stops allocating after the first turns. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

#define ARENA_CHUNK_BYTES ((size_t)64 << 10) /* larger wishes get a chunk of their own */

struct arena_chunk;

struct arena {
    struct arena_chunk *chunk; /* newest; owned */
    size_t used_bytes;         /* of all chunks */
};

/* `size` bytes aligned to 8, uninitialised; valid until reset or deinit. */
void *arena_get(struct arena *a, size_t size);

/* The same, zeroed. */
void *arena_zero(struct arena *a, size_t size);

/* A copy of `s`. */
struct slice arena_copy(struct arena *a, struct slice s);

/* Everything is given back; keeps one chunk. */
void arena_reset(struct arena *a);

void arena_deinit(struct arena *a);

#endif
