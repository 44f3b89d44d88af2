/* The memory engine's reads and its writer; how it works: memory_engine.h. */
#include "engine/memory.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "engine/memory/memory_engine.h"

_Static_assert(sizeof(struct tree_place) <= sizeof(((struct lookup *)NULL)->place),
               "a lookup holds a place");
_Static_assert(_Alignof(struct tree_place) <= _Alignof(struct lookup), "and where it must lie");

/* Not a copy: one that is made right behind a write to it waits until all earlier writes, of which
 * many are to cold memory, have left the processor's store buffer. */
static struct tree_place *place_of(struct lookup *l)
{
    return (struct tree_place *)(void *)l->place;
}

static void retire(void *arg, void *object, size_t size)
{
    struct memory_engine *e = arg;
    queue_push(&e->garbage, object, size);
}

/* ---- Readers ---- */

static struct reader memory_latest(struct engine *e)
{
    return (struct reader){e, {READER_LATEST}};
}

static struct reader memory_writer(struct engine *e)
{
    CHECK(memory_of(e)->is_writing);
    return (struct reader){e, {REVISION_MAX}};
}

/* What is visible of the chain at `head`. */
static enum err decode_visible(struct version *head, uint64_t revision, struct record *record)
{
    const struct version *v = version_visible(head, revision);
    if (v == NULL) {
        return ERR_NOT_FOUND;
    }
    version_decode(v, record);
    return ERR_OK;
}

static enum err memory_get(const struct reader *r, struct slice key, enum engine_wait wait,
                           struct arena *arena, struct record *record)
{
    (void)wait;
    (void)arena;
    struct tree_place place;
    const uint64_t revision = reader_revision(r); /* before the root: invariant 3 of tree.c */
    tree_find(&memory_of(r->engine)->tree, key, &place);
    return decode_visible(place.version, revision, record);
}

/* One published revision for each engine among the lookups, however they are mixed. */
static void revisions_of(const struct lookup *lookups, size_t count, uint64_t *revisions)
{
    enum {
        BUCKETS = 64
    };
    uint8_t first[BUCKETS]; /* number + 1 of a lookup whose engine falls into the bucket */
    memset(first, 0, sizeof(first));
    for (size_t i = 0; i < count; i++) {
        struct memory_engine *e = memory_of(lookups[i].engine);
        const size_t bucket = (uintptr_t)e / sizeof(*e) % BUCKETS;
        size_t same = first[bucket] == 0 ? i : first[bucket] - 1U;
        while (lookups[same].engine != lookups[i].engine) { /* rare: two in one bucket */
            same++;
        }
        revisions[i] =
            same == i ? atomic_load_explicit(&e->published, memory_order_acquire) : revisions[same];
        first[bucket] = first[bucket] == 0 ? (uint8_t)(i + 1) : first[bucket];
    }
}

/* The way to all lookups, side by side. */
static void approach(const struct lookup *lookups, size_t count, struct tree_place *places)
{
    struct tree *trees[ENGINE_BATCH_MAX];
    struct slice keys[ENGINE_BATCH_MAX];
    CHECK(count <= ENGINE_BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        trees[i] = &memory_of(lookups[i].engine)->tree;
        keys[i] = lookups[i].key;
    }
    tree_approach(trees, keys, count, places);
}

static void memory_get_many(struct lookup *lookups, size_t count, enum engine_wait wait,
                            struct arena *arena, enum err *results)
{
    (void)wait;
    (void)arena;
    struct tree_place places[ENGINE_BATCH_MAX];
    uint64_t revisions[ENGINE_BATCH_MAX];
    CHECK(count <= ENGINE_BATCH_MAX);
    revisions_of(lookups, count, revisions); /* before the roots */
    approach(lookups, count, places);
    for (size_t i = 0; i < count; i++) {
        tree_find_near(lookups[i].key, &places[i]);
        results[i] = decode_visible(places[i].version, revisions[i], &lookups[i].record);
    }
}

