#include "core/conn.h"

#include "core/allowance.h"
#include "core/hub.h"
#include "core/peer.h"
#include "core/tls.h"
#include "core/topic.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINGER_BYTES_MAX = 16 << 20,         /* discarded from a peer that should be silent */
    HALF_CLOSE_AFTER_NS = 30 * 1000000,  /* most peers close by themselves once they have the whole answer */
};
#define LINGER_NS (2 * UINT64_C(1000000000))

bool wye_conn_input_lasts(const struct wye_conn *conn) { return conn->hub->input_lasts; }

static int queue_run(struct wye_hub *hub);

/* ---- ending ---- */

void wye_conn_close(struct wye_conn *conn, int reason) {
    if (conn->phase >= WYE_CONN_SHUT) return;
    if (conn->reason == 0) conn->reason = reason; /* the first one counts */
    conn->phase = WYE_CONN_SHUT;
    wye_timers_clear(&conn->hub->timers, conn->index);
    wye_outbox_clear(&conn->outbox, &conn->hub->pool);
    if (conn->tls) wye_tls_forget_sealed(conn);
    wye_hub_dirty(conn->hub, conn);
}

/* Is there anything left to be sent? */
static bool conn_has_output(const struct wye_conn *conn) {
    return conn->outbox.bytes > 0 || conn->slot != WYE_SLOT_NONE || (conn->tls && wye_tls_owes(conn));
}

/* FINISHING, and nothing left to send. */
static void conn_drained_out(struct wye_conn *conn) {
    if (!conn->linger || conn->eof) {
        wye_conn_close(conn, conn->reason);
        return;
    }
    conn->phase = WYE_CONN_LINGERING;
    wye_conn_wake_in(conn, HALF_CLOSE_AFTER_NS);
    wye_hub_dirty(conn->hub, conn);
}

void wye_conn_finish(struct wye_conn *conn, int reason, bool linger) {
    if (conn->phase != WYE_CONN_OPEN) return;
    if (conn->hub->run.conn == conn) queue_run(conn->hub);
    if (conn->reason == 0) conn->reason = reason;
    conn->phase = WYE_CONN_FINISHING;
    conn->linger = linger;
    free(conn->tail);
    conn->tail = NULL;
    /* A peer that takes nothing is not waited for longer than a closing handshake. */
    wye_conn_wake_in(conn, conn->hub->settings->close_timeout_ns);
    wye_hub_dirty(conn->hub, conn);
    if (!conn_has_output(conn)) conn_drained_out(conn);
}

static void conn_fail(struct wye_conn *conn, int reason) {
    if (conn->phase != WYE_CONN_OPEN) return;
    if (conn->protocol->fail) conn->protocol->fail(conn, reason);
    else wye_conn_close(conn, reason);
}

void wye_conn_gone(struct wye_conn *conn) {
    assert(conn->phase == WYE_CONN_SHUT);
    conn->phase = WYE_CONN_GONE;
    if (conn->protocol->close) conn->protocol->close(conn, conn->reason);
    wye_topic_unsubscribe_all(conn);
    if (conn->slot != WYE_SLOT_NONE) wye_conn_slot_written(conn);
    wye_conn_resume(conn, WYE_PAUSE_PUBLISH);
    wye_allowance_shut(conn);
    wye_peer_left(conn);
    wye_timers_clear(&conn->hub->timers, conn->index);
    wye_outbox_clear(&conn->outbox, &conn->hub->pool);
    if (conn->tls) wye_tls_end(conn);
    free(conn->tail);
    conn->tail = NULL;
    if (conn->protocol->state_size > WYE_CONN_STATE_INLINE) free(conn->state.allocated);
    wye_count(&conn->hub->counters.closes[wye_reason_slot(conn->reason)], 1);
}

int wye_conn_switch(struct wye_conn *conn, const struct wye_protocol *protocol) {
    void *allocated = NULL;
    if (protocol->state_size > WYE_CONN_STATE_INLINE) {
        allocated = calloc(1, protocol->state_size);
        if (!allocated) return -ENOMEM;
    }
    if (conn->protocol && conn->protocol->state_size > WYE_CONN_STATE_INLINE) free(conn->state.allocated);
    memset(&conn->state, 0, sizeof conn->state);
    if (allocated) conn->state.allocated = allocated;
    conn->protocol = protocol;
    wye_conn_wake_never(conn);
    return 0;
}

