#include "core/wave.h"

#include "core/receipt.h"
#include "core/websocket.h"
#include "frames/frame.h"

#include <assert.h>
#include <errno.h>
#include <openssl/siphash.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPARE_MAX = 64,
    ROOM_KEPT = 64,          /* publications and audiences that a spare wave keeps room for */
    ENCODINGS = 1 + WYE_DEFLATE_BITS_MAX - WYE_DEFLATE_BITS_MIN + 1,
    LATEST_MAX = 1024,       /* topics of which a slow subscriber keeps the latest message */
    AHEAD = 6,               /* subscribers whose memory is fetched before their turn */
    LEFT_OUT_NOTED = 4,
};

/* Those who had subscribed when the wave was opened: members[0 .. end) of a topic. */
struct wye_audience {
    struct wye_topic *topic;
    struct wye_wave *wave;
    struct wye_audience *previous, *next; /* of the same topic, by age; linked when the wave is open */
    uint32_t end;
};

/* All publications of a wave in one encoding. */
struct encoded {
    struct wye_slice *each; /* one a publication, behind them the runs; the references are the wave's. NULL: not made */
    struct wye_slice *runs; /* the same, neighbours in memory as one; these have no references */
    uint32_t run_count;
    size_t bytes; /* of all */
};

struct wye_wave {
    struct wye_wave *next;   /* in the hub's queue, or among the spare ones */
    struct wye_wave *behind; /* the next one of the same topic */
    struct wye_audience *audiences; /* the topic's, then those of patterns that match its name */
    struct wye_publication *publications;
    uint32_t audience_count, audience_capacity;
    uint32_t publication_count, publication_capacity;
    uint32_t audience, at; /* who is reached next */
    uint32_t reached;      /* subscribers that got all of it */
    uint32_t joins;        /* of the hub, when it was opened: whoever came later is not in the audiences */
    bool started;
    uint32_t left_out_count; /* of connections that some publication isn't for; more than have room: publications tell */
    const struct wye_conn *left_out[LEFT_OUT_NOTED];
    uint64_t key;    /* of its name, for what waits to be replaced; 0: not needed yet */
    size_t bytes; /* of an outbox that takes all of it: its frames, not compressed, and the slices that they
                     are */
    size_t cost;  /* of all that it holds, as far as publishers answer for it */
    struct encoded encodings[ENCODINGS]; /* the first: not compressed */
};

static struct wye_topic *topic_of(const struct wye_wave *wave) { return wave->audiences[0].topic; }

/* ---- encodings ---- */

static unsigned encoding_slot(uint8_t encoding) {
    return encoding == WYE_ENCODING_PLAIN ? 0 : encoding - (unsigned)WYE_DEFLATE_BITS_MIN + 1;
}

/* One publication, compressed; or as it is when that isn't worth it. With a reference. */
static struct wye_slice encode(struct wye_hub *hub, const struct wye_publication *publication, unsigned slot) {
    struct wye_slice frame = publication->frame;
    const uint8_t *payload = frame.bytes + frame.count - publication->payload_bytes;
    if (slot > 0 &&
        wye_deflate_is_worth(publication->opcode == WYE_OPCODE_TEXT, payload, publication->payload_bytes)) {
        struct wye_deflater *deflater = wye_codec_deflater(hub, slot + WYE_DEFLATE_BITS_MIN - 1);
        struct wye_slice deflated = {0};
        if (deflater)
            deflated = wye_codec_encode(hub, deflater, publication->opcode, payload, publication->payload_bytes, true, false);
        if (deflated.chunk) return deflated;
    }
    wye_chunk_hold(frame.chunk);
    return frame;
}

/* Encodes all publications of a started wave for those who want it so; once. NULL: no memory. */
static const struct encoded *encoded_for(struct wye_hub *hub, struct wye_wave *wave, uint8_t encoding) {
    unsigned slot = encoding_slot(encoding);
    struct encoded *encoded = &wave->encodings[slot];
    if (encoded->each) return encoded;
    uint32_t count = wave->publication_count;
    encoded->each = malloc(2 * (size_t)count * sizeof encoded->each[0]);
    if (!encoded->each) return NULL;
    encoded->runs = encoded->each + count;
    encoded->run_count = 0;
    encoded->bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct wye_slice slice = encoded->each[i] = encode(hub, &wave->publications[i], slot);
        struct wye_slice *last = encoded->runs + encoded->run_count - 1;
        if (encoded->run_count && last->chunk == slice.chunk && last->bytes + last->count == slice.bytes) last->count += slice.count;
        else encoded->runs[encoded->run_count++] = slice;
        encoded->bytes += slice.count;
    }
    return encoded;
}

