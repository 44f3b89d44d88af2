#include "fuzz/grpc_calls.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "wire/grpc.h"

#define INPUT_MAX 4096 /* bytes */
#define TURNS_MAX 2000
#define LEAVES    0x80 /* in the first byte */

/* The path of method number `wanted` of all services. */
static void path_of(const struct grpc_calls *calls, unsigned wanted, char *path, size_t size)
{
    unsigned count = 0;
    for (size_t i = 0; i < calls->service_count; i++) {
        count += calls->services[i]->n_methods;
    }
    wanted %= count;
    for (size_t i = 0;; i++) {
        const ProtobufCServiceDescriptor *service = calls->services[i];
        if (wanted < service->n_methods) {
            (void)snprintf(path, size, "/%s/%s", service->name, service->methods[wanted].name);
            return;
        }
        wanted -= service->n_methods;
    }
}

static void add_messages(struct buf *body, struct slice input)
{
    while (input.size > 0) {
        const size_t left = input.size - 1;
        const size_t size = input.data[0] < left ? input.data[0] : left;
        const size_t begin = grpc_message_begin(body);
        buf_append(body, input.data + 1, size);
        grpc_message_end(body, begin, GRPC_IDENTITY);
        input = slice_skip(input, size + 1);
    }
}

static void run_call(struct http_world *w, const struct http_dialect *dialect, const char *path,
                     struct slice body, bool leaves)
{
    const struct http_dialect *const dialects[] = {dialect, NULL};
    struct fake_exchange f;
    struct buf text = {0};
    buf_printf(&text,
               "POST %s HTTP/1.1\r\ncontent-type: application/grpc\r\ncontent-length: %zu\r\n\r\n",
               path, body.size);
    buf_append_slice(&text, body);
    fake_open(&f, w, dialects, buf_slice(&text));
    fake_start(&f, 7);
    if (leaves && !f.is_complete) {
        f.x.is_aborted = true;
        f.x.route->on_abort(&f.x);
    }
    for (int i = 0; i < TURNS_MAX && !f.is_complete && !f.is_done; i++) {
        world_wait(w, 1);
    }
    CHECK(f.is_complete || f.is_done);
    fake_close(&f);
    buf_deinit(&text);
}

int grpc_calls_run(const struct grpc_calls *calls, const uint8_t *data, size_t size)
{
    struct buf body = {0};
    char path[128];
    if (size == 0 || size > INPUT_MAX) {
        return 0;
    }
    struct http_world *world = mem_zero(1, sizeof(*world));
    world_open(world);
    if (calls->prepare != NULL) {
        calls->prepare(world);
    }
    path_of(calls, data[0] & ~(unsigned)LEAVES, path, sizeof(path));
    add_messages(&body, slice_of(data + 1, size - 1));
    run_call(world, calls->dialect, path, buf_slice(&body), (data[0] & LEAVES) != 0);
    CHECK(router_calls(world->context.router) == 0);
    world_close(world);
    mem_free(world);
    buf_deinit(&body);
    return 0;
}
