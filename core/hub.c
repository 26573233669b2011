#include "core/hub.h"

#include "core/codec.h"
#include "core/http.h"
#include "core/laggard.h"
#include "core/peer.h"
#include "core/permit.h"
#include "core/receipt.h"
#include "core/stats.h"
#include "core/tls.h"
#include "core/tls_context.h"
#include "core/topic.h"
#include "core/wave.h"
#include "handshake/token_key.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_AFTER_NS UINT64_C(1000000000)

/* ---- lists ---- */

void wye_hub_dirty(struct wye_hub *hub, struct wye_conn *conn) {
    if (conn->dirty) return;
    conn->dirty = true;
    conn->dirty_next = WYE_INDEX_NONE;
    if (hub->dirty.head == WYE_INDEX_NONE) hub->dirty.head = conn->index;
    else hub->conns[hub->dirty.tail].dirty_next = conn->index;
    hub->dirty.tail = conn->index;
}

struct wye_conn *wye_hub_next_dirty(struct wye_hub *hub) {
    if (hub->dirty.head == WYE_INDEX_NONE) return NULL;
    struct wye_conn *conn = &hub->conns[hub->dirty.head];
    hub->dirty.head = conn->dirty_next;
    conn->dirty = false;
    return conn;
}

bool wye_hub_move_waves(struct wye_hub *hub) {
    /* One subscriber of several waves gets all of them before it is sent to: they must not fill the outbox of one that keeps up. */
    size_t bytes = 0, most = hub->settings->outbox_bytes / 4;
    uint32_t moved = 0;
    while (moved < WYE_WAVE_STEP && bytes <= most) {
        uint32_t left = WYE_WAVE_STEP - moved;
        uint32_t by = wye_waves_advance(hub, left < hub->waves.visits ? left : hub->waves.visits, &bytes);
        if (by == 0) break;
        hub->waves.visits -= by;
        moved += by;
    }
    return moved > 0;
}

void wye_hub_ready(struct wye_hub *hub, struct wye_conn *conn) {
    if (conn->ready) return;
    conn->ready = true;
    conn->ready_next = WYE_INDEX_NONE;
    if (hub->ready.head == WYE_INDEX_NONE) hub->ready.head = conn->index;
    else hub->conns[hub->ready.tail].ready_next = conn->index;
    hub->ready.tail = conn->index;
}

/* Reads on where reading was paused. Those that come into the list meanwhile wait for the next turn. */
static void hub_read_tails(struct wye_hub *hub) {
    uint32_t index = hub->ready.head;
    hub->ready.head = WYE_INDEX_NONE;
    while (index != WYE_INDEX_NONE) {
        struct wye_conn *conn = &hub->conns[index];
        index = conn->ready_next;
        conn->ready = false;
        if (conn->reap_due) wye_hub_reap(hub, conn);
        if (conn->phase != WYE_CONN_OPEN) continue;
        wye_conn_read_tail(conn);
        if (conn->eof && conn->phase == WYE_CONN_OPEN && !conn->pauses) wye_conn_eof(conn);
    }
}

/* ---- life ---- */

/* The oldest letter, taken out; NULL: there is none. */
static struct wye_letter *next_letter(struct wye_hub *hub) {
    if (!hub->letters) hub->letters = wye_mailbox_take(&hub->mailbox);
    struct wye_letter *letter = hub->letters;
    if (letter) hub->letters = letter->next;
    return letter;
}

static struct wye_timer *hub_timer_at(void *owner, uint32_t index) {
    return &((struct wye_hub *)owner)->conns[index].timer;
}

int wye_hub_init(struct wye_hub *hub, struct wye_node *node, unsigned number, struct wye_conn *conns,
                 uint32_t capacity, uint64_t now_ns, uint64_t unix_s) {
    memset(hub, 0, sizeof *hub);
    hub->node = node;
    hub->edition = wye_node_hold_edition(node);
    hub->settings = &hub->edition->settings;
    hub->number = number;
    hub->conns = conns;
    hub->capacity = capacity;
    hub->free_head = hub->dirty.head = hub->ready.head = hub->stalled_first = WYE_INDEX_NONE;
    hub->now_ns = now_ns;
    hub->unix_s = unix_s;
    hub->stats_due_ns = UINT64_MAX;
    hub->waves.share = WYE_TURN_VISITS;
    wye_date_write(hub->date, unix_s);
    wye_timers_init(&hub->timers, hub_timer_at, hub, now_ns);
    int trouble = wye_topics_init(&hub->topics, hub->settings->hash_key);
    if (trouble < 0) wye_node_let_go(node, hub->edition);
    return trouble;
}

