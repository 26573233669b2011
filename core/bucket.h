/* A token bucket: how often something may happen. Whole numbers alone: nothing is rounded, however small or large a rate is. */
#ifndef WYE_CORE_BUCKET_H
#define WYE_CORE_BUCKET_H

#include <stdint.h>

/* So many tokens come in each period, and at most `burst` are saved. */
struct wye_rate {
    uint64_t tokens;    /* 0: there is no limit; at most 2^32 - 1 */
    uint64_t burst;     /* at least 1; burst x period_ns is at most 2^63 */
    uint64_t period_ns;
};

/* All zero is full. In tokens x period_ns, so that a nanosecond gives `tokens` of them. */
struct wye_bucket {
    uint64_t missing; /* to be full; more than burst x period_ns: it owes */
    uint64_t at_ns;   /* when that was so */
};

static inline void wye_bucket_refill(struct wye_bucket *bucket, const struct wye_rate *rate, uint64_t now_ns) {
    if (now_ns <= bucket->at_ns) return; /* another thread's clock was read later */
    uint64_t elapsed = now_ns - bucket->at_ns;
    bucket->at_ns = now_ns;
    if (elapsed > bucket->missing / rate->tokens) bucket->missing = 0;
    else bucket->missing -= elapsed * rate->tokens;
}

/* How long from now_ns until there are `count` tokens (at most burst), in ns, rounded up; 0: they are there. */
static inline uint64_t wye_bucket_wait_ns(struct wye_bucket *bucket, const struct wye_rate *rate, uint64_t now_ns, uint64_t count) {
    wye_bucket_refill(bucket, rate, now_ns);
    uint64_t room = (rate->burst - count) * rate->period_ns;
    if (bucket->missing <= room) return 0;
    uint64_t behind = bucket->at_ns > now_ns ? bucket->at_ns - now_ns : 0;
    return behind + (bucket->missing - room + rate->tokens - 1) / rate->tokens;
}

/* Takes tokens, whether they are there or not: what is owed must come in before there are any again. */
static inline void wye_bucket_take(struct wye_bucket *bucket, const struct wye_rate *rate, uint64_t now_ns, uint64_t count) {
    wye_bucket_refill(bucket, rate, now_ns);
    uint64_t cost = count * rate->period_ns;
    bucket->missing = cost > UINT64_MAX - bucket->missing ? UINT64_MAX : bucket->missing + cost;
}

#endif
