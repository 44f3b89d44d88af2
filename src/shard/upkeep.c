/* upkeep.c - what must be done now and then: the clock, expiry, room in memory and on disk.
 *
 * On a worker, one job per loop: which entries does each engine hold durably? Back on the
 * loop these are forgotten by the journal; loop 0's job also gives segments back and
 * prepares the next one. A group that holds up the oldest segment is flushed. */
#include "base/check.h"
#include "base/mem.h"
#include "base/planted.h"
#include "shard/shard_private.h"

#define SWEEP_ROWS      500
#define SEGMENTS_BEHIND 2      /* more of them: flush who pins the oldest */
#define REPLAY_MAX      400000 /* entries of all groups that a start may have to replay */
#define EVICT_ROWS      512    /* looked at before the next table's turn */
#define EVICT_PASSES    256    /* over all tables in one turn: at first everything counts as used */
#define EVICT_BYTES     ((size_t)256 << 10) /* freed besides what a turn adds */

/* Durable indexes, found by the worker. */
struct durable_index {
    uint64_t index; /* 0: unknown */
};

struct upkeep {
    struct worker_job job;
    struct shard_host *host;
    struct durable_index *found; /* per shard of the host */
    bool is_keeper;              /* looks after the journal too */
    enum err prepared;
};

static uint64_t durable_index(struct shard *s)
{
    struct arena arena = {0};
    struct record record;
    struct model_applied applied = {0};
    uint64_t index = 0;
    if (disk_durable_get(s->disk_engine, model_applied_key(), &arena, &record) == ERR_OK &&
        model_applied_decode(record.value, &applied) == ERR_OK) {
        index = planted("compact-early") ? s->applied.index : applied.index;
    }
    arena_deinit(&arena);
    return index;
}

static void on_upkeep_work(void *arg)
{
    struct upkeep *u = arg;
    struct shard_host *h = u->host;
    struct journal *j = h->node->config.journal;
    struct err_why why = {0};
    for (size_t i = 0; i < h->shard_count; i++) {
        u->found[i].index = durable_index(h->shards[i]);
    }
    if (!u->is_keeper) {
        return;
    }
    if (journal_needs_reclaim(j) && journal_reclaim(j, &why) != ERR_OK) {
        log_warn(h->node->config.log, "journal", "cannot give segments back",
                 F_TEXT("why", why.text));
    }
    u->prepared = journal_prepare(j, &why);
}

/* Writes are accepted again once the journal has room and the engine takes batches. */
static void note_room(struct shard_host *h, enum err prepared)
{
    struct shard_node *n = h->node;
    const bool was_full = atomic_load(&n->is_full);
    const bool is_full = prepared == ERR_NO_SPACE || disk_pressure(n->config.store) == DISK_FULL;
    if (is_full != was_full) {
        atomic_store(&n->is_full, is_full);
        if (is_full) {
            log_error(n->config.log, "shard", "low on disk space: writes that grow are refused");
        } else {
            log_info(n->config.log, "shard", "there is room on the disk again");
        }
    }
}

/* An earlier flush that still runs is as good; a full disk has been told of. */
static bool is_flushed(enum err e)
{
    return e == ERR_OK || e == ERR_BUSY || e == ERR_NO_SPACE;
}

static void flush(struct shard *s)
{
    if (s != NULL && s->disk_engine != NULL && !is_flushed(disk_flush(s->disk_engine, false))) {
        log_warn(s->node->config.log, "shard", "cannot flush a group", F_U64("group", s->group));
    }
}

/* What the engine does not hold durably is replayed at the next start: this bounds its time. When
 * the disk is low it is flushed at once, so that what was deleted and old segments can go. */
static void flush_far_behind(struct shard *s, uint64_t durable)
{
    const bool is_low = atomic_load(&s->node->is_full) &&
                        disk_pressure(s->node->config.store) == DISK_FINE; /* it has room for it */
    if (s->applied.index > durable + (is_low ? 0 : REPLAY_MAX / s->node->config.shards)) {
        flush(s);
    }
}

