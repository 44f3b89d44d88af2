/* version.h - one version of one row as it lies in memory, immutable once published.
 *
 *   | stamp 8 | previous 8 ? | key size | value size | age, version ? | expiry 8 ? | key | value |
 *
 * stamp = mod revision << 8 | flags << 4 | type. Sizes, age (mod - create revision) and version
 * are varints. Parts marked ? are there only when their flag is: a row written once, without
 * expiry, has a head of 10 bytes. `previous` is there when the version replaced another one;
 * it leads to what older views still read. */
#ifndef ENGINE_MEMORY_VERSION_H
#define ENGINE_MEMORY_VERSION_H

#include <stdatomic.h>

#include "engine/engine.h"
#include "engine/memory/slab.h"

enum {
    VERSION_LINKED = 1 << 4,  /* has `previous` */
    VERSION_EXPIRES = 1 << 5, /* has `expiry` */
    VERSION_CHANGED = 1 << 6, /* has age and version; else 0 and 1 */
    VERSION_DELETED = 1 << 7  /* a tombstone: the row is absent from this revision on */
};

struct version {
    uint64_t stamp;
};

struct version_linked {
    struct version head;
    _Atomic(struct version *) previous;
};

/* Makes a version out of `record`. `previous` may be NULL. */
struct version *version_new(struct slab *s, const struct record *record, bool is_deleted,
                            struct version *previous);

void version_free(struct slab *s, struct version *v);

static inline uint64_t version_revision(const struct version *v)
{
    return v->stamp >> 8;
}

static inline bool version_is_deleted(const struct version *v)
{
    return (v->stamp & VERSION_DELETED) != 0;
}

static inline struct version *version_previous(struct version *v)
{
    if ((v->stamp & VERSION_LINKED) == 0) {
        return NULL;
    }
    return atomic_load_explicit(&((struct version_linked *)v)->previous, memory_order_acquire);
}

/* What a read at `revision` sees of the chain that begins with `v`, or NULL. */
static inline struct version *version_visible(struct version *v, uint64_t revision)
{
    while (v != NULL && version_revision(v) > revision) {
        v = version_previous(v);
    }
    return v == NULL || version_is_deleted(v) ? NULL : v;
}

/* Returns what is behind the number. */
static inline const uint8_t *version_varint(const uint8_t *p, uint64_t *value)
{
    uint64_t v = *p & 0x7f;
    for (unsigned shift = 7; (*p++ & 0x80) != 0; shift += 7) {
        v |= (uint64_t)(*p & 0x7f) << shift;
    }
    *value = v;
    return p;
}

/* The slices of `record` point into `v`. */
static inline void version_decode(const struct version *v, struct record *record)
{
    const uint8_t *p = (const uint8_t *)v;
    uint64_t age = 0;
    p += (v->stamp & VERSION_LINKED) != 0 ? sizeof(struct version_linked) : sizeof(struct version);
    p = version_varint(p, &record->key.size);
    p = version_varint(p, &record->value.size);
    record->version = 1;
    if ((v->stamp & VERSION_CHANGED) != 0) {
        p = version_varint(p, &age);
        p = version_varint(p, &record->version);
    }
    record->expiry_ms = 0;
    if ((v->stamp & VERSION_EXPIRES) != 0) {
        memcpy(&record->expiry_ms, p, sizeof(record->expiry_ms));
        p += sizeof(record->expiry_ms);
    }
    record->key.data = p;
    record->value.data = p + record->key.size;
    record->mod_revision = version_revision(v);
    record->create_revision = record->mod_revision - age;
    record->type = (uint8_t)(v->stamp & ENGINE_TYPE_MAX);
}

static inline struct slice version_key(const struct version *v)
{
    struct record record;
    version_decode(v, &record);
    return record.key;
}

/* About what it takes. */
static inline uint64_t version_bytes(const struct version *v)
{
    struct record record;
    version_decode(v, &record);
    return sizeof(struct version_linked) + record.key.size + record.value.size;
}

#endif
