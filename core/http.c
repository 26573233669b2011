/* The grammar and life of HTTP/1.1 (RFC 9112). What the paths do is site.c's. */
#include "core/http.h"

#include "core/conn.h"
#include "core/hub.h"
#include "core/site.h"
#include "handshake/opening.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct http {
    uint64_t body_left; /* of the request that was answered: to be discarded */
    uint32_t seen;      /* bytes of an incomplete head that were shown before */
    uint32_t requests;
    bool closing; /* the last response said close */
};

#define KEEP_ALIVE_NS (60 * UINT64_C(1000000000))
#define DRAIN_HEAD_NS (UINT64_C(500000000)) /* of a connection that has just come when draining begins */
enum { BODY_DISCARD_MAX = 1 << 20 };

/* ---- responses ---- */

/* Queues a response; the body's reference passes on. Finishes the connection when it is the last. */
static void respond(struct wye_conn *conn, const struct wye_response *response, struct wye_slice body, bool head_only,
                    int reason) {
    struct http *http = wye_conn_state(conn);
    char head[WYE_RESPONSE_HEAD_MAX];
    size_t head_bytes = wye_response_write(head, sizeof head, response);
    int trouble = wye_conn_send(conn, head, head_bytes);
    if (head_only || trouble < 0) {
        if (body.chunk && body.chunk != WYE_CHUNK_CONSTANT) wye_chunk_release(&conn->hub->pool, body.chunk);
    } else {
        wye_conn_send_slice(conn, body);
    }
    http->closing = response->close;
    if (response->close) wye_conn_finish(conn, reason, true);
}

/* Does the client ask for problem details (RFC 9457)? */
static bool wants_problem_json(const struct wye_request *request) {
    return request && wye_request_accepts(request, WYE_SPAN("application/problem+json"));
}

/* Answers with the rules in hub->refusal. request NULL: its head could not be read. */
static void refuse(struct wye_conn *conn, const struct wye_request *request, bool close) {
    struct wye_hub *hub = conn->hub;
    struct wye_refusal *refusal = &hub->refusal;
    char text[WYE_REFUSAL_TEXT_MAX], fields[512];
    bool json = wants_problem_json(request);
    size_t text_bytes = json ? wye_refusal_problem_json(text, sizeof text, refusal)
                             : wye_refusal_text(text, sizeof text, refusal);
    wye_refusal_fields(fields, sizeof fields, refusal);
    wye_count(&hub->counters.refusals, 1);
    wye_count(&hub->counters.refusals_by_rule[refusal->first], 1);
    struct wye_chunk *chunk;
    uint8_t *body = wye_chunk_append(&hub->pool, text_bytes, &chunk);
    if (!body) {
        wye_conn_close(conn, -ENOMEM);
        return;
    }
    memcpy(body, text, text_bytes);
    const struct wye_response response = {
        .status = refusal->status,
        .content_type = json ? "application/problem+json" : "text/plain; charset=utf-8",
        .content_bytes = text_bytes,
        .fields = fields,
        .date = hub->date,
        .close = close,
    };
    bool head_only = request && request->method_id == WYE_METHOD_HEAD;
    respond(conn, &response, (struct wye_slice){body, chunk, text_bytes}, head_only, -refusal->status);
}

static void refuse_for(struct wye_conn *conn, const struct wye_request *request, enum wye_rule rule,
                       struct wye_span seen, bool close) {
    wye_refusal_begin(&conn->hub->refusal, NULL, NULL);
    wye_refusal_add(&conn->hub->refusal, rule, seen);
    refuse(conn, request, close);
}

/* ---- requests ---- */

static void answer(struct wye_conn *conn, const struct wye_request *request, const struct wye_resource *resource) {
    struct wye_hub *hub = conn->hub;
    struct http *http = wye_conn_state(conn);
    struct wye_answer made = {.status = 200};
    resource->answer(hub, &made);
    if (!made.body.bytes && made.body.count) {
        wye_conn_close(conn, -ENOMEM);
        return;
    }
    http->body_left = request->content_bytes;
    /* After a final answer nobody knows whether a body that waits for a 100 still comes (RFC 9110 10.1.1). */
    bool body_is_sure = request->content_bytes == 0 || !wye_request_awaits_continue(request);
    const struct wye_response response = {
        .status = made.status,
        .content_type = made.content_type,
        .content_bytes = made.body.count,
        .fields = made.fields,
        .date = hub->date,
        .close = !request->keep_alive || request->chunked || request->content_bytes > BODY_DISCARD_MAX || hub->draining ||
                 !body_is_sure || wye_request_is_websocket(request),
    };
    respond(conn, &response, made.body, request->method_id == WYE_METHOD_HEAD, 0);
}

