/* gRPC's framing, header texts and encodings; protocol buffers field by field. */
#include "base/random.h"
#include "harness.h"
#include "wire/compress.h"
#include "wire/grpc.h"
#include "wire/protobuf.h"

#define MAX ((size_t)1 << 20)

static void append_message(struct buf *out, struct slice message, enum grpc_encoding encoding)
{
    const size_t begin = grpc_message_begin(out);
    buf_append_slice(out, message);
    grpc_message_end(out, begin, encoding);
}

/* Reads a body in pieces; appends the messages, each with a '|' behind it. */
static enum grpc_read read_all(struct grpc_reader *r, struct slice body, size_t piece,
                               struct buf *messages)
{
    enum grpc_read result = GRPC_READ_MORE;
    while (body.size > 0) {
        struct slice part = slice_of(body.data, piece < body.size ? piece : body.size);
        struct slice message;
        body = slice_skip(body, part.size);
        while ((result = grpc_read(r, &part, &message)) == GRPC_READ_MESSAGE) {
            buf_append_slice(messages, message);
            buf_append_byte(messages, '|');
        }
        if (result != GRPC_READ_MORE) {
            return result;
        }
        EXPECT_EQ(0, part.size);
    }
    return result;
}

static void test_messages_in_any_pieces(void)
{
    struct buf body = {0};
    append_message(&body, SLICE("first"), GRPC_IDENTITY);
    append_message(&body, SLICE(""), GRPC_IDENTITY);
    append_message(&body, SLICE("third one"), GRPC_IDENTITY);
    for (size_t piece = 1; piece <= body.size; piece++) {
        struct grpc_reader reader = {.message_max = MAX};
        struct buf messages = {0};
        EXPECT_EQ(GRPC_READ_MORE, read_all(&reader, buf_slice(&body), piece, &messages));
        EXPECT(slice_equal(buf_slice(&messages), SLICE("first||third one|")));
        EXPECT(!grpc_reader_is_partial(&reader));
        grpc_reader_deinit(&reader);
        buf_deinit(&messages);
    }
    buf_deinit(&body);
}

/* What lies whole in the bytes that came is not copied. */
static void test_whole_messages_are_borrowed(void)
{
    struct buf body = {0};
    append_message(&body, SLICE("first"), GRPC_IDENTITY);
    append_message(&body, SLICE("second"), GRPC_IDENTITY);
    struct grpc_reader reader = {.message_max = MAX};
    struct slice rest = buf_slice(&body);
    struct slice message;
    EXPECT_EQ(GRPC_READ_MESSAGE, grpc_read(&reader, &rest, &message));
    EXPECT(message.data == body.data + GRPC_PREFIX_BYTES);
    EXPECT_EQ(GRPC_READ_MESSAGE, grpc_read(&reader, &rest, &message));
    EXPECT(message.data == body.data + 2 * GRPC_PREFIX_BYTES + 5);
    EXPECT_EQ(0, reader.partial.capacity);
    grpc_reader_deinit(&reader);
    buf_deinit(&body);
}

static void expect_error(enum grpc_read want, struct grpc_reader *reader, struct slice body,
                         const char *text)
{
    struct slice message;
    struct buf said = {0};
    const enum grpc_read result = grpc_read(reader, &body, &message);
    EXPECT_EQ(want, result);
    grpc_read_error_to(reader, result, &said);
    EXPECT(slice_equal(slice_of_text(text), buf_slice(&said)));
    buf_deinit(&said);
    grpc_reader_deinit(reader);
    *reader = (struct grpc_reader){.message_max = 10};
}

static void test_refusals(void)
{
    struct grpc_reader reader = {.message_max = 10};
    expect_error(GRPC_READ_BAD_FLAG, &reader, slice_of("\2\0\0\0\0", 5),
                 "grpc: received unexpected payload format 2");
    expect_error(GRPC_READ_TOO_LARGE, &reader, slice_of("\0\0\0\0\13", 5),
                 "grpc: received message larger than max (11 vs. 10)");
    expect_error(GRPC_READ_NO_ENCODING, &reader, slice_of("\1\0\0\0\1a", 6),
                 "grpc: compressed flag set with identity or empty encoding");
    reader.encoding = GRPC_GZIP;
    expect_error(GRPC_READ_BROKEN, &reader, slice_of("\1\0\0\0\1a", 6),
                 "grpc: failed to decompress the received message: not gzip");
    struct slice part = slice_of("\0\0\0\0\5ab", 7);
    struct slice message;
    EXPECT_EQ(GRPC_READ_MORE, grpc_read(&reader, &part, &message));
    EXPECT(grpc_reader_is_partial(&reader));
    grpc_reader_deinit(&reader);
}

