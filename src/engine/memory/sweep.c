/* Walks over rows in the owner's own time: erasing a range that nobody reads any more, and
 * looking for the coldest row. Both remember where they were. */
#include "base/check.h"
#include "base/mem.h"
#include "engine/memory/memory_engine.h"

static bool is_below(struct slice key, const struct slice *end)
{
    return end == NULL || slice_compare(key, *end) < 0;
}

/* ---- Erasing a range ---- */

/* Goes on where the last call with the same range stopped, else begins. */
static void sweep_resume(struct sweep *s, struct slice from, struct slice to)
{
    to.size = to.data == NULL ? 0 : to.size;
    if (s->is_active && slice_equal(buf_slice(&s->from), from) && s->has_end == (to.data != NULL) &&
        slice_equal(buf_slice(&s->to), to)) {
        return;
    }
    s->is_active = true;
    s->has_end = to.data != NULL;
    keep_key(&s->from, from);
    keep_key(&s->to, to);
    keep_key(&s->at, from);
}

void sweep_notice(struct sweep *s, struct slice key)
{
    if (s->is_active && slice_compare(key, buf_slice(&s->at)) < 0 &&
        slice_compare(key, buf_slice(&s->from)) >= 0) {
        s->is_active = false;
    }
}

/* Erases rows of one leaf, at most `limit`; returns how many. */
static size_t erase_in_leaf(struct memory_engine *e, struct leaf *leaf, uint64_t revision,
                            size_t limit)
{
    const struct sweep *s = &e->sweep;
    const struct slice to = buf_slice(&s->to);
    const struct slice from = buf_slice(&s->from);
    size_t erased = 0;
    for (unsigned slot = 0; slot < LEAF_MAX && erased < limit; slot++) {
        struct tree_place place = {
            .leaf = leaf, .version = leaf_version(leaf, slot), .slot = (uint8_t)slot};
        if (place.version == NULL || version_is_deleted(place.version)) {
            continue;
        }
        const struct slice key = version_key(place.version);
        if (slice_compare(key, from) >= 0 && is_below(key, s->has_end ? &to : NULL)) {
            erase_head(e, &place, revision);
            erased++;
        }
    }
    return erased;
}

bool memory_erase_range(struct engine *engine, struct slice from, struct slice to,
                        uint64_t revision, size_t limit)
{
    struct memory_engine *e = memory_of(engine);
    struct sweep *s = &e->sweep;
    CHECK(e->is_writing);
    CHECK(revision > atomic_load_explicit(&e->published, memory_order_relaxed));
    CHECK(revision <= REVISION_MAX);
    e->last_revision = revision > e->last_revision ? revision : e->last_revision;
    sweep_resume(s, from, to);
    while (limit > 0) {
        struct tree_range range;
        tree_range(&e->tree, buf_slice(&s->at), TREE_FROM, &range);
        const size_t erased = erase_in_leaf(e, range.leaf, revision, limit);
        limit -= erased;
        if (limit == 0) {
            break;
        }
        const struct slice end = buf_slice(&s->to);
        if (range.upper.data == NULL || !is_below(range.upper, s->has_end ? &end : NULL)) {
            s->is_active = false;
            return true;
        }
        keep_key(&s->at, range.upper);
        limit -= erased == 0 ? 1 : 0; /* a leaf without rows is work, too */
    }
    return false;
}

/* ---- The coldest row ---- */

static struct hand *hand_of(struct memory_engine *e, struct slice prefix)
{
    if (e->hands == NULL) {
        e->hands = mem_zero(HANDS_MAX, sizeof(e->hands[0]));
    }
    for (unsigned i = 0; i < HANDS_MAX; i++) {
        if (slice_equal(buf_slice(&e->hands[i].prefix), prefix)) {
            return &e->hands[i];
        }
    }
    struct hand *h = &e->hands[e->next_hand];
    e->next_hand = (e->next_hand + 1) % HANDS_MAX;
    keep_key(&h->prefix, prefix);
    keep_key(&h->leaf, prefix);
    h->slot = 0;
    return h;
}

/* Moves the hand over a leaf: to the next row without a mark, or to the end (NULL). */
static struct version *pass_leaf(struct hand *h, struct leaf *leaf, size_t *budget)
{
    const struct slice prefix = buf_slice(&h->prefix);
    while (h->slot<LEAF_MAX && * budget> 0) {
        const unsigned slot = h->slot++;
        struct version *v = leaf_version(leaf, slot);
        if (v == NULL || !slice_starts_with(version_key(v), prefix)) {
            continue;
        }
        (*budget)--;
        if (!leaf_unmark(leaf, slot) && !version_is_deleted(v)) {
            return v;
        }
    }
    return NULL;
}

enum err memory_coldest(struct engine *engine, struct slice prefix, size_t budget,
                        struct record *record)
{
    struct memory_engine *e = memory_of(engine);
    struct hand *h = hand_of(e, prefix);
    while (budget > 0) {
        struct tree_range range;
        tree_range(&e->tree, buf_slice(&h->leaf), TREE_FROM, &range);
        const struct version *v = pass_leaf(h, range.leaf, &budget);
        if (v != NULL) {
            version_decode(v, record);
            return ERR_OK;
        }
        if (h->slot < LEAF_MAX) {
            break;
        }
        const bool is_round = range.upper.data == NULL || !slice_starts_with(range.upper, prefix);
        keep_key(&h->leaf, is_round ? prefix : range.upper);
        h->slot = 0;
        budget -= budget > 0 ? 1 : 0; /* a leaf without rows is work, too */
    }
    return ERR_NOT_FOUND;
}

void sweep_deinit(struct memory_engine *e)
{
    buf_deinit(&e->sweep.from);
    buf_deinit(&e->sweep.to);
    buf_deinit(&e->sweep.at);
    for (unsigned i = 0; e->hands != NULL && i < HANDS_MAX; i++) {
        buf_deinit(&e->hands[i].prefix);
        buf_deinit(&e->hands[i].leaf);
    }
    mem_free(e->hands);
}
