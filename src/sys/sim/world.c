#include "sys/sim/world.h"

#include "base/check.h"
#include "base/mem.h"
#include "sys/sim/private.h"

#define NS_PER_MS UINT64_C(1000000)

/* The one variable outside of all functions: the headers of sys/ name no world, because the
 * real one needs no name. A thread has one, so tests may run several side by side. */
static _Thread_local struct sim_world *world_of_thread;

struct sim_world *sim_world(void)
{
    CHECK(world_of_thread != NULL);
    return world_of_thread;
}

void sim_world_open(const struct sim_config *config)
{
    CHECK(world_of_thread == NULL);
    struct sim_world *w = mem_zero(1, sizeof(*w));
    w->config = *config;
    w->random.state = config->seed;
    w->port_number = 40000;
    list_init(&w->loops);
    list_init(&w->mailboxes);
    list_init(&w->pools);
    list_init(&w->lanes);
    list_init(&w->listeners);
    list_init(&w->streams);
    list_init(&w->clients);
    world_of_thread = w;
    w->disk = sim_disk_new(config->disk_bytes);
}

void sim_world_close(void)
{
    struct sim_world *w = sim_world();
    sim_kill();
    sim_forget_streams(w);
    sim_forget_clients(w);
    sim_disk_free(w->disk);
    heap_deinit(&w->events);
    mem_free(w);
    world_of_thread = NULL;
}

void sim_event_at(struct loop_timer *e, struct loop *l, uint64_t due_ns, loop_fn call, void *arg)
{
    struct sim_world *w = sim_world();
    e->loop = l;
    e->call = call;
    e->arg = arg;
    e->item.key = due_ns < w->now_ns ? w->now_ns : due_ns;
    e->item.number = ++w->event_number;
    heap_add(&w->events, &e->item);
}

void sim_event_start(struct loop_timer *e, struct loop *l, uint64_t longest_ns, loop_fn call,
                     void *arg)
{
    const uint64_t delay_ns = longest_ns == 0 ? 0 : 1 + sim_random_below(longest_ns);
    sim_event_at(e, l, sim_now_ns() + delay_ns, call, arg);
}

void sim_event_stop(struct loop_timer *e)
{
    heap_remove(&sim_world()->events, &e->item);
}

bool sim_step(void)
{
    struct sim_world *w = sim_world();
    struct heap_item *first = heap_first(&w->events);
    if (first == NULL) {
        return false;
    }
    struct loop_timer *e = container_of(first, struct loop_timer, item);
    heap_remove(&w->events, first);
    CHECK(first->key >= w->now_ns);
    w->now_ns = first->key;
    sim_note(first->key);
    sim_note(first->number);
    if (e->loop != NULL) {
        sim_loop_worked(e->loop);
    }
    e->call(e->arg); /* `e` may be gone */
    return true;
}

bool sim_run(const bool *stop, uint64_t budget_ms)
{
    struct sim_world *w = sim_world();
    const uint64_t end_ns = w->now_ns + budget_ms * NS_PER_MS;
    const bool was_cut = sim_power_is_cut();
    while ((stop == NULL || !*stop) && sim_power_is_cut() == was_cut) {
        const struct heap_item *first = heap_first(&w->events);
        if (first == NULL) {
            break;
        }
        if (first->key > end_ns) {
            w->now_ns = end_ns;
            break;
        }
        (void)sim_step();
    }
    return stop != NULL && *stop;
}

uint64_t sim_now_ns(void)
{
    return sim_world()->now_ns;
}

uint64_t sim_wall_ms(void)
{
    const struct sim_world *w = sim_world();
    return w->config.wall_ms + w->now_ns / NS_PER_MS + (uint64_t)w->wall_jump_ms;
}

void sim_wall_jump(int64_t by_ms)
{
    sim_world()->wall_jump_ms += by_ms;
}

/* What is left in the heap now are timers of the dead, and events of the tests' clients, who
 * live on. */
static void forget_timers(struct sim_world *w)
{
    struct heap kept = {0};
    for (struct heap_item *item = heap_first(&w->events); item != NULL;
         item = heap_first(&w->events)) {
        heap_remove(&w->events, item);
        if (container_of(item, struct loop_timer, item)->loop == NULL) {
            heap_add(&kept, item);
        }
    }
    heap_deinit(&w->events);
    w->events = kept;
}

void sim_kill(void)
{
    struct sim_world *w = sim_world();
    forget_timers(w);
    sim_kill_streams(w);
    sim_kill_workers(w);
    sim_kill_mailboxes(w);
    sim_kill_loops(w);
    sim_kill_files(w->disk);
}

uint64_t sim_random(void)
{
    return random_next(&sim_world()->random);
}

uint64_t sim_random_below(uint64_t bound)
{
    return random_below(&sim_world()->random, bound);
}

bool sim_one_in(uint64_t count)
{
    return sim_random_below(count) == 0;
}

void sim_note(uint64_t what)
{
    struct random mix = {sim_world()->trace ^ what};
    sim_world()->trace = random_next(&mix);
}

uint64_t sim_trace(void)
{
    return sim_world()->trace;
}
