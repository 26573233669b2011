/* What comes of an operation: bytes, ends, failures, in their time. */
#include "tests/sim/operation.h"

#include "tests/sim/poison.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more in a growing array. */
void *sim_grow(void *array, size_t count, size_t *capacity, size_t each) {
    if (count < *capacity) return array;
    *capacity = *capacity ? *capacity * 2 : 64;
    sim_is_inside++;
    array = realloc(array, *capacity * each);
    sim_is_inside--;
    assert(array);
    return array;
}

struct descriptor *sim_descriptor_of(struct wye_kernel *kernel, int number) {
    int index = number - (kernel->config.abilities.direct ? 0 : ORDINARY_FROM);
    assert(index >= 0 && (uint32_t)index < kernel->table_count);
    return &kernel->table[index];
}

/* This connection ends here, by the simulator's will. */
void sim_strike(struct sim_net *net, struct sim_wire *wire) {
    net->resets++;
    if (!net->reset_quietly) sim_wire_reset(wire);
    else if (!wire->client_closed) sim_wire_close(wire, false);
    wire->harmed = true;
}

static void complete(struct wye_kernel *kernel, struct wye_completion completion) {
    kernel->done = sim_grow(kernel->done, kernel->done_count, &kernel->done_capacity, sizeof kernel->done[0]);
    kernel->done[kernel->done_count++] = completion;
}

static void finish(struct wye_kernel *kernel, const struct operation *operation, int result) {
    complete(kernel, (struct wye_completion){.tag = operation->tag, .result = result});
}

/* What an operation on a broken connection is told. */
static int reset_of(struct sim_wire *wire) {
    if (wire->reset_told) return -EPIPE;
    wire->reset_told = true;
    return -ECONNRESET;
}

/* Fills the foremost lent buffer with at most `most` bytes. */
static void fill_buffer(struct wye_kernel *kernel, struct sim_wire *wire, size_t most,
                        struct wye_completion *completion) {
    const struct wye_kernel_config *config = &kernel->config;
    struct lent *lent = &kernel->lent[kernel->lent_head];
    uint8_t *to = kernel->buffers + (size_t)lent->buffer * config->buffer_bytes + lent->offset;
    size_t count = config->buffer_bytes - lent->offset;
    if (count > most) count = most;
    sim_check_poison(to, count);
    sim_unpoison(to, count);
    sim_pipe_take(&wire->up, to, count);
    lent->offset += (uint32_t)count;
    completion->result = (int32_t)count;
    completion->has_buffer = true;
    completion->buffer = lent->buffer;
    completion->buffer_more = config->abilities.inc && lent->offset < config->buffer_bytes;
    if (completion->buffer_more) return;
    kernel->is_lent[lent->buffer] = false;
    kernel->lent_head = (kernel->lent_head + 1) % config->buffer_count;
    kernel->lent_count--;
}

/* Brings bytes. true: the receive is over. */
static bool receive_bytes(struct wye_kernel *kernel, struct operation *operation) {
    struct sim_net *net = kernel->net;
    struct sim_wire *wire = operation->wire;
    if (kernel->lent_count == 0) {
        net->starved++;
        finish(kernel, operation, -ENOBUFS);
        return true;
    }
    struct wye_completion completion = {.tag = operation->tag};
    size_t most = wire->up.count;
    if (sim_kernel_chance(kernel, net->chances.receive_short)) most = sim_size(&net->dice, most);
    if (operation->bounded && most > operation->left) most = operation->left;
    fill_buffer(kernel, wire, most, &completion);
    if (operation->bounded) operation->left -= (uint32_t)completion.result;
    completion.more =
        !(operation->bounded && operation->left == 0) && !sim_kernel_chance(kernel, net->chances.receive_end);
    complete(kernel, completion);
    return !completion.more;
}

static bool receive_eof(struct wye_kernel *kernel, struct operation *operation) {
    struct wye_completion completion = {.tag = operation->tag};
    if (kernel->lent_count > 0 && sim_kernel_chance(kernel, kernel->net->chances.eof_buffer))
        fill_buffer(kernel, operation->wire, 0, &completion);
    complete(kernel, completion);
    return true;
}

