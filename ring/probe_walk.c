#include "ring/probe_walk.h"

#include "frames/deflate.h"
#include "ring/probe_talk.h"
#include "ring/probe_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { ANSWER_ROOM = WYE_ANSWER_HEAD_MAX + WYE_ATTEMPT_BODY_MAX, REQUEST_ROOM = 24 * 1024 };

#define OFFER "permessage-deflate; client_max_window_bits" /* as browsers offer it */

/* A request, and what came back. */
struct exchange {
    char request[REQUEST_ROOM];
    uint8_t answer[ANSWER_ROOM];
    size_t count;
};

struct walk {
    struct wye_attempt *attempt;
    const struct wye_probe_options *options;
    struct addrinfo *addresses;
    struct wye_probe_wire wire;
    struct exchange *exchange;
    char
        fields[sizeof((struct wye_probe_options *)0)->fields + 2048]; /* extra field lines as they are sent */
};

/* ---- the request ---- */

static void write_fields(struct walk *walk, bool with_origin) {
    const struct wye_probe_options *options = walk->options;
    struct wye_attempt *attempt = walk->attempt;
    attempt->fields_withheld =
        *options->fields && options->secure && !options->insecure && attempt->tls.certificate;
    struct wye_text text = {.to = walk->fields, .room = sizeof walk->fields};
    wye_text_add_string(&text, "User-Agent: wye-probe/" WYE_VERSION "\r\n");
    if (options->origin && with_origin) {
        wye_text_add_string(&text, "Origin: ");
        wye_text_add_string(&text, options->origin);
        wye_text_add_string(&text, "\r\n");
    }
    /* An empty SETTINGS payload is none at all (RFC 7540 3.2.1), so one setting is sent: ENABLE_PUSH 0. */
    if (options->token && strcasecmp(options->token, "h2c") == 0)
        wye_text_add_string(&text, "HTTP2-Settings: AAIAAAAA\r\n");
    if (!attempt->fields_withheld) wye_text_add_string(&text, options->fields);
    attempt->request.fields = (struct wye_span){walk->fields, text.count};
    attempt->origin = with_origin ? wye_span_of(options->origin) : (struct wye_span){0};
}

static bool write_request(struct walk *walk, bool with_origin) {
    uint8_t random[WYE_KEY_RANDOM_BYTES];
    struct wye_attempt *attempt = walk->attempt;
    if (getrandom(random, sizeof random, 0) != sizeof random) return false;
    wye_client_key(attempt->request.key, random);
    write_fields(walk, with_origin);
    attempt->sent.bytes = walk->exchange->request;
    attempt->sent.count = wye_client_request_write(walk->exchange->request, REQUEST_ROOM, &attempt->request);
    return attempt->sent.count > 0;
}

/* ---- the answer ---- */

/* Content of a refusal: up to its length, its end or what there is room for; it isn't waited for long. */
static void read_body(struct walk *walk, size_t head) {
    struct wye_attempt *attempt = walk->attempt;
    struct exchange *exchange = walk->exchange;
    double patience = attempt->timeout_s < 1 ? attempt->timeout_s : 1;
    uint64_t deadline = wye_probe_deadline_ns(patience);
    bool sized = wye_client_answer_times(&attempt->answer.head, WYE_SPAN("Content-Length")) > 0 &&
                 !attempt->answer.head.chunked;
    size_t wanted = ANSWER_ROOM;
    if (attempt->answer.head.status == 204 || attempt->answer.head.status == 304) wanted = head;
    else if (sized && attempt->answer.head.content_bytes < ANSWER_ROOM - head)
        wanted = head + (size_t)attempt->answer.head.content_bytes;
    while (exchange->count < wanted) {
        size_t got;
        if (wye_probe_read(&walk->wire, exchange->answer + exchange->count, wanted - exchange->count, &got,
                           deadline) != WYE_END_FINE)
            break;
        exchange->count += got;
        /* The end of chunked content, where it comes last as it mostly does. */
        if (attempt->answer.head.chunked && exchange->count >= head + 5 &&
            memcmp(exchange->answer + exchange->count - 5, "0\r\n\r\n", 5) == 0)
            break;
    }
    size_t count = exchange->count - head;
    if (sized && count > wanted - head) count = wanted - head;
    attempt->answer.body = (struct wye_span){(const char *)exchange->answer + head,
                                             count > WYE_ATTEMPT_BODY_MAX ? WYE_ATTEMPT_BODY_MAX : count};
}

