/* Fan-out: a topic's subscribers on one hub, and the message that reaches all of them. */
#ifndef WYE_CORE_TOPIC_H
#define WYE_CORE_TOPIC_H

#include "core/conn.h"
#include "core/hub.h"
#include "core/subject.h"

enum { WYE_TOPIC_NAME_MAX = 255, WYE_TOPIC_LEVELS_MAX = 16 };

/* A connection's place in a topic. */
struct wye_subscription {
    struct wye_subscription *next; /* of the same connection */
    struct wye_topic *topic;
    uint32_t position; /* in topic->members */
    bool noecho;       /* its own messages don't come back */
};

struct wye_member {
    struct wye_conn *conn;
    struct wye_subscription *subscription;
};

/* One topic on one hub; exists while it has subscribers. */
struct wye_topic {
    struct wye_topic *next; /* in its bucket */
    struct wye_subject *subject;
    struct wye_member *members;
    uint32_t count, capacity;
};

int wye_topics_init(struct wye_topics *topics);
void wye_topics_fini(struct wye_topics *topics);

/* Is it a name: 1 to 255 bytes, at most 16 levels parted by '/', none empty, no NUL? NULL: yes; or what is wrong (static). */
const char *wye_topic_name_fault(struct wye_span name);

/* Subscribes a WebSocket connection. 0, or -ENOMEM. */
int wye_topic_subscribe(struct wye_conn *conn, struct wye_span name, bool noecho);

/* Ends every subscription of the connection. */
void wye_topic_unsubscribe_all(struct wye_conn *conn);

/*
 * Publishes what `conn` sent to the topic that `subscription` is in: to its members here, and by letter to
 * every other loop that has some. 0, or -1009 when a frame of it would never fit an outbox, or -ENOMEM.
 */
int wye_topic_publish(struct wye_conn *conn, struct wye_subscription *subscription, uint8_t opcode,
                      uint8_t *payload, size_t count);

/* Delivers a publish that another loop posted. */
void wye_topic_deliver_parcel(struct wye_hub *hub, struct wye_parcel *parcel);

/* Delivers a message of the node's own, on this hub alone. false: nobody subscribes. */
bool wye_topic_deliver_local(struct wye_hub *hub, struct wye_span name, char *text, size_t count);

#endif
