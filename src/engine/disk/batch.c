#include "engine/disk/batch.h"

#include "base/check.h"
#include "base/mem.h"

#define SLOTS_MIN  256
#define SLOTS_KEEP 16384 /* a larger table is given back with its batch, */
#define SLOTS_IDLE 16    /* and one that so many times its entries would fit into */

bool key_in_range(struct slice key, struct slice from, struct slice to)
{
    return slice_compare(key, from) >= 0 && (to.data == NULL || slice_compare(key, to) < 0);
}

void batch_init(struct batch *b)
{
    *b = (struct batch){0};
    b->last = &b->first;
}

void batch_reset(struct batch *b)
{
    const bool is_idle = b->slot_count > SLOTS_MIN && b->entry_count * SLOTS_IDLE < b->slot_count;
    if (b->slot_count > SLOTS_KEEP || is_idle) {
        mem_free(b->slots);
        b->slots = NULL;
        b->slot_count = 0;
    } else if (b->entry_count > 0) {
        memset(b->slots, 0, b->slot_count * sizeof(struct batch_entry *));
    }
    b->entry_count = 0;
    b->change_count = 0;
    b->first = NULL;
    b->last = &b->first;
    b->ranges = NULL;
    arena_reset(&b->arena);
}

void batch_deinit(struct batch *b)
{
    mem_free(b->slots);
    arena_deinit(&b->arena);
    batch_init(b);
}

/* The slot that holds the key, or the free one where it belongs. There is a free one. */
static struct batch_entry **find_slot(const struct batch *b, struct slice key, uint64_t hash)
{
    size_t i = hash & (b->slot_count - 1);
    while (b->slots[i] != NULL &&
           (b->slots[i]->hash != hash || !slice_equal(b->slots[i]->key, key))) {
        i = (i + 1) & (b->slot_count - 1);
    }
    return &b->slots[i];
}

struct batch_entry *batch_find(const struct batch *b, struct slice key, uint64_t hash)
{
    return b->slot_count == 0 ? NULL : *find_slot(b, key, hash);
}

static void grow(struct batch *b)
{
    mem_free(b->slots);
    b->slot_count = b->slot_count == 0 ? SLOTS_MIN : b->slot_count * 2;
    b->slots = mem_zero(b->slot_count, sizeof(struct batch_entry *));
    for (struct batch_entry *e = b->first; e != NULL; e = e->next) {
        *find_slot(b, e->key, e->hash) = e;
    }
}

struct batch_entry *batch_add(struct batch *b, struct slice key, uint64_t hash, struct slice row)
{
    if (b->entry_count * 2 >= b->slot_count) {
        grow(b);
    }
    struct batch_entry **slot = find_slot(b, key, hash);
    CHECK(*slot == NULL);
    struct batch_entry *e = arena_get(&b->arena, sizeof(*e));
    *e = (struct batch_entry){
        .hash = hash,
        .key = arena_copy(&b->arena, key),
        .row = row,
        .is_stored = row.data != NULL,
    };
    *slot = e;
    *b->last = e;
    b->last = &e->next;
    b->entry_count++;
    return e;
}

bool batch_is_erased(const struct batch *b, struct slice key)
{
    for (const struct batch_range *r = b->ranges; r != NULL; r = r->next) {
        if (key_in_range(key, r->from, r->to)) {
            return true;
        }
    }
    return false;
}

void batch_set(struct batch *b, struct batch_entry *e, struct slice row)
{
    e->row = row;
    e->is_changed = row.data != NULL || e->is_stored;
    b->change_count++;
}

/* Each range is looked at for each key that is asked for later. */
static void forget_ranges_in(struct batch *b, struct slice from, struct slice to)
{
    struct batch_range **at = &b->ranges;
    while (*at != NULL) {
        if (slice_compare((*at)->from, from) >= 0 && slice_compare((*at)->to, to) <= 0) {
            *at = (*at)->next;
        } else {
            at = &(*at)->next;
        }
    }
}

void batch_erase_range(struct batch *b, struct slice from, struct slice to)
{
    forget_ranges_in(b, from, to);
    struct batch_range *r = arena_get(&b->arena, sizeof(*r));
    *r = (struct batch_range){b->ranges, arena_copy(&b->arena, from), arena_copy(&b->arena, to)};
    b->ranges = r;
    b->change_count++;
    /* Ranges are written first, so what was put into them before is simply no change any more. */
    for (struct batch_entry *e = b->first; e != NULL; e = e->next) {
        if (key_in_range(e->key, from, to)) {
            e->row = (struct slice){0};
            e->is_stored = false;
            e->is_changed = false;
        }
    }
}
