/* Unmasking and validating a text in one pass (RFC 6455 5.3, 8.1): half the memory traffic of wye_mask() and
 * wye_utf8_feed(). */
#ifndef WYE_FRAMES_MASK_UTF8_H
#define WYE_FRAMES_MASK_UTF8_H

#include "frames/utf8.h"

/*
 * As wye_mask(to, from, count, key, phase), and then wye_utf8_feed(utf8, to, count), whose answer it returns.
 * Every byte is unmasked, also when the text is wrong.
 */
bool wye_mask_utf8(struct wye_utf8 *utf8, uint8_t *to, const uint8_t *from, size_t count, uint32_t key,
                   unsigned phase);

/* As a wye_mask_fn; returns for what came out what a wye_utf8_fn would. */
typedef size_t wye_mask_utf8_fn(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase);

struct wye_mask_utf8_variant {
    const char *name; /* "avx512", ..., "portable" */
    bool (*runs_here)(void);
    wye_mask_utf8_fn *run;
};

/* Best first; the last is portable C and always runs; ended by a row whose name is NULL. */
extern const struct wye_mask_utf8_variant wye_mask_utf8_variants[];

/* The name of the variant in use; WYE_VARIANT=NAME in the environment forces a row. */
const char *wye_mask_utf8_variant_name(void);

#endif
