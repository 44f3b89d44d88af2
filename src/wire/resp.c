/* resp.c - the happy path is read_args(): one pass over bytes that all have arrived. What is
 * missing suspends it with a few offsets; what is odd goes through slower functions. */
#include "wire/resp.h"

#include <math.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "wire/text.h"

#define ARGS_KEPT ((size_t)1024) /* room kept from one command to the next */

/* ---- Reading ---- */

enum line_status {
    LINE_OK,
    LINE_MORE,
    LINE_BAD,
    LINE_TOO_LONG
};

static enum resp_status broken(struct resp_parser *p, const char *error)
{
    p->error = error;
    return RESP_BROKEN;
}

/* The line that begins at p->at is no short plain number. It is judged when its end has arrived,
 * as Redis does; `error` is what it is called then. */
static enum line_status read_odd_line(struct resp_parser *p, const uint8_t *data, size_t size,
                                      int64_t *number)
{
    const size_t from = p->scanned > p->at ? p->scanned : p->at;
    const uint8_t *end = memchr(data + from, '\r', size - from);
    if (end == NULL || end + 1 == data + size) {
        p->scanned = end == NULL ? size : (size_t)(end - data);
        return size - p->at > RESP_INLINE_MAX ? LINE_TOO_LONG : LINE_MORE;
    }
    /* Only "-1" and its like are left of what Redis takes for a number. */
    const uint8_t *at = data + p->at;
    if (end[1] != '\n' || at[0] != '-' || end - at < 2 || end - at > 11 || at[1] == '0') {
        return LINE_BAD;
    }
    int64_t value = 0;
    for (at++; at < end; at++) {
        const unsigned digit = (unsigned)*at - '0';
        if (digit > 9) {
            return LINE_BAD;
        }
        value = value * 10 - (int64_t)digit;
    }
    *number = value;
    p->at = (size_t)(end - data) + 2;
    return LINE_OK;
}

/* Reads "123\r\n" at p->at, behind the type byte, and moves p->at behind it. */
static inline enum line_status read_number(struct resp_parser *p, const uint8_t *data, size_t size,
                                           int64_t *number)
{
    const uint8_t *begin = data + p->at;
    const uint8_t *end = data + size;
    const uint8_t *at = begin;
    int64_t value = 0;
    /* Ten digits fit into int64_t with room to spare, and no legal length has more. */
    while (at < end && (unsigned)*at - '0' <= 9 && at - begin < 10) {
        value = value * 10 + (*at++ - '0');
    }
    if (end - at < 2 || at[0] != '\r' || at[1] != '\n' || at == begin ||
        (begin[0] == '0' && at - begin > 1)) {
        return read_odd_line(p, data, size, number);
    }
    *number = value;
    p->at = (size_t)(at - data) + 2;
    return LINE_OK;
}

static void grow_args(struct resp_parser *p)
{
    p->capacity = p->capacity == 0 ? 8 : p->capacity * 2;
    p->args = mem_resize(p->args, p->capacity * sizeof(*p->args));
    if (p->places != NULL) {
        p->places = mem_resize(p->places, p->capacity * sizeof(*p->places));
    }
}

static void shrink_args(struct resp_parser *p)
{
    mem_free(p->args);
    mem_free(p->places);
    p->args = NULL;
    p->places = NULL;
    p->capacity = 0;
}

/* The bytes may lie elsewhere at the next call: notes where its arguments begin. */
static enum resp_status suspend(struct resp_parser *p, const uint8_t *data, size_t size)
{
    if (p->filled > p->placed && p->places == NULL) {
        p->places = mem_alloc(p->capacity * sizeof(*p->places));
    }
    for (; p->placed < p->filled; p->placed++) {
        p->places[p->placed] = (size_t)(p->args[p->placed].data - data);
    }
    p->wanted = p->bulk >= 0 ? p->at + (size_t)p->bulk + 2 : size + 1;
    return RESP_MORE;
}

static enum resp_status command(struct resp_parser *p, size_t consumed, size_t arg_count)
{
    p->consumed = consumed;
    p->arg_count = arg_count;
    p->is_copied = false;
    p->at = p->scanned = 0;
    p->args_left = 0;
    return RESP_COMMAND;
}

