/* /echo: every message comes back, its type and bytes kept. */
#include "core/site.h"
#include "core/websocket.h"

static int echo_message(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count) {
    return wye_websocket_send(conn, opcode, payload, count);
}

static int echo_piece(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count, bool fin) {
    return wye_websocket_send_piece(conn, opcode, payload, count, fin);
}

static const struct wye_websocket_handler echo_handler = {.message = echo_message, .piece = echo_piece};

const struct wye_protocol wye_echo = WYE_WEBSOCKET_PROTOCOL(&echo_handler);
