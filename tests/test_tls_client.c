/* TLS in the client's role: both ends are ours, and the test carries the bytes between them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/tls_state.h"
#include "tests/probe.h"
#include "tests/tls_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct fake_world world;
static struct fake_hands *hands;
static struct fake_peer *caller,
    *called; /* what is at the other end of the client's connection, and of the server's */
static size_t caller_at, called_at; /* carried */

static struct wye_tls_context *server, *client;
static char authority[WYE_TLS_PEM_MAX], key[WYE_TLS_PEM_MAX];

static struct wye_tls_context *client_of(const char *name, const char *trusted, bool insecure, bool forgets) {
    struct wye_tls_trouble trouble;
    struct wye_tls_context *context =
        wye_tls_client_open(&(struct wye_tls_client){.name = name,
                                                     .trusted = trusted,
                                                     .trusted_bytes = strlen(trusted),
                                                     .insecure = insecure,
                                                     .forgets = forgets},
                            &trouble);
    assert_non_null(context);
    return context;
}

/* A certificate that is its own authority, valid from 30 days before `until` on. */
static void serve(const char *const *names, size_t count, uint64_t from) {
    uint8_t fingerprint[WYE_TLS_FINGERPRINT_BYTES];
    struct wye_tls_trouble trouble;
    assert_int_equal(wye_tls_dev_pair(authority, key, fingerprint, names, count, from), 0);
    struct wye_tls_pair pair = {authority, key, strlen(authority), strlen(key)};
    wye_tls_context_release(server);
    server = wye_tls_server_open(&(struct wye_tls_server){.pairs = &pair, .pair_count = 1}, &trouble);
    assert_non_null(server);
}

static int open_world(void **state) {
    (void)state;
    static const char *const names[] = {"localhost", "127.0.0.1", "::1"};
    fake_world_open(&world, 1, true, NULL);
    hands = world.hands;
    serve(names, 3, (uint64_t)time(NULL));
    return 0;
}

static int shut_world(void **state) {
    (void)state;
    fake_world_shut(&world);
    wye_tls_context_release(server);
    wye_tls_context_release(client);
    server = client = NULL;
    probe_reset();
    return 0;
}

/* The client speaks the probe, and says something before anything has come. */
static void dial(void) {
    caller = fake_connect_tls(hands, false, wye_tls_context_hold(client));
    called = fake_connect_tls(hands, false, wye_tls_context_hold(server));
    caller_at = called_at = 0;
    wye_conn_switch(caller->conn, &probe_inline);
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    wye_conn_send(caller->conn, request, sizeof request - 1);
}

/* In pieces of `most` bytes, until nobody says anything. */
static void carry(size_t most) {
    for (bool moved = true; moved;) {
        fake_settle(hands);
        size_t there = caller->received.count - caller_at, back = called->received.count - called_at;
        moved = there || back;
        there = there < most ? there : most;
        back = back < most ? back : most;
        if (there) fake_feed(called, caller->received.at + caller_at, there);
        if (back) fake_feed(caller, called->received.at + called_at, back);
        caller_at += there;
        called_at += back;
    }
}

static void what_is_said_before_the_handshake_is_sent_after_it(void **state) {
    (void)state;
    static const char *const names[] = {"localhost", "127.0.0.1", "::1"};
    for (unsigned i = 0; i < 6; i++) {
        for (size_t most = 1; most < 3000; most = most * 3 + 1) {
            client = client_of(names[i % 3], authority, false, false);
            if (i >= 3)
                SSL_CTX_set_max_proto_version(client->ssl, TLS1_2_VERSION); /* the server speaks last */
            dial();
            carry(most);
            assert_true(wire_begins(&probe.seen, "HTTP/1.1 200 OK"));
            assert_int_equal(wire_find(&caller->received, "GET", 0), SIZE_MAX);
            wye_conn_finish(caller->conn, 0, false);
            carry(most);
            assert_null(caller->conn);
            assert_null(called->conn);
            assert_int_equal(called->reason, 0);
            hands->peer_count = 0;
            wire_free(&caller->received), wire_free(&called->received);
            wye_tls_context_release(client);
            client = NULL;
            probe_reset();
        }
    }
    assert_int_equal(wye_counted(&hands->hub.counters.tls_cut_off), 0);
}

