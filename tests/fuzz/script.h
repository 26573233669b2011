/* An input that is a script of operations, taken from its start. */
#ifndef WYE_TESTS_FUZZ_SCRIPT_H
#define WYE_TESTS_FUZZ_SCRIPT_H

#include "tests/fuzz/fuzz.h"

#include "handshake/span.h"

struct script {
    const uint8_t *at;
    size_t left;
};

/* The next byte; 0 at the end. */
static inline uint8_t take(struct script *script) {
    if (script->left == 0) return 0;
    script->left--;
    return *script->at++;
}

/* Up to `count` bytes of it. */
static inline struct wye_span take_bytes(struct script *script, size_t count) {
    if (count > script->left) count = script->left;
    struct wye_span bytes = {(const char *)script->at, count};
    script->at += count;
    script->left -= count;
    return bytes;
}

#endif
