/* What the table in scan.c is made of: one routine and one ISA a file. */
#ifndef WYE_HANDSHAKE_SCAN_VARIANTS_H
#define WYE_HANDSHAKE_SCAN_VARIANTS_H

#include "handshake/scan.h"

wye_scan_fn wye_scan_portable;

#ifdef __x86_64__
bool wye_scan_avx512_runs_here(void), wye_scan_avx2_runs_here(void), wye_scan_sse42_runs_here(void);
wye_scan_fn wye_scan_avx512, wye_scan_avx2, wye_scan_sse42;
#endif
#ifdef __aarch64__
wye_scan_fn wye_scan_neon;
#endif

#endif
