/* Backup files: whatever the bytes are, and in whatever pieces they come, nothing is read outside
 * them, and the pieces make no difference; what is read can be written, and is read again the same.
 *
 * The first byte says how large the pieces are. Bit 7: the rest is no stream but its plain content,
 * so that records are reached without a checksum that fits. */
#include "api/regatta/backup_file.h"
#include "base/check.h"
#include "base/slice.h"

#define RECORD_MAX ((size_t)1 << 20) /* bytes */

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All records of `bytes`, each as sizes and bytes; and how it ended. */
struct outcome {
    struct buf records;
    enum backup_read end;
    bool is_partial;
};

static void note(struct buf *out, struct slice key, struct slice value)
{
    buf_append_u64(out, key.size);
    buf_append_byte(out, ' ');
    buf_append_u64(out, value.size);
    buf_append_byte(out, ' ');
    buf_append_slice(out, key);
    buf_append_slice(out, value);
}

static struct outcome read_all(struct slice bytes, size_t piece, struct buf *written)
{
    struct backup_reader r = {.record_max = RECORD_MAX};
    struct backup_writer w = {0};
    struct outcome o = {.end = BACKUP_MORE};
    while (bytes.size > 0 && o.end != BACKUP_BROKEN) {
        struct slice part = slice_of(bytes.data, piece < bytes.size ? piece : bytes.size);
        bytes = slice_skip(bytes, part.size);
        struct slice key;
        struct slice value;
        while ((o.end = backup_read(&r, &part, &key, &value)) == BACKUP_RECORD) {
            CHECK(key.size + value.size <= RECORD_MAX);
            note(&o.records, key, value);
            backup_write(&w, written, SLICE("t"), key, value);
        }
        CHECK(o.end == BACKUP_BROKEN || part.size == 0);
    }
    o.is_partial = o.end == BACKUP_BROKEN || backup_reader_is_partial(&r);
    backup_flush(&w, written);
    backup_writer_deinit(&w);
    backup_reader_deinit(&r);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf stream = {0};
    struct buf written = {0};
    struct buf again = {0};
    if (size == 0) {
        return 0;
    }
    if ((data[0] & 0x80) != 0) {
        struct snappy_writer w = {0};
        snappy_write(&w, &stream, slice_of(data + 1, size - 1));
        snappy_flush(&w, &stream);
        snappy_writer_deinit(&w);
    } else {
        buf_append(&stream, data + 1, size - 1);
    }
    struct outcome whole = read_all(buf_slice(&stream), SIZE_MAX, &written);
    struct outcome pieces = read_all(buf_slice(&stream), 1 + (data[0] & 0x7f), &again);
    CHECK(whole.end == pieces.end && whole.is_partial == pieces.is_partial);
    CHECK(slice_equal(buf_slice(&whole.records), buf_slice(&pieces.records)));
    CHECK(slice_equal(buf_slice(&written), buf_slice(&again)));
    buf_clear(&again);
    struct outcome back = read_all(buf_slice(&written), 100, &again);
    CHECK(back.end == BACKUP_MORE && !back.is_partial);
    CHECK(slice_equal(buf_slice(&whole.records), buf_slice(&back.records)));
    CHECK(slice_equal(buf_slice(&written), buf_slice(&again)));
    buf_deinit(&whole.records);
    buf_deinit(&pieces.records);
    buf_deinit(&back.records);
    buf_deinit(&stream);
    buf_deinit(&written);
    buf_deinit(&again);
    return 0;
}
