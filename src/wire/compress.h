/* compress.h - gzip, zstd, and snappy's framed format, for messages and for backup files.
 *
 * Messages are compressed whole; what is decompressed is bounded by the caller, so that a few bytes
 * cannot become all memory. The framed format of snappy (github.com/google/snappy,
 * framing_format.txt) is also there as a stream, block by block. */
#ifndef WIRE_COMPRESS_H
#define WIRE_COMPRESS_H

#include "base/buf.h"

enum compress_status {
    COMPRESS_OK,
    COMPRESS_BROKEN,   /* no such format, cut short, or a wrong checksum */
    COMPRESS_TOO_LARGE /* more than `size_max` bytes come out */
};

/* Appends the compressed bytes. False: they are not fewer; `out` is as before then. */
bool gzip_compress(struct buf *out, struct slice bytes);
bool zstd_compress(struct buf *out, struct slice bytes);
bool snappy_frame_compress(struct buf *out, struct slice bytes);

/* Appends at most `size_max` bytes; whatever `out` holds after a failure is of no use. */
enum compress_status gzip_decompress(struct buf *out, struct slice bytes, size_t size_max);
enum compress_status zstd_decompress(struct buf *out, struct slice bytes, size_t size_max);
enum compress_status snappy_frame_decompress(struct buf *out, struct slice bytes, size_t size_max);

/* ---- Snappy's framed format as a stream ---- */

#define SNAPPY_BLOCK_BYTES ((size_t)64 << 10) /* of plain bytes in a chunk, by the format */

/* Zeroed is ready. Holds at most one unfinished chunk and one block. */
struct snappy_reader {
    /* Private to wire/. */
    struct buf partial; /* of a chunk that is not complete */
    struct buf plain;   /* a decompressed block */
    size_t skip;        /* bytes of a chunk that is not wanted, still to come */
    bool has_begun;     /* the stream identifier was read */
    bool is_given;      /* `partial` was handed out; it is dropped at the next call */
};

enum snappy_read {
    SNAPPY_MORE,  /* all of `bytes` is used; no whole block */
    SNAPPY_BLOCK, /* `*plain` is the next of the stream; call again with what is left */
    SNAPPY_BROKEN
};

/* Advances `*bytes`. `*plain`, at most SNAPPY_BLOCK_BYTES, points into the given bytes or the
 * reader: until the next call. */
enum snappy_read snappy_read(struct snappy_reader *r, struct slice *bytes, struct slice *plain);

/* A chunk has begun and not ended, or the stream identifier has not come. */
bool snappy_reader_is_partial(const struct snappy_reader *r);
void snappy_reader_deinit(struct snappy_reader *r);

/* Zeroed is ready. Holds less than one block. */
struct snappy_writer {
    /* Private to wire/. */
    struct buf plain; /* of a block that is not full */
    bool has_begun;
};

/* Appends the chunks of whole blocks to `out`; the rest waits for more. */
void snappy_write(struct snappy_writer *w, struct buf *out, struct slice bytes);

/* Appends what waits, and the stream identifier if nothing was written yet. */
void snappy_flush(struct snappy_writer *w, struct buf *out);
void snappy_writer_deinit(struct snappy_writer *w);

#endif