int wye_hub_use_slots(struct wye_hub *hub, uint8_t *slots, uint16_t slot_count, uint32_t slot_bytes) {
    hub->slot_free = calloc(2u * slot_count, sizeof hub->slot_free[0]);
    if (!hub->slot_free) return -ENOMEM;
    hub->slot_used = hub->slot_free + slot_count;
    hub->slots = slots;
    hub->slot_bytes = slot_bytes;
    hub->slot_count = hub->slot_free_count = slot_count;
    for (uint16_t i = 0; i < slot_count; i++) hub->slot_free[i] = i;
    return 0;
}

void wye_hub_drop_mail(struct wye_hub *hub) {
    for (struct wye_letter *letter; (letter = next_letter(hub));) {
        if (!letter->parcel) {
            free(letter->receipt); /* nobody waits for it any more */
            continue;
        }
        if (letter->receipt) wye_receipt_drop(letter->receipt);
        wye_letter_discard(&hub->mailbox, letter);
    }
}

void wye_hub_fini(struct wye_hub *hub) {
    assert(hub->open == 0);
    wye_waves_fini(hub);
    wye_hub_drop_mail(hub);
    wye_codec_shut(hub->codec);
    wye_tls_hub_fini(hub);
    wye_permit_forget(hub);
    wye_token_keys_release(hub->keys);
    wye_topics_fini(&hub->topics);
    wye_chunk_pool_fini(&hub->pool);
    free(hub->slot_free);
    wye_node_let_go(hub->node, hub->edition);
    free(hub->largest);
    free(hub->paced.heap);
}

uint16_t wye_hub_take_slot(struct wye_hub *hub) {
    return hub->slot_free_count ? hub->slot_free[--hub->slot_free_count] : WYE_SLOT_NONE;
}

void wye_hub_give_slot(struct wye_hub *hub, uint16_t slot) {
    assert(slot < hub->slot_count && hub->slot_free_count < hub->slot_count);
    hub->slot_free[hub->slot_free_count++] = slot;
}

struct wye_conn *wye_hub_accept(struct wye_hub *hub, bool refused, struct wye_tls_context *context) {
    return wye_hub_accept_from(hub, refused, context, NULL);
}

struct wye_conn *wye_hub_accept_from(struct wye_hub *hub, bool refused, struct wye_tls_context *context, const struct wye_ip *from) {
    struct wye_conn *conn;
    if (hub->free_head != WYE_INDEX_NONE) {
        conn = &hub->conns[hub->free_head];
        hub->free_head = conn->dirty_next;
    } else if (hub->used < hub->capacity) {
        conn = &hub->conns[hub->used];
        conn->index = hub->used++;
    } else {
        wye_tls_context_release(context);
        return NULL;
    }
    uint32_t index = conn->index, generation = conn->generation;
    memset(conn, 0, sizeof *conn);
    conn->index = index;
    conn->generation = generation;
    conn->hub = hub;
    conn->phase = WYE_CONN_OPEN;
    conn->slot = WYE_SLOT_NONE;
    conn->heard_tick = wye_tick_of(hub->now_ns);
    struct wye_node *node = hub->node;
    if (!refused && atomic_fetch_add_explicit(&node->connections, 1, memory_order_relaxed) >= hub->settings->max_connections) {
        atomic_fetch_sub_explicit(&node->connections, 1, memory_order_relaxed);
        refused = true;
    }
    conn->refused = refused;
    if (!refused && from) {
        int trouble = wye_peer_is(conn, from);
        conn->crowded = trouble == -EDQUOT;
        if (trouble < 0) atomic_fetch_sub_explicit(&node->connections, 1, memory_order_relaxed);
        conn->refused = refused = trouble < 0;
    } else if (from) {
        conn->trusted = wye_cidrs_have(hub->settings->trusted, hub->settings->trusted_count, from);
    }
    hub->refused += refused;
    hub->open++;
    wye_count(&hub->counters.connections_total, 1);
    wye_count(&hub->counters.connections, 1);
    wye_conn_switch(conn, &wye_http); /* its state is inline: this can't fail */
    wye_hub_dirty(hub, conn);
    const struct wye_settings *settings = hub->settings;
    if ((settings->message_rate.tokens || settings->byte_rate.tokens) && wye_allowance_open(conn) < 0) {
        wye_tls_context_release(context);
        wye_conn_close(conn, -ENOMEM);
    } else if (conn->trusted && (context || !refused)) { /* even a refusal goes over TLS, and a PROXY header stands before that */
        wye_proxied_start(conn, context);
    } else if (context && wye_tls_start(conn, context) < 0) {
        wye_conn_close(conn, -ENOMEM);
    } else {
        wye_http_start(conn);
    }
    return conn;
}

