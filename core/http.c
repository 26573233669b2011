/* The grammar and life of HTTP/1.1 (RFC 9112). What the paths do is site.c's. */
#include "core/http.h"

#include "core/allowance.h"
#include "core/conn.h"
#include "core/hub.h"
#include "core/peer.h"
#include "core/permit.h"
#include "core/post.h"
#include "core/site.h"
#include "core/tls.h"
#include "handshake/forwarded.h"
#include "handshake/opening.h"
#include "handshake/proxy_header.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct http {
    uint64_t body_left; /* of the request that was answered: to be discarded */
    uint32_t requests;
    struct wye_request_progress progress; /* of a head that isn't all there yet */
    struct wye_post *post; /* whose body is coming; NULL: none */
    struct wye_receipt *oldest, *newest; /* of what was published and is still to be answered, in order */
    uint16_t receipts;
    bool closing; /* the last response said close */
    bool problem; /* who posts asks for problem details */
    bool old; /* the request was of HTTP/1.0, whose clients want to be told that a connection stays open */
};

#define KEEP_ALIVE_NS (60 * UINT64_C(1000000000))
#define TICKS_NS      (UINT64_C(2) << WYE_TICK_SHIFT) /* as far as ticks may be off */
#define DRAIN_HEAD_NS (UINT64_C(500000000)) /* of a connection that has just come when draining begins */
enum {
    BODY_DISCARD_MAX = 1 << 20,
    RECEIPTS_MAX = 256,      /* publishes of a connection that wait for their answers */
    HELD_BYTES_MAX = 65536,  /* pipelined behind them, before it is no longer read */
};

/* ---- responses ---- */

/* Queues a response; the body's reference passes on. Finishes the connection when it is the last. */
static void respond(struct wye_conn *conn, const struct wye_response *response, struct wye_slice body, bool head_only,
                    int reason) {
    struct http *http = wye_conn_state(conn);
    char head[WYE_RESPONSE_HEAD_MAX];
    struct wye_response written = *response;
    written.keeps = http->old;
    size_t head_bytes = wye_response_write(head, sizeof head, &written);
    int trouble = wye_conn_send(conn, head, head_bytes);
    if (head_only || trouble < 0) {
        if (body.chunk && body.chunk != WYE_CHUNK_CONSTANT) wye_chunk_release(&conn->hub->pool, body.chunk);
    } else {
        wye_conn_send_slice(conn, body);
    }
    http->closing |= response->close;
    if (response->close) wye_conn_finish(conn, reason, true);
}

/* Does the client ask for problem details (RFC 9457)? */
static bool wants_problem_json(const struct wye_request *request) {
    return request && wye_request_accepts(request, WYE_SPAN("application/problem+json"));
}

/* Answers with the rules in hub->refusal, and field lines of the caller's. json: as problem details. */
static void refuse_as(struct wye_conn *conn, const char *cors, bool json, bool head_only, bool close) {
    struct wye_hub *hub = conn->hub;
    struct wye_refusal *refusal = &hub->refusal;
    char text[WYE_REFUSAL_TEXT_MAX], fields[WYE_POST_CORS_MAX + 512];
    size_t text_bytes = json ? wye_refusal_problem_json(text, sizeof text, refusal)
                             : wye_refusal_text(text, sizeof text, refusal);
    size_t cors_bytes = strlen(cors);
    memcpy(fields, cors, cors_bytes);
    wye_refusal_fields(fields + cors_bytes, sizeof fields - cors_bytes, refusal);
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
    respond(conn, &response, (struct wye_slice){body, chunk, text_bytes}, head_only, -refusal->status);
}

/* The same, as it is asked for. request NULL: its head could not be read. */
static void refuse(struct wye_conn *conn, const struct wye_request *request, bool close) {
    char cors[WYE_POST_CORS_MAX] = "";
    if (request && request->method_id == WYE_METHOD_POST)
        wye_post_cors_fields(cors, request, &conn->hub->settings->policy);
    refuse_as(conn, cors, wants_problem_json(request), request && request->method_id == WYE_METHOD_HEAD,
              close);
}

