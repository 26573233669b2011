/* Streams: requests read and answered as http does it. */
#include "core/h2c_state.h"

#include "core/allowance.h"
#include "core/hub.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a stream's life ---- */

struct wye_h2c_stream *wye_h2c_stream_open(struct wye_conn *conn, int32_t id) {
    struct h2c *h2c = wye_conn_state(conn);
    struct wye_h2c_stream *stream = calloc(1, sizeof *stream);
    if (!stream) return NULL;
    stream->id = id;
    stream->next = h2c->streams;
    if (stream->next) stream->next->before = stream;
    h2c->streams = stream;
    nghttp2_session_set_stream_user_data(h2c->session, id, stream);
    return stream;
}

static bool is_held(const struct wye_slice *body) { return body->chunk && body->chunk != WYE_CHUNK_CONSTANT; }

static void release(struct wye_conn *conn, struct wye_slice *body) {
    struct h2c *h2c = wye_conn_state(conn);
    if (is_held(body)) {
        h2c->held_bytes -= body->count;
        wye_chunk_release(&conn->hub->pool, body->chunk);
    }
    *body = (struct wye_slice){0};
}

void wye_h2c_stream_close(struct wye_conn *conn, struct wye_h2c_stream *stream) {
    struct h2c *h2c = wye_conn_state(conn);
    if (stream->before) stream->before->next = stream->next;
    else h2c->streams = stream->next;
    if (stream->next) stream->next->before = stream->before;
    if (stream->receipt) h2c->waiting--; /* it is freed when it comes back to nobody */
    wye_post_end(conn, stream->post);
    release(conn, &stream->body);
    free(stream);
}

/* ---- requests ---- */

struct wye_h2c_head *wye_h2c_head_begin(struct wye_h2c_head *head) {
    if (!head) head = malloc(sizeof *head);
    if (!head) return NULL;
    head->method = head->target = head->authority = (struct wye_span){0};
    head->fields_at = head->count = 0;
    head->too_large = false;
    return head;
}

static struct wye_span append(struct wye_h2c_head *head, struct wye_span text) {
    char *to = head->bytes + head->count;
    if (text.count > sizeof head->bytes - head->count) {
        head->too_large = true;
        return (struct wye_span){0};
    }
    memcpy(to, text.bytes, text.count);
    head->count += text.count;
    return (struct wye_span){to, text.count};
}

void wye_h2c_field(struct wye_h2c_head *head, struct wye_span name, struct wye_span value) {
    if (name.bytes[0] == ':') { /* these come before all others (RFC 9113 8.3) */
        if (wye_span_equal(name, WYE_SPAN(":method"))) head->method = append(head, value);
        else if (wye_span_equal(name, WYE_SPAN(":path"))) head->target = append(head, value);
        else if (wye_span_equal(name, WYE_SPAN(":authority"))) head->authority = append(head, value);
        head->fields_at = head->count;
        return;
    }
    /* Host says what :authority does (RFC 9113 8.3.1); if it says something else, there are two. */
    if (wye_span_equal(name, WYE_SPAN("host")) && wye_span_equal_nocase(value, head->authority)) return;
    append(head, name);
    append(head, WYE_SPAN(": "));
    append(head, value);
    append(head, WYE_SPAN("\r\n"));
}

/* Writes the head down, as it would be in HTTP/1.1. Returns its length; 0: it is too large. */
static size_t write_head(char to[WYE_HEAD_MAX], const struct wye_h2c_head *head, bool chunked) {
    const struct wye_span target = head->target.count ? head->target : head->authority; /* a CONNECT has no path */
    const bool named = head->authority.count > 0;
    if (head->too_large) return 0;
    int count = snprintf(to, WYE_HEAD_MAX, "%.*s %.*s HTTP/1.1\r\n%s%.*s%s%s%.*s\r\n", (int)head->method.count, head->method.bytes,
                         (int)target.count, target.bytes, named ? "Host: " : "", (int)head->authority.count, head->authority.bytes,
                         named ? "\r\n" : "", chunked ? "Transfer-Encoding: chunked\r\n" : "", (int)(head->count - head->fields_at),
                         head->bytes + head->fields_at);
    return count > 0 && count < WYE_HEAD_MAX ? (size_t)count : 0;
}

