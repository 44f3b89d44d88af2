/* grpc_calls.h - for fuzzers: calls of one dialect's services with any bytes as messages, carried
 * out by a volatile node. The first byte of the input says which method, its highest bit whether
 * the client leaves; of the rest each message begins with its size in one byte. */
#ifndef TESTS_FUZZ_GRPC_CALLS_H
#define TESTS_FUZZ_GRPC_CALLS_H

#include <protobuf-c/protobuf-c.h>

#include "fake_exchange.h"

struct grpc_calls {
    const struct http_dialect *dialect;
    const ProtobufCServiceDescriptor *const *services;
    size_t service_count;
    void (*prepare)(struct http_world *w); /* NULL: the node is as it starts */
};

/* Every call must be answered, or given back when its client leaves. Returns 0, for libFuzzer. */
int grpc_calls_run(const struct grpc_calls *calls, const uint8_t *data, size_t size);

#endif
