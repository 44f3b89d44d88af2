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
#include "engine/memory/tree.h"

#include "base/check.h"

#ifndef INNER_MAX     /* a test build makes it small, to have deep trees soon */
#define INNER_MAX 128 /* children */
#endif
#define TREE_HEIGHT_MAX  15
#define HEIGHT_MASK      ((uintptr_t)63)
#define LEAF_LOW         14 /* at or below, look for a neighbour to merge with */
#define LEAF_MERGED_MAX  42 /* leave room, else the next insert splits again */
#define INNER_LOW        (INNER_MAX / 4)
#define INNER_MERGED_MAX (INNER_MAX * 3 / 4)
#define TAG_WORDS        (LEAF_MAX / 8)
#define EVERY_BYTE       UINT64_C(0x0101010101010101)

struct separator {
    uint32_t size;
    uint8_t bytes[];
};

struct inner {
    _Alignas(64) uint32_t count;   /* separators; children are one more */
    uint32_t skip;                 /* bytes that all separators share at the start */
    uint64_t heads[INNER_MAX - 1]; /* the 8 bytes after `skip`, as a number */
    struct separator *keys[INNER_MAX - 1];
    _Atomic(void *) children[INNER_MAX];
};

struct leaf {
    _Alignas(64) _Atomic uint64_t tags[TAG_WORDS]; /* one byte a slot, 0: empty */
    _Atomic uint64_t marks;                        /* one bit a slot */
    _Atomic(struct version *) slots[LEAF_MAX];
};

#define SLOTS_OFFSET offsetof(struct leaf, slots)

_Static_assert(sizeof(struct inner) % 64 == 0, "aligned: the root word needs the low bits");
_Static_assert(sizeof(struct inner) <= 4096, "larger objects are not aligned by slab.c");
_Static_assert(sizeof(struct leaf) == 512, "tags and marks fill the first cache line");

/* The way from the root to a leaf; nodes[0] is the top. */
struct path {
    struct inner *nodes[TREE_HEIGHT_MAX];
    unsigned index[TREE_HEIGHT_MAX]; /* of the child taken */
    unsigned height;
    struct leaf *leaf;
};

/* An inner node in the making, with room for one too many. */
struct draft {
    unsigned count; /* children */
    struct separator *keys[INNER_MAX];
    void *children[INNER_MAX + 1];
};

static size_t common_prefix(struct slice a, struct slice b)
{
    const size_t size = a.size < b.size ? a.size : b.size;
    size_t i = 0;
    while (i < size && a.data[i] == b.data[i]) {
        i++;
    }
    return i;
}

/* The 8 bytes of `key` from `skip` on as a number that sorts like them. */
static uint64_t head_of(struct slice key, size_t skip)
{
    uint64_t head = 0;
    if (key.size >= skip + sizeof(head)) {
        memcpy(&head, key.data + skip, sizeof(head));
    } else if (key.size > skip) {
        memcpy(&head, key.data + skip, key.size - skip);
    }
    return __builtin_bswap64(head);
}

static uint8_t tag_of(struct slice key)
{
    uint64_t hash = key.size;
    for (size_t i = 0; i < key.size; i += 8) {
        hash = (hash ^ head_of(key, i)) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    const uint8_t tag = (uint8_t)(hash >> 20);
    return tag == 0 ? 1 : tag;
}

static struct slice separator_slice(const struct separator *s)
{
    return (struct slice){s->bytes, s->size};
}

/* Which child holds `key` (TREE_FROM) or the keys just below it (TREE_BEFORE). */
static unsigned child_index(const struct inner *n, struct slice key, enum tree_side side)
{
    if (n->count == 0) {
        return 0;
    }
    if (n->skip > 0) {
        const size_t size = key.size < n->skip ? key.size : n->skip;
        const int order = size == 0 ? 0 : memcmp(key.data, n->keys[0]->bytes, size);
        if (order != 0 || key.size < n->skip) {
            return order > 0 ? n->count : 0;
        }
    }
    const uint64_t head = head_of(key, n->skip);
    const uint64_t *base = n->heads;
    for (unsigned left = n->count; left > 1;) {
        const unsigned half = left / 2;
        base = base[half - 1] < head ? base + half : base;
        left -= half;
    }
    unsigned i = (unsigned)(base - n->heads) + (*base < head ? 1 : 0);
    for (; i < n->count && n->heads[i] == head; i++) {
        const int order = slice_compare(separator_slice(n->keys[i]), key);
        if (order > 0 || (order == 0 && side == TREE_BEFORE)) {
            break;
        }
    }
    return i;
}

static void *child_at(const struct inner *n, unsigned i)
{
    return atomic_load_explicit(&n->children[i], memory_order_acquire);
}

static void *node_of(uintptr_t root)
{
    return (void *)(root & ~HEIGHT_MASK);
}

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

/* Sets the mark of `slot`. Not a locked instruction: a mark that gets lost does no harm. */
static void set_mark(struct leaf *l, unsigned slot)
{
    const uint64_t bit = UINT64_C(1) << slot;
    const uint64_t marks = atomic_load_explicit(&l->marks, memory_order_relaxed);
    if ((marks & bit) == 0) {
        atomic_store_explicit(&l->marks, marks | bit, memory_order_relaxed);
    }
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
        if (v != NULL && slice_equal(version_key(v), key)) {
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
    const uintptr_t root = atomic_load_explicit(&t->root, memory_order_acquire);
    void *node = node_of(root);
    for (uintptr_t height = root & HEIGHT_MASK; height > 0; height--) {
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

/* Brings the versions whose tags match into the cache: nearly always one. */
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
                __builtin_prefetch((const uint8_t *)v + 64);
            }
        }
    }
}

