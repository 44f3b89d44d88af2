#include "api/strato/multipart.h"

#define BOUNDARY_MAX 70 /* bytes, RFC 2046 */

/* Where `what` begins in `s`, or its size. */
static size_t find(struct slice s, struct slice what)
{
    const uint8_t *at = s.data == NULL ? NULL : memmem(s.data, s.size, what.data, what.size);
    return at == NULL ? s.size : (size_t)(at - s.data);
}

/* What stands behind `name=` in a header, without quotes; NULL data: nothing. */
static struct slice attribute(struct slice header, struct slice name)
{
    const size_t at = find(header, name);
    if (at == header.size) {
        return (struct slice){0};
    }
    struct slice rest = slice_skip(header, at + name.size);
    const bool is_quoted = rest.size > 0 && rest.data[0] == '"';
    rest = slice_skip(rest, is_quoted ? 1 : 0);
    size_t size = 0;
    while (size < rest.size && rest.data[size] != (is_quoted ? '"' : ';') &&
           (is_quoted || (rest.data[size] != ' ' && rest.data[size] != '\r'))) {
        size++;
    }
    return slice_of(rest.data, size);
}

/* The headers of a part name it so, and as no file. */
static bool is_field(struct slice headers, const char *name)
{
    const struct slice found = attribute(headers, SLICE("; name="));
    return found.data != NULL && slice_equal(found, slice_of_text(name)) &&
           find(headers, SLICE("; filename=")) == headers.size;
}

enum err multipart_field(struct slice content_type, struct slice body, const char *name,
                         struct slice *value, struct err_why *why)
{
    uint8_t bytes[BOUNDARY_MAX + 4] = "\r\n--";
    const struct slice boundary = attribute(content_type, SLICE("boundary="));
    *value = (struct slice){0};
    if (boundary.size < 1 || boundary.size > BOUNDARY_MAX) {
        return err_set(why, ERR_INVALID, "no multipart boundary param in Content-Type");
    }
    memcpy(bytes + 4, boundary.data, boundary.size);
    const struct slice delimiter = slice_of(bytes, boundary.size + 4);
    /* The first one may lack its line break. */
    struct slice rest = slice_skip(body, find(body, slice_skip(delimiter, 2)));
    while (rest.size > 0) {
        const size_t headers_size = find(rest, SLICE("\r\n\r\n"));
        if (headers_size == rest.size) {
            break;
        }
        const struct slice headers = slice_of(rest.data, headers_size);
        rest = slice_skip(rest, headers_size + 4);
        const size_t size = find(rest, delimiter);
        if (size == rest.size) {
            break;
        }
        if (is_field(headers, name)) {
            *value = slice_of(rest.data, size);
            break;
        }
        rest = slice_skip(rest, size + 2);
    }
    return ERR_OK;
}
