/* Masking sixty-four bytes at a time (AVX-512). Short payloads go the way of AVX2, which is as fast for them.
 */
#include "frames/mask_variants.h"

#ifdef __x86_64__

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f")))

AVX512 static inline __m512i load_64(const uint8_t *from) { return _mm512_loadu_si512(from); }
AVX512 static inline void store_64(uint8_t *to, __m512i v) { _mm512_storeu_si512(to, v); }
AVX512 static inline __m512i spread_64(uint32_t key) { return _mm512_set1_epi32((int)key); }

/* As in mask_avx2.c: the ends are loaded first and stored last, and the stores between them are aligned. */
AVX512 void wye_mask_avx512(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase) {
    if (count <= 128) {
        wye_mask_avx2(to, from, count, key, phase);
        return;
    }
    key = key_ahead(key, phase);
    __m512i head = _mm512_xor_si512(load_64(from), spread_64(key));
    __m512i tail = _mm512_xor_si512(load_64(from + count - 64), spread_64(key_ahead(key, count)));
    size_t i = 64 - ((uintptr_t)to & 63);
    __m512i k = spread_64(key_ahead(key, i));

    for (; i + 256 <= count; i += 256) {
        __m512i a = load_64(from + i), b = load_64(from + i + 64);
        __m512i c = load_64(from + i + 128), d = load_64(from + i + 192);
        store_64(to + i, _mm512_xor_si512(a, k));
        store_64(to + i + 64, _mm512_xor_si512(b, k));
        store_64(to + i + 128, _mm512_xor_si512(c, k));
        store_64(to + i + 192, _mm512_xor_si512(d, k));
    }
    for (; i + 64 <= count; i += 64) store_64(to + i, _mm512_xor_si512(load_64(from + i), k));
    store_64(to, head);
    store_64(to + count - 64, tail);
}

#endif
