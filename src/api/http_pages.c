#include "api/http_pages.h"

#include "api/http_call.h"
#include "base/check.h"

void http_page(struct http_exchange *x, unsigned status, const char *type, struct slice body)
{
    if (type == NULL) {
        http_respond(x, status, NULL, 0, body);
        return;
    }
    /* Over TLS a browser may read it, which must not guess what it is. */
    const struct http_header headers[] = {{SLICE("Content-Type"), slice_of_text(type)},
                                          {SLICE("X-Content-Type-Options"), SLICE("nosniff")}};
    http_respond(x, status, headers, x->is_tls ? 2 : 1, body);
}

void http_page_empty(struct http_exchange *x, unsigned status)
{
    http_respond(x, status, NULL, 0, (struct slice){0});
}

void http_page_not_found(struct http_exchange *x)
{
    http_page(x, 404, "text/plain", SLICE("404 page not found"));
}

void http_page_bad_path(struct http_exchange *x)
{
    http_page(x, 400, TEXT_GO_TYPE, SLICE("400 Bad Request"));
}

static bool is_plain_in_path(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != 0 && strchr("-_.~$&+,/:;=@", byte) != NULL);
}

/* Escapes a decoded path as Go's net/url does. */
static void escape_path(struct buf *out, struct slice path)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < path.size; i++) {
        const uint8_t byte = path.data[i];
        if (is_plain_in_path(byte)) {
            buf_append_byte(out, byte);
        } else {
            buf_append_byte(out, '%');
            buf_append_byte(out, (uint8_t)digits[byte >> 4]);
            buf_append_byte(out, (uint8_t)digits[byte & 15]);
        }
    }
}

/* The path without its last slash: 301 for GET, else 307. Location is the path alone. */
static void redirect(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct slice path;
    if (!http_decode(x->arena, x->request.path, false, &path)) {
        http_page_bad_path(x);
        return;
    }
    CHECK(path.size > 1 && path.data[path.size - 1] == '/');
    path.size--;
    struct buf location = {0};
    escape_path(&location, path);
    const struct http_header headers[] = {
        {SLICE("Location"), buf_slice(&location)},
        {SLICE("Content-Type"), SLICE("text/html; charset=utf-8")},
    };
    if (x->request.method == HTTP_GET) {
        struct buf body = {0}; /* the note of Go's http.Redirect */
        buf_append_text(&body, "<a href=\"");
        for (size_t i = 0; i < location.size; i++) {
            if (location.data[i] == '&') {
                buf_append_text(&body, "&amp;");
            } else {
                buf_append_byte(&body, location.data[i]);
            }
        }
        buf_append_text(&body, "\">Moved Permanently</a>.\n\n");
        http_respond(x, 301, headers, 2, buf_slice(&body));
        buf_deinit(&body);
    } else {
        http_respond(x, 307, headers, 1, (struct slice){0});
    }
    buf_deinit(&location);
}

/* Finds "%2F": Go's router sees the decoded path, in which it parts segments. */
static bool has_escaped_slash(struct slice s)
{
    for (size_t i = 0; i + 2 < s.size; i++) {
        if (s.data[i] == '%' && s.data[i + 1] == '2' && (s.data[i + 2] | 0x20) == 'f') {
            return true;
        }
    }
    return false;
}

const struct http_route *http_tail_route(struct slice tail, const struct http_route *route)
{
    static const struct http_route redirect_route = {
        .name = "redirect", .handle = redirect, .on_abort = http_task_on_abort};
    if (tail.size == 0 || tail.data[0] == '/') {
        return NULL;
    }
    if (memchr(tail.data, '%', tail.size) != NULL && has_escaped_slash(tail)) {
        return NULL;
    }
    const uint8_t *slash = memchr(tail.data, '/', tail.size);
    if (slash == NULL) {
        return route;
    }
    return slash == tail.data + tail.size - 1 ? &redirect_route : NULL;
}

#define ARENA_TEXT_MAX ((size_t)4 << 10)

struct http_body http_body_begin(const struct http_exchange *x, size_t text_bytes)
{
    if (text_bytes > ARENA_TEXT_MAX) {
        return (struct http_body){.is_heap = true};
    }
    /* An escape makes six bytes of one; so the buffer never grows, and is never freed. */
    const size_t capacity = text_bytes * 6 + HTTP_BODY_FRAME;
    return (struct http_body){.buf = {.data = arena_get(x->arena, capacity), .capacity = capacity}};
}

void http_body_send(struct http_exchange *x, unsigned status, const char *type,
                    struct http_body *body)
{
    const bool is_heap = body->is_heap;
    struct buf buf = body->buf;
    http_page(x, status, type, buf_slice(&buf)); /* the arena, and `body`, may be gone then */
    if (is_heap) {
        buf_deinit(&buf);
    }
}