static void encodings_release(struct wye_hub *hub, struct wye_wave *wave) {
    for (unsigned slot = 0; slot < ENCODINGS; slot++) {
        struct encoded *encoded = &wave->encodings[slot];
        for (uint32_t i = 0; encoded->each && i < wave->publication_count; i++)
            wye_chunk_release(&hub->pool, encoded->each[i].chunk);
        free(encoded->each);
        *encoded = (struct encoded){0};
    }
}

/* ---- a wave's life ---- */

static void enqueue(struct wye_waves *waves, struct wye_wave *wave) {
    wave->next = NULL;
    if (waves->head) waves->tail->next = wave;
    else waves->head = wave;
    waves->tail = wave;
}

static bool add_audience(struct wye_wave *wave, struct wye_topic *topic) {
    if (wave->audience_count == wave->audience_capacity) {
        uint32_t capacity = wave->audience_capacity ? wave->audience_capacity * 2 : 2;
        struct wye_audience *audiences = realloc(wave->audiences, capacity * sizeof audiences[0]);
        if (!audiences) return false;
        wave->audiences = audiences;
        wave->audience_capacity = capacity;
    }
    wave->audiences[wave->audience_count++] = (struct wye_audience){.topic = topic, .wave = wave, .end = topic->count};
    return true;
}

/* From now on topics know of the wave, and don't go away. */
static void link_audiences(struct wye_wave *wave) {
    for (uint32_t i = 0; i < wave->audience_count; i++) {
        struct wye_audience *audience = &wave->audiences[i];
        struct wye_topic *topic = audience->topic;
        audience->previous = topic->last_audience;
        audience->next = NULL;
        if (topic->last_audience) topic->last_audience->next = audience;
        else topic->first_audience = audience;
        topic->last_audience = audience;
    }
}

static void unlink_audience(struct wye_audience *audience) {
    struct wye_topic *topic = audience->topic;
    if (audience->previous) audience->previous->next = audience->next;
    else topic->first_audience = audience->next;
    if (audience->next) audience->next->previous = audience->previous;
    else topic->last_audience = audience->previous;
}

struct opening {
    struct wye_wave *wave;
    bool failed;
};

static void add_pattern(void *owner, void *what) {
    struct opening *opening = owner;
    if (!opening->failed && !add_audience(opening->wave, what)) opening->failed = true;
}

static void wave_free(struct wye_wave *wave) {
    free(wave->audiences);
    free(wave->publications);
    free(wave);
}

/* A wave is kept for the next one, unless there are enough, or it has grown large. */
static void wave_spare(struct wye_waves *waves, struct wye_wave *wave) {
    if (waves->spare_count == SPARE_MAX || wave->publication_capacity > ROOM_KEPT || wave->audience_capacity > ROOM_KEPT) {
        wave_free(wave);
        return;
    }
    wave->next = waves->spare;
    waves->spare = wave;
    waves->spare_count++;
}

/* Lets go of all that it has, in the end of its topics. */
static void wave_shut(struct wye_hub *hub, struct wye_wave *wave) {
    encodings_release(hub, wave);
    for (uint32_t i = 0; i < wave->publication_count; i++) wye_chunk_release(&hub->pool, wave->publications[i].frame.chunk);
    hub->waves.bytes -= wave->cost;
    for (uint32_t i = 0; i < wave->audience_count; i++) unlink_audience(&wave->audiences[i]);
    for (uint32_t i = 0; i < wave->audience_count; i++) wye_topic_let_go(hub, wave->audiences[i].topic);
    wave_spare(&hub->waves, wave);
}

