/* TLS inside a connection: records in and out, endings, pauses. Its handshakes are test_tls_handshake.c's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frames/frame.h"
#include "tests/probe.h"
#include "tests/tls_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 100000, FIRST_RECORDS = 1370, RECORD_OVERHEAD = 22 };

static const char *const localhost[] = {"localhost", NULL};
static const char *const *const names[] = {localhost};
static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static struct fake_world world;
static struct fake_hands *hands;
static struct wye_tls_context *server;
static SSL_CTX *client;

static int open_world(void **state) {
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.outbox_bytes = LIMIT;
    settings.ping_ns = 0;
    fake_world_open(&world, 1, true, &settings);
    hands = world.hands;
    server = tls_server(names, 1, false);
    client = tls_client(*state ? *(const uint16_t *)*state : TLS1_3_VERSION);
    return 0;
}

static int shut_world(void **state) {
    (void)state;
    fake_world_shut(&world);
    wye_tls_context_release(server);
    SSL_CTX_free(client);
    return 0;
}

static struct tls_peer *connect_up(void) {
    struct tls_peer *peer = tls_connect(hands, server, client, "localhost");
    tls_settle(peer);
    assert_true(peer->up && !peer->failed && peer->wire->conn);
    return peer;
}

/* Upgraded at `target`, and the 101 checked and forgotten. */
static struct tls_peer *websocket(const char *target) {
    struct tls_peer *peer = connect_up();
    struct wire script = {0}, opening = {0};
    wire_upgrade(&script, target);
    wire_opening(&opening);
    tls_say(peer, script.at, script.count);
    tls_settle(peer);
    assert_true(wire_equal(&peer->heard, &opening));
    wire_clear(&peer->heard);
    peer->records = peer->record_most = 0;
    wire_free(&script);
    wire_free(&opening);
    return peer;
}

static uint64_t counted(const _Atomic uint64_t *counter) { return wye_counted(counter); }

/* ---- in ---- */

/* Everything that a client says, and what is to come back. */
static void write_conversation(struct wire *said, struct wire *expected) {
    static const size_t lengths[] = {0, 1, 125, 126, 700, 3};
    wire_upgrade(said, "/echo");
    wire_opening(expected);
    for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const uint8_t *payload = wire_noise(lengths[i], i);
        wire_client_frame(said, WIRE_FIN, WYE_OPCODE_BINARY, payload, lengths[i], 0x12345678 + i);
        wire_server_frame(expected, WYE_OPCODE_BINARY, payload, lengths[i]);
    }
}

static void assert_conversation(const struct wire *said, const struct wire *expected, size_t record,
                                size_t first, size_t others, bool turns) {
    struct tls_peer *peer = connect_up();
    struct wire sealed = {0};
    for (size_t at = 0; at < said->count; at += record)
        tls_say(peer, said->at + at, said->count - at < record ? said->count - at : record);
    tls_take(peer, &sealed);
    for (size_t at = 0, piece = first; at < sealed.count; at += piece, piece = others) {
        if (piece > sealed.count - at) piece = sealed.count - at;
        fake_feed(peer->wire, sealed.at + at, piece);
        if (turns) fake_turn(hands);
    }
    tls_settle(peer);
    assert_true(wire_equal(&peer->heard, expected));
    wire_free(&sealed);
    wye_conn_close(peer->wire->conn, 0);
    fake_settle(hands);
    hands->peer_count = 0;
    wire_free(&peer->wire->received);
    tls_peer_free(peer);
}

static void records_may_be_cut_anywhere(void **state) {
    (void)state;
    struct wire said = {0}, expected = {0};
    write_conversation(&said, &expected);
    for (size_t cut = 1; cut < said.count + 40; cut++)
        assert_conversation(&said, &expected, SIZE_MAX / 2, cut, SIZE_MAX, cut & 1);
    for (size_t piece = 1; piece < 60; piece += piece < 8 ? 1 : 13)
        assert_conversation(&said, &expected, SIZE_MAX / 2, piece, piece, piece & 1);
    wire_free(&said);
    wire_free(&expected);
}

