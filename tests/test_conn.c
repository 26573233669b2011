/* A connection, whatever it speaks: bytes in and out, pauses, phases. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/fake_hands.h"
#include "tests/probe.h"

#include <errno.h>
#include <string.h>

enum { LIMIT = 10000 }; /* of an outbox */
#define TICK_NS (UINT64_C(1) << WYE_TICK_SHIFT)

static struct fake_world world;
static struct fake_hands *hands;
static struct fake_peer *peer;

/* Before each test: one connection that speaks the probe. */
static int open_world(void **state) {
    (void)state;
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.outbox_bytes = LIMIT;
    fake_world_open(&world, 1, true, &settings);
    hands = world.hands;
    peer = fake_connect(hands, false);
    wye_conn_switch(peer->conn, &probe_inline);
    fake_settle(hands);
    return 0;
}

static int shut_world(void **state) {
    (void)state;
    fake_world_shut(&world);
    probe_reset();
    return 0;
}

static void feed(const char *text) { fake_feed(peer, text, strlen(text)); }

static void assert_seen(const char *text) {
    const struct wire expected = {(uint8_t *)(uintptr_t)text, strlen(text), 0};
    assert_true(wire_equal(&probe.seen, &expected));
}

static void assert_received(const char *text) {
    const struct wire expected = {(uint8_t *)(uintptr_t)text, strlen(text), 0};
    assert_true(wire_equal(&peer->received, &expected));
}

static void assert_ended(int reason) {
    assert_null(peer->conn);
    assert_int_equal(peer->reason, reason);
    assert_int_equal(probe.closes, 1);
    assert_int_equal(probe.closed_for, reason);
}

static void send_noise(size_t count) {
    assert_int_equal(wye_conn_send(peer->conn, wire_noise(count, 1), count), 0);
}

/* ---- in ---- */

static void what_is_not_used_is_shown_again_from_the_same_start(void **state) {
    (void)state;
    probe.needs = 10;
    feed("0123");
    fake_settle(hands);
    feed("45678");
    fake_settle(hands);
    assert_seen("");
    feed("9ab");
    assert_seen("0123456789ab");
    assert_int_equal(probe.inputs, 3);
}

static void input_is_called_again_until_all_is_used_or_it_wants_more(void **state) {
    (void)state;
    probe.needs = probe.takes = 4;
    feed("aaaabbbbcc");
    assert_seen("aaaabbbb");
    feed("ccdddde");
    assert_seen("aaaabbbbccccdddd");
    feed("eee");
    assert_seen("aaaabbbbccccddddeeee");
    assert_null(peer->conn->tail);
}

static void reply_reversed(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) wye_conn_send(conn, bytes + count - 1 - i, 1);
}

static void replies_leave_once_a_turn_in_one_piece(void **state) {
    (void)state;
    probe.on_input = reply_reversed;
    peer->sends = 0;
    feed("abc");
    feed("def");
    assert_received("");
    fake_turn(hands);
    assert_received("cbafed");
    assert_int_equal(peer->sends, 1);
    assert_int_equal(peer->slices, 1);
}

static void switch_over(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    (void)bytes, (void)count;
    if (probe.inputs == 1) assert_int_equal(wye_conn_switch(conn, &probe_allocated), 0);
}

static void what_stands_behind_a_switch_belongs_to_the_new_protocol(void **state) {
    (void)state;
    const uint8_t zero[WYE_CONN_STATE_INLINE + 1] = {0};
    probe.takes = 3;
    feed("xxx");
    probe_reset();
    probe.takes = 3;
    probe.on_input = switch_over;
    feed("oldnew");
    assert_ptr_equal(peer->conn->protocol, &probe_allocated);
    assert_seen("oldnew");
    uint8_t *bytes = wye_conn_state(peer->conn);
    for (unsigned i = 0; i < sizeof zero; i++)
        assert_int_equal(bytes[i], 1); /* zeroed at the switch, then one input */
    wye_conn_switch(peer->conn, &probe_inline);
    assert_memory_equal(wye_conn_state(peer->conn), zero, WYE_CONN_STATE_INLINE);
    wye_conn_switch(peer->conn, &probe_allocated); /* the world's end frees it: the sanitizer sees */
    assert_int_equal(probe.closes, 0);
}

