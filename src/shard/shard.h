/* shard.h - puts the writes of each shard in order, makes them durable, answers reads.
 *
 * A node has groups 0 to `shards`: group 0 is the catalogue, shard s is group s + 1. Each
 * group is owned by one loop. What a loop's groups were given during a turn is carried out
 * at its end, by shard_turn(): as one batch, with one published state per group and one
 * record in the journal for all of them.
 *
 *   work ─► memory table ───────────────────────────────► model, commit ─► done
 *        ─► disk table, read, nothing before it ─► model (record cache, block cache)
 *        │                                          └─ must wait ─► worker ─────► done
 *        └► disk table, write (and reads behind it) ─► order ─► journal ─► durable
 *                                                               ─► model, commit ─► done */
#ifndef SHARD_SHARD_H
#define SHARD_SHARD_H

#include "base/log.h"
#include "base/metrics.h"
#include "engine/disk_store.h"
#include "journal/journal.h"
#include "model/model.h"
#include "sys/worker.h"

#define SHARDS_MAX      1023
#define SHARD_LOOPS_MAX 64
#define SHARD_WORKS_MAX 65536              /* being ordered in one group: then ERR_BUSY */
#define SHARD_BYTES_MAX ((size_t)96 << 20) /* of their operations or entries: then ERR_BUSY */
#define SHARD_APPLY_MAX 1024               /* commands applied as one batch, */
#define SHARD_APPLY_BYTES_MAX                                                                      \
    ((size_t)64 << 20)       /* or fewer, when they find and answer more than this and one more */
#define SHARD_GATHER_MAX 512 /* works that need no journal: then shard_relieve() */
#define SHARD_READS_MAX  ((size_t)1 << 16) /* waiting for a worker or a view on one loop */

/* Of pinned views. Past one of the last three a view is ended. */
#define SHARD_VIEWS_MAX       256   /* of a node */
#define SHARD_GROUP_VIEWS_MAX 16    /* of one engine of a group: others need views, too */
#define SHARD_VIEW_IDLE_MS    30000 /* without progress */
#define SHARD_VIEW_BYTES_MAX  ((uint64_t)4 << 30) /* written meanwhile to a group on disk */
#define SHARD_VIEW_MEMORY_PART                                                                     \
    8 /* 1/8 of memory_max, besides it, for all of memory tables together */

struct shard_node;
struct shard_host;
struct shard_view;
struct shard_work;

/* On the loop that owns the group. */
typedef void (*shard_work_fn)(struct shard_work *w);

/* One operation on its way. Owned by the caller until `done` has run, which is exactly once, in
 * shard_turn(). The result's bytes are gone when `done` returns. */
struct shard_work {
    const struct op *op;   /* borrowed, with its bytes */
    struct result *result; /* filled before `done` */
    shard_work_fn done;
    uint64_t deadline_ns;    /* 0: none */
    size_t budget_bytes;     /* of the answer's rows */
    struct shard_view *view; /* the state that is read; NULL: the newest */
    uint32_t group;
    bool is_memory; /* the table's engine */
    bool is_behind; /* a read that must see what was ordered before it in this group */
    bool is_canceled;

    /* Private to shard/. */
    bool is_read;
    size_t pending_bytes; /* of the op, while it waits to be ordered */
    struct shard_work *next;
};

struct shard_config {
    uint32_t shards;
    uint32_t loops;
    struct journal *journal;  /* NULL: nothing is durable, the catalogue too lives in memory */
    struct disk_store *store; /* NULL: no disk tables */
    struct worker_pool *pool; /* may be NULL when there is no store */
    struct log *log;
    uint64_t memory_max; /* bytes of the memory engines */
    uint64_t view_bytes; /* 0: SHARD_VIEW_BYTES_MAX */
    size_t apply_bytes;  /* 0: SHARD_APPLY_BYTES_MAX */
    size_t value_max;
    uint64_t member; /* this node's id in every group, greater than 0 */
    uint64_t boot;   /* of this start, never the same */
    uint64_t seed;
    uint64_t wall_ms;
    uint64_t mono_ns;
    bool is_relaxed; /* --fsync is not `always`: the engine may be ahead of the journal */
    /* Going on would be unsafe: the journal has failed. Stops the process, or the simulated node.
     * Called once, on some loop. */
    void (*on_failure)(void *arg, const struct err_why *why);
    void *arg;
};

