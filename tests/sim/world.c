#include "tests/sim/world.h"

#include "ring/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TURNS_MAX = 400000, STEPS_MAX = 4000000 };

static struct sim_world *the_world;

struct sim_chances sim_chances_hostile(struct sim_dice *dice) {
    /* Most worlds are hostile in some ways and mild in others: what hides behind a failure shows then. */
    unsigned level[10];
    for (unsigned i = 0; i < 10; i++) level[i] = sim_chance(dice, 300) ? 0 : (unsigned)sim_size(dice, 500);
    return (struct sim_chances){
        .progress = (unsigned)sim_between(dice, 100, 1000),
        .send_short = level[0],
        .send_again = level[1],
        .receive_short = level[2],
        .receive_end = level[3],
        .eof_buffer = level[4],
        .cancel_late = level[5],
        .slot_late = level[6],
        .accept_fail = level[7] / 2,
        .accept_end = level[7],
        .spurious = level[8] / 4,
        .hear_end = level[8],
        .jump = level[9] / 50,
        .batch = sim_chance(dice, 500) ? 0 : (unsigned)sim_between(dice, 500, 990),
    };
}

/* ---- time ---- */

static struct sim_client *client_at(struct sim_world *world, unsigned i) { return world->clients[i]; }

/* Every client gets its chance. true: one could do something. */
static bool step_clients(struct sim_world *world, uint64_t *next_ns) {
    bool could = false;
    *next_ns = UINT64_MAX;
    if (world->client_count == 0) return false;
    unsigned start = (unsigned)sim_below(&world->net.dice, world->client_count);
    for (unsigned i = 0; i < world->client_count; i++) {
        struct sim_client *client = client_at(world, (start + i) % world->client_count);
        could |= sim_client_step(client);
        uint64_t acts_ns = client->over ? UINT64_MAX : client->wire ? client->leave_ns : client->start_ns;
        if (acts_ns < *next_ns) *next_ns = acts_ns;
    }
    return could;
}

bool sim_world_step(struct sim_world *world, uint64_t *next_ns) {
    struct sim_net *net = &world->net;
    bool could = step_clients(world, next_ns);
    for (struct wye_kernel *each = net->kernels; each; each = sim_kernel_next(each))
        could |= sim_kernel_step(each);
    if (!could) return false;
    net->now_ns += sim_below(&net->dice, 1 << 20);
    if (sim_chance(&net->dice, net->chances.jump)) net->now_ns += sim_below(&net->dice, net->jump_ns + 1);
    return true;
}

/* Nothing moves but time. false: and not even that. */
static bool pass_time(struct sim_world *world, uint64_t until_ns) {
    if (world->stop_ns && world->stop_ns < until_ns) until_ns = world->stop_ns;
    world->asleep = until_ns == UINT64_MAX;
    if (!world->asleep && until_ns > world->net.now_ns) world->net.now_ns = until_ns;
    return !world->asleep;
}

static bool stopped(const struct sim_world *world) {
    return world->stop_ns && world->net.now_ns >= world->stop_ns;
}

void sim_world_wait(struct sim_net *net, struct wye_kernel *kernel, uint64_t until_ns) {
    struct sim_world *world = the_world;
    if (world->threads) {
        sim_threads_wait(world, kernel, until_ns);
        return;
    }
    for (unsigned long steps = 0;; steps++) {
        assert(steps < STEPS_MAX);
        uint64_t next_ns;
        bool could = sim_world_step(world, &next_ns);
        if (sim_kernel_ready(kernel)) {
            if (could && sim_chance(&net->dice, net->chances.batch)) continue;
            return;
        }
        if (net->now_ns >= until_ns || stopped(world)) return;
        if (!could && !pass_time(world, until_ns < next_ns ? until_ns : next_ns)) return;
    }
}

