/* shard_private.h - shared by the files of shard/ only. */
#ifndef SHARD_SHARD_PRIVATE_H
#define SHARD_SHARD_PRIVATE_H

#include "base/random.h"
#include "consensus/consensus.h"
#include "engine/epoch.h"
#include "engine/memory.h"
#include "shard/clock.h"
#include "shard/shard.h"
#include "sys/mailbox.h"

#define SHARD_READIES_MAX 1024 /* handed to the journal and not durable yet, per group */

struct work_queue {
    struct shard_work *head;
    struct shard_work *tail;
    size_t count;
};

/* One thing in the order of a group: a command with its entry, or a read at its place. */
struct item {
    struct shard_work *work; /* NULL: nobody waits (replay, a mark) */
    uint64_t index;          /* of the entry; a read: of the entry before it */
    uint64_t stamp_ms;
    size_t offset; /* of the entry in the batch's bytes */
    size_t size;   /* 0: a read, or the mark of a new leader */
    bool is_entry;
};

/* What was ordered at once. Its entries stay in memory until they are applied. */
struct log_batch {
    struct list link;
    struct buf bytes;
    struct item *items; /* owned */
    size_t item_count;
    size_t item_capacity;
    size_t next; /* the first item that is not applied */
    uint64_t term;
    uint64_t ordered_ns; /* 0: by a replay */
};

/* A ready of consensus on its way to the disk. */
struct pending_ready {
    uint64_t number;
    uint64_t ticket; /* 0: needs no disk */
};

enum apply_state {
    APPLY_IDLE,
    APPLY_ON_WORKER, /* the writer belongs to the worker */
    APPLY_RETRY      /* the batch is complete but the engine cannot take it yet */
};

/* Where a step comes from. */
struct apply_place {
    struct log_batch *batch;
    size_t item;
    struct model_applied before; /* what is applied without it */
};

/* The batch that is being applied. */
struct apply {
    enum apply_state state;
    struct worker_job job;
    struct arena arena;
    struct step *steps;        /* [SHARD_APPLY_MAX], as the next three; used again and again */
    struct result *results;    /* of steps for which nobody waits */
    struct shard_work **works; /* per step; NULL: nobody waits */
    struct apply_place *places;
    struct apply_place at;   /* of the step that is added next */
    struct apply_place left; /* the first that has no room in this batch any more */
    bool has_left;
    size_t count;
    struct model_applied applied; /* after the batch */
    enum err err;
    enum err refused; /* why the engine does not take the batch, when that is no stall */
    bool is_run;      /* only the commit is left to do */
    struct loop_timer retry;
    uint64_t began_ns;
};

struct shard {
    struct shard_node *node;
    struct shard_host *host;
    uint32_t group;

    /* Memory tables. */
    struct model *memory;
    struct engine *memory_engine;
    uint64_t memory_revision;
    uint64_t memory_bytes; /* as last counted into the node's sum */
    bool memory_has_begun;

    /* Disk tables; NULL without a journal. */
    struct model *disk;
    struct engine *disk_engine;
    struct consensus *consensus;
    struct work_queue pending; /* of this turn, or until the journal has room */
    size_t pending_bytes;
    struct list ordered; /* struct log_batch */
    size_t ordered_works;
    size_t ordered_bytes;
    bool is_dirty; /* on the host's list */
    struct shard *next_dirty;
    struct pending_ready readies[SHARD_READIES_MAX];
    uint32_t ready_head;
    uint32_t ready_count;
    bool has_open; /* a ready that the journal has not taken yet */
    struct consensus_ready open;
    bool owes_applied; /* consensus has not been told of `applied` */
    bool has_state;    /* a hard state that waits for the next entries */
    struct journal_state state;
    uint64_t last_index;          /* of the newest entry proposed */
    uint64_t committed;           /* may be applied up to here */
    struct model_applied applied; /* as applied; `members` in `member_bytes` */
    uint8_t member_bytes[1024];
    struct apply apply;
    uint64_t replay_to; /* recovery is over when applied.index reaches it */
    bool is_replayed;
    struct buf read_space;
    uint64_t pinned_bytes;     /* as last counted into the node's sum */
    _Atomic unsigned views[2]; /* pinned: of disk tables, of memory tables */
};

