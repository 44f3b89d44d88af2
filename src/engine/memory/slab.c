/* Regions of 2 MiB are cut into blocks of 64 KiB; a block serves one size class. What is known
 * about the blocks of a region lies together at its start, not in the blocks: at the start of
 * each block it would always fall into the same few sets of the cache. A block whose
 * last object goes returns to its region, a region whose last block goes returns to the kernel,
 * but for one in reserve. When many blocks are free in regions that are in use (versions moved
 * from one class to the next, say), their pages go back too. Objects above SLAB_OBJECT_MAX come
 * from malloc.
 *
 * A node has hundreds of engines and most are nearly empty, so the first region is made of small
 * pages, of which only the touched ones cost memory. An engine that needs a second region is
 * large: its regions are huge pages from then on, the first one too. */
#include "engine/memory/slab.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/mem.h"

#define REGION_SIZE     ((size_t)2 << 20)
#define BLOCK_SIZE      ((size_t)64 << 10)
#define REGION_BLOCKS   (REGION_SIZE / BLOCK_SIZE)
#define SLAB_OBJECT_MAX ((size_t)4096)
#define FINE_MAX        ((size_t)1024) /* classes step by 8 up to here, by 64 above */
#define CLASS_COUNT     (FINE_MAX / 8 + (SLAB_OBJECT_MAX - FINE_MAX) / 64 + 1)
#define COLLAPSE_NOW    25 /* MADV_COLLAPSE, from Linux 6.1; older kernels refuse it */

#define HEADS_SIZE   (REGION_BLOCKS * sizeof(struct block))
#define HEADS_PLACES 4 /* where they may lie, by the address of the region: for the same reason */

_Static_assert(REGION_BLOCKS == 32, "free_mask has 32 bits");

struct region {
    uint8_t *base;
    uint32_t free_mask; /* one bit per block */
    struct region *next;
    struct region *previous;
};

struct block {
    _Alignas(64) struct region *region;
    struct block *next; /* blocks of this class with room */
    struct block *previous;
    void *free_list;
    uint32_t object_size;
    uint32_t fresh; /* offset of the first byte never handed out */
    uint32_t used;  /* objects */
    bool is_listed;
};

_Static_assert(sizeof(struct block) == 64, "one cache line; objects start at a multiple of 64");

struct slab {
    struct block *with_room[CLASS_COUNT];
    struct region *regions;   /* all */
    struct region *has_space; /* where the next block is looked for first */
    _Atomic size_t used;      /* written by the owner only */
    size_t blocks_used;
    size_t blocks_free;
};

static size_t class_of(size_t size)
{
    return size <= FINE_MAX ? (size + 7) / 8 : FINE_MAX / 8 + (size - FINE_MAX + 63) / 64;
}

static size_t class_size(size_t class)
{
    return class <= FINE_MAX / 8 ? class * 8 : FINE_MAX + (class - FINE_MAX / 8) * 64;
}

/* Of the region that begins at `base`. */
static struct block *heads_of(uint8_t *base)
{
    const size_t place = (uintptr_t)base / REGION_SIZE % HEADS_PLACES;
    return (struct block *)(void *)(base + place * HEADS_SIZE);
}

static struct block *block_of(void *object)
{
    const size_t offset = (uintptr_t)object % REGION_SIZE;
    return heads_of((uint8_t *)object - offset) + offset / BLOCK_SIZE;
}

static size_t block_number(const struct block *b)
{
    return (size_t)(b - heads_of(b->region->base));
}

static uint8_t *block_memory(const struct block *b)
{
    return b->region->base + block_number(b) * BLOCK_SIZE;
}

static void count(struct slab *s, size_t more, size_t less)
{
    const size_t used = atomic_load_explicit(&s->used, memory_order_relaxed);
    CHECK(used + more >= less);
    atomic_store_explicit(&s->used, used + more - less, memory_order_relaxed);
}

struct slab *slab_new(void)
{
    return mem_zero(1, sizeof(struct slab));
}

