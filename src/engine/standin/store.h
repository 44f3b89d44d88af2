/* store.h - the medium and the open store, as the stand-in's engines see them. All private to
 * engine/standin. */
#ifndef ENGINE_STANDIN_STORE_H
#define ENGINE_STANDIN_STORE_H

#include <pthread.h>

#include "base/random.h"
#include "engine/standin/sorted.h"
#include "engine/standin/standin.h"

struct standin_medium {
    pthread_mutex_t lock; /* of the medium and of the stores on it */
    struct random random;
    struct standin_faults faults;
    uint64_t power_cuts;
    unsigned shards;         /* 0: no store has been opened yet */
    struct sorted **durable; /* by group; owned */
};

struct standin_group {
    struct sorted *published; /* owned */
    struct sorted *flushing;  /* owned; what a flush that has begun will make durable */
    bool is_flushing;
    bool is_open; /* has an engine */
};

struct disk_store {
    struct standin_medium *medium;
    bool owns_medium;
    uint64_t power_cuts; /* of the medium, when the store was opened */
    struct standin_group *groups;
};

/* All of these take the lock. */

struct sorted *store_published(struct disk_store *s, unsigned group); /* returned owned */

/* Publishes `t` (taken), unless a fault stands against it: then `t` stays the caller's. */
MUST_CHECK enum err store_publish(struct disk_store *s, unsigned group, struct sorted *t);

MUST_CHECK enum err store_flush(struct disk_store *s, unsigned group, bool is_waiting);

/* Returned owned. */
struct sorted *store_durable(struct disk_store *s, unsigned group);

/* What happens to the look for one key: ERR_OK, ERR_WOULD_WAIT, ERR_IO. */
MUST_CHECK enum err store_look(struct disk_store *s, enum engine_wait wait);

void store_engine_closed(struct disk_store *s, unsigned group);

/* Private to standin.c and store.c. */
struct engine *standin_engine_new(struct disk_store *s, unsigned group);

#endif
