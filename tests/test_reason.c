/* One int tells why. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/reason.h"

#include <errno.h>
#include <string.h>

static const char *name_of(int reason) {
    static char name[32];
    size_t count = wye_reason_slot_name(name, sizeof name, wye_reason_slot(reason));
    assert_int_equal(count, strlen(name));
    assert_true(count > 0);
    return name;
}

static void every_reason_is_counted_under_its_own_name(void **state) {
    (void)state;
    assert_string_equal(name_of(0), "0");
    assert_string_equal(name_of(-1), "errno-1");
    assert_string_equal(name_of(-104), "errno-104");
    assert_string_equal(name_of(-133), "errno-133");
    assert_string_equal(name_of(-400), "400");
    assert_string_equal(name_of(-503), "503");
    assert_string_equal(name_of(-599), "599");
    assert_string_equal(name_of(-1000), "1000");
    assert_string_equal(name_of(-1015), "1015");
    assert_string_equal(name_of(-1016), "1016-2999");
    assert_string_equal(name_of(-2999), "1016-2999");
    assert_string_equal(name_of(-3000), "3xxx");
    assert_string_equal(name_of(-3999), "3xxx");
    assert_string_equal(name_of(-4000), "4xxx");
    assert_string_equal(name_of(-4999), "4xxx");
}

static void a_number_that_is_no_reason_counts_as_a_protocol_error(void **state) {
    (void)state;
    static const int strange[] = {1, 1000, -134, -399, -600, -999, -5000, INT32_MAX, -INT32_MAX};
    for (unsigned i = 0; i < sizeof strange / sizeof strange[0]; i++)
        assert_int_equal(wye_reason_slot(strange[i]), wye_reason_slot(-EPROTO));
}

static void slots_are_dense_and_no_two_share_a_name(void **state) {
    (void)state;
    static unsigned seen[WYE_REASON_SLOTS];
    for (int reason = 0; reason >= -5000; reason--) {
        unsigned slot = wye_reason_slot(reason);
        assert_true(slot < WYE_REASON_SLOTS);
        seen[slot]++;
    }
    for (unsigned slot = 0; slot < WYE_REASON_SLOTS; slot++) {
        char name[32], other[32];
        assert_true(seen[slot] > 0);
        assert_true(wye_reason_slot_name(name, sizeof name, slot) > 0);
        for (unsigned before = 0; before < slot; before++) {
            wye_reason_slot_name(other, sizeof other, before);
            assert_string_not_equal(name, other);
        }
    }
}

static void a_name_that_does_not_fit_is_not_given(void **state) {
    (void)state;
    char name[4];
    assert_int_equal(wye_reason_slot_name(name, sizeof name, wye_reason_slot(-1000)), 0);
    assert_int_equal(wye_reason_slot_name(name, sizeof name, wye_reason_slot(-400)), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_is_counted_under_its_own_name),
        cmocka_unit_test(a_number_that_is_no_reason_counts_as_a_protocol_error),
        cmocka_unit_test(slots_are_dense_and_no_two_share_a_name),
        cmocka_unit_test(a_name_that_does_not_fit_is_not_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