/* What a wave costs is what publishers are held up by, when it is too much. */
static void charge(struct wye_hub *hub, struct wye_wave *wave, size_t bytes) {
    wave->cost += bytes;
    hub->waves.bytes += bytes;
}

/* A wave for what is published to a topic from now on, behind those that are under way. NULL: no memory. */
static struct wye_wave *wave_open(struct wye_hub *hub, struct wye_topic *topic) {
    struct wye_waves *waves = &hub->waves;
    struct wye_wave *wave = waves->spare;
    if (wave) {
        waves->spare = wave->next;
        waves->spare_count--;
    } else {
        wave = calloc(1, sizeof *wave);
        if (!wave) return NULL;
    }
    wave->behind = NULL;
    wave->audience_count = wave->publication_count = wave->audience = wave->at = wave->reached = 0;
    wave->joins = waves->joins;
    wave->started = false;
    wave->left_out_count = 0;
    wave->key = 0;
    wave->bytes = wave->cost = 0;
    struct opening opening = {wave, !add_audience(wave, topic)};
    const struct wye_subject *subject = topic->subject;
    if (!opening.failed)
        wye_patterns_match(&hub->topics.patterns, (struct wye_span){subject->name, subject->name_bytes}, add_pattern, &opening);
    if (opening.failed) {
        wave_spare(waves, wave);
        return NULL;
    }
    link_audiences(wave);
    charge(hub, wave, sizeof *wave + wave->audience_count * sizeof wave->audiences[0]);
    if (topic->newest) {
        topic->newest->behind = wave;
    } else {
        topic->oldest = wave;
        enqueue(waves, wave);
    }
    topic->newest = wave;
    return wave;
}

/* Everybody has been reached: the next wave of the topic may follow. */
static void wave_finish(struct wye_hub *hub, struct wye_wave *wave) {
    struct wye_topic *topic = topic_of(wave);
    topic->oldest = wave->behind;
    if (topic->oldest) enqueue(&hub->waves, topic->oldest);
    else topic->newest = NULL;
    uint64_t bytes = 0, delivered_bytes = 0;
    uint64_t delivered = 0;
    for (uint32_t i = 0; i < wave->publication_count; i++) {
        const struct wye_publication *publication = &wave->publications[i];
        uint32_t receivers = publication->receivers + wave->reached;
        bytes += publication->payload_bytes;
        delivered += receivers;
        delivered_bytes += (uint64_t)receivers * publication->payload_bytes;
        if (publication->receipt) wye_receipt_count(hub, publication->receipt, receivers);
    }
    uint32_t tick = wye_meter_tick(hub->now_ns);
    if (delivered)
        wye_meter_delivered(topic->meter, tick, delivered > UINT32_MAX ? UINT32_MAX : (uint32_t)delivered,
                            delivered_bytes);
    for (uint32_t i = 1; i < wave->audience_count; i++) {
        const struct wye_topic *pattern = wave->audiences[i].topic;
        if (wye_subject_counts_on(pattern->subject, hub->number))
            wye_meter_published(pattern->meter, tick, wave->publication_count, bytes);
    }
    wave_shut(hub, wave);
}

static bool reserve_publication(struct wye_wave *wave) {
    if (wave->publication_count < wave->publication_capacity) return true;
    uint32_t capacity = wave->publication_capacity ? wave->publication_capacity * 2 : 4;
    struct wye_publication *publications = realloc(wave->publications, capacity * sizeof publications[0]);
    if (!publications) return false;
    wave->publications = publications;
    wave->publication_capacity = capacity;
    return true;
}

/* What one more publication takes of an outbox. */
static size_t outbox_cost(const struct wye_wave *wave, const struct wye_slice *frame) {
    const struct wye_slice *last =
        wave && wave->publication_count ? &wave->publications[wave->publication_count - 1].frame : NULL;
    bool touches = last && last->chunk == frame->chunk && last->bytes + last->count == frame->bytes;
    return frame->count + (touches ? 0 : WYE_OUTBOX_SLICE_COST);
}

static bool is_noted(const struct wye_wave *wave, const struct wye_conn *conn) {
    for (uint32_t i = 0; i < wave->left_out_count && i < LEFT_OUT_NOTED; i++) {
        if (wave->left_out[i] == conn) return true;
    }
    return false;
}

