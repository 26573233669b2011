#include "core/meter.h"

_Static_assert(sizeof(struct wye_meter) == 64, "a topic has one a loop");

#define TICK_S 0.134217728
#define KEPT 0.98666790f /* of a tick, after one more: exp(-TICK_S / WYE_METER_WINDOW_S) */
enum { TICKS_MAX = 8192 }; /* after so many nothing is left: e^-110 */

/* What is kept after so many ticks. */
static float kept(uint32_t ticks) {
    if (ticks > TICKS_MAX) return 0;
    float share = 1, each = KEPT;
    for (; ticks; ticks >>= 1, each *= each) {
        if (ticks & 1) share *= each;
    }
    return share;
}

static void fold(_Atomic float *past, float more, float share) {
    atomic_store_explicit(past, (atomic_load_explicit(past, memory_order_relaxed) + more) * share, memory_order_release);
}

/* Stores are releases, and a reader's loads acquires, so that whoever sees one of them sees the odd version, too. */
void wye_meter_fold(struct wye_meter *meter, uint32_t tick) {
    uint16_t version = atomic_load_explicit(&meter->version, memory_order_relaxed);
    atomic_store_explicit(&meter->version, (uint16_t)(version + 1), memory_order_relaxed);
    float share = kept(tick - atomic_load_explicit(&meter->tick, memory_order_relaxed));
    uint32_t messages = atomic_load_explicit(&meter->messages, memory_order_relaxed);
    fold(&meter->past_messages, (float)messages, share);
    fold(&meter->past_bytes, (float)atomic_load_explicit(&meter->bytes, memory_order_relaxed), share);
    fold(&meter->past_deliveries, (float)atomic_load_explicit(&meter->deliveries, memory_order_relaxed), share);
    fold(&meter->past_delivered_bytes, (float)atomic_load_explicit(&meter->delivered_bytes, memory_order_relaxed), share);
    uint64_t before = atomic_load_explicit(&meter->messages_before, memory_order_relaxed);
    atomic_store_explicit(&meter->messages_before, before + messages, memory_order_release);
    atomic_store_explicit(&meter->messages, 0, memory_order_release);
    atomic_store_explicit(&meter->bytes, 0, memory_order_release);
    atomic_store_explicit(&meter->deliveries, 0, memory_order_release);
    atomic_store_explicit(&meter->delivered_bytes, 0, memory_order_release);
    atomic_store_explicit(&meter->tick, tick, memory_order_release);
    atomic_store_explicit(&meter->version, (uint16_t)(version + 2), memory_order_release);
}

/* One reading of a meter's members, of which none is from before a fold and another from after it. */
struct reading {
    uint32_t tick, messages, deliveries;
    uint64_t bytes, delivered_bytes, messages_before;
    float past_messages, past_bytes, past_deliveries, past_delivered_bytes;
};

static struct reading read_meter(const struct wye_meter *meter) {
    struct reading reading;
    uint16_t version;
    do {
        version = atomic_load_explicit(&meter->version, memory_order_acquire);
#define READ(member) reading.member = atomic_load_explicit(&meter->member, memory_order_acquire)
        READ(tick), READ(messages), READ(deliveries), READ(bytes), READ(delivered_bytes), READ(messages_before);
        READ(past_messages), READ(past_bytes), READ(past_deliveries), READ(past_delivered_bytes);
#undef READ
    } while (version & 1 || version != atomic_load_explicit(&meter->version, memory_order_relaxed));
    return reading;
}

struct wye_metered wye_meters_read(const struct wye_meter *first, uint32_t tick, uint32_t born) {
    struct wye_metered sum = {0};
    for (const struct wye_meter *meter = first; meter; meter = meter->next) {
        const struct reading reading = read_meter(meter);
        /* A tick that isn't over doesn't count yet; another loop's may be ahead of ours. */
        int32_t passed = (int32_t)(tick - reading.tick);
        double now = passed > 0 ? 1 : 0, share = passed > 0 ? (double)kept((uint32_t)passed) : 1;
        sum.messages += reading.messages_before + reading.messages;
        sum.messages_per_s += ((double)reading.past_messages + now * (double)reading.messages) * share;
        sum.bytes_per_s += ((double)reading.past_bytes + now * (double)reading.bytes) * share;
        sum.deliveries_per_s += ((double)reading.past_deliveries + now * (double)reading.deliveries) * share;
        sum.delivered_bytes_per_s += ((double)reading.past_delivered_bytes + now * (double)reading.delivered_bytes) * share;
    }
    /* One a tick, since it is there, would have come to this: */
    int32_t age = (int32_t)(tick - born);
    double ones = age > 0 ? (double)KEPT * (1 - (double)kept((uint32_t)age)) / (1 - (double)KEPT) : 0;
    double to_rate = ones > 0 ? 1 / (ones * TICK_S) : 0;
    sum.messages_per_s *= to_rate;
    sum.bytes_per_s *= to_rate;
    sum.deliveries_per_s *= to_rate;
    sum.delivered_bytes_per_s *= to_rate;
    return sum;
}
