/* The server's half of the opening handshake (RFC 6455 4.2.2): the accept value and the 101. */
#ifndef WYE_HANDSHAKE_OPENING_H
#define WYE_HANDSHAKE_OPENING_H

#include "handshake/span.h"

#include <stdint.h>

enum {
    WYE_KEY_BYTES = 24,         /* of a Sec-WebSocket-Key */
    WYE_ACCEPT_BYTES = 28,      /* of a Sec-WebSocket-Accept */
    WYE_OPENING_BYTES = 129,    /* of the plain 101, without subprotocol or extension line */
    WYE_OPENING_ACCEPT_AT = 97, /* where in it the accept value stands */
};

/* Sec-WebSocket-Accept of a key (RFC 6455 4.2.2 5.4): base64(SHA-1(key + GUID)). Not ended by NUL. */
void wye_opening_accept(char accept[WYE_ACCEPT_BYTES], const char key[WYE_KEY_BYTES]);

/*
 * The plain 101, WYE_OPENING_BYTES long, with 28 placeholder bytes at WYE_OPENING_ACCEPT_AT:
 * "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept:
 * ...\r\n\r\n".
 */
extern const char wye_opening_template[WYE_OPENING_BYTES + 1];

/*
 * Completes a 101 to WebSocket, of which the template (all but its last CRLF) is there: with its accept
 * value, and with `lines` (a subprotocol, extensions), each ended by CRLF. Returns its length,
 * WYE_OPENING_BYTES + lines.count, which the caller has room for.
 */
size_t wye_opening_complete(char *opening, const char accept[WYE_ACCEPT_BYTES], struct wye_span lines);

/*
 * Writes any other 101: `token` as the Upgrade field, and `fields` (each ended by CRLF, may be empty).
 * Returns its length, or 0 when it doesn't fit into room.
 */
size_t wye_opening_write(char *to, size_t room, const char *token, struct wye_span fields);

#endif
