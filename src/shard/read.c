/* read.c - reads of disk tables: at once from the caches, else on a worker.
 *
 * A turn reads a bounded number of bytes; what is left waits for the next one, which begins
 * with it, before anything later can be applied. What must wait for the disk reads a view of
 * the present state, so that a later write of the same connection, which may be applied
 * meanwhile, is not seen. */
#include "base/mem.h"
#include "shard/shard_private.h"

#define READ_GROUP_MAX ENGINE_BATCH_MAX
#define READ_TURN_BYTES                                                                            \
    ((size_t)16 << 20)                     /* of answers in one turn: the rest waits for the next  \
                                            */
#define READ_LARGE_BYTES ((size_t)1 << 20) /* of a group: the next reads go one by one */
#define COLD_GROUP_MAX   2 /* reads of one job: the more jobs, the more of them side by side */
#define COLD_TRIES_MAX   1000

/* The state they read; NULL: the newest. */
static const struct reader *reader_of(const struct cold_reads *c)
{
    if (c->pinned != NULL) {
        return &c->pinned->reader;
    }
    return c->view == NULL ? NULL : &c->view->reader;
}

static void on_cold_work(void *arg)
{
    struct cold_reads *c = arg;
    const struct reader *reader = reader_of(c);
    if (reader == NULL) {
        for (size_t i = 0; i < c->count; i++) {
            model_read(&c->steps[i], 1, ENGINE_MAY_WAIT, &c->arena);
        }
        return;
    }
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

static void take_view(struct cold_reads *c)
{
    if (c->pinned != NULL) {
        shard_view_use(c->pinned);
        return;
    }
    c->view = find_view(c->host, c->shard);
    if (c->view == NULL) {
        c->view = open_view(c->host, c->shard);
    }
    if (c->view != NULL) {
        c->view->users++;
    }
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

/* No view could be had, neither before nor on the worker. */
static bool is_busy(const struct cold_reads *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->works[i]->result->err == ERR_BUSY) {
            return true;
        }
    }
    return false;
}

static void on_cold_done(void *arg)
{
    struct cold_reads *c = arg;
    struct shard_host *h = c->host;
    if (is_busy(c) && c->tries++ < COLD_TRIES_MAX) {
        worker_submit(h->node->config.pool, h->loop, &c->job); /* behind those that hold views */
        return;
    }
    h->jobs--;
    h->cold_count -= c->count;
    for (size_t i = 0; i < c->count; i++) {
        c->works[i]->done(c->works[i]);
    }
    free_cold(c);
}

static struct cold_reads *cold_new(struct shard_host *h, const struct shard_work *w,
                                   struct list *jobs)
{
    struct cold_reads *c = mem_zero(1, sizeof(*c));
    c->host = h;
    c->shard = shard_at(h->node, w->group);
    c->pinned = w->view;
    c->steps = arena_get(&c->arena, COLD_GROUP_MAX * sizeof(*c->steps));
    c->works = arena_get(&c->arena, COLD_GROUP_MAX * sizeof(struct shard_work *));
    list_push(jobs, &c->link);
    return c;
}

static void add_cold(struct shard_host *h, struct list *jobs, const struct step *step,
                     struct shard_work *w)
{
    const struct shard *s = shard_at(h->node, w->group);
    struct cold_reads *c = NULL;
    for (struct list *l = jobs->next; l != jobs && c == NULL; l = l->next) {
        struct cold_reads *other = container_of(l, struct cold_reads, link);
        const bool is_same = other->shard == s && other->pinned == w->view;
        c = is_same && other->count < COLD_GROUP_MAX ? other : NULL;
    }
    if (c == NULL) {
        c = cold_new(h, w, jobs);
    }
    c->steps[c->count] = *step;
    c->works[c->count++] = w;
    h->cold_count++;
    metric_add(&h->stats.works_read_waited, 1);
}

static void start_cold(struct shard_host *h, struct list *jobs)
{
    while (!list_empty(jobs)) {
        struct cold_reads *c = container_of(jobs->next, struct cold_reads, link);
        list_remove(&c->link);
        list_push(&h->cold_jobs, &c->link);
        take_view(c);
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

/* Answers now or gives the read to `jobs`. */
static void settle(struct shard_host *h, struct list *jobs, const struct step *step,
                   struct shard_work *w)
{
    if (w->result->err == ERR_WOULD_WAIT) {
        add_cold(h, jobs, step, w);
    } else {
        w->done(w);
    }
}

static void read_pinned(struct shard_host *h, struct list *jobs, struct shard_work *w)
{
    struct step step = step_of(h, w);
    shard_view_read(h, &step, w);
    metric_add(&h->stats.works_read, 1);
    settle(h, jobs, &step, w);
}

/* Reads up to `count` of `reads` side by side. */
static void read_some(struct shard_host *h, struct work_queue *reads, size_t count)
{
    struct step steps[READ_GROUP_MAX];
    struct shard_work *works[READ_GROUP_MAX];
    struct list jobs;
    size_t used = 0;
    list_init(&jobs);
    for (size_t taken = 0; taken < count && reads->count > 0; taken++) {
        struct shard_work *w = work_pop(reads);
        if (refuse(h, w)) {
            continue;
        }
        if (w->view != NULL) {
            read_pinned(h, &jobs, w);
            continue;
        }
        steps[used] = step_of(h, w);
        works[used++] = w;
    }
    model_read(steps, used, ENGINE_NO_WAIT, &h->arena);
    metric_add(&h->stats.works_read, used);
    for (size_t i = 0; i < used; i++) {
        settle(h, &jobs, &steps[i], works[i]);
    }
    start_cold(h, &jobs);
}

bool shard_read_disk(struct shard_host *h, struct work_queue *reads)
{
    const size_t begin = h->arena.used_bytes;
    size_t group = READ_GROUP_MAX;
    while (reads->count > 0 && h->arena.used_bytes - begin < READ_TURN_BYTES) {
        const size_t before = h->arena.used_bytes;
        read_some(h, reads, group);
        group = h->arena.used_bytes - before > READ_LARGE_BYTES ? 1 : READ_GROUP_MAX;
    }
    return reads->count == 0;
}
