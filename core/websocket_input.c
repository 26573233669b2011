/* What comes in: frames, the messages they make, and long messages in pieces. */
#include "core/allowance.h"
#include "core/hub.h"
#include "core/websocket_state.h"
#include "frames/mask.h"
#include "frames/mask_utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    GATHER_START = 4096,
    /* Longer messages go to a handler that takes pieces as they come, and without one get their memory as they
     * come; shorter ones are assembled in memory that is had at once. Peers like whole messages whole. */
    LONG_ABOVE = 256 * 1024,
};

static const char not_utf8[] = "a text message must be UTF-8 (RFC 6455 8.1)";
static const char no_memory[] = "the node's memory for messages is used up (see --memory)";

/* ---- handing over ---- */

/* Hands a whole message to the handler. chunk NULL: its bytes lie in the receive buffer. */
static inline int hand_over(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count, struct wye_chunk *chunk) {
    struct wye_hub *hub = conn->hub;
    const struct websocket *ws = wye_conn_state(conn);
    hub->reply.payload = payload;
    hub->reply.count = count;
    hub->reply.chunk = chunk;
    wye_count(&hub->counters.messages_in, 1);
    conn->busy_tick = wye_tick_of(hub->now_ns);
    int reason = ws->closing ? 0 : wye_websocket_handler_of(conn)->message(conn, opcode, payload, count);
    hub->reply.payload = NULL;
    hub->reply.chunk = NULL;
    return reason;
}

/* The same of one that may say only so much; apart, as in conn.c. */
__attribute__((noinline)) static int hand_over_allowed(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count,
                                                       struct wye_chunk *chunk) {
    int limit = wye_allowance_message(conn);
    return limit < 0 ? limit : hand_over(conn, opcode, payload, count, chunk);
}

static int deliver(struct wye_conn *conn, uint8_t opcode, uint8_t *payload, size_t count, struct wye_chunk *chunk) {
    return conn->allowance ? hand_over_allowed(conn, opcode, payload, count, chunk) : hand_over(conn, opcode, payload, count, chunk);
}

/* Hands a piece of a long message to the handler. */
static int deliver_piece(struct wye_conn *conn, struct websocket *ws, uint8_t *payload, size_t count,
                         struct wye_chunk *chunk, bool fin) {
    struct wye_hub *hub = conn->hub;
    uint8_t opcode = ws->streaming ? WYE_OPCODE_CONTINUATION : ws->message.opcode;
    if (conn->allowance && !ws->streaming) {
        int limit = wye_allowance_message(conn);
        if (limit < 0) return limit;
    }
    ws->streaming = !fin;
    if (ws->closing) return 0;
    hub->reply.payload = payload;
    hub->reply.count = count;
    hub->reply.chunk = chunk;
    wye_count(&hub->counters.messages_in, fin);
    conn->busy_tick = wye_tick_of(hub->now_ns);
    int reason = wye_websocket_handler_of(conn)->piece(conn, opcode, payload, count, fin);
    hub->reply.payload = NULL;
    hub->reply.chunk = NULL;
    return reason;
}

/* 0, or -1007 when a text isn't UTF-8: `valid` so far, and `end`ing between two characters. */
static int judge_text(struct wye_conn *conn, const struct websocket *ws, bool valid, bool end) {
    if (valid && (!end || wye_utf8_may_end(&ws->utf8))) return 0;
    conn->hub->fault = not_utf8;
    return -WYE_CLOSE_INVALID_PAYLOAD;
}

/* Unmasks payload bytes of the message under way; text is validated in the same pass. 0, or -1007. */
static int unmask(struct wye_conn *conn, struct websocket *ws, uint8_t *to, const uint8_t *from, size_t count, bool end) {
    if (ws->message.opcode != WYE_OPCODE_TEXT || ws->deflated) {
        wye_mask(to, from, count, ws->masking_key, ws->phase);
        return 0;
    }
    bool valid = wye_mask_utf8(&ws->utf8, to, from, count, ws->masking_key, ws->phase);
    return judge_text(conn, ws, valid, end);
}

/* ---- assembling ---- */

