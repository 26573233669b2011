/* The probe's conversation after a 101: a ping, a pause, a closing handshake; or the first frame of HTTP/2.
 */
#ifndef WYE_RING_PROBE_TALK_H
#define WYE_RING_PROBE_TALK_H

#include "ring/probe_wire.h"

/* Fills in attempt->talk. `glued`: bytes that came behind the 101, `count` of them. deflate: RSV1 is agreed
 * to. */
void wye_probe_talk_websocket(struct wye_probe_wire *wire, struct wye_attempt *attempt, const uint8_t *glued,
                              size_t count, bool deflate);

/* The server's first HTTP/2 frame must be SETTINGS (RFC 9113 3.4): fills in attempt->talk.settings. */
void wye_probe_talk_h2c(struct wye_probe_wire *wire, struct wye_attempt *attempt, const uint8_t *glued,
                        size_t count);

#endif