static void flush_pinning(struct shard_host *h)
{
    uint32_t group = 0;
    uint64_t behind = 0;
    if (!journal_pinned_by(h->node->config.journal, &group, &behind) || behind <= SEGMENTS_BEHIND) {
        return;
    }
    flush(shard_at(h->node, group));
}

static void free_upkeep(struct upkeep *u)
{
    mem_free(u->found);
    mem_free(u);
}

void shard_forget_upkeep(struct shard_host *h)
{
    if (h->upkeep != NULL) {
        free_upkeep(h->upkeep);
        h->upkeep = NULL;
    }
}

static void on_upkeep_done(void *arg)
{
    struct upkeep *u = arg;
    struct shard_host *h = u->host;
    struct journal *j = h->node->config.journal;
    h->jobs--;
    h->upkeep = NULL;
    for (size_t i = 0; i < h->shard_count; i++) {
        struct shard *s = h->shards[i];
        uint64_t first = 0;
        uint64_t last = 0;
        journal_range(j, s->group, &first, &last);
        if (u->found[i].index >= first && u->found[i].index <= last) {
            journal_compact(j, s->group, u->found[i].index);
        }
        flush_far_behind(s, u->found[i].index);
    }
    if (u->is_keeper) {
        note_room(h, u->prepared);
        flush_pinning(h);
    }
    free_upkeep(u);
}

void shard_upkeep(struct shard_host *h)
{
    if (h->node->config.journal == NULL || h->upkeep != NULL) {
        return;
    }
    struct upkeep *u = mem_zero(1, sizeof(*u));
    u->host = h;
    u->found = mem_zero(h->shard_count, sizeof(*u->found));
    u->is_keeper = h->index == 0;
    u->job = (struct worker_job){.work = on_upkeep_work, .done = on_upkeep_done, .arg = u};
    h->upkeep = u;
    h->jobs++;
    worker_submit(h->node->config.pool, h->loop, &u->job);
}

/* ---- Expiry ---- */

static void on_swept(struct shard_work *w)
{
    struct shard_host *h = container_of(w, struct shard_host, sweep_work);
    h->sweep_runs = false;
    if (h->sweep_result.err == ERR_OK) {
        metric_add(&h->stats.expired, h->sweep_result.count);
        h->sweep_next -= h->sweep_result.is_more ? 1 : 0;
    }
    shard_sweep(h);
}

/* The next model of this host that has something to sweep: memory and disk in turn. */
void shard_sweep(struct shard_host *h)
{
    if (h->sweep_runs || h->is_quiet || h->replaying > 0) {
        return;
    }
    for (; h->sweep_next < 2 * h->shard_count; h->sweep_next++) {
        struct shard *s = h->shards[h->sweep_next / 2];
        const bool is_memory = h->sweep_next % 2 == 0;
        struct model *m = is_memory ? s->memory : s->disk;
        if (m == NULL || (!is_memory && s->apply.state != APPLY_IDLE) ||
            !model_wants_sweep(m, shard_now_ms(h))) {
            continue;
        }
        h->sweep_next++;
        h->sweep_runs = true;
        h->sweep_op = (struct op){.kind = OP_SWEEP, .limit = SWEEP_ROWS};
        h->sweep_work = (struct shard_work){.op = &h->sweep_op,
                                            .result = &h->sweep_result,
                                            .done = on_swept,
                                            .group = s->group,
                                            .is_memory = is_memory};
        shard_submit(h, &h->sweep_work);
        loop_again(h->loop);
        return;
    }
}

void shard_quiesce(struct shard_host *h)
{
    h->is_quiet = true;
}

void shard_tick(struct shard_host *h)
{
    struct shard_node *n = h->node;
    if (h->index == 0) {
        const int64_t ahead_ms =
            node_clock_slew(&n->clock, loop_now_ns(h->loop) / 1000000, loop_wall_ms(h->loop));
        if (ahead_ms > CLOCK_JUMP_MS || ahead_ms < -CLOCK_JUMP_MS) {
            log_warn(n->config.log, "shard", "the node's clock is apart from the wall clock",
                     F_I64("ahead_ms", ahead_ms));
        }
        if (n->config.journal != NULL) {
            journal_mark_idle(n->config.journal);
        }
    }
    h->now_ms = 0;
    for (size_t i = 0; i < h->shard_count && n->config.journal != NULL; i++) {
        shard_answer_stuck(h->shards[i]);
    }
    for (size_t i = 0; i < h->shard_count; i++) {
        shard_count_memory(h->shards[i]);
    }
    shard_views_check(h);
    shard_upkeep(h);
    if (!h->sweep_runs) {
        h->sweep_next = 0;
        epoch_quiet(&n->epoch, h->reader);
        shard_sweep(h);
        epoch_idle(h->reader);
    }
}

