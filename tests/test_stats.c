/* The node's own account of itself. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/fake_hands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_world world;
static struct fake_hands *hands;
static struct wire text; /* the last message, or body, with a NUL behind it */

static int open_world(void **state) {
    (void)state;
    fake_world_open(&world, 2, true, NULL);
    hands = world.hands;
    return 0;
}

static int shut_world(void **state) {
    (void)state;
    wire_free(&text);
    fake_world_shut(&world);
    return 0;
}

static struct fake_peer *subscribe(void) {
    struct fake_peer *peer = fake_connect(hands, false);
    struct wire wire = {0};
    wire_upgrade(&wire, "/topic/$wye/stats");
    fake_say(peer, &wire);
    memmove(peer->received.at, peer->received.at + 129, peer->received.count -= 129);
    wire_free(&wire);
    return peer;
}

/* Takes one text message out of what came. */
static void take_message(struct fake_peer *peer) {
    const uint8_t *at = peer->received.at;
    assert_true(peer->received.count > 130);
    assert_int_equal(at[0], 0x81);
    assert_int_equal(at[1], 126);
    size_t count = (size_t)(at[2] << 8 | at[3]);
    assert_true(peer->received.count >= 4 + count);
    wire_clear(&text);
    wire_add(&text, at + 4, count);
    wire_add(&text, "", 1);
    memmove(peer->received.at, at + 4 + count, peer->received.count -= 4 + count);
}

static void get(const char *target) {
    struct fake_peer *peer = fake_connect(hands, false);
    struct wire wire = {0};
    wire_request(&wire, "GET", target, "Connection: close\r\n");
    fake_say(peer, &wire);
    struct wire_response response = wire_read_response(&peer->received, 0, false);
    assert_int_equal(response.status, 200);
    wire_clear(&text);
    wire_add(&text, peer->received.at + response.body, response.end - response.body);
    wire_add(&text, "", 1);
    wire_free(&wire);
    fake_eof(peer);
    fake_settle(hands);
}

static bool says(const char *what) { return strstr((const char *)text.at, what) != NULL; }

static uint64_t publishes(void) { return wye_counted(&hands->hub.counters.publishes); }

/* ---- the topic ---- */

static void nothing_is_published_and_nobody_is_woken_while_nobody_listens(void **state) {
    (void)state;
    fake_pass(hands, 10 * FAKE_SECOND);
    assert_int_equal(publishes(), 0);
    assert_true(wye_hub_wait_ns(&hands->hub, hands->now_ns) == UINT64_MAX);
}

static void a_listener_hears_at_once_and_then_every_second(void **state) {
    (void)state;
    struct fake_peer *peer = subscribe();
    take_message(peer);
    assert_true(wire_begins(&text, "{\"version\":\"" WYE_VERSION "\",\"uptime_s\":0,\"loops\":2,"));
    assert_true(says("\"connections\":1,"));
    assert_true(says("\"topics\":[{\"name\":\"$wye/stats\",\"subscribers\":1,\"messages\":0}]}"));
    assert_int_equal(peer->received.count, 0);
    for (unsigned i = 1; i <= 5; i++) {
        fake_pass(hands, FAKE_SECOND - 1);
        assert_int_equal(peer->received.count, 0);
        fake_pass(hands, 1);
        take_message(peer);
        assert_int_equal(peer->received.count, 0);
        char uptime[32];
        snprintf(uptime, sizeof uptime, "\"uptime_s\":%u,", i);
        assert_true(says(uptime));
    }
}

static void it_stops_when_the_last_listener_has_gone(void **state) {
    (void)state;
    struct fake_peer *first = subscribe(), *second = subscribe();
    fake_pass(hands, 5 * FAKE_SECOND / 2);
    fake_eof(first);
    fake_pass(hands, FAKE_SECOND);
    uint64_t before = publishes();
    assert_true(before >= 4);
    fake_eof(second);
    fake_pass(hands, 10 * FAKE_SECOND);
    assert_int_equal(publishes(), before);
    assert_true(hands->hub.stats_due_ns == UINT64_MAX);
    subscribe();
    assert_int_equal(publishes(), before + 1);
}

static void it_sums_over_all_loops_and_stays_on_its_own(void **state) {
    (void)state;
    fake_connect(&world.hands[1], false);
    fake_connect(&world.hands[1], false);
    take_message(subscribe());
    assert_true(says("\"connections\":3,"));
    fake_settle(&world.hands[1]);
    assert_int_equal(wye_counted(&world.hands[1].hub.counters.letters), 0);
}

/* ---- what is asked for ---- */

static void topics_are_listed_with_the_most_subscribed_first(void **state) {
    (void)state;
    get("/topics");
    assert_string_equal(text.at, "{\"topics_total\":0,\"topics\":[]}\n");
    fake_websocket(hands, "/topic/small");
    fake_websocket(hands, "/topic/big");
    fake_websocket(&world.hands[1], "/topic/big");
    get("/topics");
    assert_string_equal(text.at,
                        "{\"topics_total\":2,\"topics\":[{\"name\":\"big\",\"subscribers\":2,\"messages\":0},"
                        "{\"name\":\"small\",\"subscribers\":1,\"messages\":0}]}\n");
}

static void names_of_any_bytes_make_valid_json_of_valid_utf_8(void **state) {
    (void)state;
    fake_websocket(hands, "/topic/%22%5c%0a%c3%bc%f0%9f%9a%82");
    get("/topics");
    assert_true(says("{\"name\":\"\\\"\\\\\\u000a\xc3\xbc\xf0\x9f\x9a\x82\","));
    fake_websocket(hands, "/topic/%ff%c3%80%80%ed%a0%80%f4%90%80%80%e2%82");
    get("/topics");
    /* Otherwise the node's own topic would be text that every browser refuses (RFC 6455 8.1). */
    for (const uint8_t *at = text.at; *at; at++)
        assert_true(*at != 0xff && *at != 0xed && *at != 0xf4 && *at != 0xe2);
    assert_true(says("\\ufffd"));
}

static void metrics_name_help_and_type_of_every_counter_and_a_row_a_loop(void **state) {
    (void)state;
    get("/metrics");
    char line[256];
#define CHECK(name, kind, help)                                                                              \
    snprintf(line, sizeof line, "# HELP wye_" #name "%s " help "\n# TYPE wye_" #name "%s " #kind "\n",       \
             total_of(#name, #kind), total_of(#name, #kind));                                                \
    assert_true(says(line));
#define total_of(name, kind) (strcmp(kind, "counter") == 0 && !strstr(name, "_total") ? "_total" : "")
    WYE_COUNTERS(CHECK)
    assert_true(says("\nwye_connections{loop=\"0\"} 1\nwye_connections{loop=\"1\"} 0\n"));
    assert_true(says("\nwye_requests_total{loop=\"0\"} 1\n"));
    assert_true(says("\nwye_refusals_by_rule_total{loop=\"0\",rule=\"origin\",status=\"403\"} 0\n"));
    get("/metrics");
    assert_true(says("\nwye_closes_total{loop=\"0\",reason=\"0\"} 1\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, shut_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_published_and_nobody_is_woken_while_nobody_listens),
        TEST(a_listener_hears_at_once_and_then_every_second),
        TEST(it_stops_when_the_last_listener_has_gone),
        TEST(it_sums_over_all_loops_and_stays_on_its_own),
        TEST(topics_are_listed_with_the_most_subscribed_first),
        TEST(names_of_any_bytes_make_valid_json_of_valid_utf_8),
        TEST(metrics_name_help_and_type_of_every_counter_and_a_row_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
