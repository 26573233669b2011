/* Who may: what tokens let through, where they are looked for, and how long what they opened lasts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/token.h"
#include "tests/fake_publish.h"

#include <stdio.h>
#include <stdlib.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define EXPIRED "HTTP/1.1 401 "
enum { NOW = FAKE_UNIX_S };

static struct fake_world world;
static struct fake_hands *hands;

static struct wye_token_keys *keys_of(const char *secret) {
    struct wye_token_key_notes notes;
    struct wye_token_keys *keys = wye_token_keys_open(NULL);
    assert_null(wye_token_keys_add(keys, wye_span_of(secret), NULL, &notes));
    return keys;
}

static int open_world(void **state) {
    (void)state;
    static const char *const origins[] = {"https://friend.example"};
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.policy.origins = (const char **)(uintptr_t)origins;
    settings.policy.origin_count = 1;
    fake_world_open(&world, 1, true, &settings);
    hands = world.hands;
    hands->wall_runs = true;
    wye_node_use_keys(&world.node, keys_of(SECRET));
    return 0;
}

static int shut_world(void **state) {
    (void)state;
    fake_world_shut(&world);
    return 0;
}

/* A token by which one name or pattern each ("": none) may be published and subscribed to. The text is good until the next call but seven. */
static const char *token(const char *publish, const char *subscribe, int64_t expires_s) {
    static char texts[8][WYE_TOKEN_MAX + 1];
    static unsigned next;
    struct wye_token_keys *keys = keys_of(SECRET);
    const struct wye_token_claims claims = {
        .lists = {&publish, &subscribe}, .counts = {*publish != 0, *subscribe != 0}, .issued_s = NOW, .expires_s = expires_s};
    char *text, *to = texts[next++ % 8];
    assert_null(wye_token_make(&text, wye_token_keys_signing(keys), &claims));
    strcpy(to, text);
    free(text);
    wye_token_keys_release(keys);
    return to;
}

static bool says(struct fake_peer *peer, const char *words) { return wire_find(&peer->received, words, 0) != SIZE_MAX; }

/* Sends a request over a new connection; the status of its answer. */
static unsigned ask(const char *method, const char *target, const char *fields, struct fake_peer **peer) {
    struct wire wire = {0};
    struct fake_peer *client = fake_connect(hands, false);
    wire_request(&wire, method, target, fields);
    fake_say(client, &wire);
    wire_free(&wire);
    if (peer) *peer = client;
    unsigned status = 0;
    if (client->received.count) status = (unsigned)strtoul((char *)client->received.at + 9, NULL, 10);
    if (!peer) {
        fake_eof(client);
        fake_settle(hands);
    }
    return status;
}

#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

static unsigned upgrade(const char *path, const char *text, struct fake_peer **peer) {
    char fields[WYE_TOKEN_MAX + 512];
    snprintf(fields, sizeof fields, UPGRADE "%s%s%s", text ? "Authorization: Bearer " : "", text ? text : "", text ? "\r\n" : "");
    unsigned status = ask("GET", path, fields, peer);
    if (peer && status == 101) wire_clear(&(*peer)->received);
    return status;
}

/* ---- what is let through ---- */

