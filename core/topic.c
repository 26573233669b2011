#include "core/topic.h"

#include "core/mailbox.h"
#include "core/receipt.h"
#include "core/stats.h"
#include "core/wave.h"
#include "core/websocket.h"
#include "frames/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_START = 16, GAPS_MIN = 64 };

/* ---- the table ---- */

int wye_topics_init(struct wye_topics *topics, const uint64_t hash_key[2]) {
    *topics = (struct wye_topics){.bucket_count = BUCKETS_START,
                                  .patterns = {.hash_key = {hash_key[0], hash_key[1]}}};
    topics->buckets = calloc(BUCKETS_START, sizeof topics->buckets[0]);
    return topics->buckets ? 0 : -ENOMEM;
}

void wye_topics_fini(struct wye_topics *topics) {
    assert(topics->count == 0);
    wye_patterns_fini(&topics->patterns);
    free(topics->buckets);
}

static void topics_grow(struct wye_topics *topics) {
    size_t count = topics->bucket_count * 2;
    struct wye_topic **buckets = calloc(count, sizeof buckets[0]);
    if (!buckets) return; /* longer chains, nothing worse */
    for (size_t i = 0; i < topics->bucket_count; i++) {
        for (struct wye_topic *topic = topics->buckets[i], *next; topic; topic = next) {
            next = topic->next;
            struct wye_topic **bucket = &buckets[topic->subject->hash & (count - 1)];
            topic->next = *bucket;
            *bucket = topic;
        }
    }
    free(topics->buckets);
    topics->buckets = buckets;
    topics->bucket_count = count;
}

static struct wye_topic *find(const struct wye_topics *topics, struct wye_span name, uint32_t hash) {
    struct wye_topic *topic = topics->buckets[hash & (topics->bucket_count - 1)];
    while (topic && !(topic->subject->hash == hash && topic->subject->name_bytes == name.count &&
                      memcmp(topic->subject->name, name.bytes, name.count) == 0))
        topic = topic->next;
    return topic;
}

struct wye_topic *wye_topic_find(const struct wye_hub *hub, struct wye_span name) {
    return find(&hub->topics, name, wye_subject_hash(&hub->node->subjects, name));
}

/* Finds what the settings of now say of the topic, once for as long as they stay: of its rules the last that matches counts. */
static void look_up(const struct wye_hub *hub, struct wye_topic *topic) {
    if (topic->edition == hub->edition->number) return;
    const struct wye_settings *settings = hub->settings;
    const struct wye_span name = {topic->subject->name, topic->subject->name_bytes};
    topic->edition = hub->edition->number;
    topic->on_slow = settings->on_slow;
    for (size_t i = 0; i < settings->slow_rule_count; i++) {
        if (wye_pattern_matches(settings->slow_rules[i].pattern, name)) topic->on_slow = settings->slow_rules[i].on_slow;
    }
    topic->history = wye_history_limits_of(settings, name);
    /* Settings were read again: what was kept before would have a hole behind it. */
    if (topic->history.messages == 0 && topic->edition > 1 && wye_counted(&hub->node->history.topics) > 0)
        wye_history_forget(&hub->node->history, name);
}

enum wye_on_slow wye_topic_on_slow(const struct wye_hub *hub, struct wye_topic *topic) {
    look_up(hub, topic);
    return topic->on_slow;
}

static struct wye_topic *topic_open(struct wye_hub *hub, struct wye_span name, uint32_t hash) {
    struct wye_topics *topics = &hub->topics;
    struct wye_topic *topic = calloc(1, sizeof *topic);
    if (!topic) return NULL;
    topic->subject = wye_subject_hold(&hub->node->subjects, name, hash, hub->number, hub->now_ns, &topic->meter);
    if (topic->subject && topic->subject->pattern && wye_patterns_add(&topics->patterns, name, topic) < 0) {
        wye_subject_release(&hub->node->subjects, topic->subject);
        topic->subject = NULL;
    }
    if (!topic->subject) {
        free(topic);
        return NULL;
    }
    if (topics->count >= topics->bucket_count) topics_grow(topics);
    struct wye_topic **bucket = &topics->buckets[hash & (topics->bucket_count - 1)];
    topic->next = *bucket;
    *bucket = topic;
    topics->count++;
    return topic;
}

struct wye_topic *wye_topic_reach(struct wye_hub *hub, struct wye_span name) {
    uint32_t hash = wye_subject_hash(&hub->node->subjects, name);
    struct wye_topic *topic = find(&hub->topics, name, hash);
    return topic ? topic : topic_open(hub, name, hash);
}