/* Makes room for `more` bytes of a message under assembly. 0, or -1013. */
static int assembly_reserve(struct wye_conn *conn, struct websocket *ws, size_t more) {
    struct wye_hub *hub = conn->hub;
    size_t had = ws->assembly ? ws->assembly->capacity - WYE_ASSEMBLY_HEADROOM : 0, need = ws->assembled + more;
    if (had >= need && ws->assembly) return 0;
    /* Announced is not sent: a large message gets memory as it comes, doubling, never more than was announced. */
    size_t room = had ? had * 2 : GATHER_START, announced = (size_t)ws->message.bytes;
    if (ws->fin && (announced <= LONG_ABOVE || announced < room)) room = announced;
    if (room < need) room = need;
    size_t capacity = WYE_ASSEMBLY_HEADROOM + room;
    struct wye_chunk *chunk = wye_hub_gather(hub, capacity);
    if (!chunk) {
        hub->fault = no_memory;
        wye_count(&hub->counters.memory_refused, 1);
        return -WYE_CLOSE_TRY_AGAIN_LATER;
    }
    if (ws->assembly) {
        memcpy(chunk->bytes + WYE_ASSEMBLY_HEADROOM, ws->assembly->bytes + WYE_ASSEMBLY_HEADROOM, ws->assembled);
        wye_hub_gathered(hub, ws->assembly);
        wye_chunk_release(&hub->pool, ws->assembly);
    }
    ws->assembly = chunk;
    return 0;
}

void wye_websocket_drop_assembly(struct wye_conn *conn) {
    struct websocket *ws = wye_conn_state(conn);
    wye_hub_gathered(conn->hub, ws->assembly);
    if (ws->assembly) wye_chunk_release(&conn->hub->pool, ws->assembly);
    ws->assembly = NULL;
    ws->assembled = 0;
}

/* Takes the assembly out of the connection: the caller's now. */
static struct wye_chunk *take_assembly(struct wye_hub *hub, struct websocket *ws, size_t *count) {
    struct wye_chunk *chunk = ws->assembly;
    wye_hub_gathered(hub, chunk);
    *count = ws->assembled;
    if (chunk) chunk->used = (uint32_t)(WYE_ASSEMBLY_HEADROOM + ws->assembled);
    ws->assembly = NULL;
    ws->assembled = 0;
    return chunk;
}

/* The connection's own inflater, when the client's context outlives messages; the loop's otherwise. NULL: no memory. */
static struct wye_inflater *inflater_of(struct wye_conn *conn, struct websocket *ws) {
    if (!ws->client_takeover) return wye_codec_inflater(conn->hub);
    if (!ws->takeover) ws->takeover = calloc(1, sizeof *ws->takeover);
    if (!ws->takeover) return NULL;
    if (!ws->takeover->inflater) ws->takeover->inflater = wye_inflater_open(ws->client_bits);
    return ws->takeover->inflater;
}

/* Replaces compressed bytes by what they inflate to. 0, or a reason. */
static int inflate_message(struct wye_conn *conn, struct websocket *ws, const uint8_t *bytes, size_t count,
                           struct wye_chunk **chunk, size_t *inflated_bytes) {
    struct wye_hub *hub = conn->hub;
    struct wye_inflater *inflater = inflater_of(conn, ws);
    int reason = -WYE_CLOSE_TRY_AGAIN_LATER;
    if (inflater)
        reason = wye_codec_decode(hub, inflater, !ws->client_takeover, bytes, count, WYE_ASSEMBLY_HEADROOM,
                                  hub->settings->max_message_bytes, chunk, inflated_bytes);
    if (reason == -WYE_CLOSE_INVALID_PAYLOAD) hub->fault = "this is no deflate stream (RFC 7692 7.2.2)";
    if (reason == -WYE_CLOSE_TOO_BIG) hub->fault = "the message inflates to more than this server takes (see --max-message)";
    if (reason == -WYE_CLOSE_TRY_AGAIN_LATER) hub->fault = no_memory;
    return reason;
}

/* A whole compressed message. */
static int deliver_deflated(struct wye_conn *conn, struct websocket *ws, const uint8_t *bytes, size_t count) {
    struct wye_chunk *chunk;
    size_t inflated;
    uint8_t opcode = ws->message.opcode;
    int reason = inflate_message(conn, ws, bytes, count, &chunk, &inflated);
    wye_message_end(&ws->message);
    ws->deflated = false;
    if (reason < 0) return reason;
    uint8_t *payload = chunk->bytes + WYE_ASSEMBLY_HEADROOM;
    if (opcode == WYE_OPCODE_TEXT) {
        ws->utf8 = (struct wye_utf8){0};
        reason = judge_text(conn, ws, wye_utf8_feed(&ws->utf8, payload, inflated), true);
    }
    if (reason == 0) reason = deliver(conn, opcode, payload, inflated, chunk);
    wye_chunk_release(&conn->hub->pool, chunk);
    return reason;
}

