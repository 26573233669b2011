#include "handshake/scan_variants.h"

#ifdef __x86_64__

#include <immintrin.h>

#define TARGET __attribute__((target("sse4.2")))

bool wye_scan_sse42_runs_here(void) { return __builtin_cpu_supports("sse4.2"); }

TARGET static inline uint64_t bits_of(__m128i mask, unsigned at) {
    return (uint64_t)(unsigned)_mm_movemask_epi8(mask) << at;
}

TARGET static inline uint64_t controls_of(const uint8_t *bytes) {
    uint64_t controls = 0;
    for (unsigned at = 0; at < 64; at += 16) {
        const __m128i in = _mm_loadu_si128((const __m128i_u *)(bytes + at));
        const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(in, _mm_set1_epi8(0x1f)), in);
        const __m128i tab = _mm_cmpeq_epi8(in, _mm_set1_epi8('\t'));
        const __m128i del = _mm_cmpeq_epi8(in, _mm_set1_epi8(0x7f));
        controls |= bits_of(_mm_or_si128(_mm_andnot_si128(tab, low), del), at);
    }
    return controls;
}

/*
 * A byte is told by its two nibbles: `highs` gives each row of the ASCII table that has tchars a bit, `lows`
 * says for each column in which rows it has one.
 *
 *   bit   0    1    2    3    4    5
 *   row   2x   3x   4x   5x   6x   7x
 */
TARGET static inline uint64_t tokens_of(const uint8_t *bytes) {
    const __m128i highs = _mm_setr_epi8(0, 0, 1, 2, 4, 8, 16, 32, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i lows = _mm_setr_epi8(0x3a, 0x3f, 0x3e, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3e, 0x3e, 0x3d, 0x15,
                                       0x34, 0x15, 0x3d, 0x1c);
    uint64_t tokens = 0;
    for (unsigned at = 0; at < 64; at += 16) {
        const __m128i in = _mm_loadu_si128((const __m128i_u *)(bytes + at));
        const __m128i row =
            _mm_shuffle_epi8(highs, _mm_and_si128(_mm_srli_epi16(in, 4), _mm_set1_epi8(0x0f)));
        const __m128i met = _mm_and_si128(row, _mm_shuffle_epi8(lows, in));
        tokens |= bits_of(_mm_cmpgt_epi8(met, _mm_setzero_si128()), at);
    }
    return tokens;
}

#include "handshake/scan_lines.h"

TARGET void wye_scan_sse42(struct wye_scan *scan, const uint8_t *bytes, size_t at, size_t count) {
    scan_all(scan, bytes, at, count);
}

#endif
