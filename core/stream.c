/* /stream, `Upgrade: wye-echo`: the smallest protocol of one's own. Bytes come back as they come. */
#include "core/conn.h"
#include "core/hub.h"
#include "core/site.h"

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
    (void)conn, (void)request, (void)agreement;
    return 0;
}

static ptrdiff_t stream_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    int trouble = wye_conn_input_lasts(conn) ? wye_conn_send_slice(conn, (struct wye_slice){bytes, NULL, count})
                                             : wye_conn_send(conn, bytes, count);
    return trouble < 0 ? trouble : (ptrdiff_t)count;
}

/* The node drains: what came has been sent back, and the stream ends. */
static int stream_wake(struct wye_conn *conn) {
    if (conn->hub->draining) wye_conn_finish(conn, 0, true);
    return 0;
}

const struct wye_protocol wye_stream = {
    .token = "wye-echo",
    .agree = stream_agree,
    .open = stream_open,
    .input = stream_input,
    .wake = stream_wake,
};
