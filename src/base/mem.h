/* mem.h - allocation that cannot fail: behind the door, limits have been checked,
 * so running out of memory is not an answer anybody could give; the process stops. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* `size` bytes, uninitialised. */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));

/* `count` x `size` bytes, zeroed; the product is checked. */
void *mem_zero(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* As realloc(3). */
void *mem_resize(void *memory, size_t size) __attribute__((returns_nonnull));

/* A copy of a C string. */
char *mem_text(const char *text) __attribute__((returns_nonnull));

/* As free(3). */
void mem_free(void *memory);

#endif
