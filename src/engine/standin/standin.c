/* standin.c - one group's engine over states that are pointers (sorted.h). */
#include "engine/standin/standin.h"

#include <stdatomic.h>

#include "base/check.h"
#include "base/mem.h"
#include "engine/engine_ops.h"
#include "engine/standin/store.h"

struct standin_engine {
    struct engine base;
    struct disk_store *store;
    unsigned group;
    _Atomic uint64_t applied;
    _Atomic unsigned views;
    _Atomic uint64_t written; /* bytes of rows put since it was opened */

    /* The writer. */
    bool has_begun;
    bool has_changed;
    struct sorted *next;    /* the state to be published; owned */
    struct sorted *at_hand; /* keys that were found in this batch; owned */
};

struct scan_state {
    struct standin_engine *writer; /* NULL: a constant state */
    struct sorted *state;          /* owned; of the writer: that of the last row */
    struct slice from, to;
    struct slice last; /* key of the row given last; NULL data: none; in `state` */
    bool is_reverse;
};

/* What a struct reader's state[0] says; of a view, state[1] is its tree, state[2] what had been
 * written. */
enum standin_reader {
    STANDIN_LATEST,
    STANDIN_WRITER,
    STANDIN_VIEW
};

static struct standin_engine *standin_of(struct engine *e)
{
    return (struct standin_engine *)(void *)e;
}

static struct sorted *view_of(const struct reader *r)
{
    struct sorted *t;
    memcpy(&t, &r->state[1], sizeof(struct sorted *));
    return t;
}

/* ---- Readers ---- */

static struct reader standin_latest(struct engine *base)
{
    return (struct reader){base, {STANDIN_LATEST, 0, 0}};
}

static struct reader standin_writer(struct engine *base)
{
    CHECK(standin_of(base)->has_begun);
    return (struct reader){base, {STANDIN_WRITER, 0, 0}};
}

static enum err standin_view_open(struct engine *base, struct reader *view)
{
    struct standin_engine *e = standin_of(base);
    if (atomic_fetch_add(&e->views, 1) >= VIEWS_MAX) {
        atomic_fetch_sub(&e->views, 1);
        return ERR_BUSY;
    }
    struct sorted *t = store_published(e->store, e->group);
    *view = (struct reader){base, {STANDIN_VIEW, 0, atomic_load(&e->written)}};
    memcpy(&view->state[1], &t, sizeof(struct sorted *));
    return ERR_OK;
}

static void standin_view_close(struct reader *view)
{
    struct standin_engine *e = standin_of(view->engine);
    CHECK(view->state[0] == STANDIN_VIEW);
    CHECK(atomic_fetch_sub(&e->views, 1) > 0);
    sorted_release(view_of(view));
}

static uint64_t standin_view_bytes(const struct reader *view)
{
    CHECK(view->state[0] == STANDIN_VIEW);
    return atomic_load(&standin_of(view->engine)->written) - view->state[2];
}

/* The state that `r` reads; returned owned. */
static struct sorted *state_of(const struct reader *r)
{
    struct standin_engine *e = standin_of(r->engine);
    if (r->state[0] == STANDIN_LATEST) {
        return store_published(e->store, e->group);
    }
    return sorted_share(r->state[0] == STANDIN_WRITER ? e->next : view_of(r));
}

static enum err copy_out(const struct sorted *t, struct slice key, struct arena *arena,
                         struct record *record)
{
    const struct record *found = sorted_find(t, key);
    if (found == NULL) {
        return ERR_NOT_FOUND;
    }
    *record = *found;
    record->key = arena_copy(arena, found->key);
    record->value = arena_copy(arena, found->value);
    return ERR_OK;
}

/* As store_look(), but what the writer has found in this batch stays at hand. */
static enum err look_as_writer(struct standin_engine *e, struct slice key, enum engine_wait wait)
{
    CHECK(e->has_begun);
    if (sorted_find(e->at_hand, key) != NULL) {
        return ERR_OK;
    }
    const enum err err = store_look(e->store, wait);
    if (err == ERR_OK) {
        e->at_hand = sorted_put(e->at_hand, &(struct record){.key = key});
    }
    return err;
}

static enum err standin_get(const struct reader *r, struct slice key, enum engine_wait wait,
                            struct arena *arena, struct record *record)
{
    struct standin_engine *e = standin_of(r->engine);
    enum err err =
        r->state[0] == STANDIN_WRITER ? look_as_writer(e, key, wait) : store_look(e->store, wait);
    if (err == ERR_OK) {
        struct sorted *t = state_of(r);
        err = copy_out(t, key, arena, record);
        sorted_release(t);
    }
    return err;
}

