/* text.h - private to wire/: small rules that several protocols share. */
#ifndef WIRE_TEXT_H
#define WIRE_TEXT_H

#include "base/slice.h"

/* The value of a hexadecimal digit, or -1. */
static inline int text_hex(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    const uint8_t lower = byte | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* True if `text` is `lower`, whatever the case of its letters. */
static inline bool text_is(struct slice text, const char *lower)
{
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t byte = text.data[i];
        const uint8_t folded = byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
        if (lower[i] == 0 || folded != (uint8_t)lower[i]) {
            return false;
        }
    }
    return lower[text.size] == 0;
}

#define TEXT_DIGITS_MAX 20 /* bytes of the longest number */

/* Writes the decimal digits of `number` at `to`; returns what lies behind them. */
static inline uint8_t *text_digits(uint8_t *to, uint64_t number)
{
    uint8_t digits[TEXT_DIGITS_MAX];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    memcpy(to, digits + at, sizeof(digits) - at);
    return to + (sizeof(digits) - at);
}

#endif
