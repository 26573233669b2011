#include "handshake/scan_variants.h"

#ifdef __x86_64__

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,popcnt")))

bool wye_scan_avx512_runs_here(void) {
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2");
}

/* Of the 128 characters of ASCII, those that are no tchars; the top bit: control bytes but HTAB. */
#define C 0x80
#define N 1
static const uint8_t classes[128] __attribute__((aligned(64))) = {
    C, C, C, C, C, C, C, C, C, N, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, /* */
    N, 0, N, 0, 0, 0, 0, 0, N, N, 0, 0, N, 0, 0, N, /*  !"#$%&'()*+,-./ */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, N, N, N, N, N, N, /* 0123456789:;<=>? */
    N, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* @ABCDEFGHIJKLMNO */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, N, N, N, 0, 0, /* PQRSTUVWXYZ[\]^_ */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* `abcdefghijklmno */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, N, 0, N, 0, C, /* pqrstuvwxyz{|}~ */
};
#undef C
#undef N

/* One look-up of 64 bytes among 128. The top bit of an index, which bytes above ASCII have, isn't looked at.
 */
TARGET static inline __m512i classes_of(__m512i in) {
    return _mm512_permutex2var_epi8(_mm512_load_si512(classes), in, _mm512_load_si512(classes + 64));
}

TARGET static inline uint64_t controls_of(const uint8_t *bytes) {
    const __m512i in = _mm512_loadu_si512(bytes);
    return _mm512_movepi8_mask(_mm512_andnot_si512(in, classes_of(in)));
}

TARGET static inline uint64_t tokens_of(const uint8_t *bytes) {
    const __m512i in = _mm512_loadu_si512(bytes);
    const __m512i either = _mm512_or_si512(classes_of(in), _mm512_and_si512(in, _mm512_set1_epi8(-128)));
    return _mm512_testn_epi8_mask(either, either);
}

#define HAS_KEEP 1
/* The places are the numbers from 0 to 63, those of them that have a bit. */
TARGET static inline uint16_t *keep(uint16_t *to, uint64_t bits, size_t at) {
    static const uint8_t numbers[64] __attribute__((aligned(64))) = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
    };
    const __m512i places = _mm512_maskz_compress_epi8(bits, _mm512_load_si512(numbers));
    const __m512i base = _mm512_set1_epi16((short)at);
    const unsigned count = (unsigned)__builtin_popcountll(bits);
    /* Seldom more than eight. */
    _mm_storeu_si128((__m128i_u *)to, _mm_add_epi16(_mm512_castsi512_si128(base),
                                                    _mm_cvtepu8_epi16(_mm512_castsi512_si128(places))));
    if (__builtin_expect(count > 8, 0)) {
        const __m512i low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(places));
        const __m512i high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(places, 1));
        _mm512_storeu_si512(to, _mm512_add_epi16(base, low));
        _mm512_storeu_si512(to + 32, _mm512_add_epi16(base, high));
    }
    return to + count;
}

#include "handshake/scan_lines.h"

TARGET void wye_scan_avx512(struct wye_scan *scan, const uint8_t *bytes, size_t at, size_t count) {
    scan_all(scan, bytes, at, count);
}

#endif
