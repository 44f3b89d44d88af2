/* views.c - states of groups that are kept for readers who come back: pinned views.
 *
 *   opened ──► reads, at once or on workers ──► closed by its reader
 *        └──► ended: no read for long, or too many bytes are kept for it; its reads are then
 *             answered with UNAVAILABLE, until its reader closes it
 *
 * A view belongs to the host of its reader, which need not own the group: the engines' read side is
 * for all threads. An engine's view is given back when the last read on a worker is done with it.
 */
#include "base/check.h"
#include "base/mem.h"
#include "shard/shard_private.h"

#define TRIM_MS                                                                                    \
    100 /* between two views that are ended for the sake of memory: what is kept for               \
         * the first one takes a while to go */

static struct engine *engine_of(const struct shard *s, bool is_memory)
{
    return is_memory ? s->memory_engine : s->disk_engine;
}

/* Counts one more into `count`, up to `max`. */
static bool take(_Atomic unsigned *count, unsigned max)
{
    if (atomic_fetch_add(count, 1) < max) {
        return true;
    }
    atomic_fetch_sub(count, 1);
    return false;
}

static bool take_places(struct shard_node *n, struct shard *s, bool is_memory)
{
    if (!take(&n->views, SHARD_VIEWS_MAX)) {
        return false;
    }
    if (!take(&s->views[is_memory], SHARD_GROUP_VIEWS_MAX)) {
        atomic_fetch_sub(&n->views, 1);
        return false;
    }
    return true;
}

static void give_places(struct shard_node *n, struct shard *s, bool is_memory)
{
    CHECK(atomic_fetch_sub(&s->views[is_memory], 1) > 0);
    CHECK(atomic_fetch_sub(&n->views, 1) > 0);
}

enum err shard_view_open(struct shard_host *h, uint32_t group, bool is_memory,
                         struct shard_view **out)
{
    struct shard *s = shard_at(h->node, group);
    if (engine_of(s, is_memory) == NULL) {
        return ERR_NOT_FOUND;
    }
    if (!take_places(h->node, s, is_memory)) {
        metric_add(&h->stats.views_refused, 1);
        return ERR_UNAVAILABLE;
    }
    struct shard_view *v = mem_zero(1, sizeof(*v));
    if (view_open(engine_of(s, is_memory), &v->reader) != ERR_OK) {
        give_places(h->node, s, is_memory);
        metric_add(&h->stats.views_refused, 1);
        mem_free(v);
        return ERR_UNAVAILABLE;
    }
    v->host = h;
    v->shard = s;
    v->is_memory = is_memory;
    v->now_ms = shard_now_ms(h);
    v->used_ns = loop_now_ns(h->loop);
    list_push(&h->views, &v->link);
    metric_add(&h->stats.views, 1);
    *out = v;
    return ERR_OK;
}

void shard_view_touch(struct shard_view *v)
{
    if (v->host != NULL) {
        v->used_ns = loop_now_ns(v->host->loop);
    }
}

/* Gives back what nobody uses any more. */
static void settle(struct shard_view *v)
{
    if (v->jobs > 0) {
        return;
    }
    if (v->is_ended && v->reader.engine != NULL) {
        view_close(&v->reader);
        give_places(v->host->node, v->shard, v->is_memory);
        list_remove(&v->link);
        metric_add(&v->host->stats.views, UINT64_MAX);
        v->host = NULL;
    }
    if (v->is_closed) {
        mem_free(v);
    }
}

static void end(struct shard_view *v)
{
    v->is_ended = true;
    settle(v);
}

void shard_view_close(struct shard_view **view)
{
    struct shard_view *v = *view;
    *view = NULL;
    if (v != NULL) {
        v->is_closed = true;
        end(v);
    }
}

enum err shard_view_check(const struct shard_view *v)
{
    return v->is_ended ? ERR_UNAVAILABLE : ERR_OK;
}

void shard_view_use(struct shard_view *v)
{
    CHECK(!v->is_ended);
    v->jobs++;
}

void shard_view_unuse(struct shard_view *v)
{
    CHECK(v->jobs > 0);
    v->jobs--;
    settle(v);
}

