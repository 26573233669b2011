/* The server's half of the opening handshake. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/opening.h"

#include <stdio.h>
#include <stdlib.h>

static void the_accept_value_is_that_of_rfc_6455_1_3(void **state) {
    (void)state;
    char accept[WYE_ACCEPT_BYTES];
    wye_opening_accept(accept, "dGhlIHNhbXBsZSBub25jZQ==");
    assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WYE_ACCEPT_BYTES);
}

static void other_accept_values_are_those_that_another_sha_1_and_base64_gave(void **state) {
    (void)state;
    /* printf '%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11' KEY | openssl sha1 -binary | base64 */
    static const char *const rows[][2] = {
        {"AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="},
        {"AAECAwQFBgcICQoLDA0ODw==", "Bz3qJYTGdOe8gUSpLosEdiLKDrk="},
        {"/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="},
        {"8PHy8/T19vf4+fr7/P3+/w==", "o1HBjBrgy9KLkiDEDur3dyqqLEs="},
        {"d3llIHd5ZSB3eWUgd3llIA==", "E75KTnJgWS7TkAAvM8aYtfiF4Sc="},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char accept[WYE_ACCEPT_BYTES];
        wye_opening_accept(accept, rows[i][0]);
        assert_memory_equal(accept, rows[i][1], WYE_ACCEPT_BYTES);
    }
}

static void the_template_is_a_101_with_room_for_the_accept_value_where_the_header_says(void **state) {
    (void)state;
    const char *before = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: ";
    assert_int_equal(strlen(wye_opening_template), WYE_OPENING_BYTES);
    assert_int_equal(strlen(before), WYE_OPENING_ACCEPT_AT);
    assert_memory_equal(wye_opening_template, before, WYE_OPENING_ACCEPT_AT);
    for (size_t i = 0; i < WYE_ACCEPT_BYTES; i++) {
        assert_int_equal(wye_opening_template[WYE_OPENING_ACCEPT_AT + i], '.');
    }
    assert_string_equal(wye_opening_template + WYE_OPENING_ACCEPT_AT + WYE_ACCEPT_BYTES, "\r\n\r\n");
}

static void the_written_101_equals_the_template_when_given_the_same_fields(void **state) {
    (void)state;
    char to[256];
    size_t count = wye_opening_write(to, sizeof to, "websocket",
                                     WYE_SPAN("Sec-WebSocket-Accept: ............................\r\n"));
    assert_int_equal(count, WYE_OPENING_BYTES);
    assert_memory_equal(to, wye_opening_template, WYE_OPENING_BYTES);
}

static void
the_template_is_completed_with_the_accept_value_and_what_was_agreed_to_again_and_again(void **state) {
    (void)state;
    const struct wye_span lines[] = {
        {"", 0},
        WYE_SPAN("Sec-WebSocket-Protocol: bearer\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"),
        WYE_SPAN("Sec-WebSocket-Protocol: a\r\n"),
        {NULL, 0}};
    char slot[320], expected[320];
    memcpy(slot, wye_opening_template, WYE_OPENING_BYTES);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) { /* in the same memory, longer and shorter */
        int count = snprintf(expected, sizeof expected, "%.*sABCDEFGHIJKLMNOPQRSTUVWXYZ0%zu\r\n%.*s\r\n",
                             WYE_OPENING_ACCEPT_AT, wye_opening_template, i, (int)lines[i].count,
                             lines[i].bytes ? lines[i].bytes : "");
        char accept[WYE_ACCEPT_BYTES + 1] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0.";
        accept[WYE_ACCEPT_BYTES - 1] = (char)('0' + i);
        assert_int_equal(wye_opening_complete(slot, accept, lines[i]), count);
        assert_memory_equal(slot, expected, (size_t)count);
    }
}

static void a_101_to_another_protocol_carries_its_token_and_no_field_of_websocket(void **state) {
    (void)state;
    char to[256];
    const char *expected =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: wye-echo\r\nConnection: Upgrade\r\n\r\n";
    size_t count = wye_opening_write(to, sizeof to, "wye-echo", (struct wye_span){0});
    assert_int_equal(count, strlen(expected));
    assert_memory_equal(to, expected, count);
}

static void a_101_that_does_not_fit_is_not_written_behind_the_room(void **state) {
    (void)state;
    char whole[256];
    size_t count = wye_opening_write(whole, sizeof whole, "h2c", WYE_SPAN("X: y\r\n"));
    for (size_t room = 0; room <= count; room++) {
        char *to = malloc(room ? room : 1);
        assert_non_null(to);
        assert_int_equal(wye_opening_write(to, room, "h2c", WYE_SPAN("X: y\r\n")), room == count ? count : 0);
        free(to);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_accept_value_is_that_of_rfc_6455_1_3),
        cmocka_unit_test(other_accept_values_are_those_that_another_sha_1_and_base64_gave),
        cmocka_unit_test(the_template_is_a_101_with_room_for_the_accept_value_where_the_header_says),
        cmocka_unit_test(the_written_101_equals_the_template_when_given_the_same_fields),
        cmocka_unit_test(
            the_template_is_completed_with_the_accept_value_and_what_was_agreed_to_again_and_again),
        cmocka_unit_test(a_101_to_another_protocol_carries_its_token_and_no_field_of_websocket),
        cmocka_unit_test(a_101_that_does_not_fit_is_not_written_behind_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
