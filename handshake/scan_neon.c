#include "handshake/scan_variants.h"

#ifdef __aarch64__

#include <arm_neon.h>

#define TARGET

/*
 * A byte is told by its two nibbles: `highs` gives each row of the ASCII table that has tchars a bit, `lows`
 * says for each column in which rows it has one.
 *
 *   bit   0    1    2    3    4    5
 *   row   2x   3x   4x   5x   6x   7x
 */
static const uint8_t highs[16] = {0, 0, 1, 2, 4, 8, 16, 32};
static const uint8_t lows[16] = {0x3a, 0x3f, 0x3e, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                 0x3e, 0x3e, 0x3d, 0x15, 0x34, 0x15, 0x3d, 0x1c};
static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};

/* One bit a byte, of four vectors whose bytes are all ones or all zeros. */
static inline uint64_t mask_of(const uint8x16_t in[4], uint8x16_t weight) {
    uint8x16_t low = vpaddq_u8(vandq_u8(in[0], weight), vandq_u8(in[1], weight));
    uint8x16_t high = vpaddq_u8(vandq_u8(in[2], weight), vandq_u8(in[3], weight));
    uint8x16_t all = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(all, all)), 0);
}

static inline uint64_t controls_of(const uint8_t *bytes) {
    const uint8x16_t weight = vld1q_u8(weights);
    uint8x16_t controls[4];
    for (unsigned i = 0; i < 4; i++) {
        const uint8x16_t in = vld1q_u8(bytes + 16 * i);
        const uint8x16_t low = vbicq_u8(vcltq_u8(in, vdupq_n_u8(' ')), vceqq_u8(in, vdupq_n_u8('\t')));
        controls[i] = vorrq_u8(low, vceqq_u8(in, vdupq_n_u8(0x7f)));
    }
    return mask_of(controls, weight);
}

static inline uint64_t tokens_of(const uint8_t *bytes) {
    const uint8x16_t high = vld1q_u8(highs), low = vld1q_u8(lows), weight = vld1q_u8(weights);
    uint8x16_t tokens[4];
    for (unsigned i = 0; i < 4; i++) {
        const uint8x16_t in = vld1q_u8(bytes + 16 * i);
        /* A byte of 0x80 and more is in no row: its high nibble is one of those that have no bit. */
        tokens[i] = vtstq_u8(vqtbl1q_u8(high, vshrq_n_u8(in, 4)), vqtbl1q_u8(low, vandq_u8(in, vdupq_n_u8(0x0f))));
    }
    return mask_of(tokens, weight);
}

#include "handshake/scan_lines.h"

void wye_scan_neon(struct wye_scan *scan, const uint8_t *bytes, size_t at, size_t count) {
    scan_all(scan, bytes, at, count);
}

#endif
