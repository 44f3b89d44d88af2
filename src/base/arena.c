#include "base/arena.h"

#include "base/check.h"
#include "base/mem.h"

struct arena_chunk {
    struct arena_chunk *older;
    size_t size; /* of `bytes` */
    size_t used;
    _Alignas(8) uint8_t bytes[];
};

static struct arena_chunk *chunk_new(struct arena *a, size_t wanted)
{
    const size_t size = wanted > ARENA_CHUNK_BYTES ? wanted : ARENA_CHUNK_BYTES;
    struct arena_chunk *c = mem_alloc(sizeof(*c) + size);
    c->older = a->chunk;
    c->size = size;
    c->used = 0;
    a->chunk = c;
    return c;
}

void *arena_get(struct arena *a, size_t size)
{
    const size_t padded = (size + 7) & ~(size_t)7;
    CHECK(padded >= size);
    struct arena_chunk *c = a->chunk;
    if (c == NULL || c->size - c->used < padded) {
        c = chunk_new(a, padded);
    }
    void *memory = c->bytes + c->used;
    c->used += padded;
    a->used_bytes += padded;
    return memory;
}

void *arena_zero(struct arena *a, size_t size)
{
    void *memory = arena_get(a, size);
    memset(memory, 0, size);
    return memory;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    if (s.size == 0) {
        return (struct slice){(const uint8_t *)"", 0};
    }
    uint8_t *copy = arena_get(a, s.size);
    memcpy(copy, s.data, s.size);
    return (struct slice){copy, s.size};
}

static void free_older(struct arena_chunk *c)
{
    while (c != NULL) {
        struct arena_chunk *older = c->older;
        mem_free(c);
        c = older;
    }
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *c = a->chunk;
    a->used_bytes = 0;
    if (c == NULL) {
        return;
    }
    free_older(c->older);
    c->older = NULL;
    c->used = 0;
    if (c->size > ARENA_CHUNK_BYTES) { /* a large wish must not be kept for ever */
        mem_free(c);
        a->chunk = NULL;
    }
}

void arena_deinit(struct arena *a)
{
    free_older(a->chunk);
    *a = (struct arena){0};
}
