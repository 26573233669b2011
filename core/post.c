#include "core/post.h"

#include "core/hub.h"
#include "core/permit.h"
#include "core/pubsub.h"
#include "core/topic.h"
#include "core/websocket.h"
#include "frames/utf8.h"
#include "handshake/chunked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADROOM = 16, GATHER_START = 4096, SHOWN_BEFORE = 15 /* bytes before one that is wrong */ };

/* What a body's media type makes of it. */
enum kind { TEXT, BINARY, EITHER /* text when it is UTF-8 */ };

struct wye_post {
    struct wye_chunk *chunk; /* what has come of a body that didn't come in one piece; NULL: nothing */
    size_t count;            /* content bytes in it */
    uint64_t left;           /* that are still to come, unless it is chunked */
    struct wye_chunked chunked;
    bool is_chunked, close;
    uint8_t kind; /* enum kind */
    uint8_t name_bytes;
    char name[WYE_TOPIC_NAME_MAX];
    char fields[WYE_POST_CORS_MAX]; /* of the answer */
};

/* ---- what the head decides ---- */

static bool begins(struct wye_span span, struct wye_span with) {
    return span.count >= with.count && wye_span_equal_nocase((struct wye_span){span.bytes, with.count}, with);
}

static bool ends(struct wye_span span, struct wye_span with) {
    return span.count >= with.count &&
           wye_span_equal_nocase((struct wye_span){span.bytes + span.count - with.count, with.count}, with);
}

/* Has a media type a charset that isn't UTF-8 (or its subset)? Its parameters stand behind ';'. */
static bool has_other_charset(struct wye_span type) {
    static const struct wye_span name = {"charset=", 8};
    for (size_t i = 0; i + name.count <= type.count; i++) {
        if (!wye_span_equal_nocase((struct wye_span){type.bytes + i, name.count}, name)) continue;
        struct wye_span value = {type.bytes + i + name.count, type.count - i - name.count};
        if (value.count && *value.bytes == '"') value.bytes++, value.count--;
        return !begins(value, WYE_SPAN("utf-8")) && !begins(value, WYE_SPAN("us-ascii"));
    }
    return false;
}

/* Text or binary, by Content-Type. -1: neither can be made of it. */
static int kind_of(const struct wye_request *request) {
    struct wye_span type = wye_request_field(request, WYE_FIELD_CONTENT_TYPE);
    if (wye_request_repeats(request, WYE_FIELD_CONTENT_TYPE) || has_other_charset(type)) return -1;
    if (type.count == 0) return EITHER;
    const char *semicolon = memchr(type.bytes, ';', type.count);
    if (semicolon) type.count = (size_t)(semicolon - type.bytes);
    while (type.count && (type.bytes[type.count - 1] == ' ' || type.bytes[type.count - 1] == '\t')) type.count--;
    if (begins(type, WYE_SPAN("multipart/"))) return -1; /* several bodies in one: whoever sends a form means something else */
    /* What curl -d says by default is text as it stands, too. */
    static const char *const texts[] = {"application/json", "application/xml", "application/x-ndjson", "application/javascript",
                                        "application/x-www-form-urlencoded"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (wye_span_equal_nocase(type, wye_span_of(texts[i]))) return TEXT;
    }
    bool text = begins(type, WYE_SPAN("text/")) || ends(type, WYE_SPAN("+json")) || ends(type, WYE_SPAN("+xml"));
    return text ? TEXT : BINARY;
}

/* The value of Content-Encoding, when it says that the body is coded (RFC 9110 8.4). bytes NULL: it isn't. */
static struct wye_span coding_of(const struct wye_request *request) {
    struct wye_elements walk = {.name = WYE_FIELD_CONTENT_ENCODING};
    for (struct wye_span value; wye_request_next_line(request, &walk, &value);) {
        if (value.count && !wye_span_equal_nocase(value, WYE_SPAN("identity"))) return value;
    }
    return (struct wye_span){0};
}

size_t wye_post_cors_fields(char to[WYE_POST_CORS_MAX], const struct wye_request *request,
                            const struct wye_policy *policy) {
    struct wye_span origin = wye_request_field(request, WYE_FIELD_ORIGIN);
    int n = 0;
    if (origin.count && !wye_request_repeats(request, WYE_FIELD_ORIGIN) &&
        wye_policy_origin_allowed(policy, origin, request->host))
        n = snprintf(to, WYE_POST_CORS_MAX, "Access-Control-Allow-Origin: %.*s\r\nVary: Origin\r\n",
                     (int)origin.count, origin.bytes);
    if (n <= 0 || n >= WYE_POST_CORS_MAX) {
        *to = 0;
        return 0;
    }
    return (size_t)n;
}

const char *wye_post_fields(const struct wye_post *post) { return post ? post->fields : ""; }

