/* From the facts of an attempt to findings, checks and reports. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/diagnosis.h"
#include "tests/fuzz/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SWITCHED "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static struct wye_attempt attempt;
static struct wye_diagnosis diagnosis;
static char report[WYE_DIAGNOSIS_TEXT_MAX];

/* An attempt that has come as far as TCP. */
static void begin(void) {
    memset(&attempt, 0, sizeof attempt);
    attempt.url = "ws://example.com/chat";
    attempt.host = "example.com";
    attempt.timeout_s = 10;
    attempt.request = (struct wye_client_request){.target = WYE_SPAN("/chat"),
                                                  .host = WYE_SPAN("example.com"),
                                                  .key = "dGhlIHNhbXBsZSBub25jZQ==",
                                                  .extensions = WYE_SPAN("permessage-deflate")};
    attempt.sent = WYE_SPAN("GET /chat HTTP/1.1\r\n\r\n");
    attempt.name.end = attempt.tcp.end = WYE_END_FINE;
    attempt.tls.authorities = "authorities.pem";
    strcpy(attempt.tcp.address, "192.0.2.1:80");
}

/* Reads what the server says; the answer to asking for it with `end` if it is no whole head. */
static void answer(const char *text, enum wye_end end) {
    ptrdiff_t used = wye_client_answer_read(&attempt.answer.head, &attempt.request, (const uint8_t *)text,
                                            strlen(text), 0);
    attempt.answer.end = used > 0 ? WYE_END_FINE : used < 0 ? WYE_END_BROKEN : end;
    attempt.answer.count = strlen(text);
    attempt.answer.first = wye_span_of(text);
    if (used > 0) attempt.answer.body = wye_span_of(text + used);
}

static void well(void) {
    begin();
    answer(SWITCHED ACCEPT "\r\n", WYE_END_FINE);
    attempt.talk.ping = attempt.talk.fin = WYE_END_FINE;
    attempt.talk.close = WYE_END_CLOSED;
    attempt.talk.code_given = true;
    attempt.talk.code = 1000;
}

static enum wye_trouble found(void) {
    wye_diagnose(&diagnosis, &attempt);
    return diagnosis.count ? diagnosis.findings[0].trouble : WYE_TROUBLE_NONE;
}

/* ---- answers ---- */

