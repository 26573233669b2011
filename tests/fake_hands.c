#include "tests/fake_hands.h"

#include "core/tls.h"
#include "handshake/opening.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SLICES_MAX = 16, TURNS_MAX = 100000 };

/* ---- a world ---- */

static void hands_open(struct fake_hands *hands, struct wye_node *node, unsigned number, bool slots) {
    *hands = (struct fake_hands){.now_ns = FAKE_START_NS, .send_max = SIZE_MAX, .lasts = true};
    hands->conns = calloc(FAKE_CONNS, sizeof hands->conns[0]);
    assert(hands->conns);
    int trouble = wye_hub_init(&hands->hub, node, number, hands->conns, FAKE_CONNS, hands->now_ns, FAKE_UNIX_S);
    assert(trouble == 0);
    node->hubs[number] = &hands->hub;
    if (!slots) return;
    hands->slots = malloc(FAKE_SLOTS * FAKE_SLOT_BYTES);
    assert(hands->slots);
    for (unsigned i = 0; i < FAKE_SLOTS; i++)
        memcpy(hands->slots + i * FAKE_SLOT_BYTES, wye_opening_template, WYE_OPENING_BYTES);
    trouble = wye_hub_use_slots(&hands->hub, hands->slots, FAKE_SLOTS, FAKE_SLOT_BYTES);
    assert(trouble == 0);
}

void fake_world_open(struct fake_world *world, unsigned hubs, bool slots,
                     const struct wye_settings *settings) {
    struct wye_settings defaults;
    wye_settings_init(&defaults);
    int trouble = wye_node_init(&world->node, settings ? settings : &defaults, 77 * FAKE_SECOND);
    assert(trouble == 0);
    world->hands = aligned_alloc(64, (hubs * sizeof world->hands[0] + 63) & ~(size_t)63);
    assert(world->hands);
    world->count = world->node.hub_count = hubs;
    for (unsigned i = 0; i < hubs; i++) hands_open(&world->hands[i], &world->node, i, slots);
}

static void hands_shut(struct fake_hands *hands) {
    struct wye_hub *hub = &hands->hub;
    for (unsigned i = 0; i < hands->peer_count; i++) {
        if (hands->peers[i].conn) wye_conn_close(hands->peers[i].conn, -WYE_CLOSE_GOING_AWAY);
    }
    fake_settle(hands);
    assert(hub->open == 0 && hub->refused == 0 && hub->stalled == 0 && hub->timers.count == 0);
    assert(hub->topics.count == 0 && wye_counted(&hub->counters.connections) == 0);
    assert(!hands->slots || hub->slot_free_count == FAKE_SLOTS);
}

static void hands_free(struct fake_hands *hands) {
    wye_hub_fini(&hands->hub);
    for (unsigned i = 0; i < hands->peer_count; i++) wire_free(&hands->peers[i].received);
    free(hands->conns);
    free(hands->slots);
}

void fake_world_shut(struct fake_world *world) {
    for (unsigned i = 0; i < world->count; i++) hands_shut(&world->hands[i]);
    for (unsigned i = 0; i < world->count; i++) hands_free(&world->hands[i]);
    for (unsigned i = 0; i < world->count; i++) wye_hub_drop_mail(&world->hands[i].hub);
    assert(world->node.connections == 0);
    wye_node_fini(&world->node);
    free(world->hands);
}

/* ---- what happens to a connection ---- */

struct fake_peer *fake_connect(struct fake_hands *hands, bool refused) {
    return fake_connect_tls(hands, refused, NULL);
}

struct fake_peer *fake_connect_tls(struct fake_hands *hands, bool refused, struct wye_tls_context *context) {
    assert(hands->peer_count < FAKE_CONNS);
    struct wye_conn *conn = wye_hub_accept(&hands->hub, refused, context);
    if (!conn) return NULL;
    struct fake_peer *peer = &hands->peers[hands->peer_count++];
    *peer = (struct fake_peer){.hands = hands, .conn = conn, .window = SIZE_MAX};
    return peer;
}

