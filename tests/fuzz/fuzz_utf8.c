/* UTF-8: every variant, however a text is cut, agrees with the slow and obvious validator. */
#include "tests/fuzz/fuzz.h"

#include "frames/mask_utf8.h"
#include "frames/utf8.h"
#include "tests/utf8_samples.h"

enum { EVERY_CUT_MOST = 400 };

/* The first byte from which nothing could mend it, counted from 1; count + 1: none. */
static size_t fails_at(const uint8_t *bytes, size_t count) {
    size_t prefix = slow_prefix(bytes, count), at = prefix + 1;
    while (at <= count && slow_may_go_on(bytes + prefix, at - prefix)) at++;
    return at;
}

static void feed_in_two(const uint8_t *bytes, size_t count, size_t cut, size_t failure, bool whole) {
    struct wye_utf8 utf8 = {0};
    bool first = wye_utf8_feed(&utf8, bytes, cut);
    MUST(first == (cut < failure));
    if (!first) return;
    bool second = wye_utf8_feed(&utf8, bytes + cut, count - cut);
    MUST(second == (count < failure));
    if (second) MUST(wye_utf8_may_end(&utf8) == whole);
}

static void mask_variants(const uint8_t *bytes, size_t count, size_t wanted, uint64_t hash) {
    uint32_t key = (uint32_t)hash;
    unsigned phase = hash >> 32 & 3;
    size_t apart = hash >> 34 & 127;
    uint8_t *masked = malloc(count + apart + 1);
    MUST(masked);
    for (const struct wye_mask_utf8_variant *variant = wye_mask_utf8_variants; variant->name; variant++) {
        if (!variant->runs_here()) continue;
        for (size_t i = 0; i < count; i++) masked[apart + i] = bytes[i] ^ ((uint8_t *)&key)[(phase + i) & 3];
        MUST(variant->run(masked, masked + apart, count, key, phase) == wanted);
        MUST(memcmp(masked, bytes, count) == 0);
    }
    free(masked);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    uint8_t *copy = exact_copy(bytes, count);
    size_t wanted = slow_prefix(copy, count), failure = fails_at(copy, count);
    uint64_t hash = hash_of(bytes, count);
    for (const struct wye_utf8_variant *variant = wye_utf8_variants; variant->name; variant++)
        if (variant->runs_here()) MUST(variant->run(copy, count) == wanted);
    /* As the middle of a longer text, so that short inputs meet the vectors too. */
    enum { AROUND = 200 };
    size_t before = hash % AROUND;
    uint8_t *longer = malloc(count + AROUND);
    MUST(longer);
    memset(longer, 'a', count + AROUND);
    if (count > 0) memcpy(longer + before, copy, count);
    size_t cut = slow_prefix(longer, count + AROUND);
    for (const struct wye_utf8_variant *variant = wye_utf8_variants; variant->name; variant++)
        if (variant->runs_here()) MUST(variant->run(longer, count + AROUND) == cut);
    mask_variants(longer, count + AROUND, cut, hash);
    mask_variants(copy, count, wanted, hash);
    free(longer);

    bool whole = wanted == count;
    feed_in_two(copy, count, count ? hash % (count + 1) : 0, failure, whole);
    if (count <= EVERY_CUT_MOST)
        for (size_t at = 0; at <= count; at++) feed_in_two(copy, count, at, failure, whole);
    free(copy);
    return 0;
}
