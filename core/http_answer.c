/* What is answered: responses, and refusals with their sentences. */
#include "core/http_state.h"
#include "core/hub.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BODY_DISCARD_MAX = 1 << 20 };

void wye_http_respond(struct wye_conn *conn, const struct wye_response *response, struct wye_slice body, bool head_only,
                      int reason) {
    struct http *http = wye_conn_state(conn);
    if (http->stream) {
        wye_h2c_respond(conn, http->stream, response, body, head_only);
        return;
    }
    char head[WYE_RESPONSE_HEAD_MAX];
    struct wye_response written = *response;
    written.keeps = http->old;
    size_t head_bytes = wye_response_write(head, sizeof head, &written);
    int trouble = wye_conn_send(conn, head, head_bytes);
    if (head_only || trouble < 0) {
        if (body.chunk && body.chunk != WYE_CHUNK_CONSTANT) wye_chunk_release(&conn->hub->pool, body.chunk);
    } else {
        wye_conn_send_slice(conn, body);
    }
    http->closing |= response->close;
    if (response->close) wye_conn_finish(conn, reason, true);
}

int wye_http_continue(struct wye_conn *conn) {
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct http *http = wye_conn_state(conn);
    if (http->stream) return wye_h2c_continue(conn, http->stream);
    return wye_conn_send(conn, go_on, sizeof go_on - 1);
}

bool wye_http_wants_problem(const struct wye_request *request) {
    return request && wye_request_accepts(request, WYE_SPAN("application/problem+json"));
}

void wye_http_refuse_as(struct wye_conn *conn, const struct wye_request *request, struct wye_http_manner manner) {
    struct wye_hub *hub = conn->hub;
    struct wye_refusal *refusal = &hub->refusal;
    /* Some of these statuses may be kept by a cache that nobody told how long (RFC 9110 12.5.5, 15.1). */
    static const char vary[] = "Vary: Accept\r\n";
    char text[WYE_REFUSAL_TEXT_MAX], fields[sizeof vary + WYE_POST_CORS_MAX + 512];
    size_t text_bytes =
        manner.json ? wye_refusal_problem_json(text, sizeof text, refusal) : wye_refusal_text(text, sizeof text, refusal);
    size_t before = (size_t)snprintf(fields, sizeof fields, "%s%s", vary, manner.cors);
    wye_refusal_fields(fields + before, sizeof fields - before, refusal);
    if (hub->settings->on_refusal) hub->settings->on_refusal(refusal, request);
    wye_count(&hub->counters.refusals, 1);
    wye_count(&hub->counters.refusals_by_rule[refusal->first], 1);
    struct wye_chunk *chunk;
    uint8_t *body = wye_chunk_append(&hub->pool, text_bytes, &chunk);
    if (!body) {
        wye_conn_close(conn, -ENOMEM);
        return;
    }
    memcpy(body, text, text_bytes);
    const struct wye_response response = {
        .status = refusal->status,
        .content_type = manner.json ? "application/problem+json" : "text/plain; charset=utf-8",
        .content_bytes = text_bytes,
        .fields = fields,
        .date = hub->date,
        .close = manner.close,
    };
    wye_http_respond(conn, &response, (struct wye_slice){body, chunk, text_bytes}, manner.head_only, -refusal->status);
}

void wye_http_refuse(struct wye_conn *conn, const struct wye_request *request, bool close) {
    char cors[WYE_POST_CORS_MAX] = "";
    if (request && request->method_id == WYE_METHOD_POST)
        wye_post_cors_fields(cors, request, &conn->hub->settings->policy);
    wye_http_refuse_as(conn, request,
                       (struct wye_http_manner){.cors = cors,
                                                .json = wye_http_wants_problem(request),
                                                .head_only = request && request->method_id == WYE_METHOD_HEAD,
                                                .close = close});
}

void wye_http_refuse_for(struct wye_conn *conn, const struct wye_request *request, enum wye_rule rule,
                         struct wye_span seen, bool close) {
    wye_refusal_begin(&conn->hub->refusal, NULL, NULL);
    wye_refusal_add(&conn->hub->refusal, rule, seen);
    wye_http_refuse(conn, request, close);
}

void wye_http_answer(struct wye_conn *conn, const struct wye_request *request, const struct wye_resource *resource, bool last) {
    struct wye_hub *hub = conn->hub;
    struct http *http = wye_conn_state(conn);
    char room[WYE_ANSWER_FIELDS_MAX];
    struct wye_answer made = {.status = 200, .room = room};
    resource->answer(hub, &made);
    if (hub->refusal.failed) {
        wye_http_refuse(conn, request, last);
        return;
    }
    if (!made.body.bytes && made.body.count) {
        wye_conn_close(conn, -ENOMEM);
        return;
    }
    http->body_left = request->content_bytes;
    /* After a final answer nobody knows whether a body that waits for a 100 still comes (RFC 9110 10.1.1). */
    bool body_is_sure = request->content_bytes == 0 || !wye_request_awaits_continue(request);
    const struct wye_response response = {
        .status = made.status,
        .content_type = made.content_type,
        .content_bytes = made.body.count,
        .fields = made.fields,
        .date = hub->date,
        .close = !request->keep_alive || request->chunked || request->content_bytes > BODY_DISCARD_MAX || hub->draining ||
                 !body_is_sure || wye_request_is_websocket(request),
    };
    wye_http_respond(conn, &response, made.body, request->method_id == WYE_METHOD_HEAD, 0);
}
