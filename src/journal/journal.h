/* journal.h - the node's one write-ahead log: entries and hard states of many groups.
 *
 * Any thread appends; one writer (a lane) writes all that waits with one write, makes it durable
 * with one sync, and meanwhile the next commit gathers. What is appended at once is found whole
 * or not at all after a crash. Entries can be read as soon as journal_append() returns; they are
 * acknowledged when journal_durable() has reached the ticket.
 *
 * One group belongs to one thread: calls about one group are never concurrent. All other calls may
 * come from any thread.
 *
 * What an acknowledgement promises is chosen by `fsync`:
 *   ALWAYS    the bytes are on disk: nothing acknowledged is lost, whatever happens.
 *   INTERVAL  the operating system has them: they survive a crash of the process. A power cut takes
 *             at most what was appended in the last interval_ms (and the time of one sync), and
 *             always a suffix: what is found is what was appended up to some moment.
 *   NEVER     the same without a bound, but for a sync at each new segment and at a clean stop.
 *
 * When space runs low (less than reserve_bytes left) only batches with `may_use_reserve` and states
 * are accepted; it clears by itself at the next journal_prepare() that finds room again. */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/metrics.h"

struct folder;
struct journal;

#define JOURNAL_GROUPS_MAX   1024
#define JOURNAL_GATHER_MAX   (64u << 20) /* waiting bytes: then ERR_BUSY */
#define JOURNAL_DATA_MAX     (32u << 20) /* bytes of one entry */
#define JOURNAL_INDEX_MAX    (1ULL << 62)
#define JOURNAL_SEGMENTS_MAX 4096

#define JOURNAL_SEGMENT_BYTES ((uint32_t)64 << 20) /* usual values of the configuration */
#define JOURNAL_FIRST_BYTES   ((uint32_t)1 << 20)

struct journal_entry {
    uint64_t index; /* 1 to JOURNAL_INDEX_MAX; at most the last one + 1 */
    uint64_t term;
    bool is_change;
    struct slice data; /* at most JOURNAL_DATA_MAX */
};

struct journal_state {
    uint64_t term, vote, commit;
};

/* What one group gives to one append, in this order; usually one consensus_ready. */
struct journal_batch {
    uint32_t group; /* less than JOURNAL_GROUPS_MAX */
    bool has_state, has_reset;
    bool may_use_reserve; /* accepted when low on space: it frees some, or was ordered before */
    struct journal_state state;
    uint64_t reset_index, reset_term; /* a snapshot took the place of the whole log */
    const struct journal_entry *entries;
    size_t entry_count;
};

/* Called on the writer's lane after each commit, and once after a failure: post to the loops, do
 * nothing else. */
typedef void (*journal_notify_fn)(void *arg);

enum journal_fsync {
    JOURNAL_FSYNC_ALWAYS = 0,
    JOURNAL_FSYNC_INTERVAL,
    JOURNAL_FSYNC_NEVER,
};

struct journal_config {
    struct folder *folder;  /* of its own, on a real disk; borrowed until journal_close() */
    uint32_t segment_bytes; /* 64 KiB to 512 MiB; a commit may overshoot it */
    uint32_t first_bytes;   /* of the first segment, and of one made in a hurry; at least 16 KiB */
    uint64_t reserve_bytes; /* low-water mark of the file system */
    enum journal_fsync fsync;
    uint32_t interval_ms; /* INTERVAL only; greater than 0 */
    bool discard_damage;  /* the operator's word: from a damaged commit on, throw everything away */
    journal_notify_fn notify; /* may be NULL */
    void *arg;
};

/* Opens the journal, reads it and makes a first mark durable. Errors: ERR_CORRUPT (damage, named
 * with file and offset), ERR_UNIMPLEMENTED (written by a newer holdfast), ERR_IO, ERR_NO_SPACE,
 * ERR_TOO_LARGE. */
MUST_CHECK enum err journal_open(const struct journal_config *config, struct journal **out,
                                 struct err_why *why);

/* Writes what waits and a mark, syncs in every mode, then closes; frees `*journal` and sets it
 * to NULL. Harmless when it already is. */
void journal_close(struct journal **journal);

/* Appends; copies all bytes. One call per turn of a loop, with all batches of that turn. `*ticket`
 * is for journal_durable(). Errors: ERR_BUSY, ERR_TOO_LARGE, ERR_NO_SPACE (low on space; nothing
 * happened), ERR_IO (a write or sync has failed: stop the process). */
MUST_CHECK enum err journal_append(struct journal *j, const struct journal_batch *batches,
                                   size_t count, uint64_t *ticket, struct err_why *why);

/* Newest acknowledged ticket. Never decreases, stays where it is after a failure. */
uint64_t journal_durable(const struct journal *j);

/* Newest ticket that is on disk: with ALWAYS the same as journal_durable(). */
uint64_t journal_synced(const struct journal *j);

