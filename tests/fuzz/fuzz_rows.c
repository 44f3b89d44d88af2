/* Row keys keep the order of what they encode and come back as what they were; any bytes may be
 * read as a row. The first 24 bytes are two tables and two incarnations, the rest two keys. */
#include "base/check.h"
#include "model/rows.h"

#define REST_MAX ((size_t)4096)

struct name {
    uint32_t table;
    uint64_t incarnation;
    struct slice rest;
};

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice record_of(const struct name *n, uint8_t *bytes)
{
    uint8_t *end = row_record_head(bytes, n->table);
    CHECK((size_t)(end - bytes) == row_record_head_size(n->table));
    CHECK((size_t)(end - bytes) <= ROW_RECORD_HEAD);
    memcpy(end, n->rest.data, n->rest.size);
    return slice_of(bytes, (size_t)(end - bytes) + n->rest.size);
}

static struct slice element_of(const struct name *n, uint8_t *bytes)
{
    uint8_t *end = row_element_head(bytes, n->table, n->incarnation);
    CHECK((size_t)(end - bytes) <= ROW_ELEMENT_HEAD);
    memcpy(end, n->rest.data, n->rest.size);
    return slice_of(bytes, (size_t)(end - bytes) + n->rest.size);
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static int order_of(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static void check_back(const struct name *n)
{
    uint8_t bytes[REST_MAX + 64];
    uint32_t table;
    uint64_t incarnation;
    uint64_t expiry_ms;
    struct slice rest;
    struct slice row = record_of(n, bytes);
    bool is_good = row_record_parse(row, &table, &rest);
    CHECK(is_good && table == n->table && slice_equal(rest, n->rest));
    CHECK(!row_element_parse(row, &table, &incarnation, &rest));
    row = element_of(n, bytes);
    is_good = row_element_parse(row, &table, &incarnation, &rest);
    CHECK(is_good && table == n->table && incarnation == n->incarnation);
    CHECK(slice_equal(rest, n->rest));
    CHECK(!row_record_parse(row, &table, &rest));
    uint8_t *end = row_expiry_head(bytes, n->incarnation);
    memcpy(end, n->rest.data, n->rest.size);
    row = slice_of(bytes, (size_t)(end - bytes) + n->rest.size);
    is_good = row_expiry_parse(row, &expiry_ms, &rest);
    CHECK(is_good == (n->rest.size > 0)); /* an index row names a row */
    CHECK(!is_good || (expiry_ms == n->incarnation && slice_equal(rest, n->rest)));
}

static void check_order(const struct name *a, const struct name *b)
{
    uint8_t x[REST_MAX + 64];
    uint8_t y[REST_MAX + 64];
    const int rest = sign(slice_compare(a->rest, b->rest));
    const int table = order_of(a->table, b->table);
    const int incarnation = order_of(a->incarnation, b->incarnation);
    int order = sign(slice_compare(record_of(a, x), record_of(b, y)));
    CHECK(order == (table != 0 ? table : rest));
    const int same_table = incarnation != 0 ? incarnation : rest;
    order = sign(slice_compare(element_of(a, x), element_of(b, y)));
    CHECK(order == (table != 0 ? table : same_table));
    /* All of a collection lies between its head and the end of that range, nothing else does. */
    uint8_t head[ROW_ELEMENT_HEAD];
    uint8_t end[ROW_ELEMENT_HEAD];
    const size_t size = (size_t)(row_element_head(head, a->table, a->incarnation) - head);
    memcpy(end, head, size);
    const size_t end_size = row_range_end(end, size);
    const struct slice row = element_of(b, y);
    const bool is_inside = slice_compare(row, slice_of(head, size)) >= 0 &&
                           slice_compare(row, slice_of(end, end_size)) < 0;
    CHECK(is_inside == (table == 0 && incarnation == 0));
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t table;
    uint64_t number;
    struct slice rest;
    const struct slice all = slice_of(data, size);
    (void)row_record_parse(all, &table, &rest);
    (void)row_element_parse(all, &table, &number, &rest);
    (void)row_expiry_parse(all, &number, &rest);
    struct set_header set;
    struct log_header log;
    struct log_version version;
    int64_t integer;
    enum err err = set_header_get(all, &set);
    err = err == ERR_OK ? err : log_header_get(all, &log);
    err = err == ERR_OK ? err : log_version_get(all, &version);
    if (integer_get(all, &integer) == ERR_OK) {
        uint8_t bytes[8];
        int64_t back;
        err = integer_get(slice_of(bytes, integer_put(bytes, integer)), &back);
        CHECK(err == ERR_OK && back == integer);
    }
    if (size < 24 || size > 24 + REST_MAX) {
        return 0;
    }
    struct name names[2];
    for (size_t i = 0; i < 2; i++) {
        memcpy(&names[i].table, data + 12 * i, 4);
        memcpy(&names[i].incarnation, data + 12 * i + 4, 8);
        names[i].table = names[i].table == 0 ? 1 : names[i].table;
    }
    const size_t half = (size - 24) / 2;
    names[0].rest = slice_of(data + 24, half);
    names[1].rest = slice_of(data + 24 + half, size - 24 - half);
    check_back(&names[0]);
    check_back(&names[1]);
    check_order(&names[0], &names[1]);
    return 0;
}
