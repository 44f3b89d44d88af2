/* Views, and what happens to versions that have been replaced; invariants in memory_engine.h. */
#include "base/check.h"
#include "base/mem.h"
#include "engine/memory/memory_engine.h"

#define DEAD_AHEAD 8 /* versions that are brought into the cache before they are judged */

/* The views at one moment. */
struct horizon {
    uint64_t closed; /* one bit a slot: those closed by then */
    size_t count;    /* of open ones */
    struct {
        uint64_t revision;
        unsigned slot;
    } views[VIEWS_MAX];
};

_Static_assert(VIEWS_MAX <= 64, "horizon.closed has one bit a slot");

/* Takes a slot, if it is free, or closed and `may_be_closed`. */
static bool view_take(struct memory_engine *e, struct reader *view, unsigned slot,
                      bool may_be_closed)
{
    uint64_t state = atomic_load(&e->views[slot]);
    for (;;) { /* the owner may just be turning a closed slot into a free one */
        const bool is_free = (state & 3) == VIEW_FREE;
        if (!is_free && !(may_be_closed && (state & 3) == VIEW_CLOSED)) {
            return false;
        }
        atomic_fetch_add(&e->views_taken, is_free ? 1 : 0);
        if (atomic_compare_exchange_strong(&e->views[slot], &state, VIEW_OPENING)) {
            const uint64_t revision = atomic_load(&e->published);
            *view = (struct reader){&e->head, {revision, slot}};
            atomic_store(&e->views[slot], revision << 2 | VIEW_OPEN);
            return true;
        }
        atomic_fetch_sub(&e->views_taken, is_free ? 1 : 0);
    }
}

enum err memory_view_open(struct engine *e, struct reader *view)
{
    for (unsigned i = 0; i < 2 * VIEWS_MAX; i++) {
        /* A closed slot still has pinned versions, which then wait for this view too: only
         * when the owner is too slow to clear the slots. */
        if (view_take(memory_of(e), view, i % VIEWS_MAX, i >= VIEWS_MAX)) {
            return ERR_OK;
        }
    }
    return ERR_BUSY;
}

void memory_view_close(struct reader *view)
{
    const uint64_t revision = view->state[READER_REVISION];
    CHECK(view->state[READER_VIEW] < VIEWS_MAX);
    _Atomic uint64_t *state = &memory_of(view->engine)->views[view->state[READER_VIEW]];
    CHECK(atomic_load(state) == (revision << 2 | VIEW_OPEN));
    atomic_store(state, revision << 2 | VIEW_CLOSED);
    view->engine = NULL;
}

uint64_t views_open(const struct memory_engine *e)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < VIEWS_MAX; i++) {
        count += (atomic_load(&e->views[i]) & 3) == VIEW_OPEN ? 1 : 0;
    }
    return count;
}

uint64_t memory_view_bytes(const struct reader *view)
{
    CHECK(view->state[READER_VIEW] < VIEWS_MAX);
    return atomic_load_explicit(&memory_of(view->engine)->pinned_bytes[view->state[READER_VIEW]],
                                memory_order_relaxed);
}

void seal(struct memory_engine *e)
{
    if (e->garbage.unsealed == NULL && e->dead.unsealed == NULL) {
        return;
    }
    const uint64_t epoch = epoch_advance(e->epoch);
    queue_seal(&e->dead, epoch);
    queue_seal(&e->garbage, epoch);
}

void stats_update(struct memory_engine *e)
{
    const uint64_t waiting = e->dead.count + e->garbage.count + e->pinned_count;
    atomic_store_explicit(&e->stats_rows, e->rows, memory_order_relaxed);
    atomic_store_explicit(&e->stats_waiting, waiting, memory_order_relaxed);
}

static void discard_garbage(struct memory_engine *e, const struct queue_item *item)
{
    if (item->number == 0) {
        version_free(e->slab, item->object);
    } else {
        slab_put(e->slab, item->object, item->number);
    }
}

