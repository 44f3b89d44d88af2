#include "engine/disk/disk_engine.h"

#include "base/check.h"
#include "base/mem.h"

static struct reader disk_latest(struct engine *base)
{
    return (struct reader){base, {DISK_LATEST, 0, 0}};
}

static struct reader disk_writer(struct engine *base)
{
    CHECK(disk_of(base)->has_begun);
    return (struct reader){base, {DISK_WRITER, 0, 0}};
}

static enum err disk_view_open(struct engine *base, struct reader *view)
{
    struct disk_engine *e = disk_of(base);
    if (atomic_fetch_add(&e->views, 1) >= VIEWS_MAX) {
        atomic_fetch_sub(&e->views, 1);
        return ERR_BUSY;
    }
    struct disk_view *v = mem_alloc(sizeof(*v));
    disk_view_init(v, e);
    *view = (struct reader){base, {DISK_VIEW, (uint64_t)(uintptr_t)v, atomic_load(&e->written)}};
    return ERR_OK;
}

static uint64_t disk_view_bytes(const struct reader *view)
{
    CHECK(view->state[0] == DISK_VIEW);
    return atomic_load(&disk_of(view->engine)->written) - view->state[2];
}

static void disk_view_close(struct reader *view)
{
    struct disk_engine *e = disk_of(view->engine);
    CHECK(view->state[0] == DISK_VIEW);
    disk_view_deinit(disk_view_of(view), e);
    mem_free(disk_view_of(view));
    CHECK(atomic_fetch_sub(&e->views, 1) > 0);
}

static uint64_t disk_applied(const struct engine *base)
{
    const struct disk_engine *e = (const struct disk_engine *)(const void *)base;
    return atomic_load_explicit(&e->applied, memory_order_acquire);
}

static size_t disk_batch_bytes(const struct engine *base)
{
    const struct disk_engine *e = (const struct disk_engine *)(const void *)base;
    return e->batch.arena.used_bytes;
}

static bool disk_collect(struct engine *base, size_t budget)
{
    (void)base;
    (void)budget;
    return false;
}

static enum err disk_coldest(struct engine *base, struct slice prefix, size_t budget,
                             struct record *record)
{
    (void)base;
    (void)prefix;
    (void)budget;
    (void)record;
    UNREACHABLE("rows on disk are not evicted");
}

static struct engine_stats disk_engine_stats(struct engine *base)
{
    struct disk_engine *e = disk_of(base);
    const struct cache_stats records = record_cache_stats(e->store->records, e->group);
    return (struct engine_stats){
        .rows = store_number(e->store, e->group, "rocksdb.estimate-num-keys"),
        .used_bytes = store_number(e->store, e->group, "rocksdb.cur-size-all-mem-tables"),
        .disk_bytes = store_number(e->store, e->group, "rocksdb.total-sst-files-size"),
        .cache_hits = records.hits,
        .cache_misses = records.misses,
        .cache_bytes = records.bytes,
        .views = atomic_load(&e->views),
    };
}

static void disk_engine_close(struct engine *base)
{
    struct disk_engine *e = disk_of(base);
    CHECK(!e->has_begun);
    CHECK(atomic_load(&e->views) == 0);
    batch_deinit(&e->batch);
    atomic_store(&e->store->groups[e->group].is_open, false);
    mem_free(e);
}

static const struct engine_ops disk_ops = {
    .name = "disk",
    .scan_is_cheap = false,
    .latest = disk_latest,
    .writer = disk_writer,
    .view_open = disk_view_open,
    .view_close = disk_view_close,
    .view_bytes = disk_view_bytes,
    .get = disk_get,
    .get_many = disk_get_many,
    .begin = disk_begin,
    .approach = disk_approach,
    .find = disk_find,
    .put = disk_put,
    .erase = disk_erase,
    .touch = disk_touch,
    .erase_range = disk_erase_range,
    .batch_bytes = disk_batch_bytes,
    .commit = disk_commit,
    .abort = disk_abort,
    .applied = disk_applied,
    .collect = disk_collect,
    .coldest = disk_coldest,
    .stats = disk_engine_stats,
    .close = disk_engine_close,
    .scan_open = disk_scan_open,
    .scan_next = disk_scan_next,
    .scan_close = disk_scan_close,
};

struct engine *disk_engine_new(struct disk_store *s, unsigned group)
{
    struct disk_engine *e = mem_zero(1, sizeof(*e));
    e->base.ops = &disk_ops;
    e->store = s;
    e->group = group;
    batch_init(&e->batch);
    return &e->base;
}

/* ---- What only engines on disk can be asked (disk_store.h) ---- */

enum err disk_durable_get(struct engine *base, struct slice key, struct arena *arena,
                          struct record *record)
{
    struct disk_engine *e = disk_of(base);
    CHECK(base->ops == &disk_ops);
    return disk_read_durable(e, key, arena, record);
}

enum err disk_flush(struct engine *base, bool is_waiting)
{
    CHECK(base->ops == &disk_ops);
    return store_flush(disk_of(base)->store, disk_of(base)->group, is_waiting);
}
