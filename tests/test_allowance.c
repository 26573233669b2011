/* Rates of a connection, in virtual time: to the message, the byte and the nanosecond; pausing and closing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/allowance.h"
#include "tests/fake_hands.h"

#include <string.h>

static struct fake_world world;
static struct fake_hands *hands;

static void open_world(struct wye_rate messages, struct wye_rate bytes, enum wye_on_rate on_rate) {
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.ping_ns = 0;
    settings.message_rate = messages;
    settings.byte_rate = bytes;
    settings.on_rate = on_rate;
    fake_world_open(&world, 1, true, &settings);
    hands = world.hands;
}

static struct wye_rate a_second(uint64_t tokens, uint64_t burst) { return (struct wye_rate){tokens, burst, FAKE_SECOND}; }

static void feed_messages(struct fake_peer *peer, unsigned count, size_t bytes) {
    struct wire wire = {0};
    for (unsigned i = 0; i < count; i++) wire_client_frame(&wire, WIRE_FIN, 2, wire_noise(bytes, i), bytes, 0x01020304);
    fake_feed(peer, wire.at, wire.count);
    fake_settle(hands);
    wire_free(&wire);
}

static unsigned heard(void) { return (unsigned)wye_counted(&hands->hub.counters.messages_in); }

static void messages_wait_for_their_tokens_to_the_nanosecond(void **state) {
    (void)state;
    open_world(a_second(10, 3), (struct wye_rate){0}, WYE_ON_RATE_PAUSE);
    struct fake_peer *peer = fake_websocket(hands, "/echo");
    feed_messages(peer, 10, 20);
    assert_int_equal(heard(), 3);
    assert_false(peer->armed);
    for (unsigned i = 4; i <= 10; i++) {
        assert_int_equal(wye_hub_wait_ns(&hands->hub, hands->now_ns), FAKE_SECOND / 10);
        fake_sleep(hands, FAKE_SECOND / 10 - 1);
        fake_settle(hands);
        assert_int_equal(heard(), i - 1);
        fake_sleep(hands, 1);
        fake_settle(hands);
        assert_int_equal(heard(), i);
    }
    assert_false(peer->armed); /* there is no token for the next one */
    fake_pass(hands, FAKE_SECOND / 10);
    assert_true(peer->armed);
    assert_int_equal(wye_counted(&hands->hub.counters.rate_paused), 8);
    fake_world_shut(&world);
}

static void bytes_that_came_are_handled_and_then_owed(void **state) {
    (void)state;
    open_world((struct wye_rate){0}, a_second(1000, 2000), WYE_ON_RATE_PAUSE);
    struct fake_peer *peer = fake_websocket(hands, "/echo");
    fake_pass(hands, 10 * FAKE_SECOND); /* the handshake is forgotten */
    feed_messages(peer, 1, 2996 - 4); /* 3000 with its header */
    assert_int_equal(heard(), 1);
    assert_false(peer->armed);
    uint64_t wait_ns = wye_hub_wait_ns(&hands->hub, hands->now_ns);
    assert_int_equal(wait_ns, FAKE_SECOND + FAKE_SECOND / 1000); /* 1000 of credit, and one to begin with */
    fake_pass(hands, wait_ns - 1);
    assert_false(peer->armed);
    fake_pass(hands, 1);
    assert_true(peer->armed);
    fake_world_shut(&world);
}

static void without_pausing_one_message_too_many_closes_with_1008(void **state) {
    (void)state;
    open_world(a_second(2, 2), (struct wye_rate){0}, WYE_ON_RATE_CLOSE);
    struct fake_peer *peer = fake_websocket(hands, "/echo"), *other = fake_websocket(hands, "/echo");
    feed_messages(peer, 3, 5);
    assert_int_equal(heard(), 2);
    assert_true(wire_find(&peer->received, "--message-rate", 0) != SIZE_MAX);
    assert_int_equal(peer->conn->reason, -1008);
    feed_messages(other, 2, 5); /* has its own bucket */
    assert_int_equal(heard(), 4);
    assert_int_equal(other->conn->phase, WYE_CONN_OPEN);
    fake_world_shut(&world);
}

/* Many wait at once, come in any order, and leave while they wait. */
static void whoever_waits_may_leave_and_the_others_come_in_their_time(void **state) {
    (void)state;
    enum { PEERS = 40 };
    open_world(a_second(1, 1), (struct wye_rate){0}, WYE_ON_RATE_PAUSE);
    struct fake_peer *peers[PEERS];
    for (unsigned i = 0; i < PEERS; i++) peers[i] = fake_websocket(hands, "/echo");
    for (unsigned i = 0; i < PEERS; i++) {
        feed_messages(peers[i * 7 % PEERS], 2, 5);
        fake_sleep(hands, FAKE_SECOND / 1000);
        fake_settle(hands);
    }
    assert_int_equal(heard(), PEERS);
    assert_int_equal(hands->hub.paced.count, PEERS);
    for (unsigned i = 0; i < PEERS; i += 2) wye_conn_close(peers[i]->conn, -104);
    fake_settle(hands);
    assert_int_equal(hands->hub.paced.count, PEERS / 2);
    for (unsigned i = 0; i < PEERS; i++) assert_int_equal(peers[i]->conn ? 1 : 0, i % 2);
    fake_pass(hands, FAKE_SECOND);
    assert_int_equal(heard(), PEERS + PEERS / 2);
    fake_pass(hands, 2 * FAKE_SECOND);
    assert_int_equal(hands->hub.paced.count, 0);
    fake_world_shut(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_wait_for_their_tokens_to_the_nanosecond),
        cmocka_unit_test(bytes_that_came_are_handled_and_then_owed),
        cmocka_unit_test(without_pausing_one_message_too_many_closes_with_1008),
        cmocka_unit_test(whoever_waits_may_leave_and_the_others_come_in_their_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