static void records_and_frames_need_not_agree(void **state) {
    (void)state;
    static const size_t records[] = {1, 2, 3, 7, 64, 200, 1000};
    struct wire said = {0}, expected = {0};
    write_conversation(&said, &expected);
    for (unsigned i = 0; i < sizeof records / sizeof records[0]; i++) {
        assert_conversation(&said, &expected, records[i], SIZE_MAX, SIZE_MAX, true); /* many in one piece */
        assert_conversation(&said, &expected, records[i], 11, 11, true);
        assert_conversation(&said, &expected, records[i], 1000, 1, false);
    }
    wire_free(&said);
    wire_free(&expected);
}

static void a_long_message_comes_and_goes(void **state) {
    (void)state;
    enum { LONG = 390000 };
    struct tls_peer *peer = websocket("/echo");
    struct wire frame = {0}, merged = {0}, expected = {0}, whole = {0};
    wire_client_frame(&frame, WIRE_FIN, WYE_OPCODE_BINARY, wire_noise(LONG, 5), LONG, 0xdeadbeef);
    hands->send_max = 33333;
    tls_say(peer, frame.at, frame.count);
    tls_settle(peer);
    wire_opening(&whole);
    wire_opening(&expected);
    wire_add(&whole, peer->heard.at, peer->heard.count);
    wire_server_frame(&expected, WYE_OPCODE_BINARY, wire_noise(LONG, 5), LONG);
    assert_true(wire_merge(&merged, &whole));
    assert_true(wire_equal(&merged, &expected));
    wire_free(&frame), wire_free(&merged), wire_free(&expected), wire_free(&whole);
    tls_peer_free(peer);
}

/* ---- out ---- */

static void sends_may_be_short_anywhere(void **state) {
    (void)state;
    struct wire said = {0}, expected = {0};
    write_conversation(&said, &expected);
    for (size_t most = 1; most < 60; most += 1 + most / 9) {
        hands->send_max = most;
        assert_conversation(&said, &expected, SIZE_MAX / 2, SIZE_MAX, SIZE_MAX, true);
    }
    wire_free(&said);
    wire_free(&expected);
}

static void what_is_queued_in_a_turn_is_one_record(void **state) {
    (void)state;
    struct tls_peer *peer = websocket("/echo");
    static const uint8_t constant[] = "constant";
    struct wye_conn *conn = peer->wire->conn;
    unsigned sends = peer->wire->sends;
    for (unsigned i = 0; i < 40; i++) {
        wye_conn_send(conn, "copied", 6);
        wye_conn_send_slice(conn, (struct wye_slice){constant, WYE_CHUNK_CONSTANT, 8});
    }
    fake_turn(hands);
    tls_pump(peer);
    assert_int_equal(peer->heard.count, 40 * 14);
    assert_int_equal(peer->records, 2); /* 64 slices in the first */
    assert_int_equal(peer->wire->sends, sends + 1);
    tls_peer_free(peer);
}

static void records_are_small_first_and_large_after_until_it_is_idle(void **state) {
    (void)state;
    struct tls_peer *peer = connect_up();
    for (unsigned round = 0; round < 2; round++) {
        peer->records = peer->record_most = 0;
        wire_clear(&peer->heard);
        wye_conn_send(peer->wire->conn, wire_noise(40000, 1), 40000);
        fake_settle(hands);
        tls_pump(peer);
        assert_int_equal(peer->heard.count, 40000);
        assert_int_equal(peer->record_most, FIRST_RECORDS);
        wye_conn_send(peer->wire->conn, wire_noise(60000, 2), 60000);
        wye_conn_send(peer->wire->conn, wire_noise(30000, 2), 30000);
        fake_settle(hands);
        tls_pump(peer);
        assert_int_equal(peer->heard.count, 130000);
        assert_int_equal(peer->record_most, 16384);
        fake_pass(hands, FAKE_SECOND + FAKE_SECOND / 10);
    }
    tls_peer_free(peer);
}

