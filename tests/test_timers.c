/* The timing wheel, against a list of what is due. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/timers.h"

#include <stdlib.h>
#include <string.h>

enum { OWNERS = 64 };
#define TICK_NS  (UINT64_C(1) << WYE_TICK_SHIFT)
#define START_NS (12345 * TICK_NS + 99)

struct wheel {
    struct wye_timers timers;
    struct wye_timer at[OWNERS];
};

static struct wye_timer *timer_at(void *owner, uint32_t index) { return &((struct wheel *)owner)->at[index]; }

static struct wheel *wheel_open(uint64_t now_ns) {
    struct wheel *wheel = calloc(1, sizeof *wheel);
    assert_non_null(wheel);
    wye_timers_init(&wheel->timers, timer_at, wheel, now_ns);
    return wheel;
}

/* Everything due by now_ns, as bits. */
static uint64_t take_due(struct wheel *wheel, uint64_t now_ns) {
    uint64_t due = 0;
    for (uint32_t index; (index = wye_timers_next_due(&wheel->timers, now_ns)) != WYE_TIMER_NONE;) {
        assert_false(wheel->at[index].set);
        assert_false(due >> index & 1);
        due |= UINT64_C(1) << index;
    }
    return due;
}

static void a_timer_comes_once_when_its_tick_has_come(void **state) {
    (void)state;
    static const uint32_t delays[] = {1, 2, 63, 64, 65, 2047, 2048, 2049, 5000, 20000};
    for (unsigned i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        struct wheel *wheel = wheel_open(START_NS);
        wye_timers_set(&wheel->timers, 5, delays[i]);
        for (uint32_t tick = 0; tick < delays[i]; tick++)
            assert_int_equal(take_due(wheel, START_NS + tick * TICK_NS), 0);
        assert_int_equal(take_due(wheel, START_NS + delays[i] * TICK_NS), 1 << 5);
        assert_int_equal(take_due(wheel, START_NS + (delays[i] + 10000) * TICK_NS), 0);
        assert_int_equal(wheel->timers.count, 0);
        free(wheel);
    }
}

static void a_delay_in_ns_never_comes_early(void **state) {
    (void)state;
    assert_int_equal(wye_ticks_in(0), 1);
    assert_int_equal(wye_ticks_in(1), 2);
    assert_int_equal(wye_ticks_in(TICK_NS), 2);
    assert_int_equal(wye_ticks_in(TICK_NS + 1), 3);
    assert_in_range(wye_ticks_in(UINT64_MAX / 2), 1u << 29,
                    INT32_MAX); /* bounded: ticks compare modulo 2^32 */
    for (uint64_t offset = 0; offset < TICK_NS; offset += TICK_NS / 7) {
        uint64_t now = START_NS + offset;
        assert_true(((uint64_t)(wye_tick_of(now) + wye_ticks_in(1000 * TICK_NS)) << WYE_TICK_SHIFT) >=
                    now + 1000 * TICK_NS);
    }
}

static void setting_again_moves_it_and_clearing_ends_it(void **state) {
    (void)state;
    struct wheel *wheel = wheel_open(START_NS);
    wye_timers_set(&wheel->timers, 1, 10);
    wye_timers_set(&wheel->timers, 1, 20);
    assert_int_equal(wheel->timers.count, 1);
    assert_int_equal(take_due(wheel, START_NS + 19 * TICK_NS), 0);
    assert_int_equal(take_due(wheel, START_NS + 20 * TICK_NS), 1 << 1);
    wye_timers_set(&wheel->timers, 1, 10);
    wye_timers_clear(&wheel->timers, 1);
    wye_timers_clear(&wheel->timers, 1); /* harmless */
    assert_int_equal(take_due(wheel, START_NS + 100 * TICK_NS), 0);
    assert_int_equal(wye_timers_wait_ns(&wheel->timers, START_NS), UINT64_MAX);
    free(wheel);
}

static void neighbours_in_a_bucket_do_not_disturb_each_other(void **state) {
    (void)state;
    struct wheel *wheel = wheel_open(START_NS);
    for (uint32_t i = 0; i < 6; i++) wye_timers_set(&wheel->timers, i, 7 + (i & 1) * WYE_WHEEL_BUCKETS);
    wye_timers_clear(&wheel->timers, 0);
    wye_timers_clear(&wheel->timers, 5);
    wye_timers_clear(&wheel->timers, 2);
    assert_int_equal(take_due(wheel, START_NS + 7 * TICK_NS), 1 << 4);
    assert_int_equal(take_due(wheel, START_NS + (7 + WYE_WHEEL_BUCKETS) * TICK_NS), 1 << 1 | 1 << 3);
    free(wheel);
}

