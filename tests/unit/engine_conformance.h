/* engine_conformance.h - what every engine must do: engine/engine.h as tests.
 *
 * A test of an engine describes in a factory how one is opened and calls the suite from a case
 * of its own. A failing expectation ends the process. The suite waits where it may
 * (ENGINE_MAY_WAIT), except in the case that is about not waiting. */
#ifndef TESTS_UNIT_ENGINE_CONFORMANCE_H
#define TESTS_UNIT_ENGINE_CONFORMANCE_H

#include "engine/engine.h"

#define CONFORMANCE_ENGINES 3 /* shards of one storage, opened and closed together */

struct engine_factory {
    void *arg;

    /* Opens a new storage: CONFORMANCE_ENGINES empty engines, nothing published (index 0). */
    void (*open)(void *arg, struct engine **engines);

    /* Stops in good order and opens the same storage again. The suite goes on with indexes above
     * the ones it had published. NULL: volatile. */
    void (*reopen)(void *arg, struct engine **engines);

    /* Closes the engines (the entries become NULL) and removes the storage. No view is open. */
    void (*close)(void *arg, struct engine **engines);

    /* The turn of this thread's loop ends: nothing that was read is used any more. May be NULL. */
    void (*turn)(void *arg);

    /* Rows are counted exactly, memory comes back to the last byte, engine_erase_range() keeps
     * its limit, engine_coldest() exists: the memory engine. */
    bool is_memory;
};

/* Every case. */
void engine_conformance(const struct engine_factory *f);

/* `steps` random batches on one engine against a sorted array, with views held open, rows read
 * inside their batch, scans both ways, erased ranges; ends empty. Part of the suite with few
 * steps (seed: HOLDFAST_SEED or 1); prints the seed. */
void engine_conformance_random(const struct engine_factory *f, uint64_t seed, unsigned steps);

/* HOLDFAST_SEED of the environment, else `otherwise`. */
uint64_t conformance_seed(uint64_t otherwise);

#endif
