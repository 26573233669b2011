/* Messages, made ahead: as they are sent, masked, and as they should come back. */
#include "bench/load.h"
#include "frames/mask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    CACHE_BYTES = 256 * 1024, /* tables stay smaller than this when they can: they compete for the cache */
    TABLE_BYTES_MAX = 64 << 20,
    OPEN_LOOP_LIMIT = 256, /* messages of a sender under way, unless --depth says otherwise */
};

/* Text that needs no escape in JSON, nor anywhere else. */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int digit_of(uint8_t c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

uint32_t wye_load_limit(const struct load_options *options) {
    uint32_t most = options->size >= 2 ? 2048 : options->size == 1 ? 32 : 1u << 20;
    uint32_t limit = options->depth ? options->depth : options->rate > 0 ? OPEN_LOOP_LIMIT : 1;
    return limit < most ? limit : most;
}

static uint32_t variants_of(const struct load_options *options, size_t each) {
    if (options->size == 0) return 1; /* nothing tells them apart */
    if (options->size == 1) return 64;
    uint32_t least = 4, variants;
    while (least < 2 * wye_load_limit(options)) least *= 2;
    variants = least < 256 ? 256 : least;
    while (variants > least && variants > 16 && variants * each > CACHE_BYTES) variants /= 2;
    while (variants > least && variants * each > TABLE_BYTES_MAX) variants /= 2;
    return variants;
}

/* The bytes of a template around its {payload}. */
static void split(const char *text, struct wye_span *before, struct wye_span *behind) {
    static const char mark[] = "{payload}";
    const char *at = text ? strstr(text, mark) : NULL;
    *before = *behind = (struct wye_span){0};
    if (!at) return;
    *before = (struct wye_span){text, (size_t)(at - text)};
    *behind = wye_span_of(at + sizeof mark - 1);
}

static void copy(uint8_t **to, struct wye_span from) {
    if (from.count) memcpy(*to, from.bytes, from.count);
    *to += from.count;
}

static uint64_t roll(uint64_t *dice) {
    *dice ^= *dice << 13, *dice ^= *dice >> 7, *dice ^= *dice << 17;
    return *dice;
}

bool wye_load_id_read(const struct load_messages *messages, const uint8_t *id, uint32_t *variant,
                      uint32_t *publisher) {
    int digits[4] = {0};
    for (unsigned i = 0; i < messages->id_bytes + (messages->names_publisher ? 2u : 0u); i++) {
        digits[i] = digit_of(id[i]);
        if (digits[i] < 0) return false;
    }
    *variant = messages->id_bytes < 2 ? (uint32_t)digits[0] : (uint32_t)digits[0] * 64 + (uint32_t)digits[1];
    *publisher = messages->names_publisher ? (uint32_t)digits[2] * 64 + (uint32_t)digits[3] : 0;
    return *variant < messages->variants;
}

/*
 * Text that shrinks as an interface's JSON does: the same names again and again, values that differ. With '
 * for the quotes, so that it may stand in a string of a template.
 */
static void make_records(char *to, size_t size, uint64_t *dice) {
    static const char *const symbols[] = {"ALFA", "BRAVO",   "CHARLIE", "DELTA",
                                          "ECHO", "FOXTROT", "GOLF",    "HOTEL"};
    char record[160];
    for (size_t at = 0; at < size;) {
        uint64_t dice_a = roll(dice), dice_b = roll(dice);
        size_t count = (size_t)snprintf(
            record, sizeof record,
            "{'id':%u,'symbol':'%s','side':'%s','price':%u.%02u,'amount':%u,'time':1735%09u},",
            (unsigned)(dice_a % 1000000), symbols[dice_a >> 32 & 7], dice_a >> 40 & 1 ? "buy" : "sell",
            (unsigned)(dice_b % 900 + 100), (unsigned)(dice_b >> 16 & 63),
            (unsigned)(dice_b >> 24 & 1023) * 5, (unsigned)(dice_b >> 35));
        if (count > size - at) count = size - at;
        memcpy(to + at, record, count);
        at += count;
    }
}

static void make_payload(uint8_t *to, const struct load_messages *messages, size_t size, bool records,
                         uint32_t variant, uint32_t sender, uint64_t *dice) {
    if (records) make_records((char *)to, size, dice);
    for (size_t i = 0; !records && i < size; i++) to[i] = (uint8_t)alphabet[roll(dice) >> 32 & 63];
    if (messages->id_bytes == 1) to[0] = (uint8_t)alphabet[variant];
    if (messages->id_bytes < 2) return;
    to[0] = (uint8_t)alphabet[variant / 64];
    to[1] = (uint8_t)alphabet[variant % 64];
    if (!messages->names_publisher) return;
    to[2] = (uint8_t)alphabet[sender / 64];
    to[3] = (uint8_t)alphabet[sender % 64];
}

/* Writes a frame around three pieces of payload. */
static void make_frame(uint8_t *to, uint8_t opcode, bool masked, uint32_t key, struct wye_span before,
                       struct wye_span payload, struct wye_span behind) {
    size_t count = before.count + payload.count + behind.count;
    const struct wye_frame frame = {.payload_bytes = count,
                                    .masking_key = masked ? key : 0,
                                    .opcode = opcode,
                                    .fin = true,
                                    .masked = masked};
    to += wye_frame_write(to, &frame);
    uint8_t *start = to;
    copy(&to, before);
    copy(&to, payload);
    copy(&to, behind);
    if (masked) wye_mask(start, start, count, key, 0);
}

int wye_load_messages_make(struct load_messages *messages, const struct load_options *options,
                           uint32_t sender, uint64_t seed) {
    struct wye_span before = {0}, behind = {0}, deliver_before = {0}, deliver_behind = {0};
    bool post = options->scenario == LOAD_PUBLISH; /* its frames are requests: a head, then the payload as it is */
    static char head[16384];
    size_t head_bytes = post ? wye_load_post_head(head, sizeof head, options, sender % options->topics) : 0;
    if (post && head_bytes == 0) return -E2BIG;
    bool fanout = options->scenario == LOAD_FANOUT;
    char *publish = fanout && options->publish_template
                        ? wye_load_fill_in(options->publish_template, sender % options->topics)
                        : NULL;
    char *deliver = fanout && options->deliver_template
                        ? wye_load_fill_in(options->deliver_template, sender % options->topics)
                        : NULL;
    split(publish, &before, &behind);
    split(deliver, &deliver_before, &deliver_behind);
    size_t sent = before.count + options->size + behind.count;
    messages->opcode = options->text ? WYE_OPCODE_TEXT : WYE_OPCODE_BINARY;
    messages->payload_bytes = deliver_before.count + options->size + deliver_behind.count;
    messages->header_bytes = wye_frame_header_bytes(messages->payload_bytes, false);
    messages->answer_bytes = messages->header_bytes + messages->payload_bytes;
    messages->frame_bytes = post ? head_bytes + sent : wye_frame_header_bytes(sent, true) + sent;
    messages->variants = variants_of(options, 2 * messages->frame_bytes + messages->answer_bytes);
    messages->id_at = deliver_before.count;
    messages->id_bytes = options->size < 2 ? (uint8_t)options->size : 2;
    messages->names_publisher = (fanout || (post && options->connections > 0)) && options->publishers > 1;
    messages->frames = malloc(2 * messages->variants * messages->frame_bytes);
    messages->answers = malloc(messages->variants * messages->answer_bytes);
    messages->sent_bytes = sent;
    messages->seed = seed | 1;
    bool deflate = *options->extensions;
    if (deflate) messages->payloads = malloc(messages->variants * sent + 1);
    if (deflate) messages->ahead = calloc(WYE_DEFLATE_BITS_MAX + 1, sizeof messages->ahead[0]);
    uint8_t *payload = malloc(options->size + 1);
    bool made = messages->frames && messages->answers && payload &&
                (!deflate || (messages->payloads && messages->ahead));
    if (made) {
        uint64_t dice = seed | 1;
        for (uint32_t i = 0; i < messages->variants; i++) {
            make_payload(payload, messages, options->size, options->payload == LOAD_RECORDS, i, sender,
                         &dice);
            struct wye_span middle = {(const char *)payload, options->size};
            uint8_t *frame = messages->frames + i * messages->frame_bytes;
            if (post) {
                memcpy(frame, head, head_bytes);
                if (sent) memcpy(frame + head_bytes, payload, sent);
            } else {
                make_frame(frame, messages->opcode, true, (uint32_t)roll(&dice), before, middle, behind);
            }
            memcpy(frame + messages->variants * messages->frame_bytes, frame, messages->frame_bytes);
            make_frame(messages->answers + i * messages->answer_bytes, messages->opcode, false, 0,
                       deliver_before, middle, deliver_behind);
            if (!deflate) continue;
            uint8_t *to = messages->payloads + i * sent;
            copy(&to, before);
            copy(&to, middle);
            copy(&to, behind);
        }
    }
    free(payload);
    free(publish);
    free(deliver);
    return made ? 0 : -ENOMEM;
}

void wye_load_messages_free(struct load_messages *messages) {
    for (unsigned bits = 0; messages->ahead && bits <= WYE_DEFLATE_BITS_MAX; bits++) {
        if (messages->ahead[bits]) free(messages->ahead[bits]->frames);
        free(messages->ahead[bits]);
    }
    free(messages->ahead);
    free(messages->payloads);
    free(messages->frames);
    free(messages->answers);
}
