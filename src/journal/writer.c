/* writer.c - the writer's side: sealing, writing, syncing, beginning segments.
 *
 *   step ─► cut ─► (new segment) ─► seal ─► write ─► sync ─► durable, notify
 *
 * A commit is sealed as lazy when the one before it has not been synced: then a torn tail may be
 * several commits long, and none of them is proof of damage. With fsync ALWAYS there are none.
 * A segment is synced before the next one begins, so what is not synced lies in the newest. */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/planted.h"
#include "journal/journal_private.h"
#include "sys/clock.h"

/* Last flag, lazy flags and checksums. */
static void seal(struct gather *g, uint64_t salt, bool is_lazy)
{
    const size_t flags = offsetof(struct record, flags);
    uint8_t *bytes = g->bytes.data;
    uint32_t size;
    bytes[g->last_record + flags] |= RECORD_LAST;
    for (size_t at = 0; at < g->bytes.size; at += record_space(size)) {
        memcpy(&size, bytes + at + offsetof(struct record, size), sizeof(size));
        bytes[at + flags] |= is_lazy ? RECORD_LAZY : 0;
        record_seal(bytes + at, salt);
    }
}

/* Only the writer adds segments and none takes the newest away. */
static struct segment *newest(struct journal *j)
{
    journal_lock(j);
    struct segment *s = j->segment_count == 0 ? NULL : j->segments[j->segment_count - 1];
    journal_unlock(j);
    return s;
}

static enum err sync_segment(struct journal *j, struct segment *s, struct err_why *why)
{
    const uint64_t start_ns = clock_now_ns();
    if (!planted("skip-sync") && file_sync(s->file, why) != ERR_OK) {
        return ERR_IO; /* the kernel may have dropped the pages: trying again would lie */
    }
    const uint64_t now_ns = clock_now_ns();
    histogram_add(&j->sync_us, (now_ns - start_ns) / 1000);
    j->synced_at_ns = now_ns;
    j->is_unsynced = false;
    return ERR_OK;
}

/* The spare was taken by journal_cut(), or came meanwhile; else a small segment is made at once. */
static bool take_spare(struct journal *j)
{
    journal_lock(j);
    j->spare = j->spare == SPARE_READY ? SPARE_TAKEN : j->spare;
    const bool has_taken = j->spare == SPARE_TAKEN;
    journal_unlock(j);
    return has_taken;
}

static enum err add_segment(struct journal *j, const struct gather *g, struct segment **out,
                            struct err_why *why)
{
    struct folder *folder = j->config.folder;
    const bool has_taken = take_spare(j);
    const enum err e =
        has_taken ? segment_from_spare(folder, g->segment, g->commit, out, why)
                  : segment_make(folder, g->segment, g->commit, j->config.first_bytes, out, why);
    if (e != ERR_OK) {
        return e;
    }
    journal_lock(j);
    j->spare = has_taken ? SPARE_NONE : j->spare;
    const bool has_room = j->segment_count < JOURNAL_SEGMENTS_MAX;
    if (has_room) {
        j->segments[j->segment_count++] = *out;
    }
    journal_unlock(j);
    if (!has_room) {
        segment_free(out);
        return err_set(why, ERR_IO, "more than %d journal segments", JOURNAL_SEGMENTS_MAX);
    }
    return ERR_OK;
}

static bool is_sync_due(const struct journal *j)
{
    const uint64_t interval_ns = (uint64_t)j->config.interval_ms * 1000000;
    return j->sync_now || (j->config.fsync == JOURNAL_FSYNC_INTERVAL &&
                           clock_now_ns() - j->synced_at_ns >= interval_ns);
}

enum err journal_write_out(struct journal *j, struct gather *g, struct err_why *why)
{
    struct segment *s = newest(j);
    enum err e = ERR_OK;
    const bool needs_new = s == NULL || s->number != g->segment;
    if (s != NULL && j->is_unsynced && (needs_new || g->is_mark)) {
        e = sync_segment(j, s, why);
    }
    if (e == ERR_OK && needs_new) {
        e = add_segment(j, g, &s, why);
    }
    if (e != ERR_OK) {
        return e;
    }
    CHECK(s->number == g->segment && g->bytes.size > 0);
    seal(g, s->salt, j->is_unsynced);
    e = file_write(s->file, g->bytes.data, g->bytes.size, g->offset, why);
    if (e != ERR_OK) { /* half of it may be there; for want of room it is written once more */
        return e == ERR_NO_SPACE ? e : ERR_IO;
    }
    j->is_unsynced = true;
    const uint64_t end = g->offset + g->bytes.size;
    journal_lock(j);
    s->file_bytes = end > s->file_bytes ? end : s->file_bytes;
    journal_unlock(j);
    metric_add(&j->commits, 1);
    metric_add(&j->bytes, g->bytes.size);
    metric_add(&j->entries, g->entry_count);
    histogram_add(&j->batch_size, g->entry_count);
    return g->is_mark || is_sync_due(j) ? sync_segment(j, s, why) : ERR_OK;
}

/* What the step does; false: nothing is to be done. */
static bool begin_step(struct journal *j, bool *has_commit)
{
    journal_lock(j);
    *has_commit = j->is_parked || j->gather.is_wanted;
    const bool has_work =
        j->failure.code == ERR_OK && (*has_commit || (j->sync_wanted && j->is_unsynced));
    if (has_work && *has_commit && !j->is_parked) {
        journal_cut(j);
    }
    j->sync_now = j->sync_wanted || j->config.fsync == JOURNAL_FSYNC_ALWAYS;
    j->sync_wanted = false;
    journal_unlock(j);
    return has_work;
}

/* Returns whether there is more to do. */
static bool end_step(struct journal *j, bool has_commit, enum err e, const struct err_why *why)
{
    journal_lock(j);
    j->is_parked = e == ERR_NO_SPACE;
    if (e == ERR_OK) {
        if (has_commit) {
            atomic_store(&j->durable, j->inflight.commit);
            buf_clear(&j->inflight.bytes);
        }
        if (!j->is_unsynced) {
            atomic_store(&j->synced, atomic_load(&j->durable));
        }
    } else if (e == ERR_NO_SPACE) {
        j->slack_bytes = 0;
        atomic_store(&j->is_low, true);
    } else {
        j->failure = *why;
        j->failure.code = e;
    }
    const bool has_more = e == ERR_OK && (j->gather.is_wanted || j->sync_wanted);
    journal_unlock(j);
    return has_more;
}

bool journal_step(void *arg)
{
    struct journal *j = arg;
    struct err_why why = {0};
    bool has_commit;
    if (!begin_step(j, &has_commit)) {
        return false;
    }
    const enum err e =
        has_commit ? journal_write_out(j, &j->inflight, &why) : sync_segment(j, newest(j), &why);
    const bool has_more = end_step(j, has_commit, e, &why);
    if (e != ERR_NO_SPACE && j->config.notify != NULL) {
        j->config.notify(j->config.arg);
    }
    return has_more;
}
