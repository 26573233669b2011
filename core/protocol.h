/* What a connection speaks: the one plug. HTTP, WebSocket, a stream of your own are values of this struct. */
#ifndef WYE_CORE_PROTOCOL_H
#define WYE_CORE_PROTOCOL_H

#include "frames/deflate.h"
#include "handshake/upgrade.h"

#include <stddef.h>
#include <stdint.h>

struct wye_conn;

/* What an upgrade is judged by, beside the request. */
struct wye_situation {
    const struct wye_policy *policy;
    enum wye_deflate_mode deflate;
    bool draining;
    uint32_t topics_most; /* that a connection may subscribe to */
};

/* What was agreed in an upgrade. */
struct wye_agreement {
    struct wye_upgrade_agreement upgrade;
    struct wye_deflate_agreement deflate;
    char extensions[WYE_DEFLATE_ANSWER_ROOM]; /* value of Sec-WebSocket-Extensions in the 101; "": no such field */
};

/* A constant; per-connection state lives in the connection (wye_conn_state()). */
struct wye_protocol {
    const char *token;    /* upgrade token it answers to (RFC 9110 7.8); NULL: cannot be asked for */
    size_t state_size;    /* zeroed bytes each connection holds for it; up to 64 are inline, more are allocated */
    const void *options;  /* the protocol's own; a WebSocket's handler, for example */
    /* Pure: 101, with what was agreed; or -status, with the rules that failed. */
    int (*agree)(const struct wye_protocol *, const struct wye_request *, const struct wye_situation *,
                 struct wye_agreement *, struct wye_refusal *);
    /* Called once, the 101 already in front of whatever it sends. 0, or a reason to end. */
    int (*open)(struct wye_conn *, const struct wye_request *, const struct wye_agreement *);
    /* Bytes used, 0 to count (0: incomplete, show me more); or a reason to end. May change the bytes. */
    ptrdiff_t (*input)(struct wye_conn *, uint8_t *bytes, size_t count);
    /* The outbox fell to half its limit after having been above it. Optional. 0, or a reason. */
    int (*drained)(struct wye_conn *);
    /* The timer set by wye_conn_wake_in() came, or the node began to drain. Optional. 0, or a reason. */
    int (*wake)(struct wye_conn *);
    /* The settings have other times for pings and idle peers: sets its timer by them. Optional; without it timers stay. */
    void (*retime)(struct wye_conn *);
    /* The peer sent its last byte. Optional; without it what is queued is sent and the connection ends with 0.
     * A reason: the connection ends for it, sending nothing more unless it is 0. > 0: not yet; it is asked again when it
     * has been put into the ready list. */
    int (*eof)(struct wye_conn *);
    /* input, open, drained or wake gave a reason: say goodbye in the protocol's words and finish
     * (wye_conn_finish()). Optional; without it the connection is closed. */
    void (*fail)(struct wye_conn *, int reason);
    /* The last call, exactly once after open. Optional. */
    void (*close)(struct wye_conn *, int reason);
};

#endif
