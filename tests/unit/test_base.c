/* The small things everything else stands on. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/crc.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/random.h"
#include "harness.h"

static void test_buf_numbers(void)
{
    struct buf b = {0};
    buf_append_i64(&b, INT64_MIN);
    buf_append_byte(&b, ' ');
    buf_append_u64(&b, UINT64_MAX);
    buf_append_byte(&b, ' ');
    buf_append_u64(&b, 0);
    EXPECT(slice_equal(buf_slice(&b), SLICE("-9223372036854775808 18446744073709551615 0")));
    buf_consume(&b, 21);
    EXPECT(slice_equal(buf_slice(&b), SLICE("18446744073709551615 0")));
    buf_deinit(&b);
}

static void test_every_error_has_names(void)
{
    for (int e = 0; e < ERR_COUNT; e++) {
        EXPECT(err_name((enum err)e) != NULL);
        EXPECT(err_code((enum err)e) != NULL);
    }
}

static void test_buf_printf(void)
{
    struct buf b = {0};
    for (int i = 0; i < 1000; i++) {
        buf_printf(&b, "%d,", i);
    }
    EXPECT_EQ(10 * 2 + 90 * 3 + 900 * 4, b.size);
    EXPECT(memcmp(b.data + b.size - 8, "998,999,", 8) == 0);
    buf_deinit(&b);
    EXPECT(b.data == NULL && b.size == 0);
}

/* Bit by bit, as the definition says. */
static uint16_t crc16_by_bits(const uint8_t *at, size_t size)
{
    unsigned crc = 0;
    for (size_t i = 0; i < size; i++) {
        crc ^= (unsigned)at[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1;
        }
        crc &= 0xffff;
    }
    return (uint16_t)crc;
}

static void test_crc16_of_every_size(void)
{
    uint8_t bytes[64];
    struct random random = {1};
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        for (int round = 0; round < 100; round++) {
            for (size_t i = 0; i < size; i++) {
                bytes[i] = (uint8_t)random_next(&random);
            }
            EXPECT_EQ(crc16_by_bits(bytes, size), crc16(bytes, size));
        }
    }
}

static void test_crc_known_values(void)
{
    static const uint8_t zeros[32] = {0};
    EXPECT_EQ(0, crc32c(0, NULL, 0));
    EXPECT_EQ(0xe3069283, crc32c(0, "123456789", 9));
    EXPECT_EQ(0x8a9136aa, crc32c(0, zeros, sizeof(zeros)));
    EXPECT_EQ(crc32c(0, "123456789", 9), crc32c(crc32c(0, "1234", 4), "56789", 5));
    EXPECT_EQ(0, crc16(NULL, 0));
    EXPECT_EQ(0x31c3, crc16("123456789", 9));
    EXPECT_EQ(12182, crc16("foo", 3) % 16384); /* as CLUSTER KEYSLOT foo */
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

/* Of all sizes, that differ in no byte, in one, or in their size: as memcmp() says. */
static void test_slices_compare(void)
{
    enum {
        SIZE_MAX_HERE = 80
    };
    uint8_t left[SIZE_MAX_HERE];
    uint8_t right[SIZE_MAX_HERE];
    struct random random = {7};
    for (int round = 0; round < 100000; round++) {
        const size_t a = random_below(&random, SIZE_MAX_HERE + 1);
        const size_t b = random_below(&random, 2) == 0 ? a : random_below(&random, a + 1);
        const size_t both = a < b ? a : b;
        for (size_t i = 0; i < SIZE_MAX_HERE; i++) {
            left[i] = right[i] = (uint8_t)random_next(&random);
        }
        if (random_below(&random, 4) > 0) {
            right[random_below(&random, SIZE_MAX_HERE)] = (uint8_t)random_next(&random);
        }
        int order = both == 0 ? 0 : memcmp(left, right, both);
        order = order != 0 ? order : (a > b) - (a < b);
        EXPECT_EQ(sign(order), sign(slice_compare(slice_of(left, a), slice_of(right, b))));
        EXPECT_EQ(-sign(order), sign(slice_compare(slice_of(right, b), slice_of(left, a))));
    }
    EXPECT_EQ(0, slice_compare((struct slice){0}, (struct slice){0}));
}

static void test_arena(void)
{
    struct arena a = {0};
    uint8_t *first = arena_get(&a, 3);
    memset(first, 1, 3);
    uint64_t *second = arena_zero(&a, sizeof(*second));
    EXPECT_EQ(0, (uintptr_t)second % 8);
    EXPECT_EQ(0, *second);
    uint8_t *large = arena_get(&a, 3 * ARENA_CHUNK_BYTES);
    memset(large, 2, 3 * ARENA_CHUNK_BYTES);
    const struct slice copy = arena_copy(&a, SLICE("bytes"));
    EXPECT(slice_equal(copy, SLICE("bytes")));
    EXPECT(a.used_bytes >= 3 * ARENA_CHUNK_BYTES);
    arena_reset(&a);
    EXPECT(arena_get(&a, 8) != NULL);
    arena_deinit(&a);
}

static void test_heap_sorts(void)
{
    enum {
        COUNT = 500
    };
    struct heap h = {0};
    struct random r = {42};
    struct heap_item items[COUNT] = {{0}};
    for (uint64_t i = 0; i < COUNT; i++) {
        items[i].key = random_below(&r, 50);
        items[i].number = i;
        heap_add(&h, &items[i]);
    }
    for (size_t i = 0; i < COUNT; i += 3) {
        heap_remove(&h, &items[i]);
        heap_remove(&h, &items[i]);
    }
    size_t count = 0;
    const struct heap_item *last = NULL;
    for (struct heap_item *first = heap_first(&h); first != NULL; first = heap_first(&h)) {
        EXPECT(last == NULL || last->key < first->key ||
               (last->key == first->key && last->number < first->number));
        EXPECT(first->number % 3 != 0);
        heap_remove(&h, first);
        last = first;
        count++;
    }
    EXPECT_EQ(COUNT - (COUNT + 2) / 3, count);
    heap_deinit(&h);
}

static const struct test_case cases[] = {
    {"buf_numbers", test_buf_numbers},
    {"buf_printf", test_buf_printf},
    {"crc_known_values", test_crc_known_values},
    {"crc16_of_every_size", test_crc16_of_every_size},
    {"slices_compare", test_slices_compare},
    {"arena", test_arena},
    {"heap_sorts", test_heap_sorts},
    {"every_error_has_names", test_every_error_has_names},
};

TEST_MAIN(cases)
