/* HTTP/1.1 connections: requests, answers, refusals, and how long they may take. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/http.h"
#include "tests/fake_hands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { STILL_OPEN = 1 };
#define TICK_NS (UINT64_C(1) << WYE_TICK_SHIFT)

static struct wire script, output;

static int clear(void **state) {
    (void)state;
    wire_free(&script);
    wire_free(&output);
    return 0;
}

/* Plays the script in one piece: how it ended. */
static int play(void) {
    wire_free(&output);
    return fake_output(&script, &output, NULL);
}

/* The `number`-th response, all of them being like GET's. */
static struct wire_response response_at(unsigned number) {
    struct wire_response response = wire_read_response(&output, 0, false);
    for (unsigned i = 1; i <= number && response.status; i++)
        response = wire_read_response(&output, response.end, false);
    return response;
}

/* The output consists of these answers, and is the same in every split; the last one closes or none does. */
static void assert_answers(const unsigned *statuses, unsigned count, bool closes) {
    int reason = play();
    for (unsigned i = 0; i < count; i++) {
        struct wire_response response = response_at(i);
        assert_int_equal(response.status, statuses[i]);
        assert_int_equal(response.close, closes && i + 1 == count);
    }
    assert_int_equal(response_at(count - 1).end, output.count);
    assert_int_equal(reason == STILL_OPEN, !closes);
    fake_script(&script, &output, reason, NULL);
}

static void assert_one_answer(unsigned status, bool closes) { assert_answers(&status, 1, closes); }

static bool says(const char *text) { return wire_find(&output, text, 0) != SIZE_MAX; }

/* ---- answers ---- */

