/* record_cache_private.h - the record cache from inside: record_cache.c finds, fills and evicts,
 * record_cache_change.c publishes, and keeps what RocksDB is owed. Private to these two. */
#ifndef ENGINE_DISK_RECORD_CACHE_PRIVATE_H
#define ENGINE_DISK_RECORD_CACHE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "engine/disk/record_cache.h"

#define VERSIONS   4096 /* tickets of this many groups of rows in a part are told apart */
#define RANGES_MAX 32   /* noted in a part before it is searched for what lies in them */

enum node_state {
    NODE_SMALL, /* in the small queue */
    NODE_MAIN,  /* in the main queue */
    NODE_OWED,  /* RocksDB does not have it */
    NODE_TAKEN, /* nor this one, but it is just being given it: key and row do not change */
};

struct node {
    struct node *chain; /* next in its bucket */
    struct list link;   /* in the list of its state */
    uint64_t hash;
    uint32_t key_size;
    uint32_t row_size;
    uint32_t room; /* for key and row */
    uint32_t born; /* ranges erased before it came, or was last held against them */
    uint8_t reads; /* since it came, or since the hand passed; at most READS_MAX */
    uint8_t state; /* enum node_state */
    bool was_main; /* while it is owed: the queue to which it goes */
    bool is_gone;  /* the row is absent; only while it is owed */
    bool is_unseen;
    bool is_replaced; /* taken, and no longer in its bucket */
    uint8_t bytes[];  /* key, row */
};

struct erased_range {
    uint8_t *bytes; /* owned; of both */
    struct slice from, to;
};

struct part {
    pthread_mutex_t lock;
    struct node **buckets; /* NULL until the first row comes */
    uint32_t *ghosts;      /* fingerprints of what left the small queue, by bucket */
    size_t bucket_count;   /* a power of two, or 0 */
    size_t node_count;     /* in buckets */
    struct list small, main, owed, taken;
    size_t small_bytes;
    _Atomic size_t bytes;      /* of all nodes; others read it to find the fattest */
    _Atomic size_t owed_bytes; /* of those that are owed or taken */
    uint64_t hits, misses;
    struct erased_range ranges[RANGES_MAX]; /* the newest `range_count` of all */
    unsigned range_count;
    uint32_t erased;                     /* ranges so far */
    _Atomic uint32_t range_step;         /* as a version, for all rows of the part */
    _Atomic uint32_t versions[VERSIONS]; /* changes of the rows of a group */
};

struct record_cache {
    size_t budget;
    uint64_t seed;
    size_t buckets_max; /* of a part */
    unsigned part_count;
    _Atomic unsigned hand; /* where the search for a part over its share goes on */
    _Atomic size_t used;
    struct part *parts;
};

static inline _Atomic uint32_t *cache_version_of(struct part *p, uint64_t hash)
{
    return &p->versions[(hash >> 40) % VERSIONS];
}

static inline bool node_is_owed(const struct node *n)
{
    return n->state == NODE_OWED || n->state == NODE_TAKEN;
}

/* Whether a row stays, with its key of so many bytes together, that nothing is owed of. */
static inline bool cache_keeps(const struct record_cache *c, size_t size)
{
    return c->budget > 0 && size <= RECORD_CACHE_ROW_MAX;
}

/* ---- All under the lock of the part ---- */

/* NULL: it has none. */
struct node *cache_node_find(const struct part *p, const struct cache_key *k);

/* A new node in its bucket and in no list. */
struct node *cache_node_add(struct record_cache *c, struct part *p, const struct cache_key *k,
                            struct slice row);

/* There is room for it. */
void node_set_row(struct node *n, struct slice row);

/* Takes the node out of its bucket, and frees it unless it is taken: whoever is giving it to
 * RocksDB reads it. */
void cache_node_drop(struct record_cache *c, struct part *p, struct node *n);

/* It is in no bucket. */
void cache_node_free(struct record_cache *c, struct part *p, struct node *n);

/* Into and out of the list of its state. */
void cache_enlist(struct part *p, struct node *n, enum node_state state);
void cache_delist(struct part *p, struct node *n);

/* The node lies in a range that was erased after it came. */
bool cache_is_erased(const struct part *p, struct node *n);
void cache_forget_ranges(struct part *p);

#endif
