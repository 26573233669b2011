/* Masking sixteen bytes at a time (NEON, which every aarch64 has). */
#include "frames/mask_variants.h"

#ifdef __aarch64__

#include <arm_neon.h>

static inline uint8x16_t spread_16(uint32_t key) { return vreinterpretq_u8_u32(vdupq_n_u32(key)); }

/* As in mask_avx2.c: the ends are loaded first and stored last; more than 16 bytes. */
void wye_mask_neon(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase) {
    key = key_ahead(key, phase);
    if (count <= 16) {
        mask_up_to_16(to, from, count, key);
        return;
    }
    uint8x16_t k = spread_16(key);
    uint8x16_t tail = veorq_u8(vld1q_u8(from + count - 16), spread_16(key_ahead(key, count)));
    size_t i = 0;
    for (; i + 64 <= count; i += 64) {
        uint8x16_t a = vld1q_u8(from + i), b = vld1q_u8(from + i + 16);
        uint8x16_t c = vld1q_u8(from + i + 32), d = vld1q_u8(from + i + 48);
        vst1q_u8(to + i, veorq_u8(a, k));
        vst1q_u8(to + i + 16, veorq_u8(b, k));
        vst1q_u8(to + i + 32, veorq_u8(c, k));
        vst1q_u8(to + i + 48, veorq_u8(d, k));
    }
    for (; i + 16 <= count; i += 16) vst1q_u8(to + i, veorq_u8(vld1q_u8(from + i), k));
    vst1q_u8(to + count - 16, tail);
}

#endif