/* A state that is kept for a reader that comes back. */
struct shard_view {
    struct list link;        /* of its host's */
    struct shard_host *host; /* NULL: given back */
    struct shard *shard;
    struct reader reader; /* no engine: given back */
    uint64_t now_ms;      /* of the state */
    uint64_t used_ns;     /* last progress */
    size_t jobs;          /* that read it on workers */
    bool is_memory;
    bool is_ended;  /* is given back when no job reads it any more */
    bool is_closed; /* its reader is gone */
};

/* A state of a group that reads on workers share. */
struct cold_view {
    struct list link;
    struct shard *shard;
    struct reader reader;
    uint64_t index;
    size_t users;
};

/* Reads that wait for a worker: one group, one state. */
struct cold_reads {
    struct worker_job job;
    struct list link;
    struct shard_host *host;
    struct shard *shard;
    struct arena arena;
    struct cold_view *view;    /* or else `pinned` */
    struct shard_view *pinned; /* NULL: they read the state of the moment */
    struct step *steps;
    struct shard_work **works;
    size_t count;
};

struct upkeep;

struct shard_host {
    struct shard_node *node;
    struct loop *loop;
    uint32_t index;
    struct epoch_reader *reader;
    struct shard **shards; /* of this loop */
    size_t shard_count;
    size_t replaying; /* shards that are not replayed yet */

    struct work_queue run;     /* memory tables of this loop's groups, in order */
    struct work_queue reads;   /* published state of any group */
    struct work_queue refused; /* with their results; answered in the turn */
    struct work_queue late;    /* reads of disk tables that are left from the turn before */
    size_t viewless;           /* of `late`: for want of a view */
    struct loop_timer view_wait;
    struct shard *dirty; /* shards with `pending` */
    struct arena arena;  /* of the turn */
    struct random random;
    uint64_t now_ms;   /* of the turn; 0: not asked for yet */
    uint64_t durable;  /* ticket of the journal seen last */
    bool is_held_up;   /* the journal did not take the last append: once more */
    size_t cold_count; /* reads on workers */
    size_t jobs;       /* worker jobs under way */
    size_t ordering;   /* works being ordered, all shards */

    uint32_t *evictable; /* ids of tables; owned */
    size_t evictable_count;
    size_t evict_next;
    uint64_t room_asked; /* the node's, as last seen */
    uint64_t asked_ms;   /* when this loop last asked others for room */

    struct list cold_jobs;        /* struct cold_reads on workers */
    struct list cold_views;       /* struct cold_view, of these */
    struct list views;            /* struct shard_view, not given back */
    struct upkeep *upkeep;        /* on a worker; NULL: none */
    struct shard_work sweep_work; /* one sweep at a time */
    struct op sweep_op;
    struct result sweep_result;
    bool sweep_runs;
    bool is_quiet; /* no sweeps any more */
    size_t sweep_next;
    struct shard_stats stats;
};

struct shard_node {
    struct shard_config config;
    struct epoch epoch;
    struct node_clock clock;
    _Atomic(struct shard *) *shards;  /* [shards + 1], by group; set by the hosts */
    _Atomic(struct mailbox *) *wakes; /* of each loop */
    struct shard_host **hosts;        /* by loop; for shard_host_close() of a failed node */
    _Atomic unsigned views;           /* pinned */
    _Atomic uint64_t pinned_bytes;    /* what memory engines keep for views */
    _Atomic uint64_t leaving_bytes;   /* what was evicted last, and is perhaps still counted */
    _Atomic uint64_t *largest_views;  /* of each loop: what it keeps the most for, in bytes */
    _Atomic uint64_t trim_ns; /* when one is ended because all keep too much; 0: they do not */
    _Atomic uint64_t memory_bytes;
    _Atomic uint64_t room_asked; /* how often a loop that may not evict enough has asked others */
    _Atomic uint32_t unready;    /* groups that are not open and replayed yet */
    _Atomic bool has_failed;     /* shard_fail() was called: nothing is carried out any more */
    _Atomic bool is_full;        /* the disk has no room: writes that grow are refused */
};

/* Any thread. NULL while its host is not open. */
static inline struct shard *shard_at(const struct shard_node *n, uint32_t group)
{
    return atomic_load_explicit(&n->shards[group], memory_order_acquire);
}

static inline void work_push(struct work_queue *q, struct shard_work *w)
{
    w->next = NULL;
    if (q->tail == NULL) {
        q->head = w;
    } else {
        q->tail->next = w;
    }
    q->tail = w;
    q->count++;
}

