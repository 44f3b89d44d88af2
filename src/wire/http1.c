/* http1.c - heads of HTTP/1.
 *
 * First the end is looked for, line by line, with memchr: that is what
 * is resumed when bytes are missing, and what bounds its size. Then it is taken apart in one
 * pass, in which every byte is looked at once: names against a table, values eight at a time.
 *
 * A byte that is not plainly right is refused. Whoever stands before this server may
 * understand the doubtful request differently, and that difference is what smuggling is. */
#include "wire/http1.h"

#include "base/check.h"
#include "wire/request.h"
#include "wire/text.h"

struct cursor {
    const uint8_t *at;
    const uint8_t *end; /* of the head: behind its empty line */
};

/* What header fields have said so far. */
struct fields {
    bool has_length;
    bool has_coding;
    bool has_host;
    bool closes;
};

/* Returns false, so that a failing path reads `return refuse(h, ...)`. */
static bool refuse(struct http1_head *h, unsigned status, const char *why)
{
    h->status = status;
    h->why = why;
    return false;
}

/* The characters of methods and field names: RFC 9110 calls them token. */
static const uint8_t is_token[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
    ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1,  ['~'] = 1, ['0'] = 1,
    ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1,  ['7'] = 1, ['8'] = 1,
    ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,  ['F'] = 1, ['G'] = 1,
    ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1,  ['N'] = 1, ['O'] = 1,
    ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1,  ['V'] = 1, ['W'] = 1,
    ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1,  ['d'] = 1, ['e'] = 1,
    ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1,  ['l'] = 1, ['m'] = 1,
    ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1,  ['t'] = 1, ['u'] = 1,
    ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

/* The first byte from `at` on that may not stand in a field's value: a control character other
 * than tab. There is one before the end, which is a line feed. */
static const uint8_t *find_control(const uint8_t *at, const uint8_t *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    for (;;) {
        uint64_t word = 0;
        if (end - at >= 8) {
            memcpy(&word, at, sizeof(word));
            /* A byte below 0x20 sets its high bit in `low`, 0x7f in `rubout`. */
            const uint64_t low = (word - ones * 0x20) & ~word;
            const uint64_t flipped = word ^ ones * 0x7f;
            const uint64_t rubout = (flipped - ones) & ~flipped;
            if (((low | rubout) & ones * 0x80) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        const uint8_t *stop = end - at < 8 ? end : at + 8;
        for (; at < stop; at++) {
            if ((*at < 0x20 && *at != '\t') || *at == 0x7f) {
                return at;
            }
        }
        CHECK(at < end);
    }
}

/* "http://host/path": takes scheme and host off `target`. */
static bool read_absolute(struct http1_head *h, struct slice *target)
{
    const size_t scheme = target->size > 8 && target->data[4] == ':' ? 7 : 8;
    const bool is_http = target->size > scheme && text_is(slice_of(target->data, scheme),
                                                          scheme == 7 ? "http://" : "https://");
    if (!is_http) {
        return refuse(h, 400, "the request target is not a path");
    }
    const struct slice rest = slice_skip(*target, scheme);
    size_t size = 0;
    while (size < rest.size && rest.data[size] != '/' && rest.data[size] != '?') {
        size++;
    }
    h->request.host = slice_of(rest.data, size);
    if (size == 0 || !request_is_authority(h->request.host)) {
        return refuse(h, 400, "the request target has no proper host");
    }
    *target = slice_skip(rest, size);
    return true;
}

static bool read_target(struct http1_head *h, struct slice target)
{
    struct http_request *r = &h->request;
    if (target.size == 0) {
        return refuse(h, 400, "the request line has no target");
    }
    const bool is_star = slice_equal(target, SLICE("*"));
    if (target.data[0] != '/' && !is_star && !read_absolute(h, &target)) {
        return false;
    }
    if (!request_set_target(r, target)) {
        return refuse(h, 400,
                      "the request target is not a path, or has a character that must be "
                      "escaped");
    }
    return true;
}

static bool read_version(struct http1_head *h, struct slice version)
{
    const bool is_http = version.size == 8 && memcmp(version.data, "HTTP/", 5) == 0 &&
                         version.data[6] == '.' && version.data[5] >= '0' &&
                         version.data[5] <= '9' && version.data[7] >= '0' && version.data[7] <= '9';
    if (!is_http) {
        return refuse(h, 400, "the request line does not end in a version of HTTP");
    }
    if (version.data[5] != '1') {
        return refuse(h, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    }
    h->minor = version.data[7] == '0' ? 0 : 1;
    return true;
}

/* Exactly one space between method, target and version. */
static bool read_request_line(struct http1_head *h, struct cursor *c)
{
    const uint8_t *line_end = memchr(c->at, '\r', (size_t)(c->end - c->at));
    CHECK(line_end != NULL);
    if (line_end[1] != '\n') {
        return refuse(h, 400, "a carriage return without a line feed");
    }
    if ((size_t)(line_end - c->at) > HTTP1_LINE_MAX) {
        return refuse(h, 414, "the request line is too long");
    }
    const uint8_t *begin = c->at;
    const uint8_t *at = begin;
    while (is_token[*at]) {
        at++;
    }
    if (at == begin || *at != ' ') {
        return refuse(h, 400, "the request line does not begin with a method");
    }
    h->request.method_text = slice_of(begin, (size_t)(at - begin));
    h->request.method = request_method(h->request.method_text);
    at++;
    const uint8_t *space = memchr(at, ' ', (size_t)(line_end - at));
    if (space == NULL) {
        return refuse(h, 400, "the request line has less than three words");
    }
    c->at = line_end + 2;
    return read_version(h, slice_of(space + 1, (size_t)(line_end - space - 1))) &&
           read_target(h, slice_of(at, (size_t)(space - at)));
}

static bool read_length(struct http1_head *h, struct fields *f, struct slice value)
{
    if (f->has_length) {
        return refuse(h, 400, "two fields Content-Length");
    }
    f->has_length = true;
    if (!request_length(value, &h->content_length)) {
        return refuse(h, 400, "Content-Length is no number of bytes");
    }
    return true;
}

static bool read_coding(struct http1_head *h, struct fields *f, struct slice value)
{
    if (f->has_coding) {
        return refuse(h, 400, "two fields Transfer-Encoding");
    }
    f->has_coding = true;
    if (!text_is(value, "chunked")) {
        return refuse(h, 501, "the only transfer coding understood is chunked");
    }
    h->is_chunked = true;
    return true;
}

static bool read_host(struct http1_head *h, struct fields *f, struct slice value)
{
    if (f->has_host) {
        return refuse(h, 400, "two fields Host");
    }
    f->has_host = true;
    if (!request_is_authority(value)) {
        return refuse(h, 400, "Host is not the name of a host");
    }
    if (h->request.host.data == NULL) { /* a host in the target goes before */
        h->request.host = value;
    }
    return true;
}

/* A list of words; only "close" matters, since only HTTP/1.1 connections are kept. */
static bool read_connection(struct fields *f, struct slice value)
{
    size_t begin = 0;
    for (size_t i = 0; i <= value.size; i++) {
        if (i < value.size && value.data[i] != ',' && value.data[i] != ' ' &&
            value.data[i] != '\t') {
            continue;
        }
        if (text_is(slice_of(value.data + begin, i - begin), "close")) {
            f->closes = true;
        }
        begin = i + 1;
    }
    return true;
}

static bool read_expectation(struct http1_head *h, struct slice value)
{
    if (!text_is(value, "100-continue")) {
        return refuse(h, 417, "the only expectation understood is 100-continue");
    }
    h->wants_continue = h->minor > 0;
    return true;
}

/* Takes note of the fields that decide where the request ends, and what follows it. */
static bool note_field(struct http1_head *h, struct fields *f, struct slice name,
                       struct slice value)
{
    switch (name.size) {
    case 4:
        return text_is(name, "host") ? read_host(h, f, value) : true;
    case 6:
        return text_is(name, "expect") ? read_expectation(h, value) : true;
    case 10:
        return text_is(name, "connection") ? read_connection(f, value) : true;
    case 14:
        return text_is(name, "content-length") ? read_length(h, f, value) : true;
    case 17:
        return text_is(name, "transfer-encoding") ? read_coding(h, f, value) : true;
    default:
        return true;
    }
}

static struct slice trim(const uint8_t *begin, const uint8_t *end)
{
    while (begin < end && (*begin == ' ' || *begin == '\t')) {
        begin++;
    }
    while (begin < end && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return slice_of(begin, (size_t)(end - begin));
}

static bool read_field(struct http1_head *h, struct fields *f, struct cursor *c)
{
    const uint8_t *begin = c->at;
    const uint8_t *at = begin;
    while (is_token[*at]) {
        at++;
    }
    if (at == begin || *at != ':') {
        return refuse(h, 400,
                      *begin == ' ' || *begin == '\t' ? "a header field continues on the next line"
                                                      : "a header field has no proper name");
    }
    const uint8_t *line_end = find_control(at + 1, c->end);
    if (line_end[0] != '\r' || line_end[1] != '\n') {
        return refuse(h, 400, "a header field holds a control character");
    }
    if (h->request.header_count == HTTP_HEADERS_MAX) {
        return refuse(h, 431, "too many header fields");
    }
    const struct slice name = slice_of(begin, (size_t)(at - begin));
    const struct slice value = trim(at + 1, line_end);
    h->headers[h->request.header_count++] = (struct http_header){name, value};
    c->at = line_end + 2;
    return note_field(h, f, name, value);
}

static bool read_fields(struct http1_head *h, struct cursor *c)
{
    struct fields f = {0};
    while (c->end - c->at > 2) {
        if (!read_field(h, &f, c)) {
            return false;
        }
    }
    if (h->minor == 0 && f.has_coding) {
        return refuse(h, 400, "HTTP/1.0 has no transfer codings");
    }
    if (f.has_length && f.has_coding) {
        return refuse(h, 400, "Content-Length beside Transfer-Encoding");
    }
    if (h->minor > 0 && !f.has_host) {
        return refuse(h, 400, "the field Host is missing");
    }
    h->is_keep_alive = h->minor > 0 && !f.closes;
    h->request.has_body = h->is_chunked || h->content_length > 0;
    return true;
}

static enum http1_status too_large(struct http1_head *h, const uint8_t *data)
{
    if (memchr(data, '\n', HTTP1_LINE_MAX) == NULL) {
        (void)refuse(h, 414, "the request line is too long");
    } else {
        (void)refuse(h, 431, "the header is too large");
    }
    return HTTP1_BROKEN;
}

/* Looks for the empty line. HTTP1_HEAD: `*end` lies behind it. */
static enum http1_status find_end(struct http1_head *h, const uint8_t *data, size_t size,
                                  size_t *end)
{
    size_t from = h->scanned;
    for (;;) {
        const uint8_t *feed = memchr(data + from, '\n', size - from);
        from = feed == NULL ? size : (size_t)(feed - data) + 1;
        if (from > HTTP1_HEAD_MAX) {
            return too_large(h, data);
        }
        h->scanned = from;
        if (feed == NULL) {
            return HTTP1_MORE;
        }
        if (feed == data || feed[-1] != '\r') {
            (void)refuse(h, 400, "a line feed without a carriage return");
            return HTTP1_BROKEN;
        }
        if (feed - data >= 2 && feed[-2] == '\n') {
            *end = from;
            return HTTP1_HEAD;
        }
    }
}

enum http1_status http1_read_head(struct http1_head *h, const uint8_t *data, size_t size)
{
    CHECK(h->scanned <= size);
    size_t end = 0;
    const enum http1_status status = size == 0 ? HTTP1_MORE : find_end(h, data, size, &end);
    if (status != HTTP1_HEAD) {
        return status;
    }
    h->request = (struct http_request){.headers = h->headers};
    h->is_chunked = false;
    h->wants_continue = false;
    h->content_length = 0;
    h->consumed = end;
    struct cursor c = {data, data + end};
    if (data[0] == '\r') { /* an empty line before the request: RFC 9112 section 2.2 */
        c.at += 2;
    }
    return read_request_line(h, &c) && read_fields(h, &c) ? HTTP1_HEAD : HTTP1_BROKEN;
}
