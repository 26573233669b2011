/* A bound address; one SO_REUSEPORT socket a loop. */
#ifndef WYE_RING_LISTENER_H
#define WYE_RING_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { WYE_LISTENERS_MAX = 16, WYE_BACKLOG = 1024 };

/* Where to listen; as the command line says it, and as it was resolved. */
struct wye_address {
    char text[128]; /* "127.0.0.1:8080", "[::1]:0", "unix:/run/wye" */
    struct sockaddr_storage at;
    socklen_t at_bytes;
    bool tls; /* what is accepted there speaks TLS */
    dev_t device; /* of a Unix socket's path, once it is open */
    ino_t inode;
};

/*
 * Reads "ADDR:PORT", "[ADDR6]:PORT", "localhost:PORT" or "unix:PATH". NULL: it is fine; or what is wrong with it (static).
 */
const char *wye_address_read(struct wye_address *address, const char *text);

static inline bool wye_address_is_unix(const struct wye_address *address) { return address->at.ss_family == AF_UNIX; }

/* Can only this machine reach it? Loopback addresses and Unix sockets. */
bool wye_address_is_local(const struct wye_address *address);

/*
 * Opens a listening socket. A port of 0 is replaced by the one that was taken, so that further sockets of the
 * same address share it. A Unix socket's path that nobody listens on any more is replaced. `first`: nobody
 * else may listen there (another process of ours could, by SO_REUSEPORT). >= 0: the descriptor, the
 * caller's; or -errno.
 */
int wye_listener_open(struct wye_address *address, bool first);

/* Removes an open Unix socket's path, unless it has become another's meanwhile. Other addresses have none. */
void wye_address_remove(const struct wye_address *address);

/*
 * Writes how to mend it that wye_listener_open() failed with -trouble, as a sentence that goes behind what went
 * wrong; option: the one that the address is given by, like "--listen". "": nobody knows. Always ends with NUL.
 */
void wye_listener_mend(char *to, size_t room, const struct wye_address *address, const char *option, int trouble);

/* "http://127.0.0.1:8080/", "https://127.0.0.1:8443/", "http+unix:/run/wye" */
void wye_address_url(char *to, size_t room, const struct wye_address *address);

#endif
