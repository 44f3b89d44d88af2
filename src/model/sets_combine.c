/* Union, intersection and difference of sets, answered or stored.
 *
 * Members come in order from every set, so all three are merges of sorted arrays; where
 * a small set meets a large one its members are looked up instead. */
#include <stdlib.h>

#include "model/sets.h"

#define PROBE_FACTOR 16 /* so much larger a set is looked up in, not read */

/* A write may not depend on the limits of this node's memory, but must have one. */
#define STORE_BYTES_MAX ((size_t)1 << 30)

struct members {
    struct slice *items; /* in order; in the arena */
    size_t count;
};

static int compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* The sets of op->items. */
static enum err open_sources(struct task *t, struct set *sources)
{
    for (uint32_t i = 0; i < t->op->item_count; i++) {
        struct place p;
        struct lookup room;
        enum err err = place_find_other(t, &p, &room, t->table, t->op->items[i]);
        if (err == ERR_OK) {
            err = set_open(t, &p, &sources[i]);
        }
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

/* All members of all sets at once, then in order, then without doubles. */
static enum err combine_union(struct task *t, const struct set *sources, size_t bytes_max,
                              struct members *sum)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < t->op->item_count; i++) {
        total += sources[i].count;
    }
    if (total > bytes_max / sizeof(struct slice)) {
        return ERR_TOO_LARGE;
    }
    const size_t before = t->run->arena->used_bytes;
    sum->items = arena_get(t->run->arena, (size_t)total * sizeof(*sum->items));
    sum->count = 0;
    for (uint32_t i = 0; i < t->op->item_count; i++) {
        struct slice *members;
        const size_t used = t->run->arena->used_bytes - before;
        const enum err err =
            used > bytes_max ? ERR_TOO_LARGE : set_load(t, &sources[i], bytes_max - used, &members);
        if (err != ERR_OK) {
            return err;
        }
        memcpy(sum->items + sum->count, members, (size_t)sources[i].count * sizeof(*members));
        sum->count += (size_t)sources[i].count;
    }
    if (t->op->item_count > 1 && sum->count > 1) {
        qsort(sum->items, sum->count, sizeof(*sum->items), compare_slices);
    }
    size_t kept = 0;
    for (size_t i = 0; i < sum->count; i++) {
        if (kept == 0 || !slice_equal(sum->items[kept - 1], sum->items[i])) {
            sum->items[kept++] = sum->items[i];
        }
    }
    sum->count = kept;
    return ERR_OK;
}

/* Keeps those members that are in `s` (`wants_in`), or those that are not. */
static enum err filter_by_lookup(struct task *t, const struct set *s, bool wants_in,
                                 struct members *sum)
{
    size_t kept = 0;
    for (size_t i = 0; i < sum->count; i++) {
        bool has;
        const enum err err = set_has(t, s, sum->items[i], &has);
        if (err != ERR_OK) {
            return err;
        }
        if (has == wants_in) {
            sum->items[kept++] = sum->items[i];
        }
    }
    sum->count = kept;
    return ERR_OK;
}

static enum err filter_by_walk(struct task *t, const struct set *s, bool wants_in,
                               struct members *sum)
{
    struct set_walk walk;
    struct slice member = slice_of(NULL, 0);
    size_t kept = 0;
    bool is_end = false;
    enum err err = set_walk_open(t, &walk, s, sum->items[0]);
    int order = -1; /* of `member` against the item at hand: the walk is behind */
    for (size_t i = 0; err == ERR_OK && i < sum->count; i++) {
        order = is_end ? 1 : order < 0 ? order : slice_compare(member, sum->items[i]);
        while (order < 0 && err == ERR_OK) {
            err = set_walk_next(&walk, &member);
            is_end = err == ERR_NOT_FOUND;
            err = is_end ? ERR_OK : err;
            order = is_end || err != ERR_OK ? 1 : slice_compare(member, sum->items[i]);
        }
        if ((order == 0) == wants_in) {
            sum->items[kept++] = sum->items[i];
        }
    }
    set_walk_close(&walk);
    sum->count = kept;
    return err;
}

static enum err filter(struct task *t, const struct set *s, bool wants_in, struct members *sum)
{
    if (sum->count == 0) {
        return ERR_OK;
    }
    return !s->is_large || s->count / PROBE_FACTOR > sum->count
               ? filter_by_lookup(t, s, wants_in, sum)
               : filter_by_walk(t, s, wants_in, sum);
}

static enum err combine(struct task *t, size_t bytes_max, struct members *sum)
{
    const uint32_t count = t->op->item_count;
    struct set *sources = arena_get(t->run->arena, count * sizeof(*sources));
    enum err err = open_sources(t, sources);
    if (err != ERR_OK) {
        return err;
    }
    if (t->op->number == SET_UNION) {
        return combine_union(t, sources, bytes_max, sum);
    }
    uint32_t first = 0; /* an intersection begins with the smallest */
    for (uint32_t i = 1; t->op->number == SET_INTERSECTION && i < count; i++) {
        first = sources[i].count < sources[first].count ? i : first;
    }
    err = set_load(t, &sources[first], bytes_max, &sum->items);
    sum->count = (size_t)sources[first].count;
    for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
        if (i != first) {
            err = filter(t, &sources[i], t->op->number == SET_INTERSECTION, sum);
        }
    }
    return err;
}

enum err op_set_combine(struct task *t)
{
    struct members sum;
    struct rows rows = {0};
    const enum err err = combine(t, t->budget_bytes, &sum);
    if (err != ERR_OK) {
        return err;
    }
    if (t->op->limit > 0 && sum.count > t->op->limit) {
        sum.count = (size_t)t->op->limit;
    }
    t->result->count = sum.count;
    for (size_t i = 0; i < sum.count && (t->op->flags & OP_COUNT_ONLY) == 0; i++) {
        if (rows_are_full(t, &rows)) {
            return ERR_TOO_LARGE;
        }
        struct row *row = rows_add(t, &rows, sum.items[i].size);
        row->key = sum.items[i];
        row->type = TYPE_SET;
    }
    rows_answer(t, &rows);
    return ERR_OK;
}

enum err op_set_store(struct task *t)
{
    struct members sum;
    struct place p;
    enum err err = combine(t, STORE_BYTES_MAX, &sum);
    if (err == ERR_OK) {
        err = place_find(t, &p);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (t->op->limit > 0 && sum.count > t->op->limit) {
        sum.count = (size_t)t->op->limit;
    }
    struct set s = set_new(t->op->table);
    for (size_t i = 0; err == ERR_OK && i < sum.count; i++) {
        bool is_added;
        err = set_add(t, &s, sum.items[i], &is_added);
    }
    t->result->count = sum.count;
    return err == ERR_OK ? set_save(t, &p, &s, expiry_of(t, &p, false), t->result) : err;
}
