/* replay.c - see replay.h. */
#include "journal/replay.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "journal/record.h"

/* The records have right checksums, yet nothing they say is trusted before it is looked at. */
static bool is_sane(const struct record *r)
{
    const bool has_state = r->kind == RECORD_STATE || r->kind == RECORD_RESET;
    const bool is_entry = r->kind == RECORD_ENTRY || r->kind == RECORD_CHANGE;
    return r->group < JOURNAL_GROUPS_MAX && r->index <= RECORD_INDEX_MAX &&
           r->term <= RECORD_INDEX_MAX && (!is_entry || r->index > 0) &&
           (!has_state || r->size == sizeof(struct record_state));
}

static bool replay_entry(struct replay *replay, const struct record *r, struct place place)
{
    struct group_log *g = &replay->groups[r->group];
    struct replay_prefix *p = &replay->prefixes[r->group];
    if (r->index <= p->told) {
        return false;
    }
    const bool is_in_gap = p->gap != 0 && r->index <= g->prefix;
    if (is_in_gap || (r->index > group_log_last(g) + 1 && g->count == 0)) {
        /* What lay before is in segments that are gone; some state must say so. */
        const bool is_told = r->index - 1 == p->told;
        p->gap = is_told ? 0 : r->index - 1;
        group_log_reset(g, r->index - 1, is_told ? p->told_term : 0);
    }
    if (r->index <= g->prefix || r->index > group_log_last(g) + 1) {
        return false;
    }
    group_log_put(g, r->index, r->term, place);
    return true;
}

static void replay_state(struct replay *replay, const struct record *r, const uint8_t *data)
{
    struct group_log *g = &replay->groups[r->group];
    struct replay_prefix *p = &replay->prefixes[r->group];
    struct record_state state;
    memcpy(&state, data, sizeof(state));
    p->told = r->index;
    p->told_term = state.prefix_term;
    g->term = r->term;
    g->vote = state.vote;
    g->commit = state.commit_index;
    g->prefix_stored = r->index;
    if (r->kind == RECORD_RESET || r->index > group_log_last(g)) {
        group_log_reset(g, r->index, state.prefix_term);
    } else if (r->index >= g->prefix) {
        group_log_drop_prefix(g, r->index);
        g->prefix_term = state.prefix_term;
    }
    p->gap = r->index >= p->gap ? 0 : p->gap;
}

enum err replay_segment(struct replay *replay, const uint8_t *bytes, size_t end, uint64_t number,
                        struct err_why *why)
{
    struct record r;
    CHECK(end <= PLACE_OFFSET_MAX);
    for (size_t at = SEGMENT_HEADER_BYTES; at < end; at += record_space(r.size)) {
        memcpy(&r, bytes + at, sizeof(r));
        if (r.kind == RECORD_MARK) {
            continue;
        }
        if (!is_sane(&r)) {
            return err_set(why, ERR_CORRUPT, "journal-%020" PRIu64 " offset %zu: impossible record",
                           number, at);
        }
        replay->groups[r.group].is_used = true;
        if (r.kind == RECORD_STATE || r.kind == RECORD_RESET) {
            replay_state(replay, &r, bytes + at + sizeof(r));
            continue;
        }
        const struct place place = {number, (uint32_t)at, r.kind == RECORD_CHANGE};
        if (!replay_entry(replay, &r, place)) {
            return err_set(why, ERR_CORRUPT,
                           "journal-%020" PRIu64 " offset %zu: index %" PRIu64 " of group %" PRIu32
                           " is out of order",
                           number, at, r.index, r.group);
        }
    }
    return ERR_OK;
}

enum err replay_finish(const struct replay *r, struct err_why *why)
{
    for (uint32_t i = 0; i < JOURNAL_GROUPS_MAX; i++) {
        const struct group_log *g = &r->groups[i];
        const uint64_t gap = r->prefixes[i].gap;
        if (gap != 0) {
            return err_set(why, ERR_CORRUPT,
                           "journal: group %" PRIu32 ": entries before %" PRIu64 " are missing", i,
                           gap + 1);
        }
        if (g->commit > group_log_last(g)) {
            return err_set(why, ERR_CORRUPT,
                           "journal: group %" PRIu32 " ends at %" PRIu64 ", yet %" PRIu64
                           " had been committed",
                           i, group_log_last(g), g->commit);
        }
    }
    return ERR_OK;
}

void replay_finish_cut(struct replay *r)
{
    for (uint32_t i = 0; i < JOURNAL_GROUPS_MAX; i++) {
        struct group_log *g = &r->groups[i];
        r->prefixes[i].gap = 0;
        if (g->commit > group_log_last(g)) {
            g->commit = group_log_last(g);
        }
    }
}
