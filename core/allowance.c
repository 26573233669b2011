#include "core/allowance.h"

#include "core/hub.h"
#include "handshake/upgrade.h"

#include <errno.h>
#include <stdlib.h>

static const char too_many[] = "more messages than this node takes from one connection (see --message-rate)";
static const char too_much[] = "more bytes than this node takes from one connection (see --byte-rate)";

/* ---- those that wait ---- */

static struct wye_allowance *allowance_at(const struct wye_hub *hub, uint32_t place) { return hub->conns[hub->paced.heap[place]].allowance; }

static void put(struct wye_hub *hub, uint32_t place, uint32_t index) {
    hub->paced.heap[place] = index;
    hub->conns[index].allowance->place = place + 1;
}

/* Moves what stands at `place` to where it belongs. */
static void sift(struct wye_hub *hub, uint32_t place) {
    const uint32_t index = hub->paced.heap[place];
    const uint64_t due_ns = hub->conns[index].allowance->due_ns;
    while (place > 0 && allowance_at(hub, (place - 1) / 2)->due_ns > due_ns) {
        put(hub, place, hub->paced.heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (uint32_t child; (child = 2 * place + 1) < hub->paced.count; place = child) {
        if (child + 1 < hub->paced.count && allowance_at(hub, child + 1)->due_ns < allowance_at(hub, child)->due_ns) child++;
        if (allowance_at(hub, child)->due_ns >= due_ns) break;
        put(hub, place, hub->paced.heap[child]);
    }
    put(hub, place, index);
}

static bool wait_in_line(struct wye_conn *conn) {
    struct wye_paced *paced = &conn->hub->paced;
    if (paced->count == paced->capacity) {
        uint32_t capacity = paced->capacity ? paced->capacity * 2 : 64;
        uint32_t *heap = realloc(paced->heap, capacity * sizeof heap[0]);
        if (!heap) return false;
        paced->heap = heap;
        paced->capacity = capacity;
    }
    paced->heap[paced->count++] = conn->index;
    sift(conn->hub, paced->count - 1);
    return true;
}

static void leave_line(struct wye_hub *hub, struct wye_allowance *allowance) {
    if (!allowance->place) return;
    uint32_t place = allowance->place - 1, last = hub->paced.heap[--hub->paced.count];
    allowance->place = 0;
    if (place == hub->paced.count) return;
    put(hub, place, last);
    sift(hub, place);
}

/* ---- a connection's ---- */

int wye_allowance_open(struct wye_conn *conn) {
    conn->allowance = calloc(1, sizeof *conn->allowance);
    return conn->allowance ? 0 : -ENOMEM;
}

void wye_allowance_shut(struct wye_conn *conn) {
    if (!conn->allowance) return;
    leave_line(conn->hub, conn->allowance);
    free(conn->allowance);
    conn->allowance = NULL;
}

static int exceed(struct wye_conn *conn, const char *fault) {
    conn->hub->fault = fault;
    wye_count(&conn->hub->counters.rate_closed, 1);
    return -WYE_CLOSE_POLICY_VIOLATION;
}

bool wye_allowance_may_say(const struct wye_conn *conn) {
    const struct wye_settings *settings = conn->hub->settings;
    if (settings->on_rate == WYE_ON_RATE_PAUSE || !settings->message_rate.tokens) return true;
    return wye_bucket_wait_ns(&conn->allowance->messages, &settings->message_rate, conn->hub->now_ns, 1) == 0;
}

int wye_allowance_message(struct wye_conn *conn) {
    const struct wye_settings *settings = conn->hub->settings;
    if (!settings->message_rate.tokens) return 0;
    if (!wye_allowance_may_say(conn)) return exceed(conn, too_many);
    wye_bucket_take(&conn->allowance->messages, &settings->message_rate, conn->hub->now_ns, 1);
    wye_allowance_pace(conn);
    return 0;
}

int wye_allowance_bytes(struct wye_conn *conn, size_t count) {
    const struct wye_settings *settings = conn->hub->settings;
    const struct wye_rate *rate = &settings->byte_rate;
    struct wye_bucket *bucket = &conn->allowance->bytes;
    if (!rate->tokens) return 0;
    if (settings->on_rate == WYE_ON_RATE_CLOSE &&
        (count > rate->burst || wye_bucket_wait_ns(bucket, rate, conn->hub->now_ns, count)))
        return exceed(conn, too_much);
    wye_bucket_take(bucket, rate, conn->hub->now_ns, count);
    return 0;
}

/* How long until both buckets have a token. */
static uint64_t wait_ns(struct wye_conn *conn) {
    const struct wye_settings *settings = conn->hub->settings;
    struct wye_allowance *allowance = conn->allowance;
    uint64_t now_ns = conn->hub->now_ns, messages = 0, bytes = 0;
    if (settings->on_rate != WYE_ON_RATE_PAUSE) return 0;
    if (settings->message_rate.tokens) messages = wye_bucket_wait_ns(&allowance->messages, &settings->message_rate, now_ns, 1);
    if (settings->byte_rate.tokens) bytes = wye_bucket_wait_ns(&allowance->bytes, &settings->byte_rate, now_ns, 1);
    return messages > bytes ? messages : bytes;
}

void wye_allowance_pace(struct wye_conn *conn) {
    if (conn->allowance->place || conn->phase != WYE_CONN_OPEN) return;
    uint64_t wait = wait_ns(conn);
    if (wait == 0) return;
    conn->allowance->due_ns = conn->hub->now_ns + wait;
    if (!wait_in_line(conn)) {
        wye_conn_close(conn, -ENOMEM);
        return;
    }
    wye_count(&conn->hub->counters.rate_paused, 1);
    wye_conn_pause(conn, WYE_PAUSE_RATE);
}

void wye_allowances_advance(struct wye_hub *hub) {
    while (hub->paced.count > 0 && allowance_at(hub, 0)->due_ns <= hub->now_ns) {
        struct wye_conn *conn = &hub->conns[hub->paced.heap[0]];
        uint64_t wait = wait_ns(conn); /* more came meanwhile, that had been on its way */
        if (wait > 0) {
            conn->allowance->due_ns = hub->now_ns + wait;
            sift(hub, 0);
            continue;
        }
        leave_line(hub, conn->allowance);
        wye_conn_resume(conn, WYE_PAUSE_RATE);
    }
}

uint64_t wye_allowances_wait_ns(const struct wye_hub *hub, uint64_t now_ns) {
    if (hub->paced.count == 0) return UINT64_MAX;
    uint64_t due_ns = allowance_at(hub, 0)->due_ns;
    return due_ns > now_ns ? due_ns - now_ns : 0;
}
