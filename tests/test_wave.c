/* Waves: patterns and several topics on a connection, turns that are bounded, and what is done for slow readers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/wave.h"
#include "core/websocket.h"
#include "tests/fake_publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIMIT = 20000 };

static struct fake_world world;
static struct fake_hands *hands;

static void open_with(unsigned hubs, const struct wye_slow_rule *rules, size_t rule_count) {
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.deflate = WYE_DEFLATE_TAKEOVER; /* for those who ask */
    settings.outbox_bytes = LIMIT;
    settings.mailbox_bytes = 5000;
    settings.slow_rules = rules;
    settings.slow_rule_count = rule_count;
    fake_world_open(&world, hubs, true, &settings);
    hands = world.hands;
}

static int open_one(void **state) {
    (void)state;
    static const struct wye_slow_rule rules[] = {
        {{"price/#", 7}, WYE_ON_SLOW_DROP}, {{"price/+", 7}, WYE_ON_SLOW_LATEST}, {{"drop", 4}, WYE_ON_SLOW_DROP}};
    open_with(1, rules, 3);
    return 0;
}

static int open_large(void **state) {
    (void)state;
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.deflate = WYE_DEFLATE_TAKEOVER;
    fake_world_open(&world, 1, true, &settings);
    hands = world.hands;
    return 0;
}

static int open_two(void **state) {
    (void)state;
    open_with(2, NULL, 0);
    return 0;
}

static int shut_world(void **state) {
    (void)state;
    fake_world_shut(&world);
    return 0;
}

static struct wye_counters *counters(void) { return &hands->hub.counters; }

/* ---- patterns, and several topics ---- */

static void a_pattern_gets_what_is_published_to_the_names_it_matches(void **state) {
    (void)state;
    struct fake_peer *all = fake_websocket(hands, "/topic/%23"), *plus = fake_websocket(hands, "/topic/a/+"),
                     *below = fake_websocket(hands, "/topic/a/%23"), *ab = fake_websocket(hands, "/topic/a/b"),
                     *abc = fake_websocket(hands, "/topic/a/b/c"), *other = fake_websocket(hands, "/topic/x");
    publish_text(ab, "one");
    publish_text(abc, "two");
    publish_text(other, "three");
    publish_text(ab, "four");
    fake_settle(hands);
    assert_got(ab, "one four");
    assert_got(abc, "two");
    assert_got(other, "three");
    assert_got(plus, "one four");
    /* Waves of different names may pass each other; each name's messages stay in order. */
    assert_got(below, "one four two");
    assert_got(all, "one four two three");
}

static void leading_wildcards_dont_match_the_nodes_own_topics(void **state) {
    (void)state;
    struct fake_peer *all = fake_websocket(hands, "/topic/%23"), *own = fake_connect(hands, false);
    struct wire wire = {0};
    wire_upgrade(&wire, "/topic/$wye/%23");
    fake_say(own, &wire);
    wire_free(&wire);
    fake_pass(hands, 3 * FAKE_SECOND);
    assert_int_equal(all->received.count, 0);
    assert_true(wire_find(&own->received, "uptime_s", 0) != SIZE_MAX);
}

static void a_connection_gets_a_message_once_however_many_of_its_topics_match(void **state) {
    (void)state;
    struct fake_peer *many = fake_websocket(hands, "/topic/a?also=%23&also=a&also=a/%23&also=+&also=b%2fc"),
                     *from = fake_websocket(hands, "/topic/a"), *deep = fake_websocket(hands, "/topic/b/c");
    publish_text(from, "one");
    publish_text(many, "two");
    publish_text(deep, "three");
    fake_settle(hands);
    assert_got(many, "one two three");
    assert_got(from, "one two");
    assert_got(deep, "three");
}