/* The last byte of the last frame is there. */
static int assembly_deliver(struct wye_conn *conn, struct websocket *ws) {
    struct wye_hub *hub = conn->hub;
    uint8_t opcode = ws->message.opcode;
    size_t count;
    struct wye_chunk *chunk = take_assembly(hub, ws, &count);
    uint8_t *payload = chunk->bytes + WYE_ASSEMBLY_HEADROOM;
    int reason = 0;
    if (ws->deflated) {
        reason = deliver_deflated(conn, ws, payload, count);
    } else {
        wye_message_end(&ws->message);
        if (opcode == WYE_OPCODE_TEXT) reason = judge_text(conn, ws, true, true);
        if (reason == 0) reason = deliver(conn, opcode, payload, count, chunk);
    }
    wye_chunk_release(&hub->pool, chunk);
    return reason;
}

/* Takes payload bytes of the frame under way into the assembly. 0, or a reason. */
static int assemble(struct wye_conn *conn, struct websocket *ws, const uint8_t *bytes, size_t count) {
    int reason = assembly_reserve(conn, ws, count);
    if (reason < 0) return reason;
    uint8_t *to = ws->assembly->bytes + WYE_ASSEMBLY_HEADROOM + ws->assembled;
    ws->assembled += (uint32_t)count;
    return unmask(conn, ws, to, bytes, count, false);
}

/* ---- streaming ---- */

/* The message has become too long to be held: what was assembled goes first. 0, or a reason. */
static int start_streaming(struct wye_conn *conn, struct websocket *ws) {
    size_t count;
    struct wye_chunk *chunk = take_assembly(conn->hub, ws, &count);
    if (!chunk) return 0;
    int reason = 0;
    if (count > 0) reason = deliver_piece(conn, ws, chunk->bytes + WYE_ASSEMBLY_HEADROOM, count, chunk, false);
    wye_chunk_release(&conn->hub->pool, chunk);
    return reason;
}

/* Unmasks a piece where it lies and hands it over. 0, or a reason. */
static int stream(struct wye_conn *conn, struct websocket *ws, uint8_t *bytes, size_t count, bool fin) {
    int reason = unmask(conn, ws, bytes, bytes, count, fin);
    if (reason == 0 && (count > 0 || fin)) reason = deliver_piece(conn, ws, bytes, count, NULL, fin);
    return reason;
}

/* Takes payload bytes of a frame that is under way. Returns bytes used, or a reason. */
static ptrdiff_t take_payload(struct wye_conn *conn, struct websocket *ws, uint8_t *bytes, size_t count) {
    size_t take = count < ws->frame_left ? count : (size_t)ws->frame_left;
    bool ends = take == ws->frame_left, fin = ends && ws->fin;
    bool streams = ws->streaming || (!ws->deflated && wye_websocket_handler_of(conn)->piece &&
                                     ws->message.bytes > LONG_ABOVE);
    int reason = 0;
    if (streams) {
        if (!ws->streaming) reason = start_streaming(conn, ws);
        if (reason == 0) reason = stream(conn, ws, bytes, take, fin);
    } else {
        reason = assemble(conn, ws, bytes, take);
    }
    ws->phase = (ws->phase + take) & 3;
    ws->frame_left -= take;
    if (ends) ws->in_frame = false;
    if (fin && reason == 0) {
        if (streams) wye_message_end(&ws->message);
        else reason = assembly_deliver(conn, ws);
    }
    return reason < 0 ? reason : (ptrdiff_t)take;
}

/* ---- frames ---- */

/* A whole unfragmented message lies at `payload`: unmasked, behind the last reply of the burst so that the two touch. */
static int whole_message(struct wye_conn *conn, struct websocket *ws, const struct wye_frame *frame, uint8_t *payload) {
    struct wye_hub *hub = conn->hub;
    size_t count = (size_t)frame->payload_bytes;
    uint8_t *to = payload;
    if (hub->input_lasts && hub->reply.reply_end) to = hub->reply.reply_end + wye_frame_header_bytes(count, false);
    ws->masking_key = frame->masking_key;
    ws->phase = 0;
    int reason = unmask(conn, ws, to, payload, count, true);
    if (reason < 0) return reason;
    if (ws->deflated) return deliver_deflated(conn, ws, to, count);
    wye_message_end(&ws->message);
    return deliver(conn, frame->opcode, to, count, NULL);
}

static int control(struct wye_conn *conn, struct websocket *ws, const struct wye_frame *frame, uint8_t *payload) {
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
    int trouble = wye_websocket_send_control(conn, WYE_OPCODE_PONG, payload, count);
    hub->reply.payload = NULL;
    return trouble;
}