/* "*3\r\n". RESP_COMMAND: begun, or nothing to do (then args_left is 0). */
static enum resp_status read_count(struct resp_parser *p, const uint8_t *data, size_t size)
{
    int64_t count = 0;
    p->at = 1;
    switch (read_number(p, data, size, &count)) {
    case LINE_OK:
        break;
    case LINE_MORE:
        p->at = 0;
        p->wanted = size + 1;
        return RESP_MORE;
    case LINE_BAD:
        return broken(p, "Protocol error: invalid multibulk length");
    case LINE_TOO_LONG:
        return broken(p, "Protocol error: too big mbulk count string");
    }
    if (count > (int64_t)RESP_ARGS_MAX) {
        return broken(p, "Protocol error: invalid multibulk length");
    }
    if (count <= 0) {
        return command(p, p->at, 0);
    }
    p->args_left = count;
    p->bulk = -1;
    p->filled = p->placed = 0;
    if (p->capacity > ARGS_KEPT) {
        shrink_args(p);
    }
    return RESP_COMMAND;
}

static enum resp_status expected_dollar(struct resp_parser *p, uint8_t got)
{
    buf_clear(&p->scratch);
    buf_printf(&p->scratch, "Protocol error: expected '$', got '%c'", got);
    buf_append_byte(&p->scratch, 0);
    return broken(p, (const char *)p->scratch.data);
}

/* "$5\r\n". RESP_COMMAND: p->bulk is known. */
static inline enum resp_status read_bulk_length(struct resp_parser *p, const uint8_t *data,
                                                size_t size)
{
    if (p->at == size) {
        return suspend(p, data, size);
    }
    if (data[p->at] != '$') {
        return expected_dollar(p, data[p->at]);
    }
    int64_t length = 0;
    p->at++;
    switch (read_number(p, data, size, &length)) {
    case LINE_OK:
        break;
    case LINE_MORE:
        p->at--;
        return suspend(p, data, size);
    case LINE_BAD:
        return broken(p, "Protocol error: invalid bulk length");
    case LINE_TOO_LONG:
        return broken(p, "Protocol error: too big bulk count string");
    }
    if (length < 0 || (uint64_t)length > p->bulk_max) {
        return broken(p, "Protocol error: invalid bulk length");
    }
    p->bulk = length;
    return RESP_COMMAND;
}

static enum resp_status read_args(struct resp_parser *p, const uint8_t *data, size_t size)
{
    while (p->args_left > 0) {
        if (p->bulk < 0) {
            const enum resp_status status = read_bulk_length(p, data, size);
            if (status != RESP_COMMAND) {
                return status;
            }
        }
        const size_t length = (size_t)p->bulk;
        if (size - p->at < length + 2) {
            return suspend(p, data, size);
        }
        const uint8_t *bytes = data + p->at;
        if (bytes[length] != '\r' || bytes[length + 1] != '\n') {
            return broken(p, "Protocol error: expected CRLF behind an argument");
        }
        if (p->filled == p->capacity) {
            grow_args(p);
        }
        p->args[p->filled++] = (struct slice){bytes, length};
        p->at += length + 2;
        p->bulk = -1;
        p->args_left--;
    }
    for (size_t i = 0; i < p->placed; i++) {
        p->args[i].data = data + p->places[i];
    }
    return command(p, p->at, p->filled);
}

/* ---- Inline commands: the quoting rules of redis-cli, kept to the letter ---- */

/* The line as a C string would be seen: 0 is its end, at a zero byte too. */
struct inline_line {
    const uint8_t *at;
    const uint8_t *end;
};

static uint8_t peek(const struct inline_line *l, size_t ahead)
{
    return ahead < (size_t)(l->end - l->at) ? l->at[ahead] : 0;
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static uint8_t escaped(uint8_t byte)
{
    switch (byte) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return byte;
    }
}

