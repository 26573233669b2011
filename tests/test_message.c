#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frames/close_code.h"
#include "frames/message.h"

#include <string.h>

enum { ACCEPTED = 0, BROKEN = -WYE_CLOSE_PROTOCOL_ERROR, TOO_BIG = -WYE_CLOSE_TOO_BIG };

static const uint8_t data[] = {WYE_OPCODE_TEXT, WYE_OPCODE_BINARY};
static const uint8_t control[] = {WYE_OPCODE_CLOSE, WYE_OPCODE_PING, WYE_OPCODE_PONG};

/* As a server reads it: with a mask. The message stays as it was when the frame is refused. */
static int take(struct wye_message *message, uint8_t opcode, uint64_t bytes, uint64_t limit) {
    struct wye_frame frame = {.payload_bytes = bytes, .opcode = opcode, .masked = true};
    struct wye_message before = *message;
    const char *fault = NULL;
    int reason = wye_message_frame(message, &frame, WYE_ROLE_SERVER, limit, &fault);
    assert_true((fault != NULL) == (reason != 0));
    if (reason != 0) {
        assert_true(strlen(fault) > 0 && fault[strlen(fault) - 1] == '.');
        assert_true(message->bytes == before.bytes);
        assert_int_equal(message->opcode, before.opcode);
        assert_int_equal(wye_message_frame(message, &frame, WYE_ROLE_SERVER, limit, NULL), reason);
    }
    return reason;
}

static void test_a_message_is_one_frame_or_many(void **state) {
    (void)state;
    for (unsigned i = 0; i < sizeof data; i++) {
        struct wye_message message = {0};
        assert_int_equal(take(&message, data[i], 5, 100), ACCEPTED);
        assert_int_equal(message.opcode, data[i]);
        assert_int_equal(message.bytes, 5);
        assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 0, 100), ACCEPTED);
        assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 7, 100), ACCEPTED);
        assert_int_equal(message.opcode, data[i]);
        assert_int_equal(message.bytes, 12);
        wye_message_end(&message);
        assert_int_equal(message.opcode, 0);
        assert_int_equal(message.bytes, 0);
        assert_int_equal(take(&message, data[i], 1, 100), ACCEPTED);
    }
}

static void test_an_empty_message_is_under_way_too(void **state) {
    struct wye_message message = {0};
    (void)state;
    assert_int_equal(take(&message, WYE_OPCODE_TEXT, 0, 0), ACCEPTED);
    assert_int_equal(take(&message, WYE_OPCODE_TEXT, 0, 0), BROKEN);
    assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 0, 0), ACCEPTED);
}

static void test_a_continuation_needs_a_message(void **state) {
    struct wye_message message = {0};
    (void)state;
    assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 1, 100), BROKEN);
    assert_int_equal(take(&message, WYE_OPCODE_TEXT, 1, 100), ACCEPTED);
    wye_message_end(&message);
    assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 1, 100), BROKEN);
}

static void test_a_message_must_not_begin_inside_another(void **state) {
    (void)state;
    for (unsigned first = 0; first < sizeof data; first++)
        for (unsigned second = 0; second < sizeof data; second++) {
            struct wye_message message = {0};
            assert_int_equal(take(&message, data[first], 1, 100), ACCEPTED);
            assert_int_equal(take(&message, data[second], 1, 100), BROKEN);
        }
}

static void test_control_frames_leave_the_message_alone(void **state) {
    (void)state;
    for (unsigned i = 0; i < sizeof control; i++) {
        struct wye_message message = {0};
        assert_int_equal(take(&message, control[i], 125, 100), ACCEPTED); /* the limit is for messages */
        assert_int_equal(message.opcode, 0);
        assert_int_equal(take(&message, WYE_OPCODE_BINARY, 60, 100), ACCEPTED);
        assert_int_equal(take(&message, control[i], 125, 100), ACCEPTED);
        assert_int_equal(message.opcode, WYE_OPCODE_BINARY);
        assert_int_equal(message.bytes, 60);
        assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 40, 100), ACCEPTED);
    }
}

