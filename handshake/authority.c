#include "handshake/authority.h"

#include <arpa/inet.h>

/* unreserved and sub-delims (RFC 3986 2): what a registered name is made of, beside %HH. */
static const bool name_bytes[256] = {
    ['!'] = true, ['$'] = true,         ['&' ... '.'] = true, ['0' ... '9'] = true, [';'] = true,
    ['='] = true, ['A' ... 'Z'] = true, ['_'] = true,         ['a' ... 'z'] = true, ['~'] = true,
};

static bool is_hex(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

/* The length of the registered name (RFC 3986 3.2.2; an IPv4 address is one, too) at the start of text. */
static size_t name_length(struct wye_span text) {
    size_t at = 0;
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
