/* Field names that this house knows (RFC 9110 5.1). */
#ifndef WYE_HANDSHAKE_FIELD_H
#define WYE_HANDSHAKE_FIELD_H

#include "handshake/request.h"

/*
 * A known name, and which three words of it to compare: the first, the last, and one between them that covers
 * the rest of a long name. A name shorter than a word has all three at its start, with what is behind it
 * masked out. Bit 5 always is: among the tchars that occur here that folds letters and makes no other two equal
 * ('-' and digits have it set anyway).
 */
struct wye_field_row {
    _Alignas(64) char lower[24];
    uint64_t mask;  /* the bits of each of those words that are compared */
    uint32_t bit;   /* of what is known, among those of a request */
    uint16_t count; /* 0: nobody's slot */
    uint8_t known;  /* enum wye_field_name */
    uint8_t middle_at, last_at;
};

/* A name's slot is told by its length and its first letter: no two known ones share one. */
enum { WYE_FIELD_SLOTS = 64 };
#define WYE_FIELD_SLOT(first, count) (((unsigned)(first) + (unsigned)(count)) % WYE_FIELD_SLOTS)
extern const struct wye_field_row wye_field_rows[WYE_FIELD_SLOTS];

/*
 * The row of the known field of this name, in any case; NULL: there is none. Eight bytes must be readable at
 * a `name` of four or more, as they are in a head, which ends with a colon and two CRLFs. It is made of
 * tchars.
 */
static inline const struct wye_field_row *wye_field_find(const char *name, size_t count) {
    const struct wye_field_row *row = &wye_field_rows[WYE_FIELD_SLOT((unsigned char)name[0] | 0x20, count)];
    if (row->count != (uint16_t)count) return NULL; /* no head has names of 64 KiB */
    uint64_t first, middle, last, of_first, of_middle, of_last;
    memcpy(&first, name, sizeof first);
    memcpy(&middle, name + row->middle_at, sizeof middle);
    memcpy(&last, name + row->last_at, sizeof last);
    memcpy(&of_first, row->lower, sizeof of_first);
    memcpy(&of_middle, row->lower + row->middle_at, sizeof of_middle);
    memcpy(&of_last, row->lower + row->last_at, sizeof of_last);
    const uint64_t differs = ((first ^ of_first) | (middle ^ of_middle) | (last ^ of_last)) & row->mask;
    return differs == 0 ? row : NULL;
}

#endif
