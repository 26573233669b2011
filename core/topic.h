/* The topics of one hub, and the connections that subscribe to them. What is published to one is a wave (wave.h). */
#ifndef WYE_CORE_TOPIC_H
#define WYE_CORE_TOPIC_H

#include "core/conn.h"
#include "core/hub.h"
#include "core/pattern.h"
#include "core/subject.h"

struct wye_wave;
struct wye_audience;

/* A connection's place in a topic. */
struct wye_subscription {
    struct wye_subscription *next; /* of the same connection: the one that it publishes to is the first */
    struct wye_topic *topic;
    uint32_t position; /* in topic->members */
    bool noecho;       /* its own messages don't come back */
};

struct wye_member {
    struct wye_conn *conn; /* NULL: it has left while a wave was on its way */
    struct wye_subscription *subscription;
};

/* One topic, or pattern of topics, on one hub; exists while it has subscribers, or waves are on their way. */
struct wye_topic {
    struct wye_topic *next; /* in its bucket */
    struct wye_subject *subject;
    struct wye_meter *meter; /* the subject's: what is published and delivered here */
    struct wye_member *members;
    uint32_t count, capacity; /* of members */
    uint32_t left;            /* of those, that have left while waves were on their way over them */
    struct wye_audience *first_audience, *last_audience; /* of waves that are on their way over its members, oldest first */
    struct wye_wave *oldest, *newest; /* what was published to it and isn't with all subscribers yet */
    uint32_t edition;         /* of the settings by which the following was found; 0: it wasn't yet */
    enum wye_on_slow on_slow; /* see wye_topic_on_slow() */
    struct wye_history_limits history; /* what is kept of what is published to it; found with it */
};

int wye_topics_init(struct wye_topics *topics, const uint64_t hash_key[2]);
void wye_topics_fini(struct wye_topics *topics);

/*
 * The topic of this name, made if need be; without subscribers it is gone again with wye_topic_let_go(). NULL: no memory.
 */
struct wye_topic *wye_topic_reach(struct wye_hub *hub, struct wye_span name);

/* The topic of this name; NULL: nobody here subscribes to it, and nothing is on its way. */
struct wye_topic *wye_topic_find(const struct wye_hub *hub, struct wye_span name);

/* What is done for those who are slow to take what is published to it, by the settings of now. */
enum wye_on_slow wye_topic_on_slow(const struct wye_hub *hub, struct wye_topic *topic);

/* A wave is over, or one subscriber less: tidies up, and frees a topic that nobody needs. */
void wye_topic_let_go(struct wye_hub *hub, struct wye_topic *topic);

/*
 * Subscribes a WebSocket connection to a name or a pattern; once, however often it is asked for. Messages are published
 * to the one that was subscribed last. 0; -ENOMEM; or -E2BIG: it has settings.topics_per_connection already.
 */
int wye_topic_subscribe(struct wye_conn *conn, struct wye_span name, bool noecho);

/* Ends every subscription of the connection. What was published before is in its outbox. */
void wye_topic_unsubscribe_all(struct wye_conn *conn);

/* What is published. */
struct wye_message_out {
    uint8_t opcode;
    uint8_t *payload;
    size_t count;
    bool noecho; /* its sender doesn't get it */
    struct wye_receipt *receipt; /* who is told how many it reached; NULL: nobody */
};

/*
 * Publishes what came over `conn` to a topic: to its members here, and by letter to every other loop that has some. 0;
 * -1009 when a frame of it would never fit an outbox; -1013 when the node's memory is used up; or -ENOMEM. After a failure nobody counts on the receipt.
 */
int wye_topic_publish(struct wye_conn *conn, struct wye_topic *topic, const struct wye_message_out *message);

/* Delivers a publish that another loop posted; the receipt, if there is one, is counted on. */
void wye_topic_deliver_parcel(struct wye_hub *hub, struct wye_parcel *parcel, struct wye_receipt *receipt);

/* Delivers a message of the node's own, on this hub alone. false: nobody subscribes. */
bool wye_topic_deliver_local(struct wye_hub *hub, struct wye_span name, char *text, size_t count);

#endif