static void note_left_out(struct wye_wave *wave, const struct wye_conn *conn) {
    if (is_noted(wave, conn)) return;
    if (wave->left_out_count < LEFT_OUT_NOTED) wave->left_out[wave->left_out_count] = conn;
    if (wave->left_out_count <= LEFT_OUT_NOTED) wave->left_out_count++;
}

int wye_wave_publish(struct wye_hub *hub, struct wye_topic *topic,
                     const struct wye_publication *publication) {
    struct wye_wave *wave = topic->newest;
    size_t cost = outbox_cost(wave, &publication->frame);
    /* What doesn't fit half an outbox together is more than a healthy subscriber should be given at once. */
    if (!wave || wave->started || wave->joins != hub->waves.joins ||
        wave->bytes + cost > hub->settings->outbox_bytes / 2)
        wave = wave_open(hub, topic);
    if (!wave || !reserve_publication(wave)) {
        wye_chunk_release(&hub->pool, publication->frame.chunk);
        return -ENOMEM;
    }
    wave->publications[wave->publication_count++] = *publication;
    wave->bytes += cost;
    if (publication->except) note_left_out(wave, publication->except);
    charge(hub, wave, publication->frame.count + sizeof *publication);
    wye_count(&hub->counters.publishes, 1);
    wye_count(&hub->counters.bytes_published, publication->payload_bytes);
    return 0;
}

/* ---- reaching subscribers ---- */

static bool is_left_out(const struct wye_wave *wave, const struct wye_conn *conn) {
    if (wave->left_out_count <= LEFT_OUT_NOTED) return is_noted(wave, conn);
    for (uint32_t i = 0; i < wave->publication_count; i++) {
        if (wave->publications[i].except == conn) return true;
    }
    return false;
}

/* A message that there is no room for. false: the subscriber is done with. */
static bool refuse_room(struct wye_hub *hub, const struct wye_wave *wave, struct wye_conn *conn) {
    if (wye_topic_on_slow(hub, topic_of(wave)) != WYE_ON_SLOW_CLOSE) {
        wye_count(&hub->counters.slow_dropped, 1);
        return true;
    }
    wye_count(&hub->counters.slow_closed, 1);
    wye_websocket_overrun(conn);
    return false;
}

/* What a message of this name replaces: a hash that nobody can choose, the same on every loop. */
static uint64_t key_of(struct wye_hub *hub, struct wye_wave *wave) {
    const struct wye_subject *subject = topic_of(wave)->subject;
    if (!wave->key) wave->key = SIPHASH_24(hub->settings->hash_key, (const uint8_t *)subject->name, subject->name_bytes) | 1;
    return wave->key;
}

/* Queues a message of which only the latest of its name is to wait. false: there is no room. */
static bool deliver_latest(struct wye_hub *hub, struct wye_wave *wave, struct wye_conn *conn, const struct wye_slice *slice) {
    uint64_t key = key_of(hub, wave);
    struct wye_slice *older = wye_outbox_waiting(&conn->outbox, key);
    size_t bytes = wye_outbox_cost(&conn->outbox) - (older ? older->count : 0) + slice->count;
    if (bytes > wye_websocket_publish_room(hub->settings)) return false;
    if (!older && wye_outbox_slices(&conn->outbox) >= LATEST_MAX) return false;
    wye_chunk_hold(slice->chunk);
    if (older) wye_count(&hub->counters.slow_replaced, 1);
    wye_conn_send_latest(conn, *slice, key, older);
    return true;
}

/* Has a subscriber room for one more message? What was published fitted by the settings of then: alone it goes in. */
static bool has_room(const struct wye_hub *hub, const struct wye_conn *conn, size_t bytes) {
    size_t waiting = wye_outbox_cost(&conn->outbox);
    return waiting == 0 || waiting + bytes <= wye_websocket_publish_room(hub->settings);
}