void shard_view_read(struct shard_host *h, struct step *step, const struct shard_work *w)
{
    *step->result = (struct result){.err = shard_view_check(w->view)};
    if (step->result->err == ERR_OK) {
        step->moment.now_ms = w->view->now_ms; /* what has expired since is still there */
        model_read_view(step, &w->view->reader, ENGINE_NO_WAIT, &h->arena);
    }
}

/* ---- Limits ---- */

static void end_early(struct shard_view *v, const char *why)
{
    struct shard_host *h = v->host;
    log_info(h->node->config.log, "shard", "a snapshot was ended", F_TEXT("why", why),
             F_U64("group", v->shard->group), F_U64("bytes", view_bytes(&v->reader)));
    metric_add(&h->stats.views_ended, 1);
    end(v);
}

static bool is_idle(const struct shard_view *v)
{
    const uint64_t now_ns = loop_now_ns(v->host->loop);
    return v->jobs == 0 && now_ns >= v->used_ns + SHARD_VIEW_IDLE_MS * UINT64_C(1000000);
}

static bool is_too_much(const struct shard_view *v)
{
    const struct shard_node *n = v->host->node;
    const uint64_t max = n->config.view_bytes == 0 ? SHARD_VIEW_BYTES_MAX : n->config.view_bytes;
    return !v->is_memory && (view_bytes(&v->reader) > max || atomic_load(&n->is_full));
}

/* Too much memory is kept for views. */
static bool are_large(const struct shard_node *n)
{
    return atomic_load_explicit(&n->pinned_bytes, memory_order_relaxed) >
           n->config.memory_max / SHARD_VIEW_MEMORY_PART;
}

/* Of the views of memory tables the one that keeps the most; NULL: none keeps anything. */
static struct shard_view *largest_of(const struct shard_host *h, uint64_t *bytes)
{
    struct shard_view *best = NULL;
    *bytes = 0;
    for (struct list *l = h->views.next; l != &h->views; l = l->next) {
        struct shard_view *v = container_of(l, struct shard_view, link);
        const uint64_t kept = v->is_memory && !v->is_ended ? view_bytes(&v->reader) : 0;
        if (kept > *bytes) {
            best = v;
            *bytes = kept;
        }
    }
    return best;
}

/* No other loop has told of one that keeps more. */
static bool is_largest(const struct shard_host *h, uint64_t bytes)
{
    for (uint32_t i = 0; i < h->node->config.loops; i++) {
        if (atomic_load_explicit(&h->node->largest_views[i], memory_order_relaxed) > bytes) {
            return false;
        }
    }
    return true;
}

/* Ends the view that keeps the most, a second after it was found that all together keep too much:
 * by then every loop has told what its largest one is. */
static void trim(struct shard_host *h)
{
    struct shard_node *n = h->node;
    const uint64_t now_ns = loop_now_ns(h->loop);
    uint64_t bytes = 0;
    struct shard_view *v = largest_of(h, &bytes);
    atomic_store_explicit(&n->largest_views[h->index], bytes, memory_order_relaxed);
    uint64_t at_ns = atomic_load(&n->trim_ns);
    if (!are_large(n)) {
        atomic_store(&n->trim_ns, 0);
        return;
    }
    const bool is_due = at_ns != 0 && now_ns >= at_ns;
    if (at_ns != 0 && (!is_due || v == NULL || !is_largest(h, bytes))) {
        return;
    }
    const uint64_t next_ns = now_ns + TRIM_MS * UINT64_C(1000000);
    if (atomic_compare_exchange_strong(&n->trim_ns, &at_ns, next_ns) && is_due) {
        end_early(v, "too much memory is kept for it");
    }
}

void shard_views_check(struct shard_host *h)
{
    struct list *next = NULL;
    for (struct list *l = h->views.next; l != &h->views; l = next) {
        struct shard_view *v = container_of(l, struct shard_view, link);
        next = l->next;
        if (v->is_ended) {
            continue;
        }
        if (is_idle(v)) {
            end_early(v, "nobody reads it");
        } else if (is_too_much(v)) {
            end_early(v, "too much is kept on the disk for it");
        }
    }
    trim(h);
}

void shard_forget_views(struct shard_host *h)
{
    while (!list_empty(&h->views)) {
        struct shard_view *v = container_of(h->views.next, struct shard_view, link);
        CHECK(v->jobs == 0); /* the reads were forgotten before */
        end(v);
    }
}