/* ---- Encodings ---- */

typedef bool (*compress_fn)(struct buf *out, struct slice bytes);
typedef enum compress_status (*decompress_fn)(struct buf *out, struct slice bytes, size_t size_max);

static const struct {
    enum grpc_encoding encoding;
    compress_fn compress;
    decompress_fn decompress;
} codecs[] = {{GRPC_GZIP, gzip_compress, gzip_decompress},
              {GRPC_ZSTD, zstd_compress, zstd_decompress},
              {GRPC_SNAPPY, snappy_frame_compress, snappy_frame_decompress}};

#define CODEC_COUNT (sizeof(codecs) / sizeof(codecs[0]))

static void test_names(void)
{
    enum grpc_encoding found = GRPC_IDENTITY;
    for (int i = 0; i < GRPC_ENCODING_COUNT; i++) {
        const char *name = grpc_encoding_name((enum grpc_encoding)i);
        EXPECT(grpc_encoding_find(slice_of_text(name), &found));
        EXPECT_EQ(i, found);
    }
    EXPECT(!grpc_encoding_find(SLICE("deflate"), &found));
    EXPECT(!grpc_encoding_find(SLICE(""), &found));
}

/* Text that compresses, of `size` bytes. */
static void fill_text(struct buf *out, size_t size)
{
    for (size_t i = 0; out->size < size; i++) {
        buf_printf(out, "line %zu of a text; ", i % 1000);
    }
    out->size = size;
}

static void test_round_trips(void)
{
    static const size_t sizes[] = {64, 1000, 65535, 65536, 65537, 200000};
    for (size_t c = 0; c < CODEC_COUNT; c++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct buf plain = {0};
            struct buf packed = {0};
            struct buf again = {0};
            fill_text(&plain, sizes[i]);
            if (sizes[i] > 64) {
                EXPECT(codecs[c].compress(&packed, buf_slice(&plain)));
                EXPECT(packed.size < plain.size);
                EXPECT_EQ(COMPRESS_OK,
                          codecs[c].decompress(&again, buf_slice(&packed), plain.size));
                EXPECT(slice_equal(buf_slice(&plain), buf_slice(&again)));
            }
            buf_deinit(&plain);
            buf_deinit(&packed);
            buf_deinit(&again);
        }
    }
}

static void test_messages_are_compressed(void)
{
    struct buf plain = {0};
    fill_text(&plain, 3000);
    for (size_t c = 0; c < CODEC_COUNT; c++) {
        struct buf body = {0};
        struct buf messages = {0};
        struct grpc_reader reader = {.message_max = MAX, .encoding = codecs[c].encoding};
        append_message(&body, buf_slice(&plain), codecs[c].encoding);
        append_message(&body, SLICE("short"), codecs[c].encoding);
        EXPECT_EQ(1, body.data[0]);
        EXPECT(body.size < 1500);
        EXPECT_EQ(GRPC_READ_MORE, read_all(&reader, buf_slice(&body), 7, &messages));
        EXPECT_EQ(plain.size + 7, messages.size);
        EXPECT_EQ(0, memcmp(messages.data, plain.data, plain.size));
        grpc_reader_deinit(&reader);
        buf_deinit(&body);
        buf_deinit(&messages);
    }
    buf_deinit(&plain);
}

/* What does not become smaller is sent as it is. */
static void test_noise_is_not_compressed(void)
{
    struct random random = {7};
    uint8_t noise[512];
    for (size_t i = 0; i < sizeof(noise); i++) {
        noise[i] = (uint8_t)random_next(&random);
    }
    for (size_t c = 0; c < CODEC_COUNT; c++) {
        struct buf body = {0};
        append_message(&body, slice_of(noise, sizeof(noise)), codecs[c].encoding);
        EXPECT_EQ(0, body.data[0]);
        EXPECT_EQ(sizeof(noise) + GRPC_PREFIX_BYTES, body.size);
        buf_deinit(&body);
    }
}

