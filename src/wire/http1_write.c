/* http1_write.c - answers of HTTP/1: a head is one reservation and a few copies. */
#include <stdio.h>
#include <time.h>

#include "base/check.h"
#include "wire/http1.h"
#include "wire/status.h"
#include "wire/text.h"

const char *http_reason(unsigned status)
{
    switch (status) {
#define X(code, text)                                                                              \
    case code:                                                                                     \
        return text;
        HTTP_STATUSES(X)
#undef X
    default:
        return "Unknown";
    }
}

static struct slice status_line(unsigned status)
{
    switch (status) {
#define X(code, text)                                                                              \
    case code:                                                                                     \
        return SLICE("HTTP/1.1 " #code " " text "\r\n");
        HTTP_STATUSES(X)
#undef X
    default:
        return (struct slice){NULL, 0};
    }
}

static uint8_t *put(uint8_t *to, struct slice bytes)
{
    memcpy(to, bytes.data, bytes.size);
    return to + bytes.size;
}

static uint8_t *put_status(uint8_t *to, unsigned status)
{
    const struct slice line = status_line(status);
    if (line.size > 0) {
        return put(to, line);
    }
    to = put(to, SLICE("HTTP/1.1 "));
    to = text_digits(to, status);
    return put(to, SLICE(" Unknown\r\n"));
}

/* A value that broke the line would let its author write the rest of the answer. */
static void check_value(struct slice value)
{
    CHECK(value.size == 0 || (memchr(value.data, '\r', value.size) == NULL &&
                              memchr(value.data, '\n', value.size) == NULL));
}

static uint8_t *put_field(uint8_t *to, const struct http_header *field)
{
    check_value(field->value);
    to = put(to, field->name);
    to = put(to, SLICE(": "));
    if (field->value.size > 0) {
        to = put(to, field->value);
    }
    return put(to, SLICE("\r\n"));
}

static uint8_t *put_framing(uint8_t *to, uint64_t length)
{
    if (length == HTTP1_CHUNKED) {
        return put(to, SLICE("Transfer-Encoding: chunked\r\n"));
    }
    if (length == HTTP1_NO_BODY) {
        return to;
    }
    to = put(to, SLICE("Content-Length: "));
    to = text_digits(to, length);
    return put(to, SLICE("\r\n"));
}

void http1_write_head(struct buf *out, const struct http1_answer *a)
{
    CHECK(a->status >= 100 && a->status <= 999);
    size_t size = 256 + a->date.size; /* the longest status line, framing, Connection: under 160 */
    for (size_t i = 0; i < a->header_count; i++) {
        size += a->headers[i].name.size + a->headers[i].value.size + 4;
    }
    uint8_t *begin = buf_reserve(out, size);
    uint8_t *to = put_status(begin, a->status);
    for (size_t i = 0; i < a->header_count; i++) {
        to = put_field(to, &a->headers[i]);
    }
    to = put_framing(to, a->length);
    if (a->date.size > 0) {
        to = put(to, SLICE("Date: "));
        to = put(to, a->date);
        to = put(to, SLICE("\r\n"));
    }
    if (a->is_closing) {
        to = put(to, SLICE("Connection: close\r\n"));
    }
    to = put(to, SLICE("\r\n"));
    buf_extend(out, (size_t)(to - begin));
}

void http1_write_chunk(struct buf *out, struct slice bytes)
{
    if (bytes.size == 0) {
        return;
    }
    static const char hex[] = "0123456789abcdef";
    uint8_t digits[16];
    size_t at = sizeof(digits);
    for (size_t left = bytes.size; left > 0; left >>= 4) {
        digits[--at] = (uint8_t)hex[left & 15];
    }
    uint8_t *begin = buf_reserve(out, bytes.size + sizeof(digits) + 4);
    uint8_t *to = put(begin, slice_of(digits + at, sizeof(digits) - at));
    to = put(to, SLICE("\r\n"));
    to = put(to, bytes);
    to = put(to, SLICE("\r\n"));
    buf_extend(out, (size_t)(to - begin));
}

void http1_write_last_chunk(struct buf *out)
{
    buf_append(out, "0\r\n\r\n", 5);
}

void http1_date(uint64_t wall_ms, char out[static 30])
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const time_t seconds = (time_t)(wall_ms / 1000);
    struct tm t;
    CHECK(gmtime_r(&seconds, &t) != NULL);
    const int size =
        snprintf(out, 30, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday,
                 months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    CHECK(size == 29);
}
