/* host.c - one loop's groups: the turn, and the way of memory tables.
 *
 * Order inside a turn: memory works run first, then reads of disk tables, then new writes
 * are ordered and given to the journal, then what has become durable is applied. A work's
 * `done` may submit more; the turn then goes on once, and asks for another. */
#include "base/check.h"
#include "base/mem.h"
#include "shard/shard_private.h"

#define TURN_ROUNDS_MAX 4

uint32_t shard_owner(const struct shard_node *n, uint32_t group)
{
    return group % n->config.loops;
}

uint64_t shard_now_ms(struct shard_host *h)
{
    if (h->now_ms == 0) {
        h->now_ms = node_clock_now(&h->node->clock, loop_now_ns(h->loop) / 1000000);
    }
    return h->now_ms;
}

uint64_t shard_random(struct shard_host *h)
{
    return random_next(&h->random);
}

static struct shard *own_shard(struct shard_host *h, uint32_t group)
{
    struct shard *s = shard_at(h->node, group);
    CHECK(s->host == h);
    return s;
}

enum err shard_check_wanted(const struct shard_host *h, const struct shard_work *w)
{
    if (w->is_canceled) {
        return ERR_CANCELED;
    }
    return w->deadline_ns != 0 && loop_now_ns(h->loop) >= w->deadline_ns ? ERR_TIMEOUT : ERR_OK;
}

static enum err admit(struct shard_host *h, const struct shard *s, const struct shard_work *w)
{
    const enum err e = shard_check_wanted(h, w);
    if (e != ERR_OK) {
        return e;
    }
    if (s->disk == NULL) {
        return ERR_NOT_FOUND; /* a node without a disk has no disk tables */
    }
    if (s->ordered_works + s->pending.count >= SHARD_WORKS_MAX ||
        s->ordered_bytes + s->pending_bytes >= SHARD_BYTES_MAX) {
        return ERR_BUSY;
    }
    return ERR_OK;
}

static void submit_ordered(struct shard_host *h, struct shard_work *w)
{
    struct shard *s = own_shard(h, w->group);
    const enum err e = admit(h, s, w);
    if (e != ERR_OK) { /* answered in the turn: never before this has returned */
        *w->result = (struct result){.err = e};
        work_push(&h->refused, w);
        return;
    }
    pending_push(s, w);
    h->ordering++;
    if (!s->is_dirty) {
        s->is_dirty = true;
        s->next_dirty = h->dirty;
        h->dirty = s;
    }
}

void shard_submit(struct shard_host *h, struct shard_work *w)
{
    CHECK(w->group <= h->node->config.shards);
    w->is_read = op_is_read(w->op);
    if (w->view != NULL) {
        CHECK(w->is_read);
        CHECK(!w->is_behind);
        work_push(&h->reads, w);
    } else if (w->is_memory) {
        const bool is_own = shard_at(h->node, w->group)->host == h;
        CHECK(is_own || (w->is_read && !w->is_behind));
        work_push(is_own ? &h->run : &h->reads, w);
    } else if (w->is_read && !w->is_behind) {
        work_push(&h->reads, w);
    } else {
        submit_ordered(h, w);
    }
}

/* ---- Memory tables ---- */

