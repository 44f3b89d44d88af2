/* private.h - what the files of sys/sim share. */
#ifndef SYS_SIM_PRIVATE_H
#define SYS_SIM_PRIVATE_H

#include "base/heap.h"
#include "base/list.h"
#include "base/random.h"
#include "sys/loop.h"
#include "sys/sim/world.h"
#include "sys/stream.h"

#define SIM_LETTER_DELAY_NS UINT64_C(20000) /* the longest a mailbox takes */
#define SIM_TURN_NS         UINT64_C(10000) /* the longest a turn gathers callbacks */

struct sim_disk;

/* Everything that will happen is a timer in one heap, those of the loops' owners and those of
 * the world itself alike. The loop of an event gets a turn after it; NULL: no loop's. */
struct sim_world {
    struct sim_config config;
    struct random random;
    uint64_t now_ns;
    int64_t wall_jump_ms;
    uint64_t trace; /* a hash of all that has happened */

    struct heap events; /* struct loop_timer */
    uint64_t event_number;

    /* What a process of this world holds: sim_kill() gives it back. */
    struct list loops;
    struct list mailboxes;
    struct list pools;
    struct list lanes;
    struct list listeners;
    struct list streams;
    struct list clients; /* of the tests: these outlive it */
    int64_t socket_number;
    unsigned port_number;

    struct sim_disk *disk;
};

/* The world of this thread; there is one. */
struct sim_world *sim_world(void);

/* Runs `call(arg)` at `due_ns`, or now when that has passed. `e` is not running. */
void sim_event_at(struct loop_timer *e, struct loop *l, uint64_t due_ns, loop_fn call, void *arg);

/* Runs `call(arg)` at a random moment within `longest_ns`. `e` is not running. */
void sim_event_start(struct loop_timer *e, struct loop *l, uint64_t longest_ns, loop_fn call,
                     void *arg);
void sim_event_stop(struct loop_timer *e);

static inline bool sim_event_is_running(const struct loop_timer *e)
{
    return e->item.place != 0;
}

/* 0 to `bound` - 1 from the world's seed. */
uint64_t sim_random_below(uint64_t bound);

/* True once in `count` times. */
bool sim_one_in(uint64_t count);

/* Makes `what` a part of the trace. */
void sim_note(uint64_t what);

/* loop.c: a callback of `l` has run or is about to; a turn will end soon. */
void sim_loop_worked(struct loop *l);

/* loop.c: one more, or one less, job of `l` that is not done. */
void sim_loop_job_began(struct loop *l);
void sim_loop_job_ended(struct loop *l);

/* stream.c: ends the streams of `l` that are closing, now. */
void sim_streams_close_now(struct loop *l);

/* stream.c: a connection to the listener at `address`; false: there is none. */
bool sim_dial(const char *address, stream_socket *socket);

/* Each forgets what its file made: the process is dead. */
void sim_kill_loops(struct sim_world *w);
void sim_kill_mailboxes(struct sim_world *w);
void sim_kill_workers(struct sim_world *w);
void sim_kill_streams(struct sim_world *w);
void sim_kill_files(struct sim_disk *d);

/* At the end of the world. */
void sim_forget_clients(struct sim_world *w);
void sim_forget_streams(struct sim_world *w);

struct sim_disk *sim_disk_new(uint64_t bytes);
void sim_disk_free(struct sim_disk *d);

#endif
