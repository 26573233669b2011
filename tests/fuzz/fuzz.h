/* What the fuzzers share. A fuzzer is one function; libFuzzer calls it, or replay.c with the files of a
 * corpus. */
#ifndef WYE_TESTS_FUZZ_FUZZ_H
#define WYE_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* What must hold, whatever came in. */
#define MUST(holds)                                                                                          \
    do {                                                                                                     \
        if (!(holds)) {                                                                                      \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds);                              \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* A copy that ends where its memory does, so that a read behind it is seen; to be freed. */
static inline uint8_t *exact_copy(const uint8_t *bytes, size_t count) {
    uint8_t *copy = malloc(count ? count : 1);
    MUST(copy);
    if (count > 0) memcpy(copy, bytes, count);
    return copy;
}

/* FNV-1a: chooses where the input is cut, always at the same place. */
static inline uint64_t hash_of(const uint8_t *bytes, size_t count) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

#endif
