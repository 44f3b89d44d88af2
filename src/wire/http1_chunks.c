/* http1_chunks.c - chunked bodies, one byte of framing at a time: in any pieces, with nothing
 * tolerated (no blanks around a size, no bare line feed), since what two servers read
 * differently is a way to smuggle requests past one of them. */
#include "base/check.h"
#include "wire/http1.h"
#include "wire/text.h"

#define EXTRA_MAX 16384 /* bytes of extensions and trailers of one body */

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_FEED,
    CHUNK_DATA,
    CHUNK_DATA_RETURN,
    CHUNK_DATA_FEED,
    CHUNK_TRAILER_BEGIN, /* at the beginning of a line */
    CHUNK_TRAILER,
    CHUNK_TRAILER_FEED,
    CHUNK_END_FEED,
    CHUNK_END
};

static bool size_byte(struct http1_chunks *c, uint8_t byte)
{
    const int digit = text_hex(byte);
    if (digit >= 0) {
        c->left = c->left << 4 | (unsigned)digit;
        return ++c->digits <= 15;
    }
    if (c->digits == 0 || (byte != '\r' && byte != ';')) {
        return false;
    }
    c->state = byte == '\r' ? CHUNK_SIZE_FEED : CHUNK_EXTENSION;
    return true;
}

/* A byte of an extension or a trailer, which nobody reads; `next` is the state behind its line. */
static bool extra_byte(struct http1_chunks *c, uint8_t byte, enum chunk_state next)
{
    if (byte == '\r') {
        c->state = (uint8_t)next;
        return true;
    }
    return (byte >= ' ' || byte == '\t') && byte != 0x7f && ++c->trailer_bytes <= EXTRA_MAX;
}

static bool feed_byte(struct http1_chunks *c, uint8_t byte, enum chunk_state next)
{
    c->state = (uint8_t)next;
    return byte == '\n';
}

/* One byte outside a chunk's data; false: it may not stand here. */
static bool frame_byte(struct http1_chunks *c, uint8_t byte)
{
    switch ((enum chunk_state)c->state) {
    case CHUNK_SIZE:
        return size_byte(c, byte);
    case CHUNK_EXTENSION:
        return extra_byte(c, byte, CHUNK_SIZE_FEED);
    case CHUNK_SIZE_FEED:
        c->digits = 0;
        return feed_byte(c, byte, c->left > 0 ? CHUNK_DATA : CHUNK_TRAILER_BEGIN);
    case CHUNK_DATA_RETURN:
        c->state = CHUNK_DATA_FEED;
        return byte == '\r';
    case CHUNK_DATA_FEED:
        return feed_byte(c, byte, CHUNK_SIZE);
    case CHUNK_TRAILER_BEGIN:
        c->state = CHUNK_TRAILER;
        if (byte == ' ' || byte == '\t' || byte == ':') {
            return false;
        }
        return extra_byte(c, byte, CHUNK_END_FEED);
    case CHUNK_TRAILER:
        return extra_byte(c, byte, CHUNK_TRAILER_FEED);
    case CHUNK_TRAILER_FEED:
        return feed_byte(c, byte, CHUNK_TRAILER_BEGIN);
    case CHUNK_END_FEED:
        return feed_byte(c, byte, CHUNK_END);
    case CHUNK_DATA:
    case CHUNK_END:
        break;
    }
    UNREACHABLE("a byte that belongs to no frame");
}

enum http1_chunk_status http1_chunks_read(struct http1_chunks *c, uint8_t *data, size_t size,
                                          size_t *consumed, size_t *decoded)
{
    size_t at = 0;
    size_t kept = 0;
    while (at < size && c->state != CHUNK_END) {
        if (c->state != CHUNK_DATA) {
            if (!frame_byte(c, data[at++])) {
                return HTTP1_CHUNK_BROKEN;
            }
            continue;
        }
        const size_t part = c->left < size - at ? (size_t)c->left : size - at;
        memmove(data + kept, data + at, part);
        kept += part;
        at += part;
        c->left -= part;
        if (c->left == 0) {
            c->state = CHUNK_DATA_RETURN;
        }
    }
    *consumed = at;
    *decoded = kept;
    return c->state == CHUNK_END ? HTTP1_CHUNK_END : HTTP1_CHUNK_MORE;
}
