/* The histogram of times: HdrHistogram's layout and precision. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/histogram.h"

#include <stdlib.h>
#include <string.h>

static struct wye_histogram histogram, other;

static int empty(void **state) {
    (void)state;
    memset(&histogram, 0, sizeof histogram);
    memset(&other, 0, sizeof other);
    return 0;
}

static void every_time_lies_within_its_step_and_a_step_is_at_most_a_thousandth(void **state) {
    (void)state;
    for (uint64_t ns = 0; ns < WYE_HISTOGRAM_MAX_NS; ns += 1 + ns / 777) {
        uint32_t index = wye_histogram_index(ns);
        assert_true(index < WYE_HISTOGRAM_COUNTS);
        uint64_t low = wye_histogram_lowest(index), high = wye_histogram_highest(index);
        assert_true(low <= ns && ns <= high);
        assert_true((high - low) * 1000 <= ns);
        assert_int_equal(wye_histogram_index(low), index);
        assert_int_equal(wye_histogram_index(high), index);
        if (high < WYE_HISTOGRAM_MAX_NS) assert_int_equal(wye_histogram_index(high + 1), index + 1);
    }
    assert_int_equal(wye_histogram_index(WYE_HISTOGRAM_MAX_NS), WYE_HISTOGRAM_COUNTS - 1);
    assert_int_equal(wye_histogram_index(UINT64_MAX), WYE_HISTOGRAM_COUNTS - 1);
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void percentiles_are_those_of_the_sorted_times_within_a_thousandth(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    static uint64_t times[COUNT];
    uint64_t dice = 88172645463325252u;
    for (unsigned i = 0; i < COUNT; i++) {
        dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
        times[i] = 1000 + dice % (UINT64_C(1) << (12 + dice % 25));
        wye_histogram_record(&histogram, times[i]);
    }
    qsort(times, COUNT, sizeof times[0], by_size);
    static const double percents[] = {0, 1, 10, 50, 90, 99, 99.9, 99.99, 100};
    for (unsigned i = 0; i < sizeof percents / sizeof *percents; i++) {
        uint64_t place = (uint64_t)(percents[i] / 100 * COUNT + 0.5);
        uint64_t truth = times[place ? place - 1 : 0],
                 told = wye_histogram_percentile(&histogram, percents[i]);
        assert_true(told >= truth && told - truth <= truth / 1000);
    }
    assert_int_equal(wye_histogram_percentile(&histogram, 100), times[COUNT - 1]);
}

static void an_empty_one_has_nothing_to_tell(void **state) {
    (void)state;
    assert_int_equal(wye_histogram_percentile(&histogram, 50), 0);
    assert_true(wye_histogram_mean(&histogram) < 1e-9);
}

static void adding_and_subtracting_are_opposites(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) wye_histogram_record(&histogram, i * 1000);
    wye_histogram_add(&other, &histogram);
    wye_histogram_add(&other, &histogram);
    assert_int_equal(other.count, 2000);
    assert_int_equal(wye_histogram_percentile(&other, 50), wye_histogram_percentile(&histogram, 50));
    wye_histogram_subtract(&other, &histogram);
    assert_int_equal(other.count, 1000);
    assert_memory_equal(other.counts, histogram.counts, sizeof histogram.counts);
}

static void mean_and_deviation_are_right(void **state) {
    (void)state;
    for (unsigned i = 0; i < 100; i++) wye_histogram_record(&histogram, i % 2 ? 1000 : 3000);
    double mean = wye_histogram_mean(&histogram), deviation = wye_histogram_deviation(&histogram);
    assert_true(mean > 1998 && mean < 2002);
    assert_true(deviation > 998 && deviation < 1002);
}

static void the_text_is_that_of_hdrhistogram(void **state) {
    (void)state;
    for (unsigned i = 1; i <= 4; i++) wye_histogram_record(&histogram, i * 1000);
    char *text = NULL;
    size_t count = 0;
    FILE *to = open_memstream(&text, &count);
    wye_histogram_write(&histogram, to);
    fclose(to);
    assert_non_null(strstr(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"));
    assert_non_null(strstr(text, "       1.000 0.000000000000          1           1.00\n"));
    assert_non_null(strstr(text, "       1.000 0.200000000000          1           1.25\n"));
    assert_non_null(strstr(text, "       2.000 0.500000000000          2           2.00\n"));
    assert_non_null(strstr(text, "       4.000 1.000000000000          4\n"));
    assert_non_null(strstr(text, "#[Max     =        4.000, Total count    =            4]\n"));
    double last = -1;
    for (const char *line = strstr(text, "\n\n") + 2; *line != '#'; line = strchr(line, '\n') + 1) {
        double value = strtod(line, NULL);
        assert_true(value >= last);
        last = value;
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_time_lies_within_its_step_and_a_step_is_at_most_a_thousandth, empty),
        cmocka_unit_test_setup(percentiles_are_those_of_the_sorted_times_within_a_thousandth, empty),
        cmocka_unit_test_setup(an_empty_one_has_nothing_to_tell, empty),
        cmocka_unit_test_setup(adding_and_subtracting_are_opposites, empty),
        cmocka_unit_test_setup(mean_and_deviation_are_right, empty),
        cmocka_unit_test_setup(the_text_is_that_of_hdrhistogram, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
