/*
 * A histogram of times, log-linear as HdrHistogram's (G. Tene): three significant decimal digits over the
 * whole range. One thread records; others may read meanwhile.
 */
#ifndef WYE_BENCH_HISTOGRAM_H
#define WYE_BENCH_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    WYE_HISTOGRAM_SUB_BITS = 11, /* 2048 steps in the first bucket, 1024 in every other: three digits */
    WYE_HISTOGRAM_BUCKETS = 33,  /* up to 2^43 ns, 2.4 hours; longer times count as that */
    WYE_HISTOGRAM_COUNTS = (WYE_HISTOGRAM_BUCKETS + 1) << (WYE_HISTOGRAM_SUB_BITS - 1),
};

#define WYE_HISTOGRAM_MAX_NS ((UINT64_C(1) << (WYE_HISTOGRAM_SUB_BITS + WYE_HISTOGRAM_BUCKETS - 1)) - 1)

/* All zero: empty. */
struct wye_histogram {
    _Atomic uint64_t counts[WYE_HISTOGRAM_COUNTS];
    _Atomic uint64_t count, max_ns;
};

/* Which of the counts a time belongs to. */
static inline uint32_t wye_histogram_index(uint64_t ns) {
    if (ns > WYE_HISTOGRAM_MAX_NS) ns = WYE_HISTOGRAM_MAX_NS;
    const uint64_t in_first = (UINT64_C(1) << WYE_HISTOGRAM_SUB_BITS) - 1;
    unsigned bucket = (unsigned)(63 - __builtin_clzll(ns | in_first)) - (WYE_HISTOGRAM_SUB_BITS - 1);
    return (bucket << (WYE_HISTOGRAM_SUB_BITS - 1)) + (uint32_t)(ns >> bucket);
}

static inline void wye_histogram_raise(_Atomic uint64_t *number, uint64_t more) {
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static inline void wye_histogram_record(struct wye_histogram *histogram, uint64_t ns) {
    wye_histogram_raise(&histogram->counts[wye_histogram_index(ns)], 1);
    wye_histogram_raise(&histogram->count, 1);
    if (ns > atomic_load_explicit(&histogram->max_ns, memory_order_relaxed))
        atomic_store_explicit(&histogram->max_ns, ns, memory_order_relaxed);
}

/* The lowest and the highest time that count as the same as those at `index`. */
uint64_t wye_histogram_lowest(uint32_t index);
uint64_t wye_histogram_highest(uint32_t index);

/* Adds all of `from`, which may be recorded into meanwhile. */
void wye_histogram_add(struct wye_histogram *to, const struct wye_histogram *from);

/* Takes away an earlier state of the same histogram; the maximum stays. */
void wye_histogram_subtract(struct wye_histogram *from, const struct wye_histogram *earlier);

/* The time that `percent` (0 to 100) of all are no longer than, as HdrHistogram gives it: the highest
 * equivalent one, at most the maximum. 0: empty. */
uint64_t wye_histogram_percentile(const struct wye_histogram *histogram, double percent);

double wye_histogram_mean(const struct wye_histogram *histogram);
double wye_histogram_deviation(const struct wye_histogram *histogram);

/* Writes HdrHistogram's percentile distribution text (.hgrm), in microseconds, five steps per halving. */
void wye_histogram_write(const struct wye_histogram *histogram, FILE *to);

#endif
