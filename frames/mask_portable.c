/* Masking eight bytes at a time in ordinary registers. */
#include "frames/mask_variants.h"

void wye_mask_portable(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase) {
    key = key_ahead(key, phase);
    if (count <= 16) {
        mask_up_to_16(to, from, count, key);
        return;
    }

    /* The last word overlaps the one before it, so it is loaded before anything is stored. */
    uint64_t twice = key_twice(key);
    uint64_t tail = load_8(from + count - 8) ^ key_twice(key_ahead(key, count));
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
        uint64_t a = load_8(from + i) ^ twice, b = load_8(from + i + 8) ^ twice;
        uint64_t c = load_8(from + i + 16) ^ twice, d = load_8(from + i + 24) ^ twice;
        store_8(to + i, a);
        store_8(to + i + 8, b);
        store_8(to + i + 16, c);
        store_8(to + i + 24, d);
    }
    for (; i + 8 <= count; i += 8) store_8(to + i, load_8(from + i) ^ twice);
    store_8(to + count - 8, tail);
}
