/* The methods of holdfast.v1, and the dialect's way to them. */
#include "api/grpc_flow.h"
#include "api/native/grpc/calls.h"
#include "api/service.h"
#include "base/check.h"
#include "proto/holdfast/v1/status.pb-c.h"
#include "proto/holdfast/v1/tables.pb-c.h"

#define MESSAGE_MAX ((size_t)32 << 20) /* bytes of a request: the largest value, and its key */

#define METHOD(service_method, operation, name)                                                    \
    .route = GRPC_ROUTE(operation), .path = "/holdfast.v1." service_method,                        \
    .request = &holdfast__v1__##name##_request__descriptor

/* One operation, one answer. */
#define UNARY(service_method, operation, name)                                                     \
    {                                                                                              \
        METHOD(service_method, operation, name), .on_message = on_unary                            \
    }

/* The same with a value, or many members, in the request. */
#define LARGE(service_method, operation, name)                                                     \
    {                                                                                              \
        METHOD(service_method, operation, name), .message_max = MESSAGE_MAX,                       \
                                                 .on_message = on_unary                            \
    }

#define STREAM(service_method, operation, name)                                                    \
    {                                                                                              \
        METHOD(service_method, operation, name), .on_message = on_stream,                          \
                                                 .on_writable = on_stream_writable,                \
                                                 .on_abort = on_stream_abort                       \
    }

#define CHANGE(service_method, operation, name, handler)                                           \
    {                                                                                              \
        METHOD(service_method, operation, name), .on_message = (handler),                          \
                                                 .on_abort = on_table_abort                        \
    }

enum {
    GET,
    PUT,
    DELETE,
    STAT,
    EXPIRE,
    COPY,
    RENAME,
    APPEND,
    SET_RANGE,
    SET_BIT,
    BIT_FIELD,
    COMBINE_BITS,
    RANGE,
    DELETE_RANGE,
    COUNT,
    RANDOM_KEY,
    COUNTER_GET,
    COUNTER_ADD,
    COUNTER_ADD_FLOAT,
    SET_ADD,
    SET_REMOVE,
    SET_MOVE,
    SET_POP,
    SET_RANDOM,
    SET_HAS,
    SET_COMBINE,
    SET_STORE,
    SET_MEMBERS,
    LOG_APPEND,
    LOG_READ,
    LOG_RANGE,
    OPERATION_COUNT, /* in the order of Operation so far */
    TXN = OPERATION_COUNT,
    BATCH,
    TABLES_CREATE,
    TABLES_DROP,
    TABLES_EMPTY,
    TABLES_GET,
    TABLES_LIST,
    STATUS_GET,
    METHOD_COUNT
};

static const struct grpc_method methods[METHOD_COUNT] = {
    [GET] = UNARY("KV/Get", "grpc_get", get),
    [PUT] = LARGE("KV/Put", "grpc_put", put),
    [DELETE] = UNARY("KV/Delete", "grpc_delete", delete),
    [STAT] = UNARY("KV/Stat", "grpc_stat", stat),
    [EXPIRE] = UNARY("KV/Expire", "grpc_expire", expire),
    [COPY] = UNARY("KV/Copy", "grpc_copy", copy),
    [RENAME] = UNARY("KV/Rename", "grpc_rename", rename),
    [APPEND] = LARGE("KV/Append", "grpc_append", append),
    [SET_RANGE] = LARGE("KV/SetRange", "grpc_set_range", set_range),
    [SET_BIT] = UNARY("KV/SetBit", "grpc_set_bit", set_bit),
    [BIT_FIELD] = LARGE("KV/BitField", "grpc_bit_field", bit_field),
    [COMBINE_BITS] = LARGE("KV/CombineBits", "grpc_combine_bits", combine_bits),
    [RANGE] = STREAM("KV/Range", "grpc_range", range),
    [DELETE_RANGE] = {METHOD("KV/DeleteRange", "grpc_delete_range", delete_range),
                      .on_message = on_delete_range, .on_abort = on_delete_range_abort},
    [COUNT] = {METHOD("KV/Count", "grpc_count", count), .on_message = on_count},
    [RANDOM_KEY] = {METHOD("KV/RandomKey", "grpc_random_key", random_key),
                    .on_message = on_random_key, .on_abort = on_random_key_abort},
    [COUNTER_GET] = UNARY("Counter/Get", "grpc_counter_get", counter_get),
    [COUNTER_ADD] = UNARY("Counter/Add", "grpc_counter_add", counter_add),
    [COUNTER_ADD_FLOAT] = UNARY("Counter/AddFloat", "grpc_counter_add_float", counter_add_float),
    [SET_ADD] = LARGE("Set/Add", "grpc_set_add", set_add),
    [SET_REMOVE] = LARGE("Set/Remove", "grpc_set_remove", set_remove),
    [SET_MOVE] = UNARY("Set/Move", "grpc_set_move", set_move),
    [SET_POP] = UNARY("Set/Pop", "grpc_set_pop", set_pop),
    [SET_RANDOM] = UNARY("Set/Random", "grpc_set_random", set_random),
    [SET_HAS] = LARGE("Set/Has", "grpc_set_has", set_has),
    [SET_COMBINE] = LARGE("Set/Combine", "grpc_set_combine", set_combine),
    [SET_STORE] = LARGE("Set/Store", "grpc_set_store", set_store),
    [SET_MEMBERS] = STREAM("Set/Members", "grpc_set_members", set_members),
    [LOG_APPEND] = LARGE("Log/Append", "grpc_log_append", log_append),
    [LOG_READ] = UNARY("Log/Read", "grpc_log_read", log_read),
    [LOG_RANGE] = STREAM("Log/Range", "grpc_log_range", log_range),
    [TXN] = {METHOD("KV/Txn", "grpc_txn", txn), .message_max = MESSAGE_MAX, .on_message = on_txn},
    [BATCH] = {METHOD("KV/Batch", "grpc_batch", batch), .message_max = MESSAGE_MAX,
               .client_streams = true, .on_open = on_batch_open, .on_message = grpc_flow_on_message,
               .on_writable = grpc_flow_on_writable, .on_abort = grpc_flow_on_abort,
               .on_late = grpc_flow_on_late},
    [TABLES_CREATE] = CHANGE("Tables/Create", "grpc_table_create", tables_create, on_table_create),
    [TABLES_DROP] = CHANGE("Tables/Drop", "grpc_table_drop", tables_drop, on_table_drop),
    [TABLES_EMPTY] = CHANGE("Tables/Empty", "grpc_table_empty", tables_empty, on_table_empty),
    [TABLES_GET] = {METHOD("Tables/Get", "grpc_table_get", tables_get), .on_message = on_table_get},
    [TABLES_LIST] = {METHOD("Tables/List", "grpc_tables_list", tables_list),
                     .on_message = on_table_list},
    [STATUS_GET] = {METHOD("Status/Get", "grpc_status", status_get), .on_message = on_status},
};

unsigned method_number(const struct grpc_method *method)
{
    const size_t index = (size_t)(method - methods);
    CHECK(index < METHOD_COUNT);
    return index < OPERATION_COUNT ? (unsigned)index + HOLDFAST__V1__OPERATION__OPERATION_GET : 0;
}

static const struct http_route *find(const struct http_request *request)
{
    if (!slice_starts_with(request->path, SLICE("/holdfast.v1."))) {
        return NULL;
    }
    return grpc_find(request, methods, METHOD_COUNT);
}

const struct http_dialect *native_grpc_dialect(void)
{
    static const struct http_dialect dialect = {
        .name = "native", .dialect = DIALECT_NATIVE, .find = find};
    return &dialect;
}
