/* batch.h - what the writer of one group knows between begin and commit: the rows that it found
 * in the store or wrote itself, by key, and the ranges it took away. Everything lives in the
 * batch's arena until batch_reset(). One thread. Private to engine/disk. */
#ifndef ENGINE_DISK_BATCH_H
#define ENGINE_DISK_BATCH_H

#include "base/arena.h"

struct batch_entry {
    struct batch_entry *next; /* in order of arrival */
    uint64_t hash;
    struct slice key;
    struct slice row; /* as the writer sees it; NULL data: absent */
    bool is_stored;   /* the store holds a row that only a write of ours would take away */
    bool is_changed;  /* `row` is to be written */
    bool is_unseen;   /* nobody knows what the store holds: `row` counts only when it is changed */
};

struct batch_range {
    struct batch_range *next;
    struct slice from, to;
};

struct batch {
    struct arena arena;
    struct batch_entry **slots; /* open addressing; owned; NULL at first */
    size_t slot_count;          /* a power of two, or 0 */
    size_t entry_count;
    size_t change_count; /* entries and ranges to be written, at most */
    struct batch_entry *first, **last;
    struct batch_range *ranges; /* newest first */
};

void batch_init(struct batch *b);

/* Forgets everything. */
void batch_reset(struct batch *b);

void batch_deinit(struct batch *b);

/* NULL: nothing is known of this key. */
struct batch_entry *batch_find(const struct batch *b, struct slice key, uint64_t hash);

/* Notes what the store holds: `row`, which stays until the reset; NULL data: nothing. The key is
 * copied; it has no entry yet. */
struct batch_entry *batch_add(struct batch *b, struct slice key, uint64_t hash, struct slice row);

/* from <= key < to; `to` with NULL data: no end. */
bool key_in_range(struct slice key, struct slice from, struct slice to);

/* The key lies in a range that was taken away. */
bool batch_is_erased(const struct batch *b, struct slice key);

/* The writer's own write; `row` stays until the reset; NULL data takes the row away. */
void batch_set(struct batch *b, struct batch_entry *e, struct slice row);

/* Takes the rows with from <= key < to away, own ones too; later writes count again. */
void batch_erase_range(struct batch *b, struct slice from, struct slice to);

#endif
