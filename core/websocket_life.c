/* The life of a WebSocket connection: closing handshake, pings, time-outs. */
#include "core/hub.h"
#include "core/topic.h"
#include "core/websocket_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CLOSE_TEXT_MAX = WYE_FRAME_CONTROL_MAX - 2 };

static void send_close_frame(struct wye_conn *conn, uint16_t code, const char *text) {
    size_t count = code == WYE_CLOSE_NO_STATUS ? 0 : 2;
    size_t text_bytes = count && text ? strlen(text) : 0;
    if (text_bytes > CLOSE_TEXT_MAX) text_bytes = CLOSE_TEXT_MAX;
    uint8_t frame[2 + WYE_FRAME_CONTROL_MAX];
    frame[0] = 0x80 | WYE_OPCODE_CLOSE;
    frame[1] = (uint8_t)(count + text_bytes);
    frame[2] = (uint8_t)(code >> 8);
    frame[3] = (uint8_t)code;
    if (text_bytes) memcpy(frame + 4, text, text_bytes);
    wye_conn_send(conn, frame, 2 + count + text_bytes);
}

/* It is the node that closes. */
static void close_and_tell(struct wye_conn *conn, uint16_t code, const char *why) {
    send_close_frame(conn, code, why);
    if (conn->hub->settings->on_close) conn->hub->settings->on_close(code, why);
}

void wye_websocket_close(struct wye_conn *conn, uint16_t code, const char *text) {
    struct websocket *ws = wye_conn_state(conn);
    if (ws->closing || conn->phase != WYE_CONN_OPEN) return;
    wye_topic_unsubscribe_all(conn); /* nothing is sent after the close frame */
    if (conn->phase != WYE_CONN_OPEN) return; /* what it had to hear before was too much for it */
    close_and_tell(conn, code, text);
    ws->closing = true;
    conn->reason = -(int)code;
    wye_conn_wake_in(conn, conn->hub->settings->close_timeout_ns);
}

int wye_websocket_closed(struct wye_conn *conn, const uint8_t *payload, size_t count) {
    struct websocket *ws = wye_conn_state(conn);
    uint16_t code = WYE_CLOSE_NO_STATUS;
    if (count == 1) {
        conn->hub->fault = "a close frame's payload is empty or begins with two bytes of code (RFC 6455 5.5.1)";
        return -WYE_CLOSE_PROTOCOL_ERROR;
    }
    if (count >= 2) {
        code = (uint16_t)(payload[0] << 8 | payload[1]);
        if (!wye_close_code_may_be_sent(code)) {
            conn->hub->fault = "this close code may not be sent (RFC 6455 7.4)";
            return -WYE_CLOSE_PROTOCOL_ERROR;
        }
        struct wye_utf8 utf8 = {0};
        if (!wye_utf8_feed(&utf8, payload + 2, count - 2) || !wye_utf8_may_end(&utf8)) {
            conn->hub->fault = "a close reason must be UTF-8 (RFC 6455 5.5.1)";
            return -WYE_CLOSE_INVALID_PAYLOAD;
        }
    }
    if (ws->closing) {
        wye_conn_finish(conn, conn->reason, false);
        return 0;
    }
    wye_topic_unsubscribe_all(conn); /* what was published before is sent before */
    if (conn->phase != WYE_CONN_OPEN) return 0;
    wye_websocket_drop_assembly(conn);
    send_close_frame(conn, code, NULL);
    ws->closing = true;
    /* Both have spoken: the server closes first (RFC 6455 7.1.1). */
    wye_conn_finish(conn, -(int)code, false);
    return 0;
}

void wye_websocket_fail(struct wye_conn *conn, int reason) {
    struct websocket *ws = wye_conn_state(conn);
    if (reason > -1000 || reason == -WYE_CLOSE_ABNORMAL || ws->closing) {
        wye_conn_close(conn, reason);
        return;
    }
    wye_websocket_drop_assembly(conn);
    close_and_tell(conn, (uint16_t)-reason, conn->hub->fault);
    conn->hub->fault = NULL; /* said: the next one has its own, or none */
    /* The peer may be in the middle of sending: it shall find the close frame, not a reset. */
    wye_conn_finish(conn, reason, true);
}

