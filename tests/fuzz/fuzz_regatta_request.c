/* Regatta's calls with any bytes as messages, carried out by a volatile node that has a table with
 * some records. The first byte says which method; of the rest each message begins with its size in
 * one byte. Every call is answered, or given back when its client leaves. */
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "fake_exchange.h"
#include "proto/regatta/maintenance.pb-c.h"
#include "proto/regatta/regatta.pb-c.h"
#include "wire/grpc.h"

#define INPUT_MAX 4096 /* bytes */
#define TURNS_MAX 2000

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of method number `wanted` of all services. */
static void path_of(unsigned wanted, char *path, size_t size)
{
    static const ProtobufCServiceDescriptor *const services[] = {
        &regatta__v1__kv__descriptor, &regatta__v1__tables__descriptor,
        &regatta__v1__cluster__descriptor, &regatta__v1__maintenance__descriptor,
        &maintenance__v1__maintenance__descriptor};
    unsigned count = 0;
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        count += services[i]->n_methods;
    }
    wanted %= count;
    for (size_t i = 0;; i++) {
        if (wanted < services[i]->n_methods) {
            (void)snprintf(path, size, "/%s/%s", services[i]->name,
                           services[i]->methods[wanted].name);
            return;
        }
        wanted -= services[i]->n_methods;
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

static void run_call(struct http_world *w, const char *path, struct slice body, bool leaves)
{
    const struct http_dialect *const dialects[] = {regatta_dialect(), NULL};
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

static void fill(struct http_world *w)
{
    static const char *const puts[] = {
        "{\"table\":\"dA==\",\"key\":\"YQ==\",\"value\":\"MQ==\"}",
        "{\"table\":\"dA==\",\"key\":\"Yg==\",\"value\":\"Mg==\"}",
        "{\"table\":\"dA==\",\"key\":\"Yw==\"}",
    };
    const struct http_dialect *const dialects[] = {regatta_dialect(), NULL};
    for (size_t i = 0; i < sizeof(puts) / sizeof(puts[0]); i++) {
        struct fake_exchange f;
        struct buf text = {0};
        buf_printf(&text, "POST /v1/kv/put HTTP/1.1\r\ncontent-length: %zu\r\n\r\n%s",
                   strlen(puts[i]), puts[i]);
        fake_run(&f, w, dialects, buf_slice(&text));
        CHECK(f.status == 200);
        fake_close(&f);
        buf_deinit(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_world *world;
    struct buf body = {0};
    char path[128];
    if (size == 0 || size > INPUT_MAX) {
        return 0;
    }
    world = mem_zero(1, sizeof(*world));
    world_open(world);
    fill(world);
    path_of(data[0] & 0x7f, path, sizeof(path));
    add_messages(&body, slice_of(data + 1, size - 1));
    run_call(world, path, buf_slice(&body), (data[0] & 0x80) != 0);
    CHECK(router_calls(world->context.router) == 0);
    world_close(world);
    mem_free(world);
    buf_deinit(&body);
    return 0;
}
