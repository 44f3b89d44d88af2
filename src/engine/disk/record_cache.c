#include "engine/disk/record_cache.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/check.h"
#include "base/list.h"
#include "base/mem.h"

#define VERSIONS     4096 /* tickets of this many groups of rows in a part are told apart */
#define READS_MAX    3
#define RANGES_MAX   32  /* noted in a part before it is searched for what lies in them */
#define SMALL_SHARE  10  /* the small queue gets one part in so many */
#define BUCKET_BYTES 128 /* of the budget, for each bucket */
#define BUCKETS_MIN  64
#define BUCKETS_MAX  ((size_t)1 << 22)
#define NODE_STEP    16 /* nodes come in steps, so that a row that grows a little stays */
#define MALLOC_BYTES 16 /* what an allocation costs beside itself */

#define TICKET_HIDDEN (UINT64_C(1) << 32 | 1)

struct node {
    struct node *chain; /* next in its bucket */
    struct list link;   /* in one of the queues */
    uint64_t hash;
    uint32_t key_size;
    uint32_t row_size;
    uint32_t room; /* for key and row */
    uint32_t born; /* ranges erased before it came, or was last held against them */
    uint8_t reads; /* since it came, or since the hand passed; at most READS_MAX */
    bool is_main;
    bool is_hidden;
    uint8_t bytes[]; /* key, row */
};

struct erased_range {
    uint8_t *bytes; /* owned; of both */
    struct slice from, to;
};

struct part {
    pthread_mutex_t lock;
    struct node **buckets; /* NULL until the first row comes */
    uint32_t *ghosts;      /* fingerprints of what left the small queue, by bucket */
    struct list small, main;
    size_t small_bytes;
    _Atomic size_t bytes; /* of both queues; others read it to find the fattest */
    uint64_t hits, misses;
    struct erased_range ranges[RANGES_MAX]; /* the newest `range_count` of all */
    unsigned range_count;
    uint32_t erased;                     /* ranges so far */
    _Atomic uint32_t range_step;         /* as a version, for all rows of the part */
    _Atomic uint32_t versions[VERSIONS]; /* odd while a row of the group is hidden */
};

struct record_cache {
    size_t budget;
    uint64_t seed;
    size_t bucket_mask;
    unsigned part_count;
    _Atomic unsigned hand; /* where the search for a part over its share goes on */
    _Atomic size_t used;
    struct part *parts;
};

struct record_cache *record_cache_new(size_t bytes, unsigned parts, uint64_t seed)
{
    CHECK(parts > 0);
    struct record_cache *c = mem_zero(1, sizeof(*c));
    size_t buckets = BUCKETS_MIN;
    while (buckets < BUCKETS_MAX && buckets * parts * BUCKET_BYTES < bytes) {
        buckets *= 2;
    }
    c->budget = bytes;
    c->seed = seed;
    c->bucket_mask = buckets - 1;
    c->part_count = parts;
    c->parts = mem_zero(parts, sizeof(*c->parts));
    for (unsigned i = 0; i < parts; i++) {
        CHECK(pthread_mutex_init(&c->parts[i].lock, NULL) == 0);
        list_init(&c->parts[i].small);
        list_init(&c->parts[i].main);
    }
    return c;
}

static void free_queue(struct list *queue)
{
    while (!list_empty(queue)) {
        struct node *n = container_of(queue->next, struct node, link);
        list_remove(&n->link);
        mem_free(n);
    }
}

static void forget_ranges(struct part *p)
{
    while (p->range_count > 0) {
        mem_free(p->ranges[--p->range_count].bytes);
    }
}

void record_cache_free(struct record_cache **c)
{
    if (*c == NULL) {
        return;
    }
    for (unsigned i = 0; i < (*c)->part_count; i++) {
        struct part *p = &(*c)->parts[i];
        free_queue(&p->small);
        free_queue(&p->main);
        forget_ranges(p);
        mem_free(p->buckets);
        mem_free(p->ghosts);
        CHECK(pthread_mutex_destroy(&p->lock) == 0);
    }
    mem_free((*c)->parts);
    mem_free(*c);
    *c = NULL;
}

