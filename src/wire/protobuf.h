/* protobuf.h - the encoding of protocol buffers, field by field: for what is known only at run
 * time (descriptors), for checks before a message is decoded, and for answers that are written
 * without building a message first. */
#ifndef WIRE_PROTOBUF_H
#define WIRE_PROTOBUF_H

#include "base/buf.h"

enum protobuf_type { /* the numbers go over the wire; groups are not read */
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5
};

struct protobuf_field {
    uint32_t number; /* greater than 0 */
    enum protobuf_type type;
    uint64_t value;     /* of a number, little-endian ones included */
    struct slice bytes; /* PROTOBUF_BYTES: borrowed from the message */
};

enum protobuf_next {
    PROTOBUF_FIELD,
    PROTOBUF_END,
    PROTOBUF_BROKEN
};

/* Takes the first field off `*rest`. */
enum protobuf_next protobuf_next(struct slice *rest, struct protobuf_field *field);

/* ---- Writing ---- */

#define PROTOBUF_VARINT_MAX 10 /* bytes */

static inline size_t protobuf_varint_size(uint64_t value)
{
    return (size_t)(70 - __builtin_clzll(value | 1)) / 7;
}

/* Where the next byte goes; there is room for PROTOBUF_VARINT_MAX. */
static inline uint8_t *protobuf_put_varint(uint8_t *to, uint64_t value)
{
    while (value >= 0x80) {
        *to++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *to++ = (uint8_t)value;
    return to;
}

/* Fields as the functions below append them, for numbers below 16, where there is room:
 * PROTOBUF_NUMBER_MAX, or PROTOBUF_HEAD_MAX and the bytes. */
#define PROTOBUF_NUMBER_MAX ((size_t)1 + PROTOBUF_VARINT_MAX)
#define PROTOBUF_HEAD_MAX   PROTOBUF_NUMBER_MAX

static inline uint8_t *protobuf_put_number(uint8_t *to, uint32_t number, uint64_t value)
{
    if (value == 0) {
        return to;
    }
    *to++ = (uint8_t)(number << 3 | PROTOBUF_VARINT);
    return protobuf_put_varint(to, value);
}

static inline uint8_t *protobuf_put_bytes(uint8_t *to, uint32_t number, struct slice bytes)
{
    if (bytes.size == 0) {
        return to;
    }
    *to++ = (uint8_t)(number << 3 | PROTOBUF_BYTES);
    return slice_put(protobuf_put_varint(to, bytes.size), bytes);
}

/* An element of a repeated field that is a message of at most `size_max` bytes: put its fields
 * where this says, then end it with where they ended. In between nothing else is appended. */
uint8_t *protobuf_message_begin(struct buf *out, size_t size_max);
void protobuf_message_end(struct buf *out, uint32_t number, uint8_t *begin, const uint8_t *end);

/* A field with its number; nothing for the default, as proto3 does. */
void protobuf_bytes_to(struct buf *out, uint32_t number, struct slice bytes);
void protobuf_number_to(struct buf *out, uint32_t number, uint64_t value);

/* The same, but written even when it is empty: for elements of repeated fields and messages. */
void protobuf_element_to(struct buf *out, uint32_t number, struct slice bytes);

/* What stands in front of the fields of a message that is an element, of `size` bytes. */
void protobuf_message_head_to(struct buf *out, uint32_t number, size_t size);

/* What the functions above append for bytes of that size, or a number. */
size_t protobuf_bytes_size(uint32_t number, size_t size);
size_t protobuf_number_size(uint32_t number, uint64_t value);

#endif
