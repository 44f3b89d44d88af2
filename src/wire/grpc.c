#include "wire/grpc.h"

#include <inttypes.h>

#include "base/check.h"
#include "wire/compress.h"

#define COMPRESS_LEAST ((size_t)64) /* bytes: smaller messages only grow */

/* ---- Encodings ---- */

const char *grpc_encoding_name(enum grpc_encoding encoding)
{
    static const char *const names[GRPC_ENCODING_COUNT] = {[GRPC_IDENTITY] = "identity",
                                                           [GRPC_GZIP] = "gzip",
                                                           [GRPC_ZSTD] = "zstd",
                                                           [GRPC_SNAPPY] = "snappy"};
    CHECK(encoding < GRPC_ENCODING_COUNT);
    return names[encoding];
}

bool grpc_encoding_find(struct slice name, enum grpc_encoding *encoding)
{
    for (int i = 0; i < GRPC_ENCODING_COUNT; i++) {
        if (slice_equal(name, slice_of_text(grpc_encoding_name((enum grpc_encoding)i)))) {
            *encoding = (enum grpc_encoding)i;
            return true;
        }
    }
    return false;
}

static bool compress(struct buf *out, struct slice bytes, enum grpc_encoding encoding)
{
    switch (encoding) {
    case GRPC_GZIP:
        return gzip_compress(out, bytes);
    case GRPC_ZSTD:
        return zstd_compress(out, bytes);
    case GRPC_SNAPPY:
        return snappy_frame_compress(out, bytes);
    case GRPC_IDENTITY:
    case GRPC_ENCODING_COUNT:
        break;
    }
    return false;
}

static enum compress_status decompress(struct grpc_reader *r, struct slice bytes)
{
    switch (r->encoding) {
    case GRPC_GZIP:
        return gzip_decompress(&r->plain, bytes, r->message_max);
    case GRPC_ZSTD:
        return zstd_decompress(&r->plain, bytes, r->message_max);
    case GRPC_SNAPPY:
        return snappy_frame_decompress(&r->plain, bytes, r->message_max);
    case GRPC_IDENTITY:
    case GRPC_ENCODING_COUNT:
        break;
    }
    UNREACHABLE("a message that is not compressed");
}

/* ---- Reading ---- */

