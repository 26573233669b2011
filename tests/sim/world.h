/* A world to test in: a node with its loops on simulated kernels, clients, virtual time, and one seed for all
 * chance. */
#ifndef WYE_TESTS_SIM_WORLD_H
#define WYE_TESTS_SIM_WORLD_H

#include "core/node.h"
#include "ring/loop.h"
#include "tests/sim/client.h"
#include "tests/sim/kernel.h"

enum { SIM_CLIENTS_MAX = 1024, SIM_LOOPS_MAX = 4, SIM_DOORS_MAX = 4 };

struct sim_world {
    struct sim_net net;
    struct wye_node node;
    struct wye_settings settings;  /* to be changed between sim_world_init() and sim_world_open() */
    struct wye_loop_config config; /* likewise; listeners are the world's */
    struct wye_loop loops[SIM_LOOPS_MAX];
    unsigned loop_count; /* 1, unless it is changed before sim_world_open() */
    unsigned door_count; /* listeners of each loop; likewise */
    struct sim_client *clients[SIM_CLIENTS_MAX];
    unsigned client_count;
    unsigned long turns;
    uint64_t stop_ns; /* a wait ends then, whatever it waits for; 0: none */
    bool asleep;      /* nothing could happen any more */
    bool drained;     /* every loop has turned its last */
    bool orders;      /* there is one loop: everybody hears a topic in the same order */
    bool tls;         /* its listeners speak TLS; to be changed before sim_world_open() */
    int listeners[SIM_LOOPS_MAX * SIM_DOORS_MAX];
    unsigned listener_count;
    struct sim_threads *threads; /* of several loops; NULL: there is one, and it turns where it stands */
};

/* Chances that are hostile in every way but for resets and failures that harm a client for good. */
struct sim_chances sim_chances_hostile(struct sim_dice *dice);

struct sim_world *sim_world_init(uint64_t seed);
void sim_world_open(struct sim_world *world);

struct sim_client *sim_world_client(struct sim_world *world);

/* Connections that are open, of all loops. */
unsigned sim_world_connections(const struct sim_world *world);

/* One turn of a loop. false: all have drained. */
bool sim_world_turn(struct sim_world *world);

/* Turns until `done`; fails when nothing moves before, or after a bounded number of turns. */
void sim_world_run(struct sim_world *world, bool (*done)(struct sim_world *));
bool sim_all_clients_over(struct sim_world *world);
bool sim_nobody_connected(struct sim_world *world);
void sim_world_run_ns(struct sim_world *world, uint64_t ns);

void sim_world_drain(struct sim_world *world);

/* Drains, shuts, and checks that nothing is left. Frees the world. */
void sim_world_end(struct sim_world *world);

/* ---- threads.c: several loops, a thread each, of which one runs at a time ---- */

void sim_threads_start(struct sim_world *world);
/* Everybody has turned their last. */
void sim_threads_join(struct sim_world *world);
/* A loop waits: others get their chance. Returns when it is to go on. */
void sim_threads_wait(struct sim_world *world, const struct wye_kernel *kernel, uint64_t until_ns);
/* Chooses somebody who may go on, and lets them until they wait again. false: nobody may; *until_ns is when.
 */
bool sim_threads_turn(struct sim_world *world, uint64_t *until_ns);

/* ---- world.c, for threads.c ---- */

/* Clients and kernels get their chance, and time goes on a little. true: somebody could do something. */
bool sim_world_step(struct sim_world *world, uint64_t *next_ns);

/* ---- seeds ---- */

/*
 * Runs a test with `count` seeds of its own; WYE_SIM_SEEDS in the environment is a factor for how many (0.4,
 * 50), WYE_SIM_SEED names the only one. A failure prints how to run its seed again.
 */
void sim_for_seeds(const char *name, unsigned count, void (*test)(uint64_t seed));

#endif