struct fake_peer *fake_websocket(struct fake_hands *hands, const char *target) {
    struct fake_peer *peer = fake_connect(hands, false);
    struct wire script = {0}, opening = {0};
    assert(peer);
    wire_upgrade(&script, target);
    wire_opening(&opening);
    fake_say(peer, &script);
    assert(wire_equal(&peer->received, &opening));
    wire_clear(&peer->received);
    wire_free(&script);
    wire_free(&opening);
    return peer;
}

void fake_feed(struct fake_peer *peer, const void *bytes, size_t count) {
    struct fake_hands *hands = peer->hands;
    if (!peer->conn || count == 0) return;
    uint8_t *copy = malloc(count); /* to the byte: a sanitizer sees who reads behind it */
    assert(copy);
    memcpy(copy, bytes, count);
    wye_conn_input(peer->conn, copy, count, hands->lasts);
    if (hands->lasts) {
        struct fake_lent *lent = malloc(sizeof *lent);
        assert(lent);
        *lent = (struct fake_lent){hands->lent, count, copy};
        hands->lent = lent;
    } else {
        memset(copy, 0xdd, count);
        free(copy);
    }
}

void fake_eof(struct fake_peer *peer) {
    if (peer->conn) wye_conn_eof(peer->conn);
}

/* ---- a turn ---- */

static struct fake_peer *peer_of(struct fake_hands *hands, const struct wye_conn *conn) {
    for (unsigned i = 0; i < hands->peer_count; i++) {
        if (hands->peers[i].conn == conn) return &hands->peers[i];
    }
    assert(false && "a connection that nobody accepted");
    return NULL;
}

/* What was asked of the kernel in the last turn completes. */
static void complete(struct fake_hands *hands, struct fake_peer *peer) {
    struct wye_conn *conn = peer->conn;
    if (conn->slot_busy) {
        const uint8_t *slot = hands->slots + (size_t)conn->slot * FAKE_SLOT_BYTES;
        wire_add(&peer->received, slot, hands->hub.slot_used[conn->slot]);
        wye_conn_slot_written(conn);
        wye_hub_dirty(&hands->hub, conn);
    }
    if (conn->blocked && peer->window > 0) {
        conn->blocked = false;
        conn->heard_tick = wye_tick_of(hands->hub.now_ns);
        wye_hub_dirty(&hands->hub, conn);
    }
    if (conn->phase == WYE_CONN_SHUT) wye_hub_dirty(&hands->hub, conn);
}

static void send_outbox(struct fake_hands *hands, struct fake_peer *peer) {
    struct wye_conn *conn = peer->conn;
    if (conn->slot_busy || conn->blocked || conn->phase == WYE_CONN_SHUT) return;
    if (conn->slot != WYE_SLOT_NONE) {
        conn->slot_busy = true;
        peer->sends++;
        return;
    }
    struct iovec slices[SLICES_MAX];
    size_t total, take, left, slice_count = wye_conn_gather(conn, slices, SLICES_MAX, &total);
    if (slice_count == 0) return;
    peer->slices = slice_count;
    peer->sends++;
    take = total < peer->window ? total : peer->window;
    if (take > hands->send_max) take = hands->send_max;
    left = take;
    for (size_t i = 0; i < peer->slices && left > 0; i++) {
        size_t count = slices[i].iov_len < left ? slices[i].iov_len : left;
        wire_add(&peer->received, slices[i].iov_base, count);
        left -= count;
    }
    if (peer->window != SIZE_MAX) peer->window -= take;
    if (take < total) conn->blocked = true;
    if (take > 0) wye_conn_sent(conn, take);
    if (conn->phase < WYE_CONN_SHUT && (conn->blocked || conn->outbox.bytes > 0))
        wye_hub_dirty(&hands->hub, conn);
}

