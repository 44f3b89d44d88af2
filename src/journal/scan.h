/* scan.h - finds the end of a segment and tells a torn tail from damage. Pure, no I/O.
 *
 * A commit is written only after the one before it is durable, or it says that it was not
 * (RECORD_LAZY). So if commit n is bad and a good record of commit n + 1 or later exists that is
 * not lazy, then n had been durable: damage. If there is none, n was being written when the
 * machine stopped: a torn tail, never acknowledged as durable. Only damage to the very last commit
 * looks like a torn tail; a mark written when idle and at a clean stop narrows that. */
#ifndef JOURNAL_SCAN_H
#define JOURNAL_SCAN_H

#include "journal/record.h"

/* Zeroed at first, then carried from segment to segment. */
struct scan {
    uint64_t last_commit; /* newest whole commit; at first the number before the oldest */
    uint64_t newest_seen; /* highest number in any good record, leftovers behind the end too */
    size_t end;           /* behind the last record of last_commit in this segment */
    size_t bad;           /* where reading stopped: first byte that is no part of the journal */
    bool is_damaged;      /* a later commit lies behind `bad` that proves it had been whole */
};

/* Reads the segment in `bytes` from offset `from`, which is a multiple of 8. */
void scan_segment(struct scan *s, const uint8_t *bytes, size_t size, size_t from, uint64_t salt);

#endif
