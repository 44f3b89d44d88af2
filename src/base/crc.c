/* CRC-32C works on eight bytes at a time where the processor has the instruction (all
 * x86-64 since 2008), else on four bits at a time with a table that a reader can check. */
#include "base/crc.h"

#include <string.h>

static uint32_t crc32c_by_table(uint32_t crc, const uint8_t *at, const uint8_t *end)
{
    static const uint32_t nibbles[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    for (; at < end; at++) {
        crc ^= *at;
        crc = (crc >> 4) ^ nibbles[crc & 15];
        crc = (crc >> 4) ^ nibbles[crc & 15];
    }
    return crc;
}

/* The one place that differs between processors: both branches give the same numbers. */
#ifdef __x86_64__
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t
crc32c_by_instruction(uint32_t crc, const uint8_t *at, const uint8_t *end)
{
    uint64_t wide = crc;
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    for (; at < end; at++) {
        crc = _mm_crc32_u8(crc, *at);
    }
    return crc;
}

static uint32_t crc32c_update(uint32_t crc, const uint8_t *at, const uint8_t *end)
{
    return __builtin_cpu_supports("sse4.2") ? crc32c_by_instruction(crc, at, end)
                                            : crc32c_by_table(crc, at, end);
}
#else
static uint32_t crc32c_update(uint32_t crc, const uint8_t *at, const uint8_t *end)
{
    return crc32c_by_table(crc, at, end);
}
#endif

uint32_t crc32c(uint32_t seed, const void *data, size_t size)
{
    if (size == 0) {
        return seed;
    }
    const uint8_t *at = data;
    return ~crc32c_update(~seed, at, at + size);
}

static uint16_t crc16_by_table(uint16_t seed, const uint8_t *at, size_t size)
{
    static const uint16_t nibbles[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    };
    unsigned crc = seed;
    for (size_t i = 0; i < size; i++) {
        crc = (crc << 4) ^ nibbles[((crc >> 12) ^ (at[i] >> 4)) & 15];
        crc = (crc << 4) ^ nibbles[((crc >> 12) ^ at[i]) & 15];
    }
    return (uint16_t)crc;
}

#ifdef __x86_64__
#include <wmmintrin.h>

/* x^80 divided by x^16 + x^12 + x^5 + 1, without its highest term, x^64. */
#define CRC16_QUOTIENT UINT64_C(0x11303471a041b343)

/* The remainder of `word` times x^16, after Barrett: one multiplication gives the quotient, and the
 * low bits of quotient times polynomial are shifts. */
__attribute__((target("pclmul,sse4.1"))) static uint16_t crc16_of_word(uint64_t word)
{
    const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)word),
                                                 _mm_cvtsi64_si128((long long)CRC16_QUOTIENT), 0);
    const uint64_t quotient = word ^ (uint64_t)_mm_extract_epi64(product, 1);
    return (uint16_t)(quotient ^ (quotient << 5) ^ (quotient << 12));
}

/* Eight bytes at a time; the last two to seven as a shorter word. */
__attribute__((target("pclmul,sse4.1"))) static uint16_t crc16_by_words(const uint8_t *at,
                                                                        size_t size)
{
    uint16_t crc = 0;
    for (; size >= 8; at += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        crc = crc16_of_word(__builtin_bswap64(word) ^ (uint64_t)crc << 48);
    }
    if (size < 2) {
        return crc16_by_table(crc, at, size);
    }
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++) {
        word = word << 8 | at[i];
    }
    return crc16_of_word(word ^ (uint64_t)crc << (8 * size - 16));
}

uint16_t crc16(const void *data, size_t size)
{
    return __builtin_cpu_supports("pclmul") ? crc16_by_words(data, size)
                                            : crc16_by_table(0, data, size);
}
#else
uint16_t crc16(const void *data, size_t size)
{
    return crc16_by_table(0, data, size);
}
#endif
