/* Threads of a simulated world take turns: a job's work happens whole at one instant and so
 * does a lane's step; the time that they take is between that instant and the next. */
#include "sys/worker.h"

#include "base/check.h"
#include "base/mem.h"
#include "sys/sim/private.h"

#define WORKER_THREADS_MAX 64

struct worker_pool {
    struct list link;  /* of the world */
    struct list queue; /* worker_job: submitted, not started */
    struct list runs;  /* struct run */
    unsigned threads, busy;
};

/* A job on its way through a thread. */
struct run {
    struct list link;
    struct worker_pool *pool;
    struct worker_job *job;
    struct loop_timer event;
};

struct lane {
    struct list link; /* of the world */
    lane_fn step;
    void *arg;
    struct loop_timer event; /* the next step */
};

static void start_jobs(struct worker_pool *p);

static void on_job_done(void *arg)
{
    struct run *r = arg;
    struct worker_job *job = r->job;
    list_remove(&r->link);
    r->pool->busy--;
    start_jobs(r->pool);
    mem_free(r);
    sim_loop_job_ended(job->loop);
    job->done(job->arg);
}

static void on_job_work(void *arg)
{
    struct run *r = arg;
    r->job->work(r->job->arg);
    sim_event_start(&r->event, r->job->loop, sim_world()->config.io_delay_ns, on_job_done, r);
}

static void start_jobs(struct worker_pool *p)
{
    while (p->busy < p->threads && !list_empty(&p->queue)) {
        struct run *r = mem_zero(1, sizeof(*r));
        r->pool = p;
        r->job = container_of(p->queue.next, struct worker_job, link);
        list_remove(&r->job->link);
        list_push(&p->runs, &r->link);
        p->busy++;
        sim_event_start(&r->event, NULL, sim_world()->config.io_delay_ns, on_job_work, r);
    }
}

enum err worker_pool_open(unsigned threads, struct worker_pool **out, struct err_why *why)
{
    (void)why;
    CHECK(threads >= 1 && threads <= WORKER_THREADS_MAX);
    struct worker_pool *p = mem_zero(1, sizeof(*p));
    p->threads = threads;
    list_init(&p->queue);
    list_init(&p->runs);
    list_push(&sim_world()->pools, &p->link);
    *out = p;
    return ERR_OK;
}

void worker_pool_close(struct worker_pool **pool)
{
    struct worker_pool *p = *pool;
    if (p == NULL) {
        return;
    }
    CHECK(list_empty(&p->queue) && p->busy == 0);
    list_remove(&p->link);
    mem_free(p);
    *pool = NULL;
}

void worker_submit(struct worker_pool *p, struct loop *l, struct worker_job *job)
{
    job->loop = l;
    sim_loop_job_began(l);
    list_push(&p->queue, &job->link);
    start_jobs(p);
}

static void on_lane_step(void *arg)
{
    struct lane *l = arg;
    if (l->step(l->arg)) {
        lane_wake(l);
    }
}

enum err lane_open(const char *name, lane_fn step, void *arg, struct lane **out,
                   struct err_why *why)
{
    (void)name;
    (void)why;
    struct lane *l = mem_zero(1, sizeof(*l));
    l->step = step;
    l->arg = arg;
    list_push(&sim_world()->lanes, &l->link);
    *out = l;
    return ERR_OK;
}

/* A step that is on its way will see what this waker did. */
void lane_wake(struct lane *l)
{
    if (!sim_event_is_running(&l->event)) {
        sim_event_start(&l->event, NULL, sim_world()->config.io_delay_ns, on_lane_step, l);
    }
}

static void free_lane(struct lane *l)
{
    sim_event_stop(&l->event);
    list_remove(&l->link);
    mem_free(l);
}

void lane_close(struct lane **lane)
{
    struct lane *l = *lane;
    if (l == NULL) {
        return;
    }
    while (l->step(l->arg)) {
    }
    free_lane(l);
    *lane = NULL;
}

void sim_kill_workers(struct sim_world *w)
{
    while (!list_empty(&w->pools)) {
        struct worker_pool *p = container_of(w->pools.next, struct worker_pool, link);
        while (!list_empty(&p->runs)) {
            struct run *r = container_of(p->runs.next, struct run, link);
            sim_event_stop(&r->event);
            list_remove(&r->link);
            mem_free(r);
        }
        list_remove(&p->link);
        mem_free(p);
    }
    while (!list_empty(&w->lanes)) {
        free_lane(container_of(w->lanes.next, struct lane, link));
    }
}
