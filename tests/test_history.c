/* History: what is kept of topics, what goes when there is too much, and what those get who ask for it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/history.h"
#include "core/replay.h"
#include "core/topic.h"
#include "tests/fake_publish.h"

#include <stdio.h>
#include <stdlib.h>

enum { LIMIT = 100000, MEMORY = 65536, BUCKETS_COST = 64 * 8 + WYE_HISTORY_BOOKKEEPING_BYTES };

static struct fake_world world;
static struct fake_hands *hands;
static struct fake_peer *posters[2]; /* a connection of each hub that stays */

static void open_hubs(unsigned count, enum wye_deflate_mode deflate) {
    static const struct wye_history_rule rules[] = {
        {{"off/#", 5}, {SIZE_MAX, 0}}, {{"few", 3}, {SIZE_MAX, 3}}, {{"bytes", 5}, {10, 100}}, {{"many/#", 6}, {SIZE_MAX, 10000}}};
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.outbox_bytes = LIMIT;
    settings.deflate = deflate;
    settings.history = (struct wye_history_limits){SIZE_MAX, 100};
    settings.history_rules = rules;
    settings.history_rule_count = sizeof rules / sizeof rules[0];
    settings.history_memory_bytes = MEMORY;
    fake_world_open(&world, count, true, &settings);
    hands = world.hands;
    posters[0] = posters[1] = NULL;
}

static int open_one(void **state) {
    (void)state;
    open_hubs(1, WYE_DEFLATE_SHARED);
    return 0;
}

static int open_two(void **state) {
    (void)state;
    open_hubs(2, WYE_DEFLATE_SHARED);
    return 0;
}

static int shut_world(void **state) {
    (void)state;
    fake_world_shut(&world);
    return 0;
}

static uint64_t bytes_kept(void) { return wye_counted(&world.node.history.bytes); }
static uint64_t messages_kept(void) { return wye_counted(&world.node.history.messages); }
static struct wye_counters *counters(void) { return &hands->hub.counters; }

/* By HTTP, to a topic that perhaps nobody has subscribed to. */
static void post(struct fake_hands *at, const char *name, const char *body, size_t count) {
    struct fake_peer **peer = &posters[at->hub.number];
    if (!*peer) *peer = fake_connect(at, false);
    struct wire wire = {0};
    char head[512];
    int n = snprintf(head, sizeof head, "POST /topic/%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", name, count);
    wire_add(&wire, head, (size_t)n);
    wire_add(&wire, body, count);
    fake_feed(*peer, wire.at, wire.count);
    fake_turn(at);
    wire_free(&wire);
}

static void post_text(const char *name, const char *text) { post(hands, name, text, strlen(text)); }

/* A subscriber whose 101 is taken out of what it received, and what is replayed left in. */
static struct fake_peer *join(struct fake_hands *at, const char *target) {
    struct fake_peer *peer = fake_connect(at, false);
    struct wire script = {0}, opening = {0};
    wire_upgrade(&script, target);
    wire_opening(&opening);
    fake_say(peer, &script);
    assert_true(peer->received.count >= opening.count);
    assert_memory_equal(peer->received.at, opening.at, opening.count);
    memmove(peer->received.at, peer->received.at + opening.count, peer->received.count - opening.count);
    peer->received.count -= opening.count;
    wire_free(&script);
    wire_free(&opening);
    return peer;
}

/* What such a one gets at once; it leaves again. */
static void assert_replayed(const char *target, const char *texts) {
    struct fake_peer *peer = join(hands, target);
    assert_got(peer, texts);
    fake_eof(peer);
    fake_settle(hands);
}

static size_t cost_of(const char *name, size_t payload_bytes) {
    const struct wye_parcel parcel = {.name_bytes = (uint16_t)strlen(name), .payload_bytes = payload_bytes};
    return wye_history_message_cost(&parcel);
}

/* ---- what is kept ---- */

static void the_last_messages_are_replayed_oldest_first(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/a");
    publish_text(from, "one");
    publish_text(from, "two");
    fake_settle(hands);
    post_text("a", "three");
    assert_replayed("/topic/a?last=2", "two three");
    assert_replayed("/topic/a?last=100", "one two three");
    assert_replayed("/topic/a?last=all", "one two three");
    assert_replayed("/topic/a?last=0", "");
    assert_replayed("/topic/a", "");
    assert_replayed("/topic/b?last=5", "");
    assert_int_equal(wye_counted(&counters()->history_replayed), 8);
    assert_int_equal(wye_counted(&counters()->replays_cut), 0);
}

