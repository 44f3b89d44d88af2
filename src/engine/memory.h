/* memory.h - opens the engine that lives in memory. */
#ifndef ENGINE_MEMORY_H
#define ENGINE_MEMORY_H

#include "engine/engine.h"
#include "engine/epoch.h"

/* Returns an owned, empty engine whose first state is `applied`. Shares `epoch`, which outlives
 * it; every thread that reads or writes has joined it and is online while it does. */
struct engine *memory_open(struct epoch *epoch, uint64_t applied);

#endif
