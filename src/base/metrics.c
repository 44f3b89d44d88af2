#include "base/metrics.h"

#include "base/check.h"

void histogram_merge(struct histogram *total, const struct histogram *h)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        metric_add(&total->buckets[i], metric_get(&h->buckets[i]));
    }
    metric_add(&total->sum, metric_get(&h->sum));
}

uint64_t histogram_count(const struct histogram *h)
{
    uint64_t count = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += metric_get(&h->buckets[i]);
    }
    return count;
}

void metrics_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* `name`[`suffix`]{`labels`} and a space; without labels, without the braces. */
static void append_name(struct buf *out, const char *name, const char *suffix, const char *labels)
{
    buf_append_text(out, name);
    buf_append_text(out, suffix);
    if (labels[0] != '\0') {
        buf_printf(out, "{%s}", labels);
    }
    buf_append_byte(out, ' ');
}

/* Fifteen digits: every number that came in as decimal goes out the same. */
static void append_double(struct buf *out, double value)
{
    buf_printf(out, "%.15g\n", value);
}

void metrics_sample(struct buf *out, const char *name, const char *labels, uint64_t value)
{
    append_name(out, name, "", labels);
    buf_append_u64(out, value);
    buf_append_byte(out, '\n');
}

void metrics_sample_double(struct buf *out, const char *name, const char *labels, double value)
{
    append_name(out, name, "", labels);
    append_double(out, value);
}

void metrics_histogram(struct buf *out, const char *name, const char *labels,
                       const struct histogram *h, double unit)
{
    CHECK(unit > 0);
    const char *comma = labels[0] == '\0' ? "" : ",";
    uint64_t count = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += metric_get(&h->buckets[i]);
        buf_printf(out, "%s_bucket{%s%sle=\"", name, labels, comma);
        if (i + 1 < HISTOGRAM_BUCKETS) {
            buf_printf(out, "%.15g", (double)(UINT64_C(1) << i) / unit);
        } else {
            buf_append_text(out, "+Inf");
        }
        buf_append_text(out, "\"} ");
        buf_append_u64(out, count);
        buf_append_byte(out, '\n');
    }
    append_name(out, name, "_sum", labels);
    append_double(out, (double)metric_get(&h->sum) / unit);
    append_name(out, name, "_count", labels);
    buf_append_u64(out, count);
    buf_append_byte(out, '\n');
}