static void close_it(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    (void)bytes, (void)count;
    wye_conn_send(conn, "never sent", 10);
    wye_conn_close(conn, -EPERM);
    wye_conn_close(conn, -EIO); /* the first reason counts */
    wye_conn_send(conn, "nor this", 8);
}

static void closing_from_inside_input_ends_reading_and_sending_at_once(void **state) {
    (void)state;
    probe.takes = 2;
    probe.on_input = close_it;
    feed("onetwo");
    feed("three");
    assert_int_equal(probe.inputs, 1);
    fake_settle(hands);
    assert_received("");
    assert_ended(-EPERM);
}

static void finish_it(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    (void)bytes, (void)count;
    wye_conn_send(conn, "goodbye", 7);
    wye_conn_finish(conn, -4000, false);
    wye_conn_send(conn, "not this", 8);
}

static void finishing_from_inside_a_kept_tail_reads_no_more_of_it(void **state) {
    (void)state;
    probe.takes = 4;
    probe.needs = 4;
    feed("ab");
    fake_settle(hands);
    probe.on_input = finish_it;
    feed("cdefghijkl");
    fake_settle(hands);
    assert_seen("abcd");
    assert_received("goodbye");
    assert_ended(-4000);
}

static void a_reason_from_input_is_the_protocols_to_put_into_words(void **state) {
    (void)state;
    probe.input_reason = -4000;
    feed("x");
    feed("discarded");
    fake_settle(hands);
    assert_int_equal(probe.inputs, 1);
    assert_int_equal(probe.fails, 1);
    assert_received("failed");
    assert_int_equal(peer->conn->phase, WYE_CONN_LINGERING);
    fake_eof(peer);
    fake_settle(hands);
    assert_ended(-4000);
}

static void without_words_a_reason_just_closes(void **state) {
    (void)state;
    wye_conn_switch(peer->conn, &probe_bare);
    probe.input_reason = -EPROTO;
    feed("x");
    fake_settle(hands);
    assert_null(peer->conn);
    assert_int_equal(peer->reason, -EPROTO);
}

/* ---- pausing ---- */

static void pause_it(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    (void)bytes, (void)count;
    wye_conn_pause(conn, WYE_PAUSE_USER);
}

static void a_paused_connection_keeps_what_was_in_flight_in_order(void **state) {
    (void)state;
    probe.takes = 3;
    probe.on_input = pause_it;
    feed("onetwo");
    fake_settle(hands);
    assert_false(peer->armed);
    feed("thr");
    feed("four");
    fake_settle(hands);
    assert_seen("one");
    probe.on_input = NULL;
    wye_conn_resume(peer->conn, WYE_PAUSE_USER);
    assert_seen("one"); /* not from inside */
    feed("five");       /* comes before the tail was read on */
    fake_settle(hands);
    assert_seen("onetwothrfourfive");
    assert_true(peer->armed);
}

static void reading_goes_on_only_when_no_cause_is_left(void **state) {
    (void)state;
    wye_conn_pause(peer->conn, WYE_PAUSE_USER);
    wye_conn_pause(peer->conn, WYE_PAUSE_PUBLISH);
    wye_conn_pause(peer->conn, WYE_PAUSE_USER);
    assert_int_equal(wye_counted(&hands->hub.counters.pauses), 1);
    assert_int_equal(hands->hub.stalled, 1);
    feed("x");
    wye_conn_resume(peer->conn, WYE_PAUSE_USER);
    assert_false(wye_conn_wants_input(peer->conn));
    wye_conn_resume(peer->conn, WYE_PAUSE_PUBLISH);
    wye_conn_resume(peer->conn, WYE_PAUSE_PUBLISH);
    assert_int_equal(hands->hub.stalled, 0);
    assert_true(wye_conn_wants_input(peer->conn));
    fake_settle(hands);
    assert_seen("x");
}

