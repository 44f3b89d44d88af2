#include "http2_world.h"

#include "base/list.h"
#include "base/mem.h"

static struct served *of(struct http2_stream *s)
{
    return container_of(s, struct served, stream);
}

static struct http2_stream *on_open(void *arg)
{
    struct http2_world *w = arg;
    if (w->refuses) {
        return NULL;
    }
    EXPECT(w->count < SERVED_MAX);
    struct served *s = mem_zero(1, sizeof(*s));
    w->served[w->count++] = s;
    http2_stream_init(&s->stream, &s->arena);
    return &s->stream;
}

static void on_head(void *arg, struct http2_stream *s)
{
    (void)arg;
    EXPECT(!of(s)->has_head && !of(s)->is_closed);
    of(s)->has_head = true;
}

static void on_body(void *arg, struct http2_stream *s, struct slice bytes)
{
    const struct http2_world *w = arg;
    EXPECT(of(s)->has_head && !of(s)->has_end && bytes.size > 0);
    buf_append_slice(&of(s)->body, bytes);
    if (w->is_consuming) {
        http2_stream_consume(s, bytes.size);
    }
}

static void on_end(void *arg, struct http2_stream *s)
{
    (void)arg;
    EXPECT(of(s)->has_head && !of(s)->has_end && s->is_request_done);
    of(s)->has_end = true;
}

static void on_closed(void *arg, struct http2_stream *s, bool is_complete)
{
    struct http2_world *w = arg;
    EXPECT(!of(s)->is_closed);
    of(s)->is_closed = true;
    of(s)->is_complete = is_complete;
    w->closed++;
}

static const struct http2_events *events(void)
{
    static const struct http2_events table = {on_open, on_head, on_body, on_end, on_closed};
    return &table;
}

void world_open(struct http2_world *w, uint32_t window, bool keeps_windows)
{
    *w = (struct http2_world){.is_consuming = true};
    w->server = http2_session_new(events(), w, &w->pool);
    w->client = http2_client_new(window, keeps_windows);
    world_carry(w);
}

void world_close(struct http2_world *w)
{
    http2_session_free(&w->server);
    http2_pool_deinit(&w->pool);
    http2_client_free(&w->client);
    for (size_t i = 0; i < w->count; i++) {
        struct served *s = w->served[i];
        http2_stream_deinit(&s->stream);
        arena_deinit(&s->arena);
        buf_deinit(&s->body);
        mem_free(s);
    }
}

static void input(struct http2_world *w, const struct buf *bytes)
{
    struct slice rest = buf_slice(bytes);
    while (rest.size > 0) {
        const size_t size = w->piece == 0 || w->piece > rest.size ? rest.size : w->piece;
        uint8_t *copy = mem_alloc(size); /* exactly that large: what is read behind it is seen */
        memcpy(copy, rest.data, size);
        http2_session_input(w->server, slice_of(copy, size), w->now_ns);
        mem_free(copy);
        rest = slice_skip(rest, size);
    }
}

void world_carry(struct http2_world *w)
{
    for (;;) {
        struct buf to_server = {0};
        struct buf to_client = {0};
        http2_client_output(w->client, &to_server);
        input(w, &to_server);
        while (http2_session_output(w->server, &to_client, to_client.size + 65536)) {
        }
        EXPECT(http2_client_input(w->client, buf_slice(&to_client)));
        const bool is_quiet = to_server.size == 0 && to_client.size == 0;
        buf_deinit(&to_server);
        buf_deinit(&to_client);
        if (is_quiet) {
            return;
        }
    }
}

void world_inject(struct http2_world *w, const struct buf *bytes, struct buf *out)
{
    struct buf said = {0};
    input(w, bytes);
    while (http2_session_output(w->server, &said, said.size + 65536)) {
    }
    if (out != NULL) {
        buf_append_slice(out, buf_slice(&said));
    }
    buf_deinit(&said);
}

struct client_stream *world_get(struct http2_world *w, const char *path)
{
    struct client_stream *s =
        http2_client_request(w->client, "GET", path, NULL, (struct slice){NULL, 0}, false);
    world_carry(w);
    return s;
}

void served_answer(struct served *s, unsigned status, struct slice body)
{
    http2_stream_answer(
        &s->stream,
        &(struct http2_answer){.status = status, .length = body.size, .has_body = body.size > 0});
    if (body.size > 0) {
        http2_stream_write(&s->stream, body);
        http2_stream_end(&s->stream);
    }
}