/* ---- out ---- */

/* Does so much wait for the peer that it isn't read meanwhile? Half its outbox; or a little, when the node has no memory left. */
static bool outbox_is_full(const struct wye_conn *conn) {
    size_t bytes = wye_outbox_cost(&conn->outbox);
    if (bytes > conn->hub->settings->outbox_bytes / 2) return true;
    return bytes > WYE_CHUNK_LARGE_BYTES && !wye_hub_has_memory(conn->hub, 0);
}

/* Queues what wye_conn_send_lasting() gathered. */
static int queue_run(struct wye_hub *hub) {
    struct wye_reply_run run = hub->run;
    hub->run.conn = NULL;
    return wye_conn_send_slice(run.conn, (struct wye_slice){run.bytes, NULL, run.count});
}

void wye_conn_queue_lasting(struct wye_hub *hub) {
    if (hub->run.conn) queue_run(hub);
}

void wye_conn_send_lasting(struct wye_conn *conn, const uint8_t *bytes, size_t count) {
    struct wye_reply_run *run = &conn->hub->run;
    if (run->conn == conn && run->bytes + run->count == bytes) {
        run->count += count;
        return;
    }
    wye_conn_queue_lasting(conn->hub);
    *run = (struct wye_reply_run){conn, bytes, count};
}

/* Something was queued, or there was no memory for it. */
static int queued(struct wye_conn *conn, int trouble) {
    struct wye_hub *hub = conn->hub;
    if (trouble < 0) {
        wye_conn_close(conn, trouble);
        return trouble;
    }
    wye_hub_dirty(hub, conn);
    if (outbox_is_full(conn)) {
        conn->drains = true;
        wye_conn_pause(conn, WYE_PAUSE_OUTBOX);
    }
    return 0;
}

int wye_conn_send_slice(struct wye_conn *conn, struct wye_slice slice) {
    struct wye_hub *hub = conn->hub;
    wye_conn_queue_lasting(hub);
    if (conn->phase != WYE_CONN_OPEN) { /* nothing is sent after the last word */
        if (slice.chunk && slice.chunk != WYE_CHUNK_CONSTANT) wye_chunk_release(&hub->pool, slice.chunk);
        return 0;
    }
    if (!slice.chunk) conn->borrows = true;
    return queued(conn, wye_outbox_append(&conn->outbox, &hub->pool, slice));
}

int wye_conn_send_latest(struct wye_conn *conn, struct wye_slice slice, uint64_t key, struct wye_slice *older) {
    struct wye_hub *hub = conn->hub;
    assert(slice.chunk && conn->phase == WYE_CONN_OPEN && !hub->run.conn);
    return queued(conn, wye_outbox_put(&conn->outbox, &hub->pool, slice, key, older));
}

int wye_conn_send(struct wye_conn *conn, const void *bytes, size_t count) {
    if (count == 0) return 0;
    struct wye_chunk *chunk;
    uint8_t *copy = wye_chunk_append(&conn->hub->pool, count, &chunk);
    if (!copy) {
        wye_conn_close(conn, -ENOMEM);
        return -ENOMEM;
    }
    memcpy(copy, bytes, count);
    return wye_conn_send_slice(conn, (struct wye_slice){copy, chunk, count});
}

size_t wye_conn_gather(struct wye_conn *conn, struct iovec *to, size_t most, size_t *bytes) {
    if (!conn->tls) return wye_outbox_gather(&conn->outbox, to, most, bytes);
    size_t count = wye_tls_gather(conn, to, most, bytes);
    if (conn->phase == WYE_CONN_FINISHING && !conn_has_output(conn)) conn_drained_out(conn);
    return count;
}

void wye_conn_sent(struct wye_conn *conn, size_t count) {
    struct wye_hub *hub = conn->hub;
    wye_outbox_consume(&conn->outbox, &hub->pool, count);
    if (conn->tls) wye_tls_sent(conn, count);
    if (conn->phase == WYE_CONN_FINISHING && !conn_has_output(conn)) {
        conn_drained_out(conn);
    } else if (conn->phase == WYE_CONN_FINISHING) {
        wye_hub_dirty(hub, conn);
        wye_conn_wake_in(conn, hub->settings->close_timeout_ns); /* slow, but it takes what we send */
    } else if (conn->drains && !outbox_is_full(conn)) {
        conn->drains = false;
        wye_conn_resume(conn, WYE_PAUSE_OUTBOX);
        if (conn->phase == WYE_CONN_OPEN && conn->protocol->drained) {
            int reason = conn->protocol->drained(conn);
            if (reason < 0) conn_fail(conn, reason);
        }
    }
}

