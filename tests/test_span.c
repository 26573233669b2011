/* Spans: comparing, lists, and writing for human eyes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/span.h"

#include <stdio.h>
#include <stdlib.h>

static void spans_compare_with_and_without_case_but_never_by_bit_5_alone(void **state) {
    (void)state;
    assert_true(wye_span_equal(WYE_SPAN("Upgrade"), WYE_SPAN("Upgrade")));
    assert_false(wye_span_equal(WYE_SPAN("Upgrade"), WYE_SPAN("upgrade")));
    assert_true(wye_span_equal_nocase(WYE_SPAN("uPGRADE"), WYE_SPAN("Upgrade")));
    assert_false(wye_span_equal_nocase(WYE_SPAN("upgrad"), WYE_SPAN("upgrade")));
    assert_false(wye_span_equal_nocase(WYE_SPAN("[@"), WYE_SPAN("{`")));
    assert_false(wye_span_equal_nocase(WYE_SPAN("\xc4"), WYE_SPAN("\xe4")));
    assert_true(wye_span_equal((struct wye_span){0}, WYE_SPAN("")));
    assert_true(wye_span_equal_nocase((struct wye_span){0}, WYE_SPAN("")));
}

static void spaces_and_tabs_around_are_trimmed_and_nothing_else(void **state) {
    (void)state;
    assert_true(wye_span_equal(wye_span_trim(WYE_SPAN(" \t a b\t ")), WYE_SPAN("a b")));
    assert_true(wye_span_equal(wye_span_trim(WYE_SPAN("\ra\n")), WYE_SPAN("\ra\n")));
    assert_int_equal(wye_span_trim(WYE_SPAN(" \t ")).count, 0);
    assert_int_equal(wye_span_trim((struct wye_span){0}).count, 0);
}

static void a_number_is_digits_alone_up_to_a_limit(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "+1", "-1", " 1", "1 ", "1x", "0x1", "1.0", "18446744073709551616", "99999999999999999999"};
    uint64_t number = 7;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) assert_false(wye_span_number(wye_span_of(wrong[i]), UINT64_MAX, &number));
    assert_false(wye_span_number((struct wye_span){0}, UINT64_MAX, &number));
    assert_false(wye_span_number(WYE_SPAN("1001"), 1000, &number));
    assert_int_equal(number, 7);
    assert_true(wye_span_number(WYE_SPAN("1000"), 1000, &number) && number == 1000);
    assert_true(wye_span_number(WYE_SPAN("007"), 1000, &number) && number == 7);
    assert_true(wye_span_number(WYE_SPAN("18446744073709551615"), UINT64_MAX, &number) && number == UINT64_MAX);
}

static void a_token_is_what_rfc_9110_says(void **state) {
    (void)state;
    const char *tchars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (unsigned byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        bool expected = byte != 0 && strchr(tchars, c);
        assert_int_equal(wye_span_is_token((struct wye_span){&c, 1}), expected);
    }
    assert_false(wye_span_is_token(WYE_SPAN("")));
    assert_true(wye_span_is_token(WYE_SPAN("chat.example.com")));
    assert_false(wye_span_is_token(WYE_SPAN("two words")));
}

/* The elements of a list, each behind a '|'. */
static void list_elements(char *to, const char *text) {
    /* In memory of exactly its size, so that a sanitizer sees a read behind it. */
    size_t count = strlen(text);
    char *exact = malloc(count ? count : 1);
    assert_non_null(exact);
    memcpy(exact, text, count);
    struct wye_span list = {exact, count}, element;
    *to = '\0';
    while (wye_span_next_element(&list, &element)) {
        strcat(to, "|");
        strncat(to, element.bytes, element.count);
    }
    assert_false(wye_span_next_element(&list, &element));
    free(exact);
}

static void lists_give_their_elements_without_the_space_and_commas_around(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {" ", ""},
        {",", ""},
        {" ,\t, ", ""},
        {"a", "|a"},
        {"a,b", "|a|b"},
        {"a, b", "|a|b"},
        {" a\t,\tb ", "|a|b"},
        {",a,,b,", "|a|b"},
        {"keep-alive, Upgrade", "|keep-alive|Upgrade"},
        {"two words , x", "|two words|x"},
        {"a; b=\"1,2\", c", "|a; b=\"1,2\"|c"},
        {"\"a\\\",b\",c", "|\"a\\\",b\"|c"},
        {"\"never closed, b", "|\"never closed, b"},
        {"\"\\", "|\"\\"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char elements[64];
        list_elements(elements, rows[i][0]);
        assert_string_equal(elements, rows[i][1]);
    }
    struct wye_span none = {0}, element;
    assert_false(wye_span_next_element(&none, &element));
}

