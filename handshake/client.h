/*
 * The client's half of the opening handshake (RFC 6455 4.1, RFC 9112 4): the request that asks to switch, and
 * what the server answered. Pure: nothing is copied or allocated.
 */
#ifndef WYE_HANDSHAKE_CLIENT_H
#define WYE_HANDSHAKE_CLIENT_H

#include "handshake/opening.h"
#include "handshake/span.h"

#include <stdint.h>

enum {
    WYE_KEY_RANDOM_BYTES = 16,   /* that a key is made from */
    WYE_ANSWER_HEAD_MAX = 16384, /* bytes of a response head; more is WYE_ANSWER_HEAD_SIZE */
    WYE_ANSWER_FIELDS_MAX = 100, /* field lines; more is WYE_ANSWER_HEAD_SIZE */
};

/* What a client asks for. Spans are the caller's; count 0: not sent. */
struct wye_client_request {
    struct wye_span target; /* "/chat?x=1" */
    struct wye_span host;   /* "example.com:8080" */
    struct wye_span
        token; /* the protocol asked for; count 0: "websocket". Any other has no Sec-WebSocket fields */
    char key[WYE_KEY_BYTES];      /* fresh for every connection: wye_client_key() */
    struct wye_span subprotocols; /* "chat, superchat" */
    struct wye_span extensions;   /* "permessage-deflate" */
    struct wye_span fields;       /* extra field lines, each ended by CRLF */
};

/* Writes a Sec-WebSocket-Key: base64 of 16 random bytes (RFC 6455 4.1 7). Not ended by NUL. */
void wye_client_key(char key[WYE_KEY_BYTES], const uint8_t random[WYE_KEY_RANDOM_BYTES]);

/* Writes the request; "h2c" has HTTP2-Settings listed in Connection (RFC 7540 3.2.1), the field itself is
 * among `fields`. Returns its length, or 0 when it doesn't fit into room. */
size_t wye_client_request_write(char *to, size_t room, const struct wye_client_request *request);

/* What is wrong with an answer; in the order in which it is looked for. */
enum wye_answer_fault {
    WYE_ANSWER_FINE,
    /* It is no HTTP response: reading ends. */
    WYE_ANSWER_STATUS_LINE,   /* HTTP/1.x SP 3DIGIT SP reason CRLF (RFC 9112 4) */
    WYE_ANSWER_FIELD_GRAMMAR, /* RFC 9112 5 */
    WYE_ANSWER_HEAD_SIZE,
    /* It is one, but the connection has not switched to what was asked for (RFC 6455 4.1). */
    WYE_ANSWER_STATUS,  /* not 101 */
    WYE_ANSWER_VERSION, /* a 101 of HTTP/1.0 */
    WYE_ANSWER_UPGRADE_MISSING,
    WYE_ANSWER_UPGRADE_OTHER, /* not exactly what was asked for */
    WYE_ANSWER_CONNECTION,    /* doesn't list "upgrade" */
    WYE_ANSWER_ACCEPT_MISSING,
    WYE_ANSWER_ACCEPT_DOUBLED,
    WYE_ANSWER_ACCEPT_WRONG,
    WYE_ANSWER_SUBPROTOCOL_UNASKED,
    WYE_ANSWER_SUBPROTOCOL_DOUBLED,
    WYE_ANSWER_EXTENSION_UNASKED,
    WYE_ANSWER_FAULT_COUNT
};

/* A sentence each; "" for WYE_ANSWER_FINE. */
extern const char *const wye_answer_faults[WYE_ANSWER_FAULT_COUNT];

/* A response head. Spans borrow from the bytes that were read. */
struct wye_client_answer {
    size_t head_bytes; /* with its empty line */
    int status;        /* 100 to 999 */
    uint8_t minor;     /* of HTTP/1.minor: 0 or 1 (higher ones count as 1) */
    struct wye_span reason;
    enum wye_answer_fault fault; /* the first one found */
    struct wye_span seen;        /* what was wrong, when there is something to be seen */
    struct wye_span subprotocol; /* that the server chose; count 0: none */
    struct wye_span extensions;  /* the value of the (first) Sec-WebSocket-Extensions; count 0: none */
    uint64_t content_bytes;      /* Content-Length; 0 when absent or not a number */
    bool chunked;                /* Transfer-Encoding is there */
    uint8_t field_count;
    struct {
        struct wye_span name, value;
    } fields[WYE_ANSWER_FIELDS_MAX];
};

/*
 * Reads a response head from `count` bytes, of which the first `seen` were shown before (with 0 as the
 * answer). > 0: bytes used (head_bytes), and *answer is filled in: the connection has switched if its fault
 * is WYE_ANSWER_FINE. A status of 1xx other than 101 is followed by another head (RFC 9110 15.2): read on
 * behind it. 0: show me more (of the same bytes, from the same start). -71 (-EPROTO): it is no HTTP response;
 * fault says how.
 */
ptrdiff_t wye_client_answer_read(struct wye_client_answer *answer, const struct wye_client_request *request,
                                 const uint8_t *bytes, size_t count, size_t seen);

/* The value of the first field line of this name, compared without case; bytes NULL: absent. */
struct wye_span wye_client_answer_field(const struct wye_client_answer *answer, struct wye_span name);

/* How many field lines have this name. */
unsigned wye_client_answer_times(const struct wye_client_answer *answer, struct wye_span name);

/* Does a list-valued field, over all its lines, list `element`, compared without case? */
bool wye_client_answer_lists(const struct wye_client_answer *answer, struct wye_span name,
                             struct wye_span element);

/*
 * Puts content in chunks (RFC 9112 7.1) together where it lies, as far as it is there: a last chunk may be
 * cut. What stands behind the end, or breaks the grammar, is left out. Returns how many bytes it is then.
 */
size_t wye_client_chunks_join(char *bytes, size_t count);

/* Does the connection switch to "websocket", the protocol that has rules of its own here? */
static inline bool wye_client_request_is_websocket(const struct wye_client_request *request) {
    return request->token.count == 0 || wye_span_equal_nocase(request->token, WYE_SPAN("websocket"));
}

#endif
