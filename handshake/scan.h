/* The scanner: one pass over the field lines of a request head that says where each name and each line ends.
 */
#ifndef WYE_HANDSHAKE_SCAN_H
#define WYE_HANDSHAKE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WYE_SCAN_BYTES_MAX = 1 << 15, /* of a head; marks are 16 bits wide */
    WYE_SCAN_MARKS_MAX = 208,     /* it stops once it has so many: more lines than any head may have */
    WYE_SCAN_MARKS_ROOM = WYE_SCAN_MARKS_MAX + 64, /* as many as 64 bytes may have beside */
};

/* Where in a line a byte stands. The low bit: behind a control byte. The other: a name begins or goes on. */
enum wye_scan_state {
    WYE_SCAN_VALUE = 0, /* behind the colon */
    WYE_SCAN_LF = 1,    /* behind CR */
    WYE_SCAN_NAME = 2,  /* behind tchars */
    WYE_SCAN_LINE = 3,  /* first in it */
};
#define WYE_SCAN_STATES {WYE_SCAN_VALUE, WYE_SCAN_LF, WYE_SCAN_LINE, WYE_SCAN_NAME}

/*
 * The marks of field lines, as indexes into the bytes: of each the first byte that is no tchar, which must be
 * its colon, and the first control byte but HTAB, which must be the CR of its CRLF; and at last the CR of the
 * empty line that ends the head, which must have its LF. That these are what they must be isn't looked at,
 * but when they are, then the lines are in order (RFC 9112 5) and the marks are all there is to know of them.
 * Up to the first that isn't, marks are right; behind it they say nothing.
 */
struct wye_scan {
    enum wye_scan_state state; /* of the first byte: how marks go on */
    bool ended;   /* the last mark is that of the empty line. false: no such line, or marks enough */
    size_t count; /* of marks */
    uint16_t marks[WYE_SCAN_MARKS_ROOM];
};

/*
 * Scans the bytes from `at` up to `count`, at most WYE_SCAN_BYTES_MAX, and fills in *scan, all but the state,
 * which the caller does. Of bytes[0] to bytes[count - 1] all may be read, and no other.
 */
typedef void wye_scan_fn(struct wye_scan *scan, const uint8_t *bytes, size_t at, size_t count);

struct wye_scan_variant {
    const char *name; /* "avx2", ..., "portable" */
    bool (*runs_here)(void);
    wye_scan_fn *run;
};

/* Best first; the last is portable C and always runs; ended by a row whose name is NULL. */
extern const struct wye_scan_variant wye_scan_variants[];

/* Scans with the best variant that runs here; WYE_VARIANT=NAME in the environment forces a row. */
void wye_scan(struct wye_scan *scan, const uint8_t *bytes, size_t at, size_t count);

/* The name of the variant that wye_scan() uses. */
const char *wye_scan_variant_name(void);

#endif
