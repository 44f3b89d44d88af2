/* tree_nodes.h - what the tree is made of, and the search in one node. Private to memory/. */
#ifndef ENGINE_MEMORY_TREE_NODES_H
#define ENGINE_MEMORY_TREE_NODES_H

#include "engine/memory/tree.h"

#ifndef INNER_MAX     /* a test build makes it small, to have deep trees soon */
#define INNER_MAX 128 /* children; a power of two */
#endif
#define TREE_HEIGHT_MAX 15
#define NODE_ALIGNMENT  64
#define TAG_WORDS       (LEAF_MAX / 8)
#define EVERY_BYTE      UINT64_C(0x0101010101010101)

struct separator {
    uint32_t size;
    uint8_t bytes[];
};

struct inner {
    _Alignas(64) uint32_t count;   /* separators; children are one more */
    uint32_t skip;                 /* bytes that all separators share at the start */
    uint64_t prefix;               /* the first 8 of them, as a number */
    uint64_t heads[INNER_MAX - 1]; /* the 8 bytes after `skip`, as a number; then HEAD_NONE */
    struct separator *keys[INNER_MAX - 1];
    _Atomic(void *) children[INNER_MAX];
};

#define HEAD_NONE UINT64_MAX

struct leaf {
    _Alignas(64) _Atomic uint64_t tags[TAG_WORDS]; /* one byte a slot, 0: empty */
    _Atomic uint64_t marks;                        /* one bit a slot */
    _Atomic(struct version *) slots[LEAF_MAX];
};

_Static_assert((INNER_MAX & (INNER_MAX - 1)) == 0, "the search halves it down to 1");
_Static_assert(TREE_HEIGHT_MAX < NODE_ALIGNMENT, "the height is in the low bits of the root");
_Static_assert(sizeof(struct inner) % NODE_ALIGNMENT == 0, "aligned by slab.h");
_Static_assert(sizeof(struct inner) <= 4096, "larger objects are not aligned by slab.c");
_Static_assert(sizeof(struct leaf) == 512, "tags and marks fill the first cache line");

static inline void *child_at(const struct inner *n, unsigned i)
{
    return atomic_load_explicit(&n->children[i], memory_order_acquire);
}

static inline unsigned height_of(const uint8_t *root)
{
    return (unsigned)((uintptr_t)root % NODE_ALIGNMENT);
}

static inline void *node_of(uint8_t *root)
{
    return root - height_of(root);
}

static inline struct slice separator_slice(const struct separator *s)
{
    return (struct slice){s->bytes, s->size};
}

static inline uint64_t load_word(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* Up to 7 bytes, zeros behind them. */
static inline uint64_t load_few(const uint8_t *bytes, size_t size)
{
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++) {
        word |= (uint64_t)bytes[i] << (i * 8);
    }
    return word;
}

/* The 8 bytes of `key` from `skip` on as a number that sorts like them. */
static inline uint64_t head_of(struct slice key, size_t skip)
{
    if (key.size >= skip + 8) {
        return __builtin_bswap64(load_word(key.data + skip));
    }
    if (key.size <= skip) {
        return 0;
    }
    const size_t size = key.size - skip;
    if (key.size >= 8) { /* read from further left, then push that out */
        return __builtin_bswap64(load_word(key.data + key.size - 8)) << (8 - size) * 8;
    }
    return __builtin_bswap64(load_few(key.data + skip, size));
}

static inline uint64_t mix_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static inline uint8_t tag_of(struct slice key)
{
    uint64_t hash = key.size;
    if (key.size < 8) {
        hash = mix_word(hash, load_few(key.data, key.size));
    } else {
        for (size_t i = 0; i + 8 < key.size; i += 8) {
            hash = mix_word(hash, load_word(key.data + i));
        }
        hash = mix_word(hash, load_word(key.data + key.size - 8));
    }
    const uint8_t tag = (uint8_t)(hash >> 20);
    return tag == 0 ? 1 : tag;
}