static void what_is_published_to_nobody_is_kept(void **state) {
    (void)state;
    post_text("a", "one");
    assert_int_equal(hands->hub.topics.count, 0);
    assert_replayed("/topic/a?last=5", "one");
}

static void a_topic_keeps_as_many_messages_as_its_rule_says(void **state) {
    (void)state;
    for (unsigned i = 0; i < 7; i++) post_text("few", (const char[2]){(char)('a' + i), 0});
    assert_replayed("/topic/few?last=all", "e f g");
    assert_int_equal(messages_kept(), 3);
    assert_int_equal(wye_counted(&counters()->history_outgrown), 4);
    post_text("off/x", "nothing");
    assert_replayed("/topic/off/x?last=all", "");
    assert_int_equal(messages_kept(), 3);
}

static void a_topic_keeps_as_many_bytes_as_its_rule_says(void **state) {
    (void)state;
    post_text("bytes", "1234");
    post_text("bytes", "567");
    post_text("bytes", "890");
    assert_replayed("/topic/bytes?last=all", "1234 567 890");
    post_text("bytes", "x");
    assert_replayed("/topic/bytes?last=all", "567 890 x");
    post_text("bytes", "abcdefghij");
    assert_replayed("/topic/bytes?last=all", "abcdefghij");
    /* What can't be kept would be a hole: nothing older is kept, either. */
    post_text("bytes", "abcdefghijk");
    assert_replayed("/topic/bytes?last=all", "");
    assert_int_equal(messages_kept(), 0);
    assert_int_equal(wye_counted(&counters()->history_too_large), 1);
    post_text("bytes", "new");
    assert_replayed("/topic/bytes?last=all", "new");
}

static void the_nodes_own_topics_have_none(void **state) {
    (void)state;
    struct wye_settings settings;
    const struct wye_history_rule all = {{"#", 1}, {SIZE_MAX, 7}};
    wye_settings_init(&settings);
    settings.history.messages = 5;
    settings.history_rules = &all;
    settings.history_rule_count = 1;
    assert_int_equal(wye_history_limits_of(&settings, WYE_SPAN("$wye/stats")).messages, 0);
    assert_int_equal(wye_history_limits_of(&settings, WYE_SPAN("a")).messages, 7);
    struct fake_peer *peer = join(hands, "/topic/$wye/stats?last=3");
    wire_clear(&peer->received);
    fake_pass(hands, 3 * FAKE_SECOND);
    assert_true(peer->received.count > 0);
    assert_int_equal(messages_kept(), 0);
}

static void a_last_that_is_none_is_refused_with_a_sentence(void **state) {
    (void)state;
    static const char *const targets[] = {"/topic/a?last=", "/topic/a?last=x", "/topic/a?last=-1", "/topic/a?last=10001", "/topic/a?last=1.5",
                                          "/topic/a?last=99999999999999999999", "/chat?last=5x", "/topic/a?last=%31"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct fake_peer *peer = fake_connect(hands, false);
        struct wire wire = {0};
        wire_upgrade(&wire, targets[i]);
        fake_say(peer, &wire);
        assert_true(wire_find(&peer->received, " 400 ", 0) != SIZE_MAX);
        assert_true(wire_find(&peer->received, "a number from 0 to 10000, or all", 0) != SIZE_MAX);
        assert_true(wire_find(&peer->received, "The query of this path can't have 'last=", 0) != SIZE_MAX);
        wire_free(&wire);
    }
}

/* ---- memory ---- */

static void memory_is_counted_to_the_byte(void **state) {
    (void)state;
    assert_int_equal(bytes_kept(), 0);
    post_text("a", "12345");
    uint64_t one = BUCKETS_COST + wye_history_topic_cost(1) + cost_of("a", 5);
    assert_int_equal(bytes_kept(), one);
    post_text("a", "");
    assert_int_equal(bytes_kept(), one + cost_of("a", 0));
    post_text("few", "x");
    assert_int_equal(bytes_kept(), one + cost_of("a", 0) + wye_history_topic_cost(3) + cost_of("few", 1));
    for (unsigned i = 0; i < 9; i++) post_text("few", "x");
    assert_int_equal(bytes_kept(), one + cost_of("a", 0) + wye_history_topic_cost(3) + 3 * cost_of("few", 1));
}

