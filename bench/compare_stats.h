/* What rounds say: medians, intervals, ratios and ties. Pure. */
#ifndef WYE_BENCH_COMPARE_STATS_H
#define WYE_BENCH_COMPARE_STATS_H

#include <stdbool.h>
#include <stddef.h>

enum { COMPARE_RESAMPLES = 4000 };

/* A median and its 95 % interval. All NAN: nothing was measured. */
struct compare_estimate {
    double median, low, high;
};

enum compare_verdict {
    COMPARE_UNKNOWN, /* there is nothing to compare */
    COMPARE_TIE,     /* the difference lies within the noise */
    COMPARE_BETTER,
    COMPARE_WORSE,
};

/* The middle of count values in any order, which are sorted; of an even count the mean of the two. NAN: none.
 */
double compare_median(double *values, size_t count);

/*
 * The median of values and its interval by the percentile bootstrap (Efron 1979): COMPARE_RESAMPLES samples
 * drawn with replacement, the 2.5th and the 97.5th percentile of their medians. NANs among the values are
 * left out. The same values give the same interval.
 */
struct compare_estimate compare_estimate(const double *values, size_t count);

/*
 * values[i] / reference[i], round by round, so that what the machine does to both of a round cancels out; NAN
 * where one of the two is missing or the reference isn't above 0.
 */
void compare_ratios(const double *values, const double *reference, size_t count, double *ratios);

/*
 * What a ratio to the reference means. `noise` is the ratio of the reference to itself, measured in the same
 * rounds (A/A): a ratio whose interval touches the noise's, or 1, is a tie. All NAN: the noise isn't known,
 * and 1 counts alone.
 */
enum compare_verdict compare_judge(struct compare_estimate ratio, struct compare_estimate noise,
                                   bool less_is_better);

/*
 * Has a cell become worse than in an older run? Only when the two intervals don't touch, and the medians are
 * further apart than by a factor of 1 + tolerance. Both are above 0.
 */
enum compare_verdict compare_with_older(struct compare_estimate now, struct compare_estimate older,
                                        double tolerance, bool less_is_better);

/* "better", ...; "": unknown. */
const char *compare_verdict_name(enum compare_verdict verdict);

#endif
