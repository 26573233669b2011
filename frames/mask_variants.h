/* What the variants of masking share; for mask*.c alone. */
#ifndef WYE_FRAMES_MASK_VARIANTS_H
#define WYE_FRAMES_MASK_VARIANTS_H

#include "frames/mask.h"

#include <string.h>

wye_mask_fn wye_mask_portable;
#if defined(__x86_64__)
wye_mask_fn wye_mask_avx2;
wye_mask_fn wye_mask_avx512;
#elif defined(__aarch64__)
wye_mask_fn wye_mask_neon;
#endif

/* The key as seen from `steps` bytes further on: byte 0 of the result is byte `steps` mod 4 of the key. */
static inline uint32_t key_ahead(uint32_t key, size_t steps) {
    unsigned bits = 8 * (unsigned)(steps & 3);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return key << bits | key >> (-bits & 31);
#else
    return key >> bits | key << (-bits & 31);
#endif
}

static inline uint64_t key_twice(uint32_t key) { return (uint64_t)key << 32 | key; }

static inline uint32_t load_4(const uint8_t *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

static inline uint64_t load_8(const uint8_t *from) {
    uint64_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

static inline void store_4(uint8_t *to, uint32_t word) { memcpy(to, &word, sizeof word); }
static inline void store_8(uint8_t *to, uint64_t word) { memcpy(to, &word, sizeof word); }

/*
 * Up to 16 bytes, without a loop: two words that overlap in the middle. Both are loaded before either is
 * stored, so that the overlap holds the right bytes whichever word writes it, in place or not.
 */
static inline void mask_up_to_16(uint8_t *to, const uint8_t *from, size_t count, uint32_t key) {
    if (count >= 8) {
        uint64_t head = load_8(from) ^ key_twice(key);
        uint64_t tail = load_8(from + count - 8) ^ key_twice(key_ahead(key, count));
        store_8(to, head);
        store_8(to + count - 8, tail);
    } else if (count >= 4) {
        uint32_t head = load_4(from) ^ key;
        uint32_t tail = load_4(from + count - 4) ^ key_ahead(key, count);
        store_4(to, head);
        store_4(to + count - 4, tail);
    } else if (count > 0) {
        uint8_t bytes[4];
        memcpy(bytes, &key, sizeof bytes);
        size_t middle = count / 2, last = count - 1;
        uint8_t a = from[0] ^ bytes[0], b = from[middle] ^ bytes[middle], c = from[last] ^ bytes[last];
        to[0] = a;
        to[middle] = b;
        to[last] = c;
    }
}

#endif