static uint32_t read_size(const uint8_t *prefix)
{
    return (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 | (uint32_t)prefix[3] << 8 |
           (uint32_t)prefix[4];
}

/* Moves bytes into `partial` until it holds `size`. */
static bool gather(struct grpc_reader *r, struct slice *bytes, size_t size)
{
    const size_t lacking = size - r->partial.size;
    const size_t part = bytes->size < lacking ? bytes->size : lacking;
    buf_append(&r->partial, bytes->data, part);
    *bytes = slice_skip(*bytes, part);
    return part == lacking;
}

static enum grpc_read check_prefix(struct grpc_reader *r, const uint8_t *prefix)
{
    r->flag = prefix[0];
    r->size = read_size(prefix);
    if (r->flag > 1) {
        return GRPC_READ_BAD_FLAG;
    }
    if (r->flag == 1 && r->encoding == GRPC_IDENTITY) {
        return GRPC_READ_NO_ENCODING;
    }
    return r->size > r->message_max ? GRPC_READ_TOO_LARGE : GRPC_READ_MESSAGE;
}

/* The next message as it was sent. */
static enum grpc_read take(struct grpc_reader *r, struct slice *bytes, struct slice *message)
{
    const bool is_direct = r->partial.size == 0 && bytes->size >= GRPC_PREFIX_BYTES;
    if (!is_direct && r->partial.size < GRPC_PREFIX_BYTES && !gather(r, bytes, GRPC_PREFIX_BYTES)) {
        return GRPC_READ_MORE;
    }
    const enum grpc_read result = check_prefix(r, is_direct ? bytes->data : r->partial.data);
    const size_t size = GRPC_PREFIX_BYTES + (size_t)r->size;
    if (result != GRPC_READ_MESSAGE) {
        return result;
    }
    if (is_direct && bytes->size >= size) {
        *message = slice_of(bytes->data + GRPC_PREFIX_BYTES, r->size);
        *bytes = slice_skip(*bytes, size);
        return GRPC_READ_MESSAGE;
    }
    if (!gather(r, bytes, size)) {
        return GRPC_READ_MORE;
    }
    r->is_given = true;
    *message = slice_skip(buf_slice(&r->partial), GRPC_PREFIX_BYTES);
    return GRPC_READ_MESSAGE;
}

enum grpc_read grpc_read(struct grpc_reader *r, struct slice *bytes, struct slice *message)
{
    if (r->is_given) {
        buf_clear(&r->partial);
        r->is_given = false;
    }
    const enum grpc_read result = take(r, bytes, message);
    /* Nothing at all is an empty message in every encoding: some clients' streams begin lazily. */
    if (result != GRPC_READ_MESSAGE || r->flag == 0 || message->size == 0) {
        return result;
    }
    buf_clear(&r->plain);
    switch (decompress(r, *message)) {
    case COMPRESS_OK:
        break;
    case COMPRESS_BROKEN:
        return GRPC_READ_BROKEN;
    case COMPRESS_TOO_LARGE:
        return GRPC_READ_TOO_LARGE;
    }
    *message = buf_slice(&r->plain);
    return GRPC_READ_MESSAGE;
}

void grpc_read_error_to(const struct grpc_reader *r, enum grpc_read error, struct buf *out)
{
    switch (error) {
    case GRPC_READ_TOO_LARGE:
        if (r->size > r->message_max) {
            buf_printf(out, "grpc: received message larger than max (%" PRIu32 " vs. %zu)", r->size,
                       r->message_max);
        } else {
            buf_printf(out, "grpc: received message after decompression larger than max %zu",
                       r->message_max);
        }
        return;
    case GRPC_READ_BROKEN:
        buf_printf(out, "grpc: failed to decompress the received message: not %s",
                   grpc_encoding_name(r->encoding));
        return;
    case GRPC_READ_BAD_FLAG:
        buf_printf(out, "grpc: received unexpected payload format %u", (unsigned)r->flag);
        return;
    case GRPC_READ_NO_ENCODING:
        buf_append_text(out, "grpc: compressed flag set with identity or empty encoding");
        return;
    case GRPC_READ_MORE:
    case GRPC_READ_MESSAGE:
        break;
    }
    UNREACHABLE("no error to speak of");
}

bool grpc_reader_is_partial(const struct grpc_reader *r)
{
    return r->partial.size > 0 && !r->is_given;
}

void grpc_reader_deinit(struct grpc_reader *r)
{
    buf_deinit(&r->partial);
    buf_deinit(&r->plain);
}

/* ---- Writing ---- */

size_t grpc_message_begin(struct buf *out)
{
    const size_t begin = out->size;
    memset(buf_reserve(out, GRPC_PREFIX_BYTES), 0, GRPC_PREFIX_BYTES);
    buf_extend(out, GRPC_PREFIX_BYTES);
    return begin;
}

void grpc_prefix(uint8_t *prefix, bool is_compressed, size_t size)
{
    CHECK(size <= UINT32_MAX);
    prefix[0] = is_compressed;
    prefix[1] = (uint8_t)(size >> 24);
    prefix[2] = (uint8_t)(size >> 16);
    prefix[3] = (uint8_t)(size >> 8);
    prefix[4] = (uint8_t)size;
}

void grpc_message_end(struct buf *out, size_t begin, enum grpc_encoding encoding)
{
    const size_t body = begin + GRPC_PREFIX_BYTES;
    CHECK(body <= out->size);
    struct slice message = slice_of(out->data + body, out->size - body);
    bool is_compressed = false;
    if (encoding != GRPC_IDENTITY && message.size >= COMPRESS_LEAST) {
        struct buf packed = {0};
        is_compressed = compress(&packed, message, encoding);
        if (is_compressed) {
            out->size = body;
            buf_append_slice(out, buf_slice(&packed));
        }
        buf_deinit(&packed);
    }
    grpc_prefix(out->data + begin, is_compressed, out->size - body);
}

/* ---- Header fields ---- */

static uint64_t unit_ns(uint8_t unit)
{
    switch (unit) {
    case 'H':
        return UINT64_C(3600000000000);
    case 'M':
        return UINT64_C(60000000000);
    case 'S':
        return UINT64_C(1000000000);
    case 'm':
        return UINT64_C(1000000);
    case 'u':
        return UINT64_C(1000);
    case 'n':
        return 1;
    default:
        return 0;
    }
}

bool grpc_timeout(struct slice text, uint64_t *ns)
{
    if (text.size < 2 || text.size > 9) {
        return false;
    }
    uint64_t number = 0;
    for (size_t i = 0; i + 1 < text.size; i++) {
        const uint8_t byte = text.data[i];
        if (byte < '0' || byte > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(byte - '0');
    }
    const uint64_t unit = unit_ns(text.data[text.size - 1]);
    *ns = number * unit; /* 8 digits of hours are beyond 64 bits: cut below */
    if (unit > 0 && number > UINT64_MAX / unit) {
        *ns = UINT64_MAX;
    }
    return unit > 0;
}

void grpc_percent_encode(struct buf *out, struct slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t *to = buf_reserve(out, text.size * 3);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t byte = text.data[i];
        const bool is_edge = i == 0 || i + 1 == text.size;
        if (byte >= 0x20 && byte <= 0x7e && byte != '%' && !(byte == ' ' && is_edge)) {
            to[size++] = byte;
        } else {
            to[size++] = '%';
            to[size++] = (uint8_t)digits[byte >> 4];
            to[size++] = (uint8_t)digits[byte & 15];
        }
    }
    buf_extend(out, size);
}
