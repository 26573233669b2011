#include "core/h2c_state.h"

#include "core/hub.h"
#include "core/reason.h"
#include "handshake/base64url.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { SETTINGS_ENTRY = 6, SETTINGS_MAX = 32 * SETTINGS_ENTRY, PIECE_BYTES = 16384 /* read before anybody else's turn */ };

/* ---- the switch ---- */

bool wye_h2c_is_asked_for(const struct wye_conn *conn, const struct wye_request *request) {
    const struct wye_hub *hub = conn->hub;
    const bool granted = hub->settings->h2c && !hub->draining && !conn->tls;
    const bool bare = request->method_id == WYE_METHOD_GET && request->minor > 0 && !request->chunked && request->content_bytes == 0;
    return granted && bare && request->lists_upgrade && wye_request_offers(request, WYE_SPAN("h2c"));
}

static uint32_t number_at(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Are these the entries of a SETTINGS frame, in the ranges that they may have (RFC 9113 6.5.2)? */
static bool are_settings(const uint8_t *payload, size_t count) {
    if (count % SETTINGS_ENTRY) return false;
    for (const uint8_t *entry = payload; entry < payload + count; entry += SETTINGS_ENTRY) {
        const uint32_t value = number_at(entry + 2);
        switch (entry[0] << 8 | entry[1]) {
        case NGHTTP2_SETTINGS_ENABLE_PUSH:
            if (value > 1) return false;
            break;
        case NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE:
            if (value > INT32_MAX) return false;
            break;
        case NGHTTP2_SETTINGS_MAX_FRAME_SIZE:
            if (value < 1 << 14 || value >= 1 << 24) return false;
            break;
        default: break;
        }
    }
    return true;
}

/* HTTP2-Settings (RFC 7540 3.2.1). >= 0: bytes of *payload. -1: it isn't one. */
static ptrdiff_t read_settings(uint8_t payload[SETTINGS_MAX], const struct wye_request *request) {
    struct wye_span value = wye_request_field(request, WYE_FIELD_HTTP2_SETTINGS);
    if (WYE_BASE64URL_BYTES(value.count) > SETTINGS_MAX) return -1;
    ptrdiff_t count = wye_base64url_decode(payload, value);
    return count >= 0 && are_settings(payload, (size_t)count) ? count : -1;
}

static void check_settings(const struct wye_request *request, struct wye_refusal *refusal) {
    uint8_t payload[SETTINGS_MAX];
    enum wye_cause cause = WYE_CAUSE_NONE;
    if (wye_request_repeats(request, WYE_FIELD_HTTP2_SETTINGS)) cause = WYE_CAUSE_DOUBLED;
    else if (!wye_request_has(request, WYE_FIELD_HTTP2_SETTINGS)) cause = WYE_CAUSE_NONE;
    else if (read_settings(payload, request) < 0) cause = WYE_CAUSE_SETTINGS;
    else if (!wye_request_lists(request, WYE_FIELD_CONNECTION, WYE_SPAN("http2-settings"))) cause = WYE_CAUSE_NOT_LISTED;
    else return;
    wye_refusal_add_cause(refusal, WYE_RULE_HTTP2_SETTINGS, wye_request_field(request, WYE_FIELD_HTTP2_SETTINGS), cause);
}

static int h2c_agree(const struct wye_protocol *protocol, const struct wye_request *request, const struct wye_situation *situation,
                     struct wye_agreement *agreement, struct wye_refusal *refusal) {
    const struct wye_upgrade_terms terms = {.token = protocol->token};
    int status = wye_upgrade_check(request, &terms, situation->policy, &agreement->upgrade, refusal);
    check_settings(request, refusal);
    return refusal->failed ? -refusal->status : status; /* a node that is about to stop isn't asked: it ignores the wish */
}

/* ---- what nghttp2 tells ---- */

/* 0 goes on; anything else ends the session. */
static int or_fail(int trouble) { return trouble < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0; }

static struct wye_h2c_stream *stream_of(nghttp2_session *session, int32_t id) { return nghttp2_session_get_stream_user_data(session, id); }

static bool is_request(const nghttp2_frame *frame) {
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct wye_conn *conn = user;
    struct h2c *h2c = wye_conn_state(conn);
    (void)session;
    if (!is_request(frame)) return 0;
    struct wye_h2c_head *head = wye_h2c_head_begin(h2c->head); /* one is there if it was wrong, and its stream is yet to be reset */
    if (!head) return NGHTTP2_ERR_CALLBACK_FAILURE;
    h2c->head = head;
    if (!wye_h2c_stream_open(conn, frame->hd.stream_id)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    h2c->head_ns = conn->hub->now_ns;
    wye_h2c_wake_within(conn, conn->hub->settings->head_timeout_ns);
    return 0;
}

/* A field that is malformed makes its request so (RFC 9113 8.2.1); nghttp2 would leave it out. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_bytes,
                             const uint8_t *value, size_t value_bytes, uint8_t flags, void *user) {
    (void)session, (void)frame, (void)name, (void)name_bytes, (void)value, (void)value_bytes, (void)flags, (void)user;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_bytes, const uint8_t *value,
                     size_t value_bytes, uint8_t flags, void *user) {
    struct h2c *h2c = wye_conn_state(user);
    (void)session, (void)flags;
    if (is_request(frame))
        wye_h2c_field(h2c->head, (struct wye_span){(const char *)name, name_bytes}, (struct wye_span){(const char *)value, value_bytes});
    return 0;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct wye_conn *conn = user;
    struct h2c *h2c = wye_conn_state(conn);
    const bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct wye_h2c_stream *stream = frame->hd.stream_id ? stream_of(session, frame->hd.stream_id) : NULL;
    int trouble = 0;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS: h2c->speaks = true; break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        if (!stream) break;
        h2c->active_ns = conn->hub->now_ns;
        if (is_request(frame)) trouble = wye_h2c_request(conn, stream, !ends);
        if (trouble == 0 && ends) trouble = wye_h2c_body_end(conn, stream);
        break;
    default: break;
    }
    return or_fail(trouble);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t count, void *user) {
    struct wye_conn *conn = user;
    struct h2c *h2c = wye_conn_state(conn);
    struct wye_h2c_stream *stream = stream_of(session, id);
    (void)flags;
    h2c->active_ns = conn->hub->now_ns;
    return stream ? or_fail(wye_h2c_body(conn, stream, bytes, count)) : 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
    struct wye_conn *conn = user;
    struct h2c *h2c = wye_conn_state(conn);
    struct wye_h2c_stream *stream = stream_of(session, id);
    (void)code;
    if (h2c->head && h2c->streams == stream) { /* the newest, whose block was wrong */
        free(h2c->head);
        h2c->head = NULL;
    }
    if (stream) wye_h2c_stream_close(conn, stream);
    h2c->active_ns = conn->hub->now_ns;
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    const struct wye_conn *conn = user;
    struct h2c *h2c = wye_conn_state(user);
    const bool answers = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && h2c->reason == 0) h2c->reason = -EPROTO;
    if (frame->hd.type == NGHTTP2_DATA && frame->hd.length) h2c->active_ns = conn->hub->now_ns;
    if (!answers || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    /* It is answered before all of it has come: the rest isn't wanted (RFC 9113 8.1). */
    const struct wye_h2c_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream && !stream->peer_done) nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

