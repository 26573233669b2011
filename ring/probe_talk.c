#include "ring/probe_talk.h"

#include "frames/close_code.h"
#include "frames/mask.h"
#include "frames/message.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

enum { ROOM = 65536, PING_BYTES = 8 }; /* room for all that may come glued to a 101 */

struct talk {
    struct wye_probe_wire *wire;
    struct wye_attempt *attempt;
    struct wye_message message;
    bool deflate;
    bool mid_message; /* the data frame whose payload is passed by ends a message */
    uint64_t skip;    /* payload bytes of a data frame still to come */
    size_t count;     /* bytes in the buffer */
    uint8_t buffer[ROOM];
};

/* What came: a control frame, with its payload; opcode 0: a data message ended. */
struct event {
    uint8_t opcode;
    size_t count;
    uint8_t payload[WYE_FRAME_CONTROL_MAX];
};

static void drop(struct talk *talk, size_t count) {
    talk->count -= count;
    memmove(talk->buffer, talk->buffer + count, talk->count);
}

/* true: *event is filled in, or *broken says what is wrong. false: more bytes are needed. */
static bool next_event(struct talk *talk, struct event *event, const char **broken) {
    for (;;) {
        size_t skipped = talk->skip < talk->count ? (size_t)talk->skip : talk->count;
        talk->skip -= skipped;
        drop(talk, skipped);
        if (talk->skip > 0) return false;
        if (talk->mid_message) {
            talk->mid_message = false;
            *event = (struct event){.opcode = 0};
            return true;
        }
        struct wye_frame frame;
        ptrdiff_t used = wye_frame_read(&frame, talk->buffer, talk->count, broken);
        if (used <= 0) return used < 0;
        bool control = wye_opcode_is_control(frame.opcode);
        if (talk->deflate && !control && frame.opcode != WYE_OPCODE_CONTINUATION)
            frame.reserved &= 3; /* RSV1: compressed */
        talk->attempt->talk.masked = frame.masked;
        if (wye_message_frame(&talk->message, &frame, WYE_ROLE_CLIENT, UINT64_MAX, broken) < 0) return true;
        if (!control) {
            drop(talk, (size_t)used);
            talk->skip = frame.payload_bytes;
            talk->mid_message = frame.fin;
            if (frame.fin) wye_message_end(&talk->message);
            continue;
        }
        if (talk->count < (size_t)used + frame.payload_bytes) return false;
        *event = (struct event){.opcode = frame.opcode, .count = (size_t)frame.payload_bytes};
        memcpy(event->payload, talk->buffer + used, event->count);
        drop(talk, (size_t)used + event->count);
        return true;
    }
}

static enum wye_end send_frame(struct talk *talk, uint8_t opcode, const uint8_t *payload, size_t count) {
    uint8_t bytes[WYE_FRAME_HEADER_MAX + WYE_FRAME_CONTROL_MAX];
    struct wye_frame frame = {.payload_bytes = count, .opcode = opcode, .fin = true, .masked = true};
    if (getrandom(&frame.masking_key, sizeof frame.masking_key, 0) != sizeof frame.masking_key)
        return WYE_END_ERROR;
    size_t used = wye_frame_write(bytes, &frame);
    wye_mask(bytes + used, payload, count, frame.masking_key, 0);
    return wye_probe_write(talk->wire, bytes, used + count, wye_probe_deadline_ns(talk->attempt->timeout_s));
}

static enum wye_end broken(struct talk *talk, const char *sentence) {
    talk->attempt->talk.broken = sentence;
    return WYE_END_BROKEN;
}

/* Notes the close frame that came. */
static enum wye_end note_close(struct talk *talk, const struct event *event) {
    talk->attempt->talk.code_given = event->count >= 2;
    if (event->count == 1)
        return broken(talk, "A close frame has one byte, and should have none, or a code of two.");
    if (event->count == 0) return WYE_END_CLOSED;
    uint16_t code = (uint16_t)(event->payload[0] << 8 | event->payload[1]);
    talk->attempt->talk.code = code;
    talk->attempt->talk.code_name = wye_close_code_name(code);
    if (!wye_close_code_may_be_sent(code))
        return broken(talk, "A close frame has a code that may not be sent (RFC 6455 section 7.4).");
    size_t count = event->count - 2;
    memcpy(talk->attempt->talk.reason, event->payload + 2, count);
    talk->attempt->talk.reason[count] = '\0';
    return WYE_END_CLOSED;
}

/*
 * Listens until a control frame of this opcode comes (0: none would do), with this payload if it isn't NULL.
 * Pings are answered. FINE: it came. CLOSED: a close frame came, which is noted. TIMEOUT, FIN, ERROR, BROKEN.
 */
static enum wye_end listen_for(struct talk *talk, uint8_t opcode, const uint8_t *payload, size_t count,
                               uint64_t deadline_ns) {
    for (;;) {
        struct event event;
        const char *fault = NULL;
        while (next_event(talk, &event, &fault)) {
            if (fault) return broken(talk, fault);
            if (event.opcode == 0) talk->attempt->talk.messages++;
            if (event.opcode == WYE_OPCODE_CLOSE) return note_close(talk, &event);
            if (event.opcode == WYE_OPCODE_PING) {
                talk->attempt->talk.pings++;
                enum wye_end sent = send_frame(talk, WYE_OPCODE_PONG, event.payload, event.count);
                if (sent != WYE_END_FINE) return sent;
            }
            if (opcode && event.opcode == opcode && event.count == count &&
                (count == 0 || memcmp(event.payload, payload, count) == 0))
                return WYE_END_FINE;
            fault = NULL;
        }
        if (wye_probe_now_ns() >= deadline_ns) return WYE_END_TIMEOUT; /* it may never stop talking */
        size_t got;
        enum wye_end end = wye_probe_read(talk->wire, talk->buffer + talk->count,
                                          sizeof talk->buffer - talk->count, &got, deadline_ns);
        if (end != WYE_END_FINE) return end;
        talk->count += got;
    }
}

