/* private.h - what the files of sys/uv share. The only header that shows libuv. */
#ifndef SYS_UV_PRIVATE_H
#define SYS_UV_PRIVATE_H

#include <pthread.h>
#include <uv.h>

#include "base/heap.h"
#include "sys/loop.h"
#include "sys/thread.h"
#include "sys/turn.h"

/* The time is read once per turn, by whoever asks first. Apart from the loop because asking
 * does not change the loop. */
struct loop_clock {
    uint64_t now_ns;
    bool is_stale;
};

struct loop {
    uv_loop_t uv;
    uv_timer_t alarm;      /* rings for the earliest of `timers` */
    uv_prepare_t prepare;  /* just before the wait */
    uv_check_t check;      /* just after it and its callbacks */
    uv_idle_t idle;        /* active: the next wait does not wait */
    uv_async_t done_async; /* somebody filled `done` */
    struct loop_clock *clock;

    struct heap timers;
    uint64_t timer_number;
    uint64_t alarm_ms; /* on libuv's clock; never later than the earliest timer; 0: not set */

    struct turn turn;
    bool has_worked; /* a callback has run since the hooks did */
    bool is_stopped;

    unsigned jobs;       /* submitted, `done` not yet run */
    unsigned open_count; /* mailboxes, listeners and signal watches */
    pthread_mutex_t done_lock;
    struct list done; /* finished jobs, under `done_lock` */
};

/* Each callback from libuv says so, so that the hooks follow. */
static inline void loop_worked(struct loop *l)
{
    l->has_worked = true;
}

/* worker.c: runs `done` of every job in `l->done`. */
void worker_deliver(struct loop *l);

/* thread.c: as pthread_create(3), named, with all signals blocked: they are for the loops. */
MUST_CHECK enum err thread_create(const char *name, void *(*run)(void *), void *arg, pthread_t *out,
                                  struct err_why *why);

#endif
