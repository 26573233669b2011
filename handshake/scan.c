#include "handshake/scan.h"

#include "handshake/scan_variants.h"
#include "handshake/span.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static bool always(void) { return true; }

const struct wye_scan_variant wye_scan_variants[] = {
#ifdef __x86_64__
    {"avx512", wye_scan_avx512_runs_here, wye_scan_avx512},
    {"avx2", wye_scan_avx2_runs_here, wye_scan_avx2},
    {"sse42", wye_scan_sse42_runs_here, wye_scan_sse42},
#endif
#ifdef __aarch64__
    {"neon", always, wye_scan_neon},
#endif
    {"portable", always, wye_scan_portable},
    {NULL, NULL, NULL},
};

/* The row to use: the one that WYE_VARIANT names, if it runs here, otherwise the best one that does. */
static const struct wye_scan_variant *choose(void) {
    const char *forced = getenv("WYE_VARIANT");
    const struct wye_scan_variant *best = NULL;
    for (const struct wye_scan_variant *row = wye_scan_variants; row->name; row++) {
        if (!row->runs_here()) continue;
        if (!best) best = row;
        if (forced && strcmp(forced, row->name) == 0) return row;
    }
    return best;
}

static const struct wye_scan_variant *chosen(void) {
    /* Written once with a value that doesn't depend on who writes it, so that no thread need wait. */
    static _Atomic(const struct wye_scan_variant *) kept;
    const struct wye_scan_variant *row = atomic_load_explicit(&kept, memory_order_relaxed);
    if (WYE_SELDOM(!row)) {
        row = choose();
        atomic_store_explicit(&kept, row, memory_order_relaxed);
    }
    return row;
}

void wye_scan(struct wye_scan *scan, const uint8_t *bytes, size_t at, size_t count) {
    chosen()->run(scan, bytes, at, count);
}

const char *wye_scan_variant_name(void) { return chosen()->name; }
