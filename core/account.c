#include "core/account.h"

#include <assert.h>
#include <errno.h>
#include <openssl/siphash.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_START = 16, IDLE_OF_SHARD_MAX = WYE_ACCOUNTS_IDLE_MAX / WYE_ACCOUNT_SHARDS };

struct wye_account {
    struct wye_account *next; /* in its bucket */
    struct wye_account *before, *after; /* among the idle */
    uint64_t hash;
    struct wye_bucket upgrades;
    uint64_t full_ns; /* of an idle one: when its bucket is full, and it may go */
    uint32_t connections;
    uint8_t address[16];
};

void wye_accounts_init(struct wye_accounts *accounts, const uint64_t key[2]) {
    memset(accounts, 0, sizeof *accounts);
    memcpy(accounts->key, key, sizeof accounts->key);
    for (unsigned i = 0; i < WYE_ACCOUNT_SHARDS; i++) pthread_mutex_init(&accounts->shards[i].lock, NULL);
}

static struct wye_account_shard *shard_of(struct wye_accounts *accounts, uint64_t hash) {
    return &accounts->shards[hash >> 58];
}

/* ---- the table of a shard, its lock held ---- */

static struct wye_account **place_of(const struct wye_account_shard *shard, uint64_t hash, const uint8_t address[16]) {
    struct wye_account **link = &shard->buckets[hash & (shard->bucket_count - 1)];
    while (*link && !((*link)->hash == hash && memcmp((*link)->address, address, 16) == 0)) link = &(*link)->next;
    return link;
}

static void grow(struct wye_account_shard *shard) {
    size_t count = shard->bucket_count ? shard->bucket_count * 2 : BUCKETS_START;
    struct wye_account **buckets = calloc(count, sizeof buckets[0]);
    if (!buckets) return; /* longer chains, nothing worse */
    for (size_t i = 0; i < shard->bucket_count; i++) {
        for (struct wye_account *account = shard->buckets[i], *next; account; account = next) {
            next = account->next;
            struct wye_account **bucket = &buckets[account->hash & (count - 1)];
            account->next = *bucket;
            *bucket = account;
        }
    }
    free(shard->buckets);
    shard->buckets = buckets;
    shard->bucket_count = count;
}

static void unlink_idle(struct wye_account_shard *shard, struct wye_account *account) {
    *(account->before ? &account->before->after : &shard->idle_first) = account->after;
    *(account->after ? &account->after->before : &shard->idle_last) = account->before;
    shard->idle--;
}

static void link_idle(struct wye_account_shard *shard, struct wye_account *account) {
    account->before = shard->idle_last;
    account->after = NULL;
    *(shard->idle_last ? &shard->idle_last->after : &shard->idle_first) = account;
    shard->idle_last = account;
    shard->idle++;
}

static void drop(struct wye_accounts *accounts, struct wye_account_shard *shard, struct wye_account *account) {
    struct wye_account **link = place_of(shard, account->hash, account->address);
    *link = account->next;
    shard->count--;
    atomic_fetch_sub_explicit(&accounts->count, 1, memory_order_relaxed);
    free(account);
}

/* Those that have been idle long enough go; and the first, when there are too many. */
static void tidy(struct wye_accounts *accounts, struct wye_account_shard *shard, uint64_t now_ns) {
    while (shard->idle_first && (shard->idle_first->full_ns <= now_ns || shard->idle > IDLE_OF_SHARD_MAX)) {
        struct wye_account *account = shard->idle_first;
        unlink_idle(shard, account);
        drop(accounts, shard, account);
    }
}

void wye_accounts_fini(struct wye_accounts *accounts) {
    for (unsigned i = 0; i < WYE_ACCOUNT_SHARDS; i++) {
        struct wye_account_shard *shard = &accounts->shards[i];
        tidy(accounts, shard, UINT64_MAX);
        assert(shard->count == 0);
        free(shard->buckets);
        pthread_mutex_destroy(&shard->lock);
    }
}

/* ---- what is done with it ---- */

/* The account of an address, made if need be. NULL: no memory. */
static struct wye_account *reach(struct wye_accounts *accounts, struct wye_account_shard *shard, uint64_t hash, const uint8_t address[16]) {
    if (shard->count >= shard->bucket_count) grow(shard);
    if (!shard->buckets) return NULL;
    struct wye_account **place = place_of(shard, hash, address);
    if (*place) return *place;
    struct wye_account *account = calloc(1, sizeof *account);
    if (!account) return NULL;
    account->hash = hash;
    memcpy(account->address, address, sizeof account->address);
    *place = account;
    shard->count++;
    atomic_fetch_add_explicit(&accounts->count, 1, memory_order_relaxed);
    link_idle(shard, account);
    return account;
}

int wye_account_enter(struct wye_accounts *accounts, const struct wye_ip *ip, uint32_t most, uint64_t now_ns, struct wye_account **account) {
    const struct wye_ip block = wye_ip_block(ip);
    uint64_t hash = SIPHASH_24(accounts->key, block.bytes, sizeof block.bytes);
    struct wye_account_shard *shard = shard_of(accounts, hash);
    int trouble = 0;
    pthread_mutex_lock(&shard->lock);
    tidy(accounts, shard, now_ns);
    struct wye_account *found = reach(accounts, shard, hash, block.bytes);
    if (!found) trouble = -ENOMEM;
    else if (found->connections >= most) trouble = -EDQUOT;
    if (trouble == 0 && found->connections++ == 0) unlink_idle(shard, found);
    pthread_mutex_unlock(&shard->lock);
    *account = trouble == 0 ? found : NULL;
    return trouble;
}

void wye_account_leave(struct wye_accounts *accounts, struct wye_account *account, const struct wye_rate *rate, uint64_t now_ns) {
    struct wye_account_shard *shard = shard_of(accounts, account->hash);
    pthread_mutex_lock(&shard->lock);
    assert(account->connections > 0);
    if (--account->connections == 0) {
        account->full_ns = rate->tokens ? now_ns + wye_bucket_wait_ns(&account->upgrades, rate, now_ns, rate->burst) : now_ns;
        link_idle(shard, account);
    }
    tidy(accounts, shard, now_ns);
    pthread_mutex_unlock(&shard->lock);
}

uint64_t wye_account_upgrade(struct wye_accounts *accounts, struct wye_account *account, const struct wye_rate *rate, uint64_t now_ns) {
    struct wye_account_shard *shard = shard_of(accounts, account->hash);
    pthread_mutex_lock(&shard->lock);
    uint64_t wait_ns = wye_bucket_wait_ns(&account->upgrades, rate, now_ns, 1);
    if (wait_ns == 0) wye_bucket_take(&account->upgrades, rate, now_ns, 1);
    pthread_mutex_unlock(&shard->lock);
    return wait_ns;
}
