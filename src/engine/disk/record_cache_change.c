/* record_cache_change.c - what commits change, and what RocksDB is owed: see record_cache.h. */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "engine/disk/record_cache_private.h"

static void step(_Atomic uint32_t *version)
{
    const uint32_t now = atomic_load_explicit(version, memory_order_relaxed);
    atomic_store_explicit(version, now + 1, memory_order_release);
}

static void owe(struct part *p, struct node *n)
{
    if (n->state != NODE_OWED) {
        n->was_main = n->state == NODE_MAIN;
        cache_delist(p, n);
        cache_enlist(p, n, NODE_OWED);
    }
}

void record_cache_publish(struct record_cache *c, const struct cache_key *k, struct slice row,
                          bool is_unseen)
{
    struct part *p = &c->parts[k->part];
    step(cache_version_of(p, k->hash));
    struct node *n = cache_node_find(p, k);
    if (n != NULL && n->state != NODE_TAKEN && n->key_size + row.size <= n->room) {
        node_set_row(n, row);
    } else {
        struct node *old = n;
        n = cache_node_add(c, p, k, row);
        cache_enlist(p, n, NODE_OWED);
        if (old != NULL) {
            n->was_main = node_is_owed(old) ? old->was_main : old->state == NODE_MAIN;
            n->reads = old->reads;
            cache_node_drop(c, p, old);
        }
    }
    n->born = p->erased;
    n->is_gone = row.data == NULL;
    n->is_unseen = is_unseen;
    owe(p, n);
}

void record_cache_change(struct record_cache *c, const struct cache_key *k)
{
    step(cache_version_of(&c->parts[k->part], k->hash));
}

void record_cache_changed(struct record_cache *c, const struct cache_key *k, struct slice row)
{
    struct part *p = &c->parts[k->part];
    struct node *n = cache_node_find(p, k);
    if (n != NULL) {
        cache_node_drop(c, p, n);
    }
    if (row.data != NULL && cache_keeps(c, k->key.size + row.size)) {
        n = cache_node_add(c, p, k, row);
        cache_enlist(p, n, n->was_main ? NODE_MAIN : NODE_SMALL);
    }
}

/* Looks at every row once, so that the ranges can be forgotten. */
static void drop_erased(struct record_cache *c, struct part *p)
{
    struct list *const queues[] = {&p->small, &p->main};
    for (size_t i = 0; i < 2; i++) {
        struct list *next = NULL;
        for (struct list *at = queues[i]->next; at != queues[i]; at = next) {
            next = at->next;
            struct node *n = container_of(at, struct node, link);
            if (cache_is_erased(p, n)) {
                cache_node_drop(c, p, n);
            }
        }
    }
    cache_forget_ranges(p);
}

void record_cache_erase_range(struct record_cache *c, unsigned part, struct slice from,
                              struct slice to)
{
    struct part *p = &c->parts[part];
    CHECK(list_empty(&p->owed) && list_empty(&p->taken));
    if (p->range_count == RANGES_MAX) {
        drop_erased(c, p);
    }
    uint8_t *bytes = mem_alloc(from.size + to.size);
    memcpy(bytes, from.data, from.size);
    memcpy(bytes + from.size, to.data, to.size);
    p->ranges[p->range_count++] = (struct erased_range){bytes, slice_of(bytes, from.size),
                                                        slice_of(bytes + from.size, to.size)};
    p->erased++;
    step(&p->range_step);
}

/* ---- What is owed ---- */

size_t record_cache_owed(const struct record_cache *c, unsigned part)
{
    return atomic_load_explicit(&c->parts[part].owed_bytes, memory_order_relaxed);
}

static struct owed_row owed_of(const struct node *n)
{
    const struct slice key = slice_of(n->bytes, n->key_size);
    return (struct owed_row){key, n->is_gone ? (struct slice){0}
                                             : slice_of(n->bytes + n->key_size, n->row_size)};
}

static int compare_owed(const void *a, const void *b)
{
    const struct owed_row *first = a;
    const struct owed_row *second = b;
    return slice_compare(first->key, second->key);
}

/* Neighbours are written one after the other: RocksDB's search for the next place then finds most
 * of what it looks at close by. */
static void sort_owed(struct owed_row *rows, size_t count)
{
    if (count > 1) {
        qsort(rows, count, sizeof(*rows), compare_owed);
    }
}

static size_t list_count(const struct list *l)
{
    size_t count = 0;
    for (const struct list *at = l->next; at != l; at = at->next) {
        count++;
    }
    return count;
}

struct owed_row *record_cache_copy_owed(struct record_cache *c, unsigned part, struct arena *arena,
                                        size_t *count)
{
    struct part *p = &c->parts[part];
    CHECK(list_empty(&p->taken));
    struct owed_row *rows = arena_get(arena, list_count(&p->owed) * sizeof(*rows));
    *count = 0;
    for (struct list *at = p->owed.next; at != &p->owed; at = at->next) {
        const struct owed_row row = owed_of(container_of(at, struct node, link));
        rows[*count].key = arena_copy(arena, row.key);
        rows[*count].row = row.row.data == NULL ? row.row : arena_copy(arena, row.row);
        ++*count;
    }
    sort_owed(rows, *count);
    return rows;
}

/* Between owed and taken. Others look at the sum of both without the lock, and what is being given
 * is not there yet: it must not seem to be nothing in between. */
static void restate(struct part *p, struct node *n, enum node_state state)
{
    list_remove(&n->link);
    list_push(state == NODE_TAKEN ? &p->taken : &p->owed, &n->link);
    n->state = (uint8_t)state;
}

struct owed_row *record_cache_take(struct record_cache *c, unsigned part, size_t *count)
{
    struct part *p = &c->parts[part];
    record_cache_lock(c, part);
    CHECK(list_empty(&p->taken));
    struct owed_row *rows = NULL;
    size_t room = 0;
    *count = 0;
    while (!list_empty(&p->owed)) {
        struct node *n = container_of(p->owed.next, struct node, link);
        restate(p, n, NODE_TAKEN);
        if (*count == room) {
            room = room == 0 ? 64 : room * 2;
            rows = mem_resize(rows, room * sizeof(*rows));
        }
        rows[(*count)++] = owed_of(n);
    }
    record_cache_unlock(c, part);
    sort_owed(rows, *count);
    return rows;
}

/* RocksDB has the row: it becomes one like those that were read. */
static void node_settle(struct record_cache *c, struct part *p, struct node *n)
{
    if (n->is_gone || n->is_unseen || !cache_keeps(c, n->key_size + n->row_size)) {
        n->state = NODE_OWED; /* nobody reads it any more */
        cache_node_drop(c, p, n);
        return;
    }
    cache_delist(p, n);
    cache_enlist(p, n, n->was_main ? NODE_MAIN : NODE_SMALL);
}

void record_cache_given(struct record_cache *c, unsigned part, bool is_written)
{
    struct part *p = &c->parts[part];
    record_cache_lock(c, part);
    while (!list_empty(&p->taken)) {
        struct node *n = container_of(p->taken.next, struct node, link);
        if (n->is_replaced) {
            cache_node_free(c, p, n);
        } else if (is_written) {
            node_settle(c, p, n);
        } else {
            restate(p, n, NODE_OWED);
        }
    }
    record_cache_unlock(c, part);
    record_cache_trim(c, part);
}
