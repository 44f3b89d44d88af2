/* group_log.c - see group_log.h. A word is segment << 28 | offset / 8 << 1 | is_change. */
#include "journal/group_log.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

uint64_t group_log_last(const struct group_log *g)
{
    return g->prefix + g->count;
}

static void *grow(void *memory, size_t *capacity, size_t unit)
{
    *capacity = *capacity == 0 ? 16 : *capacity * 2;
    return mem_resize(memory, *capacity * unit);
}

static void cut_suffix(struct group_log *g, uint64_t last)
{
    g->count = last - g->prefix;
    while (g->run_count > 0 && g->runs[g->run_count - 1].first > last) {
        g->run_count--;
    }
}

void group_log_put(struct group_log *g, uint64_t index, uint64_t term, struct place place)
{
    CHECK(index > g->prefix && index <= group_log_last(g) + 1);
    CHECK(place.offset % 8 == 0 && place.offset < PLACE_OFFSET_MAX);
    cut_suffix(g, index - 1);
    if (g->head + g->count == g->capacity) {
        if (g->head > g->capacity / 2) {
            memmove(g->words, g->words + g->head, g->count * sizeof(*g->words));
            g->head = 0;
        } else {
            g->words = grow(g->words, &g->capacity, sizeof(*g->words));
        }
    }
    g->words[g->head + g->count++] =
        place.segment << 28 | (uint64_t)(place.offset / 8) << 1 | (place.is_change ? 1 : 0);
    if (g->run_count == 0 || g->runs[g->run_count - 1].term != term) {
        if (g->run_count == g->run_capacity) {
            g->runs = grow(g->runs, &g->run_capacity, sizeof(*g->runs));
        }
        g->runs[g->run_count++] = (struct term_run){index, term};
    }
}

struct place group_log_place(const struct group_log *g, uint64_t index)
{
    CHECK(index > g->prefix && index <= group_log_last(g));
    const uint64_t word = g->words[g->head + (index - g->prefix - 1)];
    return (struct place){word >> 28, (uint32_t)(word >> 1 & 0x7ffffff) * 8, (word & 1) != 0};
}

uint64_t group_log_term(const struct group_log *g, uint64_t index)
{
    CHECK(index >= g->prefix && index <= group_log_last(g));
    if (index == g->prefix) {
        return g->prefix_term;
    }
    size_t i = g->run_count;
    while (i > 1 && g->runs[i - 1].first > index) {
        i--;
    }
    CHECK(i > 0);
    return g->runs[i - 1].term;
}

void group_log_drop_prefix(struct group_log *g, uint64_t index)
{
    CHECK(index <= group_log_last(g));
    if (index <= g->prefix) {
        return;
    }
    g->prefix_term = group_log_term(g, index);
    g->head += index - g->prefix;
    g->count -= index - g->prefix;
    g->prefix = index;
    size_t gone = 0;
    while (gone + 1 < g->run_count && g->runs[gone + 1].first <= index + 1) {
        gone++;
    }
    g->run_count = g->count == 0 ? 0 : g->run_count - gone;
    if (g->run_count > 0) {
        memmove(g->runs, g->runs + gone, g->run_count * sizeof(*g->runs));
    }
}

void group_log_reset(struct group_log *g, uint64_t index, uint64_t term)
{
    g->prefix = index;
    g->prefix_term = term;
    g->count = 0;
    g->head = 0;
    g->run_count = 0;
}

void group_log_deinit(struct group_log *g)
{
    mem_free(g->words);
    mem_free(g->runs);
    *g = (struct group_log){0};
}