static void what_is_sent_goes_to_the_topic_of_the_path_and_to_no_pattern(void **state) {
    (void)state;
    struct fake_peer *peer = fake_websocket(hands, "/topic/path?also=other&also=path"),
                     *other = fake_websocket(hands, "/topic/other"), *pattern = fake_websocket(hands, "/topic/+?also=x");
    publish_text(peer, "here");
    fake_settle(hands);
    assert_got(other, "");
    assert_got(pattern, "here");
    assert_got(peer, "here");
    publish_text(pattern, "nowhere");
    fake_settle(hands);
    assert_closed_with(pattern, 1008, "pattern");
    assert_got(peer, "");
}

static void a_connection_has_at_most_64_topics(void **state) {
    (void)state;
    char target[2048] = "/topic/t?";
    for (unsigned i = 0; i < 63; i++) sprintf(target + strlen(target), "also=%u&", i);
    struct fake_peer *peer = fake_websocket(hands, target), *last = fake_websocket(hands, "/topic/62");
    publish_text(last, "in");
    fake_settle(hands);
    assert_got(peer, "in");
    strcat(target, "also=63");
    struct fake_peer *more = fake_connect(hands, false);
    struct wire wire = {0};
    wire_upgrade(&wire, target);
    fake_say(more, &wire);
    assert_true(wire_find(&more->received, " 400 ", 0) != SIZE_MAX);
    assert_true(wire_find(&more->received, "(topics-per-connection: ", 0) != SIZE_MAX);
    wire_free(&wire);
}

static void patterns_are_known_to_publishers_of_other_loops(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *from = fake_websocket(hands, "/topic/a/b");
    publish_text(from, "before");
    fake_settle(hands);
    struct fake_peer *far = fake_websocket(other, "/topic/a/+"), *farther = fake_websocket(other, "/topic/c/+");
    publish_text(from, "one");
    publish_text(from, "two");
    fake_settle(hands);
    fake_settle(other);
    assert_got(far, "one two");
    assert_got(farther, "");
    assert_int_equal(wye_counted(&other->hub.counters.letters), 2);
    fake_eof(far);
    fake_settle(other);
    publish_text(from, "alone");
    fake_settle(hands);
    assert_null(wye_mailbox_take(&other->hub.mailbox));
    assert_got(from, "before one two alone");
}

/* ---- turns ---- */

static void a_wave_reaches_no_more_than_its_share_in_a_turn_and_small_ones_pass_it(void **state) {
    (void)state;
    struct fake_peer *large[40], *small[2];
    for (unsigned i = 0; i < 40; i++) large[i] = fake_websocket(hands, "/topic/large");
    for (unsigned i = 0; i < 2; i++) small[i] = fake_websocket(hands, "/topic/small");
    hands->hub.waves.share = 8;
    publish_text(large[0], "L");
    fake_turn(hands);
    assert_int_equal(wye_counted(&counters()->deliveries), 8);
    assert_int_equal(wye_hub_wait_ns(&hands->hub, hands->now_ns), 0);
    publish_text(small[0], "s");
    publish_text(large[1], "M"); /* joins nobody: that wave has started */
    fake_turn(hands);
    fake_turn(hands);
    assert_got(small[0], "s");
    assert_got(small[1], "s");
    assert_true(wye_counted(&counters()->deliveries) <= 24);
    fake_settle(hands);
    for (unsigned i = 0; i < 40; i++) assert_got(large[i], "L M");
}

static void whoever_joins_or_leaves_meanwhile_changes_nothing_for_the_others(void **state) {
    (void)state;
    struct fake_peer *peers[30];
    for (unsigned i = 0; i < 30; i++) peers[i] = fake_websocket(hands, "/topic/t");
    hands->hub.waves.share = 10;
    publish_text(peers[0], "one");
    fake_turn(hands);
    struct fake_peer *late = fake_websocket(hands, "/topic/t"); /* a turn or two pass */
    fake_eof(peers[2]);
    fake_eof(peers[12]);
    fake_eof(peers[29]);
    publish_text(late, "two");
    hands->hub.waves.share = 1;
    fake_settle(hands);
    for (unsigned i = 0; i < 30; i++) {
        if (i == 2 || i == 12 || i == 29) assert_null(peers[i]->conn);
        else assert_got(peers[i], "one two");
    }
    assert_got(late, "two");
    publish_text(peers[0], "three");
    fake_settle(hands);
    for (unsigned i = 0; i < 30; i++)
        if (peers[i]->conn) assert_got(peers[i], "three");
    assert_got(late, "three");
}

