/* TLS handshakes: who gets in, with which certificate, and what those cost who don't. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/tls.h"
#include "frames/frame.h"
#include "tests/tls_peer.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const first[] = {"first.example", "127.0.0.1", NULL};
static const char *const second[] = {"second.example", "*.wild.example", NULL};
static const char *const third[] = {"Exact.Wild.example", "third.example", NULL};
static const char *const *const names[] = {first, second, third};

static struct fake_world world;
static struct fake_hands *hands;
static struct wye_tls_context *server;
static SSL_CTX *client, *client_12;

static int open_world(void **state) {
    (void)state;
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.tls_half_open_max = 10;
    fake_world_open(&world, 1, true, &settings);
    hands = world.hands;
    server = tls_server(names, 3, false);
    client = tls_client(TLS1_3_VERSION);
    client_12 = tls_client(TLS1_2_VERSION);
    return 0;
}

static int shut_world(void **state) {
    (void)state;
    fake_world_shut(&world);
    wye_tls_context_release(server);
    SSL_CTX_free(client);
    SSL_CTX_free(client_12);
    return 0;
}

static struct wye_counters *counters(void) { return &hands->hub.counters; }

static uint64_t handshakes(void) { return wye_counted(&counters()->tls_handshakes); }

/* What the client says first. */
static struct wire hello_of(struct tls_peer *peer) {
    struct wire hello = {0};
    tls_pump(peer);
    tls_take(peer, &hello);
    assert_true(hello.count > 100);
    return hello;
}

/* ---- getting in ---- */

static void handshakes_may_come_in_any_pieces(void **state) {
    (void)state;
    for (size_t piece = 1; piece < 700; piece += piece < 10 ? 1 : 61) {
        for (unsigned old = 0; old < 2; old++) {
            struct tls_peer *peer = tls_connect(hands, server, old ? client_12 : client, NULL);
            struct wire said = {0};
            for (unsigned flights = 0; flights < 4; flights++) {
                tls_pump(peer);
                wire_clear(&said);
                tls_take(peer, &said);
                for (size_t at = 0; at < said.count; at += piece) {
                    fake_feed(peer->wire, said.at + at, piece < said.count - at ? piece : said.count - at);
                    if (piece & 1) fake_turn(hands);
                }
                fake_settle(hands);
            }
            assert_true(peer->up && !peer->failed);
            assert_int_equal(SSL_version(peer->ssl), old ? TLS1_2_VERSION : TLS1_3_VERSION);
            assert_int_equal(wye_counted(&counters()->tls_half_open), 0);
            SSL_shutdown(peer->ssl);
            tls_settle(peer);
            assert_null(peer->wire->conn);
            hands->peer_count = 0;
            wire_free(&said), wire_free(&peer->wire->received);
            tls_peer_free(peer);
        }
    }
    assert_true(handshakes() > 0);
    assert_int_equal(wye_counted(&counters()->tls_failed), 0);
}

static void only_13_means_that(void **state) {
    (void)state;
    struct wye_tls_context *strict = tls_server(names, 1, true);
    struct tls_peer *old = tls_connect(hands, strict, client_12, NULL),
                    *new = tls_connect(hands, strict, client, NULL);
    tls_settle(old);
    tls_settle(new);
    assert_true(new->up && !new->failed);
    assert_true(old->failed);
    assert_int_equal(old->alert, SSL_AD_PROTOCOL_VERSION);
    tls_peer_free(old), tls_peer_free(new);
    wye_tls_context_release(strict);
}

/* Which of the three certificates is shown? Told by a name that it alone has. */
static const char *shown_to(const char *name, bool old) {
    static const char *const own[] = {"first.example", "second.example", "third.example"};
    const char *found = NULL;
    struct tls_peer *peer = tls_connect(hands, server, old ? client_12 : client, name);
    tls_settle(peer);
    assert_true(peer->up);
    X509 *leaf = SSL_get_peer_certificate(peer->ssl);
    for (unsigned i = 0; i < 3; i++) {
        if (X509_check_host(leaf, own[i], strlen(own[i]), 0, NULL) == 1) found = own[i];
    }
    X509_free(leaf);
    tls_peer_free(peer);
    return found;
}