static void read_answer(struct walk *walk) {
    struct wye_attempt *attempt = walk->attempt;
    struct exchange *exchange = walk->exchange;
    uint64_t begun = wye_probe_now_ns(), deadline = wye_probe_deadline_ns(attempt->timeout_s);
    size_t start = 0, seen = 0;
    attempt->answer.end = WYE_END_UNTRIED;
    attempt->answer.interim = 0;
    exchange->count = 0;
    for (;;) {
        ptrdiff_t used =
            exchange->count == start
                ? 0
                : wye_client_answer_read(&attempt->answer.head, &attempt->request, exchange->answer + start,
                                         exchange->count - start, seen);
        if (used > 0 && attempt->answer.head.status < 200 && attempt->answer.head.status != 101) {
            start += (size_t)used;
            seen = 0;
            attempt->answer.interim++;
            continue;
        }
        if (used > 0) {
            attempt->answer.end = WYE_END_FINE;
            attempt->answer.ms = wye_probe_since_ms(begun);
            start += (size_t)used;
            break;
        }
        seen = exchange->count - start;
        if (used < 0) attempt->answer.end = WYE_END_BROKEN;
        if (used < 0 || exchange->count == ANSWER_ROOM) break;
        size_t got;
        enum wye_end end = wye_probe_read(&walk->wire, exchange->answer + exchange->count,
                                          ANSWER_ROOM - exchange->count, &got, deadline);
        exchange->count += got;
        if (end == WYE_END_FINE) continue;
        attempt->answer.end = end;
        attempt->answer.error = walk->wire.error;
        break;
    }
    if (attempt->answer.end ==
        WYE_END_UNTRIED) { /* nothing but interim heads, as much as there is room for */
        attempt->answer.end = WYE_END_BROKEN;
        attempt->answer.head.fault = WYE_ANSWER_HEAD_SIZE;
    }
    attempt->answer.count = exchange->count;
    attempt->answer.first =
        (struct wye_span){(const char *)exchange->answer,
                          exchange->count < WYE_ATTEMPT_FIRST_MAX ? exchange->count : WYE_ATTEMPT_FIRST_MAX};
    attempt->answer.body = (struct wye_span){0};
    if (attempt->answer.end != WYE_END_FINE) return;
    if (attempt->answer.head.status == 101) {
        attempt->answer.body =
            (struct wye_span){(const char *)exchange->answer + start, exchange->count - start};
        return;
    }
    read_body(walk, start);
    if (attempt->answer.head.chunked)
        attempt->answer.body.count =
            wye_client_chunks_join((char *)exchange->answer + start, attempt->answer.body.count);
}

/* The first element of Sec-WebSocket-Extensions that is permessage-deflate, against our offer. true: RSV1 is
 * agreed to. */
static bool judge_deflate(struct wye_attempt *attempt) {
    static const struct wye_deflate_agreement offered = {.client_bits = 15};
    struct wye_deflate_agreement agreement;
    struct wye_span list = attempt->answer.head.extensions, one;
    unsigned elements = 0;
    while (wye_span_next_element(&list, &one)) {
        if (!wye_deflate_accept_answer(&agreement, one.bytes, one.count, &offered) || ++elements > 1) {
            attempt->answer.deflate_wrong = true;
            return true; /* it may compress all the same; what matters has been found */
        }
    }
    return elements > 0;
}

/* ---- steps ---- */

static void open_tls(struct walk *walk) {
    struct wye_attempt *attempt = walk->attempt;
    wye_probe_tls_open(&walk->wire, attempt, WYE_PROBE_ALPN_BOTH);
    if (attempt->tls.end != WYE_END_FINE || strcmp(attempt->tls.alpn, "h2") != 0) return;
    snprintf(attempt->tls.alpn_before, sizeof attempt->tls.alpn_before, "h2");
    wye_probe_shut(&walk->wire);
    enum wye_end end = wye_probe_connect_again(&walk->wire, attempt, walk->addresses);
    *attempt->tls.alpn = '\0';
    attempt->tls.end = end;
    attempt->tls.fault = end == WYE_END_TIMEOUT ? WYE_TLS_TIMEOUT : WYE_TLS_OTHER;
    if (end == WYE_END_FINE) wye_probe_tls_open(&walk->wire, attempt, WYE_PROBE_ALPN_HTTP11);
}

static void ask(struct walk *walk, bool with_origin) {
    struct wye_attempt *attempt = walk->attempt;
    if (!write_request(walk, with_origin)) {
        attempt->answer.end = WYE_END_ERROR;
        attempt->answer.error = EMSGSIZE;
        return;
    }
    /* Where sending fails, an answer may have come first. */
    wye_probe_write(&walk->wire, attempt->sent.bytes, attempt->sent.count,
                    wye_probe_deadline_ns(attempt->timeout_s));
    read_answer(walk);
    if (!walk->wire.wants_certificate) return;
    attempt->tls.end = WYE_END_ERROR; /* TLS 1.3 tells only now */
    attempt->tls.fault = WYE_TLS_WANTS_CLIENT_CERTIFICATE;
}