/* A server's session. NULL: no memory. */
static nghttp2_session *session_open(struct wye_conn *conn) {
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    int trouble = nghttp2_session_server_new(&session, callbacks, conn);
    nghttp2_session_callbacks_del(callbacks);
    return trouble == 0 ? session : NULL;
}

/* ---- going on and ending ---- */

void wye_h2c_wake_within(struct wye_conn *conn, uint64_t delay_ns) {
    struct h2c *h2c = wye_conn_state(conn);
    const uint64_t due_ns = conn->hub->now_ns + delay_ns;
    if (conn->timer.set && h2c->due_ns <= due_ns) return;
    h2c->due_ns = due_ns;
    wye_conn_wake_in(conn, delay_ns);
}

void wye_h2c_flush(struct wye_conn *conn) {
    struct h2c *h2c = wye_conn_state(conn);
    while (conn->phase == WYE_CONN_OPEN && !(conn->pauses & WYE_PAUSE_OUTBOX)) {
        const uint8_t *bytes;
        ssize_t count = nghttp2_session_mem_send(h2c->session, &bytes);
        if (count < 0) wye_conn_close(conn, -ENOMEM);
        if (count <= 0) break;
        if (wye_conn_send(conn, bytes, (size_t)count) < 0) return;
    }
    if (conn->phase == WYE_CONN_OPEN && !nghttp2_session_want_read(h2c->session) && !nghttp2_session_want_write(h2c->session))
        wye_conn_finish(conn, h2c->reason, true);
}

