/*
 * Whole connections over hands without a kernel: heads, upgrades, frames, slow readers, ends and time, three
 * peers at once. The input is a script of operations. It is played twice, once with receive buffers that last
 * until the flush and once with each piece cut in two and its buffer gone at once: the peers must hear the
 * same (but for where a long message is cut into fragments), every byte of it what a server may say, and
 * everything must be given back in the end.
 */
#include "tests/fuzz/script.h"

#include "frames/deflate.h"
#include "tests/fake_hands.h"
#include "tests/fuzz/server_frames.h"

enum { PEERS = 3, CONNECTS_MAX = 12, OPERATIONS_MAX = 300, FED_MAX = 3 << 20, SECONDS_MAX = 200 };

/* One playing of a script. */
struct player {
    struct fake_world world;
    struct fake_peer *peers[PEERS], *all[CONNECTS_MAX];
    bool compared[CONNECTS_MAX]; /* began with an upgrade of ours, to something whose answers don't depend on
                                    memory */
    unsigned connects;
    size_t fed;
    uint64_t passed_ns;
    bool gentle;       /* buffers last, pieces stay whole */
    bool small_outbox; /* reading is paused, and how much was read before that depends on how it came */
    bool counters[CONNECTS_MAX]; /* asked for the node's counters, which count how it was played */
    bool incomparable; /* something ended, perhaps half-way */
};

/* ---- peers ---- */

static unsigned number_of(const struct player *player, const struct fake_peer *peer) {
    for (unsigned i = 0; i < player->connects; i++) {
        if (player->all[i] == peer) return i;
    }
    MUST(false);
    return 0;
}

/* A peer that is connected: a new one, when it was closed. NULL: no more. */
static struct fake_peer *peer_at(struct player *player, unsigned which) {
    struct fake_peer **peer = &player->peers[which % PEERS];
    if (*peer && (*peer)->conn) return *peer;
    if (player->connects == CONNECTS_MAX) return NULL;
    /* When a peer that takes little had taken all depends on how many fragments it was: it may be here still, played otherwise. */
    player->incomparable |= *peer && (*peer)->window != SIZE_MAX;
    *peer = fake_connect(&player->world.hands[player->connects % player->world.count], false);
    if (*peer) player->all[player->connects++] = *peer;
    return *peer;
}

static void feed(struct player *player, struct fake_peer *peer, const struct wire *wire) {
    if (wire->count == 0 || player->fed + wire->count > FED_MAX) return;
    player->fed += wire->count;
    size_t cut = player->gentle ? 0 : hash_of(wire->at, wire->count < 64 ? wire->count : 64) % wire->count;
    fake_feed(peer, wire->at, cut);
    fake_feed(peer, wire->at + cut, wire->count - cut);
}

/* ---- operations ---- */

