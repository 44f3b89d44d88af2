#include "wire/json.h"

#include "base/check.h"

/* ---- Reading ---- */

/* jansson recurses once per level, so the depth is checked before it sees the bytes. */
static enum err check_depth(struct slice text, struct err_why *why)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t byte = text.data[i];
        if (in_string) {
            i += byte == '\\';
            in_string = byte != '"';
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '{' || byte == '[') {
            depth++;
        } else if ((byte == '}' || byte == ']') && depth > 0) {
            depth--;
        }
        if (depth > JSON_DEPTH_MAX) {
            return err_set(why, ERR_INVALID,
                           "byte %zu: more than %d arrays and objects in each other", i + 1,
                           JSON_DEPTH_MAX);
        }
    }
    return ERR_OK;
}

json_t *json_read(struct slice text, size_t size_max, struct err_why *why)
{
    if (text.size > size_max) {
        (void)err_set(why, ERR_TOO_LARGE, "more than %zu bytes of JSON", size_max);
        return NULL;
    }
    if (check_depth(text, why) != ERR_OK) {
        return NULL;
    }
    json_error_t error;
    json_t *value =
        json_loadb((const char *)(text.size > 0 ? text.data : (const uint8_t *)""), text.size,
                   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value == NULL) {
        (void)err_set(why, ERR_INVALID, "line %d, column %d: %s", error.line, error.column,
                      error.text);
    }
    return value;
}

struct slice json_slice(const json_t *value)
{
    if (!json_is_string(value)) {
        return (struct slice){NULL, 0};
    }
    return slice_of(json_string_value(value), json_string_length(value));
}

/* ---- UTF-8 ---- */

static bool is_tail(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes of the character that begins at `at`: 1 to 4; 0: that is none. */
static size_t utf8_size(const uint8_t *at, size_t left)
{
    const uint8_t first = at[0];
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xc2 || first > 0xf4) { /* a tail, an overlong form, beyond U+10FFFF */
        return 0;
    }
    if (left < 2 || !is_tail(at[1])) {
        return 0;
    }
    if (first < 0xe0) {
        return 2;
    }
    if ((first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] > 0x9f) || /* surrogates */
        (first == 0xf0 && at[1] < 0x90) || (first == 0xf4 && at[1] > 0x8f)) {
        return 0;
    }
    if (left < 3 || !is_tail(at[2])) {
        return 0;
    }
    if (first < 0xf0) {
        return 3;
    }
    return left < 4 || !is_tail(at[3]) ? 0 : 4;
}

bool utf8_is_valid(struct slice text)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    for (size_t at = 0; at < text.size;) {
        uint64_t word = high;
        if (text.size - at >= sizeof(word)) {
            memcpy(&word, text.data + at, sizeof(word));
        }
        if ((word & high) == 0) {
            at += sizeof(word);
            continue;
        }
        const size_t size = utf8_size(text.data + at, text.size - at);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

/* ---- Writing ---- */

static bool is_plain(uint8_t byte, enum json_escape escape)
{
    if (byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\') {
        return false;
    }
    return escape == JSON_PLAIN || (byte != '<' && byte != '>' && byte != '&');
}

static void escape_unit(struct buf *out, unsigned unit)
{
    static const char digits[] = "0123456789abcdef";
    const char text[6] = {'\\',
                          'u',
                          digits[unit >> 12 & 15],
                          digits[unit >> 8 & 15],
                          digits[unit >> 4 & 15],
                          digits[unit & 15]};
    buf_append(out, text, sizeof(text));
}

static void escape_ascii(struct buf *out, uint8_t byte)
{
    switch (byte) {
    case '"':
        buf_append(out, "\\\"", 2);
        return;
    case '\\':
        buf_append(out, "\\\\", 2);
        return;
    case '\n':
        buf_append(out, "\\n", 2);
        return;
    case '\r':
        buf_append(out, "\\r", 2);
        return;
    case '\t':
        buf_append(out, "\\t", 2);
        return;
    default:
        escape_unit(out, byte);
    }
}

/* Writes the character at `at`, which is not plain; returns the bytes it took. */
static size_t escape_character(struct buf *out, const uint8_t *at, size_t left,
                               enum json_escape escape)
{
    if (at[0] < 0x80) {
        escape_ascii(out, at[0]);
        return 1;
    }
    const size_t size = utf8_size(at, left);
    if (size == 0) {
        escape_unit(out, 0xfffd);
        return 1;
    }
    const bool is_separator = size == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] & 0xfe) == 0xa8;
    if (escape == JSON_HTML && is_separator) {
        escape_unit(out, 0x2000U + (at[2] & 0x3fU));
    } else {
        buf_append(out, at, size);
    }
    return size;
}

