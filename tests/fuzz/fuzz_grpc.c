/* Every method of every service with any body, in any form of gRPC and in pieces of any size; in
 * the end the client leaves where the call has not ended. Whatever comes, there is one status, and
 * the node is as good as before.
 *
 *   method  how  size of pieces  body ...
 *
 * Bits of `how`: 0-1 plain, web, web as text, plain; 2-3 the encoding of the request; 4: the body
 * is one message and is framed here; 5: the client leaves without an end. */
#include "api/meta/descriptors.h"
#include "base/check.h"
#include "fake_exchange.h"
#include "wire/grpc.h"
#include "wire/protobuf.h"

#define INPUT_MAX 16384 /* bytes */
#define TURNS_MAX 300

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- The methods there are ---- */

/* Writes the path of method `wanted`, counted over all files; returns how many there are before the
 * end, or `wanted` when it was found. */
static size_t find_method(size_t wanted, struct buf *path)
{
    struct slice files = descriptor_set();
    struct slice file;
    size_t count = 0;
    while (descriptor_next_file(&files, &file)) {
        struct protobuf_field part;
        struct slice package = {0};
        while (protobuf_next(&file, &part) == PROTOBUF_FIELD) {
            struct protobuf_field inner;
            struct slice name = {0};
            package = part.number == 2 ? part.bytes : package;
            while (part.number == 6 && protobuf_next(&part.bytes, &inner) == PROTOBUF_FIELD) {
                struct protobuf_field method;
                name = inner.number == 1 ? inner.bytes : name;
                if (inner.number == 2 && count++ == wanted &&
                    protobuf_next(&inner.bytes, &method) == PROTOBUF_FIELD) {
                    buf_printf(path, "/%.*s.%.*s/%.*s", (int)package.size, package.data,
                               (int)name.size, name.data, (int)method.bytes.size,
                               method.bytes.data);
                    return wanted;
                }
            }
        }
    }
    return count;
}

/* ---- One call ---- */

static void give(struct fake_exchange *f, struct slice bytes)
{
    if (!f->is_complete && !f->is_done) {
        f->x.route->on_body(&f->x, bytes);
    }
}

static void wait(struct http_world *w, const struct fake_exchange *f, int turns)
{
    for (int i = 0; i < turns && !f->is_complete && !f->is_done; i++) {
        world_wait(w, 1);
    }
}

static void leave(struct http_world *w, struct fake_exchange *f)
{
    f->x.is_aborted = true;
    f->x.route->on_abort(&f->x);
    wait(w, f, TURNS_MAX);
    CHECK(f->is_done);
}

/* A body that is paused waits, as it would in a connection. */
static void give_all(struct http_world *w, struct fake_exchange *f, struct slice body, size_t piece)
{
    while (body.size > 0 && !f->is_complete && !f->is_done) {
        const size_t size = piece < body.size ? piece : body.size;
        if (f->is_paused) {
            wait(w, f, 1);
            if (f->is_paused) {
                return;
            }
        }
        give(f, slice_of(body.data, size));
        body = slice_skip(body, size);
    }
}

static void check_answer(const struct fake_exchange *f)
{
    CHECK(f->status != 0);
    const struct buf *where = f->trailers.size > 0 ? &f->trailers : &f->headers;
    const bool is_web = f->status == 200 && f->is_streamed && f->trailers.size == 0;
    CHECK(is_web || f->status != 200 ||
          memmem(where->data, where->size, "grpc-status: ", 13) != NULL);
}

static void play(struct http_world *w, struct slice head, const uint8_t *how, struct slice body)
{
    static const char *const types[] = {"application/grpc", "application/grpc-web",
                                        "application/grpc-web-text", "application/grpc+proto"};
    const struct http_dialect *const dialects[] = {strato_dialect(),  dstash_dialect(),
                                                   regatta_dialect(), native_grpc_dialect(),
                                                   meta_dialect(),    NULL};
    struct fake_exchange f;
    struct buf text = {0};
    buf_printf(&text,
               "POST %.*s HTTP/1.1\r\ncontent-type: %s\r\ngrpc-encoding: %s\r\n"
               "grpc-timeout: 1S\r\n\r\n",
               (int)head.size, head.data, types[how[0] & 3],
               grpc_encoding_name((enum grpc_encoding)(how[0] >> 2 & 3)));
    fake_open(&f, w, dialects, buf_slice(&text));
    CHECK(f.x.route->is_streaming);
    f.x.route->handle(&f.x, NULL);
    give_all(w, &f, body, (size_t)how[1] + 1);
    if ((how[0] & 1 << 5) == 0) {
        give(&f, (struct slice){0});
        wait(w, &f, TURNS_MAX);
    }
    if (f.is_complete) {
        check_answer(&f);
    } else {
        leave(w, &f);
    }
    fake_close(&f);
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_world world;
    struct buf path = {0};
    struct buf body = {0};
    if (size < 3 || size > INPUT_MAX) {
        return 0;
    }
    const size_t methods = find_method(SIZE_MAX, &path);
    CHECK(methods > 0);
    (void)find_method(data[0] % methods, &path);
    if ((data[1] & 1 << 4) != 0) {
        const size_t begin = grpc_message_begin(&body);
        buf_append(&body, data + 3, size - 3);
        grpc_message_end(&body, begin, GRPC_IDENTITY);
    } else {
        buf_append(&body, data + 3, size - 3);
    }
    world_open(&world);
    play(&world, buf_slice(&path), data + 1, buf_slice(&body));
    world_close(&world);
    buf_deinit(&path);
    buf_deinit(&body);
    return 0;
}
