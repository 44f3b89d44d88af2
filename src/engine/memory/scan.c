/* Scans: leaf by leaf. A leaf is copied and sorted as a whole, the next one is found by the
 * key where this one ends, so the tree may change between two calls. */
#include "base/check.h"
#include "base/mem.h"
#include "engine/memory/memory_engine.h"

struct scan_state {
    uint64_t revision;
    struct slice from;
    struct slice to;
    bool is_reverse;
    bool is_done;
    bool is_long; /* more than one leaf */
    bool has_bound;
    struct buf bound; /* where the next leaf begins (forward) or ends (reverse) */
    size_t next;
    size_t count;
    struct version *versions[LEAF_MAX];
};

void memory_scan_open(struct scan *scan, const struct reader *r, struct slice from, struct slice to,
                      bool is_reverse)
{
    struct scan_state *s = mem_alloc(sizeof(*s));
    to.size = to.data == NULL ? 0 : to.size;
    s->revision = reader_revision(r);
    s->from = from;
    s->to = to;
    s->is_reverse = is_reverse;
    s->is_done = false;
    s->is_long = false;
    s->has_bound = !is_reverse || to.data != NULL;
    s->bound = (struct buf){0};
    s->next = 0;
    s->count = 0;
    keep_key(&s->bound, is_reverse ? to : from);
    *scan = (struct scan){r->engine, s};
}

/* Lies in the part of the range that is left. */
static bool is_wanted(const struct scan_state *s, struct slice key)
{
    const struct slice bound = buf_slice(&s->bound);
    const struct slice low = s->is_reverse ? s->from : bound;
    const struct slice high = s->is_reverse ? bound : s->to;
    const bool has_high = s->is_reverse ? s->has_bound : s->to.data != NULL;
    return slice_compare(key, low) >= 0 && (!has_high || slice_compare(key, high) < 0);
}

static void find_leaf(const struct scan_state *s, const struct tree *t, struct tree_range *range)
{
    const struct slice bound = buf_slice(&s->bound);
    const struct slice start = s->has_bound ? bound : (struct slice){NULL, 0};
    tree_range(t, start, s->is_reverse ? TREE_BEFORE : TREE_FROM, range);
}

/* Collects what is visible in the next leaf, in order. */
static void fill(struct scan_state *s, const struct tree *t)
{
    struct version *heads[LEAF_MAX];
    struct tree_range range;
    find_leaf(s, t, &range);
    const size_t count = leaf_versions(range.leaf, heads);
    s->next = 0;
    s->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct version *v = version_visible(heads[i], s->revision);
        if (v != NULL && is_wanted(s, version_key(v))) {
            s->versions[s->count++] = v;
        }
    }
    versions_sort(s->versions, s->count);
    const struct slice edge = s->is_reverse ? range.lower : range.upper;
    s->is_done = edge.data == NULL;
    if (!s->is_done) {
        keep_key(&s->bound, edge);
        s->has_bound = true;
        s->is_done = s->is_reverse ? slice_compare(edge, s->from) <= 0
                                   : s->to.data != NULL && slice_compare(edge, s->to) >= 0;
    }
    if (!s->is_done && s->is_long) { /* the next leaf is on its way while this one is used */
        find_leaf(s, t, &range);
        (void)leaf_versions(range.leaf, heads);
    }
    s->is_long = true;
}

enum err memory_scan_next(struct scan *scan, struct record *record)
{
    struct scan_state *s = scan->state;
    while (s->next == s->count) {
        if (s->is_done) {
            return ERR_NOT_FOUND;
        }
        fill(s, &memory_of(scan->engine)->tree);
    }
    const size_t i = s->is_reverse ? s->count - 1 - s->next : s->next;
    s->next++;
    version_decode(s->versions[i], record);
    return ERR_OK;
}

void memory_scan_close(struct scan *scan)
{
    buf_deinit(&scan->state->bound);
    mem_free(scan->state);
    scan->state = NULL;
}
