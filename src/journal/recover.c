/* recover.c - reads the journal at start. Per segment: find its good end (scan.c), then replay the
 * records up to there. Then one mark is made durable before anything else is written: its number is
 * higher than everything a crash may have left behind, so leftovers are old for ever. */
#include <inttypes.h>

#include "base/check.h"
#include "base/mem.h"
#include "journal/journal_private.h"
#include "journal/survey.h"

static enum err missing(uint64_t number, struct survey *v, struct err_why *why)
{
    char name[FILE_NAME_BYTES];
    v->is_damaged = true;
    return err_set(why, ERR_CORRUPT, "%s is missing", segment_name(name, number));
}

static enum err read_segments(struct journal *j, const struct segment_names *names,
                              struct survey *v, struct err_why *why)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < names->count && e == ERR_OK; i++) {
        struct segment *s = NULL;
        if (i > 0 && names->numbers[i] != names->numbers[i - 1] + 1) {
            return missing(names->numbers[i - 1] + 1, v, why);
        }
        e = segment_open(j->config.folder, names->numbers[i], FILE_WRITE, &s, why);
        if (e != ERR_OK) {
            v->is_damaged = e == ERR_CORRUPT;
            return e;
        }
        j->segments[j->segment_count++] = s;
        e = survey_segment(v, s, why);
    }
    return e;
}

/* Throws away what lies behind the damage: segments from the newest on, so that a crash leaves no
 * gap; what is left of the damaged one is overwritten, or old for ever because of the mark. */
static enum err discard(struct journal *j, const struct segment_names *names,
                        const struct survey *v, struct err_why *why)
{
    size_t kept = j->segment_count;
    while (kept > 0 && j->segments[kept - 1]->number > v->stop_segment) {
        kept--;
    }
    enum err e = ERR_OK;
    for (size_t i = names->count; i > kept && e == ERR_OK; i--) {
        e = segment_give_back(j->config.folder, names->numbers[i - 1], false, why);
    }
    while (e == ERR_OK && j->segment_count > kept) {
        segment_free(&j->segments[--j->segment_count]);
    }
    return e;
}

/* Where the next commit goes; `end` is behind the last one of the newest segment. */
static void place_gather(struct journal *j, const struct scan *scan, size_t end)
{
    const struct segment *newest = j->segment_count == 0 ? NULL : j->segments[j->segment_count - 1];
    const uint64_t limit = j->config.segment_bytes;
    struct gather *g = &j->gather;
    const uint64_t newest_commit =
        scan->newest_seen > scan->last_commit ? scan->newest_seen : scan->last_commit + 1;
    g->commit = newest_commit + 1;
    g->segment = newest == NULL ? 1 : newest->number;
    g->offset = (uint32_t)end;
    g->room = newest == NULL || newest->file_bytes > limit ? limit : newest->file_bytes;
    if (newest == NULL || end >= g->room) {
        g->begins_segment = true;
        g->segment = newest == NULL ? 1 : newest->number + 1;
        g->offset = SEGMENT_HEADER_BYTES;
    }
}

static enum err write_first_mark(struct journal *j, uint64_t last_commit, struct err_why *why)
{
    const struct record mark = {.kind = RECORD_MARK, .flags = RECORD_RESUME, .index = last_commit};
    struct gather *g = &j->gather;
    const uint64_t commit = g->commit;
    (void)journal_encode(g, &mark, NULL);
    if (g->offset == SEGMENT_HEADER_BYTES) {
        /* Also when the first commit of a segment was torn: the states at its head with it. */
        journal_encode_states(j, g);
    }
    g->is_mark = true;
    journal_cut(j);
    /* What a killed process wrote may be in the system's memory only. */
    j->is_unsynced = j->segment_count > 0;
    const enum err e = journal_write_out(j, &j->inflight, why);
    buf_clear(&j->inflight.bytes);
    j->is_marked = true;
    atomic_store(&j->durable, commit);
    atomic_store(&j->synced, commit);
    return e;
}

static enum err look_for_spare(struct journal *j, bool has_spare, struct err_why *why)
{
    uint64_t free_bytes = 0;
    enum err e = folder_space(j->config.folder, &free_bytes, why);
    if (e == ERR_OK && has_spare) {
        e = segment_spare_bytes(j->config.folder, &j->spare_bytes, why);
        const uint64_t limit = j->config.segment_bytes;
        j->spare_bytes = j->spare_bytes < limit ? j->spare_bytes : limit;
        j->spare = j->spare_bytes < j->config.first_bytes ? SPARE_NONE : SPARE_READY;
    }
    j->slack_bytes = free_bytes;
    atomic_store(&j->is_low, free_bytes < j->config.reserve_bytes);
    return e;
}

/* Reads what is there; with `discard_damage` what cannot be read ends the journal. */
static enum err read_all(struct journal *j, const struct segment_names *names, struct survey *v,
                         struct err_why *why)
{
    enum err e = read_segments(j, names, v, why);
    if (e == ERR_CORRUPT && v->is_damaged && j->config.discard_damage) {
        e = discard(j, names, v, why);
        replay_finish_cut(v->replay);
    }
    return e == ERR_OK ? replay_finish(v->replay, why) : e;
}

enum err journal_recover(struct journal *j, struct err_why *why)
{
    struct segment_names names = {0};
    struct replay *replay = mem_zero(1, sizeof(*replay));
    struct survey v = {.replay = replay};
    replay->groups = j->groups;
    enum err e = segment_remove_drafts(j->config.folder, why);
    if (e == ERR_OK) {
        e = segment_list(j->config.folder, JOURNAL_SEGMENTS_MAX, &names, why);
    }
    if (e == ERR_OK) {
        e = look_for_spare(j, names.has_spare, why);
    }
    if (e == ERR_OK) {
        e = read_all(j, &names, &v, why);
    }
    for (uint32_t i = 0; i < JOURNAL_GROUPS_MAX; i++) {
        j->group_limit = j->groups[i].is_used ? i + 1 : j->group_limit;
    }
    if (e == ERR_OK) {
        const bool has_stop =
            j->segment_count > 0 && j->segments[j->segment_count - 1]->number == v.stop_segment;
        place_gather(j, &v.scan, has_stop ? v.stop_end : SEGMENT_HEADER_BYTES);
        e = write_first_mark(j, v.scan.last_commit, why);
    }
    mem_free(names.numbers);
    mem_free(replay);
    survey_deinit(&v);
    return e;
}