/* Both halves of the product, folded: each bit of `a` and `b` reaches each bit of the result. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t record_cache_hash(const struct record_cache *c, struct slice key)
{
    uint64_t hash = c->seed ^ (key.size * UINT64_C(0x9e3779b97f4a7c15));
    while (key.size >= 8) {
        uint64_t word;
        memcpy(&word, key.data, 8);
        hash = fold(hash ^ word, UINT64_C(0xd1342543de82ef95));
        key = slice_skip(key, 8);
    }
    uint64_t word = 0;
    if (key.size > 0) {
        memcpy(&word, key.data, key.size);
    }
    return fold(hash ^ word, UINT64_C(0xaf251af3b0f025b5)) ^ (hash >> 32);
}

static struct part *lock_part(struct record_cache *c, unsigned part)
{
    CHECK(part < c->part_count);
    CHECK(pthread_mutex_lock(&c->parts[part].lock) == 0);
    return &c->parts[part];
}

static void unlock_part(struct part *p)
{
    CHECK(pthread_mutex_unlock(&p->lock) == 0);
}

static _Atomic uint32_t *version_of(struct part *p, uint64_t hash)
{
    return &p->versions[(hash >> 40) % VERSIONS];
}

/* Where the pointer to the node of `k` is, or would be. The part has buckets. */
static struct node **node_place(const struct record_cache *c, const struct part *p,
                                const struct cache_key *k)
{
    struct node **at = &p->buckets[k->hash & c->bucket_mask];
    while (*at != NULL && ((*at)->hash != k->hash || (*at)->key_size != k->key.size ||
                           memcmp((*at)->bytes, k->key.data, k->key.size) != 0)) {
        at = &(*at)->chain;
    }
    return at;
}

static struct node *node_find(const struct record_cache *c, const struct part *p,
                              const struct cache_key *k)
{
    return p->buckets == NULL ? NULL : *node_place(c, p, k);
}

/* ---- Queues and eviction, under the lock of the part ---- */

static size_t node_bytes(const struct node *n)
{
    return sizeof(*n) + n->room + MALLOC_BYTES;
}

static void enqueue(struct part *p, struct node *n, bool is_main)
{
    n->is_main = is_main;
    n->reads = 0;
    list_push(is_main ? &p->main : &p->small, &n->link);
    p->small_bytes += is_main ? 0 : node_bytes(n);
}

static void dequeue(struct part *p, struct node *n)
{
    list_remove(&n->link);
    p->small_bytes -= n->is_main ? 0 : node_bytes(n);
}

static void count_bytes(struct record_cache *c, struct part *p, size_t more, size_t less)
{
    atomic_fetch_add_explicit(&p->bytes, more - less, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->used, more - less, memory_order_relaxed);
}

static void node_drop(struct record_cache *c, struct part *p, struct node *n)
{
    struct node **at = &p->buckets[n->hash & c->bucket_mask];
    while (*at != n) {
        at = &(*at)->chain;
    }
    *at = n->chain;
    dequeue(p, n);
    count_bytes(c, p, 0, node_bytes(n));
    mem_free(n);
}

static uint32_t *ghost_of(const struct record_cache *c, const struct part *p, uint64_t hash)
{
    return &p->ghosts[hash & c->bucket_mask];
}

static uint32_t fingerprint(uint64_t hash)
{
    return (uint32_t)(hash >> 32) | 1; /* 0 is no ghost */
}

/* Frees one node, moving those that were read on their way. The part holds one at least. */
static void evict_one(struct record_cache *c, struct part *p)
{
    for (;;) {
        const size_t bytes = atomic_load_explicit(&p->bytes, memory_order_relaxed);
        const bool is_small = list_empty(&p->main) || p->small_bytes > bytes / SMALL_SHARE;
        struct list *queue = is_small && !list_empty(&p->small) ? &p->small : &p->main;
        CHECK(!list_empty(queue));
        struct node *n = container_of(queue->next, struct node, link);
        if (n->reads == 0) {
            if (!n->is_main) {
                *ghost_of(c, p, n->hash) = fingerprint(n->hash);
            }
            node_drop(c, p, n);
            return;
        }
        const uint8_t reads = n->is_main ? (uint8_t)(n->reads - 1) : 0;
        dequeue(p, n);
        enqueue(p, n, true);
        n->reads = reads;
    }
}

/* ---- Finding ---- */

/* The node lies in a range that was erased after it came. */
static bool is_erased(const struct part *p, struct node *n)
{
    const struct slice key = slice_of(n->bytes, n->key_size);
    uint32_t later = p->erased - n->born;
    n->born = p->erased;
    CHECK(later <= p->range_count);
    for (unsigned i = p->range_count; later > 0; later--) {
        const struct erased_range *r = &p->ranges[--i];
        if (slice_compare(key, r->from) >= 0 && slice_compare(key, r->to) < 0) {
            return true;
        }
    }
    return false;
}

