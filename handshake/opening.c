#include "handshake/opening.h"

#include "handshake/digest.h"
#include "handshake/text.h"

const char wye_opening_template[WYE_OPENING_BYTES + 1] =
    "HTTP/1.1 101 Switching Protocols\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Accept: ............................\r\n"
    "\r\n";

/* Base64 (RFC 4648 4) of a SHA-1: 20 bytes, so that one '=' stands at the end. */
static void encode(char to[WYE_ACCEPT_BYTES], const uint8_t from[WYE_DIGEST_BYTES]) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned i = 0; i < WYE_DIGEST_BYTES; i += 3) {
        bool last = i + 2 == WYE_DIGEST_BYTES;
        uint32_t bits = (uint32_t)from[i] << 16 | (uint32_t)from[i + 1] << 8 | (last ? 0u : from[i + 2]);
        *to++ = alphabet[bits >> 18];
        *to++ = alphabet[bits >> 12 & 63];
        *to++ = alphabet[bits >> 6 & 63];
        *to++ = last ? '=' : alphabet[bits & 63];
    }
}

void wye_opening_accept(char accept[WYE_ACCEPT_BYTES], const char key[WYE_KEY_BYTES]) {
    uint8_t digest[WYE_DIGEST_BYTES];
    wye_digest(digest, key);
    encode(accept, digest);
}

size_t wye_opening_complete(char *opening, const char accept[WYE_ACCEPT_BYTES], struct wye_span lines) {
    char *end = opening + WYE_OPENING_BYTES - 2;
    memcpy(opening + WYE_OPENING_ACCEPT_AT, accept, WYE_ACCEPT_BYTES);
    if (lines.count) memcpy(end, lines.bytes, lines.count);
    memcpy(end + lines.count, "\r\n", 2);
    return WYE_OPENING_BYTES + lines.count;
}

size_t wye_opening_write(char *to, size_t room, const char *token, struct wye_span fields) {
    struct wye_text text = {.to = to, .room = room};
    wye_text_add(&text, WYE_SPAN("HTTP/1.1 101 Switching Protocols\r\nUpgrade: "));
    wye_text_add_string(&text, token);
    wye_text_add(&text, WYE_SPAN("\r\nConnection: Upgrade\r\n"));
    wye_text_add(&text, fields);
    wye_text_add(&text, WYE_SPAN("\r\n"));
    return text.cut ? 0 : text.count;
}
