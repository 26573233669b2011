#include "handshake/proxy_header.h"

#include <string.h>

enum { CRC32C = 0x03 }; /* the one type of what may follow the addresses that is looked at (2.2) */

static const uint8_t signature[WYE_PROXY_V2_SIGNATURE_BYTES] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
static const uint8_t word[6] = {'P', 'R', 'O', 'X', 'Y', ' '};

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static bool begins_v1(const uint8_t *bytes, size_t count) { return memcmp(bytes, word, least(count, sizeof word)) == 0; }
static bool begins_v2(const uint8_t *bytes, size_t count) { return memcmp(bytes, signature, least(count, sizeof signature)) == 0; }

bool wye_proxy_header_may_begin(const uint8_t *bytes, size_t count) { return begins_v1(bytes, count) || begins_v2(bytes, count); }

size_t wye_proxy_header_meant(const uint8_t *bytes, size_t count) {
    enum { TO_NUL = 5 }; /* of the signature: no request begins so */
    if (count >= sizeof word && begins_v1(bytes, count)) return sizeof word;
    return count >= TO_NUL && begins_v2(bytes, TO_NUL) ? TO_NUL : 0;
}

/* ---- version 1: a line (2.1) ---- */

/* Cuts the next word off; one space stands between two. */
static struct wye_span next_word(struct wye_span *line) {
    const char *space = line->count ? memchr(line->bytes, ' ', line->count) : NULL;
    struct wye_span cut = {line->bytes, space ? (size_t)(space - line->bytes) : line->count};
    size_t used = cut.count + (space ? 1 : 0);
    *line = (struct wye_span){line->bytes + used, line->count - used};
    return cut;
}

static bool is_port(struct wye_span text) {
    uint64_t port;
    return !(text.count > 1 && *text.bytes == '0') && wye_span_number(text, UINT16_MAX, &port);
}

/* What is wrong with the line behind "PROXY "; NULL: nothing. */
static const char *read_line(struct wye_ip *from, struct wye_span line) {
    struct wye_span protocol = next_word(&line);
    if (wye_span_equal(protocol, WYE_SPAN("UNKNOWN"))) return NULL; /* the rest of the line is to be ignored */
    bool v4 = wye_span_equal(protocol, WYE_SPAN("TCP4"));
    if (!v4 && !wye_span_equal(protocol, WYE_SPAN("TCP6"))) return "behind PROXY stands TCP4, TCP6 or UNKNOWN";
    struct wye_span texts[2] = {next_word(&line), {0}};
    texts[1] = next_word(&line);
    struct wye_ip source, destination;
    for (unsigned i = 0; i < 2; i++) {
        bool has_colon = texts[i].count && memchr(texts[i].bytes, ':', texts[i].count);
        if (has_colon == v4 || !wye_ip_read(i ? &destination : &source, texts[i])) return "two addresses of the protocol's family must follow it";
    }
    struct wye_span source_port = next_word(&line);
    if (!is_port(source_port) || !is_port(line)) return "two ports, 0 to 65535, end the line";
    *from = source;
    return NULL;
}

static ptrdiff_t read_v1(struct wye_ip *from, const char **fault, const uint8_t *bytes, size_t count) {
    size_t most = least(count, WYE_PROXY_V1_MAX);
    const uint8_t *lf = memchr(bytes, '\n', most);
    if (!lf && most < WYE_PROXY_V1_MAX) return 0;
    if (!lf) *fault = "the line of version 1 has at most 107 bytes";
    else if (lf[-1] != '\r') *fault = "the line of version 1 ends with CRLF";
    if (*fault) return -400;
    const size_t used = (size_t)(lf + 1 - bytes);
    *fault = read_line(from, (struct wye_span){(const char *)bytes + sizeof word, used - sizeof word - 2});
    return *fault ? -400 : (ptrdiff_t)used;
}

/* ---- version 2: bytes (2.2) ---- */

/* CRC-32C (RFC 3720 B.4) of the header, its own four bytes at `hole` taken as zeros. */
static uint32_t crc32c(const uint8_t *bytes, size_t count, size_t hole) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        crc ^= i >= hole && i < hole + 4 ? 0 : bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* Walks over what follows the addresses. */
static const char *check_extras(const uint8_t *header, size_t at, size_t count) {
    while (at < count) {
        if (count - at < 3) return "what follows the addresses is cut off";
        uint8_t type = header[at];
        size_t length = (size_t)header[at + 1] << 8 | header[at + 2];
        at += 3;
        if (length > count - at) return "what follows the addresses is cut off";
        if (type == CRC32C) {
            if (length != 4) return "a checksum has four bytes";
            uint32_t said = (uint32_t)header[at] << 24 | (uint32_t)header[at + 1] << 16 | (uint32_t)header[at + 2] << 8 | header[at + 3];
            if (crc32c(header, count, at) != said) return "its checksum (CRC-32C) is wrong";
        }
        at += length;
    }
    return NULL;
}

/* What is wrong with a whole header of `count` bytes; NULL: nothing. */
static const char *read_block(struct wye_ip *from, const uint8_t *header, size_t count) {
    uint8_t command = header[12] & 15, family = header[13] >> 4, transport = header[13] & 15;
    static const uint16_t addresses[4] = {0, 12, 36, 216};
    if (command == 0) return NULL; /* LOCAL: the family, and all else, is to be ignored */
    if (family > 3 || transport > 2) return "its family or transport is unknown";
    if ((family == 0) != (transport == 0)) return "its family and transport don't go together";
    if (family == 0) return NULL; /* UNSPEC: the rest is to be ignored */
    size_t at = WYE_PROXY_V2_BYTES;
    if (count - at < addresses[family]) return "it is too short for its addresses";
    if (family == 1) *from = wye_ip_of_v4(header + at);
    if (family == 2) *from = wye_ip_of_v6(header + at);
    return check_extras(header, at + addresses[family], count);
}

static ptrdiff_t read_v2(struct wye_ip *from, const char **fault, const uint8_t *bytes, size_t count) {
    if (count > 12 && bytes[12] >> 4 != 2) *fault = "its version isn't 2";
    else if (count > 12 && (bytes[12] & 15) > 1) *fault = "its command is neither LOCAL nor PROXY";
    if (*fault) return -400;
    if (count < WYE_PROXY_V2_BYTES) return 0;
    size_t whole = WYE_PROXY_V2_BYTES + ((size_t)bytes[14] << 8 | bytes[15]);
    if (count < whole) return 0;
    *fault = read_block(from, bytes, whole);
    return *fault ? -400 : (ptrdiff_t)whole;
}

ptrdiff_t wye_proxy_header_read(struct wye_ip *from, const char **fault, const uint8_t *bytes, size_t count) {
    *from = (struct wye_ip){.kind = WYE_IP_NONE};
    *fault = NULL;
    if (count == 0) return 0;
    ptrdiff_t used = 0;
    if (begins_v1(bytes, count)) used = count < sizeof word ? 0 : read_v1(from, fault, bytes, count);
    else if (begins_v2(bytes, count)) used = count < sizeof signature ? 0 : read_v2(from, fault, bytes, count);
    else *fault = "it begins with neither 'PROXY ' nor the signature of version 2";
    if (*fault) *from = (struct wye_ip){.kind = WYE_IP_NONE};
    return *fault ? -400 : used;
}
