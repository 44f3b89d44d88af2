/* Blocks of pages.h, each for one size class; a block whose last object goes is given back.
 * Objects above SLAB_OBJECT_MAX come from malloc. */
#include "engine/memory/slab.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "base/check.h"
#include "base/mem.h"

#define SLAB_OBJECT_MAX ((size_t)4096)
#define FINE_MAX        ((size_t)1024) /* classes step by 8 up to here, by 64 above */
#define CLASS_COUNT     (FINE_MAX / 8 + (SLAB_OBJECT_MAX - FINE_MAX) / 64 + 1)
#define SMALL_BLOCKS    16 /* of an engine that come from small pages: 1 MiB */

/* The head of a block. */
struct block {
    struct block *next; /* blocks of this class with room */
    struct block *previous;
    void *free_list;
    uint8_t *fresh; /* the first byte never handed out */
    const uint8_t *end;
    uint32_t object_size;
    uint32_t used; /* objects */
    bool is_listed;
};

_Static_assert(sizeof(struct block) <= BLOCK_HEAD_SIZE, "pages.h has room for it");

struct slab {
    struct block *with_room[CLASS_COUNT];
    struct pages *pages;
    size_t blocks;       /* in use */
    _Atomic size_t used; /* bytes; written by the owner only */
};

static size_t class_of(size_t size)
{
    return size <= FINE_MAX ? (size + 7) / 8 : FINE_MAX / 8 + (size - FINE_MAX + 63) / 64;
}

static size_t class_size(size_t class)
{
    return class <= FINE_MAX / 8 ? class * 8 : FINE_MAX + (class - FINE_MAX / 8) * 64;
}

static void count(struct slab *s, size_t more, size_t less)
{
    const size_t used = atomic_load_explicit(&s->used, memory_order_relaxed);
    CHECK(used + more >= less);
    atomic_store_explicit(&s->used, used + more - less, memory_order_relaxed);
}

struct slab *slab_new(struct pages *pages)
{
    struct slab *s = mem_zero(1, sizeof(*s));
    s->pages = pages;
    return s;
}

void slab_free(struct slab **s)
{
    CHECK(slab_used_bytes(*s) == 0);
    CHECK((*s)->blocks == 0);
    mem_free(*s);
    *s = NULL;
}

static void list_block(struct slab *s, struct block *b)
{
    struct block **head = &s->with_room[class_of(b->object_size)];
    b->previous = NULL;
    b->next = *head;
    if (b->next != NULL) {
        b->next->previous = b;
    }
    *head = b;
    b->is_listed = true;
}

static void unlist_block(struct slab *s, struct block *b)
{
    CHECK(b->is_listed);
    *(b->previous == NULL ? &s->with_room[class_of(b->object_size)] : &b->previous->next) = b->next;
    if (b->next != NULL) {
        b->next->previous = b->previous;
    }
    b->is_listed = false;
}

static struct block *block_new(struct slab *s, size_t class)
{
    const struct block_place place = pages_take(s->pages, s->blocks >= SMALL_BLOCKS);
    struct block *b = place.head;
    *b = (struct block){.fresh = place.memory,
                        .end = place.memory + place.size,
                        .object_size = (uint32_t)class_size(class)};
    s->blocks++;
    list_block(s, b);
    return b;
}

void *slab_get(struct slab *s, size_t size)
{
    CHECK(size > 0);
    if (size > SLAB_OBJECT_MAX) {
        count(s, size, 0);
        return mem_alloc(size);
    }
    const size_t class = class_of(size);
    struct block *b = s->with_room[class];
    if (b == NULL) {
        b = block_new(s, class);
    }
    void *object = b->free_list;
    if (object != NULL) {
        b->free_list = *(void **)object;
    } else {
        object = b->fresh;
        b->fresh += b->object_size;
    }
    b->used++;
    count(s, b->object_size, 0);
    if (b->free_list == NULL && b->object_size > (size_t)(b->end - b->fresh)) {
        unlist_block(s, b);
    }
    const struct block *after = s->with_room[class];
    if (after != NULL) { /* what is given next, and then, may not have been touched for long */
        const uint8_t *next = after->free_list != NULL ? after->free_list : after->fresh;
        __builtin_prefetch(next);
        __builtin_prefetch(next + after->object_size - 1);
        __builtin_prefetch(after->next);
    }
    return object;
}

void slab_put(struct slab *s, void *object, size_t size)
{
    if (size > SLAB_OBJECT_MAX) {
        count(s, 0, size);
        mem_free(object);
        return;
    }
    struct block *b = pages_head(object);
    CHECK(b->used > 0);
    CHECK(class_of(b->object_size) == class_of(size));
    *(void **)object = b->free_list;
    b->free_list = object;
    b->used--;
    count(s, 0, b->object_size);
    if (!b->is_listed) {
        list_block(s, b);
    }
    if (b->used == 0) {
        unlist_block(s, b);
        s->blocks--;
        pages_give(s->pages, object);
    }
}

size_t slab_used_bytes(const struct slab *s)
{
    return atomic_load_explicit(&s->used, memory_order_relaxed);
}
