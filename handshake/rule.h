/* The rules of a request and of its upgrade: the one table that the server, the probe and the documentation
 * read. */
#ifndef WYE_HANDSHAKE_RULE_H
#define WYE_HANDSHAKE_RULE_H

#include "handshake/span.h"

#include <stdint.h>

/* In the order in which they are applied: the first that fails gives the status. At most 64. */
enum wye_rule {
    WYE_RULE_NONE,
    WYE_RULE_TLS,                /* plain bytes where TLS is spoken; 400 */
    WYE_RULE_PROXY_HEADER,       /* what a trusted proxy begins with "PROXY" is a PROXY header */
    WYE_RULE_PROXY_TRUST,        /* others send none */
    WYE_RULE_ADDRESS,            /* 429: as many connections of an address as it may have */
    WYE_RULE_REQUEST_LINE,       /* method SP target SP version CRLF (RFC 9112 3) */
    WYE_RULE_TARGET_LENGTH,      /* 414 */
    WYE_RULE_FIELD_GRAMMAR,      /* name, colon, value; no obs-fold, bare CR, control byte (RFC 9112 5) */
    WYE_RULE_HEAD_SIZE,          /* 431: the head in bytes, or the number of fields */
    WYE_RULE_HEAD_TIME,          /* 408 */
    WYE_RULE_VERSION,            /* HTTP/1.x (RFC 9112 2.3); 505 */
    WYE_RULE_HOST,               /* exactly one, valid (RFC 9112 3.2) */
    WYE_RULE_FORWARDED,          /* a trusted proxy's X-Forwarded-For lists addresses */
    WYE_RULE_HOST_NAMED,         /* 421: not a name of this node */
    WYE_RULE_FRAMING,            /* Content-Length and Transfer-Encoding (RFC 9112 6) */
    WYE_RULE_PATH,               /* 404, or 400 for what cannot be a path or a topic name */
    WYE_RULE_METHOD,             /* 405 + Allow */
    WYE_RULE_QUERY,              /* what the path can be asked for; 400 */
    WYE_RULE_UPGRADE_VERSION,    /* an upgrade needs HTTP/1.1 (RFC 9110 7.8); 426 */
    WYE_RULE_UPGRADE_BODY,       /* an upgrade request has no body here */
    WYE_RULE_CONNECTION_UPGRADE, /* Connection lists "upgrade"; 426 */
    WYE_RULE_UPGRADE_TOKEN,      /* Upgrade lists a protocol that this path speaks; 426 */
    WYE_RULE_HTTP2_SETTINGS,     /* one HTTP2-Settings, listed in Connection (RFC 7540 3.2.1) */
    WYE_RULE_KEY,                /* exactly one, canonical base64 of 16 bytes (RFC 6455 4.2.1) */
    WYE_RULE_WEBSOCKET_VERSION,  /* exactly one, 13; 426 + Sec-WebSocket-Version */
    WYE_RULE_ORIGIN,             /* 403 */
    WYE_RULE_TOKEN_SINGLE,       /* 400: more tokens than one */
    WYE_RULE_TOKEN,              /* 401: none, where the node has keys */
    WYE_RULE_TOKEN_VALID,        /* 401: one that isn't good, or not any more */
    WYE_RULE_TOKEN_SCOPE,        /* 403: it doesn't allow this */
    WYE_RULE_SUBPROTOCOL,        /* its grammar (RFC 6455 4.1) */
    WYE_RULE_EXTENSIONS,         /* their grammar (RFC 6455 9.1) */
    WYE_RULE_TOPIC_COUNT,        /* 400: more topics than a connection may have */
    WYE_RULE_UPGRADE_RATE,       /* 429 + Retry-After: upgrades of an address */
    WYE_RULE_MESSAGE_RATE,       /* 429: messages of a connection */
    WYE_RULE_TOPIC,              /* 403: nobody publishes to the node's own topics, 400: or to a pattern */
    WYE_RULE_BODY_LENGTH,        /* 411: a body's length is known, or it is chunked */
    WYE_RULE_BODY_SIZE,          /* 413 */
    WYE_RULE_BODY_TYPE,          /* 415 */
    WYE_RULE_BODY_CODING,        /* 415: no Content-Encoding */
    WYE_RULE_BODY_CHUNKS,        /* the chunked coding (RFC 9112 7.1) */
    WYE_RULE_BODY_TEXT,          /* what is text is UTF-8 */
    WYE_RULE_BODY_TIME,          /* 408 */
    WYE_RULE_LOAD,               /* 503 + Retry-After: draining, or full */
    WYE_RULE_COUNT
};