static enum wye_end ping(struct talk *talk, double *ms) {
    uint8_t payload[PING_BYTES];
    if (getrandom(payload, sizeof payload, 0) != sizeof payload) return WYE_END_ERROR;
    uint64_t begun = wye_probe_now_ns();
    enum wye_end end = send_frame(talk, WYE_OPCODE_PING, payload, sizeof payload);
    /* Where sending fails, what came before it may still say why. */
    end = end == WYE_END_FINE || end == WYE_END_ERROR
              ? listen_for(talk, WYE_OPCODE_PONG, payload, sizeof payload,
                           wye_probe_deadline_ns(talk->attempt->timeout_s))
              : end;
    *ms = wye_probe_since_ms(begun);
    return end;
}

static bool hold(struct talk *talk) {
    struct wye_attempt *attempt = talk->attempt;
    double ms;
    uint64_t begun = wye_probe_now_ns();
    enum wye_end end = listen_for(talk, 0, NULL, 0, wye_probe_deadline_ns(attempt->talk.hold_s));
    attempt->talk.held_s = wye_probe_since_ms(begun) / 1e3;
    attempt->talk.quiet_s = wye_probe_since_ms(talk->wire->last_ns) / 1e3;
    attempt->talk.hold = end == WYE_END_TIMEOUT ? WYE_END_FINE : end;
    if (attempt->talk.hold != WYE_END_FINE) return false;
    attempt->talk.again = ping(talk, &ms);
    return attempt->talk.again == WYE_END_FINE;
}

/* The closing handshake, begun by us; then the server should end the connection (RFC 6455 7.1.1). */
static void leave(struct talk *talk) {
    static const uint8_t code[] = {WYE_CLOSE_NORMAL >> 8, WYE_CLOSE_NORMAL & 255};
    struct wye_attempt *attempt = talk->attempt;
    uint64_t begun = wye_probe_now_ns(), deadline = wye_probe_deadline_ns(attempt->timeout_s);
    enum wye_end end = send_frame(talk, WYE_OPCODE_CLOSE, code, sizeof code);
    if (end == WYE_END_FINE || end == WYE_END_ERROR) end = listen_for(talk, 0, NULL, 0, deadline);
    attempt->talk.close = end;
    attempt->talk.close_ms = wye_probe_since_ms(begun);
    if (end != WYE_END_CLOSED) return;
    /* The end is waited for less long than an answer: it is a matter of tidiness. */
    double patience = attempt->timeout_s < 2 ? attempt->timeout_s : 2;
    size_t got;
    deadline = wye_probe_deadline_ns(patience);
    while ((end = wye_probe_read(talk->wire, talk->buffer, sizeof talk->buffer, &got, deadline)) ==
           WYE_END_FINE)
        continue;
    attempt->talk.fin = end == WYE_END_TIMEOUT ? WYE_END_TIMEOUT : WYE_END_FINE;
    attempt->talk.close_ms = wye_probe_since_ms(begun);
}

void wye_probe_talk_websocket(struct wye_probe_wire *wire, struct wye_attempt *attempt, const uint8_t *glued,
                              size_t count, bool deflate) {
    static struct talk talk;
    assert(count <= ROOM);
    talk = (struct talk){.wire = wire, .attempt = attempt, .deflate = deflate, .count = count};
    memcpy(talk.buffer, glued, count);
    attempt->talk.ping = ping(&talk, &attempt->talk.ping_ms);
    bool well = attempt->talk.ping == WYE_END_FINE;
    if (well && attempt->talk.hold_s > 0) well = hold(&talk);
    if (well || attempt->talk.ping == WYE_END_TIMEOUT) leave(&talk);
    attempt->talk.error = wire->error;
}

/* ---- HTTP/2 ---- */

void wye_probe_talk_h2c(struct wye_probe_wire *wire, struct wye_attempt *attempt, const uint8_t *glued,
                        size_t count) {
    /* The preface with an empty SETTINGS; and GOAWAY, so that nothing is left open (RFC 9113 3.4, 6.8). */
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    static const char goaway[] = "\0\0\0\4\1\0\0\0\0" /* our agreement to its SETTINGS */
                                 "\0\0\10\7\0\0\0\0\0"
                                 "\0\0\0\0\0\0\0\0";
    uint8_t first[9];
    uint64_t deadline = wye_probe_deadline_ns(attempt->timeout_s);
    size_t have = count < sizeof first ? count : sizeof first, got;
    memcpy(first, glued, have);
    enum wye_end end = wye_probe_write(wire, preface, sizeof preface - 1, deadline);
    while (end == WYE_END_FINE && have < sizeof first) {
        end = wye_probe_read(wire, first + have, sizeof first - have, &got, deadline);
        have += got;
    }
    if (end == WYE_END_FINE && (first[3] != 4 || first[5] || first[6] || first[7] || first[8])) {
        attempt->talk.broken = "The first frame isn't SETTINGS on stream 0.";
        end = WYE_END_BROKEN;
    }
    attempt->talk.settings = end;
    attempt->talk.error = wire->error;
    if (end == WYE_END_FINE) wye_probe_write(wire, goaway, sizeof goaway - 1, deadline);
}
