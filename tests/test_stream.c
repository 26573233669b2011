/* The smallest protocol of one's own: bytes back as they come. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/fake_hands.h"

#include <string.h>

enum { STILL_OPEN = 1 };

static const char opening[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: wye-echo\r\nConnection: Upgrade\r\n\r\n";

static void add_upgrade(struct wire *wire) {
    wire_request(wire, "GET", "/stream", "Upgrade: wye-echo\r\nConnection: Upgrade\r\n");
}

static struct fake_world world;
static struct fake_hands *hands;
static struct fake_peer *peer;

static int open_world(void **state) {
    (void)state;
    struct wye_settings settings;
    struct wire wire = {0};
    wye_settings_init(&settings);
    settings.outbox_bytes = 100000;
    fake_world_open(&world, 1, true, &settings);
    hands = world.hands;
    peer = fake_connect(hands, false);
    add_upgrade(&wire);
    fake_say(peer, &wire);
    assert_true(wire_begins(&peer->received, opening));
    wire_clear(&peer->received);
    wire_free(&wire);
    return 0;
}

static int shut_world(void **state) {
    (void)state;
    fake_world_shut(&world);
    return 0;
}

static void assert_received(size_t count) {
    const struct wire expected = {(uint8_t *)(uintptr_t)wire_noise(count, 5), count, 0};
    assert_true(wire_equal(&peer->received, &expected));
}

static void bytes_come_back_however_they_are_split_from_the_first_one_behind_the_request(void **state) {
    (void)state;
    struct wire script = {0}, expected = {0};
    add_upgrade(&script);
    wire_add_text(&expected, opening);
    for (size_t count = 3; count < 400000; count *= 100) {
        wire_add(&script, wire_noise(count, 1), count);
        wire_add(&expected, wire_noise(count, 1), count);
        fake_script(&script, &expected, STILL_OPEN, NULL);
    }
    wire_free(&script);
    wire_free(&expected);
}

static void what_lasts_leaves_uncopied_and_what_cannot_leave_is_copied_once(void **state) {
    (void)state;
    uint64_t copied = hands->hub.pool.copied_bytes;
    fake_feed(peer, wire_noise(40000, 5), 40000);
    peer->window = 30000;
    fake_turn(hands);
    assert_int_equal(hands->hub.pool.copied_bytes - copied, 10000);
    peer->window = SIZE_MAX;
    fake_settle(hands);
    assert_received(40000);
    assert_int_equal(hands->hub.pool.copied_bytes - copied, 10000);
}

static void the_end_of_bytes_sends_the_rest_back_and_ends_well(void **state) {
    (void)state;
    peer->window = 1000;
    fake_feed(peer, wire_noise(90000, 5), 90000);
    fake_eof(peer);
    fake_settle(hands);
    assert_non_null(peer->conn);
    peer->window = SIZE_MAX;
    fake_settle(hands);
    assert_received(90000);
    assert_null(peer->conn);
    assert_int_equal(peer->reason, 0);
}

static void a_peer_that_does_not_read_is_not_read_and_loses_nothing(void **state) {
    (void)state;
    size_t sent = 0;
    peer->window = 0;
    while (wye_conn_wants_input(peer->conn)) {
        fake_feed(peer, wire_noise(300000, 5) + sent, 7000);
        fake_turn(hands);
        sent += 7000;
    }
    assert_true(peer->conn->outbox.bytes <= 50000 + 7000);
    for (unsigned i = 0; i < 3; i++, sent += 7000)
        fake_feed(peer, wire_noise(300000, 5) + sent, 7000); /* in flight */
    fake_eof(peer);
    fake_turn(hands);
    hands->send_max = 999;
    peer->window = SIZE_MAX;
    fake_settle(hands);
    assert_received(sent);
    assert_int_equal(peer->reason, 0);
}

static void draining_ends_it_when_what_came_has_gone_back(void **state) {
    (void)state;
    peer->window = 10;
    fake_feed(peer, wire_noise(500, 5), 500);
    world.node.draining = true;
    fake_settle(hands);
    fake_feed(peer, "discarded", 9);
    peer->window = SIZE_MAX;
    fake_settle(hands);
    assert_received(500);
    assert_int_equal(peer->conn->phase, WYE_CONN_LINGERING);
    fake_pass(hands, FAKE_SECOND / 10);
    assert_true(peer->half_closed);
    fake_eof(peer);
    fake_settle(hands);
    assert_int_equal(peer->reason, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, shut_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back_however_they_are_split_from_the_first_one_behind_the_request),
        TEST(what_lasts_leaves_uncopied_and_what_cannot_leave_is_copied_once),
        TEST(the_end_of_bytes_sends_the_rest_back_and_ends_well),
        TEST(a_peer_that_does_not_read_is_not_read_and_loses_nothing),
        TEST(draining_ends_it_when_what_came_has_gone_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
