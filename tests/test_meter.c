/* Rates: smoothed, and the same however many loops count. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/meter.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>

#define TICK_S 0.134217728

static void assert_near(double is, double expected, double share) {
    if (fabs(is - expected) > share * expected + 1e-9) fail_msg("%g instead of %g", is, expected);
}

static void a_steady_rate_is_told_as_it_is_from_the_first_whole_tick_on(void **state) {
    (void)state;
    struct wye_meter meter = {0};
    const uint32_t born = 1000;
    for (uint32_t tick = born; tick < born + 500; tick++) {
        for (unsigned i = 0; i < 8; i++) wye_meter_published(&meter, tick, 1, 100);
        wye_meter_delivered(&meter, tick, 80, 8000);
        struct wye_metered now = wye_meters_read(&meter, tick + 1, born);
        assert_int_equal(now.messages, (tick - born + 1) * 8);
        assert_near(now.messages_per_s, 8 / TICK_S, 1e-4);
        assert_near(now.bytes_per_s, 800 / TICK_S, 1e-4);
        assert_near(now.deliveries_per_s, 80 / TICK_S, 1e-4);
        assert_near(now.delivered_bytes_per_s, 8000 / TICK_S, 1e-4);
    }
}

static void a_tick_that_is_not_over_does_not_count(void **state) {
    (void)state;
    struct wye_meter meter = {0};
    wye_meter_published(&meter, 7, 5, 50);
    assert_true(wye_meters_read(&meter, 7, 7).messages_per_s == 0);
    assert_true(wye_meters_read(&meter, 6, 7).messages_per_s == 0); /* a reader that is behind */
    assert_int_equal(wye_meters_read(&meter, 6, 7).messages, 5);
    assert_near(wye_meters_read(&meter, 8, 7).messages_per_s, 5 / TICK_S, 1e-4);
}

static void what_is_over_weighs_less_and_less(void **state) {
    (void)state;
    struct wye_meter meter = {0};
    enum { BORN = 0, LONG = 5000 };
    for (uint32_t tick = BORN; tick < LONG; tick++) wye_meter_published(&meter, tick, 10, 0);
    const double rate = 10 / TICK_S;
    uint32_t window = (uint32_t)lround(WYE_METER_WINDOW_S / TICK_S);
    assert_near(wye_meters_read(&meter, LONG, BORN).messages_per_s, rate, 1e-3);
    assert_near(wye_meters_read(&meter, LONG + window, BORN).messages_per_s, rate * exp(-TICK_S / WYE_METER_WINDOW_S * window), 1e-3);
    assert_near(wye_meters_read(&meter, LONG + 3 * window, BORN).messages_per_s, rate * exp(-3 * TICK_S / WYE_METER_WINDOW_S * window), 1e-3);
    assert_true(wye_meters_read(&meter, LONG + 20000, BORN).messages_per_s == 0);
    wye_meter_published(&meter, LONG + 3 * window, 0, 0); /* folding is what reading is */
    assert_near(wye_meters_read(&meter, LONG + 3 * window, BORN).messages_per_s, rate * exp(-3 * TICK_S / WYE_METER_WINDOW_S * window), 1e-3);
    wye_meter_published(&meter, LONG + 1000000, 10, 0);
    assert_near(wye_meters_read(&meter, LONG + 1000001, BORN).messages_per_s, 10 / TICK_S * (1 - exp(-TICK_S / 10)), 1e-2);
}

static void loops_together_tell_what_one_would(void **state) {
    (void)state;
    struct wye_meter one = {0}, parts[3] = {{.next = &parts[1]}, {.next = &parts[2]}, {0}};
    unsigned dice = 1;
    for (uint32_t tick = 0; tick < 700; tick++) {
        for (unsigned i = 0; i < 3; i++) {
            dice = dice * 1103515245u + 12345u;
            unsigned count = (dice >> 16) % 20;
            if (count > 12) continue; /* a loop is silent now and then */
            wye_meter_published(&one, tick, count, count * 3);
            wye_meter_published(&parts[i], tick, count, count * 3);
        }
        struct wye_metered single = wye_meters_read(&one, tick + 1, 0), sum = wye_meters_read(parts, tick + 1, 0);
        assert_int_equal(single.messages, sum.messages);
        assert_near(sum.messages_per_s, single.messages_per_s, 1e-4);
        assert_near(sum.bytes_per_s, single.bytes_per_s, 1e-4);
    }
}

static _Atomic bool over;

static void *count_all_the_time(void *argument) {
    for (uint32_t tick = 1; !over; tick++)
        for (unsigned i = 0; i < 4; i++) wye_meter_published(argument, tick, 1, 1);
    return NULL;
}

static void a_reader_never_sees_half_a_fold(void **state) {
    (void)state;
    static struct wye_meter meter;
    pthread_t thread;
    uint64_t last = 0;
    assert_int_equal(pthread_create(&thread, NULL, count_all_the_time, &meter), 0);
    for (unsigned i = 0; i < 200000; i++) { /* half a fold would show a tick twice, or not at all */
        uint64_t now = wye_meters_read(&meter, 0, 0).messages;
        if (now < last) fail_msg("%llu after %llu", (unsigned long long)now, (unsigned long long)last);
        last = now;
    }
    over = true;
    pthread_join(thread, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_rate_is_told_as_it_is_from_the_first_whole_tick_on),
        cmocka_unit_test(a_tick_that_is_not_over_does_not_count),
        cmocka_unit_test(what_is_over_weighs_less_and_less),
        cmocka_unit_test(loops_together_tell_what_one_would),
        cmocka_unit_test(a_reader_never_sees_half_a_fold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