static void topic_shut(struct wye_hub *hub, struct wye_topic *topic) {
    const struct wye_subject *subject = topic->subject;
    struct wye_topic **link = &hub->topics.buckets[subject->hash & (hub->topics.bucket_count - 1)];
    while (*link != topic) link = &(*link)->next;
    *link = topic->next;
    hub->topics.count--;
    if (subject->pattern) wye_patterns_remove(&hub->topics.patterns, (struct wye_span){subject->name, subject->name_bytes});
    wye_subject_release(&hub->node->subjects, topic->subject);
    free(topic->members);
    free(topic);
}

/* Closes the gaps of those who left while waves were on their way; waves that still are know their places anew. */
static void close_gaps(struct wye_topic *topic) {
    uint32_t kept = 0;
    if (topic->first_audience && !wye_waves_close_gaps(topic)) return; /* no memory: another time */
    for (uint32_t i = 0; i < topic->count; i++) {
        if (!topic->members[i].conn) continue;
        topic->members[i].subscription->position = kept;
        topic->members[kept++] = topic->members[i];
    }
    topic->count = kept;
    topic->left = 0;
}

void wye_topic_let_go(struct wye_hub *hub, struct wye_topic *topic) {
    if (topic->first_audience) return;
    if (topic->left > 0) close_gaps(topic);
    if (topic->count == 0 && !topic->oldest) topic_shut(hub, topic);
}

/* ---- members ---- */

static bool reserve_member(struct wye_topic *topic) {
    if (topic->count < topic->capacity) return true;
    /* By a quarter: a subscription is to cost little, and memory is moved rarely. */
    uint32_t capacity = topic->capacity + topic->capacity / 4 + (topic->capacity < 4 ? 1 : 4);
    struct wye_member *members = realloc(topic->members, capacity * sizeof members[0]);
    if (!members) return false;
    topic->members = members;
    topic->capacity = capacity;
    return true;
}

/* The connection's subscription to a topic, if it has one, and how many it has. */
static struct wye_subscription *subscription_of(const struct wye_conn *conn, const struct wye_topic *topic, unsigned *count) {
    struct wye_subscription *found = NULL;
    *count = 0;
    for (struct wye_subscription *at = conn->subscriptions; at; at = at->next, ++*count) {
        if (at->topic == topic) found = at;
    }
    return found;
}

/* Puts a subscription first among the connection's. */
static void put_first(struct wye_conn *conn, struct wye_subscription *subscription) {
    struct wye_subscription **link = &conn->subscriptions;
    while (*link != subscription) link = &(*link)->next;
    *link = subscription->next;
    subscription->next = conn->subscriptions;
    conn->subscriptions = subscription;
}

int wye_topic_subscribe(struct wye_conn *conn, struct wye_span name, bool noecho) {
    struct wye_hub *hub = conn->hub;
    struct wye_topic *topic = wye_topic_reach(hub, name);
    if (!topic) return -ENOMEM;
    unsigned count;
    struct wye_subscription *subscription = subscription_of(conn, topic, &count);
    if (subscription) {
        put_first(conn, subscription);
        return 0;
    }
    subscription = count < hub->settings->topics_per_connection ? malloc(sizeof *subscription) : NULL;
    if (!subscription || !reserve_member(topic)) {
        free(subscription);
        wye_topic_let_go(hub, topic);
        return count < hub->settings->topics_per_connection ? -ENOMEM : -E2BIG;
    }
    *subscription = (struct wye_subscription){conn->subscriptions, topic, topic->count, noecho};
    conn->subscriptions = subscription;
    topic->members[topic->count++] = (struct wye_member){conn, subscription};
    hub->waves.joins++; /* what was published so far isn't for it */
    atomic_fetch_add_explicit(&topic->subject->subscribers, 1, memory_order_relaxed);
    if (topic->count - topic->left == 1)
        wye_subject_set_loop(&hub->node->subjects, topic->subject, hub->number, true);
    if (hub->stats_due_ns == UINT64_MAX && wye_pattern_matches(name, wye_stats_topic))
        hub->stats_due_ns = hub->now_ns;
    return 0;
}

