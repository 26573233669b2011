/* Several loops, a thread each. A baton goes round: one runs at a time, and chance decides which, so that a
 * seed repeats. */
#include "tests/sim/world.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum { SCRIPT = SIM_LOOPS_MAX }; /* the holder of the baton when it is no loop */

struct sim_threads {
    pthread_mutex_t lock;
    pthread_cond_t passed;
    unsigned holder; /* of the baton */
    pthread_t ids[SIM_LOOPS_MAX];
    uint64_t until_ns[SIM_LOOPS_MAX];
    bool drained[SIM_LOOPS_MAX];
};

static __thread unsigned self = SCRIPT;

/* Gives the baton to somebody, and waits until it comes back. */
static void pass(struct sim_threads *threads, unsigned to, bool comes_back) {
    pthread_mutex_lock(&threads->lock);
    threads->holder = to;
    pthread_cond_broadcast(&threads->passed);
    while (comes_back && threads->holder != self) pthread_cond_wait(&threads->passed, &threads->lock);
    pthread_mutex_unlock(&threads->lock);
}

struct start {
    struct sim_world *world;
    unsigned number;
};

static void *loop_main(void *argument) {
    struct start start = *(struct start *)argument;
    free(argument);
    self = start.number;
    struct sim_threads *threads = start.world->threads;
    pthread_mutex_lock(&threads->lock);
    while (threads->holder != self) pthread_cond_wait(&threads->passed, &threads->lock);
    pthread_mutex_unlock(&threads->lock);
    while (wye_loop_turn(&start.world->loops[self])) {}
    /* As in ring/threads.c: those that waited for this one. */
    for (unsigned i = 0; i < start.world->loop_count; i++) wye_loop_wake(&start.world->loops[i]);
    threads->drained[self] = true;
    pass(threads, SCRIPT, false);
    return NULL;
}

void sim_threads_start(struct sim_world *world) {
    struct sim_threads *threads = world->threads = calloc(1, sizeof *threads);
    assert(threads);
    threads->holder = SCRIPT;
    pthread_mutex_init(&threads->lock, NULL);
    pthread_cond_init(&threads->passed, NULL);
    for (unsigned i = 0; i < world->loop_count; i++) {
        struct start *start = malloc(sizeof *start);
        assert(start);
        *start = (struct start){world, i};
        int trouble = pthread_create(&threads->ids[i], NULL, loop_main, start);
        assert(trouble == 0);
    }
}

void sim_threads_join(struct sim_world *world) {
    struct sim_threads *threads = world->threads;
    for (unsigned i = 0; i < world->loop_count; i++) pthread_join(threads->ids[i], NULL);
    pthread_cond_destroy(&threads->passed);
    pthread_mutex_destroy(&threads->lock);
    world->threads = NULL;
    free(threads);
}

void sim_threads_wait(struct sim_world *world, const struct wye_kernel *kernel, uint64_t until_ns) {
    (void)kernel;
    world->threads->until_ns[self] = until_ns;
    pass(world->threads, SCRIPT, true);
}

bool sim_threads_turn(struct sim_world *world, uint64_t *until_ns) {
    struct sim_threads *threads = world->threads;
    *until_ns = UINT64_MAX;
    unsigned start = (unsigned)sim_below(&world->net.dice, world->loop_count);
    world->drained = true;
    for (unsigned i = 0; i < world->loop_count; i++) {
        unsigned number = (start + i) % world->loop_count;
        if (threads->drained[number]) continue;
        world->drained = false;
        if (threads->until_ns[number] < *until_ns) *until_ns = threads->until_ns[number];
        if (!sim_kernel_ready(world->loops[number].kernel) && threads->until_ns[number] > world->net.now_ns)
            continue;
        pass(threads, number, true);
        return true;
    }
    return world->drained;
}
