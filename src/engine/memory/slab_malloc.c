/* The C library's allocator behind slab.h, so that a sanitizer sees each object. */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "engine/memory/slab.h"

struct slab {
    _Atomic size_t used; /* written by the owner only */
};

static void count(struct slab *s, size_t used)
{
    atomic_store_explicit(&s->used, used, memory_order_relaxed);
}

struct slab *slab_new(struct pages *pages)
{
    (void)pages;
    return mem_zero(1, sizeof(struct slab));
}

void slab_free(struct slab **s)
{
    CHECK(slab_used_bytes(*s) == 0); /* everything is freed one by one, so that leaks show */
    mem_free(*s);
    *s = NULL;
}

void *slab_get(struct slab *s, size_t size)
{
    CHECK(size > 0);
    void *object = NULL;
    const int failed = posix_memalign(&object, size % 64 == 0 ? 64 : sizeof(void *), size);
    CHECK(failed == 0);
    count(s, slab_used_bytes(s) + size);
    return object;
}

void slab_put(struct slab *s, void *object, size_t size)
{
    CHECK(slab_used_bytes(s) >= size);
    count(s, slab_used_bytes(s) - size);
    free(object);
}

size_t slab_used_bytes(const struct slab *s)
{
    return atomic_load_explicit(&s->used, memory_order_relaxed);
}
