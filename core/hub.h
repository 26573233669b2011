/* One loop's world: its connections, topics, timers, mailbox and memory. One thread. */
#ifndef WYE_CORE_HUB_H
#define WYE_CORE_HUB_H

#include "core/chunk.h"
#include "core/conn.h"
#include "core/counters.h"
#include "core/mailbox.h"
#include "core/allowance.h"
#include "core/node.h"
#include "core/pattern.h"
#include "core/timers.h"
#include "handshake/response.h"

#include <stdbool.h>

struct wye_topic;
struct wye_wave;
struct wye_codec;
struct wye_tls_context;
struct wye_tls_hub;
struct wye_largest;
struct wye_token_keys;
struct wye_verified;

#define WYE_INDEX_NONE UINT32_MAX

/* A list of connections by index, first in first out, linked through one of their members. */
struct wye_conn_list {
    uint32_t head, tail;
};

/* A message that is being handled: a reply that consists of the same bytes may leave from where they lie. */
struct wye_reply_site {
    uint8_t *payload; /* NULL: none */
    size_t count;
    struct wye_chunk *chunk; /* that holds it; NULL: the receive buffer */
    uint8_t *reply_end;      /* where the last reply sent from the receive buffer ended; NULL: none in this burst */
};

/* Replies of one burst that leave from the receive buffer and touch: one slice, queued when the burst is over. */
struct wye_reply_run {
    struct wye_conn *conn; /* NULL: none */
    const uint8_t *bytes;
    size_t count;
};

struct wye_topics {
    struct wye_topic **buckets;
    size_t bucket_count, count;
    struct wye_patterns patterns; /* the topics that are patterns */
};

/* What was published and is on its way to subscribers (core/wave.h). */
struct wye_waves {
    struct wye_wave *head, *tail; /* the next one to move on */
    struct wye_wave *spare;
    unsigned spare_count;
    uint32_t joins; /* subscriptions so far */
    uint32_t share;  /* subscribers that may be reached in a turn */
    uint32_t visits; /* of those, left in this one */
    size_t bytes;   /* of frames under way, and of what keeps account of them */
};

struct wye_hub {
    struct wye_node *node;
    const struct wye_settings *settings; /* of its edition: the same until wye_hub_advance() finds a newer one */
    struct wye_edition *edition;
    unsigned number; /* 0 .. node->hub_count - 1 */
    uint64_t now_ns; /* monotonic; set by wye_hub_woke() and wye_hub_advance() */
    uint64_t unix_s; /* what `date` shows */
    char date[WYE_DATE_BYTES + 1];

    struct wye_conn *conns; /* the hands' memory; touched only as far as connections were ever open */
    uint32_t capacity, used; /* conns[used ...] were never touched */
    uint32_t free_head;      /* free connections, linked by dirty_next */
    uint32_t open;           /* connections not free */
    uint32_t refused;        /* of those, the ones that were accepted only to be answered 503 */
    struct wye_conn_list dirty, ready;

    struct wye_timers timers;
    struct wye_chunk_pool pool;
    size_t relieved_bytes; /* of the pool in use when laggards were looked at last; 0: there was no need */
    struct wye_topics topics;
    struct wye_waves waves;
    struct wye_codec *codec; /* compressors; NULL until somebody agreed to compress */
    struct wye_tls_hub *tls; /* NULL until the first connection with TLS */
    struct wye_largest *largest; /* topics, for the node's own one; NULL until somebody listened */
    struct wye_token_keys *keys; /* the node's, as of keys_version */
    unsigned keys_version;
    struct wye_verified *verified; /* permit.c's */
    uint64_t stats_due_ns; /* the node's own topic; UINT64_MAX: nobody listens */
    uint64_t sweep_due_ns; /* huge spare chunks, if there are any, that nobody has wanted until then are given back */
    bool draining;         /* has been told to all connections */
    struct wye_paced paced; /* connections that have said what their rates allow */
    uint64_t others_bytes;  /* that other loops held for messages, when it was asked for first in this turn */
    bool others_known;      /* it was asked for */
    uint32_t stalled;      /* connections that wait until they may publish */
    uint32_t stalled_first; /* none of them has a smaller index; publishers are few, and often stand together */
    bool input_lasts;      /* of the bytes that are being read just now */
    struct wye_reply_site reply;
    struct wye_reply_run run;
    const char *fault; /* the rule that was broken, when a protocol's input() has just given a reason; static */

    uint8_t *slots; /* registered memory for 101s, slot_bytes each; NULL: none */
    uint32_t slot_bytes;
    uint16_t slot_count, slot_free_count;
    uint16_t *slot_free, *slot_used; /* the numbers of free ones; the bytes of the 101 in each */

    uint64_t wake_hubs; /* bit i: hub i sleeps and has mail from us; the hands wake it and clear the bit */