static bool says_length(const struct wye_h2c_head *head) {
    static const char name[] = "content-length: ";
    const char *end = head->bytes + head->count;
    for (const char *at = head->bytes + head->fields_at; at < end; at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1) {
        if ((size_t)(end - at) >= sizeof name && memcmp(at, name, sizeof name - 1) == 0) return true;
    }
    return false;
}

/* Begins to take a message that is to be published. 0, or -ENOMEM. */
static int begin_post(struct wye_conn *conn, struct wye_h2c_stream *stream, const struct wye_request *request) {
    int status = wye_http_open_post(conn, request, &stream->post);
    if (status == -ENOMEM) return status;
    if (status < 0) {
        wye_http_refuse(conn, request, false);
        return 0;
    }
    /* Paid for at once: many may begin before one is whole. */
    if (conn->allowance && wye_allowance_message(conn) < 0) return -ENOMEM;
    stream->problem = wye_http_wants_problem(request);
    stream->heard_ns = conn->hub->now_ns;
    wye_h2c_wake_within(conn, conn->hub->settings->head_timeout_ns);
    return wye_request_awaits_continue(request) ? wye_http_continue(conn) : 0;
}

/* What a request leads to. 0, or -ENOMEM. */
static int answer(struct wye_conn *conn, struct wye_h2c_stream *stream, const struct wye_request *request) {
    struct wye_hub *hub = conn->hub;
    const struct wye_resource *resource = wye_site_find(request->path);
    struct wye_span seen = {0};
    enum wye_rule rule = wye_http_judge(conn, request, &seen);
    if (rule != WYE_RULE_NONE) {
        wye_http_refuse_for(conn, request, rule, seen, false);
    } else if (wye_http_is_publish(resource, request)) {
        return begin_post(conn, stream, request);
    } else if (resource && resource->protocol && !wye_http_is_preflight(resource, request)) {
        /* A 101 is said in HTTP/1.1, and a path that wants one has nothing to say in HTTP/2. */
        wye_refusal_begin(&hub->refusal, resource->protocol->token, NULL);
        wye_refusal_add_cause(&hub->refusal, WYE_RULE_UPGRADE_VERSION, WYE_SPAN("HTTP/2"), WYE_CAUSE_HTTP2_STREAM);
        hub->refusal.status = 505;
        wye_http_refuse(conn, request, false);
    } else {
        wye_http_serve(conn, request, resource, false, false);
    }
    return 0;
}

void wye_h2c_serve(struct wye_conn *conn, struct wye_h2c_stream *stream, const struct wye_request *request) {
    struct h2c *h2c = wye_conn_state(conn);
    h2c->http.stream = stream;
    if (answer(conn, stream, request) < 0) wye_conn_close(conn, -ENOMEM);
    h2c->http.stream = NULL;
}

int wye_h2c_request(struct wye_conn *conn, struct wye_h2c_stream *stream, bool has_body) {
    struct wye_hub *hub = conn->hub;
    struct h2c *h2c = wye_conn_state(conn);
    struct wye_h2c_head *head = h2c->head;
    struct wye_request_progress progress = {0};
    char written[WYE_HEAD_MAX];
    /* A POST without a body has an empty one. */
    stream->chunked = (has_body || wye_span_equal(head->method, WYE_SPAN("POST"))) && !head->too_large && !says_length(head);
    size_t count = write_head(written, head, stream->chunked);
    wye_count(&hub->counters.requests, 1);
    wye_refusal_begin(&hub->refusal, NULL, NULL);
    ptrdiff_t used = count ? wye_request_read(&hub->request, &hub->refusal, (const uint8_t *)written, count, &progress)
                           : wye_refusal_add(&hub->refusal, WYE_RULE_HEAD_SIZE, (struct wye_span){0});
    if (used > 0) {
        wye_h2c_serve(conn, stream, &hub->request);
    } else {
        h2c->http.stream = stream;
        wye_http_refuse_as(conn, NULL,
                           (struct wye_http_manner){.cors = "", .head_only = wye_span_equal(head->method, WYE_SPAN("HEAD"))});
        h2c->http.stream = NULL;
    }
    free(h2c->head);
    h2c->head = NULL;
    return conn->phase == WYE_CONN_OPEN ? 0 : -ENOMEM;
}

