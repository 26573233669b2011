/* permessage-deflate (RFC 7692): what is negotiated, and messages compressed and inflated, by zlib. */
#ifndef WYE_FRAMES_DEFLATE_H
#define WYE_FRAMES_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What two endpoints agreed to (RFC 7692 7.1). All zero: no compression. */
struct wye_deflate_agreement {
    uint8_t server_bits, client_bits; /* LZ77 windows each side compresses with, 9 to 15 (the client's also 8); 0: no agreement */
    bool server_no_context, client_no_context; /* that side starts each message afresh */
};

enum {
    WYE_DEFLATE_BYTES_MIN = 64,     /* shorter messages aren't worth compressing */
    WYE_DEFLATE_ANSWER_ROOM = 160,  /* what the longest answer needs, with its NUL */
    WYE_DEFLATE_TAKEOVER_BITS = 12, /* the largest windows that WYE_DEFLATE_TAKEOVER asks for and uses */
};

/* What a server is willing to do. */
enum wye_deflate_mode {
    WYE_DEFLATE_OFF,
    WYE_DEFLATE_SHARED,   /* no context of ours outlives a message: one compressor a loop serves all */
    WYE_DEFLATE_TAKEOVER, /* contexts outlive messages where the client allows it: memory a connection */
};

/*
 * Judges the offers of one request in order and takes the first that can be met (RFC 7692 7.1; RFC 6455 9.1).
 * next: gives the value of the next Sec-WebSocket-Extensions element (one offer: "permessage-deflate; client_max_window_bits"),
 * whose length comes back in *count; NULL: there is none left.
 * true: *agreement is filled in and `response` holds the extension's value for the 101 (NUL-ended). false: decline, which
 * is no error: the connection goes on without. An offer with an unknown, doubled or malformed parameter is passed by.
 */
bool wye_deflate_negotiate(struct wye_deflate_agreement *agreement, char *response, size_t room,
                           enum wye_deflate_mode mode, const char *(*next)(void *context, size_t *count), void *context);

/*
 * A client's view of the answer to its own offer, which it describes by `offered`: server_bits as demanded, 0 or 15 if not at
 * all; client_bits 0 if client_max_window_bits wasn't offered, 15 if without a value; the flags as offered.
 * false: the answer may not be (fail the connection). client_bits may become 8, which zlib can't do: then compress nothing.
 */
bool wye_deflate_accept_answer(struct wye_deflate_agreement *agreement, const char *value, size_t count,
                               const struct wye_deflate_agreement *offered);

/*
 * A compressor or an inflator. It may serve many connections when nothing outlives a message (reset before each),
 * or one, whose context it then keeps. Opaque; made by the functions below; a few hundred KiB at 15 bits and memLevel 8
 * (the docstrings of the functions say exactly).
 */
struct wye_deflater;
struct wye_inflater;

/* bits: 9 to 15; level: 1 to 9; memory_level: 1 to 9. Memory: (1 << (bits + 2)) + (1 << (memory_level + 9)) bytes and about 6 KiB. NULL: no memory. */
struct wye_deflater *wye_deflater_open(unsigned bits, int level, int memory_level);
void wye_deflater_shut(struct wye_deflater *deflater);

/*
 * Is a message worth compressing? By its size, and by its type: a binary one that begins as pictures, sound,
 * films and archives do is compressed already, and would cost time and become no shorter.
 */
bool wye_deflate_is_worth(bool text, const uint8_t *payload, size_t count);

/* At most how many bytes a message of `count` becomes. */
size_t wye_deflate_bound(const struct wye_deflater *deflater, size_t count);

/*
 * Compresses a whole message into `to` (room >= wye_deflate_bound()), without the 00 00 FF FF at its end (RFC 7692 7.2.1).
 * reset: afresh, as if nothing came before. Returns its length; 0: it failed (no room), and the next one starts afresh.
 */
size_t wye_deflate(struct wye_deflater *deflater, uint8_t *to, size_t room, const uint8_t *from, size_t count, bool reset);

/* bits: 8 to 15; memory 7 KiB, and from the first message on (1 << bits) more. NULL: no memory. */
struct wye_inflater *wye_inflater_open(unsigned bits);
void wye_inflater_shut(struct wye_inflater *inflater);

/* Starts a message; `reset`: afresh. */
void wye_inflate_begin(struct wye_inflater *inflater, bool reset);

/*
 * Inflates the next piece of a message's compressed bytes: up to `room` bytes into `to`. *used says how many of `count` were
 * taken, the result how many were written; call again while bytes are left or the result equals room. last: the message's
 * last piece: the 00 00 FF FF that isn't on the wire is added (by the inflater; count may be 0). room > 0.
 * A final block (BFINAL) ends no message: another DEFLATE stream may follow in it. A message of no bytes at all is empty.
 * References beyond the window are refused, unless they lie in the room of this very call.
 * -1007: no deflate stream, or data behind its end; -1011: no memory. The message is lost then, and the context with it.
 */
ptrdiff_t wye_inflate(struct wye_inflater *inflater, uint8_t *to, size_t room, const uint8_t *from, size_t count, size_t *used, bool last);

#endif