void wye_hub_reap(struct wye_hub *hub, struct wye_conn *conn) {
    assert(conn->phase == WYE_CONN_GONE && !conn->dirty);
    conn->reap_due = conn->ready; /* still linked there: hub_read_tails() comes by */
    if (conn->reap_due) return;
    conn->phase = WYE_CONN_FREE;
    conn->generation++;
    conn->dirty_next = hub->free_head;
    hub->free_head = conn->index;
    hub->open--;
    if (conn->refused) hub->refused--;
    else atomic_fetch_sub_explicit(&hub->node->connections, 1, memory_order_relaxed);
    wye_count(&hub->counters.connections, (uint64_t)-1);
}

/* What the node holds for messages beside this loop's chunks: those of the others, mail, and history. */
static uint64_t bytes_of_others(const struct wye_hub *hub) {
    const struct wye_node *node = hub->node;
    uint64_t held = wye_counted(&node->history.bytes);
    for (unsigned i = 0; i < node->hub_count; i++) {
        held += atomic_load_explicit(&node->hubs[i]->mailbox.bytes, memory_order_relaxed);
        if (node->hubs[i] != hub) held += wye_counted(&node->hubs[i]->counters.chunk_bytes);
    }
    return held;
}

/* All of it. The others are asked once a turn, and only in turns in which somebody wants to know. */
static uint64_t held_bytes(struct wye_hub *hub) {
    if (!hub->others_known) hub->others_bytes = bytes_of_others(hub);
    hub->others_known = true;
    return hub->pool.held_bytes + hub->others_bytes;
}

bool wye_hub_has_memory(struct wye_hub *hub, size_t more) { return held_bytes(hub) + more <= hub->settings->memory_bytes; }

struct wye_chunk *wye_hub_gather(struct wye_hub *hub, size_t capacity) {
    const struct wye_settings *settings = hub->settings;
    bool keeps = settings->history.messages > 0 || settings->history_rule_count > 0;
    const uint64_t most = settings->memory_bytes - settings->memory_bytes / 4 - (keeps ? wye_history_memory(settings) : 0);
    _Atomic uint64_t *gathering = &hub->node->gathering_bytes;
    if (atomic_load_explicit(gathering, memory_order_relaxed) + capacity > most || !wye_hub_has_memory(hub, capacity)) return NULL;
    struct wye_chunk *chunk = wye_chunk_open(&hub->pool, capacity);
    if (chunk) atomic_fetch_add_explicit(gathering, chunk->capacity, memory_order_relaxed);
    return chunk;
}

void wye_hub_gathered(struct wye_hub *hub, const struct wye_chunk *chunk) {
    if (chunk) atomic_fetch_sub_explicit(&hub->node->gathering_bytes, chunk->capacity, memory_order_relaxed);
}

bool wye_hub_is_short_of_memory(struct wye_hub *hub) {
    uint64_t most = hub->settings->memory_bytes;
    return held_bytes(hub) > most - most / 8;
}

/* ---- time ---- */

static void hub_take_mail(struct wye_hub *hub) {
    /* While waves are many, letters wait, and with them the publishers of other loops. */
    while (hub->waves.bytes <= hub->settings->mailbox_bytes) {
        struct wye_letter *letter = next_letter(hub);
        if (!letter) return;
        if (!letter->parcel) { /* the letter is part of it */
            wye_receipt_take(hub, letter->receipt);
            continue;
        }
        wye_count(&hub->counters.letters, 1);
        wye_topic_deliver_parcel(hub, letter->parcel, letter->receipt);
        wye_letter_discard(&hub->mailbox, letter);
    }
}

/* Do publishers wait for a mailbox or for waves, and is there room again everywhere? */
static bool hub_may_resume(struct wye_hub *hub) {
    size_t half = hub->settings->mailbox_bytes / 2;
    if (hub->stalled == 0 || hub->waves.bytes > half || wye_hub_is_short_of_memory(hub)) return false;
    for (unsigned i = 0; i < hub->node->hub_count; i++) {
        if (atomic_load_explicit(&hub->node->hubs[i]->mailbox.bytes, memory_order_relaxed) > half) return false;
    }
    return true;
}

static void hub_resume_stalled(struct wye_hub *hub) {
    if (hub->stalled > 0 && wye_hub_is_short_of_memory(hub)) wye_hub_want_memory(hub);
    if (!hub_may_resume(hub)) return;
    for (uint32_t i = hub->stalled_first; i < hub->used && hub->stalled > 0; i++) wye_conn_resume(&hub->conns[i], WYE_PAUSE_PUBLISH);
    hub->stalled_first = WYE_INDEX_NONE;
}

/* Wakes every connection once, so that its protocol sees that the node drains. */
static void hub_drain(struct wye_hub *hub) {
    hub->draining = true;
    for (uint32_t i = 0; i < hub->used; i++) {
        if (hub->conns[i].phase == WYE_CONN_OPEN) wye_conn_wake(&hub->conns[i]);
    }
}

