/* Frames that are not one whole right answer: split, fragmented, wrong, or control frames. */
#include "bench/load.h"
#include "core/reason.h"

#include <errno.h>
#include <string.h>

enum { MESSAGE_BYTES_MAX = INT32_MAX };

static size_t id_bytes_of(const struct load_messages *messages) {
    return messages->id_bytes + (messages->names_publisher ? 2u : 0u);
}

/* Are the bytes of this connection's messages not looked at? */
static bool ignores(const struct load_conn *lc) {
    return lc->skip || !lc->messages || lc->role == LOAD_PUBLISHER;
}

static const struct load_messages *table_of(const struct load_conn *lc) {
    if (lc->role == LOAD_CALLER || !lc->known) return lc->messages;
    return &lc->worker->run->publishers[lc->publisher].messages;
}

/* The number of the message is whole. */
static void identify(struct load_conn *lc) {
    const struct load_run *run = lc->worker->run;
    lc->known = wye_load_id_read(lc->messages, lc->id, &lc->variant, &lc->publisher);
    if (lc->role == LOAD_SUBSCRIBER && !lc->messages->names_publisher) lc->publisher = lc->topic;
    if (lc->role == LOAD_SUBSCRIBER && lc->known)
        lc->known =
            lc->publisher < run->options->publishers && lc->publisher % run->options->topics == lc->topic;
    if (lc->known) return;
    lc->wrong_bytes = true;
    /* The publisher may be legible all the same. */
    const uint8_t id[4] = {'A', 'A', lc->id[2], lc->id[3]};
    uint32_t variant;
    if (lc->role != LOAD_SUBSCRIBER || !lc->messages->names_publisher ||
        !wye_load_id_read(lc->messages, id, &variant, &lc->publisher) ||
        lc->publisher >= run->options->publishers || lc->publisher % run->options->topics != lc->topic)
        lc->publisher = lc->role == LOAD_SUBSCRIBER ? lc->topic : 0;
}

static void compare(struct load_conn *lc, const uint8_t *bytes, size_t count) {
    const struct load_messages *messages = table_of(lc);
    const uint8_t *answer =
        messages->answers + messages->header_bytes + (lc->known ? lc->variant * messages->answer_bytes : 0);
    if (memcmp(bytes, answer + lc->at, count) != 0) lc->wrong_bytes = true;
}

/* Takes bytes of a message's payload. */
static void take_payload(struct load_conn *lc, const uint8_t *bytes, size_t count) {
    if (ignores(lc)) {
        lc->at += count;
        return;
    }
    const struct load_messages *messages = lc->messages;
    size_t id_ends = messages->id_at + id_bytes_of(messages);
    while (count > 0) {
        size_t step = count;
        if (lc->at < messages->id_at) {
            if (step > messages->id_at - lc->at) step = messages->id_at - (size_t)lc->at;
            compare(lc, bytes, step);
        } else if (lc->at < id_ends) {
            if (step > id_ends - lc->at) step = id_ends - (size_t)lc->at;
            memcpy(lc->id + (lc->at - messages->id_at), bytes, step);
            if (lc->at + step == id_ends) identify(lc);
        } else if (lc->at < messages->payload_bytes) {
            if (step > messages->payload_bytes - lc->at) step = messages->payload_bytes - (size_t)lc->at;
            if (lc->known || id_ends == messages->id_at) compare(lc, bytes, step);
        }
        lc->at += step;
        bytes += step;
        count -= step;
    }
}

/* Takes compressed bytes of a message. last: it has no more. */
static void take_deflated(struct load_conn *lc, const uint8_t *bytes, size_t count, bool last) {
    struct load_worker *worker = lc->worker;
    struct load_codec *codec = lc->codec;
    ptrdiff_t inflated = 0;
    size_t used;
    codec->deflated_bytes += count;
    while (!codec->broken) {
        inflated = wye_inflate(codec->inflater, worker->inflated, sizeof worker->inflated, bytes, count,
                               &used, last);
        codec->broken = inflated < 0;
        if (inflated > 0) take_payload(lc, worker->inflated, (size_t)inflated);
        bytes += used;
        count -= used;
        if (count == 0 && inflated < (ptrdiff_t)sizeof worker->inflated) break;
    }
    if (!last) return;
    wye_load_inflate_end(lc);
    if (!codec->broken || ignores(lc)) return;
    lc->wrong_bytes = true; /* and nobody knows its length */
    lc->at = lc->messages->payload_bytes;
}

/* Who is meant by a message that doesn't say: the one that is waited for. */
static void assume(struct load_conn *lc) {
    const struct load_stream *stream = &lc->stream;
    if (lc->role == LOAD_SUBSCRIBER) {
        stream = &lc->streams[lc->publisher / lc->worker->run->options->topics];
    }
    lc->variant = stream->next & (lc->messages->variants - 1);
}

