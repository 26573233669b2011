/* History over loops on threads of their own: whoever joins at any moment, on any loop, misses nothing and gets nothing twice. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frames/frame.h"
#include "tests/fake_hands.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { LOOPS = 3, JOINERS = 40, MESSAGES = 4000, LAST = 50, FRAME = 10 };

/* A loop's thread, with a publisher that says numbers, and subscribers that come one after another. */
struct turner {
    pthread_t thread;
    struct fake_hands *hands;
    struct fake_peer *publisher, *joiners[JOINERS];
    uint32_t sent, seed;
    uint32_t said[JOINERS][LOOPS]; /* by each publisher, when the joiner had just joined */
    unsigned joined;
};

static struct fake_world world;
static struct turner turners[LOOPS];
static _Atomic unsigned finished;
static _Atomic uint32_t said[LOOPS]; /* no number from it on has been published */

static uint32_t next_random(struct turner *turner) { return (turner->seed = turner->seed * 1664525 + 1013904223) >> 8; }

static void publish_next(struct turner *turner) {
    struct wire wire = {0};
    uint32_t payload[2] = {(uint32_t)turner->hands->hub.number, turner->sent++};
    wire_client_frame(&wire, WIRE_FIN, WYE_OPCODE_BINARY, payload, sizeof payload, 0x10203 * turner->sent);
    said[payload[0]] = turner->sent;
    fake_feed(turner->publisher, wire.at, wire.count);
    wire_free(&wire);
}

static void join_next(struct turner *turner) {
    static const char *const targets[] = {"/topic/a/b?last=50", "/topic/a/%23?last=50", "/topic/x?last=50&also=a/+&also=a/b"};
    struct wire wire = {0};
    wire_upgrade(&wire, targets[next_random(turner) % 3]);
    struct fake_peer *peer = fake_connect(turner->hands, false);
    fake_feed(peer, wire.at, wire.count);
    for (unsigned i = 0; i < LOOPS; i++) turner->said[turner->joined][i] = said[i];
    turner->joiners[turner->joined++] = peer;
    wire_free(&wire);
}

/* Messages and joins mixed at random; in the end turns until all have said all, and some more. */
static void *turn(void *argument) {
    struct turner *turner = argument;
    bool done = false;
    for (unsigned idle = 0; idle < 3;) {
        for (uint32_t i = next_random(turner) % 8; i > 0 && turner->sent < MESSAGES && wye_conn_wants_input(turner->publisher->conn); i--) {
            publish_next(turner);
            if (turner->joined < JOINERS && turner->sent > turner->joined * (MESSAGES / JOINERS) + next_random(turner) % 50) join_next(turner);
        }
        fake_turn(turner->hands);
        if (!done && turner->sent == MESSAGES) {
            done = true;
            finished++;
        }
        idle = finished == LOOPS && wye_hub_wait_ns(&turner->hands->hub, turner->hands->now_ns) > 0 ? idle + 1 : 0;
    }
    return NULL;
}

/* Each publisher's numbers come one after another, from one on that was said before to the last. */
static void check(const struct fake_peer *peer, const uint32_t *said_before) {
    uint32_t next[LOOPS];
    struct wire opening = {0};
    const struct wire *got = &peer->received;
    wire_opening(&opening);
    assert_true(got->count > opening.count && (got->count - opening.count) % FRAME == 0);
    memset(next, 0xff, sizeof next);
    for (size_t at = opening.count; at < got->count; at += FRAME) {
        uint32_t payload[2];
        assert_int_equal(got->at[at], 0x82);
        memcpy(payload, got->at + at + 2, 8);
        assert_true(payload[0] < LOOPS);
        if (next[payload[0]] != UINT32_MAX) assert_int_equal(payload[1], next[payload[0]]);
        else assert_true(payload[1] <= said_before[payload[0]]);
        next[payload[0]] = payload[1] + 1;
    }
    for (unsigned i = 0; i < LOOPS; i++) /* one that had said all before may be heard no more */
        assert_true(next[i] == MESSAGES || (next[i] == UINT32_MAX && said_before[i] == MESSAGES));
    wire_free(&opening);
}

static void run(size_t mailbox_bytes, uint32_t seed) {
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.ping_ns = 0;
    settings.mailbox_bytes = mailbox_bytes;
    settings.history.messages = LAST;
    fake_world_open(&world, LOOPS, true, &settings);
    finished = 0;
    for (unsigned i = 0; i < LOOPS; i++) said[i] = 0;
    for (unsigned i = 0; i < LOOPS; i++) {
        turners[i] = (struct turner){.hands = &world.hands[i], .seed = seed * 7 + i};
        turners[i].publisher = fake_websocket(&world.hands[i], "/topic/a/b?noecho");
    }
    for (unsigned i = 0; i < LOOPS; i++) pthread_create(&turners[i].thread, NULL, turn, &turners[i]);
    for (unsigned i = 0; i < LOOPS; i++) pthread_join(turners[i].thread, NULL);
    uint64_t replayed = 0;
    for (unsigned i = 0; i < LOOPS; i++) {
        fake_settle(&world.hands[i]);
        assert_true(turners[i].joined > JOINERS / 2);
        for (unsigned j = 0; j < turners[i].joined; j++) check(turners[i].joiners[j], turners[i].said[j]);
        replayed += wye_counted(&world.hands[i].hub.counters.history_replayed);
    }
    assert_true(replayed > LOOPS * JOINERS / 2 * LAST / 2);
    assert_int_equal(wye_counted(&world.node.history.messages), LAST);
    fake_world_shut(&world);
}

static void joiners_at_any_moment_get_every_publishers_numbers_without_gap_or_double(void **state) {
    (void)state;
    for (uint32_t seed = 1; seed <= 4; seed++) run(32 << 20, seed);
}

static void likewise_when_mailboxes_run_full(void **state) {
    (void)state;
    for (uint32_t seed = 5; seed <= 8; seed++) run(2000, seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joiners_at_any_moment_get_every_publishers_numbers_without_gap_or_double),
        cmocka_unit_test(likewise_when_mailboxes_run_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
