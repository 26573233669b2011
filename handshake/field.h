/* Field names that this house knows (RFC 9110 5.1). */
#ifndef WYE_HANDSHAKE_FIELD_H
#define WYE_HANDSHAKE_FIELD_H

#include "handshake/request.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/*
 * A known name, of at most 32 bytes. Its last 16 are compared, which are there in every head, since a request line
 * stands before; of a shorter name they have what stands before it, masked out; and of a longer one the first 16,
 * too, which otherwise are the same as the last. Bit 5 is masked out always: among the tchars that occur here that
 * folds letters and makes no other two equal ('-' and digits have it set anyway).
 */
struct wye_field_row {
    _Alignas(64) char first[16];
    char last[16];
    uint64_t mask[2];  /* the bits of each of those that are compared */
    uint32_t bit;      /* of what is known, among those of a request */
    uint16_t count;    /* 0: nobody's slot */
    uint8_t known;     /* enum wye_field_name */
    int8_t first_from; /* where the first 16 bytes begin, from the name's start */
};

/* A name's slot is told by its length and its first letter: no two known ones share one. */
enum { WYE_FIELD_SLOTS = 64 };
#define WYE_FIELD_SLOT(first, count) (((unsigned)(first) + (unsigned)(count)) % WYE_FIELD_SLOTS)
extern const struct wye_field_row wye_field_rows[WYE_FIELD_SLOTS];

/* Are the 16 bytes at `first` and at `last` the row's? */
static inline bool wye_field_is(const struct wye_field_row *row, const char *first, const char *last) {
#ifdef __SSE2__
    const __m128i a = _mm_xor_si128(_mm_loadu_si128((const __m128i_u *)first), *(const __m128i *)row->first);
    const __m128i b = _mm_xor_si128(_mm_loadu_si128((const __m128i_u *)last), *(const __m128i *)row->last);
    const __m128i differs = _mm_and_si128(_mm_or_si128(a, b), *(const __m128i *)row->mask);
    return _mm_movemask_epi8(_mm_cmpeq_epi8(differs, _mm_setzero_si128())) == 0xffff;
#else
    uint64_t a[2], b[2], of_a[2], of_b[2];
    memcpy(a, first, sizeof a), memcpy(of_a, row->first, sizeof of_a);
    memcpy(b, last, sizeof b), memcpy(of_b, row->last, sizeof of_b);
    return ((((a[0] ^ of_a[0]) | (b[0] ^ of_b[0])) & row->mask[0]) |
            (((a[1] ^ of_a[1]) | (b[1] ^ of_b[1])) & row->mask[1])) == 0;
#endif
}

/*
 * The row of the known field of this name, in any case; NULL: there is none. It is made of tchars, one or more, and
 * stands in a head, behind its request line: the 16 bytes that end with a name of four or more must be readable.
 */
static inline const struct wye_field_row *wye_field_find(const char *name, size_t count) {
    const struct wye_field_row *row = &wye_field_rows[WYE_FIELD_SLOT((unsigned char)name[0] | 0x20, count)];
    if (row->count != (uint16_t)count) return NULL; /* no head has names of 64 KiB */
    return wye_field_is(row, name + row->first_from, name + count - 16) ? row : NULL;
}

#endif
