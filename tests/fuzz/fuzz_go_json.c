/* The body of PUT /kv/:key: what is well formed by jansson's rules is so by Go's, and the contents
 * agree where both say so. */
#include "api/strato/go_json.h"
#include "base/check.h"
#include "wire/json.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct slice content = {0};
    struct err_why why = {0};
    struct err_why other = {0};
    const struct slice text = slice_of(data, size);
    const enum err e = go_json_content(text, &arena, &content, &why);
    CHECK(e == ERR_OK || (e == ERR_INVALID && why.text[0] != '\0'));
    json_t *root = json_read(text, size, &other);
    const json_t *wanted = json_object_get(root, "content");
    if (json_object_size(root) == 1 && json_is_string(wanted)) {
        CHECK(e == ERR_OK);
        CHECK(slice_equal(json_slice(wanted), content));
    }
    json_decref(root);
    arena_deinit(&arena);
    return 0;
}
