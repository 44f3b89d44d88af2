/* A queue under one lock, and threads that take from it. Finished jobs gather in a list of
 * their loop, which is woken once for all that finish before it looks. */
#include "sys/worker.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "sys/uv/private.h"

#define WORKER_THREADS_MAX 64

struct worker_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list queue; /* worker_job, oldest first; under `lock` */
    bool is_closing;   /* under `lock` */
    unsigned threads;
    pthread_t thread[WORKER_THREADS_MAX];
};

static void finish(struct worker_job *job)
{
    struct loop *l = job->loop;
    CHECK(pthread_mutex_lock(&l->done_lock) == 0);
    const bool was_empty = list_empty(&l->done);
    list_push(&l->done, &job->link);
    CHECK(pthread_mutex_unlock(&l->done_lock) == 0);
    if (was_empty) {
        CHECK(uv_async_send(&l->done_async) == 0);
    }
}

/* The next job; NULL: the pool closes. */
static struct worker_job *take(struct worker_pool *p)
{
    struct worker_job *job = NULL;
    CHECK(pthread_mutex_lock(&p->lock) == 0);
    while (list_empty(&p->queue) && !p->is_closing) {
        CHECK(pthread_cond_wait(&p->wake, &p->lock) == 0);
    }
    if (!list_empty(&p->queue)) {
        job = container_of(p->queue.next, struct worker_job, link);
        list_remove(&job->link);
    }
    CHECK(pthread_mutex_unlock(&p->lock) == 0);
    return job;
}

static void *run_worker(void *arg)
{
    struct worker_pool *p = arg;
    for (struct worker_job *job = take(p); job != NULL; job = take(p)) {
        job->work(job->arg);
        finish(job);
    }
    return NULL;
}

void worker_deliver(struct loop *l)
{
    struct list batch;
    list_init(&batch);
    CHECK(pthread_mutex_lock(&l->done_lock) == 0);
    list_take(&batch, &l->done);
    CHECK(pthread_mutex_unlock(&l->done_lock) == 0);
    while (!list_empty(&batch)) {
        struct worker_job *job = container_of(batch.next, struct worker_job, link);
        list_remove(&job->link);
        l->jobs--;
        job->done(job->arg);
    }
}

enum err worker_pool_open(unsigned threads, struct worker_pool **out, struct err_why *why)
{
    CHECK(threads >= 1 && threads <= WORKER_THREADS_MAX);
    struct worker_pool *p = mem_zero(1, sizeof(*p));
    CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
    CHECK(pthread_cond_init(&p->wake, NULL) == 0);
    list_init(&p->queue);
    for (; p->threads < threads; p->threads++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "worker-%u", p->threads);
        const enum err e = thread_create(name, run_worker, p, &p->thread[p->threads], why);
        if (e != ERR_OK) {
            worker_pool_close(&p);
            return e;
        }
    }
    *out = p;
    return ERR_OK;
}

void worker_pool_close(struct worker_pool **pool)
{
    struct worker_pool *p = *pool;
    if (p == NULL) {
        return;
    }
    CHECK(pthread_mutex_lock(&p->lock) == 0);
    CHECK(list_empty(&p->queue));
    p->is_closing = true;
    CHECK(pthread_cond_broadcast(&p->wake) == 0);
    CHECK(pthread_mutex_unlock(&p->lock) == 0);
    for (unsigned i = 0; i < p->threads; i++) {
        CHECK(pthread_join(p->thread[i], NULL) == 0);
    }
    CHECK(pthread_cond_destroy(&p->wake) == 0);
    CHECK(pthread_mutex_destroy(&p->lock) == 0);
    mem_free(p);
    *pool = NULL;
}

void worker_submit(struct worker_pool *p, struct loop *l, struct worker_job *job)
{
    job->loop = l;
    l->jobs++;
    CHECK(pthread_mutex_lock(&p->lock) == 0);
    list_push(&p->queue, &job->link);
    CHECK(pthread_cond_signal(&p->wake) == 0);
    CHECK(pthread_mutex_unlock(&p->lock) == 0);
}
