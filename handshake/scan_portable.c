#include "handshake/scan_variants.h"

#include <string.h>

enum { CONTROL = 1, NONTOKEN = 2, BOTH = CONTROL | NONTOKEN };

/* What each byte is; 0 is a tchar: "!#$%&'*+-.^_`|~", digits and letters (RFC 9110 5.6.2). */
static const uint8_t classes[256] = {
    [0x00 ... 0x1f] = BOTH,     [' '] = NONTOKEN, ['"'] = NONTOKEN, ['('] = NONTOKEN,
    [')'] = NONTOKEN,           [','] = NONTOKEN, ['/'] = NONTOKEN, [':' ... '@'] = NONTOKEN,
    ['[' ... ']'] = NONTOKEN,   ['{'] = NONTOKEN, ['}'] = NONTOKEN, [0x7f] = BOTH,
    [0x80 ... 0xff] = NONTOKEN,
};

/* Gathers the lowest bits of eight bytes, the first byte's into bit 0. */
static uint64_t gather(uint64_t bytes) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    return (bytes & 0x0101010101010101u) * 0x0102040810204080u >> 56;
}

static struct wye_scan_row classify(const uint8_t *bytes) {
    struct wye_scan_row row = {0, 0};
    for (unsigned i = 0; i < 64; i += 8) {
        uint8_t of_eight[8];
        uint64_t word;
        for (unsigned j = 0; j < 8; j++) of_eight[j] = classes[bytes[i + j]];
        memcpy(&word, of_eight, sizeof word);
        row.control |= gather(word) << i;
        row.nontoken |= gather(word >> 1) << i;
    }
    return row;
}

void wye_scan_portable(struct wye_scan_row *rows, const uint8_t *bytes, size_t count) {
    for (; count >= 64; count -= 64, bytes += 64) *rows++ = classify(bytes);
    if (count > 0) {
        uint8_t rest[64];
        memset(rest, 'x', sizeof rest); /* a tchar: no bit is set for it */
        memcpy(rest, bytes, count);
        *rows = classify(rest);
    }
}
