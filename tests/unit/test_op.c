/* What can be said of an op without any data. */
#include "harness.h"
#include "model/op.h"

static void test_parse_int64(void)
{
    const struct {
        const char *text;
        bool is_number;
        int64_t number;
    } rows[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"-1", true, -1},
        {"1234567890", true, 1234567890},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"18446744073709551617", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"-0", false, 0},
        {"+1", false, 0},
        {"01", false, 0},
        {"-01", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1a", false, 0},
        {"0x1", false, 0},
        {"1.0", false, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t number = 0;
        EXPECT_EQ(rows[i].is_number, parse_int64(slice_of_text(rows[i].text), &number));
        if (rows[i].is_number) {
            EXPECT_EQ(rows[i].number, number);
        }
    }
    int64_t number;
    EXPECT(!parse_int64(SLICE("1\0"), &number));
}

/* The figures are those of a Redis 7 CLUSTER KEYSLOT. */
static void test_key_slot(void)
{
    EXPECT_EQ(12739, key_slot(SLICE("123456789")));
    EXPECT_EQ(12182, key_slot(SLICE("foo")));
    EXPECT_EQ(0, key_slot(SLICE("")));
    EXPECT_EQ(key_slot(SLICE("user1000")), key_slot(SLICE("{user1000}.following")));
    EXPECT_EQ(key_slot(SLICE("bar")), key_slot(SLICE("foo{bar}{zap}")));
    EXPECT_EQ(key_slot(SLICE("{bar")), key_slot(SLICE("foo{{bar}}zap")));
    EXPECT_EQ(8363, key_slot(SLICE("foo{}{bar}"))); /* an empty tag is none */
    EXPECT(key_slot(SLICE("{a")) < SLOT_COUNT);
}

static void test_names(void)
{
    for (unsigned i = OP_GET; i < OP_KIND_COUNT; i++) {
        const char *name = op_name((enum op_kind)i);
        EXPECT(name != NULL && name[0] != '\0');
        for (unsigned j = OP_GET; j < i; j++) {
            EXPECT(strcmp(name, op_name((enum op_kind)j)) != 0);
        }
    }
}

static struct slice field_item(struct bit_field *f)
{
    return slice_of(f, sizeof(*f));
}

static void test_is_read(void)
{
    struct bit_field get = {.kind = BIT_FIELD_GET, .bits = 8};
    struct bit_field set = {.kind = BIT_FIELD_SET, .bits = 8};
    const struct slice items[] = {field_item(&get), field_item(&set)};
    const struct op read = {.kind = OP_GET, .table = 1};
    const struct op write = {.kind = OP_PUT, .table = 1};
    struct op fields = {.kind = OP_BIT_FIELD, .table = 1, .items = items, .item_count = 1};
    struct op txn = {.kind = OP_TXN, .table = 1, .ops = &read, .op_count = 1};
    EXPECT(op_is_read(&read));
    EXPECT(!op_is_read(&write));
    EXPECT(op_is_read(&fields));
    fields.item_count = 2;
    EXPECT(!op_is_read(&fields));
    EXPECT(op_is_read(&txn));
    txn.else_ops = &write;
    txn.else_op_count = 1;
    EXPECT(!op_is_read(&txn));
}

