/* memory_log.h - a log in memory: what a disk holds of one group, or what a running member sees of
 * it. */
#ifndef TESTS_UNIT_MEMORY_LOG_H
#define TESTS_UNIT_MEMORY_LOG_H

#include "consensus/consensus.h"

struct memory_log_entry {
    uint64_t term;
    enum consensus_kind kind;
    uint32_t size;
    unsigned char *data; /* owned */
};

/* Entries base + 1 .. base + count. An all-zero struct is an empty log. */
struct memory_log {
    uint64_t base; /* everything up to here is in the snapshot */
    uint64_t base_term;
    struct memory_log_entry *entries;
    size_t count;
    size_t room;
};

void memory_log_deinit(struct memory_log *l);
void memory_log_copy(struct memory_log *to, const struct memory_log *from);
uint64_t memory_log_last(const struct memory_log *l);

/* Puts an entry at its index; it replaces what was there and everything behind it. */
void memory_log_put(struct memory_log *l, const struct consensus_entry *entry);

/* Forgets everything up to `index`, which must be in the log. */
void memory_log_compact(struct memory_log *l, uint64_t index);

/* Empties the log: a snapshot up to `index` takes its place. */
void memory_log_reset(struct memory_log *l, uint64_t index, uint64_t term);

struct consensus_entry memory_log_at(const struct memory_log *l, uint64_t index);

/* The first four storage calls over a `struct memory_log *`; `snapshot` is the caller's. */
struct consensus_storage memory_log_storage(struct memory_log *l);

#endif
