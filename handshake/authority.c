#include "handshake/authority.h"

#include "handshake/authority_usual.h"

#include <arpa/inet.h>

/* unreserved and sub-delims (RFC 3986 2): what a registered name is made of, beside %HH. */
static const bool name_bytes[256] = {
    ['!'] = true, ['$'] = true,         ['&' ... '.'] = true, ['0' ... '9'] = true, [';'] = true,
    ['='] = true, ['A' ... 'Z'] = true, ['_'] = true,         ['a' ... 'z'] = true, ['~'] = true,
};

static bool is_hex(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

/*
 * How many of sixteen bytes, eight at `first` and then eight at `second`, are letters, digits, '.' or '-'
 * before one isn't: nearly every name is made of nothing else, which is known before it is counted.
 */
#ifdef __SSE2__
static inline size_t plain_run(const char *first, const char *second) {
    const __m128i in = _mm_unpacklo_epi64(_mm_loadu_si64(first), _mm_loadu_si64(second));
    const unsigned plain = (unsigned)_mm_movemask_epi8(wye_plain_bytes(in));
    return plain == 0xffff ? 16 : (unsigned)__builtin_ctz(~plain);
}
#else
static size_t plain_bytes(const char *bytes) {
    const uint64_t ones = 0x0101010101010101u, tops = ones * 0x80;
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
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

static inline size_t plain_run(const char *first, const char *second) {
    size_t run = plain_bytes(first);
    return run < 8 ? run : 8 + plain_bytes(second);
}
#endif

/* How many bytes are plain, seen from the start; may stop short of some in a text of less than eight. */
static inline size_t plain_length(struct wye_span text) {
    size_t at = 0;
    if (text.count < 8) return 0;
    for (; text.count - at >= 16; at += 16) {
        size_t run = plain_run(text.bytes + at, text.bytes + at + 8);
        if (run < 16) return at + run;
    }
    if (at == text.count) return at;
    /* The last eight, overlapping what is done. */
    const size_t last = text.count - 8;
    if (at > last) at = last;
    const size_t run = plain_run(text.bytes + at, text.bytes + last);
    if (run == 16) return text.count;
    return run < 8 ? at + run : last + run - 8;
}

/* The length of a registered name's part that isn't all plain, from `at` on. */
static __attribute__((noinline)) size_t odd_length(struct wye_span text, size_t at) {
    for (;;) {
        while (at < text.count && name_bytes[(unsigned char)text.bytes[at]]) at++;
        if (text.count - at < 3 || text.bytes[at] != '%') return at;
        if (!is_hex(text.bytes[at + 1]) || !is_hex(text.bytes[at + 2])) return at;
        at += 3;
    }
}

/* The length of the registered name (RFC 3986 3.2.2; an IPv4 address is one, too) at the start of text. */
static inline size_t name_length(struct wye_span text) {
    const size_t plain = plain_length(text);
    return plain == text.count || (plain > 0 && text.bytes[plain] == ':') ? plain : odd_length(text, plain);
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
static __attribute__((noinline)) size_t literal_length(struct wye_span text) {
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
    for (const char *at = text.bytes + length + 1, *end = text.bytes + text.count; at < end; at++) {
        const unsigned digit = (unsigned)(unsigned char)*at - '0';
        port = port * 10 + digit;
        if (digit > 9 || port > UINT16_MAX) return false;
    }
    authority->has_port = length + 1 < text.count;
    authority->port = (uint16_t)port;
    return true;
}

bool wye_host_is_address(struct wye_span host) {
    if (host.count == 0) return false;
    if (host.bytes[0] != '[') return is_address(AF_INET, host.bytes, host.count);
    return host.bytes[host.count - 1] == ']' && is_address(AF_INET6, host.bytes + 1, host.count - 2);
}