/* A head that can't be taken. Where it is whole its fields count; that it is a HEAD does as soon as its
 * method was read. */
static void refuse_head(struct wye_conn *conn) {
    const struct wye_request *request = &conn->hub->request;
    enum wye_rule first = conn->hub->refusal.first;
    if (first == WYE_RULE_HOST || first == WYE_RULE_FRAMING) refuse(conn, request, true);
    else refuse_as(conn, "", false, request->method_id == WYE_METHOD_HEAD, true);
}

static void refuse_for(struct wye_conn *conn, const struct wye_request *request, enum wye_rule rule,
                       struct wye_span seen, bool close) {
    wye_refusal_begin(&conn->hub->refusal, NULL, NULL);
    wye_refusal_add(&conn->hub->refusal, rule, seen);
    refuse(conn, request, close);
}

/* ---- requests ---- */

/* Answers what was let through; the refusal has been begun, for what the resource itself has to say against it. */
static void answer(struct wye_conn *conn, const struct wye_request *request, const struct wye_resource *resource, bool last) {
    struct wye_hub *hub = conn->hub;
    struct http *http = wye_conn_state(conn);
    char room[WYE_ANSWER_FIELDS_MAX];
    struct wye_answer made = {.status = 200, .room = room};
    resource->answer(hub, &made);
    if (hub->refusal.failed) {
        refuse(conn, request, last);
        return;
    }
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

/* The lines of a 101 to WebSocket that not all of them have: what was agreed to. "": nothing, or it doesn't
 * fit. */
static size_t agreed_lines(char *to, size_t room, const struct wye_agreement *agreement) {
    const struct wye_span subprotocol = agreement->upgrade.subprotocol;
    size_t count = 0;
    if (subprotocol.count) count += add_field(to, room, "Sec-WebSocket-Protocol", subprotocol);
    if (agreement->extensions[0])
        count += add_field(to + count, room - count, "Sec-WebSocket-Extensions",
                           wye_span_of(agreement->extensions));
    return count;
}

/* Queues the 101: from registered memory, where its template lies, when it can be the first output; as a copy
 * otherwise. */
static int send_opening(struct wye_conn *conn, const struct wye_protocol *protocol,
                        const struct wye_agreement *agreement) {
    struct wye_hub *hub = conn->hub;
    char opening[WYE_RESPONSE_HEAD_MAX], lines[WYE_RESPONSE_HEAD_MAX / 2];
    if (strcmp(protocol->token, "websocket") != 0)
        return wye_conn_send(
            conn, opening, wye_opening_write(opening, sizeof opening, protocol->token, (struct wye_span){0}));
    const struct wye_span agreed = {lines, agreed_lines(lines, sizeof lines, agreement)};
    bool fits = WYE_OPENING_BYTES + agreed.count <= hub->slot_bytes;
    if (fits && !conn->tls && conn->outbox.bytes == 0 && !conn->blocked && !conn->slot_busy) {
        conn->slot = wye_hub_take_slot(hub);
        if (conn->slot != WYE_SLOT_NONE) {
            char *slot = (char *)hub->slots + (size_t)conn->slot * hub->slot_bytes;
            hub->slot_used[conn->slot] =
                (uint16_t)wye_opening_complete(slot, agreement->upgrade.accept, agreed);
            wye_hub_dirty(hub, conn);
            return 0;
        }
    }
    memcpy(opening, wye_opening_template, WYE_OPENING_BYTES);
    return wye_conn_send(conn, opening, wye_opening_complete(opening, agreement->upgrade.accept, agreed));
}

/* May one more connection of this address upgrade? 0, or -429. */
static int judge_upgrade_rate(struct wye_conn *conn) {
    struct wye_hub *hub = conn->hub;
    const struct wye_rate *rate = &hub->settings->upgrade_rate;
    uint64_t wait_ns = rate->tokens ? wye_account_upgrade(&hub->node->accounts, conn->account, rate, hub->now_ns) : 0;
    if (wait_ns == 0) return 0;
    wye_count(&hub->counters.upgrade_rate_refused, 1);
    hub->refusal.retry_s = (wait_ns + 999999999) / 1000000000;
    return wye_refusal_add(&hub->refusal, WYE_RULE_UPGRADE_RATE, (struct wye_span){0});
}

static void upgrade(struct wye_conn *conn, const struct wye_request *request, const struct wye_resource *resource) {
    const struct wye_protocol *protocol = resource->protocol;
    struct wye_hub *hub = conn->hub;
    const struct wye_settings *settings = hub->settings;
    const struct wye_situation situation = {
        .policy = &settings->policy, .deflate = settings->deflate, .draining = hub->draining, .topics_most = settings->topics_per_connection};
    struct wye_agreement agreement;
    agreement.extensions[0] = 0;
    agreement.upgrade.subprotocol.count = 0;
    wye_refusal_begin(&hub->refusal, protocol->token, resource->publishes ? "GET, POST" : "GET");
    int status = protocol->agree(protocol, request, &situation, &agreement, &hub->refusal);
    struct wye_permit permit;
    bool names = hub->refusal.first != WYE_RULE_PATH &&
                 hub->refusal.first != WYE_RULE_QUERY; /* topics that can be judged */
    if (names && wye_permit_request(&permit, hub, request, resource, &hub->refusal) < 0)
        status = -hub->refusal.status;
    if (status > 0 && conn->account && judge_upgrade_rate(conn) < 0) status = -hub->refusal.status;
    if (hub->refusal.failed >> WYE_RULE_TOPIC_COUNT & 1) wye_count(&hub->counters.topics_refused, 1);
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
    conn->expires_s = permit.expires_s;
    conn->mute = !permit.may_publish;
    int reason = protocol->open(conn, request, &agreement);
    if (reason < 0 && conn->phase == WYE_CONN_OPEN) {
        if (protocol->fail) protocol->fail(conn, reason);
        else wye_conn_close(conn, reason);
    }
}

/* ---- publishing ---- */

static bool is_publish(const struct wye_resource *resource, const struct wye_request *request) {
    return resource && resource->publishes && request->method_id == WYE_METHOD_POST && !wye_request_is_websocket(request);
}

/* A page of another origin asks whether it may publish (Fetch 3.3.5). */
static void answer_preflight(struct wye_conn *conn, const struct wye_request *request, bool close) {
    struct wye_hub *hub = conn->hub;
    wye_refusal_begin(&hub->refusal, NULL, "GET, POST, OPTIONS");
    wye_upgrade_check_origin(request, &hub->settings->policy, &hub->refusal);
    if (hub->refusal.failed) {
        refuse(conn, request, close);
        return;
    }
    char fields[WYE_RESPONSE_HEAD_MAX / 2];
    size_t count = wye_post_cors_fields(fields, request, &hub->settings->policy);
    snprintf(fields + count, sizeof fields - count,
             "Allow: GET, POST, OPTIONS\r\nAccess-Control-Allow-Methods: POST\r\n"
             "Access-Control-Allow-Headers: Content-Type, Authorization\r\nAccess-Control-Max-Age: 600\r\n");
    const struct wye_response response = {.status = 204, .fields = fields, .date = hub->date, .close = close};
    respond(conn, &response, (struct wye_slice){0}, true, 0);
}

/* Answers what can be answered of what was published, and lets the next requests be read. */
static void answer_receipts(struct wye_conn *conn) {
    struct wye_hub *hub = conn->hub;
    struct http *http = wye_conn_state(conn);
    while (http->oldest && http->oldest->done && conn->phase == WYE_CONN_OPEN) {
        struct wye_receipt *receipt = http->oldest;
        http->oldest = receipt->next;
        http->receipts--;
        if (receipt->rule != WYE_RULE_NONE) {
            wye_refusal_begin(&hub->refusal, NULL, NULL);
            wye_refusal_add_cause(&hub->refusal, receipt->rule, (struct wye_span){0}, receipt->cause);
            refuse_as(conn, receipt->fields, receipt->problem, false, true);
        } else {
            char text[48];
            int count = snprintf(text, sizeof text, "{\"receivers\":%u}\n", atomic_load_explicit(&receipt->receivers, memory_order_relaxed));
            struct wye_chunk *chunk;
            uint8_t *body = wye_chunk_append(&hub->pool, (size_t)count, &chunk);
            if (body) memcpy(body, text, (size_t)count);
            const struct wye_response response = {.status = 200,
                                                  .content_type = "application/json",
                                                  .content_bytes = (uint64_t)count,
                                                  .fields = receipt->fields,
                                                  .date = hub->date,
                                                  .close = receipt->close || (hub->draining && !http->oldest)};
            if (body) respond(conn, &response, (struct wye_slice){body, chunk, (size_t)count}, false, 0);
            else wye_conn_close(conn, -ENOMEM);
        }
        free(receipt);
    }
    wye_conn_resume(conn, WYE_PAUSE_USER);
    if (conn->phase == WYE_CONN_OPEN) wye_hub_ready(hub, conn);
}

void wye_http_receipt(struct wye_conn *conn, struct wye_receipt *receipt) {
    receipt->done = true;
    if (conn->phase == WYE_CONN_OPEN) answer_receipts(conn);
}

static void keep_receipt(struct http *http, struct wye_receipt *receipt) {
    if (http->oldest) http->newest->next = receipt;
    else http->oldest = receipt;
    http->newest = receipt;
    http->receipts++;
}

/* A body that is refused is answered in its turn, and ends the connection: nobody knows where the next request begins. */
static void refuse_body(struct wye_conn *conn, struct http *http) {
    struct wye_hub *hub = conn->hub;
    char cors[WYE_POST_CORS_MAX];
    strcpy(cors, wye_post_fields(http->post));
    wye_post_end(conn, http->post);
    http->post = NULL;
    if (!http->oldest) {
        refuse_as(conn, cors, http->problem, false, true);
        return;
    }
    struct wye_receipt *receipt = calloc(1, sizeof *receipt + strlen(cors) + 1);
    if (!receipt) {
        wye_conn_close(conn, -ENOMEM);
        return;
    }
    strcpy(receipt->fields, cors);
    receipt->done = true;
    receipt->rule = hub->refusal.first;
    receipt->cause = (enum wye_cause)hub->refusal.cause[receipt->rule];
    receipt->problem = http->problem;
    keep_receipt(http, receipt);
    http->closing = true;
}

/* Bytes of a body. Returns how many were used, or -ENOMEM. */
static ptrdiff_t post_input(struct wye_conn *conn, struct http *http, uint8_t *bytes, size_t count) {
    struct wye_hub *hub = conn->hub;
    struct wye_receipt *receipt;
    wye_refusal_begin(&hub->refusal, NULL, NULL);
    ptrdiff_t used = wye_post_input(conn, http->post, bytes, count, &hub->refusal, &receipt);
    if (used == -ENOMEM) return used;
    wye_conn_wake_in(conn, hub->settings->head_timeout_ns);
    if (used >= 0 && !receipt) return used;
    if (used < 0) {
        refuse_body(conn, http);
        return (ptrdiff_t)count;
    }
    wye_post_end(conn, http->post);
    http->post = NULL;
    http->closing |= receipt->close;
    keep_receipt(http, receipt);
    if (conn->allowance) wye_allowance_message(conn);
    wye_conn_wake_in(conn, KEEP_ALIVE_NS);
    return used;
}

/* A request to publish; its body follows. false: it must wait until others are answered. */
static bool begin_post(struct wye_conn *conn, const struct wye_request *request) {
    struct wye_hub *hub = conn->hub;
    struct http *http = wye_conn_state(conn);
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    bool awaits = wye_request_awaits_continue(request);
    if (awaits && http->oldest) return false; /* a 100 is an answer, too */
    wye_refusal_begin(&hub->refusal, NULL, "GET, POST");
    bool may = !conn->allowance || wye_allowance_may_say(conn) == 0;
    int status = may ? wye_post_begin(conn, request, &hub->refusal, &http->post)
                     : wye_refusal_add(&hub->refusal, WYE_RULE_MESSAGE_RATE, (struct wye_span){0});
    if (status == -ENOMEM) {
        wye_conn_close(conn, status);
        return true;
    }
    if (status < 0) {
        if (http->oldest) return false;
        refuse(conn, request, true);
        return true;
    }
    http->problem = wants_problem_json(request);
    if (awaits) wye_conn_send(conn, go_on, sizeof go_on - 1);
    wye_conn_wake_in(conn, hub->settings->head_timeout_ns);
    return true;
}

/* ---- routing ---- */

/* Behind a trusted proxy each request says whose it is, and the connection counts as theirs. WYE_RULE_NONE: it may go on. */
static enum wye_rule judge_forwarded(struct wye_conn *conn, const struct wye_request *request, struct wye_span *seen) {
    const struct wye_settings *settings = conn->hub->settings;
    struct wye_ip from;
    if (!settings->per_address && !settings->upgrade_rate.tokens) return WYE_RULE_NONE;
    if (!wye_forwarded_for(request, settings->trusted, settings->trusted_count, &from, seen)) return WYE_RULE_FORWARDED;
    int trouble = wye_peer_is(conn, &from);
    conn->trusted = true; /* it is still the proxy that speaks, and the next request may be another's */
    return trouble == -EDQUOT ? WYE_RULE_ADDRESS : trouble < 0 ? WYE_RULE_LOAD : WYE_RULE_NONE;
}

/* false: the request must wait until what was published before it is answered. */
static bool route(struct wye_conn *conn, const struct wye_request *request) {
    struct wye_hub *hub = conn->hub;
    const struct http *http = wye_conn_state(conn);
    const struct wye_resource *resource = wye_site_find(request->path);
    /* A kept-alive refusal would let a request that is glued behind it be smuggled past a proxy. */
    bool last = !request->keep_alive || wye_request_is_websocket(request) || request->content_bytes || request->chunked ||
                hub->draining;
    bool close = last || (resource && resource->protocol);
    if (http->oldest && (http->receipts == RECEIPTS_MAX || !is_publish(resource, request))) return false;
    if (conn->trusted) {
        struct wye_span seen = {0};
        enum wye_rule rule = judge_forwarded(conn, request, &seen);
        if (rule != WYE_RULE_NONE) {
            if (http->oldest) return false;
            refuse_for(conn, request, rule, seen, true);
            return true;
        }
    }
    const struct wye_policy *policy = &hub->settings->policy;
    if (policy->host_is_checked && request->host.count && !wye_policy_host_allowed(policy, request->host)) {
        if (http->oldest) return false;
        refuse_for(conn, request, WYE_RULE_HOST_NAMED, request->host, close);
        return true;
    }
    if (wye_span_equal(request->path, WYE_SPAN("*"))) { /* OPTIONS *: of the node as a whole (RFC 9110 9.3.7) */
        const struct wye_response response = {.status = 204, .fields = "Allow: GET, HEAD\r\n", .date = hub->date, .close = close};
        respond(conn, &response, (struct wye_slice){0}, true, 0);
        return true;
    }
    if (!resource) {
        refuse_for(conn, request, WYE_RULE_PATH, request->path, close);
        return true;
    }
    if (is_publish(resource, request)) return begin_post(conn, request);
    if (resource->publishes && request->method_id == WYE_METHOD_OPTIONS && request->times[WYE_FIELD_ORIGIN]) {
        answer_preflight(conn, request, last);
        return true;
    }
    if (resource->protocol) {
        upgrade(conn, request, resource);
        return true;
    }
    if (request->method_id != WYE_METHOD_GET && request->method_id != WYE_METHOD_HEAD) {
        wye_refusal_begin(&hub->refusal, NULL, "GET, HEAD");
        wye_refusal_add(&hub->refusal, WYE_RULE_METHOD, request->method);
        refuse(conn, request, close);
        return true;
    }
    struct wye_permit permit;
    wye_refusal_begin(&hub->refusal, NULL, "GET, HEAD");
    if (wye_permit_request(&permit, hub, request, resource, &hub->refusal) < 0) refuse(conn, request, close);
    else answer(conn, request, resource, last);
    return true;
}

/* ---- the protocol ---- */

void wye_http_start(struct wye_conn *conn) {
    bool may_speak = !conn->tls || wye_tls_is_up(conn);
    if (conn->crowded && may_speak) {
        refuse_for(conn, NULL, WYE_RULE_ADDRESS, (struct wye_span){0}, true);
        return;
    }
    if (conn->refused && may_speak) {
        wye_count(&conn->hub->counters.accept_refused, 1);
        refuse_for(conn, NULL, WYE_RULE_LOAD, WYE_SPAN("as many connections as it may have"), true);
        return;
    }
    wye_conn_wake_in(conn, conn->hub->settings->head_timeout_ns);
}

void wye_http_refuse_plain(struct wye_conn *conn) { refuse_for(conn, NULL, WYE_RULE_TLS, (struct wye_span){0}, true); }

void wye_http_refuse_proxied(struct wye_conn *conn, enum wye_rule rule, const uint8_t *bytes, size_t count, const char *note) {
    wye_refusal_begin(&conn->hub->refusal, NULL, NULL);
    wye_refusal_add(&conn->hub->refusal, rule, (struct wye_span){(const char *)bytes, count < WYE_PROXY_V1_MAX ? count : WYE_PROXY_V1_MAX});
    conn->hub->refusal.note = note;
    refuse(conn, NULL, true);
}

static ptrdiff_t http_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    struct wye_hub *hub = conn->hub;
    struct http *http = wye_conn_state(conn);
    if (http->closing) return (ptrdiff_t)count; /* what follows the last request is nobody's */
    if (http->post) return post_input(conn, http, bytes, count);
    if (http->body_left > 0) {
        size_t skip = count < http->body_left ? count : (size_t)http->body_left;
        http->body_left -= skip;
        return (ptrdiff_t)skip;
    }
    const bool begins = http->progress.seen == 0;
    wye_refusal_begin(&hub->refusal, NULL, NULL);
    ptrdiff_t used = wye_request_read(&hub->request, &hub->refusal, bytes, count, &http->progress);
    if (used == 0) {
        if (begins && http->requests > 0) wye_conn_wake_in(conn, hub->settings->head_timeout_ns);
        return 0;
    }
    http->requests++;
    http->old = hub->request.minor == 0;
    wye_count(&hub->counters.requests, 1);
    if (used < 0 && !http->oldest) {
        if (http->requests == 1 && wye_proxy_header_is_meant(bytes, count))
            wye_http_refuse_proxied(conn, WYE_RULE_PROXY_TRUST, bytes, count, NULL);
        else refuse_head(conn);
        return (ptrdiff_t)count; /* what stands behind a broken head is nobody's */
    }
    if (used < 0 || !route(conn, &hub->request)) { /* read again when what was published is answered */
        http->requests--;
        wye_count(&hub->counters.requests, (uint64_t)-1);
        if (count > HELD_BYTES_MAX) wye_conn_pause(conn, WYE_PAUSE_USER);
        return 0;
    }
    if (conn->protocol != &wye_http) return used; /* switched: the state is another protocol's now */
    if (http->post) {
        ptrdiff_t more = post_input(conn, http, bytes + used, count - (size_t)used);
        return more < 0 ? more : used + more;
    }
    if (conn->phase == WYE_CONN_OPEN) wye_conn_wake_in(conn, KEEP_ALIVE_NS); /* answered: the next request may come */
    return used;
}

