#include "frames/deflate.h"
#include "frames/close_code.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* it reads next_in and no more */
#include <zlib.h>

/* What a sync flush ends with; it isn't on the wire (RFC 7692 7.2.1, 7.2.2). */
static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff};

/* zlib counts in unsigned int. */
static unsigned piece(size_t count) { return count < UINT_MAX ? (unsigned)count : UINT_MAX; }

bool wye_deflate_is_worth(bool text, const uint8_t *payload, size_t count) {
    static const struct {
        uint8_t at, count;
        char bytes[6];
    } signs[] = {
        {0, 4, "\x89PNG"},
        {0, 3, "\xff\xd8\xff"},
        {0, 4, "GIF8"},
        {8, 4, "WEBP"},
        {4, 4, "ftyp"}, /* MP4, AVIF, HEIC */
        {0, 4, "OggS"},
        {0, 4, "\x1a\x45\xdf\xa3"}, /* WebM */
        {0, 3, "ID3"},
        {0, 4, "fLaC"},
        {0, 4, "wOF2"},
        {0, 3, "\x1f\x8b\x08"}, /* gzip */
        {0, 4, "PK\x03\x04"},
        {0, 4, "\x28\xb5\x2f\xfd"}, /* zstd */
        {0, 5, "\xfd\x37zXZ"},
        {0, 3, "BZh"},
        {0, 4, "7z\xbc\xaf"},
    };
    if (count < WYE_DEFLATE_BYTES_MIN) return false;
    for (size_t i = 0; !text && i < sizeof signs / sizeof signs[0]; i++) {
        if (memcmp(payload + signs[i].at, signs[i].bytes, signs[i].count) == 0) return false;
    }
    return true;
}

struct wye_deflater {
    z_stream z;
    bool broken; /* a message failed half-way: what the peer knows of the context isn't known */
};

