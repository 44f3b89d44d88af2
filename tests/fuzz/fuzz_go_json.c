/* The body of PUT /kv/:key. As JSON: what is well formed by jansson's rules is so by Go's, and the
 * contents agree where both say so. As a form in parts: a field lies inside of the body. */
#include "api/go_json.h"
#include "api/strato/multipart.h"
#include "base/check.h"
#include "wire/json.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_multipart(struct slice body)
{
    struct slice value;
    struct err_why why = {0};
    CHECK(multipart_field(SLICE("multipart/form-data; boundary=b"), body, "Content", &value,
                          &why) == ERR_OK);
    if (value.data != NULL) {
        CHECK(value.data >= body.data && value.size <= body.size);
        CHECK(value.data + value.size <= body.data + body.size);
    }
    const enum err e = multipart_field(body, SLICE("--b\r\n\r\n"), "Content", &value, &why);
    CHECK(e < ERR_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct go_field field = {.name = "content"};
    struct go_target target = {
        .package = "http", .type = "valJs", .fields = &field, .field_count = 1};
    struct err_why why = {0};
    struct err_why other = {0};
    const struct slice text = slice_of(data, size);
    const enum err e = go_json_read(text, &target, &arena, &why);
    CHECK(e == ERR_OK || (e == ERR_INVALID && why.text[0] != '\0'));
    target.is_whole = true; /* a whole text is also a first value */
    CHECK(go_json_read(text, &target, &arena, &other) != ERR_OK || e == ERR_OK);
    json_t *root = json_read(text, size, &other);
    const json_t *wanted = json_object_get(root, "content");
    if (json_object_size(root) == 1 && json_is_string(wanted)) {
        CHECK(e == ERR_OK);
        CHECK(slice_equal(json_slice(wanted), field.value));
    }
    json_decref(root);
    check_multipart(text);
    arena_deinit(&arena);
    return 0;
}
