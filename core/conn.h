/*
 * A connection: the conversation, whatever it speaks. Bytes in, slices out; no descriptor, no clock.
 * This is the seam between the server's thinking (core/) and its hands (ring/): the upper half is for
 * protocols, the lower for whoever moves the bytes. All of it belongs to one hub and so to one thread.
 */
#ifndef WYE_CORE_CONN_H
#define WYE_CORE_CONN_H

#include "core/outbox.h"
#include "core/protocol.h"
#include "core/tail.h"
#include "core/timers.h"

#include <stdbool.h>

struct wye_hub;
struct wye_subscription;
struct wye_account;
struct wye_allowance;
struct wye_tls;

enum { WYE_CONN_STATE_INLINE = 64, WYE_SLOT_NONE = UINT16_MAX };

/* OPEN -> (FINISHING -> (LINGERING)) -> SHUT -> GONE -> free */
enum wye_conn_phase {
    WYE_CONN_FREE,
    WYE_CONN_OPEN,
    WYE_CONN_FINISHING, /* what is queued is sent; what comes is discarded */
    WYE_CONN_LINGERING, /* all is sent; what comes is discarded, until the peer closes (RFC 9112 9.6) */
    WYE_CONN_SHUT,      /* the reason is fixed; waits for the kernel to let go */
    WYE_CONN_GONE,      /* closed; its slot is free at the turn's end */
};

/* Why reading is paused; it goes on when none is left. */
enum wye_conn_pause {
    WYE_PAUSE_OUTBOX = 1,  /* its own outbox is above half its limit, or above 64 KiB with no memory left in the node */
    WYE_PAUSE_PUBLISH = 2, /* a mailbox, or what is on its way to subscribers, is more than it may be */
    WYE_PAUSE_USER = 4,    /* the protocol asked */
    WYE_PAUSE_HANDSHAKE = 8, /* more came than a TLS handshake's next step needs, before its turn */
    WYE_PAUSE_RATE = 16,    /* it has said what its rates allow */
};

/* How a published message is encoded for a connection; encoded once for all that share an encoding. */
enum wye_encoding {
    WYE_ENCODING_PLAIN = 0,
    /* 9 to 15: deflated with a window of so many bits, afresh */
    WYE_ENCODING_OWN = 255, /* with a context of its own */
};

struct wye_conn {
    const struct wye_protocol *protocol;
    struct wye_hub *hub;
    struct wye_outbox outbox;
    struct wye_tls *tls;   /* NULL: plain */
    struct wye_tail *tail; /* bytes received and not used yet; NULL: none */
    struct wye_subscription *subscriptions;
    struct wye_timer timer;
    uint32_t index;      /* in the hub's connections */
    uint32_t generation; /* of the index: a stale (index, generation) misses */
    uint32_t dirty_next, ready_next;
    int32_t reason;
    uint32_t heard_tick; /* when the peer was heard last, or took what we sent */
    uint32_t busy_tick;  /* when a message went either way last */
    uint32_t lingered;   /* bytes discarded since it began to finish */
    uint16_t slot;       /* a 101 in registered memory that goes first; WYE_SLOT_NONE */
    uint8_t phase;       /* enum wye_conn_phase */
    uint8_t pauses;      /* enum wye_conn_pause, or-ed */
    uint8_t encoding;    /* of what is published to it: enum wye_encoding, or the bits of a shared deflate window */
    bool dirty : 1;      /* in the hub's dirty list: the hands are to look at it */
    bool ready : 1;      /* in the hub's ready list: its tail may be read again */
    bool eof : 1;        /* the peer sent its last byte */
    bool linger : 1;     /* FINISHING ends in LINGERING, not in SHUT */
    bool half_close : 1; /* the hands are to shut down the sending side */
    bool slot_busy : 1;  /* the hands are writing the slot: nothing else may be sent */
    bool blocked : 1;    /* the hands wait for room in the socket */
    bool drains : 1;     /* the outbox was above half its limit: drained() is owed */
    bool refused : 1;    /* accepted only to be answered 503 */
    bool borrows : 1;    /* slices may lie in receive buffers: copied, or gone, when the turn ends */
    bool reap_due : 1;   /* gone, but still in the ready list */
    bool mute : 1;       /* its token doesn't let it publish */
    bool trusted : 1;    /* its peer is a proxy that says who is behind it */
    bool crowded : 1;    /* its address has as many connections as it may: it is answered 429 */
    uint32_t expires_s;  /* unix time at which its token does; 0: never */
    struct wye_account *account; /* of its address; NULL: nothing is counted by address */
    struct wye_allowance *allowance; /* NULL: it may say as much as it likes */
    union {
        uint8_t bytes[WYE_CONN_STATE_INLINE];
        void *allocated;
        max_align_t align;
    } state;
};

/* ---- for protocols ---- */

/* The protocol's state: protocol->state_size bytes, zeroed before open. */
static inline void *wye_conn_state(struct wye_conn *conn) {
    return conn->protocol->state_size <= WYE_CONN_STATE_INLINE ? conn->state.bytes : conn->state.allocated;
}

