#include "model/rows.h"

#include "base/check.h"
#include "model/varint.h"

enum {
    FIRST_META = 0x00,
    FIRST_EXPIRY = 0x01,
    FIRST_RECORD = 0x10,
    FIRST_ELEMENT = 0x80,
    FIRST_END = 0xf0,
    INCARNATION_LONG = 0xf0, /* as first byte: 1 to 8 bytes follow */
};

_Static_assert(FIRST_RECORD + ROW_SHORT_TABLES + 4 == FIRST_ELEMENT, "records end, elements begin");
_Static_assert(FIRST_ELEMENT + ROW_SHORT_TABLES + 4 == FIRST_END, "elements end");
_Static_assert(KEY_MAX + ROW_ELEMENT_HEAD + ROW_EXPIRY_HEAD <= ENGINE_KEY_MAX, "keys fit");
_Static_assert(ROW_RESULT_KEY_MAX + IDEMPOTENCY_ID_MAX + 16 <= ENGINE_KEY_MAX, "results fit");

enum value_type record_type(uint8_t kind)
{
    switch ((enum record_kind)kind) {
    case RECORD_STRING:
    case RECORD_INTEGER:
        return TYPE_STRING;
    case RECORD_SET:
    case RECORD_SET_SMALL:
        return TYPE_SET;
    case RECORD_LOG:
        return TYPE_LOG;
    case RECORD_NONE:
        break;
    }
    return TYPE_NONE;
}

/* Bytes that `number` needs, at least one. */
static unsigned bytes_of(uint64_t number)
{
    return number == 0 ? 1 : (71 - (unsigned)__builtin_clzll(number)) / 8;
}

/* The `count` low bytes of `number`, most significant first. */
static uint8_t *put_bytes(uint8_t *p, uint64_t number, unsigned count)
{
    for (unsigned i = count; i > 0; i--) {
        *p++ = (uint8_t)(number >> (8 * (i - 1)));
    }
    return p;
}

/* Takes `count` bytes that bytes_of() would have given. */
static bool take_bytes(struct slice *bytes, unsigned count, uint64_t *number)
{
    if (bytes->size < count) {
        return false;
    }
    *number = 0;
    for (unsigned i = 0; i < count; i++) {
        *number = *number << 8 | bytes->data[i];
    }
    *bytes = slice_skip(*bytes, count);
    return bytes_of(*number) == count;
}

static uint8_t *put_table(uint8_t *p, uint8_t first, uint32_t table)
{
    CHECK(table > 0);
    if (table <= ROW_SHORT_TABLES) {
        *p++ = (uint8_t)(first + table - 1);
        return p;
    }
    const unsigned count = bytes_of(table);
    *p++ = (uint8_t)(first + ROW_SHORT_TABLES + count - 1);
    return put_bytes(p, table, count);
}

static bool take_table(struct slice *row, uint8_t first, uint32_t *table)
{
    if (row->size == 0 || row->data[0] < first || row->data[0] >= first + ROW_SHORT_TABLES + 4) {
        return false;
    }
    const unsigned offset = (unsigned)row->data[0] - first;
    *row = slice_skip(*row, 1);
    if (offset < ROW_SHORT_TABLES) {
        *table = offset + 1;
        return true;
    }
    uint64_t number;
    if (!take_bytes(row, offset - ROW_SHORT_TABLES + 1, &number) || number <= ROW_SHORT_TABLES) {
        return false;
    }
    *table = (uint32_t)number;
    return true;
}

uint8_t *row_record_head(uint8_t *p, uint32_t table)
{
    return put_table(p, FIRST_RECORD, table);
}

uint8_t *row_elements_of_table(uint8_t *p, uint32_t table)
{
    return put_table(p, FIRST_ELEMENT, table);
}

uint8_t *row_element_head(uint8_t *p, uint32_t table, uint64_t incarnation)
{
    p = put_table(p, FIRST_ELEMENT, table);
    if (incarnation < INCARNATION_LONG) {
        *p++ = (uint8_t)incarnation;
        return p;
    }
    const unsigned count = bytes_of(incarnation);
    *p++ = (uint8_t)(INCARNATION_LONG + count - 1);
    return put_bytes(p, incarnation, count);
}

uint8_t *row_expiry_head(uint8_t *p, uint64_t expiry_ms)
{
    *p++ = FIRST_EXPIRY;
    return big_endian_put(p, expiry_ms);
}

uint8_t *row_meta(uint8_t *p, enum meta_row kind)
{
    *p++ = FIRST_META;
    *p++ = (uint8_t)kind;
    return p;
}

