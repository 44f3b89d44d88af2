/* grpc_web.c - gRPC for browsers, over any version of HTTP (source: grpc/doc/PROTOCOL-WEB.md).
 *
 * Requests are framed as in gRPC; trailers are the last frame of the body, flagged with 0x80. In
 * the text form all of it is base64, frame by frame. */
#include "api/grpc_private.h"
#include "base/check.h"
#include "wire/json.h"

#define TRAILERS_FLAG 0x80

bool grpc_text_read(struct grpc_text *t, struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.size; i++) {
        t->quantum[t->count++] = text.data[i];
        if (t->count == sizeof(t->quantum)) {
            t->count = 0;
            if (!base64_read(out, slice_of(t->quantum, sizeof(t->quantum)))) {
                return false;
            }
        }
    }
    return true;
}

void grpc_web_write(struct grpc_call *g, struct slice bytes)
{
    if (g->text == NULL) {
        http_stream_write(g->x, bytes);
        return;
    }
    struct buf text = {0};
    base64_to(&text, bytes);
    http_stream_write(g->x, buf_slice(&text));
    buf_deinit(&text);
}

void grpc_web_trailers(struct grpc_call *g, const struct http_header *headers, size_t count)
{
    struct buf frame = {0};
    const size_t begin = grpc_message_begin(&frame);
    for (size_t i = 0; i < count; i++) {
        buf_append_slice(&frame, headers[i].name);
        buf_append_text(&frame, ":");
        buf_append_slice(&frame, headers[i].value);
        buf_append_text(&frame, "\r\n");
    }
    grpc_message_end(&frame, begin, GRPC_IDENTITY);
    frame.data[begin] = TRAILERS_FLAG;
    grpc_web_write(g, buf_slice(&frame));
    buf_deinit(&frame);
}

struct slice grpc_web_type(const struct grpc_call *g)
{
    return g->text == NULL ? SLICE("application/grpc-web+proto")
                           : SLICE("application/grpc-web-text+proto");
}

static void preflight(struct http_exchange *x, void *arg)
{
    (void)arg;
    const struct slice origin = http_header(&x->request, "origin");
    const struct slice wanted = http_header(&x->request, "access-control-request-headers");
    const struct http_header headers[] = {
        {SLICE("Access-Control-Allow-Methods"), SLICE("POST")},
        {SLICE("Access-Control-Max-Age"), SLICE("86400")},
        {SLICE("Vary"), SLICE("Origin")},
        {SLICE("Access-Control-Allow-Origin"), origin},
        {SLICE("Access-Control-Allow-Headers"), wanted},
    };
    size_t count = sizeof(headers) / sizeof(headers[0]);
    if (origin.data == NULL) {
        count = 0;
    } else if (wanted.data == NULL) {
        count--;
    }
    http_respond(x, 204, headers, count, (struct slice){0});
}

const struct http_route *grpc_preflight_route(void)
{
    static const struct http_route route = {
        .name = "preflight", .handle = preflight, .on_abort = http_done};
    return &route;
}