/* False while a view is just being opened: ask again later. */
static bool horizon_take(struct memory_engine *e, struct horizon *h)
{
    h->count = 0;
    h->closed = 0;
    if (atomic_load(&e->views_taken) == 0) {
        return true;
    }
    for (unsigned i = 0; i < VIEWS_MAX; i++) {
        const uint64_t state = atomic_load(&e->views[i]);
        if ((state & 3) == VIEW_OPENING) {
            return false;
        }
        if ((state & 3) == VIEW_CLOSED) {
            h->closed |= UINT64_C(1) << i;
        }
        if ((state & 3) == VIEW_OPEN) {
            h->views[h->count].revision = state >> 2;
            h->views[h->count++].slot = i;
        }
    }
    return true;
}

/* Takes a tombstone that hides nothing any more out of the tree. */
static void remove_tombstone(struct memory_engine *e, const struct tree_place *place,
                             struct slice key)
{
    tree_remove(&e->tree, place, key);
    queue_push(&e->garbage, place->version, 0);
}

/* Nobody can reach version `v` any more; frees it, and the tombstone that only stood for
 * it. That may be a later one than `death`: what was between them has been cut out. */
static void free_version(struct memory_engine *e, struct version *v, uint64_t death,
                         bool may_be_last)
{
    if (may_be_last) {
        struct tree_place place;
        const struct slice key = version_key(v);
        tree_find(&e->tree, key, &place);
        struct version *head = place.version;
        if (head != NULL && version_is_deleted(head) &&
            (version_revision(head) == death || version_previous(head) == v)) {
            remove_tombstone(e, &place, key);
        }
    }
    version_free(e->slab, v);
}

/* No view sees version `v`, but older ones walk over it: cuts it out of its chain. */
static void cut_version(struct memory_engine *e, struct version *v)
{
    struct tree_place place;
    const struct slice key = version_key(v);
    tree_find(&e->tree, key, &place);
    struct version *above = place.version;
    CHECK(above != NULL);
    while (version_previous(above) != v) {
        above = version_previous(above);
        CHECK(above != NULL);
    }
    struct version *below = version_previous(v);
    atomic_store_explicit(&((struct version_linked *)above)->previous, below, memory_order_release);
    if (below == NULL && above == place.version && version_is_deleted(above)) {
        remove_tombstone(e, &place, key);
    }
    queue_push(&e->garbage, v, 0);
}

/* `bytes` more, or with a negative number less. */
static void count_pinned(struct memory_engine *e, unsigned slot, uint64_t bytes)
{
    atomic_fetch_add_explicit(&e->pinned_bytes[slot], bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&e->stats_pinned, bytes, memory_order_relaxed);
}

static void pin(struct memory_engine *e, unsigned slot, const struct queue_item *item)
{
    if (e->pinned == NULL) {
        e->pinned = mem_zero(VIEWS_MAX, sizeof(e->pinned[0]));
    }
    queue_push(&e->pinned[slot], item->object, item->number);
    e->pinned_count++;
    count_pinned(e, slot, version_bytes(item->object));
}

/* Decides what happens to a dead version that reads in progress no longer need. */
static void judge(struct memory_engine *e, const struct horizon *h, const struct queue_item *item,
                  bool was_pinned)
{
    struct version *v = item->object;
    const uint64_t death = item->number >> 1;
    size_t newest = VIEWS_MAX; /* of the views that are older than `death` */
    for (size_t i = 0; i < h->count; i++) {
        if (h->views[i].revision < death &&
            (newest == VIEWS_MAX || h->views[i].revision > h->views[newest].revision)) {
            newest = i;
        }
    }
    if (newest == VIEWS_MAX) {
        free_version(e, v, death, was_pinned || (item->number & 1) != 0);
    } else if (h->views[newest].revision >= version_revision(v)) {
        pin(e, h->views[newest].slot, item);
    } else {
        cut_version(e, v);
    }
}

