/*
 * History: the last messages of topics, for those who subscribe later (?last=N). One for the whole node: a message is kept
 * once, however many loops there are, as the parcel in which it goes to other loops, and every loop replays the same.
 *
 * Each message knows the loops it has passed: those that it won't come to any more, because it was published there, its
 * letter was delivered there, or none was sent since nobody there had subscribed. A subscriber is replayed what has passed
 * its loop when it subscribes; all else reaches it live. So there is no gap between the two, and nothing comes twice.
 *
 * When a topic can't keep its newest message, it forgets the older ones too: what is kept has no holes. Any thread.
 */
#ifndef WYE_CORE_HISTORY_H
#define WYE_CORE_HISTORY_H

#include "core/mailbox.h"
#include "handshake/span.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wye_hub;
struct wye_settings;
struct wye_topic;

enum {
    WYE_HISTORY_MESSAGES_MAX = 10000,   /* that a topic keeps, and that a connection is replayed */
    WYE_HISTORY_BOOKKEEPING_BYTES = 16, /* of the allocator, each time that memory is asked for */
    WYE_HISTORY_MEMORY_MIN = 65536,
};

/* What a topic keeps. */
struct wye_history_limits {
    size_t bytes;      /* of payloads, at most; SIZE_MAX: as many as come */
    uint32_t messages; /* at most; 0: it has no history */
};

/* The same for the topics that a pattern (or name) matches. */
struct wye_history_rule {
    struct wye_span pattern;
    struct wye_history_limits limits;
};

/* What is kept of one topic: at least one message. */
struct wye_kept {
    struct wye_kept *next;         /* in its bucket */
    struct wye_kept *idler, *busier; /* by the last publish */
    struct wye_parcel *oldest, *newest;
    uint64_t hash;
    uint64_t mark; /* of whoever looks for topics and wants each once */
    uint32_t count;
    size_t payload_bytes;
    size_t cost; /* of all of it */
    uint8_t name_bytes;
    char name[];
};

struct wye_history {
    pthread_mutex_t lock;
    struct wye_kept **buckets; /* NULL: nothing was ever kept */
    size_t bucket_count;
    struct wye_kept *idlest, *busiest;
    uint64_t hash_key[2];
    uint64_t numbered; /* messages ever kept */
    uint64_t marks;
    /* Written under the lock, read by anybody. */
    _Atomic uint64_t bytes; /* payloads, names, and all that keeps account of them, the allocator's part included */
    _Atomic uint64_t messages, topics;
};

void wye_history_init(struct wye_history *history, const struct wye_settings *settings);
void wye_history_fini(struct wye_history *history);

/* Bytes that all history may take: history_memory_bytes, and at most half of memory_bytes, as which it counts. */
uint64_t wye_history_memory(const struct wye_settings *settings);

/* What settings say of a name: the last rule that matches, or the default; nothing for the node's own topics ('$'). */
struct wye_history_limits wye_history_limits_of(const struct wye_settings *settings, struct wye_span name);

/*
 * Keeps what was just published on this hub to a topic with history, and returns the other hubs that it is to
 * be posted to, a bit each: both at one instant, as those who subscribe meanwhile see it. Beyond the topic's
 * limits its oldest messages go; beyond settings.history_memory_bytes, or half of memory_bytes, the topics
 * that were idle for longest go, each whole, then its own oldest messages.
 */
uint64_t wye_history_keep(struct wye_hub *hub, const struct wye_topic *topic, struct wye_parcel *parcel);

/* Nothing is kept of this name any more. */
void wye_history_forget(struct wye_history *history, struct wye_span name);

/* A parcel doesn't come to hub `number` any more: its letter was delivered, or couldn't be sent. */
static inline void wye_history_pass(struct wye_parcel *parcel, unsigned number) {
    uint64_t bit = UINT64_C(1) << number;
    if (atomic_load_explicit(&parcel->passed, memory_order_relaxed) & bit) return;
    atomic_fetch_or_explicit(&parcel->passed, bit, memory_order_relaxed);
}

/* For core/replay.c, under the lock: what is kept of a name; NULL: nothing. */
struct wye_kept *wye_history_find(const struct wye_history *history, struct wye_span name);

/* What a message costs in history, and what its topic costs beside its messages; with the allocator's part. */
size_t wye_history_message_cost(const struct wye_parcel *parcel);
size_t wye_history_topic_cost(size_t name_bytes);

#endif
