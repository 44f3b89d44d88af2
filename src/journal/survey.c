/* survey.c - see survey.h. */
#include "journal/survey.h"

#include <inttypes.h>

#include "base/mem.h"

static enum err load(struct survey *v, struct segment *s, struct err_why *why)
{
    if (v->capacity < s->file_bytes) {
        mem_free(v->bytes);
        v->bytes = mem_alloc(s->file_bytes);
        v->capacity = s->file_bytes;
    }
    return file_read(s->file, v->bytes, s->file_bytes, 0, why);
}

/* Damage is found where the proof lies; it is where reading stopped before. */
static enum err damaged(struct survey *v, struct err_why *why)
{
    char name[FILE_NAME_BYTES];
    v->is_damaged = true;
    return err_set(why, ERR_CORRUPT,
                   "%s offset %zu: damaged, commits follow that were written after it was whole",
                   segment_name(name, v->stop_segment), v->stop_offset);
}

enum err survey_segment(struct survey *v, struct segment *s, struct err_why *why)
{
    enum err e = load(v, s, why);
    if (e != ERR_OK) {
        return e;
    }
    if (v->segments == 0) {
        v->scan.last_commit = s->first_commit - 1;
    }
    v->segments++;
    scan_segment(&v->scan, v->bytes, s->file_bytes, SEGMENT_HEADER_BYTES, s->salt);
    const bool says_something = v->scan.bad > SEGMENT_HEADER_BYTES || v->segments == 1;
    if (says_something) {
        v->stop_segment = s->number;
        v->stop_offset = v->scan.bad;
        v->stop_end = v->scan.end;
    }
    /* Before the damage is reported: the commits in front of it may have to serve. */
    e = replay_segment(v->replay, v->bytes, v->scan.end, s->number, why);
    return e == ERR_OK && v->scan.is_damaged ? damaged(v, why) : e;
}

bool survey_is_torn(const struct survey *v)
{
    return v->scan.bad > v->scan.end || v->scan.newest_seen > v->scan.last_commit;
}

void survey_deinit(struct survey *v)
{
    mem_free(v->bytes);
    *v = (struct survey){0};
}