static void the_topic_that_was_idle_for_longest_goes_first_and_whole(void **state) {
    (void)state;
    static char big[20000];
    memset(big, 'x', sizeof big);
    post(hands, "a", big, 20000);
    post_text("a", "tail");
    post(hands, "b", big, 20000);
    post(hands, "c", big, 20000);
    assert_int_equal(messages_kept(), 4);
    post_text("a", "busy"); /* now b is idle for longest */
    uint64_t before = bytes_kept();
    size_t left = MEMORY - (size_t)before - wye_history_topic_cost(1) - cost_of("d", 0);
    post(hands, "d", big, left); /* it fits to the byte */
    assert_int_equal(bytes_kept(), MEMORY);
    assert_int_equal(wye_counted(&counters()->history_evicted), 0);
    post_text("e", "");
    assert_int_equal(bytes_kept(), MEMORY - wye_history_topic_cost(1) - cost_of("b", 20000) + wye_history_topic_cost(1) + cost_of("e", 0));
    assert_int_equal(wye_counted(&counters()->history_topics_evicted), 1);
    assert_replayed("/topic/b?last=all", "");
    post(hands, "c", big, 20000); /* fits where b was, but for some bytes: a goes, with three messages */
    assert_int_equal(wye_counted(&counters()->history_topics_evicted), 2);
    assert_int_equal(wye_counted(&counters()->history_evicted), 4);
    assert_replayed("/topic/a?last=all", "");
    assert_true(bytes_kept() <= MEMORY);
    assert_int_equal(messages_kept(), 4); /* c twice, d, e */
}

static void a_topic_alone_loses_its_own_oldest(void **state) {
    (void)state;
    static char big[MEMORY];
    memset(big, 'x', sizeof big);
    size_t room = MEMORY - BUCKETS_COST - wye_history_topic_cost(6), each = room / 3 - cost_of("many/a", 0);
    for (unsigned i = 0; i < 3; i++) post(hands, "many/a", big, each);
    assert_int_equal(messages_kept(), 3);
    post_text("many/a", "");
    assert_int_equal(messages_kept(), 3);
    assert_int_equal(wye_counted(&counters()->history_evicted), 1);
    post(hands, "many/a", big, room - cost_of("many/a", 0)); /* alone it just fits */
    assert_int_equal(messages_kept(), 1);
    assert_int_equal(bytes_kept(), MEMORY);
    post(hands, "many/b", big, 1);
    assert_int_equal(messages_kept(), 1);
    post(hands, "many/b", big, room - cost_of("many/b", 0) + 1); /* never */
    assert_int_equal(messages_kept(), 0);
    assert_int_equal(bytes_kept(), BUCKETS_COST);
    assert_int_equal(wye_counted(&counters()->history_too_large), 1);
}

static void a_flood_of_names_stays_within_the_memory(void **state) {
    (void)state;
    char name[32];
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "many/%u", i * 7919);
        post_text(name, "x");
        assert_true(bytes_kept() <= MEMORY);
    }
    uint64_t topics = wye_counted(&world.node.history.topics);
    assert_true(topics > 150 && topics < 400);
    assert_true(MEMORY - bytes_kept() < 2 * (wye_history_topic_cost(20) + cost_of(name, 1)));
    assert_int_equal(topics, messages_kept());
    assert_int_equal(wye_counted(&counters()->history_topics_evicted), 2000 - topics);
}

/* ---- what is replayed ---- */

static void patterns_get_the_last_of_each_topic_in_the_order_they_came(void **state) {
    (void)state;
    post_text("a/x", "x1");
    post_text("a/y", "y1");
    post_text("b", "b1");
    post_text("a/x", "x2");
    post_text("a/y", "y2");
    post_text("a/x", "x3");
    post_text("c", "c1");
    assert_replayed("/topic/a/%23?last=2", "y1 x2 y2 x3");
    assert_replayed("/topic/a/+?last=1", "y2 x3");
    assert_replayed("/topic/%23?last=all", "x1 y1 b1 x2 y2 x3 c1");
    /* Each once, however many of its subscriptions match. */
    assert_replayed("/topic/a/x?last=2&also=a/%23&also=%23&also=b&also=b", "y1 b1 x2 y2 x3 c1");
    assert_replayed("/topic/b?last=9&also=a/y", "y1 b1 y2");
}

static void a_replay_takes_half_an_outbox_of_the_newest(void **state) {
    (void)state;
    static char big[10000];
    memset(big, 'x', sizeof big);
    post_text("many/a", "old");
    for (unsigned i = 0; i < 5; i++) post(hands, "many/a", big, LIMIT / 2 / 5 - 4);
    struct fake_peer *peer = join(hands, "/topic/many/a?last=all");
    assert_int_equal(peer->received.count, LIMIT / 2);
    assert_int_equal(wye_counted(&counters()->replays_cut), 1);
    assert_int_equal(wye_counted(&counters()->history_replayed), 5);
    wire_clear(&peer->received);
    post_text("many/a", "live");
    fake_settle(hands);
    assert_got(peer, "live");
}

