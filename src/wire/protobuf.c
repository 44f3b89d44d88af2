#include "wire/protobuf.h"

#include "base/check.h"

static bool take_varint(struct slice *rest, uint64_t *value)
{
    uint64_t number = 0;
    for (size_t i = 0; i < rest->size && i < PROTOBUF_VARINT_MAX; i++) {
        const uint8_t byte = rest->data[i];
        number |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *rest = slice_skip(*rest, i + 1);
            *value = number;
            return true;
        }
    }
    return false;
}

static bool take_fixed(struct slice *rest, size_t size, uint64_t *value)
{
    if (rest->size < size) {
        return false;
    }
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++) {
        number |= (uint64_t)rest->data[i] << (8 * i);
    }
    *rest = slice_skip(*rest, size);
    *value = number;
    return true;
}

static bool take_bytes(struct slice *rest, struct protobuf_field *field)
{
    if (!take_varint(rest, &field->value) || field->value > rest->size) {
        return false;
    }
    field->bytes = slice_of(rest->data, (size_t)field->value);
    *rest = slice_skip(*rest, (size_t)field->value);
    return true;
}

enum protobuf_next protobuf_next(struct slice *rest, struct protobuf_field *field)
{
    uint64_t tag = 0;
    bool is_whole = false;
    if (rest->size == 0) {
        return PROTOBUF_END;
    }
    if (!take_varint(rest, &tag) || tag > UINT32_MAX || tag >> 3 == 0) {
        return PROTOBUF_BROKEN;
    }
    *field = (struct protobuf_field){.number = (uint32_t)(tag >> 3),
                                     .type = (enum protobuf_type)(tag & 7)};
    switch (tag & 7) {
    case PROTOBUF_VARINT:
        is_whole = take_varint(rest, &field->value);
        break;
    case PROTOBUF_FIXED64:
        is_whole = take_fixed(rest, 8, &field->value);
        break;
    case PROTOBUF_BYTES:
        is_whole = take_bytes(rest, field);
        break;
    case PROTOBUF_FIXED32:
        is_whole = take_fixed(rest, 4, &field->value);
        break;
    default:
        break;
    }
    return is_whole ? PROTOBUF_FIELD : PROTOBUF_BROKEN;
}

/* ---- Writing ---- */

/* The tag of a field and a number behind it. */
static void put_field(struct buf *out, uint32_t number, enum protobuf_type type, uint64_t value)
{
    CHECK(number > 0);
    uint8_t *begin = buf_reserve(out, (size_t)2 * PROTOBUF_VARINT_MAX);
    uint8_t *end = protobuf_put_varint(begin, (uint64_t)number << 3 | type);
    end = protobuf_put_varint(end, value);
    buf_extend(out, (size_t)(end - begin));
}

void protobuf_element_to(struct buf *out, uint32_t number, struct slice bytes)
{
    put_field(out, number, PROTOBUF_BYTES, bytes.size);
    buf_append_slice(out, bytes);
}

void protobuf_bytes_to(struct buf *out, uint32_t number, struct slice bytes)
{
    if (bytes.size > 0) {
        protobuf_element_to(out, number, bytes);
    }
}

void protobuf_number_to(struct buf *out, uint32_t number, uint64_t value)
{
    if (value != 0) {
        put_field(out, number, PROTOBUF_VARINT, value);
    }
}

void protobuf_message_head_to(struct buf *out, uint32_t number, size_t size)
{
    put_field(out, number, PROTOBUF_BYTES, size);
}

/* The fields are put where they belong if the message is as large as it may be; if its size takes
 * fewer bytes than that one would, they are moved. */
uint8_t *protobuf_message_begin(struct buf *out, size_t size_max)
{
    return buf_reserve(out, PROTOBUF_HEAD_MAX + size_max) + 1 + protobuf_varint_size(size_max);
}

void protobuf_message_end(struct buf *out, uint32_t number, uint8_t *begin, const uint8_t *end)
{
    CHECK(number < 16 && begin <= end);
    const size_t size = (size_t)(end - begin);
    uint8_t *to = out->data + out->size;
    *to++ = (uint8_t)(number << 3 | PROTOBUF_BYTES);
    to = protobuf_put_varint(to, size);
    CHECK(to <= begin && end <= out->data + out->capacity);
    if (to < begin) {
        memmove(to, begin, size);
    }
    out->size = (size_t)(to - out->data) + size;
}

/* ---- Sizes ---- */

size_t protobuf_bytes_size(uint32_t number, size_t size)
{
    return size == 0
               ? 0
               : protobuf_varint_size((uint64_t)number << 3) + protobuf_varint_size(size) + size;
}

size_t protobuf_number_size(uint32_t number, uint64_t value)
{
    return value == 0 ? 0
                      : protobuf_varint_size((uint64_t)number << 3) + protobuf_varint_size(value);
}
