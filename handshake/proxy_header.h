/* The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): who is behind a proxy, in front of all that he says. Pure. */
#ifndef WYE_HANDSHAKE_PROXY_HEADER_H
#define WYE_HANDSHAKE_PROXY_HEADER_H

#include "handshake/ip.h"

#include <stddef.h>

enum {
    WYE_PROXY_V1_MAX = 107,          /* bytes of a version 1 header, its CRLF included */
    WYE_PROXY_V2_BYTES = 16,         /* of a version 2 header, before what its length announces */
    WYE_PROXY_V2_SIGNATURE_BYTES = 12,
};

/*
 * Reads a header. > 0: the bytes used, and *from is the client's address, or of kind WYE_IP_NONE where the header speaks for
 * the proxy itself (UNKNOWN, LOCAL, UNSPEC, Unix sockets). 0: show me more. -400: it begins like one and is none, *fault says
 * why (static).
 */
ptrdiff_t wye_proxy_header_read(struct wye_ip *from, const char **fault, const uint8_t *bytes, size_t count);

/* Do the bytes begin a header, or may they when more have come? A request and TLS never do for long: "PROXY" is no method here. */
bool wye_proxy_header_may_begin(const uint8_t *bytes, size_t count);

/*
 * How many bytes at the beginning say that one is meant, to somebody who may not send it; 0: they don't. The first that no request
 * has decide, so that it makes no difference how many have come behind them.
 */
size_t wye_proxy_header_meant(const uint8_t *bytes, size_t count);

#endif
