/* UTF-8 by look-up with AVX2, for utf8_avx2.c and mask_utf8_avx2.c. */
#ifndef WYE_FRAMES_UTF8_AVX2_H
#define WYE_FRAMES_UTF8_AVX2_H

#include "frames/utf8_variants.h"

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i load_32(const uint8_t *from) {
    return _mm256_loadu_si256((const __m256i_u *)from);
}

AVX2 static inline __m256i load_table(const uint8_t *table) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i_u *)table));
}

AVX2 static inline __m256i high_nibbles(__m256i bytes) {
    return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0f));
}

/* What is wrong with `bytes`, seen with the bytes that stand one, two and three before them. 0: nothing. */
AVX2 static inline __m256i faults(__m256i bytes, __m256i before_1, __m256i before_2, __m256i before_3) {
    __m256i first_high = _mm256_shuffle_epi8(load_table(faults_by_first_high), high_nibbles(before_1));
    __m256i first_low = _mm256_shuffle_epi8(load_table(faults_by_first_low),
                                            _mm256_and_si256(before_1, _mm256_set1_epi8(0x0f)));
    __m256i second_high = _mm256_shuffle_epi8(load_table(faults_by_second_high), high_nibbles(bytes));
    __m256i of_two = _mm256_and_si256(_mm256_and_si256(first_high, first_low), second_high);
    /* The top bit where the third or fourth byte of a character must stand. */
    __m256i third = _mm256_subs_epu8(before_2, _mm256_set1_epi8(0xe0 - 0x80));
    __m256i fourth = _mm256_subs_epu8(before_3, _mm256_set1_epi8(0xf0 - 0x80));
    __m256i wanted = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
    return _mm256_xor_si256(of_two, wanted);
}

/* The same, seen with the thirty-two bytes before them. */
AVX2 static inline __m256i faults_behind(__m256i bytes, __m256i before) {
    __m256i lanes_before = _mm256_permute2x128_si256(before, bytes, 0x21);
    return faults(bytes, _mm256_alignr_epi8(bytes, lanes_before, 15),
                  _mm256_alignr_epi8(bytes, lanes_before, 14), _mm256_alignr_epi8(bytes, lanes_before, 13));
}

AVX2 static inline bool is_zero(__m256i v) { return _mm256_testz_si256(v, v); }

#endif
