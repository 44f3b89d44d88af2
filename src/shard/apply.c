/* apply.c - what is committed changes the state, in order, one batch of a group at a time.
 *
 *   IDLE ─► gather ─► all at hand? ─► run, commit on the loop ──────────────► finish ─► IDLE
 *                       └ no ─► ON_WORKER: run, commit on a worker ───────────┘
 *                                  commit refused (stalled, full) ─► RETRY ─► commit ─┘
 *
 * A batch that finds or answers more than SHARD_APPLY_BYTES_MAX ends there; what is left of it is
 * given back, and begins the next one.
 *
 * While the engine or the journal takes nothing for want of room, who waits for longer than a
 * while is told that the outcome is unknown: what is ordered happens when there is room again.
 *
 * An entry is always read from its bytes, so a replay years later does the same. */
#include "base/check.h"
#include "base/mem.h"
#include "base/planted.h"
#include "model/command.h"
#include "shard/shard_private.h"

#define RETRY_STALLED_MS 1
#define RETRY_FULL_MS    100
#define RETRY_DAMAGED_MS 1000
#define WAIT_NS          3000000000ULL     /* for room on the disk */
#define UNASKED_BYTES    ((size_t)1 << 20) /* of an answer that nobody waits for */
#define RUN_FIRST        4 /* steps that are run before it is looked at how large they are */

static struct log_batch *first_batch(struct shard *s)
{
    return list_empty(&s->ordered) ? NULL : container_of(s->ordered.next, struct log_batch, link);
}

/* Entries that are committed but not in memory come from the journal, some at a time. */
static bool fill_gap(struct shard *s)
{
    const uint64_t next = s->applied.index + 1;
    const struct log_batch *b = first_batch(s);
    uint64_t last = s->committed;
    if (b != NULL) {
        const struct item *i = &b->items[b->next];
        const uint64_t first_held = i->index + (i->is_entry ? 0 : 1);
        last = first_held - 1 < last ? first_held - 1 : last;
    }
    if (next > last) {
        return false;
    }
    last = last - next >= SHARD_APPLY_MAX ? next + SHARD_APPLY_MAX - 1 : last;
    struct err_why why = {0};
    if (shard_replay(s, next, last, &why) != ERR_OK) {
        shard_fail(s->node, &why);
        return false;
    }
    return true;
}

static void add_step(struct shard *s, const struct item *i, const struct op *op,
                     struct moment moment)
{
    struct apply *a = &s->apply;
    struct shard_work *w = i->work;
    a->works[a->count] = w;
    a->places[a->count] = a->at;
    a->steps[a->count] = (struct step){.model = s->disk,
                                       .op = op,
                                       .moment = moment,
                                       .result = w != NULL ? w->result : &a->results[a->count],
                                       .budget_bytes = w != NULL ? w->budget_bytes : UNASKED_BYTES};
    a->count++;
}

/* A committed entry that cannot be understood: the journal's checksum was right, so it was written
 * so, by a newer version or by a defect of ours. */
static void add_entry(struct shard *s, const struct log_batch *b, const struct item *i)
{
    struct command *c = arena_get(&s->apply.arena, sizeof(*c));
    const struct slice bytes = {b->bytes.data + i->offset, i->size};
    struct err_why why = {0};
    if (command_decode(bytes, &s->apply.arena, c, &why) != ERR_OK) {
        shard_fail(s->node, &why);
        return;
    }
    if (c->stamp_ms > s->apply.applied.stamp_ms) {
        s->apply.applied.stamp_ms = c->stamp_ms;
    }
    if (planted("apply-twice") && !s->is_replayed && s->apply.count + 1 < SHARD_APPLY_MAX) {
        add_step(s, i, &c->op, (struct moment){.now_ms = c->stamp_ms, .revision = i->index});
    }
    add_step(s, i, &c->op,
             (struct moment){.now_ms = c->stamp_ms, .revision = i->index, .random = c->random});
}

static void add_item(struct shard *s, const struct log_batch *b, const struct item *i)
{
    if (i->is_entry) {
        s->apply.applied.index = i->index;
        s->apply.applied.term = b->term;
        if (i->size > 0) { /* else the mark of a new leader */
            add_entry(s, b, i);
        }
    } else if (i->work != NULL) {
        const uint64_t now_ms = shard_now_ms(s->host);
        add_step(s, i, i->work->op,
                 (struct moment){.now_ms = now_ms, .random = shard_random(s->host)});
    }
}

