/*
 * Request heads. Each row of the table below is read at once, cut short at every byte, in two parts cut at
 * every byte, and byte by byte, always in memory of exactly its size: the answer must be the same.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/request.h"

#include <stdio.h>
#include <stdlib.h>

#define GET          "GET / HTTP/1.1\r\n"
#define HOST         "Host: example.com\r\n"
#define END          "\r\n"
#define HEAD(fields) GET HOST fields END
#define POST(fields) "POST /topic/a HTTP/1.1\r\n" HOST fields END

struct row {
    struct wye_span text;
    int status; /* 0: fine */
    enum wye_rule rule;
    enum wye_cause cause;
};

#define FINE(text)                                                                                           \
    { WYE_SPAN(text), 0, WYE_RULE_NONE, WYE_CAUSE_NONE }
#define WRONG(status, rule, cause, text)                                                                     \
    { WYE_SPAN(text), status, WYE_RULE_##rule, WYE_CAUSE_##cause }

static const struct row rows[] = {
    /* request lines */
    FINE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    FINE("GET /chat?x=1&y=2 HTTP/1.1\r\nHost: a\r\n\r\n"),
    FINE("GET /?a?b/c HTTP/1.1\r\nHost: a\r\n\r\n"),
    FINE("GET //two/slashes HTTP/1.1\r\nHost: a\r\n\r\n"),
    FINE("GET /%00%zz~!$&'()*+,;=:@{}|[]\\^`\"<> HTTP/1.1\r\nHost: a\r\n\r\n"),
    FINE("M!#$%&'*+-.^_`|~9 / HTTP/1.1\r\nHost: a\r\n\r\n"),
    FINE("get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    FINE("GET / HTTP/1.0\r\n\r\n"),
    FINE("GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
    FINE("GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    FINE("GET / HTTP/1.9\r\nHost: a\r\n\r\n"),
    FINE("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    FINE("\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, EMPTY_LINES, "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, BARE_CR, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, BARE_LF, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, BARE_LF, "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, NONE, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, NONE, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, NONE, "G:T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, NONE, "GET\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, NONE, "/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, NONE, "\0\0\0\0"),
    WRONG(400, REQUEST_LINE, NONE, "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, NONE, "G\xc3\xa9T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, NONE, "{\"op\":\"subscribe\"}\r\n"),
    WRONG(400, REQUEST_LINE, TLS, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    WRONG(400, REQUEST_LINE, TARGET_FORM, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET /two words HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_MISSING, "GET /\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_MISSING, "GET /\n"),
    WRONG(400, REQUEST_LINE, VERSION_MISSING, "GET \r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET / \r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET / http/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET / HTTP/1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET / HTTP/1.\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET / HTTP/11\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET / HTTP/x.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET / HTTP/1.1\rHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET / HTTP/1.1\r\rHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, BARE_LF, "GET / HTTP/1.1\nHost: a\n\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET / HTTPS/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, VERSION_FORM, "GET / RTSP/1.0\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_BYTE, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_BYTE, "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_BYTE, "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_BYTE, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_BYTE, "GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_BYTE, "GET /0123456\x80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_BYTE, "GET /0123456789012345\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
    /* HTTP/2 and other versions */
    WRONG(505, VERSION, HTTP2, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    WRONG(505, VERSION, NONE, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    WRONG(505, VERSION, NONE, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    WRONG(505, VERSION, NONE, "GET / HTTP/3.1\r\nHost: a\r\n\r\n"),
    /* forms of targets */
    FINE("GET http://example.com/chat HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    FINE("GET HTTPS://example.com:8443 HTTP/1.1\r\nHost: other\r\n\r\n"),
    FINE("GET ws://example.com?x HTTP/1.1\r\nHost: a\r\n\r\n"),
    FINE("GET wss://[::1]:9/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    FINE("GET http://example.com/ HTTP/1.0\r\n\r\n"),
    FINE("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    FINE("OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_FORM, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_FORM, "OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_FORM, "CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_FORM, "GET example.com HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_FORM, "GET ftp://example.com/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_FORM, "GET http:/example.com/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_FORM, "GET ?x HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, REQUEST_LINE, TARGET_FORM, "GET %2F HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, "GET http://user@example.com/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, "GET http://example.com:99999/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, HOST, NONE, "GET http://example.com/ HTTP/1.1\r\n\r\n"),
    /* field lines */
    FINE(HEAD("A: b\r\n")),
    FINE(HEAD("A:b\r\n")),
    FINE(HEAD("A:\r\n")),
    FINE(HEAD("A: \t \r\n")),
    FINE(HEAD("A: \tb\tc \r\n")),
    FINE(HEAD("A: b:c\r\n")),
    FINE(HEAD("A: \x80\xff caf\xc3\xa9\r\n")),
    FINE(HEAD("!#$%&'*+-.^_`|~: odd but a token\r\n")),
    FINE(HEAD("x-forwarded-for: 1.2.3.4\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n")),
    WRONG(400, FIELD_GRAMMAR, NAME_SPACE, HEAD("A : b\r\n")),
    WRONG(400, FIELD_GRAMMAR, NAME_SPACE, HEAD("A\t: b\r\n")),
    WRONG(400, FIELD_GRAMMAR, NAME_SPACE, HEAD("A b: c\r\n")),
    WRONG(400, FIELD_GRAMMAR, NAME_EMPTY, HEAD(": b\r\n")),
    WRONG(400, FIELD_GRAMMAR, NAME_EMPTY, "X / HTTP/1.1\r\n: b\r\nHost: a\r\n\r\n"), /* nothing is read before the head */
    WRONG(400, FIELD_GRAMMAR, NAME_EMPTY, "X / HTTP/1.1\r\na:\r\n: b\r\nHost: a\r\n\r\n"),
    FINE("X / HTTP/1.1\r\nHost: a\r\n\r\n"),
    WRONG(400, FIELD_GRAMMAR, FOLD, HEAD(" folded\r\n")),
    WRONG(400, FIELD_GRAMMAR, FOLD, HEAD("A: b\r\n\tfolded\r\n")),
    WRONG(400, FIELD_GRAMMAR, FOLD, GET " Host: a\r\n\r\n"),
    WRONG(400, FIELD_GRAMMAR, NAME_BYTE, HEAD("nocolon\r\n")),
    WRONG(400, FIELD_GRAMMAR, NAME_BYTE, HEAD("(a): b\r\n")),
    WRONG(400, FIELD_GRAMMAR, NAME_BYTE, HEAD("caf\xc3\xa9: b\r\n")),
    WRONG(400, FIELD_GRAMMAR, NAME_BYTE, HEAD("a\0: b\r\n")),
    WRONG(400, FIELD_GRAMMAR, BARE_LF, HEAD("nocolon\nA: b\r\n")),
    WRONG(400, FIELD_GRAMMAR, BARE_LF, HEAD("A: b\nB: c\r\n")),
    WRONG(400, FIELD_GRAMMAR, BARE_LF, HEAD("\nB: c\r\n")),
    WRONG(400, FIELD_GRAMMAR, BARE_LF, GET HOST "\n"),
    WRONG(400, FIELD_GRAMMAR, BARE_CR, HEAD("A: b\rB: c\r\n")),
    WRONG(400, FIELD_GRAMMAR, BARE_CR, HEAD("A: b\r\r\n")),
    WRONG(400, FIELD_GRAMMAR, BARE_CR, HEAD("\rA: b\r\n")),
    WRONG(400, FIELD_GRAMMAR, BARE_CR, GET HOST "\r\r\n"),
    WRONG(400, FIELD_GRAMMAR, CONTROL_BYTE, HEAD("A: b\0c\r\n")),
    WRONG(400, FIELD_GRAMMAR, CONTROL_BYTE, HEAD("A: b\x01\r\n")),
    WRONG(400, FIELD_GRAMMAR, CONTROL_BYTE, HEAD("A: \x1b[2J\r\n")),
    WRONG(400, FIELD_GRAMMAR, CONTROL_BYTE, HEAD("A: \x7f\r\n")),
    WRONG(400, FIELD_GRAMMAR, CONTROL_BYTE, HEAD("A: \x0b\r\n")),
    /* Host */
    FINE(GET "Host: example.com:8080\r\n\r\n"),
    FINE(GET "hOST:example.com\r\n\r\n"),
    FINE(GET "Host: example.com:\r\n\r\n"),
    FINE(GET "Host: example.com:0\r\n\r\n"),
    FINE(GET "Host: example.com:65535\r\n\r\n"),
    FINE(GET "Host: example.com:00080\r\n\r\n"),
    FINE(GET "Host: 127.0.0.1:1\r\n\r\n"),
    FINE(GET "Host: [::1]\r\n\r\n"),
    FINE(GET "Host: [2001:db8::1]:8080\r\n\r\n"),
    FINE(GET "Host: [::ffff:127.0.0.1]\r\n\r\n"),
    FINE(GET "Host: a_b.example-1.com.\r\n\r\n"),
    FINE(GET "Host: %41!$&'()*+,;=~\r\n\r\n"),
    WRONG(400, HOST, NONE, GET "\r\n"),
    WRONG(400, HOST, NONE, GET "Hos: a\r\nHostt: a\r\n\r\n"),
    WRONG(400, HOST, DOUBLED, GET "Host: a\r\nHost: a\r\n\r\n"),
    WRONG(400, HOST, DOUBLED, GET "Host: a\r\nA: b\r\nhost: b\r\n\r\n"),
    WRONG(400, HOST, DOUBLED, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"),
    WRONG(400, HOST, EMPTY, GET "Host:\r\n\r\n"),
    WRONG(400, HOST, EMPTY, GET "Host: \t\r\n\r\n"),
    WRONG(400, HOST, EMPTY, "GET / HTTP/1.0\r\nHost:\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: :80\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: a:65536\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: a:4294967376\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: a:80a\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: a:-1\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: a:80:80\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: a b\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: a, b\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: a/b\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: user@a\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: a?b\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: a%4\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: a%zz\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: ::1\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: [::1\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: []\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: [::1]x\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: [::1%25eth0]\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: [127.0.0.1]\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, GET "Host: caf\xc3\xa9\r\n\r\n"),
    WRONG(400, HOST, AUTHORITY, "GET / HTTP/1.0\r\nHost: a b\r\n\r\n"),
    /* framing */
    FINE(POST("Content-Length: 0\r\n")),
    FINE(POST("Content-Length: 18446744073709551615\r\n")),
    FINE(POST("Content-Length: 000000000000000000000000000012\r\n")),
    FINE(POST("content-length:5\r\n")),
    FINE(POST("Transfer-Encoding: chunked\r\n")),
    FINE(POST("transfer-encoding: CHUNKED\r\n")),
    FINE(POST("Transfer-Encoding: , chunked ,\r\n")),
    WRONG(400, FRAMING, NUMBER, POST("Content-Length:\r\n")),
    WRONG(400, FRAMING, NUMBER, POST("Content-Length: +5\r\n")),
    WRONG(400, FRAMING, NUMBER, POST("Content-Length: -5\r\n")),
    WRONG(400, FRAMING, NUMBER, POST("Content-Length: 5 5\r\n")),
    WRONG(400, FRAMING, NUMBER, POST("Content-Length: 5,5\r\n")),
    WRONG(400, FRAMING, NUMBER, POST("Content-Length: 5, 6\r\n")),
    WRONG(400, FRAMING, NUMBER, POST("Content-Length: 0x5\r\n")),
    WRONG(400, FRAMING, NUMBER, POST("Content-Length: 5.0\r\n")),
    WRONG(400, FRAMING, NUMBER, POST("Content-Length: 18446744073709551616\r\n")),
    WRONG(400, FRAMING, NUMBER, POST("Content-Length: 99999999999999999999999\r\n")),
    WRONG(400, FRAMING, DOUBLED, POST("Content-Length: 5\r\nContent-Length: 5\r\n")),
    WRONG(400, FRAMING, DOUBLED, POST("Content-Length: 5\r\nContent-Length: 6\r\n")),
    WRONG(400, FRAMING, TWO_LENGTHS, POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")),
    WRONG(400, FRAMING, TWO_LENGTHS, POST("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n")),
    WRONG(400, FRAMING, TWO_LENGTHS, POST("Transfer-Encoding: identity\r\nContent-Length: 5\r\n")),
    WRONG(400, FRAMING, CODING_OLD, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    WRONG(400, FRAMING, CODING_LAST, POST("Transfer-Encoding:\r\n")),
    WRONG(400, FRAMING, CODING_LAST, POST("Transfer-Encoding: gzip\r\n")),
    WRONG(400, FRAMING, CODING_LAST, POST("Transfer-Encoding: identity\r\n")),
    WRONG(400, FRAMING, CODING_LAST, POST("Transfer-Encoding: xchunked\r\n")),
    WRONG(400, FRAMING, CODING_LAST, POST("Transfer-Encoding: chunked;a=b\r\n")),
    WRONG(400, FRAMING, CODING_LAST, POST("Transfer-Encoding: \"chunked\"\r\n")),
    WRONG(400, FRAMING, CODING_LAST, POST("Transfer-Encoding: chunked, identity\r\n")),
    WRONG(400, FRAMING, CODING_LAST, POST("Transfer-Encoding: chunked, chunked\r\n")),
    WRONG(400, FRAMING, CODING_LAST, POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n")),
    WRONG(400, FRAMING, CODING_LAST,
          POST("Transfer-Encoding: chunked\r\nA: b\r\nTransfer-Encoding: chunked\r\n")),
    WRONG(501, FRAMING, CODING_UNKNOWN, POST("Transfer-Encoding: gzip, chunked\r\n")),
    WRONG(501, FRAMING, CODING_UNKNOWN, POST("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")),
    /* a browser's */
    FINE("GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive, Upgrade\r\nPragma: no-cache\r\n"
         "Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, "
         "like "
         "Gecko) Chrome/126.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\nOrigin: https://example.com\r\n"
         "Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en\r\n"
         "Cookie: session=0123456789abcdef; theme=dark\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"),
};

/* One reading: what it answered, and everything it found, as a text in which places are indexes. */
struct reading {
    ptrdiff_t answer;
    char facts[4096];
};

static void add_span(char *to, const char *label, struct wye_span span, const uint8_t *bytes) {
    char *end = to + strlen(to);
    if (!span.bytes) {
        sprintf(end, " %s:none", label);
    } else if ((const uint8_t *)span.bytes >= bytes && (const uint8_t *)span.bytes <= bytes + WYE_HEAD_MAX) {
        sprintf(end, " %s:%td+%zu", label, (const uint8_t *)span.bytes - bytes, span.count);
    } else {
        sprintf(end, " %s:'%.*s'", label, (int)span.count, span.bytes);
    }
}

/* Where the spans lie is told from where `bytes` begins; the fields are summed up. */
static void read_at(struct reading *reading, const uint8_t *bytes, size_t count,
                    struct wye_request_progress *progress) {
    static struct wye_request request;
    struct wye_refusal refusal = {0};
    char *to = reading->facts;
    memset(&request, 0xa5, sizeof request); /* nothing may be left over */
    reading->answer = wye_request_read(&request, &refusal, bytes, count, progress);
    assert_int_equal(progress->seen, reading->answer == 0 ? count : 0);
    *to = '\0';
    if (reading->answer == 0) {
        assert_int_equal(refusal.failed, 0);
        return;
    }
    if (reading->answer < 0) {
        sprintf(to, "%d rule %d cause %d", refusal.status, refusal.first, refusal.cause[refusal.first]);
        assert_true(refusal.failed == UINT64_C(1) << refusal.first);
        assert_int_equal(reading->answer, -refusal.status);
        add_span(to, "seen", refusal.seen[refusal.first], bytes);
        return;
    }
    assert_int_equal(refusal.failed, 0);
    assert_int_equal(reading->answer, request.head_bytes);
    add_span(to, "method", request.method, bytes);
    add_span(to, "target", request.target, bytes);
    add_span(to, "path", request.path, bytes);
    add_span(to, "query", request.query, bytes);
    add_span(to, "host", request.host, bytes);
    sprintf(to + strlen(to), " %d 1.%d %d %d %llu %zu", request.method_id, request.minor, request.chunked,
            request.keep_alive, (unsigned long long)request.content_bytes, request.field_count);
    size_t digest = 0;
    for (size_t i = 0; i < request.field_count; i++) {
        const struct wye_span name = wye_request_name(&request, i), value = wye_request_value(&request, i);
        digest = digest * 31 + (size_t)((const uint8_t *)name.bytes - bytes);
        digest = digest * 31 + name.count;
        digest = digest * 31 + (size_t)((const uint8_t *)value.bytes - bytes);
        digest = digest * 31 + value.count;
    }
    for (size_t i = 0; i < WYE_FIELD_NAME_COUNT; i++)
        digest = digest * 31 + (wye_request_has(&request, i) ? request.first[i] * 256u : 0) + wye_request_repeats(&request, i);
    sprintf(to + strlen(to), " %zx", digest);
}

/* The same, in memory of exactly `count` bytes, so that a sanitizer sees a read behind them. */
static void read_exactly(struct reading *reading, struct wye_span text, size_t count,
                         struct wye_request_progress *progress) {
    uint8_t *exact = malloc(count ? count : 1);
    assert_non_null(exact);
    if (count > 0) memcpy(exact, text.bytes, count);
    read_at(reading, exact, count, progress);
    free(exact);
}

static void same(const struct reading *a, const struct reading *b, struct wye_span text, size_t cut) {
    if (a->answer == b->answer && strcmp(a->facts, b->facts) == 0) return;
    char shown[512];
    wye_span_escape(shown, sizeof shown, text, 400);
    fail_msg("cut at %zu: %td (%s) and %td (%s) of '%s'", cut, a->answer, a->facts, b->answer, b->facts,
             shown);
}

/* All ways of showing a text give what showing it at once gives; what is shown of it decides the same or
 * nothing. */
static void prove_splits(struct wye_span text, size_t step) {
    struct reading whole, part, rest, grown;
    struct wye_request_progress undecided = {0}; /* of what was shown before, in steps */
    read_exactly(&whole, text, text.count, &(struct wye_request_progress){0});
    for (size_t cut = 0; cut < text.count; cut += step) {
        struct wye_request_progress progress = {0};
        read_exactly(&part, text, cut, &progress);
        if (whole.answer > 0 && (ptrdiff_t)cut < whole.answer) assert_int_equal(part.answer, 0);
        if (part.answer != 0) same(&part, &whole, text, cut);
        const struct wye_request_progress before = undecided;
        read_exactly(&grown, text, cut, &undecided);
        same(&grown, &part, text, cut);
        if (part.answer != 0) {
            undecided = before;
            continue;
        }
        read_exactly(&grown, text, cut, &undecided); /* nothing new decides nothing */
        assert_int_equal(grown.answer, 0);
        read_exactly(&rest, text, text.count, &progress);
        same(&rest, &whole, text, cut);
    }
}

static void show(const struct row *row, const struct wye_refusal *refusal, ptrdiff_t answer) {
    char shown[300];
    wye_span_escape(shown, sizeof shown, row->text, 250);
    fail_msg("'%s': answered %td, rule %d, cause %d; expected %d, rule %d, cause %d", shown, answer,
             refusal->first, refusal->cause[refusal->first], row->status, row->rule, row->cause);
}

static void each_request_gets_its_status_its_rule_and_its_cause(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct wye_request request;
        struct wye_refusal refusal = {0};
        ptrdiff_t answer = wye_request_read(&request, &refusal, (const uint8_t *)rows[i].text.bytes,
                                            rows[i].text.count, &(struct wye_request_progress){0});
        ptrdiff_t expected = rows[i].status ? -rows[i].status : (ptrdiff_t)rows[i].text.count;
        if (answer != expected || refusal.first != rows[i].rule ||
            refusal.cause[refusal.first] != rows[i].cause) {
            show(&rows[i], &refusal, answer);
        }
    }
}

static void every_split_and_truncation_of_each_gives_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) prove_splits(rows[i].text, 1);
}

/* Changes some bytes of a row, mostly to those that mean something. */
static size_t mutate(char *to, size_t room, uint32_t *seed) {
    static const char spice[] = "\r\n\t :\0,/\x7f\x80#\"A";
#define RANDOM() ((*seed = *seed * 1664525u + 1013904223u) >> 8)
    const struct row *row = &rows[RANDOM() % (sizeof rows / sizeof *rows)];
    size_t count = row->text.count < room ? row->text.count : room;
    memcpy(to, row->text.bytes, count);
    for (uint32_t left = RANDOM() % 4; left > 0 && count > 1; left--) {
        size_t at = RANDOM() % count;
        switch (RANDOM() % 3) {
        case 0: to[at] = spice[RANDOM() % (sizeof spice - 1)]; break;
        case 1: memmove(to + at, to + at + 1, --count - at); break;
        default:
            if (count < room) {
                memmove(to + at + 1, to + at, count - at);
                to[at] = spice[RANDOM() % (sizeof spice - 1)];
                count++;
            }
        }
    }
    return count;
#undef RANDOM
}

static void every_split_of_requests_spoilt_at_random_gives_the_same(void **state) {
    (void)state;
    uint32_t seed = 101;
    for (unsigned i = 0; i < 3000; i++) {
        char text[200];
        size_t count = mutate(text, sizeof text, &seed);
        prove_splits((struct wye_span){text, count}, 1);
    }
}

/* A text that is built up by repeating; freed by the caller. */
static struct wye_span build(const char *start, char filling, size_t filling_count, const char *end) {
    size_t first = strlen(start), last = strlen(end);
    char *text = malloc(first + filling_count + last);
    assert_non_null(text);
    memcpy(text, start, first);
    memset(text + first, filling, filling_count);
    memcpy(text + first + filling_count, end, last);
    return (struct wye_span){text, first + filling_count + last};
}

static void expect(struct wye_span text, int status, enum wye_rule rule, size_t decided_at) {
    struct reading reading;
    char expected[64];
    struct wye_request_progress progress = {0};
    read_exactly(&reading, text, text.count, &progress);
    if (status == 0) {
        assert_int_equal(reading.answer, text.count);
        return;
    }
    snprintf(expected, sizeof expected, "%d rule %d cause 0", status, rule);
    assert_memory_equal(reading.facts, expected, strlen(expected));
    /* As soon as it is decided, and not before. */
    const size_t before = decided_at > 0 ? decided_at - 1 : 0;
    read_exactly(&reading, text, decided_at, &progress);
    assert_int_equal(reading.answer, -status);
    read_exactly(&reading, text, before, &progress);
    assert_int_equal(reading.answer, 0);
    read_exactly(&reading, text, decided_at, &progress);
    assert_int_equal(reading.answer, -status);
}

static void a_target_may_have_8000_bytes_and_the_next_one_is_answered_414_at_once(void **state) {
    (void)state;
    struct wye_span text = build("GET /", 'a', WYE_TARGET_MAX - 1, " HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(text, 0, WYE_RULE_NONE, 0);
    prove_splits(text, 37);
    free((void *)(uintptr_t)text.bytes);
    text = build("GET /", 'a', WYE_TARGET_MAX, " HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(text, 414, WYE_RULE_TARGET_LENGTH, 4 + WYE_TARGET_MAX + 1);
    prove_splits(text, 37);
    free((void *)(uintptr_t)text.bytes);
}

static void a_head_may_have_16384_bytes_and_without_its_end_there_is_answered_431(void **state) {
    (void)state;
    const char *start = "GET / HTTP/1.1\r\nHost: a\r\nCookie: ";
    size_t rest = WYE_HEAD_MAX - strlen(start) - 4;
    struct wye_span text = build(start, 'c', rest, "\r\n\r\n");
    expect(text, 0, WYE_RULE_NONE, 0);
    prove_splits(text, 61);
    free((void *)(uintptr_t)text.bytes);
    text = build(start, 'c', rest + 1, "\r\n\r\n");
    expect(text, 431, WYE_RULE_HEAD_SIZE, WYE_HEAD_MAX);
    prove_splits(text, 61);
    free((void *)(uintptr_t)text.bytes);
    text = build("", 'M', WYE_HEAD_MAX, " / HTTP/1.1\r\n\r\n"); /* a method that never ends */
    expect(text, 431, WYE_RULE_HEAD_SIZE, WYE_HEAD_MAX);
    free((void *)(uintptr_t)text.bytes);
}

static void a_head_may_have_100_fields_and_the_next_one_is_answered_431_at_once(void **state) {
    (void)state;
    char text[2048];
    size_t count = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (unsigned i = 1; i < WYE_FIELDS_MAX; i++) count += (size_t)sprintf(text + count, "F%u: %u\r\n", i, i);
    memcpy(text + count, "\r\n", 2);
    expect((struct wye_span){text, count + 2}, 0, WYE_RULE_NONE, 0);
    prove_splits((struct wye_span){text, count + 2}, 1);
    size_t more = count + (size_t)sprintf(text + count, "X: y\r\n\r\n");
    expect((struct wye_span){text, more}, 431, WYE_RULE_HEAD_SIZE, count + 2);
    prove_splits((struct wye_span){text, more}, 1);
}

static void what_stands_behind_a_head_is_not_part_of_it(void **state) {
    (void)state;
    const char *head = HEAD("A: b\r\n");
    size_t count = 4 << 20;
    uint8_t *bytes = malloc(count);
    static struct wye_request request;
    struct wye_refusal refusal = {0};
    assert_non_null(bytes);
    memset(bytes, 0, count);
    memcpy(bytes, head, strlen(head));
    assert_int_equal(wye_request_read(&request, &refusal, bytes, count, &(struct wye_request_progress){0}),
                     strlen(head));
    assert_int_equal(refusal.failed, 0);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_gets_its_status_its_rule_and_its_cause),
        cmocka_unit_test(every_split_and_truncation_of_each_gives_the_same),
        cmocka_unit_test(every_split_of_requests_spoilt_at_random_gives_the_same),
        cmocka_unit_test(a_target_may_have_8000_bytes_and_the_next_one_is_answered_414_at_once),
        cmocka_unit_test(a_head_may_have_16384_bytes_and_without_its_end_there_is_answered_431),
        cmocka_unit_test(a_head_may_have_100_fields_and_the_next_one_is_answered_431_at_once),
        cmocka_unit_test(what_stands_behind_a_head_is_not_part_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
