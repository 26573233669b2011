/* What a hub counts. Its own loop writes; any thread reads. */
#ifndef WYE_CORE_COUNTERS_H
#define WYE_CORE_COUNTERS_H

#include "core/reason.h"
#include "handshake/rule.h"

#include <stdatomic.h>
#include <stdint.h>

/* name, kind, help: rows of the table that the struct, /metrics and the stats topic are made from. */
#define WYE_COUNTERS(row)                                                                                    \
    row(connections, gauge, "connections open now")                                                         \
    row(connections_total, counter, "connections accepted")                                                 \
    row(requests, counter, "HTTP requests read")                                                            \
    row(upgrades, counter, "connections switched by a 101")                                                 \
    row(refusals, counter, "requests refused")                                                              \
    row(messages_in, counter, "messages received")                                                          \
    row(messages_out, counter, "messages put into outboxes")                                                \
    row(publishes, counter, "messages published to topics on this loop, those from other loops included")   \
    row(bytes_published, counter, "payload bytes of those messages")                                        \
    row(deliveries, counter, "messages put into subscribers' outboxes")                                     \
    row(bytes_in, counter, "bytes received from sockets")                                                   \
    row(bytes_out, counter, "bytes sent to sockets")                                                        \
    row(bytes_copied, counter, "bytes copied into chunks on their way out")                                 \
    row(chunk_bytes, gauge, "bytes of memory held by chunks and lists of slices")                           \
    row(sends, counter, "send operations")                                                                  \
    row(short_sends, counter, "sends that could not send everything")                                       \
    row(slots_written, counter, "101s written from registered memory")                                      \
    row(turns, counter, "turns of the loop")                                                                \
    row(enters, counter, "io_uring_enter calls")                                                            \
    row(receives, counter, "receive completions")                                                           \
    row(rearms, counter, "receives armed again")                                                            \
    row(starved, counter, "receives ended for want of buffers (ENOBUFS)")                                   \
    row(pauses, counter, "times a connection's reading was paused")                                         \
    row(pings_unanswered, counter, "connections dropped because the peer was silent")                       \
    row(slow_closed, counter, "subscribers closed because their outbox was full")                           \
    row(slow_dropped, counter, "messages that a subscriber did not get because its outbox was full")        \
    row(slow_replaced, counter, "messages replaced by newer ones of their topic before a slow subscriber took them") \
    row(tokens_valid, counter, "requests that showed a good token")                                         \
    row(tokens_expired, counter, "connections ended because their token expired")                           \
    row(accept_refused, counter, "connections answered 503 because the node was full")                      \
    row(address_refused, counter, "connections answered 429 because their address had as many as it may have")   \
    row(upgrade_rate_refused, counter, "upgrades answered 429 because their address had upgraded too often")    \
    row(topics_refused, counter, "subscriptions refused because a connection had as many as it may have")       \
    row(rate_paused, counter, "times a connection was not read because it had said what its rates allow")       \
    row(rate_closed, counter, "connections and publishes refused because they said more than their rates allow") \
    row(memory_paused, counter, "times a publisher was paused because the node's memory was nearly used up")    \
    row(memory_refused, counter, "messages refused because the node's memory was used up")                      \
    row(proxied, counter, "connections that began with a PROXY header")                                         \
    row(accept_failed, counter, "accepts that failed")                                                      \
    row(wakes, counter, "wake-ups of other loops")                                                          \
    row(letters, counter, "publishes received from other loops")                                            \
    row(letters_lost, counter, "the same, for which there was no memory: this loop's subscribers did not get them") \
    row(history_kept, counter, "messages put into history")                                                 \
    row(history_too_large, counter, "messages that their topic's history could not hold: it was emptied")   \
    row(history_outgrown, counter, "messages that left history for newer ones of their topic (--history)")  \
    row(history_evicted, counter, "messages that left history for want of memory (--history-memory)")       \
    row(history_topics_evicted, counter, "idle topics whose whole history left for want of memory")         \
    row(history_replayed, counter, "messages replayed from history")                                        \
    row(replays_cut, counter, "replays that left out older messages, since there were more than a connection is sent") \
    row(deflated, counter, "messages compressed")                                                           \
    row(inflated, counter, "messages inflated")                                                             \
    row(tls_handshakes, counter, "TLS handshakes completed")                                                \
    row(tls_resumed, counter, "of those, the ones that resumed a session")                                  \
    row(tls_failed, counter, "TLS handshakes that failed")                                                  \
    row(tls_given_up, counter, "TLS handshakes that ended in the middle: by time-out, or the peer left")    \
    row(tls_crowded_out, counter, "of those, the ones that made room for newer ones")                       \
    row(tls_half_open, gauge, "TLS handshakes that wait for their peers now")                               \
    row(tls_broken, counter, "connections ended by a record that could not be read")                        \
    row(tls_cut_off, counter, "connections that ended without a close_notify (truncated)")

struct wye_counters {
#define WYE_COUNTER_MEMBER(name, kind, help) _Atomic uint64_t name;
    WYE_COUNTERS(WYE_COUNTER_MEMBER)
#undef WYE_COUNTER_MEMBER
    _Atomic uint64_t refusals_by_rule[WYE_RULE_COUNT];
    _Atomic uint64_t closes[WYE_REASON_SLOTS];
};

/* One writer: a plain add that readers may watch. */
static inline void wye_count(_Atomic uint64_t *counter, uint64_t more) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static inline uint64_t wye_counted(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
