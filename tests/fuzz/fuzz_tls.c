/*
 * A hostile client of a TLS listener: what the node does must come to rest, give everything back, send no
 * plaintext, and leave others alone. The first byte chooses how the others are used, the second how they are
 * cut.
 *
 * BoringSSL draws random numbers (its deterministic build is another library), so that an input takes the
 * same way through the filter each time, but over other ciphertext.
 */
#include "core/tls.h"
#include "tests/fuzz/fuzz.h"
#include "tests/tls_peer.h"

enum way {
    RAW,          /* instead of a handshake */
    BENT_HELLO,   /* a ClientHello with some bytes changed */
    BEHIND_HELLO, /* behind a right ClientHello */
    RAW_INSIDE,   /* as records, once the handshake is done */
    BENT_RECORD,  /* in a right record, of which one byte is changed */
    SEALED,       /* in right records: what HTTP and WebSocket are given */
    WAYS
};

static struct fake_world world;
static struct fake_hands *hands;
static struct wye_tls_context *server;
static SSL_CTX *clients[2];

static void open_world(void) {
    static const char *const localhost[] = {"localhost", NULL};
    static const char *const *const names[] = {localhost};
    struct wye_settings settings;
    if (hands) return;
    wye_settings_init(&settings);
    settings.outbox_bytes = 50000;
    settings.max_message_bytes = 100000;
    settings.deflate = WYE_DEFLATE_OFF;
    settings.tls_half_open_max = 3;
    fake_world_open(&world, 1, true, &settings);
    hands = world.hands;
    server = tls_server(names, 1, false);
    clients[0] = tls_client(TLS1_2_VERSION);
    clients[1] = tls_client(TLS1_3_VERSION);
}

/* Feeds in pieces that `cut` chooses, now with a turn between them and now without. */
static void feed(struct fake_peer *peer, const uint8_t *bytes, size_t count, uint32_t cut) {
    for (size_t at = 0, piece; at < count; at += piece) {
        cut = cut * 1664525 + 1013904223;
        piece = cut >> 31 ? 1 + (cut >> 8) % 16 : 1 + (cut >> 8) % 5000;
        if (piece > count - at) piece = count - at;
        fake_feed(peer, bytes + at, piece);
        if (cut & 64) fake_turn(hands);
        if (cut % 61 == 0 && peer->conn) wye_conn_pause(peer->conn, WYE_PAUSE_USER);
        if (cut % 7 == 0 && peer->conn) wye_conn_resume(peer->conn, WYE_PAUSE_USER);
        if (cut % 97 == 0) peer->window = cut & 128 ? 0 : SIZE_MAX;
    }
    if (peer->conn) wye_conn_resume(peer->conn, WYE_PAUSE_USER);
    fake_settle(hands);
}

/* Returns whether it began like plain HTTP, or like a PROXY header in front of it. */
static bool play(struct tls_peer *peer, enum way way, uint8_t manner, const uint8_t *bytes, size_t count) {
    struct wire said = {0};
    if (way >= RAW_INSIDE) {
        tls_settle(peer);
        MUST(peer->up && peer->wire->conn);
    } else {
        tls_pump(peer);
        tls_take(peer, &said);
    }
    switch (way) {
    case RAW:
    case RAW_INSIDE: wire_clear(&said); break;
    case BENT_HELLO:
        for (size_t i = 0; i + 2 < count; i += 3)
            said.at[(size_t)(bytes[i] << 8 | bytes[i + 1]) % said.count] ^= bytes[i + 2];
        break;
    case BEHIND_HELLO: break;
    default:
        for (size_t at = 0, record; at < count; at += record) {
            record = 1 + (size_t)(bytes[at] * 64);
            if (record > count - at) record = count - at;
            tls_say(peer, bytes + at, record);
        }
        tls_take(peer, &said);
        if (way == BENT_RECORD && said.count > 0)
            said.at[(manner * 2654435761u >> 8) % said.count] ^= manner | 1;
    }
    if (way == RAW || way == BEHIND_HELLO || way == RAW_INSIDE) wire_add(&said, bytes, count);
    bool plain = way < RAW_INSIDE && said.count > 0 && ((said.at[0] >= 'A' && said.at[0] <= 'Z') || said.at[0] == '\r');
    feed(peer->wire, said.at, said.count, manner * 2654435761u);
    wire_free(&said);
    return plain;
}

/* Nothing leaves unsealed, but for the one sentence to those that speak plain HTTP or PROXY. */
static void check_output(const struct tls_peer *peer, bool plain) {
    const struct wire *out = &peer->wire->received;
    bool sealed = out->count == 0 || (out->at[0] >= 20 && out->at[0] <= 23);
    MUST(sealed || (plain && wire_begins(out, "HTTP/1.1 400 ")));
    MUST(plain || wire_find(out, "HTTP/1.1", 0) == SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    if (count < 2) return 0;
    open_world();
    enum way way = bytes[0] % WAYS;
    uint8_t manner = bytes[1];
    SSL_CTX *client = clients[bytes[0] / WAYS & 1];
    struct tls_peer *other = tls_connect(hands, server, client, NULL),
                    *peer = tls_connect(hands, server, client, NULL);
    tls_settle(other);
    hands->send_max = manner & 32 ? (size_t)(1 + manner) : SIZE_MAX;
    uint8_t *copy = exact_copy(bytes + 2, count - 2);
    bool plain = play(peer, way, manner, copy, count - 2);
    peer->wire->window = SIZE_MAX;
    fake_settle(hands);
    if (manner & 1) fake_eof(peer->wire);
    fake_settle(hands);
    if (peer->wire->conn) MUST(peer->wire->conn->outbox.bytes <= 200000);
    check_output(peer, plain);
    if (manner & 2) fake_pass(hands, 11 * FAKE_SECOND);
    if (peer->wire->conn) wye_conn_close(peer->wire->conn, 0);
    hands->send_max = SIZE_MAX;
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    if (other->wire->conn && !(manner & 2)) { /* nobody else has noticed */
        tls_say(other, request, sizeof request - 1);
        tls_settle(other);
        MUST(wire_begins(&other->heard, "HTTP/1.1 200 ") && other->notified);
    }
    if (other->wire->conn) wye_conn_close(other->wire->conn, 0);
    fake_settle(hands);
    MUST(hands->hub.open == 0 && wye_counted(&hands->hub.counters.tls_half_open) == 0 &&
         !wye_tls_is_due(&hands->hub));
    wire_free(&peer->wire->received);
    wire_free(&other->wire->received);
    hands->peer_count = 0;
    tls_peer_free(peer);
    tls_peer_free(other);
    free(copy);
    return 0;
}
