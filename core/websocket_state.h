/* What websocket.c and websocket_life.c share: a WebSocket connection's state. Nobody else includes it. */
#ifndef WYE_CORE_WEBSOCKET_STATE_H
#define WYE_CORE_WEBSOCKET_STATE_H

#include "core/websocket.h"
#include "frames/message.h"

struct websocket {
    struct wye_message message;
    struct wye_chunk *assembly; /* a message that didn't come in one piece; NULL: none */
    uint64_t frame_left;        /* payload bytes of the frame under way that are still to come */
    uint32_t masking_key;
    uint32_t assembled;  /* payload bytes in the assembly */
    uint32_t pinged_tick; /* when the last ping was sent */
    uint8_t phase;       /* of the masking key */
    bool in_frame : 1;   /* a data frame's payload is being read */
    bool fin : 1;        /* it is the message's last frame */
    bool closing : 1;    /* our close frame has been sent; the peer's is awaited */
    bool pinged : 1;     /* a ping was sent */
};

/* A close frame has come. 0, or a reason. */
int wye_websocket_closed(struct wye_conn *conn, const uint8_t *payload, size_t count);

/* Sets the timer for the next ping or idle time-out. */
void wye_websocket_schedule(struct wye_conn *conn, bool first);

#endif
