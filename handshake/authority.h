/* An authority as Host and origins name it: host [":" port] (RFC 3986 3.2, RFC 9110 7.2). */
#ifndef WYE_HANDSHAKE_AUTHORITY_H
#define WYE_HANDSHAKE_AUTHORITY_H

#include "handshake/span.h"

#include <stdint.h>

struct wye_authority {
    struct wye_span host; /* never empty; an IPv6 address with its brackets */
    bool has_port;        /* "host:" has none (RFC 3986 3.2.3) */
    uint16_t port;
};

/*
 * Reads a registered name, IPv4 or [IPv6] address, and a port of 0 to 65535 if there is one. User information
 * is no part of it (RFC 9110 4.2.4). true: *authority is filled in, and borrows from text. false: it isn't
 * one.
 */
bool wye_authority_read(struct wye_authority *authority, struct wye_span text);

/* Is this host an IPv4 address in four parts, or an [IPv6] one? */
bool wye_host_is_address(struct wye_span host);

#endif