void wye_conn_slot_written(struct wye_conn *conn) {
    wye_hub_give_slot(conn->hub, conn->slot);
    conn->slot = WYE_SLOT_NONE;
    conn->slot_busy = false;
    if (conn->phase == WYE_CONN_FINISHING && conn->outbox.bytes == 0) conn_drained_out(conn);
    else if (conn->outbox.bytes > 0) wye_hub_dirty(conn->hub, conn);
}

/* ---- in ---- */

static void conn_keep_tail(struct wye_conn *conn, const uint8_t *bytes, size_t count) {
    if (wye_tail_keep(&conn->tail, bytes, count) < 0) wye_conn_close(conn, -ENOMEM);
}

struct wye_span wye_conn_unread(const struct wye_conn *conn) {
    return conn->tail ? (struct wye_span){(const char *)conn->tail->bytes, conn->tail->count} : (struct wye_span){0};
}

/* Hands bytes to whatever protocol is spoken, until they are used up or it wants more. Returns how many are left. */
static size_t conn_feed(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    conn->hub->reply = (struct wye_reply_site){0};
    while (count > 0 && conn->phase == WYE_CONN_OPEN && !conn->pauses) {
        /* Read anew in every round: after a 101 the bytes behind it belong to another protocol. */
        ptrdiff_t used = conn->protocol->input(conn, bytes, count);
        wye_conn_queue_lasting(conn->hub);
        if (used < 0) {
            conn_fail(conn, (int)used);
            return 0;
        }
        assert((size_t)used <= count);
        if (used == 0) break;
        bytes += used;
        count -= (size_t)used;
    }
    return conn->phase == WYE_CONN_OPEN ? count : 0;
}

static void conn_discard(struct wye_conn *conn, size_t count) {
    conn->lingered += (uint32_t)count;
    if (conn->lingered > LINGER_BYTES_MAX) wye_conn_close(conn, conn->reason);
}

static void conn_read_tail(struct wye_conn *conn) {
    struct wye_tail *tail = conn->tail;
    if (!tail || conn->phase != WYE_CONN_OPEN || conn->pauses) return;
    conn->tail = NULL; /* taken, so that finishing from inside may not free it */
    conn->hub->input_lasts = false;
    size_t left = conn_feed(conn, tail->bytes, tail->count);
    if (conn->phase != WYE_CONN_OPEN) left = 0;
    conn->tail = wye_tail_cut(tail, left);
}

void wye_conn_read_tail(struct wye_conn *conn) {
    conn_read_tail(conn);
    if (conn->tls && conn->phase == WYE_CONN_OPEN && !conn->pauses) wye_tls_read_on(conn);
}

/* Bytes for the protocol came, behind those of the tail. */
static void conn_take(struct wye_conn *conn, uint8_t *bytes, size_t count, bool lasts) {
    if (conn->tail || conn->pauses) {
        conn_keep_tail(conn, bytes, count);
        if (!conn->pauses) conn_read_tail(conn);
        return;
    }
    conn->hub->input_lasts = lasts;
    size_t left = conn_feed(conn, bytes, count);
    if (left > 0) conn_keep_tail(conn, bytes + count - left, left);
}

void wye_conn_opened(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    if (conn->phase == WYE_CONN_OPEN) conn_take(conn, bytes, count, false);
}

/* Of one that may say only so much. Apart: those that may say anything pay for a look at a pointer. */
__attribute__((noinline)) static void input_allowed(struct wye_conn *conn, uint8_t *bytes, size_t count, bool lasts) {
    int reason = wye_allowance_bytes(conn, count);
    if (reason < 0) {
        conn_fail(conn, reason);
        return;
    }
    if (conn->tls) wye_tls_input(conn, bytes, count);
    else conn_take(conn, bytes, count, lasts);
    wye_allowance_pace(conn);
}