/* Says GOAWAY, and nothing more. */
static void leave(struct wye_conn *conn, uint32_t code, int reason) {
    struct h2c *h2c = wye_conn_state(conn);
    h2c->reason = reason;
    nghttp2_session_terminate_session(h2c->session, code);
    wye_h2c_flush(conn);
    if (conn->phase == WYE_CONN_OPEN) wye_conn_finish(conn, reason, true);
}

static int h2c_open(struct wye_conn *conn, const struct wye_request *request, const struct wye_agreement *agreement) {
    static const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, WYE_H2C_STREAMS_MAX},
                                                      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, WYE_HEAD_MAX}};
    struct h2c *h2c = wye_conn_state(conn);
    uint8_t payload[SETTINGS_MAX];
    ptrdiff_t count = read_settings(payload, request);
    (void)agreement;
    assert(count >= 0); /* it was agreed to */
    h2c->active_ns = conn->hub->now_ns;
    h2c->session = session_open(conn);
    if (!h2c->session) return -ENOMEM;
    if (nghttp2_session_upgrade2(h2c->session, payload, (size_t)count, 0, NULL) != 0 ||
        nghttp2_submit_settings(h2c->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof settings[0]) != 0)
        return -ENOMEM;
    h2c->speaks = false; /* the settings in the request were taken for its first frame */
    struct wye_h2c_stream *stream = wye_h2c_stream_open(conn, 1); /* what asked to switch is its first request (RFC 7540 3.2) */
    if (!stream) return -ENOMEM;
    stream->peer_done = true;
    wye_h2c_wake_within(conn, conn->hub->settings->head_timeout_ns);
    wye_h2c_serve(conn, stream, request);
    wye_h2c_flush(conn);
    return 0;
}

static ptrdiff_t h2c_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    struct h2c *h2c = wye_conn_state(conn);
    ssize_t used = nghttp2_session_mem_recv(h2c->session, bytes, count < PIECE_BYTES ? count : PIECE_BYTES);
    if (conn->phase != WYE_CONN_OPEN) return (ptrdiff_t)count;
    if (used == NGHTTP2_ERR_NOMEM || used == NGHTTP2_ERR_CALLBACK_FAILURE) return -ENOMEM; /* the session is of no more use */
    if (used < 0) {
        leave(conn, NGHTTP2_PROTOCOL_ERROR, -EPROTO);
        return (ptrdiff_t)count;
    }
    wye_h2c_flush(conn);
    return used;
}

static int h2c_drained(struct wye_conn *conn) {
    wye_h2c_flush(conn);
    if (conn->phase == WYE_CONN_OPEN && conn->eof) wye_hub_ready(conn->hub, conn);
    return 0;
}

/* Takes no more requests, and ends when those that came are answered. */
static void drain(struct wye_conn *conn) {
    struct h2c *h2c = wye_conn_state(conn);
    if (!h2c->leaving)
        nghttp2_submit_goaway(h2c->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h2c->session), NGHTTP2_NO_ERROR,
                              NULL, 0);
    h2c->leaving = true;
    wye_h2c_flush(conn);
}

