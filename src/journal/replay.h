/* replay.h - puts the records of a segment back into group logs. Pure, no I/O.
 *
 * Segments are given in order, each up to the end that scan.h found. What lies before the oldest
 * kept segment is gone, so a group's first entry may stand anywhere; a later state or reset must
 * then tell that everything before it was compacted away, or a later entry overwrite what a state
 * has told not to be. */
#ifndef JOURNAL_REPLAY_H
#define JOURNAL_REPLAY_H

#include "base/err.h"
#include "journal/group_log.h"
#include "journal/journal.h"

struct replay {
    struct group_log *groups; /* JOURNAL_GROUPS_MAX; the caller's */
    struct replay_prefix {
        uint64_t gap;       /* the prefix that a later state must reach; 0: none */
        uint64_t told;      /* the prefix that the newest state or reset has told ... */
        uint64_t told_term; /* ... and the term of the entry there */
    } prefixes[JOURNAL_GROUPS_MAX];
};

/* Replays the records in `bytes` up to `end` of segment `number`. Errors: ERR_CORRUPT. */
MUST_CHECK enum err replay_segment(struct replay *r, const uint8_t *bytes, size_t end,
                                   uint64_t number, struct err_why *why);

/* After the last segment. Errors: ERR_CORRUPT (entries are missing). */
MUST_CHECK enum err replay_finish(const struct replay *r, struct err_why *why);

/* After the last segment, when a damaged rest was discarded: takes what there is. */
void replay_finish_cut(struct replay *r);

#endif
