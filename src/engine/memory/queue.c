#include "engine/memory/queue.h"

#include "base/check.h"
#include "base/mem.h"

static void add_chunk(struct queue *q)
{
    struct queue_chunk *chunk = mem_alloc(sizeof(*chunk));
    chunk->next = NULL;
    if (q->tail == NULL) {
        q->head = chunk;
        q->head_index = 0;
    } else {
        q->tail->next = chunk;
    }
    q->tail = chunk;
    q->tail_index = 0;
}

void queue_deinit(struct queue *q)
{
    CHECK(q->count == 0);
    CHECK(q->head == q->tail);
    mem_free(q->head);
    *q = (struct queue){0};
}

void queue_push(struct queue *q, void *object, uint64_t number)
{
    if (q->tail == NULL || q->tail_index == QUEUE_CHUNK_MAX) {
        add_chunk(q);
    }
    if (q->unsealed == NULL) {
        q->unsealed = q->tail;
        q->unsealed_index = q->tail_index;
    }
    q->tail->items[q->tail_index++] = (struct queue_item){object, number, 0};
    q->count++;
}

void queue_seal(struct queue *q, uint64_t epoch)
{
    CHECK(epoch > 0);
    struct queue_chunk *chunk = q->unsealed;
    for (uint32_t i = q->unsealed_index; chunk != NULL; chunk = chunk->next, i = 0) {
        const uint32_t end = chunk == q->tail ? q->tail_index : QUEUE_CHUNK_MAX;
        for (; i < end; i++) {
            chunk->items[i].epoch = epoch;
        }
    }
    q->unsealed = NULL;
}

struct queue_item *queue_first(struct queue *q)
{
    return q->count == 0 ? NULL : &q->head->items[q->head_index];
}

const struct queue_item *queue_ahead(const struct queue *q, size_t ahead)
{
    const size_t index = q->head_index + ahead;
    return ahead < q->count && index < QUEUE_CHUNK_MAX ? &q->head->items[index] : NULL;
}

void queue_pop(struct queue *q)
{
    CHECK(q->count > 0);
    CHECK(q->unsealed != q->head || q->head_index < q->unsealed_index);
    q->head_index++;
    q->count--;
    if (q->count == 0) {
        CHECK(q->head == q->tail);
        q->head_index = 0;
        q->tail_index = 0;
    } else if (q->head_index == QUEUE_CHUNK_MAX) {
        struct queue_chunk *done = q->head;
        q->head = done->next;
        q->head_index = 0;
        mem_free(done);
    }
}