static int http_wake(struct wye_conn *conn) {
    struct http *http = wye_conn_state(conn);
    if (http->post && !conn->timer.set && !(conn->pauses & WYE_PAUSE_RATE)) {
        wye_refusal_begin(&conn->hub->refusal, NULL, NULL);
        wye_refusal_add(&conn->hub->refusal, WYE_RULE_BODY_TIME, (struct wye_span){0});
        refuse_body(conn, http);
        return 0;
    }
    /* It asks and asks, and has taken nothing of what it was answered for a minute. */
    uint64_t quiet_ns = (uint64_t)(wye_tick_of(conn->hub->now_ns) - conn->heard_tick) << WYE_TICK_SHIFT;
    if (conn->pauses == WYE_PAUSE_OUTBOX && !conn->timer.set && quiet_ns + TICKS_NS >= KEEP_ALIVE_NS)
        return -ETIMEDOUT;
    if (http->post || http->oldest ||
        conn->pauses) { /* it ends with its answer; and we are what it waits for */
        if (conn->hub->draining && !http->post) http->closing = true; /* nothing more is taken on */
        /* A body that isn't read at the moment is still to come then. */
        if (!conn->timer.set) wye_conn_wake_in(conn, http->post ? conn->hub->settings->head_timeout_ns : KEEP_ALIVE_NS);
        return 0;
    }
    if (conn->hub->draining && http->progress.seen == 0 && http->requests > 0) {
        wye_conn_finish(conn, 0, false);
        return 0;
    }
    if (conn->timer.set) { /* woken by draining, not by time */
        if (http->progress.seen == 0) wye_conn_wake_in(conn, DRAIN_HEAD_NS);
        return 0;
    }
    if (http->progress.seen == 0) {
        /* Not a byte of a head: a kept-alive connection, or one opened ahead, is simply let go. */
        wye_conn_finish(conn, http->requests ? 0 : -408, false);
        return 0;
    }
    refuse_for(conn, NULL, WYE_RULE_HEAD_TIME, wye_conn_unread(conn), true);
    return 0;
}

