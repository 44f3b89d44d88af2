#include "engine/memory/version.h"

#include "base/check.h"

static uint8_t *put_varint(uint8_t *p, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        *p++ = (uint8_t)(value | 0x80);
    }
    *p++ = (uint8_t)value;
    return p;
}

static size_t varint_size(uint64_t value)
{
    return (size_t)(70 - __builtin_clzll(value | 1)) / 7;
}

static uint8_t *put_bytes(uint8_t *p, struct slice bytes)
{
    if (bytes.size > 0) {
        memcpy(p, bytes.data, bytes.size);
    }
    return p + bytes.size;
}

struct version *version_new(struct slab *s, const struct record *record, bool is_deleted,
                            struct version *previous)
{
    CHECK(record->type <= ENGINE_TYPE_MAX);
    CHECK(record->mod_revision >= record->create_revision);
    const uint64_t age = record->mod_revision - record->create_revision;
    const bool is_changed = record->version != 1 || age != 0;
    const uint64_t flags =
        (is_deleted ? VERSION_DELETED : 0U) | (is_changed ? VERSION_CHANGED : 0U) |
        (previous != NULL ? VERSION_LINKED : 0U) | (record->expiry_ms != 0 ? VERSION_EXPIRES : 0U);
    size_t size = previous != NULL ? sizeof(struct version_linked) : sizeof(struct version);
    size += varint_size(record->key.size) + varint_size(record->value.size);
    size += record->key.size + record->value.size;
    size += record->expiry_ms != 0 ? sizeof(record->expiry_ms) : 0;
    size += is_changed ? varint_size(age) + varint_size(record->version) : 0;

    struct version *v = slab_get(s, size);
    uint8_t *p = (uint8_t *)(v + 1);
    v->stamp = record->mod_revision << 8 | flags | record->type;
    if (previous != NULL) {
        atomic_init(&((struct version_linked *)v)->previous, previous);
        p = (uint8_t *)v + sizeof(struct version_linked);
    }
    p = put_varint(p, record->key.size);
    p = put_varint(p, record->value.size);
    p = put_bytes(p, record->key);
    p = put_bytes(p, record->value);
    if (record->expiry_ms != 0) {
        p = put_bytes(p, slice_of(&record->expiry_ms, sizeof(record->expiry_ms)));
    }
    if (is_changed) {
        p = put_varint(p, age);
        p = put_varint(p, record->version);
    }
    CHECK(p == (uint8_t *)v + size);
    return v;
}

/* Returns the end of the version. */
static const uint8_t *decode(const struct version *v, struct record *record)
{
    const uint8_t *p = (const uint8_t *)v;
    p += (v->stamp & VERSION_LINKED) != 0 ? sizeof(struct version_linked) : sizeof(struct version);
    uint64_t key_size;
    uint64_t value_size;
    p = version_varint(p, &key_size);
    p = version_varint(p, &value_size);
    record->key = slice_of(p, key_size);
    record->value = slice_of(p + key_size, value_size);
    p += key_size + value_size;
    record->mod_revision = version_revision(v);
    record->create_revision = record->mod_revision;
    record->version = 1;
    record->expiry_ms = 0;
    record->type = (uint8_t)(v->stamp & ENGINE_TYPE_MAX);
    if ((v->stamp & VERSION_EXPIRES) != 0) {
        memcpy(&record->expiry_ms, p, sizeof(record->expiry_ms));
        p += sizeof(record->expiry_ms);
    }
    if ((v->stamp & VERSION_CHANGED) != 0) {
        uint64_t age;
        p = version_varint(p, &age);
        p = version_varint(p, &record->version);
        record->create_revision -= age;
    }
    return p;
}

void version_decode(const struct version *v, struct record *record)
{
    (void)decode(v, record);
}

void version_free(struct slab *s, struct version *v)
{
    struct record record;
    const uint8_t *end = decode(v, &record);
    slab_put(s, v, (size_t)(end - (const uint8_t *)v));
}
