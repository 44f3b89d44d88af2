/* Compressed bytes that are none, bombs, and whatever is made smaller and must come out again. The
 * first byte chooses. */
#include "base/check.h"
#include "wire/compress.h"
#include "wire/grpc.h"

#define PLAIN_MAX ((size_t)1 << 20) /* bytes that may come out */

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef bool (*compress_fn)(struct buf *out, struct slice bytes);
typedef enum compress_status (*decompress_fn)(struct buf *out, struct slice bytes, size_t size_max);

static void check_decompress(decompress_fn decompress, struct slice bytes)
{
    struct buf out = {0};
    const enum compress_status status = decompress(&out, bytes, PLAIN_MAX);
    CHECK(out.size <= PLAIN_MAX);
    if (status == COMPRESS_OK && out.size > 0) {
        const size_t size = out.size;
        buf_clear(&out);
        CHECK(decompress(&out, bytes, size) == COMPRESS_OK);
        buf_clear(&out);
        CHECK(decompress(&out, bytes, size - 1) == COMPRESS_TOO_LARGE);
    }
    buf_deinit(&out);
}

static void check_compress(compress_fn compress, decompress_fn decompress, struct slice bytes)
{
    struct buf packed = {0};
    struct buf out = {0};
    if (compress(&packed, bytes)) {
        CHECK(packed.size < bytes.size);
        CHECK(decompress(&out, buf_slice(&packed), bytes.size) == COMPRESS_OK);
        CHECK(slice_equal(buf_slice(&out), bytes));
    } else {
        CHECK(packed.size == 0);
    }
    buf_deinit(&packed);
    buf_deinit(&out);
}

/* In pieces the same comes out as at once. */
static void check_snappy_stream(struct slice bytes, size_t piece)
{
    struct snappy_reader reader = {0};
    struct buf out = {0};
    struct buf whole = {0};
    enum snappy_read result = SNAPPY_MORE;
    struct slice rest = bytes;
    while (rest.size > 0 && result != SNAPPY_BROKEN && out.size <= PLAIN_MAX) {
        struct slice part = slice_of(rest.data, piece < rest.size ? piece : rest.size);
        struct slice block;
        rest = slice_skip(rest, part.size);
        while ((result = snappy_read(&reader, &part, &block)) == SNAPPY_BLOCK) {
            CHECK(block.size > 0 && block.size <= SNAPPY_BLOCK_BYTES);
            buf_append_slice(&out, block);
        }
        CHECK(result == SNAPPY_BROKEN || part.size == 0);
    }
    const bool is_good = result != SNAPPY_BROKEN && !snappy_reader_is_partial(&reader);
    if (out.size <= PLAIN_MAX) {
        const enum compress_status status = snappy_frame_decompress(&whole, bytes, PLAIN_MAX);
        CHECK((status == COMPRESS_OK) == is_good);
        CHECK(slice_equal(buf_slice(&whole), buf_slice(&out)));
    }
    snappy_reader_deinit(&reader);
    buf_deinit(&out);
    buf_deinit(&whole);
}

/* Messages of a body, in pieces. */
static void check_messages(struct slice body, size_t piece, enum grpc_encoding encoding)
{
    struct grpc_reader reader = {.message_max = PLAIN_MAX, .encoding = encoding};
    struct buf text = {0};
    enum grpc_read result = GRPC_READ_MORE;
    while (body.size > 0 && result == GRPC_READ_MORE) {
        struct slice part = slice_of(body.data, piece < body.size ? piece : body.size);
        struct slice message;
        body = slice_skip(body, part.size);
        while ((result = grpc_read(&reader, &part, &message)) == GRPC_READ_MESSAGE) {
            CHECK(message.size <= PLAIN_MAX);
        }
    }
    if (result != GRPC_READ_MORE) {
        grpc_read_error_to(&reader, result, &text);
        CHECK(text.size > 0);
    }
    grpc_reader_deinit(&reader);
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const compress_fn compressors[] = {gzip_compress, zstd_compress, snappy_frame_compress};
    static const decompress_fn decompressors[] = {gzip_decompress, zstd_decompress,
                                                  snappy_frame_decompress};
    if (size < 2) {
        return 0;
    }
    const struct slice bytes = slice_of(data + 2, size - 2);
    const size_t piece = (size_t)data[1] + 1;
    const size_t codec = data[0] % 3;
    switch (data[0] >> 6) {
    case 0:
        check_decompress(decompressors[codec], bytes);
        break;
    case 1:
        check_compress(compressors[codec], decompressors[codec], bytes);
        break;
    case 2:
        check_snappy_stream(bytes, piece);
        break;
    default:
        check_messages(bytes, piece, (enum grpc_encoding)(data[0] & 3));
    }
    return 0;
}
