/*
 * An imitation of the kernel behind ring/kernel.h: seeded, hostile, and strict about what it is asked. What
 * completes, when, and in which order among operations is chance; the bytes of one connection stay in order.
 */
#include "tests/sim/operation.h"

#include "ring/loop.h"
#include "tests/sim/poison.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_MAX = 128 };

struct sim_net *sim_net;
__thread volatile unsigned sim_is_inside;

/* ---- opening ---- */

int wye_kernel_open(struct wye_kernel **opened, struct wye_kernel_config *config, uint8_t **buffers) {
    struct wye_kernel *kernel = calloc(1, sizeof *kernel);
    assert(kernel && sim_net);
    kernel->net = sim_net;
    kernel->config = *config;
    kernel->buffers = aligned_alloc(4096, (size_t)config->buffer_count * config->buffer_bytes);
    kernel->is_lent = calloc(config->buffer_count, sizeof kernel->is_lent[0]);
    kernel->lent = calloc(config->buffer_count, sizeof kernel->lent[0]);
    /* Ordinary descriptors are the process's: there is no table of ours that could be full. */
    kernel->table_count = config->abilities.direct ? config->descriptors : config->descriptors + 64;
    kernel->table = calloc(kernel->table_count, sizeof kernel->table[0]);
    assert(kernel->buffers && kernel->is_lent && kernel->lent && kernel->table);
    kernel->next = sim_net->kernels;
    sim_net->kernels = kernel;
    *buffers = kernel->buffers;
    *opened = kernel;
    return 0;
}

void wye_kernel_shut(struct wye_kernel *kernel) {
    for (size_t i = 0; i < kernel->queue_count; i++) {
        /* Asked for and never submitted: the end of a ring closes its own descriptors, and nobody the
         * process's. */
        assert(kernel->queue[i]->kind != CLOSE || kernel->config.abilities.direct);
        if (kernel->queue[i]->kind == CLOSE) {
            sim_wire_server_close(kernel->queue[i]->wire);
            kernel->open_count--;
        }
        free(kernel->queue[i]);
    }
    for (size_t i = 0; i < kernel->active_count; i++) {
        assert(kernel->active[i]->kind == WYE_OPERATION_ACCEPT ||
               kernel->active[i]->kind == WYE_OPERATION_WAKE);
        free(kernel->active[i]);
    }
    for (size_t i = kernel->done_at; i < kernel->done_count; i++) {
        const struct wye_completion *late = &kernel->done[i];
        if (wye_tag_operation(late->tag) != WYE_OPERATION_ACCEPT || late->result < 0) continue;
        assert(kernel->config.abilities.direct); /* an accepted descriptor that nobody looked at */
        sim_wire_server_close(kernel->table[late->result].wire);
        kernel->open_count--;
    }
    assert(kernel->open_count == 0);
    size_t bytes = (size_t)kernel->config.buffer_count * kernel->config.buffer_bytes;
    sim_unpoison(kernel->buffers, bytes);
    struct wye_kernel **link = &kernel->net->kernels;
    while (*link != kernel) link = &(*link)->next;
    *link = kernel->next;
    free(kernel->buffers);
    free(kernel->is_lent);
    free(kernel->lent);
    free(kernel->table);
    free(kernel->queue);
    free(kernel->active);
    free(kernel->done);
    free(kernel);
}

/* ---- asking ---- */

static void begin_all(struct wye_kernel *kernel);

static struct operation *ask(struct wye_kernel *kernel, int kind, uint64_t tag) {
    sim_is_inside++;
    struct operation *operation = calloc(1, sizeof *operation);
    sim_is_inside--;
    assert(operation);
    /* Sends are submitted apart: nothing that completes otherwise may be asked for between them. */
    assert(kernel->sends == 0 || kind == WYE_OPERATION_SEND || kind == WYE_OPERATION_WRITE_SLOT);
    if (kernel->queue_count == QUEUE_MAX) {
        assert(kernel->sends == 0); /* there is always room for a batch of sends */
        begin_all(kernel);
    }
    operation->kind = kind;
    operation->tag = tag;
    operation->descriptor = -1;
    kernel->queue = sim_grow(kernel->queue, kernel->queue_count, &kernel->queue_capacity, sizeof(void *));
    kernel->queue[kernel->queue_count++] = operation;
    return operation;
}