void slab_free(struct slab **s)
{
    CHECK(slab_used_bytes(*s) == 0);
    for (struct region *r = (*s)->regions; r != NULL;) {
        struct region *next = r->next;
        (void)munmap(r->base, REGION_SIZE);
        mem_free(r);
        r = next;
    }
    mem_free(*s);
    *s = NULL;
}

/* Maps twice the size and trims, because mmap() aligns to pages only. */
static uint8_t *map_region(void)
{
    uint8_t *raw = mmap(NULL, 2 * REGION_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED) {
        fatal("out of memory: a region of %zu bytes", REGION_SIZE);
    }
    const size_t skip = (REGION_SIZE - (uintptr_t)raw % REGION_SIZE) % REGION_SIZE;
    if (skip > 0) {
        (void)munmap(raw, skip);
    }
    (void)munmap(raw + skip + REGION_SIZE, REGION_SIZE - skip);
    return raw + skip;
}

static struct region *region_new(struct slab *s)
{
    struct region *r = mem_alloc(sizeof(*r));
    *r = (struct region){.base = map_region(), .free_mask = UINT32_MAX, .next = s->regions};
    if (r->next == NULL) {
        (void)madvise(r->base, REGION_SIZE, MADV_NOHUGEPAGE);
    } else {
        (void)madvise(r->base, REGION_SIZE, MADV_HUGEPAGE);
        r->next->previous = r;
        if (r->next->next == NULL) { /* perhaps the first one; harmless if not */
            (void)madvise(r->next->base, REGION_SIZE, MADV_HUGEPAGE);
            (void)madvise(r->next->base, REGION_SIZE, COLLAPSE_NOW);
        }
    }
    s->regions = r;
    s->blocks_free += REGION_BLOCKS;
    return r;
}

static void region_free(struct slab *s, struct region *r)
{
    *(r->previous == NULL ? &s->regions : &r->previous->next) = r->next;
    if (r->next != NULL) {
        r->next->previous = r->previous;
    }
    s->has_space = s->regions;
    s->blocks_free -= REGION_BLOCKS;
    (void)munmap(r->base, REGION_SIZE);
    mem_free(r);
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
    struct region *r = s->has_space;
    if (r == NULL || r->free_mask == 0) {
        for (r = s->regions; r != NULL && r->free_mask == 0; r = r->next) {
        }
        r = r == NULL ? region_new(s) : r;
        s->has_space = r;
    }
    const int number = __builtin_ctz(r->free_mask);
    r->free_mask &= r->free_mask - 1;
    s->blocks_used++;
    s->blocks_free--;
    struct block *b = heads_of(r->base) + number;
    *b = (struct block){.region = r,
                        .object_size = (uint32_t)class_size(class),
                        .fresh = number == 0 ? HEADS_PLACES * HEADS_SIZE : 0};
    list_block(s, b);
    return b;
}

static void block_free(struct slab *s, struct block *b)
{
    struct region *r = b->region;
    unlist_block(s, b);
    r->free_mask |= UINT32_C(1) << block_number(b);
    s->blocks_used--;
    s->blocks_free++;
    /* A whole region stays in reserve, lest one block that comes and goes maps it each time. */
    const bool is_spare = r->free_mask == UINT32_MAX;
    if (is_spare && (s->blocks_free >= 2 * REGION_BLOCKS || s->blocks_used == 0)) {
        region_free(s, r);
        return;
    }
    if (block_number(b) > 0 && s->blocks_free > s->blocks_used / 8 + REGION_BLOCKS) {
        (void)madvise(block_memory(b), BLOCK_SIZE, MADV_DONTNEED);
    }
    s->has_space = r;
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
        object = block_memory(b) + b->fresh;
        b->fresh += b->object_size;
    }
    b->used++;
    count(s, b->object_size, 0);
    if (b->free_list == NULL && b->fresh + b->object_size > BLOCK_SIZE) {
        unlist_block(s, b);
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
    struct block *b = block_of(object);
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
        block_free(s, b);
    }
}

size_t slab_used_bytes(const struct slab *s)
{
    return atomic_load_explicit(&s->used, memory_order_relaxed);
}