/* Queues a copy. 0, or -ENOMEM (and the connection is closed with it). */
int wye_conn_send(struct wye_conn *conn, const void *bytes, size_t count);

/* Queues a slice; its reference passes to the connection. 0, or -ENOMEM (and the connection is closed with it). */
int wye_conn_send_slice(struct wye_conn *conn, struct wye_slice slice);

/*
 * Queues a slice in the place of `older`, or behind everything else (wye_outbox_put()); its reference passes to the
 * connection, which is open. 0, or -ENOMEM (and the connection is closed with it).
 */
int wye_conn_send_latest(struct wye_conn *conn, struct wye_slice slice, uint64_t key, struct wye_slice *older);

/*
 * Queues bytes that last until the flush, like a slice without a chunk. Those that follow one another in memory are
 * gathered, and queued as one slice before anything else is, or when the bytes that came have been handled.
 */
void wye_conn_send_lasting(struct wye_conn *conn, const uint8_t *bytes, size_t count);

/* Queues what wye_conn_send_lasting() has gathered, before somebody looks into outboxes. */
void wye_conn_queue_lasting(struct wye_hub *hub);

/* For how long the peer was not heard, and took nothing; in whole ticks. */
static inline uint64_t wye_conn_quiet_ns(const struct wye_conn *conn, uint64_t now_ns) {
    return (uint64_t)(wye_tick_of(now_ns) - conn->heard_tick) << WYE_TICK_SHIFT;
}

/* The bytes that were received and that input() has not used yet. They live until it is called again. */
struct wye_span wye_conn_unread(const struct wye_conn *conn);

/* Stops reading; what is in flight is kept, bounded, and charged to the connection. */
void wye_conn_pause(struct wye_conn *conn, enum wye_conn_pause why);
/* Takes one cause away; input() is called again later, not from here. */
void wye_conn_resume(struct wye_conn *conn, enum wye_conn_pause why);

/* wake() is called once, not earlier than after delay_ns; a later call moves it. */
void wye_conn_wake_in(struct wye_conn *conn, uint64_t delay_ns);
void wye_conn_wake_never(struct wye_conn *conn);

/*
 * When to look again whether its token is still good, in ns: shortly before its end, and then in short steps. 0: it has
 * expired. UINT64_MAX: it never does.
 */
uint64_t wye_conn_token_ns(const struct wye_conn *conn);

/*
 * The protocol has said its last word: what is queued is sent, then the connection ends for `reason`. With
 * `linger` it ends only when the peer has closed, or after a bounded number of bytes and time, so that the
 * last word isn't lost to a reset (RFC 9112 9.6).
 */
void wye_conn_finish(struct wye_conn *conn, int reason, bool linger);

/* Ends it now; what is queued is dropped. The first reason counts. */
void wye_conn_close(struct wye_conn *conn, int reason);

/* Speaks `protocol` from the next byte on. Its state is zeroed; the old protocol's close() is not called (it said the 101).
 * 0, or -ENOMEM with everything as it was. */
int wye_conn_switch(struct wye_conn *conn, const struct wye_protocol *protocol);

/* Did the bytes that input() was just given outlive the call, until the turn's flush? Then a slice of them may be queued. */
bool wye_conn_input_lasts(const struct wye_conn *conn);

/* ---- for the hands ---- */

/* Bytes came; they may be changed and, when `lasts`, must stay until the turn's flush. */
void wye_conn_input(struct wye_conn *conn, uint8_t *bytes, size_t count, bool lasts);

/* The peer sent its last byte. */
void wye_conn_eof(struct wye_conn *conn);

/*
 * What is to be sent: shows up to `most` runs of bytes from the outbox's front, and their sum in *bytes. 0: nothing. They
 * stay there until wye_conn_sent(). (TLS is sealed here; that may close the connection.)
 */
size_t wye_conn_gather(struct wye_conn *conn, struct iovec *to, size_t most, size_t *bytes);

/* `count` bytes of those have been sent. */
void wye_conn_sent(struct wye_conn *conn, size_t count);

/* The 101 in its slot has been written (or lost: the hands then close). The slot is free again. */
void wye_conn_slot_written(struct wye_conn *conn);

/* The kernel has let go: from SHUT to GONE. The protocol's close() is called, everything is let go. */
void wye_conn_gone(struct wye_conn *conn);

/* The timer came. */
void wye_conn_wake(struct wye_conn *conn);

/* Reads on in the tail, when it stood in the ready list. */
void wye_conn_read_tail(struct wye_conn *conn);

/* For core/tls.c: bytes of the protocol came, which don't outlive the call. */
void wye_conn_opened(struct wye_conn *conn, uint8_t *bytes, size_t count);

/* Should a receive be armed? */
static inline bool wye_conn_wants_input(const struct wye_conn *conn) {
    return !conn->eof && ((conn->phase == WYE_CONN_OPEN && !conn->pauses) || conn->phase == WYE_CONN_FINISHING ||
                          conn->phase == WYE_CONN_LINGERING);
}

#endif
