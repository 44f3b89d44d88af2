/* grpc_decode.c - from bytes to messages of protobuf-c.
 *
 * protobuf-c calls itself for messages in messages without a bound, takes what memory it needs and
 * does not look at UTF-8; so the bytes are looked through before it gets them. */
#include "api/grpc_private.h"
#include "base/check.h"
#include "wire/json.h"
#include "wire/protobuf.h"

/* What protobuf-c takes for a field beside its content: it notes each before it reads any. */
#define FIELD_BYTES ((size_t)64)

#define FAILURE "grpc: error unmarshalling request: "

/* ---- Memory ---- */

static void *allocate(void *arena, size_t size)
{
    size_t *memory = arena_get(arena, sizeof(size_t) + size);
    *memory = size;
    return memory + 1;
}

static void drop(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

ProtobufCAllocator grpc_allocator(struct arena *arena)
{
    return (ProtobufCAllocator){.alloc = allocate, .free = drop, .allocator_data = arena};
}

struct slice grpc_string(const char *text)
{
    if (text == NULL || text == protobuf_c_empty_string) {
        return (struct slice){(const uint8_t *)"", 0};
    }
    const size_t size = ((const size_t *)(const void *)text)[-1];
    CHECK(size > 0);
    return slice_of(text, size - 1); /* without the zero that protobuf-c adds */
}

/* ---- A look at the bytes ---- */

struct look {
    size_t decoded_bytes; /* so far */
    size_t decoded_max;
    unsigned depth;
    enum grpc_status status;
    struct buf *text;
};

static bool fail(struct look *l, enum grpc_status status, const char *what)
{
    l->status = status;
    buf_append_text(l->text, FAILURE);
    buf_append_text(l->text, what);
    return false;
}

static bool look_at(struct look *l, const ProtobufCMessageDescriptor *type, struct slice bytes);

static bool look_at_string(struct look *l, const ProtobufCMessageDescriptor *type,
                           const ProtobufCFieldDescriptor *field, struct slice bytes)
{
    if (utf8_is_valid(bytes)) {
        return true;
    }
    l->status = GRPC_INTERNAL;
    buf_printf(l->text, FAILURE "proto: field %s.%s contains invalid UTF-8", type->name,
               field->name);
    return false;
}

static bool look_at_message(struct look *l, const ProtobufCMessageDescriptor *type,
                            struct slice bytes)
{
    if (l->depth == GRPC_DEPTH_MAX) {
        return fail(l, GRPC_INTERNAL, "proto: exceeded maximum recursion depth");
    }
    l->depth++;
    const bool is_good = look_at(l, type, bytes);
    l->depth--;
    return is_good;
}

static bool look_at_field(struct look *l, const ProtobufCMessageDescriptor *type,
                          const struct protobuf_field *f)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(type, f->number);
    /* A packed number may be one byte here and eight there. */
    l->decoded_bytes += FIELD_BYTES + f->bytes.size;
    if (field == NULL || f->type != PROTOBUF_BYTES) {
        return true;
    }
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        return look_at_string(l, type, field, f->bytes);
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return look_at_message(l, field->descriptor, f->bytes);
    }
    l->decoded_bytes += field->type == PROTOBUF_C_TYPE_BYTES ? 0 : 8 * f->bytes.size;
    return true;
}

static bool look_at(struct look *l, const ProtobufCMessageDescriptor *type, struct slice bytes)
{
    struct protobuf_field field;
    enum protobuf_next next;
    l->decoded_bytes += type->sizeof_message;
    while ((next = protobuf_next(&bytes, &field)) == PROTOBUF_FIELD) {
        if (!look_at_field(l, type, &field)) {
            return false;
        }
        if (l->decoded_bytes > l->decoded_max) {
            return fail(l, GRPC_RESOURCE_EXHAUSTED, "it has too many parts");
        }
    }
    return next == PROTOBUF_END ||
           fail(l, GRPC_INTERNAL, "proto: cannot parse invalid wire-format data");
}

const ProtobufCMessage *grpc_decode(const ProtobufCMessageDescriptor *type, struct slice bytes,
                                    struct arena *arena, enum grpc_status *status, struct buf *text)
{
    struct look look = {.decoded_max = GRPC_DECODED_MAX + 2 * bytes.size, .text = text};
    if (!look_at(&look, type, bytes)) {
        *status = look.status;
        return NULL;
    }
    ProtobufCAllocator memory = grpc_allocator(arena);
    const ProtobufCMessage *message =
        protobuf_c_message_unpack(type, &memory, bytes.size, bytes.data);
    if (message == NULL) { /* a field of another wire type than its own */
        (void)fail(&look, GRPC_INTERNAL, "proto: cannot parse invalid wire-format data");
        *status = look.status;
    }
    return message;
}