static void message_ends(struct load_conn *lc, uint64_t now_ns) {
    struct load_counts *counts = &lc->worker->counts;
    wye_message_end(&lc->message);
    lc->in_message = lc->right = false;
    if (ignores(lc)) {
        if (!lc->skip && !lc->messages && lc->role == LOAD_CALLER) wye_count(&counts->unexpected, 1);
        if (lc->skip) lc->skip--; /* publishers have none */
        wye_count(&counts->came_back, lc->role == LOAD_PUBLISHER);
        return;
    }
    if (lc->role == LOAD_CALLER && lc->stream.next == lc->sent) { /* nothing is waited for */
        wye_count(&counts->unexpected, !lc->known || lc->wrong_bytes);
        if (!lc->known || lc->wrong_bytes) return;
    }
    bool wrong_length = lc->at != lc->messages->payload_bytes, unnamed = id_bytes_of(lc->messages) == 0;
    if (wrong_length) wye_count(&counts->wrong_length, 1);
    else if (lc->wrong_bytes) wye_count(&counts->corrupted, 1);
    if (lc->wrong_type) wye_count(&counts->wrong_type, 1);
    if (lc->wrong_bytes || !lc->known) assume(lc);
    lc->right = !wrong_length && !lc->wrong_bytes && !lc->wrong_type && (lc->known || unnamed);
    wye_load_client_take(lc, lc->publisher, lc->variant, lc->right, now_ns);
}

static ptrdiff_t frame_part(struct load_conn *lc, const uint8_t *bytes, size_t count, uint64_t now_ns) {
    size_t step = count < lc->frame_left ? count : (size_t)lc->frame_left;
    lc->frame_left -= step;
    if (lc->deflated) take_deflated(lc, bytes, step, lc->fin && lc->frame_left == 0);
    else take_payload(lc, bytes, step);
    if (lc->frame_left == 0) {
        lc->in_frame = false;
        if (lc->fin) message_ends(lc, now_ns);
    }
    return (ptrdiff_t)step;
}

/* A close frame: the end, asked for or not. */
static void closed(struct load_conn *lc, const uint8_t *payload, size_t count) {
    struct load_worker *worker = lc->worker;
    unsigned code = count >= 2 ? (unsigned)payload[0] << 8 | payload[1] : 1005;
    if (lc->state != LOAD_CLOSING) {
        char text[128];
        wye_span_escape(text, sizeof text,
                        (struct wye_span){(const char *)payload + 2, count > 2 ? count - 2 : 0}, 80);
        wye_count(&worker->counts.dropped, 1);
        wye_load_group(worker, "closed by the server: %u %s", code, text);
        wye_load_client_control(lc, WYE_OPCODE_CLOSE, payload, count >= 2 ? 2 : 0);
    }
    lc->state = LOAD_ENDED;
    wye_conn_finish(lc->conn, 0, false);
}

static ptrdiff_t broken(struct load_conn *lc, const char *fault) {
    wye_count(&lc->worker->counts.broken_frames, 1);
    wye_load_group(lc->worker, "broken frame: %s", fault ? fault : "?");
    lc->state = LOAD_ENDED;
    return -WYE_CLOSE_PROTOCOL_ERROR;
}

ptrdiff_t wye_load_frames_read(struct load_conn *lc, uint8_t *bytes, size_t count, uint64_t now_ns) {
    if (lc->in_frame) return frame_part(lc, bytes, count, now_ns);
    struct wye_frame frame;
    const char *fault = NULL;
    ptrdiff_t header = wye_frame_read(&frame, bytes, count, &fault);
    if (header < 0) return broken(lc, fault);
    if (header == 0) return 0;
    size_t there = count - (size_t)header;
    bool control = wye_opcode_is_control(frame.opcode);
    bool begins = !control && frame.opcode != WYE_OPCODE_CONTINUATION;
    bool deflated = begins && frame.reserved == 4 && lc->codec;
    if (deflated) frame.reserved = 0; /* RSV1 of a first frame: the message is compressed (RFC 7692 6) */
    if (wye_message_frame(&lc->message, &frame, WYE_ROLE_CLIENT, MESSAGE_BYTES_MAX, &fault) < 0)
        return broken(lc, fault);
    if (control) {
        if (frame.payload_bytes > there) return 0;
        if (frame.opcode == WYE_OPCODE_CLOSE) {
            closed(lc, bytes + header, (size_t)frame.payload_bytes);
        } else if (frame.opcode == WYE_OPCODE_PING && lc->state == LOAD_OPEN) {
            wye_count(&lc->worker->counts.pings, 1);
            wye_load_client_control(lc, WYE_OPCODE_PONG, bytes + header, (size_t)frame.payload_bytes);
        }
        return header + (ptrdiff_t)frame.payload_bytes;
    }
    if (begins) {
        lc->in_message = true;
        lc->deflated = deflated;
        lc->at = 0;
        lc->publisher = lc->role == LOAD_SUBSCRIBER ? lc->topic : 0;
        lc->known = lc->wrong_bytes = false;
        lc->wrong_type = lc->messages && frame.opcode != lc->messages->opcode;
        if (deflated && !wye_load_inflate_begin(lc)) {
            wye_conn_close(lc->conn, -ENOMEM);
            return (ptrdiff_t)count;
        }
    }
    lc->fin = frame.fin;
    lc->frame_left = frame.payload_bytes;
    lc->in_frame = true;
    ptrdiff_t taken = frame_part(lc, bytes + header, there, now_ns);
    bool whole = deflated && frame.fin && (uint64_t)taken == frame.payload_bytes;
    if (whole && lc->right && !ignores(lc)) wye_load_learn(lc, bytes, (size_t)(header + taken));
    return header + taken;
}
