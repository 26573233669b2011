/* What the files of h2c share. Nobody else includes it. */
#ifndef WYE_CORE_H2C_STATE_H
#define WYE_CORE_H2C_STATE_H

#include "core/h2c.h"
#include "core/http_state.h"

#include <nghttp2/nghttp2.h>

enum { WYE_H2C_STREAMS_MAX = 100 }; /* of a connection at once */

/* A request, from its header block to the end of its answer. Ours until nghttp2 says that it is closed. */
struct wye_h2c_stream {
    struct wye_h2c_stream *next, *before;
    int32_t id;
    bool problem;   /* who posts asks for problem details */
    bool chunked;   /* its body's length isn't said */
    bool peer_done; /* all of the request has come */
    struct wye_post *post;       /* whose body is coming; NULL: none */
    uint64_t heard_ns;           /* when something came of it last */
    struct wye_receipt *receipt; /* that its answer waits for; NULL: none */
    struct wye_slice body;       /* of its answer */
    size_t body_sent;
};

/* A header block that is coming: what goes into the request line and Host, and behind it the other fields, as lines. */
struct wye_h2c_head {
    struct wye_span method, target, authority; /* in bytes */
    size_t fields_at, count;
    bool too_large;
    char bytes[WYE_HEAD_MAX];
};

struct h2c {
    struct http http; /* what http's answers go by; http.stream is the one that is answered */
    nghttp2_session *session;
    struct wye_h2c_stream *streams;
    struct wye_h2c_head *head; /* NULL: none is coming */
    uint64_t active_ns;        /* when something came last that takes a request or its answer further */
    uint64_t head_ns;          /* when the header block began */
    uint64_t due_ns;           /* when the timer comes, while it is set */
    size_t held_bytes;         /* of answers that wait for windows, but for what is constant */
    uint32_t waiting;          /* streams that wait for receipts */
    int reason;                /* why the session ends, when there was an error */
    bool speaks;               /* its SETTINGS came */
    bool leaving;              /* GOAWAY was said */
};

/* ---- h2c_stream.c ---- */

/* A stream that is known to nghttp2 by this number. NULL: no memory. */
struct wye_h2c_stream *wye_h2c_stream_open(struct wye_conn *conn, int32_t id);
void wye_h2c_stream_close(struct wye_conn *conn, struct wye_h2c_stream *stream);

/* A header block begins, in the memory of one before (NULL: in memory of its own). NULL: there is none. */
struct wye_h2c_head *wye_h2c_head_begin(struct wye_h2c_head *head);

/* One field of it. */
void wye_h2c_field(struct wye_h2c_head *head, struct wye_span name, struct wye_span value);

/* The header block is whole: the request is answered, or its body awaited. 0, or -ENOMEM (the connection is closed with it). */
int wye_h2c_request(struct wye_conn *conn, struct wye_h2c_stream *stream, bool has_body);

/* Bytes of a body; and its end. 0, or -ENOMEM (the connection is closed with it). */
int wye_h2c_body(struct wye_conn *conn, struct wye_h2c_stream *stream, const uint8_t *bytes, size_t count);
int wye_h2c_body_end(struct wye_conn *conn, struct wye_h2c_stream *stream);

/* A body is refused (hub->refusal), and the stream answered. */
void wye_h2c_refuse_body(struct wye_conn *conn, struct wye_h2c_stream *stream);

/* Answers what http has read. */
void wye_h2c_serve(struct wye_conn *conn, struct wye_h2c_stream *stream, const struct wye_request *request);

/* ---- h2c.c ---- */

/* The timer comes not later than in so many ns. */
void wye_h2c_wake_within(struct wye_conn *conn, uint64_t delay_ns);

/* Queues what the session has to send, as far as the outbox has room; ends the connection when nothing is left to be said. */
void wye_h2c_flush(struct wye_conn *conn);

#endif