/* Refuses a name by a rule, with a status of its own and maybe a note. */
static int refuse_name(struct wye_refusal *refusal, enum wye_rule rule, struct wye_span name, const char *note, int status) {
    wye_refusal_add(refusal, rule, name);
    refusal->note = note;
    refusal->status = status;
    return -status;
}

/* How long a message may be. */
static uint64_t content_most(const struct wye_settings *settings) {
    uint64_t most = settings->max_message_bytes, room = wye_websocket_publish_room(settings) - WYE_FRAME_SERVER_HEADER_MAX;
    return most < room ? most : room;
}

/* 0, or -status: may this head be followed by a body, and be published? */
static int judge(const struct wye_request *request, const struct wye_settings *settings, struct wye_span name, struct wye_refusal *refusal) {
    struct wye_span length = wye_request_field(request, WYE_FIELD_CONTENT_LENGTH);
    if (name.bytes[0] == '$') return refuse_name(refusal, WYE_RULE_TOPIC, request->path, NULL, 403);
    if (wye_pattern_is(name)) return refuse_name(refusal, WYE_RULE_TOPIC, request->path, NULL, 400);
    if (!request->chunked && !wye_request_has(request, WYE_FIELD_CONTENT_LENGTH))
        return wye_refusal_add(refusal, WYE_RULE_BODY_LENGTH, (struct wye_span){0});
    if (request->content_bytes > content_most(settings)) return wye_refusal_add(refusal, WYE_RULE_BODY_SIZE, length);
    if (kind_of(request) < 0) return wye_refusal_add(refusal, WYE_RULE_BODY_TYPE, wye_request_field(request, WYE_FIELD_CONTENT_TYPE));
    struct wye_span coding = coding_of(request);
    return coding.bytes ? wye_refusal_add(refusal, WYE_RULE_BODY_CODING, coding) : 0;
}

int wye_post_begin(struct wye_conn *conn, const struct wye_request *request, struct wye_refusal *refusal, struct wye_post **post) {
    char decoded[WYE_TARGET_MAX];
    struct wye_span name;
    const char *fault = wye_pubsub_name(request, decoded, &name);
    if (fault) return refuse_name(refusal, WYE_RULE_PATH, request->path, fault, 400);
    const struct wye_settings *settings = conn->hub->settings;
    wye_upgrade_check_origin(request, &settings->policy, refusal);
    if (refusal->failed) return -refusal->status;
    int status = wye_permit_publish(conn->hub, request, name, refusal);
    if (status == 0) status = judge(request, settings, name, refusal);
    if (status < 0) return status;
    struct wye_post *made = calloc(1, sizeof *made);
    if (!made) return -ENOMEM;
    made->left = request->content_bytes;
    made->is_chunked = request->chunked;
    made->close = !request->keep_alive;
    made->kind = (uint8_t)kind_of(request);
    made->name_bytes = (uint8_t)name.count;
    memcpy(made->name, name.bytes, name.count);
    wye_post_cors_fields(made->fields, request, &settings->policy);
    *post = made;
    return 0;
}

void wye_post_end(struct wye_conn *conn, struct wye_post *post) {
    if (post) wye_hub_gathered(conn->hub, post->chunk);
    if (post && post->chunk) wye_chunk_release(&conn->hub->pool, post->chunk);
    free(post);
}

/* ---- the body ---- */

/* Room for `more` content bytes. 0, or -503 when the node's memory for messages is used up. */
static int reserve(struct wye_conn *conn, struct wye_post *post, size_t more, struct wye_refusal *refusal) {
    struct wye_hub *hub = conn->hub;
    size_t need = HEADROOM + post->count + more;
    if (post->chunk && post->chunk->capacity >= need) return 0;
    size_t capacity = post->chunk ? post->chunk->capacity * 2 : GATHER_START;
    if (capacity < need) capacity = need;
    struct wye_chunk *chunk = wye_hub_gather(hub, capacity);
    if (!chunk) return wye_refusal_add(refusal, WYE_RULE_LOAD, WYE_SPAN("as much memory for messages as it may use"));
    if (post->chunk) {
        memcpy(chunk->bytes + HEADROOM, post->chunk->bytes + HEADROOM, post->count);
        wye_hub_gathered(hub, post->chunk);
        wye_chunk_release(&hub->pool, post->chunk);
    }
    post->chunk = chunk;
    return 0;
}

/* Keeps content bytes. 0, or -status. */
static int keep(struct wye_conn *conn, struct wye_post *post, const uint8_t *bytes, size_t count, struct wye_refusal *refusal) {
    if (post->count + count > content_most(conn->hub->settings)) return wye_refusal_add(refusal, WYE_RULE_BODY_SIZE, (struct wye_span){0});
    int status = reserve(conn, post, count, refusal);
    if (status < 0) return status;
    if (count) memcpy(post->chunk->bytes + HEADROOM + post->count, bytes, count);
    post->count += count;
    return 0;
}

