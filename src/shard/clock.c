#include "shard/clock.h"

#define SLEW_PART 10 /* at most a tenth of the time that has passed */

void node_clock_start(struct node_clock *c, uint64_t mono_ms, uint64_t wall_ms, uint64_t stored_ms)
{
    const uint64_t now_ms = wall_ms > stored_ms ? wall_ms : stored_ms;
    atomic_store(&c->used_ms, now_ms);
    atomic_store(&c->offset_ms, (int64_t)(now_ms - mono_ms));
    c->slewed_at_ms = mono_ms;
}

void node_clock_raise(struct node_clock *c, uint64_t stored_ms)
{
    uint64_t used_ms = atomic_load(&c->used_ms);
    while (used_ms < stored_ms && !atomic_compare_exchange_weak(&c->used_ms, &used_ms, stored_ms)) {
    }
}

uint64_t node_clock_now(struct node_clock *c, uint64_t mono_ms)
{
    const int64_t offset_ms = atomic_load_explicit(&c->offset_ms, memory_order_relaxed);
    const uint64_t now_ms = mono_ms + (uint64_t)offset_ms;
    uint64_t used_ms = atomic_load_explicit(&c->used_ms, memory_order_acquire);
    while (used_ms < now_ms) {
        if (atomic_compare_exchange_weak(&c->used_ms, &used_ms, now_ms)) {
            return now_ms;
        }
    }
    return used_ms;
}

/* After a stored stamp was found that lies far ahead, time goes on from there instead of standing
 * still until the clock has caught up. */
static void catch_up(struct node_clock *c, uint64_t mono_ms)
{
    const int64_t offset_ms = (int64_t)(atomic_load(&c->used_ms) - mono_ms);
    if (offset_ms > atomic_load(&c->offset_ms) + CLOCK_JUMP_MS) {
        atomic_store(&c->offset_ms, offset_ms);
    }
}

int64_t node_clock_slew(struct node_clock *c, uint64_t mono_ms, uint64_t wall_ms)
{
    catch_up(c, mono_ms);
    const int64_t offset_ms = atomic_load(&c->offset_ms);
    const int64_t ahead_ms = (int64_t)(mono_ms + (uint64_t)offset_ms - wall_ms);
    const int64_t passed_ms = (int64_t)(mono_ms - c->slewed_at_ms);
    const int64_t most_ms = passed_ms / SLEW_PART;
    int64_t step_ms = -ahead_ms;
    step_ms = step_ms > most_ms ? most_ms : step_ms;
    step_ms = step_ms < -most_ms ? -most_ms : step_ms;
    atomic_store(&c->offset_ms, offset_ms + step_ms);
    c->slewed_at_ms = mono_ms;
    return ahead_ms;
}