/* Writes one field line; 0: it doesn't fit. */
static size_t add_field(char *to, size_t room, const char *name, struct wye_span value) {
    int n = snprintf(to, room, "%s: %.*s\r\n", name, (int)value.count, value.bytes);
    return n > 0 && (size_t)n < room ? (size_t)n : 0;
}

/* Queues the 101: from registered memory when it can be the first output, as a copy otherwise. */
static int send_opening(struct wye_conn *conn, const struct wye_protocol *protocol,
                        const struct wye_agreement *agreement) {
    struct wye_hub *hub = conn->hub;
    const struct wye_span subprotocol = agreement->upgrade.subprotocol;
    bool websocket = strcmp(protocol->token, "websocket") == 0;
    bool plain = websocket && subprotocol.count == 0 && !agreement->extensions[0];
    if (plain && conn->outbox.bytes == 0 && !conn->blocked && !conn->slot_busy) {
        conn->slot = wye_hub_take_slot(hub);
        if (conn->slot != WYE_SLOT_NONE) {
            uint8_t *slot = hub->slots + (size_t)conn->slot * hub->slot_bytes;
            memcpy(slot + WYE_OPENING_ACCEPT_AT, agreement->upgrade.accept, WYE_ACCEPT_BYTES);
            wye_hub_dirty(hub, conn);
            return 0;
        }
    }
    char opening[WYE_RESPONSE_HEAD_MAX];
    if (plain) {
        memcpy(opening, wye_opening_template, WYE_OPENING_BYTES);
        memcpy(opening + WYE_OPENING_ACCEPT_AT, agreement->upgrade.accept, WYE_ACCEPT_BYTES);
        return wye_conn_send(conn, opening, WYE_OPENING_BYTES);
    }
    char fields[WYE_RESPONSE_HEAD_MAX / 2];
    size_t count = 0;
    if (websocket)
        count += add_field(fields + count, sizeof fields - count, "Sec-WebSocket-Accept",
                           (struct wye_span){agreement->upgrade.accept, WYE_ACCEPT_BYTES});
    if (subprotocol.count)
        count += add_field(fields + count, sizeof fields - count, "Sec-WebSocket-Protocol", subprotocol);
    if (agreement->extensions[0])
        count += add_field(fields + count, sizeof fields - count, "Sec-WebSocket-Extensions",
                           wye_span_of(agreement->extensions));
    count = wye_opening_write(opening, sizeof opening, protocol->token, (struct wye_span){fields, count});
    return wye_conn_send(conn, opening, count);
}

static void upgrade(struct wye_conn *conn, const struct wye_request *request, const struct wye_protocol *protocol) {
    struct wye_hub *hub = conn->hub;
    const struct wye_settings *settings = &hub->node->settings;
    const struct wye_situation situation = {
        .policy = &settings->policy, .deflate = settings->deflate, .draining = hub->draining};
    struct wye_agreement agreement;
    agreement.extensions[0] = 0;
    agreement.upgrade.subprotocol.count = 0;
    wye_refusal_begin(&hub->refusal, protocol->token, "GET");
    int status = protocol->agree(protocol, request, &situation, &agreement, &hub->refusal);
    if (status > 0 && wye_conn_switch(conn, protocol) < 0)
        status = wye_refusal_add(&hub->refusal, WYE_RULE_LOAD, (struct wye_span){0});
    if (status < 0) {
        refuse(conn, request, true);
        return;
    }
    wye_count(&hub->counters.upgrades, 1);
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (wye_request_awaits_continue(request) && wye_conn_send(conn, go_on, sizeof go_on - 1) < 0) return; /* RFC 9110 7.8 */
    if (send_opening(conn, protocol, &agreement) < 0) {
        wye_conn_switch(conn, &wye_http); /* it was never opened, and so isn't closed */
        return;
    }
    int reason = protocol->open(conn, request, &agreement);
    if (reason < 0 && conn->phase == WYE_CONN_OPEN) {
        if (protocol->fail) protocol->fail(conn, reason);
        else wye_conn_close(conn, reason);
    }
}

