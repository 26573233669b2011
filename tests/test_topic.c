/* Fan-out: a message reaches every subscriber once, in order, on every loop. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/topic.h"
#include "core/websocket.h"
#include "frames/frame.h"
#include "tests/fake_publish.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* GOODBYE: a close frame's room, which no message may take. */
enum { LIMIT = 20000, GOODBYE = 127 };

static struct fake_world world;
static struct fake_hands *hands;

static void open_hubs(unsigned count) {
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.outbox_bytes = LIMIT;
    settings.mailbox_bytes = 5000;
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

static int shut_world(void **state) {
    (void)state;
    fake_world_shut(&world);
    return 0;
}

static struct wye_counters *counters(void) { return &hands->hub.counters; }

/* ---- names ---- */

static void a_name_is_one_to_255_bytes_in_at_most_16_levels(void **state) {
    (void)state;
    char name[300];
    memset(name, 'n', sizeof name);
    assert_null(wye_topic_name_fault((struct wye_span){name, 1}));
    assert_null(wye_topic_name_fault((struct wye_span){name, 255}));
    assert_non_null(wye_topic_name_fault((struct wye_span){name, 256}));
    assert_non_null(wye_topic_name_fault((struct wye_span){name, 0}));
    assert_null(wye_topic_name_fault(WYE_SPAN("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16")));
    assert_non_null(wye_topic_name_fault(WYE_SPAN("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17")));
    assert_non_null(wye_topic_name_fault(WYE_SPAN("/a")));
    assert_non_null(wye_topic_name_fault(WYE_SPAN("a/")));
    assert_non_null(wye_topic_name_fault(WYE_SPAN("a//b")));
    assert_non_null(wye_topic_name_fault(WYE_SPAN("/")));
    assert_non_null(wye_topic_name_fault(WYE_SPAN("a\0b")));
    assert_null(wye_topic_name_fault(WYE_SPAN("a+b c")));
}

static void a_name_is_the_decoded_path_and_chat_is_a_topic(void **state) {
    (void)state;
    struct fake_peer *plain = fake_websocket(hands, "/topic/chat"),
                     *encoded = fake_websocket(hands, "/topic/%63h%61t");
    struct fake_peer *chat = fake_websocket(hands, "/chat"), *plus = fake_websocket(hands, "/topic/a+b");
    struct fake_peer *plus_too = fake_websocket(hands, "/topic/a%2bb"),
                     *space = fake_websocket(hands, "/topic/a%20b");
    publish_text(chat, "hello");
    publish_text(plus, "plus");
    fake_settle(hands);
    assert_got(plain, "hello");
    assert_got(encoded, "hello");
    assert_got(chat, "hello");
    assert_got(plus_too, "plus");
    assert_got(plus, "plus");
    assert_got(space, "");
}

/* ---- delivery ---- */

static void a_message_reaches_every_subscriber_once_and_no_other_topic(void **state) {
    (void)state;
    struct fake_peer *peers[10], *other = fake_websocket(hands, "/topic/news2"),
                                 *deeper = fake_websocket(hands, "/topic/news/x");
    for (unsigned i = 0; i < 10; i++) peers[i] = fake_websocket(hands, "/topic/news");
    publish_text(peers[3], "one");
    publish_text(other, "elsewhere");
    publish_text(peers[7], "two");
    fake_settle(hands);
    for (unsigned i = 0; i < 10; i++) assert_got(peers[i], "one two");
    assert_got(other, "elsewhere");
    assert_got(deeper, "");
    assert_int_equal(wye_counted(&counters()->publishes), 3);
    assert_int_equal(wye_counted(&counters()->deliveries), 21);
}

static void type_and_bytes_are_kept_at_every_size_however_the_message_came(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 125, 126, 127, 5000};
    struct fake_peer *from = fake_websocket(hands, "/topic/t"), *to = fake_websocket(hands, "/topic/t");
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (unsigned way = 0; way < 4; way++) {
            struct wire wire = {0}, expected = {0};
            int opcode = way & 1 ? TEXT : BINARY;
            const uint8_t *payload = opcode == TEXT ? wire_words(sizes[i], i) : wire_noise(sizes[i], i);
            hands->lasts = way & 1;
            if (way < 2) {
                wire_client_frame(&wire, WIRE_FIN, opcode, payload, sizes[i], 3);
            } else {
                wire_client_frame(&wire, WIRE_MORE, opcode, payload, sizes[i] / 3, 4);
                wire_client_frame(&wire, WIRE_FIN, 0, payload + sizes[i] / 3, sizes[i] - sizes[i] / 3, 5);
            }
            wire_server_frame(&expected, opcode, payload, sizes[i]);
            fake_say(from, &wire);
            assert_true(wire_equal(&from->received, &expected));
            assert_true(wire_equal(&to->received, &expected));
            wire_clear(&from->received);
            wire_clear(&to->received);
            wire_free(&wire);
            wire_free(&expected);
        }
    }
}

