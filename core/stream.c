/* /stream, `Upgrade: wye-echo`: the smallest protocol of one's own. Bytes come back as they come. */
#include "core/conn.h"
#include "core/hub.h"
#include "core/site.h"

#include <errno.h>

/* Sets the timer for the idle time-out, of which so much is over, and the end of the token. */
static void stream_schedule(struct wye_conn *conn, uint64_t quiet_ns) {
    uint64_t idle_ns = conn->hub->settings->idle_timeout_ns, wait_ns = wye_conn_token_ns(conn);
    uint64_t left_ns = idle_ns == 0 ? UINT64_MAX : quiet_ns < idle_ns ? idle_ns - quiet_ns : 1;
    if (left_ns < wait_ns) wait_ns = left_ns;
    if (wait_ns != UINT64_MAX) wye_conn_wake_in(conn, wait_ns);
    else wye_conn_wake_never(conn);
}

static int stream_agree(const struct wye_protocol *protocol, const struct wye_request *request,
                        const struct wye_situation *situation, struct wye_agreement *agreement,
                        struct wye_refusal *refusal) {
    const struct wye_upgrade_terms terms = {.token = protocol->token};
    int status = wye_upgrade_check(request, &terms, situation->policy, &agreement->upgrade, refusal);
    if (status > 0 && situation->draining)
        return wye_refusal_add(refusal, WYE_RULE_LOAD, WYE_SPAN("it is about to stop"));
    return status;
}

static int stream_open(struct wye_conn *conn, const struct wye_request *request,
                       const struct wye_agreement *agreement) {
    (void)request, (void)agreement;
    stream_schedule(conn, 0);
    return 0;
}

static ptrdiff_t stream_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    int trouble = wye_conn_input_lasts(conn) ? wye_conn_send_slice(conn, (struct wye_slice){bytes, NULL, count})
                                             : wye_conn_send(conn, bytes, count);
    return trouble < 0 ? trouble : (ptrdiff_t)count;
}

static void stream_retime(struct wye_conn *conn) {
    stream_schedule(conn, wye_conn_quiet_ns(conn, conn->hub->now_ns));
}

/* The node drains, or the token has expired: what came has been sent back, and the stream ends. Or the peer was silent for too long. */
static int stream_wake(struct wye_conn *conn) {
    if (conn->hub->draining) wye_conn_finish(conn, 0, true);
    if (conn->phase != WYE_CONN_OPEN) return 0;
    if (wye_conn_token_ns(conn) == 0) {
        wye_count(&conn->hub->counters.tokens_expired, 1);
        wye_conn_finish(conn, -WYE_CLOSE_POLICY_VIOLATION, true);
        return 0;
    }
    uint64_t quiet_ns = wye_conn_quiet_ns(conn, conn->hub->now_ns);
    uint64_t idle_ns = conn->hub->settings->idle_timeout_ns;
    if (idle_ns && quiet_ns >= idle_ns) return -ETIMEDOUT;
    stream_schedule(conn, quiet_ns);
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
