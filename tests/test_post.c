/* HTTP publish: the body reaches everybody as it is, and the answers say how many, in the requests' order. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/topic.h"
#include "tests/fake_publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIMIT = 20000 };

#define FRIEND          "Origin: https://friend.example\r\n" /* who may publish from a page */
#define FRIEND_MAY_READ "Access-Control-Allow-Origin: https://friend.example\r\nVary: Origin\r\n"

static struct fake_world world;
static struct fake_hands *hands;

static void open_hubs(unsigned count) {
    static const char *const origins[] = {"https://friend.example"};
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.outbox_bytes = LIMIT;
    settings.policy.origins = (const char **)(uintptr_t)origins;
    settings.policy.origin_count = 1;
    fake_world_open(&world, count, true, &settings);
    hands = world.hands;
}

static int open_one(void **state) {
    (void)state;
    open_hubs(1);
    return 0;
}

static int open_two(void **state) {
    (void)state;
    open_hubs(2);
    return 0;
}

/* Two, of which each lets a connection say 400 bytes. */
static void open_metered(enum wye_on_rate on_rate) {
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.byte_rate = (struct wye_rate){.tokens = 1, .burst = 400, .period_ns = FAKE_SECOND};
    settings.on_rate = on_rate;
    fake_world_open(&world, 2, true, &settings);
    hands = world.hands;
}

static int open_two_that_close(void **state) {
    (void)state;
    open_metered(WYE_ON_RATE_CLOSE);
    return 0;
}

static int open_two_that_pause(void **state) {
    (void)state;
    open_metered(WYE_ON_RATE_PAUSE);
    return 0;
}

static int shut_world(void **state) {
    (void)state;
    fake_world_shut(&world);
    return 0;
}

/* A request with a body; fields are whole lines. */
static void post(struct wire *wire, const char *target, const char *fields, const char *body) {
    char head[1024];
    int count = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n", target, fields, strlen(body));
    wire_add(wire, head, (size_t)count);
    wire_add(wire, body, strlen(body));
}

static bool says(struct fake_peer *peer, const char *words) { return wire_find(&peer->received, words, 0) != SIZE_MAX; }

static unsigned count_of(struct fake_peer *peer, const char *words) {
    unsigned count = 0;
    for (size_t at = 0; (at = wire_find(&peer->received, words, at)) != SIZE_MAX; at++) count++;
    return count;
}

static void every_subscriber_gets_the_body_and_the_answer_counts_them(void **state) {
    (void)state;
    struct fake_peer *one = fake_websocket(hands, "/topic/t"), *two = fake_websocket(hands, "/topic/%23"), *both = fake_websocket(hands, "/topic/t?also=+"),
                     *other = fake_websocket(hands, "/topic/x/y"), *client = fake_connect(hands, false);
    struct wire wire = {0};
    post(&wire, "/topic/t", "Content-Type: text/plain\r\n", "hello");
    fake_say(client, &wire);
    assert_true(says(client, "HTTP/1.1 200 OK\r\n") && says(client, "\r\n\r\n{\"receivers\":3}\n"));
    assert_got(one, "hello");
    assert_got(two, "hello");
    assert_got(both, "hello");
    assert_got(other, "");
    wire_clear(&wire);
    wire_clear(&client->received);
    post(&wire, "/topic/nobody", "", "hello");
    post(&wire, "/chat", "", "");
    fake_say(client, &wire);
    assert_int_equal(count_of(client, "{\"receivers\":2}"), 2); /* by '#' and '+' */
    wire_free(&wire);
}

static void a_body_may_come_in_any_pieces_and_chunked(void **state) {
    (void)state;
    struct fake_peer *to = fake_websocket(hands, "/topic/t");
    struct wire wire = {0}, expected = {0};
    wire_server_frame(&expected, TEXT, "hello, world", 12);
    post(&wire, "/topic/t", "Content-Type: text/plain; charset=UTF-8\r\n", "hello, world");
    static const char chunked[] = "POST /topic/t HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "5\r\nhello\r\n7;x\r\n, world\r\n0\r\nA: b\r\n\r\n";
    for (unsigned way = 0; way < 2; way++) {
        for (size_t step = 1; step <= wire.count; step++) {
            struct fake_peer *client = step % 8 == 1 ? fake_connect(hands, false) : &hands->peers[hands->peer_count - 1];
            for (size_t at = 0; at < wire.count; at += step) {
                fake_feed(client, wire.at + at, wire.count - at < step ? wire.count - at : step);
                if (step % 3) fake_turn(hands);
            }
            fake_settle(hands);
            assert_true(says(client, "{\"receivers\":1}\n"));
            assert_true(wire_equal(&to->received, &expected));
            wire_clear(&client->received);
            wire_clear(&to->received);
            if (step % 8 == 0) {
                fake_eof(client);
                fake_settle(hands);
            }
            if (hands->peer_count > FAKE_CONNS - 4) break;
        }
        wire_clear(&wire);
        wire_add(&wire, chunked, sizeof chunked - 1);
    }
    wire_free(&wire);
    wire_free(&expected);
}

