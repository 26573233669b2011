#include "core/websocket.h"

#include "core/hub.h"
#include "core/topic.h"
#include "core/websocket_state.h"
#include "frames/mask.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct websocket) <= WYE_WEBSOCKET_STATE_SIZE, "the state is larger than its protocols say");

/* In front of a gathered message: a server's frame header fits, so that it can leave from where it lies. */
enum { HEADROOM = 16, GATHER_START = 4096, GATHER_WHOLE_MAX = 256 * 1024 };

static const struct wye_websocket_handler *websocket_handler(const struct wye_conn *conn) {
    return conn->protocol->options;
}

int wye_websocket_agree(const struct wye_protocol *protocol, const struct wye_request *request,
                        const struct wye_situation *situation, struct wye_upgrade_agreement *agreement,
                        struct wye_refusal *refusal) {
    const struct wye_websocket_handler *handler = protocol->options;
    if (handler->admit) {
        int status = handler->admit(request, refusal);
        if (status < 0) return status;
    }
    const struct wye_upgrade_terms terms = {.token = protocol->token, .websocket = true};
    int status = wye_upgrade_check(request, &terms, situation->policy, agreement, refusal);
    if (status > 0 && situation->draining) return wye_refusal_add(refusal, WYE_RULE_LOAD, (struct wye_span){0});
    return status;
}

int wye_websocket_open(struct wye_conn *conn, const struct wye_request *request,
                       const struct wye_upgrade_agreement *agreement) {
    (void)agreement;
    conn->busy_tick = wye_tick_of(conn->hub->now_ns);
    wye_websocket_schedule(conn, true);
    const struct wye_websocket_handler *handler = websocket_handler(conn);
    return handler->open ? handler->open(conn, request) : 0;
}

void wye_websocket_close_state(struct wye_conn *conn, int reason) {
    (void)reason;
    struct websocket *ws = wye_conn_state(conn);
    if (ws->assembly) wye_chunk_release(&conn->hub->pool, ws->assembly);
    ws->assembly = NULL;
}

/* ---- out ---- */

struct wye_slice wye_websocket_frame_in_place(struct wye_hub *hub, uint8_t opcode, uint8_t *payload, size_t count) {
    struct wye_reply_site *site = &hub->reply;
    if (!site->payload || payload != site->payload || count != site->count || !site->chunk)
        return (struct wye_slice){0};
    struct wye_frame frame = {.payload_bytes = count, .opcode = opcode, .fin = true};
    size_t header_bytes = wye_frame_header_bytes(count, false);
    wye_frame_write(payload - header_bytes, &frame);
    wye_chunk_hold(site->chunk);
    return (struct wye_slice){payload - header_bytes, site->chunk, header_bytes + count};
}

/* Sends a frame: from where its payload lies when that is the message being handled, as a copy otherwise. */
static int send_frame(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count) {
    struct wye_hub *hub = conn->hub;
    struct wye_reply_site *site = &hub->reply;
    struct wye_frame frame = {.payload_bytes = count, .opcode = opcode, .fin = true};
    size_t header_bytes = wye_frame_header_bytes(count, false);
    if (site->payload && payload == site->payload && count == site->count) {
        if (site->chunk) return wye_conn_send_slice(conn, wye_websocket_frame_in_place(hub, opcode, payload, count));
        if (hub->input_lasts) {
            wye_frame_write(payload - header_bytes, &frame);
            site->reply_end = payload + count;
            return wye_conn_send_slice(conn, (struct wye_slice){payload - header_bytes, NULL, header_bytes + count});
        }
    }
    struct wye_chunk *chunk;
    uint8_t *at = wye_chunk_append(&hub->pool, header_bytes + count, &chunk);
    if (!at) {
        wye_conn_close(conn, -ENOMEM);
        return -ENOMEM;
    }
    wye_frame_write(at, &frame);
    if (count) memcpy(at + header_bytes, payload, count);
    return wye_conn_send_slice(conn, (struct wye_slice){at, chunk, header_bytes + count});
}

