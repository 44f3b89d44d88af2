#include "base/check.h"
#include "front/private.h"

static void put_aside(struct area *a)
{
    if (a->spent_count < AREAS_MAX) {
        a->spent[a->spent_count++] = a->chunk;
    } else {
        chunk_release(a->chunk);
    }
    a->chunk = NULL;
}

static void take_spare(struct area *a)
{
    a->used = 0;
    if (a->spare_count == 0) {
        a->chunk = chunk_new(AREA_BYTES);
        return;
    }
    a->chunk = a->spent[--a->spare_count];
    a->spent[a->spare_count] = a->spent[--a->spent_count];
}

uint8_t *area_lend(struct area *a, size_t gap, size_t *size)
{
    CHECK(gap + AREA_LEAST <= AREA_BYTES);
    if (a->chunk != NULL && a->chunk->size - a->used < gap + AREA_LEAST) {
        put_aside(a);
    }
    if (a->chunk == NULL) {
        take_spare(a);
    }
    *size = a->chunk->size - a->used;
    return a->chunk->bytes + a->used;
}

void area_take(struct area *a, size_t size)
{
    CHECK(size <= a->chunk->size - a->used);
    a->used += size;
}

void area_turn(struct area *a)
{
    if (a->chunk != NULL && a->chunk->holds == 1) {
        a->used = 0;
    }
    if (a->spent_count == a->spare_count) {
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < a->spent_count; i++) {
        if (a->spent[i]->holds == 1) {
            a->spent[kept++] = a->spent[i];
        } else {
            chunk_release(a->spent[i]);
        }
    }
    a->spent_count = a->spare_count = kept;
}

void area_deinit(struct area *a)
{
    chunk_release(a->chunk);
    for (size_t i = 0; i < a->spent_count; i++) {
        chunk_release(a->spent[i]);
    }
    *a = (struct area){0};
}
