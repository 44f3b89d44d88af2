/* reflection.c - grpc.reflection.v1 and v1alpha, which differ in name only. */
#include "api/meta/descriptors.h"
#include "api/meta/meta.h"
#include "proto/grpc/reflection/v1/reflection.pb-c.h"
#include "wire/protobuf.h"

/* Field numbers of reflection.proto. */
enum {
    RESPONSE_HOST = 1,
    RESPONSE_REQUEST = 2,
    RESPONSE_FILES = 4,
    RESPONSE_EXTENSIONS = 5,
    RESPONSE_SERVICES = 6,
    RESPONSE_ERROR = 7,
    FILES_FILE = 1,
    EXTENSIONS_TYPE = 1,
    EXTENSIONS_NUMBER = 2,
    SERVICES_SERVICE = 1,
    SERVICE_NAME = 1,
    ERROR_CODE = 1,
    ERROR_TEXT = 2
};

/* What follows becomes the content of field `number`. */
static void wrap(struct buf *out, uint32_t number, struct buf *content)
{
    protobuf_element_to(out, number, buf_slice(content));
    buf_deinit(content);
}

static void error_to(struct buf *out, enum grpc_status status, const char *what, struct slice name)
{
    struct buf text = {0};
    struct buf error = {0};
    buf_append_text(&text, what);
    buf_append_slice(&text, name);
    protobuf_number_to(&error, ERROR_CODE, status);
    protobuf_bytes_to(&error, ERROR_TEXT, buf_slice(&text));
    buf_deinit(&text);
    wrap(out, RESPONSE_ERROR, &error);
}

static void file_to(struct buf *out, struct slice file, const char *what, struct slice name)
{
    if (file.data == NULL) {
        error_to(out, GRPC_NOT_FOUND, what, name);
        return;
    }
    struct buf files = {0};
    descriptor_imports(file, &files, FILES_FILE);
    wrap(out, RESPONSE_FILES, &files);
}

static void services_to(struct buf *out)
{
    struct descriptor_services services = {0};
    struct slice package;
    struct slice name;
    struct buf list = {0};
    while (descriptor_next_service(&services, &package, &name)) {
        struct buf full = {0};
        struct buf service = {0};
        meta_service_name_to(&full, package, name);
        protobuf_bytes_to(&service, SERVICE_NAME, buf_slice(&full));
        buf_deinit(&full);
        wrap(&list, SERVICES_SERVICE, &service);
    }
    wrap(out, RESPONSE_SERVICES, &list);
}

static void extensions_to(struct buf *out, struct slice type)
{
    if (descriptor_file_of(type).data == NULL) {
        error_to(out, GRPC_NOT_FOUND, "unknown type: ", type);
        return;
    }
    struct buf extensions = {0};
    protobuf_bytes_to(&extensions, EXTENSIONS_TYPE, type);
    descriptor_extensions(type, &extensions, EXTENSIONS_NUMBER);
    wrap(out, RESPONSE_EXTENSIONS, &extensions);
}

static void extension_file_to(struct buf *out,
                              const Grpc__Reflection__V1__ExtensionRequest *request)
{
    const struct slice type = grpc_string(request->containing_type);
    const uint64_t number = request->extension_number > 0 ? (uint64_t)request->extension_number : 0;
    file_to(out, descriptor_file_of_extension(type, number), "unknown extension of ", type);
}

static void answer_to(struct buf *out, const Grpc__Reflection__V1__ServerReflectionRequest *request)
{
    struct slice name;
    switch ((int)request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        name = grpc_string(request->file_by_filename);
        file_to(out, descriptor_file(name), "unknown file: ", name);
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        name = grpc_string(request->file_containing_symbol);
        file_to(out, descriptor_file_of(name), "unknown symbol: ", name);
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        extension_file_to(out, request->file_containing_extension);
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        extensions_to(out, grpc_string(request->all_extension_numbers_of_type));
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        services_to(out);
        return;
    default:
        error_to(out, GRPC_INVALID_ARGUMENT, "nothing was asked for", SLICE(""));
        return;
    }
}

/* A client that asks and does not read is not read from. */
static void hold_back(struct grpc_call *g)
{
    if (grpc_waiting(g) >= HTTP_STREAM_HIGH) {
        grpc_pause(g);
    }
}

static void on_message(struct grpc_call *g, const ProtobufCMessage *message)
{
    if (message == NULL) {
        grpc_finish(g, GRPC_OK, (struct slice){0});
        return;
    }
    const Grpc__Reflection__V1__ServerReflectionRequest *request =
        (const Grpc__Reflection__V1__ServerReflectionRequest *)message;
    struct buf out = {0};
    struct buf original = {0};
    const size_t size = protobuf_c_message_get_packed_size(message);
    buf_extend(&original, protobuf_c_message_pack(message, buf_reserve(&original, size + 1)));
    protobuf_bytes_to(&out, RESPONSE_HOST, grpc_string(request->host));
    wrap(&out, RESPONSE_REQUEST, &original);
    answer_to(&out, request);
    grpc_send_packed(g, buf_slice(&out));
    buf_deinit(&out);
    hold_back(g);
}

const struct http_route *reflection_find(const struct http_request *request)
{
    static const struct grpc_method methods[] = {
        {.route = GRPC_ROUTE("reflection"),
         .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
         .request = &grpc__reflection__v1__server_reflection_request__descriptor,
         .client_streams = true,
         .on_message = on_message,
         .on_writable = grpc_resume},
        {.route = GRPC_ROUTE("reflection"),
         .path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
         .request = &grpc__reflection__v1__server_reflection_request__descriptor,
         .client_streams = true,
         .on_message = on_message,
         .on_writable = grpc_resume},
    };
    return grpc_find(request, methods, sizeof(methods) / sizeof(methods[0]));
}
