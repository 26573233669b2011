/* SHA-1 of a key and the GUID: every variant that runs here. */
#include "handshake/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void the_key_of_the_RFC_has_the_digest_of_the_RFC(void **unused) {
    (void)unused;
    static const uint8_t expected[WYE_DIGEST_BYTES] = {0xb3, 0x7a, 0x4f, 0x2c, 0xc0, 0x62, 0x4f,
                                                       0x16, 0x90, 0xf6, 0x46, 0x06, 0xcf, 0x38,
                                                       0x59, 0x45, 0xb2, 0xbe, 0xc4, 0xea};
    for (const struct wye_digest_variant *variant = wye_digest_variants; variant->name; variant++) {
        uint8_t digest[WYE_DIGEST_BYTES];
        if (!variant->runs_here()) continue;
        variant->run(digest, "dGhlIHNhbXBsZSBub25jZQ==");
        assert_memory_equal(digest, expected, sizeof digest);
    }
}

static void all_variants_agree_on_any_24_bytes(void **unused) {
    (void)unused;
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        char *key = malloc(24); /* so that a byte read behind it is seen */
        uint8_t expected[WYE_DIGEST_BYTES];
        assert_non_null(key);
        for (unsigned i = 0; i < 24; i++) key[i] = (char)rand();
        wye_digest_boringssl(expected, key);
        for (const struct wye_digest_variant *variant = wye_digest_variants; variant->name; variant++) {
            uint8_t digest[WYE_DIGEST_BYTES];
            if (!variant->runs_here()) continue;
            variant->run(digest, key);
            assert_memory_equal(digest, expected, sizeof digest);
        }
        free(key);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_of_the_RFC_has_the_digest_of_the_RFC),
        cmocka_unit_test(all_variants_agree_on_any_24_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
