/* A connection of wye-load: the opening handshake, sending, and what came back right and whole. */
#include "bench/load.h"
#include "core/reason.h"
#include "frames/close_code.h"
#include "frames/mask.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static struct load_conn *of(const struct wye_conn *conn) {
    struct load_conn *lc;
    memcpy(&lc, conn->state.bytes, sizeof lc);
    return lc;
}

static enum load_phase phase_of(const struct load_run *run) {
    return (enum load_phase)atomic_load_explicit(&run->phase, memory_order_acquire);
}

struct load_group *wye_load_group(struct load_worker *worker, const char *format, ...) {
    char text[sizeof worker->groups[0].text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    unsigned at = 0;
    while (at < worker->group_count && strcmp(worker->groups[at].text, text) != 0) at++;
    if (at == LOAD_GROUPS_MAX) at--; /* so many different ones: the last stands for the rest */
    if (at == worker->group_count) memcpy(worker->groups[worker->group_count++].text, text, sizeof text);
    worker->groups[at].count++;
    return &worker->groups[at];
}

/* ---- sending ---- */

void wye_load_client_control(struct load_conn *lc, uint8_t opcode, const uint8_t *payload, size_t count) {
    uint8_t bytes[WYE_FRAME_HEADER_MAX + WYE_FRAME_CONTROL_MAX];
    const struct wye_frame frame = {.payload_bytes = count,
                                    .opcode = opcode,
                                    .fin = true,
                                    .masked = true,
                                    .masking_key = (uint32_t)wye_load_random(lc->worker)};
    size_t header = wye_frame_write(bytes, &frame);
    if (count) wye_mask(bytes + header, payload, count, frame.masking_key, 0);
    wye_conn_send(lc->conn, bytes, header + count);
}

void wye_load_client_close(struct load_conn *lc) {
    const uint8_t code[2] = {WYE_CLOSE_NORMAL >> 8, WYE_CLOSE_NORMAL & 255};
    wye_load_client_control(lc, WYE_OPCODE_CLOSE, code, sizeof code);
    lc->state = LOAD_CLOSING;
    wye_conn_wake_in(lc->conn, wye_load_goodbye_ns(lc->worker->run->options)); /* an answer is not waited for longer */
}

/* Notes when messages leave; in the open loop also how much later than planned. */
static void stamp(struct load_conn *lc, uint32_t count, uint64_t now_ns) {
    struct load_run *run = lc->worker->run;
    bool open_loop = run->options->rate > 0;
    uint32_t all = lc->role == LOAD_PUBLISHER ? run->options->publishers : run->options->connections;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t sequence = lc->sent + i;
        if (!wye_load_is_asker(run->options, lc->role))
            wye_load_fanout_published(&run->publishers[lc->number], sequence, now_ns);
        else if (!open_loop) lc->sent_at[sequence & run->sent_at_mask] = now_ns;
        if (!open_loop) continue;
        uint64_t planned = wye_load_planned(run, sequence - lc->first, lc->number, all);
        if (planned >= atomic_load_explicit(&run->from_ns, memory_order_relaxed))
            wye_histogram_record(lc->worker->lag, now_ns > planned ? now_ns - planned : 0);
    }
}

/* Queues the next `count` messages. */
static void send_messages(struct load_conn *lc, uint32_t count) {
    const struct load_messages *messages = lc->messages;
    if (lc->codec && lc->codec->ahead) {
        wye_load_send_ahead(lc, count);
        return;
    }
    if (lc->codec && lc->codec->deflater) {
        if (!wye_load_send_deflated(lc, count)) wye_conn_close(lc->conn, -ENOMEM);
        return;
    }
    const uint8_t *frames = messages->frames + (lc->sent & (messages->variants - 1)) * messages->frame_bytes;
    for (uint32_t left = count; left > 0;) { /* one piece, unless nothing tells messages apart */
        uint32_t run_of = left < messages->variants ? left : messages->variants;
        wye_conn_send_slice(lc->conn,
                            (struct wye_slice){frames, WYE_CHUNK_CONSTANT, run_of * messages->frame_bytes});
        left -= run_of;
    }
    wye_count(&lc->worker->counts.bytes_sent, count * messages->frame_bytes);
}