static void what_is_sealed_and_what_is_not_share_the_outbox_limit(void **state) {
    (void)state;
    struct tls_peer *peer = websocket("/echo");
    struct wye_conn *conn = peer->wire->conn;
    peer->wire->window = 0;
    wye_conn_send(conn, wire_noise(20000, 1), 20000);
    fake_settle(hands);
    assert_true(conn->blocked && !conn->pauses);
    assert_in_range(conn->outbox.bytes, 20000 + 15 * RECORD_OVERHEAD, 20000 + 15 * 40);
    size_t sealed = conn->outbox.bytes;
    wye_conn_send(conn, wire_noise(29000, 2), 29000);
    fake_settle(hands);
    assert_int_equal(conn->outbox.bytes, sealed + 29000); /* not sealed ahead of its time */
    assert_false(conn->pauses);
    wye_conn_send(conn, wire_noise(1000, 3), 1000);
    assert_int_equal(conn->pauses, WYE_PAUSE_OUTBOX);
    peer->wire->window = SIZE_MAX;
    tls_settle(peer);
    assert_int_equal(peer->heard.count, 50000);
    assert_memory_equal(peer->heard.at, wire_noise(20000, 1), 20000);
    assert_memory_equal(peer->heard.at + 20000, wire_noise(29000, 2), 29000);
    assert_int_equal(conn->outbox.bytes + conn->pauses, 0);
    tls_peer_free(peer);
}

static void subscribers_share_what_is_published_in_plaintext(void **state) {
    (void)state;
    struct tls_peer *a = websocket("/topic/x"), *b = websocket("/topic/x");
    struct fake_peer *plain = fake_websocket(hands, "/topic/x");
    struct wire frame = {0}, expected = {0};
    uint64_t copied = hands->hub.pool.copied_bytes;
    wire_client_frame(&frame, WIRE_FIN, WYE_OPCODE_TEXT, wire_words(1000, 1), 1000, 77);
    wire_server_frame(&expected, WYE_OPCODE_TEXT, wire_words(1000, 1), 1000);
    fake_feed(plain, frame.at, frame.count);
    assert_ptr_equal(a->wire->conn->outbox.first.bytes, b->wire->conn->outbox.first.bytes);
    assert_ptr_equal(a->wire->conn->outbox.first.bytes, plain->conn->outbox.first.bytes);
    tls_settle(a);
    tls_settle(b);
    assert_true(wire_equal(&a->heard, &expected) && wire_equal(&b->heard, &expected) &&
                wire_equal(&plain->received, &expected));
    assert_in_range(hands->hub.pool.copied_bytes - copied, 3000, 3100); /* once, and once sealed for each */
    wire_free(&frame), wire_free(&expected);
    tls_peer_free(a), tls_peer_free(b);
}

/* ---- pauses ---- */