/* Each op is good but for what its line says. */
static void test_check(void)
{
    const struct op get = {.kind = OP_GET, .table = 1};
    const struct op txn = {.kind = OP_TXN, .table = 1};
    const struct op nested = {.kind = OP_TXN, .table = 1, .ops = &txn, .op_count = 1};
    const struct op with_id = {.kind = OP_PUT, .table = 1, .idempotency_id = SLICE("x")};
    const struct compare compare = {.table = 1};
    const struct compare nowhere = {.table = 0};
    static uint8_t bytes[KEY_MAX + 2];
    const struct slice key_max = {bytes, KEY_MAX};
    const struct slice too_long = {bytes, KEY_MAX + 1};
    const struct slice far_too_long = {bytes, KEY_MAX + 2};
    const struct slice one[] = {SLICE("m")};
    struct bit_field field = {.kind = BIT_FIELD_GET, .bits = 64, .is_signed = 1};
    struct bit_field wide = {.kind = BIT_FIELD_GET, .bits = 64};
    struct bit_field far = {.kind = BIT_FIELD_GET, .bits = 8, .offset = 8 * 1000 - 7};
    const struct slice fields[] = {field_item(&field), field_item(&wide), field_item(&far)};
    const struct {
        enum err err;
        struct op op;
    } rows[] = {
        {ERR_OK, {.kind = OP_GET, .table = 1}},
        {ERR_OK, {.kind = OP_GET, .table = 1, .flags = OP_NO_TOUCH}},
        {ERR_OK, {.kind = OP_GET, .table = 1, .key = key_max}},
        {ERR_TOO_LARGE, {.kind = OP_GET, .table = 1, .key = too_long}},
        {ERR_INVALID, {.kind = OP_NONE, .table = 1}},
        {ERR_INVALID, {.kind = OP_KIND_COUNT, .table = 1}},
        {ERR_INVALID, {.kind = OP_GET}},
        {ERR_INVALID, {.kind = OP_GET, .table = 1, .flags = OP_REPLACE}},
        {ERR_INVALID, {.kind = OP_GET, .table = 1, .condition = IF_ABSENT}},
        {ERR_INVALID, {.kind = OP_GET, .table = 1, .condition = EXPIRE_XX_LT + 1}},
        {ERR_OK, {.kind = OP_PUT, .table = 1, .value = {bytes, 1000}}},
        {ERR_TOO_LARGE, {.kind = OP_PUT, .table = 1, .value = {bytes, 1001}}},
        {ERR_OK, {.kind = OP_PUT, .table = 1, .condition = IF_NOT_REVISION}},
        {ERR_INVALID, {.kind = OP_PUT, .table = 1, .condition = EXPIRE_NX}},
        {ERR_INVALID, {.kind = OP_PUT, .table = 1, .flags = OP_KEEP_TTL, .expiry_ms = 5}},
        {ERR_OK, {.kind = OP_PUT, .table = 1, .idempotency_id = {bytes, 128}}},
        {ERR_INVALID, {.kind = OP_PUT, .table = 1, .idempotency_id = {bytes, 129}}},
        {ERR_OK, {.kind = OP_EXPIRE, .table = 1, .condition = EXPIRE_GT}},
        {ERR_INVALID, {.kind = OP_EXPIRE, .table = 1, .condition = IF_PRESENT}},
        {ERR_INVALID, {.kind = OP_DELETE, .table = 1, .condition = IF_ABSENT}},
        {ERR_OK, {.kind = OP_COPY, .table = 1, .other_table = 1}},
        {ERR_INVALID, {.kind = OP_COPY, .table = 1}},
        {ERR_TOO_LARGE, {.kind = OP_RENAME, .table = 1, .other = too_long}},
        {ERR_INVALID, {.kind = OP_SET_RANGE, .table = 1, .number = -1}},
        {ERR_TOO_LARGE, {.kind = OP_SET_RANGE, .table = 1, .number = 1000, .value = one[0]}},
        {ERR_TOO_LARGE, {.kind = OP_SET_RANGE, .table = 1, .number = INT64_MAX}},
        {ERR_OK, {.kind = OP_BIT_SET, .table = 1, .number = 7999, .number2 = 1}},
        {ERR_TOO_LARGE, {.kind = OP_BIT_SET, .table = 1, .number = 8000}},
        {ERR_TOO_LARGE, {.kind = OP_BIT_SET, .table = 1, .number = INT64_MAX}},
        {ERR_INVALID, {.kind = OP_BIT_SET, .table = 1, .number2 = 2}},
        {ERR_INVALID, {.kind = OP_BIT_SET, .table = 1, .number = -1}},
        {ERR_OK, {.kind = OP_BIT_FIELD, .table = 1, .items = fields, .item_count = 1}},
        {ERR_INVALID, {.kind = OP_BIT_FIELD, .table = 1, .items = fields + 1, .item_count = 1}},
        {ERR_TOO_LARGE, {.kind = OP_BIT_FIELD, .table = 1, .items = fields + 2, .item_count = 1}},
        {ERR_INVALID, {.kind = OP_BIT_FIELD, .table = 1, .items = one, .item_count = 1}},
        {ERR_INVALID, {.kind = OP_BIT_OP, .table = 1, .items = one}},
        {ERR_INVALID,
         {.kind = OP_BIT_OP, .table = 1, .items = fields, .item_count = 2, .number = 3}},
        {ERR_INVALID, {.kind = OP_BIT_OP, .table = 1, .items = one, .item_count = 1, .number = 4}},
        {ERR_OK, {.kind = OP_SET_ADD, .table = 1, .items = one, .item_count = 1}},
        {ERR_INVALID, {.kind = OP_SET_ADD, .table = 1}},
        {ERR_TOO_LARGE, {.kind = OP_SET_ADD, .table = 1, .items = &too_long, .item_count = 1}},
        {ERR_TOO_LARGE, {.kind = OP_SET_ADD, .table = 1, .items = one, .item_count = 1 << 21}},
        {ERR_INVALID, {.kind = OP_SET_POP, .table = 1, .number = -1}},
        {ERR_TOO_LARGE, {.kind = OP_SET_RANDOM, .table = 1, .number = INT64_MIN}},
        {ERR_INVALID,
         {.kind = OP_SET_COMBINE, .table = 1, .items = one, .item_count = 1, .number = 3}},
        {ERR_INVALID, {.kind = OP_SET_STORE, .table = 1}},
        {ERR_TOO_LARGE, {.kind = OP_SET_MOVE, .table = 1, .other = too_long}},
        {ERR_OK, {.kind = OP_LOG_APPEND, .table = 1, .id = one[0]}},
        {ERR_INVALID, {.kind = OP_LOG_APPEND, .table = 1}},
        {ERR_INVALID, {.kind = OP_LOG_APPEND, .table = 1, .id = {bytes, 129}}},
        {ERR_TOO_LARGE, {.kind = OP_LOG_APPEND, .table = 1, .id = one[0], .author = too_long}},
        {ERR_INVALID, {.kind = OP_LOG_READ, .table = 1, .number = -3}},
        {ERR_INVALID, {.kind = OP_LOG_RANGE, .table = 1, .number = -1}},
        {ERR_OK, {.kind = OP_RANGE, .table = 1, .key = too_long, .other = too_long}},
        {ERR_TOO_LARGE, {.kind = OP_RANGE, .table = 1, .key = far_too_long}},
        {ERR_INVALID, {.kind = OP_DELETE_RANGE, .table = 1, .flags = OP_REVERSE}},
        {ERR_OK,
         {.kind = OP_TXN,
          .table = 1,
          .ops = &get,
          .op_count = 1,
          .compares = &compare,
          .compare_count = 1}},
        {ERR_OK, {.kind = OP_TXN, .table = 1, .ops = &txn, .op_count = 1}},
        {ERR_INVALID, {.kind = OP_TXN, .table = 1, .else_ops = &nested, .else_op_count = 1}},
        {ERR_INVALID,
         {.kind = OP_TXN, .table = 1, .ops = &txn, .op_count = 1, .idempotency_id = one[0]}},
        {ERR_INVALID, {.kind = OP_TXN, .table = 1, .else_ops = &with_id, .else_op_count = 1}},
        {ERR_INVALID, {.kind = OP_TXN, .table = 1, .compares = &nowhere, .compare_count = 1}},
        {ERR_TOO_LARGE, {.kind = OP_TXN, .table = 1, .compare_count = 1 << 21}},
        {ERR_INVALID, {.kind = OP_TABLE_OPEN, .table = 1, .number = -1}},
        {ERR_INVALID, {.kind = OP_TABLE_CLOSE}},
        {ERR_OK, {.kind = OP_SWEEP, .limit = 1}},
        {ERR_INVALID, {.kind = OP_SWEEP}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err_why why = {0};
        const enum err err = op_check(&rows[i].op, 1000, &why);
        if (err != rows[i].err) {
            (void)fprintf(stderr, "row %zu, %s\n", i, why.text);
        }
        EXPECT_EQ(rows[i].err, err);
        EXPECT_EQ(err != ERR_OK, why.text[0] != '\0');
    }
}

static const struct test_case cases[] = {
    {"parse int64", test_parse_int64}, {"key slot", test_key_slot}, {"names", test_names},
    {"is read", test_is_read},         {"check", test_check},
};

TEST_MAIN(cases)
