#include "tests/sim/client.h"

#include "handshake/opening.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes ---- */

void sim_bytes_add(struct sim_bytes *bytes, const void *from, size_t count) {
    if (bytes->capacity - bytes->count < count) {
        bytes->capacity = (bytes->count + count) * 2;
        bytes->at = realloc(bytes->at, bytes->capacity);
        assert(bytes->at);
    }
    if (count) memcpy(bytes->at + bytes->count, from, count);
    bytes->count += count;
}

void sim_bytes_fini(struct sim_bytes *bytes) { free(bytes->at); }

/* ---- life and end ---- */

void sim_client_init(struct sim_client *client, struct sim_net *net, unsigned number) {
    struct sim_dice *dice = &net->dice;
    *client = (struct sim_client){
        .net = net,
        .number = number,
        .write_most = net->coarse ? sim_between(dice, 1 << 14, 1 << 18) : sim_size(dice, 1 << 18),
        .read_most = net->coarse ? sim_between(dice, 1 << 12, 1 << 18) : 256 + sim_size(dice, 1 << 18),
        .write_chance = (unsigned)sim_between(dice, 100, 1000),
        .read_chance = (unsigned)sim_between(dice, 100, 1000),
        .vanish_after = SIZE_MAX,
        .leave_ns = UINT64_MAX,
    };
}

void sim_client_fini(struct sim_client *client) {
    sim_bytes_fini(&client->script);
    sim_bytes_fini(&client->urgent);
    sim_bytes_fini(&client->in);
    sim_bytes_fini(&client->message);
    sim_bytes_fini(&client->expected);
    sim_bytes_fini(&client->sealed);
    free(client->marks);
    if (client->tls) sim_tls_free(client->tls);
    if (client->deflater) wye_deflater_shut(client->deflater);
    if (client->inflater) wye_inflater_shut(client->inflater);
}

void sim_client_use_tls(struct sim_client *client, bool old) { client->tls = sim_tls_open(old, &client->sealed); }

/* ---- the script ---- */

static void mark(struct sim_client *client) {
    if (client->mark_count == client->mark_capacity) {
        client->mark_capacity = client->mark_capacity ? client->mark_capacity * 2 : 16;
        client->marks = realloc(client->marks, client->mark_capacity * sizeof client->marks[0]);
        assert(client->marks);
    }
    client->marks[client->mark_count++] = client->script.count;
}

void sim_client_say(struct sim_client *client, const void *bytes, size_t count) {
    sim_bytes_add(&client->script, bytes, count);
    mark(client);
}

void sim_client_offer_deflate(struct sim_client *client) {
    struct sim_dice *dice = &client->net->dice;
    client->offered = (struct wye_deflate_agreement){.server_bits = 15, .client_bits = 15};
    client->offered.client_no_context = sim_chance(dice, 300);
    client->offered.server_no_context = sim_chance(dice, 300);
    /* Small windows keep whatever the answer asks for; afresh each time, so does any context. */
    client->deflater = wye_deflater_open(9, 1, 4);
    assert(client->deflater);
    client->waits_for_101 = true;
}

void sim_client_upgrade(struct sim_client *client, const char *path, const char *token) {
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned i = 0; i < 21; i++) client->key[i] = base64[sim_below(&client->net->dice, 64)];
    client->key[21] = "AQgw"[sim_below(&client->net->dice, 4)];
    client->key[22] = client->key[23] = '=';
    char request[512];
    bool websocket = strcmp(token, "websocket") == 0;
    int count =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: %s\r\n", path, token);
    if (websocket)
        count += snprintf(request + count, sizeof request - (size_t)count,
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %.24s\r\n", client->key);
    else client->raw = true;
    if (client->deflater)
        count += snprintf(request + count, sizeof request - (size_t)count,
                          "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits%s%s\r\n",
                          client->offered.client_no_context ? "; client_no_context_takeover" : "",
                          client->offered.server_no_context ? "; server_no_context_takeover" : "");
    count += snprintf(request + count, sizeof request - (size_t)count, "\r\n");
    sim_client_say(client, request, (size_t)count);
}

