/* Regatta's calls with any bytes as messages, on a node that has a table with some records; see
 * grpc_calls.h for the input. */
#include "base/check.h"
#include "fuzz/grpc_calls.h"
#include "proto/regatta/maintenance.pb-c.h"
#include "proto/regatta/regatta.pb-c.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    static const ProtobufCServiceDescriptor *const services[] = {
        &regatta__v1__kv__descriptor, &regatta__v1__tables__descriptor,
        &regatta__v1__cluster__descriptor, &regatta__v1__maintenance__descriptor,
        &maintenance__v1__maintenance__descriptor};
    const struct grpc_calls calls = {.dialect = regatta_dialect(),
                                     .services = services,
                                     .service_count = sizeof(services) / sizeof(services[0]),
                                     .prepare = fill};
    return grpc_calls_run(&calls, data, size);
}
