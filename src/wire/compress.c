/* compress.c - gzip by zlib, zstd by libzstd. Both are told how far they may go: output grows in
 * steps up to the caller's bound, windows are limited. */
#define ZLIB_CONST /* input is not written to */
#include "wire/compress.h"

#include <zlib.h>
#include <zstd.h>

#include "base/check.h"

#define GZIP_HEADER     16 /* added to the bits of a window: with gzip's header */
#define GZIP_LEVEL      Z_BEST_SPEED
#define WINDOW_BITS_MIN 9
#define ZSTD_LEVEL      1
#define ZSTD_WINDOW_LOG 23 /* of what we read: 8 MiB, what the format asks readers to bear */
#define STEP_BYTES      ((size_t)16 << 10)

/* ---- Room ---- */

/* What `out` may still get, at most a step that grows with it. 0: `size_max` is reached. */
static size_t room(struct buf *out, size_t begin, size_t size_max)
{
    const size_t have = out->size - begin;
    const size_t left = size_max - have;
    const size_t step = have < STEP_BYTES ? STEP_BYTES : have;
    const size_t size = left < step ? left : step;
    (void)buf_reserve(out, size + 1); /* never NULL, whatever the size */
    return size;
}

/* ---- gzip ---- */

/* zlib takes memory for its window, not for the message: 268 KiB for the largest. */
static int window_bits(size_t size)
{
    int bits = WINDOW_BITS_MIN;
    while (bits < MAX_WBITS && (size_t)1 << bits < size) {
        bits++;
    }
    return bits;
}

bool gzip_compress(struct buf *out, struct slice bytes)
{
    const int bits = window_bits(bytes.size);
    const int memory = bits - (MAX_WBITS - 8); /* 8, zlib's own choice, for the largest */
    z_stream z = {0};
    if (bytes.size > UINT32_MAX || deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_HEADER + bits,
                                                memory, Z_DEFAULT_STRATEGY) != Z_OK) {
        return false;
    }
    z.next_in = bytes.data;
    z.avail_in = (uInt)bytes.size;
    z.next_out = buf_reserve(out, bytes.size + 1);
    z.avail_out = (uInt)bytes.size;
    const bool is_smaller = deflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out < bytes.size;
    if (is_smaller) {
        buf_extend(out, z.total_out);
    }
    (void)deflateEnd(&z);
    return is_smaller;
}

/* One step. COMPRESS_OK: all of the input is used and its last member has ended, or go on:
 * `*is_over` tells. */
static enum compress_status inflate_step(z_stream *z, struct buf *out, size_t size, bool *is_over)
{
    uint8_t beyond = 0; /* shows whether more would come than fits */
    z->next_out = size > 0 ? buf_reserve(out, size) : &beyond;
    z->avail_out = size > 0 ? (uInt)size : 1;
    const uInt before = z->avail_out;
    const int result = inflate(z, Z_NO_FLUSH);
    const uInt made = before - z->avail_out;
    if (size == 0 && made > 0) {
        return COMPRESS_TOO_LARGE;
    }
    buf_extend(out, made);
    if (result == Z_STREAM_END) {
        *is_over = z->avail_in == 0;
        return *is_over || inflateReset(z) == Z_OK ? COMPRESS_OK : COMPRESS_BROKEN;
    }
    const bool is_stuck = made == 0 && z->avail_in == 0;
    return result == Z_OK && !is_stuck ? COMPRESS_OK : COMPRESS_BROKEN;
}

enum compress_status gzip_decompress(struct buf *out, struct slice bytes, size_t size_max)
{
    const size_t begin = out->size;
    z_stream z = {0};
    if (bytes.size > UINT32_MAX || inflateInit2(&z, GZIP_HEADER + MAX_WBITS) != Z_OK) {
        return COMPRESS_BROKEN;
    }
    z.next_in = bytes.data;
    z.avail_in = (uInt)bytes.size;
    enum compress_status status = COMPRESS_OK;
    bool is_over = false;
    while (status == COMPRESS_OK && !is_over) {
        size_t size = room(out, begin, size_max);
        size = size < UINT32_MAX ? size : UINT32_MAX;
        status = inflate_step(&z, out, size, &is_over);
    }
    (void)inflateEnd(&z);
    return status;
}

/* ---- zstd ---- */

bool zstd_compress(struct buf *out, struct slice bytes)
{
    if (bytes.size == 0) {
        return false;
    }
    const size_t size = ZSTD_compress(buf_reserve(out, bytes.size), bytes.size - 1, bytes.data,
                                      bytes.size, ZSTD_LEVEL);
    if (ZSTD_isError(size)) {
        return false; /* does not fit: not smaller */
    }
    buf_extend(out, size);
    return true;
}

/* As inflate_step(). */
static enum compress_status zstd_step(ZSTD_DCtx *z, ZSTD_inBuffer *in, struct buf *out, size_t size,
                                      bool *is_over)
{
    uint8_t beyond = 0;
    ZSTD_outBuffer to = {.dst = size > 0 ? buf_reserve(out, size) : &beyond,
                         .size = size > 0 ? size : 1};
    const size_t before = in->pos;
    const size_t left = ZSTD_decompressStream(z, &to, in);
    if (ZSTD_isError(left)) {
        return COMPRESS_BROKEN;
    }
    if (size == 0 && to.pos > 0) {
        return COMPRESS_TOO_LARGE;
    }
    buf_extend(out, to.pos);
    *is_over = left == 0 && in->pos == in->size;
    const bool is_stuck = to.pos == 0 && in->pos == before;
    return *is_over || !is_stuck ? COMPRESS_OK : COMPRESS_BROKEN;
}

enum compress_status zstd_decompress(struct buf *out, struct slice bytes, size_t size_max)
{
    const size_t begin = out->size;
    ZSTD_DCtx *z = ZSTD_createDCtx();
    if (z == NULL || bytes.size == 0 ||
        ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG))) {
        (void)ZSTD_freeDCtx(z);
        return COMPRESS_BROKEN;
    }
    ZSTD_inBuffer in = {.src = bytes.data, .size = bytes.size};
    enum compress_status status = COMPRESS_OK;
    bool is_over = false;
    while (status == COMPRESS_OK && !is_over) {
        status = zstd_step(z, &in, out, room(out, begin, size_max), &is_over);
    }
    (void)ZSTD_freeDCtx(z);
    return status;
}
