/* UTF-8 by look-up, thirty-two bytes at a time (AVX2); the method stands in utf8_variants.h. */
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

/* Anywhere but at the start of a text: bytes are loaded again rather than shifted, which is less work. */
AVX2 static inline __m256i faults_at(const uint8_t *at) {
    return faults(load_32(at), load_32(at - 1), load_32(at - 2), load_32(at - 3));
}

/* At the start, nothing stands before. */
AVX2 static inline __m256i faults_at_start(const uint8_t *bytes) {
    __m256i in = load_32(bytes), low = _mm256_permute2x128_si256(in, in, 0x08);
    return faults(in, _mm256_alignr_epi8(in, low, 15), _mm256_alignr_epi8(in, low, 14),
                  _mm256_alignr_epi8(in, low, 13));
}

AVX2 static inline bool is_zero(__m256i v) { return _mm256_testz_si256(v, v); }

AVX2 static inline bool is_ascii_128(const uint8_t *at) {
    return _mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(load_32(at), load_32(at + 32)),
                                                _mm256_or_si256(load_32(at + 64), load_32(at + 96)))) == 0;
}

AVX2 size_t wye_utf8_avx2(const uint8_t *bytes, size_t count) {
    if (count < 32 + 3) return wye_utf8_portable(bytes, count);

    size_t at = 0;
    bool ascii = true; /* is the byte before `at` the end of a character? */
    while (count - at >= 128 && is_ascii_128(bytes + at)) at += 128;
    if (at == 0) {
        if (!is_zero(faults_at_start(bytes))) return search_from(bytes, 0, count);
        at = 32;
        ascii = false;
    }
    for (; count - at >= 128; at += 128) {
        if (is_ascii_128(bytes + at)) {
            if (!ascii && is_cut_at(bytes, at)) return cut_before(bytes, at);
            ascii = true;
            continue;
        }
        __m256i one = faults_at(bytes + at), two = faults_at(bytes + at + 32);
        __m256i three = faults_at(bytes + at + 64), four = faults_at(bytes + at + 96);
        if (!is_zero(_mm256_or_si256(_mm256_or_si256(one, two), _mm256_or_si256(three, four))))
            return search_from(bytes, at, count);
        ascii = false;
    }
    /* The last vector overlaps the one before it. */
    __m256i wrong = faults_at(bytes + count - 32);
    for (size_t i = at; count - i >= 32; i += 32) wrong = _mm256_or_si256(wrong, faults_at(bytes + i));
    return is_zero(wrong) ? cut_before(bytes, count) : search_from(bytes, at, count);
}