static inline struct shard_work *work_pop(struct work_queue *q)
{
    struct shard_work *w = q->head;
    if (w != NULL) {
        q->head = w->next;
        if (q->head == NULL) {
            q->tail = NULL;
        }
        q->count--;
    }
    return w;
}

static inline void pending_push(struct shard *s, struct shard_work *w)
{
    w->pending_bytes = op_bytes(w->op);
    s->pending_bytes += w->pending_bytes;
    work_push(&s->pending, w);
}

static inline struct shard_work *pending_pop(struct shard *s)
{
    struct shard_work *w = work_pop(&s->pending);
    s->pending_bytes -= w == NULL ? 0 : w->pending_bytes;
    return w;
}

/* Ends a work without running it. */
static inline void work_refuse(struct shard_work *w, enum err e)
{
    *w->result = (struct result){.err = e};
    w->done(w);
}

/* False: the journal is behind or has no room; it wakes the loop when it goes on, or the next tick
 * does. */
static inline bool shard_may_order(const struct shard *s)
{
    return !s->has_open && s->ready_count < SHARD_READIES_MAX;
}

/* order.c: writes of a group get their place in its log. */
void shard_order(struct shard_host *h);
/* Takes what consensus has ready to the journal, all groups of the host in one append. */
void shard_persist(struct shard_host *h);
void shard_report_applied(struct shard *s);
/* The journal is durable further than before. */
void shard_on_durable(struct shard_host *h);

/* apply.c: what is committed changes the state. */
void shard_apply(struct shard *s);
/* Answers those who wait in vain for room on the disk. */
void shard_answer_stuck(struct shard *s);
struct log_batch *log_batch_new(void);
struct item *log_batch_add(struct log_batch *b);
void log_batch_free(struct log_batch *b);

/* recover.c */
MUST_CHECK enum err shard_open(struct shard_host *h, uint32_t group, struct shard **out,
                               struct err_why *why);
void shard_close(struct shard **s);
/* Puts entries first to last, which only the journal holds, in front of `ordered`. */
MUST_CHECK enum err shard_replay(struct shard *s, uint64_t first, uint64_t last,
                                 struct err_why *why);

/* read.c: reads `reads`, which lie in no queue, as far as one turn may; false: some are left. */
bool shard_read_disk(struct shard_host *h, struct work_queue *reads);

/* views.c: reads the state of the work's view, and answers. May answer ERR_WOULD_WAIT: then again
 * on a worker, between shard_view_use() and shard_view_unuse(). */
void shard_view_read(struct shard_host *h, struct step *step, const struct shard_work *w);
/* ERR_UNAVAILABLE: it was ended. */
MUST_CHECK enum err shard_view_check(const struct shard_view *v);
void shard_view_use(struct shard_view *v);
void shard_view_unuse(struct shard_view *v);
/* Once a second: ends those that make no progress or cost too much. */
void shard_views_check(struct shard_host *h);
/* Gives all back (the node has failed). */
void shard_forget_views(struct shard_host *h);

/* storage.c: the journal as consensus sees it. */
struct consensus_storage shard_storage(struct shard *s);

/* read.c, upkeep.c: forgets jobs that will never come back (the node has failed). */
void shard_forget_reads(struct shard_host *h);
void shard_forget_upkeep(struct shard_host *h);

/* upkeep.c */
void shard_upkeep(struct shard_host *h);
void shard_sweep(struct shard_host *h);
/* Makes room in memory for the works of `run`; true: growth is refused. */
bool shard_memory_is_full(struct shard_host *h);
/* Makes room because another loop has found nothing of its own that may go; true: there is
 * something to commit. */
bool shard_give_room(struct shard_host *h);

/* host.c: ERR_CANCELED or ERR_TIMEOUT when nobody waits for it any more. */
enum err shard_check_wanted(const struct shard_host *h, const struct shard_work *w);

/* host.c: true if the operation may need more room than it frees. */
bool op_may_grow(const struct op *op);

/* host.c: counts what the memory engine holds, and what it keeps for views, into the node's sums.
 */
void shard_count_memory(struct shard *s);

/* host.c: opens the writer of the memory model, once a turn. */
void shard_begin_memory(struct shard *s);

/* node.c: going on would be unsafe. */
void shard_fail(struct shard_node *n, const struct err_why *why);

#endif
