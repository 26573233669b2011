/* UTF-8 by look-up, sixteen bytes at a time (NEON); the method stands in utf8_variants.h. */
#include "frames/utf8_variants.h"

#ifdef __aarch64__

#include <arm_neon.h>

/* Where `bytes` are wrong, seen with the sixteen bytes before them. */
static inline uint8x16_t faults(uint8x16_t bytes, uint8x16_t before) {
    uint8x16_t before_1 = vextq_u8(before, bytes, 15);
    uint8x16_t before_2 = vextq_u8(before, bytes, 14);
    uint8x16_t before_3 = vextq_u8(before, bytes, 13);
    uint8x16_t first_high = vqtbl1q_u8(vld1q_u8(faults_by_first_high), vshrq_n_u8(before_1, 4));
    uint8x16_t first_low = vqtbl1q_u8(vld1q_u8(faults_by_first_low), vandq_u8(before_1, vdupq_n_u8(0x0f)));
    uint8x16_t second_high = vqtbl1q_u8(vld1q_u8(faults_by_second_high), vshrq_n_u8(bytes, 4));
    /* The top bit where the third or fourth byte of a character must stand. */
    uint8x16_t third = vqsubq_u8(before_2, vdupq_n_u8(0xe0 - 0x80));
    uint8x16_t fourth = vqsubq_u8(before_3, vdupq_n_u8(0xf0 - 0x80));
    uint8x16_t wanted = vandq_u8(vorrq_u8(third, fourth), vdupq_n_u8(0x80));
    return veorq_u8(vandq_u8(vandq_u8(first_high, first_low), second_high), wanted);
}

static inline bool is_zero(uint8x16_t v) { return vmaxvq_u8(v) == 0; }

size_t wye_utf8_neon(const uint8_t *bytes, size_t count) {
    if (count < 16) return wye_utf8_portable(bytes, count);

    uint8x16_t before = vdupq_n_u8(0);
    size_t at = 0;
    for (; count - at >= 64; at += 64) {
        uint8x16_t a = vld1q_u8(bytes + at), b = vld1q_u8(bytes + at + 16);
        uint8x16_t c = vld1q_u8(bytes + at + 32), d = vld1q_u8(bytes + at + 48);
        if (vmaxvq_u8(vorrq_u8(vorrq_u8(a, b), vorrq_u8(c, d))) < 0x80) {
            if (at > 0 && is_cut_at(bytes, at)) return cut_before(bytes, at);
        } else {
            uint8x16_t wrong =
                vorrq_u8(vorrq_u8(faults(a, before), faults(b, a)), vorrq_u8(faults(c, b), faults(d, c)));
            if (!is_zero(wrong)) return search_from(bytes, at, count);
        }
        before = d;
    }
    uint8x16_t wrong = vdupq_n_u8(0);
    size_t done = at;
    for (; count - done >= 16; done += 16) {
        uint8x16_t in = vld1q_u8(bytes + done);
        wrong = vorrq_u8(wrong, faults(in, before));
        before = in;
    }
    if (!is_zero(wrong)) return search_from(bytes, at, count);
    /* Up to fifteen bytes are left, and the character that may be under way before them. */
    return done < count ? search_from(bytes, done, count) : cut_before(bytes, count);
}

#endif