int wye_websocket_send(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count) {
    if (conn->phase != WYE_CONN_OPEN || ((struct websocket *)wye_conn_state(conn))->closing) return 0;
    wye_count(&conn->hub->counters.messages_out, 1);
    return send_frame(conn, opcode, payload, count);
}

/* ---- in: a message that doesn't lie in one piece ---- */

/* Makes room for `more` bytes of a message under assembly. 0, or -ENOMEM. */
static int assembly_reserve(struct wye_conn *conn, struct websocket *ws, size_t more) {
    struct wye_chunk_pool *pool = &conn->hub->pool;
    size_t need = HEADROOM + ws->assembled + more;
    if (ws->assembly && ws->assembly->capacity >= need) return 0;
    /* Announced is not sent: a large message gets memory as it comes, doubling, never more than was announced. */
    size_t capacity = ws->assembly ? ws->assembly->capacity * 2 : GATHER_START;
    size_t announced = HEADROOM + (size_t)ws->message.bytes;
    if (ws->fin && (announced <= GATHER_WHOLE_MAX || announced < capacity)) capacity = announced;
    if (capacity < need) capacity = need;
    struct wye_chunk *chunk = wye_chunk_open(pool, capacity);
    if (!chunk) return -ENOMEM;
    if (ws->assembly) {
        memcpy(chunk->bytes + HEADROOM, ws->assembly->bytes + HEADROOM, ws->assembled);
        wye_chunk_release(pool, ws->assembly);
    }
    ws->assembly = chunk;
    return 0;
}

/* The last byte of the last frame is there: the message goes to the handler. */
static int assembly_deliver(struct wye_conn *conn, struct websocket *ws) {
    struct wye_hub *hub = conn->hub;
    uint8_t opcode = ws->message.opcode;
    size_t count = ws->assembled;
    struct wye_chunk *chunk = ws->assembly;
    chunk->used = (uint32_t)(HEADROOM + count);
    ws->assembly = NULL;
    ws->assembled = 0;
    wye_message_end(&ws->message);
    hub->reply.payload = chunk->bytes + HEADROOM;
    hub->reply.count = count;
    hub->reply.chunk = chunk;
    wye_count(&hub->counters.messages_in, 1);
    conn->busy_tick = wye_tick_of(hub->now_ns);
    int reason = ws->closing ? 0 : websocket_handler(conn)->message(conn, opcode, hub->reply.payload, count);
    hub->reply.payload = NULL;
    hub->reply.chunk = NULL;
    wye_chunk_release(&hub->pool, chunk);
    return reason;
}

/* Takes payload bytes of a frame that is under way. Returns bytes used, or a reason. */
static ptrdiff_t websocket_gather(struct wye_conn *conn, struct websocket *ws, const uint8_t *bytes, size_t count) {
    size_t take = count < ws->frame_left ? count : (size_t)ws->frame_left;
    if (assembly_reserve(conn, ws, take) < 0) return -ENOMEM;
    wye_mask(ws->assembly->bytes + HEADROOM + ws->assembled, bytes, take, ws->masking_key, ws->phase);
    ws->phase = (ws->phase + take) & 3;
    ws->assembled += (uint32_t)take;
    ws->frame_left -= take;
    if (ws->frame_left > 0) return (ptrdiff_t)take;
    ws->in_frame = false;
    if (ws->fin) {
        int reason = assembly_deliver(conn, ws);
        if (reason < 0) return reason;
    }
    return (ptrdiff_t)take;
}

/* ---- in: frames ---- */

/* A whole unfragmented message lies at `payload`: unmasked, behind the last reply of the burst so that the two touch. */
static int websocket_whole(struct wye_conn *conn, struct websocket *ws, const struct wye_frame *frame,
                           uint8_t *payload) {
    struct wye_hub *hub = conn->hub;
    size_t count = (size_t)frame->payload_bytes;
    uint8_t *to = payload;
    if (hub->input_lasts && hub->reply.reply_end) to = hub->reply.reply_end + wye_frame_header_bytes(count, false);
    wye_mask(to, payload, count, frame->masking_key, 0);
    hub->reply.payload = to;
    hub->reply.count = count;
    hub->reply.chunk = NULL;
    wye_message_end(&ws->message);
    wye_count(&hub->counters.messages_in, 1);
    conn->busy_tick = wye_tick_of(hub->now_ns);
    int reason = ws->closing ? 0 : websocket_handler(conn)->message(conn, frame->opcode, to, count);
    hub->reply.payload = NULL;
    return reason;
}

