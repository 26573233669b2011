/*
 * permessage-deflate (RFC 7692): what is offered and agreed, messages compressed ahead or, where the context
 * outlives a message, one by one, and compressed answers that are known by heart.
 */
#include "bench/load.h"
#include "frames/mask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    BITS_MIN = 9,      /* zlib compresses with no less */
    LEVEL_AHEAD = 6,   /* zlib's default: it isn't measured */
    LEVEL_PASSING = 1, /* it is */
    MEMORY_LEVEL = 8,
    HEARD_MAX = 8, /* senders whose next answers are compared with what came */
};

#define EXTENSION "permessage-deflate"

/* ---- the offer ---- */

/* "NAME" or "NAME=NUMBER"; *number -1: none. false: neither. */
static bool read_parameter(struct wye_span parameter, struct wye_span *name, int *number) {
    const char *equals = memchr(parameter.bytes, '=', parameter.count);
    *name = (struct wye_span){parameter.bytes, equals ? (size_t)(equals - parameter.bytes) : parameter.count};
    *number = -1;
    if (!equals) return name->count > 0;
    struct wye_span value = {equals + 1, parameter.count - name->count - 1};
    if (value.count < 1 || value.count > 2 || *value.bytes == '0') return false;
    *number = 0;
    for (size_t i = 0; i < value.count; i++) {
        if (value.bytes[i] < '0' || value.bytes[i] > '9') return false;
        *number = *number * 10 + (value.bytes[i] - '0');
    }
    return true;
}

/* false: not a parameter of permessage-deflate, given twice, or not for us to keep. */
static bool take_parameter(struct wye_deflate_agreement *offered, struct wye_span parameter) {
    struct wye_span name;
    int number;
    if (!read_parameter(parameter, &name, &number)) return false;
    bool *flag = wye_span_equal(name, WYE_SPAN("server_no_context_takeover"))   ? &offered->server_no_context
                 : wye_span_equal(name, WYE_SPAN("client_no_context_takeover")) ? &offered->client_no_context
                                                                                : NULL;
    if (flag) {
        if (*flag || number >= 0) return false;
        return *flag = true;
    }
    bool server = wye_span_equal(name, WYE_SPAN("server_max_window_bits"));
    if (!server && !wye_span_equal(name, WYE_SPAN("client_max_window_bits"))) return false;
    uint8_t *bits = server ? &offered->server_bits : &offered->client_bits;
    if (!server && number < 0) number = WYE_DEFLATE_BITS_MAX; /* whatever the server likes */
    if (*bits || number < (server ? 8 : BITS_MIN) || number > WYE_DEFLATE_BITS_MAX) return false;
    *bits = (uint8_t)number;
    return true;
}

bool wye_load_deflate_read(struct load_options *options, const char *parameters) {
    struct wye_deflate_agreement *offered = &options->offered;
    *offered = (struct wye_deflate_agreement){0};
    if (strlen(parameters) + sizeof EXTENSION + 2 > sizeof options->extensions) return false;
    snprintf(options->extensions, sizeof options->extensions, EXTENSION "%s%s", *parameters ? "; " : "",
             parameters);
    while (*parameters) {
        size_t count = strcspn(parameters, ";"), from = strspn(parameters, " "), until = count;
        bool more = parameters[count] == ';';
        while (until > from && parameters[until - 1] == ' ') until--;
        if (until <= from || !take_parameter(offered, (struct wye_span){parameters + from, until - from}))
            return false;
        parameters += count + more;
        if (more && !*parameters) return false;
    }
    return true;
}

/* ---- the answer ---- */

bool wye_load_deflate_agree(struct wye_deflate_agreement *agreement, const struct load_options *options,
                            struct wye_client_answer *answer) {
    unsigned count = 0;
    *agreement = (struct wye_deflate_agreement){0};
    for (unsigned i = 0; i < answer->field_count; i++) {
        struct wye_span list = answer->fields[i].value, one;
        if (!wye_span_equal_nocase(answer->fields[i].name, WYE_SPAN("Sec-WebSocket-Extensions"))) continue;
        while (wye_span_next_element(&list, &one)) {
            answer->seen = one;
            if (++count > 1 || !wye_deflate_accept_answer(agreement, one.bytes, one.count, &options->offered))
                return false;
        }
    }
    return true;
}

