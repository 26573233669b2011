/* Two loops on two threads: what one publishes reaches the other, whoever sleeps is woken, nothing is lost.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frames/frame.h"
#include "tests/fake_hands.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>

enum { LOOPS = 2, SUBSCRIBERS = 3, MESSAGES = 3000 };

/* A loop's thread. It asserts nothing with cmocka: that belongs to the main thread. */
struct turner {
    pthread_t thread;
    struct fake_hands *hands;
    struct fake_peer *publisher, *subscribers[SUBSCRIBERS];
    uint32_t sent;
    unsigned slept;
};

static struct fake_world world;
static struct turner turners[LOOPS];
static sem_t bells[LOOPS];

static void publish_next(struct turner *turner) {
    struct wire wire = {0};
    uint32_t payload[2] = {(uint32_t)turner->hands->hub.number, turner->sent++};
    wire_client_frame(&wire, WIRE_FIN, WYE_OPCODE_BINARY, payload, sizeof payload, 0x10203 * turner->sent);
    fake_feed(turner->publisher, wire.at, wire.count);
    wire_free(&wire);
}

static bool has_all(const struct turner *turner) {
    for (unsigned i = 0; i < SUBSCRIBERS; i++) {
        if (turner->subscribers[i]->received.count < LOOPS * MESSAGES * 10) return false;
    }
    return turner->sent == MESSAGES;
}

/* A turn as ring/loop.c makes it: sleep unless there is mail or something to do, then everything, then wake
 * others. */
static void *turn(void *argument) {
    struct turner *turner = argument;
    struct wye_hub *hub = &turner->hands->hub;
    while (!has_all(turner)) {
        bool idle = turner->sent == MESSAGES || !wye_conn_wants_input(turner->publisher->conn);
        bool patient = wye_hub_wait_ns(hub, turner->hands->now_ns) == UINT64_MAX;
        if (idle && patient && wye_mailbox_may_sleep(&hub->mailbox)) {
            turner->slept++;
            sem_wait(&bells[hub->number]); /* a lost wake-up ends in the test's time-out */
        }
        wye_mailbox_awake(&hub->mailbox);
        for (unsigned i = 0;
             i < 5 && turner->sent < MESSAGES && wye_conn_wants_input(turner->publisher->conn); i++)
            publish_next(turner);
        fake_turn(turner->hands);
        for (unsigned i = 0; i < LOOPS; i++) {
            if (turner->hands->woken >> i & 1) sem_post(&bells[i]);
        }
        turner->hands->woken = 0;
    }
    return NULL;
}

/* Each sender's messages are all there, in its order. */
static void check(const struct wire *received) {
    uint32_t next[LOOPS] = {0};
    assert_int_equal(received->count, LOOPS * MESSAGES * 10);
    for (size_t at = 0; at < received->count; at += 10) {
        uint32_t payload[2];
        assert_int_equal(received->at[at], 0x82);
        assert_int_equal(received->at[at + 1], 8);
        memcpy(payload, received->at + at + 2, 8);
        assert_true(payload[0] < LOOPS);
        assert_int_equal(payload[1], next[payload[0]]);
        next[payload[0]]++;
    }
}

static void run(size_t mailbox_bytes, unsigned *pauses) {
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.ping_ns = 0;
    settings.mailbox_bytes = mailbox_bytes;
    fake_world_open(&world, LOOPS, true, &settings);
    for (unsigned i = 0; i < LOOPS; i++) {
        turners[i] = (struct turner){.hands = &world.hands[i]};
        turners[i].publisher = fake_websocket(&world.hands[i], "/topic/t?noecho");
        for (unsigned j = 0; j < SUBSCRIBERS; j++)
            turners[i].subscribers[j] = fake_websocket(&world.hands[i], "/topic/t");
        sem_init(&bells[i], 0, 0);
    }
    for (unsigned i = 0; i < LOOPS; i++) pthread_create(&turners[i].thread, NULL, turn, &turners[i]);
    for (unsigned i = 0; i < LOOPS; i++) pthread_join(turners[i].thread, NULL);
    *pauses = 0;
    for (unsigned i = 0; i < LOOPS; i++) {
        for (unsigned j = 0; j < SUBSCRIBERS; j++) check(&turners[i].subscribers[j]->received);
        assert_int_equal(wye_counted(&world.hands[i].hub.counters.letters), MESSAGES);
        *pauses += (unsigned)wye_counted(&world.hands[i].hub.counters.pauses);
        sem_destroy(&bells[i]);
    }
    fake_world_shut(&world);
}

static void every_subscriber_gets_every_message_in_its_senders_order(void **state) {
    (void)state;
    unsigned pauses;
    run(32 << 20, &pauses);
    assert_int_equal(pauses, 0);
}

static void mailboxes_that_run_full_slow_the_publishers_down_and_lose_nothing(void **state) {
    (void)state;
    unsigned pauses;
    run(100, &pauses);
    assert_true(pauses > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_subscriber_gets_every_message_in_its_senders_order),
        cmocka_unit_test(mailboxes_that_run_full_slow_the_publishers_down_and_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
