/* What the simulated kernel consists of, shared by kernel.c (what is asked) and operation.c (what comes of
 * it). */
#ifndef WYE_TESTS_SIM_OPERATION_H
#define WYE_TESTS_SIM_OPERATION_H

#include "tests/sim/kernel.h"

enum { CANCEL = 100, CLOSE, IOVECS_MAX = 16, ORDINARY_FROM = 1000, SLOT_MAX = 320 };

/* Something that was asked for. */
struct operation {
    int kind; /* enum wye_operation, CANCEL or CLOSE */
    int descriptor;
    struct sim_wire *wire;
    uint64_t tag;
    struct wye_kernel_peer *peer; /* of an accept: where the address goes; NULL: nobody asks */
    bool multishot, bounded, cancelled;
    uint32_t left; /* of a bounded receive */
    struct iovec from[IOVECS_MAX];
    size_t count;
    uint8_t copy[SLOT_MAX]; /* of a slot, when it was asked for: it may not change */
};

struct descriptor {
    struct sim_wire *wire;
    bool open, closing, sending, writing_slot, receiving, polling, shut;
};

struct lent {
    uint16_t buffer;
    uint32_t offset;
};

struct wye_kernel {
    struct wye_kernel *next;
    struct sim_net *net;
    struct wye_kernel_config config;
    uint8_t *buffers;
    bool *is_lent;
    struct lent *lent; /* a ring of buffer_count */
    uint32_t lent_head, lent_count;
    struct descriptor *table;
    uint32_t table_count, open_count;
    struct operation **queue, **active;
    size_t queue_count, active_count, queue_capacity, active_capacity;
    struct wye_completion *done;
    size_t done_at, done_count, done_capacity;
    bool woken;
    unsigned sends;
    uint64_t enters;
};

static inline bool sim_kernel_chance(struct wye_kernel *kernel, unsigned per_mille) {
    return sim_chance(&kernel->net->dice, per_mille);
}

/* Room for one more in a growing array. */
void *sim_grow(void *array, size_t count, size_t *capacity, size_t each);

struct descriptor *sim_descriptor_of(struct wye_kernel *kernel, int number);

/* This connection ends here, by the simulator's will. */
void sim_strike(struct sim_net *net, struct sim_wire *wire);

/* Could an operation go on? */
bool sim_operation_could(const struct wye_kernel *kernel, const struct operation *operation);

/* It goes on. true: it is over. */
bool sim_operation_step(struct wye_kernel *kernel, struct operation *operation);

/* It is over: its descriptor may be asked for the like again. */
void sim_operation_over(struct wye_kernel *kernel, const struct operation *operation);

/* Writes a slot. Returns what its completion says. */
int sim_write_slot(struct wye_kernel *kernel, struct operation *operation);

/* Sends at once what there is room for. true: there is something to tell. */
bool sim_send_now(struct wye_kernel *kernel, struct operation *operation, int *result);

#endif
