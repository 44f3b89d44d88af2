/* Bytes, numbers and times inside of JSON. */
#include <time.h>

#include "api/native/native.h"

void bytes_to(struct buf *out, struct slice bytes)
{
    if (utf8_is_valid(bytes)) {
        json_string_to(out, bytes, JSON_PLAIN);
        return;
    }
    buf_append_text(out, "{\"base64\":\"");
    base64_to(out, bytes);
    buf_append_text(out, "\"}");
}

enum err bytes_read(const json_t *value, const char *name, struct arena *arena, struct slice *out,
                    struct err_why *why)
{
    if (json_is_string(value)) {
        *out = arena_copy(arena, json_slice(value));
        return ERR_OK;
    }
    const json_t *base64 = json_object_get(value, "base64");
    if (!json_is_string(base64) || json_object_size(value) != 1) {
        return err_set(why, ERR_INVALID, "%s is a string or {\"base64\": string}", name);
    }
    struct buf bytes = {0};
    const bool is_read = base64_read(&bytes, json_slice(base64));
    if (is_read) {
        *out = arena_copy(arena, buf_slice(&bytes));
    }
    buf_deinit(&bytes);
    return is_read ? ERR_OK : err_set(why, ERR_INVALID, "%s is not canonical base64", name);
}

void revision_to(struct buf *out, const char *name, uint64_t revision)
{
    buf_append_byte(out, '"');
    buf_append_text(out, name);
    buf_append_text(out, "\":\"");
    buf_append_u64(out, revision);
    buf_append_byte(out, '"');
}

void time_to(struct buf *out, uint64_t wall_ms)
{
    const time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts = {0};
    char text[32];
    (void)gmtime_r(&seconds, &parts);
    const size_t size = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    buf_append_byte(out, '"');
    buf_append(out, text, size);
    buf_printf(out, ".%03uZ\"", (unsigned)(wall_ms % 1000));
}
