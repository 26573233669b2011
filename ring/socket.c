#include "ring/socket.h"

#include "handshake/opening.h"

#include <assert.h>
#include <errno.h>

enum {
    RECEIVE_BYTES_MAX = 65536, /* what one socket takes of the buffers in a turn, or in one arming */
    SLICES_MAX = 16,           /* of one send */
};

void wye_sockets_init(struct wye_sockets *sockets, struct wye_hub *hub, struct wye_kernel *kernel,
                      struct wye_supply *supply, struct wye_socket *memory, bool bounded) {
    *sockets = (struct wye_sockets){
        .hub = hub,
        .kernel = kernel,
        .supply = supply,
        .at = memory,
        .bounded = bounded,
        .starved = {WYE_INDEX_NONE, WYE_INDEX_NONE},
        .chores = WYE_INDEX_NONE,
    };
}

static struct wye_socket *socket_of(struct wye_sockets *sockets, const struct wye_conn *conn) {
    return &sockets->at[conn->index];
}

static uint64_t tag_of(enum wye_operation operation, const struct wye_conn *conn) {
    return wye_tag(operation, conn->index, conn->generation);
}

/* To the back of the line for receive buffers. */
static void starve(struct wye_sockets *sockets, uint32_t index) {
    struct wye_socket *socket = &sockets->at[index];
    if (socket->starved) return;
    socket->starved = true;
    socket->starved_next = WYE_INDEX_NONE;
    if (sockets->starved.head == WYE_INDEX_NONE) sockets->starved.head = index;
    else sockets->at[sockets->starved.tail].starved_next = index;
    sockets->starved.tail = index;
}

void wye_socket_open(struct wye_sockets *sockets, struct wye_conn *conn, int descriptor) {
    struct wye_socket *socket = socket_of(sockets, conn);
    assert(socket->flight == 0 && !socket->starved && !socket->chore);
    *socket = (struct wye_socket){.descriptor = descriptor};
}

/* ---- completions ---- */

static void received(struct wye_sockets *sockets, struct wye_conn *conn, struct wye_socket *socket,
                     const struct wye_completion *completion) {
    struct wye_counters *counters = &sockets->hub->counters;
    if (completion->result > 0) {
        uint8_t *bytes = wye_supply_take(sockets->supply, completion);
        uint32_t count = (uint32_t)completion->result;
        wye_count(&counters->receives, 1);
        if (socket->taken_turn != sockets->turn) {
            socket->taken_turn = sockets->turn;
            socket->taken = 0;
        }
        socket->taken += count;
        wye_conn_input(conn, bytes, count, true);
        if (!sockets->bounded && socket->taken > RECEIVE_BYTES_MAX) wye_hub_dirty(sockets->hub, conn);
    } else if (completion->has_buffer) {
        wye_supply_take(sockets->supply, completion);
    }
    if (!completion->more) {
        socket->armed = socket->cancelled = false;
        socket->flight--;
        wye_hub_dirty(sockets->hub, conn); /* it may have to be armed again */
    }
    if (completion->result > 0) return;
    switch (completion->result) {
    case 0: wye_conn_eof(conn); break;
    case -ENOBUFS:
        wye_count(&counters->starved, 1);
        starve(sockets, conn->index);
        break;
    case -ECANCELED:
    case -EINTR:
    case -EAGAIN: break;
    default: wye_conn_close(conn, completion->result);
    }
}

static void slot_written(struct wye_conn *conn, const struct wye_completion *completion) {
    int bytes = conn->hub->slot_used[conn->slot];
    wye_conn_slot_written(conn);
    /* So few bytes into an empty socket: short is as wrong as none. */
    if (completion->result < 0) wye_conn_close(conn, completion->result);
    else if (completion->result < bytes) wye_conn_close(conn, -EPIPE);
    else wye_count(&conn->hub->counters.bytes_out, (uint64_t)completion->result);
}

void wye_socket_complete(struct wye_sockets *sockets, const struct wye_completion *completion) {
    struct wye_hub *hub = sockets->hub;
    struct wye_conn *conn = wye_hub_find(hub, wye_tag_index(completion->tag), wye_tag_generation(completion->tag));
    assert(conn); /* its memory waits for the kernel: nothing comes for one that is no more */
    struct wye_socket *socket = socket_of(sockets, conn);
    assert(socket->flight > 0);
    switch (wye_tag_operation(completion->tag)) {
    case WYE_OPERATION_RECEIVE: received(sockets, conn, socket, completion); return;
    case WYE_OPERATION_WRITE_SLOT:
        socket->flight--;
        slot_written(conn, completion);
        break;
    case WYE_OPERATION_WRITABLE:
        socket->flight--;
        socket->polling = socket->unpolled = false;
        conn->blocked = false;
        conn->heard_tick = wye_tick_of(hub->now_ns); /* the peer took something: it lives */
        break;
    case WYE_OPERATION_SHUTDOWN: socket->flight--; break;
    default: assert(false && "a completion that no socket asked for");
    }
    wye_hub_dirty(hub, conn);
}

