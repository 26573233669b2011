/* How far a request target goes, and where its query begins (RFC 9112 3.2, RFC 3986 2). */
#ifndef WYE_HANDSHAKE_TARGET_H
#define WYE_HANDSHAKE_TARGET_H

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

/* Reads a target that begins at `bytes`, of which `count` may be read. */
static inline struct wye_target_run wye_target_run(const uint8_t *bytes, size_t count) {
    size_t at = 0, mark = SIZE_MAX;
#ifdef __SSE2__
    for (; at + 16 <= count; at += 16) {
        __m128i in = _mm_loadu_si128((const __m128i_u *)(bytes + at));
        /* As signed numbers the bytes above ASCII are the smallest. */
        __m128i fits = _mm_andnot_si128(
            _mm_or_si128(_mm_cmpeq_epi8(in, _mm_set1_epi8('#')), _mm_cmpeq_epi8(in, _mm_set1_epi8(0x7f))),
            _mm_cmpgt_epi8(in, _mm_set1_epi8(' ')));
        unsigned ends = (unsigned)_mm_movemask_epi8(fits) ^ 0xffff;
        unsigned marks = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(in, _mm_set1_epi8('?')));
        if (marks && mark == SIZE_MAX) mark = at + (unsigned)__builtin_ctz(marks);
        if (ends) {
            at += (unsigned)__builtin_ctz(ends);
            return (struct wye_target_run){at, mark < at ? mark : at};
        }
    }
#endif
    for (; at < count && bytes[at] > ' ' && bytes[at] < 0x7f && bytes[at] != '#'; at++) {
        if (bytes[at] == '?' && mark == SIZE_MAX) mark = at;
    }
    return (struct wye_target_run){at, mark < at ? mark : at};
}

#endif
