/* A hub: who is let in, who is named by what, and the slots of its 101s. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frames/frame.h"
#include "tests/fake_hands.h"
#include "tests/probe.h"

#include <errno.h>
#include <string.h>

#define TICK_NS (UINT64_C(1) << WYE_TICK_SHIFT)

static struct fake_world world;
static struct fake_hands *hands;

static void open_world(bool slots, uint32_t max_connections) {
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.max_connections = max_connections;
    fake_world_open(&world, 1, slots, &settings);
    hands = world.hands;
}

static void hang_up(struct fake_peer *peer) {
    fake_eof(peer);
    fake_settle(hands);
    assert_null(peer->conn);
}

/* ---- ids ---- */

static void an_id_names_one_connection_and_misses_when_it_is_stale(void **state) {
    (void)state;
    open_world(false, UINT32_MAX);
    struct wye_hub *hub = &hands->hub;
    struct fake_peer *first = fake_connect(hands, false);
    uint32_t index = first->conn->index, generation = first->conn->generation;
    assert_ptr_equal(wye_hub_find(hub, index, generation), first->conn);
    assert_null(wye_hub_find(hub, index, generation + 1));
    assert_null(wye_hub_find(hub, index + 1, generation));
    assert_null(wye_hub_find(hub, UINT32_MAX, generation));
    hang_up(first);
    assert_null(wye_hub_find(hub, index, generation));
    assert_null(wye_hub_find(hub, index, generation + 1)); /* free: not even its next name */
    struct fake_peer *second = fake_connect(hands, false);
    assert_int_equal(second->conn->index, index); /* memory is used again */
    assert_null(wye_hub_find(hub, index, generation));
    assert_ptr_equal(wye_hub_find(hub, index, second->conn->generation), second->conn);
    fake_world_shut(&world);
}

static void a_connection_is_born_empty_wherever_another_one_was(void **state) {
    (void)state;
    open_world(true, UINT32_MAX);
    struct fake_peer *first = fake_websocket(hands, "/topic/x?noecho");
    first->window = 0;
    struct wire wire = {0};
    wire_client_frame(&wire, WIRE_FIN, WYE_OPCODE_PING, "ping", 4, 7);
    wire_client_frame(&wire, WIRE_MORE, WYE_OPCODE_TEXT, "unfinished", 10, 7);
    fake_say(first, &wire);
    wye_conn_pause(first->conn, WYE_PAUSE_USER);
    wye_conn_close(first->conn, -ECONNRESET);
    fake_settle(hands);
    const struct wye_conn *conn = fake_connect(hands, false)->conn;
    assert_int_equal(conn->phase, WYE_CONN_OPEN);
    assert_int_equal(conn->outbox.bytes + conn->pauses + conn->blocked + conn->eof + conn->drains, 0);
    assert_null(conn->tail);
    assert_null(conn->subscriptions);
    assert_int_equal(conn->reason, 0);
    for (unsigned i = 0; i < WYE_CONN_STATE_INLINE; i++) assert_int_equal(conn->state.bytes[i], 0);
    wire_free(&wire);
    fake_world_shut(&world);
}

/* ---- room ---- */

static void a_hub_that_is_full_takes_nobody(void **state) {
    (void)state;
    open_world(false, UINT32_MAX);
    hands->hub.capacity = 3;
    struct fake_peer *peers[3];
    for (unsigned i = 0; i < 3; i++) assert_non_null(peers[i] = fake_connect(hands, false));
    assert_null(fake_connect(hands, false));
    assert_null(fake_connect(hands, true));
    hang_up(peers[1]);
    assert_non_null(fake_connect(hands, false));
    assert_null(fake_connect(hands, false));
    fake_world_shut(&world);
}