/* ---- Room in memory ---- */

static size_t evict_from(struct shard_host *h, struct shard *s, uint32_t table, size_t bytes)
{
    const uint64_t count = model_count(s->memory, table);
    shard_begin_memory(s);
    const struct moment moment = {
        .now_ms = shard_now_ms(h), .random = shard_random(h), .revision = ++s->memory_revision};
    const size_t freed = model_evict(s->memory, table, bytes, EVICT_ROWS, &moment);
    metric_add(&h->stats.evicted, count - model_count(s->memory, table));
    return freed;
}

/* From each table of each shard in turn. */
static size_t evict(struct shard_host *h, size_t bytes)
{
    const size_t places = h->shard_count * h->evictable_count;
    size_t freed = 0;
    size_t empty = 0; /* places passed in a row */
    for (size_t i = 0; i < places * EVICT_PASSES && freed < bytes && empty < places; i++) {
        const size_t at = h->evict_next++ % places;
        struct shard *s = h->shards[at / h->evictable_count];
        const uint32_t table = h->evictable[at % h->evictable_count];
        const bool is_empty = model_count(s->memory, table) == 0;
        empty = is_empty ? empty + 1 : 0;
        freed += is_empty ? 0 : evict_from(h, s, table, bytes - freed);
    }
    atomic_store_explicit(&h->node->leaving_bytes, freed, memory_order_relaxed);
    return freed;
}

/* Wakes the other loops, at most once a millisecond. */
static void ask_for_room(struct shard_host *h)
{
    if (h->asked_ms != shard_now_ms(h)) {
        h->asked_ms = shard_now_ms(h);
        h->room_asked = atomic_fetch_add(&h->node->room_asked, 1) + 1;
        shard_node_notify(h->node);
    }
}

/* About what the works of `run` add. */
static size_t coming_bytes(const struct shard_host *h)
{
    size_t bytes = 0;
    for (const struct shard_work *w = h->run.head; w != NULL; w = w->next) {
        bytes += w->is_read ? 0 : op_bytes(w->op);
    }
    return bytes;
}

/* What is kept for views has a limit of its own: to evict for its sake would only move more there.
 * And what was evicted last is given back, or counted as kept, some turns later: until then no
 * more is evicted for the same bytes. */
static bool is_over(struct shard_host *h)
{
    struct shard_node *n = h->node;
    const uint64_t kept = atomic_load_explicit(&n->pinned_bytes, memory_order_relaxed);
    const uint64_t most = n->config.memory_max + kept;
    const uint64_t bytes = shard_memory_bytes(n);
    if (bytes <= most) {
        atomic_store_explicit(&n->leaving_bytes, 0, memory_order_relaxed);
        return false;
    }
    return bytes - most > atomic_load_explicit(&n->leaving_bytes, memory_order_relaxed);
}

bool shard_memory_is_full(struct shard_host *h)
{
    if (!is_over(h)) {
        return false;
    }
    if (h->evictable_count == 0) {
        return true;
    }
    if (evict(h, EVICT_BYTES + coming_bytes(h)) > 0) {
        return false;
    }
    ask_for_room(h);
    return true;
}

bool shard_give_room(struct shard_host *h)
{
    const uint64_t asked = atomic_load_explicit(&h->node->room_asked, memory_order_relaxed);
    if (h->room_asked == asked) {
        return false;
    }
    h->room_asked = asked;
    if (!is_over(h) || h->evictable_count == 0) {
        return false;
    }
    (void)evict(h, EVICT_BYTES);
    return true;
}
