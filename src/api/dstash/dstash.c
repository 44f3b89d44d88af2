/* D-Stash: its three generations over gRPC, and the endpoint by which its clients find nodes.
 * Here: methods to functions. */
#include "api/dstash/dstash.h"

#include "api/service.h"
#include "proto/dstash/dstash.pb-c.h"
#include "proto/google/protobuf/empty.pb-c.h"
#include "proto/google/protobuf/wrappers.pb-c.h"

static void status(struct grpc_call *g, const ProtobufCMessage *message)
{
    (void)message;
    Dstash__StatusMessage answer;
    dstash__status_message__init(&answer);
    answer.status = unconst("OK");
    grpc_reply(g, &answer.base);
}

static void unimplemented(struct grpc_call *g)
{
    dstash_fail_call(g, ERR_UNIMPLEMENTED);
}

static void unimplemented_one(struct grpc_call *g, const ProtobufCMessage *message)
{
    (void)message;
    unimplemented(g);
}

/* A stream of requests that was answered before its first one. */
static void ignore(struct grpc_call *g, const ProtobufCMessage *message)
{
    (void)g;
    (void)message;
}

/* What clients send as text is read as bytes: it may hold a zero. */
#define TEXT  &google__protobuf__bytes_value__descriptor
#define EMPTY &google__protobuf__empty__descriptor
#define NAME  &google__protobuf__string_value__descriptor
#define PAIR  &dstash__kvpair__descriptor
#define NAMED &dstash__index_kvpair__descriptor

#define FLOW(operation, where, message, largest, stream, open, one)                                \
    {                                                                                              \
        .route = GRPC_ROUTE(operation), .path = (where), .request = (message),                     \
        .message_max = (largest), .client_streams = (stream), .on_open = (open),                   \
        .on_message = (one), .on_writable = grpc_flow_on_writable, .on_abort = grpc_flow_on_abort, \
        .on_late = grpc_flow_on_late                                                               \
    }
#define ONE(operation, where, message, largest, function)                                          \
    FLOW(operation, where, message, largest, false, NULL, function)
#define MANY(operation, where, message, largest, function)                                         \
    FLOW(operation, where, message, largest, true, function, grpc_flow_on_message)
#define ROWS(operation, where, message, largest, function)                                         \
    {                                                                                              \
        .route = GRPC_ROUTE(operation), .path = (where), .request = (message),                     \
        .message_max = (largest), .on_message = (function), .on_writable = dstash_on_writable,     \
        .on_abort = dstash_on_abort                                                                \
    }
#define SEARCH(where, largest) ROWS("search", where, TEXT, largest, dstash_search)
#define STATUS(where)                                                                              \
    {                                                                                              \
        .route = GRPC_ROUTE("status"), .path = (where), .request = EMPTY, .on_message = status     \
    }
#define NO_BIT(where)                                                                              \
    {                                                                                              \
        .route = GRPC_ROUTE("batch_set_bit"), .path = (where), .request = NAMED,                   \
        .client_streams = true, .on_open = unimplemented, .on_message = ignore                     \
    }
#define NO_QUERY(where)                                                                            \
    {                                                                                              \
        .route = GRPC_ROUTE("query"), .path = (where),                                             \
        .request = &dstash__bitmap_query__descriptor, .on_message = unimplemented_one              \
    }

/* The first two generations differ in the name of their package only. */
#define DSTASH_SERVICE(package)                                                                    \
    ONE("put", package "/Put", PAIR, 0, dstash_put),                                               \
        MANY("batch_put", package "/BatchPut", PAIR, 0, dstash_batch_put),                         \
        ONE("lookup", package "/Lookup", PAIR, 0, dstash_lookup),                                  \
        MANY("batch_lookup", package "/BatchLookup", PAIR, 0, dstash_batch_lookup),                \
        ROWS("items", package "/Items", EMPTY, 0, dstash_items), STATUS(package "/Status"),        \
        MANY("batch_index", package "/BatchIndex", TEXT, 0, dstash_batch_index),                   \
        SEARCH(package "/Search", 0)

static const struct http_route *find(const struct http_request *request)
{
    static const struct grpc_method methods[] = {
        DSTASH_SERVICE("/keymaster.DStash"),
        DSTASH_SERVICE("/dstash.DStash"),
        NO_BIT("/dstash.DStash/BatchSetBit"),
        NO_QUERY("/dstash.DStash/Query"),
        STATUS("/dstash.ClusterAdmin/Status"),
        ONE("put", "/dstash.KVStore/Put", NAMED, DSTASH_MESSAGE_MAX, dstash_put),
        MANY("batch_put", "/dstash.KVStore/BatchPut", NAMED, DSTASH_MESSAGE_MAX, dstash_batch_put),
        ONE("lookup", "/dstash.KVStore/Lookup", NAMED, DSTASH_MESSAGE_MAX, dstash_lookup),
        MANY("batch_lookup", "/dstash.KVStore/BatchLookup", NAMED, DSTASH_MESSAGE_MAX,
             dstash_batch_lookup),
        ROWS("items", "/dstash.KVStore/Items", NAME, DSTASH_MESSAGE_MAX, dstash_index_items),
        MANY("batch_index", "/dstash.StringSearch/BatchIndex", TEXT, DSTASH_MESSAGE_MAX,
             dstash_batch_index),
        SEARCH("/dstash.StringSearch/Search", DSTASH_MESSAGE_MAX),
        NO_BIT("/dstash.BitmapIndex/BatchSetBit"),
        NO_QUERY("/dstash.BitmapIndex/Query"),
    };
    const struct http_route *route =
        grpc_find(request, methods, sizeof(methods) / sizeof(methods[0]));
    return route != NULL ? route : dstash_consul_find(request);
}

const struct http_dialect *dstash_dialect(void)
{
    static const struct http_dialect dialect = {
        .name = "dstash", .dialect = DIALECT_DSTASH, .find = find};
    return &dialect;
}
