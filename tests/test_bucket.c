/* Token buckets to the nanosecond and the token. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/bucket.h"

#define SECOND UINT64_C(1000000000)

static void a_full_bucket_gives_its_burst_and_not_one_more(void **state) {
    (void)state;
    const struct wye_rate rate = {.tokens = 10, .burst = 3, .period_ns = SECOND};
    struct wye_bucket bucket = {0};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(wye_bucket_wait_ns(&bucket, &rate, 5 * SECOND, 1), 0);
        wye_bucket_take(&bucket, &rate, 5 * SECOND, 1);
    }
    assert_int_equal(wye_bucket_wait_ns(&bucket, &rate, 5 * SECOND, 1), SECOND / 10);
    assert_int_equal(wye_bucket_wait_ns(&bucket, &rate, 5 * SECOND + SECOND / 10 - 1, 1), 1);
    assert_int_equal(wye_bucket_wait_ns(&bucket, &rate, 5 * SECOND + SECOND / 10, 1), 0);
}

static void what_is_owed_comes_in_first(void **state) {
    (void)state;
    const struct wye_rate rate = {.tokens = 100, .burst = 10, .period_ns = SECOND};
    struct wye_bucket bucket = {0};
    wye_bucket_take(&bucket, &rate, SECOND, 210); /* two seconds of it on credit */
    assert_int_equal(wye_bucket_wait_ns(&bucket, &rate, SECOND, 1), 2 * SECOND + SECOND / 100);
    assert_int_equal(wye_bucket_wait_ns(&bucket, &rate, 3 * SECOND + SECOND / 100, 1), 0);
    assert_int_equal(wye_bucket_wait_ns(&bucket, &rate, 1000 * SECOND, 10), 0); /* and never more than the burst */
    wye_bucket_take(&bucket, &rate, 1000 * SECOND, 10);
    assert_int_equal(wye_bucket_wait_ns(&bucket, &rate, 1000 * SECOND, 1), SECOND / 100);
}

/* Whoever waits as long as he is told gets exactly the rate, for rates that don't divide a second. */
static void waiting_as_told_gives_exactly_the_rate(void **state) {
    (void)state;
    static const uint64_t rates[] = {1, 3, 7, 999, 1000003, 4294967295};
    for (unsigned i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        const struct wye_rate rate = {.tokens = rates[i], .burst = 1, .period_ns = SECOND};
        struct wye_bucket bucket = {0};
        const uint64_t each = 1, times = 7 * (rates[i] < 1000 ? rates[i] : 1000);
        uint64_t now_ns = SECOND;
        wye_bucket_take(&bucket, &rate, now_ns, 1);
        for (uint64_t n = 0; n < times; n += each) {
            now_ns += wye_bucket_wait_ns(&bucket, &rate, now_ns, each);
            assert_int_equal(wye_bucket_wait_ns(&bucket, &rate, now_ns, each), 0);
            wye_bucket_take(&bucket, &rate, now_ns, each);
        }
        /* Not early, and not later than a nanosecond each. */
        unsigned __int128 least = (unsigned __int128)times * SECOND / rates[i];
        assert_true(now_ns - SECOND >= (uint64_t)least && now_ns - SECOND <= (uint64_t)least + times);
    }
}

static void the_largest_numbers_and_clocks_that_differ_do_no_harm(void **state) {
    (void)state;
    const struct wye_rate rate = {.tokens = UINT32_MAX, .burst = UINT32_MAX, .period_ns = SECOND};
    struct wye_bucket bucket = {0};
    wye_bucket_take(&bucket, &rate, UINT64_MAX - SECOND, UINT32_MAX);
    assert_int_equal(wye_bucket_wait_ns(&bucket, &rate, UINT64_MAX - SECOND, UINT32_MAX), SECOND);
    assert_int_equal(wye_bucket_wait_ns(&bucket, &rate, UINT64_MAX, UINT32_MAX), 0);
    for (unsigned i = 0; i < 20; i++) wye_bucket_take(&bucket, &rate, UINT64_MAX, UINT32_MAX);
    assert_int_equal(bucket.missing, UINT64_MAX); /* no wrapping round to plenty */
    const struct wye_rate one = {.tokens = 1, .burst = 1, .period_ns = SECOND};
    bucket = (struct wye_bucket){0};
    wye_bucket_take(&bucket, &one, 100, 1);
    assert_int_equal(wye_bucket_wait_ns(&bucket, &one, 90, 1), SECOND + 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_bucket_gives_its_burst_and_not_one_more),
        cmocka_unit_test(what_is_owed_comes_in_first),
        cmocka_unit_test(waiting_as_told_gives_exactly_the_rate),
        cmocka_unit_test(the_largest_numbers_and_clocks_that_differ_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
