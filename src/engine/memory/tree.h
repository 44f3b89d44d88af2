/* tree.h - ordered set of versions; one writer changes it in place, readers on
 * any thread walk it without locks. See tree.c for how.
 *
 * The tree knows keys, not revisions: a slot holds the newest version of a row,
 * and what older readers may see hangs below it (memory.c). Writer functions
 * run as the owner; what they return is valid until the next writer
 * call, what readers get until their next epoch_quiet(). */
#ifndef ENGINE_MEMORY_TREE_H
#define ENGINE_MEMORY_TREE_H

#include "engine/memory/version.h"

#define LEAF_MAX 56 /* tags and marks fill one cache line */

struct leaf;

typedef void (*tree_retire_fn)(void *arg, void *object, size_t size);

/* Open: the engine embeds it. */
struct tree {
    _Alignas(64) _Atomic(uint8_t *) root; /* the top node + the count of inner levels */
    struct slab *slab;
    tree_retire_fn retire; /* takes what readers may still see */
    void *arg;

    /* Writer only; not in the line that readers need. */
    _Alignas(64) uint64_t shape; /* changes whenever a leaf is replaced; never 0 */
    uint64_t members;            /* changes whenever a row comes or goes */
};

/* Where a key is, or would be. It lies in what a struct lookup keeps for its engine, hence the
 * attribute. */
struct __attribute__((may_alias)) tree_place {
    struct leaf *leaf;
    struct version *version; /* NULL: the key is absent */
    uint64_t slots;          /* one bit for each slot with that tag */
    uint64_t shape;          /* tree_remember(); 0: nothing is known */
    uint64_t members;
    uint8_t tag;
    uint8_t slot;  /* of `version` */
    bool is_found; /* `version` has been looked for */
};

/* A leaf and the keys it may hold: lower <= key < upper. NULL data: no limit. */
struct tree_range {
    struct leaf *leaf;
    struct slice lower;
    struct slice upper;
};

enum tree_side {
    TREE_FROM,  /* the leaf that holds `key` */
    TREE_BEFORE /* the leaf that holds the keys just below `key`; NULL data: the last leaf */
};

void tree_init(struct tree *t, struct slab *slab, tree_retire_fn retire, void *arg);

/* Nobody reads any more. Gives back nodes and the versions in their slots. */
void tree_deinit(struct tree *t);

/* Readers and writer. Each find sets the mark of the slot. */
void tree_find(const struct tree *t, struct slice key, struct tree_place *place);

/* The way to the leaves of up to ENGINE_BATCH_MAX keys, side by side and each in its own tree,
 * so that their cache misses overlap. tree_find_near() does the rest, in the same turn. */
void tree_approach(struct tree *const *trees, const struct slice *keys, size_t count,
                   struct tree_place *places);

void tree_find_near(struct slice key, struct tree_place *place);

/* Writer. Says that `place` was right until now: after tree_approach() or tree_find(). */
void tree_remember(const struct tree *t, struct tree_place *place);

/* Writer. As tree_find(), by as much of `place` as is still right (zeroed: nothing). */
void tree_find_again(const struct tree *t, struct slice key, struct tree_place *place);

/* Writer. Nothing has happened to the key since it was found. */
bool tree_is_current(const struct tree *t, const struct tree_place *place);

void tree_range(const struct tree *t, struct slice key, enum tree_side side,
                struct tree_range *range);

/* The version in a slot (0 to LEAF_MAX - 1), or NULL. */
struct version *leaf_version(const struct leaf *l, unsigned slot);

/* Clears the mark of a slot; returns whether it was set. */
bool leaf_unmark(struct leaf *l, unsigned slot);

/* Copies the versions of a leaf, unordered; returns how many (at most LEAF_MAX). */
size_t leaf_versions(const struct leaf *l, struct version **versions);

/* Sorts versions by their keys, which are given as `keys` and stay as they are; at most LEAF_MAX.
 * All keys share their first `skip` bytes, or more. */
void versions_sort(struct version **versions, const struct slice *keys, size_t count, size_t skip);

/* Writer. Replaces the version at `place` by one with the same key. */
void tree_replace(struct tree_place *place, struct version *version);

/* Writer. Adds a version whose key is absent. */
void tree_insert(struct tree *t, const struct tree_place *place, struct version *version);

/* Writer. Takes the version at `place` out; the caller disposes of it. */
void tree_remove(struct tree *t, const struct tree_place *place, struct slice key);

/* Bytes that are the same at the start of both. */
size_t common_prefix(struct slice a, struct slice b);

#endif
