#include "api/native/versions.h"

#include <stdio.h>

#define UUID_TEXT 36

void version_to(struct buf *out, struct slice key, const struct row *row)
{
    buf_append_text(out, "{\"key\":");
    bytes_to(out, key);
    buf_append_text(out, ",\"value\":");
    bytes_to(out, row->value);
    buf_append_text(out, ",\"timestamp\":");
    time_to(out, (uint64_t)row->number);
    buf_append_text(out, ",\"id\":");
    bytes_to(out, row->key);
    buf_append_text(out, ",\"author\":");
    bytes_to(out, row->author);
    buf_append_byte(out, '}');
}

static uint64_t hash64(uint64_t hash, struct slice bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        hash = (hash ^ bytes.data[i]) * UINT64_C(1099511628211);
    }
    return (hash ^ bytes.size) * UINT64_C(1099511628211);
}

struct slice version_id(struct router *r, struct arena *arena, const struct op *op)
{
    const bool is_named = op->idempotency_id.size > 0;
    uint64_t high = router_random(r);
    uint64_t low = router_random(r);
    if (is_named) {
        high = hash64(hash64(UINT64_C(14695981039346656037), op->idempotency_id), op->key);
        low = hash64(hash64(op->table, op->key), op->idempotency_id);
    }
    /* Version 4: random; 8: of one's own making. */
    high = (high & ~UINT64_C(0xf000)) | (is_named ? 0x8000 : 0x4000);
    low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    char *text = arena_get(arena, UUID_TEXT + 1);
    (void)snprintf(text, UUID_TEXT + 1, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
                   (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff),
                   (unsigned)(low >> 48), (unsigned long long)(low & 0xffffffffffff));
    return slice_of(text, UUID_TEXT);
}