static void route(struct wye_conn *conn, const struct wye_request *request) {
    struct wye_hub *hub = conn->hub;
    /* A kept-alive refusal would let a request that is glued behind it be smuggled past a proxy. */
    bool close = !request->keep_alive || wye_request_is_websocket(request) || request->content_bytes || request->chunked ||
                 hub->draining;
    const struct wye_policy *policy = &hub->node->settings.policy;
    if (policy->host_is_checked && request->host.count && !wye_policy_host_allowed(policy, request->host)) {
        refuse_for(conn, request, WYE_RULE_HOST_NAMED, request->host, close);
        return;
    }
    if (wye_span_equal(request->path, WYE_SPAN("*"))) { /* OPTIONS *: of the node as a whole (RFC 9110 9.3.7) */
        const struct wye_response response = {.status = 204, .fields = "Allow: GET, HEAD\r\n", .date = hub->date, .close = close};
        respond(conn, &response, (struct wye_slice){0}, true, 0);
        return;
    }
    const struct wye_resource *resource = wye_site_find(request->path);
    if (!resource) {
        refuse_for(conn, request, WYE_RULE_PATH, request->path, close);
        return;
    }
    if (resource->protocol) {
        upgrade(conn, request, resource->protocol);
        return;
    }
    if (request->method_id != WYE_METHOD_GET && request->method_id != WYE_METHOD_HEAD) {
        wye_refusal_begin(&hub->refusal, NULL, "GET, HEAD");
        wye_refusal_add(&hub->refusal, WYE_RULE_METHOD, request->method);
        refuse(conn, request, close);
        return;
    }
    answer(conn, request, resource);
}

/* ---- the protocol ---- */



void wye_http_start(struct wye_conn *conn) {
    if (conn->refused) {
        wye_count(&conn->hub->counters.accept_refused, 1);
        refuse_for(conn, NULL, WYE_RULE_LOAD, WYE_SPAN("as many connections as it may have"), true);
        return;
    }
    wye_conn_wake_in(conn, conn->hub->node->settings.head_timeout_ns);
}

static ptrdiff_t http_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    struct wye_hub *hub = conn->hub;
    struct http *http = wye_conn_state(conn);
    if (http->body_left > 0) {
        size_t skip = count < http->body_left ? count : (size_t)http->body_left;
        http->body_left -= skip;
        return (ptrdiff_t)skip;
    }
    wye_refusal_begin(&hub->refusal, NULL, NULL);
    ptrdiff_t used = wye_request_read(&hub->request, &hub->refusal, bytes, count, http->seen);
    if (used == 0) {
        if (http->seen == 0 && http->requests > 0) wye_conn_wake_in(conn, hub->node->settings.head_timeout_ns);
        http->seen = (uint32_t)count;
        return 0;
    }
    http->seen = 0;
    http->requests++;
    wye_count(&hub->counters.requests, 1);
    if (used < 0) {
        refuse(conn, NULL, true);
        return (ptrdiff_t)count; /* what stands behind a broken head is nobody's */
    }
    route(conn, &hub->request);
    /* Answered, and still HTTP: the next request may come. */
    if (conn->phase == WYE_CONN_OPEN && conn->protocol == &wye_http) wye_conn_wake_in(conn, KEEP_ALIVE_NS);
    return used;
}

static int http_wake(struct wye_conn *conn) {
    struct http *http = wye_conn_state(conn);
    if (conn->hub->draining && http->seen == 0 && http->requests > 0) {
        wye_conn_finish(conn, 0, false);
        return 0;
    }
    if (conn->timer.set) { /* woken by draining, not by time */
        if (http->seen == 0) wye_conn_wake_in(conn, DRAIN_HEAD_NS);
        return 0;
    }
    if (http->seen == 0) {
        /* Not a byte of a head: a kept-alive connection, or one opened ahead, is simply let go. */
        wye_conn_finish(conn, http->requests ? 0 : -408, false);
        return 0;
    }
    refuse_for(conn, NULL, WYE_RULE_HEAD_TIME, wye_conn_unread(conn), true);
    return 0;
}

const struct wye_protocol wye_http = {
    .state_size = sizeof(struct http),
    .input = http_input,
    .wake = http_wake,
};