    struct wye_mailbox mailbox;
    struct wye_letter *letters; /* taken out of it, oldest first, and not delivered yet */
    struct wye_counters counters;

    /* Scratch for one request at a time. */
    struct wye_request request;
    struct wye_refusal refusal;
};

/*
 * Starts a hub with room for `capacity` connections in `conns`: zeroed memory of the caller's that may be
 * untouched (mmap). slots: slot_count x slot_bytes of memory for 101s, or NULL. 0, or -ENOMEM.
 */
int wye_hub_init(struct wye_hub *hub, struct wye_node *node, unsigned number, struct wye_conn *conns,
                 uint32_t capacity, uint64_t now_ns, uint64_t unix_s);
int wye_hub_use_slots(struct wye_hub *hub, uint8_t *slots, uint16_t slot_count, uint32_t slot_bytes);

/* Every connection must be gone. */
void wye_hub_fini(struct wye_hub *hub);

/* Drops what other hubs have sent and nobody will deliver. Every connection must be gone. */
void wye_hub_drop_mail(struct wye_hub *hub);

/*
 * A new connection, speaking HTTP, over TLS when there is a context (whose reference passes on); NULL: no room. It is answered 503 and lingers when the hub is full (`refused`)
 * or the node is (max_connections, exactly), and 429 when its address is. from: where it comes from; NULL: nobody asks.
 */
struct wye_conn *wye_hub_accept_from(struct wye_hub *hub, bool refused, struct wye_tls_context *context, const struct wye_ip *from);

/* The same of one whose address nobody asks for. */
struct wye_conn *wye_hub_accept(struct wye_hub *hub, bool refused, struct wye_tls_context *context);

/* The connection that (index, generation) names, or NULL when it is no more. */
static inline struct wye_conn *wye_hub_find(struct wye_hub *hub, uint32_t index, uint32_t generation) {
    if (index >= hub->used) return NULL;
    struct wye_conn *conn = &hub->conns[index];
    return conn->generation == generation && conn->phase != WYE_CONN_FREE ? conn : NULL;
}

/* The hands have waited, and time has come to `now_ns`; completions are handed in next. */
void wye_hub_woke(struct wye_hub *hub, uint64_t now_ns, uint64_t unix_s);

/* Time has come to `now_ns`: other settings, mail, timers, tails to be read again, draining, the node's own topic. */
void wye_hub_advance(struct wye_hub *hub, uint64_t now_ns, uint64_t unix_s);

/* How long the hands may sleep, ns; 0: not at all; UINT64_MAX: until something comes. */
uint64_t wye_hub_wait_ns(struct wye_hub *hub, uint64_t now_ns);

/* Puts a connection into the dirty list: the hands are to look at it before the turn ends. */
void wye_hub_dirty(struct wye_hub *hub, struct wye_conn *conn);

/* Takes the next dirty connection; NULL: none. */
struct wye_conn *wye_hub_next_dirty(struct wye_hub *hub);

/*
 * Moves what was published on, by so many subscribers as are sent to at once: they are dirty then. To be called when nobody
 * is dirty and no send is asked for. false: there is nothing, or the turn's share is used up.
 */
bool wye_hub_move_waves(struct wye_hub *hub);

/* The connection is GONE and the hands have closed it: its memory may be used again. */
void wye_hub_reap(struct wye_hub *hub, struct wye_conn *conn);

/* Takes a free slot for a 101; WYE_SLOT_NONE: there is none. */
uint16_t wye_hub_take_slot(struct wye_hub *hub);
void wye_hub_give_slot(struct wye_hub *hub, uint16_t slot);

/*
 * Has the node memory for `more` bytes of messages (settings.memory_bytes)? What other loops hold is known as of
 * their last turn.
 */
bool wye_hub_has_memory(struct wye_hub *hub, size_t more);

/*
 * Memory for a message that is still coming, one reference. All such messages may have three quarters of the node's, less what
 * history may take: who sends them slowly, or never to their end, must not have all publishers wait. NULL: there is none.
 */
struct wye_chunk *wye_hub_gather(struct wye_hub *hub, size_t capacity);

/* The message in it is whole, or given up: that counts no longer. The reference stays the caller's. NULL is fine. */
void wye_hub_gathered(struct wye_hub *hub, const struct wye_chunk *chunk);

/* Is so little left that publishers are to wait? */
bool wye_hub_is_short_of_memory(struct wye_hub *hub);

/* Publishers of this hub wait for it. */
static inline void wye_hub_want_memory(struct wye_hub *hub) {
    atomic_store_explicit(&hub->node->memory_wanted_ns, hub->now_ns, memory_order_relaxed);
}

/* For conn.c: puts a connection whose tail may be read into the ready list. */
void wye_hub_ready(struct wye_hub *hub, struct wye_conn *conn);

#endif
