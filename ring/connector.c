#include "ring/connector.h"

#include "core/hub.h"
#include "core/tls_context.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

/* A dial's life: the socket is handed to the ring, then connected there. */
enum { FREE, ADOPTING, CONNECTING };

enum { NONE = UINT16_MAX };

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

void wye_connector_init(struct wye_connector *connector, struct wye_sockets *sockets, bool direct) {
    connector->sockets = sockets;
    connector->direct = direct;
    connector->dialled = NULL;
    connector->open = 0;
    connector->asking_count = 0;
    for (uint16_t i = 0; i < WYE_DIALS_MAX; i++)
        connector->at[i] =
            (struct wye_attempt){.next_free = i + 1 < WYE_DIALS_MAX ? (uint16_t)(i + 1) : NONE};
    connector->free_head = 0;
}

void wye_connector_tell(struct wye_connector *connector, wye_dialled_fn *dialled, void *owner) {
    connector->dialled = dialled;
    connector->owner = owner;
}

/* A socket of the process, bound as wished. >= 0, or -errno. */
static int open_socket(const struct wye_dial *dial) {
    int one = 1, family = dial->to->sa_family;
    int socket_of = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_of < 0) return -errno;
    int trouble = 0;
    if (family != AF_UNIX) trouble = setsockopt(socket_of, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (trouble == 0 && dial->resets) {
        const struct linger now = {.l_onoff = 1, .l_linger = 0};
        trouble = setsockopt(socket_of, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    if (trouble == 0 && dial->from) {
        /* The port is taken when it is known where to: then only the four together must be unused. */
        setsockopt(socket_of, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        trouble = bind(socket_of, dial->from, dial->from_bytes);
    }
    if (trouble == 0) return socket_of;
    trouble = -errno;
    close(socket_of);
    return trouble;
}

static uint64_t tag_of(const struct wye_connector *connector, enum wye_operation operation,
                       const struct wye_attempt *attempt) {
    return wye_tag(operation, (uint32_t)(attempt - connector->at), attempt->generation);
}

static void ask(struct wye_connector *connector, struct wye_attempt *attempt) {
    if (attempt->asks) return;
    attempt->asks = true;
    connector->asking[connector->asking_count++] = (uint16_t)(attempt - connector->at);
}

void wye_connector_flush(struct wye_connector *connector) {
    struct wye_kernel *kernel = connector->sockets->kernel;
    for (uint16_t i = 0; i < connector->asking_count; i++) {
        struct wye_attempt *attempt = &connector->at[connector->asking[i]];
        const struct wye_dial *dial = &attempt->dial;
        uint64_t connecting = tag_of(connector, WYE_OPERATION_CONNECT, attempt);
        attempt->asks = false;
        if (attempt->stage == FREE) continue; /* ended since */
        if (attempt->stage == ADOPTING) {
            wye_kernel_adopt(kernel, &attempt->descriptor, tag_of(connector, WYE_OPERATION_ADOPT, attempt));
            continue;
        }
        if (!attempt->asked)
            wye_kernel_connect(kernel, attempt->descriptor, connecting, dial->to, dial->to_bytes);
        attempt->asked = true;
        if (attempt->cancelled) wye_kernel_cancel(kernel, connecting);
    }
    connector->asking_count = 0;
}

int wye_connector_dial(struct wye_connector *connector, const struct wye_dial *dial) {
    if (connector->free_head == NONE) return -EAGAIN;
    int opened = open_socket(dial);
    if (opened < 0) return opened;
    struct wye_attempt *attempt = &connector->at[connector->free_head];
    assert(attempt->stage == FREE && connector->dialled);
    connector->free_head = attempt->next_free;
    connector->open++;
    attempt->dial = *dial;
    attempt->socket = attempt->descriptor = opened;
    attempt->stage = ADOPTING;
    attempt->asked = attempt->cancelled = false;
    ask(connector, attempt);
    return 0;
}

/* It is over; the attempt is free before it is told, so that another dial may follow from there. */
static void finish(struct wye_connector *connector, struct wye_attempt *attempt, struct wye_conn *conn,
                   int error) {
    uint32_t ticket = attempt->dial.ticket;
    attempt->stage = FREE;
    attempt->generation++;
    attempt->next_free = connector->free_head;
    connector->free_head = (uint16_t)(attempt - connector->at);
    connector->open--;
    connector->dialled(connector->owner, ticket, conn, error);
}

static void adopted(struct wye_connector *connector, struct wye_attempt *attempt, int result) {
    if (connector->direct) close(attempt->socket);
    if (result < 0) {
        if (!connector->direct) close(attempt->socket);
        finish(connector, attempt, NULL, result);
        return;
    }
    if (attempt->cancelled) {
        wye_kernel_close(connector->sockets->kernel, attempt->descriptor);
        finish(connector, attempt, NULL, -ECANCELED);
        return;
    }
    attempt->stage = CONNECTING;
    ask(connector, attempt);
}

static void connected(struct wye_connector *connector, struct wye_attempt *attempt, int result) {
    struct wye_hub *hub = connector->sockets->hub;
    struct wye_conn *conn = NULL;
    if (result == 0 && attempt->cancelled)
        result = -ECANCELED; /* too late: whoever ends connections has done so */
    if (result == 0) {
        conn = wye_hub_accept(hub, false, attempt->dial.tls ? wye_tls_context_hold(attempt->dial.tls) : NULL);
        if (!conn) result = -ENFILE;
    }
    if (conn && wye_conn_switch(conn, attempt->dial.protocol) < 0) {
        /* Its socket is open and its protocol still the server's: an end like others. */
        wye_socket_open(connector->sockets, conn, attempt->descriptor);
        wye_conn_close(conn, -ENOMEM);
        finish(connector, attempt, NULL, -ENOMEM);
        return;
    }
    if (conn) wye_socket_open(connector->sockets, conn, attempt->descriptor);
    else wye_kernel_close(connector->sockets->kernel, attempt->descriptor);
    finish(connector, attempt, conn, result);
}

void wye_connector_complete(struct wye_connector *connector, const struct wye_completion *completion) {
    uint32_t index = wye_tag_index(completion->tag);
    assert(index < WYE_DIALS_MAX);
    struct wye_attempt *attempt = &connector->at[index];
    assert(attempt->stage != FREE && attempt->generation == wye_tag_generation(completion->tag));
    if (attempt->stage == ADOPTING) adopted(connector, attempt, completion->result);
    else connected(connector, attempt, completion->result);
}

bool wye_connector_cancel(struct wye_connector *connector) {
    if (connector->open == 0) return false;
    for (uint32_t i = 0; i < WYE_DIALS_MAX; i++) {
        struct wye_attempt *attempt = &connector->at[i];
        if (attempt->stage == FREE || attempt->cancelled) continue;
        attempt->cancelled = true;
        if (attempt->stage == CONNECTING) ask(connector, attempt);
    }
    return true;
}
