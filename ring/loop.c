#include "ring/loop.h"

#include "core/peer.h"
#include "handshake/opening.h"
#include "ring/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SLOTS = 256,      /* 101s that can be on their way at once without a copy */
    SLOT_BYTES = 320, /* five cache lines: no two share one, and what browsers agree to fits */
    SINGLES = 16,     /* accepts armed one by one when room is short */
    SINGLES_FOR_PEERS =
        WYE_ACCEPTS_MAX, /* and when it matters where peers are: each has a place for an address */
    ACCEPT_PAUSE_NS = 100 * 1000000,
};
#define DRAIN_NS (5 * UINT64_C(1000000000))

_Static_assert((int)SLOT_BYTES >= (int)WYE_OPENING_BYTES, "a 101 fits a slot");

/* ---- opening and shutting ---- */

/* Zeroed memory that costs nothing until it is touched. */
static void *reserve(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void release(void *memory, size_t bytes) {
    if (memory) munmap(memory, bytes);
}

static size_t conns_bytes(const struct wye_loop *loop) { return loop->config.connections * sizeof(struct wye_conn); }
static size_t sockets_bytes(const struct wye_loop *loop) { return loop->config.connections * sizeof(struct wye_socket); }

static void write_slots(uint8_t *slots) {
    for (unsigned i = 0; i < SLOTS; i++) memcpy(slots + i * SLOT_BYTES, wye_opening_template, WYE_OPENING_BYTES);
}

static int open_memory(struct wye_loop *loop) {
    loop->conns = reserve(conns_bytes(loop));
    loop->socket_memory = reserve(sockets_bytes(loop));
    loop->slots = reserve(SLOTS * SLOT_BYTES);
    if (!loop->conns || !loop->socket_memory || !loop->slots) return -ENOMEM;
    write_slots(loop->slots);
    return 0;
}

static int open_kernel(struct wye_loop *loop, unsigned number) {
    struct wye_supply_geometry geometry = wye_supply_geometry(loop->config.abilities.inc);
    struct wye_kernel_config config = {
        .abilities = loop->config.abilities,
        .descriptors = loop->config.connections,
        .buffer_count = geometry.count,
        .buffer_bytes = geometry.bytes,
        .slots = loop->slots,
        .slots_bytes = SLOTS * SLOT_BYTES,
    };
    uint8_t *buffers;
    int trouble = wye_kernel_open(&loop->kernel, &config, &buffers);
    if (trouble < 0) return trouble;
    loop->write_fixed = config.abilities.write_fixed;
    if (loop->config.abilities.write_fixed && !loop->write_fixed)
        wye_log(WYE_LOG_WARN, "loop %u: %d bytes of registered memory were refused (ulimit -l): its 101s are copied", number,
                SLOTS * SLOT_BYTES);
    wye_supply_open(&loop->supply, loop->kernel, geometry, buffers);
    return 0;
}

static void shut_memory(struct wye_loop *loop) {
    for (unsigned i = 0; i < loop->acceptor_count; i++) close(loop->acceptors[i].listener);
    if (loop->kernel) wye_kernel_shut(loop->kernel);
    release(loop->conns, conns_bytes(loop));
    release(loop->socket_memory, sockets_bytes(loop));
    release(loop->slots, SLOTS * SLOT_BYTES);
}

int wye_loop_open(struct wye_loop *loop, struct wye_node *node, unsigned number, const struct wye_loop_config *config) {
    memset(loop, 0, sizeof *loop);
    loop->node = node;
    loop->config = *config;
    for (unsigned i = 0; i < config->listener_count; i++)
        loop->acceptors[loop->acceptor_count++] = (struct wye_acceptor){.listener = config->listeners[i], .tls = config->listener_tls[i]};
    int trouble = open_memory(loop);
    if (trouble == 0) trouble = open_kernel(loop, number);
    if (trouble == 0)
        trouble = wye_hub_init(&loop->hub, node, number, loop->conns, config->connections, wye_clock_now_ns(),
                               wye_clock_unix_s());
    if (trouble == 0 && loop->write_fixed) {
        trouble = wye_hub_use_slots(&loop->hub, loop->slots, SLOTS, SLOT_BYTES);
        if (trouble < 0) wye_hub_fini(&loop->hub);
    }
    if (trouble < 0) {
        shut_memory(loop);
        return trouble;
    }
    wye_sockets_init(&loop->sockets, &loop->hub, loop->kernel, &loop->supply, loop->socket_memory,
                     config->abilities.optlen);
    wye_connector_init(&loop->connector, &loop->sockets, config->abilities.direct);
    wye_kernel_hear(loop->kernel, wye_tag(WYE_OPERATION_WAKE, 0, 0));
    return 0;
}

void wye_loop_wake(struct wye_loop *loop) { wye_kernel_wake(loop->kernel); }

/* ---- accepting ---- */

/* Where a peer is, as the kernel said. */
static struct wye_ip ip_of(const struct wye_kernel_peer *peer) {
    if (peer->at.sin6_family == AF_INET) return wye_ip_of_v4((const uint8_t *)&((const struct sockaddr_in *)(const void *)&peer->at)->sin_addr);
    if (peer->at.sin6_family == AF_INET6) return wye_ip_of_v6(peer->at.sin6_addr.s6_addr);
    return (struct wye_ip){.kind = peer->at.sin6_family == AF_UNIX ? WYE_IP_UNIX : WYE_IP_NONE};
}

/* from NULL: nobody knows, or wants to, where it comes from. */
static void accepted(struct wye_loop *loop, int descriptor, bool tls, const struct wye_ip *from) {
    struct wye_hub *hub = &loop->hub;
    bool full = hub->open - hub->refused >= hub->capacity - loop->config.reserve;
    struct wye_conn *conn =
        loop->shutting ? NULL : wye_hub_accept_from(hub, full, tls ? wye_node_hold_tls(loop->node) : NULL, from);
    if (!conn) {
        wye_count(&hub->counters.accept_failed, 1);
        wye_kernel_close(loop->kernel, descriptor);
        return;
    }
    wye_socket_open(&loop->sockets, conn, descriptor);
}

static void complete_accept(struct wye_loop *loop, const struct wye_completion *completion) {
    struct wye_acceptor *acceptor = &loop->acceptors[wye_tag_index(completion->tag) & 255];
    const unsigned number = wye_tag_index(completion->tag) >> 8;
    if (!completion->more) {
        acceptor->armed &= ~(UINT64_C(1) << number);
        acceptor->cancelled &= acceptor->armed;
    }
    if (completion->result >= 0) {
        bool asks = !acceptor->multishot && wye_peers_matter(loop->hub.settings);
        const struct wye_ip ip = asks ? ip_of(&acceptor->from[number]) : (struct wye_ip){.kind = WYE_IP_NONE};
        accepted(loop, completion->result, acceptor->tls, asks ? &ip : NULL);
    } else if (completion->result != -ECANCELED && completion->result != -EAGAIN && completion->result != -EINTR) {
        wye_count(&loop->hub.counters.accept_failed, 1);
        wye_log(WYE_LOG_WARN, "accept: %s", strerror(-completion->result));
        if (completion->result != -ECONNABORTED) loop->accept_after_ns = loop->hub.now_ns + ACCEPT_PAUSE_NS;
    }
}

static uint64_t accept_tag(unsigned acceptor, unsigned number) {
    return wye_tag(WYE_OPERATION_ACCEPT, acceptor | number << 8, 0);
}

static uint32_t count_of(uint64_t accepts) { return (uint32_t)__builtin_popcountll(accepts); }

static void cancel_accept(struct wye_loop *loop, unsigned acceptor, unsigned number) {
    loop->acceptors[acceptor].cancelled |= UINT64_C(1) << number;
    wye_kernel_cancel(loop->kernel, accept_tag(acceptor, number));
}

/* What is armed where nobody comes holds room that is wanted elsewhere: each listener gives back what is more than its share. */
static void give_back_room(struct wye_loop *loop, uint32_t share) {
    for (unsigned i = 0; i < loop->acceptor_count; i++) {
        const struct wye_acceptor *acceptor = &loop->acceptors[i];
        for (uint64_t live = acceptor->armed & ~acceptor->cancelled; count_of(live) > share; live &= live - 1)
            cancel_accept(loop, i, (unsigned)__builtin_ctzll(live));
    }
}

/*
 * Arms what should be armed. A multishot accept takes whatever comes, and what finds the table of descriptors full
 * is closed without a word: so it is used only while a whole backlog would fit, and single ones after that. Single ones also
 * tell where a peer is, in the same system call; a multishot has one place for the addresses of all, and none of its own.
 */
static void arm_accepts(struct wye_loop *loop) {
    uint32_t room = loop->hub.capacity - loop->hub.open;
    if (loop->accept_after_ns > loop->hub.now_ns) room = 0;
    uint32_t share = room / (loop->acceptor_count ? loop->acceptor_count : 1);
    for (unsigned i = 0; i < loop->acceptor_count; i++) { /* what is armed already has its place */
        const struct wye_acceptor *acceptor = &loop->acceptors[i];
        uint32_t armed = acceptor->multishot ? 0 : count_of(acceptor->armed);
        room -= armed < room ? armed : room;
    }
    const bool peers = wye_peers_matter(loop->hub.settings);
    const bool multishot = share > 2 * WYE_BACKLOG && !peers;
    const uint32_t singles = peers ? SINGLES_FOR_PEERS : SINGLES;
    bool waits = false; /* a listener for room */
    for (unsigned i = 0; i < loop->acceptor_count; i++) {
        struct wye_acceptor *acceptor = &loop->acceptors[i];
        if (acceptor->armed && acceptor->multishot != multishot) {
            if (acceptor->multishot && !acceptor->cancelled) cancel_accept(loop, i, 0);
            continue; /* single ones end by themselves */
        }
        if (multishot && acceptor->cancelled) continue;
        uint32_t wanted = multishot ? 1 : share < singles ? share : singles;
        uint32_t armed = count_of(acceptor->armed & ~acceptor->cancelled);
        acceptor->multishot = multishot;
        for (; armed < wanted && (multishot || room > 0) && ~acceptor->armed; armed++) {
            room -= !multishot;
            unsigned number = (unsigned)__builtin_ctzll(~acceptor->armed);
            acceptor->armed |= UINT64_C(1) << number;
            wye_kernel_accept(loop->kernel, acceptor->listener, accept_tag(i, number), multishot, multishot ? NULL : &acceptor->from[number]);
        }
        waits |= armed == 0 && wanted > 0;
    }
    if (waits) give_back_room(loop, share);
}

/* ---- turning ---- */

static void complete_all(struct wye_loop *loop) {
    struct wye_completion completion;
    while (wye_kernel_next(loop->kernel, &completion)) {
        switch (wye_tag_operation(completion.tag)) {
        case WYE_OPERATION_ACCEPT: complete_accept(loop, &completion); break;
        case WYE_OPERATION_WAKE:
            if (!completion.more) wye_kernel_hear(loop->kernel, completion.tag);
            break;
        case WYE_OPERATION_ADOPT:
        case WYE_OPERATION_CONNECT: wye_connector_complete(&loop->connector, &completion); break;
        case WYE_OPERATION_NONE: break;
        default: wye_socket_complete(&loop->sockets, &completion);
        }
    }
}

static void wake_others(struct wye_loop *loop) {
    uint64_t hubs = loop->hub.wake_hubs;
    loop->hub.wake_hubs = 0;
    while (hubs) {
        unsigned number = (unsigned)__builtin_ctzll(hubs);
        hubs &= hubs - 1;
        wye_count(&loop->hub.counters.wakes, 1);
        wye_loop_wake_hub(loop->node, number);
    }
}

/* Draining: until nobody is left, or time is up. true: it is over. */
static bool drained(struct wye_loop *loop, uint64_t now_ns) {
    struct wye_hub *hub = &loop->hub;
    if (!hub->draining) return false;
    if (loop->drain_until_ns == 0) loop->drain_until_ns = now_ns + DRAIN_NS;
    if (now_ns >= loop->drain_until_ns) return true;
    /* One that has nobody left goes on telling newcomers that the node drains, until the others have nobody either. */
    return hub->open == 0 && atomic_load_explicit(&hub->node->connections, memory_order_relaxed) == 0;
}

static uint64_t wait_of(struct wye_loop *loop, uint64_t now_ns) {
    uint64_t wait = wye_hub_wait_ns(&loop->hub, now_ns);
    if (loop->sockets.starved.head != WYE_INDEX_NONE) return 0;
    if (loop->accept_after_ns > now_ns && wait > loop->accept_after_ns - now_ns) wait = loop->accept_after_ns - now_ns;
    if (loop->due_ns) {
        uint64_t left = loop->due_ns > now_ns ? loop->due_ns - now_ns : 0;
        if (left < wait) wait = left;
    }
    if (loop->drain_until_ns) {
        uint64_t left = loop->drain_until_ns > now_ns ? loop->drain_until_ns - now_ns : 0;
        if (left < wait) wait = left;
    }
    return wait;
}

bool wye_loop_turn(struct wye_loop *loop) {
    struct wye_hub *hub = &loop->hub;
    uint64_t now_ns = wye_clock_now_ns();
    arm_accepts(loop);
    uint64_t wait = wait_of(loop, now_ns);
    if (wait > 0 && !wye_mailbox_may_sleep(&hub->mailbox)) wait = 0;
    int trouble = wye_kernel_wait(loop->kernel, wait);
    wye_mailbox_awake(&hub->mailbox);
    if (trouble < 0) wye_log(WYE_LOG_ERROR, "io_uring_enter: %s", strerror(-trouble));
    now_ns = wye_clock_now_ns();
    const uint64_t unix_s = wye_clock_unix_s();
    wye_hub_woke(hub, now_ns, unix_s);
    complete_all(loop);
    wye_hub_advance(hub, now_ns, unix_s);
    if (loop->config.on_turn) loop->config.on_turn(loop->config.owner, now_ns);
    wye_sockets_flush(&loop->sockets);
    wye_connector_flush(&loop->connector);
    wake_others(loop);
    wye_supply_give_back(&loop->supply);
    wye_sockets_feed(&loop->sockets);
    wye_count(&hub->counters.turns, 1);
    atomic_store_explicit(&hub->counters.enters, wye_kernel_enters(loop->kernel), memory_order_relaxed);
    return !drained(loop, now_ns);
}

/* Asks the kernel to let go of the accepts. false: none is left. */
static bool cancel_accepts(struct wye_loop *loop) {
    bool left = false;
    for (unsigned i = 0; i < loop->acceptor_count; i++) {
        for (uint64_t armed = loop->acceptors[i].armed; armed; armed &= armed - 1)
            cancel_accept(loop, i, (unsigned)__builtin_ctzll(armed));
        left |= loop->acceptors[i].armed != 0;
    }
    return left;
}

/*
 * Time is up: whoever is still there is closed, and the kernel lets go within a bounded number of turns. An accept
 * that it still held would keep the port in use for a moment after the process has ended.
 */
static void end_connections(struct wye_loop *loop) {
    struct wye_hub *hub = &loop->hub;
    for (uint32_t i = 0; i < hub->used; i++) {
        if (hub->conns[i].phase != WYE_CONN_FREE) wye_conn_close(&hub->conns[i], -WYE_CLOSE_GOING_AWAY);
    }
    for (unsigned turns = 0; turns < 1000; turns++) {
        wye_sockets_flush(&loop->sockets);
        wye_sockets_feed(&loop->sockets);
        bool dialing = wye_connector_cancel(&loop->connector);
        wye_connector_flush(&loop->connector);
        if (!cancel_accepts(loop) && !dialing && hub->open == 0) break;
        wye_kernel_wait(loop->kernel, 10 * 1000000);
        complete_all(loop);
        wye_hub_advance(hub, wye_clock_now_ns(), wye_clock_unix_s());
        wye_supply_give_back(&loop->supply);
    }
    wye_kernel_wait(loop->kernel, 0); /* the last closes are submitted, too */
    assert(hub->open == 0);
}

void wye_loop_end(struct wye_loop *loop) {
    loop->shutting = true;
    end_connections(loop);
}

void wye_loop_shut(struct wye_loop *loop) {
    assert(loop->shutting);
    wye_hub_fini(&loop->hub);
    shut_memory(loop);
}