/* opcode: with 0x40 for RSV1 */
static void add_frame(struct sim_client *client, struct sim_bytes *to, uint8_t opcode, bool fin,
                      const uint8_t *payload, size_t count) {
    uint8_t header[WYE_FRAME_HEADER_MAX], key[4];
    struct wye_frame frame = {.payload_bytes = count, .opcode = opcode & 15, .fin = fin, .masked = true};
    frame.reserved = opcode >> 4;
    frame.masking_key = (uint32_t)sim_roll(&client->net->dice);
    memcpy(key, &frame.masking_key, 4);
    sim_bytes_add(to, header, wye_frame_write(header, &frame));
    sim_bytes_add(to, payload, count);
    uint8_t *at = to->at + to->count - count;
    for (size_t i = 0; i < count; i++) at[i] ^= key[i & 3];
}

void sim_client_frame(struct sim_client *client, uint8_t opcode, bool fin, const uint8_t *payload,
                      size_t count) {
    add_frame(client, &client->script, opcode, fin, payload, count);
    mark(client);
}

static void say_pieces(struct sim_client *client, uint8_t opcode, const uint8_t *payload, size_t count,
                       bool pieces) {
    struct sim_dice *dice = &client->net->dice;
    for (;;) {
        size_t take = pieces && sim_chance(dice, 700) ? sim_below(dice, count + 1) : count;
        bool fin = take == count && !(pieces && sim_chance(dice, 100));
        sim_client_frame(client, opcode, fin, payload, take);
        if (fin) return;
        payload += take;
        count -= take;
        opcode = WYE_OPCODE_CONTINUATION;
        if (!sim_chance(dice, 300)) continue;
        client->pings++;
        sim_client_frame(client, WYE_OPCODE_PING, true, (const uint8_t *)"are you there?",
                         sim_below(dice, 15));
    }
}

void sim_client_message(struct sim_client *client, uint8_t opcode, const uint8_t *payload, size_t count,
                        bool pieces) {
    if (!client->deflater || count == 0 || sim_chance(&client->net->dice, 300)) {
        say_pieces(client, opcode, payload, count, pieces);
        return;
    }
    size_t room = wye_deflate_bound(client->deflater, count);
    uint8_t *deflated = malloc(room);
    assert(deflated);
    size_t written = wye_deflate(client->deflater, deflated, room, payload, count, true);
    assert(written > 0);
    say_pieces(client, opcode | 0x40, deflated, written, pieces);
    free(deflated);
}

void sim_client_close(struct sim_client *client, uint16_t code) {
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    client->close_sent = true;
    sim_client_frame(client, WYE_OPCODE_CLOSE, true, payload, code ? 2 : 0);
}

/* ---- hearing ---- */

static void heard_control(struct sim_client *client, uint8_t opcode, const uint8_t *payload, size_t count) {
    if (opcode == WYE_OPCODE_PONG) client->pongs++;
    bool said_close = client->close_sent && client->script_at == client->script.count;
    if (opcode == WYE_OPCODE_PING && !client->silent && !said_close)
        add_frame(client, &client->urgent, WYE_OPCODE_PONG, true, payload, count);
    if (opcode != WYE_OPCODE_CLOSE) return;
    assert(!client->close_received);
    client->close_received = true;
    if (count >= 2) client->close_code = (uint16_t)(payload[0] << 8 | payload[1]);
    if (said_close || client->silent) return;
    /* Nothing of the script is said any more, but for the rest of the frame under way. */
    while (client->mark_at < client->mark_count && client->marks[client->mark_at] < client->script_at)
        client->mark_at++;
    if (client->close_sent && client->mark_at + 1 == client->mark_count)
        return; /* it is our own close frame */
    client->close_sent = true;
    if (client->mark_at < client->mark_count) client->script.count = client->marks[client->mark_at];
    add_frame(client, &client->urgent, WYE_OPCODE_CLOSE, true, payload, count >= 2 ? 2 : 0);
}

static void inflate_message(struct sim_client *client) {
    struct sim_bytes whole = {0};
    const uint8_t *at = client->message.at;
    size_t left = client->message.count;
    client->deflated++;
    wye_inflate_begin(client->inflater, client->agreed.server_no_context);
    for (;;) {
        uint8_t piece[4096];
        size_t used;
        ptrdiff_t written = wye_inflate(client->inflater, piece, sizeof piece, at, left, &used, true);
        assert(written >= 0);
        sim_bytes_add(&whole, piece, (size_t)written);
        at += used;
        left -= used;
        if (left == 0 && (size_t)written < sizeof piece) break;
    }
    sim_bytes_fini(&client->message);
    client->message = whole;
}

