/* fuzz_json.c - reading never breaks; what is written as a string is read back the same, if it
 * was UTF-8; base64 has one text for each bytes. */
#include "base/check.h"
#include "wire/json.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_string(struct slice text, enum json_escape escape)
{
    struct buf out = {0};
    struct err_why why = {0};
    json_string_to(&out, text, escape);
    CHECK(utf8_is_valid(buf_slice(&out)));
    json_t *value = json_read(buf_slice(&out), SIZE_MAX, &why);
    CHECK(value != NULL);
    if (utf8_is_valid(text)) {
        CHECK(slice_equal(text, json_slice(value)));
    }
    json_decref(value);
    buf_deinit(&out);
}

static void check_base64(struct slice text)
{
    struct buf bytes = {0};
    struct buf again = {0};
    if (base64_read(&bytes, text)) {
        base64_to(&again, buf_slice(&bytes));
        CHECK(slice_equal(text, buf_slice(&again)));
    }
    buf_clear(&again);
    buf_clear(&bytes);
    base64_to(&again, text);
    CHECK(base64_read(&bytes, buf_slice(&again)));
    CHECK(slice_equal(text, buf_slice(&bytes)));
    buf_deinit(&bytes);
    buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice text = slice_of(data, size);
    struct err_why why = {0};
    json_t *value = json_read(text, (size_t)64 << 10, &why);
    CHECK((value == NULL) == (why.code != ERR_OK));
    json_decref(value);
    check_string(text, JSON_PLAIN);
    check_string(text, JSON_HTML);
    check_base64(text);
    return 0;
}
