/* order.c - how writes of a group get their place in its log, and the log its place on disk.
 *
 *   pending ─► encode ─► consensus_propose ─► ready ─► journal_append ─► (sync)
 *                                                          │ ticket
 *   apply ◄── committed ◄── ready ◄── consensus_persisted ◄┘ journal_durable
 *
 * All groups of a loop go to the journal in one append. When the journal is behind
 * (ERR_BUSY) or has no room at the moment (ERR_NO_SPACE) the readies stay open and new works stay
 * pending until it has caught up. */
#include "base/check.h"
#include "base/mem.h"
#include "base/planted.h"
#include "model/command.h"
#include "shard/shard_private.h"

#define ORDER_BYTES_MAX (JOURNAL_GATHER_MAX / 4) /* of entries in one turn of a loop */

struct log_batch *log_batch_new(void)
{
    struct log_batch *b = mem_zero(1, sizeof(*b));
    list_init(&b->link);
    return b;
}

struct item *log_batch_add(struct log_batch *b)
{
    if (b->item_count == b->item_capacity) {
        b->item_capacity = b->item_capacity == 0 ? 16 : b->item_capacity * 2;
        b->items = mem_resize(b->items, b->item_capacity * sizeof(*b->items));
    }
    struct item *i = &b->items[b->item_count++];
    *i = (struct item){0};
    return i;
}

void log_batch_free(struct log_batch *b)
{
    list_remove(&b->link);
    buf_deinit(&b->bytes);
    mem_free(b->items);
    mem_free(b);
}

static enum err admit(struct shard *s, const struct shard_work *w)
{
    const enum err e = shard_check_wanted(s->host, w);
    if (e != ERR_OK || w->is_read) {
        return e;
    }
    if (s->apply.refused != ERR_OK) {
        return s->apply.refused;
    }
    /* The catalogue is small, and without it there would be no tables to delete from. */
    const bool is_low = s->group != 0 &&
                        (atomic_load(&s->node->is_full) || journal_is_low(s->node->config.journal));
    return is_low && op_may_grow(w->op) ? ERR_NO_SPACE : ERR_OK;
}

/* Appends the entry of `w`. False: it does not fit into one. */
static bool encode(struct shard *s, struct log_batch *b, struct shard_work *w)
{
    const size_t before = b->bytes.size;
    const struct command c = {
        .stamp_ms = shard_now_ms(s->host), .random = shard_random(s->host), .op = *w->op};
    command_encode(&b->bytes, &c);
    const size_t size = b->bytes.size - before;
    if (size > JOURNAL_DATA_MAX) {
        b->bytes.size = before;
        return false;
    }
    struct item *i = log_batch_add(b);
    *i = (struct item){
        .work = w, .stamp_ms = c.stamp_ms, .offset = before, .size = size, .is_entry = true};
    return true;
}

static void refuse(struct shard *s, struct shard_work *w, enum err e)
{
    s->host->ordering--;
    work_refuse(w, e);
}

/* Moves pending works into `b`; returns how many of them are entries. */
static size_t take_pending(struct shard *s, struct log_batch *b, size_t bytes_max)
{
    size_t entries = 0;
    while (s->pending.count > 0 && entries < CONSENSUS_BATCH_MAX && b->bytes.size < bytes_max) {
        struct shard_work *w = pending_pop(s);
        const enum err e = admit(s, w);
        if (e != ERR_OK) {
            refuse(s, w, e);
        } else if (w->is_read) {
            log_batch_add(b)->work = w;
        } else if (encode(s, b, w)) {
            entries++;
        } else {
            refuse(s, w, ERR_TOO_LARGE);
        }
    }
    return entries;
}

/* Gives every item its index; reads get that of the entry before them. */
static void number(struct shard *s, struct log_batch *b, uint64_t first)
{
    uint64_t next = first;
    for (size_t i = 0; i < b->item_count; i++) {
        struct item *item = &b->items[i];
        item->index = item->is_entry ? next++ : next - 1;
    }
    s->last_index = next - 1;
}

static void refuse_batch(struct shard *s, struct log_batch *b, enum err e)
{
    for (size_t i = 0; i < b->item_count; i++) {
        refuse(s, b->items[i].work, e);
    }
    log_batch_free(b);
}

