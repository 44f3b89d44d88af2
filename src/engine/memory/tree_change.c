/* How the tree changes: leaves and inner nodes are split and merged by making fresh ones; see
 * tree.c for the rules that readers rely on. */
#include "base/check.h"
#include "engine/memory/tree_nodes.h"

#define LEAF_LOW         14 /* at or below, look for a neighbour to merge with */
#define LEAF_MERGED_MAX  42 /* leave room, else the next insert splits again */
#define INNER_LOW        (INNER_MAX / 4)
#define INNER_MERGED_MAX (INNER_MAX * 3 / 4)

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
    uint32_t skip;  /* which `heads` are for; SKIP_NONE: they are not known */
    uint64_t heads[INNER_MAX];
    struct separator *keys[INNER_MAX];
    void *children[INNER_MAX + 1];
};

#define SKIP_NONE UINT32_MAX

/* Slots in use: bytes of the tags that are not 0. */
static unsigned leaf_count(const struct leaf *l)
{
    const uint64_t low = EVERY_BYTE * 0x7f;
    uint64_t sums = 0; /* by byte */
    for (unsigned i = 0; i < TAG_WORDS; i++) {
        const uint64_t tags = atomic_load_explicit(&l->tags[i], memory_order_relaxed);
        sums += ((((tags & low) + low) | tags) & ~low) >> 7;
    }
    return (unsigned)(sums * EVERY_BYTE >> 56);
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

/* Fills the heads of `n`. Copies them where it can, since each separator is a cache miss. */
static void fill_heads(struct inner *n, const struct draft *d, unsigned first)
{
    n->skip = 0;
    n->prefix = 0;
    if (n->count > 0) {
        const struct slice key = separator_slice(n->keys[0]);
        n->skip = (uint32_t)common_prefix(key, separator_slice(n->keys[n->count - 1]));
        n->prefix = head_of(key, 0);
    }
    if (n->skip == d->skip) {
        memcpy(n->heads, d->heads + first, n->count * sizeof(n->heads[0]));
    } else {
        for (unsigned i = 0; i < n->count; i++) {
            n->heads[i] = head_of(separator_slice(n->keys[i]), n->skip);
        }
    }
    for (unsigned i = n->count; i < INNER_MAX - 1; i++) {
        n->heads[i] = HEAD_NONE;
    }
}

/* A node of `count` children of the draft. */
static struct inner *inner_new(struct tree *t, const struct draft *d, unsigned first,
                               unsigned count)
{
    CHECK(count >= 1);
    CHECK(count <= INNER_MAX);
    CHECK(first + count <= d->count);
    struct inner *n = slab_get(t->slab, sizeof(*n));
    const unsigned last = count - 1;
    for (unsigned i = 0; i < last; i++) {
        n->keys[i] = d->keys[first + i];
        atomic_init(&n->children[i], d->children[first + i]);
    }
    atomic_init(&n->children[last], d->children[first + last]);
    n->count = last;
    fill_heads(n, d, first);
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
    atomic_store_explicit(&t->root, (uint8_t *)node + height, memory_order_release);
}

static void path_find(const struct tree *t, struct slice key, struct path *path)
{
    uint8_t *root = atomic_load_explicit(&t->root, memory_order_relaxed);
    void *node = node_of(root);
    path->height = height_of(root);
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

static void draft_begin(struct draft *d, const struct inner *n)
{
    const unsigned count = n->count;
    memcpy(d->heads, n->heads, count * sizeof(d->heads[0]));
    for (unsigned i = 0; i < count; i++) {
        d->keys[i] = n->keys[i];
        d->children[i] = child_at(n, i);
    }
    d->children[count] = child_at(n, count);
    d->count = count + 1;
    d->skip = n->skip;
}

/* What `d` and then, behind `between`, `more` have. */
static void draft_append(struct draft *d, struct separator *between, const struct draft *more)
{
    CHECK(d->count + more->count <= INNER_MAX);
    d->skip = SKIP_NONE;
    d->keys[d->count - 1] = between;
    for (unsigned i = 0; i < more->count; i++) {
        d->children[d->count + i] = more->children[i];
        if (i + 1 < more->count) {
            d->keys[d->count + i] = more->keys[i];
        }
    }
    d->count += more->count;
}

/* Inserts `child` at `i` (at least 1) with the separator on its left. */
static void draft_insert(struct draft *d, unsigned i, struct separator *left, void *child)
{
    for (unsigned n = d->count; n > i; n--) {
        d->children[n] = d->children[n - 1];
        d->keys[n - 1] = d->keys[n - 2];
        d->heads[n - 1] = d->heads[n - 2];
    }
    d->keys[i - 1] = left;
    d->heads[i - 1] = head_of(separator_slice(left), d->skip);
    d->children[i] = child;
    d->count++;
}

/* Removes child `i` (at least 1) and the separator on its left, which is returned. */
static struct separator *draft_remove(struct draft *d, unsigned i)
{
    struct separator *left = d->keys[i - 1];
    d->count--;
    for (unsigned n = i; n < d->count; n++) {
        d->children[n] = d->children[n + 1];
        d->keys[n - 1] = d->keys[n];
        d->heads[n - 1] = d->heads[n];
    }
    return left;
}

/* A new top over two nodes. */
static void add_level(struct tree *t, unsigned height, void *left, struct separator *key,
                      void *right)
{
    struct draft d;
    d.count = 2;
    d.skip = SKIP_NONE;
    d.keys[0] = key;
    d.children[0] = left;
    d.children[1] = right;
    set_root(t, inner_new(t, &d, 0, 2), height + 1);
}

/* The node at `depth` becomes two. */
static void grow(struct tree *t, const struct path *path, unsigned depth, void *left,
                 struct separator *key, void *right)
{
    if (depth == 0) {
        add_level(t, path->height, left, key, right);
        return;
    }
    struct inner *old = path->nodes[depth - 1];
    const unsigned i = path->index[depth - 1];
    struct draft d;
    draft_begin(&d, old);
    d.children[i] = left;
    draft_insert(&d, i + 1, key, right);
    if (d.count <= INNER_MAX) {
        put_node(t, path, depth - 1, inner_new(t, &d, 0, d.count));
    } else {
        const unsigned cut = i + 2 == d.count ? d.count - 2 : d.count / 2; /* appended keys: full */
        void *low = inner_new(t, &d, 0, cut);
        void *high = inner_new(t, &d, cut, d.count - cut);
        grow(t, path, depth - 1, low, d.keys[cut - 1], high);
    }
    t->retire(t->arg, old, sizeof(*old));
}

static struct separator *shrink(struct tree *t, struct path *path, unsigned depth, unsigned i,
                                void *merged);

/* Joins what the inner node at `depth` (at least 1) shall become with a neighbour under the same
 * parent, if they fit into one. */
static bool merge_inner(struct tree *t, struct path *path, unsigned depth, struct draft *d)
{
    const struct inner *parent = path->nodes[depth - 1];
    if (parent->count == 0 || d->count > INNER_LOW) {
        return false;
    }
    const unsigned self = path->index[depth - 1];
    const unsigned left = self > 0 ? self - 1 : self;
    struct inner *other = child_at(parent, self > 0 ? left : self + 1);
    const unsigned room = d->count <= 2 ? INNER_MAX : INNER_MERGED_MAX;
    if (other->count + 1 + d->count > room) {
        return false;
    }
    struct draft both;
    draft_begin(&both, other);
    if (self > 0) {
        draft_append(&both, parent->keys[left], d);
    } else {
        draft_append(d, parent->keys[left], &both);
    }
    const struct draft *all = self > 0 ? &both : d;
    t->retire(t->arg, other, sizeof(*other));
    void *node = inner_new(t, all, 0, all->count);
    (void)shrink(t, path, depth - 1, left, node); /* its separator moved into `node` */
    return true;
}

/* Children `i` and `i + 1` of the inner node at `depth` become `merged`.
 * Returns the separator that stood between them. */
static struct separator *shrink(struct tree *t, struct path *path, unsigned depth, unsigned i,
                                void *merged)
{
    struct inner *old = path->nodes[depth];
    struct draft d;
    draft_begin(&d, old);
    d.children[i] = merged;
    struct separator *between = draft_remove(&d, i + 1);
    t->retire(t->arg, old, sizeof(*old)); /* stamped at the end of the batch, so order is free */
    if (depth == 0 && d.count == 1) {
        set_root(t, merged, path->height - 1);
    } else if (depth == 0 || !merge_inner(t, path, depth, &d)) {
        put_node(t, path, depth, inner_new(t, &d, 0, d.count));
    }
    return between;
}

/* How many of the sorted versions stay on the left when `key` comes to a full leaf: half of them.
 * But keys that come in order, perhaps between others (members of a set, versions of a log), fill
 * their leaves: the cut is made where such a one comes, right behind the newest version. */
static size_t cut_of(struct version *const *sorted, size_t count, struct slice key)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t revision = version_revision(sorted[i]);
        newest = revision > newest ? revision : newest;
    }
    size_t below = 0; /* versions with smaller keys */
    for (size_t end = count; below < end;) {
        const size_t middle = (below + end) / 2;
        const bool is_below = slice_compare(version_key(sorted[middle]), key) < 0;
        below = is_below ? middle + 1 : below;
        end = is_below ? end : middle;
    }
    const bool is_next = below > 0 && version_revision(sorted[below - 1]) == newest;
    return is_next || below == count ? below : count / 2;
}

static void split_leaf(struct tree *t, struct version *version)
{
    struct version *sorted[LEAF_MAX];
    struct slice keys[LEAF_MAX];
    struct path path;
    const struct slice key = version_key(version);
    path_find(t, key, &path);
    const size_t count = leaf_versions(path.leaf, sorted);
    CHECK(count == LEAF_MAX);
    for (size_t i = 0; i < count; i++) {
        keys[i] = version_key(sorted[i]);
    }
    versions_sort(sorted, keys, count, 0);
    const size_t cut = cut_of(sorted, count, key);
    const struct slice right_first = cut == count ? key : version_key(sorted[cut]);
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
    uint8_t *root = atomic_load_explicit(&t->root, memory_order_relaxed);
    node_free(t, node_of(root), height_of(root));
}