static void test_the_limit_counts_the_whole_message(void **state) {
    (void)state;
    struct wye_message message = {0};
    assert_int_equal(take(&message, WYE_OPCODE_TEXT, 101, 100), TOO_BIG);
    assert_int_equal(take(&message, WYE_OPCODE_TEXT, 100, 100), ACCEPTED);
    assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 0, 100), ACCEPTED);
    assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 1, 100), TOO_BIG);
    wye_message_end(&message);
    assert_int_equal(take(&message, WYE_OPCODE_TEXT, 50, 100), ACCEPTED);
    assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 51, 100), TOO_BIG);
    assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 50, 100), ACCEPTED);
}

static void test_lengths_that_would_wrap_around_are_too_big(void **state) {
    struct wye_message message = {0};
    (void)state;
    assert_int_equal(take(&message, WYE_OPCODE_TEXT, INT64_MAX, UINT64_MAX), ACCEPTED);
    assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, INT64_MAX, UINT64_MAX), ACCEPTED);
    assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 1, UINT64_MAX), ACCEPTED);
    assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 1, UINT64_MAX), TOO_BIG);
    assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, INT64_MAX, UINT64_MAX), TOO_BIG);
}

static void test_a_limit_lowered_under_way_holds(void **state) {
    struct wye_message message = {0};
    (void)state;
    assert_int_equal(take(&message, WYE_OPCODE_TEXT, 60, 100), ACCEPTED);
    assert_int_equal(take(&message, WYE_OPCODE_CONTINUATION, 0, 50), TOO_BIG);
}

static void test_every_reserved_bit_is_refused_on_every_opcode(void **state) {
    (void)state;
    for (uint8_t opcode = 0; opcode <= WYE_OPCODE_PONG; opcode++)
        for (uint8_t reserved = 1; reserved < 8; reserved++) {
            struct wye_message message = {.opcode = opcode == 0 ? WYE_OPCODE_TEXT : 0};
            struct wye_frame frame = {.opcode = opcode, .reserved = reserved, .fin = true, .masked = true};
            const char *fault = NULL;
            assert_int_equal(wye_message_frame(&message, &frame, WYE_ROLE_SERVER, 100, &fault), BROKEN);
            assert_non_null(strstr(fault, "reserved bit"));
        }
}

static void test_clients_mask_and_servers_do_not(void **state) {
    static const uint8_t all[] = {WYE_OPCODE_TEXT, WYE_OPCODE_BINARY, WYE_OPCODE_CLOSE, WYE_OPCODE_PING,
                                  WYE_OPCODE_PONG};
    (void)state;
    for (unsigned i = 0; i < sizeof all; i++)
        for (unsigned masked = 0; masked < 2; masked++) {
            struct wye_frame frame = {.opcode = all[i], .fin = true, .masked = masked};
            struct wye_message server = {0}, client = {0};
            const char *fault = NULL;
            assert_int_equal(wye_message_frame(&server, &frame, WYE_ROLE_SERVER, 100, &fault),
                             masked ? ACCEPTED : BROKEN);
            assert_int_equal(wye_message_frame(&client, &frame, WYE_ROLE_CLIENT, 100, &fault),
                             masked ? BROKEN : ACCEPTED);
            assert_non_null(strstr(fault, masked ? "server must not mask" : "client must mask"));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_is_one_frame_or_many),
        cmocka_unit_test(test_an_empty_message_is_under_way_too),
        cmocka_unit_test(test_a_continuation_needs_a_message),
        cmocka_unit_test(test_a_message_must_not_begin_inside_another),
        cmocka_unit_test(test_control_frames_leave_the_message_alone),
        cmocka_unit_test(test_the_limit_counts_the_whole_message),
        cmocka_unit_test(test_lengths_that_would_wrap_around_are_too_big),
        cmocka_unit_test(test_a_limit_lowered_under_way_holds),
        cmocka_unit_test(test_every_reserved_bit_is_refused_on_every_opcode),
        cmocka_unit_test(test_clients_mask_and_servers_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