static void talk(struct walk *walk) {
    struct wye_attempt *attempt = walk->attempt;
    struct wye_span glued = attempt->answer.body;
    attempt->talk.hold_s = walk->options->hold_s;
    if (wye_client_request_is_websocket(&attempt->request)) {
        bool deflate = judge_deflate(attempt);
        wye_probe_talk_websocket(&walk->wire, attempt, (const uint8_t *)glued.bytes, glued.count, deflate);
    } else if (wye_span_equal_nocase(attempt->request.token, WYE_SPAN("h2c"))) {
        wye_probe_talk_h2c(&walk->wire, attempt, (const uint8_t *)glued.bytes, glued.count);
    }
}

/* ---- further connections ---- */

static void try_old_tls(struct walk *walk) {
    walk->attempt->also.old_tls_tried = true;
    if (wye_probe_connect_again(&walk->wire, walk->attempt, walk->addresses) == WYE_END_FINE)
        wye_probe_tls_try(&walk->wire, walk->attempt, true, walk->attempt->tls.old_version);
}

static void try_tls(struct walk *walk) {
    char version[16];
    walk->attempt->also.tls_tried = true;
    if (wye_probe_connect_again(&walk->wire, walk->attempt, walk->addresses) == WYE_END_FINE)
        walk->attempt->also.tls_spoken = wye_probe_tls_try(&walk->wire, walk->attempt, false, version);
}

/* The same request without Origin. Only its status counts, so it is asked for another attempt's sake. */
static void try_without_origin(struct walk *walk) {
    struct wye_attempt *attempt = walk->attempt;
    attempt->also.origin_tried = true;
    struct walk *other = malloc(sizeof *other);
    struct wye_attempt *copy = malloc(sizeof *copy);
    struct exchange *exchange = malloc(sizeof *exchange);
    if (other && copy && exchange) {
        *copy = *attempt;
        *other = (struct walk){.attempt = copy,
                               .options = walk->options,
                               .addresses = walk->addresses,
                               .wire = {.fd = -1},
                               .exchange = exchange};
        bool open = wye_probe_connect_again(&other->wire, copy, other->addresses) == WYE_END_FINE;
        if (open && copy->secure) {
            wye_probe_tls_open(&other->wire, copy, WYE_PROBE_ALPN_HTTP11);
            open = copy->tls.end == WYE_END_FINE;
        }
        if (open) ask(other, false);
        if (open && copy->answer.end == WYE_END_FINE) attempt->also.origin_status = copy->answer.head.status;
        wye_probe_shut(&other->wire);
    }
    free(exchange);
    free(copy);
    free(other);
}

static void follow_up(struct walk *walk) {
    for (;;) {
        wye_probe_shut(&walk->wire);
        switch (wye_attempt_follow_up(walk->attempt)) {
        case WYE_FOLLOW_UP_NONE: return;
        case WYE_FOLLOW_UP_OLD_TLS: try_old_tls(walk); break;
        case WYE_FOLLOW_UP_TLS: try_tls(walk); break;
        case WYE_FOLLOW_UP_WITHOUT_ORIGIN: try_without_origin(walk); break;
        }
    }
}

/* ---- the walk ---- */

static void begin(struct wye_attempt *attempt, const struct wye_probe_options *options) {
    memset(attempt, 0, sizeof *attempt);
    attempt->url = options->shown_url;
    attempt->host = options->host;
    attempt->port = (unsigned)strtoul(options->port, NULL, 10);
    attempt->secure = options->secure;
    attempt->insecure = options->insecure;
    attempt->timeout_s = options->timeout_s;
    attempt->tls.authorities = options->authorities;
    attempt->request.target = wye_span_of(options->target);
    attempt->request.host = wye_span_of(options->authority);
    attempt->request.token = wye_span_of(options->token);
    attempt->request.subprotocols = wye_span_of(options->subprotocols);
    attempt->request.extensions = options->token ? (struct wye_span){0} : WYE_SPAN(OFFER);
}

void wye_probe_walk(struct wye_attempt *attempt, const struct wye_probe_options *options) {
    static struct exchange exchange;
    static struct walk walk;
    begin(attempt, options);
    walk = (struct walk){.attempt = attempt, .options = options, .wire = {.fd = -1}, .exchange = &exchange};
    walk.addresses = wye_probe_resolve(attempt, options->port);
    if (!walk.addresses) return;
    wye_probe_connect(&walk.wire, attempt, walk.addresses);
    if (attempt->tcp.end == WYE_END_FINE) {
        if (options->secure) open_tls(&walk);
        if (!options->secure || attempt->tls.end == WYE_END_FINE) ask(&walk, true);
        if (wye_attempt_switched(attempt)) talk(&walk);
        follow_up(&walk);
    }
    freeaddrinfo(walk.addresses);
}
