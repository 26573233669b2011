/* The run of bytes that a request target is made of. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/authority.h"
#include "handshake/authority_usual.h"
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

/* What `read` says of a text that ends where its memory does, and has just 16 bytes there at the least. */
static void a_glance_agrees_with_reading(const char *text, size_t count, unsigned *usual) {
    const size_t before = count < 16 ? 16 - count : 0;
    char *copy = malloc(before + count);
    struct wye_authority authority;
    assert_non_null(copy);
    memset(copy, '7', before);
    memcpy(copy + before, text, count);
    const struct wye_span span = {copy + before, count};
    const bool at_a_glance = wye_authority_is_usual(span);
    if (at_a_glance && !wye_authority_read(&authority, span)) fail_msg("not an authority: %.*s", (int)count, text);
    *usual += at_a_glance;
    free(copy);
}

static void what_is_usual_at_a_glance_is_an_authority(void **state) {
    (void)state;
    static const char kinds[] = "a9.:-%[@/]\x80\x01";
    unsigned usual = 0;
    for (unsigned seed = 0, random = 1; seed < 400000; seed++) {
        char text[40];
        const size_t count = 1 + seed % 40;
        memset(text, 'a', sizeof text);
        for (unsigned changes = seed / 40 % 4; changes > 0; changes--) {
            random = random * 1103515245 + 12345;
            const size_t place = random >> 20 & 1 ? count - 1 - (random >> 8) % count : count - 1 - (random >> 8) % count % 7;
            text[place] = kinds[(random >> 24) % (sizeof kinds - 1)];
        }
        a_glance_agrees_with_reading(text, count, &usual);
    }
    assert_true(usual > 100000 || usual == 0); /* 0: this machine looks at none */
}

static void names_and_ports_are_usual(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool usual;
    } rows[] = {
        {"localhost", true},      {"localhost:8080", true},           {"127.0.0.1:80", true}, {"wye.example.com:", true},
        {"xn--bcher-kva.example", true}, {"a.long-name.of.32.bytes.exactly", true},     {"[::1]:8080", false}, {":8080a", false},
        {"localhost:80:80", false},      {"localhost:8o80", false},   {"local_host", false},  {"localhost:65536", false},
        {"a%41.example", false},  {"user@example.com", false},        {":80808", false},      {"::::::", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned usual = 0;
        a_glance_agrees_with_reading(rows[i].text, strlen(rows[i].text), &usual);
#ifdef __SSE2__
        if (usual != rows[i].usual) fail_msg("%s: %s", rows[i].text, usual ? "usual" : "not usual");
#endif
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_ends_at_each_byte_that_no_target_has_wherever_it_stands),
        cmocka_unit_test(its_mark_is_the_first_one_before_its_end),
        cmocka_unit_test(a_host_may_hold_just_the_bytes_of_a_name_wherever_they_stand),
        cmocka_unit_test(a_port_and_percent_encoding_end_a_run_of_plain_bytes_anywhere),
        cmocka_unit_test(what_is_usual_at_a_glance_is_an_authority),
        cmocka_unit_test(names_and_ports_are_usual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
