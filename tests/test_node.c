/* A node's settings change while its hubs turn. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/topic.h"
#include "tests/fake_publish.h"

#include <errno.h>

enum { HUBS = 3 };
#define KEY 0x51f2a9c3u

static struct fake_world world;
static struct fake_hands *hands;
static struct wye_settings settings; /* what use() uses next */
static unsigned ended[8];            /* how often settings of this number have ended */
static unsigned begun;               /* of those */

static void end(void *owner) { ++*(unsigned *)owner; }

/* Settings that are counted, when they end. */
static void mark(void) {
    settings.end = end;
    settings.owner = &ended[begun++];
}

static void open_world(unsigned hubs) {
    memset(ended, 0, sizeof ended);
    begun = 0;
    mark();
    fake_world_open(&world, hubs, true, &settings);
    hands = world.hands;
}

static int prepare(void **state) {
    (void)state;
    wye_settings_init(&settings);
    settings.ping_ns = 0;
    return 0;
}

static void use(void) {
    mark();
    assert_int_equal(wye_node_use_settings(&world.node, &settings), 0);
}

/* The world has ended, and with it every settings, once. */
static void shut_world(void) {
    fake_world_shut(&world);
    for (unsigned i = 0; i < begun; i++) assert_int_equal(ended[i], 1);
}

/* ---- editions ---- */

static void old_settings_end_when_the_last_hub_has_left_them(void **state) {
    (void)state;
    open_world(HUBS);
    settings.outbox_bytes = 50000;
    use();
    for (unsigned i = 0; i < HUBS; i++) {
        assert_int_equal(ended[0], 0);
        assert_int_equal(hands[i].hub.settings->outbox_bytes, 17 << 20); /* until its turn */
        fake_turn(&hands[i]);
        assert_int_equal(hands[i].hub.settings->outbox_bytes, 50000);
    }
    assert_int_equal(ended[0], 1);
    assert_int_equal(ended[1], 0);
    shut_world();
}

static void settings_that_no_hub_came_to_see_end_at_once(void **state) {
    (void)state;
    open_world(HUBS);
    fake_turn(&hands[0]);
    use();
    fake_turn(&hands[1]);
    use();
    assert_int_equal(ended[1], 0); /* the second hub has them */
    use();
    assert_int_equal(ended[2], 1); /* nobody had these */
    fake_turn(&hands[1]);
    assert_int_equal(ended[1], 1);
    assert_int_equal(ended[0], 0);
    fake_turn(&hands[0]);
    fake_turn(&hands[2]);
    assert_int_equal(ended[0], 1);
    assert_int_equal(ended[3], 0);
    shut_world();
}

static void the_hash_key_stays(void **state) {
    (void)state;
    settings.hash_key[0] = 0x1234;
    open_world(1);
    settings.hash_key[0] = 0;
    use();
    fake_turn(hands);
    assert_int_equal(hands->hub.settings->hash_key[0], 0x1234);
    shut_world();
}

/* ---- what follows from them ---- */

static void topics_that_are_there_follow_the_new_rules(void **state) {
    (void)state;
    static const struct wye_slow_rule rules[] = {{{"kept/+", 6}, WYE_ON_SLOW_DROP}};
    settings.outbox_bytes = 2000;
    open_world(1);
    struct fake_peer *from = fake_websocket(hands, "/topic/kept/a?noecho"), *slow = fake_websocket(hands, "/topic/kept/a");
    struct fake_peer *from_b = fake_websocket(hands, "/topic/b?noecho"), *slow_b = fake_websocket(hands, "/topic/b");
    slow->window = slow_b->window = 0;
    settings.slow_rules = rules;
    settings.slow_rule_count = 1;
    use();
    for (unsigned i = 0; i < 3; i++) {
        publish(from, BINARY, wire_noise(1000, i), 1000);
        fake_turn(hands);
    }
    assert_int_equal(wye_counted(&hands->hub.counters.slow_dropped), 2);
    assert_int_equal(wye_counted(&hands->hub.counters.slow_closed), 0);
    settings.slow_rule_count = 0; /* and the standard is to close */
    use();
    fake_turn(hands);
    publish(from, BINARY, wire_noise(1000, 9), 1000);
    fake_turn(hands);
    assert_int_equal(wye_counted(&hands->hub.counters.slow_dropped), 2);
    assert_int_equal(wye_counted(&hands->hub.counters.slow_closed), 1);
    settings.on_slow = WYE_ON_SLOW_DROP;
    use();
    for (unsigned i = 0; i < 3; i++) {
        publish(from_b, BINARY, wire_noise(1000, i), 1000);
        fake_turn(hands);
    }
    assert_int_equal(wye_counted(&hands->hub.counters.slow_dropped), 4);
    assert_int_equal(wye_counted(&hands->hub.counters.slow_closed), 1);
    shut_world();
}

