/* Publishing by POST, and its answers in the requests' order. */
#include "core/http_state.h"

#include "core/allowance.h"
#include "core/hub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool wye_http_is_publish(const struct wye_resource *resource, const struct wye_request *request) {
    return resource && resource->publishes && request->method_id == WYE_METHOD_POST && !wye_request_is_websocket(request);
}

bool wye_http_is_preflight(const struct wye_resource *resource, const struct wye_request *request) {
    return resource && resource->publishes && request->method_id == WYE_METHOD_OPTIONS && wye_request_has(request, WYE_FIELD_ORIGIN);
}

void wye_http_preflight(struct wye_conn *conn, const struct wye_request *request, bool close) {
    struct wye_hub *hub = conn->hub;
    wye_refusal_begin(&hub->refusal, NULL, "GET, POST, OPTIONS");
    wye_upgrade_check_origin(request, &hub->settings->policy, &hub->refusal);
    if (hub->refusal.failed) {
        wye_http_refuse(conn, request, close);
        return;
    }
    char fields[WYE_RESPONSE_HEAD_MAX / 2];
    size_t count = wye_post_cors_fields(fields, request, &hub->settings->policy);
    snprintf(fields + count, sizeof fields - count,
             "Allow: GET, POST, OPTIONS\r\nAccess-Control-Allow-Methods: POST\r\n"
             "Access-Control-Allow-Headers: Content-Type, Authorization\r\nAccess-Control-Max-Age: 600\r\n");
    const struct wye_response response = {.status = 204, .fields = fields, .date = hub->date, .close = close};
    wye_http_respond(conn, &response, (struct wye_slice){0}, true, 0);
}

void wye_http_answer_receipt(struct wye_conn *conn, const struct wye_receipt *receipt, bool close) {
    struct wye_hub *hub = conn->hub;
    char text[48];
    if (receipt->rule != WYE_RULE_NONE) {
        wye_refusal_begin(&hub->refusal, NULL, NULL);
        wye_refusal_add_cause(&hub->refusal, receipt->rule, (struct wye_span){0}, receipt->cause);
        wye_http_refuse_as(conn, NULL, (struct wye_http_manner){.cors = receipt->fields, .json = receipt->problem, .close = true});
        return;
    }
    int count = snprintf(text, sizeof text, "{\"receivers\":%u}\n", atomic_load_explicit(&receipt->receivers, memory_order_relaxed));
    struct wye_chunk *chunk;
    uint8_t *body = wye_chunk_append(&hub->pool, (size_t)count, &chunk);
    if (!body) {
        wye_conn_close(conn, -ENOMEM);
        return;
    }
    memcpy(body, text, (size_t)count);
    const struct wye_response response = {.status = 200,
                                          .content_type = "application/json",
                                          .content_bytes = (uint64_t)count,
                                          .fields = receipt->fields,
                                          .date = hub->date,
                                          .close = close};
    wye_http_respond(conn, &response, (struct wye_slice){body, chunk, (size_t)count}, false, 0);
}

/* Answers what can be answered of what was published, and lets the next requests be read. */
static void answer_receipts(struct wye_conn *conn) {
    struct wye_hub *hub = conn->hub;
    struct http *http = wye_conn_state(conn);
    while (http->oldest && http->oldest->done && conn->phase == WYE_CONN_OPEN) {
        struct wye_receipt *receipt = http->oldest;
        http->oldest = receipt->next;
        http->receipts--;
        wye_http_answer_receipt(conn, receipt, receipt->close || (hub->draining && !http->oldest));
        free(receipt);
    }
    wye_conn_resume(conn, WYE_PAUSE_USER);
    if (conn->phase == WYE_CONN_OPEN) wye_hub_ready(hub, conn);
}

void wye_http_receipt(struct wye_conn *conn, struct wye_receipt *receipt) {
    if (conn->protocol == &wye_h2c) {
        wye_h2c_receipt(conn, receipt);
        return;
    }
    receipt->done = true;
    if (conn->phase == WYE_CONN_OPEN) answer_receipts(conn);
}

static void keep_receipt(struct http *http, struct wye_receipt *receipt) {
    if (http->oldest) http->newest->next = receipt;
    else http->oldest = receipt;
    http->newest = receipt;
    http->receipts++;
}

void wye_http_refuse_body(struct wye_conn *conn, struct http *http) {
    struct wye_hub *hub = conn->hub;
    char cors[WYE_POST_CORS_MAX];
    strcpy(cors, wye_post_fields(http->post));
    wye_post_end(conn, http->post);
    http->post = NULL;
    if (!http->oldest) {
        wye_http_refuse_as(conn, NULL, (struct wye_http_manner){.cors = cors, .json = http->problem, .close = true});
        return;
    }
    struct wye_receipt *receipt = calloc(1, sizeof *receipt + strlen(cors) + 1);
    if (!receipt) {
        wye_conn_close(conn, -ENOMEM);
        return;
    }
    strcpy(receipt->fields, cors);
    receipt->done = true;
    receipt->rule = hub->refusal.first;
    receipt->cause = (enum wye_cause)hub->refusal.cause[receipt->rule];
    receipt->problem = http->problem;
    keep_receipt(http, receipt);
    http->closing = true;
}

ptrdiff_t wye_http_post_input(struct wye_conn *conn, struct http *http, uint8_t *bytes, size_t count) {
    struct wye_hub *hub = conn->hub;
    struct wye_receipt *receipt;
    wye_refusal_begin(&hub->refusal, NULL, NULL);
    ptrdiff_t used = wye_post_input(conn, http->post, bytes, count, &hub->refusal, &receipt);
    if (used == -ENOMEM) return used;
    wye_conn_wake_in(conn, hub->settings->head_timeout_ns);
    if (used >= 0 && !receipt) return used;
    if (used < 0) {
        wye_http_refuse_body(conn, http);
        return (ptrdiff_t)count;
    }
    wye_post_end(conn, http->post);
    http->post = NULL;
    http->closing |= receipt->close;
    keep_receipt(http, receipt);
    if (conn->allowance) wye_allowance_message(conn);
    wye_conn_wake_in(conn, WYE_HTTP_KEEP_ALIVE_NS);
    return used;
}

int wye_http_open_post(struct wye_conn *conn, const struct wye_request *request, struct wye_post **post) {
    struct wye_refusal *refusal = &conn->hub->refusal;
    wye_refusal_begin(refusal, NULL, "GET, POST");
    if (conn->allowance && !wye_allowance_may_say(conn)) return wye_refusal_add(refusal, WYE_RULE_MESSAGE_RATE, (struct wye_span){0});
    return wye_post_begin(conn, request, refusal, post);
}

bool wye_http_begin_post(struct wye_conn *conn, const struct wye_request *request) {
    struct wye_hub *hub = conn->hub;
    struct http *http = wye_conn_state(conn);
    bool awaits = wye_request_awaits_continue(request);
    if (awaits && http->oldest) return false; /* a 100 is an answer, too */
    int status = wye_http_open_post(conn, request, &http->post);
    if (status == -ENOMEM) {
        wye_conn_close(conn, status);
        return true;
    }
    if (status < 0) {
        if (http->oldest) return false;
        wye_count(&hub->counters.rate_closed, hub->refusal.first == WYE_RULE_MESSAGE_RATE);
        wye_http_refuse(conn, request, true);
        return true;
    }
    http->problem = wye_http_wants_problem(request);
    if (awaits) wye_http_continue(conn);
    wye_conn_wake_in(conn, hub->settings->head_timeout_ns);
    return true;
}
