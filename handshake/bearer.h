/* Where a request carries its token (RFC 6750 2). */
#ifndef WYE_HANDSHAKE_BEARER_H
#define WYE_HANDSHAKE_BEARER_H

#include "handshake/request.h"

/* A token that was found, which may be empty; borrows from the request. */
struct wye_bearer {
    struct wye_span token; /* bytes NULL: there is none */
    struct wye_span place; /* for people: "Authorization", "query" and so on; static */
    bool other_scheme;     /* Authorization is there, and isn't Bearer */
};

/*
 * Looks in Authorization (Bearer TOKEN), in the query (token=TOKEN), and in Sec-WebSocket-Protocol (bearer, TOKEN). When none
 * is there, and `cookies` says that they count, in the cookie "token": browsers send that by themselves, so that it says
 * nothing about who asks unless the origin is known. true: *found is the only one, or there is none. false: there are
 * several that differ, and *found is one of them.
 */
bool wye_bearer_find(struct wye_bearer *found, const struct wye_request *request, bool cookies);

/* The protocol that stands before a token in Sec-WebSocket-Protocol, and that is then agreed to. */
#define WYE_BEARER_SUBPROTOCOL "bearer"

#endif