static void a_message_on_its_way_is_not_lost_to_a_smaller_outbox(void **state) {
    (void)state;
    open_world(2);
    struct fake_peer *from = fake_websocket(&hands[0], "/topic/t?noecho"), *to = fake_websocket(&hands[1], "/topic/t");
    struct wire all = {0};
    publish(from, BINARY, wire_noise(100000, 1), 100000);
    fake_settle(&hands[0]); /* it lies in the other hub's mailbox */
    settings.outbox_bytes = 2000;
    use();
    fake_settle(&hands[1]);
    wire_server_frame(&all, BINARY, wire_noise(100000, 1), 100000);
    assert_non_null(to->conn);
    assert_true(wire_equal(&to->received, &all));
    wire_free(&all);
    shut_world();
}

static void a_lower_bound_of_shared_memory_relieves_at_once(void **state) {
    (void)state;
    open_world(1);
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"), *slow = fake_websocket(hands, "/topic/t");
    slow->window = 0;
    for (unsigned i = 0; i < 40; i++) {
        publish(from, BINARY, wire_noise(50000, i), 50000);
        fake_turn(hands);
    }
    assert_true(hands->hub.pool.held_bytes > 1500000);
    hands->hub.relieved_bytes = 10 << 20; /* as if they had been looked at when there was more */
    settings.shared_memory_bytes = 1 << 20;
    use();
    fake_settle(hands);
    assert_int_equal(wye_counted(&hands->hub.counters.slow_closed), 1);
    assert_null(slow->conn);
    shut_world();
}

static void fewer_connections_keep_those_that_are_there(void **state) {
    (void)state;
    open_world(1);
    struct fake_peer *first = fake_websocket(hands, "/echo"), *second = fake_websocket(hands, "/echo");
    settings.max_connections = 1;
    use();
    fake_turn(hands);
    struct fake_peer *late = fake_connect(hands, false);
    assert_true(late->conn->refused);
    assert_true(first->conn && second->conn);
    shut_world();
}

static void messages_are_bounded_by_the_new_settings(void **state) {
    (void)state;
    open_world(1);
    struct fake_peer *peer = fake_websocket(hands, "/echo");
    struct wire all = {0};
    publish(peer, BINARY, wire_noise(3000, 1), 3000);
    fake_settle(hands);
    wire_server_frame(&all, BINARY, wire_noise(3000, 1), 3000);
    assert_true(wire_equal(&peer->received, &all));
    settings.max_message_bytes = 2999;
    use();
    fake_turn(hands);
    wire_clear(&peer->received);
    publish(peer, BINARY, wire_noise(3000, 1), 3000);
    fake_settle(hands);
    assert_int_equal(peer->received.at[2] << 8 | peer->received.at[3], WYE_CLOSE_TOO_BIG);
    wire_free(&all);
    shut_world();
}

static void a_body_whose_head_was_fine_by_the_old_settings_is_answered_413(void **state) {
    (void)state;
    open_world(1);
    struct fake_peer *peer = fake_connect(hands, false);
    static const char head[] = "POST /topic/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000\r\n\r\n";
    fake_feed(peer, head, sizeof head - 1);
    fake_turn(hands);
    settings.outbox_bytes = 2000;
    use();
    fake_turn(hands);
    fake_feed(peer, wire_noise(3000, 1), 3000);
    fake_settle(hands);
    assert_true(peer->received.count > 12 && memcmp(peer->received.at, "HTTP/1.1 413", 12) == 0);
    shut_world();
}

