/* /stream, `Upgrade: wye-echo`: the smallest protocol of one's own. Bytes come back as they come. */
#include "core/conn.h"
#include "core/hub.h"
#include "core/site.h"

#include <errno.h>

static int stream_agree(const struct wye_protocol *protocol, const struct wye_request *request,
                        const struct wye_situation *situation, struct wye_agreement *agreement,
                        struct wye_refusal *refusal) {
    const struct wye_upgrade_terms terms = {.token = protocol->token};
    int status = wye_upgrade_check(request, &terms, situation->policy, &agreement->upgrade, refusal);
    if (status > 0 && situation->draining) return wye_refusal_add(refusal, WYE_RULE_LOAD, (struct wye_span){0});
    return status;
}

static int stream_open(struct wye_conn *conn, const struct wye_request *request,
                       const struct wye_agreement *agreement) {
    (void)request, (void)agreement;
    uint64_t idle_ns = conn->hub->settings->idle_timeout_ns;
    if (idle_ns) wye_conn_wake_in(conn, idle_ns);
    return 0;
}

static ptrdiff_t stream_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    int trouble = wye_conn_input_lasts(conn) ? wye_conn_send_slice(conn, (struct wye_slice){bytes, NULL, count})
                                             : wye_conn_send(conn, bytes, count);
    return trouble < 0 ? trouble : (ptrdiff_t)count;
}

static void stream_retime(struct wye_conn *conn) {
    uint64_t quiet_ns = (uint64_t)(wye_tick_of(conn->hub->now_ns) - conn->heard_tick) << WYE_TICK_SHIFT;
    uint64_t idle_ns = conn->hub->settings->idle_timeout_ns;
    if (idle_ns) wye_conn_wake_in(conn, quiet_ns < idle_ns ? idle_ns - quiet_ns : 1);
    else wye_conn_wake_never(conn);
}

/* The node drains: what came has been sent back, and the stream ends. Or the peer was silent for too long. */
static int stream_wake(struct wye_conn *conn) {
    if (conn->hub->draining) wye_conn_finish(conn, 0, true);
    if (conn->phase != WYE_CONN_OPEN) return 0;
    uint64_t quiet_ns = (uint64_t)(wye_tick_of(conn->hub->now_ns) - conn->heard_tick) << WYE_TICK_SHIFT;
    uint64_t idle_ns = conn->hub->settings->idle_timeout_ns;
    if (quiet_ns >= idle_ns) return -ETIMEDOUT;
    wye_conn_wake_in(conn, idle_ns - quiet_ns);
    return 0;
}

const struct wye_protocol wye_stream = {
    .token = "wye-echo",
    .agree = stream_agree,
    .open = stream_open,
    .input = stream_input,
    .wake = stream_wake,
    .retime = stream_retime,
};
