/* slice.h - bytes that somebody else owns. Keys and values may hold any byte,
 * zero included, so they are never C strings inside this program. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; /* may be NULL only when size is 0 */
    size_t size;
};

/* Bytes of a string literal. */
#define SLICE(literal) ((struct slice){(const uint8_t *)("" literal), sizeof(literal) - 1})

static inline struct slice slice_of(const void *data, size_t size)
{
    return (struct slice){data, size};
}

static inline struct slice slice_of_text(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* The same pointer without const: for interfaces of others that do not change what they are lent,
 * and do not say so. */
static inline void *unconst(const void *memory)
{
    const union {
        const void *ours;
        void *theirs;
    } same = {memory};
    return same.theirs;
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.size >= prefix.size &&
           (prefix.size == 0 || memcmp(s.data, prefix.data, prefix.size) == 0);
}

/* 8 bytes of each in order. */
static inline int slice_compare_word(const uint8_t *a, const uint8_t *b)
{
    uint64_t left;
    uint64_t right;
    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    left = __builtin_bswap64(left);
    right = __builtin_bswap64(right);
    return (left > right) - (left < right);
}

/* As memcmp(), without a call for keys of usual sizes. */
static inline int slice_compare_bytes(const uint8_t *a, const uint8_t *b, size_t size)
{
    if (size < 8 || size > 64) {
        return size == 0 ? 0 : memcmp(a, b, size);
    }
    int order = 0;
    for (size_t i = 0; i + 8 < size && order == 0; i += 8) {
        order = slice_compare_word(a + i, b + i);
    }
    return order != 0 ? order : slice_compare_word(a + size - 8, b + size - 8);
}

/* Bytewise order, a prefix before what it begins: negative, 0 or positive. */
static inline int slice_compare(struct slice a, struct slice b)
{
    const size_t size = a.size < b.size ? a.size : b.size;
    const int order = slice_compare_bytes(a.data, b.data, size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* Copies the bytes to `to`; returns the end of what it wrote. */
static inline uint8_t *slice_put(uint8_t *to, struct slice s)
{
    if (s.size > 0) {
        memcpy(to, s.data, s.size);
    }
    return to + s.size;
}

/* What is left behind the first `count` bytes; `count` is at most the size. */
static inline struct slice slice_skip(struct slice s, size_t count)
{
    return (struct slice){s.data == NULL ? NULL : s.data + count, s.size - count};
}

#endif