static void each_path_needs_what_it_says(void **state) {
    (void)state;
    const char *const any = token("", "", INT64_MAX), *const chat = token("chat", "chat", INT64_MAX), *const own = token("", "$wye/#", INT64_MAX);
    const struct {
        const char *path;
        bool websocket;
        unsigned none, any, chat, own;
    } rows[] = {
        {"/", false, 200, 200, 200, 200}, {"/healthz", false, 200, 200, 200, 200}, {"/chat.js", false, 200, 200, 200, 200},
        {"/metrics", false, 401, 403, 403, 200}, {"/topics", false, 401, 403, 403, 200},
        {"/echo", true, 401, 101, 101, 101}, {"/chat", true, 401, 403, 101, 403}, {"/topic/chat", true, 401, 403, 101, 403},
        {"/topic/other", true, 401, 403, 403, 403}, {"/topic/%23", true, 401, 403, 403, 403}, {"/topic/$wye/stats", true, 401, 403, 403, 101},
        {"/nothing", true, 404, 404, 404, 404}, {"/topic/a//b", true, 400, 400, 400, 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const texts[] = {NULL, any, chat, own};
        const unsigned wanted[] = {rows[i].none, rows[i].any, rows[i].chat, rows[i].own};
        for (unsigned j = 0; j < 4; j++) {
            char fields[WYE_TOKEN_MAX + 512];
            snprintf(fields, sizeof fields, "%s%s%s\r\n", rows[i].websocket ? UPGRADE : "", texts[j] ? "Authorization: Bearer " : "A: b", texts[j] ? texts[j] : "");
            unsigned status = ask("GET", rows[i].path, fields, NULL);
            if (status != wanted[j]) fail_msg("%s, token %u: %u", rows[i].path, j, status);
            if (hands->peer_count > FAKE_CONNS - 2) { /* a fresh world has room again */
                shut_world(NULL);
                open_world(NULL);
            }
        }
    }
}

static void a_stream_and_a_head_need_a_token_too(void **state) {
    (void)state;
    static const char stream[] = "Connection: Upgrade\r\nUpgrade: wye-echo\r\n";
    char target[WYE_TOKEN_MAX + 64];
    assert_int_equal(ask("GET", "/stream", stream, NULL), 401);
    snprintf(target, sizeof target, "/stream?token=%s", token("", "", INT64_MAX));
    assert_int_equal(ask("GET", target, stream, NULL), 101);
    assert_int_equal(ask("HEAD", "/metrics", "", NULL), 401);
    snprintf(target, sizeof target, "/metrics?token=%s", token("", "$wye/metrics", INT64_MAX));
    assert_int_equal(ask("HEAD", target, "", NULL), 200);
}

static void all_that_is_subscribed_to_must_lie_within_the_claim(void **state) {
    (void)state;
    static const struct {
        const char *subscribe, *path;
        bool may;
    } rows[] = {
        {"a/#", "/topic/a", true}, {"a/#", "/topic/a/+", true}, {"a/#", "/topic/a/%23", true}, {"a/#", "/topic/a/b/c", true},
        {"a/+", "/topic/a/%23", false}, {"a/+", "/topic/a/b", true}, {"a/+", "/topic/a/+", true}, {"a/+", "/topic/a", false},
        {"a/#", "/topic/ab", false}, {"a/#", "/topic/+", false}, {"#", "/topic/+/b", true}, {"#", "/topic/$wye/stats", false},
        {"a/#", "/topic/a/b?also=a/c&also=a", true}, {"a/#", "/topic/a/b?also=a/c&also=b", false}, {"a/#", "/topic/b?also=a", false},
        {"a/#", "/topic/a?also=a%2Fb", true}, {"a/#", "/topic/a?also=%23", false}, {"caf\xc3\xa9", "/topic/caf%C3%A9", true}, {"A", "/topic/a", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_peer *peer;
        unsigned status = upgrade(rows[i].path, token("", rows[i].subscribe, INT64_MAX), &peer);
        if (status != (rows[i].may ? 101 : 403)) fail_msg("%s at %s: %u", rows[i].subscribe, rows[i].path, status);
    }
    struct fake_peer *peer;
    assert_int_equal(upgrade("/topic/a/b?also=c/d", token("", "a/#", INT64_MAX), &peer), 403);
    assert_true(says(peer, "error=\"insufficient_scope\"") && says(peer, "doesn't cover 'c/d'") && says(peer, "'subscribe'"));
}

static void publishing_needs_the_name_in_the_claim(void **state) {
    (void)state;
    static const struct {
        const char *publish, *path;
        unsigned status;
    } rows[] = {
        {"chat", "/chat", 200}, {"chat", "/topic/chat", 200}, {"chat", "/topic/other", 403}, {"", "/chat", 403}, {"a/+", "/topic/a/b", 200},
        {"a/+", "/topic/a/b/c", 403}, {"#", "/topic/a/b/c", 200}, {"#", "/topic/$wye/stats", 403}, {"$wye/#", "/topic/$wye/stats", 403}, {"#", "/topic/+", 400},
    };
    assert_int_equal(ask("POST", "/chat", "Content-Length: 0\r\n", NULL), 401);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char fields[WYE_TOKEN_MAX + 64];
        snprintf(fields, sizeof fields, "Content-Length: 0\r\nAuthorization: Bearer %s\r\n", token(rows[i].publish, "#", INT64_MAX));
        unsigned status = ask("POST", rows[i].path, fields, NULL);
        if (status != rows[i].status) fail_msg("%s at %s: %u", rows[i].publish, rows[i].path, status);
    }
}

static void who_may_only_listen_is_closed_when_it_publishes(void **state) {
    (void)state;
    struct fake_peer *both, *mute, *other;
    assert_int_equal(upgrade("/topic/t", token("t", "t", INT64_MAX), &both), 101);
    assert_int_equal(upgrade("/topic/t", token("u", "#", INT64_MAX), &mute), 101);
    assert_int_equal(upgrade("/topic/u", token("u", "#", INT64_MAX), &other), 101);
    publish_text(both, "hello");
    fake_settle(hands);
    assert_got(both, "hello");
    assert_got(mute, "hello");
    publish_text(mute, "no");
    fake_settle(hands);
    assert_closed_with(mute, 1008, "this token may not publish here");
    assert_got(both, "");
    publish_text(other, "yes");
    fake_settle(hands);
    assert_got(other, "yes");
}

/* ---- where tokens are ---- */

static void a_token_is_looked_for_in_its_places_and_only_one_may_be_there(void **state) {
    (void)state;
    const char *const good = token("", "$wye/#", INT64_MAX), *const also_good = token("", "$wye/#", NOW + 77);
    /* G: a good one, H: another, X: none that is any good */
    static const struct {
        const char *target, *fields;
        unsigned status;
    } rows[] = {
        {"/metrics", "Authorization: Bearer G\r\n", 200}, {"/metrics", "authorization: bEARER   G  \r\n", 200}, {"/metrics", "Authorization: G\r\n", 401},
        {"/metrics", "Authorization: Bearer\r\n", 401}, {"/metrics", "Authorization: BearerG\r\n", 401}, {"/metrics", "Authorization: Basic G\r\n", 401},
        {"/metrics", "Authorization: Bearer G G\r\n", 401}, {"/metrics", "Authorization: Bearer G, Bearer G\r\n", 401},
        {"/metrics", "Authorization: Bearer G\r\nAuthorization: Bearer G\r\n", 400}, {"/metrics?token=G", "Authorization: Basic Zm9v\r\n", 200},
        {"/metrics?token=G", "", 200}, {"/metrics?a=b&token=G&c", "", 200}, {"/metrics?Token=G", "", 401}, {"/metrics?tokens=G", "", 401},
        {"/metrics?token=", "", 401}, {"/metrics?token", "", 401}, {"/metrics?token=G&token=G", "", 200}, {"/metrics?token=G&token=H", "", 400},
        {"/metrics?token=G&token=", "", 400}, {"/metrics?token=G", "Authorization: Bearer G\r\n", 200}, {"/metrics?token=H", "Authorization: Bearer G\r\n", 400},
        {"/metrics?token=X", "Authorization: Bearer G\r\n", 400}, {"/metrics", "Cookie: token=G\r\n", 200}, {"/metrics", "Cookie: a=b; token=G; c\r\n", 200},
        {"/metrics", "Cookie: a=token=G\r\n", 401}, {"/metrics", "Cookie: Token=G\r\n", 401}, {"/metrics", "Cookie: token=G; token=H\r\n", 400},
        {"/metrics", "Cookie: token=G\r\nCookie: token=H\r\n", 400}, {"/metrics", "Cookie: a=b\r\nCookie: token=G\r\n", 200},
        {"/metrics?token=G", "Cookie: token=X\r\n", 200}, {"/metrics?token=X", "Cookie: token=G\r\n", 401}, /* what is sent on purpose counts */
        {"/metrics", "Cookie: token=G\r\nOrigin: https://friend.example\r\n", 200}, {"/metrics", "Cookie: token=G\r\nOrigin: http://localhost\r\n", 200},
        {"/metrics", "Cookie: token=G\r\nOrigin: https://evil.example\r\n", 401}, {"/metrics", "Cookie: token=G\r\nOrigin: null\r\n", 401},
        {"/metrics?token=G", "Origin: https://evil.example\r\n", 200}, /* without CORS the page sees nothing of it */
        {"/topic/$wye/stats", UPGRADE "Sec-WebSocket-Protocol: bearer, G\r\n", 101}, {"/topic/$wye/stats", UPGRADE "Sec-WebSocket-Protocol: chat, bearer\r\nSec-WebSocket-Protocol: G\r\n", 101},
        {"/topic/$wye/stats", UPGRADE "Sec-WebSocket-Protocol: G, bearer\r\n", 401}, {"/topic/$wye/stats?token=H", UPGRADE "Sec-WebSocket-Protocol: bearer, G\r\n", 400},
        {"/topic/$wye/stats", UPGRADE "Cookie: token=G\r\nOrigin: https://evil.example\r\n", 403}, {"/topic/$wye/stats", UPGRADE "Cookie: token=G\r\n", 101},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char texts[2][2 * WYE_TOKEN_MAX];
        const char *const from[] = {rows[i].target, rows[i].fields};
        for (unsigned j = 0; j < 2; j++) {
            char *to = texts[j];
            for (const char *at = from[j]; *at; at++) {
                bool alone = at == from[j] || !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-", at[-1]) || at[-1] == 'r';
                bool last = !at[1] || !strchr("abcdefghijklmnopqrstuvwxyz-", at[1]);
                const char *put = alone && last && *at == 'G' ? good : alone && last && *at == 'H' ? also_good : NULL;
                to += put ? sprintf(to, "%s", put) : sprintf(to, "%c", *at);
            }
            *to = 0;
        }
        struct fake_peer *peer;
        unsigned status = ask("GET", texts[0], texts[1], &peer);
        if (status != rows[i].status) fail_msg("%s %s: %u", rows[i].target, rows[i].fields, status);
        if (status >= 400) assert_false(says(peer, good + 4) || says(peer, also_good + 4));
        if (strstr(rows[i].fields, "Protocol: bearer") && status == 101) assert_true(says(peer, "\r\nSec-WebSocket-Protocol: bearer\r\n"));
    }
}

static void no_refusal_shows_a_token_whatever_else_is_wrong(void **state) {
    (void)state;
#define HIDDEN "bm90LXRvLWJlLXNob3du"
    static const char *const requests[] = {
        "GET /chat?token=" HIDDEN "\x01 HTTP/1.1\r\n\r\n", "GET /chat?token=" HIDDEN HIDDEN HIDDEN HIDDEN "\x01 HTTP/1.1\r\n\r\n",
        "GET /chat?token=" HIDDEN " HTTP/3.1\r\n\r\n", "GET /chat?token=" HIDDEN "\r\n\r\n", "GET chat?token=" HIDDEN " HTTP/1.1\r\n\r\n",
        "GET /?token=" HIDDEN " HTTP/1.1\r\nAuthorization: Bearer " HIDDEN HIDDEN HIDDEN HIDDEN "\x01\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\ncookie: a=b; token=" HIDDEN "\x01\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n authorization: " HIDDEN "\r\n\r\n",
        "GET /chat?token=" HIDDEN " HTTP/1.1\r\nHost: a b\r\n\r\n", "PUT /metrics?token=" HIDDEN " HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /nowhere?token=" HIDDEN " HTTP/1.1\r\nHost: a\r\n\r\n", "GET /topic/a//b?token=" HIDDEN " HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: " HIDDEN "\r\n\r\n", "GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " HIDDEN "\r\n\r\n",
        "GET /chat HTTP/1.1\r\nHost: a\r\n" UPGRADE "Sec-WebSocket-Protocol: bearer, eyJ" HIDDEN ", eyJ" HIDDEN "\r\n\r\n",
        "POST /chat?token=" HIDDEN " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "POST /chat?token=" HIDDEN " HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        for (unsigned json = 0; json < 2; json++) {
            struct fake_peer *peer = fake_connect(hands, false);
            struct wire wire = {0};
            const char *line = strstr(requests[i], "\r\nHost");
            wire_add(&wire, requests[i], line ? (size_t)(line - requests[i]) : strlen(requests[i]));
            if (line && json) wire_add_text(&wire, "\r\nAccept: application/problem+json");
            if (line) wire_add_text(&wire, line);
            fake_say(peer, &wire);
            if (!says(peer, "HTTP/1.1 4") && !says(peer, "HTTP/1.1 5")) fail_msg("%s: not refused", requests[i]);
            if (says(peer, "bm90LXR") || says(peer, "1zaG93b") || says(peer, "tby1iZS")) fail_msg("%s: shown", requests[i]);
            wire_free(&wire);
        }
    }
    struct fake_peer *slow = fake_connect(hands, false), *late = fake_connect(hands, false);
    fake_feed(slow, "GET /chat?token=" HIDDEN, 16 + sizeof HIDDEN - 1);
    struct wire wire = {0};
    wire_add_text(&wire, "GET /chat?token=");
    for (unsigned i = 0; i < 500; i++) wire_add_text(&wire, HIDDEN);
    fake_feed(late, wire.at, wire.count); /* longer than a target may be */
    wire_free(&wire);
    fake_pass(hands, 12 * FAKE_SECOND);
    assert_true(says(slow, "HTTP/1.1 408") && says(slow, "token=...") && says(late, "HTTP/1.1 414"));
    assert_false(says(slow, "bm90") || says(late, "bm90"));
}

/* ---- time ---- */

/* Passes time in steps of 10 ms until the peer has been told something; how long that took. */
static uint64_t pass_until_told(struct fake_peer *peer, uint64_t most_ns) {
    uint64_t from = hands->now_ns;
    while (peer->received.count == 0 && peer->conn && hands->now_ns - from < most_ns) fake_pass(hands, 10000000);
    return hands->now_ns - from;
}

static void what_a_token_opened_ends_with_it(void **state) {
    (void)state;
    static const unsigned lives[] = {1, 2, 7, 40, 100};
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        const uint64_t start_ns = hands->now_ns, now_s = hands->hub.unix_s;
        const int64_t end_s = (int64_t)now_s + lives[i];
        struct fake_peer *chat, *echo, *stream;
        char target[WYE_TOKEN_MAX + 64];
        assert_int_equal(upgrade("/chat", token("#", "#", end_s), &chat), 101);
        assert_int_equal(upgrade("/echo", token("", "", end_s), &echo), 101);
        snprintf(target, sizeof target, "/stream?token=%s", token("", "", end_s));
        assert_int_equal(ask("GET", target, "Connection: Upgrade\r\nUpgrade: wye-echo\r\n", &stream), 101);
        /* They live: they answer pings, until the second before. */
        while (hands->hub.unix_s < (uint64_t)end_s) {
            struct wire wire = {0};
            wire_client_frame(&wire, WIRE_FIN, WYE_OPCODE_PONG, "", 0, 1);
            wire_clear(&chat->received);
            wire_clear(&echo->received);
            fake_say(chat, &wire);
            fake_say(echo, &wire);
            wire_free(&wire);
            assert_true(chat->conn && chat->conn->phase == WYE_CONN_OPEN && echo->conn && stream->conn && !stream->half_closed);
            assert_int_equal(chat->conn->reason | echo->conn->reason | stream->conn->reason, 0);
            fake_pass(hands, 10000000);
        }
        pass_until_told(chat, FAKE_SECOND);
        assert_true(hands->now_ns - start_ns < (lives[i] + 1) * FAKE_SECOND - FAKE_SECOND / 3);
        fake_pass(hands, FAKE_SECOND / 4);
        assert_closed_with(chat, 1008, "the token has expired");
        assert_closed_with(echo, 1008, "the token has expired");
        assert_true(!stream->conn || stream->conn->phase != WYE_CONN_OPEN);
        fake_pass(hands, 10 * FAKE_SECOND);
        assert_null(chat->conn);
        assert_null(stream->conn);
        assert_int_equal(chat->reason, -1008);
        assert_int_equal(stream->reason, -1008);
    }
    assert_int_equal(wye_counted(&hands->hub.counters.tokens_expired), 3 * sizeof lives / sizeof lives[0]);
}

