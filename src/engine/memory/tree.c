/* A B+tree made for reading while it changes.
 *
 *             root word: address | height
 *                  |
 *   inner   [ heads | separators | children ]      separators never change in a node;
 *              |            |                       a child pointer is swapped in place
 *   leaf    [ 56 tags, marks | 56 slots ]          unsorted; each slot one atomic pointer
 *              |                                    to the newest version of a row
 *   version stamp, key, value  ->  previous version
 *
 * 1. Separators of a published inner node are constant. A split or a merge makes
 *    fresh nodes and publishes them with one store of one child pointer (or of
 *    the root); what they replace is retired and stays whole for its readers.
 * 2. A leaf changes one slot at a time. Slot first, tag second: who sees the tag
 *    sees the version. A tag is only a hint, the key in the version decides. A slot
 *    is taken exactly when its tag is not 0.
 * 3. A reader who loaded revision R before the root finds every version of R or
 *    older: what was moved later was copied whole, what was added is newer.
 * 4. Leaves are unsorted, because order is only needed by scans and splits: they
 *    sort 56 pointers (about 1 us). So a put writes two cache lines, and a get
 *    reads three: tags, slot, version.
 * 5. The mark of a slot says that it was found since the hand of engine_coldest()
 *    passed. Marks lie beside the tags, which a search reads anyway, and are only
 *    written when they change; they are hints, so a lost one does no harm. */
#include "base/check.h"
#include "engine/memory/tree_nodes.h"

#define SLOTS_OFFSET offsetof(struct leaf, slots)

/* One bit for each slot whose tag is `tag`: about one slot in seven leaves too many. */
static uint64_t match_tags(const struct leaf *l, uint8_t tag)
{
    uint64_t slots = 0;
    for (unsigned i = 0; i < TAG_WORDS; i++) {
        const uint64_t x =
            atomic_load_explicit(&l->tags[i], memory_order_acquire) ^ (EVERY_BYTE * tag);
        const uint64_t equal = (x - EVERY_BYTE) & ~x & (EVERY_BYTE << 7); /* top bit of each byte */
        slots |= ((equal >> 7) * UINT64_C(0x0102040810204080) >> 56) << (i * 8);
    }
    return slots;
}

struct version *leaf_version(const struct leaf *l, unsigned slot)
{
    return atomic_load_explicit(&l->slots[slot], memory_order_acquire);
}

bool leaf_unmark(struct leaf *l, unsigned slot)
{
    const uint64_t bit = UINT64_C(1) << slot;
    const uint64_t marks = atomic_load_explicit(&l->marks, memory_order_relaxed);
    if ((marks & bit) != 0) {
        atomic_store_explicit(&l->marks, marks & ~bit, memory_order_relaxed);
    }
    return (marks & bit) != 0;
}

/* Tags and all slots at once. */
static void prefetch_leaf(const struct leaf *l)
{
    for (size_t line = 0; line < sizeof(*l); line += 64) {
        __builtin_prefetch((const uint8_t *)l + line);
    }
}

void tree_find_near(struct slice key, struct tree_place *place)
{
    place->version = NULL;
    place->is_found = true;
    for (uint64_t slots = place->slots; slots != 0; slots &= slots - 1) {
        const unsigned slot = (unsigned)__builtin_ctzll(slots);
        struct version *v = leaf_version(place->leaf, slot);
        if (v != NULL && key_equal(version_key(v), key)) {
            place->version = v;
            place->slot = (uint8_t)slot;
            set_mark(place->leaf, slot);
            return;
        }
    }
}

/* The first cache line of `place`: its leaf is known. */
static void match_place(struct slice key, struct tree_place *place)
{
    place->tag = tag_of(key);
    place->slots = match_tags(place->leaf, place->tag);
}

void tree_find(const struct tree *t, struct slice key, struct tree_place *place)
{
    uint8_t *root = atomic_load_explicit(&t->root, memory_order_acquire);
    void *node = node_of(root);
    for (unsigned height = height_of(root); height > 0; height--) {
        node = child_at(node, child_index(node, key, TREE_FROM));
    }
    prefetch_leaf(node);
    *place = (struct tree_place){.leaf = node};
    match_place(key, place);
    tree_find_near(key, place);
}

