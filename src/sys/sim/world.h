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

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct sim_config {
    uint64_t seed;
    uint64_t wall_ms;         /* the wall clock at the start */
    uint64_t disk_bytes;      /* room of the disk; 0: no bound */
    uint64_t io_delay_ns;     /* the longest a job, a lane's step or a sync takes */
    uint64_t stream_delay_ns; /* the longest a packet takes; bytes may arrive in any pieces */
};

void sim_world_open(const struct sim_config *config);
void sim_world_close(void);

/* Runs events until `*stop` is true (may be NULL), nothing is left, the power goes, or `budget_ms`
 * of virtual time has passed. Returns true if `*stop`. */
bool sim_run(const bool *stop, uint64_t budget_ms);

/* One event; false: there is none. */
bool sim_step(void);

uint64_t sim_now_ns(void);

/* The wall clock now, milliseconds since 1970: loop_wall_ms() of every loop. */
uint64_t sim_wall_ms(void);

/* Moves the wall clock, as an operator or NTP would. */
void sim_wall_jump(int64_t by_ms);

/* Calls of sys/file.h made so far, which is the number of the newest: they count from 1.
 * Opening, reading and asking count, closing does not. */
uint64_t sim_file_calls(void);

/* The call number `call` (see sim_file_calls()) and, if `is_lasting`, all later ones fail with
 * `e`, half done where that is possible. UINT64_MAX: none. */
void sim_file_fail(uint64_t call, enum err e, bool is_lasting);

/* The power goes at file call number `call`; 0: now. */
void sim_power_cut(uint64_t call);
bool sim_power_is_cut(void);
void sim_power_on(void);

/* Lets calls through again with all that was written: only the process was gone (kill -9). To both,
 * folders and files opened before answer ERR_IO and may still be closed. */
void sim_power_on_intact(void);

/* Forgets all loops, jobs, lanes and streams without running them (the process is dead);
 * the disk stays. Their memory is given back. */
void sim_kill(void);

/* Changes the room of the disk. */
void sim_disk_bytes(uint64_t bytes);

/* Damages the disk: flips one bit of `name` at `offset`. */
void sim_flip_bit(const char *folder, const char *name, uint64_t offset, unsigned bit);

/* A draw from the world's seed, for tests. */
uint64_t sim_random(void);

/* A hash of all that has happened so far: two runs from one seed agree. */
uint64_t sim_trace(void);

/* A client outside of the simulated process: it outlives sim_kill(), and sees it as a break. */
struct sim_client;

/* Connects to the listener whose listener_address() is `address`. Owned; NULL: nobody listens. */
struct sim_client *sim_connect(const char *address);

/* Ends the connection; frees `*c` and sets it to NULL. Harmless when it already is. */
void sim_client_close(struct sim_client **c);

void sim_client_write(struct sim_client *c, struct slice bytes);

/* Bytes written that the server's side has no room for. */
size_t sim_client_waiting_bytes(const struct sim_client *c);

/* Sends no more; can still read. */
void sim_client_shutdown(struct sim_client *c);

/* What has been read; consume it or not. Valid until sim_client_close(). */
struct buf *sim_client_input(struct sim_client *c);

/* Reads nothing meanwhile, so that the server's bytes back up. */
void sim_client_pause(struct sim_client *c, bool is_paused);

/* The server sends no more (`*why` is ERR_OK), or the connection broke (ERR_IO). `why` may be
 * NULL. */
bool sim_client_has_ended(const struct sim_client *c, enum err *why);

#endif