/* An operation on a descriptor; here connections break. */
static struct descriptor *ask_on(struct wye_kernel *kernel, struct operation *operation, int number) {
    struct descriptor *descriptor = sim_descriptor_of(kernel, number);
    assert(descriptor->open && !descriptor->closing);
    operation->descriptor = number;
    operation->wire = descriptor->wire;
    struct sim_net *net = kernel->net;
    net->operations++;
    if (net->operations == net->reset_at || sim_kernel_chance(kernel, net->chances.reset))
        sim_strike(net, descriptor->wire);
    return descriptor;
}

void wye_kernel_accept(struct wye_kernel *kernel, int listener, uint64_t tag, bool multishot, struct wye_kernel_peer *from) {
    assert(!multishot || !from);
    struct operation *operation = ask(kernel, WYE_OPERATION_ACCEPT, tag);
    operation->descriptor = listener;
    operation->multishot = multishot;
    operation->peer = from;
}

/* The simulated server is called; it calls nobody. */
void wye_kernel_adopt(struct wye_kernel *kernel, int *socket, uint64_t tag) {
    (void)kernel, (void)socket, (void)tag;
    assert(!"no outgoing connections here");
}
void wye_kernel_connect(struct wye_kernel *kernel, int number, uint64_t tag, const struct sockaddr *to, socklen_t to_bytes) {
    (void)kernel, (void)number, (void)tag, (void)to, (void)to_bytes;
    assert(!"no outgoing connections here");
}

void wye_kernel_receive(struct wye_kernel *kernel, int number, uint64_t tag, uint32_t limit_bytes) {
    struct operation *operation = ask(kernel, WYE_OPERATION_RECEIVE, tag);
    struct descriptor *descriptor = ask_on(kernel, operation, number);
    assert(!descriptor->receiving);
    assert(limit_bytes == 0 || kernel->config.abilities.optlen);
    descriptor->receiving = true;
    operation->bounded = limit_bytes > 0;
    operation->left = limit_bytes;
}

void wye_kernel_send(struct wye_kernel *kernel, int number, uint64_t tag, const struct iovec *from,
                     size_t count) {
    struct operation *operation = ask(kernel, WYE_OPERATION_SEND, tag);
    struct descriptor *descriptor = ask_on(kernel, operation, number);
    assert(!descriptor->sending && !descriptor->writing_slot && !descriptor->shut);
    assert(count > 0 && count <= IOVECS_MAX && kernel->sends < WYE_KERNEL_SENDS_MAX);
    descriptor->sending = true;
    memcpy(operation->from, from, count * sizeof from[0]);
    operation->count = count;
    kernel->sends++;
}

void wye_kernel_write_slot(struct wye_kernel *kernel, int number, uint64_t tag, const uint8_t *from,
                           size_t count) {
    struct operation *operation = ask(kernel, WYE_OPERATION_WRITE_SLOT, tag);
    struct descriptor *descriptor = ask_on(kernel, operation, number);
    assert(!descriptor->sending && !descriptor->writing_slot && !descriptor->shut);
    assert(kernel->config.abilities.write_fixed && kernel->sends < WYE_KERNEL_SENDS_MAX && count <= SLOT_MAX);
    assert(from >= kernel->config.slots && from + count <= kernel->config.slots + kernel->config.slots_bytes);
    descriptor->writing_slot = true;
    operation->from[0] = (struct iovec){(void *)(uintptr_t)from, count};
    memcpy(operation->copy, from, count);
    kernel->sends++;
}

void wye_kernel_writable(struct wye_kernel *kernel, int number, uint64_t tag) {
    struct operation *operation = ask(kernel, WYE_OPERATION_WRITABLE, tag);
    struct descriptor *descriptor = ask_on(kernel, operation, number);
    assert(!descriptor->polling);
    descriptor->polling = true;
}

void wye_kernel_shutdown(struct wye_kernel *kernel, int number, uint64_t tag) {
    struct descriptor *descriptor = ask_on(kernel, ask(kernel, WYE_OPERATION_SHUTDOWN, tag), number);
    assert(!descriptor->shut && !descriptor->writing_slot);
    descriptor->shut = true;
}

