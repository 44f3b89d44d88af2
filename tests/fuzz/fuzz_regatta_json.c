/* Requests of Regatta's REST interface: any bytes are a message, or an error with a text. Base64
 * that is canonical is read as anywhere else in the program. */
#include "api/go_base64.h"
#include "api/regatta/rest_json.h"
#include "base/check.h"
#include "wire/json.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_base64(struct slice text)
{
    struct err_why why = {0};
    struct buf out = {0};
    struct buf canonical = {0};
    const enum err e = go_base64_read(&out, text, &why);
    CHECK(e == ERR_OK || (e == ERR_INVALID && why.text[0] != '\0'));
    CHECK(out.size <= text.size / 4 * 3 + 3);
    if (base64_read(&canonical, text)) {
        CHECK(e == ERR_OK && slice_equal(buf_slice(&canonical), buf_slice(&out)));
    }
    buf_deinit(&out);
    buf_deinit(&canonical);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice text = slice_of(data, size);
    for (int message = REST_RANGE; message <= REST_RESET; message++) {
        struct arena arena = {0};
        struct rest_request q;
        struct err_why why = {0};
        const enum err e = rest_json_read(text, (enum rest_message)message, &arena, &q, &why);
        CHECK(e == ERR_OK || (e == ERR_INVALID && why.text[0] != '\0'));
        arena_deinit(&arena);
    }
    check_base64(text);
    return 0;
}
