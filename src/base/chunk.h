/* chunk.h - received bytes that several requests refer to; counted, by one thread.
 *
 * What arrives in one turn lies in a few chunks; a request that outlives the turn holds
 * its chunk, so its keys and values need not be copied. */
#ifndef BASE_CHUNK_H
#define BASE_CHUNK_H

#include <stdint.h>

#include "base/mem.h"

struct chunk {
    uint32_t holds;
    size_t size; /* of `bytes` */
    _Alignas(8) uint8_t bytes[];
};

/* Returns a chunk held once. */
static inline struct chunk *chunk_new(size_t size)
{
    struct chunk *c = mem_alloc(sizeof(*c) + size);
    c->holds = 1;
    c->size = size;
    return c;
}

static inline struct chunk *chunk_hold(struct chunk *c)
{
    c->holds++;
    return c;
}

/* Frees it with the last hold. Harmless for NULL. */
static inline void chunk_release(struct chunk *c)
{
    if (c != 0 && --c->holds == 0) {
        mem_free(c);
    }
}

#endif