static void a_paused_connection_does_not_decrypt_and_loses_nothing(void **state) {
    (void)state;
    struct tls_peer *peer = websocket("/echo");
    struct wye_conn *conn = peer->wire->conn;
    struct wire said = {0}, expected = {0};
    wye_conn_pause(conn, WYE_PAUSE_USER);
    uint64_t messages = counted(&hands->hub.counters.messages_in);
    for (unsigned i = 0; i < 300; i++) {
        struct wire frame = {0};
        wire_client_frame(&frame, WIRE_FIN, WYE_OPCODE_BINARY, wire_noise(i, i), i, i);
        wire_server_frame(&expected, WYE_OPCODE_BINARY, wire_noise(i, i), i);
        tls_say(peer, frame.at, frame.count);
        wire_free(&frame);
    }
    tls_take(peer, &said);
    for (size_t at = 0; at < said.count; at += 1000)
        fake_feed(peer->wire, said.at + at, said.count - at < 1000 ? said.count - at : 1000);
    fake_settle(hands);
    assert_int_equal(counted(&hands->hub.counters.messages_in), messages);
    assert_null(conn->tail);
    assert_false(peer->wire->armed);
    fake_eof(peer->wire); /* noticed when all has been read */
    fake_settle(hands);
    assert_int_equal(conn->phase, WYE_CONN_OPEN);
    peer->wire->window = 0;
    wye_conn_resume(conn, WYE_PAUSE_USER);
    fake_settle(hands);
    peer->wire->window = SIZE_MAX; /* it was paused again by its own outbox, or wasn't: all the same */
    tls_settle(peer);
    assert_true(wire_equal(&peer->heard, &expected));
    assert_null(peer->wire->conn);
    assert_int_equal(peer->wire->reason, -WYE_CLOSE_ABNORMAL);
    wire_free(&said), wire_free(&expected);
    tls_peer_free(peer);
}

static void pause_at_once(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    (void)bytes, (void)count;
    wye_conn_pause(conn, WYE_PAUSE_USER);
}

static void who_pauses_gets_no_further_record_of_the_same_piece(void **state) {
    (void)state;
    struct tls_peer *peer = connect_up();
    struct wye_conn *conn = peer->wire->conn;
    wye_conn_switch(conn, &probe_inline);
    probe.on_input = pause_at_once;
    struct wire sealed = {0};
    static const char *const words[] = {"one", "two", "three", "four"};
    for (unsigned i = 0; i < 4; i++) tls_say(peer, words[i], strlen(words[i]));
    tls_take(peer, &sealed);
    fake_feed(peer->wire, sealed.at, sealed.count);
    for (unsigned i = 0; i < 4; i++) {
        fake_settle(hands);
        assert_int_equal(probe.inputs, i + 1);
        assert_null(conn->tail);
        assert_memory_equal(probe.seen.at + probe.seen.count - strlen(words[i]), words[i], strlen(words[i]));
        wye_conn_resume(conn, WYE_PAUSE_USER);
    }
    fake_settle(hands);
    assert_int_equal(probe.seen.count, 15);
    wire_free(&sealed);
    probe_reset();
    tls_peer_free(peer);
}

/* ---- endings ---- */

static void a_close_notify_is_answered_with_one(void **state) {
    (void)state;
    struct tls_peer *peer = connect_up();
    assert_int_equal(SSL_shutdown(peer->ssl), 0);
    tls_settle(peer);
    assert_true(peer->notified);
    assert_null(peer->wire->conn);
    assert_int_equal(peer->wire->reason, 0);
    assert_int_equal(counted(&hands->hub.counters.tls_cut_off), 0);
    tls_peer_free(peer);
}

static void what_was_queued_goes_before_our_close_notify(void **state) {
    (void)state;
    struct tls_peer *peer = websocket("/echo");
    struct wire close = {0}, expected = {0};
    hands->send_max = 7;
    wye_conn_send(peer->wire->conn, "last words", 10);
    wire_client_close(&close, 1000, "bye");
    wire_add_text(&expected, "last words");
    wire_server_close(&expected, 1000, NULL);
    tls_say(peer, close.at, close.count);
    tls_settle(peer);
    assert_true(wire_equal(&peer->heard, &expected));
    assert_true(peer->notified && !peer->failed);
    assert_null(peer->wire->conn);
    assert_int_equal(peer->wire->reason, -1000);
    wire_free(&close), wire_free(&expected);
    tls_peer_free(peer);
}

static void an_end_without_a_close_notify_is_noticed(void **state) {
    (void)state;
    struct tls_peer *http = connect_up(), *socket = websocket("/echo");
    fake_eof(http->wire);
    fake_eof(socket->wire);
    tls_settle(http);
    tls_settle(socket);
    assert_null(http->wire->conn);
    assert_null(socket->wire->conn);
    assert_int_equal(http->wire->reason, -ECONNABORTED);
    assert_int_equal(socket->wire->reason, -WYE_CLOSE_ABNORMAL);
    assert_int_equal(counted(&hands->hub.counters.tls_cut_off), 2);
    assert_true(http->notified); /* ours comes all the same */
    tls_peer_free(http), tls_peer_free(socket);
}

