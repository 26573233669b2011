/*
 * HTTP/2 on a connection that began with HTTP/1.1 and asked for it (Upgrade: h2c, RFC 7540 3.2). The frames are nghttp2's;
 * what requests mean, and what they are answered, is http's: each is written down as the HTTP/1.1 head that it stands for,
 * and goes by the same rules.
 */
#ifndef WYE_CORE_H2C_H
#define WYE_CORE_H2C_H

#include "core/protocol.h"

struct wye_conn;
struct wye_receipt;
struct wye_response;
struct wye_slice;
struct wye_h2c_stream;

extern const struct wye_protocol wye_h2c;

/* Does it ask for HTTP/2, where that is granted (--h2c)? Only a GET without a body does, and only where there is no TLS, over
 * which HTTP/2 has another name and another way (RFC 7540 3.3). */
bool wye_h2c_is_asked_for(const struct wye_conn *conn, const struct wye_request *request);

/* ---- for http, which answers ---- */

/* Queues a response on a stream; the body's reference passes on. */
void wye_h2c_respond(struct wye_conn *conn, struct wye_h2c_stream *stream, const struct wye_response *response,
                     struct wye_slice body, bool head_only);

/* Queues a 100 on it. 0, or -ENOMEM. */
int wye_h2c_continue(struct wye_conn *conn, const struct wye_h2c_stream *stream);

/* What was published over a stream of this connection has reached everybody. Takes the receipt. */
void wye_h2c_receipt(struct wye_conn *conn, struct wye_receipt *receipt);

#endif
