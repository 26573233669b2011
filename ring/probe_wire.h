/* One connection of the probe: resolve, connect, TLS, read and write, each with a deadline. It blocks: a
 * one-shot tool needs no ring. */
#ifndef WYE_RING_PROBE_WIRE_H
#define WYE_RING_PROBE_WIRE_H

#include "handshake/attempt.h"

#include <netdb.h>

/* A time on the monotonic clock, in nanoseconds. */
uint64_t wye_probe_now_ns(void);
uint64_t wye_probe_deadline_ns(double seconds);
double wye_probe_since_ms(uint64_t from_ns);

/* Fills in attempt->name. The addresses are the caller's: freeaddrinfo(). NULL: none. */
struct addrinfo *wye_probe_resolve(struct wye_attempt *attempt, const char *port);

/* An open connection. All zero but for fd -1: none. */
struct wye_probe_wire {
    int fd;
    void *tls;                            /* SSL; NULL: plain */
    void *context;                        /* SSL_CTX */
    int error;                            /* errno of the last WYE_END_ERROR */
    uint64_t last_ns;                     /* when a byte last went either way */
    uint8_t first[WYE_ATTEMPT_FIRST_MAX]; /* the first bytes that came where TLS was expected */
    size_t first_count;
    bool wants_certificate; /* a read failed for the server wanting a certificate of ours (TLS 1.3 says so
                               late) */
};

/* Connects to the first address that works, each for at most timeout_s, and fills in attempt->tcp. */
void wye_probe_connect(struct wye_probe_wire *wire, struct wye_attempt *attempt,
                       const struct addrinfo *addresses);

/* Connects once more, to the address that worked. */
enum wye_end wye_probe_connect_again(struct wye_probe_wire *wire, const struct wye_attempt *attempt,
                                     const struct addrinfo *addresses);

/* Waits until the descriptor is readable (POLLIN) or writable (POLLOUT). FINE, TIMEOUT or ERROR. */
enum wye_end wye_probe_wait(struct wye_probe_wire *wire, short events, uint64_t deadline_ns);

/* Reads 1 to room bytes; *count: how many. FINE, TIMEOUT, FIN or ERROR. */
enum wye_end wye_probe_read(struct wye_probe_wire *wire, uint8_t *to, size_t room, size_t *count,
                            uint64_t deadline_ns);

/* Writes all of them. FINE, TIMEOUT, FIN or ERROR. */
enum wye_end wye_probe_write(struct wye_probe_wire *wire, const void *bytes, size_t count,
                             uint64_t deadline_ns);

/* Ends it, without waiting for anybody. */
void wye_probe_shut(struct wye_probe_wire *wire);

/* ---- TLS (probe_tls.c) ---- */

enum wye_probe_alpn { WYE_PROBE_ALPN_BOTH, WYE_PROBE_ALPN_HTTP11 };

/* The handshake on an open connection. Fills in attempt->tls (but for alpn_before and old_version). */
void wye_probe_tls_open(struct wye_probe_wire *wire, struct wye_attempt *attempt, enum wye_probe_alpn alpn);

/* Does a handshake succeed that takes any certificate? oldest: TLS 1.0 and 1.1 are offered, and nothing else.
 * Version: which it was. */
bool wye_probe_tls_try(struct wye_probe_wire *wire, const struct wye_attempt *attempt, bool oldest,
                       char version[16]);

/* What wye_probe_read() and _write() do where there is TLS. */
enum wye_end wye_probe_tls_read(struct wye_probe_wire *wire, uint8_t *to, size_t room, size_t *count,
                                uint64_t deadline_ns);
enum wye_end wye_probe_tls_write(struct wye_probe_wire *wire, const uint8_t *bytes, size_t count,
                                 uint64_t deadline_ns);
void wye_probe_tls_shut(struct wye_probe_wire *wire);

#endif
