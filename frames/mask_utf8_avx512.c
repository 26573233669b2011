/* Unmasking and validating in one pass, sixty-four bytes at a time (AVX-512). */
#include "frames/mask_utf8.h"
#include "frames/mask_variants.h"

#ifdef __x86_64__

#include "frames/utf8_avx512.h"

wye_mask_utf8_fn wye_mask_utf8_avx512;

AVX512 static inline void store_64(uint8_t *to, __m512i v) { _mm512_storeu_si512(to, v); }
AVX512 static inline __m512i spread_64(uint32_t key) { return _mm512_set1_epi32((int)key); }
AVX512 static inline __m512i or_64(__m512i a, __m512i b) { return _mm512_or_si512(a, b); }
AVX512 static inline uint64_t first_lanes(size_t count) {
    return count < 64 ? (UINT64_C(1) << count) - 1 : UINT64_MAX;
}

/* Where there is nothing but ASCII nothing is wrong, and most text is. */
AVX512 static inline __m512i faults_if_any(__m512i bytes, __m512i before) {
    if (_mm512_movepi8_mask(or_64(bytes, before)) == 0) return _mm512_setzero_si512();
    return faults(bytes, before);
}

/* As cut_before(), of a text that ends with these bytes; in memory they may still be on their way. */
AVX512 static inline size_t cut_of(__m512i last, size_t count) {
    if (_mm512_cmpge_epu8_mask(last, _mm512_set1_epi8((char)0xc0)) >> 63) return count - 1;
    if (_mm512_cmpge_epu8_mask(last, _mm512_set1_epi8((char)0xe0)) >> 62) return count - 2;
    return _mm512_cmpge_epu8_mask(last, _mm512_set1_epi8((char)0xf0)) >> 61 ? count - 3 : count;
}

/* The first `count` of the bytes, seen as the last of the vector before another one. 1 to 64. */
AVX512 static inline __m512i moved_to_end(__m512i bytes, size_t count) {
    static const _Alignas(64) uint8_t places[64] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    __m512i from = _mm512_add_epi8(load_64(places), _mm512_set1_epi8((char)count)); /* modulo 64 */
    return _mm512_maskz_permutexvar_epi8(UINT64_MAX << (64 - count), from, bytes);
}

/*
 * 17 to 64 bytes. What is validated is loaded on its own, not from where it was just stored: a load that
 * spans two stores waits for both.
 */
AVX512 static size_t run_short(uint8_t *to, const uint8_t *from, size_t count, uint32_t key) {
    uint64_t lanes = first_lanes(count);
    __m512i in = _mm512_maskz_mov_epi8(lanes, _mm512_xor_si512(load_some(from, lanes), spread_64(key)));
    __m512i wrong = faults(in, _mm512_setzero_si512());
    bool ascii = _mm512_movepi8_mask(in) == 0, right = _mm512_mask_test_epi8_mask(lanes, wrong, wrong) == 0;
    wye_mask_avx2(to, from, count, key, 0);
    if (ascii) return count;
    return right ? cut_before(to, count) : search_from(to, 0, count);
}

/* As wye_mask_avx512(): the ends are loaded first and stored last. The first vector is judged up to where the
 * next begins. */
AVX512 size_t wye_mask_utf8_avx512(uint8_t *to, const uint8_t *from, size_t count, uint32_t key,
                                   unsigned phase) {
    key = key_ahead(key, phase);
    if (count <= 16) {
        wye_mask_portable(to, from, count, key, 0);
        return wye_utf8_portable(to, count);
    }
    if (count <= 64) return run_short(to, from, count, key);

    __m512i head = _mm512_xor_si512(load_64(from), spread_64(key));
    __m512i tail = _mm512_xor_si512(load_64(from + count - 64), spread_64(key_ahead(key, count)));
    size_t i = 64 - ((uintptr_t)to & 63);
    __m512i k = spread_64(key_ahead(key, i)), before = moved_to_end(head, i);
    __m512i wrong = _mm512_maskz_mov_epi8(first_lanes(i), faults_if_any(head, _mm512_setzero_si512()));

    for (; i + 256 <= count; i += 256) {
        __m512i a = _mm512_xor_si512(load_64(from + i), k), b = _mm512_xor_si512(load_64(from + i + 64), k);
        __m512i c = _mm512_xor_si512(load_64(from + i + 128), k);
        __m512i d = _mm512_xor_si512(load_64(from + i + 192), k);
        store_64(to + i, a);
        store_64(to + i + 64, b);
        store_64(to + i + 128, c);
        store_64(to + i + 192, d);
        if (_mm512_movepi8_mask(or_64(or_64(or_64(a, b), or_64(c, d)), before)))
            wrong = or_64(wrong, or_64(or_64(faults(a, before), faults(b, a)), //
                                       or_64(faults(c, b), faults(d, c))));
        before = d;
    }
    for (; i + 64 <= count; i += 64) {
        __m512i in = _mm512_xor_si512(load_64(from + i), k);
        store_64(to + i, in);
        wrong = or_64(wrong, faults_if_any(in, before));
        before = in;
    }
    uint64_t lanes = first_lanes(count - i);
    __m512i in = _mm512_maskz_mov_epi8(lanes, _mm512_xor_si512(load_some(from + i, lanes), k));
    wrong = or_64(wrong, _mm512_maskz_mov_epi8(lanes, faults_if_any(in, before)));
    store_64(to, head);
    store_64(to + count - 64, tail);
    return _mm512_test_epi8_mask(wrong, wrong) ? search_from(to, 0, count) : cut_of(tail, count);
}

#endif
