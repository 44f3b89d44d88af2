#include "engine/disk/row.h"

#include "base/check.h"

#define ROW_FORMAT    1
#define ROW_TYPE_MASK 0x0f
#define ROW_EXPIRES   0x10

_Static_assert(ENGINE_TYPE_MAX == ROW_TYPE_MASK, "a type is four bits");

static uint8_t *put_number(uint8_t *at, uint64_t number)
{
    while (number >= 0x80) {
        *at++ = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    *at++ = (uint8_t)number;
    return at;
}

/* Takes one number off `*at`, which stays below `end`. False: there is none in its shortest form.
 */
static bool take_number(const uint8_t **at, const uint8_t *end, uint64_t *number)
{
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        const uint8_t byte = *(*at)++;
        if (shift == 63 && byte > 1) {
            return false;
        }
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *number = result;
            return byte != 0 || shift == 0;
        }
    }
    return false;
}

struct slice row_encode(const struct record *record, struct arena *arena)
{
    CHECK(record->type <= ENGINE_TYPE_MAX);
    CHECK(record->mod_revision <= REVISION_MAX);
    CHECK(record->create_revision <= record->mod_revision);
    CHECK(record->value.size <= ENGINE_VALUE_MAX);
    uint8_t head[ROW_HEAD_MAX];
    uint8_t *at = head;
    *at++ = ROW_FORMAT;
    *at++ = (uint8_t)(record->type | (record->expiry_ms != 0 ? ROW_EXPIRES : 0));
    at = put_number(at, record->mod_revision);
    at = put_number(at, record->mod_revision - record->create_revision);
    at = put_number(at, record->version);
    if (record->expiry_ms != 0) {
        at = put_number(at, record->expiry_ms);
    }
    const size_t head_size = (size_t)(at - head);
    CHECK(head_size <= ROW_HEAD_MAX);
    uint8_t *row = arena_get(arena, head_size + record->value.size);
    memcpy(row, head, head_size);
    if (record->value.size > 0) {
        memcpy(row + head_size, record->value.data, record->value.size);
    }
    return slice_of(row, head_size + record->value.size);
}

enum err row_decode(struct slice row, struct record *record)
{
    if (row.size < 2 || row.data[0] != ROW_FORMAT ||
        (row.data[1] & ~(ROW_TYPE_MASK | ROW_EXPIRES)) != 0) {
        return ERR_CORRUPT;
    }
    const bool expires = (row.data[1] & ROW_EXPIRES) != 0;
    record->type = row.data[1] & ROW_TYPE_MASK;
    record->expiry_ms = 0;
    uint64_t age = 0;
    const uint8_t *at = row.data + 2;
    const uint8_t *end = row.data + row.size;
    if (!take_number(&at, end, &record->mod_revision) || !take_number(&at, end, &age) ||
        !take_number(&at, end, &record->version)) {
        return ERR_CORRUPT;
    }
    if (expires && (!take_number(&at, end, &record->expiry_ms) || record->expiry_ms == 0)) {
        return ERR_CORRUPT;
    }
    if (record->mod_revision > REVISION_MAX || age > record->mod_revision ||
        (size_t)(end - at) > ENGINE_VALUE_MAX) {
        return ERR_CORRUPT;
    }
    record->create_revision = record->mod_revision - age;
    record->value = slice_of(at, (size_t)(end - at));
    return ERR_OK;
}
