/* group_log.h - where the live entries of one group lie: 8 bytes an entry, plus 16 bytes for
 * each change of term. No I/O. */
#ifndef JOURNAL_GROUP_LOG_H
#define JOURNAL_GROUP_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACE_OFFSET_MAX  (1ULL << 30)
#define PLACE_SEGMENT_MAX (1ULL << 35)

struct place {
    uint64_t segment; /* at most PLACE_SEGMENT_MAX */
    uint32_t offset;  /* a multiple of 8, below PLACE_OFFSET_MAX */
    bool is_change;
};

struct term_run {
    uint64_t first; /* index from which `term` holds */
    uint64_t term;
};

struct group_log {
    bool is_used;
    uint64_t term, vote, commit; /* hard state */
    uint64_t prefix;             /* entries up to here are gone */
    uint64_t prefix_term;
    uint64_t prefix_stored; /* newest prefix that a RECORD_STATE holds */
    uint64_t count;         /* live entries: prefix + 1 .. prefix + count */
    size_t head, capacity;  /* words[head] is entry prefix + 1 */
    uint64_t *words;
    struct term_run *runs;
    size_t run_count, run_capacity;
};

uint64_t group_log_last(const struct group_log *g);

/* Puts an entry at `index`, which is at most last + 1 and greater than the prefix; what was
 * there and behind it is forgotten. */
void group_log_put(struct group_log *g, uint64_t index, uint64_t term, struct place place);

/* `index` is live. */
struct place group_log_place(const struct group_log *g, uint64_t index);

/* `index` is live or the prefix. */
uint64_t group_log_term(const struct group_log *g, uint64_t index);

/* Forgets entries up to `index`, which is at most last. */
void group_log_drop_prefix(struct group_log *g, uint64_t index);

/* Forgets every entry: the log begins behind `index`. */
void group_log_reset(struct group_log *g, uint64_t index, uint64_t term);

void group_log_deinit(struct group_log *g);

#endif