static void the_name_that_is_asked_for_chooses_the_certificate(void **state) {
    (void)state;
    for (unsigned old = 0; old < 2; old++) {
        assert_string_equal(shown_to(NULL, old), "first.example");
        assert_string_equal(shown_to("first.example", old), "first.example");
        assert_string_equal(shown_to("second.example", old), "second.example");
        assert_string_equal(shown_to("SECOND.Example", old), "second.example");
        assert_string_equal(shown_to("any.wild.example", old), "second.example");
        assert_string_equal(shown_to("exact.wild.example", old), "third.example"); /* before the wildcard */
        assert_string_equal(shown_to("a.b.wild.example", old), "first.example");   /* one label only */
        assert_string_equal(shown_to("wild.example", old), "first.example");
        assert_string_equal(shown_to("third.example", old), "third.example");
        assert_string_equal(shown_to("unknown.example", old), "first.example");
    }
}

static void http_is_agreed_on_and_what_only_speaks_h2_is_refused(void **state) {
    (void)state;
    static const uint8_t both[] = "\x02h2\x08http/1.1", h2[] = "\x02h2";
    struct tls_peer *none = tls_connect(hands, server, client, NULL);
    tls_settle(none);
    assert_true(none->up);
    tls_peer_free(none);
    for (unsigned i = 0; i < 2; i++) {
        struct tls_peer *peer = tls_connect(hands, server, i ? client_12 : client, NULL);
        const uint8_t *agreed;
        unsigned count;
        SSL_set_alpn_protos(peer->ssl, both, sizeof both - 1);
        tls_settle(peer);
        SSL_get0_alpn_selected(peer->ssl, &agreed, &count);
        assert_int_equal(count, 8);
        assert_memory_equal(agreed, "http/1.1", 8);
        tls_peer_free(peer);
        peer = tls_connect(hands, server, i ? client_12 : client, NULL);
        SSL_set_alpn_protos(peer->ssl, h2, sizeof h2 - 1);
        tls_settle(peer);
        assert_false(peer->up);
        assert_int_equal(peer->alert, SSL_AD_NO_APPLICATION_PROTOCOL);
        tls_peer_free(peer);
    }
    assert_int_equal(wye_counted(&counters()->tls_failed), 2);
}

static SSL_SESSION *given;

static int keep_session(SSL *ssl, SSL_SESSION *session) {
    (void)ssl;
    SSL_SESSION_free(given);
    given = session;
    return 1;
}

static void sessions_are_resumed(void **state) {
    (void)state;
    for (unsigned old = 0; old < 2; old++) {
        SSL_CTX *of = old ? client_12 : client;
        SSL_CTX_set_session_cache_mode(of, SSL_SESS_CACHE_CLIENT);
        SSL_CTX_sess_set_new_cb(of, keep_session);
        struct tls_peer *peer = tls_connect(hands, server, of, NULL);
        tls_settle(peer);
        wye_conn_send(peer->wire->conn, "x", 1); /* tickets come with the first bytes */
        tls_settle(peer);
        assert_non_null(given);
        tls_peer_free(peer);
        for (unsigned i = 0; i < 3; i++) {
            peer = tls_connect(hands, server, of, NULL);
            SSL_set_session(peer->ssl, given);
            tls_settle(peer);
            assert_true(peer->up && SSL_session_reused(peer->ssl));
            assert_false(SSL_early_data_accepted(peer->ssl));
            tls_peer_free(peer);
        }
        /* Another context has other keys: a whole handshake again. */
        struct wye_tls_context *other = tls_server(names, 1, false);
        peer = tls_connect(hands, other, of, NULL);
        SSL_set_session(peer->ssl, given);
        tls_settle(peer);
        assert_true(peer->up && !SSL_session_reused(peer->ssl));
        tls_peer_free(peer);
        wye_tls_context_release(other);
        SSL_SESSION_free(given);
        given = NULL;
    }
    assert_int_equal(wye_counted(&counters()->tls_resumed), 6);
}

