/* UTF-8 by look-up with AVX-512 BW, for utf8_avx512.c and mask_utf8_avx512.c. */
#ifndef WYE_FRAMES_UTF8_AVX512_H
#define WYE_FRAMES_UTF8_AVX512_H

#include "frames/utf8_variants.h"

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi")))

AVX512 static inline __m512i load_64(const uint8_t *from) { return _mm512_loadu_si512(from); }

/* Lanes without a bit are neither read nor faulted on, and are 0. */
AVX512 static inline __m512i load_some(const uint8_t *from, uint64_t lanes) {
    return _mm512_maskz_loadu_epi8(lanes, from);
}

AVX512 static inline __m512i load_table(const uint8_t *table) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i_u *)table));
}

AVX512 static inline __m512i high_nibbles(__m512i bytes) {
    return _mm512_and_si512(_mm512_srli_epi16(bytes, 4), _mm512_set1_epi8(0x0f));
}

/* Where `bytes` are wrong, seen with the sixteen bytes before them at the end of `before`. */
AVX512 static inline __m512i faults(__m512i bytes, __m512i before) {
    __m512i lanes_before = _mm512_alignr_epi32(bytes, before, 12); /* each lane has the one before it */
    __m512i before_1 = _mm512_alignr_epi8(bytes, lanes_before, 15);
    __m512i before_2 = _mm512_alignr_epi8(bytes, lanes_before, 14);
    __m512i before_3 = _mm512_alignr_epi8(bytes, lanes_before, 13);
    __m512i first_high = _mm512_shuffle_epi8(load_table(faults_by_first_high), high_nibbles(before_1));
    __m512i first_low = _mm512_shuffle_epi8(load_table(faults_by_first_low),
                                            _mm512_and_si512(before_1, _mm512_set1_epi8(0x0f)));
    __m512i second_high = _mm512_shuffle_epi8(load_table(faults_by_second_high), high_nibbles(bytes));
    /* The top bit where the third or fourth byte of a character must stand. */
    __m512i third = _mm512_subs_epu8(before_2, _mm512_set1_epi8(0xe0 - 0x80));
    __m512i fourth = _mm512_subs_epu8(before_3, _mm512_set1_epi8(0xf0 - 0x80));
    __m512i wanted = _mm512_and_si512(_mm512_or_si512(third, fourth), _mm512_set1_epi8((char)0x80));
    __m512i of_two = _mm512_and_si512(_mm512_and_si512(first_high, first_low), second_high);
    return _mm512_xor_si512(of_two, wanted);
}

#endif