/* ---- a connection's ---- */

struct load_codec *wye_load_codec_open(struct load_worker *worker, const struct load_messages *messages,
                                       const struct wye_deflate_agreement *agreement) {
    struct load_codec *codec = calloc(1, sizeof *codec);
    if (!codec) return NULL;
    codec->agreement = *agreement;
    if (!messages || agreement->client_bits < BITS_MIN) return codec; /* it sends nothing, or plain frames */
    if (agreement->client_no_context)
        codec->ahead = wye_load_deflate_ahead(worker->run, messages, agreement->client_bits);
    else codec->deflater = wye_deflater_open(agreement->client_bits, LEVEL_PASSING, MEMORY_LEVEL);
    if (codec->ahead || codec->deflater) return codec;
    free(codec);
    return NULL;
}

void wye_load_codec_shut(struct load_codec *codec) {
    if (!codec) return;
    wye_deflater_shut(codec->deflater);
    wye_inflater_shut(codec->inflater);
    free(codec);
}

bool wye_load_inflate_begin(struct load_conn *lc) {
    struct load_codec *codec = lc->codec;
    struct load_spares *spares = &lc->worker->spares[codec->agreement.server_bits];
    if (!codec->inflater && spares->count > 0) codec->inflater = spares->inflaters[--spares->count];
    if (!codec->inflater) codec->inflater = wye_inflater_open(codec->agreement.server_bits);
    if (!codec->inflater) return false;
    wye_inflate_begin(codec->inflater, codec->agreement.server_no_context);
    codec->deflated_bytes = 0;
    codec->broken = false;
    return true;
}

void wye_load_inflate_end(struct load_conn *lc) {
    struct load_codec *codec = lc->codec;
    struct load_counts *counts = &lc->worker->counts;
    wye_count(&counts->deflated, 1);
    wye_count(&counts->deflate_received_bytes, codec->deflated_bytes);
    wye_count(&counts->deflate_received_plain_bytes, lc->at);
    if (!codec->agreement.server_no_context) return; /* its context is the connection's */
    struct load_spares *spares = &lc->worker->spares[codec->agreement.server_bits];
    if (spares->count < LOAD_SPARES_MAX) spares->inflaters[spares->count++] = codec->inflater;
    else wye_inflater_shut(codec->inflater);
    codec->inflater = NULL;
}

/* ---- sending ---- */

/* Writes a masked message, compressed. Returns its bytes; 0: no memory. With a context it must not be left
 * out. */
static size_t write_frame(uint8_t *to, struct wye_deflater *deflater, uint8_t *scratch, uint8_t opcode,
                          uint32_t key, const uint8_t *payload, size_t count, bool ahead) {
    size_t written =
        wye_deflate(deflater, scratch, wye_deflate_bound(deflater, count), payload, count, ahead);
    if (written == 0) return 0;
    bool shrank =
        written < count || !ahead; /* what doesn't shrink goes as it is, where nothing depends on it */
    const struct wye_frame frame = {.payload_bytes = shrank ? written : count,
                                    .masking_key = key,
                                    .opcode = opcode,
                                    .reserved = shrank ? 4 : 0,
                                    .fin = true,
                                    .masked = true};
    size_t header = wye_frame_write(to, &frame);
    wye_mask(to + header, shrank ? scratch : payload, (size_t)frame.payload_bytes, key, 0);
    return header + (size_t)frame.payload_bytes;
}

