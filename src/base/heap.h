/* heap.h - the earliest first: an intrusive binary heap, for timers and simulated events.
 * Equal keys come out in the order of their numbers. Zeroed is empty. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* Embedded in what waits. Zeroed: in no heap. */
struct heap_item {
    uint64_t key;
    uint64_t number; /* order among equal keys */
    size_t place;    /* from 1; 0: in no heap. Private to heap.c */
};

struct heap {
    struct heap_item **items; /* owned array of borrowed items */
    size_t count;
    size_t capacity;
};

/* Frees the array; the items are the caller's. */
void heap_deinit(struct heap *h);

/* `item` is in no heap. Its key and number stay as they are until it is removed. */
void heap_add(struct heap *h, struct heap_item *item);

/* Harmless when it is in none. */
void heap_remove(struct heap *h, struct heap_item *item);

/* NULL when empty. */
static inline struct heap_item *heap_first(const struct heap *h)
{
    return h->count == 0 ? NULL : h->items[0];
}

#endif