/* What became of the offer? */
static void hear_extensions(struct sim_client *client, const char *text, const char *end) {
    static const char name[] = "Sec-WebSocket-Extensions: ";
    const char *value = memmem(text, (size_t)(end - text), name, sizeof name - 1);
    if (!value) return;
    value += sizeof name - 1;
    const char *line_end = memmem(value, (size_t)(end + 2 - value), "\r\n", 2);
    assert(line_end && client->deflater);
    bool fine =
        wye_deflate_accept_answer(&client->agreed, value, (size_t)(line_end - value), &client->offered);
    assert(fine);
    client->inflater = wye_inflater_open(client->agreed.server_bits);
    assert(client->inflater);
}

static void heard_frame(struct sim_client *client, const struct wye_frame *frame, const uint8_t *payload) {
    size_t count = (size_t)frame->payload_bytes;
    bool may_deflate = client->agreed.server_bits &&
                       (frame->opcode == WYE_OPCODE_TEXT || frame->opcode == WYE_OPCODE_BINARY);
    assert(!frame->masked && (frame->reserved == 0 || (frame->reserved == 4 && may_deflate)));
    assert(!client->close_received); /* nothing stands behind a close frame */
    if (wye_opcode_is_control(frame->opcode)) {
        heard_control(client, frame->opcode, payload, count);
        return;
    }
    if (frame->opcode != WYE_OPCODE_CONTINUATION) {
        assert(client->message_opcode == 0);
        client->message_opcode = frame->opcode;
        client->message_deflated = frame->reserved;
        client->message.count = 0;
    }
    assert(client->message_opcode != 0);
    sim_bytes_add(&client->message, payload, count);
    if (!frame->fin) return;
    client->messages++;
    if (client->message_deflated) inflate_message(client);
    if (client->heard)
        client->heard(client, client->message_opcode, client->message.at, client->message.count);
    client->message_opcode = 0;
}

static bool hear_head(struct sim_client *client) {
    const char *text = (const char *)client->in.at;
    const char *end = memmem(text, client->in.count, "\r\n\r\n", 4);
    if (!end) return false;
    assert(client->in.count >= 12 && memcmp(text, "HTTP/1.1 ", 9) == 0);
    client->status = atoi(text + 9);
    if (client->status != 101) return false; /* all of it stays in `in` */
    client->switched = true;
    if (!client->raw) {
        char accept[WYE_ACCEPT_BYTES];
        wye_opening_accept(accept, client->key);
        hear_extensions(client, text, end);
        assert(client->agreed.server_bits || end + 4 - text == WYE_OPENING_BYTES);
        assert(memcmp(text + WYE_OPENING_ACCEPT_AT, accept, sizeof accept) == 0);
    }
    client->in_at = (size_t)(end + 4 - text);
    return true;
}

static void hear(struct sim_client *client) {
    if (!client->status && !hear_head(client)) return;
    if (client->status != 101) return;
    while (!client->raw && client->in_at < client->in.count) {
        struct wye_frame frame;
        const uint8_t *at = client->in.at + client->in_at;
        size_t count = client->in.count - client->in_at;
        ptrdiff_t header = wye_frame_read(&frame, at, count, NULL);
        assert(header >= 0);
        if (header == 0 || count - (size_t)header < frame.payload_bytes) break;
        heard_frame(client, &frame, at + header);
        client->in_at += (size_t)header + (size_t)frame.payload_bytes;
    }
    /* What was read is let go: for raw ones into the message, in order. */
    if (client->raw) {
        sim_bytes_add(&client->message, client->in.at + client->in_at, client->in.count - client->in_at);
        client->in_at = client->in.count;
    }
    memmove(client->in.at, client->in.at + client->in_at, client->in.count - client->in_at);
    client->in.count -= client->in_at;
    client->in_at = 0;
}

/* ---- doing ---- */

static void leave(struct sim_client *client, bool by_reset) {
    client->broken = client->wire->client_broken;
    sim_wire_close(client->wire, by_reset);
    client->over = true;
}