/* Every message compressed afresh; all of it twice over, like load_messages.frames. */
static struct load_ahead *make_ahead(const struct load_messages *messages, unsigned bits) {
    size_t variants = messages->variants, count = messages->sent_bytes;
    struct wye_deflater *deflater = wye_deflater_open(bits, LEVEL_AHEAD, MEMORY_LEVEL);
    if (!deflater) return NULL;
    size_t room = wye_deflate_bound(deflater, count), each = WYE_FRAME_HEADER_MAX + (count > 0 ? count : 1);
    struct load_ahead *ahead = calloc(1, sizeof *ahead + (2 * variants + 1) * sizeof ahead->at[0]);
    uint8_t *scratch = malloc(room), *frames = malloc(2 * variants * each);
    size_t at = 0, step = 1;
    for (size_t i = 0; ahead && scratch && frames && step > 0 && i < variants; i++) {
        step = write_frame(frames + at, deflater, scratch, messages->opcode,
                           (uint32_t)(messages->seed * (i + 1)) | 1, messages->payloads + i * count, count,
                           true);
        at += step;
        ahead->at[i + 1] = at;
    }
    wye_deflater_shut(deflater);
    free(scratch);
    if (!ahead || !scratch || !frames || step == 0) {
        free(frames);
        free(ahead);
        return NULL;
    }
    memcpy(frames + at, frames, at);
    for (size_t i = 1; i <= variants; i++) ahead->at[variants + i] = at + ahead->at[i];
    uint8_t *fitting = realloc(frames, 2 * at);
    ahead->frames = fitting ? fitting : frames;
    return ahead;
}

const struct load_ahead *wye_load_deflate_ahead(struct load_run *run, const struct load_messages *messages,
                                                unsigned bits) {
    /* Which windows servers agree to is known only then; whichever worker sees it first makes the table. */
    pthread_mutex_lock(&run->ahead_lock);
    if (!messages->ahead[bits]) messages->ahead[bits] = make_ahead(messages, bits);
    const struct load_ahead *ahead = messages->ahead[bits];
    pthread_mutex_unlock(&run->ahead_lock);
    return ahead;
}

static void count_sent(struct load_conn *lc, size_t frames, size_t headers, uint32_t count) {
    wye_count(&lc->worker->counts.bytes_sent, frames);
    wye_count(&lc->worker->counts.deflate_sent_bytes, frames - headers);
    wye_count(&lc->worker->counts.deflate_sent_plain_bytes, count * lc->messages->sent_bytes);
}

/* Masked header bytes of a whole frame of so many. */
static size_t header_bytes(size_t frame) { return frame < 126 + 6 ? 6 : frame < 65536 + 8 ? 8 : 14; }

void wye_load_send_ahead(struct load_conn *lc, uint32_t count) {
    const struct load_ahead *ahead = lc->codec->ahead;
    uint32_t variants = lc->messages->variants, first = lc->sent & (variants - 1);
    size_t headers = 0, bytes = 0;
    for (uint32_t left = count; left > 0;) {
        uint32_t run_of = left < variants ? left : variants;
        size_t from = ahead->at[first], all = ahead->at[first + run_of] - from;
        wye_conn_send_slice(lc->conn, (struct wye_slice){ahead->frames + from, WYE_CHUNK_CONSTANT, all});
        for (uint32_t i = first; i < first + run_of; i++)
            headers += header_bytes(ahead->at[i + 1] - ahead->at[i]);
        bytes += all;
        left -= run_of;
    }
    count_sent(lc, bytes, headers, count);
}

/* The context outlives the message, so none is like another: each is compressed when it leaves. */
bool wye_load_send_deflated(struct load_conn *lc, uint32_t count) {
    struct load_codec *codec = lc->codec;
    const struct load_messages *messages = lc->messages;
    size_t room = wye_deflate_bound(codec->deflater, messages->sent_bytes), bytes = 0, headers = 0;
    uint8_t *scratch = malloc(2 * room + WYE_FRAME_HEADER_MAX), *frame = scratch ? scratch + room : NULL;
    for (uint32_t i = 0; scratch && i < count; i++) {
        uint32_t variant = (lc->sent + i) & (messages->variants - 1);
        size_t step = write_frame(
            frame, codec->deflater, scratch, messages->opcode, (uint32_t)wye_load_random(lc->worker),
            messages->payloads + variant * messages->sent_bytes, messages->sent_bytes, false);
        if (step == 0 || wye_conn_send(lc->conn, frame, step) < 0) {
            free(scratch);
            return false;
        }
        bytes += step;
        headers += header_bytes(step);
    }
    free(scratch);
    count_sent(lc, bytes, headers, count);
    return frame != NULL;
}

