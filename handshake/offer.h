/* What a WebSocket client offers beside its key: subprotocols and extensions (RFC 6455 4.1 and 9.1). */
#ifndef WYE_HANDSHAKE_OFFER_H
#define WYE_HANDSHAKE_OFFER_H

#include "handshake/request.h"

enum { WYE_SUBPROTOCOLS_MAX = 64 }; /* offered at once; more are refused, for each is compared with each */

/*
 * Reads Sec-WebSocket-Protocol and picks the first of `spoken` (NULL-ended, best first; NULL: none) that is
 * offered. WYE_CAUSE_NONE: *agreed borrows from the request, count 0 when there is none. Otherwise: how the
 * field is wrong.
 */
enum wye_cause wye_offer_subprotocols(const struct wye_request *request, const char *const *spoken,
                                      struct wye_span *agreed);

/* Reads Sec-WebSocket-Extensions. WYE_CAUSE_NONE: its grammar is right, or it is absent. */
enum wye_cause wye_offer_extensions(const struct wye_request *request);

#endif
