/* UTF-8 (RFC 3629), validated across fragments and receives, failing as early as can be (RFC 6455 8.1). */
#ifndef WYE_FRAMES_UTF8_H
#define WYE_FRAMES_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a text stands. All zero: at its start, or between two characters. */
struct wye_utf8 {
    uint8_t left;      /* continuation bytes that the character under way still needs, 0 to 3 */
    uint8_t low, high; /* the range of the next one; meaningful while left > 0 */
};

/*
 * Takes the next bytes of a text. false: no text that goes on like this is UTF-8 (at the first byte that
 * decides it: an overlong form, a surrogate, more than U+10FFFF, a stray or missing continuation byte).
 */
bool wye_utf8_feed(struct wye_utf8 *utf8, const uint8_t *bytes, size_t count);

/* May the text end here? */
static inline bool wye_utf8_may_end(const struct wye_utf8 *utf8) { return utf8->left == 0; }

/*
 * Validates whole characters only: the length of the longest prefix that is valid UTF-8 and is cut between
 * characters; count: all of it. What stands behind is either the start of a character or wrong.
 * Not one byte outside the range is read.
 */
typedef size_t wye_utf8_fn(const uint8_t *bytes, size_t count);

struct wye_utf8_variant {
    const char *name; /* "avx2", ..., "portable" */
    bool (*runs_here)(void);
    wye_utf8_fn *run;
};

/* Best first; the last is portable C and always runs; ended by a row whose name is NULL. */
extern const struct wye_utf8_variant wye_utf8_variants[];

/* The name of the variant in use; WYE_VARIANT=NAME in the environment forces a row. */
const char *wye_utf8_variant_name(void);

#endif