static void who_renegotiates_is_refused(void **state) {
    (void)state;
    struct tls_peer *peer = tls_connect(hands, server, client_12, NULL);
    struct wire hello = {0};
    tls_settle(peer);
    /* A ClientHello inside the connection: sealed like application data, but for its type. Nobody's library
     * sends one any more, so that an empty handshake record must do; the filter ends the connection either
     * way. */
    static const uint8_t record[] = {22, 3, 3, 0, 4, 1, 0, 0, 0};
    wire_add(&hello, record, sizeof record);
    fake_feed(peer->wire, hello.at, hello.count);
    tls_settle(peer);
    assert_non_null(peer->wire->conn);
    assert_int_equal(peer->wire->conn->phase, WYE_CONN_LINGERING);
    assert_int_equal(peer->wire->conn->reason, -EPROTO);
    wire_free(&hello);
    tls_peer_free(peer);
}

/* ---- not getting in ---- */

static void garbage_gets_an_alert_and_an_end(void **state) {
    (void)state;
    static const char *const garbage[] = {"\x16\x03\x01\x00\x05hello",
                                          "\x80\x2e\x01\x03\x01",
                                          "\x16\x03\x01\xff\xff",
                                          "\x17\x03\x03\x00\x01x",
                                          "garbage in small letters\r\n\r\n",
                                          "\x15\x03\x01\x00\x02\x02\x28"};
    static const size_t counts[] = {10, 5, 5, 6, 28, 7};
    for (unsigned i = 0; i < 6; i++) {
        struct fake_peer *peer = fake_connect_tls(hands, false, wye_tls_context_hold(server));
        fake_feed(peer, garbage[i], counts[i]);
        fake_settle(hands);
        if (peer->conn) { /* it has been told, and may read that in peace */
            if (peer->conn->phase == WYE_CONN_OPEN) fake_feed(peer, wire_noise(20000, i), 20000);
            fake_settle(hands);
            assert_int_equal(peer->conn->phase, WYE_CONN_LINGERING);
            fake_eof(peer);
            fake_settle(hands);
        }
        assert_null(peer->conn);
        assert_int_equal(peer->reason, -EPROTO);
        assert_int_equal(wye_counted(&counters()->tls_failed), i + 1);
    }
    assert_int_equal(wye_counted(&counters()->tls_half_open), 0);
}

static void plain_http_is_told_so(void **state) {
    (void)state;
    static const char request[] = "GET /chat HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (size_t piece = 1; piece <= sizeof request; piece += sizeof request / 3) {
        struct fake_peer *peer = fake_connect_tls(hands, false, wye_tls_context_hold(server));
        for (size_t at = 0; at < sizeof request - 1; at += piece)
            fake_feed(peer, request + at, piece < sizeof request - 1 - at ? piece : sizeof request - 1 - at);
        fake_settle(hands);
        assert_true(wire_begins(&peer->received, "HTTP/1.1 400 "));
        assert_true(wire_find(&peer->received, "This is a TLS port", 0) != SIZE_MAX);
        assert_true(wire_find(&peer->received, "https:// or wss://", 0) != SIZE_MAX);
        assert_int_equal(peer->conn->phase, WYE_CONN_LINGERING);
        fake_eof(peer);
        fake_settle(hands);
        assert_int_equal(peer->reason, -400);
    }
    assert_int_equal(wye_counted(&counters()->refusals_by_rule[WYE_RULE_TLS]), 4);
    assert_int_equal(wye_counted(&counters()->tls_failed) + wye_counted(&counters()->tls_given_up), 0);
}

