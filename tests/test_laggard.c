/* Laggards: what they pin is bounded, those furthest behind first, and nobody else notices. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/topic.h"
#include "tests/fake_publish.h"

#include <stdio.h>

enum { SHARED = 1 << 20, SLOW = 30 };

static struct fake_world world;
static struct fake_hands *hands;

static int open_world(void **state) {
    (void)state;
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.shared_memory_bytes = SHARED;
    settings.ping_ns = 0;
    fake_world_open(&world, 1, true, &settings);
    hands = world.hands;
    return 0;
}

static int shut_world(void **state) {
    (void)state;
    fake_world_shut(&world);
    return 0;
}

/* What outboxes pin, counted the slow way. */
static size_t pinned(void) {
    size_t sum = 0, own;
    uint64_t mark = ++hands->hub.pool.marks;
    for (uint32_t i = 0; i < hands->hub.used; i++) sum += wye_outbox_pinned(&hands->hub.conns[i].outbox, mark, &own);
    return sum;
}

static uint64_t closed(void) { return wye_counted(&hands->hub.counters.slow_closed); }

static void few_bytes_of_many_chunks_are_copied_and_nobody_leaves(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"), *fast = fake_websocket(hands, "/topic/t"), *slow[SLOW];
    struct wire all = {0};
    for (unsigned i = 0; i < SLOW; i++) { /* each waits for one message, in a chunk of its own */
        char target[32], text[32];
        snprintf(target, sizeof target, "/topic/own/%u", i);
        slow[i] = fake_websocket(hands, target);
        slow[i]->window = 0;
        snprintf(text, sizeof text, "for %u", i);
        publish_text(slow[i], text);
        for (unsigned fill = 0; fill < 60; fill++) {
            publish(from, BINARY, wire_noise(1000, fill), 1000);
            wire_server_frame(&all, BINARY, wire_noise(1000, fill), 1000);
        }
        fake_turn(hands);
        assert_true(pinned() <= SHARED);
    }
    fake_settle(hands);
    assert_true(pinned() < SHARED && hands->hub.pool.held_bytes < SHARED + 20 * WYE_CHUNK_BYTES);
    assert_int_equal(closed(), 0);
    assert_true(wire_equal(&fast->received, &all));
    for (unsigned i = 0; i < SLOW; i++) {
        char text[32];
        struct wire expected = {0};
        snprintf(text, sizeof text, "for %u", i);
        wire_server_frame(&expected, TEXT, text, strlen(text));
        slow[i]->window = SIZE_MAX;
        fake_settle(hands);
        assert_true(wire_equal(&slow[i]->received, &expected));
        wire_free(&expected);
    }
    wire_free(&all);
}

static void who_needs_much_leaves_those_furthest_behind_first(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"), *early = fake_websocket(hands, "/topic/t");
    struct fake_peer *late = fake_websocket(hands, "/topic/t"), *fast = fake_websocket(hands, "/topic/t");
    early->window = 0;
    size_t most = 0;
    for (unsigned i = 0; i < 1500; i++) {
        if (i == 700) late->window = 0; /* takes nothing more */
        publish(from, BINARY, wire_noise(1000, i), 1000);
        fake_turn(hands);
        if (pinned() > most) most = pinned();
        if (i == 900) assert_int_equal(closed(), 0);
    }
    assert_in_range(most, SHARED * 15 / 16, SHARED + SHARED / 16 + 2 * WYE_CHUNK_BYTES);
    fake_settle(hands);
    assert_null(early->conn);
    assert_int_equal(early->reason, -1013);
    assert_non_null(late->conn);
    assert_int_equal(closed(), 1);
    assert_int_equal(fast->received.count, 1500 * 1004);
    late->window = SIZE_MAX;
    fake_settle(hands);
    assert_int_equal(late->received.count, 1500 * 1004);
}

static void large_frames_are_never_copied(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"), *slow = fake_websocket(hands, "/topic/t");
    slow->window = 0;
    for (unsigned i = 0; i < 10 && slow->conn; i++) {
        publish(from, BINARY, wire_noise(200000, i), 200000);
        fake_settle(hands);
    }
    assert_null(slow->conn);
    assert_int_equal(slow->reason, -1013);
}

static void a_peak_that_is_over_hides_nobody(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"), *slow = fake_websocket(hands, "/topic/t");
    slow->window = 0;
    struct wye_chunk *stays = wye_chunk_open(&hands->hub.pool, 3 * SHARED / 2), *peak = wye_chunk_open(&hands->hub.pool, 8 * SHARED);
    fake_turn(hands);
    wye_chunk_release(&hands->hub.pool, peak);
    size_t most = 0;
    for (unsigned i = 0; i < 100 && slow->conn; i++) {
        publish(from, BINARY, wire_noise(60000, i), 60000);
        fake_turn(hands);
        if (pinned() > most) most = pinned();
    }
    assert_true(most <= SHARED + SHARED / 16 + 2 * WYE_CHUNK_BYTES);
    assert_int_equal(closed(), 1);
    wye_chunk_release(&hands->hub.pool, stays);
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, open_world, shut_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        ONE(few_bytes_of_many_chunks_are_copied_and_nobody_leaves),
        ONE(who_needs_much_leaves_those_furthest_behind_first),
        ONE(a_peak_that_is_over_hides_nobody),
        ONE(large_frames_are_never_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