void wye_kernel_cancel(struct wye_kernel *kernel, uint64_t tag) { ask(kernel, CANCEL, tag); }

void wye_kernel_close(struct wye_kernel *kernel, int number) {
    struct operation *operation = ask(kernel, CLOSE, 0);
    struct descriptor *descriptor = sim_descriptor_of(kernel, number);
    assert(descriptor->open && !descriptor->closing); /* once */
    assert(!descriptor->sending && !descriptor->writing_slot && !descriptor->receiving &&
           !descriptor->polling);
    descriptor->closing = true;
    operation->descriptor = number;
    operation->wire = descriptor->wire;
}

void wye_kernel_lend(struct wye_kernel *kernel, uint16_t buffer) {
    const struct wye_kernel_config *config = &kernel->config;
    assert(buffer < config->buffer_count && !kernel->is_lent[buffer]);
    kernel->is_lent[buffer] = true;
    kernel->lent[(kernel->lent_head + kernel->lent_count++) % config->buffer_count] =
        (struct lent){buffer, 0};
    sim_poison(kernel->buffers + (size_t)buffer * config->buffer_bytes, config->buffer_bytes);
}

void wye_kernel_wake(struct wye_kernel *kernel) { kernel->woken = true; }
void wye_kernel_hear(struct wye_kernel *kernel, uint64_t tag) { ask(kernel, WYE_OPERATION_WAKE, tag); }
uint64_t wye_kernel_enters(const struct wye_kernel *kernel) { return kernel->enters; }

bool sim_kernel_step(struct wye_kernel *kernel) {
    bool could = false;
    if (kernel->active_count == 0) return false;
    size_t start = sim_below(&kernel->net->dice, kernel->active_count);
    for (size_t i = 0; i < kernel->active_count; i++) {
        size_t at = (start + i) % kernel->active_count;
        struct operation *operation = kernel->active[at];
        if (!sim_operation_could(kernel, operation)) continue;
        could = true;
        if (!sim_kernel_chance(kernel, kernel->net->chances.progress) ||
            !sim_operation_step(kernel, operation))
            continue;
        sim_operation_over(kernel, operation);
        free(operation);
        kernel->active[at] = kernel->active[--kernel->active_count];
        if (kernel->active_count == 0) break;
    }
    return could;
}

/* ---- submitting ---- */

static void cancel_now(struct wye_kernel *kernel, uint64_t tag) {
    for (size_t i = 0; i < kernel->active_count; i++) {
        if (kernel->active[i]->tag != tag || kernel->active[i]->cancelled) continue;
        kernel->active[i]->cancelled = true;
        return; /* the first one alone, as without ASYNC_CANCEL_ALL */
    }
}

static void close_now(struct wye_kernel *kernel, const struct operation *operation) {
    sim_wire_server_close(operation->wire);
    *sim_descriptor_of(kernel, operation->descriptor) = (struct descriptor){0};
    kernel->open_count--;
}

static void activate(struct wye_kernel *kernel, struct operation *operation) {
    kernel->active = sim_grow(kernel->active, kernel->active_count, &kernel->active_capacity, sizeof(void *));
    kernel->active[kernel->active_count++] = operation;
}

/* Begins one thing that was asked for. true: it has completed, and *result tells. */
static bool begin(struct wye_kernel *kernel, struct operation *operation, int *result) {
    bool told = false;
    switch (operation->kind) {
    case WYE_OPERATION_SEND: told = sim_send_now(kernel, operation, result); break;
    case WYE_OPERATION_WRITE_SLOT:
        if (!sim_operation_could(kernel, operation) ||
            sim_kernel_chance(kernel, kernel->net->chances.slot_late)) {
            activate(kernel, operation);
            return false;
        }
        *result = sim_write_slot(kernel, operation);
        told = true;
        break;
    case CANCEL: cancel_now(kernel, operation->tag); break;
    case CLOSE: close_now(kernel, operation); break;
    default: activate(kernel, operation); return false;
    }
    operation->kind = WYE_OPERATION_NONE; /* done with */
    return told;
}