static void unsubscribe(struct wye_hub *hub, struct wye_subscription *subscription) {
    struct wye_topic *topic = subscription->topic;
    if (topic->first_audience) {
        topic->members[subscription->position].conn = NULL;
        topic->left++;
        /* A topic that always has a wave under way would grow for ever. */
        if (topic->left > GAPS_MIN && topic->left > topic->count / 2) close_gaps(topic);
    } else {
        struct wye_member last = topic->members[--topic->count];
        topic->members[subscription->position] = last;
        last.subscription->position = subscription->position;
    }
    atomic_fetch_sub_explicit(&topic->subject->subscribers, 1, memory_order_relaxed);
    if (topic->count == topic->left) wye_subject_set_loop(&hub->node->subjects, topic->subject, hub->number, false);
    wye_topic_let_go(hub, topic);
    free(subscription);
}

void wye_topic_unsubscribe_all(struct wye_conn *conn) {
    /* Who is no longer open gets nothing more. */
    for (const struct wye_subscription *at = conn->subscriptions; at && conn->phase == WYE_CONN_OPEN;
         at = at->next)
        wye_waves_catch_up(conn->hub, at, conn);
    for (struct wye_subscription *subscription = conn->subscriptions, *next; subscription;
         subscription = next) {
        next = subscription->next;
        unsubscribe(conn->hub, subscription);
    }
    conn->subscriptions = NULL;
}

/* ---- publishing ---- */

/* Encodes a message once for all members of this hub. chunk NULL: no memory. */
static struct wye_slice topic_encode(struct wye_hub *hub, uint8_t opcode, const uint8_t *payload, size_t count) {
    struct wye_frame frame = {.payload_bytes = count, .opcode = opcode, .fin = true};
    struct wye_slice slice = {.count = wye_frame_header_bytes(count, false) + count};
    uint8_t *at = wye_chunk_append(&hub->pool, slice.count, &slice.chunk);
    if (!at) return (struct wye_slice){0};
    slice.bytes = at;
    at += wye_frame_write(at, &frame);
    if (count) memcpy(at, payload, count);
    return slice;
}

/* Publishes on this hub alone; `frame` may be without a chunk: it is then made. 0, or -ENOMEM. */
static int publish_here(struct wye_hub *hub, struct wye_topic *topic, struct wye_slice frame, const struct wye_conn *except,
                        const struct wye_message_out *message) {
    if (!frame.chunk) frame = topic_encode(hub, message->opcode, message->payload, message->count);
    int trouble = -ENOMEM;
    if (frame.chunk) {
        const struct wye_publication publication = {
            .except = except, .frame = frame, .payload_bytes = message->count, .opcode = message->opcode, .receipt = message->receipt};
        trouble = wye_wave_publish(hub, topic, &publication);
    }
    wye_topic_let_go(hub, topic);
    return trouble;
}

static struct wye_parcel *parcel_of(const struct wye_topic *topic, const struct wye_message_out *message) {
    const struct wye_subject *subject = topic->subject;
    return wye_parcel_open(subject->name, subject->name_bytes, message->opcode, message->payload, message->count);
}

/* Posts a message to other loops. They are told; a loop that can't be is counted as having nobody. */
static void topic_post(struct wye_conn *conn, struct wye_parcel *parcel, uint64_t loops, struct wye_receipt *receipt) {
    struct wye_hub *hub = conn->hub;
    while (loops) {
        unsigned number = (unsigned)__builtin_ctzll(loops);
        loops &= loops - 1;
        struct wye_mailbox *mailbox = &hub->node->hubs[number]->mailbox;
        if (receipt) atomic_fetch_add_explicit(&receipt->waiting, 1, memory_order_relaxed);
        int posted = wye_mailbox_post(mailbox, parcel, receipt);
        if (posted < 0 && receipt) atomic_fetch_sub_explicit(&receipt->waiting, 1, memory_order_relaxed);
        if (posted < 0) wye_history_pass(parcel, number);
        if (posted < 0) wye_conn_close(conn, posted);
        if (posted > 0) hub->wake_hubs |= UINT64_C(1) << number;
        /* A loop that can't keep up slows its publishers down rather than growing. */
        if (atomic_load_explicit(&mailbox->bytes, memory_order_relaxed) > hub->settings->mailbox_bytes)
            wye_conn_pause(conn, WYE_PAUSE_PUBLISH);
    }
}

/* May a message be published now? in_place: it needs no memory here but what it lies in. 0, or a reason. */
static int judge(struct wye_hub *hub, const struct wye_message_out *message, bool in_place) {
    if (message->count + WYE_FRAME_SERVER_HEADER_MAX > wye_websocket_publish_room(hub->settings)) return -WYE_CLOSE_TOO_BIG;
    if (wye_hub_has_memory(hub, in_place ? 0 : message->count)) return 0;
    wye_count(&hub->counters.memory_refused, 1);
    return -WYE_CLOSE_TRY_AGAIN_LATER;
}