static struct wye_receipt *receipt_open(struct wye_conn *conn, const struct wye_post *post) {
    size_t field_bytes = strlen(post->fields);
    struct wye_receipt *receipt = calloc(1, sizeof *receipt + field_bytes + 1);
    if (!receipt) return NULL;
    receipt->hub = conn->hub->number;
    receipt->index = conn->index;
    receipt->generation = conn->generation;
    receipt->waiting = 1;
    receipt->close = post->close;
    memcpy(receipt->fields, post->fields, field_bytes);
    return receipt;
}

/* Publishes a whole body: in the chunk where it was gathered, or where it was received. 0, or -status, or -ENOMEM. */
static int publish(struct wye_conn *conn, struct wye_post *post, uint8_t *payload, size_t count, struct wye_refusal *refusal,
                   struct wye_receipt **receipt) {
    struct wye_hub *hub = conn->hub;
    struct wye_utf8 utf8 = {0};
    bool valid = post->kind != BINARY && wye_utf8_feed(&utf8, payload, count) && wye_utf8_may_end(&utf8);
    if (post->kind == TEXT && !valid) return wye_refusal_add(refusal, WYE_RULE_BODY_TEXT, (struct wye_span){0});
    struct wye_topic *topic = wye_topic_reach(hub, (struct wye_span){post->name, post->name_bytes});
    *receipt = topic ? receipt_open(conn, post) : NULL;
    if (!*receipt) {
        if (topic) wye_topic_let_go(hub, topic);
        return -ENOMEM;
    }
    const struct wye_message_out message = {
        .opcode = valid ? WYE_OPCODE_TEXT : WYE_OPCODE_BINARY, .payload = payload, .count = count, .receipt = *receipt};
    if (post->chunk) hub->reply = (struct wye_reply_site){.payload = payload, .count = count, .chunk = post->chunk};
    int trouble = wye_topic_publish(conn, topic, &message);
    hub->reply = (struct wye_reply_site){0};
    if (trouble < 0) {
        free(*receipt);
        *receipt = NULL;
        if (trouble == -WYE_CLOSE_TRY_AGAIN_LATER) return wye_refusal_add(refusal, WYE_RULE_LOAD, WYE_SPAN("as much memory for messages as it may use"));
        return -ENOMEM;
    }
    return 0;
}

static int publish_kept(struct wye_conn *conn, struct wye_post *post, struct wye_refusal *refusal, struct wye_receipt **receipt) {
    int status = reserve(conn, post, 0, refusal);
    if (status < 0) return status;
    post->chunk->used = (uint32_t)(HEADROOM + post->count);
    return publish(conn, post, post->chunk->bytes + HEADROOM, post->count, refusal, receipt);
}

static ptrdiff_t read_chunked(struct wye_conn *conn, struct wye_post *post, const uint8_t *bytes, size_t count,
                              struct wye_refusal *refusal, struct wye_receipt **receipt) {
    size_t used = 0;
    while (used < count && !post->chunked.done) {
        struct wye_chunked_run run;
        ptrdiff_t n = wye_chunked_read(&post->chunked, bytes + used, count - used, &run);
        if (n < 0) {
            const uint8_t *from = run.bytes - bytes < SHOWN_BEFORE ? bytes : run.bytes - SHOWN_BEFORE;
            const struct wye_span seen = {(const char *)from, (size_t)(run.bytes - from) + 1};
            return wye_refusal_add_cause(refusal, WYE_RULE_BODY_CHUNKS, seen, (enum wye_cause)post->chunked.cause);
        }
        int status = run.count ? keep(conn, post, run.bytes, run.count, refusal) : 0;
        /* What a chunk announces need not be waited for. */
        if (status == 0 && wye_chunked_announced(&post->chunked) > content_most(conn->hub->settings) - post->count)
            status = wye_refusal_add(refusal, WYE_RULE_BODY_SIZE, (struct wye_span){0});
        if (status < 0) return status;
        used += (size_t)n;
    }
    int status = post->chunked.done ? publish_kept(conn, post, refusal, receipt) : 0;
    return status < 0 ? status : (ptrdiff_t)used;
}

ptrdiff_t wye_post_input(struct wye_conn *conn, struct wye_post *post, uint8_t *bytes, size_t count, struct wye_refusal *refusal,
                         struct wye_receipt **receipt) {
    *receipt = NULL;
    if (post->is_chunked) return read_chunked(conn, post, bytes, count, refusal, receipt);
    size_t take = count < post->left ? count : (size_t)post->left;
    post->left -= take;
    int status;
    if (post->left == 0 && !post->chunk) {
        status = publish(conn, post, bytes, take, refusal, receipt); /* all of it lies here */
    } else {
        status = keep(conn, post, bytes, take, refusal);
        if (status == 0 && post->left == 0) status = publish_kept(conn, post, refusal, receipt);
    }
    return status < 0 ? status : (ptrdiff_t)take;
}
