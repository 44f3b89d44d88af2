/* standin.h - what a test can do to the simulated disk engine beyond engine/disk_store.h.
 *
 * The medium is the disk: it outlives stores, as a disk outlives processes. It holds the durable
 * state of each group; a store opened on it begins with that. Everything random comes from the
 * medium's seed. A store opened without a medium brings one of its own. */
#ifndef ENGINE_STANDIN_STANDIN_H
#define ENGINE_STANDIN_STANDIN_H

#include "engine/disk_store.h"

/* What goes wrong; zeroed: nothing. */
struct standin_faults {
    unsigned wait_permille;  /* of the keys asked for with ENGINE_NO_WAIT: ERR_WOULD_WAIT */
    unsigned io_permille;    /* of the keys asked for with ENGINE_MAY_WAIT: ERR_IO */
    unsigned busy_permille;  /* of the commits: ERR_BUSY */
    unsigned flush_permille; /* of the commits: flushed at once, unasked */
    bool is_stalled;         /* commits: ERR_BUSY */
    bool is_full;            /* commits and flushes: ERR_NO_SPACE */
    bool is_damaged;         /* commits and flushes: ERR_CORRUPT */
};

/* Returns an owned, empty medium. */
struct standin_medium *standin_medium_new(uint64_t seed);

/* Frees `*m` and sets it to NULL. No store is open on it. */
void standin_medium_free(struct standin_medium **m);

/* From now on. Any thread. */
void standin_set_faults(struct standin_medium *m, const struct standin_faults *faults);

/* Nothing that is not durable by now ever will be: stores that are open now can only be closed,
 * and closing them flushes nothing. For a world in which a node is torn down after its death. */
void standin_power_cut(struct standin_medium *m);

/* The medium of a store. */
struct standin_medium *standin_medium_of(struct disk_store *s);

#endif