static void an_outbox_above_half_pauses_reading_until_it_fell_to_half(void **state) {
    (void)state;
    peer->window = 0;
    send_noise(LIMIT / 2);
    fake_turn(hands);
    assert_true(peer->armed); /* half is fine */
    send_noise(1);
    fake_turn(hands);
    assert_false(peer->armed);
    feed("in flight");
    send_noise(3000);
    peer->window = 3000;
    fake_settle(hands);
    assert_seen("");
    assert_int_equal(probe.drained, 0);
    peer->window = 1;
    fake_settle(hands);
    assert_int_equal(probe.drained, 1);
    assert_true(peer->armed);
    assert_seen("in flight");
    peer->window = SIZE_MAX;
    fake_settle(hands);
    assert_int_equal(probe.drained, 1); /* once */
}

static void drained_may_fail_and_may_send_more(void **state) {
    (void)state;
    peer->window = 0;
    probe.drained_reason = -4001;
    send_noise(LIMIT);
    fake_settle(hands);
    peer->window = SIZE_MAX;
    fake_settle(hands);
    assert_int_equal(probe.drained, 1);
    assert_int_equal(probe.fails, 1);
    assert_int_equal(peer->received.count, LIMIT + 6);
    fake_eof(peer);
    fake_settle(hands);
    assert_ended(-4001);
}

static void one_that_is_closed_while_its_tail_waits_is_let_go_all_the_same(void **state) {
    (void)state;
    wye_conn_pause(peer->conn, WYE_PAUSE_USER);
    feed("tail");
    wye_conn_resume(peer->conn, WYE_PAUSE_USER); /* now it stands in the ready list */
    wye_conn_close(peer->conn, -ECONNRESET);
    fake_settle(hands);
    assert_seen("");
    assert_ended(-ECONNRESET);
    assert_int_equal(hands->hub.open, 0);
    assert_int_equal(hands->hub.ready.head, WYE_INDEX_NONE);
}

static void one_that_drained_closes_in_the_midst_of_the_flush_is_let_go_too(void **state) {
    (void)state;
    wye_conn_switch(peer->conn, &probe_bare);
    probe.drained_reason = -4001;
    peer->window = 0;
    send_noise(LIMIT);
    fake_settle(hands);
    peer->window = SIZE_MAX;
    fake_turn(hands); /* sent, resumed (so in the ready list), closed and gone in one flush */
    assert_ended(-4001);
    fake_settle(hands);
    assert_int_equal(hands->hub.open, 0);
    peer = fake_connect(hands, false); /* the memory is free */
    assert_int_equal(peer->conn->index, 0);
}

/* ---- phases ---- */

static void finishing_sends_what_is_queued_and_discards_what_comes(void **state) {
    (void)state;
    peer->window = 0;
    send_noise(3000);
    wye_conn_finish(peer->conn, -4000, false);
    assert_int_equal(peer->conn->phase, WYE_CONN_FINISHING);
    wye_conn_finish(peer->conn, -4999, true); /* the first one counts */
    feed("too late");
    fake_turn(hands);
    assert_true(peer->armed); /* it goes on reading, so that nothing is reset */
    peer->window = 2999;
    fake_settle(hands);
    assert_non_null(peer->conn);
    peer->window = 1;
    fake_settle(hands);
    assert_int_equal(peer->received.count, 3000);
    assert_seen("");
    assert_ended(-4000);
}

static void the_reason_of_the_last_word_outlives_a_reset(void **state) {
    (void)state;
    peer->window = 0;
    send_noise(3000);
    wye_conn_finish(peer->conn, -4000, true);
    fake_settle(hands);
    wye_conn_close(peer->conn, -ECONNRESET);
    fake_settle(hands);
    assert_ended(-4000);
}

