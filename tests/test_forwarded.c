/* X-Forwarded-For: whose a request is, as trusted proxies say it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/forwarded.h"

#include <stdio.h>

enum { TRUSTED_MAX = 4 };

struct row {
    const char *trusted; /* ranges, a space between each two */
    const char *lines;   /* fields, each ended by CRLF */
    const char *from;    /* the address; "": nobody knows; NULL: garbage, namely: */
    const char *seen;
};

static size_t trusted_of(struct wye_cidr *cidrs, const char *text) {
    struct wye_span left = wye_span_of(text);
    size_t count = 0;
    while (left.count) {
        const char *space = memchr(left.bytes, ' ', left.count);
        struct wye_span each = {left.bytes, space ? (size_t)(space - left.bytes) : left.count};
        assert_true(count < TRUSTED_MAX);
        assert_null(wye_cidr_read(&cidrs[count++], each));
        left.bytes += each.count + (space != NULL);
        left.count -= each.count + (space != NULL);
    }
    return count;
}

static void check(const struct row *row) {
    char head[2048], text[WYE_IP_TEXT_MAX];
    static struct wye_request request;
    struct wye_refusal refusal = {0};
    struct wye_cidr trusted[TRUSTED_MAX];
    struct wye_ip from;
    struct wye_span seen = {0};
    int count = snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n", row->lines);
    assert_int_equal(wye_request_read(&request, &refusal, (const uint8_t *)head, (size_t)count, &(struct wye_request_progress){0}), count);
    bool fine = wye_forwarded_for(&request, trusted, trusted_of(trusted, row->trusted), &from, &seen);
    if (!row->from) {
        if (fine) fail_msg("garbage passes: %s", row->lines);
        assert_int_equal(seen.count, strlen(row->seen));
        assert_memory_equal(seen.bytes, row->seen, seen.count);
        return;
    }
    if (!fine) fail_msg("refused: %s", row->lines);
    if (*row->from == '\0') {
        assert_int_equal(from.kind, WYE_IP_NONE);
        return;
    }
    assert_int_equal(from.kind, WYE_IP_KNOWN);
    wye_ip_write(text, &from);
    assert_string_equal(text, row->from);
}

#define XFF "X-Forwarded-For:"

static void the_rightmost_that_nobody_vouches_for_is_it(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"10.0.0.0/8", "", "", NULL},
        {"10.0.0.0/8", XFF " 192.0.2.1\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " 192.0.2.1, 10.0.0.1\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " 198.51.100.1, 192.0.2.1, 10.0.0.1, 10.255.0.2\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " 192.0.2.1, 198.51.100.1\r\n", "198.51.100.1", NULL}, /* it vouches for nobody left of it */
        {"10.0.0.0/8", XFF " 10.0.0.9, 198.51.100.1, 10.0.0.1\r\n", "198.51.100.1", NULL},
        {"10.0.0.0/8", XFF " 10.0.0.1, 10.0.0.2\r\n", "", NULL}, /* all are the proxies themselves */
        {"", XFF " 192.0.2.1, 10.0.0.1\r\n", "10.0.0.1", NULL},
        {"10.0.0.0/8 192.0.2.0/24", XFF " 203.0.113.1, 192.0.2.1, 10.0.0.1\r\n", "203.0.113.1", NULL},
        {"::/0", XFF " 192.0.2.1, 2001:db8::1\r\n", "192.0.2.1", NULL}, /* ::/0 is IPv6 alone */
        {"0.0.0.0/0", XFF " 2001:db8::1, 192.0.2.1\r\n", "2001:db8::1", NULL},
        {"unix", XFF " 192.0.2.1\r\n", "192.0.2.1", NULL}, /* the peer is a Unix socket: no hop ever is one */
        {"unix 127.0.0.1", XFF " 192.0.2.1, 127.0.0.1\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", "Forwarded: for=192.0.2.1\r\n", "", NULL}, /* RFC 7239's field isn't read */
        {"10.0.0.0/8", "X-Forwarded-Fo: 192.0.2.1\r\nX-Forwarded-For2: 192.0.2.1\r\n", "", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) check(&rows[i]);
}

