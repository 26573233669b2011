#include "core/topic.h"

#include "core/codec.h"
#include "core/mailbox.h"
#include "core/stats.h"
#include "core/websocket.h"
#include "frames/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_START = 16, MEMBERS_START = 4 };

/* ---- the table ---- */

int wye_topics_init(struct wye_topics *topics) {
    *topics = (struct wye_topics){.bucket_count = BUCKETS_START};
    topics->buckets = calloc(BUCKETS_START, sizeof topics->buckets[0]);
    return topics->buckets ? 0 : -ENOMEM;
}

void wye_topics_fini(struct wye_topics *topics) {
    assert(topics->count == 0);
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

static struct wye_topic *topic_find(const struct wye_topics *topics, struct wye_span name, uint32_t hash) {
    struct wye_topic *topic = topics->buckets[hash & (topics->bucket_count - 1)];
    while (topic && !(topic->subject->hash == hash && topic->subject->name_bytes == name.count &&
                      memcmp(topic->subject->name, name.bytes, name.count) == 0))
        topic = topic->next;
    return topic;
}

static struct wye_topic *topic_open(struct wye_hub *hub, struct wye_span name, uint32_t hash) {
    struct wye_topic *topic = calloc(1, sizeof *topic);
    if (!topic) return NULL;
    topic->subject = wye_subject_hold(&hub->node->subjects, name, hash);
    if (!topic->subject) {
        free(topic);
        return NULL;
    }
    if (hub->topics.count >= hub->topics.bucket_count) topics_grow(&hub->topics);
    struct wye_topic **bucket = &hub->topics.buckets[hash & (hub->topics.bucket_count - 1)];
    topic->next = *bucket;
    *bucket = topic;
    hub->topics.count++;
    return topic;
}

/* The last member left. */
static void topic_shut(struct wye_hub *hub, struct wye_topic *topic) {
    atomic_fetch_and_explicit(&topic->subject->loops, ~(UINT64_C(1) << hub->number), memory_order_relaxed);
    struct wye_topic **link = &hub->topics.buckets[topic->subject->hash & (hub->topics.bucket_count - 1)];
    while (*link != topic) link = &(*link)->next;
    *link = topic->next;
    hub->topics.count--;
    wye_subject_release(&hub->node->subjects, topic->subject);
    free(topic->members);
    free(topic);
}

/* ---- members ---- */

const char *wye_topic_name_fault(struct wye_span name) {
    if (name.count == 0) return "a topic's name is empty";
    if (name.count > WYE_TOPIC_NAME_MAX) return "a topic's name is longer than 255 bytes";
    unsigned levels = 1;
    for (size_t i = 0; i < name.count; i++) {
        if (name.bytes[i] == 0) return "a topic's name holds a NUL";
        if (name.bytes[i] != '/') continue;
        levels++;
        if (i == 0 || i + 1 == name.count || name.bytes[i - 1] == '/') return "a topic's name has an empty level";
    }
    return levels > WYE_TOPIC_LEVELS_MAX ? "a topic's name has more than 16 levels" : NULL;
}

int wye_topic_subscribe(struct wye_conn *conn, struct wye_span name, bool noecho) {
    struct wye_hub *hub = conn->hub;
    uint32_t hash = wye_subject_hash(name);
    struct wye_subscription *subscription = malloc(sizeof *subscription);
    if (!subscription) return -ENOMEM;
    struct wye_topic *topic = topic_find(&hub->topics, name, hash);
    if (!topic) topic = topic_open(hub, name, hash);
    if (topic && topic->count == topic->capacity) {
        uint32_t capacity = topic->capacity ? topic->capacity * 2 : MEMBERS_START;
        struct wye_member *members = realloc(topic->members, capacity * sizeof members[0]);
        if (members) {
            topic->members = members;
            topic->capacity = capacity;
        }
    }
    if (!topic || topic->count == topic->capacity) {
        if (topic && topic->count == 0) topic_shut(hub, topic);
        free(subscription);
        return -ENOMEM;
    }
    *subscription = (struct wye_subscription){conn->subscriptions, topic, topic->count, noecho};
    conn->subscriptions = subscription;
    topic->members[topic->count++] = (struct wye_member){conn, subscription};
    atomic_fetch_add_explicit(&topic->subject->subscribers, 1, memory_order_relaxed);
    if (topic->count == 1)
        atomic_fetch_or_explicit(&topic->subject->loops, UINT64_C(1) << hub->number, memory_order_relaxed);
    if (wye_span_equal(name, wye_stats_topic)) hub->stats_due_ns = hub->now_ns;
    return 0;
}

static void unsubscribe(struct wye_hub *hub, struct wye_subscription *subscription) {
    struct wye_topic *topic = subscription->topic;
    struct wye_member last = topic->members[--topic->count];
    topic->members[subscription->position] = last;
    last.subscription->position = subscription->position;
    atomic_fetch_sub_explicit(&topic->subject->subscribers, 1, memory_order_relaxed);
    if (topic->count == 0) topic_shut(hub, topic);
    free(subscription);
}

void wye_topic_unsubscribe_all(struct wye_conn *conn) {
    for (struct wye_subscription *subscription = conn->subscriptions, *next; subscription; subscription = next) {
        next = subscription->next;
        unsubscribe(conn->hub, subscription);
    }
    conn->subscriptions = NULL;
}

/* ---- publishing ---- */

/* A published message in the encodings that somebody here uses: each is made once, when it is first needed. */
struct encodings {
    struct wye_hub *hub;
    uint8_t opcode;
    uint8_t *payload;
    size_t count;
    struct wye_slice plain;
    struct wye_slice deflated[WYE_DEFLATE_BITS_MAX + 1]; /* by window bits; count 0: not made; chunk NULL: not worth it */
};

static const struct wye_slice *encoding_of(struct encodings *encodings, unsigned bits) {
    if (bits == WYE_ENCODING_PLAIN || encodings->count < WYE_DEFLATE_BYTES_MIN) return &encodings->plain;
    struct wye_slice *slice = &encodings->deflated[bits];
    if (slice->count == 0) {
        struct wye_deflater *deflater = wye_codec_deflater(encodings->hub, bits);
        if (deflater)
            *slice = wye_codec_encode(encodings->hub, deflater, encodings->opcode, encodings->payload, encodings->count,
                                      true, false);
        slice->count += !slice->chunk;
    }
    return slice->chunk ? slice : &encodings->plain;
}

/* Lets go of all encodings; outboxes have references of their own. */
static void encodings_release(struct encodings *encodings) {
    wye_chunk_release(&encodings->hub->pool, encodings->plain.chunk);
    for (unsigned bits = WYE_DEFLATE_BITS_MIN; bits <= WYE_DEFLATE_BITS_MAX; bits++) {
        if (encodings->deflated[bits].chunk) wye_chunk_release(&encodings->hub->pool, encodings->deflated[bits].chunk);
    }
}

/*
 * Puts a message into every member's outbox; its plain encoding is one reference of the caller's, which is used
 * up. `except` is left out.
 */
static void topic_fan_out(const struct wye_topic *topic, struct encodings *encodings, const struct wye_conn *except) {
    struct wye_hub *hub = encodings->hub;
    size_t limit = hub->node->settings.outbox_bytes;
    uint32_t tick = wye_tick_of(hub->now_ns);
    uint64_t delivered = 0;
    for (uint32_t i = 0; i < topic->count; i++) {
        struct wye_conn *conn = topic->members[i].conn;
        if (conn == except || conn->phase != WYE_CONN_OPEN) continue;
        bool own = conn->encoding == WYE_ENCODING_OWN;
        const struct wye_slice *frame = own ? &encodings->plain : encoding_of(encodings, conn->encoding);
        if (conn->outbox.bytes + frame->count > limit) {
            wye_count(&hub->counters.slow_closed, 1);
            wye_websocket_overrun(conn);
            continue;
        }
        delivered++;
        if (own) {
            wye_websocket_send(conn, encodings->opcode, encodings->payload, encodings->count);
            wye_count(&hub->counters.messages_out, (uint64_t)-1); /* counted below */
            continue;
        }
        conn->busy_tick = tick;
        wye_chunk_hold(frame->chunk);
        wye_conn_send_slice(conn, *frame);
    }
    encodings_release(encodings);
    wye_count(&hub->counters.publishes, 1);
    wye_count(&hub->counters.deliveries, delivered);
    wye_count(&hub->counters.messages_out, delivered);
}

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

static void topic_post(struct wye_conn *conn, const struct wye_subject *subject, uint64_t loops, uint8_t opcode,
                       const uint8_t *payload, size_t count) {
    struct wye_hub *hub = conn->hub;
    struct wye_parcel *parcel = wye_parcel_open(subject->name, subject->name_bytes, opcode, payload, count);
    if (!parcel) {
        wye_conn_close(conn, -ENOMEM);
        return;
    }
    while (loops) {
        unsigned number = (unsigned)__builtin_ctzll(loops);
        loops &= loops - 1;
        struct wye_mailbox *mailbox = &hub->node->hubs[number]->mailbox;
        int posted = wye_mailbox_post(mailbox, parcel);
        if (posted < 0) wye_conn_close(conn, posted);
        if (posted > 0) hub->wake_hubs |= UINT64_C(1) << number;
        /* A loop that can't keep up slows its publishers down rather than growing. */
        if (atomic_load_explicit(&mailbox->bytes, memory_order_relaxed) > hub->node->settings.mailbox_bytes)
            wye_conn_pause(conn, WYE_PAUSE_MAILBOX);
    }
    wye_parcel_release(parcel);
}

int wye_topic_publish(struct wye_conn *conn, struct wye_subscription *subscription, uint8_t opcode,
                      uint8_t *payload, size_t count) {
    struct wye_hub *hub = conn->hub;
    const struct wye_topic *topic = subscription->topic;
    if (count + WYE_FRAME_SERVER_HEADER_MAX > hub->node->settings.outbox_bytes) return -WYE_CLOSE_TOO_BIG;
    atomic_fetch_add_explicit(&topic->subject->messages, 1, memory_order_relaxed);
    uint64_t loops = atomic_load_explicit(&topic->subject->loops, memory_order_relaxed);
    loops &= ~(UINT64_C(1) << hub->number);
    if (loops) topic_post(conn, topic->subject, loops, opcode, payload, count);

    struct encodings encodings = {hub, opcode, payload, count, .plain = wye_websocket_frame_in_place(hub, opcode, payload, count)};
    if (!encodings.plain.chunk) encodings.plain = topic_encode(hub, opcode, payload, count);
    if (!encodings.plain.chunk) return -ENOMEM;
    topic_fan_out(topic, &encodings, subscription->noecho ? conn : NULL);
    return 0;
}

/* Delivers to the members of a name on this hub. false: there are none. */
static bool deliver(struct wye_hub *hub, struct wye_span name, uint8_t opcode, uint8_t *payload, size_t count) {
    const struct wye_topic *topic = topic_find(&hub->topics, name, wye_subject_hash(name));
    if (!topic) return false;
    struct encodings encodings = {hub, opcode, payload, count, .plain = topic_encode(hub, opcode, payload, count)};
    if (encodings.plain.chunk) topic_fan_out(topic, &encodings, NULL);
    return true;
}

void wye_topic_deliver_parcel(struct wye_hub *hub, struct wye_parcel *parcel) {
    deliver(hub, (struct wye_span){(const char *)parcel->bytes, parcel->name_bytes}, parcel->opcode,
            parcel->bytes + parcel->name_bytes, parcel->payload_bytes);
}

bool wye_topic_deliver_local(struct wye_hub *hub, struct wye_span name, char *text, size_t count) {
    return deliver(hub, name, WYE_OPCODE_TEXT, (uint8_t *)text, count);
}