static void whoever_joins_behind_a_publish_does_not_get_it(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t");
    struct wire wire = {0};
    struct fake_peer *joins = fake_connect(hands, false), *pattern = fake_connect(hands, false);
    publish_text(from, "before"); /* no turn yet: it is on its way */
    wire_upgrade(&wire, "/topic/t");
    fake_feed(joins, wire.at, wire.count);
    wire_clear(&wire);
    wire_upgrade(&wire, "/topic/+");
    fake_feed(pattern, wire.at, wire.count);
    publish_text(from, "after");
    fake_settle(hands);
    assert_got(from, "before after");
    assert_true(wire_find(&joins->received, "before", 0) == SIZE_MAX);
    assert_true(wire_find(&joins->received, "after", 0) != SIZE_MAX);
    assert_true(wire_find(&pattern->received, "before", 0) == SIZE_MAX);
    assert_true(wire_find(&pattern->received, "after", 0) != SIZE_MAX);
    wire_free(&wire);
}

static void a_publisher_gets_its_own_last_message_before_the_answer_to_its_close(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t");
    publish_text(from, "last");
    publish(from, WYE_OPCODE_CLOSE, "\x03\xe8", 2);
    fake_settle(hands);
    struct wire expected = {0};
    wire_server_frame(&expected, TEXT, "last", 4);
    wire_server_frame(&expected, WYE_OPCODE_CLOSE, "\x03\xe8", 2);
    assert_true(wire_equal(&from->received, &expected));
    wire_free(&expected);
}

static void too_much_under_way_pauses_its_publishers(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"), *to[20];
    for (unsigned i = 0; i < 20; i++) to[i] = fake_websocket(hands, "/topic/t");
    hands->hub.waves.share = 1;
    unsigned published = 0;
    for (; published < 50 && !from->conn->pauses; published++) publish(from, BINARY, wire_noise(1000, published), 1000);
    assert_int_equal(published, 5); /* of 5,000 bytes; the fifth has a header */
    assert_int_equal(from->conn->pauses, WYE_PAUSE_PUBLISH);
    fake_settle(hands);
    assert_int_equal(from->conn->pauses, 0);
    assert_int_equal(hands->hub.waves.bytes, 0);
    for (unsigned i = 0; i < 20; i++) assert_int_equal(to[i]->received.count, published * 1004);
}

static void who_keeps_up_is_not_too_slow_however_much_is_published_in_a_turn(void **state) {
    (void)state;
    struct fake_peer *all = fake_websocket(hands, "/topic/%23"), *from[10];
    for (unsigned i = 0; i < 10; i++) {
        char target[32];
        snprintf(target, sizeof target, "/topic/%u?noecho", i);
        from[i] = fake_websocket(hands, target);
    }
    for (unsigned i = 0; i < 10; i++) publish(from[i], BINARY, wire_noise(4900, i), 4900); /* 49,000 bytes: no outbox holds them at once */
    fake_settle(hands);
    assert_int_equal(all->received.count, 10 * 4904);
    assert_int_equal(wye_counted(&counters()->slow_closed), 0);
}

/* ---- slow readers ---- */

static void drop_leaves_out_what_has_no_room_and_goes_on_behind_it(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/drop?noecho"), *slow = fake_websocket(hands, "/topic/drop");
    slow->window = 0;
    for (unsigned i = 0; i < 30; i++) {
        publish(from, BINARY, wire_noise(996, i), 996);
        fake_turn(hands);
        assert_true(slow->conn->outbox.bytes <= LIMIT);
    }
    assert_int_equal(wye_counted(&counters()->slow_dropped), 11);
    assert_int_equal(wye_counted(&counters()->deliveries), 19);
    slow->window = SIZE_MAX;
    fake_settle(hands);
    publish_text(from, "on");
    fake_settle(hands);
    struct wire expected = {0};
    for (unsigned i = 0; i < 19; i++) wire_server_frame(&expected, BINARY, wire_noise(996, i), 996);
    wire_server_frame(&expected, TEXT, "on", 2);
    assert_true(wire_equal(&slow->received, &expected));
    wire_free(&expected);
}

