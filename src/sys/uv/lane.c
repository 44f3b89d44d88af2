/* The lane's thread and those who wake it agree through one word:
 *
 *   asleep --wake--> woken --step begins--> running --step has no more--> asleep
 *                      ^                       |
 *                      +--------wake-----------+
 *
 * Each move from asleep to woken posts the semaphore once, so waking a busy lane is one exchange.
 * (With a condition the thread would wake up only to wait for the lock of who has woken it.) */
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/check.h"
#include "base/mem.h"
#include "sys/uv/private.h"
#include "sys/worker.h"

enum lane_state {
    LANE_ASLEEP,
    LANE_WOKEN,
    LANE_RUNNING
};

struct lane {
    _Atomic int state; /* enum lane_state */
    atomic_bool is_closing;
    sem_t wake;
    lane_fn step;
    void *arg;
    pthread_t thread;
};

/* Goes to sleep unless it was woken meanwhile. */
static void sleep_until_woken(struct lane *l)
{
    int expected = LANE_RUNNING;
    if (!atomic_compare_exchange_strong(&l->state, &expected, LANE_ASLEEP)) {
        return;
    }
    while (sem_wait(&l->wake) != 0) {
        CHECK(errno == EINTR);
    }
}

static void *run_lane(void *arg)
{
    struct lane *l = arg;
    bool is_last = false;
    while (!is_last) {
        sleep_until_woken(l);
        /* In this order: a close after the exchange shows as a wake-up. */
        (void)atomic_exchange(&l->state, LANE_RUNNING);
        is_last = atomic_load(&l->is_closing);
        while (l->step(l->arg)) {
        }
    }
    return NULL;
}

enum err lane_open(const char *name, lane_fn step, void *arg, struct lane **out,
                   struct err_why *why)
{
    struct lane *l = mem_zero(1, sizeof(*l));
    atomic_init(&l->state, LANE_RUNNING);
    l->step = step;
    l->arg = arg;
    CHECK(sem_init(&l->wake, 0, 0) == 0);
    const enum err e = thread_create(name, run_lane, l, &l->thread, why);
    if (e != ERR_OK) {
        mem_free(l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

void lane_wake(struct lane *l)
{
    if (atomic_exchange(&l->state, LANE_WOKEN) == LANE_ASLEEP) {
        CHECK(sem_post(&l->wake) == 0);
    }
}

void lane_close(struct lane **lane)
{
    struct lane *l = *lane;
    if (l == NULL) {
        return;
    }
    atomic_store(&l->is_closing, true);
    lane_wake(l);
    CHECK(pthread_join(l->thread, NULL) == 0);
    CHECK(sem_destroy(&l->wake) == 0);
    mem_free(l);
    *lane = NULL;
}