/* Behind an opening quote. False: it is not closed, or something follows the closing one. */
static bool read_quoted(struct inline_line *l, uint8_t quote, struct buf *out)
{
    for (;;) {
        const uint8_t byte = peek(l, 0);
        const uint8_t next = byte == 0 ? 0 : peek(l, 1);
        if (byte == 0) {
            return false;
        }
        if (byte == quote) {
            l->at++;
            return next == 0 || is_space(next);
        }
        if (quote == '"' && byte == '\\' && next == 'x' && text_hex(peek(l, 2)) >= 0 &&
            text_hex(peek(l, 3)) >= 0) {
            buf_append_byte(out, (uint8_t)(text_hex(l->at[2]) * 16 + text_hex(l->at[3])));
            l->at += 4;
        } else if (byte == '\\' && (quote == '"' ? next != 0 : next == '\'')) {
            buf_append_byte(out, quote == '"' ? escaped(next) : next);
            l->at += 2;
        } else {
            buf_append_byte(out, byte);
            l->at++;
        }
    }
}

static bool read_inline_arg(struct inline_line *l, struct buf *out)
{
    for (;;) {
        const uint8_t byte = peek(l, 0);
        switch (byte) {
        case 0:
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            return true;
        case '"':
        case '\'':
            l->at++;
            return read_quoted(l, byte, out);
        default:
            buf_append_byte(out, byte);
            l->at++;
        }
    }
}

/* Splits the line into p->args, which lie in p->scratch. */
static bool split_line(struct resp_parser *p, struct inline_line line)
{
    buf_clear(&p->scratch);
    /* What is undone is never longer than what was sent, so the bytes do not move. */
    (void)buf_reserve(&p->scratch, (size_t)(line.end - line.at) + 1);
    for (;;) {
        while (is_space(peek(&line, 0))) {
            line.at++;
        }
        if (peek(&line, 0) == 0) {
            return true;
        }
        const size_t begin = p->scratch.size;
        if (!read_inline_arg(&line, &p->scratch)) {
            return false;
        }
        if (p->filled == p->capacity) {
            grow_args(p);
        }
        p->args[p->filled++] = slice_skip(buf_slice(&p->scratch), begin);
    }
}

static enum resp_status read_inline(struct resp_parser *p, const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data + p->scanned, '\n', size - p->scanned);
    if (end == NULL) {
        p->scanned = size;
        p->wanted = size + 1;
        return size > RESP_INLINE_MAX ? broken(p, "Protocol error: too big inline request")
                                      : RESP_MORE;
    }
    const size_t consumed = (size_t)(end - data) + 1;
    if (end > data && end[-1] == '\r') {
        end--;
    }
    p->filled = p->placed = 0;
    if (!split_line(p, (struct inline_line){data, end})) {
        return broken(p, "Protocol error: unbalanced quotes in request");
    }
    const enum resp_status status = command(p, consumed, p->filled);
    p->is_copied = true;
    return status;
}

enum resp_status resp_parse(struct resp_parser *p, const uint8_t *data, size_t size)
{
    CHECK(p->at <= size);
    if (p->args_left == 0) {
        if (size == 0) {
            p->wanted = 1;
            return RESP_MORE;
        }
        if (data[0] != '*') {
            return read_inline(p, data, size);
        }
        const enum resp_status status = read_count(p, data, size);
        if (status != RESP_COMMAND || p->args_left == 0) {
            return status;
        }
    }
    return read_args(p, data, size);
}

void resp_parser_deinit(struct resp_parser *p)
{
    shrink_args(p);
    buf_deinit(&p->scratch);
}

bool resp_is(struct slice name, const char *lower)
{
    return text_is(name, lower);
}

/* ---- Replies ---- */

#define NUMBER_BYTES 24 /* a type byte, 20 digits or sign, CRLF */

/* Writes the number at `to`; returns how many bytes. */
static inline size_t write_number(uint8_t *to, int64_t number)
{
    const bool is_negative = number < 0;
    *to = '-';
    const uint64_t size = is_negative ? ~(uint64_t)number + 1 : (uint64_t)number;
    return (size_t)(text_digits(to + is_negative, size) - to);
}