/* ---- bodies ---- */

void wye_h2c_refuse_body(struct wye_conn *conn, struct wye_h2c_stream *stream) {
    struct h2c *h2c = wye_conn_state(conn);
    char cors[WYE_POST_CORS_MAX];
    strcpy(cors, wye_post_fields(stream->post));
    h2c->http.stream = stream;
    wye_http_refuse_as(conn, NULL, (struct wye_http_manner){.cors = cors, .json = stream->problem});
    h2c->http.stream = NULL;
    wye_post_end(conn, stream->post);
    stream->post = NULL;
}

/* Hands content to the post, in the coding that its head announced. 0, or -ENOMEM. */
static int feed(struct wye_conn *conn, struct wye_h2c_stream *stream, const uint8_t *bytes, size_t count) {
    struct wye_hub *hub = conn->hub;
    struct h2c *h2c = wye_conn_state(conn);
    struct wye_receipt *receipt;
    wye_refusal_begin(&hub->refusal, NULL, NULL);
    ptrdiff_t used = wye_post_input(conn, stream->post, (uint8_t *)(uintptr_t)bytes, count, &hub->refusal, &receipt);
    if (used == -ENOMEM) return -ENOMEM;
    if (used >= 0 && !receipt) return 0;
    if (used < 0) {
        wye_h2c_refuse_body(conn, stream);
    } else {
        stream->receipt = receipt;
        h2c->waiting++;
        wye_post_end(conn, stream->post);
        stream->post = NULL;
    }
    return conn->phase == WYE_CONN_OPEN ? 0 : -ENOMEM;
}

int wye_h2c_body(struct wye_conn *conn, struct wye_h2c_stream *stream, const uint8_t *bytes, size_t count) {
    char size[24];
    if (!stream->post || count == 0) return 0;
    stream->heard_ns = conn->hub->now_ns;
    if (!stream->chunked) return feed(conn, stream, bytes, count);
    int trouble = feed(conn, stream, (const uint8_t *)size, (size_t)snprintf(size, sizeof size, "%zx\r\n", count));
    if (trouble == 0 && stream->post) trouble = feed(conn, stream, bytes, count);
    if (trouble == 0 && stream->post) trouble = feed(conn, stream, (const uint8_t *)"\r\n", 2);
    return trouble;
}

int wye_h2c_body_end(struct wye_conn *conn, struct wye_h2c_stream *stream) {
    stream->peer_done = true;
    if (!stream->post) return 0;
    return stream->chunked ? feed(conn, stream, (const uint8_t *)"0\r\n\r\n", 5) : feed(conn, stream, (const uint8_t *)"", 0);
}

/* ---- answers ---- */

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags, nghttp2_data_source *source,
                         void *user) {
    struct wye_h2c_stream *stream = source->ptr;
    (void)session, (void)id, (void)user;
    size_t left = stream->body.count - stream->body_sent, count = left < room ? left : room;
    memcpy(to, stream->body.bytes + stream->body_sent, count);
    stream->body_sent += count;
    if (count == left) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)count;
}

enum { FIELDS_MAX = 64 };

/* The fields of an answer. */
struct fields {
    nghttp2_nv at[FIELDS_MAX];
    size_t count;
};