/*
 * One rule. All strings are static. In fields and texts "{token}" stands for the upgrade token of the path
 * and "{allow}" for the methods that it answers to, "{retry}" for the seconds after which to try again.
 */
struct wye_rule_row {
    const char *id;     /* "connection-upgrade": in logs, metrics and problem types */
    const char *must;   /* what must hold, one sentence */
    const char *source; /* "RFC 9110 7.8" */
    int status;         /* 400 to 599 */
    const char *fields; /* extra response fields, each ended by CRLF; "" for none */
    const char
        *sentence; /* for the client; its only conversion is one %s, where what was seen goes in quotes */
    const char *absent; /* the sentence when nothing was there to be seen */
    const char *mend;   /* how to mend it */
};

/* Indexed by enum wye_rule. */
extern const struct wye_rule_row wye_rules[WYE_RULE_COUNT];

/* The table as Markdown, a row a rule; at most room - 1 bytes and a NUL. Returns its length. WYE_RULES_TEXT_MAX is enough. */
enum { WYE_RULES_TEXT_MAX = 32 * 1024 };
size_t wye_rules_markdown(char *to, size_t room);

/* In which of its ways a rule was broken, where seeing it isn't enough. */
enum wye_cause {
    WYE_CAUSE_NONE,
    /* of the request line */
    WYE_CAUSE_TLS,
    WYE_CAUSE_TARGET_BYTE,
    WYE_CAUSE_TARGET_FORM,
    WYE_CAUSE_VERSION_MISSING,
    WYE_CAUSE_VERSION_FORM,
    WYE_CAUSE_EMPTY_LINES,
    /* of lines */
    WYE_CAUSE_BARE_LF,
    WYE_CAUSE_BARE_CR,
    WYE_CAUSE_CONTROL_BYTE,
    WYE_CAUSE_FOLD,
    WYE_CAUSE_NAME_EMPTY,
    WYE_CAUSE_NAME_SPACE,
    WYE_CAUSE_NAME_BYTE,
    /* of values */
    WYE_CAUSE_NO_UPGRADE,
    WYE_CAUSE_DOUBLED,
    WYE_CAUSE_EMPTY,
    WYE_CAUSE_AUTHORITY,
    WYE_CAUSE_NUMBER,
    WYE_CAUSE_TWO_LENGTHS,
    WYE_CAUSE_CODING_OLD,
    WYE_CAUSE_CODING_LAST,
    WYE_CAUSE_CODING_UNKNOWN,
    WYE_CAUSE_HTTP2,
    WYE_CAUSE_HTTP2_STREAM,
    WYE_CAUSE_SETTINGS,
    WYE_CAUSE_NOT_LISTED,
    WYE_CAUSE_KEY_LENGTH,
    WYE_CAUSE_KEY_BASE64,
    WYE_CAUSE_KEY_LOOSE,
    WYE_CAUSE_ORIGIN_OTHER,
    WYE_CAUSE_ORIGIN_NULL,
    WYE_CAUSE_ELEMENT,
    WYE_CAUSE_ELEMENT_TWICE,
    WYE_CAUSE_ELEMENTS,
    /* of chunks */
    WYE_CAUSE_CHUNK_SIZE,
    WYE_CAUSE_CHUNK_LARGE,
    WYE_CAUSE_CHUNK_EXTENSION,
    WYE_CAUSE_CHUNK_DATA,
    WYE_CAUSE_CHUNK_SPARE,
    /* of tokens */
    WYE_CAUSE_TOKEN_SCHEME,
    WYE_CAUSE_TOKEN_LONG,
    WYE_CAUSE_TOKEN_FORM,
    WYE_CAUSE_TOKEN_HEADER,
    WYE_CAUSE_TOKEN_TYPE,
    WYE_CAUSE_TOKEN_CRITICAL,
    WYE_CAUSE_TOKEN_KID,
    WYE_CAUSE_TOKEN_UNNAMED,
    WYE_CAUSE_TOKEN_ALGORITHM,
    WYE_CAUSE_TOKEN_SIGNATURE,
    WYE_CAUSE_TOKEN_CLAIMS,
    WYE_CAUSE_TOKEN_TIME,
    WYE_CAUSE_TOKEN_EXPIRED,
    WYE_CAUSE_TOKEN_EARLY,
    WYE_CAUSE_TOKEN_AUDIENCE,
    WYE_CAUSE_TOKEN_SUBJECT,
    WYE_CAUSE_TOKEN_PATTERNS,
    WYE_CAUSE_TOKEN_PUBLISH,
    WYE_CAUSE_TOKEN_SUBSCRIBE,
    WYE_CAUSE_TOKEN_OWN,
    WYE_CAUSE_COUNT
};