/* Bodies that don't go on are given up. When to look again, in ns. */
static uint64_t refuse_silent_bodies(struct wye_conn *conn, uint64_t most_ns) {
    struct h2c *h2c = wye_conn_state(conn);
    struct wye_hub *hub = conn->hub;
    uint64_t next_ns = UINT64_MAX;
    for (struct wye_h2c_stream *stream = h2c->streams; stream && conn->phase == WYE_CONN_OPEN; stream = stream->next) {
        if (!stream->post) continue;
        const uint64_t over_ns = conn->pauses ? 0 : hub->now_ns - stream->heard_ns; /* it isn't read meanwhile */
        if (over_ns < most_ns) {
            if (most_ns - over_ns < next_ns) next_ns = most_ns - over_ns;
            continue;
        }
        wye_refusal_begin(&hub->refusal, NULL, NULL);
        wye_refusal_add(&hub->refusal, WYE_RULE_BODY_TIME, (struct wye_span){0});
        wye_h2c_refuse_body(conn, stream);
    }
    wye_h2c_flush(conn);
    return next_ns;
}

static int h2c_wake(struct wye_conn *conn) {
    struct h2c *h2c = wye_conn_state(conn);
    const uint64_t now_ns = conn->hub->now_ns, head_ns = conn->hub->settings->head_timeout_ns;
    if (conn->hub->draining) drain(conn);
    if (conn->phase != WYE_CONN_OPEN || conn->timer.set) return 0;
    const uint64_t bodies_ns = refuse_silent_bodies(conn, head_ns);
    if (conn->phase != WYE_CONN_OPEN) return 0;
    const bool in_head = !h2c->speaks || h2c->head;
    const uint64_t since_ns = h2c->head ? h2c->head_ns : h2c->active_ns, most_ns = in_head ? head_ns : WYE_HTTP_KEEP_ALIVE_NS;
    uint64_t over_ns = now_ns - since_ns;
    if (conn->pauses == WYE_PAUSE_OUTBOX) over_ns = wye_conn_quiet_ns(conn, now_ns); /* not read, but it takes what it is sent */
    else if (conn->pauses || h2c->waiting) over_ns = 0; /* we are what it waits for */
    if (over_ns < most_ns) {
        wye_h2c_wake_within(conn, most_ns - over_ns < bodies_ns ? most_ns - over_ns : bodies_ns);
    } else if (in_head) {
        leave(conn, NGHTTP2_NO_ERROR, -408);
    } else {
        leave(conn, NGHTTP2_NO_ERROR, h2c->streams ? -ETIMEDOUT : 0);
    }
    return 0;
}

/* Answers that are owed are given first. */
static int h2c_eof(struct wye_conn *conn) {
    const struct h2c *h2c = wye_conn_state(conn);
    return h2c->waiting || nghttp2_session_want_write(h2c->session) ? 1 : 0;
}

static void h2c_fail(struct wye_conn *conn, int reason) {
    if (reason == -WYE_CLOSE_POLICY_VIOLATION) leave(conn, NGHTTP2_ENHANCE_YOUR_CALM, reason);
    else wye_conn_close(conn, reason);
}

static void h2c_close(struct wye_conn *conn, int reason) {
    struct h2c *h2c = wye_conn_state(conn);
    (void)reason;
    while (h2c->streams) wye_h2c_stream_close(conn, h2c->streams);
    nghttp2_session_del(h2c->session);
    free(h2c->head);
}

const struct wye_protocol wye_h2c = {
    .token = "h2c",
    .state_size = sizeof(struct h2c),
    .agree = h2c_agree,
    .open = h2c_open,
    .input = h2c_input,
    .drained = h2c_drained,
    .wake = h2c_wake,
    .eof = h2c_eof,
    .fail = h2c_fail,
    .close = h2c_close,
};