/* A few bytes that become many are cut off at the limit. */
static void test_bombs(void)
{
    struct buf plain = {0};
    memset(buf_reserve(&plain, 64 * MAX), 0, 64 * MAX);
    buf_extend(&plain, 64 * MAX);
    for (size_t c = 0; c < CODEC_COUNT; c++) {
        struct buf packed = {0};
        struct buf out = {0};
        EXPECT(codecs[c].compress(&packed, buf_slice(&plain)));
        EXPECT_EQ(COMPRESS_TOO_LARGE, codecs[c].decompress(&out, buf_slice(&packed), MAX));
        EXPECT(out.size <= MAX);
        EXPECT(out.capacity <= 4 * MAX);
        buf_deinit(&out);
        EXPECT_EQ(COMPRESS_TOO_LARGE,
                  codecs[c].decompress(&out, buf_slice(&packed), plain.size - 1));
        buf_deinit(&out);
        EXPECT_EQ(COMPRESS_OK, codecs[c].decompress(&out, buf_slice(&packed), plain.size));
        buf_deinit(&out);
        buf_deinit(&packed);
    }
    buf_deinit(&plain);
}

/* Cut anywhere, or with any byte changed: never more than the limit, never a crash. */
static void test_damage(void)
{
    struct buf plain = {0};
    fill_text(&plain, 3000);
    for (size_t c = 0; c < CODEC_COUNT; c++) {
        struct buf packed = {0};
        struct buf out = {0};
        EXPECT(codecs[c].compress(&packed, buf_slice(&plain)));
        for (size_t size = 1; size < packed.size; size++) {
            buf_clear(&out);
            const enum compress_status status =
                codecs[c].decompress(&out, slice_of(packed.data, size), MAX);
            EXPECT(status == COMPRESS_BROKEN || codecs[c].encoding == GRPC_SNAPPY);
            EXPECT(status != COMPRESS_OK || out.size < plain.size);
        }
        for (size_t i = 0; i < packed.size; i++) {
            buf_clear(&out);
            packed.data[i] ^= 0x55;
            (void)codecs[c].decompress(&out, buf_slice(&packed), MAX);
            packed.data[i] ^= 0x55;
        }
        EXPECT_EQ(COMPRESS_BROKEN, codecs[c].decompress(&out, SLICE("no such format"), MAX));
        buf_deinit(&packed);
        buf_deinit(&out);
    }
    buf_deinit(&plain);
}

/* ---- Snappy's framed format ---- */

static void test_snappy_known_bytes(void)
{
    struct snappy_writer writer = {0};
    struct buf out = {0};
    snappy_flush(&writer, &out);
    EXPECT(slice_equal(buf_slice(&out), SLICE("\xff\6\0\0sNaPpY")));
    snappy_write(&writer, &out, SLICE("abc"));
    snappy_flush(&writer, &out);
    /* crc32c("abc") is 0x364b3fb7, which rotates and adds up to 0x21f1576e. */
    EXPECT(slice_equal(buf_slice(&out), slice_of("\xff\6\0\0sNaPpY\1\7\0\0\x6e\x57\xf1\x21"
                                                 "abc",
                                                 21)));
    snappy_writer_deinit(&writer);
    buf_deinit(&out);
}

static void test_snappy_stream(void)
{
    struct buf plain = {0};
    struct buf packed = {0};
    struct snappy_writer writer = {0};
    fill_text(&plain, 300000);
    for (size_t at = 0; at < plain.size; at += 7777) {
        const size_t size = plain.size - at < 7777 ? plain.size - at : 7777;
        snappy_write(&writer, &packed, slice_of(plain.data + at, size));
    }
    snappy_flush(&writer, &packed);
    snappy_writer_deinit(&writer);
    for (size_t piece = 1; piece < 100000; piece = piece * 3 + 1) {
        struct snappy_reader reader = {0};
        struct buf again = {0};
        for (size_t at = 0; at < packed.size; at += piece) {
            struct slice part =
                slice_of(packed.data + at, packed.size - at < piece ? packed.size - at : piece);
            struct slice block;
            enum snappy_read result;
            while ((result = snappy_read(&reader, &part, &block)) == SNAPPY_BLOCK) {
                EXPECT(block.size <= SNAPPY_BLOCK_BYTES);
                buf_append_slice(&again, block);
            }
            EXPECT_EQ(SNAPPY_MORE, result);
            EXPECT_EQ(0, part.size);
        }
        EXPECT(!snappy_reader_is_partial(&reader));
        EXPECT(slice_equal(buf_slice(&plain), buf_slice(&again)));
        snappy_reader_deinit(&reader);
        buf_deinit(&again);
    }
    buf_deinit(&plain);
    buf_deinit(&packed);
}

