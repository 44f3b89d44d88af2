/* read.c - reads of disk tables: at once from the caches, else on a worker.
 *
 * A turn reads a bounded number of bytes; what is left waits for the next one, which begins
 * with it, before anything later can be applied. What must wait for the disk reads a view of
 * the present state, so that a later write of the same connection, which may be applied
 * meanwhile, is not seen. While no view is to be had, it is left, too. */
#include "base/mem.h"
#include "shard/shard_private.h"

#define READ_GROUP_MAX ENGINE_BATCH_MAX
#define READ_TURN_BYTES                                                                            \
    ((size_t)16 << 20)                     /* of answers in one turn: the rest waits for the next  \
                                            */
#define READ_LARGE_BYTES ((size_t)1 << 20) /* of a group: the next reads go one by one */
#define COLD_GROUP_MAX   2 /* reads of one job: the more jobs, the more of them side by side */
#define VIEW_WAIT_MS     1 /* until a view is looked for again */

/* Reads on their way: those of one state and group make a job, others are left. */
struct sorting {
    struct shard_host *host;
    struct list jobs;       /* struct cold_reads */
    struct work_queue left; /* no view for them */
};

static void on_cold_work(void *arg)
{
    struct cold_reads *c = arg;
    const struct reader *reader = c->pinned != NULL ? &c->pinned->reader : &c->view->reader;
    for (size_t i = 0; i < c->count; i++) {
        model_read_view(&c->steps[i], reader, ENGINE_MAY_WAIT, &c->arena);
    }
}

/* ---- Views ---- */

/* The one of the present state, if reads wait with it already. */
static struct cold_view *find_view(struct shard_host *h, const struct shard *s)
{
    const uint64_t index = engine_applied(s->disk_engine);
    for (struct list *l = h->cold_views.next; l != &h->cold_views; l = l->next) {
        struct cold_view *v = container_of(l, struct cold_view, link);
        if (v->shard == s && v->index == index) {
            return v;
        }
    }
    return NULL;
}

/* NULL: too many are open. A commit on a worker may come between; then the view is as new as its
 * number says, or newer, and nobody has been told of that commit yet. */
static struct cold_view *open_view(struct shard_host *h, struct shard *s)
{
    struct cold_view *v = mem_zero(1, sizeof(*v));
    v->shard = s;
    v->index = engine_applied(s->disk_engine);
    if (view_open(s->disk_engine, &v->reader) != ERR_OK) {
        mem_free(v);
        return NULL;
    }
    list_push(&h->cold_views, &v->link);
    return v;
}

/* NULL: too many are open. */
static struct cold_view *take_view(struct shard_host *h, struct shard *s)
{
    struct cold_view *v = find_view(h, s);
    v = v == NULL ? open_view(h, s) : v;
    if (v != NULL) {
        v->users++;
    }
    return v;
}

static void give_view(struct cold_view *v)
{
    if (v != NULL && --v->users == 0) {
        view_close(&v->reader);
        list_remove(&v->link);
        mem_free(v);
    }
}

/* ---- Jobs ---- */

static void free_cold(struct cold_reads *c)
{
    give_view(c->view);
    if (c->pinned != NULL) {
        shard_view_unuse(c->pinned);
    }
    list_remove(&c->link);
    arena_deinit(&c->arena);
    mem_free(c);
}

void shard_forget_reads(struct shard_host *h)
{
    while (!list_empty(&h->cold_jobs)) {
        free_cold(container_of(h->cold_jobs.next, struct cold_reads, link));
    }
}

static void on_cold_done(void *arg)
{
    struct cold_reads *c = arg;
    struct shard_host *h = c->host;
    h->jobs--;
    h->cold_count -= c->count;
    for (size_t i = 0; i < c->count; i++) {
        c->works[i]->done(c->works[i]);
    }
    free_cold(c);
}

/* NULL: no view is to be had. */
static struct cold_reads *cold_new(struct sorting *x, const struct shard_work *w)
{
    struct shard *s = shard_at(x->host->node, w->group);
    struct cold_view *view = NULL;
    if (w->view != NULL) {
        shard_view_use(w->view);
    } else if ((view = take_view(x->host, s)) == NULL) {
        return NULL;
    }
    struct cold_reads *c = mem_zero(1, sizeof(*c));
    c->host = x->host;
    c->shard = s;
    c->pinned = w->view;
    c->view = view;
    c->steps = arena_get(&c->arena, COLD_GROUP_MAX * sizeof(*c->steps));
    c->works = arena_get(&c->arena, COLD_GROUP_MAX * sizeof(struct shard_work *));
    list_push(&x->jobs, &c->link);
    return c;
}

