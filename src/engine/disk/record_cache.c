/* record_cache.c - finding, filling, evicting: see record_cache.h. */
#include "base/check.h"
#include "base/mem.h"
#include "engine/disk/record_cache_private.h"

#define READS_MAX    3
#define SMALL_SHARE  10  /* the small queue gets one part in so many */
#define BUCKET_BYTES 128 /* of the budget, for each bucket */
#define BUCKETS_MIN  64
#define BUCKETS_MAX  ((size_t)1 << 22)
#define NODE_STEP    16 /* nodes come in steps, so that a row that grows a little stays */
#define MALLOC_BYTES 16 /* what an allocation costs beside itself */

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
    c->buckets_max = buckets;
    c->part_count = parts;
    c->parts = mem_zero(parts, sizeof(*c->parts));
    for (unsigned i = 0; i < parts; i++) {
        CHECK(pthread_mutex_init(&c->parts[i].lock, NULL) == 0);
        list_init(&c->parts[i].small);
        list_init(&c->parts[i].main);
        list_init(&c->parts[i].owed);
        list_init(&c->parts[i].taken);
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

void cache_forget_ranges(struct part *p)
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
        free_queue(&p->owed);
        CHECK(list_empty(&p->taken));
        cache_forget_ranges(p);
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

/* Where the pointer to the node of `k` is, or would be. The part has buckets. */
static struct node **node_place(const struct part *p, const struct cache_key *k)
{
    struct node **at = &p->buckets[k->hash & (p->bucket_count - 1)];
    while (*at != NULL && ((*at)->hash != k->hash || (*at)->key_size != k->key.size ||
                           memcmp((*at)->bytes, k->key.data, k->key.size) != 0)) {
        at = &(*at)->chain;
    }
    return at;
}

struct node *cache_node_find(const struct part *p, const struct cache_key *k)
{
    return p->buckets == NULL ? NULL : *node_place(p, k);
}

/* ---- Queues and eviction, under the lock of the part ---- */

static size_t node_bytes(const struct node *n)
{
    return sizeof(*n) + n->room + MALLOC_BYTES;
}

/* Changed under the lock only. */
static void count_owed(struct part *p, size_t more, size_t less)
{
    const size_t now = atomic_load_explicit(&p->owed_bytes, memory_order_relaxed);
    atomic_store_explicit(&p->owed_bytes, now + more - less, memory_order_relaxed);
}

void cache_enlist(struct part *p, struct node *n, enum node_state state)
{
    struct list *const lists[] = {&p->small, &p->main, &p->owed, &p->taken};
    n->state = (uint8_t)state;
    list_push(lists[state], &n->link);
    if (state == NODE_SMALL) {
        p->small_bytes += node_bytes(n);
    } else if (node_is_owed(n)) {
        count_owed(p, node_bytes(n), 0);
    }
}

void cache_delist(struct part *p, struct node *n)
{
    list_remove(&n->link);
    if (n->state == NODE_SMALL) {
        p->small_bytes -= node_bytes(n);
    } else if (node_is_owed(n)) {
        count_owed(p, 0, node_bytes(n));
    }
}

static void count_bytes(struct record_cache *c, struct part *p, size_t more, size_t less)
{
    atomic_fetch_add_explicit(&p->bytes, more - less, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->used, more - less, memory_order_relaxed);
}

void cache_node_free(struct record_cache *c, struct part *p, struct node *n)
{
    cache_delist(p, n);
    count_bytes(c, p, 0, node_bytes(n));
    mem_free(n);
}

void cache_node_drop(struct record_cache *c, struct part *p, struct node *n)
{
    struct node **at = &p->buckets[n->hash & (p->bucket_count - 1)];
    while (*at != n) {
        at = &(*at)->chain;
    }
    *at = n->chain;
    p->node_count--;
    if (n->state == NODE_TAKEN) {
        n->is_replaced = true;
    } else {
        cache_node_free(c, p, n);
    }
}

static uint32_t *ghost_of(const struct part *p, uint64_t hash)
{
    return &p->ghosts[hash & (p->bucket_count - 1)];
}

static uint32_t fingerprint(uint64_t hash)
{
    return (uint32_t)(hash >> 32) | 1; /* 0 is no ghost */
}

/* Frees one node, moving those that were read on their way. One of the queues holds one. */
static void evict_one(struct record_cache *c, struct part *p)
{
    for (;;) {
        const size_t bytes = atomic_load_explicit(&p->bytes, memory_order_relaxed) -
                             atomic_load_explicit(&p->owed_bytes, memory_order_relaxed);
        const bool is_small = list_empty(&p->main) || p->small_bytes > bytes / SMALL_SHARE;
        struct list *queue = is_small && !list_empty(&p->small) ? &p->small : &p->main;
        CHECK(!list_empty(queue));
        struct node *n = container_of(queue->next, struct node, link);
        if (n->reads == 0) {
            if (n->state == NODE_SMALL) {
                *ghost_of(p, n->hash) = fingerprint(n->hash);
            }
            cache_node_drop(c, p, n);
            return;
        }
        n->reads = n->state == NODE_MAIN ? (uint8_t)(n->reads - 1) : 0;
        cache_delist(p, n);
        cache_enlist(p, n, NODE_MAIN);
    }
}

/* ---- Finding ---- */

bool cache_is_erased(const struct part *p, struct node *n)
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

static uint64_t draw_ticket(struct part *p, uint64_t hash)
{
    const uint64_t step = atomic_load_explicit(&p->range_step, memory_order_acquire);
    return step << 32 | atomic_load_explicit(cache_version_of(p, hash), memory_order_acquire);
}

void record_cache_lock(struct record_cache *c, unsigned part)
{
    CHECK(part < c->part_count);
    CHECK(pthread_mutex_lock(&c->parts[part].lock) == 0);
}

void record_cache_unlock(struct record_cache *c, unsigned part)
{
    CHECK(pthread_mutex_unlock(&c->parts[part].lock) == 0);
}

void record_cache_approach(const struct record_cache *c, const struct cache_key *k)
{
    const struct part *p = &c->parts[k->part];
    if (p->buckets != NULL) {
        __builtin_prefetch(&p->buckets[k->hash & (p->bucket_count - 1)]);
    }
}

bool record_cache_find(struct record_cache *c, const struct cache_key *k, struct arena *arena,
                       struct slice *row, uint64_t *ticket)
{
    struct part *p = &c->parts[k->part];
    struct node *n = cache_node_find(p, k);
    if (n != NULL && n->born != p->erased && cache_is_erased(p, n)) {
        cache_node_drop(c, p, n);
        n = NULL;
    }
    *ticket = draw_ticket(p, k->hash);
    if (n == NULL) {
        p->misses++;
        return false;
    }
    p->hits++;
    n->reads = (uint8_t)(n->reads + (n->reads < READS_MAX));
    n->is_unseen = false;
    *row = n->is_gone ? (struct slice){0}
                      : arena_copy(arena, slice_of(n->bytes + n->key_size, n->row_size));
    return true;
}

bool record_cache_is_fresh(const struct record_cache *c, const struct cache_key *k, uint64_t ticket)
{
    return draw_ticket(&c->parts[k->part], k->hash) == ticket;
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

void record_cache_trim(struct record_cache *c, unsigned own)
{
    while (atomic_load_explicit(&c->used, memory_order_relaxed) > c->budget) {
        const unsigned part = victim(c, own);
        struct part *p = &c->parts[part];
        record_cache_lock(c, part);
        const bool is_empty = list_empty(&p->small) && list_empty(&p->main);
        if (!is_empty) {
            evict_one(c, p);
        }
        record_cache_unlock(c, part);
        if (is_empty) {
            return; /* the rest are tables, which stay, and what is owed */
        }
    }
}

/* ---- Filling ---- */

void node_set_row(struct node *n, struct slice row)
{
    n->row_size = (uint32_t)row.size;
    if (row.size > 0) {
        memcpy(n->bytes + n->key_size, row.data, row.size);
    }
}

static struct node *node_new(const struct cache_key *k, struct slice row)
{
    const size_t size = k->key.size + row.size;
    const size_t room = (size + NODE_STEP - 1) / NODE_STEP * NODE_STEP;
    struct node *n = mem_alloc(sizeof(*n) + room);
    *n = (struct node){.hash = k->hash, .key_size = (uint32_t)k->key.size, .room = (uint32_t)room};
    memcpy(n->bytes, k->key.data, k->key.size);
    node_set_row(n, row);
    return n;
}

static void link_node(struct node **buckets, size_t count, struct node *n)
{
    struct node **at = &buckets[n->hash & (count - 1)];
    n->chain = *at;
    *at = n;
}

/* A cache that holds little keeps its tables small, where the processor has them at hand. */
static void grow(struct record_cache *c, struct part *p)
{
    const size_t before = p->bucket_count;
    const size_t count = before == 0 ? BUCKETS_MIN : before * 2;
    struct node **buckets = mem_zero(count, sizeof(struct node *));
    uint32_t *ghosts = mem_zero(count, sizeof(uint32_t));
    for (size_t i = 0; i < before; i++) {
        ghosts[i] = ghosts[before + i] = p->ghosts[i];
        for (struct node *n = p->buckets[i], *next = NULL; n != NULL; n = next) {
            next = n->chain;
            link_node(buckets, count, n);
        }
    }
    mem_free(p->buckets);
    mem_free(p->ghosts);
    p->buckets = buckets;
    p->ghosts = ghosts;
    p->bucket_count = count;
    atomic_fetch_add_explicit(&c->used,
                              (count - before) * (sizeof(struct node *) + sizeof(uint32_t)),
                              memory_order_relaxed);
}

struct node *cache_node_add(struct record_cache *c, struct part *p, const struct cache_key *k,
                            struct slice row)
{
    if (p->node_count == p->bucket_count && p->bucket_count < c->buckets_max) {
        grow(c, p);
    }
    struct node *n = node_new(k, row);
    n->born = p->erased;
    link_node(p->buckets, p->bucket_count, n);
    p->node_count++;
    uint32_t *ghost = ghost_of(p, k->hash);
    n->was_main = *ghost == fingerprint(k->hash);
    if (n->was_main) {
        *ghost = 0;
    }
    count_bytes(c, p, node_bytes(n), 0);
    return n;
}

void record_cache_fill(struct record_cache *c, const struct cache_key *k, struct slice row,
                       uint64_t ticket)
{
    if (!cache_keeps(c, k->key.size + row.size)) {
        return;
    }
    struct part *p = &c->parts[k->part];
    record_cache_lock(c, k->part);
    if (record_cache_is_fresh(c, k, ticket) && cache_node_find(p, k) == NULL) {
        struct node *n = cache_node_add(c, p, k, row);
        cache_enlist(p, n, n->was_main ? NODE_MAIN : NODE_SMALL);
    }
    record_cache_unlock(c, k->part);
    record_cache_trim(c, k->part);
}

struct cache_stats record_cache_stats(struct record_cache *c, unsigned part)
{
    struct part *p = &c->parts[part];
    record_cache_lock(c, part);
    const struct cache_stats stats = {
        .hits = p->hits,
        .misses = p->misses,
        .bytes = atomic_load_explicit(&p->bytes, memory_order_relaxed),
    };
    record_cache_unlock(c, part);
    return stats;
}
