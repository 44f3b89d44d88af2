/* space.c - giving space back and having some ready.
 *
 * Reclaim goes in two calls because it must not wait: (1) the prefixes that moved are ordered to be
 * written, (2) when these are synced, the oldest segments go, one after the other, so that the
 * numbers on disk never have a gap. */
#include "base/check.h"
#include "journal/journal_private.h"

void journal_compact(struct journal *j, uint32_t group, uint64_t index)
{
    CHECK(group < JOURNAL_GROUPS_MAX);
    journal_lock(j);
    group_log_drop_prefix(&j->groups[group], index);
    journal_unlock(j);
}

/* With the lock. Oldest segment that a group needs, `*group` tells which; UINT64_MAX: none. */
static uint64_t oldest_needed(const struct journal *j, uint32_t *group)
{
    uint64_t oldest = UINT64_MAX;
    for (uint32_t i = 0; i < j->group_limit; i++) {
        const struct group_log *g = &j->groups[i];
        if (g->count > 0 && group_log_place(g, g->prefix + 1).segment < oldest) {
            oldest = group_log_place(g, g->prefix + 1).segment;
            *group = i;
        }
    }
    return oldest;
}

/* With the lock. Segments before this one can go; the newest stays. */
static uint64_t first_to_keep(const struct journal *j)
{
    uint32_t group = 0;
    const uint64_t oldest = oldest_needed(j, &group);
    const uint64_t newest = j->segments[j->segment_count - 1]->number;
    return oldest < newest ? oldest : newest;
}

bool journal_needs_reclaim(struct journal *j)
{
    journal_lock(j);
    const bool needs = j->reclaim_ticket != 0 ? atomic_load(&j->synced) >= j->reclaim_ticket
                                              : first_to_keep(j) > j->segments[0]->number;
    journal_unlock(j);
    return needs;
}

/* With the lock. Every prefix that moved must be on disk before the entries before it go. */
static void begin_reclaim(struct journal *j)
{
    j->reclaim_keep = first_to_keep(j);
    for (uint32_t i = 0; i < j->group_limit; i++) {
        struct group_log *g = &j->groups[i];
        if (g->is_used && g->prefix != g->prefix_stored) {
            journal_encode_state(&j->gather, g, i, RECORD_STATE);
        }
    }
    /* The copied states at the head of a new segment count as stored: they are wanted now. */
    j->gather.is_wanted = j->gather.bytes.size > 0;
    j->is_marked = j->is_marked && !j->gather.is_wanted;
    j->reclaim_ticket = j->gather.is_wanted ? j->gather.commit : j->gather.commit - 1;
    j->sync_wanted = true;
}

/* With the lock. After a failure the file may have another name already, and one that a large
 * commit has made much longer than others would keep its blocks for ever. */
static bool fits_as_spare(const struct journal *j, const struct segment *s)
{
    return j->spare == SPARE_NONE && s->readers == 0 && !j->reclaim_failed &&
           s->file_bytes >= j->config.segment_bytes &&
           s->file_bytes <= (uint64_t)j->config.segment_bytes * 2;
}

static enum err retire_oldest(struct journal *j, struct err_why *why)
{
    journal_lock(j);
    struct segment *s = j->segments[0];
    const bool as_spare = fits_as_spare(j, s);
    j->spare = as_spare ? SPARE_MAKING : j->spare;
    journal_unlock(j);

    enum err e = segment_give_back(j->config.folder, s->number, as_spare, why);

    journal_lock(j);
    if (as_spare) {
        j->spare = e == ERR_OK ? SPARE_READY : SPARE_NONE;
        j->spare_bytes = j->config.segment_bytes;
    }
    j->reclaim_failed = e != ERR_OK;
    const bool is_idle = s->readers == 0;
    if (e == ERR_OK) {
        s->is_retired = true;
        j->segment_count--;
        for (size_t i = 0; i < j->segment_count; i++) {
            j->segments[i] = j->segments[i + 1];
        }
    }
    journal_unlock(j);
    if (e == ERR_OK && is_idle) {
        segment_free(&s);
    }
    return e;
}

