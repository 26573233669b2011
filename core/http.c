/* The grammar and life of HTTP/1.1 (RFC 9112). What the paths do is site.c's. */
#include "core/http_state.h"

#include "core/hub.h"
#include "core/peer.h"
#include "core/permit.h"
#include "core/tls.h"
#include "handshake/forwarded.h"
#include "handshake/proxy_header.h"

#include <errno.h>
#include <stdlib.h>

#define TICKS_NS      (UINT64_C(2) << WYE_TICK_SHIFT) /* as far as ticks may be off */
#define DRAIN_HEAD_NS (UINT64_C(500000000)) /* of a connection that has just come when draining begins */
_Static_assert(sizeof(struct http) <= WYE_CONN_STATE_INLINE, "nothing is allocated for a connection that speaks HTTP/1.1");
enum { HELD_BYTES_MAX = 65536 }; /* pipelined behind publishes that wait, before it is no longer read */

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

enum wye_rule wye_http_judge(struct wye_conn *conn, const struct wye_request *request, struct wye_span *seen) {
    const struct wye_policy *policy = &conn->hub->settings->policy;
    /* A proxy that lets a connection switch says whose it is once: behind the 101 it is the client itself who speaks. */
    enum wye_rule rule = conn->trusted && conn->protocol == &wye_http ? judge_forwarded(conn, request, seen) : WYE_RULE_NONE;
    if (rule != WYE_RULE_NONE) return rule;
    if (!policy->host_is_checked || request->host.count == 0 || wye_policy_host_allowed(policy, request->host)) return WYE_RULE_NONE;
    *seen = request->host;
    return WYE_RULE_HOST_NAMED;
}

void wye_http_serve(struct wye_conn *conn, const struct wye_request *request, const struct wye_resource *resource, bool close, bool last) {
    struct wye_hub *hub = conn->hub;
    if (wye_span_equal(request->path, WYE_SPAN("*"))) { /* OPTIONS *: of the node as a whole (RFC 9110 9.3.7) */
        const struct wye_response response = {.status = 204, .fields = "Allow: GET, HEAD\r\n", .date = hub->date, .close = close};
        wye_http_respond(conn, &response, (struct wye_slice){0}, true, 0);
        return;
    }
    if (!resource) {
        wye_http_refuse_for(conn, request, WYE_RULE_PATH, request->path, close);
        return;
    }
    if (wye_http_is_preflight(resource, request)) {
        wye_http_preflight(conn, request, last);
        return;
    }
    wye_refusal_begin(&hub->refusal, NULL, "GET, HEAD");
    if (request->method_id != WYE_METHOD_GET && request->method_id != WYE_METHOD_HEAD) {
        wye_refusal_add(&hub->refusal, WYE_RULE_METHOD, request->method);
        wye_http_refuse(conn, request, close);
        return;
    }
    struct wye_permit permit;
    if (wye_permit_request(&permit, hub, request, resource, &hub->refusal) < 0) wye_http_refuse(conn, request, close);
    else wye_http_answer(conn, request, resource, last);
}

/* What any path that doesn't switch by itself switches to when it is asked to. */
static const struct wye_resource to_h2c = {.protocol = &wye_h2c, .needs = WYE_NEEDS_NOTHING};

/* false: the request must wait until what was published before it is answered. */
static bool route(struct wye_conn *conn, const struct wye_request *request) {
    const struct http *http = wye_conn_state(conn);
    const struct wye_resource *resource = wye_site_find(request->path);
    /* A kept-alive refusal would let a request that is glued behind it be smuggled past a proxy. */
    bool last = !request->keep_alive || wye_request_is_websocket(request) || request->content_bytes || request->chunked ||
                conn->hub->draining;
    bool close = last || (resource && resource->protocol);
    if (http->oldest && (http->receipts == WYE_HTTP_RECEIPTS_MAX || !wye_http_is_publish(resource, request))) return false;
    struct wye_span seen = {0};
    enum wye_rule rule = wye_http_judge(conn, request, &seen);
    if (rule != WYE_RULE_NONE) {
        if (http->oldest) return false;
        wye_http_refuse_for(conn, request, rule, seen, close || rule != WYE_RULE_HOST_NAMED);
        return true;
    }
    if (wye_http_is_publish(resource, request)) return wye_http_begin_post(conn, request);
    if (resource && resource->protocol && !wye_http_is_preflight(resource, request)) wye_http_upgrade(conn, request, resource);
    else if (wye_h2c_is_asked_for(conn, request)) wye_http_upgrade(conn, request, &to_h2c);
    else wye_http_serve(conn, request, resource, close, last);
    return true;
}