static void the_media_type_says_what_it_is(void **state) {
    (void)state;
    static const struct {
        const char *type, *body;
        int opcode, status;
    } rows[] = {
        {"text/plain", "a", TEXT, 200}, {"TEXT/Html; charset=\"utf-8\"", "a", TEXT, 200}, {"application/json", "{}", TEXT, 200},
        {"application/problem+json", "{}", TEXT, 200}, {"application/x-www-form-urlencoded", "a=b", TEXT, 200},
        {"application/octet-stream", "a", BINARY, 200}, {"image/png", "a", BINARY, 200}, {NULL, "text", TEXT, 200}, {NULL, "\xff\xfe", BINARY, 200},
        {"text/plain", "\xff\xfe", 0, 400}, {"text/plain; charset=latin1", "a", 0, 415}, {"multipart/form-data; boundary=x", "a", 0, 415},
    };
    struct fake_peer *to = fake_websocket(hands, "/topic/t");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wire wire = {0}, expected = {0};
        char fields[128] = "", status[32];
        struct fake_peer *client = fake_connect(hands, false);
        if (rows[i].type) snprintf(fields, sizeof fields, "Content-Type: %s\r\n", rows[i].type);
        post(&wire, "/topic/t", fields, rows[i].body);
        fake_say(client, &wire);
        snprintf(status, sizeof status, "HTTP/1.1 %d ", rows[i].status);
        if (!says(client, status)) fail_msg("%s: not %d", rows[i].type ? rows[i].type : "no type", rows[i].status);
        if (rows[i].opcode) wire_server_frame(&expected, rows[i].opcode, rows[i].body, strlen(rows[i].body));
        assert_true(wire_equal(&to->received, &expected));
        wire_clear(&to->received);
        wire_free(&wire);
        wire_free(&expected);
    }
}