static void who_stops_in_the_middle_is_let_go_in_time(void **state) {
    (void)state;
    struct tls_peer *silent = tls_connect(hands, server, client, NULL),
                    *half = tls_connect(hands, server, client, NULL);
    struct tls_peer *begun = tls_connect(hands, server, client, NULL),
                    *left = tls_connect(hands, server, client, NULL);
    struct wire hello = hello_of(half);
    fake_feed(half->wire, hello.at, 50);
    wire_free(&hello);
    hello = hello_of(begun);
    fake_feed(begun->wire, hello.at, hello.count);
    fake_feed(left->wire, hello.at, hello.count / 2);
    fake_settle(hands);
    fake_eof(left->wire);
    fake_settle(hands);
    assert_null(left->wire->conn);
    left->wire = fake_connect_tls(hands, false, wye_tls_context_hold(server));
    fake_feed(left->wire, hello.at, hello.count);
    fake_eof(left->wire); /* before its turn has come */
    fake_settle(hands);
    assert_null(left->wire->conn);
    assert_int_equal(wye_counted(&counters()->tls_half_open), 2);
    fake_pass(hands, 9 * FAKE_SECOND);
    assert_true(silent->wire->conn && half->wire->conn && begun->wire->conn);
    fake_pass(hands, FAKE_SECOND + FAKE_SECOND / 10);
    assert_true(!silent->wire->conn && !half->wire->conn && !begun->wire->conn);
    assert_int_equal(begun->wire->reason, -408);
    assert_int_equal(wye_counted(&counters()->tls_given_up), 4);
    assert_int_equal(wye_counted(&counters()->tls_half_open), 0);
    wire_free(&hello);
    tls_peer_free(silent), tls_peer_free(half), tls_peer_free(begun), tls_peer_free(left);
}

static void the_oldest_half_open_one_makes_room(void **state) {
    (void)state;
    enum { MANY = 30, LIMIT = 10 };
    struct tls_peer *peers[MANY], *established = tls_connect(hands, server, client, NULL);
    tls_settle(established);
    for (unsigned i = 0; i < MANY; i++) {
        peers[i] = tls_connect(hands, server, client, NULL);
        struct wire hello = hello_of(peers[i]);
        fake_feed(peers[i]->wire, hello.at, hello.count);
        fake_settle(hands);
        wire_free(&hello);
        assert_true(wye_counted(&counters()->tls_half_open) <= LIMIT);
    }
    assert_int_equal(wye_counted(&counters()->tls_crowded_out), MANY - LIMIT);
    for (unsigned i = 0; i < MANY; i++) assert_int_equal(peers[i]->wire->conn != NULL, i >= MANY - LIMIT);
    assert_int_equal(peers[0]->wire->reason, -ETIMEDOUT);
    for (unsigned i = MANY - LIMIT; i < MANY; i++) {
        tls_settle(peers[i]);
        assert_true(peers[i]->up);
    }
    assert_non_null(established->wire->conn);
    assert_int_equal(wye_counted(&counters()->tls_half_open), 0);
    for (unsigned i = 0; i < MANY; i++) tls_peer_free(peers[i]);
    tls_peer_free(established);
}

/* Who has answered doesn't wait for its peer, and isn't let go in favour of others who begin. */
static void of_many_at_once_who_answer_all_get_in(void **state) {
    (void)state;
    enum { MANY = 30 };
    struct tls_peer *peers[MANY];
    unsigned up = 0;
    for (unsigned i = 0; i < MANY; i++) {
        peers[i] = tls_connect(hands, server, client, NULL);
        struct wire hello = hello_of(peers[i]);
        fake_feed(peers[i]->wire, hello.at, hello.count);
        wire_free(&hello);
    }
    for (unsigned turns = 0; turns < 2 * MANY && up < MANY; turns++) {
        fake_turn(hands);
        up = 0;
        for (unsigned i = 0; i < MANY; i++) {
            struct wire answer = {0};
            tls_pump(peers[i]);
            tls_take(peers[i], &answer);
            assert_non_null(peers[i]->wire->conn);
            if (answer.count > 0) fake_feed(peers[i]->wire, answer.at, answer.count);
            wire_free(&answer);
            up += peers[i]->up;
        }
    }
    fake_settle(hands);
    assert_int_equal(handshakes(), MANY);
    assert_int_equal(wye_counted(&counters()->tls_crowded_out), 0);
    for (unsigned i = 0; i < MANY; i++) tls_peer_free(peers[i]);
}

