/* HTTP/1.1 request heads (RFC 9112 2 to 6): bytes in, facts out. Nothing is copied or allocated. */
#ifndef WYE_HANDSHAKE_REQUEST_H
#define WYE_HANDSHAKE_REQUEST_H

#include "handshake/rule.h"
#include "handshake/scan.h"
#include "handshake/span.h"

#include <stdint.h>

enum {
    WYE_HEAD_MAX = 16384,  /* bytes of a request head, its empty line included; more: 431 */
    WYE_TARGET_MAX = 8000, /* bytes of the request target; more: 414 (RFC 9112 3 asks for at least 8000) */
    WYE_FIELDS_MAX = 100,  /* field lines; more: 431 */
};

enum wye_method {
    WYE_METHOD_OTHER,
    WYE_METHOD_GET,
    WYE_METHOD_HEAD,
    WYE_METHOD_POST,
    WYE_METHOD_PUT,
    WYE_METHOD_DELETE,
    WYE_METHOD_OPTIONS,
};

/* The fields that somebody here asks for by name. */
enum wye_field_name {
    WYE_FIELD_OTHER,
    WYE_FIELD_HOST,
    WYE_FIELD_CONNECTION,
    WYE_FIELD_UPGRADE,
    WYE_FIELD_SEC_WEBSOCKET_KEY,
    WYE_FIELD_SEC_WEBSOCKET_VERSION,
    WYE_FIELD_SEC_WEBSOCKET_PROTOCOL,
    WYE_FIELD_SEC_WEBSOCKET_EXTENSIONS,
    WYE_FIELD_ORIGIN,
    WYE_FIELD_CONTENT_LENGTH,
    WYE_FIELD_CONTENT_TYPE,
    WYE_FIELD_CONTENT_ENCODING,
    WYE_FIELD_TRANSFER_ENCODING,
    WYE_FIELD_EXPECT,
    WYE_FIELD_ACCEPT,
    WYE_FIELD_AUTHORIZATION,
    WYE_FIELD_COOKIE,
    WYE_FIELD_X_FORWARDED_FOR,
    WYE_FIELD_HTTP2_SETTINGS,
    WYE_FIELD_NAME_COUNT
};

/*
 * A request head. Spans borrow from the bytes given to wye_request_read() and live as long as those do.
 */
struct wye_request {
    size_t head_bytes; /* with its empty line, and with CRLFs skipped before it (RFC 9112 2.2) */
    struct wye_span method, target;
    struct wye_span
        path; /* of the target, raw, begins with '/'; "*" for OPTIONS *; "/" when an absolute form has none */
    /* From here to `first` all is zero before anything is read. */
    struct wye_span query; /* behind '?', without it; bytes NULL: there is none */
    struct wye_span host;  /* the effective authority: of an absolute-form target, otherwise of Host */
    enum wye_method method_id;
    uint8_t minor;                       /* of HTTP/1.minor: 0 or 1 (higher ones count as 1) */
    bool chunked;                        /* Transfer-Encoding: chunked is the body's framing */
    bool keep_alive;                     /* by version and Connection (RFC 9112 9.3) */
    bool lists_upgrade;                  /* Connection lists "upgrade" (RFC 9110 7.8) */
    uint64_t content_bytes;              /* Content-Length; 0 when absent */
    uint32_t present, repeated;          /* a bit for each known field that occurs, and that occurs again */
    size_t field_count;
    uint8_t first[WYE_FIELD_NAME_COUNT]; /* the line where a known field that is present occurs first, plus 1 */
    const char *bytes;                   /* of the head */
    struct wye_scan
        scan; /* its marks: the CR of the request line, then of each field line its colon and its CR */
};

/*
 * How far a head has been read that isn't all there yet, so that no byte is looked at again and again. All
 * zero: nothing was shown yet.
 */
struct wye_request_progress {
    uint16_t seen;        /* bytes that were shown */
    uint16_t begin;       /* of the part in which the last of them stands */
    uint8_t stage, state; /* request.c's: which part that is, and where in its line it was cut */
    uint8_t fields;       /* lines that are complete */
};

/*
 * Reads a request head from `count` bytes, going on where *progress says.
 * > 0: bytes used (head_bytes), and *request is filled in. 0: show me more (of the same bytes, from the same
 * start, with the same progress). < 0: -status: it breaks a rule of grammar, size, version, host or framing,
 * noted in *refusal (whatever it noted before is forgotten; it is left alone otherwise); as soon as the bytes
 * that are there decide it. Host and framing are judged when the head is whole. After an error of grammar the
 * request's fields are not to be used. *progress is set anew by 0, and zeroed by anything else.
 * A head is read once when it comes at once, and as good as twice however many pieces it comes in.
 */
ptrdiff_t wye_request_read(struct wye_request *request, struct wye_refusal *refusal, const uint8_t *bytes,
                           size_t count, struct wye_request_progress *progress);

/* What stands between a field's colon and its CR, without the white space around it (RFC 9112 5.1). */
static inline struct wye_span wye_field_value(const char *colon, const char *cr) {
    const char *start = colon + 1, *stop = cr;
    if (WYE_USUALLY(start[0] == ' ' && (unsigned char)start[1] > ' ' && (unsigned char)stop[-1] > ' '))
        return (struct wye_span){start + 1, (size_t)(stop - start - 1)};
    /* Between the two nothing but SP and HTAB is that low, and the colon and the CR aren't both. */
    while ((unsigned char)stop[-1] <= ' ') stop--;
    while (start < stop && (unsigned char)*start <= ' ') start++;
    return (struct wye_span){start < stop ? start : stop, start < stop ? (size_t)(stop - start) : 0};
}