/* Queues one message for a subscriber, as far as the topic's policy lets it. false: the subscriber is done with. */
static bool deliver_one(struct wye_hub *hub, struct wye_wave *wave, uint32_t number, struct wye_conn *conn,
                        const struct wye_slice *slice, uint64_t *delivered) {
    if (conn->blocked && wye_topic_on_slow(hub, topic_of(wave)) == WYE_ON_SLOW_LATEST) {
        if (!deliver_latest(hub, wave, conn, slice)) return refuse_room(hub, wave, conn);
    } else {
        if (!has_room(hub, conn, slice->count)) return refuse_room(hub, wave, conn);
        wye_chunk_hold(slice->chunk);
        wye_conn_send_slice(conn, *slice);
    }
    ++*delivered;
    wave->publications[number].receivers++;
    return conn->phase == WYE_CONN_OPEN;
}

/* What a message of so many bytes may become when it is compressed for worse. */
static size_t deflated_most(size_t count) { return count + count / 8 + 64; }

/*
 * To one whose compression has a context of its own: each message is compressed for it. But what isn't worth that is shared; and so is
 * what may be replaced while it waits, since what is never sent must be in no context.
 */
static void deliver_own(struct wye_hub *hub, struct wye_wave *wave, struct wye_conn *conn, uint64_t *delivered) {
    const bool replaces = conn->blocked && wye_topic_on_slow(hub, topic_of(wave)) == WYE_ON_SLOW_LATEST;
    for (uint32_t i = 0; i < wave->publication_count && conn->phase == WYE_CONN_OPEN; i++) {
        struct wye_publication *publication = &wave->publications[i];
        if (publication->except == conn) continue;
        const struct wye_slice *frame = &publication->frame;
        uint8_t *payload = (uint8_t *)(uintptr_t)frame->bytes + frame->count - publication->payload_bytes;
        if (replaces || !wye_deflate_is_worth(publication->opcode == WYE_OPCODE_TEXT, payload, publication->payload_bytes)) {
            if (!deliver_one(hub, wave, i, conn, frame, delivered)) return;
            continue;
        }
        if (!has_room(hub, conn, deflated_most(frame->count))) {
            if (!refuse_room(hub, wave, conn)) return;
            continue;
        }
        ++*delivered;
        publication->receivers++;
        wye_websocket_send(conn, publication->opcode, payload, publication->payload_bytes);
        wye_count(&hub->counters.messages_out, (uint64_t)-1); /* counted with the others */
    }
}

/* Puts all of a wave into a subscriber's outbox. */
static void reach(struct wye_hub *hub, struct wye_wave *wave, struct wye_conn *conn, uint64_t *delivered) {
    if (conn->phase != WYE_CONN_OPEN) return;
    conn->busy_tick = wye_tick_of(hub->now_ns);
    if (conn->encoding == WYE_ENCODING_OWN) {
        deliver_own(hub, wave, conn, delivered);
        return;
    }
    const struct encoded *encoded = encoded_for(hub, wave, conn->encoding);
    if (!encoded) {
        wye_conn_close(conn, -ENOMEM);
        return;
    }
    bool replaces = conn->blocked && wye_topic_on_slow(hub, topic_of(wave)) == WYE_ON_SLOW_LATEST;
    bool fits = wye_outbox_cost(&conn->outbox) + encoded->bytes +
                    (encoded->run_count - 1) * (size_t)WYE_OUTBOX_SLICE_COST <=
                wye_websocket_publish_room(hub->settings);
    if (fits && !replaces && !is_left_out(wave, conn)) {
        *delivered += wave->publication_count;
        wave->reached++;
        for (uint32_t i = 0; i < encoded->run_count; i++) {
            wye_chunk_hold(encoded->runs[i].chunk);
            if (wye_conn_send_slice(conn, encoded->runs[i]) < 0) return;
        }
        return;
    }
    for (uint32_t i = 0; i < wave->publication_count; i++) {
        if (wave->publications[i].except == conn) continue;
        if (!deliver_one(hub, wave, i, conn, &encoded->each[i], delivered)) return;
    }
}

/* A connection gets a message once: through the first of its own subscriptions that matches the name. */
static bool is_first_match(const struct wye_wave *wave, const struct wye_conn *conn, const struct wye_subscription *subscription) {
    const struct wye_subject *subject = topic_of(wave)->subject;
    const struct wye_span name = {subject->name, subject->name_bytes};
    for (const struct wye_subscription *at = conn->subscriptions; at != subscription; at = at->next) {
        const struct wye_subject *other = at->topic->subject;
        if (other->pattern ? wye_pattern_matches((struct wye_span){other->name, other->name_bytes}, name) : other == subject) return false;
    }
    return true;
}

