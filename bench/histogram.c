#include "bench/histogram.h"

#include <math.h>

enum { HALF = 1 << (WYE_HISTOGRAM_SUB_BITS - 1), TICKS_PER_HALF = 5 };

static uint64_t at(const _Atomic uint64_t *number) {
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* The bucket of an index: the first one has 2 * HALF steps of 1, every other HALF steps of twice its
 * neighbour's. */
static unsigned bucket_of(uint32_t index) { return index < 2 * HALF ? 0 : index / HALF - 1; }

uint64_t wye_histogram_lowest(uint32_t index) {
    unsigned bucket = bucket_of(index);
    return (uint64_t)(index - bucket * HALF) << bucket;
}

uint64_t wye_histogram_highest(uint32_t index) {
    return wye_histogram_lowest(index) + (UINT64_C(1) << bucket_of(index)) - 1;
}

void wye_histogram_add(struct wye_histogram *to, const struct wye_histogram *from) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < WYE_HISTOGRAM_COUNTS; i++) {
        uint64_t count = at(&from->counts[i]);
        if (!count) continue;
        wye_histogram_raise(&to->counts[i], count);
        sum += count; /* not from->count: it may be a step ahead */
    }
    wye_histogram_raise(&to->count, sum);
    if (at(&from->max_ns) > at(&to->max_ns))
        atomic_store_explicit(&to->max_ns, at(&from->max_ns), memory_order_relaxed);
}

void wye_histogram_subtract(struct wye_histogram *from, const struct wye_histogram *earlier) {
    for (uint32_t i = 0; i < WYE_HISTOGRAM_COUNTS; i++) {
        uint64_t count = at(&earlier->counts[i]);
        if (count) wye_histogram_raise(&from->counts[i], -count);
    }
    wye_histogram_raise(&from->count, -at(&earlier->count));
}

uint64_t wye_histogram_percentile(const struct wye_histogram *histogram, double percent) {
    uint64_t all = at(&histogram->count), seen = 0;
    if (all == 0) return 0;
    if (percent > 100) percent = 100;
    uint64_t wanted = (uint64_t)(percent / 100 * (double)all + 0.5);
    if (wanted == 0) wanted = 1;
    for (uint32_t i = 0; i < WYE_HISTOGRAM_COUNTS; i++) {
        seen += at(&histogram->counts[i]);
        if (seen < wanted) continue;
        uint64_t value = wye_histogram_highest(i);
        return value < at(&histogram->max_ns) ? value : at(&histogram->max_ns);
    }
    return at(&histogram->max_ns);
}

static double middle(uint32_t index) {
    return ((double)wye_histogram_lowest(index) + (double)wye_histogram_highest(index)) / 2;
}

double wye_histogram_mean(const struct wye_histogram *histogram) {
    double sum = 0, all = (double)at(&histogram->count);
    for (uint32_t i = 0; i < WYE_HISTOGRAM_COUNTS; i++) sum += (double)at(&histogram->counts[i]) * middle(i);
    return all > 0 ? sum / all : 0;
}

double wye_histogram_deviation(const struct wye_histogram *histogram) {
    double sum = 0, all = (double)at(&histogram->count), mean = wye_histogram_mean(histogram);
    for (uint32_t i = 0; i < WYE_HISTOGRAM_COUNTS; i++) {
        double away = middle(i) - mean;
        sum += (double)at(&histogram->counts[i]) * away * away;
    }
    return all > 0 ? sqrt(sum / all) : 0;
}

void wye_histogram_write(const struct wye_histogram *histogram, FILE *to) {
    uint64_t all = at(&histogram->count), seen = 0;
    double percent = 0;
    fprintf(to, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for (uint32_t i = 0; i < WYE_HISTOGRAM_COUNTS && seen < all; i++) {
        uint64_t here = at(&histogram->counts[i]);
        seen += here;
        if (!here) continue;
        double reached = 100 * (double)seen / (double)all;
        double value = (double)wye_histogram_percentile(histogram, reached) / 1000;
        while (percent <= reached && percent < 100) {
            fprintf(to, "%12.3f %14.12f %10llu %14.2f\n", value, percent / 100, (unsigned long long)seen,
                    1 / (1 - percent / 100));
            /* Steps halve whenever the distance to 100 % has halved; behind the last value there is nothing
             * more to say. */
            percent += 100 / (TICKS_PER_HALF * pow(2, floor(log2(100 / (100 - percent))) + 1));
            if (seen == all) break;
        }
        if (seen == all) fprintf(to, "%12.3f %14.12f %10llu\n", value, 1.0, (unsigned long long)seen);
    }
    fprintf(to, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", wye_histogram_mean(histogram) / 1000,
            wye_histogram_deviation(histogram) / 1000);
    fprintf(to, "#[Max     = %12.3f, Total count    = %12llu]\n", (double)at(&histogram->max_ns) / 1000,
            (unsigned long long)all);
    fprintf(to, "#[Buckets = %12d, SubBuckets     = %12d]\n", WYE_HISTOGRAM_BUCKETS, 2 * HALF);
}
