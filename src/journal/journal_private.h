/* journal_private.h - shared by the files of journal/ that know the whole journal. */
#ifndef JOURNAL_JOURNAL_PRIVATE_H
#define JOURNAL_JOURNAL_PRIVATE_H

#include <pthread.h>

#include "journal/group_log.h"
#include "journal/journal.h"
#include "journal/record.h"
#include "journal/segment.h"
#include "sys/worker.h"

/* One commit in memory. Its place is fixed when it begins to gather: right behind the one before,
 * or in a new segment if that one ended beyond the room of its segment. */
struct gather {
    struct buf bytes;
    size_t last_record; /* gets RECORD_LAST */
    uint64_t commit;
    uint64_t segment;
    uint32_t offset;
    uint64_t room; /* of its segment; known from journal_cut() on when it begins one */
    uint64_t entry_count;
    bool begins_segment;
    bool is_wanted; /* holds more than the copied states of a new segment */
    bool is_mark;   /* what it says must be true: what is before it is synced first */
};

/* Who may touch the file called `spare`: with MAKING and TAKEN the one who said so, alone. */
enum spare {
    SPARE_NONE,
    SPARE_MAKING, /* by a worker */
    SPARE_READY,
    SPARE_TAKEN, /* by the writer */
};

struct journal {
    struct journal_config config;
    struct lane *lane;

    pthread_mutex_t lock; /* all below, up to the writer's own; no call of sys/file.h under it */
    struct group_log groups[JOURNAL_GROUPS_MAX];
    uint32_t group_limit; /* groups from here on are not used */
    struct gather gather, inflight;
    struct segment *segments[JOURNAL_SEGMENTS_MAX]; /* owned; numbers without a gap */
    size_t segment_count;
    enum spare spare;
    uint64_t spare_bytes;
    uint64_t slack_bytes; /* low on space: what files may still grow by, as of the last look */
    bool is_parked;       /* `inflight` waits for room to begin its segment */
    bool is_stopping;
    bool sync_wanted;
    bool is_marked;          /* the newest commit ends with a mark */
    bool was_appended;       /* since the last journal_mark_idle() */
    uint64_t reclaim_keep;   /* segments before this one go ... */
    uint64_t reclaim_ticket; /* ... when this is synced; 0: no reclaim has begun */
    bool reclaim_failed;     /* the file of the oldest segment may be gone already */
    struct err_why failure;

    _Atomic uint64_t durable;
    _Atomic uint64_t synced;
    _Atomic bool is_low;

    /* The writer's own. */
    bool is_unsynced; /* something written is not synced; before a first mark: may be */
    bool sync_now;    /* this step ends with a sync */
    uint64_t synced_at_ns;

    metric commits, bytes, entries;
    struct histogram sync_us, batch_size;
};

static inline void journal_lock(struct journal *j)
{
    (void)pthread_mutex_lock(&j->lock);
}

static inline void journal_unlock(struct journal *j)
{
    (void)pthread_mutex_unlock(&j->lock);
}

/* gather.c. With the lock, or before there is a writer. */

/* Puts one record into the commit that gathers; returns its offset in the segment. */
uint32_t journal_encode(struct gather *g, const struct record *r, const void *data);

/* Encodes the hard state and prefix of `group` as `kind`. */
void journal_encode_state(struct gather *g, struct group_log *log, uint32_t group,
                          enum record_kind kind);

/* The same for every group: the head of a segment. */
void journal_encode_states(struct journal *j, struct gather *g);

/* Asks for a mark. */
void journal_put_mark(struct journal *j);

/* Hands what gathered to the writer (`inflight`) and begins the next commit behind it. */
void journal_cut(struct journal *j);

/* writer.c */

/* One commit, or one sync: the lane's step. */
bool journal_step(void *journal);

/* Writes a gathered commit; makes a new segment when it needs one; syncs as `sync_now` says.
 * Errors: ERR_NO_SPACE (no room for a new segment, nothing has happened), ERR_IO. */
MUST_CHECK enum err journal_write_out(struct journal *j, struct gather *g, struct err_why *why);

/* recover.c: reads every segment, fills groups, makes the first mark durable, leaves `gather`
 * behind it. */
MUST_CHECK enum err journal_recover(struct journal *j, struct err_why *why);

#endif
