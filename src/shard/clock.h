/* clock.h - the node's clock: what time a command gets.
 *
 * Starts at max(wall clock, last stored stamp), never goes back, and is slewed towards the
 * wall clock by at most one part in ten. Shared by all loops: a time that one loop has
 * used is the least that another gets, so an expired key never comes back. */
#ifndef SHARD_CLOCK_H
#define SHARD_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CLOCK_JUMP_MS 1000 /* farther from the wall clock: worth a log line */

/* Open: embedded. */
struct node_clock {
    _Atomic uint64_t used_ms;  /* newest time given out */
    _Atomic int64_t offset_ms; /* node time = monotonic ms + offset */
    uint64_t slewed_at_ms;     /* of one loop: when the offset was last moved */
};

void node_clock_start(struct node_clock *c, uint64_t mono_ms, uint64_t wall_ms, uint64_t stored_ms);

/* A stored stamp was found: the clock is not behind it from now on. */
void node_clock_raise(struct node_clock *c, uint64_t stored_ms);

/* Any thread. The time at `mono_ms`, not below any time given out before. */
uint64_t node_clock_now(struct node_clock *c, uint64_t mono_ms);

/* One thread, about once a second: moves towards `wall_ms`. Returns how far the node's time is
 * ahead of it (negative: behind), in ms. */
int64_t node_clock_slew(struct node_clock *c, uint64_t mono_ms, uint64_t wall_ms);

#endif
