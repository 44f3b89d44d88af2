/* sniff.c - which protocol the first bytes of a connection belong to (DESIGN section 9).
 *
 * The line that decides is that of HTTP: a word, a target, a version. It is waited for whole,
 * because an inline command of RESP may begin like one: `PUT /x` lacks the version. A page in
 * a browser can make its user send any HTTP body to us, so HTTP must never pass for RESP. */
#include "front/private.h"

static bool begins(struct slice s, const char *text)
{
    return slice_starts_with(s, slice_of_text(text));
}

/* Takes the next word off `line`: up to a space, and the spaces behind it. */
static struct slice next_word(struct slice *line)
{
    size_t size = 0;
    while (size < line->size && line->data[size] != ' ') {
        size++;
    }
    const struct slice word = slice_of(line->data, size);
    while (size < line->size && line->data[size] == ' ') {
        size++;
    }
    *line = slice_skip(*line, size);
    return word;
}

static bool is_target(struct slice word)
{
    return begins(word, "/") || begins(word, "*") || begins(word, "http://") ||
           begins(word, "https://");
}

enum protocol sniff(const uint8_t *data, size_t size)
{
    struct slice line = slice_of(data, size);
    if (begins(line, "PRI * HTTP/2.0\r\n")) {
        return PROTOCOL_HTTP2;
    }
    if (begins(line, "\r\n")) { /* one is allowed before a request; more are not HTTP */
        line = slice_skip(line, 2);
    }
    if (line.size == 0 || (line.size == 1 && line.data[0] == '\r')) {
        return PROTOCOL_UNKNOWN;
    }
    if (line.data[0] == 0x16) { /* the type of a TLS record that opens a handshake */
        return PROTOCOL_TLS;
    }
    if (line.data[0] == '*') {
        return PROTOCOL_RESP;
    }
    const uint8_t *end = memchr(line.data, '\n', line.size);
    if (end == NULL && line.size <= HTTP1_LINE_MAX) {
        return PROTOCOL_UNKNOWN;
    }
    if (end != NULL) {
        line.size = (size_t)(end - line.data);
    }
    const struct slice method = next_word(&line);
    const struct slice target = next_word(&line);
    const bool is_http = method.size > 0 && is_target(target);
    return is_http && (end == NULL || begins(line, "HTTP/")) ? PROTOCOL_HTTP : PROTOCOL_RESP;
}
