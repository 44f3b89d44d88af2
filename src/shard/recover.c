/* recover.c - opening a group: what the engine holds durably, and the log behind it.
 *
 * A new group begins as if a snapshot at index 1, term 1 had been installed, as every first
 * member of a replicated group does; so its directory can be opened by either consensus. */
#include <inttypes.h>

#include "base/check.h"
#include "base/mem.h"
#include "shard/shard_private.h"

#define FIRST_INDEX 1
#define FIRST_TERM  1

static enum err open_memory(struct shard *s, struct err_why *why)
{
    struct arena arena = {0};
    struct model_applied applied = {0};
    s->memory_revision = s->node->config.wall_ms * 1000; /* an old ETag never fits again */
    s->memory_engine = memory_open(&s->node->epoch, s->memory_revision);
    const struct model_config config = {
        .engine = s->memory_engine, .is_durable = false, .value_max = s->node->config.value_max};
    const enum err e = model_open(&config, &s->memory, &applied, &arena, why);
    arena_deinit(&arena);
    return e;
}

static enum err open_disk(struct shard *s, struct err_why *why)
{
    struct arena arena = {0};
    s->disk_engine = disk_store_engine(s->node->config.store, s->group);
    const struct model_config config = {
        .engine = s->disk_engine, .is_durable = true, .value_max = s->node->config.value_max};
    enum err e = model_open(&config, &s->disk, &s->applied, &arena, why);
    if (e == ERR_OK && s->applied.members.size > sizeof(s->member_bytes)) {
        e = err_set(why, ERR_CORRUPT, "group %" PRIu32 ": member list too large", s->group);
    }
    if (e == ERR_OK) {
        memcpy(s->member_bytes,
               s->applied.members.data == NULL ? (const uint8_t *)"" : s->applied.members.data,
               s->applied.members.size);
        s->applied.members.data = s->member_bytes;
    }
    arena_deinit(&arena);
    return e;
}

/* Writes the beginning of a group into the journal. */
static enum err begin_log(struct shard *s, uint64_t index, uint64_t term, struct err_why *why)
{
    const struct journal_batch b = {.group = s->group,
                                    .has_state = true,
                                    .has_reset = true,
                                    .may_use_reserve = true,
                                    .state = {.term = term, .commit = index},
                                    .reset_index = index,
                                    .reset_term = term};
    uint64_t ticket = 0;
    return journal_append(s->node->config.journal, &b, 1, &ticket, why);
}

/* Engine and journal must fit together: the engine is never ahead of the journal, unless the
 * journal was allowed to lose its end. */
static enum err match_log(struct shard *s, struct err_why *why)
{
    uint64_t first = 0;
    uint64_t last = 0;
    journal_range(s->node->config.journal, s->group, &first, &last);
    const struct journal_state state = journal_state_of(s->node->config.journal, s->group);
    const bool is_new = state.term == 0 && last == 0;
    if (s->applied.index == 0) {
        s->applied.index = FIRST_INDEX;
        s->applied.term = FIRST_TERM;
        if (is_new) {
            return begin_log(s, FIRST_INDEX, FIRST_TERM, why);
        }
    }
    if (s->applied.index > last && s->node->config.is_relaxed) {
        log_warn(s->node->config.log, "shard",
                 "the journal had lost its end; going on from the engine", F_U64("group", s->group),
                 F_U64("journal", last), F_U64("engine", s->applied.index));
        const uint64_t term = state.term > s->applied.term ? state.term : s->applied.term;
        return begin_log(s, s->applied.index, term, why);
    }
    if (s->applied.index > last || s->applied.index + 1 < first) {
        return err_set(why, ERR_CORRUPT,
                       "group %" PRIu32 ": the engine holds entries up to %" PRIu64
                       ", the journal %" PRIu64 " to %" PRIu64,
                       s->group, s->applied.index, first, last);
    }
    return ERR_OK;
}

