#include "handshake/authority.h"

#include <arpa/inet.h>

/* unreserved and sub-delims (RFC 3986 2): what a registered name is made of, beside %HH. */
static const bool name_bytes[256] = {
    ['!'] = true, ['$'] = true,         ['&' ... '.'] = true, ['0' ... '9'] = true, [';'] = true,
    ['='] = true, ['A' ... 'Z'] = true, ['_'] = true,         ['a' ... 'z'] = true, ['~'] = true,
};

static bool is_hex(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

/*
 * How many of the eight bytes of a word, from the first in memory on, are letters, digits, '.' or '-': what
 * nearly every name is made of.
 */
static size_t plain_bytes(uint64_t word) {
    const uint64_t ones = 0x0101010101010101u, tops = ones * 0x80;
    uint64_t low = word & ~tops; /* so that no sum carries into its neighbour */
    uint64_t letter = low | ones * 0x20;
    uint64_t letters = (letter + ones * (0x80 - 'a')) & ~(letter + ones * (0x7f - 'z'));
    uint64_t others =
        (low + ones * (0x80 - '-')) & ~(low + ones * (0x7f - '9')) & ((low ^ ones * '/') + ones * 0x7f);
    uint64_t not_plain = (~(letters | others) | word) & tops;
    if (not_plain == 0) return 8;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (size_t)__builtin_clzll(not_plain) / 8;
#else
    return (size_t)__builtin_ctzll(not_plain) / 8;
#endif
}

/* The length of the registered name (RFC 3986 3.2.2; an IPv4 address is one, too) at the start of text. */
static size_t name_length(struct wye_span text) {
    size_t at = 0, plain = 8;
    while (plain == 8 && text.count - at >= 8) {
        uint64_t word;
        memcpy(&word, text.bytes + at, sizeof word);
        plain = plain_bytes(word);
        at += plain;
    }
    if (plain == 8 && text.count > 8) { /* the last eight once more, overlapping what is done */
        uint64_t word;
        memcpy(&word, text.bytes + text.count - 8, sizeof word);
        plain = plain_bytes(word);
        if (plain == 8) return text.count;
        if (text.count - 8 + plain > at) at = text.count - 8 + plain;
    }
    for (;;) {
        while (at < text.count && name_bytes[(unsigned char)text.bytes[at]]) at++;
        if (text.count - at < 3 || text.bytes[at] != '%') return at;
        if (!is_hex(text.bytes[at + 1]) || !is_hex(text.bytes[at + 2])) return at;
        at += 3;
    }
}

static bool is_address(int family, const char *bytes, size_t count) {
    char text[INET6_ADDRSTRLEN];
    uint8_t address[sizeof(struct in6_addr)];
    if (count >= sizeof text) return false;
    memcpy(text, bytes, count);
    text[count] = '\0';
    return strlen(text) == count && inet_pton(family, text, address) == 1;
}

/* The length of the "[IPv6]" at the start of text, 0 if there is none. */
static size_t literal_length(struct wye_span text) {
    const char *end = memchr(text.bytes, ']', text.count);
    if (!end) return 0;
    size_t inside = (size_t)(end - text.bytes) - 1;
    return is_address(AF_INET6, text.bytes + 1, inside) ? inside + 2 : 0;
}

bool wye_authority_read(struct wye_authority *authority, struct wye_span text) {
    if (text.count == 0) return false;
    size_t length = text.bytes[0] == '[' ? literal_length(text) : name_length(text);
    if (length == 0) return false;
    *authority = (struct wye_authority){.host = {text.bytes, length}};
    if (length == text.count) return true;
    if (text.bytes[length] != ':') return false;
    uint32_t port = 0;
    for (size_t at = length + 1; at < text.count; at++) {
        unsigned digit = (unsigned)(unsigned char)text.bytes[at] - '0';
        if (digit > 9) return false;
        port = port * 10 + digit;
        if (port > UINT16_MAX) return false;
        authority->has_port = true;
    }
    authority->port = (uint16_t)port;
    return true;
}

bool wye_host_is_address(struct wye_span host) {
    if (host.count == 0) return false;
    if (host.bytes[0] != '[') return is_address(AF_INET, host.bytes, host.count);
    return host.bytes[host.count - 1] == ']' && is_address(AF_INET6, host.bytes + 1, host.count - 2);
}