static void no_memory_for_a_replay_says_so(void **state) {
    (void)state;
    post_text("a", "one");
    world.node.edition->settings.memory_bytes = 1;
    struct fake_peer *peer = join(hands, "/topic/a?last=1");
    assert_closed_with(peer, 1013, "no memory left for a replay");
    world.node.edition->settings.memory_bytes = UINT64_MAX;
}

static void what_is_refused_for_want_of_memory_is_not_kept_and_leaves_nothing_behind(void **state) {
    (void)state;
    post_text("a", "one");
    uint64_t before = bytes_kept();
    world.node.edition->settings.memory_bytes = 1;
    post_text("a", "two");
    posters[0] = NULL; /* it has been told so, and closed */
    post_text("new", "two");
    posters[0] = NULL;
    assert_int_equal(wye_counted(&counters()->memory_refused), 2);
    assert_int_equal(bytes_kept(), before);
    assert_null(wye_topic_find(&hands->hub, WYE_SPAN("new"))); /* nobody needs it */
    world.node.edition->settings.memory_bytes = UINT64_MAX;
    post_text("a", "three");
    assert_replayed("/topic/a?last=all", "one three");
}

/* ---- joining while waves and letters are on their way ---- */

static void a_joiner_gets_what_waves_in_flight_bring_to_others_by_replay(void **state) {
    (void)state;
    struct fake_peer *peers[20], *joined[4];
    for (unsigned i = 0; i < 20; i++) peers[i] = fake_websocket(hands, "/topic/t");
    hands->hub.waves.share = 3;
    publish_text(peers[0], "one");
    fake_turn(hands);
    publish_text(peers[1], "two"); /* gathers behind the one that has started */
    struct wire script = {0}, opening = {0};
    wire_upgrade(&script, "/topic/t?last=9&noecho");
    wire_opening(&opening);
    for (unsigned i = 0; i < 4; i++) {
        joined[i] = fake_connect(hands, false);
        fake_feed(joined[i], script.at, script.count);
        publish_text(peers[2], (const char *[]){"three", "four", "five", "six"}[i]);
        if (i == 1) fake_turn(hands);
    }
    fake_settle(hands);
    for (unsigned i = 0; i < 20; i++) assert_got(peers[i], "one two three four five six");
    for (unsigned i = 0; i < 4; i++) {
        struct wire *got = &joined[i]->received;
        memmove(got->at, got->at + opening.count, got->count - opening.count);
        got->count -= opening.count;
        assert_got(joined[i], "one two three four five six");
    }
    wire_free(&script);
    wire_free(&opening);
}

static void letters_that_wait_come_live_and_not_by_replay(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *from = fake_websocket(hands, "/topic/t"), *first = fake_websocket(other, "/topic/t");
    publish_text(from, "one");
    fake_settle(hands);
    fake_settle(other);
    publish_text(from, "two"); /* its letter waits in the other's mailbox */
    struct fake_peer *peer = fake_connect(other, false);
    struct wire script = {0}, opening = {0};
    wire_upgrade(&script, "/topic/t?last=9");
    wire_opening(&opening);
    fake_feed(peer, script.at, script.count); /* before its mail is taken */
    publish_text(from, "three");
    fake_settle(hands);
    fake_settle(other);
    memmove(peer->received.at, peer->received.at + opening.count, peer->received.count - opening.count);
    peer->received.count -= opening.count;
    assert_int_equal(wye_counted(&other->hub.counters.history_replayed), 1);
    assert_got(peer, "one two three");
    assert_got(first, "one two three");
    assert_got(from, "one two three");
    wire_free(&script);
    wire_free(&opening);
}

/* A letter waits in a mailbox; what is published behind it waits, too, though its last reader has gone. */
static void what_is_replayed_does_not_overtake_a_letter_that_waits(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *from = fake_websocket(hands, "/topic/t"), *first = fake_websocket(other, "/topic/t");
    publish_text(from, "one");
    fake_eof(first); /* before its mail is taken */
    publish_text(from, "two");
    struct fake_peer *peer = fake_connect(other, false);
    struct wire script = {0}, opening = {0};
    wire_upgrade(&script, "/topic/t?last=9");
    wire_opening(&opening);
    fake_feed(peer, script.at, script.count);
    fake_settle(hands);
    fake_settle(other);
    publish_text(from, "three");
    fake_settle(hands);
    fake_settle(other);
    memmove(peer->received.at, peer->received.at + opening.count, peer->received.count - opening.count);
    peer->received.count -= opening.count;
    assert_got(peer, "one two three");
    wire_free(&script);
    wire_free(&opening);
}