/* What a server says before it ends the connection, and what that is found to be. */
static const struct {
    const char *text;
    enum wye_trouble trouble;
} answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nx", WYE_TROUBLE_PAGE},
    {"HTTP/1.1 200 OK\r\n\r\n  <!doctype HTML>", WYE_TROUBLE_PAGE},
    {"HTTP/1.1 200 OK\r\n\r\nhello", WYE_TROUBLE_UPGRADE_IGNORED},
    {"HTTP/1.1 204 No Content\r\n\r\n", WYE_TROUBLE_UPGRADE_IGNORED},
    {"HTTP/1.1 301 x\r\nLocation: https://example.com/chat\r\n\r\n", WYE_TROUBLE_REDIRECT_HTTPS},
    {"HTTP/1.1 308 x\r\nLocation: HTTPS://example.com:8443/chat\r\n\r\n", WYE_TROUBLE_REDIRECT_HTTPS},
    {"HTTP/1.1 302 x\r\nLocation: https://login.example.org/\r\n\r\n", WYE_TROUBLE_REDIRECT},
    {"HTTP/1.1 302 x\r\nLocation: /chat/\r\n\r\n", WYE_TROUBLE_REDIRECT},
    {"HTTP/1.1 304 x\r\n\r\n", WYE_TROUBLE_STATUS_OTHER},
    {"HTTP/1.1 400 x\r\n\r\nBad Request", WYE_TROUBLE_BAD_REQUEST},
    {"HTTP/1.1 400 x\r\nContent-Type: text/html\r\n\r\nThe plain HTTP request was sent to HTTPS port",
     WYE_TROUBLE_PLAIN_TO_TLS},
    {"HTTP/1.0 400 x\r\n\r\nClient sent an HTTP request to an HTTPS server.\n", WYE_TROUBLE_PLAIN_TO_TLS},
    {"HTTP/1.1 400 x\r\n\r\nwebsocket: 'upgrade' token not found in 'Connection' header",
     WYE_TROUBLE_PROXY_FIELDS_LOST},
    {"HTTP/1.1 400 x\r\n\r\nunsupported HTTP version", WYE_TROUBLE_PROXY_HTTP10},
    {"HTTP/1.1 400 x\r\nSec-WebSocket-Version: 8\r\n\r\n", WYE_TROUBLE_WEBSOCKET_VERSION},
    {"HTTP/1.1 400 x\r\n\r\n<html>400 No required SSL certificate was sent",
     WYE_TROUBLE_TLS_CLIENT_CERTIFICATE},
    {"HTTP/1.1 401 x\r\n\r\n", WYE_TROUBLE_AUTHENTICATION},
    {"HTTP/1.1 403 x\r\n\r\n", WYE_TROUBLE_FORBIDDEN},
    {"HTTP/1.1 404 x\r\n\r\n", WYE_TROUBLE_PATH},
    {"HTTP/1.1 405 x\r\n\r\n", WYE_TROUBLE_METHOD},
    {"HTTP/1.1 407 x\r\n\r\n", WYE_TROUBLE_PROXY_AUTHENTICATION},
    {"HTTP/1.1 410 x\r\n\r\n", WYE_TROUBLE_PATH},
    {"HTTP/1.1 418 x\r\n\r\n", WYE_TROUBLE_STATUS_OTHER},
    {"HTTP/1.1 421 x\r\n\r\n", WYE_TROUBLE_HOST_NAMED},
    {"HTTP/1.1 426 x\r\n\r\n", WYE_TROUBLE_PROXY_FIELDS_LOST},
    {"HTTP/1.1 426 x\r\nServer: istio-envoy\r\n\r\n", WYE_TROUBLE_PROXY_HTTP10},
    {"HTTP/1.1 426 x\r\nUpgrade: h2c, websocket\r\n\r\n", WYE_TROUBLE_PROXY_FIELDS_LOST},
    {"HTTP/1.1 426 x\r\nUpgrade: h2c\r\n\r\n", WYE_TROUBLE_OTHER_TOKEN},
    {"HTTP/1.1 426 x\r\nSec-WebSocket-Version: 7, 8\r\n\r\n", WYE_TROUBLE_WEBSOCKET_VERSION},
    {"HTTP/1.1 429 x\r\n\r\n", WYE_TROUBLE_TOO_MANY},
    {"HTTP/1.1 500 x\r\n\r\n", WYE_TROUBLE_SERVER_ERROR},
    {"HTTP/1.1 501 x\r\n\r\n", WYE_TROUBLE_SERVER_ERROR},
    {"HTTP/1.1 502 x\r\n\r\n", WYE_TROUBLE_BACKEND_DOWN},
    {"HTTP/1.1 503 x\r\n\r\nNo server is available to handle this request.", WYE_TROUBLE_BACKEND_DOWN},
    {"HTTP/1.1 503 x\r\nRetry-After: 3\r\n\r\n", WYE_TROUBLE_OVERLOADED},
    {"HTTP/1.1 504 x\r\n\r\n", WYE_TROUBLE_BACKEND_SLOW},
    {"HTTP/1.1 505 x\r\n\r\n", WYE_TROUBLE_PROXY_HTTP10},
    {"HTTP/1.1 511 x\r\n\r\n", WYE_TROUBLE_PAGE},
    {"HTTP/1.1 521 x\r\n\r\n", WYE_TROUBLE_BACKEND_DOWN},
    {"HTTP/1.1 999 x\r\n\r\n", WYE_TROUBLE_STATUS_OTHER},
    {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\n" ACCEPT "\r\n", WYE_TROUBLE_SWITCH_UPGRADE_MISSING},
    {"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
     WYE_TROUBLE_SWITCH_UPGRADE_OTHER},
    {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n" ACCEPT "\r\n", WYE_TROUBLE_SWITCH_CONNECTION},
    {"HTTP/1.0 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
     WYE_TROUBLE_SWITCH_VERSION},
    {SWITCHED "\r\n", WYE_TROUBLE_ACCEPT_MISSING},
    {SWITCHED ACCEPT ACCEPT "\r\n", WYE_TROUBLE_ACCEPT_DOUBLED},
    {SWITCHED "Sec-WebSocket-Accept: nonsense\r\n\r\n", WYE_TROUBLE_ACCEPT_WRONG},
    {SWITCHED ACCEPT "Sec-WebSocket-Protocol: x\r\n\r\n", WYE_TROUBLE_SUBPROTOCOL_UNASKED},
    {SWITCHED ACCEPT "Sec-WebSocket-Extensions: x\r\n\r\n", WYE_TROUBLE_EXTENSION_UNASKED},
    {SWITCHED ACCEPT "\r\n", WYE_TROUBLE_NONE},
    {"SSH-2.0-x", WYE_TROUBLE_ANSWER_NOT_HTTP},
    {"\x15\x03\x01", WYE_TROUBLE_PLAIN_TO_TLS},
    {"HTTP/1.1 200 OK\nx", WYE_TROUBLE_ANSWER_BROKEN},
    {"HTTP/1.1 200 OK\r\nhalf", WYE_TROUBLE_ANSWER_CUT},
    {"", WYE_TROUBLE_ANSWER_CUT},
};

static void each_answer_has_its_trouble(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        begin();
        answer(answers[i].text, WYE_END_FIN);
        enum wye_trouble trouble = found();
        if (trouble != answers[i].trouble)
            print_error("%s\n%s, not %s\n", answers[i].text, wye_troubles[trouble].id,
                        wye_troubles[answers[i].trouble].id);
        assert_int_equal(trouble, answers[i].trouble);
        assert_int_equal(diagnosis.result,
                         trouble == WYE_TROUBLE_NONE ? WYE_RESULT_UPGRADED : WYE_RESULT_REFUSED);
        if (trouble != WYE_TROUBLE_NONE) assert_true(*diagnosis.findings[0].evidence != '\0');
    }
}