/* Odd halves: something is hidden. */
static uint64_t draw_ticket(struct part *p, uint64_t hash)
{
    const uint64_t step = atomic_load_explicit(&p->range_step, memory_order_acquire);
    return step << 32 | atomic_load_explicit(version_of(p, hash), memory_order_acquire);
}

bool record_cache_find(struct record_cache *c, const struct cache_key *k, struct arena *arena,
                       struct slice *row, uint64_t *ticket)
{
    struct part *p = lock_part(c, k->part);
    struct node *n = node_find(c, p, k);
    if (n != NULL && n->born != p->erased && is_erased(p, n)) {
        node_drop(c, p, n);
        n = NULL;
    }
    const bool is_hit = n != NULL && !n->is_hidden;
    *ticket = draw_ticket(p, k->hash);
    if (is_hit) {
        n->reads = (uint8_t)(n->reads + (n->reads < READS_MAX));
        *row = arena_copy(arena, slice_of(n->bytes + n->key_size, n->row_size));
        p->hits++;
    } else {
        p->misses++;
    }
    unlock_part(p);
    return is_hit;
}

bool record_cache_is_fresh(const struct record_cache *c, const struct cache_key *k, uint64_t ticket)
{
    return draw_ticket(&c->parts[k->part], k->hash) == ticket;
}

bool record_cache_was_hidden(uint64_t ticket)
{
    return (ticket & TICKET_HIDDEN) != 0;
}

/* ---- Between parts; no lock is held ---- */

/* A part that holds more than its share; there is one whenever the budget is exceeded. `own`
 * pays first. */
static unsigned victim(struct record_cache *c, unsigned own)
{
    const size_t share = c->budget / c->part_count;
    if (atomic_load_explicit(&c->parts[own].bytes, memory_order_relaxed) > share) {
        return own;
    }
    for (unsigned i = 0; i < c->part_count; i++) {
        const unsigned part =
            atomic_fetch_add_explicit(&c->hand, 1, memory_order_relaxed) % c->part_count;
        if (atomic_load_explicit(&c->parts[part].bytes, memory_order_relaxed) > share) {
            return part;
        }
    }
    return own; /* others have just made room */
}

static void keep_budget(struct record_cache *c, unsigned own)
{
    while (atomic_load_explicit(&c->used, memory_order_relaxed) > c->budget) {
        struct part *p = lock_part(c, victim(c, own));
        const bool is_empty = list_empty(&p->small) && list_empty(&p->main);
        if (!is_empty) {
            evict_one(c, p);
        }
        unlock_part(p);
        if (is_empty) {
            return; /* the rest are tables, which stay */
        }
    }
}

/* ---- Changes ---- */

static bool is_keepable(const struct record_cache *c, const struct cache_key *k, size_t row_size)
{
    return c->budget > 0 && k->key.size + row_size <= RECORD_CACHE_ROW_MAX;
}

static struct node *node_new(const struct cache_key *k, struct slice row)
{
    const size_t size = k->key.size + row.size;
    const size_t room = (size + NODE_STEP - 1) / NODE_STEP * NODE_STEP;
    struct node *n = mem_alloc(sizeof(*n) + room);
    n->hash = k->hash;
    n->key_size = (uint32_t)k->key.size;
    n->row_size = (uint32_t)row.size;
    n->room = (uint32_t)room;
    n->is_hidden = false;
    memcpy(n->bytes, k->key.data, k->key.size);
    memcpy(n->bytes + k->key.size, row.data, row.size);
    return n;
}

static void make_tables(struct record_cache *c, struct part *p)
{
    const size_t count = c->bucket_mask + 1;
    p->buckets = mem_zero(count, sizeof(struct node *));
    p->ghosts = mem_zero(count, sizeof(uint32_t));
    atomic_fetch_add_explicit(&c->used, count * (sizeof(struct node *) + sizeof(uint32_t)),
                              memory_order_relaxed);
}