struct wye_deflater *wye_deflater_open(unsigned bits, int level, int memory_level) {
    if (bits < 9 || bits > 15) return NULL;
    struct wye_deflater *deflater = calloc(1, sizeof *deflater);
    if (!deflater) return NULL;
    if (deflateInit2(&deflater->z, level, Z_DEFLATED, -(int)bits, memory_level, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(deflater);
        return NULL;
    }
    return deflater;
}

void wye_deflater_shut(struct wye_deflater *deflater) {
    if (!deflater) return;
    deflateEnd(&deflater->z);
    free(deflater);
}

size_t wye_deflate_bound(const struct wye_deflater *deflater, size_t count) {
    /* zlib's bound, which is for a stream that ends, and the empty block of the flush. */
    return deflateBound((z_stream *)(uintptr_t)&deflater->z, count) + 16;
}

size_t wye_deflate(struct wye_deflater *deflater, uint8_t *to, size_t room, const uint8_t *from, size_t count,
                   bool reset) {
    z_stream *z = &deflater->z;
    if (reset || deflater->broken) {
        if (deflateReset(z) != Z_OK) return 0;
        deflater->broken = false;
    }
    if (room == 0) return 0;
    if (count == 0) {
        /* An empty block without its tail (RFC 7692 7.2.3.6). zlib makes none of two flushes in a row. */
        to[0] = 0;
        return 1;
    }

    size_t read = 0, written = 0;
    int result = Z_OK;
    bool done = false;
    while (result == Z_OK && !done && written < room) {
        unsigned input = piece(count - read), output = piece(room - written);
        bool last = input == count - read;
        z->next_in = from + read;
        z->avail_in = input;
        z->next_out = to + written;
        z->avail_out = output;
        result = deflate(z, last ? Z_SYNC_FLUSH : Z_NO_FLUSH);
        read += input - z->avail_in;
        written += output - z->avail_out;
        /* Room left says that the flush is whole. */
        done = last && z->avail_in == 0 && z->avail_out > 0;
    }
    if (!done || written <= sizeof tail) {
        deflater->broken = true;
        return 0;
    }
    return written - sizeof tail;
}

struct wye_inflater {
    z_stream z;
    uint8_t tail_used; /* bytes of the tail that zlib has taken */
    bool at_start;     /* nothing has come since the message began, or since a final block ended */
    bool ended;
};

struct wye_inflater *wye_inflater_open(unsigned bits) {
    if (bits < 8 || bits > 15) return NULL;
    struct wye_inflater *inflater = calloc(1, sizeof *inflater);
    if (!inflater) return NULL;
    /* Old zlibs compress with 9 bits when asked for 8, and don't say so. */
    if (inflateInit2(&inflater->z, bits == 8 ? -9 : -(int)bits) != Z_OK) {
        free(inflater);
        return NULL;
    }
    return inflater;
}

void wye_inflater_shut(struct wye_inflater *inflater) {
    if (!inflater) return;
    inflateEnd(&inflater->z);
    free(inflater);
}

void wye_inflate_begin(struct wye_inflater *inflater, bool reset) {
    if (reset) inflateReset(&inflater->z);
    inflater->tail_used = 0;
    inflater->at_start = true;
    inflater->ended = false;
}

/* One step of zlib's: 0 or a reason. *read and *written say how far it came. */
static int step(struct wye_inflater *inflater, uint8_t *to, size_t room, const uint8_t *from, size_t count,
                size_t *read, size_t *written) {
    z_stream *z = &inflater->z;
    unsigned input = piece(count), output = piece(room);
    z->next_in = from;
    z->avail_in = input;
    z->next_out = to;
    z->avail_out = output;
    int result = inflate(z, Z_SYNC_FLUSH);
    *read = input - z->avail_in;
    *written = output - z->avail_out;
    if (*read > 0) inflater->at_start = false;
    if (result == Z_STREAM_END) {
        /*
         * A final block ends a DEFLATE stream but not the message: another may follow, from the next byte on
         * (RFC 7692 7.2.3.4). The window stays, since later messages may refer to it.
         */
        result = inflateResetKeep(z);
        inflater->at_start = true;
    }
    if (result == Z_OK || result == Z_BUF_ERROR)
        return 0; /* no progress is no fault: it wants input or room */
    return result == Z_MEM_ERROR ? -WYE_CLOSE_INTERNAL_ERROR : -WYE_CLOSE_INVALID_PAYLOAD;
}

/* Is zlib between two blocks, with not a bit left over? Then the message is whole. */
static bool is_whole(const struct wye_inflater *inflater) {
    enum { BITS_LEFT = 0x1f, IN_LAST_BLOCK = 0x40, BETWEEN_BLOCKS = 0x80 };
    int state = inflater->z.data_type;
    return (state & (BITS_LEFT | IN_LAST_BLOCK | BETWEEN_BLOCKS)) == BETWEEN_BLOCKS;
}

/*
 * The bytes that aren't on the wire. Not behind a final block, nor where nothing has come: an empty message
 * ought to be one byte (RFC 7692 7.2.3.6), but a zlib that is asked for a second flush in a row yields none.
 * Returns what was written, or a reason.
 */
static ptrdiff_t finish(struct wye_inflater *inflater, uint8_t *to, size_t room) {
    size_t read, written, all = 0;
    while (all < room && !(inflater->at_start && inflater->tail_used == 0)) {
        unsigned left = sizeof tail - inflater->tail_used;
        int reason = step(inflater, to + all, room - all, tail + inflater->tail_used, left, &read, &written);
        if (reason) return reason;
        inflater->tail_used = (uint8_t)(inflater->tail_used + read);
        all += written;
        if (all < room) { /* nothing is held back */
            /* An empty block that ends the message may be a final one (RFC 7692 7.2.1 leaves that open). */
            bool whole = inflater->at_start || is_whole(inflater);
            if (inflater->tail_used < sizeof tail || !whole) return -WYE_CLOSE_INVALID_PAYLOAD;
            break;
        }
    }
    if (all < room) inflater->ended = true;
    return (ptrdiff_t)all;
}

ptrdiff_t wye_inflate(struct wye_inflater *inflater, uint8_t *to, size_t room, const uint8_t *from,
                      size_t count, size_t *used, bool last) {
    size_t read, written, all = 0;

    *used = 0;
    if (count == 0) from = tail; /* some address */
    if (inflater->ended) return count > 0 ? -WYE_CLOSE_INVALID_PAYLOAD : 0;
    do {
        if (*used == count && inflater->tail_used > 0) break;
        int reason = step(inflater, to + all, room - all, from + *used, count - *used, &read, &written);
        if (reason) return reason;
        *used += read;
        all += written;
    } while (all < room && *used < count);
    if (last && *used == count && all < room) {
        ptrdiff_t more = finish(inflater, to + all, room - all);
        if (more < 0) return more;
        all += (size_t)more;
    }
    return (ptrdiff_t)all;
}
