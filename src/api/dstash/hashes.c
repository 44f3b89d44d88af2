/* hashes.c - MurmurHash2 gives strings their ids, which clients compute too; FNV-1a tells those
 * apart that share one. */
#include "api/dstash/terms.h"

#define MURMUR_FACTOR UINT32_C(0x5bd1e995)
#define FNV_BEGIN     UINT64_C(0xcbf29ce484222325)
#define FNV_FACTOR    UINT64_C(0x100000001b3)

/* Four bytes, or what is left of them, little-endian. */
static uint32_t word_of(const uint8_t *bytes, size_t count)
{
    uint32_t word = 0;
    for (size_t i = 0; i < count; i++) {
        word |= (uint32_t)bytes[i] << (8 * i);
    }
    return word;
}

uint32_t murmur2(struct slice bytes, uint32_t seed)
{
    uint32_t hash = seed ^ (uint32_t)bytes.size;
    size_t at = 0;
    for (; bytes.size - at >= 4; at += 4) {
        uint32_t word = word_of(bytes.data + at, 4) * MURMUR_FACTOR;
        word = (word ^ word >> 24) * MURMUR_FACTOR;
        hash = hash * MURMUR_FACTOR ^ word;
    }
    if (at < bytes.size) {
        hash = (hash ^ word_of(bytes.data + at, bytes.size - at)) * MURMUR_FACTOR;
    }
    hash = (hash ^ hash >> 13) * MURMUR_FACTOR;
    return hash ^ hash >> 15;
}

uint64_t fnv1a(struct slice bytes)
{
    uint64_t hash = FNV_BEGIN;
    for (size_t i = 0; i < bytes.size; i++) {
        hash = (hash ^ bytes.data[i]) * FNV_FACTOR;
    }
    return hash;
}