static void nothing_is_published_or_heard_after_the_end(void **state) {
    (void)state;
    struct fake_peer *for_ever, *ends;
    assert_int_equal(upgrade("/chat", token("#", "#", INT64_MAX), &for_ever), 101);
    assert_int_equal(upgrade("/chat", token("#", "#", NOW + 3), &ends), 101);
    fake_pass(hands, 4 * FAKE_SECOND);
    assert_closed_with(ends, 1008, "the token has expired");
    wire_clear(&ends->received);
    publish_text(ends, "late");
    publish_text(for_ever, "after");
    fake_settle(hands);
    assert_got(for_ever, "after");
    assert_got(ends, "");
}

static void a_kept_connection_is_asked_for_its_token_each_time(void **state) {
    (void)state;
    char target[WYE_TOKEN_MAX + 64];
    struct wire wire = {0};
    struct fake_peer *client = fake_connect(hands, false);
    snprintf(target, sizeof target, "/metrics?token=%s", token("", "$wye/#", NOW + 5));
    wire_request(&wire, "GET", target, "");
    fake_say(client, &wire);
    assert_true(says(client, "HTTP/1.1 200"));
    wire_clear(&client->received);
    fake_sleep(hands, 6 * FAKE_SECOND); /* the loop slept all the time: it must look at the clock before it reads */
    fake_feed(client, wire.at, wire.count);
    fake_settle(hands);
    assert_true(says(client, EXPIRED) && says(client, "It has expired."));
    wire_free(&wire);
}

