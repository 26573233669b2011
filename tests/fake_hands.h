/*
 * Hands without a kernel: what ring/socket.c does to a hub, in memory and in virtual time. Receive buffers
 * are overwritten and freed as soon as the hub may no longer look at them.
 */
#ifndef WYE_TESTS_FAKE_HANDS_H
#define WYE_TESTS_FAKE_HANDS_H

#include "core/hub.h"
#include "tests/wire.h"

enum { FAKE_CONNS = 64, FAKE_SLOTS = 4, FAKE_SLOT_BYTES = 320 };
#define FAKE_SECOND   UINT64_C(1000000000)
#define FAKE_START_NS (77 * FAKE_SECOND)
#define FAKE_UNIX_S UINT64_C(784111777) /* at FAKE_START_NS, of which a third is over */

/* The other end of a connection. */
struct fake_peer {
    struct fake_hands *hands;
    struct wye_conn *conn; /* NULL: the server has closed it */
    struct wire received;
    size_t window;    /* bytes it still takes; SIZE_MAX: all */
    unsigned sends;   /* operations so far, slots included */
    size_t slices;    /* of the last send */
    int reason;       /* why it ended; valid when conn is NULL */
    unsigned held;    /* turns that the kernel has held on to it */
    bool half_closed; /* the server has shut down its sending side */
    bool armed;       /* a receive is armed */
    bool chore;
};

/* A receive buffer that was handed in and must last until the flush. */
struct fake_lent {
    struct fake_lent *next;
    size_t count;
    uint8_t *bytes;
};

/* One loop. */
struct fake_hands {
    struct wye_hub hub;
    struct wye_conn *conns;
    struct fake_peer peers[FAKE_CONNS]; /* in order of connecting; they stay until the end */
    unsigned peer_count;
    struct fake_lent *lent;
    uint8_t *slots;
    uint64_t now_ns;
    uint64_t woken;  /* hubs that were to be woken, or-ed; the test clears it */
    size_t send_max; /* bytes that one send takes; SIZE_MAX: all */
    unsigned hold;   /* turns between SHUT and the kernel's letting go */
    bool lasts;      /* receive buffers last until the flush */
    bool wall_runs;  /* the wall clock, which otherwise stands at FAKE_UNIX_S, goes along with time */
};

/* A node with its loops. */
struct fake_world {
    struct wye_node node;
    struct fake_hands *hands; /* one a hub */
    unsigned count;
};

/* Opens `hubs` loops, with registered slots or without. `settings` NULL: the defaults. */
void fake_world_open(struct fake_world *world, unsigned hubs, bool slots,
                     const struct wye_settings *settings);

/* Closes what is open, and asserts that everything was given back. */
void fake_world_shut(struct fake_world *world);

/* A new connection; its peer takes everything at once. NULL: no room in the hub. */
struct fake_peer *fake_connect(struct fake_hands *hands, bool refused);

/* The same on a listener with TLS; the reference to the context passes on. */
struct fake_peer *fake_connect_tls(struct fake_hands *hands, bool refused, struct wye_tls_context *context);

/* A connection that has upgraded at `target` and whose 101 has been checked and taken out of `received`. */
struct fake_peer *fake_websocket(struct fake_hands *hands, const char *target);

/* A receive completes with these bytes. No turn is made. Nothing happens when the server has closed. */
void fake_feed(struct fake_peer *peer, const void *bytes, size_t count);

/* The peer shuts down its sending side. */
void fake_eof(struct fake_peer *peer);

/* The rest of a turn: slots complete, the hub advances, the flush, buffers go back. */
void fake_turn(struct fake_hands *hands);

/* Turns until nothing is left to do. */
void fake_settle(struct fake_hands *hands);

/* Feeds, then settles. */
void fake_say(struct fake_peer *peer, const struct wire *wire);

/* Time passes, with turns when the hub asked for them. */
void fake_pass(struct fake_hands *hands, uint64_t ns);

/* Time passes while the loop waits in the kernel; the next thing that happens is up to the caller. */
void fake_sleep(struct fake_hands *hands, uint64_t ns);

/*
 * Plays a script to fresh connections of a world of one hub: in one piece, in two at every place (or at the
 * interesting ones, when it is long), byte by byte, and in odd pieces; with a turn after each piece and
 * without; with lasting buffers and others; with slots and without; with short sends. Asserts that the output
 * is the same as `expected` each time (but for the fragments that a long message may come back in), and the end
 * too; reason 1: it is still open.
 */
void fake_script(const struct wire *script, const struct wire *expected, int reason,
                 const struct wye_settings *settings);

/* The same with pieces of random lengths. */
void fake_script_at_random(const struct wire *script, const struct wire *expected, int reason,
                           const struct wye_settings *settings, uint32_t seed, unsigned rounds);

/* The output of a script fed in one piece, and how it ended (1: it is open). */
int fake_output(const struct wire *script, struct wire *output, const struct wye_settings *settings);

#endif
