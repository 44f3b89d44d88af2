#include "api/redis/tour.h"

static void on_tour_done(struct router_tour *tour)
{
    struct redis_tour *r = container_of(tour, struct redis_tour, tour);
    struct task *t = r->task;
    r->write(r, task_reply(t));
    task_finish(t);
}

enum verdict task_tour(struct task *t, struct redis_tour *r)
{
    r->task = t;
    if (t->exec != NULL) {
        r->tour.visit(&r->tour, t->session->context);
        r->write(r, t->out);
        return TASK_REPLIED;
    }
    r->tour.done = on_tour_done;
    router_tour_start(t->session->router, &r->tour);
    return TASK_LATER;
}
