/* The run of bytes that a request target is made of. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/authority.h"
#include "handshake/target.h"

#include <stdlib.h>
#include <string.h>

/* A copy that ends where its memory does. */
static uint8_t *exact(const void *bytes, size_t count) {
    uint8_t *copy = malloc(count ? count : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, count);
    return copy;
}

static struct wye_target_run run_of(const uint8_t *bytes, size_t count) {
    uint8_t *copy = exact(bytes, count);
    struct wye_target_run run = wye_target_run(copy, count);
    free(copy);
    return run;
}

static void it_ends_at_each_byte_that_no_target_has_wherever_it_stands(void **state) {
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool fits = byte > ' ' && byte < 0x7f && byte != '#';
        for (size_t count = 1; count < 70; count++) {
            uint8_t text[70];
            size_t at = (byte * 7 + count * 13) % count;
            memset(text, 'a', sizeof text);
            text[at] = (uint8_t)byte;
            struct wye_target_run run = run_of(text, count);
            assert_int_equal(run.end, fits ? count : at);
            assert_int_equal(run.mark, byte == '?' ? at : run.end);
        }
    }
}

static void its_mark_is_the_first_one_before_its_end(void **state) {
    (void)state;
    for (size_t first = 0; first < 40; first++) {
        for (size_t end = 0; end < 60; end++) {
            uint8_t text[80];
            memset(text, 'a', sizeof text);
            text[first] = text[first + 3] = text[first + 17] = '?';
            text[end] = ' ';
            struct wye_target_run run = run_of(text, sizeof text);
            size_t mark = end != first ? first : end + 3;
            assert_int_equal(run.end, end);
            assert_int_equal(run.mark, mark < end ? mark : end);
        }
    }
}

/* The bytes of a registered name, as RFC 3986 3.2.2 has them, apart from percent-encoding. */
static bool is_of_name(unsigned byte) {
    return byte && (strchr("-._~!$&'()*+,;=", (int)byte) || (byte >= '0' && byte <= '9') ||
                    (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z'));
}

static void a_host_may_hold_just_the_bytes_of_a_name_wherever_they_stand(void **state) {
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        if (byte == ':' || byte == '[' || byte == '%') continue; /* these mean more */
        for (size_t count = 1; count < 40; count++) {
            for (size_t at = 0; at < count; at++) {
                char text[40];
                struct wye_authority authority;
                memset(text, 'a', sizeof text);
                text[at] = (char)byte;
                char *copy = (char *)exact(text, count);
                assert_int_equal(wye_authority_read(&authority, (struct wye_span){copy, count}),
                                 byte < 0x80 && is_of_name(byte));
                free(copy);
            }
        }
    }
}

static void a_port_and_percent_encoding_end_a_run_of_plain_bytes_anywhere(void **state) {
    (void)state;
    for (size_t name = 1; name < 40; name++) {
        char text[64];
        struct wye_authority authority;
        memset(text, 'a', name);
        memcpy(text + name, ":8080", 5);
        assert_true(wye_authority_read(&authority, (struct wye_span){text, name + 5}));
        assert_int_equal(authority.host.count, name);
        assert_int_equal(authority.port, 8080);
        memcpy(text + name, "%2d.b", 5);
        assert_true(wye_authority_read(&authority, (struct wye_span){text, name + 5}));
        assert_int_equal(authority.host.count, name + 5);
        memcpy(text + name, "%2x.b", 5);
        assert_false(wye_authority_read(&authority, (struct wye_span){text, name + 5}));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_ends_at_each_byte_that_no_target_has_wherever_it_stands),
        cmocka_unit_test(its_mark_is_the_first_one_before_its_end),
        cmocka_unit_test(a_host_may_hold_just_the_bytes_of_a_name_wherever_they_stand),
        cmocka_unit_test(a_port_and_percent_encoding_end_a_run_of_plain_bytes_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
