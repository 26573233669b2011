/* Masking thirty-two bytes at a time (AVX2). Only these functions are built for it; mask.c asks the CPU. */
#include "frames/mask_variants.h"

#ifdef __x86_64__

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m128i load_16(const uint8_t *from) { return _mm_loadu_si128((const __m128i_u *)from); }
AVX2 static inline __m256i load_32(const uint8_t *from) {
    return _mm256_loadu_si256((const __m256i_u *)from);
}
AVX2 static inline void store_16(uint8_t *to, __m128i v) { _mm_storeu_si128((__m128i_u *)to, v); }
AVX2 static inline void store_32(uint8_t *to, __m256i v) { _mm256_storeu_si256((__m256i_u *)to, v); }
AVX2 static inline __m128i spread_16(uint32_t key) { return _mm_set1_epi32((int)key); }
AVX2 static inline __m256i spread_32(uint32_t key) { return _mm256_set1_epi32((int)key); }

/*
 * More than 64 bytes. The first and the last vector overlap the run between them; they are loaded before
 * anything is stored and stored after everything is loaded, so in place and moving down both come out right.
 * Between them the stores are aligned: one that straddles two cache lines costs two.
 */
AVX2 static void mask_long(uint8_t *to, const uint8_t *from, size_t count, uint32_t key) {
    __m256i head = _mm256_xor_si256(load_32(from), spread_32(key));
    __m256i tail = _mm256_xor_si256(load_32(from + count - 32), spread_32(key_ahead(key, count)));
    size_t i = 32 - ((uintptr_t)to & 31);
    __m256i k = spread_32(key_ahead(key, i));

    for (; i + 128 <= count; i += 128) {
        __m256i a = load_32(from + i), b = load_32(from + i + 32);
        __m256i c = load_32(from + i + 64), d = load_32(from + i + 96);
        store_32(to + i, _mm256_xor_si256(a, k));
        store_32(to + i + 32, _mm256_xor_si256(b, k));
        store_32(to + i + 64, _mm256_xor_si256(c, k));
        store_32(to + i + 96, _mm256_xor_si256(d, k));
    }
    for (; i + 32 <= count; i += 32) store_32(to + i, _mm256_xor_si256(load_32(from + i), k));
    store_32(to, head);
    store_32(to + count - 32, tail);
}

AVX2 void wye_mask_avx2(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase) {
    key = key_ahead(key, phase);
    if (count <= 16) {
        mask_up_to_16(to, from, count, key);
    } else if (count <= 32) {
        __m128i head = _mm_xor_si128(load_16(from), spread_16(key));
        __m128i tail = _mm_xor_si128(load_16(from + count - 16), spread_16(key_ahead(key, count)));
        store_16(to, head);
        store_16(to + count - 16, tail);
    } else if (count <= 64) {
        __m256i head = _mm256_xor_si256(load_32(from), spread_32(key));
        __m256i tail = _mm256_xor_si256(load_32(from + count - 32), spread_32(key_ahead(key, count)));
        store_32(to, head);
        store_32(to + count - 32, tail);
    } else {
        mask_long(to, from, count, key);
    }
}

#endif