uint8_t *row_meta_number(uint8_t *p, enum meta_row kind, uint64_t number)
{
    return big_endian_put(row_meta(p, kind), number);
}

uint8_t *row_meta_table(uint8_t *p, enum meta_row kind, uint32_t table)
{
    return put_bytes(row_meta(p, kind), table, sizeof(table));
}

size_t row_range_end(uint8_t *p, size_t size)
{
    while (p[size - 1] == 0xff) {
        size--;
        CHECK(size > 0);
    }
    p[size - 1]++;
    return size;
}

bool row_record_parse(struct slice row, uint32_t *table, struct slice *key)
{
    if (!take_table(&row, FIRST_RECORD, table)) {
        return false;
    }
    *key = row;
    return true;
}

bool row_element_parse(struct slice row, uint32_t *table, uint64_t *incarnation, struct slice *rest)
{
    if (!take_table(&row, FIRST_ELEMENT, table) || row.size == 0) {
        return false;
    }
    const uint8_t first = row.data[0];
    *incarnation = first;
    *rest = slice_skip(row, 1);
    if (first < INCARNATION_LONG) {
        return true;
    }
    return first - INCARNATION_LONG < 8 &&
           take_bytes(rest, (unsigned)first - INCARNATION_LONG + 1, incarnation) &&
           *incarnation >= INCARNATION_LONG;
}

bool row_expiry_parse(struct slice row, uint64_t *expiry_ms, struct slice *record_row)
{
    if (row.size <= ROW_EXPIRY_HEAD || row.data[0] != FIRST_EXPIRY) {
        return false;
    }
    *expiry_ms = big_endian_get(row.data + 1);
    *record_row = slice_skip(row, ROW_EXPIRY_HEAD);
    return true;
}

size_t set_header_put(uint8_t *p, const struct set_header *h)
{
    uint8_t *end = varint_put(p, h->count);
    end = varint_put(end, h->incarnation);
    return (size_t)(end - p);
}

size_t log_header_put(uint8_t *p, const struct log_header *h)
{
    uint8_t *end = varint_put(p, h->count);
    end = varint_put(end, h->incarnation);
    end = varint_put(end, h->next);
    return (size_t)(end - p);
}

size_t integer_put(uint8_t *p, int64_t number)
{
    size_t size = 0;
    int64_t rest = number;
    bool is_negative;
    do { /* until what was written says the number when its sign is extended */
        p[size] = (uint8_t)((uint64_t)rest & 0xff);
        is_negative = (p[size++] & 0x80) != 0;
        rest >>= 8;
    } while (rest != (is_negative ? -1 : 0));
    return size;
}

enum err set_header_get(struct slice value, struct set_header *h)
{
    const bool is_good = varint_take(&value, &h->count) && varint_take(&value, &h->incarnation);
    return is_good && value.size == 0 && h->count > 0 ? ERR_OK : ERR_CORRUPT;
}

enum err log_header_get(struct slice value, struct log_header *h)
{
    const bool is_good = varint_take(&value, &h->count) && varint_take(&value, &h->incarnation) &&
                         varint_take(&value, &h->next);
    return is_good && value.size == 0 && h->count > 0 && h->count < h->next ? ERR_OK : ERR_CORRUPT;
}

enum err integer_get(struct slice value, int64_t *number)
{
    if (value.size == 0 || value.size > 8) {
        return ERR_CORRUPT;
    }
    uint64_t sum = (value.data[value.size - 1] & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = value.size; i > 0; i--) {
        sum = sum << 8 | value.data[i - 1];
    }
    *number = (int64_t)sum;
    return ERR_OK;
}

struct slice log_version_put(const struct log_version *v, struct arena *arena)
{
    const size_t room = 3 * VARINT_MAX + v->id.size + v->author.size + v->value.size;
    uint8_t *const bytes = arena_get(arena, room);
    uint8_t *p = varint_put(bytes, v->time_ms);
    const struct slice parts[] = {v->id, v->author};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        p = varint_put(p, parts[i].size);
        p = slice_put(p, parts[i]);
    }
    p = slice_put(p, v->value);
    return slice_of(bytes, (size_t)(p - bytes));
}

enum err log_version_get(struct slice value, struct log_version *v)
{
    const bool is_good = varint_take(&value, &v->time_ms) && varint_take_slice(&value, &v->id) &&
                         varint_take_slice(&value, &v->author);
    v->value = value;
    return is_good ? ERR_OK : ERR_CORRUPT;
}
