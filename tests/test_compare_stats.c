/* What wye-compare concludes from rounds: medians, intervals, ratios, ties. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/compare_stats.h"

#include <math.h>

#define COUNT(values) (sizeof(values) / sizeof *(values))

static const struct compare_estimate unknown = {NAN, NAN, NAN};

static bool near(double value, double wanted) { return fabs(value - wanted) < 1e-9; }

static void a_median_is_the_middle_in_whatever_order(void **state) {
    (void)state;
    double odd[] = {5, 1, 9, 3, 7}, even[] = {4, 1, 3, 2}, one[] = {6};
    assert_true(near(compare_median(odd, 5), 5));
    assert_true(near(compare_median(even, 4), 2.5));
    assert_true(near(compare_median(one, 1), 6));
    assert_true(isnan(compare_median(one, 0)));
}

static void an_interval_holds_its_median_and_lies_within_the_values(void **state) {
    (void)state;
    double values[] = {10.2, 9.9, 10.0, 10.4, 9.7, 10.1, 9.8, 10.3, 9.6, 10.5, 20};
    struct compare_estimate estimate = compare_estimate(values, COUNT(values));
    assert_true(near(estimate.median, 10.1));
    assert_true(estimate.low <= estimate.median && estimate.median <= estimate.high);
    assert_true(estimate.low >= 9.6 && estimate.high <= 10.5); /* the one that got lost doesn't move it */
    assert_true(estimate.low > 9.6 && estimate.low < 10.1 && estimate.high > 10.1);
}

/* Of n values the bootstrap's interval of the median is, but for its own scatter, between known ranks. */
static void an_interval_of_eleven_lies_at_the_ranks_that_theory_says(void **state) {
    (void)state;
    double values[11];
    for (int i = 0; i < 11; i++) values[(i * 7) % 11] = i + 1;
    struct compare_estimate estimate = compare_estimate(values, 11);
    /* P(median of a resample <= 3) is 0.0264 > 0.025, P(<= 2) is 0.0015: the 2.5th percentile is the third
     * value */
    assert_true(near(estimate.median, 6));
    assert_in_range((int)estimate.low, 3, 4);
    assert_in_range((int)estimate.high, 8, 9);
}

static void the_same_values_give_the_same_interval_whatever_their_order(void **state) {
    (void)state;
    double values[] = {3, 1, 2, 9, 4, 7, 6}, turned[] = {9, 7, 6, 4, 3, 2, 1};
    struct compare_estimate a = compare_estimate(values, 7), b = compare_estimate(turned, 7);
    assert_true(near(a.low, b.low) && near(a.high, b.high) && near(a.median, b.median));
    assert_true(near(values[3], 9)); /* and stay where they are */
}

static void equal_values_have_no_width_and_one_value_is_its_own_interval(void **state) {
    (void)state;
    double equal[] = {4, 4, 4, 4}, one[] = {5};
    struct compare_estimate estimate = compare_estimate(equal, 4);
    assert_true(near(estimate.low, 4) && near(estimate.high, 4));
    estimate = compare_estimate(one, 1);
    assert_true(near(estimate.low, 5) && near(estimate.median, 5) && near(estimate.high, 5));
}

static void what_was_not_measured_is_left_out_and_nothing_gives_nothing(void **state) {
    (void)state;
    double some[] = {NAN, 2, NAN, 2, 2}, none[] = {NAN, NAN};
    assert_true(near(compare_estimate(some, 5).median, 2));
    assert_true(isnan(compare_estimate(none, 2).median) && isnan(compare_estimate(none, 2).low));
    assert_true(isnan(compare_estimate(none, 0).high));
}

static void a_ratio_is_made_round_by_round(void **state) {
    (void)state;
    /* the machine got slower from round to round: the values overlap, the ratios don't */
    double values[] = {11, 22, 44, NAN, 3}, reference[] = {10, 20, 40, 5, 0}, ratios[5];
    compare_ratios(values, reference, 5, ratios);
    assert_true(near(ratios[0], 1.1) && near(ratios[1], 1.1) && near(ratios[2], 1.1));
    assert_true(isnan(ratios[3]) && isnan(ratios[4]));
}

