/* loop.h - one thread's clock, timers, deferred calls and turns.
 *
 * Everything that waits goes through here, so a test can replace the world:
 * sys/uv waits for real (libuv), sys/sim jumps straight to the next event.
 * Exactly one of the two is linked.
 *
 * One turn: timers, deferred tasks, socket and mailbox callbacks, then every
 * hook of loop_each_turn() once, then the loop waits. Callbacks collect work,
 * the hooks do it: so all that arrived in one turn is handled as one batch. */
#ifndef SYS_LOOP_H
#define SYS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"

struct loop;
struct turn;

typedef void (*loop_fn)(void *arg);

/* Owned by the caller, alive until `call` has run. Zeroed is idle. */
struct loop_task {
    loop_fn call;
    void *arg;

    /* Private to sys/. */
    struct list link;
    bool is_queued;
    bool waits; /* for a turn more */
};

/* Owned by the caller. Zeroed is stopped. */
struct loop_timer {
    /* Private to sys/. */
    struct heap_item item; /* its key is the due time in ns */
    struct loop *loop;
    loop_fn call;
    void *arg;
};

/* Called at the end of each turn, in the order of registration. Owned by the caller. */
struct loop_hook {
    loop_fn call;
    void *arg;

    /* Private to sys/. */
    struct turn *turn;
    struct list link;
};

/* Errors: ERR_IO (out of descriptors). */
MUST_CHECK enum err loop_open(struct loop **out, struct err_why *why);

/* Nothing is open on the loop any more but what ends by itself. Frees `*l`, sets it to NULL. */
void loop_close(struct loop **l);

/* Runs turns until loop_stop(). Real world only: a simulated loop is run by its world
 * (sys/sim/world.h). */
void loop_run(struct loop *l);

/* On the loop's thread: loop_run() returns at the end of this turn. */
void loop_stop(struct loop *l);

/* Nanoseconds on a clock that never goes back, as of the beginning of this turn. */
uint64_t loop_now_ns(const struct loop *l);

/* Milliseconds since 1970 on the system's clock, as of now; may jump. */
uint64_t loop_wall_ms(const struct loop *l);

/* Runs `t->call(t->arg)` once, soon, and never before this has returned. Harmless when
 * already queued. */
void loop_defer(struct loop *l, struct loop_task *t);

/* As loop_defer(), but at the end of the turn that follows: all that had reached the sockets and
 * mailboxes of this loop before the call has been handled by then. */
void loop_defer_turn(struct loop *l, struct loop_task *t);

/* Starts, or starts again, with a new delay. */
void loop_timer_start(struct loop *l, struct loop_timer *t, uint64_t delay_ms, loop_fn call,
                      void *arg);

/* Harmless when the timer is not running. */
void loop_timer_stop(struct loop_timer *t);

void loop_each_turn(struct loop *l, struct loop_hook *hook);
void loop_hook_remove(struct loop_hook *hook);

/* Another turn follows at once, without waiting: a hook has more to do. */
void loop_again(struct loop *l);

#endif
