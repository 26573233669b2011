/* Which variants run on this CPU: the predicates of the folder's variant tables. */
#ifndef WYE_FRAMES_CPU_H
#define WYE_FRAMES_CPU_H

#include <stdbool.h>

static inline bool wye_cpu_always(void) { return true; }

#if defined(__x86_64__)
static inline bool wye_cpu_has_avx2(void) { return __builtin_cpu_supports("avx2"); }
/* VBMI2 isn't used: it tells apart the first CPUs with AVX-512, which slow down where it is. */
static inline bool wye_cpu_has_avx512(void) {
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2");
}
#endif

#endif
