/* Masking and unmasking (RFC 6455 5.3): the same XOR both ways. */
#ifndef WYE_FRAMES_MASK_H
#define WYE_FRAMES_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * XORs `count` bytes at `from` with the masking key and puts them at `to`. `to` may be `from`, or lie
 * before it and overlap it (bytes move and are unmasked in one pass); never behind it.
 * key: as in struct wye_frame. phase: 0 to 3, the key byte that meets the first byte.
 * Not one byte outside the two ranges is read or written. Any alignment.
 */
typedef void wye_mask_fn(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase);

struct wye_mask_variant {
    const char *name; /* "avx2", ..., "portable" */
    bool (*runs_here)(void);
    wye_mask_fn *run;
};

/* Best first; the last is portable C and always runs; ended by a row whose name is NULL. */
extern const struct wye_mask_variant wye_mask_variants[];

/*
 * Masks with the best variant that runs here; WYE_VARIANT=NAME in the environment forces a row
 * (an unknown name, or one that doesn't run here, leaves the choice as it was).
 */
void wye_mask(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase);

/* The name of the variant that wye_mask() uses. */
const char *wye_mask_variant_name(void);

#endif