static void finishing_with_nothing_queued_ends_at_once(void **state) {
    (void)state;
    wye_conn_finish(peer->conn, 0, false);
    fake_settle(hands);
    assert_ended(0);
}

static void a_peer_that_takes_nothing_of_the_last_word_is_not_waited_for_long(void **state) {
    (void)state;
    peer->window = 0;
    send_noise(3000);
    wye_conn_finish(peer->conn, -4000, true);
    for (unsigned i = 0; i < 5; i++) { /* slow, but it takes something */
        fake_pass(hands, 4 * FAKE_SECOND);
        assert_non_null(peer->conn);
        peer->window = 10;
        fake_settle(hands);
    }
    fake_pass(hands, 5 * FAKE_SECOND + 3 * TICK_NS);
    assert_ended(-4000);
}

static void lingering_shuts_the_sending_side_down_after_a_moment_and_ends_in_time(void **state) {
    (void)state;
    send_noise(10);
    wye_conn_finish(peer->conn, -400, true);
    fake_settle(hands);
    assert_int_equal(peer->conn->phase, WYE_CONN_LINGERING);
    assert_false(peer->half_closed);
    fake_pass(hands, 30 * 1000000 + 3 * TICK_NS);
    assert_true(peer->half_closed);
    fake_pass(hands, FAKE_SECOND);
    assert_non_null(peer->conn);
    fake_pass(hands, FAKE_SECOND + 3 * TICK_NS);
    assert_ended(-400);
}

static void lingering_discards_a_bounded_number_of_bytes(void **state) {
    (void)state;
    wye_conn_finish(peer->conn, -400, true);
    for (unsigned i = 0; i < 16 * 16; i++) {
        assert_non_null(peer->conn);
        fake_feed(peer, wire_noise(65536, i), 65536);
        fake_turn(hands);
    }
    assert_non_null(peer->conn);
    feed("x");
    fake_settle(hands);
    assert_ended(-400);
}

static void a_closed_connection_waits_for_the_kernel_and_hears_nothing_meanwhile(void **state) {
    (void)state;
    hands->hold = 3;
    wye_conn_close(peer->conn, -ECONNRESET);
    for (unsigned i = 0; i < 3; i++) {
        fake_turn(hands);
        assert_int_equal(peer->conn->phase, WYE_CONN_SHUT);
        feed("late");
        fake_eof(peer);
        wye_conn_send(peer->conn, "x", 1);
        wye_conn_wake(peer->conn);
        assert_int_equal(probe.closes, 0);
    }
    fake_settle(hands);
    assert_int_equal(probe.inputs + probe.wakes + probe.eofs, 0);
    assert_received("");
    assert_ended(-ECONNRESET);
}

/* ---- the peer's last byte ---- */

static void the_protocol_is_told_of_the_peers_last_byte(void **state) {
    (void)state;
    feed("last");
    send_noise(100);
    fake_eof(peer);
    fake_settle(hands);
    assert_int_equal(probe.eofs, 1);
    assert_int_equal(peer->received.count, 100); /* what is queued is sent */
    assert_ended(0);
}

static void a_reason_from_eof_drops_what_is_queued(void **state) {
    (void)state;
    probe.eof_reason = -1006;
    send_noise(100);
    fake_eof(peer);
    fake_settle(hands);
    assert_received("");
    assert_ended(-1006);
}

static void a_protocol_without_eof_sends_what_is_queued_and_ends(void **state) {
    (void)state;
    wye_conn_switch(peer->conn, &probe_bare);
    hands->send_max = 7;
    send_noise(100);
    fake_eof(peer);
    fake_settle(hands);
    assert_int_equal(peer->received.count, 100);
    assert_int_equal(peer->reason, 0);
}