static void noecho_leaves_out_the_sender_alone(void **state) {
    (void)state;
    struct fake_peer *mute = fake_websocket(hands, "/topic/t?noecho"),
                     *mute_too = fake_websocket(hands, "/topic/t?x=1&noecho=1");
    struct fake_peer *plain = fake_websocket(hands, "/topic/t?noecho2");
    publish_text(mute, "a");
    publish_text(plain, "b");
    publish_text(mute_too, "c");
    fake_settle(hands);
    assert_got(mute, "b c");
    assert_got(mute_too, "a b");
    assert_got(plain, "a b c");
}

static void
sixteen_publishes_of_a_turn_are_one_copy_each_one_slice_and_one_send_per_subscriber(void **state) {
    (void)state;
    struct fake_peer *peers[8];
    for (unsigned i = 0; i < 8; i++) peers[i] = fake_websocket(hands, "/topic/t");
    uint64_t copied = hands->hub.pool.copied_bytes;
    for (unsigned i = 0; i < 8; i++) peers[i]->sends = 0;
    for (unsigned i = 0; i < 16; i++) publish_text(peers[i % 2], "0123456789");
    fake_settle(hands);
    assert_int_equal(hands->hub.pool.copied_bytes - copied, 16 * 12);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(peers[i]->sends, 1);
        assert_int_equal(peers[i]->slices, 1);
        assert_int_equal(peers[i]->received.count, 16 * 12);
    }
}

/* What is published in a turn stays together, behind the replies of the turn. */
static void a_pong_does_not_part_what_is_published(void **state) {
    (void)state;
    struct fake_peer *a = fake_websocket(hands, "/topic/t"), *b = fake_websocket(hands, "/topic/t");
    struct wire expected = {0};
    publish_text(a, "one");
    publish(b, WYE_OPCODE_PING, "ping", 4);
    publish_text(a, "two");
    wire_server_frame(&expected, WYE_OPCODE_PONG, "ping", 4);
    wire_server_frame(&expected, TEXT, "one", 3);
    wire_server_frame(&expected, TEXT, "two", 3);
    b->window = 3;
    fake_turn(hands);
    b->window = SIZE_MAX;
    fake_settle(hands);
    assert_got(a, "one two");
    assert_true(wire_equal(&b->received, &expected));
    wire_free(&expected);
}

static void whoever_leaves_gets_nothing_more_and_the_last_one_takes_the_topic_along(void **state) {
    (void)state;
    static const unsigned order[] = {2, 5, 0, 4, 3, 1};
    struct fake_peer *peers[6];
    for (unsigned i = 0; i < 6; i++) peers[i] = fake_websocket(hands, "/topic/t");
    for (unsigned gone = 1; gone <= 6; gone++) {
        fake_eof(peers[order[gone - 1]]);
        fake_settle(hands);
        assert_int_equal(hands->hub.topics.count, gone < 6);
        if (gone == 6) break;
        publish_text(peers[1], "x");
        fake_settle(hands);
        for (unsigned i = 0; i < 6; i++) assert_got(peers[order[i]], i < gone ? "" : "x");
    }
    assert_int_equal(world.node.subjects.count, 0);
}

static void whoever_was_told_to_close_gets_nothing_more(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t"), *closing = fake_websocket(hands, "/topic/t");
    wye_websocket_close(closing->conn, 1000, "enough");
    assert_int_equal(hands->hub.topics.count, 1);
    publish_text(from, "x");
    fake_settle(hands);
    assert_got(from, "x");
    assert_closed_with(closing, 1000, "enough");
    assert_int_equal(closing->received.count, 4 + 6);
    publish_text(closing, "after its close frame came");
    fake_settle(hands);
    assert_got(from, "");
}

