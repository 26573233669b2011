#include "handshake/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

ptrdiff_t wye_base64url_decode(uint8_t *to, struct wye_span text) {
    uint32_t bits = 0;
    unsigned held = 0; /* bits that are no byte yet: 0, 2, 4 or 6 */
    uint8_t *at = to;
    if (text.count % 4 == 1) return -1;
    for (size_t i = 0; i < text.count; i++) {
        int value = value_of(text.bytes[i]);
        if (value < 0) return -1;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        *at++ = (uint8_t)(bits >> held);
    }
    return bits & ((1u << held) - 1) ? -1 : at - to;
}

size_t wye_base64url_encode(char *to, const void *bytes, size_t count) {
    const uint8_t *from = bytes;
    uint32_t bits = 0;
    unsigned held = 0;
    char *at = to;
    for (size_t i = 0; i < count; i++) {
        bits = bits << 8 | from[i];
        for (held += 8; held >= 6; held -= 6) *at++ = alphabet[bits >> (held - 6) & 63];
    }
    if (held > 0) *at++ = alphabet[bits << (6 - held) & 63];
    return (size_t)(at - to);
}
