/* Scans: leaf by leaf. A leaf is copied and sorted as a whole, the next one is found by the
 * key where this one ends, so the tree may change between two calls. */
#include "base/check.h"
#include "base/mem.h"
#include "engine/memory/memory_engine.h"
#include "engine/memory/tree_nodes.h"

struct scan_state {
    uint64_t revision;
    struct slice from;
    struct slice to;
    bool is_reverse;
    bool is_done;
    bool is_long; /* more than one leaf */
    bool has_bound;
    struct slice bound; /* where the next leaf begins (forward) or ends (reverse) */
    struct buf edge;    /* that, behind the first leaf */
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
    s->bound = is_reverse ? to : from;
    s->edge = (struct buf){0};
    s->next = 0;
    s->count = 0;
    *scan = (struct scan){r->engine, s};
}

static void find_leaf(const struct scan_state *s, const struct tree *t, struct tree_range *range)
{
    const struct slice start = s->has_bound ? s->bound : (struct slice){NULL, 0};
    tree_range(t, start, s->is_reverse ? TREE_BEFORE : TREE_FROM, range);
}

/* What is left of the range, as far as it lies in one leaf: low <= key < high. */
struct part {
    struct slice low;
    struct slice high;
    bool has_high;
    bool is_whole; /* all of the leaf lies in it */
    /* All keys in it share their first `skip` bytes (0, or 8 and more); the next 8 of the two
     * bounds are here as numbers, so that a few words tell most keys. */
    size_t skip;
    uint64_t low_head;
    uint64_t high_head;
};

static struct part part_of(const struct scan_state *s, const struct tree_range *range)
{
    struct part p = {.low = s->is_reverse ? s->from : s->bound,
                     .high = s->is_reverse ? s->bound : s->to,
                     .has_high = s->is_reverse ? s->has_bound : s->to.data != NULL,
                     .is_whole = true};
    if (range->lower.data != NULL && slice_compare(range->lower, p.low) >= 0) {
        p.low = range->lower;
    } else {
        p.is_whole = false;
    }
    if (range->upper.data != NULL && (!p.has_high || slice_compare(range->upper, p.high) <= 0)) {
        p.high = range->upper;
        p.has_high = true;
    } else if (p.has_high) {
        p.is_whole = false;
    }
    const size_t same = p.has_high ? common_prefix(p.low, p.high) : 0;
    p.skip = same < 8 ? 0 : same;
    p.low_head = head_of(p.low, p.skip);
    p.high_head = p.has_high ? head_of(p.high, p.skip) : 0;
    return p;
}

static bool is_in(const struct part *p, struct slice key)
{
    if (p->is_whole) {
        return true;
    }
    if (!starts_alike(key, p->low, p->skip)) {
        return false;
    }
    const uint64_t head = head_of(key, p->skip);
    if (head < p->low_head || (head == p->low_head && slice_compare(key, p->low) < 0)) {
        return false;
    }
    return !p->has_high || head < p->high_head ||
           (head == p->high_head && slice_compare(key, p->high) < 0);
}

/* Collects what is visible in the next leaf, in order. */
static void fill(struct scan_state *s, const struct tree *t)
{
    struct version *heads[LEAF_MAX];
    struct slice keys[LEAF_MAX];
    struct tree_range range;
    find_leaf(s, t, &range);
    const struct part part = part_of(s, &range);
    const size_t count = leaf_versions(range.leaf, heads);
    s->next = 0;
    s->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct version *v = version_visible(heads[i], s->revision);
        if (v == NULL) {
            continue;
        }
        keys[s->count] = version_key(v);
        if (is_in(&part, keys[s->count])) {
            s->versions[s->count++] = v;
        }
    }
    versions_sort(s->versions, keys, s->count, part.skip);
    const struct slice edge = s->is_reverse ? range.lower : range.upper;
    s->is_done = edge.data == NULL;
    if (!s->is_done) {
        keep_key(&s->edge, edge);
        s->bound = buf_slice(&s->edge);
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
    buf_deinit(&scan->state->edge);
    mem_free(scan->state);
    scan->state = NULL;
}
