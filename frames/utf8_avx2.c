/* UTF-8 by look-up, thirty-two bytes at a time (AVX2). */
#ifdef __x86_64__

#include "frames/utf8_avx2.h"

/* Anywhere but at the start of a text: bytes are loaded again rather than shifted, which is less work. */
AVX2 static inline __m256i faults_at(const uint8_t *at) {
    return faults(load_32(at), load_32(at - 1), load_32(at - 2), load_32(at - 3));
}

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
        if (!is_zero(faults_behind(load_32(bytes), _mm256_setzero_si256())))
            return search_from(bytes, 0, count);
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

#endif