static void HTTP2_in_the_place_of_an_answer_is_told_apart_by_TLS(void **state) {
    (void)state;
    static const char settings[] = "\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80\0\4\0\1\0\0";
    for (unsigned secure = 0; secure < 2; secure++) {
        begin();
        attempt.secure = secure;
        attempt.tls.end = WYE_END_FINE;
        attempt.answer.end = WYE_END_BROKEN;
        attempt.answer.head.fault = WYE_ANSWER_STATUS_LINE;
        attempt.answer.count = sizeof settings - 1;
        attempt.answer.first = (struct wye_span){settings, sizeof settings - 1};
        strcpy(attempt.tls.alpn_before, secure ? "h2" : "");
        assert_int_equal(found(), secure ? WYE_TROUBLE_HTTP2_ONLY : WYE_TROUBLE_HTTP2_PLAIN);
        assert_int_equal(diagnosis.count, 1); /* that h2 was chosen at first goes without saying then */
    }
}

/* ---- a node's own words ---- */

static void a_refusal_of_the_nodes_rules_is_found_by_its_rules(void **state) {
    (void)state;
    for (unsigned rule = 1; rule < WYE_RULE_COUNT; rule++) {
        char text[WYE_REFUSAL_TEXT_MAX + 256];
        struct wye_refusal refusal = {0};
        wye_refusal_add(&refusal, (enum wye_rule)rule, WYE_SPAN("seen"));
        int head = sprintf(text, "HTTP/1.1 %d x\r\n\r\n", refusal.status);
        wye_refusal_text(text + head, WYE_REFUSAL_TEXT_MAX, &refusal);
        begin();
        answer(text, WYE_END_FIN);
        assert_true(found() != WYE_TROUBLE_NONE);
        assert_int_equal(diagnosis.count, 1);
        const struct wye_finding *finding = &diagnosis.findings[0];
        assert_true(finding->said[0].count > 0);
        /* The row that speaks for a rule shares its sentence and its source. */
        enum wye_rule of_row = wye_troubles[finding->trouble].rule;
        assert_true(of_row == WYE_RULE_NONE || wye_rules[of_row].status == wye_rules[rule].status ||
                    rule == WYE_RULE_WEBSOCKET_VERSION);
        char sentence[1024], expected[1024];
        snprintf(sentence, sizeof sentence, "%.*s", (int)finding->said[0].count, finding->said[0].bytes);
        snprintf(expected, sizeof expected, "%.*s", (int)strcspn(wye_rules[rule].sentence, "%{"),
                 wye_rules[rule].sentence);
        assert_true(strncmp(sentence, expected, strlen(expected)) == 0);
    }
}

