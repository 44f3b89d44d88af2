/* Both formats quote alike, as JSON does: what a user or a peer made us say (a path, an
 * address) can end no line and no field. */
#include "base/log.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn",   [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug", [LOG_TRACE] = "trace",
};

/* Bytes of the character at `text`; 0: not UTF-8. Overlong forms and surrogates pass: they
 * do no harm in a log. */
static size_t character_size(const uint8_t *text)
{
    const size_t size = text[0] < 0x80   ? 1
                        : text[0] < 0xc2 ? 0
                        : text[0] < 0xe0 ? 2
                        : text[0] < 0xf0 ? 3
                        : text[0] < 0xf5 ? 4
                                         : 0;
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) { /* also the end of the text */
            return 0;
        }
    }
    return size;
}

static void append_quoted(struct buf *line, const char *text)
{
    buf_append_byte(line, '"');
    for (const uint8_t *at = (const uint8_t *)text; *at != '\0';) {
        const size_t size = character_size(at);
        if (size == 0) {
            buf_append_text(line, "\\ufffd");
        } else if (*at == '"' || *at == '\\') {
            buf_append_byte(line, '\\');
            buf_append_byte(line, *at);
        } else if (*at < 0x20 || *at == 0x7f) {
            buf_printf(line, "\\u%04x", *at);
        } else {
            buf_append(line, at, size);
        }
        at += size == 0 ? 1 : size;
    }
    buf_append_byte(line, '"');
}

/* In logfmt a plain word stands without quotes. */
static bool is_word(const char *text)
{
    size_t size = 0;
    for (; text[size] != '\0'; size++) {
        const char c = text[size];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') {
            return false;
        }
    }
    return size > 0;
}

static void append_name(struct buf *line, enum log_format format, const char *name)
{
    if (format == LOG_JSON) {
        buf_append_byte(line, line->size == 0 ? '{' : ',');
        append_quoted(line, name);
        buf_append_byte(line, ':');
        return;
    }
    if (line->size > 0) {
        buf_append_byte(line, ' ');
    }
    buf_append_text(line, name);
    buf_append_byte(line, '=');
}

static void append_text(struct buf *line, enum log_format format, const char *name,
                        const char *text)
{
    append_name(line, format, name);
    if (format == LOG_LOGFMT && is_word(text)) {
        buf_append_text(line, text);
    } else {
        append_quoted(line, text);
    }
}

static void append_time(struct buf *line, enum log_format format)
{
    struct timespec now;
    struct tm utc;
    char text[sizeof("2026-01-31T23:59:59")];
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    CHECK(gmtime_r(&now.tv_sec, &utc) != NULL);
    CHECK(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc) > 0);
    append_name(line, format, "time");
    const char *quote = format == LOG_JSON ? "\"" : "";
    buf_printf(line, "%s%s.%03ldZ%s", quote, text, now.tv_nsec / 1000000, quote);
}

static void append_field(struct buf *line, enum log_format format, const struct log_field *field)
{
    switch (field->kind) {
    case LOG_FIELD_TEXT:
        append_text(line, format, field->name, field->text == NULL ? "" : field->text);
        return;
    case LOG_FIELD_U64:
        append_name(line, format, field->name);
        buf_append_u64(line, field->number);
        return;
    case LOG_FIELD_I64:
        append_name(line, format, field->name);
        buf_append_i64(line, (int64_t)field->number);
        return;
    }
    UNREACHABLE("a field of no kind");
}

void log_line(const struct log *l, enum log_level level, const char *module, const char *message,
              const struct log_field *fields)
{
    struct buf line = {0};
    append_time(&line, l->format);
    append_text(&line, l->format, "level", level_names[level]);
    append_text(&line, l->format, "module", module);
    append_text(&line, l->format, "message", message);
    for (; fields->name != NULL; fields++) {
        append_field(&line, l->format, fields);
    }
    buf_append_text(&line, l->format == LOG_JSON ? "}\n" : "\n");
    ssize_t written;
    do { /* where a log cannot be written there is nobody to tell */
        written = write(l->fd, line.data, line.size);
    } while (written < 0 && errno == EINTR);
    buf_deinit(&line);
}
