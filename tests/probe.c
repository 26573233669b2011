#include "tests/probe.h"

#include <assert.h>

struct probe probe;

void probe_reset(void) {
    wire_free(&probe.seen);
    probe = (struct probe){0};
}

static ptrdiff_t probe_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    uint8_t *state = wye_conn_state(conn);
    probe.inputs++;
    if (probe.input_reason) return probe.input_reason;
    if (count < probe.needs) return 0;
    size_t used = probe.takes && probe.takes < count ? probe.takes : count;
    wire_add(&probe.seen, bytes, used);
    for (size_t i = 0; i < conn->protocol->state_size; i++) state[i]++; /* all of it is ours */
    if (probe.on_input) probe.on_input(conn, bytes, used);
    return (ptrdiff_t)used;
}

static int probe_drained(struct wye_conn *conn) {
    (void)conn;
    probe.drained++;
    return probe.drained_reason;
}

static int probe_wake(struct wye_conn *conn) {
    (void)conn;
    probe.wakes++;
    return probe.wake_reason;
}

static int probe_eof(struct wye_conn *conn) {
    (void)conn;
    probe.eofs++;
    return probe.eof_reason;
}

static void probe_fail(struct wye_conn *conn, int reason) {
    probe.fails++;
    wye_conn_send(conn, "failed", 6);
    wye_conn_finish(conn, reason, true);
}

static void probe_close(struct wye_conn *conn, int reason) {
    assert(conn->phase == WYE_CONN_GONE);
    probe.closes++;
    probe.closed_for = reason;
}

#define PROBE_FUNCTIONS                                                                                      \
    .input = probe_input, .drained = probe_drained, .wake = probe_wake, .eof = probe_eof,                    \
    .fail = probe_fail, .close = probe_close

const struct wye_protocol probe_inline = {.state_size = WYE_CONN_STATE_INLINE, PROBE_FUNCTIONS};
const struct wye_protocol probe_allocated = {.state_size = WYE_CONN_STATE_INLINE + 1, PROBE_FUNCTIONS};
const struct wye_protocol probe_bare = {.input = probe_input, .drained = probe_drained, .close = probe_close};
