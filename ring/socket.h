/* A descriptor and what the kernel still owes it. One a connection, at the same index. */
#ifndef WYE_RING_SOCKET_H
#define WYE_RING_SOCKET_H

#include "core/hub.h"
#include "ring/kernel.h"
#include "ring/supply.h"

/* Zeroed memory is a socket that isn't in use. */
struct wye_socket {
    int32_t descriptor;
    uint32_t starved_next, chore_next; /* in the loop's lists */
    uint32_t taken;     /* bytes received in turn `taken_turn` */
    uint32_t taken_turn;
    uint16_t flight;    /* operations whose last completion is still to come */
    bool armed : 1;     /* a receive is among them */
    bool cancelled : 1; /* and has been asked to end */
    bool starved : 1;   /* waits in line for receive buffers */
    bool rearms : 1;    /* has been armed before */
    bool polling : 1;   /* waits for room to send */
    bool unpolled : 1;  /* and has been asked to end that */
    bool shut : 1;      /* its sending side is shut down */
    bool chore : 1;     /* stands in the list of chores */
};

/* All sockets of a loop. */
struct wye_sockets {
    struct wye_hub *hub;
    struct wye_kernel *kernel;
    struct wye_supply *supply;
    struct wye_socket *at; /* as many as the hub has connections */
    bool bounded;          /* receives have a bound of their own (optlen) */
    uint32_t turn;
    struct wye_conn_list starved; /* first come, first fed */
    uint32_t chores;              /* what else dirty connections need, once everything is sent */
};

void wye_sockets_init(struct wye_sockets *sockets, struct wye_hub *hub, struct wye_kernel *kernel,
                      struct wye_supply *supply, struct wye_socket *memory, bool bounded);

/* A descriptor has been accepted for this connection. */
void wye_socket_open(struct wye_sockets *sockets, struct wye_conn *conn, int descriptor);

/* A completion whose tag names a socket. */
void wye_socket_complete(struct wye_sockets *sockets, const struct wye_completion *completion);

/* Sends what every dirty connection has, then does what else it needs: arming, cancelling, closing. */
void wye_sockets_flush(struct wye_sockets *sockets);

/* Buffers came back: those that starved longest are armed, as many as there is room for. */
void wye_sockets_feed(struct wye_sockets *sockets);

#endif
