/*
 * The chunked transfer coding (RFC 9112 7.1), read as it comes. Extensions and trailer fields are passed over, and must be
 * written as they should be all the same: where two readers of one body differ, requests are smuggled.
 */
#ifndef WYE_HANDSHAKE_CHUNKED_H
#define WYE_HANDSHAKE_CHUNKED_H

#include "handshake/rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bytes of a body that are not its content (sizes, extensions, trailers; RFC 9112 7.1.1): no more of them than content, this
 * many for each chunk, and this many besides.
 */
enum { WYE_CHUNKED_CHUNK_SPARE = 16, WYE_CHUNKED_SPARE_MAX = 8192 };

/* All zero: at a body's start. */
struct wye_chunked {
    uint64_t left;  /* content bytes of the chunk under way */
    uint32_t spare; /* bytes that were no content, beyond what the content and the chunks up to now allow */
    uint8_t state;
    uint8_t cause;  /* enum wye_cause: why it is not the chunked coding, after -400 */
    bool digits;    /* the size has one */
    bool last;      /* the chunk of size 0 has come */
    bool done;      /* the body is over: what follows is somebody else's */
};

/* A run of content bytes in the bytes just read. */
struct wye_chunked_run {
    const uint8_t *bytes;
    size_t count;
};

/*
 * Reads on. > 0: bytes used, up to the end of a run of content or of the body (`done`); *run is what of it was
 * content, maybe nothing. -400: this is not the chunked coding, for chunked->cause; run->bytes is the byte that is wrong.
 * count must not be 0.
 */
ptrdiff_t wye_chunked_read(struct wye_chunked *chunked, const uint8_t *bytes, size_t count, struct wye_chunked_run *run);

/* How many content bytes of the chunk under way are still to come; 0: none, or its size isn't known yet. */
uint64_t wye_chunked_announced(const struct wye_chunked *chunked);

#endif
