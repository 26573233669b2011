#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frames/close_code.h"

#include <string.h>

static void test_codes_for_the_wire_are_those_of_the_rfc_and_the_registry(void **state) {
    (void)state;
    for (unsigned code = 0; code <= UINT16_MAX; code++) {
        bool expected = (code >= 1000 && code <= 1014) || (code >= 3000 && code <= 4999);
        if (code == 1004 || code == WYE_CLOSE_NO_STATUS || code == WYE_CLOSE_ABNORMAL) expected = false;
        if (wye_close_code_may_be_sent((uint16_t)code) != expected) fail_msg("%u is judged wrongly", code);
    }
}

static void test_every_code_has_a_name(void **state) {
    (void)state;
    for (unsigned code = 0; code <= UINT16_MAX; code++) {
        const char *name = wye_close_code_name((uint16_t)code);
        assert_non_null(name);
        assert_true(strlen(name) > 0);
    }
}

static void test_names_belong_to_their_codes(void **state) {
    static const struct {
        uint16_t code;
        const char *name;
    } rows[] = {
        {0, "Not in use"},
        {999, "Not in use"},
        {WYE_CLOSE_NORMAL, "Normal closure"},
        {WYE_CLOSE_GOING_AWAY, "Going away"},
        {WYE_CLOSE_PROTOCOL_ERROR, "Protocol error"},
        {WYE_CLOSE_UNSUPPORTED_DATA, "Unsupported data"},
        {1004, "Reserved"},
        {WYE_CLOSE_NO_STATUS, "No status received"},
        {WYE_CLOSE_ABNORMAL, "Abnormal closure"},
        {WYE_CLOSE_INVALID_PAYLOAD, "Invalid frame payload data"},
        {WYE_CLOSE_POLICY_VIOLATION, "Policy violation"},
        {WYE_CLOSE_TOO_BIG, "Message too big"},
        {WYE_CLOSE_MANDATORY_EXTENSION, "Mandatory extension"},
        {WYE_CLOSE_INTERNAL_ERROR, "Internal error"},
        {WYE_CLOSE_SERVICE_RESTART, "Service restart"},
        {WYE_CLOSE_TRY_AGAIN_LATER, "Try again later"},
        {1014, "Bad gateway"},
        {1015, "TLS handshake"},
        {1016, "Unassigned"},
        {2999, "Unassigned"},
        {3000, "Unauthorized"},
        {3001, "Registered use"},
        {3003, "Forbidden"},
        {3008, "Timeout"},
        {3999, "Registered use"},
        {4000, "Private use"},
        {4999, "Private use"},
        {5000, "Not in use"},
        {65535, "Not in use"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(wye_close_code_name(rows[i].code), rows[i].name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_for_the_wire_are_those_of_the_rfc_and_the_registry),
        cmocka_unit_test(test_every_code_has_a_name),
        cmocka_unit_test(test_names_belong_to_their_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