bool op_may_grow(const struct op *op)
{
    switch ((enum op_kind)op->kind) {
    case OP_PUT:
    case OP_COPY:
    case OP_APPEND:
    case OP_SET_RANGE:
    case OP_BIT_SET:
    case OP_BIT_FIELD:
    case OP_BIT_OP:
    case OP_ADD:
    case OP_ADD_FLOAT:
    case OP_SET_ADD:
    case OP_SET_STORE:
    case OP_LOG_APPEND:
        return true;
    case OP_TXN:
        for (uint32_t i = 0; i < op->op_count + op->else_op_count; i++) {
            if (op_may_grow(i < op->op_count ? &op->ops[i] : &op->else_ops[i - op->op_count])) {
                return true;
            }
        }
        return false;
    case OP_NONE:
    case OP_GET:
    case OP_STAT:
    case OP_EXPIRE:
    case OP_DELETE:
    case OP_RENAME:
    case OP_SET_REMOVE:
    case OP_SET_MOVE:
    case OP_SET_POP:
    case OP_SET_HAS:
    case OP_SET_RANDOM:
    case OP_SET_COMBINE:
    case OP_LOG_READ:
    case OP_RANGE:
    case OP_SET_RANGE_MEMBERS:
    case OP_LOG_RANGE:
    case OP_DELETE_RANGE:
    case OP_COUNT:
    case OP_RANDOM_KEY:
    case OP_TABLE_OPEN:
    case OP_TABLE_CLOSE:
    case OP_SWEEP:
    case OP_KIND_COUNT:
        break;
    }
    return false;
}

void shard_begin_memory(struct shard *s)
{
    if (!s->memory_has_begun) {
        model_begin(s->memory);
        s->memory_has_begun = true;
    }
}

void shard_count_memory(struct shard *s)
{
    const struct engine_stats stats = engine_stats(s->memory_engine);
    atomic_fetch_add_explicit(&s->node->memory_bytes, stats.used_bytes - s->memory_bytes,
                              memory_order_relaxed);
    s->memory_bytes = stats.used_bytes;
    atomic_fetch_add_explicit(&s->node->pinned_bytes, stats.pinned_bytes - s->pinned_bytes,
                              memory_order_relaxed);
    s->pinned_bytes = stats.pinned_bytes;
}

static void commit_memory(struct shard_host *h)
{
    for (size_t i = 0; i < h->shard_count; i++) {
        struct shard *s = h->shards[i];
        if (s->memory_has_begun) {
            s->memory_has_begun = false;
            const struct model_applied applied = {.index = ++s->memory_revision};
            const enum err e = model_commit(s->memory, &applied);
            CHECK(e == ERR_OK);
            shard_count_memory(s);
        }
    }
}

static void fill_step(struct shard_host *h, struct step *step, struct shard_work *w,
                      struct model *model)
{
    step->model = model;
    step->op = w->op;
    step->result = w->result;
    step->budget_bytes = w->budget_bytes;
    step->moment = (struct moment){.now_ms = shard_now_ms(h), .random = shard_random(h)};
}

/* Runs everything in `run` in its order; the works are answered after the commit. */
static void run_memory(struct shard_host *h)
{
    const size_t count = h->run.count;
    if (count == 0) {
        return;
    }
    const bool is_full = shard_memory_is_full(h);
    struct step *steps = arena_get(&h->arena, count * sizeof(*steps));
    struct work_queue done = h->run;
    h->run = (struct work_queue){0};
    size_t used = 0;
    for (struct shard_work *w = done.head; w != NULL; w = w->next) {
        struct shard *s = shard_at(h->node, w->group);
        enum err e = shard_check_wanted(h, w);
        if (e == ERR_OK && is_full && !w->is_read && op_may_grow(w->op)) {
            e = ERR_NO_SPACE;
        }
        if (e != ERR_OK) {
            *w->result = (struct result){.err = e};
            continue;
        }
        shard_begin_memory(s);
        fill_step(h, &steps[used], w, s->memory);
        steps[used].moment.revision = w->is_read ? 0 : ++s->memory_revision;
        used++;
    }
    if (used > 0) {
        const enum err e = model_run(steps, used, ENGINE_NO_WAIT, &h->arena);
        CHECK(e == ERR_OK); /* memory does not fail */
    }
    commit_memory(h);
    metric_add(&h->stats.works_memory, count);
    histogram_add(&h->stats.batch_works, count);
    for (struct shard_work *w = work_pop(&done); w != NULL; w = work_pop(&done)) {
        w->done(w);
    }
}