/* Collects the next items that are committed. False: there are none. */
static bool gather(struct shard *s)
{
    struct apply *a = &s->apply;
    if (planted("skip-replay") && !s->is_replayed) {
        s->applied.index = s->replay_to > s->applied.index ? s->replay_to : s->applied.index;
    }
    if (s->committed > s->applied.index) {
        (void)fill_gap(s);
    }
    a->applied = s->applied;
    a->count = 0;
    bool is_any = false;
    for (struct list *l = s->ordered.next; l != &s->ordered; l = l->next) {
        struct log_batch *b = container_of(l, struct log_batch, link);
        for (; b->next < b->item_count; b->next++) {
            const struct item *i = &b->items[b->next];
            if (i->index > s->committed || a->count == SHARD_APPLY_MAX) {
                return is_any;
            }
            CHECK(!i->is_entry || i->index == a->applied.index + 1);
            a->at = (struct apply_place){b, b->next, a->applied};
            add_item(s, b, i);
            is_any = true;
        }
    }
    return is_any;
}

static bool changes_anything(const struct shard *s)
{
    return s->apply.applied.index > s->applied.index;
}

/* Bytes that the batch holds of what it has found and answered. */
static size_t held_bytes(const struct shard *s)
{
    return s->apply.arena.used_bytes + engine_batch_bytes(s->disk_engine);
}

/* Runs the gathered steps, or the first of them. */
static enum err run_steps(struct shard *s, enum engine_wait wait)
{
    struct apply *a = &s->apply;
    const size_t config = s->node->config.apply_bytes;
    const size_t max = config == 0 ? SHARD_APPLY_BYTES_MAX : config;
    enum err e = model_prepare(a->steps, a->count, wait);
    const size_t before = held_bytes(s);
    size_t room = RUN_FIRST;
    size_t count = 0;
    for (size_t done = 0; e == ERR_OK && done < a->count; done += count) {
        const size_t held = held_bytes(s) - before;
        if (done > 0 && held > max) {
            a->left = a->places[done];
            a->has_left = true;
            a->applied = a->left.before;
            a->count = done;
            break;
        }
        room = held > max / 4 ? 1 : room;
        count = room < a->count - done ? room : a->count - done;
        room = room < ENGINE_BATCH_MAX ? room * 2 : room;
        e = model_run(a->steps + done, count, wait, &a->arena);
    }
    return e;
}

/* Runs and commits the gathered batch. After ERR_WOULD_WAIT nothing has happened. */
static enum err run(struct shard *s, enum engine_wait wait)
{
    struct apply *a = &s->apply;
    enum err e = ERR_OK;
    if (!a->is_run) {
        model_begin(s->disk);
        e = run_steps(s, wait);
        if (e != ERR_OK) {
            model_abort(s->disk);
            return e;
        }
        a->is_run = true;
    }
    if (changes_anything(s)) {
        e = model_commit(s->disk, &a->applied);
    } else {
        model_abort(s->disk);
    }
    a->is_run = e != ERR_OK;
    return e;
}

static void free_applied(struct shard *s)
{
    struct log_batch *b = first_batch(s);
    while (b != NULL && b->next == b->item_count) {
        s->ordered_works -= b->item_count;
        s->ordered_bytes -= b->bytes.size;
        log_batch_free(b);
        b = first_batch(s);
    }
}

static void check_replay(struct shard *s)
{
    if (!s->is_replayed && s->applied.index >= s->replay_to && s->committed > s->replay_to) {
        s->is_replayed = true;
        s->host->replaying--;
        atomic_fetch_sub(&s->node->unready, 1);
    }
}

static void finish(struct shard *s)
{
    struct apply *a = &s->apply;
    struct shard_host *h = s->host;
    if (changes_anything(s)) {
        s->applied = a->applied;
        shard_report_applied(s);
        node_clock_raise(&s->node->clock, s->applied.stamp_ms);
        check_replay(s);
    }
    histogram_add(&h->stats.apply_us, (loop_now_ns(h->loop) - a->began_ns) / 1000);
    metric_add(&h->stats.applied, a->count);
    a->state = APPLY_IDLE;
    a->refused = ERR_OK;
    for (size_t i = 0; i < a->count; i++) {
        if (a->works[i] != NULL) {
            h->ordering--;
            a->works[i]->done(a->works[i]);
        }
    }
    free_applied(s);
    arena_reset(&a->arena);
}

static void on_worker(void *arg)
{
    struct shard *s = arg;
    s->apply.err = run(s, ENGINE_MAY_WAIT);
}

static void on_retry(void *arg);

