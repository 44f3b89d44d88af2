/* metrics.h - counters and histograms that one thread writes and any thread reads.
 *
 * Each loop has its own, so counting is a plain load, add and store without a locked
 * instruction; a scrape adds them up. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>

#include "base/buf.h"

/* The one typedef: an atomic word counted by one thread.
 * NOLINTNEXTLINE(readability-identifier-naming) */
typedef _Atomic uint64_t metric;

static inline void metric_add(metric *m, uint64_t by)
{
    atomic_store_explicit(m, atomic_load_explicit(m, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

static inline void metric_set(metric *m, uint64_t to)
{
    atomic_store_explicit(m, to, memory_order_relaxed);
}

static inline uint64_t metric_get(const metric *m)
{
    return atomic_load_explicit(m, memory_order_relaxed);
}

/* Buckets by powers of two of a base unit: <= 1, 2, 4, ... 2^24, more. */
#define HISTOGRAM_BUCKETS 26

struct histogram {
    metric buckets[HISTOGRAM_BUCKETS];
    metric sum; /* of the observed numbers, in the base unit */
};

static inline void histogram_add(struct histogram *h, uint64_t number)
{
    const unsigned bits = number <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(number - 1);
    metric_add(&h->buckets[bits < HISTOGRAM_BUCKETS - 1 ? bits : HISTOGRAM_BUCKETS - 1], 1);
    metric_add(&h->sum, number);
}

/* Adds `h` to `total`, which no other thread sees. */
void histogram_merge(struct histogram *total, const struct histogram *h);

uint64_t histogram_count(const struct histogram *h);

/* Prometheus text format 0.0.4. `type` is "counter", "gauge" or "histogram". */
void metrics_family(struct buf *out, const char *name, const char *type, const char *help);

/* `labels` is "" or `a="x",b="y"`, values already safe. */
void metrics_sample(struct buf *out, const char *name, const char *labels, uint64_t value);
void metrics_sample_double(struct buf *out, const char *name, const char *labels, double value);

/* Buckets, sum and count; numbers are divided by `unit` (1e6: observed in us, shown in s). */
void metrics_histogram(struct buf *out, const char *name, const char *labels,
                       const struct histogram *h, double unit);

#endif
