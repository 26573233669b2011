#include "core/codec.h"

#include "core/hub.h"
#include "frames/frame.h"

#include <stdlib.h>
#include <string.h>

enum { LEVEL = 1, MEMORY_LEVEL = 8, INFLATE_START = 4096 };

void wye_codec_shut(struct wye_codec *codec) {
    if (!codec) return;
    for (unsigned bits = 0; bits <= WYE_DEFLATE_BITS_MAX; bits++) {
        if (codec->deflaters[bits]) wye_deflater_shut(codec->deflaters[bits]);
    }
    if (codec->inflater) wye_inflater_shut(codec->inflater);
    free(codec);
}

void wye_takeover_shut(struct wye_takeover *takeover) {
    if (!takeover) return;
    if (takeover->deflater) wye_deflater_shut(takeover->deflater);
    if (takeover->inflater) wye_inflater_shut(takeover->inflater);
    free(takeover);
}

static struct wye_codec *codec_of(struct wye_hub *hub) {
    if (!hub->codec) hub->codec = calloc(1, sizeof *hub->codec);
    return hub->codec;
}

struct wye_deflater *wye_codec_deflater(struct wye_hub *hub, unsigned bits) {
    struct wye_codec *codec = codec_of(hub);
    if (!codec) return NULL;
    if (!codec->deflaters[bits]) codec->deflaters[bits] = wye_deflater_open(bits, LEVEL, MEMORY_LEVEL);
    return codec->deflaters[bits];
}

struct wye_inflater *wye_codec_inflater(struct wye_hub *hub) {
    struct wye_codec *codec = codec_of(hub);
    if (!codec) return NULL;
    if (!codec->inflater) codec->inflater = wye_inflater_open(WYE_DEFLATE_BITS_MAX);
    return codec->inflater;
}

/* A chunk is as large as a message might have become. Where that is a chunk of its own which it leaves nearly empty, it moves out. */
static struct wye_slice fit(struct wye_hub *hub, struct wye_slice slice) {
    struct wye_chunk *chunk;
    if (wye_chunk_is_ordinary(slice.chunk) || slice.count >= slice.chunk->capacity / 2) return slice;
    uint8_t *at = wye_chunk_append(&hub->pool, slice.count, &chunk);
    if (!at) return slice;
    memcpy(at, slice.bytes, slice.count);
    wye_chunk_release(&hub->pool, slice.chunk);
    return (struct wye_slice){at, chunk, slice.count};
}

struct wye_slice wye_codec_encode(struct wye_hub *hub, struct wye_deflater *deflater, uint8_t opcode,
                                  const uint8_t *payload, size_t count, bool reset, bool always) {
    size_t room = wye_deflate_bound(deflater, count);
    size_t header_guess = wye_frame_header_bytes(count, false);
    struct wye_chunk *chunk;
    uint8_t *at = wye_chunk_append(&hub->pool, header_guess + room, &chunk);
    if (!at) return (struct wye_slice){0};
    size_t written = wye_deflate(deflater, at + header_guess, room, payload, count, reset);
    struct wye_frame frame = {.payload_bytes = written, .opcode = opcode, .reserved = 4, .fin = true};
    size_t header = wye_frame_header_bytes(written, false);
    if (written == 0 || (!always && header + written >= header_guess + count)) {
        wye_chunk_trim(chunk, header_guess + room);
        wye_chunk_release(&hub->pool, chunk);
        return (struct wye_slice){0};
    }
    if (header != header_guess) memmove(at + header, at + header_guess, written);
    wye_frame_write(at, &frame);
    wye_chunk_trim(chunk, header_guess + room - header - written);
    wye_count(&hub->counters.deflated, 1);
    return fit(hub, (struct wye_slice){at, chunk, header + written});
}

/* A chunk twice as large, with what was inflated so far. NULL: no memory. */
static struct wye_chunk *grow(struct wye_hub *hub, struct wye_chunk *chunk, size_t used, size_t capacity) {
    if (!wye_hub_has_memory(hub, capacity)) return NULL;
    struct wye_chunk *grown = wye_chunk_open(&hub->pool, capacity);
    if (grown && chunk) memcpy(grown->bytes, chunk->bytes, used);
    return grown;
}

int wye_codec_decode(struct wye_hub *hub, struct wye_inflater *inflater, bool reset, const uint8_t *bytes, size_t count,
                     size_t headroom, uint64_t limit_bytes, struct wye_chunk **inflated, size_t *inflated_bytes) {
    size_t start = count < INFLATE_START / 4 ? INFLATE_START : count * 4;
    struct wye_chunk *chunk = NULL;
    size_t at = headroom;
    int reason = 0;
    wye_inflate_begin(inflater, reset);
    for (size_t taken = 0;;) {
        if (!chunk || at == chunk->capacity) {
            size_t capacity = chunk ? chunk->capacity * 2 : headroom + start;
            /* One byte more than the limit, so as to see that it is passed: a bomb gets no more memory than that. */
            if (capacity - headroom > limit_bytes + 1) capacity = headroom + (size_t)limit_bytes + 1;
            struct wye_chunk *grown = grow(hub, chunk, at, capacity);
            if (chunk) wye_chunk_release(&hub->pool, chunk);
            chunk = grown;
            if (!chunk) return -WYE_CLOSE_TRY_AGAIN_LATER;
        }
        size_t used = 0, room = chunk->capacity - at;
        ptrdiff_t n = wye_inflate(inflater, chunk->bytes + at, room, bytes + taken, count - taken, &used, true);
        if (n < 0) {
            reason = (int)n;
            break;
        }
        taken += used;
        at += (size_t)n;
        if (at - headroom > limit_bytes) {
            reason = -WYE_CLOSE_TOO_BIG;
            break;
        }
        if (taken == count && (size_t)n < room) break;
    }
    if (reason < 0) {
        wye_chunk_release(&hub->pool, chunk);
        return reason;
    }
    chunk->used = (uint32_t)at;
    *inflated = chunk;
    *inflated_bytes = at - headroom;
    wye_count(&hub->counters.inflated, 1);
    return 0;
}
