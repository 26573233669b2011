/* Publishing through fake hands, and what subscribers got. Included behind <cmocka.h>. */
#ifndef WYE_TESTS_FAKE_PUBLISH_H
#define WYE_TESTS_FAKE_PUBLISH_H

#include "frames/frame.h"
#include "tests/fake_hands.h"

#include <string.h>

enum { TEXT = WYE_OPCODE_TEXT, BINARY = WYE_OPCODE_BINARY };

/* Sends one message; no turn is made. */
static inline void publish(struct fake_peer *peer, int opcode, const void *payload, size_t count) {
    struct wire wire = {0};
    wire_client_frame(&wire, WIRE_FIN, opcode, payload, count, 0x7a9b01d5);
    fake_feed(peer, wire.at, wire.count);
    wire_free(&wire);
}

static inline void publish_text(struct fake_peer *peer, const char *text) {
    publish(peer, TEXT, text, strlen(text));
}

/* What the peer got is these texts, a message each ("a b c"), and nothing else. */
static inline void assert_got(struct fake_peer *peer, const char *texts) {
    struct wire expected = {0};
    for (const char *at = texts; *at; at += at[0] == ' ') {
        size_t count = strcspn(at, " ");
        wire_server_frame(&expected, TEXT, at, count);
        at += count;
    }
    assert_true(wire_equal(&peer->received, &expected));
    wire_clear(&peer->received);
    wire_free(&expected);
}

/* A connection that has just been told `code`, and why: its last frame. */
static inline void assert_closed_with(struct fake_peer *peer, unsigned code, const char *words) {
    const struct wire *got = &peer->received;
    size_t at = wire_find(got, words, 0);
    assert_true(at != SIZE_MAX && at >= 4);
    const uint8_t *bytes = memrchr(got->at, 0x88, at - 2);
    assert_non_null(bytes);
    assert_int_equal(bytes[2] << 8 | bytes[3], code);
    assert_int_equal((size_t)(bytes - got->at) + 2u + bytes[1], got->count);
}

#endif