void wye_load_client_pump(struct load_conn *lc, uint64_t now_ns) {
    struct load_run *run = lc->worker->run;
    if (lc->state != LOAD_OPEN || phase_of(run) != LOAD_RUNNING) return;
    uint32_t sent = lc->sent - lc->first, room = run->limit - (sent - lc->settled);
    if (run->options->rate > 0) {
        if (room > lc->due - sent) room = lc->due - sent; /* also what was planned before the end */
    } else if (now_ns >= atomic_load_explicit(&run->until_ns, memory_order_relaxed)) {
        return;
    }
    if (room == 0 || room > run->limit) return;
    stamp(lc, room, now_ns);
    send_messages(lc, room);
    lc->sent += room;
    wye_count(&lc->worker->counts.sent, room);
}

/* ---- the opening handshake ---- */

void wye_load_client_start(struct load_conn *lc, struct wye_conn *conn) {
    struct load_run *run = lc->worker->run;
    char request[16384];
    uint8_t random[WYE_KEY_RANDOM_BYTES];
    uint32_t which = lc->topic + (lc->role == LOAD_PUBLISHER ? run->options->topics : 0);
    for (unsigned i = 0; i < sizeof random; i += 8) {
        uint64_t dice = wye_load_random(lc->worker);
        memcpy(random + i, &dice, 8);
    }
    memcpy(conn->state.bytes, &lc, sizeof lc);
    lc->conn = conn;
    if (wye_load_is_poster(run->options, lc->role)) { /* it stays HTTP: nothing is agreed on */
        lc->state = LOAD_OPEN;
        lc->worker->shaking--;
        wye_count(&lc->worker->counts.opened, 1);
        return;
    }
    lc->state = LOAD_SHAKING;
    lc->seen = 0;
    wye_client_key(lc->key, random);
    memcpy(request, run->requests[which], run->request_bytes[which]);
    memcpy(request + run->key_at[which], lc->key, WYE_KEY_BYTES);
    wye_conn_send(conn, request, run->request_bytes[which]);
}

/* It did not switch, and why was counted. */
static void shake_failed(struct load_conn *lc) {
    lc->state = LOAD_ENDED;
    lc->worker->shaking--;
    wye_count(&lc->worker->counts.handshakes_failed, 1);
}

static void upgraded(struct load_conn *lc, uint64_t now_ns) {
    struct load_run *run = lc->worker->run;
    struct load_counts *counts = &lc->worker->counts;
    wye_count(&counts->messages, 1);
    uint64_t from = atomic_load_explicit(&run->from_ns, memory_order_relaxed);
    if (lc->began_ns >= from && lc->began_ns < atomic_load_explicit(&run->until_ns, memory_order_relaxed))
        wye_histogram_record(lc->worker->latency, now_ns - lc->began_ns);
    if (run->options->clean) {
        wye_load_client_close(lc);
        return;
    }
    lc->state = LOAD_ENDED;
    wye_conn_close(lc->conn, 0);
}

static void opened(struct load_conn *lc, const struct wye_deflate_agreement *agreement, uint64_t now_ns) {
    const struct load_options *options = lc->worker->run->options;
    lc->state = LOAD_OPEN;
    lc->worker->shaking--;
    wye_count(&lc->worker->counts.opened, 1);
    wye_load_tls_note(lc);
    if (options->scenario == LOAD_UPGRADE) {
        upgraded(lc, now_ns);
        return;
    }
    if (agreement->server_bits) {
        lc->codec =
            wye_load_codec_open(lc->worker, lc->role == LOAD_SUBSCRIBER ? NULL : lc->messages, agreement);
        if (!lc->codec) {
            wye_conn_close(lc->conn, -ENOMEM);
            return;
        }
    }
    if (lc->role == LOAD_SUBSCRIBER && options->subscribe_message) {
        char *text = wye_load_fill_in(options->subscribe_message, lc->topic);
        size_t count = text ? strlen(text) : 0;
        uint8_t header[WYE_FRAME_HEADER_MAX];
        const struct wye_frame frame = {.payload_bytes = count,
                                        .opcode = WYE_OPCODE_TEXT,
                                        .fin = true,
                                        .masked = true,
                                        .masking_key = (uint32_t)wye_load_random(lc->worker)};
        wye_conn_send(lc->conn, header, wye_frame_write(header, &frame));
        if (count) wye_mask((uint8_t *)text, (uint8_t *)text, count, frame.masking_key, 0);
        if (count) wye_conn_send(lc->conn, text, count);
        free(text);
    }
    wye_load_client_pump(lc, now_ns);
}