static bool step_read(struct sim_client *client) {
    struct sim_dice *dice = &client->net->dice;
    size_t readable = sim_wire_readable(client->wire);
    if (readable == 0 || client->read_chance == 0) return false;
    if (!sim_chance(dice, client->read_chance)) return true;
    size_t most = client->read_most < readable ? client->read_most : readable;
    size_t count = client->net->coarse ? most : sim_size(dice, most);
    struct sim_bytes *in = &client->in;
    static uint8_t bytes[1 << 20];
    if (count > sizeof bytes) count = sizeof bytes;
    sim_wire_read(client->wire, bytes, count);
    if (client->tls) sim_tls_hear(client->tls, bytes, count, in, &client->sealed);
    else sim_bytes_add(in, bytes, count);
    if (in->count > 0) hear(client);
    return true;
}

/* Writes a fragment of `from`. */
static bool write_some(struct sim_client *client, const struct sim_bytes *from, size_t *at, size_t until) {
    struct sim_dice *dice = &client->net->dice;
    size_t room = sim_wire_room(client->wire), left = until - *at;
    if (left == 0 || room == 0) return false;
    if (!sim_chance(dice, client->write_chance)) return true;
    bool seals = client->tls && from != &client->sealed;
    size_t most = left < room ? left : room;
    if (most > client->write_most) most = client->write_most;
    size_t count = client->net->coarse ? most : sim_size(dice, most);
    /* Records of some bytes each would take for ever, and so would large ones that are written byte by byte. */
    if (seals) count = left < 200 + 100 * count ? left : 200 + 100 * count;
    if (seals) sim_tls_say(client->tls, from->at + *at, count, &client->sealed);
    else sim_wire_write(client->wire, from->at + *at, count);
    *at += count;
    return true;
}

/* Writes what is sealed, before anything else is said. true: there was something, or nothing may be said yet. */
static bool write_sealed(struct sim_client *client, bool *could) {
    *could = write_some(client, &client->sealed, &client->sealed_at, client->sealed.count);
    if (client->sealed_at < client->sealed.count) return true;
    client->sealed.count = client->sealed_at = 0;
    return !sim_tls_is_up(client->tls);
}

static bool step_write(struct sim_client *client) {
    bool could;
    if (client->tls && write_sealed(client, &could)) return could;
    bool urgent = client->urgent_at < client->urgent.count;
    while (client->mark_at < client->mark_count && client->marks[client->mark_at] < client->script_at)
        client->mark_at++;
    bool between =
        client->script_at == 0 || client->script_at == client->script.count ||
        (client->mark_at < client->mark_count && client->marks[client->mark_at] == client->script_at);
    /* What was begun is finished before anything else is said. */
    if (urgent && (between || client->urgent_at > 0))
        return write_some(client, &client->urgent, &client->urgent_at, client->urgent.count);
    client->urgent.count = urgent ? client->urgent.count : 0;
    client->urgent_at = urgent ? client->urgent_at : 0;
    size_t until = client->script.count;
    if (urgent && client->mark_at < client->mark_count) until = client->marks[client->mark_at];
    if (client->waits_for_101 && !client->switched && client->mark_count && until > client->marks[0])
        until = client->marks[0];
    if (client->script_at > until) until = client->script_at;
    return write_some(client, &client->script, &client->script_at, until);
}

bool sim_client_step(struct sim_client *client) {
    if (client->over) return false;
    if (!client->wire) {
        if (client->net->now_ns < client->start_ns) return false;
        client->wire = sim_net_connect(client->net, client->listener);
        client->wire->address = client->address;
        return true;
    }
    struct sim_wire *wire = client->wire;
    if (wire->client_closed || (wire->harmed && wire->client_broken)) {
        client->over = true;
        client->broken = true;
        if (!wire->client_closed) leave(client, true);
        return true;
    }
    if (client->script_at >= client->vanish_after || client->net->now_ns >= client->leave_ns) {
        client->vanished = true;
        leave(client, client->vanish_by_reset);
        return true;
    }
    bool could = step_read(client);
    if (sim_wire_readable(wire) == 0 && sim_wire_over(wire)) {
        leave(client, false);
        return true;
    }
    could |= step_write(client);
    if (client->end_after_script && client->script_at == client->script.count && !wire->up_ended) {
        if (client->tls && !client->notified) sim_tls_end(client->tls, &client->sealed);
        client->notified = true;
        if (client->sealed_at == client->sealed.count) sim_wire_end(wire);
        could = true;
    }
    return could;
}
