/* JSON requests of the native interface: an operation (a line of a batch), or a transaction. What
 * is accepted is an operation that model takes, too, or one that is over a limit. */
#include "api/native/op_json.h"
#include "base/check.h"

#define VALUE_MAX ((size_t)1 << 20)

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct op_json_scope *scope, json_t *value)
{
    struct op op = {0};
    struct op txn = {0};
    struct err_why why = {0};
    struct err_why model = {0};
    const enum err e = op_json_read(scope, value, &op, &why);
    CHECK(e == ERR_OK || (e == why.code && why.text[0] != '\0'));
    if (e == ERR_OK) {
        const enum err checked = op_check(&op, VALUE_MAX, &model);
        CHECK(checked == ERR_OK || checked == ERR_TOO_LARGE);
    }
    const enum err txn_e = txn_json_read(scope, value, &txn, &why);
    CHECK(txn_e == ERR_OK || (txn_e == why.code && why.text[0] != '\0'));
    if (txn_e == ERR_OK) {
        const enum err checked = op_check(&txn, VALUE_MAX, &model);
        CHECK(checked == ERR_OK || checked == ERR_TOO_LARGE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct err_why why = {0};
    struct table table = {.id = 1};
    const struct op_json_scope scope = {.table = &table,
                                        .arena = &arena,
                                        .author = SLICE("node1"),
                                        .now_ms = 1700000000000,
                                        .random = 1};
    json_t *value = json_read(slice_of(data, size), SIZE_MAX, &why);
    if (value != NULL) {
        check(&scope, value);
        table.options.partition = PARTITION_TABLE;
        check(&scope, value);
    }
    json_decref(value);
    arena_deinit(&arena);
    return 0;
}