static void a_kept_tail_is_read_before_the_end_is_told(void **state) {
    (void)state;
    wye_conn_pause(peer->conn, WYE_PAUSE_USER);
    feed("before the end");
    fake_eof(peer);
    fake_settle(hands);
    assert_int_equal(probe.eofs, 0);
    assert_false(peer->armed);
    wye_conn_resume(peer->conn, WYE_PAUSE_USER);
    fake_settle(hands);
    assert_seen("before the end");
    assert_int_equal(probe.eofs, 1);
    assert_ended(0);
}

/* Resumed in a flush, and the end comes before the next wye_hub_advance() reads on. */
static void a_tail_that_was_just_resumed_is_read_before_the_end_too(void **state) {
    (void)state;
    wye_conn_pause(peer->conn, WYE_PAUSE_USER);
    feed("before the end");
    fake_settle(hands);
    wye_conn_resume(peer->conn, WYE_PAUSE_USER);
    fake_eof(peer);
    assert_int_equal(probe.eofs, 0);
    fake_settle(hands);
    assert_seen("before the end");
    assert_int_equal(probe.eofs, 1);
    assert_ended(0);
}

static void a_tail_that_can_never_be_used_does_not_hold_the_end_up(void **state) {
    (void)state;
    probe.needs = 100;
    feed("incomplete");
    fake_settle(hands);
    fake_eof(peer);
    fake_settle(hands);
    assert_int_equal(probe.eofs, 1);
    assert_ended(0);
}

static void the_end_while_the_last_word_is_sent_spares_the_lingering(void **state) {
    (void)state;
    peer->window = 0;
    send_noise(50);
    wye_conn_finish(peer->conn, -404, true);
    fake_settle(hands);
    fake_eof(peer);
    fake_settle(hands);
    assert_non_null(peer->conn);
    assert_false(wye_conn_wants_input(peer->conn));
    peer->window = SIZE_MAX;
    fake_settle(hands);
    assert_int_equal(peer->received.count, 50);
    assert_ended(-404);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, shut_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_used_is_shown_again_from_the_same_start),
        TEST(input_is_called_again_until_all_is_used_or_it_wants_more),
        TEST(replies_leave_once_a_turn_in_one_piece),
        TEST(what_stands_behind_a_switch_belongs_to_the_new_protocol),
        TEST(closing_from_inside_input_ends_reading_and_sending_at_once),
        TEST(finishing_from_inside_a_kept_tail_reads_no_more_of_it),
        TEST(a_reason_from_input_is_the_protocols_to_put_into_words),
        TEST(without_words_a_reason_just_closes),
        TEST(a_paused_connection_keeps_what_was_in_flight_in_order),
        TEST(reading_goes_on_only_when_no_cause_is_left),
        TEST(an_outbox_above_half_pauses_reading_until_it_fell_to_half),
        TEST(drained_may_fail_and_may_send_more),
        TEST(one_that_is_closed_while_its_tail_waits_is_let_go_all_the_same),
        TEST(one_that_drained_closes_in_the_midst_of_the_flush_is_let_go_too),
        TEST(the_reason_of_the_last_word_outlives_a_reset),
        TEST(finishing_sends_what_is_queued_and_discards_what_comes),
        TEST(finishing_with_nothing_queued_ends_at_once),
        TEST(a_peer_that_takes_nothing_of_the_last_word_is_not_waited_for_long),
        TEST(lingering_shuts_the_sending_side_down_after_a_moment_and_ends_in_time),
        TEST(lingering_discards_a_bounded_number_of_bytes),
        TEST(a_closed_connection_waits_for_the_kernel_and_hears_nothing_meanwhile),
        TEST(the_protocol_is_told_of_the_peers_last_byte),
        TEST(a_reason_from_eof_drops_what_is_queued),
        TEST(a_protocol_without_eof_sends_what_is_queued_and_ends),
        TEST(a_kept_tail_is_read_before_the_end_is_told),
        TEST(a_tail_that_was_just_resumed_is_read_before_the_end_too),
        TEST(a_tail_that_can_never_be_used_does_not_hold_the_end_up),
        TEST(the_end_while_the_last_word_is_sent_spares_the_lingering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
