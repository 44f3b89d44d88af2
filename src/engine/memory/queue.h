/* queue.h - first in, first out, in chunks: growing never copies, so no push is slow. */
#ifndef ENGINE_MEMORY_QUEUE_H
#define ENGINE_MEMORY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_CHUNK_MAX 170 /* items; a chunk is one page */

struct queue_item {
    void *object;
    uint64_t number; /* what the user of the queue likes */
    uint64_t epoch;  /* 0 until queue_seal() */
};

struct queue_chunk {
    struct queue_chunk *next;
    struct queue_item items[QUEUE_CHUNK_MAX];
};

/* Zeroed is empty. Keeps one chunk when it gets empty, so that a queue that is filled and
 * emptied once per turn does not allocate. */
struct queue {
    struct queue_chunk *head;
    struct queue_chunk *tail;
    struct queue_chunk *unsealed; /* chunk and index of the first unsealed item */
    uint32_t head_index;
    uint32_t tail_index;
    uint32_t unsealed_index;
    size_t count;
};

/* The queue is empty. */
void queue_deinit(struct queue *q);

void queue_push(struct queue *q, void *object, uint64_t number);

/* Stamps all items pushed since the last call; `epoch` is greater than 0. */
void queue_seal(struct queue *q, uint64_t epoch);

/* The oldest item, or NULL. Valid until popped. */
struct queue_item *queue_first(struct queue *q);

/* The item `ahead` behind the oldest one; NULL when it does not exist, or lies in another chunk. */
const struct queue_item *queue_ahead(const struct queue *q, size_t ahead);

/* Takes the oldest item away, which has been sealed. */
void queue_pop(struct queue *q);

#endif