static void many_topics_are_found_and_forgotten(void **state) {
    (void)state;
    struct fake_peer *peers[FAKE_CONNS];
    for (unsigned i = 0; i < FAKE_CONNS; i++) {
        char target[32];
        snprintf(target, sizeof target, "/topic/room/%u", i);
        peers[i] = fake_websocket(hands, target);
    }
    assert_int_equal(hands->hub.topics.count, FAKE_CONNS);
    for (unsigned i = 0; i < FAKE_CONNS; i++) publish_text(peers[i], "here");
    fake_settle(hands);
    for (unsigned i = 0; i < FAKE_CONNS; i++) assert_got(peers[i], "here");
}

/* ---- limits ---- */

static void
a_subscriber_that_is_too_slow_is_closed_with_1013_within_its_limit_and_nobody_else_suffers(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"),
                     *slow = fake_websocket(hands, "/topic/t");
    struct fake_peer *fast = fake_websocket(hands, "/topic/t");
    uint8_t payload[996];
    memcpy(payload, wire_noise(996, 1), 996);
    slow->window = 0;
    unsigned published = 0;
    for (; published < 30; published++) {
        publish(from, BINARY, payload, 996); /* 1000 bytes with its header */
        fake_turn(hands);
        assert_true(slow->conn->outbox.bytes <= LIMIT); /* the goodbye included */
        assert_int_equal(slow->conn->phase == WYE_CONN_OPEN, published < (LIMIT - GOODBYE) / 1000);
    }
    assert_int_equal(fast->received.count, 30 * 1000);
    assert_int_equal(wye_counted(&counters()->slow_closed), 1);
    slow->window = SIZE_MAX;
    fake_settle(hands);
    assert_closed_with(slow, 1013, "more slowly");
    assert_true(wire_find(&slow->received, "more slowly", 0) > (LIMIT - GOODBYE) / 1000 * 1000); /* what was queued came first */
    fake_eof(slow);
    fake_settle(hands);
    assert_int_equal(slow->reason, -1013);
    publish_text(from, "on");
    fake_settle(hands);
    assert_int_equal(fast->received.count, 30 * 1000 + 4);
}

static void a_subscriber_that_stands_still_is_let_go_in_bounded_time(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"),
                     *slow = fake_websocket(hands, "/topic/t");
    slow->window = 0;
    for (unsigned i = 0; i < 30; i++) publish(from, BINARY, wire_noise(1000, i), 1000);
    fake_pass(hands, 6 * FAKE_SECOND);
    assert_null(slow->conn);
    assert_int_equal(slow->reason, -1013);
}

static void a_message_that_would_never_fit_an_outbox_is_1009_and_reaches_nobody(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/t"), *to = fake_websocket(hands, "/topic/t");
    enum { MOST = LIMIT - GOODBYE - 10 };
    publish(from, BINARY, wire_noise(MOST, 1), MOST);
    fake_settle(hands);
    assert_int_equal(to->received.count, MOST + 4);
    publish(from, BINARY, wire_noise(MOST + 1, 1), MOST + 1);
    fake_settle(hands);
    assert_closed_with(from, 1009, "--outbox");
    assert_int_equal(to->received.count, MOST + 4);
}

static void the_nodes_own_topics_are_not_published_to(void **state) {
    (void)state;
    struct fake_peer *from = fake_websocket(hands, "/topic/$own"), *to = fake_websocket(hands, "/topic/$own");
    publish_text(from, "forged");
    fake_settle(hands);
    assert_closed_with(from, 1008, "'$'");
    assert_got(to, "");
}

/* ---- two loops ---- */

static void a_publish_reaches_the_other_loop_by_letter_and_wakes_it_when_it_sleeps(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"),
                     *near = fake_websocket(hands, "/topic/t");
    struct fake_peer *far = fake_websocket(other, "/topic/t"), *elsewhere = fake_websocket(other, "/topic/x");
    assert_true(wye_mailbox_may_sleep(&other->hub.mailbox));
    publish_text(from, "one");
    publish_text(from, "two");
    fake_settle(hands);
    assert_int_equal(hands->woken, 1 << 1);
    assert_got(near, "one two");
    assert_got(far, "");
    assert_false(wye_mailbox_may_sleep(&other->hub.mailbox));
    fake_settle(other);
    assert_got(far, "one two");
    assert_got(elsewhere, "");
    assert_int_equal(far->sends, 2); /* its 101, and both messages at once */
    assert_int_equal(wye_counted(&other->hub.counters.letters), 2);
    assert_int_equal(hands->hub.mailbox.bytes + other->hub.mailbox.bytes, 0);
}