static enum compress_status unsnap(const char *chunks, size_t size, struct buf *out)
{
    struct buf all = {0};
    buf_append_text(&all, "\xff\6");
    buf_append(&all, "\0\0sNaPpY", 8);
    buf_append(&all, chunks, size);
    const enum compress_status status = snappy_frame_decompress(out, buf_slice(&all), MAX);
    buf_deinit(&all);
    return status;
}

#define UNSNAP(chunks, out) unsnap(chunks, sizeof(chunks) - 1, out)

static void test_snappy_chunks(void)
{
    struct buf out = {0};
    EXPECT_EQ(COMPRESS_OK, UNSNAP("", &out));
    EXPECT_EQ(COMPRESS_OK, UNSNAP("\xff\6\0\0sNaPpY", &out)); /* a stream in a stream */
    EXPECT_EQ(COMPRESS_OK, UNSNAP("\xfe\3\0\0xyz\x80\0\0\0\x99\1\0\0z", &out)); /* skipped */
    EXPECT_EQ(COMPRESS_BROKEN, UNSNAP("\x02\0\0\0", &out)); /* must not be skipped */
    EXPECT_EQ(COMPRESS_BROKEN, UNSNAP("\x7f\1\0\0a", &out));
    EXPECT_EQ(COMPRESS_BROKEN, UNSNAP("\1\7\0\0\0\0\0\0abc", &out)); /* a wrong checksum */
    EXPECT_EQ(COMPRESS_BROKEN, UNSNAP("\1\3\0\0abc", &out));         /* no room for one */
    EXPECT_EQ(COMPRESS_BROKEN, UNSNAP("\0\4\0\0abcd", &out));        /* nothing behind it */
    EXPECT_EQ(COMPRESS_BROKEN, UNSNAP("\1\xff\xff\xff", &out));      /* larger than a block */
    EXPECT_EQ(COMPRESS_BROKEN, UNSNAP("\xff\6\0\0sNaPpX", &out));
    EXPECT_EQ(COMPRESS_BROKEN, UNSNAP("\xfe\3\0\0xy", &out)); /* cut short */
    EXPECT_EQ(0, out.size);
    EXPECT_EQ(COMPRESS_BROKEN, snappy_frame_decompress(&out, SLICE("\xfe\1\0\0x"), MAX));
    buf_deinit(&out);
}

/* ---- Header texts ---- */

static void test_timeouts(void)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"1n", 1},
                {"250m", 250000000},
                {"3u", 3000},
                {"0S", 0},
                {"2M", 120000000000},
                {"1H", 3600000000000},
                {"99999999S", 99999999000000000},
                {"99999999H", UINT64_MAX}};
    static const char *const bad[] = {"", "1", "m", "1s", "1h", "-1S", "1.5S", "123456789S", "1 S"};
    uint64_t ns = 0;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        EXPECT(grpc_timeout(slice_of_text(good[i].text), &ns));
        EXPECT(ns == good[i].ns);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        EXPECT(!grpc_timeout(slice_of_text(bad[i]), &ns));
    }
}

static void test_percent(void)
{
    struct buf out = {0};
    grpc_percent_encode(&out, SLICE(" a b 100%\n\xc3\xbc~ "));
    EXPECT(slice_equal(buf_slice(&out), SLICE("%20a b 100%25%0A%C3%BC~%20")));
    buf_deinit(&out);
}

/* ---- Protocol buffers ---- */