void wye_conn_input(struct wye_conn *conn, uint8_t *bytes, size_t count, bool lasts) {
    struct wye_hub *hub = conn->hub;
    conn->heard_tick = wye_tick_of(hub->now_ns);
    wye_count(&hub->counters.bytes_in, count);
    if (conn->phase == WYE_CONN_FINISHING || conn->phase == WYE_CONN_LINGERING) {
        conn_discard(conn, count);
        return;
    }
    if (conn->phase != WYE_CONN_OPEN) return;
    if (conn->allowance) input_allowed(conn, bytes, count, lasts);
    else if (conn->tls) wye_tls_input(conn, bytes, count);
    else conn_take(conn, bytes, count, lasts);
}

void wye_conn_eof(struct wye_conn *conn) {
    conn->eof = true;
    switch (conn->phase) {
    case WYE_CONN_OPEN: {
        if (conn->tail && (conn->pauses || conn->ready)) return; /* read on first; see hub_read_tails() */
        if (conn->tls && wye_tls_has_unread(conn)) return;       /* likewise */
        bool cut_off = conn->tls && wye_tls_is_cut_off(conn);
        int reason = conn->protocol->eof ? conn->protocol->eof(conn) : 0;
        if (cut_off && reason <= 0) wye_count(&conn->hub->counters.tls_cut_off, 1);
        if (reason < 0) wye_conn_close(conn, reason);
        else if (reason == 0) wye_conn_finish(conn, cut_off ? -ECONNABORTED : 0, false);
        break;
    }
    case WYE_CONN_LINGERING: wye_conn_close(conn, conn->reason); break;
    default: break;
    }
}

/* ---- pausing and waking ---- */

void wye_conn_pause(struct wye_conn *conn, enum wye_conn_pause why) {
    if (conn->pauses & why) return;
    if (why == WYE_PAUSE_PUBLISH) {
        conn->hub->stalled++;
        if (conn->index < conn->hub->stalled_first) conn->hub->stalled_first = conn->index;
    }
    if (!conn->pauses) {
        wye_count(&conn->hub->counters.pauses, 1);
        wye_hub_dirty(conn->hub, conn);
    }
    conn->pauses |= (uint8_t)why;
}

void wye_conn_resume(struct wye_conn *conn, enum wye_conn_pause why) {
    if (!(conn->pauses & why)) return;
    if (why == WYE_PAUSE_PUBLISH) conn->hub->stalled--;
    conn->pauses &= (uint8_t)~why;
    if (conn->pauses || conn->phase != WYE_CONN_OPEN) return;
    wye_hub_dirty(conn->hub, conn);
    wye_hub_ready(conn->hub, conn);
}

void wye_conn_wake_in(struct wye_conn *conn, uint64_t delay_ns) {
    struct wye_hub *hub = conn->hub;
    /* Bytes come before wye_hub_advance(): the wheel may still stand where it stood before a long sleep. */
    uint32_t behind = wye_tick_of(hub->now_ns) - hub->timers.now;
    wye_timers_set(&hub->timers, conn->index, behind + wye_ticks_in(delay_ns));
}

void wye_conn_wake_never(struct wye_conn *conn) { wye_timers_clear(&conn->hub->timers, conn->index); }

uint64_t wye_conn_token_ns(const struct wye_conn *conn) {
    const uint64_t second_ns = 1000000000, now_s = conn->hub->unix_s;
    if (conn->expires_s == 0) return UINT64_MAX;
    if (now_s >= conn->expires_s) return 0;
    /* Whole seconds are all that is known: some part of this one is over. */
    uint64_t left_s = conn->expires_s - now_s;
    return left_s > 1 ? (left_s - 1) * second_ns : second_ns / 8;
}

void wye_conn_wake(struct wye_conn *conn) {
    switch (conn->phase) {
    case WYE_CONN_OPEN: {
        int reason = conn->protocol->wake ? conn->protocol->wake(conn) : 0;
        if (reason < 0) conn_fail(conn, reason);
        break;
    }
    case WYE_CONN_FINISHING: wye_conn_close(conn, conn->reason); break;
    case WYE_CONN_LINGERING:
        if (conn->half_close) {
            wye_conn_close(conn, conn->reason);
        } else {
            conn->half_close = true;
            wye_hub_dirty(conn->hub, conn);
            wye_conn_wake_in(conn, LINGER_NS);
        }
        break;
    default: break;
    }
}
