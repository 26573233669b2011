/* What all loops of a node share: settings, subjects, and the few numbers that are the whole node's. */
#ifndef WYE_CORE_NODE_H
#define WYE_CORE_NODE_H

#include "core/account.h"
#include "core/history.h"
#include "core/subject.h"
#include "frames/deflate.h"
#include "handshake/upgrade.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct wye_hub;
struct wye_tls_context;
struct wye_token_keys;

enum { WYE_LOOPS_MAX = 64 }; /* a subject's loops are a bit each */

/* What is done for a subscriber whose outbox has no room for a message. */
enum wye_on_slow {
    WYE_ON_SLOW_CLOSE,  /* it is closed with 1013 */
    WYE_ON_SLOW_DROP,   /* it doesn't get the message */
    WYE_ON_SLOW_LATEST, /* what waits is replaced by what is newer of the same topic */
};

/* The same for the topics that a pattern (or name) matches. */
struct wye_slow_rule {
    struct wye_span pattern;
    enum wye_on_slow on_slow;
};

/* What is done with a connection that says more than its rates allow. */
enum wye_on_rate {
    WYE_ON_RATE_PAUSE, /* it isn't read until it may say more */
    WYE_ON_RATE_CLOSE, /* it is closed with 1008 */
};

/* What the options decide. Loops read an edition of it that never changes; a SIGHUP brings another one. */
struct wye_settings {
    uint64_t max_message_bytes;
    size_t outbox_bytes;       /* a published message waits for a slow reader within this */
    size_t shared_memory_bytes; /* of a loop: chunks that slow readers may pin */
    uint64_t memory_bytes;     /* of the whole node, for messages: under assembly, and in outboxes */
    uint32_t max_connections;  /* of the whole node */
    enum wye_deflate_mode deflate;
    bool h2c; /* HTTP/2 is granted to who asks for it */
    enum wye_on_slow on_slow;
    uint64_t hash_key[2];      /* secret: who chooses names of topics can't choose their hashes */
    const struct wye_slow_rule *slow_rules; /* the last that matches a topic counts */
    size_t slow_rule_count;
    struct wye_history_limits history;            /* of topics that no rule matches */
    const struct wye_history_rule *history_rules; /* the last that matches a topic counts */
    size_t history_rule_count;
    uint64_t history_memory_bytes; /* of the whole node: payloads kept, and what keeps account of them */
    uint64_t idle_timeout_ns;  /* 0: none */
    uint64_t ping_ns;          /* 0: none */
    uint64_t head_timeout_ns;  /* a request head takes at most this long */
    uint64_t close_timeout_ns; /* a closing handshake, likewise */
    uint32_t tls_half_open_max; /* TLS handshakes of a loop that wait for their peers; the oldest makes room for one more */
    size_t mailbox_bytes;      /* a loop's mailbox, and its waves, may hold so much before publishers to it are paused */
    uint32_t per_address;      /* connections of one address (IPv6: /64) at once; 0: as many as there are */
    struct wye_rate upgrade_rate; /* of one address */
    struct wye_rate message_rate, byte_rate; /* of one connection */
    enum wye_on_rate on_rate;
    uint32_t topics_per_connection;
    const struct wye_cidr *trusted; /* proxies that are believed who is behind them */
    size_t trusted_count;
    struct wye_policy policy;
    /* Is told of each refusal, on the loop's thread. request: what was refused; NULL where none could be read. NULL: nobody is told. */
    void (*on_refusal)(const struct wye_refusal *refusal, const struct wye_request *request);
    /* The same of each WebSocket that the node closes. why: what its close frame says; or NULL. */
    void (*on_close)(uint16_t code, const char *why);
    void (*end)(void *owner);  /* called when no loop reads these settings any more. NULL: what they point to lasts */
    void *owner;
};

/* Settings that loops read. Constant but for who holds it, which is the node's affair. */
struct wye_edition {
    struct wye_settings settings;
    uint32_t number;  /* from 1 on */
    uint32_t holders; /* the node while it is the newest, and hubs; under the node's lock */
};

struct wye_node {
    struct wye_hub *hubs[WYE_LOOPS_MAX];
    unsigned hub_count;
    uint64_t started_ns;
    struct wye_subjects subjects;
    struct wye_history history;
    _Atomic uint32_t connections; /* of all loops, without those that are answered 503 */
    _Atomic bool draining;
    struct wye_accounts accounts; /* by address */
    _Atomic uint64_t memory_wanted_ns; /* when publishers waited for memory last */
    _Atomic uint64_t gathering_bytes;  /* memory of messages that are still coming, on all loops */
    pthread_mutex_t lock; /* of who holds the following three */
    _Atomic(struct wye_edition *) edition; /* the newest; hubs look every turn whether it still is theirs */
    struct wye_tls_context *tls; /* for those accepted from now on */
    struct wye_token_keys *keys; /* that tokens are signed with, for requests from now on; NULL: no token is needed */
    _Atomic unsigned keys_version; /* of `keys`: counts how often they were replaced */
};

/* The defaults of DESIGN: 16 MiB messages, 17 MiB outboxes, a ping every 25 s. */
void wye_settings_init(struct wye_settings *settings);

/* 0; or -ENOMEM, and then settings->end() is not called. Every hub must have ended before the node does. */
int wye_node_init(struct wye_node *node, const struct wye_settings *settings, uint64_t now_ns);
void wye_node_fini(struct wye_node *node);

/*
 * Other settings: each hub goes by them from its next turn on (whoever sleeps is to be woken by the caller). The hash key
 * stays. What is cached of the old ones is made anew by wye_hub_advance(). 0; or -ENOMEM, and nothing has changed. Any thread.
 */
int wye_node_use_settings(struct wye_node *node, const struct wye_settings *settings);

/* For hubs: the newest edition, held until it is let go. */
struct wye_edition *wye_node_hold_edition(struct wye_node *node);
void wye_node_let_go(struct wye_node *node, struct wye_edition *edition);

/* What TLS connections are accepted with; one reference, the caller's. NULL: nothing. Any thread. */
struct wye_tls_context *wye_node_hold_tls(struct wye_node *node);
/* Replaces it; the reference passes to the node. Connections that are there keep what they have. Any thread. */
void wye_node_use_tls(struct wye_node *node, struct wye_tls_context *context);

/* The same for the keys of tokens; *version is theirs. */
struct wye_token_keys *wye_node_hold_keys(struct wye_node *node, unsigned *version);
void wye_node_use_keys(struct wye_node *node, struct wye_token_keys *keys);

#endif
