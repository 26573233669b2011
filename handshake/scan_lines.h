/*
 * What all variants of the scanner do with the bitmaps of 64 bytes; how they make those is what sets them
 * apart. To be included once a variant, which defines before:
 *
 *   TARGET             its function attributes
 *   controls_of()      bitmaps of 64 bytes: of each bit i speaks of byte i. 0x00-0x1F but HTAB, and 0x7F:
 *                      what no value may hold, and what ends it
 *   tokens_of()        likewise, tchars (RFC 9110 5.6.2): what names are made of, and no other byte
 *   HAS_KEEP, keep()   only if it has a better way than the one below
 */
#include "handshake/scan_variants.h"

#include <string.h>

#ifndef HAS_KEEP
/* Writes the places of bits, lowest first, plus `at`. Returns where the next ones belong; may write 64. */
TARGET static inline uint16_t *keep(uint16_t *to, uint64_t bits, size_t at) {
    for (; bits; bits &= bits - 1) *to++ = (uint16_t)(at + (unsigned)__builtin_ctzll(bits));
    return to;
}
#endif

/* What one row of 64 bytes hands on to the next. */
struct walk {
    uint16_t *to; /* where the next mark belongs */
    /* Of the byte before: is it a control byte, and is it such that a name begins or goes on behind it? (The LF of a
     * CRLF, or a tchar of a name; which of them needn't be known: only the one is a control byte.) */
    uint64_t control, name;
};

/*
 * Two control bytes side by side are taken for a CRLF, and a third for the empty line's CR. Where names end
 * is found by an addition: at the first byte of a line a 1 is added to the bits of tchars, which carries to
 * the first byte that is none, into the next row of 64 when there is none in this one.
 * `done` of the row's bytes were in the row before; bits that are shifted in are as of letters. `at` is the
 * place of the first byte that wasn't. true: it has the end of the head.
 */
TARGET static inline __attribute__((always_inline)) bool scan_row(struct walk *walk, const uint8_t *row,
                                                                  unsigned done, size_t at) {
    const uint64_t controls = controls_of(row) >> done;
    if (!(controls | walk->name)) { /* in the midst of a value */
        walk->control = 0;
        return false;
    }
    const uint64_t tokens = ~(~tokens_of(row) >> done);
    const uint64_t lfs = controls & (controls << 1 | walk->control);
    const uint64_t begins = lfs << 1 | walk->name;
    const uint64_t empty = lfs & begins;
    uint64_t sum = tokens + begins;
    __asm__("" : "+r"(sum)); /* or compilers take it apart again, and have more to do */
    const uint64_t marks = (sum & ~tokens) | (controls & ~lfs);
    if (empty) {
        const uint64_t end = empty & -empty;
        walk->to = keep(walk->to, (marks & (end - 1)) | end, at);
        return true;
    }
    walk->to = keep(walk->to, marks, at);
    walk->name = (lfs | (tokens & ~sum)) >> 63;
    walk->control = controls >> 63;
    return false;
}

TARGET static inline void scan_lines(struct wye_scan *scan, const uint8_t *bytes, size_t at, size_t count) {
    struct walk walk = {.to = scan->marks, .control = scan->state & 1, .name = scan->state >> 1};
    const uint16_t *const full = walk.to + WYE_SCAN_MARKS_MAX;
    const size_t last = count - 64;
    bool ended = false;
    for (; count - at >= 64 && !ended && walk.to < full; at += 64) ended = scan_row(&walk, bytes + at, 0, at);
    /* The last 64 once more, overlapping what is done: no byte behind the range, and no copy. */
    if (at < count && !ended && walk.to < full) {
        ended = scan_row(&walk, bytes + last, (unsigned)(at - last), at);
    }
    scan->ended = ended;
    scan->count = (size_t)(walk.to - scan->marks);
}

/* For fewer than 64 bytes in all: in a copy that goes on with letters. */
TARGET static __attribute__((noinline)) void scan_few(struct wye_scan *scan, const uint8_t *bytes, size_t at,
                                                      size_t count) {
    uint8_t padded[64];
    memset(padded, 'x', sizeof padded);
    memcpy(padded, bytes, count);
    scan_lines(scan, padded, at, at < count ? sizeof padded : at);
}

/* What a variant does. */
TARGET static inline void scan_all(struct wye_scan *scan, const uint8_t *bytes, size_t at, size_t count) {
    if (__builtin_expect(count < 64, 0)) scan_few(scan, bytes, at, count);
    else scan_lines(scan, bytes, at, count);
}
