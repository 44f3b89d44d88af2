/* A recursive descent over the bytes. Strings are unescaped into one buffer: names, and values
 * that may be the content. A wrong type is remembered and reported only when the whole value is
 * well formed, as in Go, which scans before it decodes. */
#include "api/strato/go_json.h"

#include <stdio.h>

#include "api/strato/go_text.h"
#include "base/buf.h"

#define DEPTH_MAX 1000

struct scan {
    const uint8_t *at;
    const uint8_t *end;
    struct buf text; /* the last string */
    struct err_why *why;
};

static enum err unexpected(struct scan *s, const char *where)
{
    if (s->at >= s->end) {
        return err_set(s->why, ERR_INVALID, "unexpected EOF");
    }
    struct buf quoted = {0};
    go_quote_byte_to(&quoted, *s->at);
    const enum err e = err_set(s->why, ERR_INVALID, "invalid character %.*s %s", (int)quoted.size,
                               (const char *)quoted.data, where);
    buf_deinit(&quoted);
    return e;
}

static bool is_at(const struct scan *s, uint8_t byte)
{
    return s->at < s->end && *s->at == byte;
}

static bool is_digit(const struct scan *s)
{
    return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static void skip_space(struct scan *s)
{
    while (is_at(s, ' ') || is_at(s, '\n') || is_at(s, '\t') || is_at(s, '\r')) {
        s->at++;
    }
}

/* ---- Strings ---- */

static void append_character(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_append_byte(out, (uint8_t)c);
        return;
    }
    const unsigned tails = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    const unsigned lead = tails == 1 ? 0xc0 : tails == 2 ? 0xe0 : 0xf0;
    buf_append_byte(out, (uint8_t)(lead | c >> 6 * tails));
    for (unsigned i = tails; i-- > 0;) {
        buf_append_byte(out, (uint8_t)(0x80 | (c >> 6 * i & 0x3f)));
    }
}

/* The four digits behind "\u". */
static enum err read_unit(struct scan *s, uint32_t *unit)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < 4; i++, s->at++) {
        const uint8_t byte = s->at < s->end ? *s->at : 0;
        const uint8_t lower = byte | 0x20;
        if (byte >= '0' && byte <= '9') {
            sum = sum * 16 + byte - '0';
        } else if (lower >= 'a' && lower <= 'f') {
            sum = sum * 16 + lower - 'a' + 10;
        } else {
            return unexpected(s, "in \\u hexadecimal character escape");
        }
    }
    *unit = sum;
    return ERR_OK;
}