/* Judges again what the closed view of `slot` had pinned. Returns the budget left. */
static size_t collect_pinned(struct memory_engine *e, const struct horizon *h, unsigned slot,
                             size_t budget)
{
    struct queue *pinned = &e->pinned[slot];
    queue_seal(pinned, 1);
    for (; pinned->count > 0 && budget > 0; budget--) {
        const struct queue_item item = *queue_first(pinned);
        queue_pop(pinned);
        e->pinned_count--;
        count_pinned(e, slot, 0 - version_bytes(item.object));
        judge(e, h, &item, true);
    }
    if (pinned->count == 0) {
        queue_deinit(pinned); /* a page for each of 64 views would be much */
    }
    return budget;
}

static size_t collect_closed(struct memory_engine *e, const struct horizon *h, size_t budget)
{
    for (uint64_t closed = h->closed; closed != 0; closed &= closed - 1) {
        const unsigned slot = (unsigned)__builtin_ctzll(closed);
        if (e->pinned != NULL) {
            budget = collect_pinned(e, h, slot, budget);
        }
        if (e->pinned != NULL && e->pinned[slot].count > 0) {
            return 0;
        }
        uint64_t state = atomic_load(&e->views[slot]);
        if ((state & 3) == VIEW_CLOSED &&
            atomic_compare_exchange_strong(&e->views[slot], &state, VIEW_FREE)) {
            atomic_fetch_sub(&e->views_taken, 1);
        }
    }
    return budget;
}

static bool is_safe(const struct queue_item *item, uint64_t safe)
{
    return item != NULL && item->epoch != 0 && item->epoch < safe;
}

/* A dead version was last looked at some turns ago. */
static void prefetch_dead(const struct memory_engine *e, size_t ahead)
{
    const struct queue_item *item = queue_ahead(&e->dead, ahead);
    if (item != NULL) {
        __builtin_prefetch(item->object, 1);
    }
}

bool memory_collect(struct engine *engine, size_t budget)
{
    struct memory_engine *e = memory_of(engine);
    struct horizon horizon;
    struct queue_item *item;
    if (e->is_writing) {
        return false; /* invariant 5 */
    }
    const uint64_t safe = epoch_safe(e->epoch);
    while (budget > 0 && is_safe(item = queue_first(&e->garbage), safe)) {
        discard_garbage(e, item);
        queue_pop(&e->garbage);
        budget--;
    }
    if (!horizon_take(e, &horizon)) {
        stats_update(e);
        return true;
    }
    for (size_t i = 0; i < DEAD_AHEAD && i < budget; i++) {
        prefetch_dead(e, i);
    }
    while (budget > 0 && is_safe(item = queue_first(&e->dead), safe)) {
        const struct queue_item copy = *item;
        prefetch_dead(e, DEAD_AHEAD);
        queue_pop(&e->dead);
        judge(e, &horizon, &copy, false);
        budget--;
    }
    budget = collect_closed(e, &horizon, budget);
    seal(e);
    stats_update(e);
    return budget == 0;
}

static void free_versions(struct memory_engine *e, struct queue *q)
{
    queue_seal(q, 1);
    for (; q->count > 0; queue_pop(q)) {
        version_free(e->slab, queue_first(q)->object);
    }
    queue_deinit(q);
}

void collect_all(struct memory_engine *e)
{
    CHECK(views_open(e) == 0);
    for (unsigned i = 0; e->pinned != NULL && i < VIEWS_MAX; i++) {
        free_versions(e, &e->pinned[i]);
    }
    mem_free(e->pinned);
    free_versions(e, &e->dead);
    queue_seal(&e->garbage, 1);
    for (; e->garbage.count > 0; queue_pop(&e->garbage)) {
        discard_garbage(e, queue_first(&e->garbage));
    }
    queue_deinit(&e->garbage);
}