/* False: no view is to be had. */
static bool add_cold(struct sorting *x, const struct step *step, struct shard_work *w)
{
    const struct shard *s = shard_at(x->host->node, w->group);
    struct cold_reads *c = NULL;
    for (struct list *l = x->jobs.next; l != &x->jobs && c == NULL; l = l->next) {
        struct cold_reads *other = container_of(l, struct cold_reads, link);
        const bool is_same = other->shard == s && other->pinned == w->view;
        c = is_same && other->count < COLD_GROUP_MAX ? other : NULL;
    }
    c = c == NULL ? cold_new(x, w) : c;
    if (c == NULL) {
        return false;
    }
    c->steps[c->count] = *step;
    c->works[c->count++] = w;
    x->host->cold_count++;
    metric_add(&x->host->stats.works_read_waited, 1);
    return true;
}

static void start_cold(struct sorting *x)
{
    struct shard_host *h = x->host;
    while (!list_empty(&x->jobs)) {
        struct cold_reads *c = container_of(x->jobs.next, struct cold_reads, link);
        list_remove(&c->link);
        list_push(&h->cold_jobs, &c->link);
        c->job = (struct worker_job){.work = on_cold_work, .done = on_cold_done, .arg = c};
        h->jobs++;
        worker_submit(h->node->config.pool, h->loop, &c->job);
    }
}

/* Answers what cannot be read at all; true: `w` is done. */
static bool refuse(struct shard_host *h, struct shard_work *w)
{
    enum err e = shard_check_wanted(h, w);
    if (shard_at(h->node, w->group)->disk == NULL) {
        e = ERR_NOT_FOUND;
    } else if (e == ERR_OK && h->cold_count >= SHARD_READS_MAX) {
        e = ERR_BUSY;
    }
    if (e != ERR_OK) {
        work_refuse(w, e);
    }
    return e != ERR_OK;
}

static struct step step_of(struct shard_host *h, const struct shard_work *w)
{
    return (struct step){.model = shard_at(h->node, w->group)->disk,
                         .op = w->op,
                         .result = w->result,
                         .budget_bytes = w->budget_bytes,
                         .moment = {.now_ms = shard_now_ms(h), .random = shard_random(h)}};
}

/* Answers now, or gives the read to a job, or leaves it. */
static void settle(struct sorting *x, const struct step *step, struct shard_work *w)
{
    const bool lacks_view =
        w->result->err == ERR_BUSY || (w->result->err == ERR_WOULD_WAIT && !add_cold(x, step, w));
    if (lacks_view) {
        work_push(&x->left, w);
        return;
    }
    metric_add(&x->host->stats.works_read, 1);
    if (w->result->err != ERR_WOULD_WAIT) {
        w->done(w);
    }
}

static void read_pinned(struct sorting *x, struct shard_work *w)
{
    struct step step = step_of(x->host, w);
    shard_view_read(x->host, &step, w);
    settle(x, &step, w);
}

/* Reads up to `count` of `reads` side by side. */
static void read_some(struct sorting *x, struct work_queue *reads, size_t count)
{
    struct shard_host *h = x->host;
    struct step steps[READ_GROUP_MAX];
    struct shard_work *works[READ_GROUP_MAX];
    size_t used = 0;
    for (size_t taken = 0; taken < count && reads->count > 0; taken++) {
        struct shard_work *w = work_pop(reads);
        if (refuse(h, w)) {
            continue;
        }
        if (w->view != NULL) {
            read_pinned(x, w);
            continue;
        }
        steps[used] = step_of(h, w);
        works[used++] = w;
    }
    model_read(steps, used, ENGINE_NO_WAIT, &h->arena);
    for (size_t i = 0; i < used; i++) {
        settle(x, &steps[i], works[i]);
    }
    start_cold(x);
}

/* The turn that this makes looks for views again. */
static void on_view_wait(void *arg)
{
    (void)arg;
}

/* Puts those without a view in front of the others again. */
static void leave(struct sorting *x, struct work_queue *reads)
{
    struct shard_host *h = x->host;
    if (x->left.count == 0) {
        return;
    }
    h->viewless += x->left.count;
    while (reads->count > 0) {
        work_push(&x->left, work_pop(reads));
    }
    *reads = x->left;
    loop_timer_start(h->loop, &h->view_wait, VIEW_WAIT_MS, on_view_wait, h);
}

bool shard_read_disk(struct shard_host *h, struct work_queue *reads)
{
    const size_t begin = h->arena.used_bytes;
    size_t group = READ_GROUP_MAX;
    struct sorting x = {.host = h};
    list_init(&x.jobs);
    while (reads->count > 0 && h->arena.used_bytes - begin < READ_TURN_BYTES) {
        const size_t before = h->arena.used_bytes;
        read_some(&x, reads, group);
        group = h->arena.used_bytes - before > READ_LARGE_BYTES ? 1 : READ_GROUP_MAX;
    }
    leave(&x, reads);
    return reads->count == 0;
}