/* ---- sending ---- */

/* A send that was asked for and whose outcome isn't known yet. */
struct sending {
    struct wye_conn *conn;
    size_t bytes;
    int result; /* as asked for, unless a completion says otherwise */
};

static bool ask_to_send(struct wye_sockets *sockets, struct wye_conn *conn, struct sending *sending) {
    struct wye_hub *hub = sockets->hub;
    struct wye_socket *socket = socket_of(sockets, conn);
    if (conn->slot_busy || conn->blocked || conn->phase >= WYE_CONN_SHUT) return false;
    sending->conn = conn;
    if (conn->slot != WYE_SLOT_NONE) {
        const uint8_t *slot = hub->slots + (size_t)conn->slot * hub->slot_bytes;
        conn->slot_busy = true;
        socket->flight++;
        wye_count(&hub->counters.slots_written, 1);
        wye_count(&hub->counters.sends, 1);
        sending->bytes = 0;
        sending->result = 0;
        wye_kernel_write_slot(sockets->kernel, socket->descriptor, tag_of(WYE_OPERATION_WRITE_SLOT, conn),
                              slot, hub->slot_used[conn->slot]);
        return true;
    }
    struct iovec slices[SLICES_MAX];
    size_t count = wye_conn_gather(conn, slices, SLICES_MAX, &sending->bytes);
    if (count == 0) return false;
    sending->result = (int)sending->bytes;
    wye_count(&hub->counters.sends, 1);
    wye_kernel_send(sockets->kernel, socket->descriptor, tag_of(WYE_OPERATION_SEND, conn), slices, count);
    return true;
}

/* What has happened to a send is known now. */
static void sent(struct wye_sockets *sockets, const struct sending *sending) {
    struct wye_conn *conn = sending->conn;
    struct wye_hub *hub = sockets->hub;
    if (sending->bytes == 0) return; /* a slot: it has a completion of its own */
    if (conn->phase >= WYE_CONN_SHUT) return;
    bool failed = sending->result < 0 && sending->result != -EAGAIN;
    if (failed) {
        wye_conn_close(conn, sending->result);
        return;
    }
    size_t count = sending->result < 0 ? 0 : (size_t)sending->result;
    wye_count(&hub->counters.bytes_out, count);
    if (count < sending->bytes) {
        wye_count(&hub->counters.short_sends, 1);
        conn->blocked = true;
    }
    if (count > 0) wye_conn_sent(conn, count);
    if (conn->phase < WYE_CONN_SHUT && (conn->blocked || conn->outbox.bytes > 0)) wye_hub_dirty(hub, conn);
}

static void submit(struct wye_sockets *sockets, struct sending *batch, unsigned count) {
    struct wye_completion completions[WYE_KERNEL_SENDS_MAX];
    unsigned completed = wye_kernel_submit_sends(sockets->kernel, completions, WYE_KERNEL_SENDS_MAX);
    for (unsigned i = 0; i < completed; i++) {
        if (wye_tag_operation(completions[i].tag) != WYE_OPERATION_SEND) {
            wye_socket_complete(sockets, &completions[i]);
            continue;
        }
        /* Completions come in the order of the sends, but for those that succeeded and say nothing. */
        for (unsigned at = 0; at < count; at++) {
            if (batch[at].conn->index == wye_tag_index(completions[i].tag) && batch[at].bytes > 0)
                batch[at].result = completions[i].result;
        }
    }
    for (unsigned i = 0; i < count; i++) sent(sockets, &batch[i]);
}

/* ---- chores ---- */

static void arm(struct wye_sockets *sockets, struct wye_conn *conn, struct wye_socket *socket) {
    if (socket->rearms) wye_count(&sockets->hub->counters.rearms, 1);
    socket->rearms = true;
    socket->armed = true;
    socket->flight++;
    wye_kernel_receive(sockets->kernel, socket->descriptor, tag_of(WYE_OPERATION_RECEIVE, conn),
                       sockets->bounded ? RECEIVE_BYTES_MAX : 0);
}

static void disarm(struct wye_sockets *sockets, struct wye_conn *conn, struct wye_socket *socket) {
    if (!socket->armed || socket->cancelled) return;
    socket->cancelled = true;
    wye_kernel_cancel(sockets->kernel, tag_of(WYE_OPERATION_RECEIVE, conn));
}