void wye_websocket_overrun(struct wye_conn *conn) {
    conn->hub->fault = "this subscriber reads more slowly than its topics are published to (see --outbox)";
    wye_websocket_fail(conn, -WYE_CLOSE_TRY_AGAIN_LATER);
}

int wye_websocket_eof(struct wye_conn *conn) {
    /* No close frame came (RFC 6455 7.1.5); the peer may still read what was queued, or published, for it. */
    wye_topic_unsubscribe_all(conn);
    wye_conn_finish(conn, -WYE_CLOSE_ABNORMAL, false);
    return 0;
}

/* ---- time ---- */

void wye_websocket_schedule(struct wye_conn *conn, bool first) {
    const struct wye_settings *settings = conn->hub->settings;
    uint64_t wait_ns = settings->ping_ns;
    /* Connections that came together shall not be pinged together. */
    if (first) wait_ns = wait_ns / 2 + wait_ns / 512 * (conn->index * 167 & 255);
    if (settings->idle_timeout_ns) {
        uint64_t idle_ns = (uint64_t)(wye_tick_of(conn->hub->now_ns) - conn->busy_tick) << WYE_TICK_SHIFT;
        uint64_t left_ns = settings->idle_timeout_ns > idle_ns ? settings->idle_timeout_ns - idle_ns : 1;
        if (!wait_ns || left_ns < wait_ns) wait_ns = left_ns;
    }
    uint64_t token_ns = wye_conn_token_ns(conn);
    if (token_ns != UINT64_MAX && (!wait_ns || token_ns < wait_ns)) wait_ns = token_ns ? token_ns : 1;
    if (wait_ns) wye_conn_wake_in(conn, wait_ns);
}

void wye_websocket_retime(struct wye_conn *conn) {
    const struct websocket *ws = wye_conn_state(conn);
    if (ws->closing) return; /* the timer is the closing handshake's */
    wye_conn_wake_never(conn);
    wye_websocket_schedule(conn, true);
}

/* No byte, and nothing taken of what we sent, since the last ping? A peer that we don't read can't be heard. */
static bool peer_is_silent(const struct wye_conn *conn, const struct websocket *ws) {
    if (conn->pauses & ~WYE_PAUSE_OUTBOX) return false;
    return ws->pinged && (int32_t)(conn->heard_tick - ws->pinged_tick) < 0;
}

static int ping(struct wye_conn *conn, struct websocket *ws) {
    static const uint8_t frame[2] = {0x80 | WYE_OPCODE_PING, 0};
    ws->pinged = true;
    ws->pinged_tick = wye_tick_of(conn->hub->now_ns);
    if (conn->outbox.bytes > 0) return 0; /* taking what waits for it is as good an answer */
    return wye_conn_send_slice(conn, (struct wye_slice){frame, WYE_CHUNK_CONSTANT, sizeof frame});
}

int wye_websocket_wake(struct wye_conn *conn) {
    struct websocket *ws = wye_conn_state(conn);
    struct wye_hub *hub = conn->hub;
    const struct wye_settings *settings = hub->settings;
    uint32_t now = wye_tick_of(hub->now_ns);
    if (ws->closing) {
        if (!conn->timer.set) wye_conn_close(conn, conn->reason); /* the peer didn't answer in time */
        return 0;
    }
    if (hub->draining) {
        wye_websocket_close(conn, WYE_CLOSE_GOING_AWAY, "the server is shutting down");
        return 0;
    }
    if (wye_conn_token_ns(conn) == 0) {
        wye_count(&hub->counters.tokens_expired, 1);
        wye_websocket_close(conn, WYE_CLOSE_POLICY_VIOLATION, "the token has expired");
        return 0;
    }
    if (settings->idle_timeout_ns && now - conn->busy_tick >= wye_ticks_in(settings->idle_timeout_ns) - 1) {
        wye_websocket_close(conn, WYE_CLOSE_GOING_AWAY, "no message for longer than the idle time-out");
        return 0;
    }
    uint32_t since_ping = now - ws->pinged_tick;
    if (settings->ping_ns && (!ws->pinged || since_ping >= wye_ticks_in(settings->ping_ns) - 2)) {
        if (peer_is_silent(conn, ws)) {
            wye_count(&hub->counters.pings_unanswered, 1);
            return -ETIMEDOUT;
        }
        if (ping(conn, ws) < 0) return 0;
    }
    wye_websocket_schedule(conn, false);
    return 0;
}
