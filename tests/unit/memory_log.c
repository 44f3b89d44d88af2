#include "unit/memory_log.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

static void cut(struct memory_log *l, size_t count)
{
    while (l->count > count) {
        mem_free(l->entries[--l->count].data);
    }
}

void memory_log_deinit(struct memory_log *l)
{
    cut(l, 0);
    mem_free(l->entries);
    *l = (struct memory_log){0};
}

uint64_t memory_log_last(const struct memory_log *l)
{
    return l->base + l->count;
}

void memory_log_put(struct memory_log *l, const struct consensus_entry *entry)
{
    CHECK(entry->index > l->base && entry->index <= memory_log_last(l) + 1);
    cut(l, entry->index - l->base - 1);
    if (l->count == l->room) {
        l->room = l->room == 0 ? 16 : 2 * l->room;
        l->entries = mem_resize(l->entries, l->room * sizeof(*l->entries));
    }
    struct memory_log_entry *e = &l->entries[l->count++];
    *e = (struct memory_log_entry){entry->term, entry->kind, (uint32_t)entry->data.size, NULL};
    e->data = mem_alloc(entry->data.size + 1);
    if (entry->data.size > 0) {
        memcpy(e->data, entry->data.data, entry->data.size);
    }
}

void memory_log_compact(struct memory_log *l, uint64_t index)
{
    CHECK(index > l->base && index <= memory_log_last(l));
    size_t gone = index - l->base;
    l->base_term = l->entries[gone - 1].term;
    l->base = index;
    for (size_t i = 0; i < gone; i++) {
        mem_free(l->entries[i].data);
    }
    l->count -= gone;
    memmove(l->entries, l->entries + gone, l->count * sizeof(*l->entries));
}

void memory_log_reset(struct memory_log *l, uint64_t index, uint64_t term)
{
    cut(l, 0);
    l->base = index;
    l->base_term = term;
}

struct consensus_entry memory_log_at(const struct memory_log *l, uint64_t index)
{
    CHECK(index > l->base && index <= memory_log_last(l));
    const struct memory_log_entry *e = &l->entries[index - l->base - 1];
    return (struct consensus_entry){index, e->term, e->kind, {e->data, e->size}};
}

void memory_log_copy(struct memory_log *to, const struct memory_log *from)
{
    memory_log_deinit(to);
    to->base = from->base;
    to->base_term = from->base_term;
    for (uint64_t i = from->base + 1; i <= memory_log_last(from); i++) {
        struct consensus_entry entry = memory_log_at(from, i);
        memory_log_put(to, &entry);
    }
}

static uint64_t first_index(void *arg)
{
    return ((struct memory_log *)arg)->base + 1;
}

static uint64_t last_index(void *arg)
{
    return memory_log_last(arg);
}

static enum consensus_err entry(void *arg, uint64_t index, uint64_t *term,
                                enum consensus_kind *kind)
{
    const struct memory_log *l = arg;
    if (index < l->base) {
        return CONSENSUS_COMPACTED;
    }
    if (index > memory_log_last(l)) {
        return CONSENSUS_BROKEN;
    }
    *term = index == l->base ? l->base_term : l->entries[index - l->base - 1].term;
    *kind = index == l->base ? CONSENSUS_COMMAND : l->entries[index - l->base - 1].kind;
    return CONSENSUS_OK;
}

static enum consensus_err entries(void *arg, uint64_t low, uint64_t high,
                                  struct consensus_sink *sink)
{
    const struct memory_log *l = arg;
    if (low <= l->base) {
        return CONSENSUS_COMPACTED;
    }
    if (high > memory_log_last(l) + 1) {
        return CONSENSUS_BROKEN;
    }
    for (uint64_t i = low; i < high; i++) {
        struct consensus_entry e = memory_log_at(l, i);
        if (!consensus_sink_add(sink, &e)) {
            break;
        }
    }
    return CONSENSUS_OK;
}

struct consensus_storage memory_log_storage(struct memory_log *l)
{
    return (struct consensus_storage){.arg = l,
                                      .first_index = first_index,
                                      .last_index = last_index,
                                      .entry = entry,
                                      .entries = entries};
}
