/* segment.h - the files of the journal: prepared ahead, used, used again.
 *
 * `journal-<20 digits>` is in use and always has a right header: a file gets this name only after
 * its header is on disk. `spare` is the one file prepared ahead; its blocks are written (with
 * zeros or old records), so that a commit changes no metadata and cannot run out of space. Files
 * that are being made are called drafts; they are worthless after a crash. */
#ifndef JOURNAL_SEGMENT_H
#define JOURNAL_SEGMENT_H

#include "sys/file.h"

#define SEGMENT_ROOM_MAX (512u << 20) /* config; a file may be longer by one commit */

struct segment {
    struct file *file; /* owned */
    uint64_t number;
    uint64_t salt;
    uint64_t first_commit;
    uint64_t file_bytes; /* what can be read */
    uint32_t readers;    /* that use `file` right now */
    bool is_retired;     /* out of the table: the last reader frees it */
};

/* What a folder holds of the journal's, before anything is opened. */
struct segment_names {
    uint64_t *numbers; /* ascending; owned, mem_free() */
    size_t count;
    bool has_spare;
};

/* "journal-<20 digits>" into `name`, of FILE_NAME_BYTES. Returns it. */
const char *segment_name(char *name, uint64_t number);

/* Errors: ERR_IO, ERR_TOO_LARGE (more than `max` segments). */
MUST_CHECK enum err segment_list(struct folder *f, size_t max, struct segment_names *out,
                                 struct err_why *why);

/* Removes what a crash left half made. Errors: ERR_IO. */
MUST_CHECK enum err segment_remove_drafts(struct folder *f, struct err_why *why);

/* Makes the spare: `bytes` of zeros, durable. There is none. Blocks for 50 ms or more when it is
 * large. Errors: ERR_NO_SPACE, ERR_IO. */
MUST_CHECK enum err segment_make_spare(struct folder *f, uint64_t bytes, struct err_why *why);

/* Turns the spare into segment `number`, for commits from `first_commit` on; `*out` is owned.
 * Errors: ERR_IO. */
MUST_CHECK enum err segment_from_spare(struct folder *f, uint64_t number, uint64_t first_commit,
                                       struct segment **out, struct err_why *why);

/* The same with a new file of `bytes`, when there is no spare: commits wait meanwhile.
 * Errors: ERR_IO, ERR_NO_SPACE: nothing has changed, it may be tried again. */
MUST_CHECK enum err segment_make(struct folder *f, uint64_t number, uint64_t first_commit,
                                 uint64_t bytes, struct segment **out, struct err_why *why);

/* Opens an existing segment; `*out` is owned. Errors: ERR_IO, ERR_CORRUPT,
 * ERR_UNIMPLEMENTED (written by a newer holdfast). */
MUST_CHECK enum err segment_open(struct folder *f, uint64_t number, enum file_mode mode,
                                 struct segment **out, struct err_why *why);

/* Durably takes the name away: the file becomes the spare, or is removed. Errors: ERR_IO. */
MUST_CHECK enum err segment_give_back(struct folder *f, uint64_t number, bool as_spare,
                                      struct err_why *why);

/* Closes the file and frees `*s`. Harmless when it is NULL. */
void segment_free(struct segment **s);

/* The size of the spare. Errors: ERR_IO. */
MUST_CHECK enum err segment_spare_bytes(struct folder *f, uint64_t *bytes, struct err_why *why);

#endif