static void what_both_rules_of_a_proxy_say_becomes_one_finding(void **state) {
    (void)state;
    char text[WYE_REFUSAL_TEXT_MAX + 256] = "HTTP/1.1 426 x\r\nUpgrade: websocket\r\n\r\n";
    struct wye_refusal refusal = {0};
    wye_refusal_add(&refusal, WYE_RULE_CONNECTION_UPGRADE, WYE_SPAN("close"));
    wye_refusal_add(&refusal, WYE_RULE_UPGRADE_TOKEN, (struct wye_span){0});
    wye_refusal_text(text + strlen(text), WYE_REFUSAL_TEXT_MAX, &refusal);
    begin();
    answer(text, WYE_END_FIN);
    assert_int_equal(found(), WYE_TROUBLE_PROXY_FIELDS_LOST);
    assert_int_equal(diagnosis.count, 1);
    assert_true(diagnosis.findings[0].said[1].count > 0);
    /* The node's advice is left to the row, whose lines say more. */
    assert_null(memmem(diagnosis.findings[0].said[0].bytes, diagnosis.findings[0].said[0].count, "nginx", 5));
}

static void the_mirrors_answer_tells_what_was_lost_and_changed(void **state) {
    (void)state;
    begin();
    answer("HTTP/1.1 200 OK\r\n\r\n" WYE_MIRROR_FIRST_LINE "GET /chat HTTP/1.0\r\nhost: Example.COM\r\n\r\n"
           "\nAn upgrade needs HTTP/1.1; this request says 'HTTP/1.0'.\n(upgrade-version: RFC 9110 7.8)\n",
           WYE_END_FIN);
    assert_int_equal(found(), WYE_TROUBLE_PROXY_HTTP10);
    assert_int_equal(diagnosis.findings[1].trouble, WYE_TROUBLE_MIRROR);
    assert_int_equal(diagnosis.count, 2); /* Host is the same */
    begin();
    answer("HTTP/1.1 200 OK\r\n\r\n" WYE_MIRROR_FIRST_LINE
           "GET /chat HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
           WYE_END_FIN);
    assert_int_equal(found(), WYE_TROUBLE_HOST_CHANGED);
    assert_non_null(strstr(diagnosis.findings[0].evidence, "'example.com', and '127.0.0.1:8080' arrived"));
}

/* ---- before and behind the answer ---- */

