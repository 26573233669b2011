/* The supply of receive buffers: lent to the kernel, filled bit by bit, given back when the turn is over. */
#ifndef WYE_RING_SUPPLY_H
#define WYE_RING_SUPPLY_H

#include "ring/kernel.h"

enum {
    WYE_SUPPLY_BUFFERS_MAX = 512,
    WYE_SUPPLY_ARMING_BYTES = 16384, /* what a receive is expected to take: a turn arms no more starved ones than fit */
};

/* How many buffers of what size, and how many of them are lent before anybody starved. */
struct wye_supply_geometry {
    uint32_t count, start, bytes;
};

struct wye_supply {
    struct wye_kernel *kernel;
    struct wye_supply_geometry geometry;
    uint8_t *memory;
    uint32_t lent;      /* buffers in circulation: with the kernel, or on their way back */
    uint32_t held;      /* of those, finished in this turn: given back when it is over */
    size_t free_bytes;  /* that the kernel may still fill */
    uint32_t offsets[WYE_SUPPLY_BUFFERS_MAX]; /* where the next bytes will lie */
    uint16_t finished[WYE_SUPPLY_BUFFERS_MAX];
};

/* A few large buffers when they can be filled bit by bit (inc); many small ones when every receive uses one up. */
struct wye_supply_geometry wye_supply_geometry(bool inc);

/* Lends the first buffers. `memory` is what wye_kernel_open() gave; the first buffers are touched. */
void wye_supply_open(struct wye_supply *supply, struct wye_kernel *kernel, struct wye_supply_geometry geometry,
                     uint8_t *memory);

/* Where the bytes of a completion lie. They stay until wye_supply_give_back(). */
uint8_t *wye_supply_take(struct wye_supply *supply, const struct wye_completion *completion);

/* The turn's output is gone: all finished buffers go back to the kernel. */
void wye_supply_give_back(struct wye_supply *supply);

/* Somebody starved: more buffers come into circulation, up to all. */
void wye_supply_grow(struct wye_supply *supply);

#endif
