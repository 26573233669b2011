#include "core/websocket.h"

#include "core/hub.h"
#include "core/topic.h"
#include "core/websocket_state.h"
#include "handshake/bearer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct websocket) <= WYE_WEBSOCKET_STATE_SIZE, "the state is larger than its protocols say");

/* ---- opening ---- */

/* Hands the elements of Sec-WebSocket-Extensions to the negotiation. */
struct offers {
    const struct wye_request *request;
    struct wye_elements walk;
};

static const char *next_offer(void *context, size_t *count) {
    struct offers *offers = context;
    struct wye_span element;
    if (!wye_request_next_element(offers->request, &offers->walk, &element)) return NULL;
    *count = element.count;
    return element.bytes;
}

int wye_websocket_agree(const struct wye_protocol *protocol, const struct wye_request *request,
                        const struct wye_situation *situation, struct wye_agreement *agreement,
                        struct wye_refusal *refusal) {
    const struct wye_websocket_handler *handler = protocol->options;
    if (handler->admit) {
        int status = handler->admit(request, situation, refusal);
        if (status < 0) return status;
    }
    static const char *const subprotocols[] = {WYE_BEARER_SUBPROTOCOL, NULL};
    const struct wye_upgrade_terms terms = {.token = protocol->token, .websocket = true, .subprotocols = subprotocols};
    int status = wye_upgrade_check(request, &terms, situation->policy, &agreement->upgrade, refusal);
    if (status < 0) return status;
    if (situation->draining) return wye_refusal_add(refusal, WYE_RULE_LOAD, WYE_SPAN("it is about to stop"));
    agreement->deflate = (struct wye_deflate_agreement){0};
    if (situation->deflate == WYE_DEFLATE_OFF || !wye_request_has(request, WYE_FIELD_SEC_WEBSOCKET_EXTENSIONS)) return status;
    struct offers offers = {request, {.name = WYE_FIELD_SEC_WEBSOCKET_EXTENSIONS}};
    if (!wye_deflate_negotiate(&agreement->deflate, agreement->extensions, sizeof agreement->extensions,
                               situation->deflate, next_offer, &offers))
        agreement->extensions[0] = 0;
    return status;
}

int wye_websocket_open(struct wye_conn *conn, const struct wye_request *request, const struct wye_agreement *agreement) {
    struct websocket *ws = wye_conn_state(conn);
    const struct wye_deflate_agreement *deflate = &agreement->deflate;
    ws->server_bits = deflate->server_bits;
    ws->client_bits = deflate->client_bits;
    ws->server_takeover = deflate->server_bits && !deflate->server_no_context;
    ws->client_takeover = deflate->client_bits && !deflate->client_no_context;
    conn->encoding = ws->server_takeover ? WYE_ENCODING_OWN : ws->server_bits;
    conn->busy_tick = wye_tick_of(conn->hub->now_ns);
    wye_websocket_schedule(conn, true);
    const struct wye_websocket_handler *handler = wye_websocket_handler_of(conn);
    return handler->open ? handler->open(conn, request) : 0;
}

void wye_websocket_close_state(struct wye_conn *conn, int reason) {
    (void)reason;
    struct websocket *ws = wye_conn_state(conn);
    wye_websocket_drop_assembly(conn);
    wye_takeover_shut(ws->takeover);
    ws->takeover = NULL;
}

/* ---- out: plain frames ---- */

/* Writes a header in front of the payload that is being handled, in the chunk that holds it. */
static struct wye_slice frame_in_chunk(struct wye_reply_site *site, const struct wye_frame *frame) {
    size_t header_bytes = wye_frame_header_bytes(site->count, false);
    wye_frame_write(site->payload - header_bytes, frame);
    wye_chunk_hold(site->chunk);
    return (struct wye_slice){site->payload - header_bytes, site->chunk, header_bytes + site->count};
}

struct wye_slice wye_websocket_frame_in_place(struct wye_hub *hub, uint8_t opcode, uint8_t *payload, size_t count) {
    struct wye_reply_site *site = &hub->reply;
    if (!site->payload || payload != site->payload || count != site->count || !site->chunk)
        return (struct wye_slice){0};
    const struct wye_frame frame = {.payload_bytes = count, .opcode = opcode, .fin = true};
    return frame_in_chunk(site, &frame);
}