/* Judges a frame's header. 0, or a reason. */
static int judge(struct wye_conn *conn, struct websocket *ws, struct wye_frame *frame) {
    struct wye_hub *hub = conn->hub;
    uint64_t limit = hub->settings->max_message_bytes;
    if (wye_opcode_is_control(frame->opcode)) {
        struct wye_message untouched = ws->message;
        return wye_message_frame(&untouched, frame, WYE_ROLE_SERVER, limit, &hub->fault);
    }
    bool begins = frame->opcode != WYE_OPCODE_CONTINUATION;
    bool deflated = begins && ws->client_bits && frame->reserved == 4;
    if (deflated) frame->reserved = 0; /* RSV1 of a first frame: the message is compressed (RFC 7692 6) */
    int reason = wye_message_frame(&ws->message, frame, WYE_ROLE_SERVER, limit, &hub->fault);
    if (reason < 0 || !begins) return reason;
    ws->deflated = deflated;
    ws->utf8 = (struct wye_utf8){0};
    return 0;
}

/* The usual case at one look: a masked data frame, short, whole, a message of its own. 6, its header's length; 0: another case. */
static size_t read_short_frame(const struct websocket *ws, struct wye_frame *frame, const uint8_t *bytes, size_t count) {
    enum { HEADER = 6 };
    if (count < HEADER || (bytes[0] != (0x80 | WYE_OPCODE_TEXT) && bytes[0] != (0x80 | WYE_OPCODE_BINARY))) return 0;
    size_t payload_bytes = (size_t)bytes[1] - 0x80;
    if (payload_bytes >= 126 || payload_bytes > count - HEADER || ws->message.opcode) return 0;
    *frame = (struct wye_frame){.payload_bytes = payload_bytes, .opcode = bytes[0] & 15, .fin = true, .masked = true};
    memcpy(&frame->masking_key, bytes + 2, sizeof frame->masking_key);
    return HEADER;
}

/* Reads one frame, or its header and what is there of its payload. Bytes used, 0: incomplete, or a reason. */
static ptrdiff_t read_frame(struct wye_conn *conn, struct websocket *ws, uint8_t *bytes, size_t count) {
    struct wye_frame frame;
    size_t short_header = read_short_frame(ws, &frame, bytes, count);
    if (short_header && frame.payload_bytes <= conn->hub->settings->max_message_bytes) {
        ws->message.opcode = frame.opcode;
        ws->deflated = false;
        ws->utf8 = (struct wye_utf8){0};
        int trouble = whole_message(conn, ws, &frame, bytes + short_header);
        return trouble < 0 ? trouble : (ptrdiff_t)(short_header + frame.payload_bytes);
    }
    ptrdiff_t header = wye_frame_read(&frame, bytes, count, &conn->hub->fault);
    if (header <= 0) return header;
    size_t there = count - (size_t)header;
    bool is_control = wye_opcode_is_control(frame.opcode);
    bool whole = frame.payload_bytes <= there && frame.fin && frame.opcode != WYE_OPCODE_CONTINUATION;
    int reason = judge(conn, ws, &frame);
    if (reason < 0) return reason;
    uint8_t *payload = bytes + header;
    if (is_control) {
        if (frame.payload_bytes > there) return 0;
        reason = control(conn, ws, &frame, payload);
    } else if (whole) {
        reason = whole_message(conn, ws, &frame, payload);
    } else {
        ws->frame_left = frame.payload_bytes;
        ws->masking_key = frame.masking_key;
        ws->phase = 0;
        ws->fin = frame.fin;
        ws->in_frame = true;
        ptrdiff_t used = 0;
        if (there > 0 || frame.payload_bytes == 0) used = take_payload(conn, ws, payload, there);
        return used < 0 ? used : header + used;
    }
    return reason < 0 ? reason : header + (ptrdiff_t)frame.payload_bytes;
}

ptrdiff_t wye_websocket_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    struct websocket *ws = wye_conn_state(conn);
    conn->hub->fault = NULL;
    size_t used = 0;
    while (used < count && conn->phase == WYE_CONN_OPEN && !conn->pauses) {
        ptrdiff_t n = ws->in_frame ? take_payload(conn, ws, bytes + used, count - used)
                                   : read_frame(conn, ws, bytes + used, count - used);
        if (n < 0) return n;
        if (n == 0) break;
        used += (size_t)n;
    }
    /* Bytes behind its close frame: it may be sending still, and shall find ours, not a reset. */
    if (used < count && conn->phase == WYE_CONN_FINISHING) conn->linger = true;
    return (ptrdiff_t)used;
}
