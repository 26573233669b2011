/* Publishes on their way from one loop to another. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/mailbox.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

enum { SENDERS = 3, LETTERS = 20000 };

static void post(struct wye_mailbox *mailbox, const char *payload, int expected) {
    struct wye_parcel *parcel = wye_parcel_open("topic", 5, 1, (const uint8_t *)payload, strlen(payload));
    assert_non_null(parcel);
    assert_int_equal(wye_mailbox_post(mailbox, parcel, NULL), expected);
    wye_parcel_release(parcel);
}

static void letters_are_taken_in_the_order_they_were_posted_in(void **state) {
    (void)state;
    static const char *const payloads[] = {"one", "two", "three", ""};
    struct wye_mailbox mailbox = {.newest = NULL};
    assert_null(wye_mailbox_take(&mailbox));
    for (unsigned i = 0; i < 4; i++) post(&mailbox, payloads[i], 0);
    struct wye_letter *letter = wye_mailbox_take(&mailbox);
    for (unsigned i = 0; i < 4; i++) {
        assert_non_null(letter);
        struct wye_letter *next = letter->next;
        assert_int_equal(letter->parcel->payload_bytes, strlen(payloads[i]));
        assert_int_equal(letter->parcel->opcode, 1);
        assert_memory_equal(letter->parcel->bytes, "topic", 5);
        assert_memory_equal(letter->parcel->bytes + 5, payloads[i], strlen(payloads[i]));
        wye_letter_discard(&mailbox, letter);
        letter = next;
    }
    assert_null(letter);
    assert_null(wye_mailbox_take(&mailbox));
}

static void bytes_waiting_are_counted_until_the_letter_is_discarded(void **state) {
    (void)state;
    struct wye_mailbox mailbox = {.newest = NULL};
    post(&mailbox, "", 0);
    size_t empty = mailbox.bytes;
    assert_true(empty > 0); /* even an empty letter costs */
    post(&mailbox, "12345", 0);
    assert_int_equal(mailbox.bytes, 2 * empty + 5);
    struct wye_letter *letter = wye_mailbox_take(&mailbox), *second = letter->next;
    assert_int_equal(mailbox.bytes, 2 * empty + 5);
    wye_letter_discard(&mailbox, letter);
    wye_letter_discard(&mailbox, second);
    assert_int_equal(mailbox.bytes, 0);
}

static void one_parcel_lies_in_many_mailboxes(void **state) {
    (void)state;
    struct wye_mailbox mailboxes[3] = {{.newest = NULL}};
    struct wye_parcel *parcel = wye_parcel_open("t", 1, 2, (const uint8_t *)"x", 1);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(wye_mailbox_post(&mailboxes[i], parcel, NULL), 0);
    wye_parcel_release(parcel);
    for (unsigned i = 0; i < 3; i++) {
        struct wye_letter *letter = wye_mailbox_take(&mailboxes[i]);
        assert_ptr_equal(letter->parcel, parcel);
        assert_int_equal(parcel->references, 3 - i);
        wye_letter_discard(&mailboxes[i], letter);
    }
}

static void only_a_reader_that_sleeps_is_to_be_woken_and_once(void **state) {
    (void)state;
    struct wye_mailbox mailbox = {.newest = NULL};
    assert_true(wye_mailbox_may_sleep(&mailbox));
    post(&mailbox, "wakes", 1);
    post(&mailbox, "follows", 0);
    assert_false(wye_mailbox_may_sleep(&mailbox)); /* there is mail */
    post(&mailbox, "and it was awake", 0);
    for (struct wye_letter *letter = wye_mailbox_take(&mailbox), *next; letter; letter = next) {
        next = letter->next;
        wye_letter_discard(&mailbox, letter);
    }
    assert_true(wye_mailbox_may_sleep(&mailbox));
    wye_mailbox_awake(&mailbox);
    post(&mailbox, "woke by itself", 0);
    wye_letter_discard(&mailbox, wye_mailbox_take(&mailbox));
}

/* ---- threads: no cmocka in them but the one that reads ---- */

struct office {
    struct wye_mailbox mailbox;
    sem_t bell;
};

struct sender {
    struct office *office;
    unsigned number;
    bool failed;
};

static void *send_letters(void *argument) {
    struct sender *sender = argument;
    for (uint32_t i = 0; i < LETTERS; i++) {
        uint32_t payload[2] = {sender->number, i};
        struct wye_parcel *parcel = wye_parcel_open("t", 1, 2, (const uint8_t *)payload, sizeof payload);
        int posted = parcel ? wye_mailbox_post(&sender->office->mailbox, parcel, NULL) : -1;
        if (posted > 0) sem_post(&sender->office->bell);
        if (parcel) wye_parcel_release(parcel);
        if (posted < 0) sender->failed = true;
    }
    return NULL;
}

/* Takes what is there, checks each sender's order, and returns how many. */
static unsigned take_all(struct office *office, uint32_t expected[SENDERS]) {
    unsigned count = 0;
    for (struct wye_letter *letter = wye_mailbox_take(&office->mailbox), *next; letter; letter = next) {
        uint32_t payload[2];
        next = letter->next;
        memcpy(payload, letter->parcel->bytes + 1, sizeof payload);
        assert_true(payload[0] < SENDERS);
        assert_int_equal(payload[1], expected[payload[0]]);
        expected[payload[0]]++;
        wye_letter_discard(&office->mailbox, letter);
        count++;
    }
    return count;
}

static void threads_lose_no_letter_and_no_wake_up_and_keep_each_senders_order(void **state) {
    (void)state;
    static struct office office;
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    uint32_t expected[SENDERS] = {0};
    sem_init(&office.bell, 0, 0);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&office, i, false};
        assert_int_equal(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
    }
    for (unsigned got = 0; got < SENDERS * LETTERS;) {
        /* A lost wake-up would sleep here for ever: the test's time-out tells. */
        if (wye_mailbox_may_sleep(&office.mailbox)) sem_wait(&office.bell);
        wye_mailbox_awake(&office.mailbox);
        got += take_all(&office, expected);
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(senders[i].failed);
        assert_int_equal(expected[i], LETTERS);
    }
    assert_int_equal(office.mailbox.bytes, 0);
    assert_null(wye_mailbox_take(&office.mailbox));
    sem_destroy(&office.bell);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_taken_in_the_order_they_were_posted_in),
        cmocka_unit_test(bytes_waiting_are_counted_until_the_letter_is_discarded),
        cmocka_unit_test(one_parcel_lies_in_many_mailboxes),
        cmocka_unit_test(only_a_reader_that_sleeps_is_to_be_woken_and_once),
        cmocka_unit_test(threads_lose_no_letter_and_no_wake_up_and_keep_each_senders_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
