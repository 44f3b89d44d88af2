#include "fake_exchange.h"

#include "base/check.h"
#include "harness.h"

#define TURNS_MAX 10000

static struct fake_exchange *fake_of(struct http_exchange *x)
{
    return container_of(x, struct fake_exchange, x);
}

static void fields_to(struct buf *out, const struct http_header *headers, size_t header_count)
{
    for (size_t i = 0; i < header_count; i++) {
        buf_append_slice(out, headers[i].name);
        buf_append_text(out, ": ");
        buf_append_slice(out, headers[i].value);
        buf_append_byte(out, '\n');
    }
}

static void begin(struct fake_exchange *f, unsigned status, const struct http_header *headers,
                  size_t header_count)
{
    CHECK(f->status == 0 && !f->x.is_aborted);
    f->status = status;
    fields_to(&f->headers, headers, header_count);
}

static void respond(struct http_exchange *x, unsigned status, const struct http_header *headers,
                    size_t header_count, struct slice body)
{
    struct fake_exchange *f = fake_of(x);
    begin(f, status, headers, header_count);
    if (x->request.method != HTTP_HEAD) {
        buf_append_slice(&f->body, body);
    }
    f->is_complete = true;
}

static void stream_begin(struct http_exchange *x, unsigned status,
                         const struct http_header *headers, size_t header_count)
{
    struct fake_exchange *f = fake_of(x);
    begin(f, status, headers, header_count);
    f->is_streamed = true;
}

static void stream_write(struct http_exchange *x, struct slice bytes)
{
    struct fake_exchange *f = fake_of(x);
    CHECK(f->is_streamed && !f->is_complete && bytes.size > 0);
    buf_append_slice(&f->body, bytes);
    f->writes++;
    f->largest = bytes.size > f->largest ? bytes.size : f->largest;
}

static size_t stream_waiting(const struct http_exchange *x)
{
    return ((const struct fake_exchange *)x)->waiting; /* its first member */
}

static void stream_trailers(struct http_exchange *x, const struct http_header *headers,
                            size_t header_count)
{
    struct fake_exchange *f = fake_of(x);
    CHECK(f->is_streamed && !f->is_complete && f->trailers.size == 0);
    fields_to(&f->trailers, headers, header_count);
}

static void stream_end(struct http_exchange *x, bool is_complete)
{
    struct fake_exchange *f = fake_of(x);
    CHECK(f->is_streamed && !f->is_complete);
    f->is_complete = true;
    f->is_cut = !is_complete;
}

static void pause_body(struct http_exchange *x)
{
    fake_of(x)->is_paused = true;
    fake_of(x)->pauses++;
}

static void resume_body(struct http_exchange *x)
{
    fake_of(x)->is_paused = false;
}

static void done(struct http_exchange *x)
{
    struct fake_exchange *f = fake_of(x);
    CHECK(x->is_aborted && !f->is_done);
    f->is_done = true;
}

static const struct http_route *find_route(const struct http_dialect *const *dialects,
                                           const struct http_request *request)
{
    for (size_t i = 0; dialects[i] != NULL; i++) {
        const struct http_route *route = dialects[i]->find(request);
        if (route != NULL) {
            return route;
        }
    }
    return unknown_route_for(request);
}

void fake_open(struct fake_exchange *f, struct http_world *w,
               const struct http_dialect *const *dialects, struct slice text)
{
    static const struct http_exchange_ops ops = {.respond = respond,
                                                 .stream_begin = stream_begin,
                                                 .stream_write = stream_write,
                                                 .stream_waiting = stream_waiting,
                                                 .stream_trailers = stream_trailers,
                                                 .stream_end = stream_end,
                                                 .pause = pause_body,
                                                 .resume = resume_body,
                                                 .done = done};
    *f = (struct fake_exchange){0};
    const uint8_t *line_end = memchr(text.data, '\n', text.size);
    EXPECT(line_end != NULL);
    const size_t line_size = (size_t)(line_end - text.data) + 1;
    buf_append(&f->request, text.data, line_size);
    buf_append_text(&f->request, "Host: localhost\r\n");
    buf_append_slice(&f->request, slice_skip(text, line_size));
    EXPECT_EQ(HTTP1_HEAD, http1_read_head(&f->head, f->request.data, f->request.size));
    f->x = (struct http_exchange){.ops = &ops,
                                  .request = f->head.request,
                                  .arena = &f->arena,
                                  .connection_order = &w->order,
                                  .loop_arg = &w->context};
    const struct slice body = slice_skip(buf_slice(&f->request), f->head.consumed);
    const struct slice type = http_header(&f->x.request, "content-type");
    f->x.request.is_http2 = slice_starts_with(type, SLICE("application/grpc")) &&
                            !slice_starts_with(type, SLICE("application/grpc-web"));
    f->x.route = find_route(dialects, &f->x.request);
    if (!f->x.route->is_streaming) {
        f->x.request.body = body;
    }
    f->x.request.has_body = body.size > 0;
}

void fake_start(struct fake_exchange *f, size_t piece)
{
    const struct http_route *route = f->x.route;
    route->handle(&f->x, NULL);
    if (!route->is_streaming) {
        return;
    }
    struct slice body = slice_skip(buf_slice(&f->request), f->head.consumed);
    while (body.size > 0 && !f->is_complete) {
        const size_t size = piece == 0 || piece > body.size ? body.size : piece;
        route->on_body(&f->x, slice_of(body.data, size));
        body = slice_skip(body, size);
    }
    if (!f->is_complete) {
        route->on_body(&f->x, (struct slice){0});
    }
}

void fake_finish(struct fake_exchange *f, struct http_world *w)
{
    for (int i = 0; i < TURNS_MAX && !f->is_complete && !f->is_done; i++) {
        world_wait(w, 1);
    }
    EXPECT(f->is_complete || f->is_done);
}

void fake_run(struct fake_exchange *f, struct http_world *w,
              const struct http_dialect *const *dialects, struct slice text)
{
    fake_open(f, w, dialects, text);
    fake_start(f, 0);
    fake_finish(f, w);
}

void fake_close(struct fake_exchange *f)
{
    arena_deinit(&f->arena);
    buf_deinit(&f->request);
    buf_deinit(&f->headers);
    buf_deinit(&f->body);
    buf_deinit(&f->trailers);
}