static void test_protobuf(void)
{
    struct buf out = {0};
    protobuf_number_to(&out, 1, 300);
    protobuf_number_to(&out, 2, 0);
    protobuf_bytes_to(&out, 3, SLICE(""));
    protobuf_element_to(&out, 4, SLICE(""));
    protobuf_bytes_to(&out, 16, SLICE("abc"));
    buf_append(&out, "\x2d\1\2\3\4\x31\1\2\3\4\5\6\7\10", 14);
    EXPECT(slice_starts_with(buf_slice(&out), slice_of("\x08\xac\x02\x22\0\x82\1\3abc", 11)));
    struct slice rest = buf_slice(&out);
    struct protobuf_field field;
    EXPECT_EQ(PROTOBUF_FIELD, protobuf_next(&rest, &field));
    EXPECT(field.number == 1 && field.type == PROTOBUF_VARINT && field.value == 300);
    EXPECT_EQ(PROTOBUF_FIELD, protobuf_next(&rest, &field));
    EXPECT(field.number == 4 && field.type == PROTOBUF_BYTES && field.bytes.size == 0);
    EXPECT_EQ(PROTOBUF_FIELD, protobuf_next(&rest, &field));
    EXPECT(field.number == 16 && slice_equal(field.bytes, SLICE("abc")));
    EXPECT_EQ(PROTOBUF_FIELD, protobuf_next(&rest, &field));
    EXPECT(field.number == 5 && field.type == PROTOBUF_FIXED32 && field.value == 0x04030201);
    EXPECT_EQ(PROTOBUF_FIELD, protobuf_next(&rest, &field));
    EXPECT(field.number == 6 && field.value == UINT64_C(0x0807060504030201));
    EXPECT_EQ(PROTOBUF_END, protobuf_next(&rest, &field));
    buf_deinit(&out);
}

/* Sizes that are said are those that are written. */
static void test_protobuf_sizes(void)
{
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, INT64_MAX, UINT64_MAX};
    static const uint32_t numbers[] = {1, 15, 16, 2047, 2048, (1 << 29) - 1};
    static const uint8_t zeros[20000] = {0};
    for (size_t i = 0; i < 8 * 6; i++) {
        const uint64_t value = values[i % 8];
        const uint32_t number = numbers[i / 8];
        struct buf out = {0};
        protobuf_number_to(&out, number, value);
        EXPECT_EQ(out.size, protobuf_number_size(number, value));
        if (value <= sizeof(zeros)) {
            buf_clear(&out);
            protobuf_bytes_to(&out, number, slice_of(zeros, (size_t)value));
            EXPECT_EQ(out.size, protobuf_bytes_size(number, (size_t)value));
            buf_clear(&out);
            protobuf_message_head_to(&out, number, (size_t)value);
            buf_append(&out, zeros, (size_t)value);
            struct slice rest = buf_slice(&out);
            struct protobuf_field field;
            EXPECT_EQ(PROTOBUF_FIELD, protobuf_next(&rest, &field));
            EXPECT(field.number == number && field.bytes.size == value && rest.size == 0);
        }
        buf_deinit(&out);
    }
}

static void test_protobuf_broken(void)
{
    static const struct {
        const char *bytes;
        size_t size;
    } broken[] = {
        {"\x08", 1},   {"\x08\x80", 2}, {"\x0a\2a", 3},
        {"\x0b", 1},   {"\x00\1", 2},   {"\x0d\1", 2},
        {"\x09\1", 2}, {"\x0e", 1},     {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct slice rest = slice_of(broken[i].bytes, broken[i].size);
        struct protobuf_field field;
        EXPECT_EQ(PROTOBUF_BROKEN, protobuf_next(&rest, &field));
    }
}

static const struct test_case cases[] = {
    {"messages_in_any_pieces", test_messages_in_any_pieces},
    {"whole_messages_are_borrowed", test_whole_messages_are_borrowed},
    {"refusals", test_refusals},
    {"names", test_names},
    {"round_trips", test_round_trips},
    {"messages_are_compressed", test_messages_are_compressed},
    {"noise_is_not_compressed", test_noise_is_not_compressed},
    {"bombs", test_bombs},
    {"damage", test_damage},
    {"snappy_known_bytes", test_snappy_known_bytes},
    {"snappy_stream", test_snappy_stream},
    {"snappy_chunks", test_snappy_chunks},
    {"timeouts", test_timeouts},
    {"percent", test_percent},
    {"protobuf", test_protobuf},
    {"protobuf_sizes", test_protobuf_sizes},
    {"protobuf_broken", test_protobuf_broken},
};

TEST_MAIN(cases)