/* Settings are read again: what is published meanwhile isn't kept, and must not be missing in the midst of
 * what is. */
static void history_that_was_off_for_a_while_begins_anew(void **state) {
    (void)state;
    struct wye_settings on = hands->hub.edition->settings, off = on;
    off.history.messages = 0;
    post_text("t", "one");
    post_text("t", "two");
    assert_int_equal(wye_node_use_settings(&world.node, &off), 0);
    fake_turn(hands);
    assert_replayed("/topic/t?last=9", "one two"); /* nothing has come since */
    post_text("t", "three");
    assert_int_equal(messages_kept(), 0);
    assert_int_equal(wye_node_use_settings(&world.node, &on), 0);
    fake_turn(hands);
    post_text("t", "four");
    assert_replayed("/topic/t?last=9", "four");
}

/* Full history must leave publishers room, or they would wait for memory for ever. */
static void history_takes_at_most_half_of_the_nodes_memory(void **state) {
    (void)state;
    struct wye_settings settings = hands->hub.edition->settings;
    settings.memory_bytes = MEMORY * 4;
    settings.history_memory_bytes = MEMORY * 8;
    assert_int_equal(wye_node_use_settings(&world.node, &settings), 0);
    fake_turn(hands);
    static char big[MEMORY / 8];
    memset(big, 'x', sizeof big);
    for (unsigned i = 0; i < 60; i++) {
        char name[32];
        snprintf(name, sizeof name, "many/%u", i);
        post(hands, name, big, sizeof big);
        fake_settle(hands);
        assert_int_equal(posters[0]->conn->pauses, 0);
    }
    assert_in_range(bytes_kept(), MEMORY, MEMORY * 2);
    assert_true(wye_counted(&counters()->history_topics_evicted) > 20);
}

static void a_loop_without_subscribers_gets_no_letters_and_replays_the_same(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    post_text("t", "one");
    post_text("t", "two");
    assert_int_equal(wye_counted(&other->hub.counters.letters), 0);
    struct fake_peer *far = join(other, "/topic/t?last=9"), *near = join(hands, "/topic/t?last=9");
    post(other, "t", "three", 5);
    fake_settle(other);
    fake_settle(hands);
    assert_got(far, "one two three");
    assert_got(near, "one two three");
    struct fake_peer *late = join(other, "/topic/%23?last=2");
    assert_got(late, "two three");
}

int main(void) {
#define ONE(test) cmocka_unit_test_setup_teardown(test, open_one, shut_world)
#define TWO(test) cmocka_unit_test_setup_teardown(test, open_two, shut_world)
    const struct CMUnitTest tests[] = {
        ONE(the_last_messages_are_replayed_oldest_first),
        ONE(what_is_published_to_nobody_is_kept),
        ONE(a_topic_keeps_as_many_messages_as_its_rule_says),
        ONE(a_topic_keeps_as_many_bytes_as_its_rule_says),
        ONE(the_nodes_own_topics_have_none),
        ONE(a_last_that_is_none_is_refused_with_a_sentence),
        ONE(memory_is_counted_to_the_byte),
        ONE(the_topic_that_was_idle_for_longest_goes_first_and_whole),
        ONE(a_topic_alone_loses_its_own_oldest),
        ONE(a_flood_of_names_stays_within_the_memory),
        ONE(patterns_get_the_last_of_each_topic_in_the_order_they_came),
        ONE(a_replay_takes_half_an_outbox_of_the_newest),
        ONE(no_memory_for_a_replay_says_so),
        ONE(what_is_refused_for_want_of_memory_is_not_kept_and_leaves_nothing_behind),
        ONE(a_joiner_gets_what_waves_in_flight_bring_to_others_by_replay),
        TWO(letters_that_wait_come_live_and_not_by_replay),
        TWO(what_is_replayed_does_not_overtake_a_letter_that_waits),
        ONE(history_that_was_off_for_a_while_begins_anew),
        ONE(history_takes_at_most_half_of_the_nodes_memory),
        TWO(a_loop_without_subscribers_gets_no_letters_and_replays_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
