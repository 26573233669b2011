/* /topic/NAME and /chat: a message sent here reaches every connection on the topic. */
#include "core/pubsub.h"

#include "core/history.h"
#include "core/hub.h"
#include "core/replay.h"
#include "core/site.h"
#include "core/topic.h"
#include "core/websocket.h"

#include <errno.h>
#include <string.h>

static const struct wye_span topic_path = {"/topic/", 7}, chat_path = {"/chat", 5};

static bool holds_encoded_slash(struct wye_span path) {
    for (size_t i = 0; i + 2 < path.count; i++) {
        if (path.bytes[i] == '%' && path.bytes[i + 1] == '2' && (path.bytes[i + 2] | 0x20) == 'f') return true;
    }
    return false;
}

/* A name or pattern as it stands in a target, decoded into `to`. NULL: it is fine; or what is wrong (static). */
static const char *decode_name(struct wye_span raw, char to[WYE_TARGET_MAX], struct wye_span *name) {
    ptrdiff_t count = wye_percent_decode(to, raw);
    if (count < 0) return "a '%' without two hexadecimal digits";
    *name = (struct wye_span){to, (size_t)count};
    return wye_topic_name_fault(*name);
}

/* The name in a request's path. In a path an encoded slash would be a slash to one reader and none to another. */
const char *wye_pubsub_name(const struct wye_request *request, char to[WYE_TARGET_MAX], struct wye_span *name) {
    if (wye_span_equal(request->path, chat_path)) {
        *name = WYE_SPAN("chat");
        return NULL;
    }
    struct wye_span raw = {request->path.bytes + topic_path.count, request->path.count - topic_path.count};
    if (holds_encoded_slash(raw)) return "an encoded slash (%2F) in a topic's name";
    return decode_name(raw, to, name);
}

/* The next value of `also` in what is left of a query. false: there is none. */
static bool next_also(struct wye_span *query, struct wye_span *value) {
    if (!wye_query_value(*query, WYE_SPAN("also"), value)) return false;
    const char *end = query->bytes + query->count;
    query->bytes = value->bytes + value->count;
    query->count = (size_t)(end - query->bytes);
    return true;
}

/*
 * How many messages of each topic are to be replayed: `last` in a query, digits or "all"; 0 without one. NULL: it is fine; or what
 * is wrong (static).
 */
static const char *read_last(struct wye_span query, uint32_t *last) {
    _Static_assert(WYE_HISTORY_MESSAGES_MAX == 10000, "the sentence below says how many");
    static const char fault[] = "last=N asks for the last N messages of each topic: a number from 0 to 10000, or all";
    struct wye_span value;
    *last = 0;
    if (!wye_query_value(query, WYE_SPAN("last"), &value)) return NULL;
    if (wye_span_equal(value, WYE_SPAN("all"))) {
        *last = WYE_HISTORY_MESSAGES_MAX;
        return NULL;
    }
    uint64_t number;
    if (!wye_span_number(value, WYE_HISTORY_MESSAGES_MAX, &number)) return fault;
    *last = (uint32_t)number;
    return NULL;
}

/* topics: how many it asks for, as far as they could be read. in_query: the fault isn't the path's. */
static const char *fault_of(const struct wye_request *request, unsigned *topics, bool *in_query) {
    char decoded[WYE_TARGET_MAX];
    struct wye_span name, query = request->query, value;
    const char *fault = wye_pubsub_name(request, decoded, &name);
    uint32_t last;
    *in_query = !fault;
    if (!fault) fault = read_last(query, &last);
    *topics = 1;
    while (!fault && next_also(&query, &value)) {
        fault = decode_name(value, decoded, &name);
        ++*topics;
    }
    return fault;
}

static int pubsub_admit(const struct wye_request *request, const struct wye_situation *situation, struct wye_refusal *refusal) {
    unsigned topics;
    bool in_query;
    const char *fault = fault_of(request, &topics, &in_query);
    if (!fault)
        return topics > situation->topics_most
                   ? wye_refusal_add(refusal, WYE_RULE_TOPIC_COUNT, (struct wye_span){0})
                   : 0;
    wye_refusal_add(refusal, in_query ? WYE_RULE_QUERY : WYE_RULE_PATH,
                    in_query ? request->query : request->path);
    refusal->note = fault;
    refusal->status = 400;
    return -400;
}

int wye_pubsub_check(const struct wye_request *request, const struct wye_token *token, bool *may_publish, struct wye_refusal *refusal) {
    char decoded[WYE_TARGET_MAX];
    struct wye_span name, query = request->query, raw = request->path;
    wye_pubsub_name(request, decoded, &name);
    *may_publish = wye_permit_covers(token, WYE_TOKEN_PUBLISH, name);
    do {
        if (!wye_permit_covers(token, WYE_TOKEN_SUBSCRIBE, name))
            return wye_refusal_add_cause(refusal, WYE_RULE_TOKEN_SCOPE, raw, WYE_CAUSE_TOKEN_SUBSCRIBE);
    } while (next_also(&query, &raw) && !decode_name(raw, decoded, &name));
    return 0;
}

static int pubsub_open(struct wye_conn *conn, const struct wye_request *request) {
    char decoded[WYE_TARGET_MAX];
    struct wye_span name, query = request->query, value;
    bool noecho = wye_query_value(request->query, WYE_SPAN("noecho"), &value);
    while (next_also(&query, &value)) {
        decode_name(value, decoded, &name);
        int trouble = wye_topic_subscribe(conn, name, noecho);
        if (trouble < 0) return trouble;
    }
    wye_pubsub_name(request, decoded, &name);
    int trouble = wye_topic_subscribe(conn, name, noecho); /* the last one: it is published to */
    uint32_t last;
    read_last(request->query, &last);
    return trouble == 0 && last > 0 ? wye_replay(conn, last) : trouble;
}

static int pubsub_message(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count) {
    struct wye_subscription *subscription = conn->subscriptions;
    const struct wye_subject *subject = subscription->topic->subject;
    if (subject->name[0] == '$' || subject->pattern) {
        wye_websocket_close(conn, WYE_CLOSE_POLICY_VIOLATION,
                            subject->pattern ? "a pattern is subscribed to; publish on a connection to one topic"
                                             : "topics that begin with '$' are the node's own");
        return 0;
    }
    if (conn->mute) {
        wye_websocket_close(conn, WYE_CLOSE_POLICY_VIOLATION, "this token may not publish here");
        return 0;
    }
    const struct wye_message_out message = {.opcode = opcode, .payload = payload, .count = count, .noecho = subscription->noecho};
    int reason = wye_topic_publish(conn, subscription->topic, &message);
    if (reason == -WYE_CLOSE_TOO_BIG) conn->hub->fault = "this message would not fit a subscriber's outbox (see --outbox)";
    if (reason == -WYE_CLOSE_TRY_AGAIN_LATER) conn->hub->fault = "the node's memory for messages is used up (see --memory)";
    return reason;
}

static const struct wye_websocket_handler pubsub_handler = {
    .admit = pubsub_admit, .open = pubsub_open, .message = pubsub_message};

const struct wye_protocol wye_pubsub = WYE_WEBSOCKET_PROTOCOL(&pubsub_handler);