static enum err open_consensus(struct shard *s, struct err_why *why)
{
    const struct journal_state state = journal_state_of(s->node->config.journal, s->group);
    const struct consensus_storage storage = shard_storage(s);
    const struct consensus_config config = {
        .group = s->group,
        .id = s->node->config.member,
        .boot = s->node->config.boot,
        .seed = s->node->config.seed + s->group,
        .election_ticks = 10,
        .heartbeat_ticks = 1,
        .message_bytes = 1 << 20,
        .inflight_max = 64,
        .applied = s->applied.index,
        .hard_state = {.term = state.term, .vote = state.vote, .commit = state.commit},
        .members = {.voters = {s->node->config.member}, .voter_count = 1}};
    if (state.commit > storage.last_index(s)) {
        return err_set(why, ERR_CORRUPT,
                       "group %" PRIu32 ": the journal ends at %" PRIu64
                       ", before what was committed (%" PRIu64 ")",
                       s->group, storage.last_index(s), state.commit);
    }
    s->replay_to = storage.last_index(s);
    s->committed = s->applied.index;
    enum consensus_err e = consensus_open(&config, &storage, &s->consensus);
    if (e == CONSENSUS_OK) {
        e = consensus_campaign(s->consensus);
    }
    if (e != CONSENSUS_OK) {
        return err_set(why, ERR_CORRUPT, "group %" PRIu32 ": consensus refuses its log (%d)",
                       s->group, (int)e);
    }
    struct consensus_status status;
    consensus_status(s->consensus, &status);
    s->last_index = status.last;
    return ERR_OK;
}

enum err shard_open(struct shard_host *h, uint32_t group, struct shard **out, struct err_why *why)
{
    struct shard *s = mem_zero(1, sizeof(*s));
    s->node = h->node;
    s->host = h;
    s->group = group;
    list_init(&s->ordered);
    *out = s;
    enum err e = open_memory(s, why);
    if (e == ERR_OK && h->node->config.journal != NULL) {
        h->replaying++;
        s->apply.steps = mem_alloc(SHARD_APPLY_MAX * sizeof(*s->apply.steps));
        s->apply.works = mem_alloc(SHARD_APPLY_MAX * sizeof(struct shard_work *));
        s->apply.places = mem_alloc(SHARD_APPLY_MAX * sizeof(*s->apply.places));
        s->apply.results = mem_alloc(SHARD_APPLY_MAX * sizeof(*s->apply.results));
        e = open_disk(s, why);
        e = e == ERR_OK ? match_log(s, why) : e;
        e = e == ERR_OK ? open_consensus(s, why) : e;
        node_clock_raise(&h->node->clock, s->applied.stamp_ms);
    }
    if (e != ERR_OK) {
        shard_close(out);
        return e;
    }
    atomic_store(&h->node->shards[group], s);
    if (s->consensus == NULL) {
        s->is_replayed = true;
        atomic_fetch_sub(&h->node->unready, 1);
    }
    return ERR_OK;
}

void shard_close(struct shard **shard)
{
    struct shard *s = *shard;
    if (s == NULL) {
        return;
    }
    atomic_store(&s->node->shards[s->group], NULL);
    while (!list_empty(&s->ordered)) {
        log_batch_free(container_of(s->ordered.next, struct log_batch, link));
    }
    loop_timer_stop(&s->apply.retry);
    consensus_close(&s->consensus);
    if (s->disk != NULL) {
        if (s->apply.is_run) { /* never published: the journal has it */
            model_abort(s->disk);
        }
        model_close(&s->disk);
    }
    if (s->disk_engine != NULL) {
        engine_close(&s->disk_engine);
    }
    model_close(&s->memory);
    engine_close(&s->memory_engine);
    atomic_fetch_sub(&s->node->memory_bytes, s->memory_bytes);
    atomic_fetch_sub(&s->node->pinned_bytes, s->pinned_bytes);
    arena_deinit(&s->apply.arena);
    mem_free(s->apply.steps);
    mem_free(s->apply.works);
    mem_free(s->apply.places);
    mem_free(s->apply.results);
    buf_deinit(&s->read_space);
    mem_free(s);
    *shard = NULL;
}

enum err shard_replay(struct shard *s, uint64_t first, uint64_t last, struct err_why *why)
{
    struct log_batch *b = log_batch_new();
    for (uint64_t index = first; index <= last; index++) {
        struct journal_entry entry;
        const enum err e =
            journal_read(s->node->config.journal, s->group, index, &s->read_space, &entry, why);
        if (e != ERR_OK) {
            log_batch_free(b);
            return e;
        }
        if (b->item_count > 0 && (entry.term != b->term || b->bytes.size > SHARD_BYTES_MAX / 4)) {
            break; /* a batch has one term; the rest comes next time */
        }
        b->term = entry.term;
        struct item *i = log_batch_add(b);
        *i = (struct item){.index = index,
                           .offset = b->bytes.size,
                           .size = entry.is_change ? 0 : entry.data.size,
                           .is_entry = true};
        buf_append(&b->bytes, entry.data.data, entry.data.size);
    }
    s->ordered_works += b->item_count;
    s->ordered_bytes += b->bytes.size;
    b->link.next = s->ordered.next; /* in front */
    b->link.prev = &s->ordered;
    s->ordered.next->prev = &b->link;
    s->ordered.next = &b->link;
    return ERR_OK;
}
