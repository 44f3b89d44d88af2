/* survey.h - reads segments one after the other: what the start and `holdfast check` share. */
#ifndef JOURNAL_SURVEY_H
#define JOURNAL_SURVEY_H

#include "journal/replay.h"
#include "journal/scan.h"
#include "journal/segment.h"

/* Zeroed at first, with `replay`; free with survey_deinit(). */
struct survey {
    struct replay *replay; /* borrowed */
    struct scan scan;
    uint64_t segments;     /* read so far */
    uint64_t stop_segment; /* the newest segment that had something to say ... */
    size_t stop_offset;    /* ... where reading it stopped ... */
    size_t stop_end;       /* ... and behind its newest whole commit */
    bool is_damaged;       /* what ended it is damage to stored bytes, at the stop */
    uint8_t *bytes;        /* of the segment being read; owned */
    uint64_t capacity;
};

/* Reads and replays the next segment. Errors: ERR_IO, ERR_CORRUPT. */
MUST_CHECK enum err survey_segment(struct survey *v, struct segment *s, struct err_why *why);

/* The commit numbers found at the end show that something unfinished lies behind it. */
bool survey_is_torn(const struct survey *v);

void survey_deinit(struct survey *v);

#endif
