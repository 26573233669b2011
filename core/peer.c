#include "core/peer.h"

#include "core/http.h"
#include "core/hub.h"
#include "core/tls.h"
#include "core/tls_context.h"
#include "handshake/proxy_header.h"

#include <errno.h>

/* ---- counting ---- */

void wye_peer_left(struct wye_conn *conn) {
    if (!conn->account) return;
    struct wye_node *node = conn->hub->node;
    wye_account_leave(&node->accounts, conn->account, &conn->hub->settings->upgrade_rate, conn->hub->now_ns);
    conn->account = NULL;
}

int wye_peer_is(struct wye_conn *conn, const struct wye_ip *ip) {
    struct wye_node *node = conn->hub->node;
    const struct wye_settings *settings = conn->hub->settings;
    wye_peer_left(conn);
    conn->trusted = wye_cidrs_have(settings->trusted, settings->trusted_count, ip);
    if (conn->trusted || ip->kind != WYE_IP_KNOWN || !(settings->per_address || settings->upgrade_rate.tokens)) return 0;
    uint32_t most = settings->per_address ? settings->per_address : UINT32_MAX;
    int trouble = wye_account_enter(&node->accounts, ip, most, conn->hub->now_ns, &conn->account);
    if (trouble == -EDQUOT) wye_count(&conn->hub->counters.address_refused, 1);
    return trouble;
}

/* ---- the PROXY protocol ---- */

struct proxied {
    struct wye_tls_context *context; /* of the TLS that follows; NULL: none does */
};

void wye_proxied_start(struct wye_conn *conn, struct wye_tls_context *context) {
    wye_conn_switch(conn, &wye_proxied); /* its state is inline: this can't fail */
    ((struct proxied *)wye_conn_state(conn))->context = context;
    wye_conn_wake_in(conn, conn->hub->settings->head_timeout_ns);
}

/* What follows is the client's. Returns the bytes used of those behind the header, or a reason. */
static ptrdiff_t go_on(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    struct wye_tls_context *context = ((struct proxied *)wye_conn_state(conn))->context;
    wye_conn_switch(conn, &wye_http);
    if (context && wye_tls_start(conn, context) < 0) return -ENOMEM;
    wye_http_start(conn);
    if (count == 0 || conn->phase != WYE_CONN_OPEN) return (ptrdiff_t)count;
    if (!context) return wye_http.input(conn, bytes, count);
    wye_tls_input(conn, bytes, count);
    return (ptrdiff_t)count;
}

/* What came before TLS or HTTP breaks a rule. */
static void refuse(struct wye_conn *conn, enum wye_rule rule, const uint8_t *bytes, size_t count, const char *note) {
    struct proxied *proxied = wye_conn_state(conn);
    wye_tls_context_release(proxied->context);
    wye_conn_switch(conn, &wye_http);
    wye_http_refuse_proxied(conn, rule, bytes, count, note);
}

static ptrdiff_t proxied_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    struct wye_ip from;
    const char *fault;
    if (!wye_proxy_header_may_begin(bytes, count)) return go_on(conn, bytes, count);
    ptrdiff_t used = wye_proxy_header_read(&from, &fault, bytes, count);
    if (used == 0) return 0;
    if (used < 0) {
        refuse(conn, WYE_RULE_PROXY_HEADER, bytes, count, fault);
        return (ptrdiff_t)count;
    }
    wye_count(&conn->hub->counters.proxied, 1);
    if (from.kind == WYE_IP_KNOWN && !conn->refused) {
        int trouble = wye_peer_is(conn, &from);
        if (trouble == -ENOMEM) return trouble;
        conn->crowded = trouble < 0;
    }
    ptrdiff_t more = go_on(conn, bytes + used, count - (size_t)used);
    return more < 0 ? more : used + more;
}

static int proxied_wake(struct wye_conn *conn) {
    const struct wye_span unread = wye_conn_unread(conn);
    if (conn->timer.set && !conn->hub->draining) return 0;
    if (unread.count == 0 || conn->hub->draining) return -408;
    refuse(conn, WYE_RULE_HEAD_TIME, (const uint8_t *)unread.bytes, unread.count, "a PROXY header that is only begun");
    return 0;
}

static void proxied_close(struct wye_conn *conn, int reason) {
    (void)reason;
    wye_tls_context_release(((struct proxied *)wye_conn_state(conn))->context);
}

const struct wye_protocol wye_proxied = {
    .state_size = sizeof(struct proxied),
    .input = proxied_input,
    .wake = proxied_wake,
    .close = proxied_close,
};