/* One turn of any loop, chosen among those that have something to do. */
static void turn_threads(struct sim_world *world) {
    for (unsigned long steps = 0;; steps++) {
        assert(steps < STEPS_MAX);
        uint64_t next_ns, until_ns;
        bool could = sim_world_step(world, &next_ns);
        if (could && sim_chance(&world->net.dice, world->net.chances.batch)) continue;
        if (sim_threads_turn(world, &until_ns) || stopped(world)) return;
        if (!could && !pass_time(world, until_ns < next_ns ? until_ns : next_ns)) return;
    }
}

/* ---- opening and ending ---- */

struct sim_world *sim_world_init(uint64_t seed) {
    struct sim_world *world = calloc(1, sizeof *world);
    assert(world);
    struct sim_net *net = &world->net;
    net->seed = net->dice.state = seed;
    net->now_ns = UINT64_C(1000000000) + sim_below(&net->dice, UINT64_C(1) << 40);
    net->coarse = sim_chance(&net->dice, 600);
    net->up_bytes =
        net->coarse ? sim_between(&net->dice, 1 << 16, 1 << 19) : sim_size(&net->dice, 1 << 18) + 64;
    net->down_bytes =
        net->coarse ? sim_between(&net->dice, 1 << 14, 1 << 19) : sim_size(&net->dice, 1 << 18) + 64;
    net->jump_ns = 300 * 1000000;
    net->chances = sim_chances_hostile(&net->dice);
    wye_settings_init(&world->settings);
    world->settings.ping_ns = 0;
    world->settings.outbox_bytes = 1024 + sim_size(&net->dice, 1 << 20);
    world->loop_count = world->door_count = 1;
    world->config = (struct wye_loop_config){
        .abilities = {sim_chance(&net->dice, 700), sim_chance(&net->dice, 500), sim_chance(&net->dice, 500),
                      sim_chance(&net->dice, 700)},
        /* Accepts are multishot as long as two backlogs fit, so that many change over in the middle. */
        .connections = sim_chance(&net->dice, 500)
                           ? 128
                           : (uint32_t)sim_between(&net->dice, 2 * WYE_BACKLOG + 1, 2 * WYE_BACKLOG + 40),
        .reserve = 8,
    };
    return world;
}

void sim_world_open(struct sim_world *world) {
    the_world = world;
    wye_log_set_level(WYE_LOG_ERROR);
    sim_net_use(&world->net);
    int trouble = wye_node_init(&world->node, &world->settings, world->net.now_ns);
    assert(trouble == 0);
    if (world->tls) wye_node_use_tls(&world->node, sim_tls_server());
    world->config.listener_count = world->door_count;
    world->node.hub_count = world->loop_count;
    world->orders = world->loop_count == 1;
    for (unsigned i = 0; i < world->loop_count; i++) {
        world->node.hubs[i] = &world->loops[i].hub;
        for (unsigned door = 0; door < world->door_count; door++) {
            int number = open("/dev/null", O_RDONLY | O_CLOEXEC); /* a number that the loop may close */
            assert(number >= 0);
            world->listeners[world->listener_count++] = world->config.listeners[door] = number;
            world->config.listener_tls[door] = world->tls;
        }
        trouble = wye_loop_open(&world->loops[i], &world->node, i, &world->config);
        assert(trouble == 0);
    }
    if (world->loop_count > 1) sim_threads_start(world);
}

void wye_loop_wake_hub(struct wye_node *node, unsigned number) {
    (void)node;
    wye_loop_wake(&the_world->loops[number]);
}

struct sim_client *sim_world_client(struct sim_world *world) {
    assert(world->client_count < SIM_CLIENTS_MAX);
    struct sim_client *client = malloc(sizeof *client);
    assert(client);
    sim_client_init(client, &world->net, world->client_count);
    client->listener =
        world->listeners[world->listener_count > 1 ? sim_below(&world->net.dice, world->listener_count) : 0];
    client->start_ns = world->net.now_ns;
    if (world->tls) sim_client_use_tls(client, sim_chance(&world->net.dice, 500));
    world->clients[world->client_count++] = client;
    return client;
}

