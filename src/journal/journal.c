/* journal.c - opening, closing, appending, the state that everybody may ask for.
 *
 *   append ─► gather ──(writer free)──► inflight ─► write ─► sync ─► durable, notify
 *               ▲ appends go on here meanwhile
 *
 * The place of a commit is fixed when it begins to gather, so an entry's place is known when it is
 * appended, and reading it needs no second look-up: it lies in `gather`, in `inflight` or in the
 * file. A commit may overshoot its segment; the next one then begins in a new segment, headed by
 * a copy of every group's hard state. So any run of oldest segments can go without a checkpoint. */
#include "journal/journal.h"

#include "base/check.h"
#include "base/mem.h"
#include "journal/journal_private.h"

#define SEGMENT_BYTES_MIN (64u << 10)
#define FIRST_BYTES_MIN   (16u << 10)

static void check_config(const struct journal_config *c)
{
    CHECK(c->folder != NULL);
    CHECK(c->segment_bytes >= SEGMENT_BYTES_MIN && c->segment_bytes <= SEGMENT_ROOM_MAX);
    CHECK(c->first_bytes >= FIRST_BYTES_MIN && c->first_bytes <= c->segment_bytes);
    CHECK(c->fsync != JOURNAL_FSYNC_INTERVAL || c->interval_ms > 0);
}

enum err journal_open(const struct journal_config *config, struct journal **out,
                      struct err_why *why)
{
    check_config(config);
    struct journal *j = mem_zero(1, sizeof(*j));
    j->config = *config;
    CHECK(pthread_mutex_init(&j->lock, NULL) == 0);
    enum err e = journal_recover(j, why);
    if (e == ERR_OK) {
        e = lane_open("journal", journal_step, j, &j->lane, why);
    }
    if (e != ERR_OK) {
        journal_close(&j);
        return e;
    }
    *out = j;
    return ERR_OK;
}

/* A mark must not be what begins a segment when there is hardly room for one. */
static bool may_mark(const struct journal *j)
{
    return !j->is_marked && !j->is_parked && !(j->gather.begins_segment && atomic_load(&j->is_low));
}

static void stop_writer(struct journal *j)
{
    journal_lock(j);
    if (may_mark(j)) {
        journal_put_mark(j);
    }
    j->is_stopping = true;
    j->sync_wanted = true;
    journal_unlock(j);
    lane_wake(j->lane);
    lane_close(&j->lane);
}

void journal_close(struct journal **journal)
{
    struct journal *j = *journal;
    if (j == NULL) {
        return;
    }
    if (j->lane != NULL) {
        stop_writer(j);
    }
    for (size_t i = 0; i < j->segment_count; i++) {
        segment_free(&j->segments[i]);
    }
    for (uint32_t i = 0; i < JOURNAL_GROUPS_MAX; i++) {
        group_log_deinit(&j->groups[i]);
    }
    buf_deinit(&j->gather.bytes);
    buf_deinit(&j->inflight.bytes);
    CHECK(pthread_mutex_destroy(&j->lock) == 0);
    mem_free(j);
    *journal = NULL;
}

static void put_batch(struct journal *j, const struct journal_batch *b)
{
    struct group_log *log = &j->groups[b->group];
    log->is_used = true;
    j->group_limit = b->group < j->group_limit ? j->group_limit : b->group + 1;
    if (b->has_state) {
        log->term = b->state.term;
        log->vote = b->state.vote;
        log->commit = b->state.commit;
    }
    if (b->has_reset) {
        group_log_reset(log, b->reset_index, b->reset_term);
    }
    if (b->has_state || b->has_reset) {
        journal_encode_state(&j->gather, log, b->group, b->has_reset ? RECORD_RESET : RECORD_STATE);
    }
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct journal_entry *e = &b->entries[i];
        const struct record r = {.size = (uint32_t)e->data.size,
                                 .index = e->index,
                                 .term = e->term,
                                 .group = b->group,
                                 .kind = e->is_change ? RECORD_CHANGE : RECORD_ENTRY};
        const uint32_t offset = journal_encode(&j->gather, &r, e->data.data);
        group_log_put(log, e->index, e->term,
                      (struct place){j->gather.segment, offset, e->is_change});
    }
    j->gather.entry_count += b->entry_count;
}

/* What an append needs, found out before the lock is taken. */
struct demand {
    size_t space;
    bool grows; /* has entries that may not use the reserve */
};