void tree_approach(struct tree *const *trees, const struct slice *keys, size_t count,
                   struct tree_place *places)
{
    CHECK(count <= ENGINE_BATCH_MAX);
    void *nodes[ENGINE_BATCH_MAX];
    uint8_t heights[ENGINE_BATCH_MAX];
    unsigned highest = 0;
    for (size_t i = 0; i < count; i++) {
        const uintptr_t root = atomic_load_explicit(&trees[i]->root, memory_order_acquire);
        nodes[i] = node_of(root);
        heights[i] = (uint8_t)(root & HEIGHT_MASK);
        highest = heights[i] > highest ? heights[i] : highest;
    }
    for (unsigned depth = 0; depth < highest; depth++) {
        for (size_t i = 0; i < count; i++) {
            if (heights[i] <= depth) {
                continue; /* a lower tree than others: at its leaf */
            }
            nodes[i] = child_at(nodes[i], child_index(nodes[i], keys[i], TREE_FROM));
            __builtin_prefetch(nodes[i]);
            if (heights[i] - depth > 1) { /* the first two probes of the binary search */
                __builtin_prefetch((uint8_t *)nodes[i] + 256);
                __builtin_prefetch((uint8_t *)nodes[i] + 512);
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        places[i] = (struct tree_place){.leaf = nodes[i]};
    }
    prefetch_versions(keys, places, count);
}

void tree_range(const struct tree *t, struct slice key, enum tree_side side,
                struct tree_range *range)
{
    const uintptr_t root = atomic_load_explicit(&t->root, memory_order_acquire);
    void *node = node_of(root);
    range->lower = (struct slice){NULL, 0};
    range->upper = (struct slice){NULL, 0};
    for (uintptr_t height = root & HEIGHT_MASK; height > 0; height--) {
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

void versions_sort(struct version **versions, size_t count)
{
    static const size_t gaps[] = {23, 10, 4, 1};
    uint64_t heads[LEAF_MAX];
    CHECK(count <= LEAF_MAX);
    if (count < 2) {
        return;
    }
    const struct slice first = version_key(versions[0]);
    size_t skip = first.size;
    for (size_t i = 1; i < count; i++) {
        const size_t common = common_prefix(first, version_key(versions[i]));
        skip = common < skip ? common : skip;
    }
    for (size_t i = 0; i < count; i++) {
        heads[i] = head_of(version_key(versions[i]), skip);
    }
    for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
        const size_t gap = gaps[g];
        for (size_t i = gap; i < count; i++) {
            const uint64_t head = heads[i];
            struct version *v = versions[i];
            size_t to = i;
            for (; to >= gap; to -= gap) {
                const uint64_t other = heads[to - gap];
                if (other < head || (other == head && slice_compare(version_key(versions[to - gap]),
                                                                    version_key(v)) <= 0)) {
                    break;
                }
                heads[to] = other;
                versions[to] = versions[to - gap];
            }
            heads[to] = head;
            versions[to] = v;
        }
    }
}

/* Slots in use: bytes of the tags that are not 0. */
static unsigned leaf_count(const struct leaf *l)
{
    unsigned count = 0;
    for (unsigned i = 0; i < TAG_WORDS; i++) {
        const uint64_t tags = atomic_load_explicit(&l->tags[i], memory_order_relaxed);
        const uint64_t low = EVERY_BYTE * 0x7f;
        count += (unsigned)__builtin_popcountll((((tags & low) + low) | tags) & ~low);
    }
    return count;
}

/* The first free slot, or LEAF_MAX. */
static unsigned leaf_free_slot(const struct leaf *l)
{
    for (unsigned i = 0; i < TAG_WORDS; i++) {
        const uint64_t tags = atomic_load_explicit(&l->tags[i], memory_order_relaxed);
        const uint64_t empty = (tags - EVERY_BYTE) & ~tags & (EVERY_BYTE << 7);
        if (empty != 0) { /* the lowest bit is never a false one */
            return i * 8 + (unsigned)__builtin_ctzll(empty) / 8;
        }
    }
    return LEAF_MAX;
}

static struct leaf *leaf_new(struct tree *t, struct version **versions, size_t count)
{
    CHECK(count <= LEAF_MAX);
    struct leaf *l = slab_get(t->slab, sizeof(*l));
    uint64_t tags[TAG_WORDS] = {0};
    for (size_t i = 0; i < LEAF_MAX; i++) {
        atomic_init(&l->slots[i], i < count ? versions[i] : NULL);
        if (i < count) {
            tags[i / 8] |= (uint64_t)tag_of(version_key(versions[i])) << (i % 8 * 8);
        }
    }
    for (size_t i = 0; i < TAG_WORDS; i++) {
        atomic_init(&l->tags[i], tags[i]);
    }
    atomic_init(&l->marks, UINT64_MAX); /* all rows of a new leaf get a second chance */
    return l;
}

static struct inner *inner_new(struct tree *t, struct separator **keys, void **children,
                               unsigned count)
{
    CHECK(count >= 1);
    CHECK(count <= INNER_MAX);
    struct inner *n = slab_get(t->slab, sizeof(*n));
    n->count = count - 1;
    n->skip = 0;
    if (n->count > 0) {
        n->skip =
            (uint32_t)common_prefix(separator_slice(keys[0]), separator_slice(keys[n->count - 1]));
    }
    for (unsigned i = 0; i < n->count; i++) {
        n->keys[i] = keys[i];
        n->heads[i] = head_of(separator_slice(keys[i]), n->skip);
    }
    for (unsigned i = 0; i < count; i++) {
        atomic_init(&n->children[i], children[i]);
    }
    return n;
}

/* The shortest bytes above `left` and not above `right`. */
static struct separator *separator_new(struct tree *t, struct slice left, struct slice right)
{
    const size_t size = common_prefix(left, right) + 1;
    CHECK(size <= right.size);
    struct separator *s = slab_get(t->slab, sizeof(*s) + size);
    s->size = (uint32_t)size;
    memcpy(s->bytes, right.data, size);
    return s;
}

static void separator_retire(struct tree *t, struct separator *s)
{
    t->retire(t->arg, s, sizeof(*s) + s->size);
}

static void set_root(struct tree *t, void *node, unsigned height)
{
    CHECK(height <= TREE_HEIGHT_MAX);
    atomic_store_explicit(&t->root, (uintptr_t)node | height, memory_order_release);
}

static void path_find(const struct tree *t, struct slice key, struct path *path)
{
    const uintptr_t root = atomic_load_explicit(&t->root, memory_order_relaxed);
    void *node = node_of(root);
    path->height = (unsigned)(root & HEIGHT_MASK);
    for (unsigned i = 0; i < path->height; i++) {
        path->nodes[i] = node;
        path->index[i] = child_index(node, key, TREE_FROM);
        node = child_at(node, path->index[i]);
    }
    path->leaf = node;
}

/* Publishes `node` in the place of the one at `depth` (0: the root). */
static void put_node(struct tree *t, const struct path *path, unsigned depth, void *node)
{
    if (depth == 0) {
        set_root(t, node, path->height);
        return;
    }
    struct inner *parent = path->nodes[depth - 1];
    atomic_store_explicit(&parent->children[path->index[depth - 1]], node, memory_order_release);
}

static void draft_append(struct draft *d, const struct inner *n)
{
    for (unsigned i = 0; i <= n->count; i++) {
        d->children[d->count + i] = child_at(n, i);
        if (i < n->count) {
            d->keys[d->count + i] = n->keys[i];
        }
    }
    d->count += n->count + 1;
}

/* Inserts `child` at `i` with the separator on its left. */
static void draft_insert(struct draft *d, unsigned i, struct separator *left, void *child)
{
    memmove(&d->children[i + 1], &d->children[i], (d->count - i) * sizeof(d->children[0]));
    memmove(&d->keys[i], &d->keys[i - 1], (d->count - i) * sizeof(d->keys[0]));
    d->keys[i - 1] = left;
    d->children[i] = child;
    d->count++;
}

/* Removes child `i` and the separator on its left, which is returned. */
static struct separator *draft_remove(struct draft *d, unsigned i)
{
    struct separator *left = d->keys[i - 1];
    d->count--;
    memmove(&d->children[i], &d->children[i + 1], (d->count - i) * sizeof(d->children[0]));
    memmove(&d->keys[i - 1], &d->keys[i], (d->count - i) * sizeof(d->keys[0]));
    return left;
}

/* The node at `depth` becomes two. */
static void grow(struct tree *t, const struct path *path, unsigned depth, void *left,
                 struct separator *key, void *right)
{
    if (depth == 0) {
        void *children[] = {left, right};
        set_root(t, inner_new(t, &key, children, 2), path->height + 1);
        return;
    }
    struct inner *old = path->nodes[depth - 1];
    const unsigned i = path->index[depth - 1];
    struct draft d = {.count = 0};
    draft_append(&d, old);
    d.children[i] = left;
    draft_insert(&d, i + 1, key, right);
    if (d.count <= INNER_MAX) {
        put_node(t, path, depth - 1, inner_new(t, d.keys, d.children, d.count));
    } else {
        const unsigned cut = i + 2 == d.count ? d.count - 2 : d.count / 2; /* appended keys: full */
        void *low = inner_new(t, d.keys, d.children, cut);
        void *high = inner_new(t, d.keys + cut, d.children + cut, d.count - cut);
        grow(t, path, depth - 1, low, d.keys[cut - 1], high);
    }
    t->retire(t->arg, old, sizeof(*old));
}

/* Children `i` and `i + 1` of the inner node at `depth` become `merged`.
 * Returns the separator that stood between them. */
static struct separator *shrink(struct tree *t, struct path *path, unsigned depth, unsigned i,
                                void *merged)
{
    struct inner *old = path->nodes[depth];
    struct draft d = {.count = 0};
    draft_append(&d, old);
    d.children[i] = merged;
    struct separator *between = draft_remove(&d, i + 1);
    t->retire(t->arg, old, sizeof(*old)); /* stamped at the end of the batch, so order is free */
    if (depth == 0 && d.count == 1) {
        set_root(t, merged, path->height - 1);
        return between;
    }
    struct inner *parent = depth == 0 ? NULL : path->nodes[depth - 1];
    if (parent != NULL && parent->count > 0 && d.count <= INNER_LOW) {
        const unsigned self = path->index[depth - 1];
        const unsigned left = self > 0 ? self - 1 : self;
        struct inner *other = child_at(parent, self > 0 ? left : self + 1);
        const unsigned room = d.count <= 2 ? INNER_MAX : INNER_MERGED_MAX;
        if (other->count + 1 + d.count <= room) {
            struct draft both = {.count = 0};
            struct inner *self_node = inner_new(t, d.keys, d.children, d.count);
            draft_append(&both, self > 0 ? other : self_node);
            both.keys[both.count - 1] = parent->keys[left];
            draft_append(&both, self > 0 ? self_node : other);
            slab_put(t->slab, self_node, sizeof(*self_node));
            t->retire(t->arg, other, sizeof(*other));
            void *node = inner_new(t, both.keys, both.children, both.count);
            (void)shrink(t, path, depth - 1, left, node); /* its separator moved into `node` */
            return between;
        }
    }
    put_node(t, path, depth, inner_new(t, d.keys, d.children, d.count));
    return between;
}

static void split_leaf(struct tree *t, struct version *version)
{
    struct version *sorted[LEAF_MAX];
    struct path path;
    const struct slice key = version_key(version);
    path_find(t, key, &path);
    const size_t count = leaf_versions(path.leaf, sorted);
    CHECK(count == LEAF_MAX);
    versions_sort(sorted, count);
    const bool is_append = slice_compare(version_key(sorted[count - 1]), key) < 0;
    const size_t cut =
        is_append ? count : count / 2; /* keys that come in order fill their leaves */
    const struct slice right_first = is_append ? key : version_key(sorted[cut]);
    struct separator *middle = separator_new(t, version_key(sorted[cut - 1]), right_first);
    struct leaf *left = leaf_new(t, sorted, cut);
    struct leaf *right = leaf_new(t, sorted + cut, count - cut);
    grow(t, &path, path.height, left, middle, right);
    t->retire(t->arg, path.leaf, sizeof(*path.leaf));
    t->shape++;
}

/* Joins leaves `i` and `i + 1` of the last inner node of `path`, if they fit into one. */
static bool merge_pair(struct tree *t, struct path *path, unsigned i)
{
    struct version *versions[LEAF_MAX];
    const struct inner *parent = path->nodes[path->height - 1];
    struct leaf *left = child_at(parent, i);
    struct leaf *right = child_at(parent, i + 1);
    const unsigned left_count = leaf_count(left);
    const unsigned right_count = leaf_count(right);
    const bool has_empty = left_count == 0 || right_count == 0;
    if (left_count + right_count > LEAF_MERGED_MAX && !has_empty) {
        return false;
    }
    size_t count = leaf_versions(left, versions);
    count += leaf_versions(right, versions + count);
    struct leaf *merged = leaf_new(t, versions, count);
    separator_retire(t, shrink(t, path, path->height - 1, i, merged));
    t->retire(t->arg, left, sizeof(*left));
    t->retire(t->arg, right, sizeof(*right));
    t->shape++;
    return true;
}

/* Joins the leaf of `key` with a neighbour under the same parent while it has few versions. */
static void merge_leaf(struct tree *t, struct slice key)
{
    for (;;) {
        struct path path;
        path_find(t, key, &path);
        if (path.height == 0 || leaf_count(path.leaf) > LEAF_LOW) {
            return;
        }
        const unsigned self = path.index[path.height - 1];
        const bool is_last = self == path.nodes[path.height - 1]->count;
        if (!(self > 0 && merge_pair(t, &path, self - 1)) &&
            !(!is_last && merge_pair(t, &path, self))) {
            return;
        }
    }
}

static void set_tag(struct leaf *l, unsigned slot, uint8_t tag)
{
    const unsigned shift = slot % 8 * 8;
    uint64_t word = atomic_load_explicit(&l->tags[slot / 8], memory_order_relaxed);
    word = (word & ~(UINT64_C(0xff) << shift)) | (uint64_t)tag << shift;
    atomic_store_explicit(&l->tags[slot / 8], word, memory_order_release);
}

void tree_replace(struct tree_place *place, struct version *version)
{
    CHECK(place->version != NULL);
    atomic_store_explicit(&place->leaf->slots[place->slot], version, memory_order_release);
    place->version = version;
}

void tree_insert(struct tree *t, const struct tree_place *place, struct version *version)
{
    CHECK(place->version == NULL);
    struct leaf *l = place->leaf;
    unsigned slot = leaf_free_slot(l);
    if (slot == LEAF_MAX) {
        struct path path;
        split_leaf(t, version);
        path_find(t, version_key(version), &path);
        l = path.leaf;
        slot = leaf_free_slot(l);
    }
    CHECK(slot < LEAF_MAX);
    atomic_store_explicit(&l->slots[slot], version, memory_order_release);
    set_tag(l, slot, place->tag);
    set_mark(l, slot);
    t->members++;
}

void tree_remove(struct tree *t, const struct tree_place *place, struct slice key)
{
    CHECK(place->version != NULL);
    struct leaf *l = place->leaf;
    set_tag(l, place->slot, 0);
    atomic_store_explicit(&l->slots[place->slot], NULL, memory_order_release);
    t->members++;
    if (leaf_count(l) <= LEAF_LOW) {
        merge_leaf(t, key);
    }
}

void tree_init(struct tree *t, struct slab *slab, tree_retire_fn retire, void *arg)
{
    *t = (struct tree){.slab = slab, .retire = retire, .arg = arg, .shape = 1, .members = 1};
    set_root(t, leaf_new(t, NULL, 0), 0);
}

static void node_free(struct tree *t, void *node, unsigned height)
{
    if (height == 0) {
        struct version *versions[LEAF_MAX];
        const size_t count = leaf_versions(node, versions);
        for (size_t i = 0; i < count; i++) {
            version_free(t->slab, versions[i]);
        }
        slab_put(t->slab, node, sizeof(struct leaf));
        return;
    }
    struct inner *n = node;
    for (unsigned i = 0; i <= n->count; i++) {
        node_free(t, child_at(n, i), height - 1);
        if (i < n->count) {
            slab_put(t->slab, n->keys[i], sizeof(struct separator) + n->keys[i]->size);
        }
    }
    slab_put(t->slab, n, sizeof(*n));
}

void tree_deinit(struct tree *t)
{
    const uintptr_t root = atomic_load_explicit(&t->root, memory_order_relaxed);
    node_free(t, node_of(root), (unsigned)(root & HEIGHT_MASK));
}