static void requests_are_answered_in_order_on_one_connection(void **state) {
    (void)state;
    static const unsigned statuses[] = {200, 404, 405, 200, 200};
    wire_request(&script, "GET", "/healthz", "");
    wire_request(&script, "GET", "/nothing", "Accept: */*\r\n");
    wire_request(&script, "DELETE", "/healthz", "");
    wire_request(&script, "GET", "/chat.js", "");
    wire_request(&script, "GET", "/healthz?query",
                 "Upgrade: something/1\r\nConnection: upgrade\r\n"); /* ignored */
    assert_answers(statuses, 5, false);
    assert_true(says("\r\nAllow: GET, HEAD\r\n"));
    assert_true(says("serving\n"));
    assert_true(says("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
}

static void every_truncation_of_a_request_is_answered_with_nothing(void **state) {
    (void)state;
    wire_request(&script, "GET", "/healthz", "Connection: keep-alive\r\n");
    for (size_t whole = script.count; script.count > 1;) {
        script.count--;
        assert_int_equal(play(), STILL_OPEN);
        assert_int_equal(output.count, 0);
        assert_true(script.count < whole);
    }
}

static void head_is_get_without_the_body(void **state) {
    (void)state;
    static const char *const paths[] = {"/", "/page.css", "/healthz", "/nothing", "/metrics", "/topics"};
    for (unsigned i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct wire get = {0};
        wire_clear(&script);
        wire_request(&script, "GET", paths[i], "");
        assert_int_equal(play(), STILL_OPEN);
        struct wire_response whole = response_at(0);
        assert_true(whole.end > whole.body);
        wire_add(&get, output.at, whole.body);
        wire_clear(&script);
        wire_request(&script, "HEAD", paths[i], "");
        assert_int_equal(play(), STILL_OPEN);
        /* /metrics counts itself, so that its length may differ between two worlds; elsewhere the heads are
         * equal. */
        assert_true(i == 4 ? wire_read_response(&output, 0, true).end == output.count
                           : wire_equal(&output, &get));
        wire_free(&get);
    }
}

static void what_the_client_wants_closed_is_closed(void **state) {
    (void)state;
    wire_request(&script, "GET", "/healthz", "Connection: close\r\n");
    wire_request(&script, "GET", "/healthz", "");
    assert_one_answer(200, true);
    wire_clear(&script);
    wire_add_text(&script, "GET /healthz HTTP/1.0\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n");
    assert_one_answer(200, true);
}

static void a_body_is_discarded_and_the_next_request_is_answered(void **state) {
    (void)state;
    static const unsigned statuses[] = {200, 200};
    wire_request(&script, "GET", "/healthz", "Content-Length: 50\r\n");
    wire_add_text(&script, "GET /secret HTTP/1.1\r\nHost: localhost\r\nX: 890123\r\n");
    wire_request(&script, "GET", "/healthz", "");
    assert_answers(statuses, 2, false);
}

static void a_body_too_long_to_discard_or_of_unknown_length_ends_the_connection(void **state) {
    (void)state;
    wire_request(&script, "GET", "/healthz", "Content-Length: 1048577\r\n");
    wire_add(&script, wire_noise(1000, 1), 1000);
    assert_one_answer(200, true);
    wire_clear(&script);
    wire_request(&script, "GET", "/healthz", "Transfer-Encoding: chunked\r\n");
    wire_add_text(&script, "5\r\nhello\r\n0\r\n\r\n");
    wire_request(&script, "GET", "/healthz", "");
    assert_one_answer(200, true);
}

static void a_page_leaves_from_where_it_lies(void **state) {
    (void)state;
    struct fake_world world;
    fake_world_open(&world, 1, false, NULL);
    struct fake_peer *peer = fake_connect(world.hands, false);
    uint64_t copied = world.hands->hub.pool.copied_bytes;
    wire_request(&script, "GET", "/", "");
    fake_say(peer, &script);
    struct wire_response response = wire_read_response(&peer->received, 0, false);
    assert_int_equal(response.status, 200);
    assert_true(wire_find(&peer->received, "\r\nContent-Security-Policy: default-src 'none';", 0) <
                response.body);
    assert_int_equal(world.hands->hub.pool.copied_bytes - copied, response.body); /* the head alone */
    assert_int_equal(peer->sends, 1);
    fake_world_shut(&world);
}

/* ---- refusals ---- */

static void a_refused_upgrade_closes_and_what_is_glued_behind_is_never_answered(void **state) {
    (void)state;
    static const struct {
        const char *target, *fields;
        unsigned status;
        const char *words;
    } rows[] = {
        {"/echo", "", 426, "Upgrade"},
        {"/echo", "Upgrade: websocket\r\nConnection: keep-alive\r\n", 426, "keep-alive"},
        {"/echo", "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n", 400,
         "Sec-WebSocket-Key"},
        {"/nothing", "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n", 404,
         "/nothing"},
        {"/healthz", "Content-Length: x\r\n", 400, "Content-Length"},
        {"/nothing", "Content-Length: 3\r\n", 404, "/nothing"},
        {"/stream", "Upgrade: websocket\r\nConnection: upgrade\r\n", 426, "wye-echo"},
        {"/topic/a%2Fb", "Upgrade: websocket\r\nConnection: upgrade\r\n", 400, "%2F"},
        {"/topic/a%2", "", 400, "hexadecimal"},
        {"/topic/a//b", "", 400, "empty level"},
        {"/topic/", "Upgrade: websocket\r\nConnection: upgrade\r\n", 404, "/topic/"},
        {"/topic/%23/x", "", 400, "last one"},
        {"/topic/a?also=b//c", "", 400, "empty level"},
        {"/topic/a?also=b&also", "", 400, "empty"},
        {"/chat?also=%zz", "", 400, "hexadecimal"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wire_clear(&script);
        wire_request(&script, "GET", "/healthz", ""); /* before it all is well */
        wire_request(&script, "GET", rows[i].target, rows[i].fields);
        wire_request(&script, "GET", "/healthz", "");
        const unsigned statuses[] = {200, rows[i].status};
        assert_answers(statuses, 2, true);
        assert_true(says(rows[i].words));
    }
}

static void broken_heads_are_refused_and_close(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        unsigned status;
    } rows[] = {
        {"\x16\x03\x01\x02", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: a\n\n", 400},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wire_clear(&script);
        wire_add_text(&script, rows[i].bytes);
        wire_request(&script, "GET", "/healthz", "");
        int reason = play();
        assert_int_equal(response_at(0).status, rows[i].status);
        assert_int_equal(response_at(0).end, output.count);
        assert_int_equal(reason, -(int)rows[i].status);
    }
}

static void a_head_or_a_target_without_end_is_refused(void **state) {
    (void)state;
    wire_add_text(&script, "GET /");
    for (unsigned i = 0; i < 9000; i++) wire_add_text(&script, "x");
    assert_int_equal(play(), -414);
    wire_clear(&script);
    wire_add_text(&script, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (unsigned i = 0; i < 2000; i++) wire_add_text(&script, "Cookie: y\r\n");
    assert_int_equal(play(), -431);
}

static void problem_details_are_given_to_those_who_ask_for_them(void **state) {
    (void)state;
    wire_request(&script, "GET", "/nothing", "Accept: application/problem+json\r\n");
    assert_one_answer(404, false);
    assert_true(says("\r\nContent-Type: application/problem+json\r\n"));
    assert_true(says("\r\nVary: Accept\r\n"));
    assert_true(says("{\"type\":\"urn:wye:rule:path\""));
}

static void a_host_that_is_not_ours_is_misdirected_when_hosts_are_checked(void **state) {
    (void)state;
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.policy.host_is_checked = true;
    wire_add_text(&script, "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_int_equal(fake_output(&script, &output, &settings), STILL_OPEN);
    assert_int_equal(response_at(0).status, 421);
}

static void refusals_are_counted_by_rule(void **state) {
    (void)state;
    struct fake_world world;
    fake_world_open(&world, 1, false, NULL);
    struct fake_peer *peer = fake_connect(world.hands, false);
    wire_request(&script, "GET", "/nothing", "");
    wire_request(&script, "PUT", "/healthz", "");
    wire_request(&script, "GET", "/echo", "");
    fake_say(peer, &script);
    struct wye_counters *counters = &world.hands->hub.counters;
    assert_int_equal(wye_counted(&counters->requests), 3);
    assert_int_equal(wye_counted(&counters->refusals), 3);
    assert_int_equal(wye_counted(&counters->refusals_by_rule[WYE_RULE_PATH]), 1);
    assert_int_equal(wye_counted(&counters->refusals_by_rule[WYE_RULE_METHOD]), 1);
    assert_int_equal(wye_counted(&counters->refusals_by_rule[WYE_RULE_CONNECTION_UPGRADE]), 1);
    fake_world_shut(&world);
}

/* ---- time ---- */

static struct fake_world timed;
static struct fake_peer *client;

static int open_timed(void **state) {
    (void)state;
    fake_world_open(&timed, 1, false, NULL);
    client = fake_connect(timed.hands, false);
    fake_settle(timed.hands);
    return 0;
}

static int shut_timed(void **state) {
    fake_world_shut(&timed);
    return clear(state);
}

static unsigned status_now(void) { return wire_read_response(&client->received, 0, false).status; }

static void a_head_that_drips_in_is_refused_when_its_time_is_over(void **state) {
    (void)state;
    wire_request(&script, "GET", "/healthz", "X-Long: 0123456789\r\n");
    for (unsigned i = 0; i < 9; i++) {
        fake_feed(client, script.at + i, 1);
        fake_pass(timed.hands, FAKE_SECOND);
    }
    assert_int_equal(client->received.count, 0);
    fake_feed(client, script.at + 9, 1);
    fake_pass(timed.hands, FAKE_SECOND + 3 * TICK_NS);
    assert_int_equal(status_now(), 408);
    assert_int_equal(client->conn->phase, WYE_CONN_LINGERING);
    fake_eof(client);
    fake_settle(timed.hands);
    assert_int_equal(client->reason, -408);
}

static void a_connection_that_says_nothing_is_let_go_without_a_word(void **state) {
    (void)state;
    fake_pass(timed.hands, 10 * FAKE_SECOND - TICK_NS);
    assert_non_null(client->conn);
    fake_pass(timed.hands, 4 * TICK_NS);
    assert_null(client->conn);
    assert_int_equal(client->received.count, 0);
    assert_int_equal(client->reason, -408);
}

static void a_kept_alive_connection_waits_a_minute_for_the_next_head_and_then_its_time_for_it(void **state) {
    (void)state;
    wire_request(&script, "GET", "/healthz", "");
    fake_say(client, &script);
    wire_clear(&client->received);
    fake_pass(timed.hands, 59 * FAKE_SECOND);
    assert_non_null(client->conn);
    fake_feed(client, "GET", 3);
    fake_pass(timed.hands, 9 * FAKE_SECOND);
    assert_int_equal(client->received.count, 0);
    fake_feed(client, script.at + 3, script.count - 3);
    fake_settle(timed.hands);
    assert_int_equal(status_now(), 200);
    fake_pass(timed.hands, 60 * FAKE_SECOND + 4 * TICK_NS);
    assert_null(client->conn);
    assert_int_equal(client->reason, 0);
}

static void a_head_that_begins_right_behind_a_request_has_its_own_time(void **state) {
    (void)state;
    wire_request(&script, "GET", "/healthz", "");
    fake_pass(timed.hands, 9 * FAKE_SECOND);
    wire_add_text(&script, "GET /");
    fake_say(client, &script);
    wire_clear(&client->received);
    fake_pass(timed.hands, 9 * FAKE_SECOND);
    assert_int_equal(client->received.count, 0);
    fake_pass(timed.hands, FAKE_SECOND + 4 * TICK_NS);
    assert_int_equal(status_now(), 408);
}

static void a_loop_that_slept_long_still_gives_a_new_connection_its_time(void **state) {
    (void)state;
    fake_eof(client);
    fake_settle(timed.hands);
    fake_sleep(timed.hands, 3600 * FAKE_SECOND);
    client = fake_connect(timed.hands, false);
    fake_settle(timed.hands);
    wire_request(&script, "GET", "/healthz", "");
    fake_say(client, &script);
    assert_int_equal(status_now(), 200);
}

/* ---- draining, and peers that only write ---- */

static void while_draining_answers_say_so_and_close(void **state) {
    (void)state;
    struct fake_peer *idle = fake_connect(timed.hands, false);
    wire_request(&script, "GET", "/healthz", "");
    fake_say(idle, &script);
    timed.node.draining = true;
    fake_settle(timed.hands);
    assert_null(idle->conn); /* kept alive, nothing under way: let go */
    assert_int_equal(idle->reason, 0);
    assert_non_null(client->conn); /* opened ahead: its request is answered */
    fake_say(client, &script);
    struct wire_response response = wire_read_response(&client->received, 0, false);
    assert_int_equal(response.status, 503);
    assert_true(response.close);
    assert_true(wire_find(&client->received, "draining\n", 0) != SIZE_MAX);
}

static void a_head_under_way_when_draining_begins_is_answered(void **state) {
    (void)state;
    wire_request(&script, "GET", "/page.css", "");
    fake_say(client, &script);
    wire_clear(&client->received);
    fake_feed(client, script.at, 10);
    timed.node.draining = true;
    fake_settle(timed.hands);
    fake_feed(client, script.at + 10, script.count - 10);
    fake_settle(timed.hands);
    struct wire_response response = wire_read_response(&client->received, 0, false);
    assert_int_equal(response.status, 200);
    assert_true(response.close);
}

static void a_client_that_has_said_all_gets_its_answers_and_an_end(void **state) {
    (void)state;
    for (unsigned unfinished = 0; unfinished < 2; unfinished++) {
        client = fake_connect(timed.hands, false);
        wire_clear(&script);
        wire_request(&script, "GET", "/healthz", "");
        wire_request(&script, "GET", "/", "");
        if (unfinished) wire_add_text(&script, "GET /half HT");
        timed.hands->send_max = 100;
        fake_feed(client, script.at, script.count);
        fake_eof(client);
        fake_settle(timed.hands);
        struct wire_response first = wire_read_response(&client->received, 0, false);
        assert_int_equal(first.status, 200);
        assert_int_equal(wire_read_response(&client->received, first.end, false).end, client->received.count);
        assert_null(client->conn);
        assert_int_equal(client->reason, 0);
    }
}

static void a_client_that_takes_nothing_of_what_it_asked_for_is_let_go_in_time(void **state) {
    (void)state;
    timed.node.edition->settings.outbox_bytes = 100000;
    client->window = 0;
    for (unsigned i = 0; i < 20; i++) wire_request(&script, "GET", "/metrics", "");
    for (unsigned i = 0; i < 50 && wye_conn_wants_input(client->conn); i++) fake_say(client, &script);
    assert_false(wye_conn_wants_input(client->conn));
    fake_pass(timed.hands, 50 * FAKE_SECOND);
    assert_non_null(client->conn);
    client->window = 1000; /* it takes some of it: it lives */
    fake_pass(timed.hands, 50 * FAKE_SECOND);
    assert_non_null(client->conn);
    assert_int_equal(client->window, 0);
    fake_pass(timed.hands, 80 * FAKE_SECOND);
    assert_null(client->conn);
    assert_int_equal(client->reason, -ETIMEDOUT);
}

static void a_client_that_never_reads_is_not_read_for_ever(void **state) {
    (void)state;
    size_t limit = timed.node.edition->settings.outbox_bytes = 100000;
    client->window = 0;
    for (unsigned i = 0; i < 20; i++) wire_request(&script, "GET", "/metrics", "");
    for (unsigned i = 0; i < 50 && wye_conn_wants_input(client->conn); i++) fake_say(client, &script);
    assert_false(wye_conn_wants_input(client->conn));
    assert_true(client->conn->outbox.bytes < limit);
    client->window = SIZE_MAX;
    fake_settle(timed.hands); /* and all of them are answered */
    unsigned answers = 0;
    for (size_t at = 0; at < client->received.count; answers++) {
        struct wire_response response = wire_read_response(&client->received, at, false);
        assert_int_equal(response.status, 200);
        at = response.end;
    }
    assert_int_equal(answers % 20, 0);
    assert_int_equal(answers, wye_counted(&timed.hands->hub.counters.requests));
}

#define TEST(name)  cmocka_unit_test_teardown(name, clear)
#define TIMED(name) cmocka_unit_test_setup_teardown(name, open_timed, shut_timed)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(requests_are_answered_in_order_on_one_connection),
        TEST(every_truncation_of_a_request_is_answered_with_nothing),
        TEST(head_is_get_without_the_body),
        TEST(what_the_client_wants_closed_is_closed),
        TEST(a_body_is_discarded_and_the_next_request_is_answered),
        TEST(a_body_too_long_to_discard_or_of_unknown_length_ends_the_connection),
        TEST(a_page_leaves_from_where_it_lies),
        TEST(a_refused_upgrade_closes_and_what_is_glued_behind_is_never_answered),
        TEST(broken_heads_are_refused_and_close),
        TEST(a_head_or_a_target_without_end_is_refused),
        TEST(problem_details_are_given_to_those_who_ask_for_them),
        TEST(a_host_that_is_not_ours_is_misdirected_when_hosts_are_checked),
        TEST(refusals_are_counted_by_rule),
        TIMED(a_head_that_drips_in_is_refused_when_its_time_is_over),
        TIMED(a_connection_that_says_nothing_is_let_go_without_a_word),
        TIMED(a_kept_alive_connection_waits_a_minute_for_the_next_head_and_then_its_time_for_it),
        TIMED(a_head_that_begins_right_behind_a_request_has_its_own_time),
        TIMED(a_loop_that_slept_long_still_gives_a_new_connection_its_time),
        TIMED(while_draining_answers_say_so_and_close),
        TIMED(a_head_under_way_when_draining_begins_is_answered),
        TIMED(a_client_that_has_said_all_gets_its_answers_and_an_end),
        TIMED(a_client_that_takes_nothing_of_what_it_asked_for_is_let_go_in_time),
        TIMED(a_client_that_never_reads_is_not_read_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
