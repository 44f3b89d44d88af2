#include "base/heap.h"

#include <stdbool.h>

#include "base/check.h"
#include "base/mem.h"

static bool is_before(const struct heap_item *a, const struct heap_item *b)
{
    return a->key != b->key ? a->key < b->key : a->number < b->number;
}

static void put(struct heap *h, size_t index, struct heap_item *item)
{
    h->items[index] = item;
    item->place = index + 1;
}

static void rise(struct heap *h, size_t index, struct heap_item *item)
{
    while (index > 0 && is_before(item, h->items[(index - 1) / 2])) {
        put(h, index, h->items[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    put(h, index, item);
}

static void sink(struct heap *h, size_t index, struct heap_item *item)
{
    for (size_t child = 2 * index + 1; child < h->count; child = 2 * index + 1) {
        if (child + 1 < h->count && is_before(h->items[child + 1], h->items[child])) {
            child++;
        }
        if (!is_before(h->items[child], item)) {
            break;
        }
        put(h, index, h->items[child]);
        index = child;
    }
    put(h, index, item);
}

void heap_deinit(struct heap *h)
{
    mem_free(h->items);
    *h = (struct heap){0};
}

void heap_add(struct heap *h, struct heap_item *item)
{
    CHECK(item->place == 0);
    if (h->count == h->capacity) {
        h->capacity = h->capacity == 0 ? 64 : 2 * h->capacity;
        h->items = mem_resize(h->items, h->capacity * sizeof(struct heap_item *));
    }
    rise(h, h->count++, item);
}

void heap_remove(struct heap *h, struct heap_item *item)
{
    if (item->place == 0) {
        return;
    }
    const size_t index = item->place - 1;
    CHECK(index < h->count && h->items[index] == item);
    struct heap_item *last = h->items[--h->count];
    item->place = 0;
    if (last == item) {
        return;
    }
    if (index > 0 && is_before(last, h->items[(index - 1) / 2])) {
        rise(h, index, last);
    } else {
        sink(h, index, last);
    }
}
