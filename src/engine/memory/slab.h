/* slab.h - memory for versions and nodes of one engine, by size class.
 *
 * One thread only: an engine allocates and frees as its owner, so there are no locks, no
 * headers per object and the count of bytes is exact. Two implementations, chosen by the
 * build: slab.c (blocks of one size class) and slab_malloc.c (the C library, so that a
 * sanitizer sees each object). */
#ifndef ENGINE_MEMORY_SLAB_H
#define ENGINE_MEMORY_SLAB_H

#include "engine/pages.h"

struct slab;

/* Returns owned; shares `pages`, which outlives it. Takes no memory for objects before the first.
 */
struct slab *slab_new(struct pages *pages);

/* Frees `*s` and sets it to NULL. All objects have been given back. */
void slab_free(struct slab **s);

/* Never fails (the process stops). Aligned to 8 bytes; to 64 if `size` is a multiple of 64 and
 * at most 4096. */
void *slab_get(struct slab *s, size_t size);

/* `size` is the one given to slab_get(). */
void slab_put(struct slab *s, void *object, size_t size);

/* Bytes of objects in use, rounded up to their classes. Any thread. */
size_t slab_used_bytes(const struct slab *s);

#endif
