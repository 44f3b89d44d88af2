/* epoch.h - when may memory that readers could still see be used again?
 *
 * Quiescent-state reclamation (QSBR). Each loop owns one reader and calls
 * epoch_quiet() once per turn: "I hold no pointer into any engine". What a
 * writer unlinks at epoch N may be reused once every reader has been quiet
 * after N. liburcu does the same, but its QSBR flavour in Debian 12 (0.13)
 * can only block (synchronize_rcu) or free on a helper thread (call_rcu); a
 * loop must do neither, so it needs to ask: that is epoch_safe().
 *
 * A thread that goes neither quiet nor idle stops all reclamation, so every
 * wait (epoll, a condition) stands between epoch_idle() and epoch_quiet(). */
#ifndef ENGINE_EPOCH_H
#define ENGINE_EPOCH_H

#include <stdatomic.h>

#include "engine/pages.h"

#define EPOCH_READERS_MAX 64 /* threads that may read engines of one node */

struct epoch_reader {
    _Alignas(64) _Atomic uint64_t seen; /* UINT64_MAX while the thread is idle or absent */
    _Atomic uint32_t taken;
};

/* One per node, shared by all its engines. Open: callers embed it. */
struct epoch {
    _Alignas(64) _Atomic uint64_t now;
    _Atomic uint32_t high; /* readers above were never taken */
    struct pages pages;    /* memory of these engines */
    struct epoch_reader readers[EPOCH_READERS_MAX];
};

void epoch_init(struct epoch *e);

/* Takes a free reader for this thread. It starts online. The node's thread
 * limit keeps this from running out. */
struct epoch_reader *epoch_join(struct epoch *e);

/* Gives the reader back. The thread holds no pointer into any engine. */
void epoch_leave(struct epoch_reader *r);

/* Once per turn of the loop: every pointer read so far is forgotten. */
void epoch_quiet(struct epoch *e, struct epoch_reader *r);

/* Around a wait (epoll): an idle loop does not hold back the writers. */
void epoch_idle(struct epoch_reader *r);

/* Writer, after unlinking: returns the epoch to stamp the garbage with. */
uint64_t epoch_advance(struct epoch *e);

/* Garbage stamped below the returned epoch can no longer be seen by anyone. */
uint64_t epoch_safe(struct epoch *e);

#endif
