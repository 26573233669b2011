/* What addresses have open, over threads: exactly so many get in; memory is bounded; what is idle leaves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/account.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

static const uint64_t key[2] = {1, 2};
static const struct wye_rate no_rate, rate = {.tokens = 2, .burst = 2, .period_ns = 10 * SECOND};
static struct wye_accounts accounts;

static struct wye_ip ip_of(uint32_t number) {
    const uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    return wye_ip_of_v4(bytes);
}

static void an_address_has_as_many_as_it_may_and_its_account_goes_with_the_last(void **state) {
    (void)state;
    struct wye_account *held[3], *more;
    struct wye_ip ip = ip_of(7), other = ip_of(8);
    wye_accounts_init(&accounts, key);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(wye_account_enter(&accounts, &ip, 3, SECOND, &held[i]), 0);
    assert_int_equal(wye_account_enter(&accounts, &ip, 3, SECOND, &more), -EDQUOT);
    assert_null(more);
    assert_int_equal(wye_account_enter(&accounts, &other, 3, SECOND, &more), 0);
    wye_account_leave(&accounts, more, &no_rate, SECOND);
    assert_int_equal(accounts.count, 1);
    wye_account_leave(&accounts, held[0], &no_rate, SECOND);
    assert_int_equal(wye_account_enter(&accounts, &ip, 3, SECOND, &held[0]), 0);
    for (unsigned i = 0; i < 3; i++) wye_account_leave(&accounts, held[i], &no_rate, SECOND);
    assert_int_equal(accounts.count, 0);
    wye_accounts_fini(&accounts);
}

static void upgrades_are_remembered_until_the_bucket_is_full_and_no_longer(void **state) {
    (void)state;
    struct wye_account *account;
    struct wye_ip ip = ip_of(7);
    wye_accounts_init(&accounts, key);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(wye_account_enter(&accounts, &ip, 1, SECOND, &account), 0);
        assert_int_equal(wye_account_upgrade(&accounts, account, &rate, SECOND), 0);
        wye_account_leave(&accounts, account, &rate, SECOND);
    }
    assert_int_equal(accounts.count, 1);
    assert_int_equal(wye_account_enter(&accounts, &ip, 1, SECOND, &account), 0);
    assert_int_equal(wye_account_upgrade(&accounts, account, &rate, SECOND), 5 * SECOND);
    assert_int_equal(wye_account_upgrade(&accounts, account, &rate, 6 * SECOND - 1), 1);
    assert_int_equal(wye_account_upgrade(&accounts, account, &rate, 6 * SECOND), 0);
    wye_account_leave(&accounts, account, &rate, 6 * SECOND);
    assert_int_equal(accounts.count, 1);
    assert_int_equal(wye_account_enter(&accounts, &ip, 1, 16 * SECOND, &account), 0); /* afresh */
    wye_account_leave(&accounts, account, &rate, 16 * SECOND);
    assert_int_equal(accounts.count, 0);
    wye_accounts_fini(&accounts);
}

static void many_addresses_do_not_grow_the_table_without_bound(void **state) {
    (void)state;
    enum { MANY = 300000 };
    struct wye_account *account;
    wye_accounts_init(&accounts, key);
    for (uint32_t i = 0; i < MANY; i++) {
        struct wye_ip ip = ip_of(i * 2654435761u);
        assert_int_equal(wye_account_enter(&accounts, &ip, 5, SECOND + i, &account), 0);
        assert_int_equal(wye_account_upgrade(&accounts, account, &rate, SECOND + i), 0);
        wye_account_leave(&accounts, account, &rate, SECOND + i);
        assert_true(accounts.count <= WYE_ACCOUNTS_IDLE_MAX);
    }
    assert_in_range(accounts.count, WYE_ACCOUNTS_IDLE_MAX - WYE_ACCOUNTS_IDLE_MAX / 16, WYE_ACCOUNTS_IDLE_MAX);
    wye_accounts_fini(&accounts);
}

/* ---- threads ---- */

enum { THREADS = 4, ADDRESSES = 5, ROUNDS = 20000, MOST = 2 };
static _Atomic int inside[ADDRESSES], entered, refused, too_many;

static void *come_and_go(void *argument) {
    uint32_t random = (uint32_t)(uintptr_t)argument * 2654435761u | 1;
    struct wye_account *held[ADDRESSES] = {NULL};
    for (unsigned i = 0; i < ROUNDS; i++) {
        random = random * 1664525 + 1013904223;
        unsigned which = (random >> 16) % ADDRESSES;
        struct wye_ip ip = ip_of(which);
        if (held[which]) {
            inside[which]--;
            wye_account_leave(&accounts, held[which], &rate, SECOND + i);
            held[which] = NULL;
            continue;
        }
        int trouble = wye_account_enter(&accounts, &ip, MOST, SECOND + i, &held[which]);
        if (trouble == 0 && ++inside[which] > MOST) too_many++;
        entered += trouble == 0;
        refused += trouble != 0;
        sched_yield(); /* so that the others are in the middle of it, on one CPU too */
        if (trouble == 0) wye_account_upgrade(&accounts, held[which], &rate, SECOND + i);
    }
    for (unsigned i = 0; i < ADDRESSES; i++) {
        if (!held[i]) continue;
        inside[i]--;
        wye_account_leave(&accounts, held[i], &rate, SECOND + ROUNDS);
    }
    return NULL;
}

static void exactly_so_many_get_in_from_however_many_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    wye_accounts_init(&accounts, key);
    for (uintptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, come_and_go, (void *)(i + 1));
    for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(too_many, 0);
    assert_true(entered > 0 && refused > 0);
    wye_accounts_fini(&accounts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_as_many_as_it_may_and_its_account_goes_with_the_last),
        cmocka_unit_test(upgrades_are_remembered_until_the_bucket_is_full_and_no_longer),
        cmocka_unit_test(many_addresses_do_not_grow_the_table_without_bound),
        cmocka_unit_test(exactly_so_many_get_in_from_however_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
