/*
 * Who is at the other end: the address that limits count by. It comes from the socket; or, where that is a trusted proxy's, from
 * a PROXY header in front of everything else, or from X-Forwarded-For in each request. A trusted proxy itself isn't limited.
 */
#ifndef WYE_CORE_PEER_H
#define WYE_CORE_PEER_H

#include "core/node.h"
#include "core/protocol.h"

struct wye_tls_context;

/* Must the hands find out where connections come from? */
static inline bool wye_peers_matter(const struct wye_settings *settings) {
    return settings->per_address || settings->upgrade_rate.tokens || settings->trusted_count;
}

/*
 * The connection comes from `ip`: it is counted there, and nowhere else any more. 0; or -EDQUOT when there are so many already, or
 * -ENOMEM: it isn't counted then.
 */
int wye_peer_is(struct wye_conn *conn, const struct wye_ip *ip);

/* It is over: counted no more. */
void wye_peer_left(struct wye_conn *conn);

/* What a connection from a trusted proxy speaks first: a PROXY header, or nothing of the kind. Then TLS, if there is a context, and HTTP. */
extern const struct wye_protocol wye_proxied;

/* It begins so, and isn't TLS yet; the reference to the context passes on. */
void wye_proxied_start(struct wye_conn *conn, struct wye_tls_context *context);

#endif
