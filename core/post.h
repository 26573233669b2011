/* HTTP publish: POST /topic/NAME. The body as it is becomes a message; the answer says how many got it. */
#ifndef WYE_CORE_POST_H
#define WYE_CORE_POST_H

#include "core/conn.h"
#include "core/receipt.h"

struct wye_post; /* a request whose body is still coming */

/*
 * Begins a POST to a topic: judges all that the head decides. 0, with *post (the caller's, ended by wye_post_end()); or
 * -status, with the rule noted in the refusal; or -ENOMEM.
 */
int wye_post_begin(struct wye_conn *conn, const struct wye_request *request, struct wye_refusal *refusal, struct wye_post **post);

/*
 * Takes bytes of the body. Returns how many, and when the body is whole *receipt: the message is published, and the receipt
 * comes back some time (wye_http_receipt()). Or -status with the rule noted; or -ENOMEM (the connection is then closed).
 */
ptrdiff_t wye_post_input(struct wye_conn *conn, struct wye_post *post, uint8_t *bytes, size_t count, struct wye_refusal *refusal,
                         struct wye_receipt **receipt);

/* Frees it. NULL is fine. */
void wye_post_end(struct wye_conn *conn, struct wye_post *post);

enum { WYE_POST_CORS_MAX = 512 };

/* The fields of an answer that let a page of an allowed origin read it (Fetch 3.3), refusals too: how many
 * bytes; "" where there is no origin, or where it isn't allowed. */
size_t wye_post_cors_fields(char to[WYE_POST_CORS_MAX], const struct wye_request *request,
                            const struct wye_policy *policy);

/* The same of a request whose body is still coming. NULL: "". They end with it. */
const char *wye_post_fields(const struct wye_post *post);

#endif