static void latest_replaces_what_waits_of_the_same_topic_and_nothing_else(void **state) {
    (void)state;
    struct fake_peer *gold = fake_websocket(hands, "/topic/price/gold?noecho"), *tin = fake_websocket(hands, "/topic/price/tin?noecho");
    struct fake_peer *slow = fake_websocket(hands, "/topic/price/+"), *fast = fake_websocket(hands, "/topic/price/gold");
    slow->window = 1; /* a byte of the first message leaves */
    publish_text(gold, "g0");
    fake_settle(hands);
    assert_true(slow->conn->blocked);
    for (unsigned i = 1; i <= 9; i++) {
        char text[8];
        snprintf(text, sizeof text, "g%u", i);
        publish_text(gold, text);
        snprintf(text, sizeof text, "t%u", i);
        publish_text(tin, text);
        fake_settle(hands);
        assert_int_equal(slow->conn->outbox.bytes, 3 + 4 + 4); /* the rest of the first, and one of each */
    }
    assert_int_equal(wye_counted(&counters()->slow_replaced), 16);
    slow->window = SIZE_MAX;
    fake_settle(hands);
    assert_got(slow, "g0 g9 t9");
    assert_got(fast, "g0 g1 g2 g3 g4 g5 g6 g7 g8 g9");
    publish_text(gold, "on");
    fake_settle(hands);
    assert_got(slow, "on");
}

