#include "wire/request.h"

enum http_method request_method(struct slice text)
{
    switch (text.size) {
    case 3:
        return memcmp(text.data, "GET", 3) == 0   ? HTTP_GET
               : memcmp(text.data, "PUT", 3) == 0 ? HTTP_PUT
                                                  : HTTP_OTHER;
    case 4:
        return memcmp(text.data, "POST", 4) == 0   ? HTTP_POST
               : memcmp(text.data, "HEAD", 4) == 0 ? HTTP_HEAD
                                                   : HTTP_OTHER;
    case 5:
        return memcmp(text.data, "PATCH", 5) == 0 ? HTTP_PATCH : HTTP_OTHER;
    case 6:
        return memcmp(text.data, "DELETE", 6) == 0 ? HTTP_DELETE : HTTP_OTHER;
    case 7:
        return memcmp(text.data, "OPTIONS", 7) == 0 ? HTTP_OPTIONS : HTTP_OTHER;
    default:
        return HTTP_OTHER;
    }
}

/* Characters of names of hosts, addresses and ports. */
static const uint8_t of_authority[256] = {
    ['.'] = 1, ['-'] = 1, ['_'] = 1, [':'] = 1, ['['] = 1, [']'] = 1, ['%'] = 1, ['~'] = 1,
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1,
    ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1,
    ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1,
    ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1,
    ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1,
    ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1,
    ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1,
    ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

bool request_is_authority(struct slice host)
{
    for (size_t i = 0; i < host.size; i++) {
        if (of_authority[host.data[i]] == 0) {
            return false;
        }
    }
    return true;
}

bool request_set_target(struct http_request *r, struct slice target)
{
    for (size_t i = 0; i < target.size; i++) {
        if (target.data[i] <= ' ' || target.data[i] == 0x7f || target.data[i] == '#') {
            return false;
        }
    }
    const bool is_star = slice_equal(target, SLICE("*")) && r->method == HTTP_OPTIONS;
    if (target.size > 0 && target.data[0] != '/' && target.data[0] != '?' && !is_star) {
        return false;
    }
    const uint8_t *mark = target.size == 0 ? NULL : memchr(target.data, '?', target.size);
    const size_t path_size = mark == NULL ? target.size : (size_t)(mark - target.data);
    r->path = slice_of(target.data, path_size);
    r->query = mark == NULL ? (struct slice){NULL, 0} : slice_skip(target, path_size + 1);
    if (path_size == 0 || is_star) {
        r->path = SLICE("/");
    }
    return true;
}

bool request_length(struct slice value, uint64_t *length)
{
    if (value.size == 0 || value.size > 18) {
        return false;
    }
    uint64_t number = 0;
    for (size_t i = 0; i < value.size; i++) {
        const unsigned digit = (unsigned)value.data[i] - '0';
        if (digit > 9) {
            return false;
        }
        number = number * 10 + digit;
    }
    *length = number;
    return true;
}
