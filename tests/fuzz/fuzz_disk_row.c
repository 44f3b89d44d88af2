/* Whatever is on the disk: a row is decoded or refused, and what is decoded encodes to the same
 * bytes. */
#include "base/check.h"
#include "engine/disk/row.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record record = {0};
    if (row_decode(slice_of(data, size), &record) == ERR_OK) {
        struct arena arena = {0};
        CHECK(slice_equal(slice_of(data, size), row_encode(&record, &arena)));
        arena_deinit(&arena);
    }
    return 0;
}
