#include "core/history.h"

#include "core/hub.h"
#include "core/topic.h"

#include <assert.h>
#include <openssl/siphash.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MIN = 16, MEMORY_A_BUCKET = 1024 };

/* What went, and why. */
struct losses {
    struct wye_parcel *dropped; /* to be let go outside of the lock, linked by `older` */
    uint64_t outgrown, evicted, evicted_topics, too_large;
};

/* Would it fill the memory that messages have, then publishers would wait for ever. */
uint64_t wye_history_memory(const struct wye_settings *settings) {
    uint64_t most = settings->memory_bytes / 2;
    return settings->history_memory_bytes < most ? settings->history_memory_bytes : most;
}

void wye_history_init(struct wye_history *history, const struct wye_settings *settings) {
    *history = (struct wye_history){.hash_key = {settings->hash_key[0], settings->hash_key[1]}, .bucket_count = BUCKETS_MIN};
    while (history->bucket_count < wye_history_memory(settings) / MEMORY_A_BUCKET) history->bucket_count *= 2;
    pthread_mutex_init(&history->lock, NULL);
}

void wye_history_fini(struct wye_history *history) {
    for (struct wye_kept *kept = history->idlest, *busier; kept; kept = busier) {
        busier = kept->busier;
        for (struct wye_parcel *parcel = kept->oldest, *newer; parcel; parcel = newer) {
            newer = parcel->newer;
            wye_parcel_release(parcel);
        }
        free(kept);
    }
    free(history->buckets);
    pthread_mutex_destroy(&history->lock);
}

struct wye_history_limits wye_history_limits_of(const struct wye_settings *settings, struct wye_span name) {
    struct wye_history_limits limits = settings->history;
    if (name.bytes[0] == '$') return (struct wye_history_limits){0};
    for (size_t i = 0; i < settings->history_rule_count; i++) {
        if (wye_pattern_matches(settings->history_rules[i].pattern, name)) limits = settings->history_rules[i].limits;
    }
    return limits;
}

size_t wye_history_message_cost(const struct wye_parcel *parcel) {
    return sizeof *parcel + parcel->name_bytes + parcel->payload_bytes + WYE_HISTORY_BOOKKEEPING_BYTES;
}

size_t wye_history_topic_cost(size_t name_bytes) {
    return sizeof(struct wye_kept) + name_bytes + WYE_HISTORY_BOOKKEEPING_BYTES;
}

static size_t buckets_cost(const struct wye_history *history) {
    return history->bucket_count * sizeof history->buckets[0] + WYE_HISTORY_BOOKKEEPING_BYTES;
}

/* ---- the table, under the lock ---- */

/* Anybody may choose names, so nobody may know their hashes. */
static uint64_t hash_of(const struct wye_history *history, struct wye_span name) {
    return SIPHASH_24(history->hash_key, (const uint8_t *)name.bytes, name.count);
}

static struct wye_kept **bucket_of(const struct wye_history *history, uint64_t hash) {
    return &history->buckets[hash & (history->bucket_count - 1)];
}

static struct wye_kept *find(const struct wye_history *history, struct wye_span name, uint64_t hash) {
    if (!history->buckets) return NULL;
    struct wye_kept *kept = *bucket_of(history, hash);
    while (kept && !(kept->hash == hash && kept->name_bytes == name.count && memcmp(kept->name, name.bytes, name.count) == 0))
        kept = kept->next;
    return kept;
}

struct wye_kept *wye_history_find(const struct wye_history *history, struct wye_span name) {
    return find(history, name, hash_of(history, name));
}

static void add_bytes(struct wye_history *history, size_t more) { wye_count(&history->bytes, more); }

static void link_busiest(struct wye_history *history, struct wye_kept *kept) {
    kept->idler = history->busiest;
    kept->busier = NULL;
    if (history->busiest) history->busiest->busier = kept;
    else history->idlest = kept;
    history->busiest = kept;
}

static void unlink_kept(struct wye_history *history, struct wye_kept *kept) {
    if (kept->idler) kept->idler->busier = kept->busier;
    else history->idlest = kept->busier;
    if (kept->busier) kept->busier->idler = kept->idler;
    else history->busiest = kept->idler;
}

/* NULL: no memory. */
static struct wye_kept *kept_open(struct wye_history *history, struct wye_span name, uint64_t hash) {
    if (!history->buckets) {
        history->buckets = calloc(history->bucket_count, sizeof history->buckets[0]);
        if (!history->buckets) return NULL;
        add_bytes(history, buckets_cost(history));
    }
    struct wye_kept *kept = calloc(1, sizeof *kept + name.count);
    if (!kept) return NULL;
    kept->hash = hash;
    kept->name_bytes = (uint8_t)name.count;
    memcpy(kept->name, name.bytes, name.count);
    kept->cost = wye_history_topic_cost(name.count);
    add_bytes(history, kept->cost);
    wye_count(&history->topics, 1);
    struct wye_kept **bucket = bucket_of(history, hash);
    kept->next = *bucket;
    *bucket = kept;
    link_busiest(history, kept);
    return kept;
}

/* ---- what goes ---- */

static void drop_oldest(struct wye_history *history, struct wye_kept *kept, struct losses *losses) {
    struct wye_parcel *parcel = kept->oldest;
    kept->oldest = parcel->newer;
    if (kept->oldest) kept->oldest->older = NULL;
    else kept->newest = NULL;
    size_t cost = wye_history_message_cost(parcel);
    kept->count--;
    kept->payload_bytes -= parcel->payload_bytes;
    kept->cost -= cost;
    add_bytes(history, -cost);
    wye_count(&history->messages, (uint64_t)-1);
    parcel->older = losses->dropped;
    losses->dropped = parcel;
}