/* The value of a field line, from 0 to field_count - 1. */
static inline struct wye_span wye_request_value(const struct wye_request *request, size_t line) {
    const uint16_t *marks = request->scan.marks + 2 * line;
    return wye_field_value(request->bytes + marks[1], request->bytes + marks[2]);
}

/* All that stands between the colon of a field line and its CR. */
static inline struct wye_span wye_request_rest(const struct wye_request *request, size_t line) {
    const uint16_t *marks = request->scan.marks + 2 * line;
    return (struct wye_span){request->bytes + marks[1] + 1, marks[2] - marks[1] - 1u};
}

/* The name of a field line, as it was written. */
static inline struct wye_span wye_request_name(const struct wye_request *request, size_t line) {
    const size_t from = request->scan.marks[2 * line] + 2u;
    return (struct wye_span){request->bytes + from, request->scan.marks[2 * line + 1] - from};
}

/* Does a known field occur? */
static inline bool wye_request_has(const struct wye_request *request, enum wye_field_name name) {
    return request->present >> name & 1;
}

/* Does it occur more than once? */
static inline bool wye_request_repeats(const struct wye_request *request, enum wye_field_name name) {
    return request->repeated >> name & 1;
}

/* The value of the first field line of this name; bytes NULL: absent. */
static inline struct wye_span wye_request_field(const struct wye_request *request, enum wye_field_name name) {
    if (!wye_request_has(request, name)) return (struct wye_span){0};
    return wye_request_value(request, request->first[name] - 1u);
}

/* A walk over the elements of a list-valued field, over all its lines. All zero but for name at first. */
struct wye_elements {
    enum wye_field_name name;
    size_t line;          /* where in fields to look on; 0: not begun */
    struct wye_span list; /* what is left of the current line */
};

/* true: *element is the next one (RFC 9110 5.6.1; never empty). false: none left. */
bool wye_request_next_element(const struct wye_request *request, struct wye_elements *walk,
                              struct wye_span *element);

/* The same walk line by line: *line is the next one's value, which may be empty. Not to be mixed with the other. */
bool wye_request_next_line(const struct wye_request *request, struct wye_elements *walk, struct wye_span *line);

/*
 * Is it this text, which is given in lower case, but for the case of letters? For spans without control bytes
 * (but HTAB), as the values of fields are, and texts of 4 to 32 letters, digits, "-", "," and " ": setting
 * bit 5 makes no other two equal then. With a literal it is a few loads and no loop.
 */
static inline bool wye_span_is_lower(struct wye_span span, const char *lower, size_t count) {
    const uint64_t fold = 0x2020202020202020u;
    uint64_t a, b, differs = 0;
    if (span.count != count) return false;
    if (count < 8) {
        uint32_t first, last, of_first, of_last;
        memcpy(&first, span.bytes, 4), memcpy(&of_first, lower, 4);
        memcpy(&last, span.bytes + count - 4, 4), memcpy(&of_last, lower + count - 4, 4);
        return (((first | (uint32_t)fold) ^ of_first) | ((last | (uint32_t)fold) ^ of_last)) == 0;
    }
    for (size_t at = 0; at + 8 <= count; at += 8) {
        memcpy(&a, span.bytes + at, 8), memcpy(&b, lower + at, 8);
        differs |= (a | fold) ^ b;
    }
    memcpy(&a, span.bytes + count - 8, 8), memcpy(&b, lower + count - 8, 8); /* overlapping what is done */
    return (differs | ((a | fold) ^ b)) == 0;
}
#define WYE_SPAN_IS(span, literal) wye_span_is_lower(span, literal, sizeof(literal) - 1)

/* Does a list-valued field, over all its lines, list `element`, compared without case (RFC
 * 9110 5.6.1, 7.6.1)? */
bool wye_request_lists(const struct wye_request *request, enum wye_field_name name, struct wye_span element);

/* Does Upgrade list a protocol of this name, compared without case, with or without a version (RFC 9110 7.8)?
 */
bool wye_request_offers(const struct wye_request *request, struct wye_span token);

/* Does it carry any Sec-WebSocket field, or ask to upgrade to "websocket"? Refusing it then ends the
 * connection. */
bool wye_request_is_websocket(const struct wye_request *request);

/* Does Accept name this media type in full, with a weight that isn't 0 (RFC 9110 12.5.1)? Wildcards don't
 * count. */
bool wye_request_accepts(const struct wye_request *request, struct wye_span media_type);

/* Does the client wait for a 100 before it goes on (RFC 9110 10.1.1)? */
bool wye_request_awaits_continue(const struct wye_request *request);

/*
 * Percent-decodes a path or a query's part (RFC 3986 2.1). '+' stays a '+'.
 * >= 0: bytes written, at most in.count; to may be in.bytes. -1: a '%' without two hex digits behind it.
 */
ptrdiff_t wye_percent_decode(char *to, struct wye_span in);

/*
 * The raw value of `name` in a query ("a=1&b"). true: it is there, and *value is what stands behind '='
 * (empty without one). The first of several counts.
 */
bool wye_query_value(struct wye_span query, struct wye_span name, struct wye_span *value);

#endif
