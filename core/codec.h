/* A loop's compressors: permessage-deflate (RFC 7692) of messages that go out and that came in. One thread. */
#ifndef WYE_CORE_CODEC_H
#define WYE_CORE_CODEC_H

#include "core/outbox.h"
#include "frames/deflate.h"

struct wye_hub;

enum {
    WYE_DEFLATE_BITS_MIN = 9,
    WYE_DEFLATE_BITS_MAX = 15,
};

/* Contexts that serve all connections of a loop, since each message starts afresh; opened when first needed. */
struct wye_codec {
    struct wye_deflater *deflaters[WYE_DEFLATE_BITS_MAX + 1]; /* by window bits */
    struct wye_inflater *inflater;                            /* of the largest window: it reads all smaller ones */
};

/* Contexts that outlive a message, of one connection. */
struct wye_takeover {
    struct wye_deflater *deflater; /* NULL: not needed yet, or the shared one serves */
    struct wye_inflater *inflater;
};

/* NULL is fine. */
void wye_codec_shut(struct wye_codec *codec);
void wye_takeover_shut(struct wye_takeover *takeover);

/* The shared compressor for a window; NULL: no memory. */
struct wye_deflater *wye_codec_deflater(struct wye_hub *hub, unsigned bits);

/* The shared inflater; NULL: no memory. */
struct wye_inflater *wye_codec_inflater(struct wye_hub *hub);

/*
 * Compresses a message into one frame in the hub's chunk. reset: afresh. chunk NULL: it was not worth it (or there was no
 * memory); with a context that outlives the message that must not be, so `always` keeps even what didn't get shorter.
 */
struct wye_slice wye_codec_encode(struct wye_hub *hub, struct wye_deflater *deflater, uint8_t opcode,
                                  const uint8_t *payload, size_t count, bool reset, bool always);

/*
 * Inflates a whole message into a chunk of its own, behind `headroom` free bytes. 0, with *inflated (one reference of the
 * caller's) and *inflated_bytes; -1007: it is no deflate stream; -1009: longer than limit_bytes; -1013: no memory.
 */
int wye_codec_decode(struct wye_hub *hub, struct wye_inflater *inflater, bool reset, const uint8_t *bytes, size_t count,
                     size_t headroom, uint64_t limit_bytes, struct wye_chunk **inflated, size_t *inflated_bytes);

#endif
