#include "api/go_text.h"

enum go_number go_atoi(struct slice text, int64_t *number)
{
    bool is_negative = false;
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        is_negative = text.data[0] == '-';
        text = slice_skip(text, 1);
    }
    if (text.size == 0) {
        return GO_NUMBER_SYNTAX;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t byte = text.data[i];
        if (byte < '0' || byte > '9') {
            return GO_NUMBER_SYNTAX;
        }
        if (__builtin_mul_overflow(sum, 10U, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(byte - '0'), &sum)) {
            return GO_NUMBER_RANGE; /* whatever follows, as in Go */
        }
    }
    if (sum > (uint64_t)INT64_MAX + (is_negative ? 1 : 0)) {
        return GO_NUMBER_RANGE;
    }
    *number = is_negative ? (int64_t)(~sum + 1) : (int64_t)sum;
    return GO_NUMBER_OK;
}

/* Controls and the invisible characters one meets; Go's table knows more of them. */
static bool is_printable(uint32_t c)
{
    if (c < 0xa1) {
        return c >= 0x20 && c < 0x7f;
    }
    return c != 0xad && !(c >= 0x2000 && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202f) &&
           !(c >= 0x205f && c <= 0x206f) && c != 0x3000 && !(c >= 0xe000 && c <= 0xf8ff) &&
           c != 0xfeff && !(c >= 0xfff0 && c <= 0xfffb) && (c & 0xfffe) != 0xfffe;
}

static void quote_character(struct buf *out, const uint8_t *at, size_t size, uint32_t c)
{
    static const char named[] = "\aa\bb\ff\nn\rr\tt\vv\"\"\\\\";
    for (size_t i = 0; i + 1 < sizeof(named) - 1; i += 2) {
        if (c == (uint8_t)named[i]) {
            buf_append_byte(out, '\\');
            buf_append_byte(out, (uint8_t)named[i + 1]);
            return;
        }
    }
    if (is_printable(c)) {
        buf_append(out, at, size);
    } else if (c < 0x80) {
        buf_printf(out, "\\x%02x", c);
    } else if (c < 0x10000) {
        buf_printf(out, "\\u%04x", c);
    } else {
        buf_printf(out, "\\U%08x", c);
    }
}

/* strconv.Quote. */
static void quote_to(struct buf *out, struct slice text)
{
    buf_append_byte(out, '"');
    for (size_t at = 0; at < text.size;) {
        uint32_t c = 0;
        const size_t size = go_character(text.data + at, text.size - at, &c);
        if (size == 0) {
            buf_printf(out, "\\x%02x", text.data[at]);
            at++;
        } else {
            quote_character(out, text.data + at, size, c);
            at += size;
        }
    }
    buf_append_byte(out, '"');
}

void go_atoi_error_to(struct buf *out, struct slice text, enum go_number error)
{
    buf_append_text(out, "strconv.Atoi: parsing ");
    quote_to(out, text);
    buf_append_text(out, error == GO_NUMBER_RANGE ? ": value out of range" : ": invalid syntax");
}

bool go_bool(struct slice text)
{
    static const char *const words[] = {"1", "t", "T", "true", "TRUE", "True"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_equal(text, slice_of_text(words[i]))) {
            return true;
        }
    }
    return false;
}

size_t go_character(const uint8_t *at, size_t left, uint32_t *character)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t size = 1; size <= 4; size++) {
        if ((at[0] & forms[size - 1].mask) != forms[size - 1].lead) {
            continue;
        }
        if (left < size) {
            return 0;
        }
        uint32_t sum = at[0] & (uint8_t)~forms[size - 1].mask;
        for (size_t i = 1; i < size; i++) {
            if ((at[i] & 0xc0) != 0x80) {
                return 0;
            }
            sum = sum << 6 | (at[i] & 0x3fU);
        }
        const bool is_surrogate = sum >= 0xd800 && sum <= 0xdfff;
        *character = sum;
        return sum < forms[size - 1].least || sum > 0x10ffff || is_surrogate ? 0 : size;
    }
    return 0;
}

void go_quote_byte_to(struct buf *out, uint8_t byte)
{
    buf_append_byte(out, '\'');
    if (byte == '\'') {
        buf_append_text(out, "\\'");
    } else if (byte == '"') {
        buf_append_byte(out, byte);
    } else {
        const uint8_t wide[2] = {(uint8_t)(0xc0 | byte >> 6), (uint8_t)(0x80 | (byte & 0x3f))};
        quote_character(out, byte < 0x80 ? &byte : wide, byte < 0x80 ? 1 : 2, byte);
    }
    buf_append_byte(out, '\'');
}
