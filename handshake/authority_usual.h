/* The usual authority, told at a glance: most of what is read as Host is no more than a name and a port. */
#ifndef WYE_HANDSHAKE_AUTHORITY_USUAL_H
#define WYE_HANDSHAKE_AUTHORITY_USUAL_H

#include "handshake/span.h"

#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>

/* Which of 16 bytes are from `first` to `last`, two characters of ASCII: all ones. Shifted so that these are the highest. */
static inline __m128i wye_between(__m128i in, char first, char last) {
    return _mm_cmpgt_epi8(_mm_add_epi8(in, _mm_set1_epi8((char)(127 - last))), _mm_set1_epi8((char)(126 - last + first)));
}

/* Which of 16 bytes are letters, digits, '.' or '-': all ones. */
static inline __m128i wye_plain_bytes(__m128i in) {
    const __m128i letters = wye_between(_mm_or_si128(in, _mm_set1_epi8(0x20)), 'a', 'z');
    const __m128i others = _mm_andnot_si128(_mm_cmpeq_epi8(in, _mm_set1_epi8('/')), wye_between(in, '-', '9'));
    return _mm_or_si128(letters, others);
}

/* A bit of each byte; the last one's is the top one of 32. */
static inline uint32_t wye_top_bits(__m128i in) { return (uint32_t)_mm_movemask_epi8(in) << 16; }

/*
 * Is it a name of letters, digits, '.' and '-', alone or with ':' and up to four digits behind it? Of 6 to 32 bytes;
 * false says nothing. The 16 bytes that end where text does must be readable, as they are in a head.
 */
static inline bool wye_authority_is_usual(struct wye_span text) {
    if (text.count < 6 || text.count > 32) return false;
    const __m128i last = _mm_loadu_si128((const __m128i_u *)(text.bytes + text.count - 16));
    uint32_t plain = wye_top_bits(wye_plain_bytes(last)); /* the top bits, as many as there are bytes, tell of these */
    if (text.count > 16) {
        const __m128i first = _mm_loadu_si128((const __m128i_u *)text.bytes);
        plain |= wye_top_bits(wye_plain_bytes(first)) >> (text.count - 16);
    }
    const unsigned no_bits = 32 - (unsigned)text.count;
    uint32_t others = ~plain >> no_bits;
    if (others == 0) return true;
    others <<= no_bits;
    const uint32_t colons = wye_top_bits(_mm_cmpeq_epi8(last, _mm_set1_epi8(':')));
    const uint32_t digits = wye_top_bits(wye_between(last, '0', '9'));
    const uint32_t behind = -(others & -others) << 1; /* all bits above the first colon's */
    return (others & ~colons) == 0 && others >> 27 && (behind & ~digits) == 0;
}

#else

static inline bool wye_authority_is_usual(struct wye_span text) {
    (void)text;
    return false;
}

#endif
#endif