/* One who subscribes with a compression context of its own. */
static struct fake_peer *own_context(const char *target) {
    struct fake_peer *peer = fake_connect(hands, false);
    struct wire wire = {0};
    wire_request(&wire, "GET", target,
                 "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
                 "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    fake_say(peer, &wire);
    assert_int_equal(peer->conn->encoding, WYE_ENCODING_OWN);
    wire_clear(&peer->received);
    wire_free(&wire);
    return peer;
}

/* Compressed for it alone it may become longer, which must not be held against a reader that keeps up. */
static void a_message_as_large_as_may_be_reaches_who_keeps_a_context(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"), *to = own_context("/topic/t");
    publish(from, BINARY, wire_noise(18000, 1), 18000);
    fake_settle(hands);
    assert_int_equal(wye_counted(&counters()->slow_closed), 0);
    assert_true(to->received.count >= 18000);
}

/* What may be replaced is in no context, so that a message which is never sent is missed by nobody. */
static void latest_replaces_what_waits_for_one_with_a_context_of_its_own(void **state) {
    (void)state;
    struct fake_peer *gold = fake_websocket(hands, "/topic/price/gold?noecho"), *slow = own_context("/topic/price/+");
    struct wire expected = {0};
    char price[100];
    memset(price, '7', sizeof price); /* worth being compressed */
    slow->window = 1;
    for (unsigned i = 0; i < 400; i++) {
        snprintf(price, 8, "g%06u", i);
        publish(gold, TEXT, price, sizeof price);
        fake_settle(hands);
        assert_true(slow->conn->outbox.bytes <= 2 * (sizeof price + 2));
    }
    assert_int_equal(wye_counted(&counters()->slow_replaced), 398);
    assert_int_equal(wye_counted(&counters()->slow_dropped), 0);
    slow->window = SIZE_MAX;
    fake_settle(hands);
    wire_server_frame(&expected, TEXT, price, sizeof price); /* the last one, as it is */
    assert_true(slow->received.count > expected.count);
    assert_memory_equal(slow->received.at + slow->received.count - expected.count, expected.at, expected.count);
    wire_clear(&slow->received);
    publish(gold, TEXT, price, sizeof price); /* and on with the context */
    fake_settle(hands);
    assert_int_equal(slow->received.at[0], 0xc1);
    wire_free(&expected);
}

static void what_is_not_worth_compressing_is_shared_with_who_keeps_a_context(void **state) {
    (void)state;
    enum { READERS = 5 };
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"), *to[READERS];
    struct wire expected = {0};
    const uint8_t *picture = wire_noise(8000, 3);
    memcpy((uint8_t *)(uintptr_t)picture, "\x89PNG\r\n\x1a\n", 8);
    for (unsigned i = 0; i < READERS; i++) to[i] = own_context("/topic/t");
    uint64_t copied = hands->hub.pool.copied_bytes;
    publish(from, BINARY, picture, 8000);
    fake_settle(hands);
    assert_true(hands->hub.pool.copied_bytes - copied <= 8000 + 16); /* once, at most */
    wire_server_frame(&expected, BINARY, picture, 8000);
    for (unsigned i = 0; i < READERS; i++) assert_true(wire_equal(&to[i]->received, &expected));
    wire_free(&expected);
}

/* It waits in as much memory as it is, not as much as it was before. */
static void what_was_compressed_keeps_no_more_memory_than_it_is(void **state) {
    (void)state;
    static const uint8_t zeros[300000];
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"), *to = own_context("/topic/t");
    to->window = 1;
    size_t held = wye_chunk_pool_used_bytes(&hands->hub.pool);
    for (unsigned i = 0; i < 20; i++) {
        publish(from, TEXT, zeros, sizeof zeros);
        fake_settle(hands);
    }
    assert_in_range(to->conn->outbox.bytes, 1000, 40000);
    assert_true(wye_chunk_pool_used_bytes(&hands->hub.pool) - held <= 2 * WYE_CHUNK_BYTES);
}

/* A pong that lies where its ping was received is queued before what waits is looked through. */
static void who_leaves_behind_a_ping_gets_pong_and_latest_in_order(void **state) {
    (void)state;
    struct fake_peer *gold = fake_websocket(hands, "/topic/price/gold?noecho"),
                     *slow = fake_websocket(hands, "/topic/price/+?also=price/gold");
    slow->window = 1;
    publish_text(gold, "g0");
    fake_settle(hands);
    assert_true(slow->conn->blocked);
    publish_text(gold, "g1");
    struct wire wire = {0}, expected = {0};
    wire_client_frame(&wire, WIRE_FIN, WYE_OPCODE_PING, "ping", 4, 0x11223344);
    wire_client_frame(&wire, WIRE_FIN, WYE_OPCODE_CLOSE, "\x03\xe8", 2, 0x55667788);
    fake_feed(slow, wire.at, wire.count);
    slow->window = SIZE_MAX;
    fake_settle(hands);
    wire_server_frame(&expected, TEXT, "g0", 2);
    wire_server_frame(&expected, WYE_OPCODE_PONG, "ping", 4);
    wire_server_frame(&expected, TEXT, "g1", 2);
    wire_server_frame(&expected, WYE_OPCODE_CLOSE, "\x03\xe8", 2);
    assert_true(wire_equal(&slow->received, &expected));
    wire_free(&wire);
    wire_free(&expected);
}

/* Frames of two topics that lie between each other don't touch: what keeps account of them is charged, too.
 */
static void tiny_messages_of_several_topics_are_not_kept_without_end(void **state) {
    (void)state;
    struct fake_peer *a = fake_websocket(hands, "/topic/a?noecho"),
                     *drop = fake_websocket(hands, "/topic/drop?noecho"),
                     *slow = fake_websocket(hands, "/topic/drop"), *other = fake_websocket(hands, "/topic/a");
    slow->window = 0;
    for (unsigned i = 0; i < 3000; i++) {
        publish_text(drop, "d");
        publish_text(a, "a");
        fake_turn(hands);
        wire_clear(&other->received);
        assert_true(wye_outbox_cost(&slow->conn->outbox) <= LIMIT + WYE_OUTBOX_SLICE_COST);
    }
    unsigned kept = wye_outbox_slices(&slow->conn->outbox);
    assert_in_range(kept, LIMIT / 2 / (3 + WYE_OUTBOX_SLICE_COST), LIMIT / (3 + WYE_OUTBOX_SLICE_COST) + 2);
    assert_int_equal(wye_counted(&counters()->slow_dropped), 3000 - kept);
    slow->window = SIZE_MAX;
    fake_settle(hands);
    assert_int_equal(slow->received.count, kept * 3);
}

/* The same in one turn, all read at once: it is not too much for somebody who keeps up. */
static void tiny_messages_of_several_topics_are_no_burden_for_who_keeps_up(void **state) {
    (void)state;
    struct fake_peer *a = fake_websocket(hands, "/topic/a?noecho"),
                     *b = fake_websocket(hands, "/topic/b?noecho"),
                     *to = fake_websocket(hands, "/topic/a?also=b");
    hands->hub.waves.share = 1;
    for (unsigned i = 0; i < 700 && !a->conn->pauses; i++) {
        publish_text(a, "a");
        publish_text(b, "b");
    }
    fake_settle(hands);
    assert_int_equal(to->conn->phase, WYE_CONN_OPEN);
    assert_int_equal(wye_counted(&counters()->slow_closed), 0);
}

static void the_last_policy_that_matches_a_topic_counts(void **state) {
    (void)state;
    struct fake_peer *deep = fake_websocket(hands, "/topic/price/gold/eur?noecho"), *slow = fake_websocket(hands, "/topic/price/gold/eur");
    slow->window = 0;
    for (unsigned i = 0; i < 30; i++) publish(deep, BINARY, wire_noise(996, i), 996);
    fake_settle(hands);
    assert_int_equal(wye_counted(&counters()->slow_dropped), 11); /* price/# says drop, price/+ doesn't match */
    assert_int_equal(slow->conn->phase, WYE_CONN_OPEN);
}

static void a_ping_does_not_pass_the_limit_of_a_reader_that_stands_still(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/drop?noecho"), *slow = fake_websocket(hands, "/topic/drop");
    slow->window = 0;
    while (wye_counted(&counters()->slow_dropped) == 0) {
        publish(from, BINARY, wire_noise(996, 1), 996);
        fake_turn(hands);
    }
    size_t waiting = slow->conn->outbox.bytes;
    fake_pass(hands, 30 * FAKE_SECOND);
    assert_int_equal(slow->conn->outbox.bytes, waiting);
    fake_pass(hands, 40 * FAKE_SECOND); /* it has taken nothing between two pings */
    assert_null(slow->conn);
    assert_int_equal(slow->reason, -ETIMEDOUT);
}

/* Nobody subscribes to the name itself, so that its topic is gone between two messages. */
static void latest_knows_a_topic_again_that_was_gone_meanwhile(void **state) {
    (void)state;
    struct fake_peer *slow = fake_websocket(hands, "/topic/price/+"), *client = fake_connect(hands, false);
    slow->window = 1;
    for (unsigned i = 0; i < 6; i++) {
        char request[128];
        int count = snprintf(request, sizeof request, "POST /topic/price/gold HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\ng%u", i);
        fake_feed(client, request, (size_t)count);
        fake_settle(hands);
    }
    assert_int_equal(slow->conn->outbox.bytes, 3 + 4);
    assert_int_equal(wye_counted(&counters()->slow_replaced), 4);
    slow->window = SIZE_MAX;
    fake_settle(hands);
    assert_got(slow, "g0 g5");
}

static void a_pattern_that_leaves_has_what_was_published_before(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t"), *pattern = fake_websocket(hands, "/topic/%23?also=t");
    publish_text(from, "last");
    publish(pattern, WYE_OPCODE_CLOSE, "\x03\xe8", 2);
    fake_settle(hands);
    struct wire expected = {0};
    wire_server_frame(&expected, TEXT, "last", 4);
    wire_server_frame(&expected, WYE_OPCODE_CLOSE, "\x03\xe8", 2);
    assert_true(wire_equal(&pattern->received, &expected));
    wire_free(&expected);
}

static void members_that_left_go_away_though_there_is_always_a_wave(void **state) {
    (void)state;
    struct fake_peer *stays = fake_websocket(hands, "/topic/t"), *peers[40];
    hands->hub.waves.share = 1;
    unsigned sent = 0;
    for (unsigned round = 0; round < 10; round++) {
        /* The wheel of connections turns: peers of the world are few, so those that left are used again. */
        unsigned first = hands->peer_count;
        for (unsigned i = 0; i < 40; i++) {
            peers[i] = fake_connect(hands, false);
            struct wire wire = {0};
            wire_upgrade(&wire, "/topic/t");
            fake_feed(peers[i], wire.at, wire.count);
            wire_free(&wire);
            publish_text(stays, "m"), sent++;
            fake_turn(hands);
        }
        for (unsigned i = 0; i < 40; i++) {
            wye_conn_close(peers[i]->conn, 0);
            publish_text(stays, "m"), sent++;
            fake_turn(hands);
        }
        for (unsigned i = first; i < hands->peer_count; i++) wire_free(&hands->peers[i].received);
        const struct wye_topic *topic = wye_topic_find(&hands->hub, WYE_SPAN("t"));
        assert_true(topic->first_audience && topic->count <= 41 + 2 * 64);
        hands->peer_count = first;
    }
    fake_settle(hands);
    assert_int_equal(stays->received.count, sent * 3);
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, open_one, shut_world)
#define TWO(name) cmocka_unit_test_setup_teardown(name, open_two, shut_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        ONE(a_pattern_gets_what_is_published_to_the_names_it_matches),
        ONE(leading_wildcards_dont_match_the_nodes_own_topics),
        ONE(a_connection_gets_a_message_once_however_many_of_its_topics_match),
        ONE(what_is_sent_goes_to_the_topic_of_the_path_and_to_no_pattern),
        ONE(a_connection_has_at_most_64_topics),
        TWO(patterns_are_known_to_publishers_of_other_loops),
        ONE(a_wave_reaches_no_more_than_its_share_in_a_turn_and_small_ones_pass_it),
        ONE(whoever_joins_or_leaves_meanwhile_changes_nothing_for_the_others),
        ONE(whoever_joins_behind_a_publish_does_not_get_it),
        ONE(a_publisher_gets_its_own_last_message_before_the_answer_to_its_close),
        ONE(too_much_under_way_pauses_its_publishers),
        ONE(who_keeps_up_is_not_too_slow_however_much_is_published_in_a_turn),
        ONE(drop_leaves_out_what_has_no_room_and_goes_on_behind_it),
        ONE(latest_replaces_what_waits_of_the_same_topic_and_nothing_else),
        ONE(latest_knows_a_topic_again_that_was_gone_meanwhile),
        ONE(a_pattern_that_leaves_has_what_was_published_before),
        ONE(members_that_left_go_away_though_there_is_always_a_wave),
        ONE(a_message_as_large_as_may_be_reaches_who_keeps_a_context),
        ONE(latest_replaces_what_waits_for_one_with_a_context_of_its_own),
        ONE(what_is_not_worth_compressing_is_shared_with_who_keeps_a_context),
        cmocka_unit_test_setup_teardown(what_was_compressed_keeps_no_more_memory_than_it_is, open_large, shut_world),
        ONE(who_leaves_behind_a_ping_gets_pong_and_latest_in_order),
        ONE(tiny_messages_of_several_topics_are_not_kept_without_end),
        ONE(tiny_messages_of_several_topics_are_no_burden_for_who_keeps_up),
        ONE(the_last_policy_that_matches_a_topic_counts),
        ONE(a_ping_does_not_pass_the_limit_of_a_reader_that_stands_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
