/* What the variants of UTF-8 validation share; for utf8*.c alone. */
#ifndef WYE_FRAMES_UTF8_VARIANTS_H
#define WYE_FRAMES_UTF8_VARIANTS_H

#include "frames/utf8.h"

#include <string.h>

wye_utf8_fn wye_utf8_portable;
#if defined(__x86_64__)
wye_utf8_fn wye_utf8_avx2;
wye_utf8_fn wye_utf8_avx512;
#elif defined(__aarch64__)
wye_utf8_fn wye_utf8_neon;
#endif

/* Does a character that began before `at` go on behind it? What stands before `at` is otherwise valid; at
 * >= 3. */
static inline bool is_cut_at(const uint8_t *bytes, size_t at) {
    return bytes[at - 1] >= 0xc0 || bytes[at - 2] >= 0xe0 || bytes[at - 3] >= 0xf0;
}

/* The last place at or before `at` that lies between two characters; as above. */
static inline size_t cut_before(const uint8_t *bytes, size_t at) {
    if (bytes[at - 1] >= 0xc0) return at - 1;
    if (bytes[at - 2] >= 0xe0) return at - 2;
    return bytes[at - 3] >= 0xf0 ? at - 3 : at;
}

/* All is well up to `at`, but not all that follows: the portable variant finds out how far. */
static inline size_t search_from(const uint8_t *bytes, size_t at, size_t count) {
    if (at >= 3) at = cut_before(bytes, at);
    else at = 0;
    return at + wye_utf8_portable(bytes + at, count - at);
}

/*
 * The look-up method (J. Keiser, D. Lemire: "Validating UTF-8 In Less Than One Instruction Per Byte", 2021).
 * What two bytes in a row can do wrong is told by three nibbles: each nibble has the set of faults that it
 * would allow, and a fault that all three allow is there. One fault, a continuation byte behind another, is
 * right where a character of three or four bytes began two or three bytes ago: so that is compared at the
 * end.
 */
enum utf8_fault {
    TOO_SHORT = 0x01,         /* a lead byte, and no continuation */
    TOO_LONG = 0x02,          /* an ASCII byte, and a continuation */
    OVERLONG_2 = 0x04,        /* C0, C1 */
    OVERLONG_3 = 0x08,        /* E0, and less than A0 */
    SURROGATE = 0x10,         /* ED, and A0 or more */
    TOO_LARGE = 0x20,         /* F4, and 90 or more; F5 to FF, and 90 or more */
    OVERLONG_4 = 0x40,        /* F0, and less than 90 */
    TOO_LARGE_8 = OVERLONG_4, /* F5 to FF, and 80 to 8F: shares the bit, since the low nibbles differ */
    TWO_IN_A_ROW = 0x80,      /* two continuations */
    ANY_LOW = TOO_SHORT | TOO_LONG | TWO_IN_A_ROW, /* these don't depend on the low nibble */
};

/* By the first byte's high nibble, */
static const uint8_t faults_by_first_high[16] = {
    [0x0 ... 0x7] = TOO_LONG,
    [0x8 ... 0xb] = TWO_IN_A_ROW,
    [0xc] = TOO_SHORT | OVERLONG_2,
    [0xd] = TOO_SHORT,
    [0xe] = TOO_SHORT | OVERLONG_3 | SURROGATE,
    [0xf] = TOO_SHORT | OVERLONG_4 | TOO_LARGE | TOO_LARGE_8,
};

/* its low nibble, */
static const uint8_t faults_by_first_low[16] = {
    [0x0] = ANY_LOW | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
    [0x1] = ANY_LOW | OVERLONG_2,
    [0x2 ... 0x3] = ANY_LOW,
    [0x4] = ANY_LOW | TOO_LARGE,
    [0x5 ... 0xc] = ANY_LOW | TOO_LARGE | TOO_LARGE_8,
    [0xd] = ANY_LOW | TOO_LARGE | TOO_LARGE_8 | SURROGATE,
    [0xe ... 0xf] = ANY_LOW | TOO_LARGE | TOO_LARGE_8,
};

/* and the second byte's high nibble. */
static const uint8_t faults_by_second_high[16] = {
    [0x0 ... 0x7] = TOO_SHORT,
    [0x8] = TOO_LONG | TWO_IN_A_ROW | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
    [0x9] = TOO_LONG | TWO_IN_A_ROW | OVERLONG_2 | OVERLONG_3 | TOO_LARGE,
    [0xa ... 0xb] = TOO_LONG | TWO_IN_A_ROW | OVERLONG_2 | SURROGATE | TOO_LARGE,
    [0xc ... 0xf] = TOO_SHORT,
};

#endif
