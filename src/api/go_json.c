/* A recursive descent over the bytes. Strings are unescaped into one buffer: names, and values
 * that may be those of fields. A wrong type is remembered and reported only when the whole value is
 * well formed, as in Go, which scans before it decodes. */
#include "api/go_json.h"

#include <stdio.h>

#include "api/go_text.h"
#include "base/buf.h"

#define DEPTH_MAX 1000

struct scan {
    const uint8_t *at;
    const uint8_t *end;
    struct buf text; /* the last string */
    bool is_whole;
    struct err_why *why;
};

static enum err unexpected(struct scan *s, const char *where)
{
    if (s->at >= s->end) {
        return err_set(s->why, ERR_INVALID,
                       s->is_whole ? "unexpected end of JSON input" : "unexpected EOF");
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

/* ASCII that stands for itself; most strings are nothing else. */
static void take_plain(struct scan *s)
{
    const uint8_t *begin = s->at;
    while (s->at < s->end && *s->at >= 0x20 && *s->at < 0x80 && *s->at != '"' && *s->at != '\\') {
        s->at++;
    }
    buf_append(&s->text, begin, (size_t)(s->at - begin));
}

/* Behind the first quote; leaves `text`. */
static enum err read_string(struct scan *s)
{
    buf_clear(&s->text);
    for (take_plain(s); !is_at(s, '"'); take_plain(s)) {
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

/* ---- The fields ---- */

struct filling {
    const struct go_target *target;
    struct arena *arena;
    const struct go_field *wrong; /* the first one whose value is no string */
    const char *wrong_type;       /* of that value */
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

static bool is_name(struct slice text, const char *name)
{
    const struct slice wanted = slice_of_text(name);
    if (text.size != wanted.size) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if ((text.data[i] | 0x20) != wanted.data[i]) {
            return false;
        }
    }
    return true;
}

static struct go_field *find_field(const struct go_target *target, struct slice name)
{
    for (size_t i = 0; i < target->field_count; i++) {
        if (is_name(name, target->fields[i].name)) {
            return &target->fields[i];
        }
    }
    return NULL;
}

static enum err read_member(struct scan *s, unsigned depth, void *arg)
{
    struct filling *f = arg;
    struct go_field *field = find_field(f->target, buf_slice(&s->text));
    const uint8_t first = s->at < s->end ? *s->at : 0;
    const enum err e = skip_value(s, depth);
    if (e != ERR_OK || field == NULL) {
        return e;
    }
    if (first == '"') {
        field->value = arena_copy(f->arena, buf_slice(&s->text));
    } else if (f->wrong == NULL && wrong_type_of(first) != NULL) {
        f->wrong = field;
        f->wrong_type = wrong_type_of(first);
    }
    return ERR_OK;
}

static enum err read_end(struct scan *s)
{
    skip_space(s);
    return s->is_whole && s->at < s->end ? unexpected(s, "after top-level value") : ERR_OK;
}

static enum err read_top(struct scan *s, struct filling *f)
{
    const struct go_target *target = f->target;
    skip_space(s);
    if (s->at == s->end && !s->is_whole) {
        return err_set(s->why, ERR_INVALID, "EOF");
    }
    const bool is_object = is_at(s, '{');
    const uint8_t first = s->at < s->end ? *s->at : 0;
    enum err e = is_object ? read_object(s, 0, read_member, f) : skip_value(s, 0);
    e = e == ERR_OK ? read_end(s) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (!is_object && first != 'n') {
        return err_set(s->why, ERR_INVALID, "json: cannot unmarshal %s into Go value of type %s.%s",
                       first == '"' ? "string" : wrong_type_of(first), target->package,
                       target->type);
    }
    if (f->wrong != NULL) {
        return err_set(s->why, ERR_INVALID,
                       "json: cannot unmarshal %s into Go struct field %s.%s of type string",
                       f->wrong_type, target->type, f->wrong->name);
    }
    return ERR_OK;
}

enum err go_json_read(struct slice text, const struct go_target *target, struct arena *arena,
                      struct err_why *why)
{
    struct scan s = {.at = text.data,
                     .end = text.size == 0 ? text.data : text.data + text.size,
                     .is_whole = target->is_whole,
                     .why = why};
    struct filling filling = {.target = target, .arena = arena};
    for (size_t i = 0; i < target->field_count; i++) {
        target->fields[i].value = (struct slice){0};
    }
    const enum err e = read_top(&s, &filling);
    buf_deinit(&s.text);
    return e;
}

/* ---- All members ---- */

struct gathering {
    struct arena *arena;
    struct go_member *members;
    size_t count;
    size_t room;
};

static enum err gather_member(struct scan *s, unsigned depth, void *arg)
{
    struct gathering *g = arg;
    struct go_member m = {.name = arena_copy(g->arena, buf_slice(&s->text))};
    const uint8_t *begin = s->at;
    const enum err e = skip_value(s, depth);
    if (e != ERR_OK) {
        return e;
    }
    m.text = slice_of(begin, (size_t)(s->at - begin));
    if (*begin == '"') {
        m.string = arena_copy(g->arena, buf_slice(&s->text));
        m.string.data = m.string.data == NULL ? (const uint8_t *)"" : m.string.data;
    }
    if (g->count == g->room) {
        g->room = g->room == 0 ? 16 : g->room * 2;
        struct go_member *more = arena_get(g->arena, g->room * sizeof(*more));
        if (g->count > 0) {
            memcpy(more, g->members, g->count * sizeof(*more));
        }
        g->members = more;
    }
    g->members[g->count++] = m;
    return ERR_OK;
}

enum err go_json_members(struct slice text, struct arena *arena, struct go_member **members,
                         size_t *count, struct err_why *why)
{
    struct scan s = {
        .at = text.data, .end = text.size == 0 ? text.data : text.data + text.size, .why = why};
    struct gathering gathering = {.arena = arena};
    skip_space(&s);
    const uint8_t first = s.at < s.end ? *s.at : 0;
    enum err e = first == '{' ? read_object(&s, 0, gather_member, &gathering) : skip_value(&s, 0);
    if (e == ERR_OK && first != '{' && first != 'n') {
        e = err_set(why, ERR_INVALID,
                    "json: cannot unmarshal %s into Go value of type map[string]json.RawMessage",
                    first == '"' ? "string" : wrong_type_of(first));
    }
    buf_deinit(&s.text);
    *members = gathering.members;
    *count = gathering.count;
    return e;
}
