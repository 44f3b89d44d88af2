/* Log entries: whatever is accepted is encoded to something that means the same. */
#include "base/check.h"
#include "model/command.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct command c;
    struct command again;
    struct buf first = {0};
    struct buf second = {0};
    if (command_decode(slice_of(data, size), &arena, &c, NULL) == ERR_OK) {
        command_encode(&first, &c);
        const enum err err = command_decode(buf_slice(&first), &arena, &again, NULL);
        CHECK(err == ERR_OK);
        command_encode(&second, &again);
        CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
        CHECK(op_is_read(&c.op) == op_is_read(&again.op));
    }
    buf_deinit(&first);
    buf_deinit(&second);
    arena_deinit(&arena);
    return 0;
}
