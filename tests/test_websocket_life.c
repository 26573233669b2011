/* The life of a WebSocket connection: closing handshakes, pings and time-outs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/websocket.h"
#include "tests/fake_hands.h"

#include <errno.h>
#include <string.h>

enum { TEXT = WYE_OPCODE_TEXT, PING = WYE_OPCODE_PING, PONG = WYE_OPCODE_PONG };
#define KEY     0x51f2a9c3u
#define TICK_NS (UINT64_C(1) << WYE_TICK_SHIFT)

static const char ping_frame[] = "\x89\x00";

struct world {
    struct fake_world fake;
    struct fake_hands *hands;
    struct fake_peer *peer;
    struct wire wire; /* scratch */
};

static void world_open(struct world *world, uint64_t ping_ns, uint64_t idle_ns) {
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.ping_ns = ping_ns;
    settings.idle_timeout_ns = idle_ns;
    settings.outbox_bytes = 100000;
    *world = (struct world){0};
    fake_world_open(&world->fake, 1, true, &settings);
    world->hands = world->fake.hands;
    world->peer = fake_websocket(world->hands, "/echo");
}

static void world_shut(struct world *world) {
    wire_free(&world->wire);
    fake_world_shut(&world->fake);
}

/* The peer sends one frame. */
static void say(struct world *world, int opcode, const char *payload) {
    wire_clear(&world->wire);
    wire_client_frame(&world->wire, WIRE_FIN, opcode, payload, strlen(payload), KEY);
    fake_say(world->peer, &world->wire);
}

static void say_close(struct world *world, unsigned code, const char *text) {
    wire_clear(&world->wire);
    wire_client_close(&world->wire, code, text);
    fake_say(world->peer, &world->wire);
}

/* What came since the last look is this, and nothing else. */
static void assert_got(struct world *world, const void *bytes, size_t count) {
    const struct wire expected = {(uint8_t *)(uintptr_t)bytes, count, count};
    assert_true(wire_equal(&world->peer->received, &expected));
    wire_clear(&world->peer->received);
}

static void assert_got_close(struct world *world, unsigned code, const char *text) {
    struct wire expected = {0};
    wire_server_close(&expected, code, text);
    assert_got(world, expected.at, expected.count);
    wire_free(&expected);
}

static void assert_ended(struct world *world, int reason) {
    assert_null(world->peer->conn);
    assert_int_equal(world->peer->reason, reason);
    assert_int_equal(wye_counted(&world->hands->hub.counters.closes[wye_reason_slot(reason)]), 1);
}

/* ---- the closing handshake ---- */

static void a_close_frame_is_answered_with_its_code_and_nothing_behind_it_is(void **state) {
    (void)state;
    static const struct {
        unsigned code, reason;
    } rows[] = {{1000, 1000}, {1001, 1001}, {3000, 3000}, {4999, 4999}, {0, 1005}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wire script = {0}, expected = {0};
        wire_upgrade(&script, "/echo");
        wire_opening(&expected);
        wire_client_frame(&script, WIRE_FIN, TEXT, "last", 4, KEY);
        wire_server_frame(&expected, TEXT, "last", 4);
        wire_client_frame(&script, WIRE_MORE, TEXT, "unfinished", 10, KEY);
        wire_client_close(&script, rows[i].code, rows[i].code ? "I'm going" : NULL);
        wire_server_close(&expected, rows[i].code, NULL);
        wire_client_frame(&script, WIRE_FIN, TEXT, "behind", 6, KEY);
        fake_script(&script, &expected, -(int)rows[i].reason, NULL);
        wire_free(&script);
        wire_free(&expected);
    }
}

static void after_both_close_frames_the_server_closes_first(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 0, 0);
    say_close(&world, 1000, "bye");
    assert_got_close(&world, 1000, NULL);
    assert_ended(&world, -1000); /* the peer hasn't closed */
    world_shut(&world);
}

static void a_peer_that_sends_on_behind_its_close_frame_finds_the_answer_not_a_reset(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 0, 0);
    wire_clear(&world.wire);
    wire_client_close(&world.wire, 1000, "bye");
    wire_client_frame(&world.wire, WIRE_FIN, TEXT, "behind", 6, KEY);
    fake_say(world.peer, &world.wire);
    assert_got_close(&world, 1000, NULL);
    assert_non_null(world.peer->conn); /* a socket that is closed with bytes unread resets */
    assert_int_equal(world.peer->conn->phase, WYE_CONN_LINGERING);
    fake_eof(world.peer);
    fake_settle(world.hands);
    assert_ended(&world, -1000);
    world_shut(&world);
}

