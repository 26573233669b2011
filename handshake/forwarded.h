/* X-Forwarded-For: which address a request came from, as the proxies before this server say it. Pure. */
#ifndef WYE_HANDSHAKE_FORWARDED_H
#define WYE_HANDSHAKE_FORWARDED_H

#include "handshake/ip.h"
#include "handshake/request.h"

/*
 * The rightmost address, over all lines, that isn't one of the trusted: each proxy appends whom it saw, and what stands left of
 * the first one that nobody vouches for may be made up. Call it when the peer itself is trusted. true: *from is it; of kind
 * WYE_IP_NONE when all are trusted, or none is there. false: what would be it is no address, and *seen is what stands there.
 */
bool wye_forwarded_for(const struct wye_request *request, const struct wye_cidr *trusted, size_t trusted_count, struct wye_ip *from,
                       struct wye_span *seen);

#endif