static void a_turn_makes_a_few_handshakes_and_answers_everybody_else(void **state) {
    (void)state;
    enum { MANY = 11 };
    world.node.edition->settings.tls_half_open_max = 1000;
    struct tls_peer *peers[MANY], *established = tls_connect(hands, server, client, NULL);
    struct wire request = {0}, sealed = {0};
    tls_settle(established);
    for (unsigned i = 0; i < MANY; i++) {
        peers[i] = tls_connect(hands, server, client, NULL);
        struct wire hello = hello_of(peers[i]);
        fake_feed(peers[i]->wire, hello.at, hello.count);
        wire_free(&hello);
    }
    wire_request(&request, "GET", "/healthz", "");
    tls_say(established, request.at, request.count);
    tls_take(established, &sealed);
    fake_feed(established->wire, sealed.at, sealed.count);
    for (unsigned turns = 1; turns <= 3; turns++) {
        assert_true(wye_hub_wait_ns(&hands->hub, hands->now_ns) == 0);
        fake_turn(hands);
        unsigned answered = 0;
        for (unsigned i = 0; i < MANY; i++) answered += peers[i]->wire->received.count > 0;
        assert_int_equal(answered, turns * WYE_TLS_STEPS < MANY ? turns * WYE_TLS_STEPS : MANY);
        tls_pump(established);
        assert_true(wire_begins(&established->heard, "HTTP/1.1 200"));
    }
    for (unsigned i = 0; i < MANY; i++)
        tls_settle(peers[i]), assert_true(peers[i]->up), tls_peer_free(peers[i]);
    wire_free(&request), wire_free(&sealed);
    tls_peer_free(established);
}

static void one_that_waits_for_its_turn_is_not_read_without_end(void **state) {
    (void)state;
    world.node.edition->settings.tls_half_open_max = 1000;
    struct tls_peer *peer = tls_connect(hands, server, client, NULL);
    struct wire hello = hello_of(peer);
    for (unsigned i = 0; i < 40; i++) { /* before any turn */
        fake_feed(peer->wire, hello.at, hello.count);
        fake_feed(peer->wire, wire_noise(1000, i), 1000);
    }
    assert_false(wye_conn_wants_input(peer->wire->conn));
    fake_settle(hands);
    fake_eof(peer->wire);
    fake_settle(hands);
    assert_null(peer->wire->conn);
    assert_int_equal(peer->wire->reason, -EPROTO);
    wire_free(&hello);
    tls_peer_free(peer);
}

static void what_comes_glued_behind_a_handshake_is_kept_and_read(void **state) {
    (void)state;
    enum { LONG = 60000 };
    struct tls_peer *peer = tls_connect(hands, server, client, NULL);
    struct wire said = hello_of(peer), request = {0};
    fake_feed(peer->wire, said.at, said.count);
    fake_settle(hands);
    tls_pump(peer);
    assert_true(peer->up);
    wire_request(&request, "GET", "/healthz", "");
    while (request.count < LONG) wire_request(&request, "GET", "/healthz", "");
    tls_say(peer, request.at, request.count);
    wire_clear(&said);
    tls_take(peer, &said);
    for (size_t at = 0; at < said.count; at += 4096)
        fake_feed(peer->wire, said.at + at, said.count - at < 4096 ? said.count - at : 4096);
    assert_false(wye_conn_wants_input(peer->wire->conn)); /* more than a handshake needs */
    tls_settle(peer);
    assert_true(wye_conn_wants_input(peer->wire->conn));
    unsigned answers = 0;
    for (struct wire_response answer; (answer = wire_read_response(&peer->heard, 0, false)).status; answers++)
        peer->heard.count -= answer.end,
            memmove(peer->heard.at, peer->heard.at + answer.end, peer->heard.count);
    assert_int_equal(answers, wye_counted(&counters()->requests));
    assert_int_equal(peer->heard.count, 0);
    wire_free(&said), wire_free(&request);
    tls_peer_free(peer);
}

