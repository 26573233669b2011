/* Bytes as they stand on the wire, put together by hand: what tests feed, and what they expect. */
#ifndef WYE_TESTS_WIRE_H
#define WYE_TESTS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Grows at its end. All zero: empty. */
struct wire {
    uint8_t *at;
    size_t count, capacity;
};

void wire_add(struct wire *wire, const void *bytes, size_t count);
void wire_add_text(struct wire *wire, const char *text);
void wire_clear(struct wire *wire); /* keeps the memory */
void wire_free(struct wire *wire);
bool wire_equal(const struct wire *a, const struct wire *b);
bool wire_begins(const struct wire *wire, const char *text);
/* Where `text` stands at or behind `from`; SIZE_MAX: nowhere. */
size_t wire_find(const struct wire *wire, const char *text, size_t from);

enum { WIRE_FIN = 0x80, WIRE_MORE = 0 };

/* Frames (RFC 6455 5.2), written without the help of frames/: first byte = fin | opcode. The client's masks
 * with `key`. */
void wire_client_frame(struct wire *wire, int fin, int opcode, const void *payload, size_t count,
                       uint32_t key);
void wire_server_frame(struct wire *wire, int opcode, const void *payload, size_t count);
/* A client's header alone, which announces `count` bytes. */
void wire_client_header(struct wire *wire, int fin, int opcode, uint64_t count, uint32_t key);
/* Close frames with a code and a text; text NULL: the code alone; code 0: nothing at all. */
void wire_client_close(struct wire *wire, unsigned code, const char *text);
void wire_server_close(struct wire *wire, unsigned code, const char *text);

/* A request that upgrades to WebSocket at `target`, with the key of RFC 6455 1.3; and its 101. */
void wire_upgrade(struct wire *wire, const char *target);
void wire_opening(struct wire *wire);
/* "METHOD TARGET HTTP/1.1", a Host, and more field lines. */
void wire_request(struct wire *wire, const char *method, const char *target, const char *fields);

/* `count` bytes that depend on `seed` and differ from their neighbours. The memory is static: good until the
 * next call. */
const uint8_t *wire_noise(size_t count, unsigned seed);

/* The same, but text: UTF-8 with characters of every length. */
const uint8_t *wire_words(size_t count, unsigned seed);

/* A frame of HTTP/2 (RFC 9113 4.1). */
void wire_h2_frame(struct wire *wire, int type, int flags, uint32_t stream, const void *payload, size_t count);

/*
 * Writes `from` to `to` with every fragmented message behind its 101 as one frame, where its last fragment
 * stood. false: the frames don't follow RFC 6455 5.4, or one is incomplete.
 */
bool wire_merge(struct wire *to, const struct wire *from);

/* One HTTP response at `from`: its status, its body's span, what follows it. Status 0: it isn't whole. */
struct wire_response {
    unsigned status;
    size_t head, body, end; /* offsets */
    bool close;
};
struct wire_response wire_read_response(const struct wire *wire, size_t from, bool head_only);

#endif
