/* Calls go to the implementation; what is the same for all of them is checked here. */
#include "engine/engine.h"

#include "base/check.h"
#include "engine/engine_ops.h"

struct reader engine_latest(struct engine *e)
{
    return e->ops->latest(e);
}

struct reader engine_writer(struct engine *e)
{
    return e->ops->writer(e);
}

enum err view_open(struct engine *e, struct reader *view)
{
    return e->ops->view_open(e, view);
}

void view_close(struct reader *view)
{
    CHECK(view->engine != NULL);
    view->engine->ops->view_close(view);
    *view = (struct reader){0};
}

uint64_t view_bytes(const struct reader *view)
{
    CHECK(view->engine != NULL);
    return view->engine->ops->view_bytes(view);
}

enum err engine_get(const struct reader *r, struct slice key, enum engine_wait wait,
                    struct arena *arena, struct record *record)
{
    return r->engine->ops->get(r, key, wait, arena, record);
}

void engine_get_many(struct lookup *lookups, size_t count, enum engine_wait wait,
                     struct arena *arena, enum err *results)
{
    CHECK(count <= ENGINE_BATCH_MAX);
    if (count > 0) {
        lookups[0].engine->ops->get_many(lookups, count, wait, arena, results);
    }
}

void engine_begin(struct engine *e)
{
    e->ops->begin(e);
}

enum err engine_approach(struct lookup *lookups, size_t count, enum engine_wait wait)
{
    CHECK(count <= ENGINE_BATCH_MAX);
    return count == 0 ? ERR_OK : lookups[0].engine->ops->approach(lookups, count, wait);
}

enum err engine_find(struct lookup *l, enum engine_wait wait, struct arena *arena)
{
    return l->engine->ops->find(l, wait, arena);
}

void engine_put(struct lookup *l, const struct record *record)
{
    l->engine->ops->put(l, record);
}

void engine_erase(struct lookup *l, uint64_t revision)
{
    l->engine->ops->erase(l, revision);
}

/* A lookup for writing to a row that is not looked for. */
static struct lookup unseen(struct engine *e, struct slice key)
{
    struct lookup l = {.engine = e, .key = key};
    if (e->ops->touch != NULL) {
        e->ops->touch(&l);
    }
    return l;
}

void engine_put_unseen(struct engine *e, const struct record *record)
{
    struct lookup l = unseen(e, record->key);
    e->ops->put(&l, record);
}

void engine_erase_unseen(struct engine *e, struct slice key, uint64_t revision)
{
    struct lookup l = unseen(e, key);
    e->ops->erase(&l, revision);
}

bool engine_erase_range(struct engine *e, struct slice from, struct slice to, uint64_t revision,
                        size_t limit)
{
    return e->ops->erase_range(e, from, to, revision, limit);
}

size_t engine_batch_bytes(const struct engine *e)
{
    return e->ops->batch_bytes == NULL ? 0 : e->ops->batch_bytes(e);
}

enum err engine_commit(struct engine *e, uint64_t index)
{
    return e->ops->commit(e, index);
}

void engine_abort(struct engine *e)
{
    e->ops->abort(e);
}

uint64_t engine_applied(const struct engine *e)
{
    return e->ops->applied(e);
}

bool engine_collect(struct engine *e, size_t budget)
{
    return e->ops->collect(e, budget);
}

enum err engine_coldest(struct engine *e, struct slice prefix, size_t budget, struct record *record)
{
    return e->ops->coldest(e, prefix, budget, record);
}

struct engine_stats engine_stats(struct engine *e)
{
    return e->ops->stats(e);
}

void engine_close(struct engine **e)
{
    if (*e != NULL) {
        (*e)->ops->close(*e);
        *e = NULL;
    }
}

void scan_open(struct scan *s, const struct reader *r, struct slice from, struct slice to,
               bool is_reverse)
{
    CHECK(r->engine != NULL);
    r->engine->ops->scan_open(s, r, from, to, is_reverse);
}

enum err scan_next(struct scan *s, struct record *record)
{
    CHECK(s->state != NULL);
    return s->engine->ops->scan_next(s, record);
}

void scan_close(struct scan *s)
{
    if (s->state != NULL) {
        s->engine->ops->scan_close(s);
        *s = (struct scan){0};
    }
}

bool scan_is_cheap(const struct engine *e)
{
    return e->ops->scan_is_cheap;
}
