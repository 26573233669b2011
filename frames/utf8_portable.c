/* UTF-8 in ordinary registers: eight ASCII bytes at a time, and an automaton for what isn't ASCII. */
#include "frames/utf8_variants.h"

/*
 * A state is the place of its transition in a byte's row, so that a step is one shift and nothing else waits
 * for it ("shift-based DFA", P. Vognsen). Rows are 0 where nothing leads anywhere but to REJECT, which stays.
 */
enum state {
    REJECT = 0,
    ACCEPT = 6,    /* between two characters */
    ONE = 12,      /* one continuation byte to come, any */
    TWO = 18,      /* two, any */
    THREE = 24,    /* three, any */
    AFTER_E0 = 30, /* two, of which the first from A0: else it were overlong */
    AFTER_ED = 36, /* two, of which the first to 9F: else it were a surrogate */
    AFTER_F0 = 42, /* three, of which the first from 90: else it were overlong */
    AFTER_F4 = 48, /* three, of which the first to 8F: else it were more than U+10FFFF */
};

#define GO(from, to) ((uint64_t)(to) << (from))
#define CONTINUATION (GO(ONE, ACCEPT) | GO(TWO, ONE) | GO(THREE, TWO))

static const uint64_t rows[256] = {
    [0x00 ... 0x7f] = GO(ACCEPT, ACCEPT),
    [0x80 ... 0x8f] = CONTINUATION | GO(AFTER_ED, ONE) | GO(AFTER_F4, TWO),
    [0x90 ... 0x9f] = CONTINUATION | GO(AFTER_ED, ONE) | GO(AFTER_F0, TWO),
    [0xa0 ... 0xbf] = CONTINUATION | GO(AFTER_E0, ONE) | GO(AFTER_F0, TWO),
    [0xc2 ... 0xdf] = GO(ACCEPT, ONE),
    [0xe0] = GO(ACCEPT, AFTER_E0),
    [0xe1 ... 0xec] = GO(ACCEPT, TWO),
    [0xed] = GO(ACCEPT, AFTER_ED),
    [0xee ... 0xef] = GO(ACCEPT, TWO),
    [0xf0] = GO(ACCEPT, AFTER_F0),
    [0xf1 ... 0xf3] = GO(ACCEPT, THREE),
    [0xf4] = GO(ACCEPT, AFTER_F4),
};

/* Only the lowest six bits of the result count: the shift takes no others. */
static inline uint64_t step(uint64_t state, uint8_t byte) { return rows[byte] >> (state & 63); }

static inline uint64_t load_8(const uint8_t *from) {
    uint64_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

static inline uint32_t load_4(const uint8_t *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

static inline bool is_ascii_16(const uint8_t *from) {
    return !((load_8(from) | load_8(from + 8)) & UINT64_C(0x8080808080808080));
}

/* Without a loop: two words that overlap in the middle. */
static inline bool is_ascii_up_to_16(const uint8_t *from, size_t count) {
    if (count >= 8) return !((load_8(from) | load_8(from + count - 8)) & UINT64_C(0x8080808080808080));
    if (count >= 4) return !((load_4(from) | load_4(from + count - 4)) & UINT32_C(0x80808080));
    return count == 0 || !((from[0] | from[count / 2] | from[count - 1]) & 0x80);
}

/* The rest, byte by byte, beginning between two characters. */
static size_t walk(const uint8_t *bytes, size_t at, size_t count) {
    size_t cut = at;
    uint64_t state = ACCEPT;
    while (at < count) {
        state = step(state, bytes[at++]) & 63;
        if (state == ACCEPT) cut = at;
        else if (state == REJECT) break;
    }
    return cut;
}

size_t wye_utf8_portable(const uint8_t *bytes, size_t count) {
    size_t at = 0;
    uint64_t state = ACCEPT;
    for (; count - at >= 16; at += 16) {
        if ((state & 63) == ACCEPT && is_ascii_16(bytes + at)) continue;
        uint64_t next = state;
        for (unsigned i = 0; i < 16; i++) next = step(next, bytes[at + i]);
        if ((next & 63) == REJECT) break;
        state = next;
    }
    /* Back to where the character under way begins: so far all is well, so that is at most three bytes. */
    if ((state & 63) != ACCEPT) do
            at--;
        while ((bytes[at] & 0xc0) == 0x80);
    else if (count - at < 16 && is_ascii_up_to_16(bytes + at, count - at)) return count;
    return walk(bytes, at, count);
}
