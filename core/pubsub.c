/* /topic/NAME and /chat: a message sent here reaches every connection on the topic. */
#include "core/hub.h"
#include "core/site.h"
#include "core/topic.h"
#include "core/websocket.h"

#include <string.h>

static const struct wye_span topic_path = {"/topic/", 7};

static bool holds_encoded_slash(struct wye_span path) {
    for (size_t i = 0; i + 2 < path.count; i++) {
        if (path.bytes[i] == '%' && path.bytes[i + 1] == '2' && (path.bytes[i + 2] | 0x20) == 'f') return true;
    }
    return false;
}

static bool has_wildcard(struct wye_span name) {
    for (size_t i = 0; i < name.count; i++) {
        bool starts = i == 0 || name.bytes[i - 1] == '/', ends = i + 1 == name.count || name.bytes[i + 1] == '/';
        if (starts && ends && (name.bytes[i] == '+' || name.bytes[i] == '#')) return true;
    }
    return false;
}

/* The topic's name in a request's path, decoded into `to`. NULL: it is fine; or what is wrong (static). */
static const char *name_of(const struct wye_request *request, char to[WYE_TARGET_MAX], struct wye_span *name) {
    struct wye_span raw = {request->path.bytes + topic_path.count, request->path.count - topic_path.count};
    if (holds_encoded_slash(raw)) return "an encoded slash (%2F) in a topic's name";
    ptrdiff_t count = wye_percent_decode(to, raw);
    if (count < 0) return "a '%' without two hexadecimal digits";
    *name = (struct wye_span){to, (size_t)count};
    const char *fault = wye_topic_name_fault(*name);
    if (!fault && has_wildcard(*name)) fault = "a wildcard level ('+' or '#'), which this version doesn't match yet";
    return fault;
}

static int pubsub_admit(const struct wye_request *request, struct wye_refusal *refusal) {
    char decoded[WYE_TARGET_MAX];
    struct wye_span name;
    const char *fault = name_of(request, decoded, &name);
    if (!fault) return 0;
    wye_refusal_add(refusal, WYE_RULE_PATH, request->path);
    refusal->note = fault;
    refusal->status = 400;
    return -400;
}

static int pubsub_open(struct wye_conn *conn, const struct wye_request *request) {
    char decoded[WYE_TARGET_MAX];
    struct wye_span name, value;
    name_of(request, decoded, &name);
    return wye_topic_subscribe(conn, name, wye_query_value(request->query, WYE_SPAN("noecho"), &value));
}

static int chat_open(struct wye_conn *conn, const struct wye_request *request) {
    struct wye_span value;
    return wye_topic_subscribe(conn, WYE_SPAN("chat"), wye_query_value(request->query, WYE_SPAN("noecho"), &value));
}

static int pubsub_message(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count) {
    struct wye_subscription *subscription = conn->subscriptions;
    if (subscription->topic->subject->name[0] == '$') {
        wye_websocket_close(conn, WYE_CLOSE_POLICY_VIOLATION, "topics that begin with '$' are the node's own");
        return 0;
    }
    int reason = wye_topic_publish(conn, subscription, opcode, payload, count);
    if (reason == -WYE_CLOSE_TOO_BIG) conn->hub->fault = "this message would not fit a subscriber's outbox (see --outbox)";
    return reason;
}

static const struct wye_websocket_handler pubsub_handler = {
    .admit = pubsub_admit, .open = pubsub_open, .message = pubsub_message};
static const struct wye_websocket_handler chat_handler = {.open = chat_open, .message = pubsub_message};

const struct wye_protocol wye_pubsub = WYE_WEBSOCKET_PROTOCOL(&pubsub_handler);
const struct wye_protocol wye_chat = WYE_WEBSOCKET_PROTOCOL(&chat_handler);
