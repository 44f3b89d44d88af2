/* Counting, and what Prometheus reads. */
#include "base/metrics.h"
#include "harness.h"

static void test_bucket_borders(void)
{
    struct histogram h = {0};
    static const uint64_t numbers[] = {0, 1, 2, 3, 4, 5, 1 << 24, (1 << 24) + 1, UINT64_MAX / 2};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        histogram_add(&h, numbers[i]);
    }
    EXPECT_EQ(2, metric_get(&h.buckets[0]));
    EXPECT_EQ(1, metric_get(&h.buckets[1]));
    EXPECT_EQ(2, metric_get(&h.buckets[2]));
    EXPECT_EQ(1, metric_get(&h.buckets[3]));
    EXPECT_EQ(1, metric_get(&h.buckets[24]));
    EXPECT_EQ(2, metric_get(&h.buckets[25]));
    EXPECT_EQ(9, histogram_count(&h));
}

static void test_text(void)
{
    struct buf out = {0};
    struct histogram h = {0};
    struct histogram total = {0};
    metric counter = 0;
    metric_add(&counter, 41);
    metric_add(&counter, 1);
    metrics_family(&out, "x_total", "counter", "Things.");
    metrics_sample(&out, "x_total", "", metric_get(&counter));
    metrics_sample(&out, "x_total", "a=\"b\"", 7);
    metrics_sample_double(&out, "y", "", 0.25);
    EXPECT(slice_equal(buf_slice(&out), SLICE("# HELP x_total Things.\n# TYPE x_total counter\n"
                                              "x_total 42\nx_total{a=\"b\"} 7\ny 0.25\n")));
    histogram_add(&h, 3);
    histogram_add(&h, 500000);
    histogram_merge(&total, &h);
    histogram_merge(&total, &h);
    buf_clear(&out);
    metrics_histogram(&out, "t_seconds", "op=\"get\"", &total, 1e6);
    buf_append_byte(&out, '\0');
    const char *text = (const char *)out.data;
    EXPECT(strstr(text, "t_seconds_bucket{op=\"get\",le=\"2e-06\"} 0\n") != NULL);
    EXPECT(strstr(text, "t_seconds_bucket{op=\"get\",le=\"4e-06\"} 2\n") != NULL);
    EXPECT(strstr(text, "t_seconds_bucket{op=\"get\",le=\"0.524288\"} 4\n") != NULL);
    EXPECT(strstr(text, "t_seconds_bucket{op=\"get\",le=\"+Inf\"} 4\n") != NULL);
    EXPECT(strstr(text, "t_seconds_sum{op=\"get\"} 1.000006\n") != NULL);
    EXPECT(strstr(text, "t_seconds_count{op=\"get\"} 4\n") != NULL);
    buf_clear(&out);
    metrics_histogram(&out, "t", "", &h, 1);
    buf_append_byte(&out, '\0');
    EXPECT(strstr((const char *)out.data, "t_bucket{le=\"1\"} 0\n") != NULL);
    EXPECT(strstr((const char *)out.data, "\nt_sum 500003\nt_count 2\n") != NULL);
    buf_deinit(&out);
}

static const struct test_case cases[] = {
    {"bucket_borders", test_bucket_borders},
    {"text", test_text},
};

TEST_MAIN(cases)