/* Makes the node of `k` hold `row`, whether it exists or not. */
static void node_set(struct record_cache *c, struct part *p, const struct cache_key *k,
                     struct slice row)
{
    if (p->buckets == NULL) {
        make_tables(c, p);
    }
    struct node **at = node_place(c, p, k);
    struct node *old = *at;
    if (old != NULL && old->key_size + row.size <= old->room) {
        memcpy(old->bytes + old->key_size, row.data, row.size);
        old->row_size = (uint32_t)row.size;
        old->is_hidden = false;
        old->born = p->erased;
        return;
    }
    uint32_t *ghost = ghost_of(c, p, k->hash);
    bool is_main = *ghost == fingerprint(k->hash);
    uint8_t reads = 0;
    if (old != NULL) {
        is_main = old->is_main;
        reads = old->reads;
        node_drop(c, p, old);
        at = node_place(c, p, k);
    } else if (is_main) {
        *ghost = 0;
    }
    struct node *n = node_new(k, row);
    n->born = p->erased;
    n->chain = *at;
    *at = n;
    enqueue(p, n, is_main);
    n->reads = reads;
    count_bytes(c, p, node_bytes(n), 0);
}

void record_cache_fill(struct record_cache *c, const struct cache_key *k, struct slice row,
                       uint64_t ticket)
{
    if (!is_keepable(c, k, row.size) || record_cache_was_hidden(ticket)) {
        return;
    }
    struct part *p = lock_part(c, k->part);
    if (record_cache_is_fresh(c, k, ticket)) {
        node_set(c, p, k, row);
    }
    unlock_part(p);
    keep_budget(c, k->part);
}

/* The low bit says whether something is hidden; each step is another number. */
static void step(_Atomic uint32_t *version, bool is_hidden)
{
    const uint32_t now = atomic_load_explicit(version, memory_order_relaxed);
    atomic_store_explicit(version, ((now + 2) & ~UINT32_C(1)) | (is_hidden ? 1 : 0),
                          memory_order_release);
}

/* Sets the mark of the node, if there is one. */
static void mark(struct record_cache *c, const struct cache_key *k, bool is_hidden)
{
    struct part *p = lock_part(c, k->part);
    struct node *n = node_find(c, p, k);
    if (n != NULL) {
        n->is_hidden = is_hidden;
    }
    step(version_of(p, k->hash), is_hidden);
    unlock_part(p);
}

void record_cache_hide(struct record_cache *c, const struct cache_key *k)
{
    mark(c, k, true);
}

void record_cache_show(struct record_cache *c, const struct cache_key *k)
{
    mark(c, k, false);
}

void record_cache_publish(struct record_cache *c, const struct cache_key *k, struct slice row)
{
    struct part *p = lock_part(c, k->part);
    step(version_of(p, k->hash), false);
    if (row.data != NULL && is_keepable(c, k, row.size)) {
        node_set(c, p, k, row);
    } else {
        struct node *n = node_find(c, p, k);
        if (n != NULL) {
            node_drop(c, p, n);
        }
    }
    unlock_part(p);
    keep_budget(c, k->part);
}

/* Looks at every row once, so that the ranges can be forgotten. */
static void drop_erased(struct record_cache *c, struct part *p)
{
    struct list *const queues[] = {&p->small, &p->main};
    for (size_t i = 0; i < 2; i++) {
        struct list *next = NULL;
        for (struct list *at = queues[i]->next; at != queues[i]; at = next) {
            next = at->next;
            struct node *n = container_of(at, struct node, link);
            if (is_erased(p, n)) {
                node_drop(c, p, n);
            }
        }
    }
    forget_ranges(p);
}

void record_cache_erase_range(struct record_cache *c, unsigned part, struct slice from,
                              struct slice to)
{
    struct part *p = lock_part(c, part);
    if (p->range_count == RANGES_MAX) {
        drop_erased(c, p);
    }
    uint8_t *bytes = mem_alloc(from.size + to.size);
    memcpy(bytes, from.data, from.size);
    memcpy(bytes + from.size, to.data, to.size);
    p->ranges[p->range_count++] = (struct erased_range){bytes, slice_of(bytes, from.size),
                                                        slice_of(bytes + from.size, to.size)};
    p->erased++;
    step(&p->range_step, true);
    unlock_part(p);
}

void record_cache_open(struct record_cache *c, unsigned part)
{
    struct part *p = lock_part(c, part);
    step(&p->range_step, false);
    unlock_part(p);
}

struct cache_stats record_cache_stats(struct record_cache *c, unsigned part)
{
    struct part *p = lock_part(c, part);
    const struct cache_stats stats = {
        .hits = p->hits,
        .misses = p->misses,
        .bytes = atomic_load_explicit(&p->bytes, memory_order_relaxed),
    };
    unlock_part(p);
    return stats;
}