/* ---- answers known by heart ---- */

/*
 * Where the server's context doesn't outlive a message, the same bytes inflate to the same message: a frame
 * that was inflated and found right once need not be again.
 */
static struct load_learned *learned_of(const struct load_conn *lc, uint32_t publisher, uint32_t variant) {
    return &lc->worker->learned[publisher * lc->messages->variants + variant];
}

static bool may_learn(const struct load_conn *lc) {
    const struct wye_deflate_agreement *agreement = &lc->codec->agreement;
    return lc->worker->learned && agreement->server_no_context &&
           agreement->server_bits == lc->worker->learned_bits;
}

void wye_load_learn(struct load_conn *lc, const uint8_t *frame, size_t count) {
    struct load_worker *worker = lc->worker;
    const struct load_options *options = worker->run->options;
    size_t senders = options->scenario == LOAD_FANOUT ? options->publishers : 1;
    if (!worker->learned) {
        worker->learned_count = senders * lc->messages->variants;
        worker->learned = calloc(worker->learned_count, sizeof worker->learned[0]);
        worker->learned_bits = lc->codec->agreement.server_bits;
    }
    if (!may_learn(lc)) return;
    struct load_learned *learned = learned_of(lc, lc->publisher, lc->variant);
    uint8_t *bytes = learned->count < count ? realloc(learned->bytes, count) : learned->bytes;
    if (!bytes) return; /* it will be inflated again */
    memcpy(bytes, frame, count);
    *learned = (struct load_learned){bytes, count, lc->codec->deflated_bytes};
}

static size_t recall(struct load_conn *lc, uint32_t publisher, uint32_t sequence, const uint8_t *bytes,
                     size_t count) {
    const struct load_learned *learned = learned_of(lc, publisher, sequence & (lc->messages->variants - 1));
    if (learned->count == 0 || learned->count > count || memcmp(bytes, learned->bytes, learned->count) != 0)
        return 0;
    struct load_counts *counts = &lc->worker->counts;
    wye_count(&counts->deflated, 1);
    wye_count(&counts->deflate_received_bytes, learned->payload_bytes);
    wye_count(&counts->deflate_received_plain_bytes, lc->messages->payload_bytes);
    return learned->count;
}

size_t wye_load_recall(struct load_conn *lc, uint32_t *publisher, const uint8_t *bytes, size_t count) {
    if (!may_learn(lc)) return 0;
    if (lc->role == LOAD_CALLER) return recall(lc, 0, lc->stream.next, bytes, count);
    /* Whose it is isn't legible: one of those that are waited for. */
    const struct load_options *options = lc->worker->run->options;
    uint32_t heard = 0;
    for (*publisher = lc->topic; *publisher < options->publishers && heard < HEARD_MAX;
         *publisher += options->topics, heard++) {
        const struct load_stream *stream = &lc->streams[heard];
        size_t used = stream->ahead ? 0 : recall(lc, *publisher, stream->next, bytes, count);
        if (used > 0) return used;
    }
    return 0;
}

void wye_load_deflate_worker_shut(struct load_worker *worker) {
    for (size_t i = 0; i < worker->learned_count && worker->learned; i++) free(worker->learned[i].bytes);
    free(worker->learned);
    for (unsigned bits = 0; bits <= WYE_DEFLATE_BITS_MAX; bits++)
        while (worker->spares[bits].count > 0)
            wye_inflater_shut(worker->spares[bits].inflaters[--worker->spares[bits].count]);
}
