/* The chunked transfer coding (RFC 9112 7.1), read as it comes. Extensions and trailer fields are passed over. */
#ifndef WYE_HANDSHAKE_CHUNKED_H
#define WYE_HANDSHAKE_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WYE_CHUNKED_LINES_MAX = 8192 }; /* bytes of a body that are not its content: sizes, extensions, trailers, of one in a row */

/* All zero: at a body's start. */
struct wye_chunked {
    uint64_t left;  /* content bytes of the chunk under way */
    uint32_t idle;  /* bytes since the last content byte that were none */
    uint8_t state;
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
 * content, maybe nothing. -400: this is not the chunked coding. count must not be 0.
 */
ptrdiff_t wye_chunked_read(struct wye_chunked *chunked, const uint8_t *bytes, size_t count, struct wye_chunked_run *run);

#endif
