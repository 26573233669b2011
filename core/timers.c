#include "core/timers.h"

enum { BUCKET_MASK = WYE_WHEEL_BUCKETS - 1 };

void wye_timers_init(struct wye_timers *timers, wye_timer_at_fn *at, void *owner, uint64_t now_ns) {
    *timers = (struct wye_timers){.at = at, .owner = owner, .now = wye_tick_of(now_ns), .at_index = WYE_TIMER_NONE};
    for (unsigned i = 0; i < WYE_WHEEL_BUCKETS; i++) timers->heads[i] = WYE_TIMER_NONE;
}

void wye_timers_clear(struct wye_timers *timers, uint32_t index) {
    struct wye_timer *timer = timers->at(timers->owner, index);
    if (!timer->set) return;
    unsigned bucket = timer->due & BUCKET_MASK;
    if (timers->at_index == index) timers->at_index = timer->next;
    if (timer->previous != WYE_TIMER_NONE) timers->at(timers->owner, timer->previous)->next = timer->next;
    else timers->heads[bucket] = timer->next;
    if (timer->next != WYE_TIMER_NONE) timers->at(timers->owner, timer->next)->previous = timer->previous;
    if (timers->heads[bucket] == WYE_TIMER_NONE) timers->occupied[bucket / 64] &= ~(1ull << bucket % 64);
    timer->set = false;
    timers->count--;
}

void wye_timers_set(struct wye_timers *timers, uint32_t index, uint32_t ticks) {
    struct wye_timer *timer = timers->at(timers->owner, index);
    wye_timers_clear(timers, index);
    timer->due = timers->now + (ticks ? ticks : 1);
    unsigned bucket = timer->due & BUCKET_MASK;
    timer->previous = WYE_TIMER_NONE;
    timer->next = timers->heads[bucket];
    if (timer->next != WYE_TIMER_NONE) timers->at(timers->owner, timer->next)->previous = index;
    timers->heads[bucket] = index;
    timers->occupied[bucket / 64] |= 1ull << bucket % 64;
    timer->set = true;
    timers->count++;
}

static void go_to(struct wye_timers *timers, uint32_t tick) {
    timers->now = tick;
    timers->at_index = timers->heads[tick & BUCKET_MASK];
}

/*
 * The next due timer in the present bucket; those of a later turn of the wheel stay. What is set meanwhile stands in front, and is
 * never due in this tick.
 */
static uint32_t bucket_due(struct wye_timers *timers) {
    while (timers->at_index != WYE_TIMER_NONE) {
        const uint32_t index = timers->at_index;
        const struct wye_timer *timer = timers->at(timers->owner, index);
        if ((int32_t)(timers->now - timer->due) >= 0) return index;
        timers->at_index = timer->next;
    }
    return WYE_TIMER_NONE;
}

uint32_t wye_timers_next_due(struct wye_timers *timers, uint64_t now_ns) {
    uint32_t target = wye_tick_of(now_ns);
    if (timers->count == 0) {
        go_to(timers, target);
        return WYE_TIMER_NONE;
    }
    /* After a very long sleep one turn of the wheel still visits every bucket. */
    if (target - timers->now > WYE_WHEEL_BUCKETS) go_to(timers, target - WYE_WHEEL_BUCKETS);
    for (;;) {
        uint32_t index = bucket_due(timers);
        if (index != WYE_TIMER_NONE) {
            wye_timers_clear(timers, index);
            return index;
        }
        if (timers->now == target) return WYE_TIMER_NONE;
        go_to(timers, timers->now + 1);
    }
}

uint64_t wye_timers_wait_ns(const struct wye_timers *timers, uint64_t now_ns) {
    if (timers->count == 0) return UINT64_MAX;
    /* The present bucket has been emptied of what is due; what is left in it comes a turn later. */
    for (uint32_t ahead = 1; ahead <= WYE_WHEEL_BUCKETS; ahead++) {
        unsigned bucket = (timers->now + ahead) & BUCKET_MASK;
        uint64_t word = timers->occupied[bucket / 64] >> bucket % 64;
        if (word == 0) {
            ahead += 63 - bucket % 64; /* none in the rest of this word */
            continue;
        }
        ahead += (uint32_t)__builtin_ctzll(word);
        uint64_t due_ns = (((now_ns >> WYE_TICK_SHIFT) & ~(uint64_t)UINT32_MAX) | timers->now) + ahead;
        due_ns <<= WYE_TICK_SHIFT;
        return due_ns > now_ns ? due_ns - now_ns : 0;
    }
    return (uint64_t)WYE_WHEEL_BUCKETS << WYE_TICK_SHIFT;
}