/* ---- the protocol ---- */

void wye_http_start(struct wye_conn *conn) {
    bool may_speak = !conn->tls || wye_tls_is_up(conn);
    if (conn->crowded && may_speak) {
        wye_http_refuse_for(conn, NULL, WYE_RULE_ADDRESS, (struct wye_span){0}, true);
        return;
    }
    if (conn->refused && may_speak) {
        wye_count(&conn->hub->counters.accept_refused, 1);
        wye_http_refuse_for(conn, NULL, WYE_RULE_LOAD, WYE_SPAN("as many connections as it may have"), true);
        return;
    }
    wye_conn_wake_in(conn, conn->hub->settings->head_timeout_ns);
}

void wye_http_refuse_plain(struct wye_conn *conn) { wye_http_refuse_for(conn, NULL, WYE_RULE_TLS, (struct wye_span){0}, true); }

void wye_http_refuse_proxied(struct wye_conn *conn, enum wye_rule rule, const uint8_t *bytes, size_t count, const char *note) {
    wye_refusal_begin(&conn->hub->refusal, NULL, NULL);
    wye_refusal_add(&conn->hub->refusal, rule, (struct wye_span){(const char *)bytes, count < WYE_PROXY_V1_MAX ? count : WYE_PROXY_V1_MAX});
    conn->hub->refusal.note = note;
    wye_http_refuse(conn, NULL, true);
}

/* A head that can't be taken. Where it is whole its fields count; that it is a HEAD does as soon as its
 * method was read. */
static void refuse_head(struct wye_conn *conn) {
    const struct wye_request *request = &conn->hub->request;
    enum wye_rule first = conn->hub->refusal.first;
    if (first == WYE_RULE_HOST || first == WYE_RULE_FRAMING) wye_http_refuse(conn, request, true);
    else
        wye_http_refuse_as(conn, NULL,
                           (struct wye_http_manner){.cors = "", .head_only = request->method_id == WYE_METHOD_HEAD, .close = true});
}

static ptrdiff_t http_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    struct wye_hub *hub = conn->hub;
    struct http *http = wye_conn_state(conn);
    if (http->closing) return (ptrdiff_t)count; /* what follows the last request is nobody's */
    if (http->post) return wye_http_post_input(conn, http, bytes, count);
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
        size_t meant = http->requests == 1 ? wye_proxy_header_meant(bytes, count) : 0;
        if (meant) wye_http_refuse_proxied(conn, WYE_RULE_PROXY_TRUST, bytes, meant, NULL);
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
        ptrdiff_t more = wye_http_post_input(conn, http, bytes + used, count - (size_t)used);
        return more < 0 ? more : used + more;
    }
    if (conn->phase == WYE_CONN_OPEN) wye_conn_wake_in(conn, WYE_HTTP_KEEP_ALIVE_NS); /* answered: the next request may come */
    return used;
}

static int http_wake(struct wye_conn *conn) {
    struct http *http = wye_conn_state(conn);
    if (http->post && !conn->timer.set && !(conn->pauses & WYE_PAUSE_RATE)) {
        wye_refusal_begin(&conn->hub->refusal, NULL, NULL);
        wye_refusal_add(&conn->hub->refusal, WYE_RULE_BODY_TIME, (struct wye_span){0});
        wye_http_refuse_body(conn, http);
        return 0;
    }
    /* It asks and asks, and has taken nothing of what it was answered for a minute. */
    uint64_t quiet_ns = wye_conn_quiet_ns(conn, conn->hub->now_ns);
    if (conn->pauses == WYE_PAUSE_OUTBOX && !conn->timer.set && quiet_ns + TICKS_NS >= WYE_HTTP_KEEP_ALIVE_NS)
        return -ETIMEDOUT;
    if (http->post || http->oldest || conn->pauses) { /* it ends with its answer; and we are what it waits for */
        if (conn->hub->draining && !http->post) http->closing = true; /* nothing more is taken on */
        /* A body that isn't read at the moment is still to come then. */
        if (!conn->timer.set) wye_conn_wake_in(conn, http->post ? conn->hub->settings->head_timeout_ns : WYE_HTTP_KEEP_ALIVE_NS);
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
    wye_http_refuse_for(conn, NULL, WYE_RULE_HEAD_TIME, wye_conn_unread(conn), true);
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
    wye_http_refuse_body(conn, http);
}

const struct wye_protocol wye_http = {
    .state_size = sizeof(struct http),
    .input = http_input,
    .wake = http_wake,
    .eof = http_eof,
    .fail = http_fail,
    .close = http_close,
};