static void upgrade(struct player *player, struct fake_peer *peer, uint8_t how) {
    static const char *const targets[] = {"/echo",      "/topic/t", "/topic/t?noecho", "/chat",
                                          "/topic/t%2", "/stream",  "/echo",           "/topic/$wye/stats"};
    static const char *const offers[] = {
        "", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n",
        "Sec-WebSocket-Extensions: x, permessage-deflate; server_no_context_takeover\r\n"};
    const char *target = targets[how & 7];
    struct wire wire = {0}, fields = {0};
    wire_add_text(&fields, (how & 7) == 5 ? "Upgrade: wye-echo\r\n" : "Upgrade: websocket\r\n");
    wire_add_text(&fields, "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                           "dGhlIHNhbXBsZSBub25jZQ==\r\n");
    wire_add_text(&fields, offers[how >> 3 & 3]);
    wire_add(&fields, "", 1);
    wire_request(&wire, "GET", target, (const char *)fields.at);
    if ((how & 7) == 7) player->counters[number_of(player, peer)] = true;
    if (peer->received.count == 0 && peer->conn->tail == NULL && (how & 7) != 7)
        player->compared[number_of(player, peer)] = true;
    feed(player, peer, &wire);
    wire_free(&fields);
    wire_free(&wire);
}

/* A frame whose payload is words, compressed. */
static void deflated_frame(struct wire *wire, uint8_t first, size_t count, uint32_t key) {
    struct wye_deflater *deflater = wye_deflater_open(9, 1, 1);
    MUST(deflater);
    size_t room = wye_deflate_bound(deflater, count);
    uint8_t *bytes = malloc(room);
    MUST(bytes);
    size_t made = wye_deflate(deflater, bytes, room, wire_words(count, key), count, true);
    wire_client_frame(wire, (first & WIRE_FIN) | 0x40, first & 15, bytes, made, key);
    free(bytes);
    wye_deflater_shut(deflater);
}

static void frame(struct player *player, struct fake_peer *peer, struct script *script) {
    uint8_t first = take(script), shape = take(script), size = take(script);
    uint32_t key = shape * 0x01030507u;
    struct wire wire = {0};
    switch (shape & 7) {
    case 0:
        wire_client_frame(&wire, first & 0xf0, first & 15, wire_words(size * 17u, size), size * 17u, key);
        break;
    case 1:
        wire_client_frame(&wire, first & 0xf0, first & 15, wire_noise(size * 300u, size), size * 300u, key);
        break;
    case 2: deflated_frame(&wire, first, size * 64u, key); break;
    case 3: wire_client_header(&wire, first & 0xf0, first & 15, UINT64_C(1) << (size & 63), key); break;
    case 4: wire_client_frame(&wire, first & 0xf0, first & 15, NULL, 0, key); break;
    default: {
        struct wye_span bytes = take_bytes(script, size);
        wire_client_frame(&wire, first & 0xf0, first & 15, bytes.bytes, bytes.count, key);
    }
    }
    feed(player, peer, &wire);
    wire_free(&wire);
}

static void raw(struct player *player, struct fake_peer *peer, struct script *script) {
    struct wye_span bytes = take_bytes(script, 1u + take(script));
    struct wire wire = {0};
    wire_add(&wire, bytes.bytes, bytes.count);
    feed(player, peer, &wire);
    wire_free(&wire);
}

static void turn(struct player *player, bool settle) {
    for (unsigned i = 0; i < player->world.count; i++)
        settle ? fake_settle(&player->world.hands[i]) : fake_turn(&player->world.hands[i]);
}

static void pass(struct player *player, uint8_t how) {
    /* A peer that takes little is not waited for, and how far it had come depends on how many slices it was,
     * too. */
    player->incomparable |= player->small_outbox;
    for (unsigned i = 0; i < player->connects; i++)
        player->incomparable |= player->all[i]->window != SIZE_MAX;
    uint64_t ns = (UINT64_C(1) + how) * (FAKE_SECOND / 8);
    if (player->passed_ns + ns > SECONDS_MAX * FAKE_SECOND) return;
    player->passed_ns += ns;
    for (unsigned i = 0; i < player->world.count; i++) fake_pass(&player->world.hands[i], ns);
}

static void rest(struct player *player, struct fake_peer *peer, uint8_t how) {
    /* What was on its way is lost: how much that is depends on how many slices it was, since a send takes 16.
     */
    player->incomparable |= (how & 7) == 1 || ((how & 7) == 2 && player->small_outbox);
    switch (how & 7) {
    case 0: fake_eof(peer); break;
    case 1: wye_conn_close(peer->conn, -104); break; /* ECONNRESET: the kernel tells */
    case 2: atomic_store(&player->world.node.draining, true); break;
    case 3: peer->hands->send_max = 1u + how * 13u; break;
    case 4: peer->hands->send_max = SIZE_MAX; break;
    case 5: peer->hands->hold = how >> 3 & 3; break;
    case 6: wye_conn_pause(peer->conn, WYE_PAUSE_USER); break;
    default: wye_conn_resume(peer->conn, WYE_PAUSE_USER); break;
    }
}

/* One operation: its kind, whose it is, and what follows. */
static void operate(struct player *player, struct script *script) {
    uint8_t code = take(script);
    struct fake_peer *peer = peer_at(player, code >> 4);
    if (!peer) return;
    switch (code & 7) {
    case 0: raw(player, peer, script); break;
    case 1: upgrade(player, peer, take(script)); break;
    case 2:
    case 3: frame(player, peer, script); break;
    case 4: turn(player, code & 8); break;
    case 5: peer->window = code & 8 ? SIZE_MAX : take(script) * 40u; break;
    case 6: pass(player, take(script)); break;
    default: rest(player, peer, take(script)); break;
    }
}

/* ---- a whole script ---- */

static void play(struct player *player, struct script script, bool gentle) {
    static const enum wye_deflate_mode modes[] = {WYE_DEFLATE_OFF, WYE_DEFLATE_SHARED, WYE_DEFLATE_TAKEOVER,
                                                  WYE_DEFLATE_SHARED};
    uint8_t options = take(&script);
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.deflate = modes[options & 3];
    settings.max_message_bytes = 2 << 20;
    settings.outbox_bytes = options & 4 ? 20000 : 32 << 20;
    settings.ping_ns = options & 8 ? 5 * FAKE_SECOND : 0;
    settings.idle_timeout_ns = options & 16 ? 7 * FAKE_SECOND : 0;
    *player = (struct player){.gentle = gentle, .small_outbox = options & 4};
    fake_world_open(&player->world, options & 32 ? 2 : 1, options & 64, &settings);
    for (unsigned i = 0; i < player->world.count; i++) player->world.hands[i].lasts = gentle;
    for (unsigned done = 0; script.left > 0 && done < OPERATIONS_MAX; done++) operate(player, &script);
    /* All read on, and what is waiting comes to its end. */
    for (unsigned i = 0; i < player->connects; i++) {
        player->all[i]->window = SIZE_MAX;
        if (player->all[i]->conn) wye_conn_resume(player->all[i]->conn, WYE_PAUSE_USER);
    }
    for (unsigned i = 0; i < 4; i++) turn(player, true);
}

/* What each peer heard, in a form that doesn't depend on how a message was cut. */
static void hear(const struct player *player, struct wire heard[CONNECTS_MAX]) {
    for (unsigned i = 0; i < player->connects; i++) {
        if (!player->compared[i] || player->counters[i]) continue;
        const struct wire *received = &player->all[i]->received;
        if (wire_begins(received, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"))
            server_frames_read(&heard[i], received);
        else wire_add(&heard[i], received->at, received->count);
        int32_t reason = player->all[i]->conn ? 1 : player->all[i]->reason;
        wire_add(&heard[i], &reason, sizeof reason);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    static struct player player;
    bool incomparable = false;
    struct wire first[CONNECTS_MAX] = {0}, second[CONNECTS_MAX] = {0};
    for (unsigned round = 0; round < 2; round++) {
        play(&player, (struct script){bytes, count}, round == 0);
        hear(&player, round == 0 ? first : second);
        incomparable |= player.incomparable;
        fake_world_shut(&player.world);
    }
    for (unsigned i = 0; i < CONNECTS_MAX; i++) {
        MUST(incomparable || wire_equal(&first[i], &second[i]));
        wire_free(&first[i]);
        wire_free(&second[i]);
    }
    return 0;
}
