#include "tests/sim/wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void sim_pipe_init(struct sim_pipe *pipe, size_t capacity) {
    *pipe = (struct sim_pipe){.capacity = capacity};
    pipe->bytes = malloc(capacity);
    assert(pipe->bytes);
}

void sim_pipe_fini(struct sim_pipe *pipe) { free(pipe->bytes); }

void sim_pipe_put(struct sim_pipe *pipe, const uint8_t *bytes, size_t count) {
    assert(count <= sim_pipe_room(pipe));
    if (pipe->start + pipe->count + count > pipe->capacity) {
        memmove(pipe->bytes, pipe->bytes + pipe->start, pipe->count);
        pipe->start = 0;
    }
    memcpy(pipe->bytes + pipe->start + pipe->count, bytes, count);
    pipe->count += count;
}

void sim_pipe_take(struct sim_pipe *pipe, uint8_t *to, size_t count) {
    assert(count <= pipe->count);
    memcpy(to, pipe->bytes + pipe->start, count);
    pipe->start += count;
    pipe->count -= count;
    if (pipe->count == 0) pipe->start = 0;
}

static void pipe_drop(struct sim_pipe *pipe) { pipe->start = pipe->count = 0; }

/* A reset reaches the client: what it had not read is lost, as some systems do it and others don't. */
static void break_client(struct sim_wire *wire) {
    wire->client_broken = true;
    pipe_drop(&wire->down);
    pipe_drop(&wire->up);
}

size_t sim_wire_room(const struct sim_wire *wire) {
    if (wire->up_ended || wire->client_closed || wire->client_broken) return 0;
    return sim_pipe_room(&wire->up);
}

void sim_wire_write(struct sim_wire *wire, const uint8_t *bytes, size_t count) {
    assert(!wire->up_ended && !wire->client_closed);
    if (wire->server_closed) break_client(wire);
    else sim_pipe_put(&wire->up, bytes, count);
}

void sim_wire_read(struct sim_wire *wire, uint8_t *to, size_t count) {
    sim_pipe_take(&wire->down, to, count);
}

void sim_wire_end(struct sim_wire *wire) { wire->up_ended = true; }

void sim_wire_close(struct sim_wire *wire, bool reset) {
    assert(!wire->client_closed);
    reset = reset || wire->down.count > 0;
    wire->client_closed = wire->up_ended = true;
    pipe_drop(&wire->down);
    if (reset) wire->broken = true;
}

void sim_wire_reset(struct sim_wire *wire) {
    wire->broken = wire->harmed = true;
    break_client(wire);
}

void sim_wire_server_close(struct sim_wire *wire) {
    wire->server_closed = wire->down_ended = true;
    wire->descriptor = -1;
    /* Closing with bytes unread resets, and the client may lose what it had not read (RFC 9112 9.6). */
    if (wire->up.count > 0) break_client(wire);
}