/* The engine does not take the batch now. What it holds stays; reads go on. */
static void retry(struct shard *s, enum err e)
{
    struct shard_host *h = s->host;
    struct apply *a = &s->apply;
    a->state = APPLY_RETRY;
    if (e != ERR_BUSY) {
        a->refused = e;
    }
    if (e == ERR_NO_SPACE && !atomic_exchange(&s->node->is_full, true)) {
        log_error(s->node->config.log, "shard", "the disk is full: writes are refused",
                  F_U64("group", s->group));
    }
    if (e == ERR_IO || e == ERR_CORRUPT) {
        log_error(s->node->config.log, "shard", "the engine cannot take a batch; trying again",
                  F_U64("group", s->group), F_TEXT("error", err_name(e)));
    }
    const uint64_t delay_ms = e == ERR_BUSY       ? RETRY_STALLED_MS
                              : e == ERR_NO_SPACE ? RETRY_FULL_MS
                                                  : RETRY_DAMAGED_MS;
    loop_timer_start(h->loop, &a->retry, delay_ms, on_retry, s);
}

/* What had no room in the batch is gathered again. */
static void give_back(struct shard *s)
{
    struct apply *a = &s->apply;
    if (!a->has_left) {
        return;
    }
    a->has_left = false;
    a->left.batch->next = a->left.item;
    for (struct list *l = a->left.batch->link.next; l != &s->ordered; l = l->next) {
        container_of(l, struct log_batch, link)->next = 0;
    }
}

static void settle(struct shard *s, enum err e)
{
    give_back(s);
    if (e != ERR_OK) {
        retry(s, e);
        return;
    }
    finish(s);
}

/* The job comes back between turns: the rest is done in the next one. */
static void on_worker_done(void *arg)
{
    struct shard *s = arg;
    s->host->jobs--;
    settle(s, s->apply.err);
    shard_apply(s);
}

static void to_worker(struct shard *s)
{
    s->apply.state = APPLY_ON_WORKER;
    s->apply.job = (struct worker_job){.work = on_worker, .done = on_worker_done, .arg = s};
    s->host->jobs++;
    worker_submit(s->node->config.pool, s->host->loop, &s->apply.job);
}

static void on_retry(void *arg)
{
    struct shard *s = arg;
    if (s->host->is_quiet && s->host->ordering == 0) {
        return; /* the node stops and nobody waits: the journal has it */
    }
    to_worker(s);
}

void shard_apply(struct shard *s)
{
    while (s->apply.state == APPLY_IDLE && gather(s)) {
        s->apply.began_ns = loop_now_ns(s->host->loop);
        const enum err e = run(s, ENGINE_NO_WAIT);
        if (e == ERR_WOULD_WAIT) {
            to_worker(s);
        } else {
            settle(s, e);
        }
    }
}

/* ---- No room ---- */

/* Reads leave the batch, writes stay in it without their work. */
static void release_batch(struct shard *s, struct work_queue *out)
{
    struct apply *a = &s->apply;
    size_t kept = 0;
    for (size_t i = 0; i < a->count; i++) {
        struct shard_work *w = a->works[i];
        if (w != NULL) {
            work_push(out, w);
            a->places[i].batch->items[a->places[i].item].work = NULL;
        }
        if (w == NULL || !w->is_read) {
            a->places[kept] = a->places[i];
            a->steps[kept] = a->steps[i];
            a->steps[kept].result = &a->results[kept];
            a->works[kept] = NULL;
            kept++;
        }
    }
    a->count = kept;
}

/* Whoever waits for something that is ordered. */
static void release_ordered(struct shard *s, struct work_queue *out)
{
    if (s->apply.state == APPLY_RETRY) {
        release_batch(s, out);
    }
    for (struct list *l = s->ordered.next; l != &s->ordered; l = l->next) {
        struct log_batch *b = container_of(l, struct log_batch, link);
        for (size_t i = b->next; i < b->item_count; i++) {
            if (b->items[i].work != NULL) {
                work_push(out, b->items[i].work);
                b->items[i].work = NULL;
            }
        }
    }
}

static bool lacks_room(const struct shard *s)
{
    return s->apply.refused != ERR_OK || atomic_load(&s->node->is_full) ||
           journal_is_low(s->node->config.journal);
}

void shard_answer_stuck(struct shard *s)
{
    const struct log_batch *b = first_batch(s);
    if (b == NULL || s->apply.state == APPLY_ON_WORKER || !lacks_room(s) ||
        loop_now_ns(s->host->loop) - b->ordered_ns < WAIT_NS) {
        return;
    }
    struct work_queue ordered = {0};
    struct work_queue pending = s->pending;
    s->pending = (struct work_queue){0};
    s->pending_bytes = 0;
    release_ordered(s, &ordered);
    for (struct shard_work *w = work_pop(&ordered); w != NULL; w = work_pop(&ordered)) {
        s->host->ordering--;
        work_refuse(w, w->is_read ? ERR_UNAVAILABLE : ERR_UNKNOWN_OUTCOME);
    }
    for (struct shard_work *w = work_pop(&pending); w != NULL; w = work_pop(&pending)) {
        s->host->ordering--;
        work_refuse(w, w->is_read ? ERR_UNAVAILABLE : ERR_NO_SPACE);
    }
}
