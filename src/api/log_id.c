#include "api/log_id.h"

#include <stdio.h>

#include "base/random.h"

#define UUID_TEXT 36

static uint64_t hash64(uint64_t seed, struct slice a, struct slice b)
{
    struct random mixed = {seed ^ a.size};
    for (size_t i = 0; i < a.size + b.size; i++) {
        const uint64_t next = random_next(&mixed);
        mixed.state = next ^ (i < a.size ? a.data[i] : b.data[i - a.size]);
    }
    return random_next(&mixed);
}

struct slice version_id(uint64_t random, struct arena *arena, const struct op *op)
{
    const bool is_named = op->idempotency_id.size > 0;
    const uint64_t seed = is_named ? op->table : random;
    uint64_t high = hash64(seed, op->idempotency_id, op->key);
    uint64_t low = hash64(~seed, op->key, op->idempotency_id);
    /* Version 4: random; 8: of one's own making. */
    high = (high & ~UINT64_C(0xf000)) | (is_named ? 0x8000 : 0x4000);
    low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    char *text = arena_get(arena, UUID_TEXT + 1);
    (void)snprintf(text, UUID_TEXT + 1, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
                   (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff),
                   (unsigned)(low >> 48), (unsigned long long)(low & 0xffffffffffff));
    return slice_of(text, UUID_TEXT);
}
