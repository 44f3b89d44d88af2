#include "wire/http.h"

#include "wire/text.h"

/* ---- Header fields ---- */

struct slice http_header(const struct http_request *r, const char *lower)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (text_is(r->headers[i].name, lower)) {
            return r->headers[i].value;
        }
    }
    return (struct slice){NULL, 0};
}

/* ---- Paths and queries ---- */

bool http_decode(struct arena *arena, struct slice text, bool plus_is_space, struct slice *out)
{
    const bool is_plain =
        text.size == 0 || (memchr(text.data, '%', text.size) == NULL &&
                           (!plus_is_space || memchr(text.data, '+', text.size) == NULL));
    if (is_plain) {
        *out = arena_copy(arena, text);
        return true;
    }
    uint8_t *bytes = arena_get(arena, text.size);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t byte = text.data[i];
        if (byte != '%') {
            bytes[size++] = byte == '+' && plus_is_space ? ' ' : byte;
            continue;
        }
        const int high = i + 2 < text.size ? text_hex(text.data[i + 1]) : -1;
        const int low = i + 2 < text.size ? text_hex(text.data[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return false;
        }
        bytes[size++] = (uint8_t)(high * 16 + low);
        i += 2;
    }
    *out = slice_of(bytes, size);
    return true;
}

struct slice http_cut(struct slice *rest, uint8_t byte)
{
    const struct slice all = *rest;
    const uint8_t *end = all.size == 0 ? NULL : memchr(all.data, byte, all.size);
    if (end == NULL) {
        *rest = (struct slice){NULL, 0};
        return all;
    }
    const size_t size = (size_t)(end - all.data);
    *rest = slice_skip(all, size + 1);
    return slice_of(all.data, size);
}

bool http_query(const struct http_request *r, struct arena *arena, const char *name,
                struct slice *value)
{
    const struct slice wanted = slice_of_text(name);
    struct slice rest = r->query;
    while (rest.data != NULL) {
        struct slice encoded = http_cut(&rest, '&');
        const struct slice encoded_name = http_cut(&encoded, '=');
        /* Escapes make a text longer, never shorter. */
        if (encoded_name.size < wanted.size) {
            continue;
        }
        struct slice decoded = encoded_name;
        if (!slice_equal(encoded_name, wanted) &&
            (!http_decode(arena, encoded_name, true, &decoded) || !slice_equal(decoded, wanted))) {
            continue;
        }
        if (http_decode(arena, encoded, true, value)) {
            return true;
        }
    }
    return false;
}

size_t http_segments(struct slice path, struct slice *segments, size_t max)
{
    size_t count = 0;
    struct slice rest = path;
    if (rest.size > 0 && rest.data[0] == '/') {
        rest = slice_skip(rest, 1);
    }
    while (rest.data != NULL) {
        const struct slice segment = http_cut(&rest, '/');
        if (count < max) {
            segments[count] = segment;
        }
        count++;
    }
    return count;
}