static void loops_without_subscribers_get_no_letters(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *from = fake_websocket(hands, "/topic/t"), *far = fake_websocket(other, "/topic/t");
    fake_eof(far);
    fake_settle(other);
    publish_text(from, "alone");
    fake_settle(hands);
    assert_null(wye_mailbox_take(&other->hub.mailbox));
    assert_int_equal(hands->woken, 0);
    assert_got(from, "alone");
}

static void a_letter_for_a_topic_that_is_gone_is_discarded(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *from = fake_websocket(hands, "/topic/t"), *far = fake_websocket(other, "/topic/t");
    publish_text(from, "late");
    wye_conn_close(far->conn, -ECONNRESET);
    fake_settle(other); /* the letter is delivered before it is gone, to nobody that is open */
    assert_int_equal(far->received.count, 0);
    publish_text(from, "later");
    assert_int_equal(world.hands[1].hub.mailbox.bytes, 0);
}

static void a_full_mailbox_pauses_its_publishers_until_it_is_read(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho"),
                     *far = fake_websocket(other, "/topic/t");
    unsigned published = 0;
    while (wye_conn_wants_input(from->conn) && published < 100) {
        publish(from, BINARY, wire_noise(1000, published++), 1000);
        fake_turn(hands);
    }
    assert_in_range(published, 3, 6);                         /* 5000 bytes of mailbox */
    publish(from, BINARY, wire_noise(1000, published), 1000); /* in flight: kept */
    fake_settle(hands);
    assert_int_equal(hands->hub.stalled, 1);
    assert_true(wye_hub_wait_ns(&hands->hub, hands->now_ns) <=
                1u << WYE_TICK_SHIFT); /* it looks again soon */
    fake_settle(other);
    assert_int_equal(far->received.count, published * 1004);
    fake_settle(hands);
    assert_int_equal(hands->hub.stalled, 0);
    fake_settle(hands);
    fake_settle(other);
    assert_int_equal(far->received.count, (published + 1) * 1004);
    assert_true(wye_conn_wants_input(from->conn));
}

static void a_publisher_that_goes_while_it_is_paused_leaves_nothing_behind(void **state) {
    (void)state;
    struct fake_hands *other = &world.hands[1];
    struct fake_peer *from = fake_websocket(hands, "/topic/t?noecho");
    fake_websocket(other, "/topic/t");
    publish(from, BINARY, wire_noise(6000, 1), 6000);
    assert_int_equal(hands->hub.stalled, 1);
    publish(from, BINARY, wire_noise(6000, 1), 6000);
    wye_conn_close(from->conn, -ECONNRESET);
    fake_settle(hands);
    assert_int_equal(hands->hub.stalled, 0);
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, open_one, shut_world)
#define TWO(name) cmocka_unit_test_setup_teardown(name, open_two, shut_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_one_to_255_bytes_in_at_most_16_levels),
        ONE(a_name_is_the_decoded_path_and_chat_is_a_topic),
        ONE(a_message_reaches_every_subscriber_once_and_no_other_topic),
        ONE(type_and_bytes_are_kept_at_every_size_however_the_message_came),
        ONE(noecho_leaves_out_the_sender_alone),
        ONE(sixteen_publishes_of_a_turn_are_one_copy_each_one_slice_and_one_send_per_subscriber),
        ONE(a_pong_does_not_part_what_is_published),
        ONE(whoever_leaves_gets_nothing_more_and_the_last_one_takes_the_topic_along),
        ONE(whoever_was_told_to_close_gets_nothing_more),
        ONE(many_topics_are_found_and_forgotten),
        ONE(a_subscriber_that_is_too_slow_is_closed_with_1013_within_its_limit_and_nobody_else_suffers),
        ONE(a_subscriber_that_stands_still_is_let_go_in_bounded_time),
        ONE(a_message_that_would_never_fit_an_outbox_is_1009_and_reaches_nobody),
        ONE(the_nodes_own_topics_are_not_published_to),
        TWO(a_publish_reaches_the_other_loop_by_letter_and_wakes_it_when_it_sleeps),
        TWO(loops_without_subscribers_get_no_letters),
        TWO(a_letter_for_a_topic_that_is_gone_is_discarded),
        TWO(a_full_mailbox_pauses_its_publishers_until_it_is_read),
        TWO(a_publisher_that_goes_while_it_is_paused_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