static void assert_refused(struct fake_peer *peer) {
    fake_settle(hands);
    struct wire_response response = wire_read_response(&peer->received, 0, false);
    assert_int_equal(response.status, 503);
    assert_true(response.close);
    assert_int_equal(response.end, peer->received.count);
    assert_true(wire_find(&peer->received, "\r\nRetry-After: 1\r\n", 0) != SIZE_MAX);
    assert_int_equal(peer->conn->phase, WYE_CONN_LINGERING);
    fake_feed(peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27); /* whatever it asks */
    fake_settle(hands);
    assert_int_equal(response.end, peer->received.count);
}

static void a_node_takes_exactly_as_many_as_it_may_and_tells_the_others(void **state) {
    (void)state;
    open_world(false, 2);
    struct fake_peer *first = fake_connect(hands, false), *second = fake_connect(hands, false);
    struct fake_peer *third = fake_connect(hands, false), *fourth = fake_connect(hands, false);
    assert_refused(third);
    assert_refused(fourth);
    assert_int_equal(hands->hub.refused, 2);
    assert_int_equal(world.node.connections, 2);
    assert_int_equal(wye_counted(&hands->hub.counters.accept_refused), 2);
    hang_up(third);
    assert_int_equal(third->reason, -503);
    hang_up(first);
    assert_int_equal(world.node.connections, 1);
    struct fake_peer *fifth = fake_connect(hands, false);
    fake_settle(hands);
    assert_int_equal(fifth->received.count, 0);
    assert_refused(fake_connect(hands, false));
    (void)second;
    fake_world_shut(&world);
}

static void the_hands_may_refuse_too_and_it_counts_for_nothing_else(void **state) {
    (void)state;
    open_world(false, 10);
    assert_refused(fake_connect(hands, true));
    assert_int_equal(world.node.connections, 0);
    assert_int_equal(hands->hub.refused, 1);
    assert_int_equal(hands->hub.open, 1);
    fake_world_shut(&world);
}

/* ---- slots ---- */

/* Upgrades, with a message glued behind or without. */
static void upgrade(struct fake_peer *peer, bool glued) {
    struct wire wire = {0};
    wire_upgrade(&wire, "/echo");
    if (glued) wire_client_frame(&wire, WIRE_FIN, WYE_OPCODE_TEXT, "hello", 5, 99);
    fake_feed(peer, wire.at, wire.count);
    wire_free(&wire);
}

static void assert_upgraded(struct fake_peer *peer, bool glued) {
    struct wire expected = {0};
    wire_opening(&expected);
    if (glued) wire_server_frame(&expected, WYE_OPCODE_TEXT, "hello", 5);
    assert_true(wire_equal(&peer->received, &expected));
    wire_free(&expected);
}

static void a_101_leaves_from_its_slot_alone_and_the_rest_waits_for_it(void **state) {
    (void)state;
    open_world(true, UINT32_MAX);
    struct fake_peer *peer = fake_connect(hands, false);
    upgrade(peer, true);
    assert_int_equal(hands->hub.slot_free_count, FAKE_SLOTS - 1);
    fake_turn(hands);
    assert_int_equal(peer->sends, 1); /* the slot is being written */
    assert_int_equal(peer->received.count, 0);
    assert_int_equal(peer->conn->outbox.bytes, 7);
    fake_turn(hands);
    assert_int_equal(peer->sends, 2);
    assert_upgraded(peer, true);
    assert_int_equal(hands->hub.slot_free_count, FAKE_SLOTS);
    fake_world_shut(&world);
}

static void when_slots_are_out_a_101_is_copied(void **state) {
    (void)state;
    open_world(true, UINT32_MAX);
    struct fake_peer *peers[FAKE_SLOTS + 3];
    for (unsigned i = 0; i < FAKE_SLOTS + 3; i++) {
        peers[i] = fake_connect(hands, false);
        upgrade(peers[i], true);
    }
    assert_int_equal(hands->hub.slot_free_count, 0);
    fake_settle(hands);
    for (unsigned i = 0; i < FAKE_SLOTS + 3; i++) {
        assert_upgraded(peers[i], true);
        assert_int_equal(peers[i]->sends, i < FAKE_SLOTS ? 2 : 1);
    }
    fake_world_shut(&world);
}