/* What a loop counts; read by any thread. */
struct shard_stats {
    metric works_memory, works_read, works_read_waited, works_ordered;
    metric applied, expired, evicted;
    struct histogram batch_works; /* per turn */
    struct histogram apply_us;
    metric ordered_now; /* works that are being ordered */
    metric views;       /* pinned */
    metric views_refused, views_ended;
};

/* Opens what all loops share. The config is copied; what it names outlives the node. */
struct shard_node *shard_node_open(const struct shard_config *config);

/* All hosts are closed. Frees `*n` and sets it to NULL. */
void shard_node_close(struct shard_node **n);

/* The process is about to be dead (simulated world): nothing more is carried out, and hosts may be
 * closed with works under way, which are forgotten without their `done`. */
void shard_node_abandon(struct shard_node *n);

/* shard_node_abandon() or on_failure() was called. Any thread. */
bool shard_node_has_failed(const struct shard_node *n);

/* The journal has a new durable commit, or has failed: wakes every loop. Any thread. */
void shard_node_notify(struct shard_node *n);

/* Opens this loop's groups (group g belongs to loop g mod loops) on the loop's thread and begins
 * to replay the journal; shard_node_is_replayed() tells when it is over. Errors: ERR_IO,
 * ERR_CORRUPT. */
MUST_CHECK enum err shard_host_open(struct shard_node *n, struct loop *l, uint32_t loop_index,
                                    struct shard_host **out, struct err_why *why);

/* No work is under way; flushes nothing. After on_failure(): whatever is under way is forgotten
 * without its `done`, and no event of the loop may run any more. */
void shard_host_close(struct shard_host **h);

/* The same of all loops. Any thread. */
bool shard_node_is_replayed(const struct shard_node *n);

/* Nothing is being ordered, applied or read. */
bool shard_is_idle(const struct shard_host *h);

/* Which loop owns the group. */
uint32_t shard_owner(const struct shard_node *n, uint32_t group);

/* Takes a work whose group belongs to this host, or (is_memory or not) a read that may be answered
 * from the published state of any group: !is_behind. */
void shard_submit(struct shard_host *h, struct shard_work *w);

/* The end of a turn: carries out everything. True: there is more to do at once. */
bool shard_turn(struct shard_host *h);

/* ---- Pinned views: one state of a group for many reads ---- */

/* Keeps the newest published state of any group, and its time, for works given to this host. It is
 * ended early when there was no progress for long, when too many bytes are kept for it, or when the
 * disk is low; a work that reads it is answered with ERR_UNAVAILABLE then. Errors: ERR_UNAVAILABLE
 * (too many are open), ERR_NOT_FOUND (no disk). */
MUST_CHECK enum err shard_view_open(struct shard_host *h, uint32_t group, bool is_memory,
                                    struct shard_view **out);

/* Its reader makes progress. */
void shard_view_touch(struct shard_view *v);

/* No work that reads it is waiting. Harmless when `*v` is NULL; possible after the host was closed
 * because the node had failed. */
void shard_view_close(struct shard_view **v);

/* There are reads of published state that have not been made yet. */
bool shard_has_reads(const struct shard_host *h);

/* In the middle of a turn, where a `done` may run: when much has gathered for memory tables, or is
 * to be read, carries it out now, while it is still in the processor's caches, and not at the end
 * of the turn. */
void shard_relieve(struct shard_host *h);

/* The time of this turn, on the node's clock. */
uint64_t shard_now_ms(struct shard_host *h);

uint64_t shard_random(struct shard_host *h);

/* Memory tables of this node that may be evicted from; set when the catalogue changes. */
void shard_set_evictable(struct shard_host *h, const uint32_t *tables, size_t count);

/* Live records of a table over all groups. Any thread. */
uint64_t shard_table_count(struct shard_node *n, bool is_memory, uint32_t table);

/* Bytes that memory engines hold. Any thread. */
uint64_t shard_memory_bytes(const struct shard_node *n);

const struct shard_stats *shard_host_stats(const struct shard_host *h);

/* The engine of a group, for statistics; NULL if there is none. Any thread. */
struct engine *shard_engine(const struct shard_node *n, uint32_t group, bool is_memory);

/* Once a second on each loop: sweeps, flushes, reclaim, the clock. */
void shard_tick(struct shard_host *h);

/* Before a stop: no more work of its own, so that it becomes idle. */
void shard_quiesce(struct shard_host *h);

/* Copies a result's bytes into `arena`, so that it outlives its turn. */
void result_keep(struct result *r, struct arena *arena);

#endif
