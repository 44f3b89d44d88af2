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
    if (is_changed) {
        p = put_varint(p, age);
        p = put_varint(p, record->version);
    }
    if (record->expiry_ms != 0) {
        p = slice_put(p, slice_of(&record->expiry_ms, sizeof(record->expiry_ms)));
    }
    p = slice_put(p, record->key);
    p = slice_put(p, record->value);
    CHECK(p == (uint8_t *)v + size);
    return v;
}

void version_free(struct slab *s, struct version *v)
{
    struct record record;
    version_decode(v, &record);
    const uint8_t *end = record.value.data + record.value.size;
    slab_put(s, v, (size_t)(end - (const uint8_t *)v));
}
