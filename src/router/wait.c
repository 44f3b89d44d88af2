/* wait.c - timers and deferred calls for dialects, which do not see sys/. */
#include "router/router_private.h"

void router_timer_start(struct router *r, struct router_timer *t, uint64_t delay_ms,
                        void (*call)(void *arg), void *arg)
{
    loop_timer_start(r->loop, &t->timer, delay_ms, call, arg);
}

void router_timer_stop(struct router_timer *t)
{
    loop_timer_stop(&t->timer);
}

void router_defer(struct router *r, struct router_task *t, void (*call)(void *arg), void *arg)
{
    t->task.call = call;
    t->task.arg = arg;
    loop_defer(r->loop, &t->task);
}