static void a_sleep_of_many_turns_of_the_wheel_misses_nothing(void **state) {
    (void)state;
    struct wheel *wheel = wheel_open(START_NS);
    for (uint32_t i = 0; i < OWNERS; i++) wye_timers_set(&wheel->timers, i, 1 + i * 100);
    wye_timers_set(&wheel->timers, 0, 1000000);
    assert_int_equal(take_due(wheel, START_NS + 50000 * TICK_NS), ~UINT64_C(1));
    assert_int_equal(take_due(wheel, START_NS + 1000000 * TICK_NS), 1);
    free(wheel);
}

static void time_that_passed_without_timers_is_not_walked_through(void **state) {
    (void)state;
    struct wheel *wheel = wheel_open(START_NS);
    uint64_t now = START_NS + (UINT64_C(1) << 31) * TICK_NS;
    assert_int_equal(take_due(wheel, now), 0);
    wye_timers_set(&wheel->timers, 3, 1);
    assert_int_equal(take_due(wheel, now + TICK_NS), 1 << 3);
    free(wheel);
}

static void ticks_wrap_round_unharmed(void **state) {
    (void)state;
    uint64_t now = (UINT64_C(1) << 32) * TICK_NS - 3 * TICK_NS;
    struct wheel *wheel = wheel_open(now);
    wye_timers_set(&wheel->timers, 0, 2);
    wye_timers_set(&wheel->timers, 1, 5);
    assert_int_equal(take_due(wheel, now + 2 * TICK_NS), 1);
    assert_int_equal(take_due(wheel, now + 4 * TICK_NS), 0);
    assert_int_equal(take_due(wheel, now + 5 * TICK_NS), 2);
    free(wheel);
}

static void whoever_sleeps_as_long_as_told_is_there_in_time(void **state) {
    (void)state;
    struct wheel *wheel = wheel_open(START_NS);
    uint32_t random = 7;
    uint64_t now = START_NS, due[OWNERS] = {0};
    for (unsigned round = 0; round < 20000; round++) {
        random = random * 1664525 + 1013904223;
        uint32_t index = random >> 26, ticks = 1 + (random >> 8) % (round % 3 ? 300 : 9000);
        if (round % 7 == 0) {
            wye_timers_clear(&wheel->timers, index);
            due[index] = 0;
        } else {
            wye_timers_set(&wheel->timers, index, ticks);
            due[index] = ((now >> WYE_TICK_SHIFT) + ticks) << WYE_TICK_SHIFT;
        }
        uint64_t wait = wye_timers_wait_ns(&wheel->timers, now), soonest = UINT64_MAX;
        for (unsigned i = 0; i < OWNERS; i++) {
            if (due[i] && due[i] < soonest) soonest = due[i];
        }
        if (soonest == UINT64_MAX) assert_true(wait == UINT64_MAX);
        else assert_true(wait > 0 && now + wait <= soonest);
        if (soonest != UINT64_MAX && round % 2) now += wait;
        else now += random % (20 * TICK_NS);
        uint64_t bits = take_due(wheel, now);
        for (unsigned i = 0; i < OWNERS; i++) {
            bool is_due = due[i] && due[i] <= now;
            assert_int_equal(bits >> i & 1, is_due);
            if (is_due) due[i] = 0;
        }
    }
    free(wheel);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_comes_once_when_its_tick_has_come),
        cmocka_unit_test(a_delay_in_ns_never_comes_early),
        cmocka_unit_test(setting_again_moves_it_and_clearing_ends_it),
        cmocka_unit_test(neighbours_in_a_bucket_do_not_disturb_each_other),
        cmocka_unit_test(a_sleep_of_many_turns_of_the_wheel_misses_nothing),
        cmocka_unit_test(time_that_passed_without_timers_is_not_walked_through),
        cmocka_unit_test(ticks_wrap_round_unharmed),
        cmocka_unit_test(whoever_sleeps_as_long_as_told_is_there_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