/* Writes the line at `to`, where NUMBER_BYTES are free; returns its size. */
static inline size_t write_line(uint8_t *to, char type, int64_t number)
{
    to[0] = (uint8_t)type;
    const size_t digits = write_number(to + 1, number);
    to[1 + digits] = '\r';
    to[2 + digits] = '\n';
    return digits + 3;
}

static void append_line(struct buf *out, char type, int64_t number)
{
    buf_extend(out, write_line(buf_reserve(out, NUMBER_BYTES), type, number));
}

static void append_crlf(struct buf *out)
{
    buf_append(out, "\r\n", 2);
}

void resp_simple(struct buf *out, const char *text)
{
    buf_append_byte(out, '+');
    buf_append_text(out, text);
    append_crlf(out);
}

void resp_error(struct buf *out, const char *text)
{
    buf_append_byte(out, '-');
    for (; *text != 0; text++) {
        const bool is_break = *text == '\r' || *text == '\n';
        buf_append_byte(out, is_break ? ' ' : (uint8_t)*text);
    }
    append_crlf(out);
}

void resp_integer(struct buf *out, int64_t number)
{
    append_line(out, ':', number);
}

void resp_bulk(struct buf *out, struct slice bytes)
{
    uint8_t *to = buf_reserve(out, NUMBER_BYTES + bytes.size + 2);
    size_t size = write_line(to, '$', (int64_t)bytes.size);
    if (bytes.size > 0) {
        memcpy(to + size, bytes.data, bytes.size);
        size += bytes.size;
    }
    to[size] = '\r';
    to[size + 1] = '\n';
    buf_extend(out, size + 2);
}

void resp_bulk_text(struct buf *out, const char *text)
{
    resp_bulk(out, slice_of_text(text));
}

void resp_bulk_integer(struct buf *out, int64_t number)
{
    uint8_t digits[NUMBER_BYTES];
    resp_bulk(out, slice_of(digits, write_number(digits, number)));
}

void resp_null(struct buf *out, int version)
{
    buf_append_text(out, version >= 3 ? "_\r\n" : "$-1\r\n");
}

void resp_null_array(struct buf *out, int version)
{
    buf_append_text(out, version >= 3 ? "_\r\n" : "*-1\r\n");
}

void resp_array(struct buf *out, size_t count)
{
    append_line(out, '*', (int64_t)count);
}

void resp_map(struct buf *out, int version, size_t pairs)
{
    CHECK(pairs <= SIZE_MAX / 4);
    append_line(out, version >= 3 ? '%' : '*', (int64_t)(version >= 3 ? pairs : 2 * pairs));
}

void resp_set(struct buf *out, int version, size_t count)
{
    append_line(out, version >= 3 ? '~' : '*', (int64_t)count);
}

void resp_bool(struct buf *out, int version, bool value)
{
    if (version >= 3) {
        buf_append_text(out, value ? "#t\r\n" : "#f\r\n");
    } else {
        resp_integer(out, value);
    }
}

void resp_double(struct buf *out, int version, double value)
{
    char text[40]; /* 17 digits, sign, point, exponent */
    int size = 0;
    if (isinf(value)) {
        size = snprintf(text, sizeof(text), "%s", value > 0 ? "inf" : "-inf");
    } else if (isnan(value)) {
        size = snprintf(text, sizeof(text), "nan");
    } else {
        size = snprintf(text, sizeof(text), "%.17g", value);
    }
    CHECK(size > 0 && (size_t)size < sizeof(text));
    if (version < 3) {
        resp_bulk(out, slice_of(text, (size_t)size));
        return;
    }
    buf_append_byte(out, ',');
    buf_append(out, text, (size_t)size);
    append_crlf(out);
}

void resp_verbatim(struct buf *out, int version, struct slice text)
{
    if (version < 3) {
        resp_bulk(out, text);
        return;
    }
    append_line(out, '=', (int64_t)text.size + 4);
    buf_append(out, "txt:", 4);
    buf_append_slice(out, text);
    append_crlf(out);
}

void resp_push(struct buf *out, int version, size_t count)
{
    append_line(out, version >= 3 ? '>' : '*', (int64_t)count);
}