static void what_cannot_be_published_is_refused_by_its_rule(void **state) {
    (void)state;
    static const struct {
        const char *request;
        const char *words[2];
    } rows[] = {
        {"POST /topic/t HTTP/1.1\r\nHost: localhost\r\n\r\n", {" 411 ", "Content-Length"}},
        {"POST /topic/$wye/stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na", {" 403 ", "Nobody publishes to '/topic/$wye/stats'"}},
        {"POST /topic/a/+ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na", {" 400 ", "Nobody publishes to '/topic/a/+'"}},
        {"POST /topic/a//b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na", {" 400 ", "empty level"}},
        {"POST /topic/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 19864\r\n\r\n", {" 413 ", "19864"}},
        {"POST /topic/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX", {" 400 ", "chunked coding"}},
        {"POST /topic/t HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nContent-Length: 1\r\n\r\na", {" 403 ", "evil.example"}},
        {"POST /topic/t HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\nContent-Length: 1\r\n\r\na", {" 403 ", "null"}},
        {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na", {" 405 ", "Allow: GET"}},
        {"PUT /topic/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na", {" 405 ", "Allow: GET, POST"}},
        {"OPTIONS /topic/t HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n", {" 403 ", "evil.example"}},
    };
    struct fake_peer *to = fake_websocket(hands, "/topic/%23");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_peer *client = fake_connect(hands, false);
        fake_feed(client, rows[i].request, strlen(rows[i].request));
        static const char more[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        fake_feed(client, more, sizeof more - 1); /* never answered */
        fake_settle(hands);
        for (unsigned j = 0; j < 2; j++)
            if (!says(client, rows[i].words[j])) fail_msg("row %zu: '%s' is missing", i, rows[i].words[j]);
        if (strncmp(rows[i].request, "OPTIONS", 7) != 0) assert_int_equal(count_of(client, "HTTP/1.1 "), 1);
        fake_eof(client);
        fake_settle(hands);
    }
    assert_int_equal(to->received.count, 0);
}

static void a_page_of_an_allowed_origin_may_publish_and_read_the_answer(void **state) {
    (void)state;
    struct fake_peer *client = fake_connect(hands, false);
    struct wire wire = {0};
    static const char preflight[] = "OPTIONS /topic/t HTTP/1.1\r\nHost: localhost\r\nOrigin: https://friend.example\r\n"
                                    "Access-Control-Request-Method: POST\r\n\r\n";
    fake_feed(client, preflight, sizeof preflight - 1);
    fake_settle(hands);
    assert_true(says(client, "HTTP/1.1 204 ") && says(client, "Access-Control-Allow-Methods: POST\r\n"));
    assert_true(says(client, FRIEND_MAY_READ));
    wire_clear(&client->received);
    post(&wire, "/topic/t", FRIEND, "hello");
    fake_say(client, &wire);
    assert_true(says(client, FRIEND_MAY_READ) && says(client, "{\"receivers\":0}"));
    wire_free(&wire);
}

static void a_page_of_an_allowed_origin_may_read_why_it_is_refused_and_no_other(void **state) {
    (void)state;
    static const struct {
        const char *request, *status;
        bool readable;
    } rows[] = {
        {"POST /topic/a//b HTTP/1.1\r\nHost: localhost\r\n" FRIEND "Content-Length: 1\r\n\r\na", "400", true},
        {"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n" FRIEND "Content-Length: 1\r\n\r\na", "404", true},
        {"POST /topic/t HTTP/1.1\r\nHost: localhost\r\n" FRIEND "\r\n", "411", true},
        {"POST /topic/t HTTP/1.1\r\nHost: localhost\r\n" FRIEND "Content-Length: 99999\r\n\r\n", "413", true},
        {"POST /topic/t HTTP/1.1\r\nHost: localhost\r\n" FRIEND "Transfer-Encoding: chunked\r\n\r\nx", "400",
         true},
        {"POST /topic/t HTTP/1.1\r\nHost: localhost\r\n" FRIEND
         "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\n\xff",
         "400", true},
        {"POST /topic/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n", "413", false},
        {"POST /topic/t HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nContent-Length: "
         "99999\r\n\r\n",
         "403", false},
        {"POST /topic/a//b HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nContent-Length: "
         "1\r\n\r\na",
         "400", false},
        {"POST /topic/a//b HTTP/1.1\r\nHost: localhost\r\n" FRIEND FRIEND "Content-Length: 1\r\n\r\na", "400",
         false},
        {"GET /topic/t HTTP/1.1\r\nHost: localhost\r\n" FRIEND "\r\n", "426", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_peer *client = fake_connect(hands, false);
        char status[32];
        snprintf(status, sizeof status, "HTTP/1.1 %s ", rows[i].status);
        fake_feed(client, rows[i].request, strlen(rows[i].request));
        fake_settle(hands);
        if (!says(client, status) || count_of(client, FRIEND_MAY_READ) != rows[i].readable)
            fail_msg("row %zu: %.*s", i, (int)client->received.count, (char *)client->received.at);
        assert_int_equal(count_of(client, "Access-Control-Allow-Origin"), rows[i].readable);
        fake_eof(client);
        fake_settle(hands);
    }
    struct fake_peer *slow = fake_connect(hands, false);
    struct wire wire = {0};
    post(&wire, "/topic/t", FRIEND, "hello");
    wire.count -= 3; /* which never come */
    fake_say(slow, &wire);
    fake_pass(hands, 11 * FAKE_SECOND);
    assert_true(says(slow, "HTTP/1.1 408 ") && says(slow, FRIEND_MAY_READ));
    wire_free(&wire);
}

static void pipelined_answers_keep_the_order_of_their_requests(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *far = fake_websocket(other, "/topic/far"), *client = fake_connect(hands, false);
    fake_websocket(hands, "/topic/near");
    fake_websocket(hands, "/topic/near");
    struct wire wire = {0};
    post(&wire, "/topic/far", "", "one"); /* waits for the other loop */
    post(&wire, "/topic/near", "", "two");
    wire_request(&wire, "GET", "/healthz", "");
    post(&wire, "/topic/far", "Connection: close\r\n", "three");
    wire_request(&wire, "GET", "/healthz", "");
    assert_true(wye_mailbox_may_sleep(&other->hub.mailbox));
    fake_say(client, &wire);
    assert_int_equal(client->received.count, 0);
    assert_int_equal(hands->woken, 2);
    assert_true(wye_mailbox_may_sleep(&hands->hub.mailbox));
    fake_settle(other);
    assert_int_equal(other->woken, 1);
    fake_settle(hands);
    assert_true(says(client, "{\"receivers\":1}"));
    fake_settle(other);
    fake_settle(hands);
    size_t first = wire_find(&client->received, "{\"receivers\":1}", 0), second = wire_find(&client->received, "{\"receivers\":2}", 0),
           third = wire_find(&client->received, "serving", 0), fourth = wire_find(&client->received, "{\"receivers\":1}", first + 1);
    assert_true(first < second && second < third && third < fourth && fourth != SIZE_MAX);
    assert_int_equal(count_of(client, "serving"), 1); /* nothing behind the last request */
    assert_got(far, "one three");
    wire_free(&wire);
}

static void a_refused_body_is_answered_in_its_turn_and_says_why(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *far = fake_websocket(other, "/topic/far"), *client = fake_connect(hands, false);
    static const char broken[] =
        "POST /topic/far HTTP/1.1\r\nHost: localhost\r\nAccept: application/problem+json\r\n" FRIEND
        "Transfer-Encoding: chunked\r\n\r\n5\nhello";
    struct wire wire = {0};
    post(&wire, "/topic/far", "", "one"); /* waits for the other loop */
    wire_add(&wire, broken, sizeof broken - 1);
    post(&wire, "/topic/far", "", "two");
    fake_say(client, &wire);
    assert_int_equal(client->received.count, 0);
    fake_settle(other);
    fake_settle(hands);
    assert_true(wire_find(&client->received, "{\"receivers\":1}", 0) <
                wire_find(&client->received, "HTTP/1.1 400 ", 0));
    assert_true(says(client, "Content-Type: application/problem+json\r\n") &&
                says(client, "There is a bare LF"));
    assert_int_equal(count_of(client, FRIEND_MAY_READ), 1);
    assert_int_equal(count_of(client, "HTTP/1.1 "), 2);
    assert_got(far, "one");
    wire_free(&wire);
}

static void who_says_too_much_is_told_so_behind_his_other_answers(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *far = fake_websocket(other, "/topic/far"), *client = fake_connect(hands, false);
    struct wire wire = {0};
    post(&wire, "/topic/far", "", "one");
    fake_say(client, &wire); /* waits for the other loop */
    wire_clear(&wire);
    static char body[301];
    memset(body, 'a', 300);
    post(&wire, "/topic/far", "", body);
    fake_feed(client, wire.at, wire.count - 290);
    fake_turn(hands);
    fake_feed(client, wire.at + wire.count - 290, 289);
    fake_settle(hands);
    assert_int_equal(client->received.count, 0);
    fake_settle(other);
    fake_settle(hands);
    assert_true(wire_find(&client->received, "{\"receivers\":1}", 0) < wire_find(&client->received, "HTTP/1.1 429 ", 0));
    assert_true(says(client, "message-rate"));
    assert_int_equal(count_of(client, "HTTP/1.1 "), 2);
    assert_got(far, "one");
    wire_free(&wire);
}

static void a_body_that_is_not_read_has_not_stopped_coming(void **state) {
    (void)state;
    struct fake_peer *client = fake_connect(hands, false);
    static char body[501];
    memset(body, 'a', 500);
    struct wire wire = {0};
    post(&wire, "/topic/t", "", body);
    fake_feed(client, wire.at, 415); /* 15 on credit: a second each */
    fake_pass(hands, 11 * FAKE_SECOND);
    assert_int_equal(client->received.count, 0);
    fake_pass(hands, 6 * FAKE_SECOND); /* it is read again, and nothing comes */
    assert_int_equal(client->received.count, 0);
    fake_pass(hands, 6 * FAKE_SECOND);
    assert_true(says(client, "HTTP/1.1 408 ") && says(client, "The rest of the body"));
    wire_free(&wire);
}

static void a_client_that_goes_before_its_answer_leaves_nothing_behind(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *far = fake_websocket(other, "/topic/t"), *client = fake_connect(hands, false), *half = fake_connect(hands, false),
                     *cut = fake_connect(hands, false);
    struct wire wire = {0};
    post(&wire, "/topic/t", "", "one");
    fake_say(client, &wire);
    wye_conn_close(client->conn, -ECONNRESET);
    fake_settle(hands);
    fake_say(half, &wire);
    fake_eof(half); /* has said all, and still wants the answer */
    fake_settle(hands);
    wire.count -= 1; /* the body never becomes whole */
    fake_say(cut, &wire);
    fake_eof(cut);
    fake_settle(hands);
    assert_null(cut->conn);
    fake_settle(other);
    fake_settle(hands);
    assert_got(far, "one one");
    assert_true(says(half, "{\"receivers\":1}"));
    assert_null(half->conn);
    wire_free(&wire);
}

static void a_body_that_stops_coming_is_408(void **state) {
    (void)state;
    struct fake_peer *client = fake_connect(hands, false);
    struct wire wire = {0};
    post(&wire, "/topic/t", "Expect: 100-continue\r\n", "hello");
    wire.count -= 5;
    fake_say(client, &wire);
    assert_true(says(client, "HTTP/1.1 100 Continue\r\n\r\n"));
    fake_pass(hands, 11 * FAKE_SECOND);
    assert_true(says(client, "HTTP/1.1 408 ") && says(client, "The rest of the body"));
    wire_free(&wire);
}

static void slow_subscribers_that_miss_it_are_not_counted(void **state) {
    (void)state;
    struct fake_peer *slow = fake_websocket(hands, "/topic/t"), *client = fake_connect(hands, false);
    fake_websocket(hands, "/topic/t");
    static char body[9001];
    memset(body, 'a', 9000);
    struct wire wire = {0};
    slow->window = 0;
    for (unsigned i = 0; i < 3; i++) post(&wire, "/topic/t", "", body);
    fake_say(client, &wire);
    assert_int_equal(count_of(client, "{\"receivers\":2}"), 2);
    assert_int_equal(count_of(client, "{\"receivers\":1}"), 1); /* the slow one is being closed */
    wire_free(&wire);
}

static void nothing_behind_a_last_request_is_read_whatever_is_answered_meanwhile(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *near = fake_websocket(hands, "/topic/near"), *client = fake_connect(hands, false);
    fake_websocket(other, "/topic/far");
    struct wire wire = {0};
    post(&wire, "/topic/near", "", "one");
    post(&wire, "/topic/far", "Connection: close\r\n", "two"); /* the other loop has not turned yet */
    fake_say(client, &wire);
    wire_clear(&wire);
    post(&wire, "/topic/near", "", "three");
    fake_say(client, &wire);
    fake_settle(other);
    fake_settle(hands);
    assert_got(near, "one");
    assert_int_equal(count_of(client, "HTTP/1.1 200"), 2);
    wire_free(&wire);
}

static void a_node_that_drains_still_answers_all_that_was_published(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *client = fake_connect(hands, false);
    fake_websocket(other, "/topic/far");
    struct wire wire = {0};
    post(&wire, "/topic/far", "", "one");
    post(&wire, "/topic/far", "", "two");
    fake_say(client, &wire);
    atomic_store(&world.node.draining, true);
    fake_settle(hands);
    fake_say(client, &wire); /* too late: not taken on */
    fake_settle(other);
    fake_settle(hands);
    assert_int_equal(count_of(client, "{\"receivers\":1}"), 2);
    assert_int_equal(count_of(client, "Connection: close"), 1);
    wire_free(&wire);
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, open_one, shut_world)
#define TWO(name) cmocka_unit_test_setup_teardown(name, open_two, shut_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        ONE(every_subscriber_gets_the_body_and_the_answer_counts_them),
        ONE(a_body_may_come_in_any_pieces_and_chunked),
        ONE(the_media_type_says_what_it_is),
        ONE(what_cannot_be_published_is_refused_by_its_rule),
        ONE(a_page_of_an_allowed_origin_may_publish_and_read_the_answer),
        ONE(a_page_of_an_allowed_origin_may_read_why_it_is_refused_and_no_other),
        TWO(pipelined_answers_keep_the_order_of_their_requests),
        TWO(a_refused_body_is_answered_in_its_turn_and_says_why),
        cmocka_unit_test_setup_teardown(who_says_too_much_is_told_so_behind_his_other_answers, open_two_that_close, shut_world),
        cmocka_unit_test_setup_teardown(a_body_that_is_not_read_has_not_stopped_coming, open_two_that_pause, shut_world),
        TWO(a_client_that_goes_before_its_answer_leaves_nothing_behind),
        ONE(a_body_that_stops_coming_is_408),
        TWO(nothing_behind_a_last_request_is_read_whatever_is_answered_meanwhile),
        TWO(a_node_that_drains_still_answers_all_that_was_published),
        ONE(slow_subscribers_that_miss_it_are_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