static int websocket_control(struct wye_conn *conn, struct websocket *ws, const struct wye_frame *frame,
                             uint8_t *payload) {
    struct wye_hub *hub = conn->hub;
    size_t count = (size_t)frame->payload_bytes;
    wye_mask(payload, payload, count, frame->masking_key, 0);
    if (frame->opcode == WYE_OPCODE_CLOSE) return wye_websocket_closed(conn, payload, count);
    if (frame->opcode == WYE_OPCODE_PONG || ws->closing) return 0;
    /* A pong answers from where the ping lies; bounded, since reading pauses while the outbox is half full. */
    if (hub->reply.reply_end && hub->input_lasts) {
        uint8_t *to = hub->reply.reply_end + wye_frame_header_bytes(count, false);
        memmove(to, payload, count);
        payload = to;
    }
    hub->reply.payload = payload;
    hub->reply.count = count;
    hub->reply.chunk = NULL;
    uint32_t busy = conn->busy_tick; /* pings are no business */
    int trouble = send_frame(conn, WYE_OPCODE_PONG, payload, count);
    conn->busy_tick = busy;
    hub->reply.payload = NULL;
    return trouble;
}

/* Reads one frame, or its header and what is there of its payload. Bytes used, 0: incomplete, or a reason. */
static ptrdiff_t websocket_frame(struct wye_conn *conn, struct websocket *ws, uint8_t *bytes, size_t count) {
    struct wye_hub *hub = conn->hub;
    struct wye_frame frame;
    ptrdiff_t header = wye_frame_read(&frame, bytes, count, &hub->fault);
    if (header <= 0) return header;
    size_t there = count - (size_t)header;
    bool whole = frame.payload_bytes <= there;
    if (wye_opcode_is_control(frame.opcode) && !whole) {
        struct wye_message untouched = ws->message; /* judged at once, counted when it is whole */
        return wye_message_frame(&untouched, &frame, WYE_ROLE_SERVER, UINT64_MAX, &hub->fault);
    }
    int reason = wye_message_frame(&ws->message, &frame, WYE_ROLE_SERVER,
                                   hub->node->settings.max_message_bytes, &hub->fault);
    if (reason < 0) return reason;
    uint8_t *payload = bytes + header;
    if (wye_opcode_is_control(frame.opcode)) reason = websocket_control(conn, ws, &frame, payload);
    else if (whole && frame.fin && frame.opcode != WYE_OPCODE_CONTINUATION)
        reason = websocket_whole(conn, ws, &frame, payload);
    else {
        ws->frame_left = frame.payload_bytes;
        ws->masking_key = frame.masking_key;
        ws->phase = 0;
        ws->fin = frame.fin;
        ws->in_frame = true;
        ptrdiff_t used = 0;
        if (there > 0 || frame.payload_bytes == 0) used = websocket_gather(conn, ws, payload, there);
        return used < 0 ? used : header + used;
    }
    return reason < 0 ? reason : header + (ptrdiff_t)frame.payload_bytes;
}

ptrdiff_t wye_websocket_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    struct websocket *ws = wye_conn_state(conn);
    conn->hub->fault = NULL;
    size_t used = 0;
    while (used < count && conn->phase == WYE_CONN_OPEN && !conn->pauses) {
        ptrdiff_t n = ws->in_frame ? websocket_gather(conn, ws, bytes + used, count - used)
                                   : websocket_frame(conn, ws, bytes + used, count - used);
        if (n < 0) return n;
        if (n == 0) break;
        used += (size_t)n;
    }
    return (ptrdiff_t)used;
}