static struct demand demand_of(const struct journal_batch *batches, size_t count)
{
    struct demand d = {0};
    for (size_t i = 0; i < count; i++) {
        const struct journal_batch *b = &batches[i];
        CHECK(b->group < JOURNAL_GROUPS_MAX);
        d.grows = d.grows || (b->entry_count > 0 && !b->may_use_reserve);
        d.space += record_space(sizeof(struct record_state));
        for (size_t k = 0; k < b->entry_count; k++) {
            CHECK(b->entries[k].data.size <= JOURNAL_DATA_MAX);
            CHECK(b->entries[k].index <= JOURNAL_INDEX_MAX);
            d.space += record_space(b->entries[k].data.size);
        }
    }
    return d;
}

/* Into what the disk holds already. An eighth of it is kept for the states by which reclaim frees
 * segments. */
static bool fits(const struct journal *j, size_t space)
{
    const struct gather *g = &j->gather;
    const uint64_t room = !g->begins_segment        ? g->room
                          : j->spare == SPARE_READY ? j->spare_bytes
                                                    : 0;
    return !j->is_parked && g->offset + g->bytes.size + space <= room - room / 8;
}

/* What files would have to grow by for it, at most; 0 while there is plenty. */
static uint64_t growth(const struct journal *j, size_t space)
{
    return !atomic_load(&j->is_low) || fits(j, space) ? 0 : space + j->config.first_bytes;
}

static enum err admit(const struct journal *j, const struct demand *d, struct err_why *why)
{
    if (j->failure.code != ERR_OK) {
        return err_set(why, ERR_IO, "%s", j->failure.text);
    }
    if ((d->grows && atomic_load(&j->is_low)) || growth(j, d->space) > j->slack_bytes) {
        return err_set(why, ERR_NO_SPACE, "%s: low on disk space", folder_path(j->config.folder));
    }
    if (j->gather.is_wanted && j->gather.bytes.size + d->space > JOURNAL_GATHER_MAX) {
        return err_set(why, ERR_BUSY, "the journal's disk is behind");
    }
    return ERR_OK;
}

enum err journal_append(struct journal *j, const struct journal_batch *batches, size_t count,
                        uint64_t *ticket, struct err_why *why)
{
    CHECK(count > 0);
    const struct demand d = demand_of(batches, count);
    if (d.space > JOURNAL_GATHER_MAX) {
        return err_set(why, ERR_TOO_LARGE, "%zu bytes in one append", d.space);
    }
    journal_lock(j);
    const enum err e = admit(j, &d, why);
    if (e == ERR_OK) {
        j->slack_bytes -= growth(j, d.space);
        for (size_t i = 0; i < count; i++) {
            put_batch(j, &batches[i]);
        }
        j->gather.is_wanted = true;
        j->was_appended = true;
        j->is_marked = false;
        *ticket = j->gather.commit;
    }
    journal_unlock(j);
    if (e == ERR_OK) {
        lane_wake(j->lane);
    }
    return e;
}

uint64_t journal_durable(const struct journal *j)
{
    return atomic_load(&j->durable);
}

uint64_t journal_synced(const struct journal *j)
{
    return atomic_load(&j->synced);
}

void journal_sync(struct journal *j)
{
    if (j->config.fsync != JOURNAL_FSYNC_ALWAYS) {
        journal_lock(j);
        j->sync_wanted = true;
        journal_unlock(j);
        lane_wake(j->lane);
    }
}

enum err journal_failure(struct journal *j, struct err_why *why)
{
    journal_lock(j);
    *why = j->failure;
    journal_unlock(j);
    return why->code;
}

bool journal_is_low(const struct journal *j)
{
    return atomic_load(&j->is_low);
}

void journal_mark_idle(struct journal *j)
{
    journal_lock(j);
    const bool wants_mark = j->config.fsync != JOURNAL_FSYNC_NEVER && !j->was_appended &&
                            !j->gather.is_wanted && may_mark(j);
    if (wants_mark) {
        journal_put_mark(j);
    }
    j->was_appended = false;
    const bool owes_sync = j->config.fsync == JOURNAL_FSYNC_INTERVAL &&
                           atomic_load(&j->synced) != atomic_load(&j->durable);
    j->sync_wanted = j->sync_wanted || owes_sync;
    journal_unlock(j);
    if (wants_mark || owes_sync) {
        lane_wake(j->lane);
    }
}

void journal_stats(struct journal *j, struct journal_stats *out)
{
    *out = (struct journal_stats){.commits = metric_get(&j->commits),
                                  .bytes = metric_get(&j->bytes),
                                  .entries = metric_get(&j->entries),
                                  .durable = journal_durable(j),
                                  .is_low = journal_is_low(j)};
    histogram_merge(&out->sync_us, &j->sync_us);
    histogram_merge(&out->batch_size, &j->batch_size);
    journal_lock(j);
    out->segments = j->segment_count;
    out->waiting_bytes = j->inflight.bytes.size + (j->gather.is_wanted ? j->gather.bytes.size : 0);
    journal_unlock(j);
}
