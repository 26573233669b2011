/* Field names that this house knows (RFC 9110 5.1). */
#ifndef WYE_HANDSHAKE_FIELD_H
#define WYE_HANDSHAKE_FIELD_H

#include "handshake/request.h"

/*
 * A known name, and which three words of it to compare: the first, the last, and one between them that covers
 * the rest of a long name. A name shorter than a word has all three at its start, with what is behind it
 * shifted out.
 */
struct wye_field_row {
    _Alignas(32) char lower[24];
    uint8_t count; /* 0: nobody's slot */
    uint8_t known; /* enum wye_field_name */
    uint8_t shift, middle_at, last_at;
};

/* A name's slot is told by its length and its first letter: no two known ones share one. */
enum { WYE_FIELD_SLOTS = 64 };
#define WYE_FIELD_SLOT(first, count) (((unsigned)(first) + (unsigned)(count)) % WYE_FIELD_SLOTS)
extern const struct wye_field_row wye_field_rows[WYE_FIELD_SLOTS];

/*
 * The row of the known field of this name, in any case; NULL: there is none. Eight bytes must be readable at
 * a `name` of four or more, as they are in a head, which ends with a colon and two CRLFs. It is made of
 * tchars: among those that occur here, setting bit 5 folds letters and makes no other two equal ('-' and
 * digits have it set anyway).
 */
static inline const struct wye_field_row *wye_field_find(const char *name, size_t count) {
    const uint64_t fold = 0x2020202020202020u;
    const struct wye_field_row *row = &wye_field_rows[WYE_FIELD_SLOT((unsigned char)name[0] | 0x20, count)];
    if (row->count != count) return NULL;
    uint64_t first, middle, last, of_first, of_middle, of_last;
    memcpy(&first, name, sizeof first);
    memcpy(&middle, name + row->middle_at, sizeof middle);
    memcpy(&last, name + row->last_at, sizeof last);
    memcpy(&of_first, row->lower, sizeof of_first);
    memcpy(&of_middle, row->lower + row->middle_at, sizeof of_middle);
    memcpy(&of_last, row->lower + row->last_at, sizeof of_last);
    uint64_t differs =
        ((first | fold) ^ of_first) | ((middle | fold) ^ of_middle) | ((last | fold) ^ of_last);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    differs >>= row->shift;
#else
    differs <<= row->shift;
#endif
    return differs == 0 ? row : NULL;
}

#endif