/* Reads the answer's head. Bytes used, 0, or a reason. */
static ptrdiff_t shake(struct load_conn *lc, const uint8_t *bytes, size_t count, uint64_t now_ns) {
    const struct load_options *options = lc->worker->run->options;
    struct wye_client_answer *answer = &lc->worker->answer;
    struct wye_client_request request = {.subprotocols = wye_span_of(options->subprotocols),
                                         .extensions = wye_span_of(options->extensions)};
    struct wye_deflate_agreement agreement;
    memcpy(request.key, lc->key, WYE_KEY_BYTES);
    ptrdiff_t used = wye_client_answer_read(answer, &request, bytes, count, lc->seen);
    lc->seen = used == 0 ? (uint32_t)count : 0;
    if (used == 0 || (used > 0 && answer->status < 200 && answer->status != 101)) return used;
    bool fine = used > 0 && answer->fault == WYE_ANSWER_FINE,
         agreed = fine && wye_load_deflate_agree(&agreement, options, answer);
    if (agreed) {
        wye_count(&lc->worker->counts.deflate_agreed, agreement.server_bits > 0);
        opened(lc, &agreement, now_ns);
        return used;
    }
    char seen[128];
    if (used > 0 && answer->fault == WYE_ANSWER_STATUS) {
        wye_span_escape(seen, sizeof seen, answer->reason, 64);
        wye_load_group(lc->worker, "answered %d %s", answer->status, seen);
    } else if (fine) {
        wye_span_escape(seen, sizeof seen, answer->seen, 100);
        wye_load_group(lc->worker, "a 101 whose extensions don't fit the offer (RFC 7692 7.1): '%s'", seen);
    } else {
        /* A wrong accept value is another one every time: it would be no group. */
        wye_span_escape(seen, sizeof seen,
                        answer->fault == WYE_ANSWER_ACCEPT_WRONG ? (struct wye_span){0} : answer->seen, 60);
        wye_load_group(lc->worker, "%s%s%s%s", wye_answer_faults[answer->fault], *seen ? ": '" : "", seen,
                       *seen ? "'" : "");
    }
    shake_failed(lc);
    return -EPROTO;
}

/* ---- receiving ---- */

void wye_load_client_record(struct load_conn *lc, uint32_t publisher, uint32_t sequence, uint64_t now_ns) {
    struct load_run *run = lc->worker->run;
    bool asker = wye_load_is_asker(run->options, lc->role);
    uint64_t base;
    if (run->options->scenario == LOAD_PUBLISH && !asker) return; /* there it is the answers that are timed */
    if (run->options->rate > 0) {
        if (lc->role == LOAD_CALLER)
            base = wye_load_planned(run, sequence - lc->first, lc->number, run->options->connections);
        else base = wye_load_planned(run, sequence - lc->first, publisher, run->options->publishers);
    } else if (asker) {
        base = lc->sent_at[sequence & run->sent_at_mask];
    } else {
        const struct load_publisher *from = &run->publishers[publisher];
        base = atomic_load_explicit(&from->sent_at[sequence & (from->messages.variants - 1)],
                                    memory_order_relaxed);
    }
    if (base < atomic_load_explicit(&run->from_ns, memory_order_relaxed) ||
        base >= atomic_load_explicit(&run->until_ns, memory_order_relaxed))
        return;
    wye_histogram_record(lc->worker->latency, now_ns > base ? now_ns - base : 0);
}

/* Messages that were right: what a run's rate is, but for those that subscribers get of an HTTP publish. */
static void count_right(struct load_conn *lc, uint32_t count) {
    struct load_counts *counts = &lc->worker->counts;
    wye_count(lc->worker->run->options->scenario == LOAD_PUBLISH ? &counts->deliveries : &counts->messages, count);
}

/* `slid` messages from the front of a stream were passed by: those that had not come are given up. */
static void give_up(struct load_conn *lc, uint32_t publisher, const struct load_stream *before, uint32_t slid,
                    uint32_t lost) {
    wye_count(&lc->worker->counts.lost, lost);
    if (lc->role == LOAD_CALLER) {
        lc->settled += lost;
        wye_count(&lc->worker->counts.settled, lost);
        return;
    }
    for (uint32_t i = 0; i < slid; i++) {
        if (i >= 64 || !(before->ahead >> i & 1))
            wye_load_fanout_delivered(lc->worker, publisher, before->next + i);
    }
}