/* SHUT: everything that is under way is ended; then the connection is gone. */
static void let_go(struct wye_sockets *sockets, struct wye_conn *conn, struct wye_socket *socket) {
    disarm(sockets, conn, socket);
    if (socket->polling && !socket->unpolled) {
        socket->unpolled = true;
        wye_kernel_cancel(sockets->kernel, tag_of(WYE_OPERATION_WRITABLE, conn));
    }
    if (conn->slot_busy && !socket->shut) {
        socket->shut = true;
        wye_kernel_cancel(sockets->kernel, tag_of(WYE_OPERATION_WRITE_SLOT, conn));
    }
    if (socket->flight > 0 || socket->starved) return;
    wye_conn_gone(conn);
    wye_kernel_close(sockets->kernel, socket->descriptor);
    wye_hub_reap(sockets->hub, conn);
}

static void do_chores(struct wye_sockets *sockets, struct wye_conn *conn) {
    struct wye_socket *socket = socket_of(sockets, conn);
    if (conn->phase == WYE_CONN_SHUT) {
        let_go(sockets, conn, socket);
        return;
    }
    if (conn->blocked && !socket->polling) {
        socket->polling = true;
        socket->flight++;
        wye_kernel_writable(sockets->kernel, socket->descriptor, tag_of(WYE_OPERATION_WRITABLE, conn));
    }
    if (conn->half_close && !socket->shut) {
        socket->shut = true;
        socket->flight++;
        wye_kernel_shutdown(sockets->kernel, socket->descriptor, tag_of(WYE_OPERATION_SHUTDOWN, conn));
    }
    bool greedy = !sockets->bounded && socket->taken_turn == sockets->turn && socket->taken > RECEIVE_BYTES_MAX;
    if (!wye_conn_wants_input(conn)) {
        disarm(sockets, conn, socket);
    } else if (greedy) {
        /* Nothing bounds it but us: it goes to the back of the line. */
        disarm(sockets, conn, socket);
        starve(sockets, conn->index);
    } else if (!socket->armed && !socket->starved) {
        /* Who waits for buffers comes before who has just had some. */
        if (sockets->starved.head == WYE_INDEX_NONE) arm(sockets, conn, socket);
        else starve(sockets, conn->index);
    }
}

/* Borrowed slices live until now; what could not leave is copied. */
static void keep_borrowed(struct wye_conn *conn) {
    conn->borrows = false;
    if (conn->outbox.bytes > 0 && wye_outbox_keep(&conn->outbox, &conn->hub->pool) < 0) wye_conn_close(conn, -ENOMEM);
}

static void add_chore(struct wye_sockets *sockets, struct wye_conn *conn) {
    struct wye_socket *socket = socket_of(sockets, conn);
    if (socket->chore) return;
    socket->chore = true;
    socket->chore_next = sockets->chores;
    sockets->chores = conn->index;
}

void wye_sockets_flush(struct wye_sockets *sockets) {
    struct wye_hub *hub = sockets->hub;
    struct sending batch[WYE_KERNEL_SENDS_MAX];
    unsigned count = 0;
    for (;;) {
        struct wye_conn *conn = wye_hub_next_dirty(hub);
        if (conn) {
            add_chore(sockets, conn);
            if (ask_to_send(sockets, conn, &batch[count])) count++;
        }
        if (count == WYE_KERNEL_SENDS_MAX || (!conn && count > 0)) {
            submit(sockets, batch, count);
            count = 0;
        } else if (!conn && !wye_hub_move_waves(hub)) {
            break;
        }
    }
    /* Only now: what is asked for here must not be submitted together with sends. */
    while (sockets->chores != WYE_INDEX_NONE) {
        struct wye_socket *socket = &sockets->at[sockets->chores];
        struct wye_conn *conn = &hub->conns[sockets->chores];
        sockets->chores = socket->chore_next;
        socket->chore = false;
        if (conn->borrows) keep_borrowed(conn);
        if (conn->dirty) continue; /* closed just now, for want of memory: the next flush looks at it again */
        do_chores(sockets, conn);
    }
    sockets->turn++;
}

void wye_sockets_feed(struct wye_sockets *sockets) {
    if (sockets->starved.head == WYE_INDEX_NONE) return;
    wye_supply_grow(sockets->supply);
    size_t arms = sockets->supply->free_bytes / WYE_SUPPLY_ARMING_BYTES;
    while (sockets->starved.head != WYE_INDEX_NONE && arms > 0) {
        struct wye_socket *socket = &sockets->at[sockets->starved.head];
        struct wye_conn *conn = &sockets->hub->conns[sockets->starved.head];
        sockets->starved.head = socket->starved_next;
        socket->starved = false;
        if (conn->phase == WYE_CONN_SHUT) {
            wye_hub_dirty(sockets->hub, conn); /* it was waited for */
        } else if (!socket->armed && wye_conn_wants_input(conn)) {
            arm(sockets, conn, socket);
            arms--;
        }
    }
}
