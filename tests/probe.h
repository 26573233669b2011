/* A protocol that notes what is asked of it, and does what the test says. */
#ifndef WYE_TESTS_PROBE_H
#define WYE_TESTS_PROBE_H

#include "core/conn.h"
#include "tests/wire.h"

/* One at a time; the test zeroes it. */
struct probe {
    struct wire seen; /* bytes that input() used */
    unsigned inputs, drained, wakes, eofs, fails, closes;
    int closed_for; /* the reason that close() was given */
    size_t needs;   /* input() uses nothing until so many bytes are there; then all, or `takes` */
    size_t takes;   /* at most so many bytes at once; 0: all */
    int input_reason, drained_reason, wake_reason, eof_reason;
    void (*on_input)(struct wye_conn *conn, uint8_t *bytes,
                     size_t count); /* before the bytes count as used */
};
extern struct probe probe;

/* Lets go of what was seen, and begins anew. */
void probe_reset(void);

/*
 * With 64 and 65 bytes of state: as much as fits in the connection, and one more. And one that has no words:
 * neither wake() nor eof() nor fail().
 */
extern const struct wye_protocol probe_inline, probe_allocated, probe_bare;

#endif