static bool step_receive(struct wye_kernel *kernel, struct operation *operation) {
    static const int ends[] = {-EINTR, -EAGAIN, -ENOBUFS};
    struct sim_wire *wire = operation->wire;
    const struct sim_chances *chances = &kernel->net->chances;
    if (operation->cancelled) {
        bool late = sim_kernel_chance(kernel, chances->cancel_late);
        if (late && wire->up.count > 0) return receive_bytes(kernel, operation);
        if (late && wire->broken) finish(kernel, operation, reset_of(wire));
        else if (late && wire->up_ended && wire->up.count == 0) return receive_eof(kernel, operation);
        else finish(kernel, operation, -ECANCELED);
        return true;
    }
    if (sim_kernel_chance(kernel, chances->receive_end / 4)) {
        finish(kernel, operation, ends[sim_below(&kernel->net->dice, 3)]);
        return true;
    }
    if (wire->up.count > 0) return receive_bytes(kernel, operation);
    if (wire->broken && !wire->reset_told) {
        finish(kernel, operation, reset_of(wire));
        return true;
    }
    return receive_eof(kernel, operation);
}

static struct sim_wire *waiting(struct sim_net *net, int listener) {
    struct sim_wire *first = NULL; /* wires stand newest first */
    for (struct sim_wire *wire = net->wires; wire; wire = wire->next)
        if (wire->listener == listener && !wire->accepted) first = wire;
    return first;
}

static int allocate_descriptor(struct wye_kernel *kernel) {
    uint32_t start = (uint32_t)sim_below(&kernel->net->dice, kernel->table_count);
    for (uint32_t i = 0; i < kernel->table_count; i++) {
        uint32_t index = (start + i) % kernel->table_count;
        if (kernel->table[index].open) continue;
        kernel->table[index] = (struct descriptor){.open = true};
        kernel->open_count++;
        return (int)index;
    }
    return -1;
}

static bool step_accept(struct wye_kernel *kernel, struct operation *operation) {
    static const int faults[] = {-EMFILE, -ENOMEM, -ECONNABORTED, -EINTR, -EAGAIN};
    struct sim_net *net = kernel->net;
    struct sim_wire *wire = waiting(net, operation->descriptor);
    if (!wire || (operation->cancelled && !sim_kernel_chance(kernel, net->chances.cancel_late))) {
        finish(kernel, operation, -ECANCELED);
        return true;
    }
    if (sim_kernel_chance(kernel, net->chances.accept_fail)) {
        int fault = faults[sim_below(&net->dice, 5)];
        net->accept_faults++;
        if (fault == -ECONNABORTED) {
            wire->accepted = wire->server_closed = true;
            sim_wire_reset(wire);
        }
        finish(kernel, operation, fault);
        return true;
    }
    wire->accepted = true;
    int index = allocate_descriptor(kernel);
    if (index < 0) {
        net->lost_to_full_table++;
        wire->harmed = true;
        sim_wire_server_close(wire);
        finish(kernel, operation, -ENFILE);
        return true;
    }
    kernel->table[index].wire = wire;
    if (operation->peer) { /* 10.0.0.N */
        struct sockaddr_in *at = (struct sockaddr_in *)(void *)&operation->peer->at;
        *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(0x0a000000u | wire->address)}};
        operation->peer->bytes = sizeof *at;
    }
    wire->descriptor = index + (kernel->config.abilities.direct ? 0 : ORDINARY_FROM);
    bool more =
        operation->multishot && !operation->cancelled && !sim_kernel_chance(kernel, net->chances.accept_end);
    complete(kernel,
             (struct wye_completion){.tag = operation->tag, .result = wire->descriptor, .more = more});
    return !more;
}

/* Writes a slot. Returns what its completion says. */
int sim_write_slot(struct wye_kernel *kernel, struct operation *operation) {
    struct sim_wire *wire = operation->wire;
    struct sim_net *net = kernel->net;
    size_t count = operation->from[0].iov_len;
    sim_descriptor_of(kernel, operation->descriptor)->writing_slot = false;
    assert(memcmp(operation->from[0].iov_base, operation->copy, count) == 0); /* the kernel's until now */
    if (wire->broken) return reset_of(wire);
    if (sim_kernel_chance(kernel, net->chances.slot_fail)) {
        net->slot_faults++;
        wire->harmed = true;
        unsigned how = (unsigned)sim_below(&net->dice, 3);
        if (how == 0) return -EAGAIN;
        if (how == 1) {
            sim_strike(net, wire);
            return -ECONNRESET;
        }
        count = sim_below(&net->dice, count);
    }
    if (wire->client_closed) wire->broken = true;
    else sim_pipe_put(&wire->down, operation->from[0].iov_base, count);
    return (int)count;
}