/* A lone half of a pair becomes U+FFFD. */
static enum err read_escaped_unit(struct scan *s)
{
    uint32_t unit = 0;
    uint32_t low = 0;
    enum err e = read_unit(s, &unit);
    if (e != ERR_OK) {
        return e;
    }
    if (unit < 0xd800 || unit > 0xdfff) {
        append_character(&s->text, unit);
        return ERR_OK;
    }
    const uint8_t *second = s->at;
    if (unit < 0xdc00 && s->end - s->at >= 2 && s->at[0] == '\\' && s->at[1] == 'u') {
        s->at += 2;
        e = read_unit(s, &low);
        if (e != ERR_OK) {
            return e;
        }
        if (low >= 0xdc00 && low <= 0xdfff) {
            append_character(&s->text, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
            return ERR_OK;
        }
        s->at = second;
    }
    append_character(&s->text, 0xfffd);
    return ERR_OK;
}

static enum err read_escape(struct scan *s)
{
    static const char named[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    if (is_at(s, 'u')) {
        s->at++;
        return read_escaped_unit(s);
    }
    for (size_t i = 0; i < sizeof(named) - 1; i += 2) {
        if (is_at(s, (uint8_t)named[i])) {
            buf_append_byte(&s->text, (uint8_t)named[i + 1]);
            s->at++;
            return ERR_OK;
        }
    }
    return unexpected(s, "in string escape code");
}

/* Behind the first quote; leaves `text`. */
static enum err read_string(struct scan *s)
{
    buf_clear(&s->text);
    while (!is_at(s, '"')) {
        if (s->at >= s->end || *s->at < 0x20) {
            return unexpected(s, "in string literal");
        }
        if (*s->at == '\\') {
            s->at++;
            const enum err e = read_escape(s);
            if (e != ERR_OK) {
                return e;
            }
            continue;
        }
        uint32_t c = 0;
        const size_t size = go_character(s->at, (size_t)(s->end - s->at), &c);
        append_character(&s->text, size == 0 ? 0xfffd : c);
        s->at += size == 0 ? 1 : size;
    }
    s->at++;
    return ERR_OK;
}

/* ---- Other values ---- */

static void skip_digits(struct scan *s)
{
    while (is_digit(s)) {
        s->at++;
    }
}

static enum err skip_number(struct scan *s)
{
    s->at += is_at(s, '-') ? 1 : 0;
    if (!is_digit(s)) {
        return unexpected(s, "in numeric literal");
    }
    if (is_at(s, '0')) {
        s->at++;
    } else {
        skip_digits(s);
    }
    if (is_at(s, '.')) {
        s->at++;
        if (!is_digit(s)) {
            return unexpected(s, "after decimal point in numeric literal");
        }
        skip_digits(s);
    }
    if (is_at(s, 'e') || is_at(s, 'E')) {
        s->at++;
        s->at += is_at(s, '+') || is_at(s, '-') ? 1 : 0;
        if (!is_digit(s)) {
            return unexpected(s, "in exponent of numeric literal");
        }
        skip_digits(s);
    }
    return ERR_OK;
}

static enum err skip_word(struct scan *s, const char *word)
{
    for (size_t i = 0; word[i] != '\0'; i++, s->at++) {
        if (!is_at(s, (uint8_t)word[i])) {
            char where[48];
            (void)snprintf(where, sizeof(where), "in literal %s (expecting '%c')", word, word[i]);
            return unexpected(s, where);
        }
    }
    return ERR_OK;
}

static enum err skip_value(struct scan *s, unsigned depth);

static enum err skip_array(struct scan *s, unsigned depth)
{
    s->at++;
    skip_space(s);
    if (is_at(s, ']')) {
        s->at++;
        return ERR_OK;
    }
    for (;;) {
        const enum err e = skip_value(s, depth + 1);
        if (e != ERR_OK) {
            return e;
        }
        skip_space(s);
        if (is_at(s, ']')) {
            s->at++;
            return ERR_OK;
        }
        if (!is_at(s, ',')) {
            return unexpected(s, "after array element");
        }
        s->at++;
    }
}

/* Reads `"name" :`; the name is left in `text`. */
static enum err read_name(struct scan *s)
{
    skip_space(s);
    if (!is_at(s, '"')) {
        return unexpected(s, "looking for beginning of object key string");
    }
    s->at++;
    const enum err e = read_string(s);
    if (e != ERR_OK) {
        return e;
    }
    skip_space(s);
    if (!is_at(s, ':')) {
        return unexpected(s, "after object key");
    }
    s->at++;
    skip_space(s);
    return ERR_OK;
}

typedef enum err (*member_fn)(struct scan *s, unsigned depth, void *arg);

/* Calls `member` for each value, with its name in `text`. */
static enum err read_object(struct scan *s, unsigned depth, member_fn member, void *arg)
{
    s->at++;
    skip_space(s);
    if (is_at(s, '}')) {
        s->at++;
        return ERR_OK;
    }
    for (;;) {
        enum err e = read_name(s);
        if (e == ERR_OK) {
            e = member(s, depth + 1, arg);
        }
        if (e != ERR_OK) {
            return e;
        }
        skip_space(s);
        if (is_at(s, '}')) {
            s->at++;
            return ERR_OK;
        }
        if (!is_at(s, ',')) {
            return unexpected(s, "after object key:value pair");
        }
        s->at++;
    }
}

static enum err skip_member(struct scan *s, unsigned depth, void *arg)
{
    (void)arg;
    return skip_value(s, depth);
}

static enum err skip_value(struct scan *s, unsigned depth)
{
    skip_space(s);
    if (depth > DEPTH_MAX) {
        return err_set(s->why, ERR_INVALID, "exceeded max depth");
    }
    switch (s->at < s->end ? *s->at : 0) {
    case '{':
        return read_object(s, depth, skip_member, NULL);
    case '[':
        return skip_array(s, depth);
    case '"':
        s->at++;
        return read_string(s);
    case 't':
        return skip_word(s, "true");
    case 'f':
        return skip_word(s, "false");
    case 'n':
        return skip_word(s, "null");
    default:
        break;
    }
    if (is_at(s, '-') || is_digit(s)) {
        return skip_number(s);
    }
    return unexpected(s, "looking for beginning of value");
}

/* ---- The content ---- */

struct content {
    struct buf text;
    const char *wrong_type; /* of the first value that is no string; NULL: none */
};

/* What Go calls the type of the value that begins so; NULL: a string or null, which fit. */
static const char *wrong_type_of(uint8_t first)
{
    switch (first) {
    case '{':
        return "object";
    case '[':
        return "array";
    case 't':
    case 'f':
        return "bool";
    case '"':
    case 'n':
        return NULL;
    default:
        return "number";
    }
}

static bool is_content(struct slice name)
{
    static const char wanted[] = "content";
    if (name.size != sizeof(wanted) - 1) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if ((name.data[i] | 0x20) != wanted[i]) {
            return false;
        }
    }
    return true;
}

static enum err read_member(struct scan *s, unsigned depth, void *arg)
{
    struct content *content = arg;
    const bool is_wanted = is_content(buf_slice(&s->text));
    const uint8_t first = s->at < s->end ? *s->at : 0;
    const enum err e = skip_value(s, depth);
    if (e != ERR_OK || !is_wanted) {
        return e;
    }
    if (first == '"') {
        buf_clear(&content->text);
        buf_append_slice(&content->text, buf_slice(&s->text));
    } else if (content->wrong_type == NULL) {
        content->wrong_type = wrong_type_of(first);
    }
    return ERR_OK;
}

static enum err read_top(struct scan *s, struct content *content)
{
    skip_space(s);
    if (s->at == s->end) {
        return err_set(s->why, ERR_INVALID, "EOF");
    }
    if (!is_at(s, '{')) {
        const uint8_t first = *s->at;
        const enum err e = skip_value(s, 0);
        if (e != ERR_OK || first == 'n') {
            return e;
        }
        return err_set(s->why, ERR_INVALID,
                       "json: cannot unmarshal %s into Go value of type "
                       "http.valJs",
                       first == '"' ? "string" : wrong_type_of(first));
    }
    const enum err e = read_object(s, 0, read_member, content);
    if (e == ERR_OK && content->wrong_type != NULL) {
        return err_set(s->why, ERR_INVALID,
                       "json: cannot unmarshal %s into Go struct field valJs.content of type "
                       "string",
                       content->wrong_type);
    }
    return e;
}

enum err go_json_content(struct slice text, struct arena *arena, struct slice *content,
                         struct err_why *why)
{
    struct scan s = {.at = text.data, .end = text.data + text.size, .why = why};
    struct content found = {0};
    const enum err e = read_top(&s, &found);
    if (e == ERR_OK) {
        *content = arena_copy(arena, buf_slice(&found.text));
    }
    buf_deinit(&found.text);
    buf_deinit(&s.text);
    return e;
}