/* Asks for a sync of what is acknowledged; journal_synced() tells when, and `notify` is called.
 * Before an engine may hold something durably that the journal does not. No effect with ALWAYS. */
void journal_sync(struct journal *j);

/* ERR_OK while there is none, else the failure of a write or sync. */
enum err journal_failure(struct journal *j, struct err_why *why);

/* Low on space: refuse what grows before it is ordered. */
bool journal_is_low(const struct journal *j);

/* The storage side of consensus.h. `first` is last + 1 when the log is empty. */
void journal_range(const struct journal *j, uint32_t group, uint64_t *first, uint64_t *last);
struct journal_state journal_state_of(const struct journal *j, uint32_t group);

/* first - 1 <= index <= last. Errors: ERR_NOT_FOUND (compacted). */
MUST_CHECK enum err journal_term(const struct journal *j, uint32_t group, uint64_t index,
                                 uint64_t *term, bool *is_change);

/* Reads one entry; `out->data` lies in `*space`, which is the caller's and is used from its
 * beginning. Reads the file when the entry is not in memory any more, and holds up nobody
 * meanwhile. Errors: ERR_NOT_FOUND (compacted), ERR_CORRUPT, ERR_IO. */
MUST_CHECK enum err journal_read(struct journal *j, uint32_t group, uint64_t index,
                                 struct buf *space, struct journal_entry *out, struct err_why *why);

/* Forgets entries up to `index`, which the engine holds durably. Memory only. */
void journal_compact(struct journal *j, uint32_t group, uint64_t index);

/* True when journal_reclaim() has something to do: ask after journal_compact() and on a timer. */
bool journal_needs_reclaim(struct journal *j);

/* Gives back segments that no group needs, in two calls: the first one orders the moved prefixes
 * to be written, a later one, when these are on disk, gives the files back. Writes: on a worker,
 * one call at a time. Errors: ERR_IO (the files stay; tried again by the next call). */
MUST_CHECK enum err journal_reclaim(struct journal *j, struct err_why *why);

/* The group whose oldest entry lies in the oldest segment in use, and how many segments stand
 * behind it: flush that group's engine when the number is high. False: nothing is pinned. */
bool journal_pinned_by(struct journal *j, uint32_t *group, uint64_t *segments);

/* True when journal_prepare() should run at once; when low on space the timer will do. */
bool journal_needs_spare(struct journal *j);

/* Looks at the space left and makes the spare segment if there is none: on a worker, since it may
 * write a whole segment, one call at a time; at start, when needed and every second or so.
 * Errors: ERR_NO_SPACE (now low on space), ERR_IO. */
MUST_CHECK enum err journal_prepare(struct journal *j, struct err_why *why);

/* The owner's timer, every second (or interval_ms if that is less): writes a mark when nothing was
 * appended since the last call, so that damage to the last commit can be told from a torn tail;
 * syncs what INTERVAL owes. */
void journal_mark_idle(struct journal *j);

/* For metrics. Figures of different instants. */
struct journal_stats {
    uint64_t commits;            /* since the start */
    uint64_t bytes;              /* written, without zeros */
    uint64_t entries;            /* appended */
    struct histogram sync_us;    /* time of a sync */
    struct histogram batch_size; /* entries of a commit */
    uint64_t segments;           /* in use */
    uint64_t waiting_bytes;      /* appended, not yet acknowledged */
    uint64_t durable;            /* journal_durable() */
    bool is_low;                 /* on space */
};
void journal_stats(struct journal *j, struct journal_stats *out);

/* What `holdfast check` is told, in this order: the segments, TORN or DAMAGE where reading stopped
 * if it did, the groups that hold something. */
enum journal_finding_kind {
    JOURNAL_FINDING_SEGMENT,
    JOURNAL_FINDING_TORN,   /* an unfinished commit, cut at the next start: normal after a crash */
    JOURNAL_FINDING_DAMAGE, /* what was durable is not there: the start would be refused */
    JOURNAL_FINDING_GROUP,
};

struct journal_finding {
    enum journal_finding_kind kind;
    const char *file;      /* name in the folder; valid during the call */
    uint64_t offset;       /* SEGMENT: the good end; TORN, DAMAGE: where */
    uint64_t file_bytes;   /* SEGMENT */
    uint64_t first_commit; /* SEGMENT: the oldest it may hold */
    uint64_t last_commit;  /* SEGMENT: the newest whole one so far */
    uint32_t group;        /* GROUP, and all below */
    uint64_t first, last;
    struct journal_state state;
    const char *text; /* DAMAGE: the sentence that refuses the start */
};
typedef void (*journal_check_fn)(void *arg, const struct journal_finding *finding);

/* Reads a journal that nobody has open, changes nothing. ERR_OK: it would open. Errors: as
 * journal_open(). */
MUST_CHECK enum err journal_check(struct folder *folder, journal_check_fn report, void *arg,
                                  struct err_why *why);

#endif