static void the_server_says_why_and_waits_for_the_answer(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 0, 0);
    wye_websocket_close(world.peer->conn, 4001, "enough");
    wye_websocket_close(world.peer->conn, 4002, "only the first counts");
    fake_settle(world.hands);
    assert_got_close(&world, 4001, "enough");
    say(&world, TEXT, "nobody hears this");
    say(&world, PING, "nor answers this");
    assert_got(&world, "", 0);
    assert_non_null(world.peer->conn);
    say_close(&world, 4001, NULL);
    assert_got(&world, "", 0); /* no second close frame */
    assert_ended(&world, -4001);
    world_shut(&world);
}

static void nothing_is_sent_behind_the_servers_close_frame(void **state) {
    (void)state;
    struct world world;
    uint8_t payload[] = "late";
    world_open(&world, FAKE_SECOND / 2, 0);
    wye_websocket_close(world.peer->conn, 1000, NULL);
    assert_int_equal(wye_websocket_send(world.peer->conn, TEXT, payload, 4), 0);
    fake_pass(world.hands, 3 * FAKE_SECOND);
    assert_got_close(&world, 1000, NULL);
    world_shut(&world);
}

static void a_closing_handshake_that_is_not_answered_ends_in_time(void **state) {
    (void)state;
    struct world world;
    world_open(&world, FAKE_SECOND, 0);
    wye_websocket_close(world.peer->conn, 1000, NULL);
    fake_pass(world.hands, 5 * FAKE_SECOND - TICK_NS);
    assert_non_null(world.peer->conn);
    fake_pass(world.hands, 3 * TICK_NS);
    assert_ended(&world, -1000);
    world_shut(&world);
}

static void a_peer_that_hangs_up_instead_of_answering_ends_it_too(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 0, 0);
    wye_websocket_close(world.peer->conn, 1000, NULL);
    fake_settle(world.hands);
    fake_eof(world.peer);
    fake_settle(world.hands);
    assert_ended(&world, -1000);
    world_shut(&world);
}

static void the_end_of_bytes_without_a_close_frame_is_1006(void **state) {
    (void)state;
    for (unsigned unfinished = 0; unfinished < 3; unfinished++) {
        struct world world;
        world_open(&world, 0, 0);
        wire_client_frame(&world.wire, WIRE_MORE, TEXT, "half a message", 14, KEY);
        if (unfinished) fake_feed(world.peer, world.wire.at, unfinished == 1 ? 3 : world.wire.count);
        fake_eof(world.peer);
        fake_settle(world.hands);
        assert_got(&world, "", 0);
        assert_ended(&world, -1006);
        world_shut(&world);
    }
}

static void a_close_frame_and_the_end_of_bytes_at_once_are_a_clean_end(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 0, 0);
    wire_client_close(&world.wire, 1000, NULL);
    fake_feed(world.peer, world.wire.at, world.wire.count);
    fake_eof(world.peer);
    fake_settle(world.hands);
    assert_got_close(&world, 1000, NULL);
    assert_ended(&world, -1000);
    world_shut(&world);
}

static void a_failure_lingers_until_the_peer_closes_or_time_is_up(void **state) {
    (void)state;
    for (unsigned closes = 0; closes < 2; closes++) {
        struct world world;
        world_open(&world, 0, 0);
        fake_feed(world.peer, "\x81\x00", 2); /* not masked */
        fake_settle(world.hands);
        assert_int_equal(world.peer->conn->phase, WYE_CONN_LINGERING);
        assert_true(world.peer->armed);
        assert_false(world.peer->half_closed);
        fake_pass(world.hands, 100 * 1000000); /* it doesn't close by itself: shut down the sending side */
        assert_true(world.peer->half_closed);
        fake_feed(world.peer, wire_noise(1000, 1), 1000);
        if (closes) {
            fake_eof(world.peer);
            fake_settle(world.hands);
        } else {
            fake_pass(world.hands, 5 * FAKE_SECOND / 2);
        }
        assert_ended(&world, -1002);
        world_shut(&world);
    }
}

/* ---- pings ---- */