/* ---- The writer ---- */

static void memory_begin(struct engine *engine)
{
    struct memory_engine *e = memory_of(engine);
    CHECK(!e->is_writing);
    e->is_writing = true;
    e->writes = 0;
    e->last_revision = 0;
}

static enum err memory_approach(struct lookup *lookups, size_t count, enum engine_wait wait)
{
    (void)wait;
    struct tree_place places[ENGINE_BATCH_MAX];
    approach(lookups, count, places);
    for (size_t i = 0; i < count; i++) {
        const struct memory_engine *e = memory_of(lookups[i].engine);
        CHECK(e->is_writing);
        *place_of(&lookups[i]) = places[i];
        tree_remember(&e->tree, place_of(&lookups[i]));
    }
    return ERR_OK;
}

static enum err memory_find(struct lookup *l, enum engine_wait wait, struct arena *arena)
{
    (void)wait;
    (void)arena;
    const struct memory_engine *e = memory_of(l->engine);
    CHECK(e->is_writing);
    struct tree_place *place = place_of(l);
    tree_find_again(&e->tree, l->key, place);
    return decode_visible(place->version, REVISION_MAX, &l->record);
}

/* The place of `l` as it is now; a write at `revision` follows. */
static struct tree_place *place_to_write(struct memory_engine *e, struct lookup *l,
                                         uint64_t revision)
{
    CHECK(e->is_writing);
    CHECK(l->key.size >= 1);
    CHECK(l->key.size <= ENGINE_KEY_MAX);
    CHECK(revision > atomic_load_explicit(&e->published, memory_order_relaxed));
    struct tree_place *place = place_of(l);
    if (!tree_is_current(&e->tree, place)) {
        tree_find_again(&e->tree, l->key, place);
    }
    CHECK(place->version == NULL || revision >= version_revision(place->version));
    e->last_revision = revision > e->last_revision ? revision : e->last_revision;
    return place;
}

/* Puts `v` in front of the head at `place`, which is dead from now on. */
static void replace_head(struct memory_engine *e, struct tree_place *place, struct version *v)
{
    const uint64_t death = version_revision(v);
    queue_push(&e->dead, place->version, death << 1 | (version_is_deleted(v) ? 1 : 0));
    tree_replace(place, v);
    e->writes++;
}

void erase_head(struct memory_engine *e, struct tree_place *place, uint64_t revision)
{
    const struct record tombstone = {.key = version_key(place->version),
                                     .mod_revision = revision,
                                     .create_revision = revision,
                                     .version = 1};
    replace_head(e, place, version_new(e->slab, &tombstone, true, place->version));
    e->rows--;
}

/* Puts a version of `record` where a version of the same batch is: no reader ever saw that. */
static void replace_unseen(struct memory_engine *e, struct tree_place *place,
                           const struct record *record)
{
    struct version *unseen = place->version;
    tree_replace(place, version_new(e->slab, record, false, version_previous(unseen)));
    queue_push(&e->garbage, unseen, 0);
    e->writes++;
}

static void memory_put(struct lookup *l, const struct record *record)
{
    struct memory_engine *e = memory_of(l->engine);
    CHECK(record->key.size == l->key.size);
    DCHECK(slice_equal(record->key, l->key));
    CHECK(record->value.size <= ENGINE_VALUE_MAX);
    CHECK(record->mod_revision <= REVISION_MAX);
    struct tree_place *place = place_to_write(e, l, record->mod_revision);
    struct version *head = place->version;
    sweep_notice(&e->sweep, l->key);
    if (head == NULL) {
        tree_insert(&e->tree, place, version_new(e->slab, record, false, NULL));
        e->rows++;
        e->writes++;
        return; /* `place` is of the past */
    }
    if (version_is_deleted(head)) {
        replace_head(e, place, version_new(e->slab, record, false, head));
        e->rows++;
    } else if (version_revision(head) > atomic_load_explicit(&e->published, memory_order_relaxed)) {
        replace_unseen(e, place, record);
    } else {
        replace_head(e, place, version_new(e->slab, record, false, head));
    }
}

