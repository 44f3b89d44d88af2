/* fuzz_resp.c - whatever the pieces, the same commands come out as from the whole. The first
 * byte chooses the size of the pieces. */
#include "base/check.h"
#include "base/mem.h"
#include "wire/resp.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends all commands of the input, as given in pieces of `step` bytes, to `out`. */
static void parse_all(const uint8_t *data, size_t size, size_t step, struct buf *out)
{
    struct resp_parser p = {.bulk_max = (size_t)1 << 20};
    size_t begin = 0;
    size_t end = 0;
    while (end < size || begin < end) {
        /* A fresh copy: nothing may point into the bytes of an earlier call. */
        uint8_t *copy = mem_alloc(end - begin + 1);
        memcpy(copy, data + begin, end - begin);
        const enum resp_status status = resp_parse(&p, copy, end - begin);
        if (status == RESP_COMMAND) {
            CHECK(p.consumed > 0 && p.consumed <= end - begin);
            buf_append_u64(out, p.arg_count);
            for (size_t i = 0; i < p.arg_count; i++) {
                buf_append_byte(out, '|');
                buf_append_slice(out, p.args[i]);
            }
            begin += p.consumed;
        } else if (status == RESP_BROKEN) {
            buf_append_text(out, p.error);
        } else {
            CHECK(p.wanted > end - begin);
        }
        mem_free(copy);
        if (status == RESP_BROKEN || (status == RESP_MORE && end == size)) {
            break;
        }
        if (status == RESP_MORE) {
            end = size - end < step ? size : end + step;
        }
    }
    buf_append_u64(out, begin);
    resp_parser_deinit(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096) {
        return 0;
    }
    struct buf whole = {0};
    struct buf pieces = {0};
    parse_all(data + 1, size - 1, size, &whole);
    parse_all(data + 1, size - 1, (size_t)data[0] % 37 + 1, &pieces);
    CHECK(slice_equal(buf_slice(&whole), buf_slice(&pieces)));
    buf_deinit(&whole);
    buf_deinit(&pieces);
    return 0;
}
