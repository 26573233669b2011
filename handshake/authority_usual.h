/* The usual authority, told at a glance: most of what is read as Host is no more than a name and a port. */
#ifndef WYE_HANDSHAKE_AUTHORITY_USUAL_H
#define WYE_HANDSHAKE_AUTHORITY_USUAL_H

#include "handshake/span.h"

#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>

static inline __m128i wye_between(__m128i in, char first, char last) {
    const __m128i apart = _mm_sub_epi8(in, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(apart, _mm_set1_epi8((char)(last - first))), apart);
}

/* Which of 16 bytes are letters, digits, '.' or '-': all ones. */
static inline __m128i wye_plain_bytes(__m128i in) {
    const __m128i letters = wye_between(_mm_or_si128(in, _mm_set1_epi8(0x20)), 'a', 'z');
    return _mm_or_si128(_mm_or_si128(letters, wye_between(in, '0', '9')), wye_between(in, '-', '.'));
}

/* A bit of each byte; the last one's is the top one of 64. */
static inline uint64_t wye_top_bits(__m128i in) { return (uint64_t)_mm_movemask_epi8(in) << 48; }

/*
 * Is it a name of letters, digits, '.' and '-', alone or with ':' and up to four digits behind it? Of 6 to 32 bytes;
 * false says nothing. The 16 bytes that end where text does must be readable, as they are in a head.
 */
static inline bool wye_authority_is_usual(struct wye_span text) {
    if (text.count < 6 || text.count > 32) return false;
    const __m128i last = _mm_loadu_si128((const __m128i_u *)(text.bytes + text.count - 16));
    uint64_t others = ~wye_top_bits(wye_plain_bytes(last)); /* the top bits, as many as there are bytes, tell of these */
    if (text.count > 16) {
        const __m128i first = _mm_loadu_si128((const __m128i_u *)text.bytes);
        others &= ~(wye_top_bits(wye_plain_bytes(first)) >> (text.count - 16));
    }
    others &= ~UINT64_C(0) << (64 - text.count);
    if (others == 0) return true;
    const uint64_t colons = wye_top_bits(_mm_cmpeq_epi8(last, _mm_set1_epi8(':')));
    const uint64_t digits = wye_top_bits(wye_between(last, '0', '9'));
    const uint64_t behind = -(others & -others) << 1; /* all bits above the first colon's */
    return (others & ~colons) == 0 && others >> 59 && (behind & ~digits) == 0;
}

#else

static inline bool wye_authority_is_usual(struct wye_span text) {
    (void)text;
    return false;
}

#endif
#endif