static void an_idle_peer_is_pinged_and_lives_as_long_as_it_answers(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 10 * FAKE_SECOND, 0);
    fake_pass(world.hands, 6 * FAKE_SECOND);
    for (unsigned i = 0; i < 20; i++) {
        assert_got(&world, ping_frame, 2);
        say(&world, PONG, "");
        fake_pass(world.hands, 10 * FAKE_SECOND + 5 * TICK_NS);
    }
    assert_int_equal(world.peer->conn->phase, WYE_CONN_OPEN);
    world_shut(&world);
}

static void a_peer_that_answers_no_ping_is_dropped_and_counted(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 10 * FAKE_SECOND, 0);
    fake_pass(world.hands, 6 * FAKE_SECOND); /* the first one comes between half and whole */
    assert_got(&world, ping_frame, 2);
    fake_pass(world.hands, 8 * FAKE_SECOND);
    assert_non_null(world.peer->conn);
    fake_pass(world.hands, 3 * FAKE_SECOND);
    assert_ended(&world, -ETIMEDOUT);
    assert_int_equal(wye_counted(&world.hands->hub.counters.pings_unanswered), 1);
    world_shut(&world);
}

static void any_byte_is_a_sign_of_life(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 10 * FAKE_SECOND, 0);
    /* A message that drips in for minutes, and no pong at all. */
    wire_client_frame(&world.wire, WIRE_FIN, WYE_OPCODE_BINARY, wire_noise(50, 1), 50, KEY);
    for (size_t i = 0; i < world.wire.count; i++) {
        fake_feed(world.peer, world.wire.at + i, 1);
        fake_pass(world.hands, 9 * FAKE_SECOND);
    }
    assert_non_null(world.peer->conn);
    assert_int_equal(wye_counted(&world.hands->hub.counters.pings_unanswered), 0);
    world_shut(&world);
}

static void a_peer_that_takes_nothing_and_says_nothing_is_dropped(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 10 * FAKE_SECOND, 0);
    world.peer->window = 0;
    wire_client_frame(&world.wire, WIRE_FIN, WYE_OPCODE_BINARY, wire_noise(90000, 1), 90000, KEY);
    fake_say(world.peer, &world.wire);
    assert_false(world.peer->armed); /* its outbox is more than half full */
    fake_pass(world.hands, 25 * FAKE_SECOND);
    assert_ended(&world, -ETIMEDOUT);
    world_shut(&world);
}

static void a_peer_that_takes_slowly_lives_although_it_is_not_read(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 10 * FAKE_SECOND, 0);
    world.peer->window = 0;
    wire_client_frame(&world.wire, WIRE_FIN, WYE_OPCODE_BINARY, wire_noise(90000, 1), 90000, KEY);
    fake_say(world.peer, &world.wire);
    for (unsigned i = 0; i < 30; i++) {
        world.peer->window = 100;
        fake_pass(world.hands, 7 * FAKE_SECOND);
    }
    assert_non_null(world.peer->conn);
    assert_false(world.peer->armed);
    world_shut(&world);
}

static void connections_that_came_together_are_not_pinged_together(void **state) {
    (void)state;
    struct world world;
    struct fake_peer *peers[16];
    unsigned moments = 0, pinged = 0;
    world_open(&world, 10 * FAKE_SECOND, 0);
    for (unsigned i = 0; i < 16; i++) peers[i] = fake_websocket(world.hands, "/echo");
    for (unsigned step = 0; step < 110; step++) {
        unsigned before = pinged;
        fake_pass(world.hands, FAKE_SECOND / 10);
        pinged = 0;
        for (unsigned i = 0; i < 16; i++) pinged += peers[i]->received.count > 0;
        moments += pinged > before;
    }
    assert_int_equal(pinged, 16);
    assert_true(moments > 8);
    world_shut(&world);
}

/* ---- idling ---- */

static void silence_longer_than_the_idle_time_out_is_closed_with_1001(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 0, 7 * FAKE_SECOND);
    for (unsigned i = 0; i < 5; i++) { /* a message a little before the time */
        fake_pass(world.hands, 6 * FAKE_SECOND);
        say(&world, TEXT, "x");
        assert_got(&world, "\x81\x01x", 3);
    }
    fake_pass(world.hands, 7 * FAKE_SECOND - 2 * TICK_NS);
    assert_got(&world, "", 0);
    fake_pass(world.hands, 5 * TICK_NS);
    assert_got_close(&world, 1001, "no message for longer than the idle time-out");
    say_close(&world, 1001, NULL);
    assert_ended(&world, -1001);
    world_shut(&world);
}