/* Are the first `size` bytes the same? `size` is 0, or 8 and more, and not more than `b` has. */
static inline bool starts_alike(struct slice a, struct slice b, size_t size)
{
    if (a.size < size) {
        return false;
    }
    uint64_t differs = 0;
    for (size_t i = 0; i + 8 < size; i += 8) {
        differs |= load_word(a.data + i) ^ load_word(b.data + i);
    }
    return size == 0 ||
           (differs | (load_word(a.data + size - 8) ^ load_word(b.data + size - 8))) == 0;
}

/* As slice_equal(), without a call for keys of usual sizes. */
static inline bool key_equal(struct slice a, struct slice b)
{
    if (a.size != b.size) {
        return false;
    }
    if (a.size < 8 || a.size > 64) {
        return memcmp(a.data, b.data, a.size) == 0;
    }
    return starts_alike(a, b, a.size);
}

/* ---- Search in an inner node: search_head(), search_step() for each step from search_begin()
 * down to 1 by halves, search_end(). In parts, so that many keys can be searched in step. ---- */

/* `key` against the bytes that all separators share: negative, 0 (begins with them), positive. */
static inline int prefix_order(const struct inner *n, struct slice key)
{
    if (n->skip <= 8 && key.size >= 8) {
        const unsigned rest = (8 - n->skip) * 8;
        const uint64_t head = __builtin_bswap64(load_word(key.data)) >> rest;
        const uint64_t prefix = n->prefix >> rest;
        return (head > prefix) - (head < prefix);
    }
    const size_t size = key.size < n->skip ? key.size : n->skip;
    const int order = size == 0 ? 0 : memcmp(key.data, n->keys[0]->bytes, size);
    return order == 0 && key.size < n->skip ? -1 : order;
}

/* What to look for among the heads. */
static inline uint64_t search_head(const struct inner *n, struct slice key)
{
    if (n->skip > 0) {
        const int order = prefix_order(n, key);
        if (order != 0) {
            return order < 0 ? 0 : HEAD_NONE;
        }
    }
    return head_of(key, n->skip);
}

/* The first step for nodes with up to `count` separators. */
static inline unsigned search_begin(unsigned count)
{
    return count == 0 ? 0 : 1U << (31 - __builtin_clz(count));
}

/* `at` separators (0 at first) are known to have heads below `head`: perhaps `step` more. Behind
 * the last one all heads are HEAD_NONE, so a step may look there. */
static inline unsigned search_step(const struct inner *n, uint64_t head, unsigned at, unsigned step)
{
    const unsigned is_below = n->heads[at + step - 1] < head; /* no branch: it cannot be guessed */
    return at + (step & (0U - is_below));
}

/* The separators before `at` have heads below `head`. Returns the child that holds `key`
 * (TREE_FROM) or the keys just below it (TREE_BEFORE). */
static inline unsigned search_end(const struct inner *n, struct slice key, enum tree_side side,
                                  uint64_t head, unsigned at)
{
    for (; at < n->count && n->heads[at] == head; at++) {
        const int order = slice_compare(separator_slice(n->keys[at]), key);
        if (order > 0 || (order == 0 && side == TREE_BEFORE)) {
            break;
        }
    }
    return at;
}

static inline unsigned child_index(const struct inner *n, struct slice key, enum tree_side side)
{
    const uint64_t head = search_head(n, key);
    unsigned at = 0;
    for (unsigned step = search_begin(n->count); step > 0; step /= 2) {
        at = search_step(n, head, at, step);
    }
    return search_end(n, key, side, head, at);
}

/* ---- Leaves ---- */

/* Sets the mark of `slot`. Not a locked instruction: a mark that gets lost does no harm. */
static inline void set_mark(struct leaf *l, unsigned slot)
{
    const uint64_t bit = UINT64_C(1) << slot;
    const uint64_t marks = atomic_load_explicit(&l->marks, memory_order_relaxed);
    if ((marks & bit) == 0) {
        atomic_store_explicit(&l->marks, marks | bit, memory_order_relaxed);
    }
}

#endif
