/* http_pages.h - the pages that Go's HTTP server and its router gin give by themselves, and
 * that clients of Strato and Estoraje know; and short ways to answer. */
#ifndef API_HTTP_PAGES_H
#define API_HTTP_PAGES_H

#include "wire/http.h"

#define JSON_GO_TYPE "application/json; charset=utf-8"
#define TEXT_GO_TYPE "text/plain; charset=utf-8"

/* Answers with a body of that type; `type` NULL: without one. */
void http_page(struct http_exchange *x, unsigned status, const char *type, struct slice body);

/* A status and an empty body. */
void http_page_empty(struct http_exchange *x, unsigned status);

/* 404, "404 page not found". */
void http_page_not_found(struct http_exchange *x);

/* 400: the path holds a broken escape. */
void http_page_bad_path(struct http_exchange *x);

/* What `tail`, a path behind its prefix, leads to: `route` when it is one segment, the redirect
 * when that has a slash behind it, else NULL. A segment is not empty and holds no escaped slash. */
const struct http_route *http_tail_route(struct slice tail, const struct http_route *route);

/* A body in the making, mostly of text that escapes may lengthen. Small ones lie in the arena, so
 * that they cost no malloc. */
struct http_body {
    struct buf buf;
    bool is_heap;
};

/* For at most `text_bytes` of JSON strings before escaping, and HTTP_BODY_FRAME of everything else.
 */
#define HTTP_BODY_FRAME ((size_t)128)
struct http_body http_body_begin(const struct http_exchange *x, size_t text_bytes);

/* Answers with it and frees it. */
void http_body_send(struct http_exchange *x, unsigned status, const char *type,
                    struct http_body *body);

#endif
