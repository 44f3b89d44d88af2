/* snappy_frame.c - snappy's framed format:
 *
 *   ff 06 00 00 "sNaPpY"                        begins a stream, may come again
 *   00 size:3 crc:4 compressed bytes            at most 64 KiB of plain bytes
 *   01 size:3 crc:4 plain bytes
 *   80-fe size:3 bytes                          skipped; 02-7f are not
 *
 * Sizes are little-endian; the checksum is CRC-32C of the plain bytes, rotated and offset. */
#include <snappy-c.h>

#include "base/check.h"
#include "base/crc.h"
#include "wire/compress.h"

#define HEAD_BYTES       4
#define CHECKSUM_BYTES   4
#define TYPE_COMPRESSED  0x00
#define TYPE_PLAIN       0x01
#define TYPE_SKIPPED     0x80 /* this and above, but for the identifier */
#define TYPE_IDENTIFIER  0xff
#define COMPRESSED_MAX   ((size_t)76490) /* bytes that 64 KiB can become */
#define CHUNK_MAX        (HEAD_BYTES + CHECKSUM_BYTES + COMPRESSED_MAX)
#define IDENTIFIER_BYTES 10

static const uint8_t identifier[IDENTIFIER_BYTES] = {
    TYPE_IDENTIFIER, 6, 0, 0, 's', 'N', 'a', 'P', 'p', 'Y'};

static uint32_t masked_crc(struct slice bytes)
{
    const uint32_t crc = crc32c(0, bytes.data, bytes.size);
    return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

static void write_u32(uint8_t *to, uint32_t number)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t)(number >> (8 * i));
    }
}

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static size_t chunk_size(const uint8_t *head)
{
    return (size_t)(read_u32(head) >> 8);
}

/* ---- Reading ---- */

enum chunk_use {
    CHUNK_WANTED,
    CHUNK_SKIPPED,
    CHUNK_BROKEN
};

static enum chunk_use chunk_use(const struct snappy_reader *r, const uint8_t *head)
{
    const size_t size = chunk_size(head);
    bool is_good = false;
    if (head[0] == TYPE_IDENTIFIER) {
        return size == IDENTIFIER_BYTES - HEAD_BYTES ? CHUNK_WANTED : CHUNK_BROKEN;
    }
    if (!r->has_begun) {
        return CHUNK_BROKEN;
    }
    if (head[0] >= TYPE_SKIPPED) {
        return CHUNK_SKIPPED;
    }
    if (head[0] == TYPE_COMPRESSED) {
        is_good = size > CHECKSUM_BYTES && size <= CHECKSUM_BYTES + COMPRESSED_MAX;
    } else if (head[0] == TYPE_PLAIN) {
        is_good = size >= CHECKSUM_BYTES && size <= CHECKSUM_BYTES + SNAPPY_BLOCK_BYTES;
    }
    return is_good ? CHUNK_WANTED : CHUNK_BROKEN;
}

/* Moves bytes into `partial` until it holds `size`. */
static bool gather(struct snappy_reader *r, struct slice *bytes, size_t size)
{
    const size_t lacking = size - r->partial.size;
    const size_t part = bytes->size < lacking ? bytes->size : lacking;
    buf_append(&r->partial, bytes->data, part);
    *bytes = slice_skip(*bytes, part);
    return part == lacking;
}

/* The next chunk that counts, head included. SNAPPY_BLOCK: it is whole. */
static enum snappy_read take_chunk(struct snappy_reader *r, struct slice *bytes,
                                   struct slice *chunk)
{
    const bool is_direct = r->partial.size == 0 && bytes->size >= HEAD_BYTES;
    if (!is_direct && r->partial.size < HEAD_BYTES && !gather(r, bytes, HEAD_BYTES)) {
        return SNAPPY_MORE;
    }
    const uint8_t *head = is_direct ? bytes->data : r->partial.data;
    const size_t size = HEAD_BYTES + chunk_size(head);
    switch (chunk_use(r, head)) {
    case CHUNK_BROKEN:
        return SNAPPY_BROKEN;
    case CHUNK_SKIPPED:
        r->skip = is_direct ? size : size - HEAD_BYTES;
        buf_clear(&r->partial);
        *chunk = (struct slice){0};
        return SNAPPY_BLOCK;
    case CHUNK_WANTED:
        break;
    }
    if (is_direct && bytes->size >= size) {
        *chunk = slice_of(bytes->data, size);
        *bytes = slice_skip(*bytes, size);
        return SNAPPY_BLOCK;
    }
    if (!gather(r, bytes, size)) {
        return SNAPPY_MORE;
    }
    r->is_given = true;
    *chunk = buf_slice(&r->partial);
    return SNAPPY_BLOCK;
}

static bool uncompress(struct snappy_reader *r, struct slice packed, struct slice *plain)
{
    size_t size = 0;
    const char *at = (const char *)packed.data;
    if (snappy_uncompressed_length(at, packed.size, &size) != SNAPPY_OK ||
        size > SNAPPY_BLOCK_BYTES) {
        return false;
    }
    buf_clear(&r->plain);
    char *to = (char *)buf_reserve(&r->plain, SNAPPY_BLOCK_BYTES);
    if (snappy_uncompress(at, packed.size, to, &size) != SNAPPY_OK) {
        return false;
    }
    buf_extend(&r->plain, size);
    *plain = buf_slice(&r->plain);
    return true;
}

