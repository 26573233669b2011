/*
 * HTTP/2 after an Upgrade: requests and bodies in frames that are right, and whatever else. The input is a script of frames,
 * bytes and time. Sanitizers watch; what is answered must be frames, and everything must be given back in the end.
 */
#include "tests/fuzz/script.h"

#include "tests/fake_hands.h"

#include <stdio.h>

enum { OPERATIONS_MAX = 200 };

static struct fake_world world;

/* In two pieces, with a turn between them or without. */
static void feed(struct fake_peer *peer, const struct wire *wire, uint8_t how) {
    size_t cut = wire->count ? how % wire->count : 0;
    fake_feed(peer, wire->at, cut);
    if (how & 1) fake_turn(peer->hands);
    fake_feed(peer, wire->at + cut, wire->count - cut);
    if (how & 2) fake_settle(peer->hands);
}

/* Header blocks that mean something. */
static const struct wye_span blocks[] = {
#define BLOCK(text) {text, sizeof(text) - 1}
    BLOCK("\x82\x86\x84\x01\x09localhost"),
    BLOCK("\x82\x86\x04\x08/metrics\x01\x09localhost"),
    BLOCK("\x82\x86\x04\x08/nothing\x01\x09localhost\x40\x06" "accept\x18" "application/problem+json"),
    BLOCK("\x83\x86\x04\x08/topic/a\x01\x09localhost"),
    BLOCK("\x83\x86\x04\x08/topic/a\x01\x09localhost\x0f\x0d\x02" "20"),
    BLOCK("\x83\x86\x04\x08/topic/a\x01\x09localhost\x40\x06" "expect\x0c" "100-continue"),
    BLOCK("\x42\x04HEAD\x86\x04\x09/page.css\x01\x09localhost"),
    BLOCK("\x42\x07OPTIONS\x86\x04\x01*\x01\x09localhost"),
    BLOCK("\x82\x86\x04\x05/echo\x01\x09localhost"),
    BLOCK("\x40\x01x\x01y"), /* trailers */
#undef BLOCK
};

/* One operation: its kind and flags, a stream, and what follows. */
static void operate(struct fake_peer *peer, struct script *script) {
    uint8_t code = take(script), number = take(script), how = take(script);
    uint32_t stream = number & 0x80 ? number & 0x7f : (uint32_t)(number % 16 * 2 + 1);
    struct wire wire = {0};
    switch (code & 7) {
    case 0:
    case 1: {
        struct wye_span block = blocks[(code >> 3) % (sizeof blocks / sizeof blocks[0])];
        wire_h2_frame(&wire, 1, how & 0x10 ? 5 : how & 0x20 ? 0 : 4, stream, block.bytes, block.count);
        break;
    }
    case 2: wire_h2_frame(&wire, 0, how >> 4 & 1, stream, wire_words(code, number), code); break;
    case 3: { /* of any type, with whatever is in it */
        struct wye_span bytes = take_bytes(script, take(script));
        wire_h2_frame(&wire, code >> 3 & 15, how, number & 1 ? 0 : stream, bytes.bytes, bytes.count);
        break;
    }
    case 4: {
        struct wye_span bytes = take_bytes(script, take(script));
        wire_add(&wire, bytes.bytes, bytes.count);
        break;
    }
    case 5: peer->window = how & 1 ? SIZE_MAX : (size_t)how * 50; break;
    case 6: fake_pass(peer->hands, (uint64_t)(1 + how) * (FAKE_SECOND / 4)); break;
    default:
        if (how & 1) fake_turn(&world.hands[1]);
        if (how & 2) fake_eof(peer);
        if (how == 4) atomic_store(&world.node.draining, true);
        fake_settle(peer->hands);
    }
    if (wire.count) feed(peer, &wire, how);
    wire_free(&wire);
}

/* What came is a 101 and frames, each whole and within its size, but for what the end cut off. */
static void check_frames(const struct fake_peer *peer) {
    static const char opening[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n";
    const struct wire *received = &peer->received;
    if (received->count < sizeof opening - 1) return; /* it took hardly anything */
    if (!wire_begins(received, opening)) {
        MUST(wire_begins(received, "HTTP/1.1 4")); /* refused, and why */
        return;
    }
    for (size_t at = sizeof opening - 1; at + 9 <= received->count;) {
        const uint8_t *header = received->at + at;
        size_t count = (size_t)header[0] << 16 | (size_t)header[1] << 8 | header[2];
        MUST(count <= 16384 && header[3] <= 9 && !(header[5] & 0x80));
        at += 9 + count;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    static const char *const settings[] = {"", "AAMAAABk", "AAQAAAAA", "AAR_____", "AAUA____", "AAMAAA"};
    struct script script = {bytes, count};
    struct wye_settings of_node;
    struct wire wire = {0};
    char fields[200];
    uint8_t how = take(&script);
    wye_settings_init(&of_node);
    of_node.h2c = true;
    if (how & 0x40) of_node.outbox_bytes = 20000, of_node.max_message_bytes = 5000;
    fake_world_open(&world, 2, how & 0x80, &of_node);
    struct fake_peer *peer = fake_connect(&world.hands[0], false);
    snprintf(fields, sizeof fields, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: %s\r\n", settings[how % 6]);
    wire_request(&wire, "GET", how & 8 ? "/page.css" : "/healthz", fields);
    if (how & 0x10) wire_add_text(&wire, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    if (how & 0x10) wire_h2_frame(&wire, 4, 0, 0, "", 0);
    feed(peer, &wire, how);
    wire_free(&wire);
    for (unsigned i = 0; i < OPERATIONS_MAX && script.left && peer->conn; i++) operate(peer, &script);
    fake_settle(&world.hands[1]);
    fake_settle(&world.hands[0]);
    check_frames(peer);
    fake_world_shut(&world);
    return 0;
}
