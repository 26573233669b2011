/*
 * A meter: how much is published to a topic, and delivered of it, on one loop. Its loop counts; any thread reads. Rates are
 * smoothed: what was counted `WYE_METER_WINDOW_S` seconds ago weighs 1/e of what is counted now. Such sums may be added up, so
 * the rates of several loops are exactly those that one loop would have counted.
 */
#ifndef WYE_CORE_METER_H
#define WYE_CORE_METER_H

#include <stdatomic.h>
#include <stdint.h>

enum { WYE_METER_WINDOW_S = 10 };

/* Ticks of 134 ms: within one, counting is adding. */
static inline uint32_t wye_meter_tick(uint64_t now_ns) { return (uint32_t)(now_ns >> 27); }

/* A cache line. All zero: nothing was counted. */
struct wye_meter {
    struct wye_meter *next; /* of the same subject, another loop's; the registry's */
    uint16_t hub;           /* whose it is */
    _Atomic uint16_t version; /* odd while a tick is folded into the past */
    _Atomic uint32_t tick;    /* the one that is being counted */
    _Atomic uint32_t messages, deliveries;     /* in this tick */
    _Atomic uint64_t bytes, delivered_bytes;   /* likewise; of payloads */
    _Atomic uint64_t messages_before;          /* this tick */
    _Atomic float past_messages, past_bytes, past_deliveries, past_delivered_bytes; /* sums of ticks, the older the less */
};

/* What several meters have counted together. */
struct wye_metered {
    uint64_t messages; /* since the subject is there */
    double messages_per_s, bytes_per_s, deliveries_per_s, delivered_bytes_per_s;
};

/* Another tick has come. */
void wye_meter_fold(struct wye_meter *meter, uint32_t tick);

/* Adds to two of its members in this tick. Its loop alone: others only read, so that plain adds do. */
static inline void wye_meter_add(struct wye_meter *meter, uint32_t tick, _Atomic uint32_t *count, uint32_t more, _Atomic uint64_t *sum,
                                 uint64_t bytes) {
    if (atomic_load_explicit(&meter->tick, memory_order_relaxed) != tick) wye_meter_fold(meter, tick);
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + more, memory_order_relaxed);
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + bytes, memory_order_relaxed);
}

static inline void wye_meter_published(struct wye_meter *meter, uint32_t tick, uint32_t messages, uint64_t bytes) {
    wye_meter_add(meter, tick, &meter->messages, messages, &meter->bytes, bytes);
}

static inline void wye_meter_delivered(struct wye_meter *meter, uint32_t tick, uint32_t deliveries, uint64_t bytes) {
    wye_meter_add(meter, tick, &meter->deliveries, deliveries, &meter->delivered_bytes, bytes);
}

/*
 * Reads the meters that hang on one another: what they have counted in all ticks before `tick`, those since `born` alone. Any
 * thread, while the list stands.
 */
struct wye_metered wye_meters_read(const struct wye_meter *first, uint32_t tick, uint32_t born);

#endif