static void order_pending(struct shard_host *h, struct shard *s, size_t bytes_max)
{
    struct log_batch *b = log_batch_new();
    const size_t entries = take_pending(s, b, bytes_max);
    if (b->item_count == 0) {
        log_batch_free(b);
        return;
    }
    uint64_t first = s->last_index + 1;
    if (entries > 0) {
        struct consensus_bytes *commands = arena_get(&h->arena, entries * sizeof(*commands));
        size_t n = 0;
        for (size_t i = 0; i < b->item_count; i++) {
            if (b->items[i].is_entry) {
                commands[n++] =
                    (struct consensus_bytes){b->bytes.data + b->items[i].offset, b->items[i].size};
            }
        }
        const enum consensus_err e =
            consensus_propose(s->consensus, commands, entries, &first, &b->term);
        if (e != CONSENSUS_OK) {
            CHECK(e == CONSENSUS_DROPPED);
            refuse_batch(s, b, ERR_UNAVAILABLE);
            return;
        }
    }
    number(s, b, first);
    b->ordered_ns = loop_now_ns(h->loop);
    s->ordered_works += b->item_count;
    s->ordered_bytes += b->bytes.size;
    list_push(&s->ordered, &b->link);
    if (planted("publish-early")) {
        s->committed = s->last_index;
    }
    metric_add(&h->stats.works_ordered, b->item_count);
}

void shard_order(struct shard_host *h)
{
    struct shard *dirty = h->dirty;
    struct shard *later = NULL;
    size_t bytes = 0;
    h->dirty = NULL;
    while (dirty != NULL) {
        struct shard *s = dirty;
        dirty = s->next_dirty;
        if (bytes < ORDER_BYTES_MAX && shard_may_order(s)) {
            order_pending(h, s, ORDER_BYTES_MAX - bytes);
            struct log_batch *b = list_empty(&s->ordered)
                                      ? NULL
                                      : container_of(s->ordered.prev, struct log_batch, link);
            bytes += b == NULL ? 0 : b->bytes.size;
        }
        s->is_dirty = s->pending.count > 0;
        if (s->is_dirty) {
            s->next_dirty = later;
            later = s;
        }
    }
    while (later != NULL) { /* what works refused by their `done` have added stays in front */
        struct shard *s = later;
        later = s->next_dirty;
        s->next_dirty = h->dirty;
        h->dirty = s;
    }
    shard_persist(h);
}

/* ---- To the journal ---- */

static const struct journal_entry *entries_of(struct shard_host *h, const struct consensus_ready *r)
{
    struct journal_entry *entries = arena_get(&h->arena, r->entry_count * sizeof(*entries));
    for (size_t i = 0; i < r->entry_count; i++) {
        const struct consensus_entry *e = &r->entries[i];
        entries[i] = (struct journal_entry){.index = e->index,
                                            .term = e->term,
                                            .is_change = e->kind == CONSENSUS_CHANGE,
                                            .data = slice_of(e->data.data, e->data.size)};
    }
    return entries;
}

/* What the journal must keep of the open ready; false: nothing, or nothing that cannot wait for
 * the next entries (a commit index alone). */
static bool make_batch(struct shard_host *h, struct shard *s, struct journal_batch *b)
{
    const struct consensus_ready *r = &s->open;
    if (r->has_hard_state) {
        s->state =
            (struct journal_state){r->hard_state.term, r->hard_state.vote, r->hard_state.commit};
        s->has_state = true;
    }
    CHECK(!r->has_snapshot); /* one member: nobody sends any */
    if (!r->must_sync && r->entry_count == 0) {
        return false;
    }
    *b = (struct journal_batch){.group = s->group,
                                .has_state = s->has_state,
                                .may_use_reserve = true,
                                .state = s->state,
                                .entries = entries_of(h, r),
                                .entry_count = r->entry_count};
    return true;
}

/* Consensus is told nothing while a ready is open because the journal does not take it. */
void shard_report_applied(struct shard *s)
{
    s->owes_applied = s->has_open;
    if (!s->has_open) {
        const enum consensus_err e = consensus_applied(s->consensus, s->applied.index);
        CHECK(e == CONSENSUS_OK);
    }
}

static void close_ready(struct shard *s, uint64_t ticket)
{
    const struct consensus_ready *r = &s->open;
    if (r->committed_first != 0) {
        s->committed = r->committed_last;
    }
    const uint32_t at = (s->ready_head + s->ready_count) % SHARD_READIES_MAX;
    s->readies[at] = (struct pending_ready){r->number, ticket};
    s->ready_count++;
    s->has_open = false;
    const enum consensus_err e = consensus_advance(s->consensus);
    CHECK(e == CONSENSUS_OK);
    if (s->owes_applied) {
        shard_report_applied(s);
    }
}

