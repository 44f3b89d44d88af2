/* A region: heads of its blocks (at one of four places, by its address), struct region, blocks.
 * A region whose last block comes back is unmapped, but for one in reserve, lest one block that
 * comes and goes maps it each time. When many blocks are free in regions that are in use, their
 * pages go back to the kernel, too. */
#include "engine/pages.h"

#include <sys/mman.h>

#include "base/check.h"

struct region {
    _Alignas(64) struct region *next;
    struct region *previous;
    uint32_t free_mask; /* one bit per block */
    bool is_huge;
};

#define REGION_HEADS_SIZE (REGION_HEADS_PLACES * REGION_BLOCKS * BLOCK_HEAD_SIZE)
#define FIRST_BLOCK_SKIP  (REGION_HEADS_SIZE + sizeof(struct region))

_Static_assert(REGION_BLOCKS == 32, "free_mask has 32 bits");

void pages_init(struct pages *p)
{
    *p = (struct pages){.lock = PTHREAD_MUTEX_INITIALIZER};
}

static void lock(struct pages *p)
{
    const int failed = pthread_mutex_lock(&p->lock);
    CHECK(failed == 0);
}

static void unlock(struct pages *p)
{
    const int failed = pthread_mutex_unlock(&p->lock);
    CHECK(failed == 0);
}

static uint8_t *base_of(void *memory)
{
    return (uint8_t *)memory - (uintptr_t)memory % REGION_SIZE;
}

static struct region *region_at(uint8_t *base)
{
    return (struct region *)(void *)(base + REGION_HEADS_SIZE);
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

static struct region *region_new(struct regions *rs, bool is_huge)
{
    uint8_t *base = map_region();
    (void)madvise(base, REGION_SIZE, is_huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    struct region *r = region_at(base);
    *r = (struct region){.next = rs->all, .free_mask = UINT32_MAX, .is_huge = is_huge};
    if (r->next != NULL) {
        r->next->previous = r;
    }
    rs->all = r;
    rs->blocks_free += REGION_BLOCKS;
    return r;
}

static void region_free(struct regions *rs, struct region *r)
{
    *(r->previous == NULL ? &rs->all : &r->previous->next) = r->next;
    if (r->next != NULL) {
        r->next->previous = r->previous;
    }
    rs->has_space = rs->all;
    rs->blocks_free -= REGION_BLOCKS;
    (void)munmap(base_of(r), REGION_SIZE);
}

static struct region *find_space(struct regions *rs, bool is_huge)
{
    struct region *r = rs->has_space;
    if (r == NULL || r->free_mask == 0) {
        for (r = rs->all; r != NULL && r->free_mask == 0; r = r->next) {
        }
        r = r == NULL ? region_new(rs, is_huge) : r;
        rs->has_space = r;
    }
    return r;
}

struct block_place pages_take(struct pages *p, bool is_huge)
{
    struct regions *rs = is_huge ? &p->huge : &p->small;
    lock(p);
    struct region *r = find_space(rs, is_huge);
    const size_t number = (size_t)__builtin_ctz(r->free_mask);
    r->free_mask &= r->free_mask - 1;
    rs->blocks_used++;
    rs->blocks_free--;
    unlock(p);
    const size_t skip = number == 0 ? FIRST_BLOCK_SKIP : 0;
    uint8_t *memory = base_of(r) + number * BLOCK_SIZE + skip;
    return (struct block_place){memory, BLOCK_SIZE - skip, pages_head(memory)};
}

/* A block of `r` has come back. */
static void tidy_up(struct regions *rs, struct region *r, size_t number)
{
    const bool has_other_reserve = rs->blocks_free >= 2 * REGION_BLOCKS;
    if (rs->blocks_used == 0) {
        while (rs->all != NULL) {
            region_free(rs, rs->all);
        }
    } else if (r->free_mask == UINT32_MAX && has_other_reserve) {
        region_free(rs, r);
    } else if (number > 0 && rs->blocks_free > rs->blocks_used / 8 + REGION_BLOCKS) {
        (void)madvise(base_of(r) + number * BLOCK_SIZE, BLOCK_SIZE, MADV_DONTNEED);
    }
}

void pages_give(struct pages *p, void *memory)
{
    const size_t number = (uintptr_t)memory % REGION_SIZE / BLOCK_SIZE;
    struct region *r = region_at(base_of(memory));
    lock(p);
    struct regions *rs = r->is_huge ? &p->huge : &p->small;
    CHECK((r->free_mask & UINT32_C(1) << number) == 0);
    r->free_mask |= UINT32_C(1) << number;
    rs->blocks_used--;
    rs->blocks_free++;
    rs->has_space = r;
    tidy_up(rs, r, number);
    unlock(p);
}
