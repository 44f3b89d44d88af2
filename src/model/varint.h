/* varint.h - unsigned numbers in base 128, least significant group first. Private to model/. */
#ifndef MODEL_VARINT_H
#define MODEL_VARINT_H

#include "base/slice.h"

#define VARINT_MAX ((size_t)10) /* bytes of the largest */

/* Returns the end of what was written at `p`. */
static inline uint8_t *varint_put(uint8_t *p, uint64_t number)
{
    for (; number >= 0x80; number >>= 7) {
        *p++ = (uint8_t)(number | 0x80);
    }
    *p++ = (uint8_t)number;
    return p;
}

/* Leaves the first `count` bytes behind. */
static inline void slice_advance(struct slice *s, size_t count)
{
    if (count > 0) {
        s->data += count;
        s->size -= count;
    }
}

/* Takes one from the front of `bytes`. False, and `bytes` in no known state: there is none, or it
 * does not fit into 64 bits. */
static inline bool varint_take(struct slice *bytes, uint64_t *number)
{
    uint64_t sum = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (bytes->size == 0) {
            return false;
        }
        const uint8_t byte = *bytes->data;
        slice_advance(bytes, 1);
        sum |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *number = sum;
            return shift < 63 || byte <= 1;
        }
    }
    return false;
}

/* Takes a size and that many bytes. */
static inline bool varint_take_slice(struct slice *bytes, struct slice *taken)
{
    uint64_t size;
    if (!varint_take(bytes, &size) || size > bytes->size) {
        return false;
    }
    *taken = slice_of(bytes->data, size);
    slice_advance(bytes, size);
    return true;
}

/* 8 bytes, most significant first: numbers in the order of their bytes. */
static inline uint8_t *big_endian_put(uint8_t *p, uint64_t number)
{
    for (unsigned shift = 64; shift > 0; shift -= 8) {
        *p++ = (uint8_t)(number >> (shift - 8));
    }
    return p;
}

static inline uint64_t big_endian_get(const uint8_t *p)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < 8; i++) {
        number = number << 8 | p[i];
    }
    return number;
}

#endif
