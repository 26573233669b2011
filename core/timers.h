/* A hashed timing wheel (Varghese and Lauck, 1987) over small indexes: one timer each, O(1) to set and to clear. One thread. */
#ifndef WYE_CORE_TIMERS_H
#define WYE_CORE_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    WYE_TICK_SHIFT = 24,     /* a tick is 2^24 ns, 16.8 ms */
    WYE_WHEEL_BUCKETS = 2048 /* one turn of the wheel: 34 s; what is due later comes by once a turn */
};

#define WYE_TIMER_NONE UINT32_MAX

/* Lives in its owner. */
struct wye_timer {
    uint32_t previous, next; /* indexes of neighbours in the bucket */
    uint32_t due;            /* tick; meaningful while set */
    bool set;
};

/* Finds the timer of an index; given by whoever owns the timers. */
typedef struct wye_timer *wye_timer_at_fn(void *owner, uint32_t index);

struct wye_timers {
    wye_timer_at_fn *at;
    void *owner;
    uint32_t now; /* the tick that was advanced to last */
    uint32_t at_index; /* the next one to be looked at in its bucket: those before it come a turn of the wheel later, or more */
    uint32_t count;
    uint32_t heads[WYE_WHEEL_BUCKETS];
    uint64_t occupied[WYE_WHEEL_BUCKETS / 64];
};

static inline uint32_t wye_tick_of(uint64_t ns) { return (uint32_t)(ns >> WYE_TICK_SHIFT); }
/* Rounded up, and one more for the tick that has begun: a timer never comes early. */
static inline uint32_t wye_ticks_in(uint64_t ns) {
    uint64_t ticks = ((ns + (1u << WYE_TICK_SHIFT) - 1) >> WYE_TICK_SHIFT) + 1;
    return ticks > INT32_MAX / 2 ? INT32_MAX / 2 : (uint32_t)ticks; /* ticks compare modulo 2^32 */
}

void wye_timers_init(struct wye_timers *timers, wye_timer_at_fn *at, void *owner, uint64_t now_ns);

/* Sets (or moves) the timer of `index` to come in `ticks` ticks, at least one. */
void wye_timers_set(struct wye_timers *timers, uint32_t index, uint32_t ticks);

void wye_timers_clear(struct wye_timers *timers, uint32_t index);

/*
 * Takes one timer that is due by now_ns. Returns its index, its timer cleared; WYE_TIMER_NONE: no more.
 * Call until there are no more.
 */
uint32_t wye_timers_next_due(struct wye_timers *timers, uint64_t now_ns);

/* How long until something may be due, in ns from now_ns; UINT64_MAX: nothing is set. */
uint64_t wye_timers_wait_ns(const struct wye_timers *timers, uint64_t now_ns);

#endif
