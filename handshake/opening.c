#include "handshake/opening.h"

#include "handshake/text.h"

#include <openssl/base.h>
#include <openssl/sha.h>

#ifndef OPENSSL_IS_BORINGSSL
#error "wye is built with BoringSSL: OpenSSL's symbols have the same names and other layouts"
#endif

const char wye_opening_template[WYE_OPENING_BYTES + 1] =
    "HTTP/1.1 101 Switching Protocols\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Accept: ............................\r\n"
    "\r\n";

/* Base64 (RFC 4648 4) of a SHA-1: 20 bytes, so that one '=' stands at the end. */
static void encode(char to[WYE_ACCEPT_BYTES], const uint8_t from[SHA_DIGEST_LENGTH]) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned i = 0; i < SHA_DIGEST_LENGTH; i += 3) {
        bool last = i + 2 == SHA_DIGEST_LENGTH;
        uint32_t bits = (uint32_t)from[i] << 16 | (uint32_t)from[i + 1] << 8 | (last ? 0u : from[i + 2]);
        *to++ = alphabet[bits >> 18];
        *to++ = alphabet[bits >> 12 & 63];
        *to++ = alphabet[bits >> 6 & 63];
        *to++ = last ? '=' : alphabet[bits & 63];
    }
}

void wye_opening_accept(char accept[WYE_ACCEPT_BYTES], const char key[WYE_KEY_BYTES]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    uint8_t text[WYE_KEY_BYTES + sizeof guid - 1];
    uint8_t digest[SHA_DIGEST_LENGTH];
    memcpy(text, key, WYE_KEY_BYTES);
    memcpy(text + WYE_KEY_BYTES, guid, sizeof guid - 1);
    SHA1(text, sizeof text, digest);
    encode(accept, digest);
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
