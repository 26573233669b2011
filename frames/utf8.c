#include "frames/utf8_variants.h"

#include "frames/cpu.h"

#include <stdatomic.h>
#include <stdlib.h>

const struct wye_utf8_variant wye_utf8_variants[] = {
#if defined(__x86_64__)
    {"avx512", wye_cpu_has_avx512, wye_utf8_avx512},
    {"avx2", wye_cpu_has_avx2, wye_utf8_avx2},
#elif defined(__aarch64__)
    {"neon", wye_cpu_always, wye_utf8_neon},
#endif
    {"portable", wye_cpu_always, wye_utf8_portable},
    {NULL, NULL, NULL},
};

static wye_utf8_fn validate_first;

/* As in mask.c: the first call puts the choice here; relaxed, since all threads choose the same. */
static _Atomic(wye_utf8_fn *) chosen = validate_first;

static const struct wye_utf8_variant *choose(void) {
    const struct wye_utf8_variant *best = wye_utf8_variants;
    const char *forced = getenv("WYE_VARIANT");

    while (!best->runs_here()) best++;
    if (forced) {
        for (const struct wye_utf8_variant *row = wye_utf8_variants; row->name; row++)
            if (strcmp(row->name, forced) == 0 && row->runs_here()) return row;
    }
    return best;
}

static size_t validate_first(const uint8_t *bytes, size_t count) {
    wye_utf8_fn *run = choose()->run;
    atomic_store_explicit(&chosen, run, memory_order_relaxed);
    return run(bytes, count);
}

const char *wye_utf8_variant_name(void) {
    wye_utf8_fn *run = atomic_load_explicit(&chosen, memory_order_relaxed);

    for (const struct wye_utf8_variant *row = wye_utf8_variants; row->name; row++)
        if (row->run == run) return row->name;
    return choose()->name; /* not called yet: this is what the first call will choose */
}

/* One byte of a character that isn't ASCII: what may come next (RFC 3629 4). */
static bool take(struct wye_utf8 *utf8, uint8_t byte) {
    if (utf8->left > 0) {
        if (byte < utf8->low || byte > utf8->high) return false;
        *utf8 = (struct wye_utf8){.left = (uint8_t)(utf8->left - 1), .low = 0x80, .high = 0xbf};
        return true;
    }
    *utf8 = (struct wye_utf8){.low = 0x80, .high = 0xbf};
    if (byte < 0x80) return true;
    if (byte < 0xc2 || byte > 0xf4) return false;
    utf8->left = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte == 0xe0) utf8->low = 0xa0;
    else if (byte == 0xed) utf8->high = 0x9f;
    else if (byte == 0xf0) utf8->low = 0x90;
    else if (byte == 0xf4) utf8->high = 0x8f;
    return true;
}

bool wye_utf8_feed(struct wye_utf8 *utf8, const uint8_t *bytes, size_t count) {
    if (count == 0) return true; /* bytes may be NULL */
    size_t at = 0;
    while (utf8->left > 0 && at < count)
        if (!take(utf8, bytes[at++])) return false;
    at += atomic_load_explicit(&chosen, memory_order_relaxed)(bytes + at, count - at);
    /* What the variant left is a character that is cut off or wrong: four bytes decide it at the latest. */
    while (at < count)
        if (!take(utf8, bytes[at++])) return false;
    return true;
}
