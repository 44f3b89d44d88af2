/* entities.c - what "&eacute;", "&#233;" and "&#xe9;" stand for, as Go's html.UnescapeString has
 * it: a name of the standard's list, or the longest beginning of one that needs no semicolon. */
#include "api/dstash/entities.h"

#include <utf8proc.h>

#include "api/dstash/terms.h"

#define NAME_MAX_BYTES  32 /* no name is longer */
#define PREFIX_MAX      6  /* of a name without its semicolon */
#define REPLACEMENT     0xfffd
#define CODE_POINT_LAST 0x10ffff

static void append_code_point(struct buf *out, uint32_t point)
{
    uint8_t bytes[4];
    buf_append(out, bytes, (size_t)utf8proc_encode_char((utf8proc_int32_t)point, bytes));
}

/* ---- Numbers ---- */

/* What Windows has at 0x80 to 0x9f, since that is what pages mean. */
static const uint16_t windows_points[32] = {
    0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
    0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178,
};

/* -1: no digit of that base. */
static int digit_of(uint8_t byte, unsigned base)
{
    const uint8_t letter = byte | 0x20;
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    return base == 16 && letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static uint32_t point_of(uint32_t number)
{
    if (number >= 0x80 && number <= 0x9f) {
        return windows_points[number - 0x80];
    }
    const bool is_surrogate = number >= 0xd800 && number <= 0xdfff;
    return number == 0 || is_surrogate || number > CODE_POINT_LAST ? REPLACEMENT : number;
}

/* "&#..." */
static size_t number_to(struct buf *out, struct slice text)
{
    const bool is_hex = text.size > 2 && (text.data[2] | 0x20) == 'x';
    const unsigned base = is_hex ? 16 : 10;
    const size_t begin = is_hex ? 3 : 2;
    size_t at = begin;
    uint32_t number = 0;
    for (; at < text.size; at++) {
        const int digit = digit_of(text.data[at], base);
        if (digit < 0) {
            break;
        }
        number = number > CODE_POINT_LAST ? number : number * base + (uint32_t)digit;
    }
    if (at == begin) {
        return 0;
    }
    append_code_point(out, point_of(number));
    return at < text.size && text.data[at] == ';' ? at + 1 : at;
}

/* ---- Names ---- */

static size_t line_begin(struct slice list, size_t at)
{
    while (at > 0 && list.data[at - 1] != '\n') {
        at--;
    }
    return at;
}

/* Text up to the next `end`; it is there. */
static struct slice word_at(struct slice list, size_t at, uint8_t end)
{
    const uint8_t *stop = memchr(list.data + at, end, list.size - at);
    return slice_of(list.data + at, (size_t)(stop - list.data) - at);
}

/* The code points of a name, or NULL data. */
static struct slice find_name(struct slice name)
{
    const struct slice list = entity_list();
    size_t low = 0;
    size_t high = list.size;
    while (low < high) {
        const size_t begin = line_begin(list, low + (high - low) / 2);
        const struct slice line = word_at(list, begin, '\n');
        const struct slice found = word_at(list, begin, ' ');
        const int order = slice_compare(name, found);
        if (order == 0) {
            return slice_skip(line, found.size + 1);
        }
        if (order < 0) {
            high = begin;
        } else {
            low = begin + line.size + 1;
        }
    }
    return (struct slice){0};
}

static void points_to(struct buf *out, struct slice points)
{
    uint32_t point = 0;
    for (size_t i = 0; i < points.size; i++) {
        if (points.data[i] == ' ') {
            append_code_point(out, point);
            point = 0;
        } else {
            point = point * 16 + (uint32_t)digit_of(points.data[i], 16);
        }
    }
    append_code_point(out, point);
}

static bool is_alphanumeric(uint8_t byte)
{
    const uint8_t letter = byte | 0x20;
    return (byte >= '0' && byte <= '9') || (letter >= 'a' && letter <= 'z');
}

/* "&name" */
static size_t name_to(struct buf *out, struct slice text)
{
    size_t size = 0;
    while (size + 1 < text.size && size <= NAME_MAX_BYTES && is_alphanumeric(text.data[size + 1])) {
        size++;
    }
    if (size + 1 < text.size && text.data[size + 1] == ';') {
        size++;
    }
    const struct slice points = find_name(slice_of(text.data + 1, size));
    if (size > 0 && points.data != NULL) {
        points_to(out, points);
        return size + 1;
    }
    for (size_t i = size > PREFIX_MAX ? PREFIX_MAX : size; i > 1; i--) {
        const struct slice prefix = find_name(slice_of(text.data + 1, i));
        if (prefix.data != NULL) {
            points_to(out, prefix);
            return i + 1;
        }
    }
    return 0;
}

size_t entity_to(struct buf *out, struct slice reference)
{
    return reference.size > 1 && reference.data[1] == '#' ? number_to(out, reference)
                                                          : name_to(out, reference);
}
