/* HTTP/1.1 as a protocol of a connection: the one every connection is born with. */
#ifndef WYE_CORE_HTTP_H
#define WYE_CORE_HTTP_H

#include "core/protocol.h"

extern const struct wye_protocol wye_http;

/* The connection has just been accepted, or its TLS handshake is done: the first head is awaited, or 503 is answered at once. */
void wye_http_start(struct wye_conn *conn);

struct wye_receipt;

/* What was published over this connection has reached everybody: the answer follows, in the requests' order. Takes the receipt. */
void wye_http_receipt(struct wye_conn *conn, struct wye_receipt *receipt);

/* Plain bytes came where TLS was to come: 400, and why. The connection has no TLS any more. */
void wye_http_refuse_plain(struct wye_conn *conn);

/* What came before TLS or HTTP breaks this rule; `note` says how (static; NULL: nothing more is to be said). */
void wye_http_refuse_proxied(struct wye_conn *conn, enum wye_rule rule, const uint8_t *bytes, size_t count, const char *note);

#endif