static void garbage_is_answered_with_an_alert_and_the_end(void **state) {
    (void)state;
    struct tls_peer *peer = websocket("/echo");
    struct wire frame = {0}, sealed = {0};
    peer->wire->window = 0;
    wye_conn_send(peer->wire->conn, "sealed, and sent", 16);
    fake_turn(hands);
    wye_conn_send(peer->wire->conn, "never sealed", 12);
    wire_client_frame(&frame, WIRE_FIN, WYE_OPCODE_TEXT, "hello", 5, 1);
    tls_say(peer, frame.at, frame.count);
    tls_take(peer, &sealed);
    sealed.at[sealed.count - 3] ^= 1;
    fake_feed(peer->wire, sealed.at, sealed.count);
    fake_settle(hands);
    assert_int_equal(peer->wire->conn->phase, WYE_CONN_FINISHING);
    peer->wire->window = SIZE_MAX;
    tls_settle(peer);
    assert_int_equal(peer->heard.count, 16);
    assert_int_equal(peer->alert, SSL_AD_BAD_RECORD_MAC);
    assert_int_equal(peer->wire->conn->phase, WYE_CONN_LINGERING);
    fake_feed(peer->wire, sealed.at, sealed.count); /* discarded */
    fake_eof(peer->wire);
    fake_settle(hands);
    assert_null(peer->wire->conn);
    assert_int_equal(peer->wire->reason, -EPROTO);
    assert_int_equal(counted(&hands->hub.counters.tls_broken), 1);
    assert_int_equal(counted(&hands->hub.counters.tls_failed), 0);
    wire_free(&frame), wire_free(&sealed);
    tls_peer_free(peer);
}

static void a_node_that_drains_says_goodbye_over_tls(void **state) {
    (void)state;
    struct tls_peer *peer = websocket("/echo");
    struct wire expected = {0}, close = {0};
    wire_server_close(&expected, 1001, "the server is shutting down");
    world.node.draining = true;
    fake_settle(hands);
    tls_settle(peer);
    assert_true(wire_equal(&peer->heard, &expected));
    wire_client_close(&close, 1001, NULL);
    tls_say(peer, close.at, close.count);
    tls_settle(peer);
    assert_true(peer->notified);
    assert_null(peer->wire->conn);
    wire_free(&expected), wire_free(&close);
    tls_peer_free(peer);
}

#define BOTH(test)                                                                                           \
    {#test " (1.2)", test, open_world, shut_world, (void *)(uintptr_t)&versions[0]}, {                       \
#test " (1.3)", test, open_world, shut_world, (void *)(uintptr_t)&versions[1]                        \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(records_may_be_cut_anywhere),
        BOTH(records_and_frames_need_not_agree),
        BOTH(a_long_message_comes_and_goes),
        BOTH(sends_may_be_short_anywhere),
        BOTH(what_is_queued_in_a_turn_is_one_record),
        BOTH(records_are_small_first_and_large_after_until_it_is_idle),
        BOTH(what_is_sealed_and_what_is_not_share_the_outbox_limit),
        BOTH(subscribers_share_what_is_published_in_plaintext),
        BOTH(a_paused_connection_does_not_decrypt_and_loses_nothing),
        BOTH(who_pauses_gets_no_further_record_of_the_same_piece),
        BOTH(a_close_notify_is_answered_with_one),
        BOTH(what_was_queued_goes_before_our_close_notify),
        BOTH(an_end_without_a_close_notify_is_noticed),
        BOTH(garbage_is_answered_with_an_alert_and_the_end),
        BOTH(a_node_that_drains_says_goodbye_over_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
