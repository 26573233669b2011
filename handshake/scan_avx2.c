#include "handshake/scan_variants.h"

#ifdef __x86_64__

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,bmi,bmi2")))

bool wye_scan_avx2_runs_here(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

TARGET static inline uint64_t join(uint32_t low, uint32_t high) { return low | (uint64_t)high << 32; }

/*
 * A byte is told by its two nibbles: `highs` gives each row of the ASCII table a bit (rows 0 and 1, which
 * hold nothing but control bytes, share the top one), `lows` says for each column in which rows it has a
 * tchar, or a control byte. The column of HTAB has no control byte, so that 0x19 in it must be compared for,
 * as must DEL, alone in its row.
 *
 *   bit   0    1    2    3    4    5    7
 *   row   2x   3x   4x   5x   6x   7x   0x 1x
 */
TARGET static inline __m256i look_up(__m256i in) {
    const __m256i highs =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(-128, -128, 1, 2, 4, 8, 16, 32, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i lows = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0x3a - 128, 0x3f - 128, 0x3e - 128, 0x3f - 128, 0x3f - 128, 0x3f - 128, 0x3f - 128, 0x3f - 128,
        0x3e - 128, 0x3e, 0x3d - 128, 0x15 - 128, 0x34 - 128, 0x15 - 128, 0x3d - 128, 0x1c - 128));
    const __m256i row =
        _mm256_shuffle_epi8(highs, _mm256_and_si256(_mm256_srli_epi16(in, 4), _mm256_set1_epi8(0x0f)));
    /* A byte of 0x80 and more shuffles to 0 here: it is in no row. */
    return _mm256_and_si256(row, _mm256_shuffle_epi8(lows, in));
}

TARGET static inline uint64_t controls_of(const uint8_t *bytes) {
    uint32_t controls[2];
    for (unsigned half = 0; half < 2; half++) {
        const __m256i in = _mm256_loadu_si256((const __m256i_u *)(bytes + 32 * half));
        const __m256i others = _mm256_or_si256(_mm256_cmpeq_epi8(in, _mm256_set1_epi8(0x7f)),
                                               _mm256_cmpeq_epi8(in, _mm256_set1_epi8(0x19)));
        controls[half] = (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(look_up(in), others));
    }
    return join(controls[0], controls[1]);
}

TARGET static inline uint64_t tokens_of(const uint8_t *bytes) {
    uint32_t tokens[2];
    for (unsigned half = 0; half < 2; half++) {
        const __m256i in = _mm256_loadu_si256((const __m256i_u *)(bytes + 32 * half));
        tokens[half] = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(look_up(in), _mm256_setzero_si256()));
    }
    return join(tokens[0], tokens[1]);
}

#include "handshake/scan_lines.h"

TARGET void wye_scan_avx2(struct wye_scan *scan, const uint8_t *bytes, size_t at, size_t count) {
    scan_all(scan, bytes, at, count);
}

#endif