/*
 * Goes over to the newest settings. What depends on the old ones and outlives a turn is looked at again: when laggards
 * were looked at last, and timers by pings and idle times. Topics notice by the edition's number.
 */
static void hub_change_edition(struct wye_hub *hub) {
    struct wye_edition *old = hub->edition;
    hub->edition = wye_node_hold_edition(hub->node);
    hub->settings = &hub->edition->settings;
    hub->relieved_bytes = 0;
    bool timed = old->settings.ping_ns != hub->settings->ping_ns || old->settings.idle_timeout_ns != hub->settings->idle_timeout_ns;
    for (uint32_t i = 0; i < hub->used && timed; i++) {
        struct wye_conn *conn = &hub->conns[i];
        if (conn->phase == WYE_CONN_OPEN && conn->protocol->retime) conn->protocol->retime(conn);
    }
    wye_node_let_go(hub->node, old);
}

void wye_hub_woke(struct wye_hub *hub, uint64_t now_ns, uint64_t unix_s) {
    hub->now_ns = now_ns;
    if (unix_s == hub->unix_s) return;
    hub->unix_s = unix_s;
    wye_date_write(hub->date, unix_s);
}

/* When hub_sweep() is to be called again. */
static uint64_t sweep_wait_ns(const struct wye_hub *hub, uint64_t now_ns) {
    if (hub->pool.huge_count == 0) return UINT64_MAX;
    if (hub->pool.huge_used) return SWEEP_AFTER_NS;
    return hub->sweep_due_ns > now_ns ? hub->sweep_due_ns - now_ns : 0;
}

/* Gives back huge chunks that nobody wanted for a while. */
static void hub_sweep(struct wye_hub *hub) {
    struct wye_chunk_pool *pool = &hub->pool;
    if (pool->huge_count == 0) return;
    if (pool->huge_used) {
        pool->huge_used = false;
        hub->sweep_due_ns = hub->now_ns + SWEEP_AFTER_NS;
    } else if (hub->now_ns >= hub->sweep_due_ns) {
        wye_chunk_pool_sweep(pool);
    }
}

void wye_hub_advance(struct wye_hub *hub, uint64_t now_ns, uint64_t unix_s) {
    wye_hub_woke(hub, now_ns, unix_s);
    if (atomic_load_explicit(&hub->node->edition, memory_order_relaxed) != hub->edition) hub_change_edition(hub);
    hub->waves.visits = hub->waves.share;
    hub->others_known = false;
    hub_take_mail(hub);
    hub_resume_stalled(hub);
    if (!hub->draining && atomic_load_explicit(&hub->node->draining, memory_order_relaxed)) hub_drain(hub);
    for (uint32_t index; (index = wye_timers_next_due(&hub->timers, now_ns)) != WYE_TIMER_NONE;)
        wye_conn_wake(&hub->conns[index]);
    if (hub->paced.count) wye_allowances_advance(hub);
    if (hub->tls) wye_tls_advance(hub);
    hub_read_tails(hub);
    if (now_ns >= hub->stats_due_ns) wye_stats_publish(hub);
    wye_laggards_relieve(hub);
    hub_sweep(hub);
    atomic_store_explicit(&hub->counters.bytes_copied, hub->pool.copied_bytes, memory_order_relaxed);
    atomic_store_explicit(&hub->counters.chunk_bytes, hub->pool.held_bytes, memory_order_relaxed);
}

uint64_t wye_hub_wait_ns(struct wye_hub *hub, uint64_t now_ns) {
    if (hub->ready.head != WYE_INDEX_NONE || hub->dirty.head != WYE_INDEX_NONE) return 0;
    if (hub->waves.head || hub->letters || hub_may_resume(hub)) return 0;
    if (hub->tls && wye_tls_is_due(hub)) return 0;
    uint64_t wait = wye_timers_wait_ns(&hub->timers, now_ns);
    uint64_t paced = wye_allowances_wait_ns(hub, now_ns);
    if (paced < wait) wait = paced;
    if (hub->stats_due_ns != UINT64_MAX) {
        uint64_t stats = hub->stats_due_ns > now_ns ? hub->stats_due_ns - now_ns : 0;
        if (stats < wait) wait = stats;
    }
    uint64_t sweep = sweep_wait_ns(hub, now_ns);
    if (sweep < wait) wait = sweep;
    /* A full mailbox is looked at again and again while somebody waits for it. */
    if (hub->stalled > 0 && wait > 1u << WYE_TICK_SHIFT) wait = 1u << WYE_TICK_SHIFT;
    return wait;
}