/* Has a publisher wait that is faster than subscribers, or than memory comes back. */
static void pause_publisher(struct wye_conn *conn) {
    struct wye_hub *hub = conn->hub;
    if (hub->waves.bytes > hub->settings->mailbox_bytes) wye_conn_pause(conn, WYE_PAUSE_PUBLISH);
    if (conn->pauses & WYE_PAUSE_PUBLISH || !wye_hub_is_short_of_memory(hub)) return;
    wye_count(&hub->counters.memory_paused, 1);
    wye_hub_want_memory(hub);
    /* A loop that sleeps may be the one whose readers hold it. */
    hub->wake_hubs |= (UINT64_MAX >> (64 - hub->node->hub_count)) & ~(UINT64_C(1) << hub->number);
    wye_conn_pause(conn, WYE_PAUSE_PUBLISH);
}

int wye_topic_publish(struct wye_conn *conn, struct wye_topic *topic, const struct wye_message_out *message) {
    struct wye_hub *hub = conn->hub;
    look_up(hub, topic);
    const bool keeps = topic->history.messages > 0;
    struct wye_parcel *parcel = NULL;
    struct wye_slice frame = wye_websocket_frame_in_place(hub, message->opcode, message->payload, message->count);
    int trouble = judge(hub, message, frame.chunk);
    if (trouble == 0 && keeps && !(parcel = parcel_of(topic, message))) trouble = -ENOMEM;
    if (trouble < 0) {
        if (frame.chunk) wye_chunk_release(&hub->pool, frame.chunk);
        wye_topic_let_go(hub, topic);
        return trouble;
    }
    trouble = publish_here(hub, topic, frame, message->noecho ? conn : NULL, message);
    if (trouble < 0) {
        if (parcel) wye_parcel_release(parcel);
        return trouble;
    }
    /* Waves only move at the flush: the topic is still there. */
    wye_meter_published(topic->meter, wye_meter_tick(hub->now_ns), 1, message->count);
    uint64_t loops = keeps ? wye_history_keep(hub, topic, parcel)
                           : wye_subject_loops(&hub->node->subjects, topic->subject) & ~(UINT64_C(1) << hub->number);
    if (loops && !parcel) parcel = parcel_of(topic, message);
    if (parcel) topic_post(conn, parcel, loops, message->receipt);
    else if (loops) wye_conn_close(conn, -ENOMEM);
    if (parcel) wye_parcel_release(parcel);
    pause_publisher(conn);
    return 0;
}

void wye_topic_deliver_parcel(struct wye_hub *hub, struct wye_parcel *parcel, struct wye_receipt *receipt) {
    struct wye_span name = {(const char *)parcel->bytes, parcel->name_bytes};
    const struct wye_message_out message = {
        .opcode = parcel->opcode, .payload = parcel->bytes + parcel->name_bytes, .count = parcel->payload_bytes, .receipt = receipt};
    struct wye_topic *topic = wye_topic_reach(hub, name);
    int trouble = topic ? publish_here(hub, topic, (struct wye_slice){0}, NULL, &message) : -ENOMEM;
    wye_history_pass(parcel, hub->number);
    if (trouble < 0) wye_count(&hub->counters.letters_lost, 1);
    if (trouble < 0 && receipt) wye_receipt_count(hub, receipt, 0);
}

static void note_match(void *owner, void *what) {
    (void)what;
    *(bool *)owner = true;
}

bool wye_topic_deliver_local(struct wye_hub *hub, struct wye_span name, char *text, size_t count) {
    struct wye_topic *topic = wye_topic_find(hub, name);
    bool heard = topic && topic->count > topic->left;
    if (!heard) wye_patterns_match(&hub->topics.patterns, name, note_match, &heard);
    if (!heard) return false;
    if (!topic) topic = wye_topic_reach(hub, name);
    if (!topic) return true; /* no memory: this message is lost, the next may not be */
    const struct wye_message_out message = {.opcode = WYE_OPCODE_TEXT, .payload = (uint8_t *)text, .count = count};
    struct wye_meter *meter = wye_subject_counts_on(topic->subject, hub->number) ? topic->meter : NULL;
    int trouble = publish_here(hub, topic, (struct wye_slice){0}, NULL, &message);
    if (trouble == 0 && meter) wye_meter_published(meter, wye_meter_tick(hub->now_ns), 1, count);
    return true;
}
