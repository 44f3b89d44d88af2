/* Calls of holdfast.v1 with any bytes as messages; see grpc_calls.h for the input. */
#include "fuzz/grpc_calls.h"
#include "proto/holdfast/v1/kv.pb-c.h"
#include "proto/holdfast/v1/status.pb-c.h"
#include "proto/holdfast/v1/tables.pb-c.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProtobufCServiceDescriptor *const services[] = {
        &holdfast__v1__kv__descriptor,     &holdfast__v1__counter__descriptor,
        &holdfast__v1__set__descriptor,    &holdfast__v1__log__descriptor,
        &holdfast__v1__tables__descriptor, &holdfast__v1__status__descriptor};
    const struct grpc_calls calls = {.dialect = native_grpc_dialect(),
                                     .services = services,
                                     .service_count = sizeof(services) / sizeof(services[0])};
    return grpc_calls_run(&calls, data, size);
}