/* A topic with all its messages, however many, in a few steps. */
static void drop_topic(struct wye_history *history, struct wye_kept *kept, struct losses *losses) {
    struct wye_kept **link = bucket_of(history, kept->hash);
    while (*link != kept) link = &(*link)->next;
    *link = kept->next;
    unlink_kept(history, kept);
    if (kept->oldest) {
        kept->oldest->older = losses->dropped;
        losses->dropped = kept->newest;
    }
    add_bytes(history, -kept->cost);
    wye_count(&history->messages, -(uint64_t)kept->count);
    wye_count(&history->topics, (uint64_t)-1);
    free(kept);
}

/* Makes room for one more message of `kept` (NULL: of a topic that is new); `need` bytes of all history. */
static void make_room(struct wye_history *history, struct wye_kept *kept, const struct wye_history_limits *limits, size_t payload_bytes,
                      size_t need, uint64_t memory_bytes, struct losses *losses) {
    for (; kept && kept->count && (kept->count >= limits->messages || kept->payload_bytes + payload_bytes > limits->bytes); losses->outgrown++)
        drop_oldest(history, kept, losses);
    while (wye_counted(&history->bytes) + need > memory_bytes && history->idlest && history->idlest != kept) {
        losses->evicted += history->idlest->count;
        losses->evicted_topics++;
        drop_topic(history, history->idlest, losses);
    }
    for (; wye_counted(&history->bytes) + need > memory_bytes && kept && kept->count; losses->evicted++)
        drop_oldest(history, kept, losses);
}

/* ---- what comes ---- */

static void append(struct wye_history *history, struct wye_kept *kept, struct wye_parcel *parcel) {
    size_t cost = wye_history_message_cost(parcel);
    parcel->number = ++history->numbered;
    parcel->newer = NULL;
    parcel->older = kept->newest;
    if (kept->newest) kept->newest->newer = parcel;
    else kept->oldest = parcel;
    kept->newest = parcel;
    kept->count++;
    kept->payload_bytes += parcel->payload_bytes;
    kept->cost += cost;
    add_bytes(history, cost);
    wye_count(&history->messages, 1);
    wye_parcel_hold(parcel);
}

/* kept: what its topic has, by its name's hash; NULL: nothing. false: it could not be kept, and nothing of its topic is any more. */
static bool add(struct wye_history *history, struct wye_kept *kept, uint64_t hash, struct wye_parcel *parcel,
                const struct wye_history_limits *limits, uint64_t memory_bytes, struct losses *losses) {
    const struct wye_span name = {(const char *)parcel->bytes, parcel->name_bytes};
    size_t topic_cost = wye_history_topic_cost(name.count), cost = wye_history_message_cost(parcel);
    if (parcel->payload_bytes > limits->bytes || buckets_cost(history) + topic_cost + cost > memory_bytes) {
        losses->too_large++;
        losses->outgrown += kept ? kept->count : 0;
        if (kept) drop_topic(history, kept, losses);
        return false;
    }
    if (kept) { /* it is the one that has been idle for the shortest time */
        unlink_kept(history, kept);
        link_busiest(history, kept);
    }
    size_t need = cost + (kept ? 0 : topic_cost) + (history->buckets ? 0 : buckets_cost(history));
    make_room(history, kept, limits, parcel->payload_bytes, need, memory_bytes, losses);
    if (!kept) kept = kept_open(history, name, hash);
    if (!kept) return false;
    append(history, kept, parcel);
    return true;
}

/* What was dropped, outside of the lock. */
static void release(struct losses *losses) {
    for (struct wye_parcel *older; losses->dropped; losses->dropped = older) {
        older = losses->dropped->older;
        wye_parcel_release(losses->dropped);
    }
}

void wye_history_forget(struct wye_history *history, struct wye_span name) {
    struct losses losses = {0};
    pthread_mutex_lock(&history->lock);
    struct wye_kept *kept = wye_history_find(history, name);
    if (kept) drop_topic(history, kept, &losses);
    pthread_mutex_unlock(&history->lock);
    release(&losses);
}

uint64_t wye_history_keep(struct wye_hub *hub, const struct wye_topic *topic, struct wye_parcel *parcel) {
    struct wye_history *history = &hub->node->history;
    struct losses losses = {0};
    const struct wye_span name = {(const char *)parcel->bytes, parcel->name_bytes};
    const uint64_t hash = hash_of(history, name);
    pthread_mutex_lock(&history->lock);
    struct wye_kept *before = find(history, name, hash);
    /* Whoever has subscribed before this lock was taken gets a letter; whoever does later finds the message
     * kept. */
    uint64_t loops = wye_subject_loops(&hub->node->subjects, topic->subject);
    /* Where the one before is still on its way to, nobody may find this one before it has arrived. */
    if (before) loops |= ~atomic_load_explicit(&before->newest->passed, memory_order_relaxed);
    loops &= ~(UINT64_C(1) << hub->number);
    atomic_store_explicit(&parcel->passed, ~loops, memory_order_relaxed);
    bool kept = add(history, before, hash, parcel, &topic->history, wye_history_memory(hub->settings), &losses);
    pthread_mutex_unlock(&history->lock);
    release(&losses);
    struct wye_counters *counters = &hub->counters;
    wye_count(&counters->history_kept, kept);
    wye_count(&counters->history_too_large, losses.too_large);
    wye_count(&counters->history_outgrown, losses.outgrown);
    wye_count(&counters->history_evicted, losses.evicted);
    wye_count(&counters->history_topics_evicted, losses.evicted_topics);
    return loops;
}
