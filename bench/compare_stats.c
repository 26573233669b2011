#include "bench/compare_stats.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 1024 };

static const struct compare_estimate unknown = {NAN, NAN, NAN};

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double middle(const double *sorted, size_t count) {
    if (count == 0) return NAN;
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

double compare_median(double *values, size_t count) {
    qsort(values, count, sizeof *values, by_value);
    return middle(values, count);
}

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/*
 * The median of a sample drawn with replacement from sorted values. Drawn are ranks: counting them finds the
 * middle without sorting anything.
 */
static double resample(const double *sorted, size_t count, uint64_t *state) {
    uint16_t drawn[VALUES_MAX] = {0};
    for (size_t i = 0; i < count; i++) drawn[next_random(state) % count]++;
    size_t seen = 0, low = count;
    for (size_t i = 0; i < count; i++) {
        if (!drawn[i]) continue;
        seen += drawn[i];
        if (low == count && seen >= (count + 1) / 2) low = i;
        if (seen >= count / 2 + 1) return (sorted[low] + sorted[i]) / 2;
    }
    return NAN;
}

struct compare_estimate compare_estimate(const double *values, size_t count) {
    double sorted[VALUES_MAX], medians[COMPARE_RESAMPLES];
    size_t known = 0;
    for (size_t i = 0; i < count && known < VALUES_MAX; i++)
        if (!isnan(values[i])) sorted[known++] = values[i];
    if (known == 0) return unknown;
    struct compare_estimate estimate = {.median = compare_median(sorted, known)};
    uint64_t state = known;
    for (size_t i = 0; i < COMPARE_RESAMPLES; i++) medians[i] = resample(sorted, known, &state);
    qsort(medians, COMPARE_RESAMPLES, sizeof *medians, by_value);
    estimate.low = medians[COMPARE_RESAMPLES / 40];
    estimate.high = medians[COMPARE_RESAMPLES - 1 - COMPARE_RESAMPLES / 40];
    return estimate;
}

void compare_ratios(const double *values, const double *reference, size_t count, double *ratios) {
    for (size_t i = 0; i < count; i++)
        ratios[i] = isnan(values[i]) || !(reference[i] > 0) ? NAN : values[i] / reference[i];
}

enum compare_verdict compare_judge(struct compare_estimate ratio, struct compare_estimate noise,
                                   bool less_is_better) {
    if (isnan(ratio.median)) return COMPARE_UNKNOWN;
    double low = isnan(noise.low) ? 1 : fmin(noise.low, 1),
           high = isnan(noise.high) ? 1 : fmax(noise.high, 1);
    if (ratio.low <= high && ratio.high >= low) return COMPARE_TIE;
    return (ratio.high < low) == less_is_better ? COMPARE_BETTER : COMPARE_WORSE;
}

enum compare_verdict compare_with_older(struct compare_estimate now, struct compare_estimate older,
                                        double tolerance, bool less_is_better) {
    if (!(now.median > 0) || !(older.median > 0)) return COMPARE_UNKNOWN;
    if (now.low <= older.high && now.high >= older.low) return COMPARE_TIE;
    if (fabs(log(now.median / older.median)) <= log1p(tolerance)) return COMPARE_TIE;
    return (now.median < older.median) == less_is_better ? COMPARE_BETTER : COMPARE_WORSE;
}

const char *compare_verdict_name(enum compare_verdict verdict) {
    static const char *const names[] = {"", "tie", "better", "worse"};
    return names[verdict];
}
