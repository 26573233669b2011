#include "handshake/scan_variants.h"

#ifdef __aarch64__

#include <arm_neon.h>
#include <string.h>

/*
 * A byte is told by its two nibbles, as in scan_avx2.c: `highs` gives each row of the ASCII table a bit (rows
 * 0 and 1, which hold nothing but control bytes, share the top one), `lows` says for each column in which
 * rows it has a tchar, or a control byte.
 *
 *   bit   0    1    2    3    4    5    7
 *   row   2x   3x   4x   5x   6x   7x   0x 1x
 */
static const uint8_t highs[16] = {0x80, 0x80, 1, 2, 4, 8, 16, 32};
static const uint8_t lows[16] = {0xba, 0xbf, 0xbe, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf,
                                 0xbe, 0xbe, 0xbd, 0x95, 0xb4, 0x95, 0xbd, 0x9c};
static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};

/* One bit a byte, of four vectors whose bytes are all ones or all zeros. */
static inline uint64_t mask_of(const uint8x16_t in[4], uint8x16_t weight) {
    uint8x16_t low = vpaddq_u8(vandq_u8(in[0], weight), vandq_u8(in[1], weight));
    uint8x16_t high = vpaddq_u8(vandq_u8(in[2], weight), vandq_u8(in[3], weight));
    uint8x16_t all = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(all, all)), 0);
}

static inline struct wye_scan_row classify(const uint8_t *bytes) {
    const uint8x16_t high = vld1q_u8(highs), low = vld1q_u8(lows), weight = vld1q_u8(weights);
    uint8x16_t control[4], nontoken[4];
    for (unsigned i = 0; i < 4; i++) {
        uint8x16_t in = vld1q_u8(bytes + 16 * i);
        /* A byte of 0x80 and more is in no row: its high nibble is one of those that have no bit. */
        uint8x16_t met =
            vandq_u8(vqtbl1q_u8(high, vshrq_n_u8(in, 4)), vqtbl1q_u8(low, vandq_u8(in, vdupq_n_u8(0x0f))));
        uint8x16_t is_control = vcgeq_u8(met, vdupq_n_u8(0x80));
        nontoken[i] = vorrq_u8(vceqzq_u8(met), is_control);
        control[i] = vorrq_u8(is_control, vceqq_u8(in, vdupq_n_u8(0x7f)));
    }
    return (struct wye_scan_row){.control = mask_of(control, weight), .nontoken = mask_of(nontoken, weight)};
}

void wye_scan_neon(struct wye_scan_row *rows, const uint8_t *bytes, size_t count) {
    size_t rest = count % 64;
    const uint8_t *end = bytes + (count - rest);
    bool any = count >= 64;
    for (; bytes < end; bytes += 64) *rows++ = classify(bytes);
    if (rest == 0) return;
    if (any) {
        /* The last 64 bytes once more, overlapping what is done: no byte behind the range, and no copy. */
        struct wye_scan_row row = classify(bytes + rest - 64);
        rows->control = row.control >> (64 - rest);
        rows->nontoken = row.nontoken >> (64 - rest);
    } else {
        uint8_t padded[64];
        memset(padded, 'x', sizeof padded); /* a tchar: no bit is set for it */
        memcpy(padded, bytes, rest);
        *rows = classify(padded);
    }
}

#endif