static void do_chores(struct fake_hands *hands, struct fake_peer *peer) {
    struct wye_conn *conn = peer->conn;
    if (conn->borrows) {
        conn->borrows = false;
        int trouble = wye_outbox_keep(&conn->outbox, &hands->hub.pool);
        assert(trouble == 0);
    }
    peer->half_closed = conn->half_close;
    peer->armed = wye_conn_wants_input(conn);
    if (conn->phase != WYE_CONN_SHUT || conn->slot_busy || peer->held++ < hands->hold) return;
    peer->reason = conn->reason;
    wye_conn_gone(conn);
    wye_hub_reap(&hands->hub, conn);
    peer->conn = NULL;
}

static void flush(struct fake_hands *hands) {
    do {
        for (struct wye_conn *conn; (conn = wye_hub_next_dirty(&hands->hub));) {
            struct fake_peer *peer = peer_of(hands, conn);
            peer->chore = true;
            send_outbox(hands, peer);
        }
    } while (wye_hub_move_waves(&hands->hub));
    for (unsigned i = 0; i < hands->peer_count; i++) {
        struct fake_peer *peer = &hands->peers[i];
        if (peer->chore) do_chores(hands, peer);
        peer->chore = false;
    }
}

static uint64_t wall_of(const struct fake_hands *hands) {
    return hands->wall_runs ? FAKE_UNIX_S + (hands->now_ns - FAKE_START_NS + FAKE_SECOND / 3) / FAKE_SECOND : FAKE_UNIX_S;
}

void fake_turn(struct fake_hands *hands) {
    struct wye_hub *hub = &hands->hub;
    for (unsigned i = 0; i < hands->peer_count; i++) {
        if (hands->peers[i].conn) complete(hands, &hands->peers[i]);
    }
    wye_hub_advance(hub, hands->now_ns, wall_of(hands));
    flush(hands);
    hands->woken |= hub->wake_hubs;
    hub->wake_hubs = 0;
    while (hands->lent) {
        struct fake_lent *lent = hands->lent;
        hands->lent = lent->next;
        memset(lent->bytes, 0xdd, lent->count);
        free(lent->bytes);
        free(lent);
    }
}

static bool is_busy(struct fake_hands *hands) {
    struct wye_hub *hub = &hands->hub;
    if (wye_hub_wait_ns(hub, hands->now_ns) == 0) return true;
    if (atomic_load_explicit(&hub->mailbox.newest, memory_order_relaxed)) return true;
    for (unsigned i = 0; i < hands->peer_count; i++) {
        const struct fake_peer *peer = &hands->peers[i];
        if (!peer->conn) continue;
        if (peer->conn->slot_busy || peer->conn->phase == WYE_CONN_SHUT) return true;
        if (peer->conn->blocked && peer->window > 0) return true;
    }
    return false;
}

void fake_settle(struct fake_hands *hands) {
    for (unsigned turns = 0; turns < TURNS_MAX; turns++) {
        fake_turn(hands);
        if (!is_busy(hands)) return;
    }
    assert(false && "it never comes to rest");
}

void fake_say(struct fake_peer *peer, const struct wire *wire) {
    fake_feed(peer, wire->at, wire->count);
    fake_settle(peer->hands);
}

void fake_sleep(struct fake_hands *hands, uint64_t ns) {
    hands->now_ns += ns;
    wye_hub_woke(&hands->hub, hands->now_ns, wall_of(hands));
}

void fake_pass(struct fake_hands *hands, uint64_t ns) {
    uint64_t end = hands->now_ns + ns;
    fake_settle(hands);
    while (hands->now_ns < end) {
        uint64_t wait = wye_hub_wait_ns(&hands->hub, hands->now_ns), left = end - hands->now_ns;
        assert(wait > 0);
        fake_sleep(hands, wait < left ? wait : left);
        fake_settle(hands);
    }
}