bool sim_world_turn(struct sim_world *world) {
    world->asleep = false;
    world->turns++;
    if (world->threads) turn_threads(world);
    else if (!world->drained && !wye_loop_turn(&world->loops[0])) world->drained = true;
    return !world->drained;
}

unsigned sim_world_connections(const struct sim_world *world) {
    unsigned open_count = 0;
    for (unsigned i = 0; i < world->loop_count; i++) open_count += world->loops[i].hub.open;
    return open_count;
}

static void say_loop(const struct wye_loop *loop) {
    for (uint32_t i = 0; i < loop->hub.used; i++) {
        const struct wye_conn *conn = &loop->hub.conns[i];
        const struct wye_socket *socket = &loop->sockets.at[i];
        if (conn->phase == WYE_CONN_FREE) continue;
        fprintf(stderr,
                "  loop %u conn %u: phase %u, pauses %u, outbox %zu, tail %d, eof %d, blocked %d, slot_busy "
                "%d, dirty %d, ready "
                "%d; flight %u, armed %d, cancelled %d, starved %d, polling %d, descriptor %d\n",
                loop->hub.number, i, conn->phase, conn->pauses, conn->outbox.bytes, conn->tail != NULL,
                conn->eof, conn->blocked, conn->slot_busy, conn->dirty, conn->ready, socket->flight,
                socket->armed, socket->cancelled, socket->starved, socket->polling, socket->descriptor);
    }
}

static void say_state(struct sim_world *world) {
    fprintf(stderr, "after %lu turns, at %" PRIu64 " ms: %u connections open%s\n", world->turns,
            world->net.now_ns / 1000000, sim_world_connections(world),
            world->asleep ? ", and nothing moves" : "");
    for (unsigned i = 0; i < world->client_count; i++) {
        const struct sim_client *client = client_at(world, i);
        if (client->over) continue;
        const struct sim_wire *wire = client->wire;
        fprintf(stderr, "  client %u: status %d, %zu of %zu said, %u messages heard", i, client->status,
                client->script_at, client->script.count, client->messages);
        if (wire)
            fprintf(stderr, "; %zu up, %zu of %zu down, descriptor %d%s%s%s", wire->up.count,
                    wire->down.count, wire->down.capacity, wire->descriptor,
                    wire->up_ended ? ", up ended" : "", wire->down_ended ? ", down ended" : "",
                    wire->harmed ? ", harmed" : "");
        fputc('\n', stderr);
    }
    for (unsigned i = 0; i < world->loop_count; i++) say_loop(&world->loops[i]);
}

void sim_world_run(struct sim_world *world, bool (*done)(struct sim_world *)) {
    unsigned long until = world->turns + TURNS_MAX;
    world->asleep = false; /* the script has changed since */
    while (!done(world)) {
        if (world->asleep || world->drained || world->turns >= until) {
            say_state(world);
            assert(0 && "it hangs");
        }
        sim_world_turn(world);
    }
}

void sim_world_run_ns(struct sim_world *world, uint64_t ns) {
    world->stop_ns = world->net.now_ns + ns;
    while (world->net.now_ns < world->stop_ns && sim_world_turn(world)) {}
    world->stop_ns = 0;
}

bool sim_all_clients_over(struct sim_world *world) {
    for (unsigned i = 0; i < world->client_count; i++)
        if (!client_at(world, i)->over) return false;
    return true;
}

bool sim_nobody_connected(struct sim_world *world) {
    return world->drained || (sim_all_clients_over(world) && sim_world_connections(world) == 0);
}

void sim_world_drain(struct sim_world *world) {
    atomic_store(&world->node.draining, true);
    for (unsigned i = 0; i < world->loop_count; i++) wye_loop_wake(&world->loops[i]);
}

