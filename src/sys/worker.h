/* worker.h - threads for what may block.
 *
 * A job of the pool runs on some worker thread and comes back to its loop. A lane
 * is one dedicated thread with one step function (the journal's writer). In the
 * simulated world both are events: a job runs at one instant, its `done` at a
 * later one. */
#ifndef SYS_WORKER_H
#define SYS_WORKER_H

#include "sys/loop.h"

/* Owned by the caller, alive until `done` has run. */
struct worker_job {
    loop_fn work; /* on a worker thread */
    loop_fn done; /* on the loop, never before worker_submit() has returned */
    void *arg;    /* of both */

    /* Private to sys/. */
    struct loop *loop;
    struct list link;
};

struct worker_pool;

/* `threads` from 1 to 64. Real world: starts them. Errors: ERR_IO. */
MUST_CHECK enum err worker_pool_open(unsigned threads, struct worker_pool **out,
                                     struct err_why *why);

/* No job is queued or running. */
void worker_pool_close(struct worker_pool **p);

/* On the thread of `l`. Jobs start in the order of submission, and run side by side. */
void worker_submit(struct worker_pool *p, struct loop *l, struct worker_job *job);

struct lane;

/* One step of work on the lane's thread; true: call again at once. */
typedef bool (*lane_fn)(void *arg);

/* Errors: ERR_IO. */
MUST_CHECK enum err lane_open(const char *name, lane_fn step, void *arg, struct lane **out,
                              struct err_why *why);

/* Any thread: there is work. A wake-up during a step leads to one more step. */
void lane_wake(struct lane *l);

/* Runs steps until one returns false, then ends the thread. Frees `*l`, sets it to NULL.
 * Harmless when it already is. */
void lane_close(struct lane **l);

#endif
