/* How far a request target goes, and where its query begins (RFC 9112 3.2, RFC 3986 2). */
#ifndef WYE_HANDSHAKE_TARGET_H
#define WYE_HANDSHAKE_TARGET_H

#include "handshake/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct wye_target_run {
    size_t end;  /* of the first byte that no target has: a space, '#', a control byte, or one above ASCII;
                    count: none */
    size_t mark; /* of the first '?' before it; end: none */
};

/* The place of the first byte, from `at` on, that ends a target or, unless `in_query`, its path; `count`: none. */
static inline __attribute__((always_inline)) size_t wye_target_end(const uint8_t *bytes, size_t at, size_t count,
                                                                   bool in_query) {
#ifdef __SSE2__
    for (; at + 16 <= count; at += 16) {
        const __m128i in = _mm_loadu_si128((const __m128i_u *)(bytes + at));
        /* As signed numbers the bytes above ASCII are the smallest. */
        __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(in, _mm_set1_epi8('#')), _mm_cmpeq_epi8(in, _mm_set1_epi8(0x7f)));
        if (!in_query) ends = _mm_or_si128(ends, _mm_cmpeq_epi8(in, _mm_set1_epi8('?')));
        ends = _mm_or_si128(ends, _mm_cmplt_epi8(in, _mm_set1_epi8('!')));
        const unsigned bits = (unsigned)_mm_movemask_epi8(ends);
        if (WYE_USUALLY(bits)) return at + (unsigned)__builtin_ctz(bits);
    }
#endif
    while (at < count && bytes[at] > ' ' && bytes[at] < 0x7f && bytes[at] != '#' && (in_query || bytes[at] != '?')) at++;
    return at;
}

/* Reads a target that begins at `bytes`, of which `count` may be read. */
static inline struct wye_target_run wye_target_run(const uint8_t *bytes, size_t count) {
    const size_t mark = wye_target_end(bytes, 0, count, false);
    if (WYE_USUALLY(mark == count || bytes[mark] != '?')) return (struct wye_target_run){mark, mark};
    return (struct wye_target_run){wye_target_end(bytes, mark + 1, count, true), mark};
}

#endif