/* A sentence each; "" for WYE_CAUSE_NONE. */
extern const char *const wye_causes[WYE_CAUSE_COUNT];

/* Why a request is refused. Spans borrow from the request. All zero, or begun: it is not. */
struct wye_refusal {
    enum wye_rule first; /* the first rule in their order that failed; it gives the status */
    uint64_t failed;     /* bit r: rule r failed */
    int status;          /* that of `first`; may be set to another after the last add() */
    const char *token;   /* upgrade token of the path, static; NULL: "websocket" */
    const char *allow;   /* methods of the path for a 405, static: "GET, POST"; NULL: "GET" */
    uint64_t retry_s;    /* for "{retry}" in fields; set by those whose rule has it */
    const char *note;    /* what exactly was wrong, in the path's own words, static: "an empty level"; NULL: nothing */
    struct wye_span seen[WYE_RULE_COUNT]; /* valid where `failed` is set; bytes NULL: nothing was there */
    uint8_t cause[WYE_RULE_COUNT];        /* enum wye_cause, valid where `failed` is set */
};

/* Makes it refuse nothing, for a path with this token and these methods. What is only valid where `failed` is
 * set isn't touched: zeroing it all would take longer than to read a request. */
static inline void wye_refusal_begin(struct wye_refusal *refusal, const char *token, const char *allow) {
    refusal->first = WYE_RULE_NONE;
    refusal->failed = 0;
    refusal->status = 0;
    refusal->token = token;
    refusal->allow = allow;
    refusal->note = NULL;
}

/* Notes that `rule` failed, seeing `seen`. Returns -status of the first rule noted. */
int wye_refusal_add(struct wye_refusal *refusal, enum wye_rule rule, struct wye_span seen);

/* The same, saying more precisely how. */
int wye_refusal_add_cause(struct wye_refusal *refusal, enum wye_rule rule, struct wye_span seen,
                          enum wye_cause cause);

enum { WYE_REFUSAL_TEXT_MAX = 16384 };

/*
 * Writes the whole answer's text: for each failed rule its sentence (with what was seen, escaped and cut),
 * how to mend it and where it is written; plain ASCII, lines ended by LF. At most room - 1 bytes and a NUL;
 * WYE_REFUSAL_TEXT_MAX is always enough. Returns its length.
 */
size_t wye_refusal_text(char *to, size_t room, const struct wye_refusal *refusal);

/*
 * The same as one line without its end, for a log: the status, the ids of the rules that failed, and their sentences. What doesn't
 * go into room - 1 bytes is cut off; a NUL ends it. Returns its length.
 */
size_t wye_refusal_line(char *to, size_t room, const struct wye_refusal *refusal);

/*
 * The same as application/problem+json (RFC 9457): type, title, status, detail, and an array "rules" (of
 * which the last are left out when they don't fit, so that it is always whole). 0 if not even the frame fits
 * into room.
 */
size_t wye_refusal_problem_json(char *to, size_t room, const struct wye_refusal *refusal);

/* The extra response fields of every failed rule that shares the status of the first, each once. */
size_t wye_refusal_fields(char *to, size_t room, const struct wye_refusal *refusal);

#endif
