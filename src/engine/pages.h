/* pages.h - blocks of memory that the engines of a node share, cut from regions of 2 MiB.
 *
 * A node has many engines, most of them small. Regions of their own would leave half a region
 * unused in each: for a million rows in 16 engines that is a fifth of all memory. So they
 * share: the first blocks of an engine come from regions of small pages, of which only the
 * touched ones cost memory, the others from regions that are one huge page each. */
#ifndef ENGINE_PAGES_H
#define ENGINE_PAGES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGION_SIZE         ((size_t)2 << 20)
#define REGION_BLOCKS       ((size_t)32)
#define REGION_HEADS_PLACES ((size_t)4)
#define BLOCK_SIZE          (REGION_SIZE / REGION_BLOCKS)
#define BLOCK_HEAD_SIZE     ((size_t)64)

struct region;

/* Regions of one kind. Private to pages.c. */
struct regions {
    struct region *all;
    struct region *has_space; /* where the next block is looked for first */
    size_t blocks_used;
    size_t blocks_free;
};

/* Open: struct epoch embeds it. Keeps no memory when no block is in use. */
struct pages {
    pthread_mutex_t lock; /* held for a moment, once in a block */
    struct regions small;
    struct regions huge;
};

/* A block: its memory, and room for what its user keeps about it. That lies apart from the
 * memory, because at the start of every block it would fall into the same few sets of the
 * cache. The first block of a region is smaller, since these heads are in it. */
struct block_place {
    uint8_t *memory; /* aligned to 64 */
    size_t size;
    void *head; /* BLOCK_HEAD_SIZE bytes, aligned to them */
};

void pages_init(struct pages *p);

/* Never fails (the process stops). Any thread. */
struct block_place pages_take(struct pages *p, bool is_huge);

/* Gives a block back; `memory` is any address in it. Any thread. */
void pages_give(struct pages *p, void *memory);

/* The head of the block in which `memory` lies. */
static inline void *pages_head(void *memory)
{
    const size_t offset = (uintptr_t)memory % REGION_SIZE;
    uint8_t *base = (uint8_t *)memory - offset;
    const size_t place = (uintptr_t)base / REGION_SIZE % REGION_HEADS_PLACES;
    return base + (place * REGION_BLOCKS + offset / BLOCK_SIZE) * BLOCK_HEAD_SIZE;
}

#endif
