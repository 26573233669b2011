/* Addresses of peers, as text and as bytes, and ranges of them. Pure. */
#ifndef WYE_HANDSHAKE_IP_H
#define WYE_HANDSHAKE_IP_H

#include "handshake/span.h"

#include <stdbool.h>
#include <stdint.h>

enum wye_ip_kind {
    WYE_IP_NONE, /* nobody knows */
    WYE_IP_UNIX, /* a Unix socket: it has none */
    WYE_IP_KNOWN,
};

/* Where a peer is. IPv4 is written into IPv6 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so that the two forms of one address are equal. */
struct wye_ip {
    uint8_t kind; /* enum wye_ip_kind */
    uint8_t bytes[16];
};

/* A range of addresses (RFC 4632 3.1); or all Unix sockets. */
struct wye_cidr {
    struct wye_ip ip;
    uint8_t bits; /* of ip.bytes that count: 0 to 128, IPv4's behind the 96 that all of it has */
};

enum { WYE_IP_TEXT_MAX = 46 };

/* An address of 4 bytes, or of 16. */
struct wye_ip wye_ip_of_v4(const uint8_t bytes[4]);
struct wye_ip wye_ip_of_v6(const uint8_t bytes[16]);

bool wye_ip_is_v4(const struct wye_ip *ip);

/* Reads "192.0.2.1" or "2001:db8::1", without brackets, port or zone. */
bool wye_ip_read(struct wye_ip *ip, struct wye_span text);

/* The same, as proxies write it: perhaps with a port, then in brackets when it is IPv6 ("[2001:db8::1]:443"). */
bool wye_ip_read_hop(struct wye_ip *ip, struct wye_span text);

/* Writes it in its usual form. Returns its length, NUL not counted. */
size_t wye_ip_write(char to[WYE_IP_TEXT_MAX], const struct wye_ip *ip);

/* What is counted as one: an IPv4 address; of an IPv6 address its /64, which one subscriber has for himself (RFC 6177 2). */
struct wye_ip wye_ip_block(const struct wye_ip *ip);

/* Reads "10.0.0.0/8", "2001:db8::/32", an address alone, or "unix". NULL: it is fine; or what is wrong with it (static). */
const char *wye_cidr_read(struct wye_cidr *cidr, struct wye_span text);

/* Is it in one of the ranges? */
bool wye_cidrs_have(const struct wye_cidr *cidrs, size_t count, const struct wye_ip *ip);

#endif
