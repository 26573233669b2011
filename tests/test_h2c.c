/* HTTP/2 after an Upgrade: time, slow readers, and that nothing is left behind. What is said in it is e2e/h2c.py's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/fake_hands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DATA, HEADERS, RST_STREAM = 3, SETTINGS, PING = 6, GOAWAY, WINDOW_UPDATE, END_STREAM = 1, END_HEADERS = 4 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
static const char opening[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n";
/* HPACK's static table: GET, http, and a path in plain letters; and ":authority: localhost". */
#define GET_OF(path, length) "\x82\x86\x04" length path "\x01\x09localhost"

static struct fake_world world;
static struct fake_hands *hands;
static struct fake_peer *peer;

static void say_frame(int type, int flags, uint32_t stream, const void *payload, size_t count) {
    struct wire wire = {0};
    wire_h2_frame(&wire, type, flags, stream, payload, count);
    fake_say(peer, &wire);
    wire_free(&wire);
}

static void add_upgrade(struct wire *wire, const char *settings) {
    char fields[200];
    snprintf(fields, sizeof fields, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: %s\r\n", settings);
    wire_request(wire, "GET", "/healthz", fields);
}

/* Switches, with these HTTP2-Settings (base64url); speaks: and says its preface. */
static void open_with(const char *settings, bool speaks) {
    struct wye_settings of_node;
    struct wire wire = {0};
    wye_settings_init(&of_node);
    of_node.h2c = true;
    of_node.outbox_bytes = 100000;
    fake_world_open(&world, 2, true, &of_node);
    hands = world.hands;
    peer = fake_connect(hands, false);
    add_upgrade(&wire, settings);
    if (speaks) {
        wire_add_text(&wire, preface);
        wire_h2_frame(&wire, SETTINGS, 0, 0, "", 0);
    }
    fake_say(peer, &wire);
    assert_true(wire_begins(&peer->received, opening));
    wire_free(&wire);
}

/* Takes the frames that came. Returns how many are of this type; *last, when there is one, is the last one's payload. */
static unsigned frames_of(int type, const uint8_t **last, size_t *bytes) {
    unsigned found = 0;
    size_t at = wire_begins(&peer->received, opening) ? sizeof opening - 1 : 0;
    if (bytes) *bytes = 0;
    while (at + 9 <= peer->received.count) {
        const uint8_t *header = peer->received.at + at;
        size_t count = (size_t)header[0] << 16 | (size_t)header[1] << 8 | header[2];
        assert_true(at + 9 + count <= peer->received.count);
        if (header[3] == type) {
            found++;
            if (last) *last = header + 9;
            if (bytes) *bytes += count;
        }
        at += 9 + count;
    }
    assert_int_equal(at, peer->received.count);
    return found;
}

static void assert_goaway(unsigned code) {
    const uint8_t *payload = NULL;
    assert_int_equal(frames_of(GOAWAY, &payload, NULL), 1);
    assert_int_equal(payload[7], code);
}

static void who_says_nothing_in_HTTP_2_is_let_go_after_the_time_of_a_head(void **state) {
    (void)state;
    open_with("", false);
    size_t bytes;
    assert_int_equal(frames_of(DATA, NULL, &bytes), 1); /* the answer doesn't wait for it */
    assert_int_equal(bytes, strlen("serving\n"));
    fake_pass(hands, 9 * FAKE_SECOND);
    assert_non_null(peer->conn);
    fake_pass(hands, 5 * FAKE_SECOND);
    assert_goaway(0);
    assert_null(peer->conn);
    assert_int_equal(peer->reason, -408);
    fake_world_shut(&world);
}

static void who_asks_for_nothing_is_let_go_after_a_minute_whatever_it_pings(void **state) {
    (void)state;
    open_with("", true);
    for (unsigned i = 0; i < 11; i++) {
        fake_pass(hands, 5 * FAKE_SECOND);
        say_frame(PING, 0, 0, "12345678", 8);
    }
    assert_non_null(peer->conn);
    assert_int_equal(frames_of(PING, NULL, NULL), 11);
    say_frame(HEADERS, END_STREAM | END_HEADERS, 3, GET_OF("/healthz", "\x08"), sizeof GET_OF("/healthz", "\x08") - 1);
    assert_int_equal(frames_of(DATA, NULL, NULL), 2);
    fake_pass(hands, 58 * FAKE_SECOND);
    assert_non_null(peer->conn);
    fake_pass(hands, 5 * FAKE_SECOND);
    assert_goaway(0);
    assert_null(peer->conn);
    assert_int_equal(peer->reason, 0);
    fake_world_shut(&world);
}

static void a_header_block_takes_no_longer_than_a_head(void **state) {
    (void)state;
    open_with("", true);
    fake_pass(hands, 30 * FAKE_SECOND);
    say_frame(HEADERS, END_STREAM, 3, GET_OF("/healthz", "\x08"), sizeof GET_OF("/healthz", "\x08") - 1); /* it is to go on */
    fake_pass(hands, 9 * FAKE_SECOND);
    assert_non_null(peer->conn);
    fake_pass(hands, 5 * FAKE_SECOND);
    assert_goaway(0);
    assert_null(peer->conn);
    assert_int_equal(peer->reason, -408);
    fake_world_shut(&world);
}

/* For over a minute, every five seconds. */
static void assert_given_up_though_it_says(int type, const void *payload, size_t count) {
    for (unsigned i = 0; i < 14; i++) {
        fake_pass(hands, 5 * FAKE_SECOND);
        say_frame(type, 0, 0, payload, count);
    }
    assert_null(peer->conn);
    assert_int_equal(peer->reason, -ETIMEDOUT);
}

static void an_answer_that_nobody_takes_is_given_up_after_a_minute(void **state) {
    (void)state;
    open_with("AAQAAAAA", true); /* a window of 0 */
    assert_int_equal(frames_of(HEADERS, NULL, NULL), 1);
    assert_int_equal(frames_of(DATA, NULL, NULL), 0);
    assert_given_up_though_it_says(PING, "12345678", 8);
    fake_world_shut(&world);
}

/* Asks for the page ninety times, with room for all of it at its end but not on the way. */
static void what_is_sent_waits_for_a_slow_reader_within_its_outbox(void **state) {
    (void)state;
    open_with("AAR_____", true); /* windows of 2^31 - 1 */
    say_frame(WINDOW_UPDATE, 0, 0, "\x7f\xff\x00\x00", 4);
    fake_settle(hands);
    wire_clear(&peer->received);
    peer->window = 20000;
    struct wire wire = {0};
    for (uint32_t stream = 3; stream < 3 + 2 * 90; stream += 2)
        wire_h2_frame(&wire, HEADERS, END_STREAM | END_HEADERS, stream, GET_OF("/", "\x01"), sizeof GET_OF("/", "\x01") - 1);
    fake_say(peer, &wire);
    wire_free(&wire);
    assert_true(peer->received.count <= 20000);
    assert_true(peer->conn->outbox.bytes > 30000 && peer->conn->outbox.bytes < 100000); /* half its limit, and a frame */
    peer->window = SIZE_MAX;
    fake_settle(hands);
    size_t bytes = 0, page = 0;
    assert_int_equal(frames_of(HEADERS, NULL, NULL), 90);
    frames_of(DATA, NULL, &bytes);
    page = bytes / 90;
    assert_true(page > 1000 && bytes == 90 * page);
    fake_world_shut(&world);
}

/* POST (static 3), http, a path, an authority, no length, and a body that isn't all there. */
static void say_half_a_post(uint32_t stream) {
    static const char post[] = "\x83\x86\x04\x08/topic/a\x01\x09localhost";
    say_frame(HEADERS, END_HEADERS, stream, post, sizeof post - 1);
    say_frame(DATA, 0, stream, "half", 4);
}

static void a_body_that_does_not_go_on_is_given_up_whatever_else_is_said(void **state) {
    (void)state;
    open_with("", true);
    say_half_a_post(3);
    wire_clear(&peer->received);
    for (uint32_t stream = 5; stream < 15; stream += 2) {
        fake_pass(hands, 2 * FAKE_SECOND);
        say_frame(HEADERS, END_STREAM | END_HEADERS, stream, GET_OF("/healthz", "\x08"), sizeof GET_OF("/healthz", "\x08") - 1);
    }
    assert_int_equal(frames_of(HEADERS, NULL, NULL), 5);
    fake_pass(hands, 2 * FAKE_SECOND);
    assert_int_equal(frames_of(HEADERS, NULL, NULL), 6); /* 408 */
    assert_int_equal(frames_of(RST_STREAM, NULL, NULL), 1);
    assert_int_equal(hands->hub.counters.refusals_by_rule[WYE_RULE_BODY_TIME], 1);
    assert_non_null(peer->conn);
    fake_world_shut(&world);
}

static void a_window_that_lets_nothing_through_keeps_nothing_alive(void **state) {
    (void)state;
    open_with("AAQAAAAA", true);
    assert_given_up_though_it_says(WINDOW_UPDATE, "\0\0\0\1", 4);
    fake_world_shut(&world);
}

static void what_is_published_waits_for_the_other_loop_and_may_be_given_up(void **state) {
    (void)state;
    open_with("", true);
    /* POST (static 3), http, a path, an authority, and content-length (static 28) of 2. */
    static const char post[] = "\x83\x86\x04\x08/topic/a\x01\x09localhost\x0f\x0d\x01" "2";
    struct fake_peer *reader = fake_websocket(&world.hands[1], "/topic/a");
    wire_clear(&peer->received);
    say_frame(HEADERS, END_HEADERS, 3, post, sizeof post - 1);
    say_frame(DATA, END_STREAM, 3, "hi", 2);
    say_frame(HEADERS, END_HEADERS, 5, post, sizeof post - 1);
    say_frame(DATA, END_STREAM, 5, "ho", 2);
    say_frame(RST_STREAM, 0, 5, "\0\0\0\x08", 4);
    assert_int_equal(frames_of(HEADERS, NULL, NULL), 0); /* the other loop has not run */
    fake_settle(&world.hands[1]);
    assert_int_equal(reader->received.count, 2 * 4);
    fake_settle(hands);
    const uint8_t *body = NULL;
    assert_int_equal(frames_of(DATA, &body, NULL), 1);
    assert_memory_equal(body, "{\"receivers\":1}\n", 16);
    /* And one whose connection ends before. */
    say_frame(HEADERS, END_HEADERS, 7, post, sizeof post - 1);
    say_frame(DATA, END_STREAM, 7, "ha", 2);
    wye_conn_close(peer->conn, -ECONNRESET);
    fake_settle(hands);
    fake_settle(&world.hands[1]);
    fake_settle(hands);
    fake_world_shut(&world);
}

static void whatever_is_open_is_given_back_in_the_end(void **state) {
    (void)state;
    open_with("AAQAAAAA", true);
    say_half_a_post(3);
    say_frame(HEADERS, END_HEADERS | END_STREAM, 5, GET_OF("/metrics", "\x08"), sizeof GET_OF("/metrics", "\x08") - 1);
    say_frame(HEADERS, 0, 7, GET_OF("/metrics", "\x08"), sizeof GET_OF("/metrics", "\x08") - 1);
    assert_non_null(peer->conn);
    fake_world_shut(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_says_nothing_in_HTTP_2_is_let_go_after_the_time_of_a_head),
        cmocka_unit_test(who_asks_for_nothing_is_let_go_after_a_minute_whatever_it_pings),
        cmocka_unit_test(a_header_block_takes_no_longer_than_a_head),
        cmocka_unit_test(an_answer_that_nobody_takes_is_given_up_after_a_minute),
        cmocka_unit_test(what_is_sent_waits_for_a_slow_reader_within_its_outbox),
        cmocka_unit_test(a_body_that_does_not_go_on_is_given_up_whatever_else_is_said),
        cmocka_unit_test(a_window_that_lets_nothing_through_keeps_nothing_alive),
        cmocka_unit_test(what_is_published_waits_for_the_other_loop_and_may_be_given_up),
        cmocka_unit_test(whatever_is_open_is_given_back_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
