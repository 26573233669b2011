/* One thread turning one ring: wait, advance, flush, wake, reap. */
#ifndef WYE_RING_LOOP_H
#define WYE_RING_LOOP_H

#include "core/hub.h"
#include "ring/connector.h"
#include "ring/kernel.h"
#include "ring/listener.h"
#include "ring/socket.h"
#include "ring/supply.h"

#include <stdatomic.h>

enum { WYE_ACCEPTS_MAX = 64 }; /* that are armed one by one on a listener */

/* A listening socket of one loop, and the accepts that are armed on it. */
struct wye_acceptor {
    int listener; /* -1: none */
    uint64_t armed; /* bit i: number i is; a multishot is number 0 */
    uint64_t cancelled; /* of those: they may still bring somebody */
    bool multishot; /* of what is armed */
    bool tls;
    struct wye_kernel_peer from[WYE_ACCEPTS_MAX]; /* whom each that isn't multishot has accepted */
};

struct wye_loop_config {
    struct wye_abilities abilities;
    uint32_t connections; /* that the loop has room for, those included that are answered 503 */
    uint32_t reserve;     /* of those, kept for 503s */
    int listeners[WYE_LISTENERS_MAX]; /* descriptors; the loop's from wye_loop_open() on */
    unsigned listener_count;
    bool listener_tls[WYE_LISTENERS_MAX]; /* its connections speak TLS, with what the node has then */
    /* Called in every turn, after what came and before what goes is sent. Optional. */
    void (*on_turn)(void *owner, uint64_t now_ns);
    void *owner;
};

struct wye_loop {
    struct wye_node *node;
    struct wye_hub hub;
    struct wye_kernel *kernel;
    struct wye_supply supply;
    struct wye_sockets sockets;
    struct wye_connector connector;
    struct wye_acceptor acceptors[WYE_LISTENERS_MAX];
    unsigned acceptor_count;
    struct wye_loop_config config;
    bool write_fixed;        /* 101s lie in registered memory */
    uint64_t accept_after_ns; /* accepts failed: not before */
    uint64_t drain_until_ns; /* 0: not draining */
    uint64_t due_ns;         /* for on_turn(): no turn waits beyond this time; 0: it has no wish */
    bool shutting;           /* nobody is accepted any more */
    void *conns, *socket_memory, *slots;
};

/*
 * Opens a loop; everything of it belongs to the calling thread from now on, but for wye_loop_wake(). The node's
 * hubs[number] is its hub. 0, or -errno with everything as it was, the listeners closed.
 */
int wye_loop_open(struct wye_loop *loop, struct wye_node *node, unsigned number, const struct wye_loop_config *config);

/* One turn. false: the node drains, and there is nothing left to wait for. */
bool wye_loop_turn(struct wye_loop *loop);

/* Ends every connection. Other loops may still turn; nothing is freed that they might refer to. */
void wye_loop_end(struct wye_loop *loop);

/* Closes everything, after wye_loop_end(). No other loop of the node has a connection any more. */
void wye_loop_shut(struct wye_loop *loop);

/* Makes a sleeping loop turn, from any thread while the loop is open. */
void wye_loop_wake(struct wye_loop *loop);

/* Wakes the loop of another hub of the same node; given by whoever owns the loops (ring/threads.c, or a test). */
void wye_loop_wake_hub(struct wye_node *node, unsigned number);

/* The time, handed to core: monotonic, and of day. Given by ring/clock.c, or a test. */
uint64_t wye_clock_now_ns(void);
uint64_t wye_clock_unix_s(void);

#endif
