/* Outgoing connections of a loop, until they are connected; from then on they are connections like others.
 * One thread. */
#ifndef WYE_RING_CONNECTOR_H
#define WYE_RING_CONNECTOR_H

#include "ring/socket.h"

#include <sys/socket.h>

enum { WYE_DIALS_MAX = 256 }; /* of a loop, at once */

/*
 * Tells how a dial ended: with a connection that speaks the dial's protocol (nothing of it is called yet), or
 * with conn NULL and -errno.
 */
typedef void wye_dialled_fn(void *owner, uint32_t ticket, struct wye_conn *conn, int error);

/* Whom to call. The addresses live until it is told how it ended. */
struct wye_dial {
    const struct sockaddr *to, *from; /* from NULL: any address of ours */
    socklen_t to_bytes, from_bytes;
    const struct wye_protocol *protocol;
    struct wye_tls_context *tls; /* a client's, the caller's; NULL: plain */
    bool resets;     /* closing it resets the connection, so that no port is kept in TIME_WAIT */
    uint32_t ticket; /* the caller's */
};

struct wye_attempt {
    struct wye_dial dial;
    int socket, descriptor;
    uint32_t generation;
    uint16_t next_free;
    uint8_t stage; /* 0: free */
    bool asks;     /* stands in the list of those that ask */
    bool asked;    /* the connecting is under way */
    bool cancelled;
};

struct wye_connector {
    struct wye_sockets *sockets;
    bool direct;
    wye_dialled_fn *dialled;
    void *owner;
    uint32_t open; /* dials under way */
    uint16_t free_head;
    uint16_t asking_count; /* attempts that have something to ask of the kernel */
    uint16_t asking[WYE_DIALS_MAX];
    struct wye_attempt at[WYE_DIALS_MAX];
};

void wye_connector_init(struct wye_connector *connector, struct wye_sockets *sockets, bool direct);

/* Who is told. Set before the first dial. */
void wye_connector_tell(struct wye_connector *connector, wye_dialled_fn *dialled, void *owner);

/* Begins to connect. 0: it will be told how that ends, not from here. -EAGAIN: WYE_DIALS_MAX are under way;
 * other -errno: no socket. */
int wye_connector_dial(struct wye_connector *connector, const struct wye_dial *dial);

/* A completion of WYE_OPERATION_ADOPT or WYE_OPERATION_CONNECT. */
void wye_connector_complete(struct wye_connector *connector, const struct wye_completion *completion);

/*
 * Asks the kernel for what the dials need next. Apart from the others, since nothing that completes at once
 * may be submitted together with sends (wye_sockets_flush()).
 */
void wye_connector_flush(struct wye_connector *connector);

/* Gives up all dials; each is still told. false: none is under way. */
bool wye_connector_cancel(struct wye_connector *connector);

#endif