static void count_delivered(struct wye_hub *hub, uint64_t delivered) {
    wye_count(&hub->counters.deliveries, delivered);
    wye_count(&hub->counters.messages_out, delivered);
}

uint32_t wye_waves_advance(struct wye_hub *hub, uint32_t most, size_t *bytes) {
    struct wye_waves *waves = &hub->waves;
    struct wye_wave *wave = waves->head;
    if (!wave || most == 0) return 0;
    waves->head = wave->next;
    wave->started = true;
    *bytes += wave->bytes;
    uint32_t reached = 0;
    uint64_t delivered = 0;
    while (reached < most && wave->audience < wave->audience_count) {
        const struct wye_audience *audience = &wave->audiences[wave->audience];
        if (wave->at == audience->end) {
            wave->audience++;
            wave->at = 0;
            continue;
        }
        const struct wye_member *member = &audience->topic->members[wave->at++];
        if (wave->at + AHEAD < audience->end) { /* the two lines of a connection that a delivery needs */
            __builtin_prefetch(member[AHEAD].conn, 1);
            __builtin_prefetch((const char *)member[AHEAD].conn + 64, 1);
        }
        reached++;
        if (member->conn && is_first_match(wave, member->conn, member->subscription))
            reach(hub, wave, member->conn, &delivered);
    }
    count_delivered(hub, delivered);
    if (wave->audience == wave->audience_count) wave_finish(hub, wave);
    else enqueue(waves, wave);
    return reached ? reached : 1;
}

/* Is a place in an audience still to be reached? */
static bool is_ahead(const struct wye_audience *audience, uint32_t position) {
    const struct wye_wave *wave = audience->wave;
    uint32_t number = (uint32_t)(audience - wave->audiences);
    if (position >= audience->end || number < wave->audience) return false;
    return number > wave->audience || position >= wave->at;
}

void wye_waves_catch_up(struct wye_hub *hub, const struct wye_subscription *subscription, struct wye_conn *conn) {
    uint64_t delivered = 0;
    wye_conn_queue_lasting(hub); /* in its turn, and before slices are replaced */
    for (const struct wye_audience *audience = subscription->topic->first_audience; audience;
         audience = audience->next) {
        struct wye_wave *wave = audience->wave;
        if (!is_ahead(audience, subscription->position) || !is_first_match(wave, conn, subscription)) continue;
        wave->started = true; /* its encodings are made: nothing may join it any more */
        reach(hub, wave, conn, &delivered);
    }
    count_delivered(hub, delivered);
}

bool wye_waves_close_gaps(struct wye_topic *topic) {
    uint32_t *gone = malloc(((size_t)topic->count + 1) * sizeof gone[0]); /* before each place */
    if (!gone) return false;
    gone[0] = 0;
    for (uint32_t i = 0; i < topic->count; i++) gone[i + 1] = gone[i] + !topic->members[i].conn;
    for (struct wye_audience *audience = topic->first_audience; audience; audience = audience->next) {
        struct wye_wave *wave = audience->wave;
        if (wave->audience == (uint32_t)(audience - wave->audiences)) wave->at -= gone[wave->at];
        audience->end -= gone[audience->end];
    }
    free(gone);
    return true;
}

void wye_waves_fini(struct wye_hub *hub) {
    struct wye_waves *waves = &hub->waves;
    while (waves->head) {
        struct wye_wave *wave = waves->head;
        waves->head = wave->next;
        for (uint32_t i = 0; i < wave->publication_count; i++) {
            if (wave->publications[i].receipt) wye_receipt_drop(wave->publications[i].receipt);
            wave->publications[i].receipt = NULL;
        }
        wave_finish(hub, wave);
    }
    while (waves->spare) {
        struct wye_wave *wave = waves->spare;
        waves->spare = wave->next;
        wave_free(wave);
    }
    assert(waves->bytes == 0);
}
