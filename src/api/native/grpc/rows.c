/* Rows of results as repeated fields. */
#include "api/native/grpc/translate.h"

uint64_t ttl_left(uint64_t expiry_ms, uint64_t now_ms)
{
    if (expiry_ms == 0) {
        return 0;
    }
    return expiry_ms > now_ms ? expiry_ms - now_ms : 1;
}

Holdfast__V1__ValueType value_type_of(uint8_t type)
{
    switch ((enum value_type)type) {
    case TYPE_STRING:
        return HOLDFAST__V1__VALUE_TYPE__VALUE_TYPE_STRING;
    case TYPE_SET:
        return HOLDFAST__V1__VALUE_TYPE__VALUE_TYPE_SET;
    case TYPE_LOG:
        return HOLDFAST__V1__VALUE_TYPE__VALUE_TYPE_LOG;
    case TYPE_NONE:
    case TYPE_COUNT_:
        break;
    }
    return HOLDFAST__V1__VALUE_TYPE__VALUE_TYPE_UNSPECIFIED;
}

Holdfast__V1__Record **records_of(struct arena *arena, const struct row *rows, size_t count,
                                  bool keys_only, uint64_t now_ms)
{
    Holdfast__V1__Record **list = arena_get(arena, count * sizeof(void *));
    Holdfast__V1__Record *records = arena_get(arena, count * sizeof(*records));
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        Holdfast__V1__Record *m = list[i] = &records[i];
        holdfast__v1__record__init(m);
        m->key = grpc_bytes(row->key);
        if (keys_only) {
            continue;
        }
        m->type = value_type_of(row->type);
        if (row->type == TYPE_STRING) {
            m->value = grpc_bytes(row->value);
        } else {
            m->count = (uint64_t)row->number;
        }
        m->revision = row->mod_revision;
        m->create_revision = row->create_revision;
        m->version = row->version;
        m->expire_at_ms = row->expiry_ms;
        m->ttl_ms = ttl_left(row->expiry_ms, now_ms);
    }
    return list;
}

Holdfast__V1__LogVersion **versions_of(struct arena *arena, const struct row *rows, size_t count)
{
    Holdfast__V1__LogVersion **list = arena_get(arena, count * sizeof(void *));
    Holdfast__V1__LogVersion *versions = arena_get(arena, count * sizeof(*versions));
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        Holdfast__V1__LogVersion *m = list[i] = &versions[i];
        holdfast__v1__log_version__init(m);
        m->number = row->mod_revision;
        m->id = grpc_bytes(row->key);
        m->value = grpc_bytes(row->value);
        m->author = grpc_bytes(row->author);
        m->time_ms = (uint64_t)row->number;
    }
    return list;
}

ProtobufCBinaryData *members_of(struct arena *arena, const struct row *rows, size_t count)
{
    ProtobufCBinaryData *list = arena_get(arena, count * sizeof(*list));
    for (size_t i = 0; i < count; i++) {
        list[i] = grpc_bytes(rows[i].key);
    }
    return list;
}

ProtobufCBinaryData resume_point(const struct result *result)
{
    if (!result->is_more) {
        return (ProtobufCBinaryData){0};
    }
    return grpc_bytes(result->row_count > 0 ? result->rows[result->row_count - 1].key
                                            : result->value);
}