static void a_101_behind_an_answer_is_no_first_output_and_copied(void **state) {
    (void)state;
    open_world(true, UINT32_MAX);
    struct fake_peer *peer = fake_connect(hands, false);
    struct wire wire = {0}, expected = {0};
    wire_request(&wire, "GET", "/healthz", "");
    fake_say(peer, &wire);
    wire_add(&expected, peer->received.at, peer->received.count);
    wire_clear(&peer->received);
    wire_upgrade(&wire, "/echo"); /* pipelined behind the same request again */
    wire_opening(&expected);
    fake_feed(peer, wire.at, wire.count);
    assert_int_equal(hands->hub.slot_free_count, FAKE_SLOTS);
    fake_settle(hands);
    assert_true(wire_equal(&peer->received, &expected));
    wire_free(&wire);
    wire_free(&expected);
    fake_world_shut(&world);
}

/* Upgrades, makes some turns and ends it. */
static void check_slot(unsigned turns, bool glued, bool finish) {
    open_world(true, UINT32_MAX);
    struct fake_peer *peer = fake_connect(hands, false);
    upgrade(peer, glued);
    for (unsigned i = 0; i < turns; i++) fake_turn(hands);
    if (finish) wye_conn_finish(peer->conn, -4000, false);
    else wye_conn_close(peer->conn, -4000);
    fake_settle(hands);
    assert_null(peer->conn);
    assert_int_equal(peer->reason, -4000);
    assert_int_equal(hands->hub.slot_free_count, FAKE_SLOTS);
    if (finish) assert_upgraded(peer, glued); /* the last word is heard */
    fake_world_shut(&world);
}

static void a_slot_comes_back_however_its_connection_ends(void **state) {
    (void)state;
    for (unsigned turns = 0; turns < 3; turns++) {
        for (unsigned way = 0; way < 4; way++) check_slot(turns, way & 1, way & 2);
    }
}

/* ---- time ---- */

static struct fake_peer *peer;

/* Before each of these: one connection that speaks the probe. */
static int open_probe(void **state) {
    (void)state;
    open_world(true, UINT32_MAX);
    peer = fake_connect(hands, false);
    wye_conn_switch(peer->conn, &probe_inline);
    fake_settle(hands);
    return 0;
}

static int shut_probe(void **state) {
    (void)state;
    fake_world_shut(&world);
    probe_reset();
    return 0;
}

static void huge_chunks_go_back_once_nobody_has_wanted_one_for_a_second(void **state) {
    (void)state;
    struct wye_chunk_pool *pool = &hands->hub.pool;
    const uint64_t idle = wye_hub_wait_ns(&hands->hub, hands->now_ns);
    assert_true(idle > FAKE_SECOND);
    for (unsigned i = 0; i < 5; i++) { /* it is wanted again and again */
        wye_chunk_release(pool, wye_chunk_open(pool, WYE_CHUNK_HUGE_BYTES));
        assert_true(wye_hub_wait_ns(&hands->hub, hands->now_ns) == FAKE_SECOND);
        hands->now_ns += FAKE_SECOND * 9 / 10;
        fake_settle(hands);
        assert_int_equal(pool->huge_count, 1);
    }
    assert_true(wye_hub_wait_ns(&hands->hub, hands->now_ns) == FAKE_SECOND);
    hands->now_ns += FAKE_SECOND - 1;
    fake_settle(hands);
    assert_int_equal(pool->huge_count, 1);
    assert_true(wye_hub_wait_ns(&hands->hub, hands->now_ns) == 1);
    hands->now_ns += 1;
    fake_settle(hands);
    assert_int_equal(pool->huge_count, 0);
    assert_true(wye_hub_wait_ns(&hands->hub, hands->now_ns) > FAKE_SECOND);
}

