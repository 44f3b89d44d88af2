/* guard.c - a browser must not write to this node on behalf of any page its user happens to
 * look at. Two things tell such a request: its Origin is another host, or its Host is a name
 * that somebody else has pointed at our address. */
#include "front/private.h"

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

static bool equal_folded(struct slice a, struct slice b)
{
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

/* "name:80" -> "name", "[::1]:80" -> "[::1]". */
static struct slice without_port(struct slice host)
{
    size_t size = host.size;
    while (size > 0 && host.data[size - 1] >= '0' && host.data[size - 1] <= '9') {
        size--;
    }
    const bool has_port = size > 0 && host.data[size - 1] == ':';
    return has_port ? slice_of(host.data, size - 1) : host;
}

/* Digits and points alone: no public name looks like that. */
static bool is_address(struct slice name)
{
    if (name.size >= 2 && name.data[0] == '[' && name.data[name.size - 1] == ']') {
        return true;
    }
    bool has_point = false;
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t byte = name.data[i];
        if (byte != '.' && (byte < '0' || byte > '9')) {
            return false;
        }
        has_point |= byte == '.';
    }
    return has_point;
}

bool guard_host_is_known(struct slice host, char *const *names, size_t count)
{
    const struct slice name = without_port(host);
    if (host.size == 0 || is_address(name) || equal_folded(name, SLICE("localhost"))) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        const struct slice known = slice_of_text(names[i]);
        if (equal_folded(name, known) || equal_folded(host, known)) {
            return true;
        }
    }
    return false;
}

bool guard_origin_is_host(struct slice origin, struct slice host)
{
    struct slice rest = origin;
    if (slice_starts_with(rest, SLICE("http://"))) {
        rest = slice_skip(rest, 7);
    } else if (slice_starts_with(rest, SLICE("https://"))) {
        rest = slice_skip(rest, 8);
    } else {
        return false; /* "null": a page without an address of its own */
    }
    return rest.size > 0 && equal_folded(rest, host);
}
