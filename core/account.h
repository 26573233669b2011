/*
 * What each address has open and does, over all loops: a table in shards, each with a lock of its own, which is taken when a
 * connection comes, upgrades or goes, and only where a limit by address is set. Any thread.
 *
 * Its memory is bounded: an account has a connection, of which there are --max-connections; or it is idle and waits for its
 * bucket to be full again, and of those there are WYE_ACCOUNTS_IDLE_MAX at most (the one that is idle longest goes: whoever has
 * so many addresses gains nothing by it). Places are by SipHash with the node's secret: nobody can choose them.
 */
#ifndef WYE_CORE_ACCOUNT_H
#define WYE_CORE_ACCOUNT_H

#include "core/bucket.h"
#include "handshake/ip.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

enum { WYE_ACCOUNT_SHARDS = 64, WYE_ACCOUNTS_IDLE_MAX = 65536 };

struct wye_account;

struct wye_account_shard {
    _Alignas(64) pthread_mutex_t lock;
    struct wye_account **buckets; /* NULL: none yet */
    size_t bucket_count, count, idle;
    struct wye_account *idle_first, *idle_last; /* idle longest first */
};

struct wye_accounts {
    struct wye_account_shard shards[WYE_ACCOUNT_SHARDS];
    uint64_t key[2];
    _Atomic size_t count; /* of all shards */
};

void wye_accounts_init(struct wye_accounts *accounts, const uint64_t key[2]);
/* No connection may be left. */
void wye_accounts_fini(struct wye_accounts *accounts);

/*
 * One more connection from this address (wye_ip_block() is taken of it): exactly `most` may be there at once. 0, with *account, of
 * which the caller lets go by wye_account_leave(); -EDQUOT: there are so many already; -ENOMEM.
 */
int wye_account_enter(struct wye_accounts *accounts, const struct wye_ip *ip, uint32_t most, uint64_t now_ns, struct wye_account **account);

/* One less. `rate` is the one that upgrades are counted by. */
void wye_account_leave(struct wye_accounts *accounts, struct wye_account *account, const struct wye_rate *rate, uint64_t now_ns);

/* May a connection of this account upgrade now? 0: it may, and is counted; else how long it must wait, in ns. */
uint64_t wye_account_upgrade(struct wye_accounts *accounts, struct wye_account *account, const struct wye_rate *rate, uint64_t now_ns);

#endif