static void a_wake_up_comes_once_and_never_early(void **state) {
    (void)state;
    static const uint64_t delays[] = {0, 1, TICK_NS, FAKE_SECOND, 40 * FAKE_SECOND, 3600 * FAKE_SECOND};
    for (unsigned i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        probe.wakes = 0;
        wye_conn_wake_in(peer->conn, 3 * FAKE_SECOND);
        wye_conn_wake_in(peer->conn, delays[i]); /* moves it */
        if (delays[i] > 0) fake_pass(hands, delays[i] - 1);
        assert_int_equal(probe.wakes, 0);
        fake_pass(hands, 3 * TICK_NS);
        assert_int_equal(probe.wakes, 1);
        fake_pass(hands, 100 * FAKE_SECOND);
        assert_int_equal(probe.wakes, 1);
    }
    wye_conn_wake_in(peer->conn, FAKE_SECOND);
    wye_conn_wake_never(peer->conn);
    fake_pass(hands, 5 * FAKE_SECOND);
    assert_int_equal(probe.wakes, 1);
}

/* The wheel stands still while a loop sleeps: what is set before it moves on must not count from there. */
static void a_wake_up_asked_for_right_after_a_long_sleep_does_not_come_early(void **state) {
    (void)state;
    for (uint64_t sleep = 1; sleep < 10000; sleep *= 7) {
        fake_sleep(hands, sleep * FAKE_SECOND);
        wye_conn_wake_in(peer->conn, FAKE_SECOND);
        struct fake_peer *fresh = fake_connect(hands, false);
        fake_settle(hands);
        assert_int_equal(probe.wakes, 0);
        fake_pass(hands, FAKE_SECOND - TICK_NS);
        assert_int_equal(probe.wakes, 0);
        assert_int_equal(fresh->conn->phase, WYE_CONN_OPEN);
        fake_pass(hands, 3 * TICK_NS);
        assert_int_equal(probe.wakes, 1);
        probe.wakes = 0;
    }
}

static void a_reason_from_wake_fails(void **state) {
    (void)state;
    probe.wake_reason = -ETIMEDOUT;
    wye_conn_wake_in(peer->conn, FAKE_SECOND);
    fake_pass(hands, 2 * FAKE_SECOND);
    assert_int_equal(probe.fails, 1);
    fake_eof(peer);
    fake_settle(hands);
    assert_null(peer->conn);
    assert_int_equal(peer->reason, -ETIMEDOUT);
    assert_int_equal(probe.closes, 1);
}

static void draining_wakes_everybody_once(void **state) {
    (void)state;
    world.node.draining = true;
    fake_settle(hands);
    fake_settle(hands);
    assert_int_equal(probe.wakes, 1);
    assert_true(hands->hub.draining);
}

#define TIMED(name) cmocka_unit_test_setup_teardown(name, open_probe, shut_probe)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_names_one_connection_and_misses_when_it_is_stale),
        cmocka_unit_test(a_connection_is_born_empty_wherever_another_one_was),
        cmocka_unit_test(a_hub_that_is_full_takes_nobody),
        cmocka_unit_test(a_node_takes_exactly_as_many_as_it_may_and_tells_the_others),
        cmocka_unit_test(the_hands_may_refuse_too_and_it_counts_for_nothing_else),
        cmocka_unit_test(a_101_leaves_from_its_slot_alone_and_the_rest_waits_for_it),
        cmocka_unit_test(when_slots_are_out_a_101_is_copied),
        cmocka_unit_test(a_101_behind_an_answer_is_no_first_output_and_copied),
        cmocka_unit_test(a_slot_comes_back_however_its_connection_ends),
        TIMED(huge_chunks_go_back_once_nobody_has_wanted_one_for_a_second),
        TIMED(a_wake_up_comes_once_and_never_early),
        TIMED(a_wake_up_asked_for_right_after_a_long_sleep_does_not_come_early),
        TIMED(a_reason_from_wake_fails),
        TIMED(draining_wakes_everybody_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
