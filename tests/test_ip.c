/* Addresses and ranges of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/ip.h"

#include <string.h>

static struct wye_ip ip_of(const char *text) {
    struct wye_ip ip;
    assert_true(wye_ip_read(&ip, wye_span_of(text)));
    return ip;
}

static void addresses_are_read_as_they_are_written(void **state) {
    (void)state;
    static const char *const good[][2] = {{"192.0.2.1", "192.0.2.1"}, {"::1", "::1"}, {"2001:DB8:0:0::1", "2001:db8::1"}, {"::ffff:1.2.3.4", "1.2.3.4"}, {"0.0.0.0", "0.0.0.0"}};
    static const char *const bad[] = {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4x", "[::1]", "::1%lo", "1.2.3.4 ", "localhost", ":::", "1.2.3.4:80",
                                      "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        char text[WYE_IP_TEXT_MAX];
        struct wye_ip ip = ip_of(good[i][0]);
        assert_int_equal(wye_ip_write(text, &ip), strlen(good[i][1]));
        assert_string_equal(text, good[i][1]);
    }
    struct wye_ip ip;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(wye_ip_read(&ip, wye_span_of(bad[i])));
    assert_false(wye_ip_read(&ip, (struct wye_span){"1.2.3.4\0x", 9}));
}

static void hops_may_have_a_port(void **state) {
    (void)state;
    static const char *const good[][2] = {{"1.2.3.4", "1.2.3.4"}, {"1.2.3.4:5", "1.2.3.4"}, {"1.2.3.4:65535", "1.2.3.4"}, {"::2", "::2"}, {"[::2]", "::2"}, {"[::2]:443", "::2"}};
    static const char *const bad[] = {"", "unknown", "_hidden", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:123456", "[::2", "[::2]x", "[::2]:", "[1.2.3.4]", "[]", "\"[::1]\"", ":80"};
    struct wye_ip ip;
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct wye_ip expected = ip_of(good[i][1]);
        assert_true(wye_ip_read_hop(&ip, wye_span_of(good[i][0])));
        assert_memory_equal(&ip, &expected, sizeof ip);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(wye_ip_read_hop(&ip, wye_span_of(bad[i])));
}

static void ipv6_is_counted_by_its_64_and_ipv4_by_itself(void **state) {
    (void)state;
    struct wye_ip a = ip_of("2001:db8:1:2:3::4"), b = ip_of("2001:db8:1:2:ffff::"), c = ip_of("2001:db8:1:3::"), d = ip_of("10.0.0.1"), e = ip_of("10.0.0.2");
    a = wye_ip_block(&a), b = wye_ip_block(&b), c = wye_ip_block(&c), d = wye_ip_block(&d), e = wye_ip_block(&e);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
    assert_memory_not_equal(&d, &e, sizeof d);
}

static void ranges_have_who_is_in_them_and_nobody_else(void **state) {
    (void)state;
    static const struct {
        const char *range, *in, *out;
    } rows[] = {
        {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},   {"10.0.0.0/8", "::ffff:10.0.0.1", "9.255.255.255"}, {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
        {"192.0.2.5", "192.0.2.5", "192.0.2.4"},        {"0.0.0.0/0", "255.1.2.3", "2001:db8::1"},          {"::/0", "2001:db8::1", "1.2.3.4"},
        {"2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"}, {"::1", "::1", "::2"},                      {"::ffff:10.0.0.0/104", "10.9.9.9", "11.9.9.9"},
    };
    struct wye_cidr cidr;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_null(wye_cidr_read(&cidr, wye_span_of(rows[i].range)));
        struct wye_ip in = ip_of(rows[i].in), out = ip_of(rows[i].out), none = {0}, local = {.kind = WYE_IP_UNIX};
        assert_true(wye_cidrs_have(&cidr, 1, &in));
        assert_false(wye_cidrs_have(&cidr, 1, &out) || wye_cidrs_have(&cidr, 1, &none) || wye_cidrs_have(&cidr, 1, &local));
    }
    struct wye_ip local = {.kind = WYE_IP_UNIX}, none = {0}, in = ip_of("::1");
    assert_null(wye_cidr_read(&cidr, WYE_SPAN("unix")));
    assert_true(wye_cidrs_have(&cidr, 1, &local));
    assert_false(wye_cidrs_have(&cidr, 1, &none) || wye_cidrs_have(&cidr, 1, &in) || wye_cidrs_have(&cidr, 0, &local));
    static const char *const bad[] = {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "::/129", "::1/64", "10.0.0.0/8x", "10.0.0.0/0008", "example.com", "10.0.0.0/-1"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_non_null(wye_cidr_read(&cidr, wye_span_of(bad[i])));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_as_they_are_written),
        cmocka_unit_test(hops_may_have_a_port),
        cmocka_unit_test(ipv6_is_counted_by_its_64_and_ipv4_by_itself),
        cmocka_unit_test(ranges_have_who_is_in_them_and_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
