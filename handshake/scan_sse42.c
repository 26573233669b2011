#include "handshake/scan_variants.h"

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#define SSE42 __attribute__((target("sse4.2")))

bool wye_scan_sse42_runs_here(void) { return __builtin_cpu_supports("sse4.2"); }

/* As in scan_avx2.c, where it is told what the two tables mean; sixteen bytes at a time. */
SSE42 static inline struct wye_scan_row classify(const uint8_t *bytes) {
    const __m128i highs = _mm_setr_epi8(-128, -128, 1, 2, 4, 8, 16, 32, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i lows = _mm_setr_epi8(0x3a - 128, 0x3f - 128, 0x3e - 128, 0x3f - 128, 0x3f - 128, 0x3f - 128,
                                       0x3f - 128, 0x3f - 128, 0x3e - 128, 0x3e - 128, 0x3d - 128, 0x15 - 128,
                                       0x34 - 128, 0x15 - 128, 0x3d - 128, 0x1c - 128);
    const __m128i low_nibble = _mm_set1_epi8(0x0f);
    const __m128i del = _mm_set1_epi8(0x7f);
    uint64_t control = 0, token = 0;
    for (unsigned at = 0; at < 64; at += 16) {
        __m128i in = _mm_loadu_si128((const __m128i_u *)(bytes + at));
        __m128i row = _mm_shuffle_epi8(highs, _mm_and_si128(_mm_srli_epi16(in, 4), low_nibble));
        __m128i met = _mm_and_si128(row, _mm_shuffle_epi8(lows, in));
        token |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(met, _mm_setzero_si128())) << at;
        control |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_or_si128(met, _mm_cmpeq_epi8(in, del))) << at;
    }
    return (struct wye_scan_row){.control = control, .nontoken = ~token};
}

SSE42 void wye_scan_sse42(struct wye_scan_row *rows, const uint8_t *bytes, size_t count) {
    size_t rest = count % 64;
    const uint8_t *end = bytes + (count - rest);
    bool any = count >= 64;
    for (; bytes < end; bytes += 64) *rows++ = classify(bytes);
    if (rest == 0) return;
    if (any) {
        /* The last 64 bytes once more, overlapping what is done: no byte behind the range, and no copy. */
        struct wye_scan_row row = classify(bytes + rest - 64);
        rows->control = row.control >> (64 - rest);
        rows->nontoken = row.nontoken >> (64 - rest);
    } else {
        uint8_t padded[64];
        memset(padded, 'x', sizeof padded); /* a tchar: no bit is set for it */
        memcpy(padded, bytes, rest);
        *rows = classify(padded);
    }
}

#endif