/* ---- time ---- */

static void pings_and_idle_times_begin_and_end_with_the_settings(void **state) {
    (void)state;
    open_world(1);
    struct fake_peer *peer = fake_websocket(hands, "/echo");
    fake_pass(hands, 100 * FAKE_SECOND);
    assert_int_equal(peer->received.count, 0);
    settings.ping_ns = 10 * FAKE_SECOND;
    use();
    fake_pass(hands, 11 * FAKE_SECOND);
    assert_true(peer->received.count == 2 && peer->received.at[0] == 0x89);
    publish(peer, WYE_OPCODE_PONG, "", 0);
    fake_settle(hands);
    settings.ping_ns = 0;
    use();
    fake_pass(hands, 100 * FAKE_SECOND);
    assert_int_equal(peer->received.count, 2);
    assert_int_equal(hands->hub.timers.count, 0);
    settings.idle_timeout_ns = 300 * FAKE_SECOND; /* of which 211 s have passed */
    use();
    fake_pass(hands, 80 * FAKE_SECOND);
    assert_int_equal(peer->received.count, 2);
    fake_pass(hands, 20 * FAKE_SECOND);
    assert_closed_with(peer, 1001, "no message for longer than the idle time-out");
    shut_world();
}

static void a_stream_gets_and_loses_its_idle_time(void **state) {
    (void)state;
    open_world(1);
    struct fake_peer *peer = fake_connect(hands, false);
    static const char head[] = "GET /stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: wye-echo\r\nConnection: Upgrade\r\n\r\n";
    fake_feed(peer, head, sizeof head - 1);
    fake_settle(hands);
    settings.idle_timeout_ns = 10 * FAKE_SECOND;
    use();
    fake_pass(hands, 8 * FAKE_SECOND);
    settings.idle_timeout_ns = 0;
    use();
    fake_pass(hands, 100 * FAKE_SECOND);
    assert_non_null(peer->conn);
    settings.idle_timeout_ns = 200 * FAKE_SECOND;
    use();
    fake_pass(hands, 80 * FAKE_SECOND);
    assert_non_null(peer->conn);
    fake_pass(hands, 20 * FAKE_SECOND);
    assert_null(peer->conn);
    assert_int_equal(peer->reason, -ETIMEDOUT);
    shut_world();
}

static void a_closing_handshake_keeps_its_own_time(void **state) {
    (void)state;
    settings.idle_timeout_ns = 10 * FAKE_SECOND;
    open_world(1);
    struct fake_peer *peer = fake_websocket(hands, "/echo");
    fake_pass(hands, 11 * FAKE_SECOND); /* closed with 1001; the peer says nothing to that */
    assert_closed_with(peer, 1001, "idle time-out");
    assert_non_null(peer->conn);
    settings.idle_timeout_ns = 1000 * FAKE_SECOND;
    use();
    fake_pass(hands, 8 * FAKE_SECOND);
    assert_null(peer->conn);
    shut_world();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(old_settings_end_when_the_last_hub_has_left_them, prepare),
        cmocka_unit_test_setup(settings_that_no_hub_came_to_see_end_at_once, prepare),
        cmocka_unit_test_setup(the_hash_key_stays, prepare),
        cmocka_unit_test_setup(topics_that_are_there_follow_the_new_rules, prepare),
        cmocka_unit_test_setup(a_message_on_its_way_is_not_lost_to_a_smaller_outbox, prepare),
        cmocka_unit_test_setup(a_lower_bound_of_shared_memory_relieves_at_once, prepare),
        cmocka_unit_test_setup(fewer_connections_keep_those_that_are_there, prepare),
        cmocka_unit_test_setup(messages_are_bounded_by_the_new_settings, prepare),
        cmocka_unit_test_setup(a_body_whose_head_was_fine_by_the_old_settings_is_answered_413, prepare),
        cmocka_unit_test_setup(pings_and_idle_times_begin_and_end_with_the_settings, prepare),
        cmocka_unit_test_setup(a_stream_gets_and_loses_its_idle_time, prepare),
        cmocka_unit_test_setup(a_closing_handshake_keeps_its_own_time, prepare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
