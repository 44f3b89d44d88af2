/* fuzz_http2.c - a server's session of HTTP/2 takes any bytes in any pieces, and keeps the promises
 * of http2.h. The first byte chooses the size of the pieces, the second how streams are answered
 * and whether the preface is the fuzzer's own; frames follow. */
#include "base/check.h"
#include "base/list.h"
#include "base/mem.h"
#include "wire/http2.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX   ((size_t)4 << 10)
#define OWN_START 0x80U /* bit of the second byte: no preface is put before the input */

struct served {
    struct list link;
    struct http2_stream stream;
    struct arena arena;
    size_t received;
    bool has_head, has_end;
};

struct server {
    struct http2_pool pool;
    struct http2_session *session;
    struct list streams;
    size_t count;
    unsigned style; /* of answers, and counted on with each */
};

static struct served *of(struct http2_stream *s)
{
    return container_of(s, struct served, stream);
}

static struct http2_stream *on_open(void *arg)
{
    struct server *server = arg;
    if (server->style % 7 == 6) {
        server->style++;
        return NULL;
    }
    struct served *s = mem_zero(1, sizeof(*s));
    server->count++;
    CHECK(server->count <= HTTP2_STREAMS_MAX);
    list_push(&server->streams, &s->link);
    http2_stream_init(&s->stream, &s->arena);
    return &s->stream;
}

static void answer(struct http2_stream *s, unsigned style)
{
    static const uint8_t block[40000];
    const struct http_header fields[] = {{SLICE("Content-Type"), SLICE("text/plain")},
                                         {SLICE("x-status"), SLICE("0")}};
    const bool has_body = style % 4 != 0;
    http2_stream_answer(s, &(struct http2_answer){.status = 200 + style % 300,
                                                  .headers = fields,
                                                  .header_count = style % 3,
                                                  .length = HTTP2_NO_LENGTH,
                                                  .has_body = has_body});
    if (has_body) {
        http2_stream_write(s, slice_of(block, (size_t)style * 1009 % sizeof(block)));
        if (style % 4 == 1) {
            http2_stream_trailers(s, fields, 2);
        }
        if (style % 4 != 2) {
            http2_stream_end(s);
        }
    }
}

static void check_request(const struct http2_stream *s)
{
    const struct http_request *r = &s->request;
    CHECK(r->is_http2 && r->path.size > 0 && r->path.data[0] == '/');
    CHECK(r->method_text.size > 0);
    CHECK(r->header_count <= HTTP_HEADERS_MAX);
    size_t size = 0;
    for (size_t i = 0; i < r->header_count; i++) {
        const struct http_header *h = &r->headers[i];
        CHECK(h->name.size > 0 && h->name.data[0] != ':');
        CHECK(memchr(h->value.data, '\n', h->value.size) == NULL);
        size += h->name.size + h->value.size;
    }
    CHECK(size <= HTTP2_HEAD_MAX);
}

static void on_head(void *arg, struct http2_stream *s)
{
    struct server *server = arg;
    CHECK(!of(s)->has_head);
    of(s)->has_head = true;
    if (s->refusal != 0) {
        CHECK(s->why != NULL && s->refusal >= 400 && s->refusal < 600);
        answer(s, 4);
        return;
    }
    check_request(s);
    if (s->wants_continue && !s->is_request_done) {
        http2_stream_continue(s);
    }
    if (server->style % 5 != 4) {
        answer(s, server->style);
    }
    server->style++;
}

static void on_body(void *arg, struct http2_stream *s, struct slice bytes)
{
    struct server *server = arg;
    struct served *served = of(s);
    CHECK(served->has_head && !served->has_end && bytes.size > 0);
    served->received += bytes.size;
    if (server->style % 2 == 0) {
        http2_stream_consume(s, bytes.size);
    }
}

static void on_end(void *arg, struct http2_stream *s)
{
    (void)arg;
    struct served *served = of(s);
    CHECK(served->has_head && !served->has_end && s->is_request_done);
    served->has_end = true;
    if (!s->has_answer) {
        answer(s, 3);
    }
}

static void free_served(struct server *server, struct served *s)
{
    server->count--;
    list_remove(&s->link);
    http2_stream_deinit(&s->stream);
    arena_deinit(&s->arena);
    mem_free(s);
}

static void on_closed(void *arg, struct http2_stream *s, bool is_complete)
{
    CHECK(!is_complete || of(s)->has_head);
    free_served(arg, of(s));
}

/* Answers that were begun go on, or break off. */
static void go_on(struct server *server)
{
    struct list *at = server->streams.next;
    while (at != &server->streams) {
        struct served *s = container_of(at, struct served, link);
        at = at->next;
        if (!s->stream.has_answer || s->stream.has_end) {
            continue;
        }
        switch (server->style++ % 3) {
        case 0:
            http2_stream_write(&s->stream, SLICE("more"));
            break;
        case 1:
            http2_stream_end(&s->stream);
            break;
        default:
            http2_stream_reset(&s->stream, HTTP2_INTERNAL_ERROR);
            break;
        }
    }
}

static void feed(struct server *server, const uint8_t *data, size_t size, size_t step)
{
    struct buf out = {0};
    for (size_t at = 0; at < size; at += step) {
        const size_t part = size - at < step ? size - at : step;
        uint8_t *piece = mem_alloc(part);
        memcpy(piece, data + at, part);
        http2_session_input(server->session, slice_of(piece, part), at * 1000);
        mem_free(piece);
        buf_clear(&out);
        (void)http2_session_output(server->session, &out, OUT_MAX);
        CHECK(out.size < OUT_MAX + 70000);
        go_on(server);
    }
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http2_events events = {on_open, on_head, on_body, on_end, on_closed};
    if (size < 2 || size > 65536) {
        return 0;
    }
    struct server server = {.style = data[1] & ~OWN_START};
    list_init(&server.streams);
    server.session = http2_session_new(&events, &server, &server.pool);
    if ((data[1] & OWN_START) == 0) {
        static const char start[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
        http2_session_input(server.session, slice_of(start, sizeof(start)), 0);
    }
    feed(&server, data + 2, size - 2, (size_t)data[0] * 8 + 1);
    size_t waiting = 0;
    for (struct list *at = server.streams.next; at != &server.streams; at = at->next) {
        waiting += http2_stream_waiting(&container_of(at, struct served, link)->stream);
    }
    CHECK(waiting == http2_session_waiting(server.session));
    http2_session_drain(server.session);
    http2_session_free(&server.session);
    http2_pool_deinit(&server.pool);
    while (!list_empty(&server.streams)) {
        free_served(&server, container_of(server.streams.next, struct served, link));
    }
    return 0;
}