void tree_remember(const struct tree *t, struct tree_place *place)
{
    place->shape = t->shape;
    place->members = t->members;
}

void tree_find_again(const struct tree *t, struct slice key, struct tree_place *place)
{
    if (place->shape != t->shape) {
        tree_find(t, key, place);
        tree_remember(t, place);
        return;
    }
    if (place->members != t->members) {
        place->slots = match_tags(place->leaf, place->tag);
        place->members = t->members;
    }
    tree_find_near(key, place);
}

bool tree_is_current(const struct tree *t, const struct tree_place *place)
{
    return place->is_found && place->shape == t->shape && place->members == t->members &&
           (place->version == NULL || leaf_version(place->leaf, place->slot) == place->version);
}

#define VERSION_HEAD_USUAL ((size_t)24) /* bytes of a version before its key */

/* Brings the versions whose tags match into the cache, nearly always one each: up to where the
 * value begins. */
static void prefetch_versions(const struct slice *keys, struct tree_place *places, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct tree_place *p = &places[i];
        match_place(keys[i], p);
        for (uint64_t slots = p->slots; slots != 0; slots &= slots - 1) {
            const size_t slot = (size_t)__builtin_ctzll(slots);
            __builtin_prefetch((const uint8_t *)p->leaf + SLOTS_OFFSET + slot * sizeof(void *));
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (uint64_t slots = places[i].slots; slots != 0; slots &= slots - 1) {
            const struct version *v =
                leaf_version(places[i].leaf, (unsigned)__builtin_ctzll(slots));
            if (v != NULL) {
                __builtin_prefetch(v);
                __builtin_prefetch((const uint8_t *)v + VERSION_HEAD_USUAL + keys[i].size);
            }
        }
    }
}

/* One step down for each of `who`, in step: their cache misses overlap, and so do the steps of
 * their searches. */
static void go_down(void **nodes, const struct slice *keys, const uint8_t *who, size_t count)
{
    const struct inner *inners[ENGINE_BATCH_MAX];
    uint64_t heads[ENGINE_BATCH_MAX];
    unsigned at[ENGINE_BATCH_MAX];
    unsigned bits = 0; /* of all counts: the greatest one says where to begin */
    for (size_t n = 0; n < count; n++) {
        inners[n] = nodes[who[n]];
        heads[n] = search_head(inners[n], keys[who[n]]);
        at[n] = 0;
        bits |= inners[n]->count;
    }
    for (unsigned step = search_begin(bits); step > 0; step /= 2) {
        for (size_t n = 0; n < count; n++) {
            at[n] = search_step(inners[n], heads[n], at[n], step);
        }
    }
    for (size_t n = 0; n < count; n++) {
        at[n] = search_end(inners[n], keys[who[n]], TREE_FROM, heads[n], at[n]);
        nodes[who[n]] = child_at(inners[n], at[n]);
        __builtin_prefetch(nodes[who[n]]);
    }
}

void tree_approach(struct tree *const *trees, const struct slice *keys, size_t count,
                   struct tree_place *places)
{
    CHECK(count <= ENGINE_BATCH_MAX);
    void *nodes[ENGINE_BATCH_MAX];
    uint8_t heights[ENGINE_BATCH_MAX];
    uint8_t who[ENGINE_BATCH_MAX]; /* those that are not at their leaf yet */
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t *root = atomic_load_explicit(&trees[i]->root, memory_order_acquire);
        nodes[i] = node_of(root);
        heights[i] = (uint8_t)height_of(root);
        who[left] = (uint8_t)i;
        left += heights[i] > 0 ? 1 : 0;
    }
    for (unsigned depth = 1; left > 0; depth++) {
        go_down(nodes, keys, who, left);
        size_t still = 0;
        for (size_t n = 0; n < left; n++) {
            who[still] = who[n];
            still += heights[who[n]] > depth ? 1 : 0;
        }
        left = still;
    }
    for (size_t i = 0; i < count; i++) {
        places[i] = (struct tree_place){.leaf = nodes[i]};
    }
    prefetch_versions(keys, places, count);
}