/* SNAPPY_MORE: it held no bytes. */
static enum snappy_read open_chunk(struct snappy_reader *r, struct slice chunk, struct slice *plain)
{
    if (chunk.data[0] == TYPE_IDENTIFIER) {
        r->has_begun = true;
        return slice_equal(chunk, slice_of(identifier, IDENTIFIER_BYTES)) ? SNAPPY_MORE
                                                                          : SNAPPY_BROKEN;
    }
    const uint32_t crc = read_u32(chunk.data + HEAD_BYTES);
    *plain = slice_skip(chunk, HEAD_BYTES + CHECKSUM_BYTES);
    if (chunk.data[0] == TYPE_COMPRESSED && !uncompress(r, *plain, plain)) {
        return SNAPPY_BROKEN;
    }
    if (masked_crc(*plain) != crc) {
        return SNAPPY_BROKEN;
    }
    return plain->size > 0 ? SNAPPY_BLOCK : SNAPPY_MORE;
}

enum snappy_read snappy_read(struct snappy_reader *r, struct slice *bytes, struct slice *plain)
{
    for (;;) {
        struct slice chunk = {0};
        if (r->is_given) {
            buf_clear(&r->partial);
            r->is_given = false;
        }
        const size_t part = r->skip < bytes->size ? r->skip : bytes->size;
        r->skip -= part;
        *bytes = slice_skip(*bytes, part);
        if (bytes->size == 0) {
            return SNAPPY_MORE;
        }
        CHECK(bytes->data != NULL);
        enum snappy_read result = take_chunk(r, bytes, &chunk);
        if (result != SNAPPY_BLOCK) {
            return result;
        }
        if (chunk.size > 0) {
            result = open_chunk(r, chunk, plain);
            if (result != SNAPPY_MORE) {
                return result;
            }
        }
    }
}

bool snappy_reader_is_partial(const struct snappy_reader *r)
{
    return !r->has_begun || r->skip > 0 || (r->partial.size > 0 && !r->is_given);
}

void snappy_reader_deinit(struct snappy_reader *r)
{
    buf_deinit(&r->partial);
    buf_deinit(&r->plain);
}

enum compress_status snappy_frame_decompress(struct buf *out, struct slice bytes, size_t size_max)
{
    struct snappy_reader reader = {0};
    enum compress_status status = COMPRESS_OK;
    const size_t begin = out->size;
    struct slice plain;
    enum snappy_read result = snappy_read(&reader, &bytes, &plain);
    while (result == SNAPPY_BLOCK && status == COMPRESS_OK) {
        if (plain.size > size_max - (out->size - begin)) {
            status = COMPRESS_TOO_LARGE;
        } else {
            buf_append_slice(out, plain);
            result = snappy_read(&reader, &bytes, &plain);
        }
    }
    if (status == COMPRESS_OK && (result == SNAPPY_BROKEN || snappy_reader_is_partial(&reader))) {
        status = COMPRESS_BROKEN;
    }
    snappy_reader_deinit(&reader);
    return status;
}

/* ---- Writing ---- */

static void write_chunk(struct buf *out, struct slice plain)
{
    uint8_t *head = buf_reserve(out, CHUNK_MAX);
    uint8_t *body = head + HEAD_BYTES + CHECKSUM_BYTES;
    size_t size = COMPRESSED_MAX;
    CHECK(plain.data != NULL && plain.size <= SNAPPY_BLOCK_BYTES);
    CHECK(snappy_compress((const char *)plain.data, plain.size, (char *)body, &size) == SNAPPY_OK);
    const bool is_packed = size < plain.size - plain.size / 8; /* an eighth less, or not worth it */
    if (!is_packed) {
        memcpy(body, plain.data, plain.size);
        size = plain.size;
    }
    write_u32(head,
              (uint32_t)(CHECKSUM_BYTES + size) << 8 | (is_packed ? TYPE_COMPRESSED : TYPE_PLAIN));
    write_u32(head + HEAD_BYTES, masked_crc(plain));
    buf_extend(out, HEAD_BYTES + CHECKSUM_BYTES + size);
}

static void write_identifier(struct snappy_writer *w, struct buf *out)
{
    if (!w->has_begun) {
        buf_append(out, identifier, sizeof(identifier));
        w->has_begun = true;
    }
}

void snappy_write(struct snappy_writer *w, struct buf *out, struct slice bytes)
{
    while (w->plain.size + bytes.size >= SNAPPY_BLOCK_BYTES) {
        const size_t part = SNAPPY_BLOCK_BYTES - w->plain.size;
        struct slice block = slice_of(bytes.data, part);
        if (w->plain.size > 0) {
            buf_append(&w->plain, bytes.data, part);
            block = buf_slice(&w->plain);
        }
        write_identifier(w, out);
        write_chunk(out, block);
        buf_clear(&w->plain);
        bytes = slice_skip(bytes, part);
    }
    buf_append_slice(&w->plain, bytes);
}

void snappy_flush(struct snappy_writer *w, struct buf *out)
{
    write_identifier(w, out);
    if (w->plain.size > 0) {
        write_chunk(out, buf_slice(&w->plain));
        buf_clear(&w->plain);
    }
}

void snappy_writer_deinit(struct snappy_writer *w)
{
    buf_deinit(&w->plain);
}

bool snappy_frame_compress(struct buf *out, struct slice bytes)
{
    struct snappy_writer writer = {0};
    const size_t before = out->size;
    snappy_write(&writer, out, bytes);
    snappy_flush(&writer, out);
    snappy_writer_deinit(&writer);
    const bool is_smaller = out->size - before < bytes.size;
    if (!is_smaller) {
        out->size = before;
    }
    return is_smaller;
}