static void whatever_is_not_plain_is_escaped(void **state) {
    (void)state;
    char to[128];
    assert_int_equal(wye_span_escape(to, sizeof to, WYE_SPAN("keep-alive, Upgrade"), 60), 19);
    assert_string_equal(to, "keep-alive, Upgrade");
    wye_span_escape(to, sizeof to, WYE_SPAN("a'b\"c\\d\r\n\x80\0\x7f"), 60);
    assert_string_equal(to, "a\\x27b\\x22c\\x5Cd\\x0D\\x0A\\x80\\x00\\x7F");
    assert_int_equal(wye_span_escape(to, sizeof to, (struct wye_span){0}, 60), 0);
    assert_string_equal(to, "");
}

static void what_is_long_is_cut_with_dots_behind(void **state) {
    (void)state;
    char to[128];
    wye_span_escape(to, sizeof to, WYE_SPAN("abcdef"), 6);
    assert_string_equal(to, "abcdef");
    assert_int_equal(wye_span_escape(to, sizeof to, WYE_SPAN("abcdefg"), 6), 9);
    assert_string_equal(to, "abcdef...");
}

static void nothing_is_shown_of_what_may_be_a_secret(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"GET /chat?token=c2VjcmV0 HTTP/1.1", "GET /chat?token=..."}, {"/chat?also=a&TOKEN=c2VjcmV0", "/chat?also=a&TOKEN=..."},
        {"authorization: Bearer c2VjcmV0", "authorization:..."}, {"Cookie: a=c2VjcmV0", "Cookie:..."},
        {"bearer, eyJhbGciOiJIUzI1NiJ9.e30.c2VjcmV0", "bearer, eyJ..."}, {"/cookie/token/eyj", "/cookie/token/eyj"}, {"token=", "token="},
    };
    char to[128];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wye_span_escape(to, sizeof to, wye_span_of(rows[i][0]), 60);
        assert_string_equal(to, rows[i][1]);
    }
}

static void what_was_given_is_shown_but_for_its_secrets(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"ws://a/b?also=c&token=c2VjcmV0&last=5", "ws://a/b?also=c&token=***&last=5"},
        {"ws://a/?Token=c2VjcmV0#top", "ws://a/?Token=***#top"},
        {"ws://a/?token=b&token=c", "ws://a/?token=***&token=***"},
        {"Authorization: Bearer c2VjcmV0", "Authorization:***"},
        {"COOKIE:a&b=c", "COOKIE:***"},
        {"bearer, eyJhbGciOiJIUzI1NiJ9.e30", "bearer, eyJ***"},
        {"ws://a/token/cookie?b=c", "ws://a/token/cookie?b=c"},
        {"", ""},
    };
    char to[128];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wye_span_hide(to, sizeof to, rows[i][0]);
        assert_string_equal(to, rows[i][1]);
        for (size_t room = 1; room < sizeof to; room++) {
            char *exact = malloc(room);
            assert_non_null(exact);
            wye_span_hide(exact, room, rows[i][0]);
            assert_true(strlen(exact) < room && strncmp(exact, rows[i][1], strlen(exact)) == 0);
            free(exact);
        }
    }
}

static void no_room_is_ever_overrun_and_no_escape_is_cut_in_two(void **state) {
    (void)state;
    const struct wye_span span = WYE_SPAN("a\x01\x02\x03\x04z");
    const char *whole = "a\\x01\\x02\\x03\\x04z";
    for (size_t room = 1; room <= 20; room++) {
        char *to = malloc(room);
        assert_non_null(to);
        size_t count = wye_span_escape(to, room, span, 60);
        assert_true(count < room);
        assert_int_equal(strlen(to), count);
        if (strcmp(to, whole) != 0) {
            size_t kept = count >= 3 && strcmp(to + count - 3, "...") == 0 ? count - 3 : count;
            assert_memory_equal(to, whole, kept);
            assert_true(kept == 0 || kept % 4 == 1);
            if (room >= 4) assert_int_equal(count, kept + 3);
        } else {
            assert_true(room >= 19);
        }
        free(to);
    }
    char untouched = 'x';
    assert_int_equal(wye_span_escape(&untouched, 0, span, 60), 0);
    assert_int_equal(untouched, 'x');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_compare_with_and_without_case_but_never_by_bit_5_alone),
        cmocka_unit_test(spaces_and_tabs_around_are_trimmed_and_nothing_else),
        cmocka_unit_test(a_number_is_digits_alone_up_to_a_limit),
        cmocka_unit_test(a_token_is_what_rfc_9110_says),
        cmocka_unit_test(lists_give_their_elements_without_the_space_and_commas_around),
        cmocka_unit_test(whatever_is_not_plain_is_escaped),
        cmocka_unit_test(what_is_long_is_cut_with_dots_behind),
        cmocka_unit_test(nothing_is_shown_of_what_may_be_a_secret),
        cmocka_unit_test(what_was_given_is_shown_but_for_its_secrets),
        cmocka_unit_test(no_room_is_ever_overrun_and_no_escape_is_cut_in_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
