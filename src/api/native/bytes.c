/* Bytes, numbers and times inside of JSON. */
#include <time.h>

#include "api/native/native.h"

/* At least as many as there are values and names, whatever the text is. */
static size_t count_elements(struct slice text)
{
    size_t count = 1;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t byte = text.data[i];
        if (in_string) {
            i += byte == '\\' ? 1 : 0;
            in_string = byte != '"';
        } else if (byte == '"') {
            in_string = true;
        } else {
            count += byte == '{' || byte == '[' || byte == ',' || byte == ':' ? 1 : 0;
        }
    }
    return count;
}

json_t *native_json_read(struct slice text, size_t size_max, struct err_why *why)
{
    if (text.size <= size_max && count_elements(text) > NATIVE_ELEMENTS_MAX) {
        (void)err_set(why, ERR_TOO_LARGE, "more than %zu values of JSON", NATIVE_ELEMENTS_MAX);
        return NULL;
    }
    return json_read(text, size_max, why);
}

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

bool integer_read(const json_t *value, int64_t *out)
{
    const double limit = 9007199254740992.0; /* up to here a real number is exact */
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    const double real = json_real_value(value);
    if (!json_is_real(value) || real < -limit || real > limit || real != (double)(int64_t)real) {
        return false;
    }
    *out = (int64_t)real;
    return true;
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
