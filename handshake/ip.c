#include "handshake/ip.h"

#include <arpa/inet.h>
#include <string.h>

enum { V4_BITS_BEFORE = 96 };
static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

struct wye_ip wye_ip_of_v4(const uint8_t bytes[4]) {
    struct wye_ip ip = {.kind = WYE_IP_KNOWN};
    memcpy(ip.bytes, v4_prefix, sizeof v4_prefix);
    memcpy(ip.bytes + sizeof v4_prefix, bytes, 4);
    return ip;
}

struct wye_ip wye_ip_of_v6(const uint8_t bytes[16]) {
    struct wye_ip ip = {.kind = WYE_IP_KNOWN};
    memcpy(ip.bytes, bytes, sizeof ip.bytes);
    return ip;
}

bool wye_ip_is_v4(const struct wye_ip *ip) {
    return ip->kind == WYE_IP_KNOWN && memcmp(ip->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

bool wye_ip_read(struct wye_ip *ip, struct wye_span text) {
    char copy[WYE_IP_TEXT_MAX];
    uint8_t bytes[16];
    if (text.count == 0 || text.count >= sizeof copy || memchr(text.bytes, 0, text.count)) return false;
    memcpy(copy, text.bytes, text.count);
    copy[text.count] = 0;
    if (inet_pton(AF_INET, copy, bytes) == 1) {
        *ip = wye_ip_of_v4(bytes);
        return true;
    }
    if (inet_pton(AF_INET6, copy, bytes) != 1) return false;
    *ip = wye_ip_of_v6(bytes);
    return true;
}

/* Is it ":" and one to five digits, or nothing? */
static bool is_port_or_nothing(struct wye_span text) {
    if (text.count == 0) return true;
    if (text.count < 2 || text.count > 6 || *text.bytes != ':') return false;
    uint64_t port;
    return wye_span_number((struct wye_span){text.bytes + 1, text.count - 1}, 99999, &port);
}

bool wye_ip_read_hop(struct wye_ip *ip, struct wye_span text) {
    if (text.count == 0) return false;
    const char *end = text.bytes + text.count;
    if (*text.bytes == '[') {
        const char *bracket = memchr(text.bytes, ']', text.count);
        if (!bracket || !is_port_or_nothing((struct wye_span){bracket + 1, (size_t)(end - bracket - 1)})) return false;
        struct wye_span inside = {text.bytes + 1, (size_t)(bracket - text.bytes - 1)};
        return memchr(inside.bytes, ':', inside.count) && wye_ip_read(ip, inside);
    }
    if (wye_ip_read(ip, text)) return true;
    const char *colon = memchr(text.bytes, ':', text.count);
    if (!colon || !is_port_or_nothing((struct wye_span){colon, (size_t)(end - colon)})) return false;
    return wye_ip_read(ip, (struct wye_span){text.bytes, (size_t)(colon - text.bytes)});
}

size_t wye_ip_write(char to[WYE_IP_TEXT_MAX], const struct wye_ip *ip) {
    if (ip->kind != WYE_IP_KNOWN) strcpy(to, ip->kind == WYE_IP_UNIX ? "unix" : "unknown");
    else if (wye_ip_is_v4(ip)) inet_ntop(AF_INET, ip->bytes + sizeof v4_prefix, to, WYE_IP_TEXT_MAX);
    else inet_ntop(AF_INET6, ip->bytes, to, WYE_IP_TEXT_MAX);
    return strlen(to);
}

struct wye_ip wye_ip_block(const struct wye_ip *ip) {
    struct wye_ip block = *ip;
    if (ip->kind == WYE_IP_KNOWN && !wye_ip_is_v4(ip)) memset(block.bytes + 8, 0, 8);
    return block;
}

/* Are the bits behind those that count all 0? */
static bool ends_in_zeros(const struct wye_cidr *cidr) {
    for (unsigned bit = cidr->bits; bit < 128; bit++) {
        if (cidr->ip.bytes[bit / 8] >> (7 - bit % 8) & 1) return false;
    }
    return true;
}

const char *wye_cidr_read(struct wye_cidr *cidr, struct wye_span text) {
    static const char expected[] = "expected an address, a range like 10.0.0.0/8 or 2001:db8::/32, or unix";
    *cidr = (struct wye_cidr){.bits = 128};
    if (wye_span_equal(text, WYE_SPAN("unix"))) {
        cidr->ip.kind = WYE_IP_UNIX;
        return NULL;
    }
    const char *slash = text.count ? memchr(text.bytes, '/', text.count) : NULL;
    size_t address_bytes = slash ? (size_t)(slash - text.bytes) : text.count;
    if (!wye_ip_read(&cidr->ip, (struct wye_span){text.bytes, address_bytes})) return expected;
    if (!slash) return NULL;
    bool is_v4 = !memchr(text.bytes, ':', address_bytes);
    uint64_t bits;
    const struct wye_span digits = {slash + 1, text.count - address_bytes - 1};
    if (digits.count > 3 || !wye_span_number(digits, 999, &bits)) return expected;
    if (bits > (is_v4 ? 32 : 128)) return is_v4 ? "an IPv4 range has at most 32 bits" : "an IPv6 range has at most 128 bits";
    cidr->bits = (uint8_t)(is_v4 ? bits + V4_BITS_BEFORE : bits);
    return ends_in_zeros(cidr) ? NULL : "bits behind the range's are set: one of the two is a slip";
}

static bool is_in(const struct wye_cidr *cidr, const struct wye_ip *ip) {
    if (cidr->ip.kind != ip->kind || ip->kind == WYE_IP_NONE) return false;
    if (ip->kind == WYE_IP_UNIX) return true;
    /* ::/0 and the like mean IPv6: IPv4 is only written like it. */
    if (cidr->bits < V4_BITS_BEFORE && wye_ip_is_v4(ip)) return false;
    size_t whole = cidr->bits / 8;
    if (memcmp(cidr->ip.bytes, ip->bytes, whole) != 0) return false;
    unsigned rest = cidr->bits % 8;
    return rest == 0 || (cidr->ip.bytes[whole] ^ ip->bytes[whole]) >> (8 - rest) == 0;
}

bool wye_cidrs_have(const struct wye_cidr *cidrs, size_t count, const struct wye_ip *ip) {
    for (size_t i = 0; i < count; i++) {
        if (is_in(&cidrs[i], ip)) return true;
    }
    return false;
}