static void keys_that_were_replaced_count_from_the_next_request_on(void **state) {
    (void)state;
    struct fake_peer *before, *after;
    const char *text = token("#", "#", INT64_MAX);
    assert_int_equal(upgrade("/chat", text, &before), 101);
    wye_node_use_keys(&world.node, keys_of("another secret of 32 bytes or more"));
    assert_int_equal(upgrade("/chat", text, &after), 401);
    assert_true(says(after, "error=\"invalid_token\""));
    wye_node_use_keys(&world.node, NULL);
    assert_int_equal(upgrade("/chat", NULL, &after), 101);
    publish_text(before, "hello");
    fake_settle(hands);
    assert_got(after, "hello");
}

static void refusals_are_counted_by_rule(void **state) {
    (void)state;
    upgrade("/chat", NULL, NULL);
    upgrade("/chat", "x", NULL);
    upgrade("/chat", token("", "", INT64_MAX), NULL);
    upgrade("/chat?token=x", "y", NULL);
    static const enum wye_rule rules[] = {WYE_RULE_TOKEN, WYE_RULE_TOKEN_VALID, WYE_RULE_TOKEN_SCOPE, WYE_RULE_TOKEN_SINGLE};
    for (size_t i = 0; i < 4; i++) assert_int_equal(wye_counted(&hands->hub.counters.refusals_by_rule[rules[i]]), 1);
    assert_int_equal(wye_counted(&hands->hub.counters.tokens_valid), 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, shut_world)
    const struct CMUnitTest tests[] = {
        TEST(each_path_needs_what_it_says),
        TEST(a_stream_and_a_head_need_a_token_too),
        TEST(all_that_is_subscribed_to_must_lie_within_the_claim),
        TEST(publishing_needs_the_name_in_the_claim),
        TEST(who_may_only_listen_is_closed_when_it_publishes),
        TEST(a_token_is_looked_for_in_its_places_and_only_one_may_be_there),
        TEST(no_refusal_shows_a_token_whatever_else_is_wrong),
        TEST(what_a_token_opened_ends_with_it),
        TEST(nothing_is_published_or_heard_after_the_end),
        TEST(a_kept_connection_is_asked_for_its_token_each_time),
        TEST(keys_that_were_replaced_count_from_the_next_request_on),
        TEST(refusals_are_counted_by_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