static void pings_and_pongs_are_no_messages(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 2 * FAKE_SECOND, 7 * FAKE_SECOND);
    for (unsigned i = 0; i < 6; i++) {
        fake_pass(world.hands, FAKE_SECOND);
        say(&world, PING, "");
        say(&world, PONG, "");
    }
    wire_clear(&world.peer->received);
    fake_pass(world.hands, FAKE_SECOND + 3 * TICK_NS);
    assert_true(wire_find(&world.peer->received, "idle time-out", 0) != SIZE_MAX);
    world_shut(&world);
}

/* ---- draining ---- */

static void draining_says_1001_to_all_and_takes_the_answers(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 10 * FAKE_SECOND, 0);
    struct fake_peer *silent = fake_websocket(world.hands, "/echo");
    struct fake_peer *http = fake_connect(world.hands, false);
    struct fake_peer *mute = fake_connect(world.hands, false);
    world.fake.node.draining = true;
    fake_settle(world.hands);
    assert_got_close(&world, 1001, "the server is shutting down");
    say_close(&world, 1001, NULL);
    assert_ended(&world, -1001);
    /* Whoever comes now is refused, with a sentence; who came and says nothing is not waited for. */
    wire_clear(&world.wire);
    wire_upgrade(&world.wire, "/echo");
    fake_say(http, &world.wire);
    assert_true(wire_begins(&http->received, "HTTP/1.1 503 "));
    fake_pass(world.hands, FAKE_SECOND);
    assert_null(mute->conn);
    fake_pass(world.hands, 6 * FAKE_SECOND);
    assert_null(silent->conn);
    assert_int_equal(silent->reason, -1001);
    world_shut(&world);
}

/* ---- a stale text must not slip into another connection's close frame ---- */

static void the_text_of_one_failure_is_not_said_to_the_next_peer(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 0, 0);
    struct fake_peer *other = fake_websocket(world.hands, "/echo");
    fake_feed(world.peer, "\x81\x00", 2);
    wye_websocket_fail(other->conn, -4000); /* a reason that has no text of its own */
    fake_settle(world.hands);
    struct wire expected = {0};
    wire_server_close(&expected, 4000, NULL);
    assert_true(wire_equal(&other->received, &expected));
    wire_free(&expected);
    world_shut(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_close_frame_is_answered_with_its_code_and_nothing_behind_it_is),
        cmocka_unit_test(after_both_close_frames_the_server_closes_first),
        cmocka_unit_test(a_peer_that_sends_on_behind_its_close_frame_finds_the_answer_not_a_reset),
        cmocka_unit_test(the_server_says_why_and_waits_for_the_answer),
        cmocka_unit_test(nothing_is_sent_behind_the_servers_close_frame),
        cmocka_unit_test(a_closing_handshake_that_is_not_answered_ends_in_time),
        cmocka_unit_test(a_peer_that_hangs_up_instead_of_answering_ends_it_too),
        cmocka_unit_test(the_end_of_bytes_without_a_close_frame_is_1006),
        cmocka_unit_test(a_close_frame_and_the_end_of_bytes_at_once_are_a_clean_end),
        cmocka_unit_test(a_failure_lingers_until_the_peer_closes_or_time_is_up),
        cmocka_unit_test(an_idle_peer_is_pinged_and_lives_as_long_as_it_answers),
        cmocka_unit_test(a_peer_that_answers_no_ping_is_dropped_and_counted),
        cmocka_unit_test(any_byte_is_a_sign_of_life),
        cmocka_unit_test(a_peer_that_takes_nothing_and_says_nothing_is_dropped),
        cmocka_unit_test(a_peer_that_takes_slowly_lives_although_it_is_not_read),
        cmocka_unit_test(connections_that_came_together_are_not_pinged_together),
        cmocka_unit_test(silence_longer_than_the_idle_time_out_is_closed_with_1001),
        cmocka_unit_test(pings_and_pongs_are_no_messages),
        cmocka_unit_test(draining_says_1001_to_all_and_takes_the_answers),
        cmocka_unit_test(the_text_of_one_failure_is_not_said_to_the_next_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
