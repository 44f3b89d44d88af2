#include "api/go_base64.h"

#include "wire/json.h"

#define NO_DIGIT     UINT8_MAX
#define GROUPS_LEAST 1024 /* bytes of text for which a table is worth it */

static uint8_t digit_of(uint8_t byte)
{
    return (uint8_t)base64_digit(byte); /* -1 becomes NO_DIGIT */
}

/* Of a long text: groups of four digits, as long as there is nothing else; there is room for them.
 * Returns how many bytes were read. */
static size_t read_groups(struct buf *out, struct slice text)
{
    uint8_t digits[256];
    size_t at = 0;
    if (text.size < GROUPS_LEAST) {
        return 0;
    }
    for (unsigned i = 0; i < 256; i++) {
        digits[i] = digit_of((uint8_t)i);
    }
    uint8_t *p = buf_reserve(out, text.size / 4 * 3);
    for (; text.size - at >= 4; at += 4) {
        const uint8_t *from = text.data + at;
        const uint8_t a = digits[from[0]];
        const uint8_t b = digits[from[1]];
        const uint8_t c = digits[from[2]];
        const uint8_t d = digits[from[3]];
        if (((a | b | c | d) & 0x80) != 0) { /* of all only NO_DIGIT has it */
            break;
        }
        *p++ = (uint8_t)(a << 2 | b >> 4);
        *p++ = (uint8_t)(b << 4 | c >> 2);
        *p++ = (uint8_t)(c << 6 | d);
    }
    buf_extend(out, at / 4 * 3);
    return at;
}

static bool is_break(uint8_t byte)
{
    return byte == '\r' || byte == '\n';
}

static size_t skip_breaks(struct slice text, size_t at)
{
    while (at < text.size && is_break(text.data[at])) {
        at++;
    }
    return at;
}

/* The first bytes that `count` digits make: one less than there are digits. */
static void append_group(struct buf *out, uint32_t bits, unsigned count)
{
    const uint32_t all = bits << 6 * (4 - count);
    for (unsigned i = 0; i + 1 < count; i++) {
        buf_append_byte(out, (uint8_t)(all >> (16 - 8 * i)));
    }
}

static enum err illegal(struct err_why *why, size_t at)
{
    return err_set(why, ERR_INVALID, "illegal base64 data at input byte %zu", at);
}

/* From the first '=' on, which stands at `at` behind `count` digits of a group. */
static enum err read_padding(struct buf *out, struct slice text, size_t at, uint32_t bits,
                             unsigned count, struct err_why *why)
{
    if (count < 2) {
        return illegal(why, at);
    }
    size_t next = at + 1;
    if (count == 2) { /* a second one is due */
        next = skip_breaks(text, next);
        if (next == text.size) {
            return illegal(why, next);
        }
        if (text.data[next] != '=') {
            return illegal(why, next - 1);
        }
        next++;
    }
    append_group(out, bits, count);
    next = skip_breaks(text, next);
    return next < text.size ? illegal(why, next) : ERR_OK;
}

enum err go_base64_read(struct buf *out, struct slice text, struct err_why *why)
{
    uint32_t bits = 0;
    unsigned count = 0;
    (void)buf_reserve(out, text.size / 4 * 3 + 3);
    for (size_t at = read_groups(out, text); at < text.size; at++) {
        const uint8_t digit = digit_of(text.data[at]);
        if (digit != NO_DIGIT) {
            bits = bits << 6 | digit;
            if (++count == 4) {
                append_group(out, bits, count);
                bits = 0;
                count = 0;
            }
        } else if (text.data[at] == '=') {
            return read_padding(out, text, at, bits, count, why);
        } else if (!is_break(text.data[at])) {
            return illegal(why, at);
        }
    }
    return count == 0 ? ERR_OK : illegal(why, text.size - count);
}
