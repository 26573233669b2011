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

static bool wire_says(const struct fake_peer *peer, const char *what) { return wire_find(&peer->received, what, 0) != SIZE_MAX; }

static uint64_t publishes(void) { return wye_counted(&hands->hub.counters.publishes); }

#define NO_RATES "\"per_second\":{\"messages\":0.000,\"bytes\":0.000,\"deliveries\":0.000,\"delivered_bytes\":0.000}"

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
    assert_true(says("\"topics_total\":1,\"window_s\":10,\"topics\":[{\"name\":\"$wye/stats\",\"subscribers\":1,\"messages\":0," NO_RATES "}]}"));
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

static void who_joins_others_hears_with_them(void **state) {
    (void)state;
    struct fake_peer *first = subscribe();
    take_message(first);
    fake_pass(hands, FAKE_SECOND / 2);
    uint64_t before = publishes();
    struct fake_peer *second = subscribe(); /* a crowd that comes must not have all of it told each time */
    assert_int_equal(publishes(), before);
    fake_pass(hands, FAKE_SECOND / 2);
    assert_int_equal(publishes(), before + 1);
    take_message(first);
    take_message(second);
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

static void topics_are_listed_by_name_with_the_subscribers_of_all_loops(void **state) {
    (void)state;
    get("/topics");
    assert_string_equal(text.at, "{\"topics_total\":0,\"window_s\":10,\"topics\":[]}\n");
    fake_websocket(hands, "/topic/small");
    fake_websocket(hands, "/topic/big");
    fake_websocket(&world.hands[1], "/topic/big");
    get("/topics");
    assert_string_equal(text.at, "{\"topics_total\":2,\"window_s\":10,\"topics\":["
                                 "{\"name\":\"big\",\"subscribers\":2,\"messages\":0," NO_RATES "},"
                                 "{\"name\":\"small\",\"subscribers\":1,\"messages\":0," NO_RATES "}]}\n");
}

static void a_page_says_where_the_next_one_is(void **state) {
    (void)state;
    fake_websocket(hands, "/topic/a");
    fake_websocket(hands, "/topic/b%25%2b");
    fake_websocket(hands, "/topic/b%ff");
    fake_websocket(&world.hands[1], "/topic/c/d");
    get("/topics?limit=2");
    assert_true(says("{\"name\":\"a\"") && says("{\"name\":\"b%+\"") && !says("ufffd"));
    assert_true(says("],\"next\":\"/topics?limit=2&after=b%25%2B\"}\n"));
    struct fake_peer *peer = fake_connect(hands, false);
    struct wire wire = {0};
    wire_request(&wire, "GET", "/topics?limit=1", "Connection: close\r\n");
    fake_say(peer, &wire);
    wire_free(&wire);
    assert_true(wire_says(peer, "\r\nLink: </topics?limit=1&after=a>; rel=\"next\"\r\n"));
    get("/topics?limit=2&after=b%25%2B");
    assert_true(says("[{\"name\":\"b\\ufffd\",\"path\":\"/topic/b%FF\",\"subscribers\":1,"));
    assert_true(says("{\"name\":\"c/d\"") && !says("next") && !says("\"a\""));
    get("/topics?match=b%25%2b&limit=1000");
    assert_true(says("\"topics_total\":4") && says("b%+") && !says("ufffd") && !says("next"));
    get("/topics?token=x&limit=2"); /* who asks, not what for; and it isn't told on */
    assert_true(says("],\"next\":\"/topics?limit=2&after=b%25%2B\"}\n"));
    get("/topics?match=c/%23&&");
    assert_true(says("{\"name\":\"c/d\"") && !says("\"a\""));
    get("/topics?match=%23&limit=1");
    assert_true(says("],\"next\":\"/topics?limit=1&match=%23&after=a\"}\n"));
}

static void a_query_that_it_cannot_have_is_refused_with_a_sentence(void **state) {
    (void)state;
    static const struct {
        const char *query, *seen, *note;
    } rows[] = {
        {"limit=0", "limit=0", "limit is a number from 1 to 1000"},
        {"limit=1001", "limit=1001", "limit is a number from 1 to 1000"},
        {"limit=", "limit=", "limit is a number from 1 to 1000"},
        {"limit", "limit", "limit is a number from 1 to 1000"},
        {"limit=-1", "limit=-1", "limit is a number from 1 to 1000"},
        {"limit=99999999999999999999", "limit=99999999999999999999", "limit is a number from 1 to 1000"},
        {"limit=1&limit=1", "limit=1", "it is there twice"},
        {"match=a&match=a", "match=a", "it is there twice"},
        {"after=a&x=1&after=b", "x=1", "there are limit, after and match"},
        {"Limit=1", "Limit=1", "there are limit, after and match"},
        {"=", "=", "there are limit, after and match"},
        {"match=", "match=", ""},
        {"match=a//b", "match=a//b", ""},
        {"match=%23/a", "match=%23/a", ""},
        {"match=%2", "match=%2", "a '%' without two hexadecimal digits"},
        {"after=%zz", "after=%zz", "a '%' without two hexadecimal digits"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_peer *peer = fake_connect(hands, false);
        struct wire wire = {0};
        char target[128], sentence[128], note[128];
        snprintf(target, sizeof target, "/topics?%s", rows[i].query);
        snprintf(sentence, sizeof sentence, "The query of this path can't have '%s'.", rows[i].seen);
        snprintf(note, sizeof note, " Namely: %s", rows[i].note);
        wire_request(&wire, "GET", target, "");
        wire_request(&wire, "GET", "/healthz", "");
        fake_say(peer, &wire);
        wire_free(&wire);
        assert_true(wire_begins(&peer->received, "HTTP/1.1 400 "));
        if (!wire_says(peer, sentence) || !wire_says(peer, note)) fail_msg("%s", rows[i].query);
        assert_true(wire_says(peer, "serving\n")); /* the connection goes on */
        fake_eof(peer);
    }
    char target[1200] = "/topics?after=";
    for (unsigned i = 0; i < 256; i++) strcat(target, "%61");
    struct fake_peer *peer = fake_connect(hands, false);
    struct wire wire = {0};
    wire_request(&wire, "GET", target, "");
    fake_say(peer, &wire);
    wire_free(&wire);
    assert_true(wire_says(peer, "a name has at most 255 bytes"));
}

static void rates_are_those_of_all_loops_and_settle_at_what_is_published(void **state) {
    (void)state;
    struct fake_peer *here = fake_websocket(hands, "/topic/r?noecho"), *there = fake_websocket(&world.hands[1], "/topic/r?noecho");
    fake_websocket(hands, "/topic/%23");
    for (unsigned i = 0; i < 400; i++) { /* 10 a second and loop; of 5 bytes */
        struct wire wire = {0};
        wire_client_frame(&wire, WIRE_FIN, 1, "hello", 5, 0x12345678);
        fake_say(here, &wire);
        fake_say(there, &wire);
        wire_free(&wire);
        for (unsigned hand = 0; hand < 2; hand++) fake_pass(&world.hands[hand], FAKE_SECOND / 10);
        wire_clear(&here->received);
        wire_clear(&there->received);
    }
    get("/topics");
    double messages, bytes, deliveries, delivered_bytes;
    const char *row = strstr((const char *)text.at, "{\"name\":\"r\",\"subscribers\":2,\"messages\":800,");
    assert_non_null(row);
    assert_int_equal(sscanf(strstr(row, "per_second"), "per_second\":{\"messages\":%lf,\"bytes\":%lf,\"deliveries\":%lf,\"delivered_bytes\":%lf}", &messages,
                            &bytes, &deliveries, &delivered_bytes), 4);
    assert_true(messages > 19 && messages < 21);
    assert_true(bytes > 95 && bytes < 105);
    assert_true(deliveries > 38 && deliveries < 42); /* the other one, and the one with '#' */
    assert_true(delivered_bytes > 190 && delivered_bytes < 210);
    row = strstr((const char *)text.at, "{\"name\":\"#\",\"subscribers\":1,\"messages\":800,\"pattern\":true,");
    assert_non_null(row);
    assert_int_equal(sscanf(strstr(row, "per_second"), "per_second\":{\"messages\":%lf,\"bytes\":%lf}", &messages, &bytes), 2);
    assert_true(messages > 19 && messages < 21 && bytes > 95 && bytes < 105);
}

static void the_largest_are_found_among_more_than_are_looked_at_in_one_go(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    struct wye_subjects *subjects = &world.node.subjects;
    struct wye_subject **many = malloc(COUNT * sizeof many[0]);
    for (unsigned i = 0; i < COUNT; i++) {
        char name[32];
        struct wye_meter *meter;
        snprintf(name, sizeof name, "n%u", i);
        many[i] = wye_subject_hold(subjects, wye_span_of(name), wye_subject_hash(subjects, wye_span_of(name)),
                                   1, 0, &meter);
        many[i]->subscribers = i == 5 || i == 19995 ? 1000 + i : i == 1234 ? 500 : 1;
        wye_subject_set_loop(subjects, many[i], 1, true);
    }
    struct fake_peer *peer = subscribe();
    for (unsigned i = 0; i < 4; i++) {
        wire_clear(&peer->received);
        fake_pass(hands, FAKE_SECOND);
    }
    take_message(peer);
    assert_true(says("\"topics_total\":20001,"));
    assert_true(says("\"topics\":[{\"name\":\"n19995\",\"subscribers\":20995,"));
    const char *second = strstr((const char *)text.at, "{\"name\":\"n5\",\"subscribers\":1005,");
    assert_non_null(second);
    assert_non_null(strstr(second, "{\"name\":\"n1234\",\"subscribers\":500,"));
    many[5]->subscribers = 1; /* it is known at once that one shrinks, or goes */
    wye_subject_set_loop(subjects, many[19995], 1, false);
    wire_clear(&peer->received);
    fake_pass(hands, FAKE_SECOND);
    take_message(peer);
    assert_true(says("\"topics\":[{\"name\":\"n1234\",\"subscribers\":500,") && !says("n19995"));
    /* A page of what is far behind is bounded, too: it may be empty, and says where to go on. */
    get("/topics?match=%2b/x");
    assert_true(says("\"topics\":[],\"next\":\"/topics?limit=100&match=%2B/x&after=n"));
    for (unsigned i = 0; i < COUNT; i++) {
        wye_subject_set_loop(subjects, many[i], 1, false);
        wye_subject_release(subjects, many[i]);
    }
    free(many);
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
        TEST(who_joins_others_hears_with_them),
        TEST(it_stops_when_the_last_listener_has_gone),
        TEST(it_sums_over_all_loops_and_stays_on_its_own),
        TEST(topics_are_listed_by_name_with_the_subscribers_of_all_loops),
        TEST(a_page_says_where_the_next_one_is),
        TEST(a_query_that_it_cannot_have_is_refused_with_a_sentence),
        TEST(rates_are_those_of_all_loops_and_settle_at_what_is_published),
        TEST(the_largest_are_found_among_more_than_are_looked_at_in_one_go),
        TEST(names_of_any_bytes_make_valid_json_of_valid_utf_8),
        TEST(metrics_name_help_and_type_of_every_counter_and_a_row_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
