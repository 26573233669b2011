/* PROXY headers: every truncation asks for more, and what is wrong is told. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/proxy_header.h"

#include <stdlib.h>
#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(literal) literal, sizeof(literal) - 1
#define FOUR "\1\2\3\4\5\6\7\x8\0\1\0\2"
#define SIXTEEN "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"

/* Reads a copy that ends where its memory does. */
static ptrdiff_t read_copy(struct wye_ip *ip, const char **fault, const char *bytes, size_t count) {
    uint8_t *copy = malloc(count ? count : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, count);
    ptrdiff_t used = wye_proxy_header_read(ip, fault, copy, count);
    if (used >= 0 && count > 0) assert_true(wye_proxy_header_may_begin(copy, count));
    free(copy);
    return used;
}

static void good_headers_are_read_and_every_truncation_asks_for_more(void **state) {
    (void)state;
    static const struct {
        const char *address; /* "": it speaks for the proxy */
        const char *bytes;
        size_t count;
    } rows[] = {
        {"1.2.3.4", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 65535\r\n")},
        {"255.255.255.255", BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n")},
        {"2001:db8::1", BYTES("PROXY TCP6 2001:db8::1 ::1 0 443\r\n")},
        {"ffff:f:f:f:f:f:f:ffff", BYTES("PROXY TCP6 ffff:f:f:f:f:f:f:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n")},
        {"", BYTES("PROXY UNKNOWN\r\n")},
        {"", BYTES("PROXY UNKNOWN ffff:f...f:ffff whatever\r\n")},
        {"1.2.3.4", BYTES(SIGNATURE "\x21\x11\0\xc" FOUR)},
        {"1.2.3.4", BYTES(SIGNATURE "\x21\x12\0\xc" FOUR)},
        {"2001:db8::1", BYTES(SIGNATURE "\x21\x21\0\x24" SIXTEEN SIXTEEN "\0\1\0\2")},
        {"1.2.3.4", BYTES(SIGNATURE "\x21\x11\0\x12" FOUR "\4\0\3abc")}, /* NOOP */
        {"1.2.3.4", BYTES(SIGNATURE "\x21\x11\0\x0f" FOUR "\xe0\0\0")},  /* one of no length that nobody knows */
        {"", BYTES(SIGNATURE "\x20\0\0\0")},
        {"", BYTES(SIGNATURE "\x20\xff\0\3xyz")}, /* LOCAL: all else is to be ignored */
        {"", BYTES(SIGNATURE "\x21\0\0\3xyz")},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wye_ip ip, expected = {0};
        const char *fault;
        char more[512];
        if (*rows[i].address) assert_true(wye_ip_read(&expected, wye_span_of(rows[i].address)));
        for (size_t cut = 0; cut < rows[i].count; cut++) {
            assert_int_equal(read_copy(&ip, &fault, rows[i].bytes, cut), 0);
            assert_null(fault);
        }
        memcpy(more, rows[i].bytes, rows[i].count);
        memcpy(more + rows[i].count, "GET / HTTP/1.1\r\n", 16);
        for (size_t behind = 0; behind <= 16; behind += 16) {
            assert_int_equal(read_copy(&ip, &fault, more, rows[i].count + behind), rows[i].count);
            assert_int_equal(ip.kind, expected.kind);
            if (ip.kind == WYE_IP_KNOWN) assert_memory_equal(ip.bytes, expected.bytes, 16);
        }
    }
}

static void wrong_headers_are_told_from_good_ones(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
    } rows[] = {
        {BYTES("PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n")},     {BYTES("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n")},
        {BYTES("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n")},     {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n")},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n")},     {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n")},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n")},     {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n")},
        {BYTES("PROXY TCP4 ::1 ::2 1 2\r\n")},              {BYTES("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n")},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.x 1 2\r\n")},      {BYTES("PROXY \r\n")},
        {BYTES("PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n")},      {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n")},
        {BYTES(SIGNATURE "\x11")},                          {BYTES(SIGNATURE "\x22")},
        {BYTES(SIGNATURE "\x21\x11\0\xb" "12345678901")},   {BYTES(SIGNATURE "\x21\x21\0\xc" FOUR)},
        {BYTES(SIGNATURE "\x21\x41\0\0")},                  {BYTES(SIGNATURE "\x21\x13\0\xc" FOUR)},
        {BYTES(SIGNATURE "\x21\x10\0\xc" FOUR)},            {BYTES(SIGNATURE "\x21\x11\0\xd" FOUR "\4")},
        {BYTES(SIGNATURE "\x21\x11\0\x10" FOUR "\4\0\2a")}, {BYTES(SIGNATURE "\x21\x11\0\x12" FOUR "\3\0\3abc")},
        {BYTES("GET / HTTP/1.1\r\n")},                      {BYTES("\x16\3\1")},
    };
    struct wye_ip ip;
    const char *fault;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(read_copy(&ip, &fault, rows[i].bytes, rows[i].count), -400);
        assert_non_null(fault);
        assert_int_equal(ip.kind, WYE_IP_NONE);
    }
    char line[200] = "PROXY UNKNOWN ";
    memset(line + 14, 'x', 150);
    assert_int_equal(read_copy(&ip, &fault, line, 106), 0);
    assert_int_equal(read_copy(&ip, &fault, line, 107), -400);
    memcpy(line + 105, "\r\n", 2);
    assert_int_equal(read_copy(&ip, &fault, line, 107), 107);
}

static void its_checksum_is_looked_at(void **state) {
    (void)state;
    char header[] = SIGNATURE "\x21\x11\0\x13" FOUR "\3\0\4\0\0\0\0";
    /* CRC-32C, one bit after another, of the header with zeros where it goes. */
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i + 1 < sizeof header; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint32_t low = (crc ^ (uint32_t)((uint8_t)header[i] >> bit)) & 1;
            crc = crc >> 1 ^ (low ? 0x82f63b78u : 0);
        }
    }
    crc = ~crc;
    struct wye_ip ip;
    const char *fault;
    assert_int_equal(read_copy(&ip, &fault, header, sizeof header - 1), -400);
    for (unsigned i = 0; i < 4; i++) header[sizeof header - 5 + i] = (char)(crc >> (24 - 8 * i));
    assert_int_equal(read_copy(&ip, &fault, header, sizeof header - 1), sizeof header - 1);
    header[17] ^= 1;
    assert_int_equal(read_copy(&ip, &fault, header, sizeof header - 1), -400);
}

static void that_one_is_meant_shows_in_the_first_bytes_no_request_has(void **state) {
    (void)state;
    static const struct {
        size_t meant; /* as soon as that many are there, and not before */
        const char *bytes;
        size_t count;
    } rows[] = {
        {6, BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n")},
        {6, BYTES("PROXY \x01")},
        {5, BYTES("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c")},
        {5, BYTES("\r\n\r\n\0 and no signature")},
        {0, BYTES("PROXYING / HTTP/1.1\r\n")},
        {0, BYTES("\r\n\r\nGET / HTTP/1.1\r\n")},
        {0, BYTES("GET / HTTP/1.1\r\n")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t count = 0; count <= rows[i].count; count++) {
            size_t meant = wye_proxy_header_meant((const uint8_t *)rows[i].bytes, count);
            assert_int_equal(meant, count >= rows[i].meant ? rows[i].meant : 0);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_headers_are_read_and_every_truncation_asks_for_more),
        cmocka_unit_test(wrong_headers_are_told_from_good_ones),
        cmocka_unit_test(its_checksum_is_looked_at),
        cmocka_unit_test(that_one_is_meant_shows_in_the_first_bytes_no_request_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