enum err journal_reclaim(struct journal *j, struct err_why *why)
{
    enum err e = ERR_OK;
    journal_lock(j);
    const uint64_t keep = j->reclaim_keep;
    const bool can_retire = j->reclaim_ticket != 0 && atomic_load(&j->synced) >= j->reclaim_ticket;
    bool has_old = can_retire && j->segments[0]->number < keep;
    journal_unlock(j);
    while (has_old && e == ERR_OK) {
        e = retire_oldest(j, why);
        journal_lock(j);
        has_old = j->segments[0]->number < keep;
        journal_unlock(j);
    }
    if (e != ERR_OK) {
        return e;
    }
    journal_lock(j);
    j->reclaim_ticket = can_retire ? 0 : j->reclaim_ticket;
    const bool begins = j->reclaim_ticket == 0 && first_to_keep(j) > j->segments[0]->number;
    if (begins) {
        begin_reclaim(j);
    }
    journal_unlock(j);
    lane_wake(j->lane); /* for what was begun, and for a commit that waits for a spare */
    return ERR_OK;
}

bool journal_pinned_by(struct journal *j, uint32_t *group, uint64_t *segments)
{
    journal_lock(j);
    const uint64_t oldest = oldest_needed(j, group);
    *segments = oldest == UINT64_MAX ? 0 : j->gather.segment - oldest;
    journal_unlock(j);
    return oldest != UINT64_MAX;
}

bool journal_needs_spare(struct journal *j)
{
    journal_lock(j);
    const bool needs = j->spare == SPARE_NONE && !atomic_load(&j->is_low);
    journal_unlock(j);
    return needs;
}

/* When space is low the spare is a small one, out of the reserve: states, and entries that free
 * space, go on. */
static enum err make_spare(struct journal *j, uint64_t free_bytes, bool is_low, uint64_t *bytes,
                           struct err_why *why)
{
    *bytes = is_low ? j->config.first_bytes : j->config.segment_bytes;
    if (free_bytes < *bytes * 2) {
        return err_set(why, ERR_NO_SPACE, "%s: no room for a journal segment",
                       folder_path(j->config.folder));
    }
    return segment_make_spare(j->config.folder, *bytes, why);
}

enum err journal_prepare(struct journal *j, struct err_why *why)
{
    uint64_t free_bytes = 0;
    uint64_t bytes = 0;
    enum err e = folder_space(j->config.folder, &free_bytes, why);
    if (e != ERR_OK) {
        return e;
    }
    journal_lock(j);
    const bool makes = j->spare == SPARE_NONE;
    j->spare = makes ? SPARE_MAKING : j->spare;
    /* A small spare is the sign of a full disk: it is over when a whole one would fit. */
    const bool wants_whole = makes || j->spare_bytes < j->config.segment_bytes;
    journal_unlock(j);
    const uint64_t wanted = j->config.reserve_bytes + (wants_whole ? j->config.segment_bytes : 0);
    bool is_low = free_bytes < wanted;
    if (makes) {
        e = make_spare(j, free_bytes, is_low, &bytes, why);
        is_low = is_low || e == ERR_NO_SPACE;
    }
    journal_lock(j);
    if (makes) {
        j->spare = e == ERR_OK ? SPARE_READY : SPARE_NONE;
        j->spare_bytes = bytes;
    }
    const uint64_t used = bytes + j->config.first_bytes;
    j->slack_bytes = e == ERR_OK && free_bytes > used ? free_bytes - used : 0;
    atomic_store(&j->is_low, is_low);
    journal_unlock(j);
    lane_wake(j->lane); /* a commit may wait for a spare */
    return e == ERR_OK && is_low
               ? err_set(why, ERR_NO_SPACE, "%s: low on disk space", folder_path(j->config.folder))
               : e;
}