void wye_load_client_take(struct load_conn *lc, uint32_t publisher, uint32_t variant, bool right,
                          uint64_t now_ns) {
    struct load_run *run = lc->worker->run;
    struct load_counts *counts = &lc->worker->counts;
    bool caller = lc->role == LOAD_CALLER;
    struct load_stream *stream = caller ? &lc->stream : &lc->streams[publisher / run->options->topics];
    uint32_t variants = lc->messages->variants, sequence, lost;
    uint32_t distance = (variant - stream->next) & (variants - 1);
    if (caller && (variants == 1 || distance <= variants / 2) &&
        (int32_t)(stream->next + distance - lc->sent) >= 0) {
        wye_count(&counts->unexpected, 1);
        return;
    }
    const struct load_stream before = *stream;
    enum load_order order = wye_load_stream_take(stream, variant, variants, &sequence, &lost);
    if (lost) give_up(lc, publisher, &before, distance + 1 - wye_load_stream_window(variants), lost);
    if (order == LOAD_DUPLICATE) {
        wye_count(&counts->duplicated, 1);
        return;
    }
    wye_count(&counts->reordered, order == LOAD_LATE);
    if (right) {
        count_right(lc, 1);
        wye_load_client_record(lc, publisher, sequence, now_ns);
    }
    if (caller) {
        lc->settled++;
        wye_count(&counts->settled, 1);
    } else {
        wye_load_fanout_delivered(lc->worker, publisher, sequence);
    }
}

/* Whole right answers, compared where they lie, many at once. Returns the bytes used. */
static size_t take_answers(struct load_conn *lc, const uint8_t *bytes, size_t count, uint64_t now_ns) {
    const struct load_messages *messages = lc->messages;
    struct load_stream *stream = &lc->stream;
    size_t used = 0, each = messages->answer_bytes;
    uint32_t taken = 0;
    if (stream->ahead) return 0;
    for (; stream->next != lc->sent; taken++) {
        size_t step = each;
        if (count - used < each ||
            memcmp(bytes + used, messages->answers + (stream->next & (messages->variants - 1)) * each,
                   each) != 0)
            step = lc->codec ? wye_load_recall(lc, NULL, bytes + used, count - used) : 0;
        if (step == 0) break;
        wye_load_client_record(lc, 0, stream->next++, now_ns);
        used += step;
    }
    lc->settled += taken;
    wye_count(&lc->worker->counts.messages, taken);
    wye_count(&lc->worker->counts.settled, taken);
    return used;
}

/* The bytes of a whole right delivery that is the next of its publisher; 0: it is none. */
static size_t whole_delivery(struct load_conn *lc, uint32_t *publisher, const uint8_t *bytes, size_t count) {
    const struct load_run *run = lc->worker->run;
    const struct load_messages *first = lc->messages;
    size_t each = first->answer_bytes;
    uint32_t variant;
    *publisher = lc->topic;
    if (count < each) return 0;
    if (first->names_publisher &&
        (!wye_load_id_read(first, bytes + first->header_bytes + first->id_at, &variant, publisher) ||
         *publisher >= run->options->publishers || *publisher % run->options->topics != lc->topic))
        return 0;
    const struct load_messages *messages = &run->publishers[*publisher].messages;
    const struct load_stream *stream = &lc->streams[*publisher / run->options->topics];
    const uint8_t *answer = messages->answers + (stream->next & (messages->variants - 1)) * each;
    return !stream->ahead && memcmp(bytes, answer, each) == 0 ? each : 0;
}

/* The same for a subscriber. */
static size_t take_deliveries(struct load_conn *lc, const uint8_t *bytes, size_t count, uint64_t now_ns) {
    uint32_t topics = lc->worker->run->options->topics, taken = 0, publisher;
    size_t used = 0;
    for (;; taken++) {
        size_t step = whole_delivery(lc, &publisher, bytes + used, count - used);
        if (step == 0 && lc->codec) step = wye_load_recall(lc, &publisher, bytes + used, count - used);
        if (step == 0) break;
        struct load_stream *stream = &lc->streams[publisher / topics];
        wye_load_client_record(lc, publisher, stream->next, now_ns);
        wye_load_fanout_delivered(lc->worker, publisher, stream->next++);
        used += step;
    }
    count_right(lc, taken);
    return used;
}

