/* A simulated TCP connection: two bounded pipes between a client of the script and a descriptor of the
 * server. */
#ifndef WYE_TESTS_SIM_WIRE_H
#define WYE_TESTS_SIM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes in flight, first in first out. */
struct sim_pipe {
    uint8_t *bytes;
    size_t start, count, capacity; /* capacity: what the socket's buffer holds */
};

struct sim_wire {
    struct sim_wire *next; /* of all wires of a world */
    struct sim_pipe up;    /* client to server */
    struct sim_pipe down;  /* server to client */
    int listener;
    uint32_t address; /* the client is at 10.0.0.0 and so much */
    int descriptor; /* -1: not accepted, or closed */
    bool accepted;
    bool up_ended;   /* the client sent its FIN */
    bool down_ended; /* the server sent its FIN, by shutdown or close */
    bool server_closed;
    bool client_closed; /* the client is gone: what is sent to it meets a reset */
    bool broken;        /* reset: the server's side finds -ECONNRESET, then -EPIPE */
    bool reset_told;    /* -ECONNRESET was told once */
    bool client_broken; /* reset: the client's side has lost what it had not read */
    bool harmed;        /* by the simulator: nothing is promised to its client any more */
};

void sim_pipe_init(struct sim_pipe *pipe, size_t capacity);
void sim_pipe_fini(struct sim_pipe *pipe);
static inline size_t sim_pipe_room(const struct sim_pipe *pipe) { return pipe->capacity - pipe->count; }
void sim_pipe_put(struct sim_pipe *pipe, const uint8_t *bytes, size_t count);
void sim_pipe_take(struct sim_pipe *pipe, uint8_t *to, size_t count);

/* ---- the client's side ---- */

/* How many bytes can be written. */
size_t sim_wire_room(const struct sim_wire *wire);
/* Writes at most sim_wire_room() bytes. What arrives behind the server's close is answered by a reset. */
void sim_wire_write(struct sim_wire *wire, const uint8_t *bytes, size_t count);
/* How many bytes can be read. */
static inline size_t sim_wire_readable(const struct sim_wire *wire) { return wire->down.count; }
void sim_wire_read(struct sim_wire *wire, uint8_t *to, size_t count);
/* No more will be written. */
void sim_wire_end(struct sim_wire *wire);
/* Closes: with a FIN, or, when bytes were left unread or `reset`, with a reset. */
void sim_wire_close(struct sim_wire *wire, bool reset);
/* Will nothing more come, beyond what is readable? */
static inline bool sim_wire_over(const struct sim_wire *wire) {
    return wire->down_ended || wire->client_broken;
}

/* ---- the server's side; kernel.c ---- */

/* A reset on its way to both sides. */
void sim_wire_reset(struct sim_wire *wire);
/* The server closes its descriptor. */
void sim_wire_server_close(struct sim_wire *wire);

#endif
