/* What the files of http share: the state of a connection that speaks HTTP. Nobody else includes it. */
#ifndef WYE_CORE_HTTP_STATE_H
#define WYE_CORE_HTTP_STATE_H

#include "core/conn.h"
#include "core/h2c.h"
#include "core/http.h"
#include "core/post.h"
#include "core/site.h"
#include "handshake/response.h"

#define WYE_HTTP_KEEP_ALIVE_NS (60 * UINT64_C(1000000000))
enum { WYE_HTTP_RECEIPTS_MAX = 256 }; /* publishes of a connection that wait for their answers */

struct http {
    uint64_t body_left; /* of the request that was answered: to be discarded */
    uint32_t requests;
    struct wye_request_progress progress; /* of a head that isn't all there yet */
    struct wye_post *post; /* whose body is coming; NULL: none */
    struct wye_receipt *oldest, *newest; /* of what was published and is still to be answered, in order */
    struct wye_h2c_stream *stream; /* of HTTP/2, that is being answered; NULL: this is HTTP/1.1 */
    uint16_t receipts;
    bool closing; /* the last response said close */
    bool problem; /* who posts asks for problem details */
    bool old; /* the request was of HTTP/1.0, whose clients want to be told that a connection stays open */
};

/* ---- http.c ---- */

/* May whoever asks do so, by this name? WYE_RULE_NONE; or the rule that fails, and what is seen of it. */
enum wye_rule wye_http_judge(struct wye_conn *conn, const struct wye_request *request, struct wye_span *seen);

/* Answers a request that publishes and switches nothing. close: a refusal is the connection's last answer; last: any is. */
void wye_http_serve(struct wye_conn *conn, const struct wye_request *request, const struct wye_resource *resource, bool close, bool last);

/* ---- http_answer.c ---- */

/* Queues a response; the body's reference passes on. Finishes the connection when it is the last. */
void wye_http_respond(struct wye_conn *conn, const struct wye_response *response, struct wye_slice body, bool head_only,
                      int reason);

/* Queues a 100 (RFC 9110 15.2.1). 0, or -ENOMEM. */
int wye_http_continue(struct wye_conn *conn);

/* Does the client ask for problem details (RFC 9457)? */
bool wye_http_wants_problem(const struct wye_request *request);

/* How a refusal is answered. */
struct wye_http_manner {
    const char *cors; /* field lines */
    bool json;        /* as problem details */
    bool head_only;
    bool close;
};

/* Answers with the rules in hub->refusal. request: as below. */
void wye_http_refuse_as(struct wye_conn *conn, const struct wye_request *request, struct wye_http_manner manner);

/* The same, as it is asked for. request NULL: its head could not be read. */
void wye_http_refuse(struct wye_conn *conn, const struct wye_request *request, bool close);

/* The same for one rule. */
void wye_http_refuse_for(struct wye_conn *conn, const struct wye_request *request, enum wye_rule rule, struct wye_span seen,
                         bool close);

/* Answers what was let through; the refusal has been begun, for what the resource itself has to say against it. */
void wye_http_answer(struct wye_conn *conn, const struct wye_request *request, const struct wye_resource *resource, bool last);

/* ---- http_upgrade.c ---- */

/* Judges a request for a path that is switched to a protocol: it is switched, or refused and the connection ends. */
void wye_http_upgrade(struct wye_conn *conn, const struct wye_request *request, const struct wye_resource *resource);

/* ---- http_post.c ---- */

/* Is it a message that is to be published? */
bool wye_http_is_publish(const struct wye_resource *resource, const struct wye_request *request);

/* Does a page of another origin ask whether it may publish (Fetch 3.3.5)? */
bool wye_http_is_preflight(const struct wye_resource *resource, const struct wye_request *request);
void wye_http_preflight(struct wye_conn *conn, const struct wye_request *request, bool close);

/* Judges a request to publish, all but its body. 0, with *post; or -status with the rule noted; or -ENOMEM. */
int wye_http_open_post(struct wye_conn *conn, const struct wye_request *request, struct wye_post **post);

/* Answers for a receipt that is back, which stays the caller's. */
void wye_http_answer_receipt(struct wye_conn *conn, const struct wye_receipt *receipt, bool close);

/* A request to publish; its body follows. false: it must wait until others are answered. */
bool wye_http_begin_post(struct wye_conn *conn, const struct wye_request *request);

/* Bytes of a body. Returns how many were used, or -ENOMEM. */
ptrdiff_t wye_http_post_input(struct wye_conn *conn, struct http *http, uint8_t *bytes, size_t count);

/* A body that is refused (hub->refusal) is answered in its turn, and ends the connection: nobody knows where the next request begins. */
void wye_http_refuse_body(struct wye_conn *conn, struct http *http);

#endif
