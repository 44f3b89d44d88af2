/* world.h - the simulated world: virtual time, one seed, a disk that lies as disks do.
 *
 * Only sys/sim knows one world per thread: sim_world_open() makes it the place where
 * loops, jobs, lanes, folders and streams of this thread live. All nodes of a test share
 * it. Nothing here is parallel: a lane's step and a job's work are events.
 *
 * Disk. Writes and names are kept in order until synced. sim_power_cut() freezes the
 * disk: every later call fails with ERR_IO and changes nothing; sim_power_on() decides by
 * the seed which unsynced sectors (512 bytes) and names survived - any subset, torn - and
 * lets calls through again. Faults: the n-th call from now fails once. */
#ifndef SYS_SIM_WORLD_H
#define SYS_SIM_WORLD_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_config {
    uint64_t seed;
    uint64_t wall_ms;        /* the wall clock at the start */
    uint64_t disk_bytes;     /* room of the disk; 0: no bound */
    uint64_t io_delay_ns;    /* the longest a job, a lane's step or a sync takes */
    uint64_t stream_delay_ns; /* the longest a packet takes; bytes may arrive in any pieces */
};

void sim_world_open(const struct sim_config *config);
void sim_world_close(void);

/* Runs events until `*stop` is true (may be NULL), nothing is left, or `budget_ms` of virtual
 * time has passed. Returns true if `*stop`. */
bool sim_run(const bool *stop, uint64_t budget_ms);

/* One event; false: there is none. */
bool sim_step(void);

uint64_t sim_now_ns(void);

/* Moves the wall clock, as an operator or NTP would. */
void sim_wall_jump(int64_t by_ms);

/* Calls of sys/file.h made so far. */
uint64_t sim_file_calls(void);

/* The call number `call` (see sim_file_calls()) and, if `is_lasting`, all later ones fail with
 * `e`, half done where that is possible. UINT64_MAX: none. */
void sim_file_fail(uint64_t call, enum err e, bool is_lasting);

/* The power goes at file call number `call`; 0: now. */
void sim_power_cut(uint64_t call);
bool sim_power_is_cut(void);
void sim_power_on(void);

/* Forgets all loops, jobs, lanes and streams without running them (the process is dead);
 * the disk stays. Their memory is given back. */
void sim_kill(void);

/* Changes the room of the disk. */
void sim_disk_bytes(uint64_t bytes);

/* Damages the disk: flips one bit of `name` at `offset`. */
void sim_flip_bit(const char *folder, const char *name, uint64_t offset, unsigned bit);

/* A draw from the world's seed, for tests. */
uint64_t sim_random(void);

#endif
