/* SHA-1 (FIPS 180-4) of a Sec-WebSocket-Key and the GUID behind it (RFC 6455 1.3). */
#ifndef WYE_HANDSHAKE_DIGEST_H
#define WYE_HANDSHAKE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

enum { WYE_DIGEST_BYTES = 20 };

typedef void wye_digest_fn(uint8_t digest[WYE_DIGEST_BYTES], const char key[24]);

struct wye_digest_variant {
    const char *name; /* "sha-ni", "boringssl" */
    bool (*runs_here)(void);
    wye_digest_fn *run;
};

/* Best first; the last is BoringSSL's and always runs; ended by a row whose name is NULL. */
extern const struct wye_digest_variant wye_digest_variants[];

/* With the best variant that runs here; WYE_VARIANT=NAME in the environment forces a row, "portable" the
 * last. */
void wye_digest(uint8_t digest[WYE_DIGEST_BYTES], const char key[24]);

/* What the table is made of: one routine and one ISA a file. */
wye_digest_fn wye_digest_boringssl;
#ifdef __x86_64__
bool wye_digest_shani_runs_here(void);
wye_digest_fn wye_digest_shani;
#endif

#endif