void json_string_to(struct buf *out, struct slice text, enum json_escape escape)
{
    (void)buf_reserve(out, text.size + 2);
    buf_append_byte(out, '"');
    for (size_t at = 0; at < text.size;) {
        size_t end = at;
        while (end < text.size && is_plain(text.data[end], escape)) {
            end++;
        }
        buf_append(out, text.data + at, end - at);
        at = end;
        if (at < text.size) {
            at += escape_character(out, text.data + at, text.size - at, escape);
        }
    }
    buf_append_byte(out, '"');
}

/* ---- Base64 ---- */

void base64_to(struct buf *out, struct slice bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    CHECK(bytes.size <= SIZE_MAX / 2);
    uint8_t *to = buf_reserve(out, (bytes.size + 2) / 3 * 4 + 1);
    for (size_t i = 0; i < bytes.size; i += 3) {
        const size_t left = bytes.size - i;
        const unsigned bits = (unsigned)bytes.data[i] << 16 |
                              (left > 1 ? (unsigned)bytes.data[i + 1] << 8 : 0) |
                              (left > 2 ? bytes.data[i + 2] : 0U);
        *to++ = (uint8_t)alphabet[bits >> 18];
        *to++ = (uint8_t)alphabet[bits >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)alphabet[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)alphabet[bits & 63] : '=';
    }
    buf_extend(out, (bytes.size + 2) / 3 * 4);
}

int base64_digit(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z') {
        return byte - 'A';
    }
    if (byte >= 'a' && byte <= 'z') {
        return byte - 'a' + 26;
    }
    if (byte >= '0' && byte <= '9') {
        return byte - '0' + 52;
    }
    if (byte == '+') {
        return 62;
    }
    return byte == '/' ? 63 : -1;
}

/* `digits` of four characters count (the others are padding). Returns the bytes written to `to`,
 * 0: wrong. */
static size_t read_quantum(const uint8_t *text, size_t digits, uint8_t to[static 3])
{
    unsigned bits = 0;
    for (size_t i = 0; i < 4; i++) {
        const int digit = i < digits ? base64_digit(text[i]) : 0;
        if (digit < 0) {
            return 0;
        }
        bits = bits << 6 | (unsigned)digit;
    }
    to[0] = (uint8_t)(bits >> 16);
    to[1] = (uint8_t)(bits >> 8);
    to[2] = (uint8_t)bits;
    /* Stray bits behind the last byte: two texts would mean the same bytes. */
    const bool has_stray = (digits == 2 && (bits & 0xffff) != 0) || (digits == 3 && to[2] != 0);
    return has_stray ? 0 : digits - 1;
}

bool base64_read(struct buf *out, struct slice text)
{
    if (text.size % 4 != 0) {
        return false;
    }
    const size_t before = out->size;
    for (size_t i = 0; i < text.size; i += 4) {
        size_t digits = 4;
        if (i + 4 == text.size && text.data[i + 3] == '=') {
            digits = text.data[i + 2] == '=' ? 2 : 3;
        }
        uint8_t bytes[3];
        const size_t count = read_quantum(text.data + i, digits, bytes);
        if (count == 0) {
            out->size = before;
            return false;
        }
        buf_append(out, bytes, count);
    }
    return true;
}
