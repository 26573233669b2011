#include "handshake/scan_variants.h"

#include <string.h>

#define TARGET

/* tchars: "!#$%&'*+-.^_`|~", digits and letters (RFC 9110 5.6.2). */
static const uint8_t is_token[256] = {
    ['!'] = 1, ['#' ... '\''] = 1, ['*'] = 1,         ['+'] = 1,         ['-'] = 1, ['.'] = 1,
    ['|'] = 1, ['0' ... '9'] = 1,  ['A' ... 'Z'] = 1, ['^' ... 'z'] = 1, ['~'] = 1,
};

static const uint64_t ones = 0x0101010101010101u;

/* Gathers the lowest bits of eight bytes, the first byte's into bit 0. */
static inline uint64_t gather(uint64_t bytes) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    return (bytes & ones) * 0x0102040810204080u >> 56;
}

/* Eight bytes at once; the top bit of each tells, and none is carried into: their lower seven bits are added
 * to. */
static inline uint64_t controls_of(const uint8_t *bytes) {
    uint64_t bits = 0;
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        const uint64_t low = word & ones * 0x7f;
        const uint64_t not_low = low + ones * (0x80 - ' ');
        const uint64_t not_tab = (low ^ ones * '\t') + ones * 0x7f;
        const uint64_t del = low + ones;
        bits |= gather((((~not_low & not_tab) | del) & ~word) >> 7) << i;
    }
    return bits;
}

static inline uint64_t tokens_of(const uint8_t *bytes) {
    uint64_t bits = 0;
    for (unsigned i = 0; i < 64; i += 8) {
        uint8_t of_eight[8];
        uint64_t word;
        for (unsigned j = 0; j < 8; j++) of_eight[j] = is_token[bytes[i + j]];
        memcpy(&word, of_eight, sizeof word);
        bits |= gather(word) << i;
    }
    return bits;
}

#include "handshake/scan_lines.h"

void wye_scan_portable(struct wye_scan *scan, const uint8_t *bytes, size_t at, size_t count) {
    scan_all(scan, bytes, at, count);
}
