#include "handshake/scan_variants.h"

#ifdef __x86_64__

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi,bmi,bmi2")))

bool wye_scan_avx512_runs_here(void) {
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("bmi2");
}

/* Of the 128 characters of ASCII, those that are no tchars; the top bit: control bytes. */
#define C 0x80
#define N 1
static const uint8_t classes[128] __attribute__((aligned(64))) = {
    C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, /* */
    N, 0, N, 0, 0, 0, 0, 0, N, N, 0, 0, N, 0, 0, N, /*  !"#$%&'()*+,-./ */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, N, N, N, N, N, N, /* 0123456789:;<=>? */
    N, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* @ABCDEFGHIJKLMNO */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, N, N, N, 0, 0, /* PQRSTUVWXYZ[\]^_ */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* `abcdefghijklmno */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, N, 0, N, 0, C, /* pqrstuvwxyz{|}~ */
};
#undef C
#undef N

/*
 * One look-up of 64 bytes among 128. The top bit of an index, which bytes above ASCII have, isn't looked at;
 * so it is put in afterwards.
 */
AVX512 static inline struct wye_scan_row classify(__m512i in, __m512i low, __m512i high) {
    enum { A_OR_B_AND_C = 0xf8 };
    __m512i class = _mm512_permutex2var_epi8(low, in, high);
    __m512i nontoken = _mm512_ternarylogic_epi32(class, in, _mm512_set1_epi8(-128), A_OR_B_AND_C);
    return (struct wye_scan_row){
        .control = _mm512_movepi8_mask(_mm512_andnot_si512(in, class)),
        .nontoken = _mm512_test_epi8_mask(nontoken, nontoken),
    };
}

AVX512 void wye_scan_avx512(struct wye_scan_row *rows, const uint8_t *bytes, size_t count) {
    const __m512i low = _mm512_load_si512(classes);
    const __m512i high = _mm512_load_si512(classes + 64);
    for (; count >= 64; count -= 64, bytes += 64) *rows++ = classify(_mm512_loadu_si512(bytes), low, high);
    if (count == 0) return;
    __mmask64 there = _bzhi_u64(~UINT64_C(0), (unsigned)count);
    struct wye_scan_row row = classify(_mm512_maskz_loadu_epi8(there, bytes), low, high);
    *rows = (struct wye_scan_row){row.control & there, row.nontoken & there};
}

#endif
