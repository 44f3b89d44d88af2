/* backup_file.h - the bytes of a backup: one snappy stream (framed), in which every record of a
 * table stands behind its length (8 bytes, little-endian) as an mvcc.v1.Command of type PUT. */
#ifndef API_REGATTA_BACKUP_FILE_H
#define API_REGATTA_BACKUP_FILE_H

#include "wire/compress.h"

#define BACKUP_FRAME_MAX ((size_t)1024) /* bytes of a record besides its key and value */

/* Zeroed is ready. */
struct backup_writer {
    /* Private to backup_file.c. */
    struct snappy_writer snappy;
    struct buf plain;
};

/* Appends the bytes of a record to `out`, as far as they are complete. */
void backup_write(struct backup_writer *w, struct buf *out, struct slice table, struct slice key,
                  struct slice value);

/* Appends what is left. */
void backup_flush(struct backup_writer *w, struct buf *out);
void backup_writer_deinit(struct backup_writer *w);

/* Zeroed but for the first is ready. */
struct backup_reader {
    size_t record_max; /* bytes; more are BROKEN */

    /* Private to backup_file.c. */
    struct snappy_reader snappy;
    struct buf plain; /* not used yet, from `at` on */
    size_t at;
};

enum backup_read {
    BACKUP_MORE,   /* all of `bytes` is used */
    BACKUP_RECORD, /* `*key` and `*value` are the next record's; call again with what is left */
    BACKUP_BROKEN
};

/* Advances `*bytes`. What is found points into the reader: until the next call. A DUMMY, which the
 * streams of followers end with, is skipped. */
enum backup_read backup_read(struct backup_reader *r, struct slice *bytes, struct slice *key,
                             struct slice *value);

/* A record or a block has begun and not ended. */
bool backup_reader_is_partial(const struct backup_reader *r);
void backup_reader_deinit(struct backup_reader *r);

#endif