static void a_difference_within_the_noise_is_a_tie(void **state) {
    (void)state;
    struct compare_estimate noise = {1.01, 0.97, 1.04};
    assert_int_equal(compare_judge((struct compare_estimate){1.05, 1.03, 1.08}, noise, true), COMPARE_TIE);
    assert_int_equal(compare_judge((struct compare_estimate){0.95, 0.92, 0.98}, noise, true), COMPARE_TIE);
    assert_int_equal(compare_judge((struct compare_estimate){1.20, 1.05, 1.30}, noise, true), COMPARE_WORSE);
    assert_int_equal(compare_judge((struct compare_estimate){0.90, 0.88, 0.96}, noise, true), COMPARE_BETTER);
}

static void noise_that_misses_one_still_ties_with_one(void **state) {
    (void)state;
    struct compare_estimate noise = {1.05, 1.03, 1.07};
    assert_int_equal(compare_judge((struct compare_estimate){1.01, 1.005, 1.02}, noise, true), COMPARE_TIE);
    assert_int_equal(compare_judge((struct compare_estimate){0.99, 0.98, 0.995}, noise, true),
                     COMPARE_BETTER);
    assert_int_equal(compare_judge((struct compare_estimate){1.1, 0.9, 1.2}, unknown, true), COMPARE_TIE);
    assert_int_equal(compare_judge((struct compare_estimate){1.1, 1.05, 1.2}, unknown, true), COMPARE_WORSE);
    assert_int_equal(compare_judge(unknown, noise, true), COMPARE_UNKNOWN);
}

static void more_is_better_for_rates(void **state) {
    (void)state;
    struct compare_estimate noise = {1, 0.99, 1.01};
    assert_int_equal(compare_judge((struct compare_estimate){1.2, 1.1, 1.3}, noise, false), COMPARE_BETTER);
    assert_int_equal(compare_judge((struct compare_estimate){0.8, 0.7, 0.9}, noise, false), COMPARE_WORSE);
}

static void slower_than_before_needs_intervals_apart_and_more_than_the_tolerance(void **state) {
    (void)state;
    struct compare_estimate older = {10, 9.8, 10.2};
    assert_int_equal(compare_with_older((struct compare_estimate){11, 10.7, 11.2}, older, 0.02, true),
                     COMPARE_WORSE);
    assert_int_equal(compare_with_older((struct compare_estimate){11, 10.1, 11.2}, older, 0.02, true),
                     COMPARE_TIE);
    assert_int_equal(compare_with_older((struct compare_estimate){9, 8.9, 9.1}, older, 0.02, true),
                     COMPARE_BETTER);
    assert_int_equal(compare_with_older((struct compare_estimate){11, 10.7, 11.2}, older, 0.2, true),
                     COMPARE_TIE);
    assert_int_equal(compare_with_older((struct compare_estimate){11, 10.7, 11.2}, older, 0.02, false),
                     COMPARE_BETTER);
    assert_int_equal(compare_with_older((struct compare_estimate){11, 10.7, 11.2}, unknown, 0.02, true),
                     COMPARE_UNKNOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_median_is_the_middle_in_whatever_order),
        cmocka_unit_test(an_interval_holds_its_median_and_lies_within_the_values),
        cmocka_unit_test(an_interval_of_eleven_lies_at_the_ranks_that_theory_says),
        cmocka_unit_test(the_same_values_give_the_same_interval_whatever_their_order),
        cmocka_unit_test(equal_values_have_no_width_and_one_value_is_its_own_interval),
        cmocka_unit_test(what_was_not_measured_is_left_out_and_nothing_gives_nothing),
        cmocka_unit_test(a_ratio_is_made_round_by_round),
        cmocka_unit_test(a_difference_within_the_noise_is_a_tie),
        cmocka_unit_test(noise_that_misses_one_still_ties_with_one),
        cmocka_unit_test(more_is_better_for_rates),
        cmocka_unit_test(slower_than_before_needs_intervals_apart_and_more_than_the_tolerance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