static void it_is_read_however_it_is_written(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"10.0.0.0/8", XFF "192.0.2.1\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", "x-fORWARDED-fOR: \t192.0.2.1 \t\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " 192.0.2.1,10.0.0.1\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " 192.0.2.1\t ,\t 10.0.0.1\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " , ,192.0.2.1,, 10.0.0.1 , ,\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " ,\r\n", "", NULL},
        {"10.0.0.0/8", XFF "\r\n", "", NULL},
        {"10.0.0.0/8", XFF " 192.0.2.1:4711\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " 192.0.2.1:4711, 10.0.0.1:80\r\n", "192.0.2.1", NULL}, /* a port makes it no other */
        {"10.0.0.0/8", XFF " 2001:DB8:0::1\r\n", "2001:db8::1", NULL},
        {"10.0.0.0/8", XFF " [2001:db8::1]\r\n", "2001:db8::1", NULL},
        {"10.0.0.0/8", XFF " [2001:db8::1]:4711, 10.0.0.1\r\n", "2001:db8::1", NULL},
        {"2001:db8::/32", XFF " 192.0.2.1, [2001:db8::1]:80, 2001:db8:1::\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " 192.0.2.1, ::ffff:10.0.0.1\r\n", "192.0.2.1", NULL}, /* IPv4, written as IPv6 */
        {"10.0.0.0/8", XFF " ::ffff:192.0.2.1\r\n", "192.0.2.1", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) check(&rows[i]);
}

static void several_lines_are_one_list(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"10.0.0.0/8", XFF " 198.51.100.1\r\n" XFF " 192.0.2.1\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " 192.0.2.1\r\n" XFF " 10.0.0.1\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " 192.0.2.1, 10.0.0.3\r\nX-Other: 203.0.113.1\r\nx-forwarded-for: 10.0.0.1, 10.0.0.2\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " 192.0.2.1\r\n" XFF "\r\n" XFF " ,\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " 10.0.0.1\r\n" XFF " 10.0.0.2\r\n", "", NULL},
        {"10.0.0.0/8", XFF " garbage\r\n" XFF " 192.0.2.1\r\n", "192.0.2.1", NULL},
        {"10.0.0.0/8", XFF " garbage\r\n" XFF " 10.0.0.1\r\n", NULL, "garbage"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) check(&rows[i]);
}

static void garbage_is_refused_where_the_address_should_be_and_passed_over_left_of_it(void **state) {
    (void)state;
    static const char *const garbage[] = {
        "unknown", "_hidden", "unix", "localhost", "192.0.2", "192.0.2.256", "192.0.2.1:", "192.0.2.1:http", "192.0.2.1:123456", "[2001:db8::1", "2001:db8::1]",
        "[192.0.2.1]", "[]", "\"[2001:db8::1]\"", "for=192.0.2.1", "192.0.2.1 192.0.2.2", "192.0.2.1;", "fe80::1%eth0", "10.0.0.0/8", "0x7f000001", "2130706433", "\xff",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        char alone[256], behind[256], left[256];
        snprintf(alone, sizeof alone, XFF " %s\r\n", garbage[i]);
        snprintf(behind, sizeof behind, XFF " 192.0.2.1,%s , 10.0.0.1\r\n", garbage[i]);
        snprintf(left, sizeof left, XFF " %s, 192.0.2.1, 10.0.0.1\r\n", garbage[i]);
        check(&(struct row){"10.0.0.0/8", alone, NULL, garbage[i]});
        check(&(struct row){"10.0.0.0/8", behind, NULL, garbage[i]});
        check(&(struct row){"10.0.0.0/8", left, "192.0.2.1", NULL});
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rightmost_that_nobody_vouches_for_is_it),
        cmocka_unit_test(it_is_read_however_it_is_written),
        cmocka_unit_test(several_lines_are_one_list),
        cmocka_unit_test(garbage_is_refused_where_the_address_should_be_and_passed_over_left_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