/* Could an operation go on? */
bool sim_operation_could(const struct wye_kernel *kernel, const struct operation *operation) {
    const struct sim_wire *wire = operation->wire;
    if (operation->cancelled) return true;
    switch (operation->kind) {
    case WYE_OPERATION_RECEIVE: return wire->up.count > 0 || wire->up_ended || wire->broken;
    case WYE_OPERATION_ACCEPT: return waiting(kernel->net, operation->descriptor);
    case WYE_OPERATION_WAKE: return kernel->woken;
    case WYE_OPERATION_WRITE_SLOT:
        return wire->broken || wire->client_closed ||
               sim_pipe_room(&wire->down) >= operation->from[0].iov_len;
    case WYE_OPERATION_WRITABLE:
        return wire->broken || wire->client_closed || wire->down.count <= wire->down.capacity / 3 * 2;
    default: return true;
    }
}

/* true: it is over. */
bool sim_operation_step(struct wye_kernel *kernel, struct operation *operation) {
    bool cancelled = operation->cancelled && !sim_kernel_chance(kernel, kernel->net->chances.cancel_late);
    switch (operation->kind) {
    case WYE_OPERATION_RECEIVE: return step_receive(kernel, operation);
    case WYE_OPERATION_ACCEPT: return step_accept(kernel, operation);
    case WYE_OPERATION_WRITABLE: finish(kernel, operation, cancelled ? -ECANCELED : POLLOUT); return true;
    case WYE_OPERATION_WRITE_SLOT:
        if (!cancelled && sim_pipe_room(&operation->wire->down) < operation->from[0].iov_len)
            cancelled = true;
        finish(kernel, operation, cancelled ? -ECANCELED : sim_write_slot(kernel, operation));
        return true;
    case WYE_OPERATION_SHUTDOWN:
        operation->wire->down_ended = true;
        finish(kernel, operation, operation->wire->broken ? -ENOTCONN : 0);
        return true;
    case WYE_OPERATION_WAKE: {
        bool more = !sim_kernel_chance(kernel, kernel->net->chances.hear_end);
        kernel->woken = false;
        complete(kernel, (struct wye_completion){.tag = operation->tag, .result = POLLIN, .more = more});
        return !more;
    }
    default: assert(0 && "an operation that waits"); return true;
    }
}

void sim_operation_over(struct wye_kernel *kernel, const struct operation *operation) {
    if (!operation->wire) return;
    struct descriptor *descriptor = sim_descriptor_of(kernel, operation->descriptor);
    if (operation->kind == WYE_OPERATION_RECEIVE) descriptor->receiving = false;
    if (operation->kind == WYE_OPERATION_WRITABLE) descriptor->polling = false;
    if (operation->kind == WYE_OPERATION_WRITE_SLOT) descriptor->writing_slot = false;
}

/* Sends at once what there is room for. true: there is something to tell. */
bool sim_send_now(struct wye_kernel *kernel, struct operation *operation, int *result) {
    struct sim_wire *wire = operation->wire;
    struct sim_net *net = kernel->net;
    sim_descriptor_of(kernel, operation->descriptor)->sending = false;
    if (wire->client_closed && !wire->broken) {
        wire->broken = true; /* by the reset that answers these bytes */
        return false;
    }
    if (wire->broken) {
        *result = reset_of(wire);
        return true;
    }
    size_t room = sim_pipe_room(&wire->down), total = 0, sent = 0;
    for (size_t i = 0; i < operation->count; i++) total += operation->from[i].iov_len;
    if (sim_kernel_chance(kernel, net->chances.send_again)) room = 0;
    else if (room > 0 && sim_kernel_chance(kernel, net->chances.send_short))
        room = sim_size(&net->dice, room);
    for (size_t i = 0; i < operation->count && sent < room; i++) {
        size_t count = operation->from[i].iov_len;
        if (count > room - sent) count = room - sent;
        sim_pipe_put(&wire->down, operation->from[i].iov_base, count);
        sent += count;
    }
    *result = sent ? (int)sent : -EAGAIN;
    return sent < total;
}
