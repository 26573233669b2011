#include "tests/fuzz/server_frames.h"

#include "frames/close_code.h"
#include "frames/deflate.h"
#include "frames/frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/utf8_samples.h"

/* The client's side of one connection. */
struct client {
    struct wye_deflate_agreement agreement;
    struct wye_inflater *inflater;
    struct wire message, inflated;
    uint8_t opcode; /* of the message under way; 0: none */
    bool deflated, closed;
};

static bool is_utf8(const uint8_t *bytes, size_t count) {
    return count == 0 || slow_prefix(bytes, count) == count;
}

static void read_agreement(struct client *client, const struct wire *received, size_t end) {
    static const char field[] = "Sec-WebSocket-Extensions: ";
    /* Whatever was asked for: the answers of this server say all that binds it. */
    const struct wye_deflate_agreement offered = {.client_bits = 15};
    size_t at = wire_find(received, field, 0);
    if (at >= end) return;
    at += strlen(field);
    const char *value = (const char *)received->at + at;
    size_t count = wire_find(received, "\r\n", at) - at;
    MUST(wye_deflate_accept_answer(&client->agreement, value, count, &offered));
    client->inflater = wye_inflater_open(client->agreement.server_bits);
    MUST(client->inflater);
}

static void inflate(struct client *client) {
    const uint8_t *from = client->message.at;
    size_t left = client->message.count, used;
    wye_inflate_begin(client->inflater, client->agreement.server_no_context);
    wire_clear(&client->inflated);
    for (;;) {
        uint8_t piece[4096];
        ptrdiff_t n = wye_inflate(client->inflater, piece, sizeof piece, from, left, &used, true);
        MUST(n >= 0);
        wire_add(&client->inflated, piece, (size_t)n);
        from += used;
        left -= used;
        if (left == 0 && (size_t)n < sizeof piece) return;
    }
}

static void take_data(struct client *client, const struct wye_frame *frame, const uint8_t *payload,
                      struct wire *heard) {
    MUST((frame->opcode == WYE_OPCODE_CONTINUATION) == (client->opcode != 0));
    if (client->opcode == 0) {
        client->opcode = frame->opcode;
        client->deflated = frame->reserved;
        wire_clear(&client->message);
    }
    wire_add(&client->message, payload, (size_t)frame->payload_bytes);
    if (!frame->fin) return;
    if (client->deflated) inflate(client);
    const struct wire *whole = client->deflated ? &client->inflated : &client->message;
    if (client->opcode == WYE_OPCODE_TEXT) MUST(is_utf8(whole->at, whole->count));
    wire_add(heard, &client->opcode, 1);
    wire_add(heard, &whole->count, sizeof whole->count);
    wire_add(heard, whole->at, whole->count);
    client->opcode = 0;
}

static void take_control(struct client *client, const struct wye_frame *frame, const uint8_t *payload,
                         struct wire *heard) {
    size_t count = (size_t)frame->payload_bytes;
    if (frame->opcode == WYE_OPCODE_CLOSE) {
        MUST(count != 1);
        MUST(count == 0 || wye_close_code_may_be_sent((uint16_t)(payload[0] << 8 | payload[1])));
        MUST(count == 0 || is_utf8(payload + 2, count - 2));
        client->closed = true;
    }
    wire_add(heard, &frame->opcode, 1);
    wire_add(heard, &count, sizeof count);
    wire_add(heard, payload, count);
}

void server_frames_read(struct wire *heard, const struct wire *received) {
    struct client client = {0};
    size_t at = wire_find(received, "\r\n\r\n", 0);
    if (at == SIZE_MAX) return; /* not even the 101 has come whole */
    at += 4;
    read_agreement(&client, received, at);
    while (at < received->count) {
        struct wye_frame frame;
        ptrdiff_t header = wye_frame_read(&frame, received->at + at, received->count - at, NULL);
        MUST(header >= 0 && !client.closed);
        if (header == 0 || frame.payload_bytes > received->count - at - (size_t)header) break;
        bool is_control = wye_opcode_is_control(frame.opcode);
        MUST(!frame.masked);
        MUST(frame.reserved == 0 || (frame.reserved == 4 && client.inflater && !is_control &&
                                     frame.opcode != WYE_OPCODE_CONTINUATION));
        const uint8_t *payload = received->at + at + header;
        if (is_control) take_control(&client, &frame, payload, heard);
        else take_data(&client, &frame, payload, heard);
        at += (size_t)header + (size_t)frame.payload_bytes;
    }
    wye_inflater_shut(client.inflater);
    wire_free(&client.message);
    wire_free(&client.inflated);
}
