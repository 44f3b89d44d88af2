/* memory_engine.h - what the files of engine/memory share: the engine, its versions, its views.
 *
 *   slot -> [rev 9] -> [rev 7] -> [rev 2]        a row written at 2, 7 and 9
 *            head       dead at 9  dead at 7      view 8 reads 7, view 6 reads 2
 *
 * A batch puts new heads into the tree, each linked to the head it replaced, and becomes
 * visible with one store to `published`. A read takes a revision R first and walks down to the
 * first version at or below R; the writer's own R is REVISION_MAX. A deleted row has a head
 * that says so (a tombstone), until nobody can ask for what lies below it.
 *
 * A replaced version lived in [birth, death). It goes through these stages:
 *   dead      until every thread was quiet: a read in progress may be at R < death
 *   pinned    while some view is in [birth, death): on the list of the newest such view
 *   garbage   when it had to be cut out of its chain: until threads are quiet again
 * A version that is replaced in the batch that made it was never visible. If neither of the
 * two is a tombstone, the new one takes over its link, and it is garbage at once: readers who
 * walk over it still find the way on.
 *
 * Invariants
 * 1. An open view is in the table before it has a revision (VIEW_OPENING), so the collector
 *    never misses one.
 * 2. `previous` is followed only by who is older than the version it is in; it may dangle
 *    when no such reader or view exists. So a version that no older view can reach is freed
 *    without a look at its chain: overwriting costs no second descent.
 * 3. With an older view about, a version is cut out of its chain before it is freed; all
 *    links above the oldest view are whole.
 * 4. A tombstone leaves its slot when nothing below it can be asked for.
 * 5. Collecting happens between batches: what a batch unlinks is stamped when it is
 *    published, and within a batch no dead version goes. */
#ifndef ENGINE_MEMORY_MEMORY_ENGINE_H
#define ENGINE_MEMORY_MEMORY_ENGINE_H

#include "base/buf.h"
#include "engine/engine_ops.h"
#include "engine/epoch.h"
#include "engine/memory/queue.h"
#include "engine/memory/tree.h"

#define HANDS_MAX 8 /* prefixes whose rows are evicted by turns; more: the oldest starts anew */

enum view_state {
    VIEW_FREE = 0, /* the state is in the low two bits, the revision above */
    VIEW_OPENING = 1,
    VIEW_OPEN = 2,
    VIEW_CLOSED = 3
};

/* Where engine_erase_range() goes on. */
struct sweep {
    bool is_active;
    bool has_end;
    struct buf from, to;
    struct buf at; /* no row of the range is left below */
};

/* Where engine_coldest() goes on for one prefix. */
struct hand {
    struct buf prefix;
    struct buf leaf; /* a key of the leaf */
    unsigned slot;
};

/* What readers need lies apart from what the owner writes all the time. */
struct memory_engine {
    struct engine head;
    _Atomic uint64_t published;
    struct epoch *epoch;
    struct slab *slab;
    struct tree tree;

    /* Owner. */
    uint64_t writes;        /* since begin */
    uint64_t last_revision; /* of them */
    uint64_t rows;
    struct queue dead;    /* versions; number = death << 1 | was deleted */
    struct queue garbage; /* anything; number = size, 0: a version */
    struct queue *pinned; /* VIEWS_MAX of them; NULL before the first */
    size_t pinned_count;
    struct sweep sweep;
    struct hand *hands; /* HANDS_MAX of them; NULL before the first call */
    unsigned next_hand; /* which is taken for a new prefix */
    bool is_writing;

    /* For engine_stats() on any thread: as of the last batch or collection. */
    _Atomic uint64_t stats_rows;
    _Atomic uint64_t stats_waiting;
    _Atomic uint64_t stats_pinned;            /* bytes: the sum of the next */
    _Atomic uint64_t pinned_bytes[VIEWS_MAX]; /* of what `pinned` has of each */

    _Atomic uint64_t views_taken;                   /* slots not free */
    _Alignas(64) _Atomic uint64_t views[VIEWS_MAX]; /* see enum view_state */
};

static inline struct memory_engine *memory_of(struct engine *e)
{
    return (struct memory_engine *)e;
}

/* Private numbers of struct reader. */
enum {
    READER_REVISION, /* READER_LATEST: the published one, at each call anew */
    READER_VIEW,     /* slot */
};
#define READER_LATEST UINT64_MAX

static inline uint64_t reader_revision(const struct reader *r)
{
    const uint64_t revision = r->state[READER_REVISION];
    return revision != READER_LATEST
               ? revision
               : atomic_load_explicit(&memory_of(r->engine)->published, memory_order_acquire);
}

/* `b` becomes a copy of `key`. */
static inline void keep_key(struct buf *b, struct slice key)
{
    buf_clear(b);
    buf_append_slice(b, key);
}

/* ---- memory.c ---- */

/* Owner. A tombstone takes the place of the live head at `place`. */
void erase_head(struct memory_engine *e, struct tree_place *place, uint64_t revision);

/* ---- collect.c ---- */

enum err memory_view_open(struct engine *e, struct reader *view);
void memory_view_close(struct reader *view);
uint64_t memory_view_bytes(const struct reader *view);
uint64_t views_open(const struct memory_engine *e);

/* What was unlinked up to here is stamped with an epoch that ends now. */
void seal(struct memory_engine *e);
void stats_update(struct memory_engine *e);
bool memory_collect(struct engine *e, size_t budget);

/* Nobody reads. Frees all versions that wait. */
void collect_all(struct memory_engine *e);

/* ---- sweep.c ---- */

bool memory_erase_range(struct engine *e, struct slice from, struct slice to, uint64_t revision,
                        size_t limit);

/* A row is being put at `key`: a range that has been erased there is not empty any more. */
void sweep_notice(struct sweep *s, struct slice key);
enum err memory_coldest(struct engine *e, struct slice prefix, size_t budget,
                        struct record *record);
void sweep_deinit(struct memory_engine *e);

/* ---- scan.c ---- */

void memory_scan_open(struct scan *s, const struct reader *r, struct slice from, struct slice to,
                      bool is_reverse);
enum err memory_scan_next(struct scan *s, struct record *record);
void memory_scan_close(struct scan *s);

#endif
