#include "frames/mask_utf8.h"
#include "frames/mask_variants.h"
#include "frames/utf8_variants.h"

#include "frames/cpu.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Two passes, where one isn't faster. */
static size_t two_passes(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase) {
    wye_mask_portable(to, from, count, key, phase);
    return wye_utf8_portable(to, count);
}

#if defined(__x86_64__)
wye_mask_utf8_fn wye_mask_utf8_avx2;
wye_mask_utf8_fn wye_mask_utf8_avx512;

/* Its permutations need VBMI, which wye_cpu_has_avx512() doesn't ask for. */
static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
}
#elif defined(__aarch64__)
static size_t two_neon_passes(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase) {
    wye_mask_neon(to, from, count, key, phase);
    return wye_utf8_neon(to, count);
}
#endif

const struct wye_mask_utf8_variant wye_mask_utf8_variants[] = {
#if defined(__x86_64__)
    {"avx512", has_avx512, wye_mask_utf8_avx512},
    {"avx2", wye_cpu_has_avx2, wye_mask_utf8_avx2},
#elif defined(__aarch64__)
    {"neon", wye_cpu_always, two_neon_passes},
#endif
    {"portable", wye_cpu_always, two_passes},
    {NULL, NULL, NULL},
};

static wye_mask_utf8_fn run_first;

/* As in mask.c: the first call puts the choice here; relaxed, since all threads choose the same. */
static _Atomic(wye_mask_utf8_fn *) chosen = run_first;

static const struct wye_mask_utf8_variant *choose(void) {
    const struct wye_mask_utf8_variant *best = wye_mask_utf8_variants;
    const char *forced = getenv("WYE_VARIANT");

    while (!best->runs_here()) best++;
    if (forced) {
        for (const struct wye_mask_utf8_variant *row = wye_mask_utf8_variants; row->name; row++)
            if (strcmp(row->name, forced) == 0 && row->runs_here()) return row;
    }
    return best;
}

static size_t run_first(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase) {
    wye_mask_utf8_fn *run = choose()->run;
    atomic_store_explicit(&chosen, run, memory_order_relaxed);
    return run(to, from, count, key, phase);
}

const char *wye_mask_utf8_variant_name(void) {
    wye_mask_utf8_fn *run = atomic_load_explicit(&chosen, memory_order_relaxed);

    for (const struct wye_mask_utf8_variant *row = wye_mask_utf8_variants; row->name; row++)
        if (row->run == run) return row->name;
    return choose()->name; /* not called yet: this is what the first call will choose */
}

bool wye_mask_utf8(struct wye_utf8 *utf8, uint8_t *to, const uint8_t *from, size_t count, uint32_t key,
                   unsigned phase) {
    size_t at = utf8->left < count ? utf8->left : count;
    bool right = true;
    if (count == 0) return true; /* the pointers may be NULL */
    if (at > 0) {
        /* The rest of a character whose start came earlier: no variant knows of that. */
        wye_mask_portable(to, from, at, key, phase);
        right = wye_utf8_feed(utf8, to, at);
    }
    size_t rest = count - at, cut;
    cut = atomic_load_explicit(&chosen, memory_order_relaxed)(to + at, from + at, rest, key,
                                                              (unsigned)(phase + at) & 3);
    /* What wasn't whole is the start of a character or wrong. */
    return right && (cut == rest || wye_utf8_feed(utf8, to + at + cut, rest - cut));
}