static void memory_erase(struct lookup *l, uint64_t revision)
{
    struct memory_engine *e = memory_of(l->engine);
    CHECK(revision <= REVISION_MAX);
    struct tree_place *place = place_to_write(e, l, revision);
    if (place->version != NULL && !version_is_deleted(place->version)) {
        erase_head(e, place, revision);
    }
}

static enum err memory_commit(struct engine *engine, uint64_t index)
{
    struct memory_engine *e = memory_of(engine);
    CHECK(e->is_writing);
    CHECK(index > atomic_load_explicit(&e->published, memory_order_relaxed));
    CHECK(index >= e->last_revision);
    CHECK(index <= REVISION_MAX);
    atomic_store(&e->published, index);
    e->is_writing = false;
    if (e->writes > 0) {
        seal(e);
        (void)memory_collect(engine, 2 * e->writes + 2); /* a share, so that garbage is bounded */
    }
    return ERR_OK;
}

static void memory_abort(struct engine *engine)
{
    struct memory_engine *e = memory_of(engine);
    CHECK(e->is_writing);
    CHECK(e->writes == 0);
    e->is_writing = false;
}

static uint64_t memory_applied(const struct engine *e)
{
    const struct memory_engine *memory = (const struct memory_engine *)e;
    return atomic_load_explicit(&memory->published, memory_order_acquire);
}

static struct engine_stats memory_stats(struct engine *engine)
{
    const struct memory_engine *e = memory_of(engine);
    const uint64_t waiting = atomic_load_explicit(&e->stats_waiting, memory_order_relaxed);
    return (struct engine_stats){
        .rows = atomic_load_explicit(&e->stats_rows, memory_order_relaxed),
        .used_bytes = slab_used_bytes(e->slab) + waiting * sizeof(struct queue_item),
        .waiting = waiting,
        .views = views_open(e),
        .pinned_bytes = atomic_load_explicit(&e->stats_pinned, memory_order_relaxed)};
}

static void memory_close(struct engine *engine)
{
    struct memory_engine *e = memory_of(engine);
    CHECK(!e->is_writing);
    collect_all(e);
    tree_deinit(&e->tree);
    slab_free(&e->slab);
    sweep_deinit(e);
    mem_free(e);
}

static const struct engine_ops memory_ops = {
    .name = "memory",
    .scan_is_cheap = true,
    .latest = memory_latest,
    .writer = memory_writer,
    .view_open = memory_view_open,
    .view_close = memory_view_close,
    .view_bytes = memory_view_bytes,
    .get = memory_get,
    .get_many = memory_get_many,
    .begin = memory_begin,
    .approach = memory_approach,
    .find = memory_find,
    .put = memory_put,
    .erase = memory_erase,
    .erase_range = memory_erase_range,
    .commit = memory_commit,
    .abort = memory_abort,
    .applied = memory_applied,
    .collect = memory_collect,
    .coldest = memory_coldest,
    .stats = memory_stats,
    .close = memory_close,
    .scan_open = memory_scan_open,
    .scan_next = memory_scan_next,
    .scan_close = memory_scan_close,
};

struct engine *memory_open(struct epoch *epoch, uint64_t applied)
{
    CHECK(applied <= REVISION_MAX);
    struct memory_engine *e = aligned_alloc(_Alignof(struct memory_engine), sizeof(*e));
    CHECK(e != NULL);
    *e = (struct memory_engine){.head = {&memory_ops},
                                .published = applied,
                                .epoch = epoch,
                                .slab = slab_new(&epoch->pages)};
    tree_init(&e->tree, e->slab, retire, e);
    return &e->head;
}