/* Answers that are owed are given first. */
static int http_eof(struct wye_conn *conn) {
    const struct http *http = wye_conn_state(conn);
    return http->oldest ? 1 : 0;
}

static void http_close(struct wye_conn *conn, int reason) {
    (void)reason;
    struct http *http = wye_conn_state(conn);
    wye_post_end(conn, http->post);
    for (struct wye_receipt *receipt = http->oldest, *next; receipt; receipt = next) {
        next = receipt->next;
        if (receipt->done) free(receipt); /* the others are freed when they come back */
    }
    http->post = NULL;
    http->oldest = NULL;
}

static void http_fail(struct wye_conn *conn, int reason) {
    struct http *http = wye_conn_state(conn);
    if (reason != -WYE_CLOSE_POLICY_VIOLATION) {
        wye_conn_close(conn, reason);
        return;
    }
    if (http->closing) return; /* its last answer is on its way */
    http->problem &= http->post != NULL;
    wye_refusal_begin(&conn->hub->refusal, NULL, NULL);
    wye_refusal_add(&conn->hub->refusal, WYE_RULE_MESSAGE_RATE, (struct wye_span){0});
    conn->hub->refusal.note = conn->hub->fault;
    refuse_body(conn, http);
}

const struct wye_protocol wye_http = {
    .state_size = sizeof(struct http),
    .input = http_input,
    .wake = http_wake,
    .eof = http_eof,
    .fail = http_fail,
    .close = http_close,
};