static void sessions_are_resumed_unless_the_client_forgets(void **state) {
    (void)state;
    for (unsigned forgets = 0; forgets < 2; forgets++) {
        client = client_of("localhost", authority, false, forgets);
        uint64_t before = wye_counted(&hands->hub.counters.tls_resumed);
        for (unsigned i = 0; i < 4; i++) {
            dial();
            carry(SIZE_MAX);
            assert_true(wire_begins(&probe.seen, "HTTP/1.1 200 OK"));
            probe_reset();
        }
        /* Both ends count. */
        assert_int_equal(wye_counted(&hands->hub.counters.tls_resumed) - before, forgets ? 0 : 6);
        wye_tls_context_release(client);
        client = NULL;
    }
}

static void assert_distrusted(const char *name, const char *trusted, int reason) {
    client = client_of(name, trusted, false, false);
    dial();
    carry(SIZE_MAX);
    assert_int_equal(caller->conn ? caller->conn->reason : caller->reason, reason);
    assert_int_equal(probe.seen.count, 0);
    assert_int_equal(called->conn ? called->conn->reason : called->reason,
                     -EPROTO); /* it was told by an alert */
    if (caller->conn) fake_eof(caller);
    if (called->conn) fake_eof(called);
    fake_settle(hands);
    assert_int_equal(probe.closed_for, reason);
    wye_tls_context_release(client);
    client = NULL;
    probe_reset();
}

static void who_is_not_who_it_should_be_is_not_spoken_to(void **state) {
    (void)state;
    static const char *const other[] = {"localhost"};
    static char stranger[WYE_TLS_PEM_MAX];
    char stranger_key[WYE_TLS_PEM_MAX];
    uint8_t fingerprint[WYE_TLS_FINGERPRINT_BYTES];
    assert_int_equal(wye_tls_dev_pair(stranger, stranger_key, fingerprint, other, 1, (uint64_t)time(NULL)),
                     0);
    assert_distrusted("elsewhere", authority, -EKEYREJECTED);
    assert_distrusted("127.0.0.2", authority, -EKEYREJECTED);
    assert_distrusted("localhost", stranger, -EKEYREJECTED);
    serve(other, 1, (uint64_t)time(NULL) - 40 * 86400);
    assert_distrusted("localhost", authority, -EKEYEXPIRED);
    client = client_of("elsewhere", stranger, true, false); /* unless nobody minds */
    dial();
    carry(SIZE_MAX);
    assert_true(wire_begins(&probe.seen, "HTTP/1.1 200 OK"));
}

static void a_server_without_tls_is_an_end_and_not_a_certificate(void **state) {
    (void)state;
    client = client_of("localhost", authority, false, false);
    dial();
    fake_settle(hands);
    fake_feed(caller, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    fake_settle(hands);
    fake_eof(caller);
    fake_settle(hands);
    assert_null(caller->conn);
    assert_int_equal(probe.closed_for, -EPROTO);
}

static void what_is_not_a_list_of_authorities_is_named(void **state) {
    (void)state;
    struct wye_tls_trouble trouble;
    assert_null(wye_tls_client_open(
        &(struct wye_tls_client){.name = "localhost", .trusted = "rubbish", .trusted_bytes = 7}, &trouble));
    assert_non_null(strstr(trouble.why, "no certificate"));
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, open_world, shut_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        ONE(what_is_said_before_the_handshake_is_sent_after_it),
        ONE(sessions_are_resumed_unless_the_client_forgets),
        ONE(who_is_not_who_it_should_be_is_not_spoken_to),
        ONE(a_server_without_tls_is_an_end_and_not_a_certificate),
        ONE(what_is_not_a_list_of_authorities_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
