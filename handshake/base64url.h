/* base64url without padding (RFC 4648 5, RFC 7515 2), strict: one text for the same bytes, and no other. */
#ifndef WYE_HANDSHAKE_BASE64URL_H
#define WYE_HANDSHAKE_BASE64URL_H

#include "handshake/span.h"

#include <stdint.h>

/* Characters for so many bytes; bytes from so many characters, at most. */
#define WYE_BASE64URL_TEXT(bytes) (((bytes) * 4 + 2) / 3)
#define WYE_BASE64URL_BYTES(text) ((text) * 3 / 4)

/*
 * Decodes into `to`, which has room for WYE_BASE64URL_BYTES(text.count). >= 0: bytes written. -1: a character that isn't of
 * the alphabet ('=' included), a length that no bytes have, or bits behind the last byte that aren't 0.
 */
ptrdiff_t wye_base64url_decode(uint8_t *to, struct wye_span text);

/* Encodes into `to`, which has room for WYE_BASE64URL_TEXT(count). Returns that. No NUL is written. */
size_t wye_base64url_encode(char *to, const void *bytes, size_t count);

#endif
