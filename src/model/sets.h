/* sets.h - one set while an op looks at it or changes it. Private to model/.
 *
 * A small set is one record that holds its members; a larger one has a row per member.
 * It becomes large when it outgrows SET_SMALL_*, and stays so until it is dropped. */
#ifndef MODEL_SETS_H
#define MODEL_SETS_H

#include "model/state.h"

#define SET_SMALL_MEMBERS 8
#define SET_SMALL_BYTES   ((size_t)128) /* of the members with their sizes */

struct set {
    uint64_t count;
    uint64_t incarnation; /* of the rows of a large set */
    uint32_t table;       /* id */
    bool is_large;
    bool is_own;   /* it is that of the record, not one that replaces it */
    bool is_fresh; /* its incarnation began with this op */
    bool is_changed;
    struct slice members[SET_SMALL_MEMBERS + 1]; /* of a small set, in order */
};

/* The set at `p`; what is not there is an empty one. Errors: ERR_WRONG_TYPE, ERR_CORRUPT. */
MUST_CHECK enum err set_open(struct task *t, const struct place *p, struct set *s);

/* A set that replaces what is in a record of `table`. */
struct set set_new(uint32_t table);

/* Engine errors only; the bytes of an added member stay until set_save(). */
MUST_CHECK enum err set_has(struct task *t, const struct set *s, struct slice member, bool *has);
MUST_CHECK enum err set_add(struct task *t, struct set *s, struct slice member, bool *is_added);
MUST_CHECK enum err set_remove(struct task *t, struct set *s, struct slice member,
                               bool *is_removed);

/* Writes the record as the set is now, if it has changed; an empty set has none. `result` may be
 * NULL. */
MUST_CHECK enum err set_save(struct task *t, struct place *p, const struct set *s,
                             uint64_t expiry_ms, struct result *result);

/* Walks over the members from `from` on, in order, or from the end. Borrows `s`. */
struct set_walk {
    const struct set *set;
    size_t next; /* small: index */
    size_t head; /* large: bytes before the member */
    struct scan scan;
};

MUST_CHECK enum err set_walk_open(struct task *t, struct set_walk *w, const struct set *s,
                                  struct slice from);

/* The next member; its bytes stay until the next call. ERR_NOT_FOUND at the end. */
MUST_CHECK enum err set_walk_next(struct set_walk *w, struct slice *member);
void set_walk_close(struct set_walk *w);

/* All members, in order, in the arena. `bytes_max` bounds what they take: ERR_TOO_LARGE. */
MUST_CHECK enum err set_load(struct task *t, const struct set *s, size_t bytes_max,
                             struct slice **members);

/* The range of rows of a large set. */
void set_range(struct task *t, const struct set *s, struct slice *from, struct slice *to);

/* ---- random_row.c ---- */

/* Sets of up to this many members, and tables of so many records, are drawn from evenly. */
#define RANDOM_EVEN_MAX 1024

/* One of the rows with from <= key < to by chance; its key in the arena. Each can come up, the
 * larger the gap before it the likelier. ERR_NOT_FOUND: there is none. */
MUST_CHECK enum err random_row(struct task *t, struct slice from, struct slice to,
                               struct random *random, struct slice *key);

#endif
