/* How long a request's body is, and whether its connection goes on (RFC 9112 6 and 9.3). */
#ifndef WYE_HANDSHAKE_FRAMING_H
#define WYE_HANDSHAKE_FRAMING_H

#include "handshake/request.h"

/*
 * Fills in chunked, content_bytes, keep_alive and lists_upgrade from the fields of a request. false: they
 * contradict each other or cannot be understood; why is noted in *refusal, which is zeroed before.
 */
bool wye_framing_read(struct wye_request *request, struct wye_refusal *refusal);

#endif
