/* One script, played in very many ways, must always give the same output. */
#include "tests/fake_hands.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EVERY_SPLIT_MAX = 1500,
    STREAMED_ABOVE = 1024 * 1024, /* longer messages that don't come whole may come back in fragments */
    VERY_LONG = 100000,
    LONG_FROM = 140,
    LONG_TO = 220, /* in long scripts: the end of the handshake, and the first frame's header */
};

/* How a script is cut and played. */
struct manner {
    size_t first, others; /* bytes of the first piece, and of each after it */
    uint32_t random;      /* not 0: pieces of any length, and sometimes no turn between them */
    size_t send_max;
    bool turns; /* after each piece, or only at the end */
    bool lasts;
};

static int play(struct fake_hands *hands, const struct wire *script, const struct manner *manner,
                struct wire *output) {
    struct fake_peer *peer = fake_connect(hands, false);
    assert(peer);
    hands->lasts = manner->lasts;
    hands->send_max = manner->send_max;
    uint32_t random = manner->random;
    for (size_t at = 0, piece = manner->first; at < script->count; at += piece, piece = manner->others) {
        if (random) {
            random = random * 1664525 + 1013904223;
            piece = 1 + (random >> 8) % (random >> 31 ? 20 : random >> 30 & 1 ? 1000 : 70000);
        }
        if (piece > script->count - at) piece = script->count - at;
        fake_feed(peer, script->at + at, piece);
        if (manner->turns && !(random & 32)) fake_turn(hands);
    }
    fake_settle(hands);
    /* One that lingers has said all it had to say, and ends when its peer does. */
    if (peer->conn && peer->conn->phase >= WYE_CONN_FINISHING) {
        fake_eof(peer);
        fake_settle(hands);
    }
    int reason = peer->conn ? 1 : peer->reason;
    if (peer->conn) {
        assert(peer->conn->phase == WYE_CONN_OPEN && peer->conn->outbox.bytes == 0);
        wye_conn_close(peer->conn, 0);
        fake_settle(hands);
    }
    *output = peer->received;
    hands->peer_count = 0;
    return reason;
}

static bool is_equal(const struct wire *output, const struct wire *expected) {
    if (expected->count <= STREAMED_ABOVE) return wire_equal(output, expected);
    struct wire merged = {0};
    bool equal = (output->count == expected->count && memcmp(output->at, expected->at, output->count) == 0) ||
                 (wire_merge(&merged, output) && wire_equal(&merged, expected));
    wire_free(&merged);
    return equal;
}

static void check(struct fake_hands *hands, const struct wire *script, const struct manner *manner,
                  const struct wire *expected, int reason) {
    struct wire output;
    int end = play(hands, script, manner, &output);
    bool same = is_equal(&output, expected) && end == reason;
    if (!same) {
        fprintf(stderr,
                "of %zu bytes first %zu, then %zu each; sends of %zu; turns %d, lasts %d; ended %d, not %d\n",
                script->count, manner->first, manner->others, manner->send_max, manner->turns, manner->lasts,
                end, reason);
        abort();
    }
    wire_free(&output);
}

/* The next place to cut a long script at: near its ends, near powers of two, and now and then. */
static size_t next_cut(size_t cut, size_t count) {
    if (count <= EVERY_SPLIT_MAX || cut < LONG_TO || cut + 20 >= count) return cut + 1;
    size_t off = cut % 32768;
    if (off < 2 || off == 32767) return cut + 1;
    size_t next = cut + 7919 < cut - off + 32767 ? cut + 7919 : cut - off + 32767;
    return next + 20 < count ? next : count - 20;
}

static void check_splits(struct fake_hands *hands, const struct wire *script, const struct wire *expected,
                         int reason) {
    static const size_t odd[] = {1, 2, 3, 7, 64, 1000, 4096, 65536};
    for (unsigned way = 0; way < 4; way++) {
        struct manner manner = {.others = SIZE_MAX, .send_max = SIZE_MAX, .turns = way & 1, .lasts = way & 2};
        for (size_t cut = script->count > EVERY_SPLIT_MAX ? LONG_FROM : 1; cut <= script->count;
             cut = next_cut(cut, script->count)) {
            manner.first = cut;
            check(hands, script, &manner, expected, reason);
        }
        for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
            if (script->count > VERY_LONG && odd[i] < 7) continue; /* it would take a minute, and shows nothing new */
            manner.first = manner.others = odd[i];
            manner.send_max = SIZE_MAX;
            check(hands, script, &manner, expected, reason);
            manner.send_max = expected->count < 3000 ? 1 : 3001;
            check(hands, script, &manner, expected, reason);
        }
    }
}

void fake_script(const struct wire *script, const struct wire *expected, int reason,
                 const struct wye_settings *settings) {
    for (unsigned slots = 0; slots < 2; slots++) {
        struct fake_world world;
        fake_world_open(&world, 1, slots, settings);
        check_splits(&world.hands[0], script, expected, reason);
        fake_world_shut(&world);
    }
}

int fake_output(const struct wire *script, struct wire *output, const struct wye_settings *settings) {
    static const struct manner whole = {
        .first = SIZE_MAX, .send_max = SIZE_MAX, .turns = true, .lasts = true};
    struct fake_world world;
    fake_world_open(&world, 1, true, settings);
    int reason = play(&world.hands[0], script, &whole, output);
    fake_world_shut(&world);
    return reason;
}

void fake_script_at_random(const struct wire *script, const struct wire *expected, int reason,
                           const struct wye_settings *settings, uint32_t seed, unsigned rounds) {
    struct fake_world world;
    fake_world_open(&world, 1, seed & 1, settings);
    for (unsigned round = 0; round < rounds; round++) {
        struct manner manner = {
            .random = (seed + round) * 2654435761u | 1, .turns = round & 1, .lasts = round % 4 != 3};
        manner.send_max = round % 3 ? SIZE_MAX : 1 + expected->count / 7;
        check(&world.hands[0], script, &manner, expected, reason);
    }
    fake_world_shut(&world);
}
