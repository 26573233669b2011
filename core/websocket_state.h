/* What the files of websocket share: a WebSocket connection's state. Nobody else includes it. */
#ifndef WYE_CORE_WEBSOCKET_STATE_H
#define WYE_CORE_WEBSOCKET_STATE_H

#include "core/codec.h"
#include "core/websocket.h"
#include "frames/message.h"
#include "frames/utf8.h"

/* In front of a message under assembly: a server's frame header fits, so that it can leave from where it lies. */
enum { WYE_ASSEMBLY_HEADROOM = 16 };

struct websocket {
    struct wye_message message;
    struct wye_chunk *assembly;    /* a message that didn't come in one piece; NULL: none */
    struct wye_takeover *takeover; /* compression contexts of its own; NULL: none */
    uint64_t frame_left;           /* payload bytes of the frame under way that are still to come */
    uint32_t masking_key;
    uint32_t assembled;   /* payload bytes in the assembly */
    uint32_t pinged_tick; /* when the last ping was sent */
    struct wye_utf8 utf8; /* of the text message under way */
    uint8_t phase;        /* of the masking key */
    uint8_t server_bits, client_bits; /* windows agreed to; 0: no compression */
    bool in_frame : 1;    /* a data frame's payload is being read */
    bool fin : 1;         /* it is the message's last frame */
    bool closing : 1;     /* our close frame has been sent; the peer's is awaited */
    bool pinged : 1;      /* a ping was sent */
    bool deflated : 1;    /* the message under way is compressed */
    bool streaming : 1;   /* pieces of the message under way have gone to the handler */
    bool server_takeover : 1, client_takeover : 1; /* contexts outlive messages */
};

static inline const struct wye_websocket_handler *wye_websocket_handler_of(const struct wye_conn *conn) {
    return (const struct wye_websocket_handler *)conn->protocol->options;
}

/* Gives back the memory of a message under assembly, when nothing will come of it. */
void wye_websocket_drop_assembly(struct wye_conn *conn);

/* A close frame has come. 0, or a reason. */
int wye_websocket_closed(struct wye_conn *conn, const uint8_t *payload, size_t count);

/* Sets the timer for the next ping or idle time-out. */
void wye_websocket_schedule(struct wye_conn *conn, bool first);

/* Sends a control frame: from where its payload lies when that is what is being handled. 0, or -ENOMEM. */
int wye_websocket_send_control(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count);

#endif
