/*
 * The script's side of the simulated kernel (kernel.c implements ring/kernel.h): a seeded, hostile imitation
 * that keeps the promises of ring/kernel.h, no more, and checks on every call that the server keeps its own.
 */
#ifndef WYE_TESTS_SIM_KERNEL_H
#define WYE_TESTS_SIM_KERNEL_H

#include "ring/kernel.h"
#include "tests/sim/dice.h"
#include "tests/sim/wire.h"

/* How hostile it is: per mille, of the occasions for each. */
struct sim_chances {
    unsigned progress;      /* an operation that could go on does so, in a step */
    unsigned send_short;    /* a send takes only a part, though there is room */
    unsigned send_again;    /* a send takes nothing, though there is room */
    unsigned receive_short; /* a receive brings only a part of what is there */
    unsigned receive_end;   /* a multishot receive ends, with its bytes or with -EINTR, -EAGAIN, -ENOBUFS */
    unsigned eof_buffer;    /* an end of file uses up a buffer */
    unsigned cancel_late; /* a cancelled operation brings what it had first, or ends as if never cancelled */
    unsigned slot_late;   /* a slot's write completes in some later turn */
    unsigned slot_fail;   /* or fails, or is short */
    unsigned accept_fail;
    unsigned accept_end; /* a multishot accept ends */
    unsigned reset;      /* a connection breaks when an operation on it is asked for */
    unsigned spurious;   /* a wait ends without a completion */
    unsigned hear_end;   /* a wake ends the hearing */
    unsigned jump;       /* time jumps */
    unsigned batch;      /* a wait goes on although there are completions */
};

struct sim_world;

enum { SIM_LISTENERS_MAX = 4, SIM_NEVER = 0 };

/* What all kernels of a test share: chance, time and wires. */
struct sim_net {
    uint64_t seed;
    struct sim_dice dice;
    struct sim_chances chances;
    uint64_t now_ns;
    struct sim_wire *wires;
    uint64_t operations;         /* asked for so far */
    uint64_t reset_at;           /* the wire of the operation with this number breaks; SIM_NEVER */
    bool reset_quietly;          /* by EOF instead */
    bool coarse;                 /* sockets are large, and clients say much at once */
    size_t up_bytes, down_bytes; /* of sockets' buffers: at most */
    uint64_t jump_ns;            /* at most */
    unsigned lost_to_full_table; /* clients that an accept closed without a word */
    unsigned accept_faults, resets, slot_faults, starved; /* what befell the server */
    struct wye_kernel *kernels;                           /* open ones */
};

/* Not the server runs but the simulator: memory never fails it (sim_memory.c). Counts up and down. */
extern __thread volatile unsigned
    sim_is_inside; /* volatile: compilers think they know what malloc looks at */

/* Asks the world to go on until `kernel` has completions or `until_ns` has come. Given by world.c. */
void sim_world_wait(struct sim_net *net, struct wye_kernel *kernel, uint64_t until_ns);

/* The net that kernels belong to that are opened from now on. */
void sim_net_use(struct sim_net *net);
extern struct sim_net *sim_net;

/* A client connects. The wire is the net's, until the net ends. */
struct sim_wire *sim_net_connect(struct sim_net *net, int listener);
void sim_net_fini(struct sim_net *net);

/* Every operation gets its chance. true: one could go on, whether it did or not. */
bool sim_kernel_step(struct wye_kernel *kernel);
/* Are there completions? */
bool sim_kernel_ready(const struct wye_kernel *kernel);
struct wye_kernel *sim_kernel_next(const struct wye_kernel *kernel);
/* Descriptors that are open. */
unsigned sim_kernel_open_descriptors(const struct wye_kernel *kernel);

#endif