static void each_way_not_to_connect_has_its_trouble(void **state) {
    (void)state;
    static const struct {
        enum wye_end end;
        int error;
        enum wye_trouble trouble;
    } rows[] = {
        {WYE_END_ERROR, ECONNREFUSED, WYE_TROUBLE_TCP_REFUSED},
        {WYE_END_ERROR, EHOSTUNREACH, WYE_TROUBLE_TCP_UNREACHABLE},
        {WYE_END_ERROR, ENETUNREACH, WYE_TROUBLE_TCP_UNREACHABLE},
        {WYE_END_ERROR, ETIMEDOUT, WYE_TROUBLE_TCP_SILENT},
        {WYE_END_TIMEOUT, 0, WYE_TROUBLE_TCP_SILENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin();
        attempt.tcp.end = rows[i].end;
        attempt.tcp.error = rows[i].error;
        assert_int_equal(found(), rows[i].trouble);
        assert_int_equal(diagnosis.result, WYE_RESULT_NO_CONNECTION);
    }
    begin();
    attempt.name.end = WYE_END_ERROR;
    attempt.tcp.end = WYE_END_UNTRIED;
    assert_int_equal(found(), WYE_TROUBLE_NAME_UNRESOLVED);
    attempt.name.unknown = true;
    assert_int_equal(found(), WYE_TROUBLE_NAME_UNKNOWN);
    well();
    strcpy(attempt.tcp.passed_by, "[::1]:80");
    assert_int_equal(found(), WYE_TROUBLE_ADDRESS_PASSED_BY);
    assert_int_equal(diagnosis.result, WYE_RESULT_UPGRADED);
}

static void each_fault_of_TLS_has_its_trouble(void **state) {
    (void)state;
    static const enum wye_trouble troubles[WYE_TLS_FAULT_COUNT] = {
        [WYE_TLS_LEFT_OUT] = WYE_TROUBLE_TLS_LEFT_OUT,
        [WYE_TLS_NOT_TLS] = WYE_TROUBLE_TLS_TO_PLAIN,
        [WYE_TLS_VERSION] = WYE_TROUBLE_TLS_VERSION,
        [WYE_TLS_ALPN] = WYE_TROUBLE_TLS_FAILED,
        [WYE_TLS_WANTS_CLIENT_CERTIFICATE] = WYE_TROUBLE_TLS_CLIENT_CERTIFICATE,
        [WYE_TLS_ALERT] = WYE_TROUBLE_TLS_FAILED,
        [WYE_TLS_CUT] = WYE_TROUBLE_TLS_CUT,
        [WYE_TLS_TIMEOUT] = WYE_TROUBLE_TLS_SILENT,
        [WYE_TLS_OTHER] = WYE_TROUBLE_TLS_FAILED,
    };
    for (unsigned fault = 1; fault < WYE_TLS_FAULT_COUNT; fault++) {
        begin();
        attempt.secure = true;
        attempt.tls.end = WYE_END_ERROR;
        attempt.tls.fault = (enum wye_tls_fault)fault;
        assert_int_equal(found(), troubles[fault]);
        assert_int_equal(diagnosis.result, WYE_RESULT_NO_CONNECTION);
        assert_int_equal(wye_attempt_follow_up(&attempt),
                         fault == WYE_TLS_VERSION ? WYE_FOLLOW_UP_OLD_TLS : WYE_FOLLOW_UP_NONE);
    }
    attempt.tls.fault = WYE_TLS_VERSION;
    strcpy(attempt.tls.old_version, "TLSv1");
    assert_int_equal(found(), WYE_TROUBLE_TLS_OLD);
}

static void every_fault_of_a_certificate_is_told_unless_it_does_not_count(void **state) {
    (void)state;
    well();
    attempt.secure = true;
    attempt.tls.end = WYE_END_FINE;
    attempt.tls.certificate = WYE_CERTIFICATE_EXPIRED | WYE_CERTIFICATE_NAME | WYE_CERTIFICATE_AUTHORITY;
    assert_int_equal(found(), WYE_TROUBLE_CERTIFICATE_EXPIRED);
    assert_int_equal(diagnosis.count, 3);
    assert_int_equal(diagnosis.result, WYE_RESULT_REFUSED);
    attempt.tls.certificate = WYE_CERTIFICATE_SELF_SIGNED | WYE_CERTIFICATE_AUTHORITY;
    assert_int_equal(found(), WYE_TROUBLE_CERTIFICATE_SELF_SIGNED);
    assert_int_equal(diagnosis.count, 1);
    attempt.insecure = true;
    assert_int_equal(found(), WYE_TROUBLE_NONE);
    assert_int_equal(diagnosis.result, WYE_RESULT_UPGRADED);
}

static void each_end_of_a_conversation_has_its_trouble(void **state) {
    (void)state;
    static const struct {
        enum wye_end ping, hold, again, close, fin;
        enum wye_trouble trouble;
    } rows[] = {
        {WYE_END_FINE, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_CLOSED, WYE_END_FINE, WYE_TROUBLE_NONE},
        {WYE_END_FINE, WYE_END_FINE, WYE_END_FINE, WYE_END_CLOSED, WYE_END_FINE, WYE_TROUBLE_NONE},
        {WYE_END_TIMEOUT, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_CLOSED, WYE_END_FINE,
         WYE_TROUBLE_PING_UNANSWERED},
        {WYE_END_FIN, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_UNTRIED,
         WYE_TROUBLE_CUT_EARLY},
        {WYE_END_ERROR, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_UNTRIED,
         WYE_TROUBLE_CUT_EARLY},
        {WYE_END_BROKEN, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_UNTRIED,
         WYE_TROUBLE_FRAME_BROKEN},
        {WYE_END_CLOSED, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_UNTRIED,
         WYE_TROUBLE_CLOSED_BY_SERVER},
        {WYE_END_FINE, WYE_END_FIN, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_TROUBLE_HOLD_CUT},
        {WYE_END_FINE, WYE_END_ERROR, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_UNTRIED,
         WYE_TROUBLE_HOLD_CUT},
        {WYE_END_FINE, WYE_END_CLOSED, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_UNTRIED,
         WYE_TROUBLE_CLOSED_BY_SERVER},
        {WYE_END_FINE, WYE_END_FINE, WYE_END_TIMEOUT, WYE_END_UNTRIED, WYE_END_UNTRIED,
         WYE_TROUBLE_HOLD_DEAD},
        {WYE_END_FINE, WYE_END_FINE, WYE_END_ERROR, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_TROUBLE_HOLD_DEAD},
        {WYE_END_FINE, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_TIMEOUT, WYE_END_UNTRIED,
         WYE_TROUBLE_CLOSE_UNANSWERED},
        {WYE_END_FINE, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_FIN, WYE_END_UNTRIED, WYE_TROUBLE_CLOSE_CUT},
        {WYE_END_FINE, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_BROKEN, WYE_END_UNTRIED,
         WYE_TROUBLE_FRAME_BROKEN},
        {WYE_END_FINE, WYE_END_UNTRIED, WYE_END_UNTRIED, WYE_END_CLOSED, WYE_END_TIMEOUT,
         WYE_TROUBLE_CLOSE_LINGERS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        well();
        attempt.talk.ping = rows[i].ping;
        attempt.talk.hold = rows[i].hold;
        attempt.talk.hold_s = rows[i].hold != WYE_END_UNTRIED;
        attempt.talk.again = rows[i].again;
        attempt.talk.close = rows[i].close;
        attempt.talk.fin = rows[i].fin;
        assert_int_equal(found(), rows[i].trouble);
        bool fault =
            rows[i].trouble != WYE_TROUBLE_NONE && wye_troubles[rows[i].trouble].weight == WYE_WEIGHT_FAULT;
        assert_int_equal(diagnosis.result, fault ? WYE_RESULT_REFUSED : WYE_RESULT_UPGRADED);
    }
    well();
    attempt.talk.ping = WYE_END_BROKEN;
    attempt.talk.masked = true;
    assert_int_equal(found(), WYE_TROUBLE_FRAME_MASKED);
}

/* ---- further connections ---- */

static void a_further_connection_is_made_only_where_it_decides(void **state) {
    (void)state;
    well();
    assert_int_equal(wye_attempt_follow_up(&attempt), WYE_FOLLOW_UP_NONE);
    begin();
    answer("", WYE_END_FIN);
    assert_int_equal(wye_attempt_follow_up(&attempt), WYE_FOLLOW_UP_TLS);
    attempt.also.tls_tried = attempt.also.tls_spoken = true;
    assert_int_equal(wye_attempt_follow_up(&attempt), WYE_FOLLOW_UP_NONE);
    assert_int_equal(found(), WYE_TROUBLE_PLAIN_TO_TLS);
    begin();
    answer("HTTP/1.1 403 Forbidden\r\n\r\nno", WYE_END_FIN);
    assert_int_equal(wye_attempt_follow_up(&attempt), WYE_FOLLOW_UP_NONE);
    attempt.origin = WYE_SPAN("https://example.com");
    assert_int_equal(wye_attempt_follow_up(&attempt), WYE_FOLLOW_UP_WITHOUT_ORIGIN);
    attempt.also.origin_tried = true;
    assert_int_equal(found(), WYE_TROUBLE_FORBIDDEN);
    attempt.also.origin_status = 101;
    assert_int_equal(found(), WYE_TROUBLE_ORIGIN);
    /* A node says it by itself. */
    attempt.also.origin_tried = false;
    answer("HTTP/1.1 403 Forbidden\r\n\r\n403 Forbidden\n\nPages from there.\n(origin: RFC 6455 10.2)\n",
           WYE_END_FIN);
    assert_int_equal(wye_attempt_follow_up(&attempt), WYE_FOLLOW_UP_NONE);
}

/* ---- reports ---- */

static size_t text_of(bool colour, unsigned columns) {
    const struct wye_style style = {.colour = colour, .symbols = colour, .columns = columns};
    wye_diagnose(&diagnosis, &attempt);
    return wye_diagnosis_text(report, sizeof report, &diagnosis, &attempt, &style);
}

static void a_report_has_the_lines_of_the_proxy_that_answered_or_of_all(void **state) {
    (void)state;
    begin();
    answer("HTTP/1.1 426 Upgrade Required\r\nServer: nginx/1.22.1\r\n\r\n", WYE_END_FIN);
    text_of(false, 80);
    assert_non_null(strstr(report, "proxy_set_header Upgrade $http_upgrade;"));
    assert_null(strstr(report, "ProxyPass"));
    answer("HTTP/1.1 426 Upgrade Required\r\nServer: other\r\n\r\n", WYE_END_FIN);
    text_of(false, 80);
    assert_non_null(strstr(report, "proxy_set_header Upgrade $http_upgrade;"));
    assert_non_null(strstr(report, "ProxyPass"));
    assert_non_null(strstr(report, "reverse_proxy"));
    assert_non_null(strstr(report, "mode http"));
}

static void a_report_is_wrapped_and_has_colours_only_when_asked(void **state) {
    (void)state;
    begin();
    answer(
        "HTTP/1.1 503 x\r\nServer: a very long name of a server that nobody has ever heard of before\r\n\r\n",
        WYE_END_FIN);
    for (unsigned columns = 60; columns <= 110; columns += 10) {
        text_of(false, columns);
        assert_null(strchr(report, '\033'));
        for (const char *line = report; *line; line += strcspn(line, "\n") + 1) {
            size_t count = strcspn(line, "\n");
            /* Titles and the lines for configurations are not wrapped. */
            if (strstr(line, "[backend") != NULL && strstr(line, "[backend") < line + count) continue;
            if (strncmp(line, "           ", 11) == 0) continue;
            assert_true(count <= columns);
        }
    }
    text_of(true, 80);
    assert_non_null(strstr(report, "\033[31m\xe2\x9c\x97\033[0m"));
}

static void what_the_server_says_is_escaped_and_cut(void **state) {
    (void)state;
    begin();
    answer(
        "HTTP/1.1 400 \x9b"
        "31mred\xff\r\nServer: \xc2\x9b\r\n\r\n\033[2J\007 'quotes' stay\r\n\t\x80\n1\n2\n3\n4\n5\n6\n7\n8\n",
        WYE_END_FIN);
    size_t count = text_of(false, 100);
    for (size_t i = 0; i < count; i++)
        assert_true(report[i] == '\n' || (report[i] >= 0x20 && report[i] <= 0x7e));
    assert_non_null(strstr(report, "\\x1B[2J\\x07 'quotes' stay"));
    assert_non_null(strstr(report, "400 \\x9B31mred\\xFF"));
    assert_null(strstr(report, " 8\n"));
    assert_non_null(strstr(report, "...\n"));
}

static void a_JSON_report_is_JSON_in_any_room_or_nothing(void **state) {
    (void)state;
    begin();
    answer("HTTP/1.1 403 \"\\\x01\xff\r\nA\"B: x\r\n\r\n",
           WYE_END_FIN); /* its name is no token: not a response */
    assert_int_equal(attempt.answer.end, WYE_END_BROKEN);
    wye_diagnose(&diagnosis, &attempt);
    assert_true(wye_diagnosis_json(report, sizeof report, &diagnosis, &attempt) > 0 && is_json(report));
    begin();
    answer("HTTP/1.1 403 \"\\\xff\r\nAB: x\"\\\t\xff\r\n\r\n\x01\x02\"\\", WYE_END_FIN);
    wye_diagnose(&diagnosis, &attempt);
    size_t count = wye_diagnosis_json(report, sizeof report, &diagnosis, &attempt);
    assert_true(count > 0 && is_json(report));
    for (size_t room = 0; room <= count; room++) {
        char *exact = malloc(room + 1);
        assert_int_equal(wye_diagnosis_json(exact, room, &diagnosis, &attempt), 0);
        assert_true(room == 0 || exact[0] == '\0');
        free(exact);
    }
    assert_int_equal(wye_diagnosis_json(report, count + 1, &diagnosis, &attempt), count);
}

static void the_largest_head_and_content_fit_into_both_reports(void **state) {
    (void)state;
    static char text[WYE_ANSWER_HEAD_MAX + WYE_ATTEMPT_BODY_MAX + 1];
    size_t at = (size_t)sprintf(text, "HTTP/1.1 400 x\r\n");
    for (unsigned i = 0; i < WYE_ANSWER_FIELDS_MAX; i++)
        at += (size_t)sprintf(text + at, "A%u: %0150d\r\n", i, 0);
    at += (size_t)sprintf(text + at, "\r\n");
    for (size_t end = at + WYE_ATTEMPT_BODY_MAX; at < end; at++) text[at] = at % 50 ? '\x80' : '\n';
    begin();
    answer(text, WYE_END_FIN);
    assert_true(text_of(false, 100) < sizeof report - 1);
    assert_true(wye_diagnosis_json(report, sizeof report, &diagnosis, &attempt) > 0 && is_json(report));
}

static void checks_end_where_the_attempt_did(void **state) {
    (void)state;
    struct wye_check checks[WYE_CHECK_COUNT];
    well();
    wye_attempt_checks(checks, &attempt);
    for (unsigned i = 0; i < WYE_CHECK_COUNT; i++) {
        bool absent = i == WYE_CHECK_TLS || i == WYE_CHECK_CERTIFICATE || i == WYE_CHECK_ALPN ||
                      i == WYE_CHECK_HOLD || i == WYE_CHECK_SETTINGS;
        assert_int_equal(checks[i].mark, absent ? WYE_MARK_ABSENT : WYE_MARK_OK);
    }
    begin();
    answer("HTTP/1.1 404 x\r\n\r\n", WYE_END_FIN);
    wye_attempt_checks(checks, &attempt);
    assert_int_equal(checks[WYE_CHECK_SENT].mark, WYE_MARK_OK);
    assert_int_equal(checks[WYE_CHECK_STATUS].mark, WYE_MARK_FAULT);
    for (unsigned i = WYE_CHECK_UPGRADE; i <= WYE_CHECK_EXTENSIONS; i++)
        assert_int_equal(checks[i].mark, WYE_MARK_UNTRIED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_has_its_trouble),
        cmocka_unit_test(HTTP2_in_the_place_of_an_answer_is_told_apart_by_TLS),
        cmocka_unit_test(a_refusal_of_the_nodes_rules_is_found_by_its_rules),
        cmocka_unit_test(what_both_rules_of_a_proxy_say_becomes_one_finding),
        cmocka_unit_test(the_mirrors_answer_tells_what_was_lost_and_changed),
        cmocka_unit_test(each_way_not_to_connect_has_its_trouble),
        cmocka_unit_test(each_fault_of_TLS_has_its_trouble),
        cmocka_unit_test(every_fault_of_a_certificate_is_told_unless_it_does_not_count),
        cmocka_unit_test(each_end_of_a_conversation_has_its_trouble),
        cmocka_unit_test(a_further_connection_is_made_only_where_it_decides),
        cmocka_unit_test(a_report_has_the_lines_of_the_proxy_that_answered_or_of_all),
        cmocka_unit_test(a_report_is_wrapped_and_has_colours_only_when_asked),
        cmocka_unit_test(what_the_server_says_is_escaped_and_cut),
        cmocka_unit_test(a_JSON_report_is_JSON_in_any_room_or_nothing),
        cmocka_unit_test(the_largest_head_and_content_fit_into_both_reports),
        cmocka_unit_test(checks_end_where_the_attempt_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
