/* The scanner: one pass over the bytes of a request head that says where the bytes are that end something. */
#ifndef WYE_HANDSHAKE_SCAN_H
#define WYE_HANDSHAKE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What 64 bytes are; bit i speaks of byte i. */
struct wye_scan_row {
    uint64_t control;  /* 0x00-0x1F and 0x7F (HTAB too): what a field value ends with or may not hold */
    uint64_t nontoken; /* anything but a tchar (RFC 9110 5.6.2): what ends a field name or a method */
};

/*
 * Classifies `count` bytes into (count + 63) / 64 rows. Bits behind the last byte are 0.
 * Not one byte outside the range is read.
 */
typedef void wye_scan_fn(struct wye_scan_row *rows, const uint8_t *bytes, size_t count);

struct wye_scan_variant {
    const char *name; /* "avx2", ..., "portable" */
    bool (*runs_here)(void);
    wye_scan_fn *run;
};

/* Best first; the last is portable C and always runs; ended by a row whose name is NULL. */
extern const struct wye_scan_variant wye_scan_variants[];

/* Scans with the best variant that runs here; WYE_VARIANT=NAME in the environment forces a row. */
void wye_scan(struct wye_scan_row *rows, const uint8_t *bytes, size_t count);

/* The name of the variant that wye_scan() uses. */
const char *wye_scan_variant_name(void);

#endif
