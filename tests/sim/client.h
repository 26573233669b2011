/* A client of the simulated net: writes a script in fragments, reads what comes, keeps WebSocket manners. */
#ifndef WYE_TESTS_SIM_CLIENT_H
#define WYE_TESTS_SIM_CLIENT_H

#include "frames/deflate.h"
#include "frames/frame.h"
#include "tests/sim/kernel.h"
#include "tests/sim/tls.h"

/* Bytes that grow. */
struct sim_bytes {
    uint8_t *at;
    size_t count, capacity;
};

void sim_bytes_add(struct sim_bytes *bytes, const void *from, size_t count);
void sim_bytes_fini(struct sim_bytes *bytes);

struct sim_client {
    struct sim_net *net;
    struct sim_wire *wire; /* NULL: not connected yet */
    int listener;
    unsigned number;
    uint32_t address; /* it connects from 10.0.0.0 and so much */
    uint64_t start_ns; /* connects not before */

    /* How it behaves. */
    size_t write_most, read_most;       /* bytes at once */
    unsigned write_chance, read_chance; /* per mille of the occasions; read_chance 0: never reads */
    size_t vanish_after;                /* bytes written; SIZE_MAX: never */
    uint64_t leave_ns;                  /* vanishes then */
    bool vanish_by_reset;
    bool end_after_script; /* its FIN follows the script */
    bool waits_for_101;    /* what stands behind the request is written when it has switched */
    bool silent;           /* answers no ping and no close */
    bool raw;              /* no frames behind a 101 */
    bool plain;            /* for the test: no upgrade, all of what came stays in `in` */

    /* Over TLS. */
    struct sim_tls *tls; /* NULL: plain */
    struct sim_bytes sealed; /* ciphertext to be written */
    size_t sealed_at;
    bool notified; /* it has said that nothing follows */

    /* What it says. */
    struct sim_bytes script, urgent;
    size_t script_at, urgent_at;
    size_t *marks; /* where in the script a frame ends: urgent ones go there */
    size_t mark_count, mark_at, mark_capacity;
    char key[24];
    struct wye_deflater
        *deflater; /* permessage-deflate is offered, and what is said is compressed now and then */
    struct wye_deflate_agreement offered, agreed;
    struct wye_inflater *inflater;

    /* What it heard. */
    struct sim_bytes in; /* not parsed yet; everything, when there are no frames */
    size_t in_at;
    struct sim_bytes message;
    uint8_t message_opcode;
    bool message_deflated;
    unsigned deflated; /* messages that came compressed */
    int status;        /* of the response; 0: none yet */
    bool switched, in_body;
    unsigned pongs, pings, messages;
    bool close_sent, close_received;
    uint16_t close_code;
    bool over;   /* its side is closed */
    bool broken; /* by a reset from the server's side */
    bool vanished;
    void (*heard)(struct sim_client *, uint8_t opcode, const uint8_t *payload,
                  size_t count); /* may be NULL */
    struct sim_bytes expected;   /* for the test: what is to be heard, and how far that has come */
    size_t expected_at;
    unsigned expected_messages;
    void *user;
};

void sim_client_init(struct sim_client *client, struct sim_net *net, unsigned number);
void sim_client_fini(struct sim_client *client);

/* It speaks TLS, 1.3 or 1.2. Before it has connected. */
void sim_client_use_tls(struct sim_client *client, bool old);

/* ---- the script ---- */

void sim_client_say(struct sim_client *client, const void *bytes, size_t count);
/* Offers permessage-deflate with the upgrade that is said next, in one of several ways. */
void sim_client_offer_deflate(struct sim_client *client);
/* A GET with an upgrade: token "websocket" brings key and version along. */
void sim_client_upgrade(struct sim_client *client, const char *path, const char *token);
void sim_client_frame(struct sim_client *client, uint8_t opcode, bool fin, const uint8_t *payload,
                      size_t count);
/* A message in one frame or several, perhaps with pings between them. */
void sim_client_message(struct sim_client *client, uint8_t opcode, const uint8_t *payload, size_t count,
                        bool pieces);
/* A close frame; nothing is said behind it. */
void sim_client_close(struct sim_client *client, uint16_t code);

/* ---- life ---- */

/* The client gets its chance. true: it could do something, whether it did or not. */
bool sim_client_step(struct sim_client *client);

/* Was nothing done to it that excuses the server? */
static inline bool sim_client_is_healthy(const struct sim_client *client) {
    return !client->vanished && !(client->wire && client->wire->harmed);
}

#endif