/* Begins all that was asked for, sends not among it. */
static void begin_all(struct wye_kernel *kernel) {
    assert(kernel->sends == 0);
    kernel->enters++;
    for (size_t i = 0; i < kernel->queue_count; i++) {
        int result;
        begin(kernel, kernel->queue[i], &result);
        if (kernel->queue[i]->kind == WYE_OPERATION_NONE) free(kernel->queue[i]);
    }
    kernel->queue_count = 0;
}

unsigned wye_kernel_submit_sends(struct wye_kernel *kernel, struct wye_completion *completions,
                                 unsigned most) {
    unsigned count = 0;
    assert(kernel->done_at == kernel->done_count); /* all were taken: what comes now is the sends' */
    kernel->enters++;
    for (size_t i = 0; i < kernel->queue_count; i++) {
        struct operation *operation = kernel->queue[i];
        int result;
        uint64_t tag = operation->tag;
        assert(operation->kind == WYE_OPERATION_SEND || operation->kind == WYE_OPERATION_WRITE_SLOT ||
               operation->kind == CLOSE || operation->kind == WYE_OPERATION_WAKE);
        if (begin(kernel, operation, &result)) {
            assert(count < most);
            completions[count++] = (struct wye_completion){.tag = tag, .result = result};
        }
        if (operation->kind == WYE_OPERATION_NONE) free(operation);
    }
    kernel->queue_count = 0;
    kernel->sends = 0;
    return count;
}

int wye_kernel_wait(struct wye_kernel *kernel, uint64_t wait_ns) {
    struct sim_net *net = kernel->net;
    begin_all(kernel);
    if (sim_kernel_chance(kernel, net->chances.spurious)) return 0;
    sim_is_inside++;
    sim_world_wait(net, kernel, wait_ns > UINT64_MAX - net->now_ns ? UINT64_MAX : net->now_ns + wait_ns);
    sim_is_inside--;
    return 0;
}

bool wye_kernel_next(struct wye_kernel *kernel, struct wye_completion *completion) {
    if (kernel->done_at == kernel->done_count) {
        kernel->done_at = kernel->done_count = 0;
        return false;
    }
    *completion = kernel->done[kernel->done_at++];
    return true;
}

/* ---- the rest of the seam ---- */

int wye_kernel_probe(struct wye_abilities *abilities, const char *without, const char **unknown) {
    (void)without, (void)unknown;
    *abilities = (struct wye_abilities){true, true, true, true};
    return 0;
}

void wye_kernel_explain(char *to, size_t room, int error) {
    (void)error;
    if (room) *to = 0;
}

uint64_t wye_clock_now_ns(void) { return sim_net->now_ns; }
uint64_t wye_clock_unix_s(void) { return UINT64_C(1700000000) + sim_net->now_ns / 1000000000; }

/* ---- the script's side ---- */

void sim_net_use(struct sim_net *net) { sim_net = net; }
bool sim_kernel_ready(const struct wye_kernel *kernel) { return kernel->done_at < kernel->done_count; }
struct wye_kernel *sim_kernel_next(const struct wye_kernel *kernel) {
    return kernel->next;
}
unsigned sim_kernel_open_descriptors(const struct wye_kernel *kernel) { return kernel->open_count; }

struct sim_wire *sim_net_connect(struct sim_net *net, int listener) {
    struct sim_wire *wire = calloc(1, sizeof *wire);
    assert(wire);
    wire->listener = listener;
    wire->descriptor = -1;
    sim_pipe_init(&wire->up, sim_between(&net->dice, net->up_bytes / 16 + 1, net->up_bytes));
    /* A slot always fits an empty socket. */
    sim_pipe_init(&wire->down, SLOT_MAX + sim_between(&net->dice, net->down_bytes / 16 + 1, net->down_bytes));
    wire->next = net->wires;
    net->wires = wire;
    return wire;
}

void sim_net_fini(struct sim_net *net) {
    assert(!net->kernels);
    for (struct sim_wire *wire = net->wires, *next; wire; wire = next) {
        next = wire->next;
        sim_pipe_fini(&wire->up);
        sim_pipe_fini(&wire->down);
        free(wire);
    }
    net->wires = NULL;
}