static void who_is_refused_hears_503_when_its_handshake_is_done(void **state) {
    (void)state;
    struct tls_peer *peer = tls_connect(hands, server, client, NULL);
    world.node.edition->settings.max_connections = 1;
    struct tls_peer *refused = tls_connect(hands, server, client, NULL);
    assert_true(refused->wire->conn->refused);
    tls_settle(refused);
    assert_true(wire_begins(&refused->heard, "HTTP/1.1 503"));
    assert_true(refused->notified);
    fake_eof(refused->wire);
    fake_settle(hands);
    assert_int_equal(refused->wire->reason, -503);
    tls_peer_free(refused), tls_peer_free(peer);
}

/* ---- what a context is made from ---- */

static const char *fault_of(const char *chain, const char *key, bool *of_key) {
    struct wye_tls_trouble trouble = {0};
    struct wye_tls_pair pair = {chain, key, strlen(chain), strlen(key)};
    struct wye_tls_context *context =
        wye_tls_server_open(&(struct wye_tls_server){.pairs = &pair, .pair_count = 1}, &trouble);
    *of_key = trouble.of_key;
    if (!context) return trouble.why;
    wye_tls_context_release(context);
    return NULL;
}

static void what_cannot_be_used_is_named(void **state) {
    (void)state;
    static char chain[WYE_TLS_PEM_MAX], key[WYE_TLS_PEM_MAX], other_chain[WYE_TLS_PEM_MAX],
        other_key[WYE_TLS_PEM_MAX], text[3 * WYE_TLS_PEM_MAX];
    uint8_t fingerprint[WYE_TLS_FINGERPRINT_BYTES];
    bool of_key;
    assert_int_equal(wye_tls_dev_pair(chain, key, fingerprint, first, 2, (uint64_t)time(NULL)), 0);
    assert_int_equal(wye_tls_dev_pair(other_chain, other_key, fingerprint, second, 2, (uint64_t)time(NULL)),
                     0);
    assert_null(fault_of(chain, key, &of_key));
    snprintf(text, sizeof text, "some words first\n%s%s", chain, other_chain);
    assert_null(fault_of(text, key, &of_key));
    assert_non_null(strstr(fault_of(chain, other_key, &of_key), "not the one of the first certificate"));
    assert_false(of_key);
    assert_non_null(strstr(fault_of("", key, &of_key), "no certificate"));
    assert_non_null(strstr(fault_of(chain, "", &of_key), "no private key"));
    assert_true(of_key);
    assert_non_null(strstr(fault_of(chain, chain, &of_key), "no private key"));
    snprintf(text, sizeof text, "%.200s\n-----END CERTIFICATE-----\n", chain);
    assert_non_null(strstr(fault_of(text, key, &of_key), "cannot be read"));
    snprintf(text, sizeof text, "%.100s\n-----END PRIVATE KEY-----\n", key);
    assert_non_null(strstr(fault_of(chain, text, &of_key), "cannot be read"));
    assert_non_null(strstr(
        fault_of(chain, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
                 &of_key),
        "encrypted"));
    text[0] = 0;
    for (unsigned i = 0; i < 3; i++) strcat(text, chain);
    assert_null(fault_of(text, key, &of_key));
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, open_world, shut_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        ONE(handshakes_may_come_in_any_pieces),
        ONE(only_13_means_that),
        ONE(the_name_that_is_asked_for_chooses_the_certificate),
        ONE(http_is_agreed_on_and_what_only_speaks_h2_is_refused),
        ONE(sessions_are_resumed),
        ONE(who_renegotiates_is_refused),
        ONE(garbage_gets_an_alert_and_an_end),
        ONE(plain_http_is_told_so),
        ONE(who_stops_in_the_middle_is_let_go_in_time),
        ONE(the_oldest_half_open_one_makes_room),
        ONE(of_many_at_once_who_answer_all_get_in),
        ONE(a_turn_makes_a_few_handshakes_and_answers_everybody_else),
        ONE(one_that_waits_for_its_turn_is_not_read_without_end),
        ONE(what_comes_glued_behind_a_handshake_is_kept_and_read),
        ONE(who_is_refused_hears_503_when_its_handshake_is_done),
        ONE(what_cannot_be_used_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