static ptrdiff_t client_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    struct load_conn *lc = of(conn);
    uint64_t now_ns = wye_clock_now_ns();
    if (lc->state == LOAD_SHAKING) return shake(lc, bytes, count, now_ns);
    if (lc->state == LOAD_ENDED) return (ptrdiff_t)count;
    if (wye_load_is_poster(lc->worker->run->options, lc->role)) return wye_load_answers_read(lc, bytes, count, now_ns);
    size_t used = 0;
    while (used < count && conn->phase == WYE_CONN_OPEN) {
        size_t more = 0;
        if (!lc->in_frame && !lc->in_message && !lc->skip) {
            if (lc->role == LOAD_CALLER && lc->messages)
                more = take_answers(lc, bytes + used, count - used, now_ns);
            else if (lc->role == LOAD_SUBSCRIBER)
                more = take_deliveries(lc, bytes + used, count - used, now_ns);
        }
        used += more;
        if (used == count) break;
        ptrdiff_t step = wye_load_frames_read(lc, bytes + used, count - used, now_ns);
        if (step < 0) return step;
        if (step == 0) break;
        used += (size_t)step;
    }
    lc->part = used < count;
    wye_count(&lc->worker->counts.bytes_received, used);
    if (lc->role == LOAD_CALLER && lc->messages && conn->phase == WYE_CONN_OPEN)
        wye_load_client_pump(lc, now_ns);
    return (ptrdiff_t)used;
}

/* ---- ending ---- */

static const char *why(const struct load_conn *lc, int reason) {
    if (reason == 0 && wye_load_is_poster(lc->worker->run->options, lc->role)) return "the server ended the connection";
    if (reason == 0) return "the connection ended without a close frame";
    if (reason == -EKEYEXPIRED) return "the server's certificate has expired (--insecure believes it all the same)";
    if (reason == -EKEYREJECTED)
        return "the server's certificate is not for this name, or not signed by whom we trust (--ca FILE; --insecure believes anybody)";
    return reason > -134 ? strerror(-reason) : "the connection was closed";
}

/* The last call: whatever was not told before is told now. */
static void client_close(struct wye_conn *conn, int reason) {
    struct load_conn *lc = of(conn);
    struct load_worker *worker = lc->worker;
    bool over = phase_of(worker->run) >= LOAD_ENDING, poster = wye_load_is_poster(worker->run->options, lc->role);
    bool storm = worker->run->options->scenario == LOAD_UPGRADE;
    bool idle = worker->run->options->scenario == LOAD_IDLE; /* whose goodbye alone shows that somebody listens */
    uint32_t unanswered = lc->sent - lc->first - lc->settled;
    switch (lc->state) {
    case LOAD_SHAKING:
        if (!over)
            wye_load_group(worker, reason ? "before an answer: %s" : "the connection ended before an answer",
                           why(lc, reason));
        else if (worker->run->could_not || worker->run->waited)
            wye_load_group(worker, "the connection was made, and the request to switch was never answered");
        worker->shaking--;
        if (!over || worker->run->waited) wye_count(&worker->counts.handshakes_failed, 1);
        break;
    case LOAD_OPEN:
        if (over) break;
        wye_count(&worker->counts.dropped, 1);
        if (!lc->in_frame && !lc->part) wye_load_group(worker, "%s", why(lc, reason));
        else wye_load_group(worker, "in the middle of %s: %s", poster ? "an answer" : "a frame", why(lc, reason));
        break;
    case LOAD_CLOSING: /* our close frame was not answered by one */
        if (poster && unanswered)
            wye_load_group(worker, "answers that never came%s", lc->part ? ", the first of them cut off" : "")->count += unanswered - 1;
        if (!(idle && reason == -ETIMEDOUT) && !(storm && !over)) break;
        wye_count(&worker->counts.bad_closes, 1);
        wye_load_group(worker, "the close frame was not answered: %s", why(lc, reason));
        break;
    default: break;
    }
    wye_load_worker_ended(worker, lc);
}

/* A goodbye was not answered in time. */
static int client_wake(struct wye_conn *conn) {
    if (of(conn)->state == LOAD_CLOSING) wye_conn_close(conn, -ETIMEDOUT);
    return 0;
}

const struct wye_protocol wye_load_protocol = {
    .state_size = sizeof(struct load_conn *),
    .input = client_input,
    .wake = client_wake,
    .close = client_close,
};