/* What happened, for those who wonder whether it was enough (WYE_SIM_SAY=1). */
static void say_counters(const struct sim_world *world) {
    if (!getenv("WYE_SIM_SAY")) return;
    const struct sim_net *net = &world->net;
    fprintf(stderr,
            "seed %" PRIu64 ": %lu turns, %" PRIu64
            " operations, %u resets, %u accept faults, %u slot faults",
            net->seed, world->turns, net->operations, net->resets, net->accept_faults, net->slot_faults);
    for (unsigned i = 0; i < world->loop_count; i++) {
        const struct wye_counters *counters = &world->loops[i].hub.counters;
        fprintf(stderr, "; loop %u:", i);
#define SAY(name, kind, help)                                                                                \
    if (wye_counted(&counters->name)) fprintf(stderr, " " #name " %" PRIu64, wye_counted(&counters->name));
        WYE_COUNTERS(SAY)
#undef SAY
    }
    fputc('\n', stderr);
}

static void check_hub(const struct wye_hub *hub) {
    if (hub->open > 0) return; /* time was up; they are closed when the loop is shut */
    /* What is still held is kept for reuse, and all of ordinary size. */
    assert(hub->pool.held_bytes <= (WYE_CHUNK_SPARE_MAX + 1) * (size_t)WYE_CHUNK_BYTES);
    assert(hub->topics.count == 0 && hub->timers.count == 0 && hub->slot_free_count == hub->slot_count);
    assert(hub->stalled == 0 && hub->refused == 0);
}

void sim_world_end(struct sim_world *world) {
    say_counters(world);
    sim_world_drain(world);
    uint64_t until_ns = world->net.now_ns + UINT64_C(6000000000);
    while (!world->drained) {
        sim_world_turn(world);
        assert(world->net.now_ns <= until_ns + world->net.jump_ns * 10); /* draining takes at most 5 s */
    }
    if (world->threads) sim_threads_join(world);
    for (unsigned i = 0; i < world->loop_count; i++) check_hub(&world->loops[i].hub);
    for (unsigned i = 0; i < world->loop_count; i++) wye_loop_end(&world->loops[i]);
    for (unsigned i = 0; i < world->loop_count; i++) wye_loop_shut(&world->loops[i]);
    wye_node_fini(&world->node);
    for (struct sim_wire *wire = world->net.wires; wire; wire = wire->next)
        assert(!wire->accepted || wire->server_closed);
    for (unsigned i = 0; i < world->client_count; i++) {
        sim_client_fini(world->clients[i]);
        free(world->clients[i]);
    }
    sim_net_fini(&world->net);
    the_world = NULL;
    free(world);
}

/* ---- seeds ---- */

static char rerun[256];

static void say_rerun(void) {
    ssize_t written = write(STDERR_FILENO, rerun, strlen(rerun));
    (void)written;
}

static void on_abort(int number) {
    (void)number;
    say_rerun();
}

/* Asked by UBSan, which has no callback of its own when AddressSanitizer is there too. */
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void) { return "abort_on_error=1:print_stacktrace=1"; }

/* Given by AddressSanitizer, when it is linked. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

void sim_for_seeds(const char *name, unsigned count, void (*test)(uint64_t seed)) {
    const char *only = getenv("WYE_SIM_SEED"), *factor = getenv("WYE_SIM_SEEDS"),
               *which = getenv("WYE_SIM_TEST");
    if (which && strcmp(which, name) != 0) return;
    signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(say_rerun);
    if (factor) count = (unsigned)(count * strtod(factor, NULL) + 0.999);
    uint64_t first = 1;
    if (only) {
        first = strtoull(only, NULL, 10);
        count = 1;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        snprintf(rerun, sizeof rerun,
                 "%s: seed %" PRIu64 " failed; again: WYE_SIM_TEST=%s WYE_SIM_SEED=%" PRIu64 " %s\n", name,
                 seed, name, seed, program_invocation_name);
        test(seed);
    }
    rerun[0] = 0;
}
