/* UTF-8 by look-up, sixty-four bytes at a time (AVX-512). */
#ifdef __x86_64__

#include "frames/utf8_avx512.h"

AVX512 static inline uint64_t ascii_misses(__m512i a, __m512i b, __m512i c, __m512i d) {
    return _mm512_movepi8_mask(_mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d)));
}

AVX512 size_t wye_utf8_avx512(const uint8_t *bytes, size_t count) {
    __m512i before = _mm512_setzero_si512();
    size_t at = 0;
    for (; count - at >= 256; at += 256) {
        __m512i a = load_64(bytes + at), b = load_64(bytes + at + 64);
        __m512i c = load_64(bytes + at + 128), d = load_64(bytes + at + 192);
        if (ascii_misses(a, b, c, d) == 0) {
            if (at > 0 && is_cut_at(bytes, at)) return cut_before(bytes, at);
        } else {
            __m512i wrong = _mm512_or_si512(_mm512_or_si512(faults(a, before), faults(b, a)),
                                            _mm512_or_si512(faults(c, b), faults(d, c)));
            if (_mm512_test_epi8_mask(wrong, wrong)) return search_from(bytes, at, count);
        }
        before = d;
    }
    for (; at < count; at += 64) {
        uint64_t lanes = count - at < 64 ? (UINT64_C(1) << (count - at)) - 1 : UINT64_MAX;
        __m512i in = load_some(bytes + at, lanes), wrong = faults(in, before);
        if (_mm512_mask_test_epi8_mask(lanes, wrong, wrong)) return search_from(bytes, at, count);
        if (count - at <= 64) break;
        before = in;
    }
    if (count >= 3) return cut_before(bytes, count);
    return search_from(bytes, 0, count);
}

#endif
