/* The switch: what was agreed to, the 101, and the new protocol. */
#include "core/http_state.h"
#include "core/hub.h"
#include "core/permit.h"
#include "handshake/opening.h"

#include <stdio.h>
#include <string.h>

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

void wye_http_upgrade(struct wye_conn *conn, const struct wye_request *request, const struct wye_resource *resource) {
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
        wye_http_refuse(conn, request, true);
        return;
    }
    wye_count(&hub->counters.upgrades, 1);
    if (wye_request_awaits_continue(request) && wye_http_continue(conn) < 0) return; /* RFC 9110 7.8 */
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
