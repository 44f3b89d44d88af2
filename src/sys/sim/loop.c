/* A turn of a simulated loop begins with the first event of that loop and ends a random moment
 * later: what happens meanwhile belongs to it, then tasks and hooks run. */
#include "sys/loop.h"

#include "base/check.h"
#include "base/mem.h"
#include "sys/sim/private.h"
#include "sys/turn.h"

#define NS_PER_MS UINT64_C(1000000)

struct loop {
    struct list link; /* of the world */
    struct turn turn;
    struct loop_timer turn_end;
    uint64_t turn_ns; /* when this turn began */
    bool is_in_turn;
    bool is_stopped;
    unsigned jobs; /* submitted, `done` not yet run */
};

static void begin_turn(struct loop *l);

static void on_turn_end(void *arg)
{
    struct loop *l = arg;
    turn_end(&l->turn);
    l->is_in_turn = false;
    if (turn_is_wanted(&l->turn)) {
        begin_turn(l);
    }
}

/* The end of a turn is the loop's own doing, so it is an event of no loop. */
static void begin_turn(struct loop *l)
{
    if (!l->is_in_turn) {
        l->is_in_turn = true;
        l->turn_ns = sim_now_ns();
        sim_event_start(&l->turn_end, NULL, SIM_TURN_NS, on_turn_end, l);
    }
}

void sim_loop_worked(struct loop *l)
{
    begin_turn(l);
}

void sim_loop_job_began(struct loop *l)
{
    l->jobs++;
}

void sim_loop_job_ended(struct loop *l)
{
    CHECK(l->jobs > 0);
    l->jobs--;
}

enum err loop_open(struct loop **out, struct err_why *why)
{
    (void)why; /* descriptors do not run out here */
    struct loop *l = mem_zero(1, sizeof(*l));
    turn_init(&l->turn);
    list_push(&sim_world()->loops, &l->link);
    *out = l;
    return ERR_OK;
}

static void free_loop(struct loop *l)
{
    sim_event_stop(&l->turn_end);
    list_remove(&l->link);
    mem_free(l);
}

static bool has_timers(const struct loop *l)
{
    const struct heap *h = &sim_world()->events;
    for (size_t i = 0; i < h->count; i++) {
        if (container_of(h->items[i], struct loop_timer, item)->loop == l) {
            return true;
        }
    }
    return false;
}

void loop_close(struct loop **loop)
{
    struct loop *l = *loop;
    if (l == NULL) {
        return;
    }
    while (l->jobs > 0) {
        CHECK(sim_step());
    }
    do {
        sim_streams_close_now(l);
        turn_end(&l->turn);
    } while (!list_empty(&l->turn.tasks));
    CHECK(list_empty(&l->turn.hooks));
    CHECK(!has_timers(l));
    free_loop(l);
    *loop = NULL;
}

void sim_kill_loops(struct sim_world *w)
{
    while (!list_empty(&w->loops)) {
        free_loop(container_of(w->loops.next, struct loop, link));
    }
}

void loop_run(struct loop *l)
{
    while (!l->is_stopped && sim_step()) {
    }
    l->is_stopped = false;
}

void loop_stop(struct loop *l)
{
    l->is_stopped = true;
}

uint64_t loop_now_ns(const struct loop *l)
{
    return l->is_in_turn ? l->turn_ns : sim_now_ns();
}

uint64_t loop_wall_ms(const struct loop *l)
{
    (void)l;
    return sim_wall_ms();
}

void loop_defer(struct loop *l, struct loop_task *t)
{
    turn_add_task(&l->turn, t);
    begin_turn(l);
}

void loop_timer_start(struct loop *l, struct loop_timer *t, uint64_t delay_ms, loop_fn call,
                      void *arg)
{
    CHECK(delay_ms <= UINT64_MAX / NS_PER_MS / 4);
    loop_timer_stop(t);
    sim_event_at(t, l, loop_now_ns(l) + delay_ms * NS_PER_MS, call, arg);
}

void loop_timer_stop(struct loop_timer *t)
{
    if (t->item.place != 0) {
        sim_event_stop(t);
    }
}

void loop_each_turn(struct loop *l, struct loop_hook *hook)
{
    turn_add_hook(&l->turn, hook);
}

void loop_again(struct loop *l)
{
    l->turn.wants_again = true;
    begin_turn(l);
}