/* Sends a frame: from where its payload lies when that is the message being handled, as a copy otherwise. */
static int send_frame(struct wye_conn *conn, const struct wye_frame *frame, uint8_t *payload) {
    struct wye_hub *hub = conn->hub;
    struct wye_reply_site *site = &hub->reply;
    size_t count = (size_t)frame->payload_bytes;
    size_t header_bytes = wye_frame_header_bytes(count, false);
    if (site->payload && payload == site->payload && count == site->count) {
        if (site->chunk) return wye_conn_send_slice(conn, frame_in_chunk(site, frame));
        if (hub->input_lasts) {
            wye_frame_write(payload - header_bytes, frame);
            site->reply_end = payload + count;
            wye_conn_send_lasting(conn, payload - header_bytes, header_bytes + count);
            return 0;
        }
    }
    struct wye_chunk *chunk;
    uint8_t *at = wye_chunk_append(&hub->pool, header_bytes + count, &chunk);
    if (!at) {
        wye_conn_close(conn, -ENOMEM);
        return -ENOMEM;
    }
    wye_frame_write(at, frame);
    if (count) memcpy(at + header_bytes, payload, count);
    return wye_conn_send_slice(conn, (struct wye_slice){at, chunk, header_bytes + count});
}

int wye_websocket_send_control(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count) {
    const struct wye_frame frame = {.payload_bytes = count, .opcode = opcode, .fin = true};
    return send_frame(conn, &frame, payload);
}

int wye_websocket_send_piece(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count, bool fin) {
    struct wye_hub *hub = conn->hub;
    if (conn->phase != WYE_CONN_OPEN || ((struct websocket *)wye_conn_state(conn))->closing) return 0;
    wye_count(&hub->counters.messages_out, fin);
    conn->busy_tick = wye_tick_of(hub->now_ns);
    const struct wye_frame frame = {.payload_bytes = count, .opcode = opcode, .fin = fin};
    if (!hub->input_lasts || hub->reply.payload != payload || hub->reply.chunk) return send_frame(conn, &frame, payload);
    /* Its bytes leave from where they are; nothing is known of what stands before them, so the header goes apart. */
    uint8_t header[WYE_FRAME_SERVER_HEADER_MAX];
    int trouble = wye_conn_send(conn, header, wye_frame_write(header, &frame));
    hub->reply.reply_end = payload + count; /* what is packed next mustn't lie on it */
    return trouble < 0 ? trouble : wye_conn_send_slice(conn, (struct wye_slice){payload, NULL, count});
}

/* ---- out: compressed ones ---- */

/* The connection's own compressor, when its context outlives messages. NULL: no memory. */
static struct wye_deflater *own_deflater(struct websocket *ws) {
    if (!ws->takeover) ws->takeover = calloc(1, sizeof *ws->takeover);
    if (!ws->takeover) return NULL;
    if (!ws->takeover->deflater) ws->takeover->deflater = wye_deflater_open(ws->server_bits, 1, 8);
    return ws->takeover->deflater;
}

/* 1: sent compressed. 0: it is to be sent as it is. Or -ENOMEM. */
static int send_deflated(struct wye_conn *conn, struct websocket *ws, uint8_t opcode, const uint8_t *payload, size_t count) {
    struct wye_deflater *deflater =
        ws->server_takeover ? own_deflater(ws) : wye_codec_deflater(conn->hub, ws->server_bits);
    if (!deflater) return 0;
    struct wye_slice frame = wye_codec_encode(conn->hub, deflater, opcode, payload, count, !ws->server_takeover,
                                              ws->server_takeover);
    if (!frame.chunk) return 0;
    int trouble = wye_conn_send_slice(conn, frame);
    return trouble < 0 ? trouble : 1;
}

int wye_websocket_send(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count) {
    struct websocket *ws = wye_conn_state(conn);
    if (conn->phase != WYE_CONN_OPEN || ws->closing) return 0;
    wye_count(&conn->hub->counters.messages_out, 1);
    conn->busy_tick = wye_tick_of(conn->hub->now_ns);
    if (ws->server_bits && wye_deflate_is_worth(opcode == WYE_OPCODE_TEXT, payload, count)) {
        int sent = send_deflated(conn, ws, opcode, payload, count);
        if (sent) return sent < 0 ? sent : 0;
    }
    const struct wye_frame frame = {.payload_bytes = count, .opcode = opcode, .fin = true};
    return send_frame(conn, &frame, payload);
}