static void add(struct fields *fields, char *name, size_t name_bytes, struct wye_span value) {
    assert(fields->count < FIELDS_MAX);
    fields->at[fields->count++] =
        (nghttp2_nv){(uint8_t *)name, (uint8_t *)(uintptr_t)value.bytes, name_bytes, value.count, NGHTTP2_NV_FLAG_NONE};
}

/* Those of a head (which is changed): names are in lower case, and none speaks of the connection (RFC 9113 8.2). */
static void add_lines(struct fields *fields, char *head) {
    static const struct wye_span of_connection[] = {{"connection", 10}, {"upgrade", 7}};
    char *line = strstr(head, "\r\n") + 2;
    for (char *end; (end = strstr(line, "\r\n")) != line; line = end + 2) {
        char *colon = memchr(line, ':', (size_t)(end - line));
        const struct wye_span name = {line, (size_t)(colon - line)};
        bool spoken_of = false;
        for (char *c = line; c < colon; c++) *c = (char)tolower((unsigned char)*c);
        for (size_t i = 0; i < sizeof of_connection / sizeof of_connection[0]; i++) spoken_of |= wye_span_equal(name, of_connection[i]);
        if (!spoken_of) add(fields, line, name.count, wye_field_value(colon, end));
    }
}

void wye_h2c_respond(struct wye_conn *conn, struct wye_h2c_stream *stream, const struct wye_response *response,
                     struct wye_slice body, bool head_only) {
    struct h2c *h2c = wye_conn_state(conn);
    struct fields fields = {.count = 0};
    char head[WYE_RESPONSE_HEAD_MAX], status[16], name[] = ":status";
    const size_t digits = (size_t)snprintf(status, sizeof status, "%d", response->status);
    head[wye_response_write(head, sizeof head - 1, response)] = 0;
    add(&fields, name, sizeof name - 1, (struct wye_span){status, digits});
    if (*head) add_lines(&fields, head);
    stream->body = body;
    if (is_held(&body)) h2c->held_bytes += body.count;
    if (head_only) release(conn, &stream->body);
    /* What waits for windows is bounded like what waits for a reader. */
    if (h2c->held_bytes > conn->hub->settings->outbox_bytes / 2) {
        release(conn, &stream->body);
        nghttp2_submit_rst_stream(h2c->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_ENHANCE_YOUR_CALM);
        return;
    }
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_body};
    int trouble = nghttp2_submit_response(h2c->session, stream->id, fields.at, fields.count, stream->body.count ? &provider : NULL);
    if (trouble < 0) wye_conn_close(conn, trouble == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO);
}

int wye_h2c_continue(struct wye_conn *conn, const struct wye_h2c_stream *stream) {
    const struct h2c *h2c = wye_conn_state(conn);
    struct fields fields = {.count = 0};
    char name[] = ":status";
    add(&fields, name, sizeof name - 1, WYE_SPAN("100"));
    return nghttp2_submit_headers(h2c->session, NGHTTP2_FLAG_NONE, stream->id, NULL, fields.at, fields.count, NULL) < 0 ? -ENOMEM : 0;
}

void wye_h2c_receipt(struct wye_conn *conn, struct wye_receipt *receipt) {
    struct h2c *h2c = wye_conn_state(conn);
    struct wye_h2c_stream *stream = h2c->streams;
    while (stream && stream->receipt != receipt) stream = stream->next;
    if (!stream || conn->phase != WYE_CONN_OPEN) { /* who asked has left */
        if (stream) stream->receipt = NULL, h2c->waiting--;
        free(receipt);
        return;
    }
    stream->receipt = NULL;
    h2c->waiting--;
    h2c->active_ns = conn->hub->now_ns;
    h2c->http.stream = stream;
    wye_http_answer_receipt(conn, receipt, false);
    h2c->http.stream = NULL;
    free(receipt);
    wye_h2c_flush(conn);
    if (conn->phase == WYE_CONN_OPEN && conn->eof) wye_hub_ready(conn->hub, conn);
}
