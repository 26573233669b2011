/* Unmasking and validating in one pass, thirty-two bytes at a time (AVX2). */
#include "frames/mask_utf8.h"
#include "frames/mask_variants.h"

#ifdef __x86_64__

#include "frames/utf8_avx2.h"

wye_mask_utf8_fn wye_mask_utf8_avx2;

AVX2 static inline void store_32(uint8_t *to, __m256i v) { _mm256_storeu_si256((__m256i_u *)to, v); }
AVX2 static inline __m256i or_32(__m256i a, __m256i b) { return _mm256_or_si256(a, b); }

/* Where there is nothing but ASCII nothing is wrong, and most text is. */
AVX2 static inline __m256i faults_if_any(__m256i bytes, __m256i before) {
    if (_mm256_movemask_epi8(or_32(bytes, before)) == 0) return _mm256_setzero_si256();
    return faults_behind(bytes, before);
}

AVX2 static inline uint32_t at_least(__m256i bytes, uint8_t least) {
    return (uint32_t)_mm256_movemask_epi8(
        _mm256_cmpeq_epi8(_mm256_max_epu8(bytes, _mm256_set1_epi8((char)least)), bytes));
}

/* As cut_before(), of a text that ends with these bytes; in memory they may still be on their way. */
AVX2 static inline size_t cut_of(__m256i last, size_t count) {
    if (at_least(last, 0xc0) >> 31) return count - 1;
    if (at_least(last, 0xe0) >> 30) return count - 2;
    return at_least(last, 0xf0) >> 29 ? count - 3 : count;
}

/* What will be unmasked from `at` on, seen before it is. */
AVX2 static inline __m256i text_at(const uint8_t *from, size_t at, uint32_t key) {
    return _mm256_xor_si256(load_32(from + at), _mm256_set1_epi32((int)key_ahead(key, at)));
}

AVX2 size_t wye_mask_utf8_avx2(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase) {
    key = key_ahead(key, phase);
    if (count < 32 + 3) {
        wye_mask_avx2(to, from, count, key, 0);
        return wye_utf8_portable(to, count);
    }

    /*
     * The last vector overlaps the one before it, and the bytes before the last are loaded, not shifted. All
     * of it before anything is stored: what is loaded from where it was just stored waits for the store.
     */
    size_t last = count - 32, i = 0;
    __m256i tail = text_at(from, last, key), k = _mm256_set1_epi32((int)key);
    __m256i wrong = faults(tail, text_at(from, last - 1, key), text_at(from, last - 2, key),
                           text_at(from, last - 3, key));
    __m256i before = _mm256_setzero_si256();

    for (; i + 128 <= count; i += 128) {
        __m256i a = _mm256_xor_si256(load_32(from + i), k), b = _mm256_xor_si256(load_32(from + i + 32), k);
        __m256i c = _mm256_xor_si256(load_32(from + i + 64), k);
        __m256i d = _mm256_xor_si256(load_32(from + i + 96), k);
        store_32(to + i, a);
        store_32(to + i + 32, b);
        store_32(to + i + 64, c);
        store_32(to + i + 96, d);
        if (_mm256_movemask_epi8(or_32(or_32(or_32(a, b), or_32(c, d)), before)))
            wrong = or_32(wrong, or_32(or_32(faults_behind(a, before), faults_behind(b, a)),
                                       or_32(faults_behind(c, b), faults_behind(d, c))));
        before = d;
    }
    for (; i + 32 <= count; i += 32) {
        __m256i in = _mm256_xor_si256(load_32(from + i), k);
        store_32(to + i, in);
        wrong = or_32(wrong, faults_if_any(in, before));
        before = in;
    }
    store_32(to + last, tail);
    return is_zero(wrong) ? cut_of(tail, count) : search_from(to, 0, count);
}

#endif