static void standin_get_many(struct lookup *lookups, size_t count, enum engine_wait wait,
                             struct arena *arena, enum err *results)
{
    CHECK(count <= ENGINE_BATCH_MAX);
    bool is_done[ENGINE_BATCH_MAX] = {false};
    for (size_t first = 0; first < count; first++) {
        struct standin_engine *e = standin_of(lookups[first].engine);
        struct sorted *t = store_published(e->store, e->group);
        for (size_t i = first; i < count; i++) {
            if (is_done[i] || lookups[i].engine != &e->base) {
                continue;
            }
            is_done[i] = true;
            results[i] = store_look(e->store, wait);
            if (results[i] == ERR_OK) {
                results[i] = copy_out(t, lookups[i].key, arena, &lookups[i].record);
            }
        }
        sorted_release(t);
    }
}

/* ---- The writer ---- */

static void standin_begin(struct engine *base)
{
    struct standin_engine *e = standin_of(base);
    CHECK(!e->has_begun);
    e->has_begun = true;
    e->has_changed = false;
    e->next = store_published(e->store, e->group);
}

static enum err standin_approach(struct lookup *lookups, size_t count, enum engine_wait wait)
{
    enum err worst = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        const enum err err = look_as_writer(standin_of(lookups[i].engine), lookups[i].key, wait);
        worst = worst == ERR_OK ? err : worst;
    }
    return worst;
}

static enum err standin_find(struct lookup *l, enum engine_wait wait, struct arena *arena)
{
    struct standin_engine *e = standin_of(l->engine);
    const enum err err = look_as_writer(e, l->key, wait);
    return err == ERR_OK ? copy_out(e->next, l->key, arena, &l->record) : err;
}

static void standin_touch(struct lookup *l)
{
    struct standin_engine *e = standin_of(l->engine);
    CHECK(e->has_begun);
    if (sorted_find(e->at_hand, l->key) == NULL) {
        e->at_hand = sorted_put(e->at_hand, &(struct record){.key = l->key});
    }
}

static void standin_put(struct lookup *l, const struct record *record)
{
    struct standin_engine *e = standin_of(l->engine);
    CHECK(e->has_begun);
    CHECK(sorted_find(e->at_hand, l->key) != NULL); /* it has been found before */
    CHECK(slice_equal(l->key, record->key));
    CHECK(record->type <= ENGINE_TYPE_MAX);
    e->next = sorted_put(e->next, record);
    e->has_changed = true;
    atomic_fetch_add(&e->written, record->key.size + record->value.size);
}

static void standin_erase(struct lookup *l, uint64_t revision)
{
    struct standin_engine *e = standin_of(l->engine);
    (void)revision;
    CHECK(e->has_begun);
    CHECK(sorted_find(e->at_hand, l->key) != NULL);
    e->next = sorted_erase(e->next, l->key);
    e->has_changed = true;
}

static bool standin_erase_range(struct engine *base, struct slice from, struct slice to,
                                uint64_t revision, size_t limit)
{
    struct standin_engine *e = standin_of(base);
    (void)revision;
    (void)limit;
    CHECK(e->has_begun);
    CHECK(to.data != NULL);
    const struct record *record = sorted_seek(e->next, from, false);
    while (record != NULL && slice_compare(record->key, to) < 0) {
        e->next = sorted_erase(e->next, record->key);
        record = sorted_seek(e->next, from, false);
    }
    e->has_changed = true;
    return true;
}

static void end_batch(struct standin_engine *e)
{
    sorted_release(e->at_hand);
    e->at_hand = NULL;
    e->next = NULL;
    e->has_begun = false;
}

static enum err standin_commit(struct engine *base, uint64_t index)
{
    struct standin_engine *e = standin_of(base);
    CHECK(e->has_begun);
    CHECK(index > atomic_load(&e->applied));
    if (e->has_changed) {
        const enum err err = store_publish(e->store, e->group, e->next);
        if (err != ERR_OK) {
            return err;
        }
    } else {
        sorted_release(e->next);
    }
    atomic_store(&e->applied, index);
    end_batch(e);
    return ERR_OK;
}

static void standin_abort(struct engine *base)
{
    struct standin_engine *e = standin_of(base);
    CHECK(e->has_begun);
    sorted_release(e->next);
    end_batch(e);
}

static uint64_t standin_applied(const struct engine *base)
{
    const struct standin_engine *e = (const struct standin_engine *)(const void *)base;
    return atomic_load(&e->applied);
}

/* ---- Scans ---- */