/* What one turn cannot read goes in front of the next one. */
static void read_or_leave(struct shard_host *h, struct work_queue *reads)
{
    if (!shard_read_disk(h, reads)) {
        while (reads->count > 0 && h->late.count + h->cold_count < SHARD_READS_MAX) {
            work_push(&h->late, work_pop(reads));
        }
        while (reads->count > 0) {
            work_refuse(work_pop(reads), ERR_BUSY);
        }
    }
}

/* Published state of memory engines of other loops, and of disk engines. */
static void run_reads(struct shard_host *h)
{
    struct work_queue disk = {0};
    struct work_queue reads = h->reads;
    h->reads = (struct work_queue){0};
    struct step *steps = arena_get(&h->arena, (reads.count + 1) * sizeof(*steps));
    struct work_queue memory = {0};
    size_t used = 0;
    for (struct shard_work *w = work_pop(&reads); w != NULL; w = work_pop(&reads)) {
        if (!w->is_memory) {
            work_push(&disk, w);
            continue;
        }
        work_push(&memory, w);
        const enum err e = shard_check_wanted(h, w);
        if (e != ERR_OK) {
            *w->result = (struct result){.err = e};
            continue;
        }
        fill_step(h, &steps[used], w, shard_at(h->node, w->group)->memory);
        if (w->view != NULL) {
            shard_view_read(h, &steps[used], w);
            continue;
        }
        used++;
    }
    if (used > 0) {
        model_read(steps, used, ENGINE_NO_WAIT, &h->arena);
    }
    for (struct shard_work *w = work_pop(&memory); w != NULL; w = work_pop(&memory)) {
        w->done(w);
    }
    if (disk.count > 0) {
        read_or_leave(h, &disk);
    }
}

static bool collect(struct shard_host *h)
{
    bool is_more = false;
    for (size_t i = 0; i < h->shard_count; i++) {
        struct shard *s = h->shards[i];
        is_more = engine_collect(s->memory_engine, 256) || is_more;
        if (s->pinned_bytes > 0) { /* perhaps less now */
            shard_count_memory(s);
        }
    }
    return is_more;
}

void shard_relieve(struct shard_host *h)
{
    /* Reads that could not all be made are bounded for the whole turn. */
    const bool has_reads = h->reads.count >= SHARD_GATHER_MAX && h->late.count == 0;
    if ((h->run.count < SHARD_GATHER_MAX && !has_reads) || shard_node_has_failed(h->node)) {
        return;
    }
    epoch_quiet(&h->node->epoch, h->reader);
    run_memory(h);
    if (has_reads) {
        run_reads(h);
    }
    arena_reset(&h->arena);
    epoch_idle(h->reader);
}

/* Writes that may be ordered now: for the others there is nothing to do but to wait. */
static bool has_writes(const struct shard_host *h)
{
    const struct shard *s = h->dirty;
    while (s != NULL && !shard_may_order(s)) {
        s = s->next_dirty;
    }
    return s != NULL;
}

/* Handed over and not begun. */
static bool has_work(const struct shard_host *h)
{
    return h->run.count + h->reads.count + h->refused.count > 0 || has_writes(h);
}

/* Reads that the turn before has left see nothing later than it: they come before what has become
 * durable since is applied. False: some are still left. */
static bool read_late(struct shard_host *h)
{
    h->viewless = 0;
    return h->late.count == 0 || shard_read_disk(h, &h->late);
}

static void answer_refused(struct shard_host *h)
{
    struct work_queue refused = h->refused;
    h->refused = (struct work_queue){0};
    for (struct shard_work *w = work_pop(&refused); w != NULL; w = work_pop(&refused)) {
        w->done(w);
    }
}

