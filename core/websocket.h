/* WebSocket (RFC 6455) as a protocol of a connection, server side; what is done with messages is a handler's. */
#ifndef WYE_CORE_WEBSOCKET_H
#define WYE_CORE_WEBSOCKET_H

#include "core/conn.h"
#include "core/node.h"
#include "frames/frame.h"

struct wye_hub;

/* What is done with a WebSocket's messages: a constant, the `options` of its protocol. */
struct wye_websocket_handler {
    /* May this request come here at all? Pure. Optional. 0, or -status with the rule noted. */
    int (*admit)(const struct wye_request *, const struct wye_situation *, struct wye_refusal *);
    /* The connection has switched. Optional. 0, or a reason. */
    int (*open)(struct wye_conn *, const struct wye_request *);
    /* A whole message, unmasked. Its bytes may be changed and live until the call returns. 0, or a reason;
     * a close code is sent to the peer. */
    int (*message)(struct wye_conn *, uint8_t opcode, uint8_t *payload, size_t count);
    /* A piece of a message that is long and didn't come whole; the last has `fin`. opcode is the message's for
     * the first piece, WYE_OPCODE_CONTINUATION for the others. Optional: without it every message is assembled. */
    int (*piece)(struct wye_conn *, uint8_t opcode, uint8_t *payload, size_t count, bool fin);
};

/* The functions of every WebSocket protocol; only `options` differ. */
#define WYE_WEBSOCKET_PROTOCOL(handler)                                                                      \
    {.token = "websocket", .state_size = WYE_WEBSOCKET_STATE_SIZE, .options = (handler),                     \
     .agree = wye_websocket_agree, .open = wye_websocket_open, .input = wye_websocket_input,                 \
     .wake = wye_websocket_wake, .retime = wye_websocket_retime, .eof = wye_websocket_eof, .fail = wye_websocket_fail,                       \
     .close = wye_websocket_close_state}

enum { WYE_WEBSOCKET_STATE_SIZE = 64 };

int wye_websocket_agree(const struct wye_protocol *, const struct wye_request *, const struct wye_situation *,
                        struct wye_agreement *, struct wye_refusal *);
int wye_websocket_open(struct wye_conn *, const struct wye_request *, const struct wye_agreement *);
ptrdiff_t wye_websocket_input(struct wye_conn *, uint8_t *bytes, size_t count);
int wye_websocket_wake(struct wye_conn *);
void wye_websocket_retime(struct wye_conn *);
int wye_websocket_eof(struct wye_conn *);
void wye_websocket_fail(struct wye_conn *, int reason);
void wye_websocket_close_state(struct wye_conn *, int reason);

/*
 * Sends a message. A payload that is the message being handled leaves from where it lies; any other is
 * copied. 0, or -ENOMEM (and the connection is closed with it).
 */
int wye_websocket_send(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count);

/* Sends a piece of a message as a frame of its own, never compressed; the rest as wye_websocket_send(). */
int wye_websocket_send_piece(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count, bool fin);

/*
 * Starts the closing handshake (RFC 6455 7.1.2) with a code and a text of at most 123 bytes of UTF-8. Nothing
 * is sent after it; the connection ends when the peer has answered, or after close_timeout_ns.
 */
void wye_websocket_close(struct wye_conn *conn, uint16_t code, const char *text);

/* A close frame fits behind all that was published to a connection. */
static inline size_t wye_websocket_publish_room(const struct wye_settings *settings) {
    return settings->outbox_bytes - WYE_FRAME_CONTROL_MAX - 2;
}

/* A subscriber that is too slow: its outbox has no room for the next message. Closed with 1013. */
void wye_websocket_overrun(struct wye_conn *conn);

/*
 * When `payload` is the message being handled and lies in a chunk: writes a server's frame header in front of
 * it, and returns the frame with one reference of the caller's. Otherwise a slice without a chunk.
 */
struct wye_slice wye_websocket_frame_in_place(struct wye_hub *hub, uint8_t opcode, uint8_t *payload, size_t count);

#endif
