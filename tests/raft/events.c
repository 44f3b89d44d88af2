#include "raft/events.h"

#include <stdlib.h>

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void events_push(struct events *q, struct event e)
{
    e.order = q->order++;
    if (q->count == q->room) {
        q->room = q->room == 0 ? 256 : 2 * q->room;
        q->heap = realloc(q->heap, q->room * sizeof *q->heap);
        if (q->heap == NULL) {
            abort();
        }
    }
    size_t i = q->count++;
    for (; i > 0 && before(&e, &q->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        q->heap[i] = q->heap[(i - 1) / 2];
    }
    q->heap[i] = e;
}

struct event events_pop(struct events *q)
{
    struct event top = q->heap[0];
    struct event last = q->heap[--q->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < q->count && before(&q->heap[child + 1], &q->heap[child])) {
            child++;
        }
        if (child >= q->count || !before(&q->heap[child], &last)) {
            break;
        }
        q->heap[i] = q->heap[child];
        i = child;
    }
    q->heap[i] = last;
    return top;
}

void events_deinit(struct events *q)
{
    while (q->count > 0) {
        struct event e = events_pop(q);
        free(e.data);
    }
    free(q->heap);
    *q = (struct events){0};
}
