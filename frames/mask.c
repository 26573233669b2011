#include "frames/mask_variants.h"

#include "frames/cpu.h"

#include <stdatomic.h>
#include <stdlib.h>

const struct wye_mask_variant wye_mask_variants[] = {
#if defined(__x86_64__)
    {"avx512", wye_cpu_has_avx512, wye_mask_avx512},
    {"avx2", wye_cpu_has_avx2, wye_mask_avx2},
#elif defined(__aarch64__)
    {"neon", wye_cpu_always, wye_mask_neon},
#endif
    {"portable", wye_cpu_always, wye_mask_portable},
    {NULL, NULL, NULL},
};

static wye_mask_fn mask_first;

/*
 * What wye_mask() calls; the first call puts the choice here. Relaxed is enough: threads that meet in the
 * first call choose the same, and what is pointed to is constant.
 */
static _Atomic(wye_mask_fn *) chosen = mask_first;

static const struct wye_mask_variant *choose(void) {
    const struct wye_mask_variant *best = wye_mask_variants;
    const char *forced = getenv("WYE_VARIANT");

    while (!best->runs_here()) best++;
    if (forced) {
        for (const struct wye_mask_variant *row = wye_mask_variants; row->name; row++)
            if (strcmp(row->name, forced) == 0 && row->runs_here()) return row;
    }
    return best;
}

static void mask_first(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase) {
    wye_mask_fn *run = choose()->run;
    atomic_store_explicit(&chosen, run, memory_order_relaxed);
    run(to, from, count, key, phase);
}

void wye_mask(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase) {
    atomic_load_explicit(&chosen, memory_order_relaxed)(to, from, count, key, phase);
}

const char *wye_mask_variant_name(void) {
    wye_mask_fn *run = atomic_load_explicit(&chosen, memory_order_relaxed);

    for (const struct wye_mask_variant *row = wye_mask_variants; row->name; row++)
        if (row->run == run) return row->name;
    return choose()->name; /* not called yet: this is what the first call will choose */
}
