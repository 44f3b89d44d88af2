/* The small things everything else stands on. */
#include "harness.h"

#include "base/buf.h"
#include "base/err.h"

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

static const struct test_case cases[] = {
    {"buf_numbers", test_buf_numbers},
    {"every_error_has_names", test_every_error_has_names},
};

TEST_MAIN(cases)