/* Tells consensus what is durable up to `durable`; true if there was anything. */
static bool report_durable(struct shard *s, uint64_t durable)
{
    uint64_t number = 0;
    while (!s->has_open && s->ready_count > 0 &&
           (s->readies[s->ready_head].ticket <= durable || planted("acknowledge-early"))) {
        number = s->readies[s->ready_head].number;
        s->ready_head = (s->ready_head + 1) % SHARD_READIES_MAX;
        s->ready_count--;
    }
    if (number == 0) {
        return false;
    }
    const enum consensus_err e = consensus_persisted(s->consensus, number);
    CHECK(e == CONSENSUS_OK);
    return true;
}

static void open_readies(struct shard_host *h)
{
    for (size_t i = 0; i < h->shard_count; i++) {
        struct shard *s = h->shards[i];
        if (s->consensus != NULL && !s->has_open && s->ready_count < SHARD_READIES_MAX &&
            consensus_has_ready(s->consensus)) {
            const enum consensus_err e = consensus_ready(s->consensus, &s->open);
            CHECK(e == CONSENSUS_OK);
            s->has_open = true;
        }
    }
}

/* One append for all open readies. False: the journal is behind, or has failed. */
static bool append(struct shard_host *h)
{
    struct journal_batch *batches = arena_get(&h->arena, h->shard_count * sizeof(*batches));
    bool *is_in = arena_zero(&h->arena, h->shard_count);
    size_t count = 0;
    for (size_t i = 0; i < h->shard_count; i++) {
        if (h->shards[i]->has_open) {
            is_in[i] = make_batch(h, h->shards[i], &batches[count]);
            count += is_in[i] ? 1 : 0;
        }
    }
    uint64_t ticket = 0;
    if (count > 0) {
        struct err_why why = {0};
        const enum err e = journal_append(h->node->config.journal, batches, count, &ticket, &why);
        if (e == ERR_BUSY || e == ERR_NO_SPACE) {
            return false; /* nothing has happened: tried again when the journal goes on */
        }
        if (e != ERR_OK) {
            shard_fail(h->node, &why);
            return false;
        }
    }
    for (size_t i = 0; i < h->shard_count; i++) {
        struct shard *s = h->shards[i];
        if (s->has_open) {
            s->has_state = s->has_state && !is_in[i];
            close_ready(s, is_in[i] ? ticket : 0);
        }
    }
    return true;
}

static bool any_open(const struct shard_host *h)
{
    for (size_t i = 0; i < h->shard_count; i++) {
        if (h->shards[i]->has_open) {
            return true;
        }
    }
    return false;
}

void shard_persist(struct shard_host *h)
{
    for (;;) {
        open_readies(h);
        const bool is_any = any_open(h);
        h->is_held_up = is_any && !append(h);
        if (!is_any || h->is_held_up) {
            break;
        }
        for (size_t i = 0; i < h->shard_count; i++) {
            if (h->shards[i]->consensus != NULL) {
                (void)report_durable(h->shards[i], h->durable);
            }
        }
    }
    for (size_t i = 0; i < h->shard_count; i++) {
        if (h->shards[i]->consensus != NULL) {
            shard_apply(h->shards[i]);
        }
    }
}

void shard_on_durable(struct shard_host *h)
{
    const uint64_t durable = journal_durable(h->node->config.journal);
    struct err_why why = {0};
    if (journal_failure(h->node->config.journal, &why) != ERR_OK) {
        shard_fail(h->node, &why);
        return;
    }
    if (durable == h->durable && !h->is_held_up) {
        return;
    }
    h->durable = durable;
    if (h->index == 0 && !h->is_quiet && journal_needs_spare(h->node->config.journal)) {
        shard_upkeep(h); /* a node that stops starts no jobs behind the last look at them */
    }
    bool is_any = h->is_held_up;
    for (size_t i = 0; i < h->shard_count; i++) {
        struct shard *s = h->shards[i];
        is_any = (s->consensus != NULL && report_durable(s, durable)) || is_any;
    }
    if (is_any) {
        shard_persist(h);
    }
}
