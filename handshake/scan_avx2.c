#include "handshake/scan_variants.h"

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

bool wye_scan_avx2_runs_here(void) { return __builtin_cpu_supports("avx2"); }

/*
 * A byte is told by its two nibbles: `highs` gives each row of the ASCII table a bit (rows 0 and 1, which
 * hold nothing but control bytes, share the top one), `lows` says for each column in which rows it has a
 * tchar, or a control byte. DEL, alone in its row, is compared for.
 *
 *   bit   0    1    2    3    4    5    7
 *   row   2x   3x   4x   5x   6x   7x   0x 1x
 */
AVX2 static inline struct wye_scan_row classify(const uint8_t *bytes) {
    const __m256i highs =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(-128, -128, 1, 2, 4, 8, 16, 32, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i lows = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0x3a - 128, 0x3f - 128, 0x3e - 128, 0x3f - 128, 0x3f - 128, 0x3f - 128, 0x3f - 128, 0x3f - 128,
        0x3e - 128, 0x3e - 128, 0x3d - 128, 0x15 - 128, 0x34 - 128, 0x15 - 128, 0x3d - 128, 0x1c - 128));
    const __m256i low_nibble = _mm256_set1_epi8(0x0f);
    const __m256i del = _mm256_set1_epi8(0x7f);
    uint32_t control[2], token[2];
    for (unsigned half = 0; half < 2; half++) {
        __m256i in = _mm256_loadu_si256((const __m256i_u *)(bytes + 32 * half));
        __m256i row = _mm256_shuffle_epi8(highs, _mm256_and_si256(_mm256_srli_epi16(in, 4), low_nibble));
        /* A byte of 0x80 and more shuffles to 0 here: it is in no row. */
        __m256i met = _mm256_and_si256(row, _mm256_shuffle_epi8(lows, in));
        token[half] = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(met, _mm256_setzero_si256()));
        control[half] = (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(met, _mm256_cmpeq_epi8(in, del)));
    }
    return (struct wye_scan_row){
        .control = control[0] | (uint64_t)control[1] << 32,
        .nontoken = ~(token[0] | (uint64_t)token[1] << 32),
    };
}

AVX2 void wye_scan_avx2(struct wye_scan_row *rows, const uint8_t *bytes, size_t count) {
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