static void standin_scan_open(struct scan *scan, const struct reader *r, struct slice from,
                              struct slice to, bool is_reverse)
{
    struct scan_state *s = mem_zero(1, sizeof(*s));
    s->writer = r->state[0] == STANDIN_WRITER ? standin_of(r->engine) : NULL;
    s->state = state_of(r);
    s->from = from;
    s->to = to;
    s->is_reverse = is_reverse;
    *scan = (struct scan){r->engine, s};
}

/* The row behind the last one, in `t`. */
static const struct record *next_row(const struct scan_state *s, const struct sorted *t)
{
    if (s->last.data == NULL) {
        return sorted_seek(t, s->is_reverse ? s->to : s->from, s->is_reverse);
    }
    if (s->is_reverse) {
        return sorted_seek(t, s->last, true);
    }
    /* At or behind `last` and a zero byte: behind `last`. */
    uint8_t *key = mem_alloc(s->last.size + 1);
    memcpy(key, s->last.data, s->last.size);
    key[s->last.size] = 0;
    const struct record *record = sorted_seek(t, slice_of(key, s->last.size + 1), false);
    mem_free(key);
    return record;
}

static bool is_in_range(const struct scan_state *s, struct slice key)
{
    return slice_compare(key, s->from) >= 0 &&
           (s->to.data == NULL || slice_compare(key, s->to) < 0);
}

static enum err standin_scan_next(struct scan *scan, struct record *record)
{
    struct scan_state *s = scan->state;
    struct sorted *t = sorted_share(s->writer != NULL ? s->writer->next : s->state);
    const struct record *next = next_row(s, t);
    const bool is_found = next != NULL && is_in_range(s, next->key);
    if (is_found) {
        *record = *next;
        s->last = next->key;
        sorted_release(s->state);
        s->state = t;
        return ERR_OK;
    }
    sorted_release(t);
    return ERR_NOT_FOUND;
}

static void standin_scan_close(struct scan *scan)
{
    sorted_release(scan->state->state);
    mem_free(scan->state);
}

/* ---- The rest ---- */

static bool standin_collect(struct engine *base, size_t budget)
{
    (void)base;
    (void)budget;
    return false;
}

static enum err standin_coldest(struct engine *base, struct slice prefix, size_t budget,
                                struct record *record)
{
    (void)base;
    (void)prefix;
    (void)budget;
    (void)record;
    UNREACHABLE("rows on disk are not evicted");
}

static struct engine_stats standin_stats(struct engine *base)
{
    struct standin_engine *e = standin_of(base);
    struct sorted *t = store_published(e->store, e->group);
    const struct engine_stats stats = {.rows = sorted_count(t), .views = atomic_load(&e->views)};
    sorted_release(t);
    return stats;
}

static void standin_close(struct engine *base)
{
    struct standin_engine *e = standin_of(base);
    CHECK(!e->has_begun);
    CHECK(atomic_load(&e->views) == 0);
    store_engine_closed(e->store, e->group);
    mem_free(e);
}

static const struct engine_ops standin_ops = {
    .name = "disk",
    .scan_is_cheap = false,
    .latest = standin_latest,
    .writer = standin_writer,
    .view_open = standin_view_open,
    .view_close = standin_view_close,
    .view_bytes = standin_view_bytes,
    .get = standin_get,
    .get_many = standin_get_many,
    .begin = standin_begin,
    .approach = standin_approach,
    .find = standin_find,
    .put = standin_put,
    .erase = standin_erase,
    .touch = standin_touch,
    .erase_range = standin_erase_range,
    .commit = standin_commit,
    .abort = standin_abort,
    .applied = standin_applied,
    .collect = standin_collect,
    .coldest = standin_coldest,
    .stats = standin_stats,
    .close = standin_close,
    .scan_open = standin_scan_open,
    .scan_next = standin_scan_next,
    .scan_close = standin_scan_close,
};

struct engine *standin_engine_new(struct disk_store *s, unsigned group)
{
    struct standin_engine *e = mem_zero(1, sizeof(*e));
    e->base.ops = &standin_ops;
    e->store = s;
    e->group = group;
    return &e->base;
}

enum err disk_durable_get(struct engine *base, struct slice key, struct arena *arena,
                          struct record *record)
{
    struct standin_engine *e = standin_of(base);
    CHECK(base->ops == &standin_ops);
    const enum err look = store_look(e->store, ENGINE_MAY_WAIT);
    if (look != ERR_OK) {
        return look;
    }
    struct sorted *t = store_durable(e->store, e->group);
    const enum err err = copy_out(t, key, arena, record);
    sorted_release(t);
    return err;
}

enum err disk_flush(struct engine *base, bool is_waiting)
{
    struct standin_engine *e = standin_of(base);
    CHECK(base->ops == &standin_ops);
    return store_flush(e->store, e->group, is_waiting);
}