void tree_range(const struct tree *t, struct slice key, enum tree_side side,
                struct tree_range *range)
{
    uint8_t *root = atomic_load_explicit(&t->root, memory_order_acquire);
    void *node = node_of(root);
    range->lower = (struct slice){NULL, 0};
    range->upper = (struct slice){NULL, 0};
    for (unsigned height = height_of(root); height > 0; height--) {
        const struct inner *n = node;
        const bool is_last = side == TREE_BEFORE && key.data == NULL;
        const unsigned i = is_last ? n->count : child_index(n, key, side);
        if (i > 0) {
            range->lower = separator_slice(n->keys[i - 1]);
        }
        if (i < n->count) {
            range->upper = separator_slice(n->keys[i]);
        }
        node = child_at(n, i);
    }
    range->leaf = node;
}

size_t leaf_versions(const struct leaf *l, struct version **versions)
{
    size_t count = 0;
    prefetch_leaf(l);
    for (unsigned i = 0; i < LEAF_MAX; i++) {
        struct version *v = atomic_load_explicit(&l->slots[i], memory_order_acquire);
        if (v != NULL) {
            __builtin_prefetch(v);
            __builtin_prefetch((const uint8_t *)v + 64);
            versions[count++] = v;
        }
    }
    return count;
}

size_t common_prefix(struct slice a, struct slice b)
{
    const size_t size = a.size < b.size ? a.size : b.size;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        const uint64_t differs = load_word(a.data + i) ^ load_word(b.data + i);
        if (differs != 0) {
            return i + (size_t)__builtin_ctzll(differs) / 8;
        }
    }
    while (i < size && a.data[i] == b.data[i]) {
        i++;
    }
    return i;
}

/* Puts version `i` to its place among those before it in steps of `gap`. */
static void sort_in(struct version **versions, uint64_t *heads, size_t i, size_t gap)
{
    const uint64_t head = heads[i];
    struct version *v = versions[i];
    for (; i >= gap; i -= gap) {
        const uint64_t other = heads[i - gap];
        if (other < head ||
            (other == head && slice_compare(version_key(versions[i - gap]), version_key(v)) <= 0)) {
            break;
        }
        heads[i] = other;
        versions[i] = versions[i - gap];
    }
    heads[i] = head;
    versions[i] = v;
}

/* Heads of the keys behind the bytes that all of them share, so that they say as much as they can;
 * the first `skip` are known to be shared. */
static void fill_heads(const struct slice *keys, uint64_t *heads, size_t count, size_t skip)
{
    for (bool is_last = false; !is_last;) {
        uint64_t differs = 0;
        for (size_t i = 0; i < count; i++) {
            heads[i] = head_of(keys[i], skip);
            differs |= heads[i] ^ heads[0];
        }
        const size_t same = differs == 0 ? 8 : (size_t)__builtin_clzll(differs) / 8;
        skip += same;
        is_last = same == 0 || skip >= keys[0].size;
    }
}

static bool are_ascending(const uint64_t *heads, size_t count)
{
    bool is_ascending = true;
    for (size_t i = 1; i < count; i++) {
        is_ascending &= heads[i - 1] < heads[i];
    }
    return is_ascending;
}

void versions_sort(struct version **versions, const struct slice *keys, size_t count, size_t skip)
{
    static const size_t gaps[] = {23, 10, 4, 1};
    uint64_t heads[LEAF_MAX];
    CHECK(count <= LEAF_MAX);
    if (count < 2) {
        return;
    }
    fill_heads(keys, heads, count, skip);
    if (are_ascending(heads, count)) { /* as a split has left them */
        return;
    }
    for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
        for (size_t i = gaps[g]; i < count; i++) {
            sort_in(versions, heads, i, gaps[g]);
        }
    }
}
