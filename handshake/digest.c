#include "handshake/digest.h"

#include <openssl/base.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#ifndef OPENSSL_IS_BORINGSSL
#error "wye is built with BoringSSL: OpenSSL's symbols have the same names and other layouts"
#endif

static bool always(void) { return true; }

const struct wye_digest_variant wye_digest_variants[] = {
#ifdef __x86_64__
    {"sha-ni", wye_digest_shani_runs_here, wye_digest_shani},
#endif
    {"boringssl", always, wye_digest_boringssl},
    {NULL, NULL, NULL},
};

void wye_digest_boringssl(uint8_t digest[WYE_DIGEST_BYTES], const char key[24]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[24 + sizeof guid - 1];
    memcpy(text, key, 24);
    memcpy(text + 24, guid, sizeof guid - 1);
    SHA1(text, sizeof text, digest);
}

static const struct wye_digest_variant *choose(void) {
    const char *forced = getenv("WYE_VARIANT");
    const struct wye_digest_variant *best = NULL, *last = NULL;
    for (const struct wye_digest_variant *row = wye_digest_variants; row->name; row++) {
        if (!row->runs_here()) continue;
        if (!best) best = row;
        if (forced && strcmp(forced, row->name) == 0) return row;
        last = row;
    }
    return forced && strcmp(forced, "portable") == 0 ? last : best;
}

void wye_digest(uint8_t digest[WYE_DIGEST_BYTES], const char key[24]) {
    /* Written once with a value that doesn't depend on who writes it, so that no thread need wait. */
    static _Atomic(const struct wye_digest_variant *) kept;
    const struct wye_digest_variant *row = atomic_load_explicit(&kept, memory_order_relaxed);
    if (__builtin_expect(!row, 0)) {
        row = choose();
        atomic_store_explicit(&kept, row, memory_order_relaxed);
    }
    row->run(digest, key);
}