bool shard_turn(struct shard_host *h)
{
    if (atomic_load_explicit(&h->node->has_failed, memory_order_relaxed)) {
        return false;
    }
    epoch_quiet(&h->node->epoch, h->reader);
    if (h->node->config.journal != NULL && read_late(h)) {
        shard_on_durable(h);
        if (h->replaying > 0) {
            shard_persist(h);
        }
    }
    for (int round = 0; round < TURN_ROUNDS_MAX; round++) {
        if (!has_work(h)) {
            break;
        }
        answer_refused(h);
        run_memory(h);
        if (h->reads.count > 0) {
            run_reads(h);
        }
        if (h->dirty != NULL) {
            shard_order(h);
        }
    }
    if (shard_give_room(h)) {
        commit_memory(h);
    }
    const bool is_more = collect(h);
    arena_reset(&h->arena);
    metric_set(&h->stats.ordered_now, h->ordering);
    h->now_ms = 0; /* callbacks between turns look at the clock anew */
    epoch_idle(h->reader);
    return is_more || h->late.count > h->viewless || has_work(h);
}

bool shard_has_reads(const struct shard_host *h)
{
    return h->reads.count + h->late.count > 0;
}

bool shard_is_idle(const struct shard_host *h)
{
    return h->ordering == 0 && h->jobs == 0 && h->late.count == 0 && !has_work(h);
}

const struct shard_stats *shard_host_stats(const struct shard_host *h)
{
    return &h->stats;
}

void shard_set_evictable(struct shard_host *h, const uint32_t *tables, size_t count)
{
    h->evictable = mem_resize(h->evictable, (count + 1) * sizeof(*tables));
    h->evictable_count = count;
    memcpy(h->evictable, tables, count * sizeof(*tables));
}

static void on_wake(void *arg, struct letter *letter)
{
    (void)arg;
    (void)letter;
    UNREACHABLE("a host gets no letters, only wake-ups");
}

enum err shard_host_open(struct shard_node *n, struct loop *l, uint32_t loop_index,
                         struct shard_host **out, struct err_why *why)
{
    struct shard_host *h = mem_zero(1, sizeof(*h));
    h->node = n;
    h->loop = l;
    h->index = loop_index;
    h->random.state = n->config.seed + loop_index;
    list_init(&h->cold_jobs);
    list_init(&h->cold_views);
    list_init(&h->views);
    h->reader = epoch_join(&n->epoch);
    h->shards = mem_zero(n->config.shards + 1, sizeof(struct shard *));
    struct mailbox *wake = NULL;
    enum err e = mailbox_open(l, on_wake, h, &wake, why);
    atomic_store(&n->wakes[loop_index], wake);
    for (uint32_t g = loop_index; g <= n->config.shards && e == ERR_OK; g += n->config.loops) {
        e = shard_open(h, g, &h->shards[h->shard_count], why);
        h->shard_count += e == ERR_OK ? 1 : 0;
    }
    epoch_idle(h->reader);
    n->hosts[loop_index] = h;
    if (e != ERR_OK) {
        shard_host_close(&h);
        return e;
    }
    *out = h;
    return ERR_OK;
}

/* What is under way on any loop may hold the engines of this one. */
static void forget_all(struct shard_node *n)
{
    for (uint32_t i = 0; i < n->config.loops; i++) {
        if (n->hosts[i] != NULL) {
            shard_forget_reads(n->hosts[i]);
            shard_forget_upkeep(n->hosts[i]);
            shard_forget_views(n->hosts[i]);
        }
    }
}

void shard_host_close(struct shard_host **host)
{
    struct shard_host *h = *host;
    if (h == NULL) {
        return;
    }
    if (atomic_load(&h->node->has_failed)) {
        forget_all(h->node);
    } else {
        CHECK(shard_is_idle(h));
        CHECK(list_empty(&h->views));
    }
    h->node->hosts[h->index] = NULL;
    loop_timer_stop(&h->view_wait);
    struct mailbox *wake = atomic_exchange(&h->node->wakes[h->index], NULL);
    if (wake != NULL) {
        mailbox_close(&wake);
    }
    for (size_t i = 0; i < h->shard_count; i++) {
        shard_close(&h->shards[i]);
    }
    epoch_leave(h->reader);
    arena_deinit(&h->arena);
    mem_free(h->evictable);
    mem_free(h->shards);
    mem_free(h);
    *host = NULL;
}
