/* May this request switch? Every way in which it may not, and what is said then. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/upgrade.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE       "GET /chat HTTP/1.1\r\n"
#define HOST       "Host: example.com\r\n"
#define UPGRADE    "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define KEY        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION    "Sec-WebSocket-Version: 13\r\n"
#define ALL        UPGRADE CONNECTION KEY VERSION
#define BIT(rule)  (UINT64_C(1) << WYE_RULE_##rule)

static const struct wye_upgrade_terms websocket = {.token = "websocket", .websocket = true};
static const struct wye_upgrade_terms stream = {.token = "wye-echo"};
static const struct wye_policy policy = {0};

static struct wye_request request;
static struct wye_upgrade_agreement agreement;
static struct wye_refusal refusal;

static void read_text(const char *text) {
    refusal = (struct wye_refusal){0};
    ptrdiff_t answer = wye_request_read(&request, &refusal, (const uint8_t *)text, strlen(text), &(struct wye_request_progress){0});
    if (answer != (ptrdiff_t)strlen(text)) fail_msg("%td: %s", answer, text);
}

static int check(const struct wye_upgrade_terms *terms, const char *text) {
    read_text(text);
    return wye_upgrade_check(&request, terms, &policy, &agreement, &refusal);
}

struct row {
    const char *text;
    int answer;
    uint64_t failed;
    enum wye_cause cause; /* of the first */
};

#define FINE(text)                                                                                           \
    { (text), 101, 0, WYE_CAUSE_NONE }
#define WRONG(status, failed, cause, text)                                                                   \
    { (text), -(status), (failed), WYE_CAUSE_##cause }
#define WITH(fields) LINE HOST fields "\r\n"

static void prove(const struct wye_upgrade_terms *terms, const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int answer = check(terms, rows[i].text);
        bool right = answer == rows[i].answer && refusal.failed == rows[i].failed &&
                     refusal.cause[refusal.first] == rows[i].cause;
        if (!right) {
            fail_msg("%s: answered %d, failed %llx, cause %d", rows[i].text, answer,
                     (unsigned long long)refusal.failed, refusal.cause[refusal.first]);
        }
    }
}

static void a_request_to_websocket_keeps_every_rule_or_gets_the_first_ones_status(void **state) {
    (void)state;
    static const struct row rows[] = {
        FINE(WITH(ALL)),
        FINE(WITH(VERSION KEY CONNECTION UPGRADE)),
        FINE(WITH("upgrade:WebSocket\r\nconnection:upgrade\r\n" KEY VERSION)),
        FINE(WITH(UPGRADE "Connection: keep-alive, Upgrade\r\n" KEY VERSION)),
        FINE(WITH(UPGRADE "Connection: keep-alive\r\nConnection: uPgRaDe\r\n" KEY VERSION)),
        FINE(WITH(UPGRADE "Connection: ,, Upgrade ,close\r\n" KEY VERSION)),
        FINE(WITH("Upgrade: h2c, websocket\r\n" CONNECTION KEY VERSION)),
        FINE(WITH("Upgrade: h2c\r\nUpgrade: websocket\r\n" CONNECTION KEY VERSION)),
        FINE(WITH("Upgrade: websocket/13\r\n" CONNECTION KEY VERSION)),
        FINE(WITH(ALL "Content-Length: 0\r\n")),
        FINE(WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")),
        FINE(WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: +/+/+/+/+/+/+/+/+/+/+w==\r\n")),
        FINE(WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key:  0123456789abcdefghijkQ== \r\n")),
        FINE(WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: 0123456789ABCDEFGHIJKg==\r\n")),
        /* method, version, body */
        WRONG(405, BIT(METHOD), NONE, "POST /chat HTTP/1.1\r\n" HOST ALL "\r\n"),
        WRONG(405, BIT(METHOD), NONE, "HEAD /chat HTTP/1.1\r\n" HOST ALL "\r\n"),
        WRONG(405, BIT(METHOD), NONE, "get /chat HTTP/1.1\r\n" HOST ALL "\r\n"),
        WRONG(426, BIT(UPGRADE_VERSION), NONE, "GET /chat HTTP/1.0\r\n" HOST ALL "\r\n"),
        WRONG(405, BIT(METHOD) | BIT(UPGRADE_VERSION), NONE, "PUT /chat HTTP/1.0\r\n" ALL "\r\n"),
        WRONG(400, BIT(UPGRADE_BODY), NONE, WITH(ALL "Content-Length: 1\r\n")),
        WRONG(400, BIT(UPGRADE_BODY), NONE, WITH(ALL "Transfer-Encoding: chunked\r\n")),
        /* Connection and Upgrade */
        WRONG(426, BIT(CONNECTION_UPGRADE), NONE, WITH(UPGRADE KEY VERSION)),
        WRONG(426, BIT(CONNECTION_UPGRADE), NONE, WITH(UPGRADE "Connection: keep-alive\r\n" KEY VERSION)),
        WRONG(426, BIT(CONNECTION_UPGRADE), NONE, WITH(UPGRADE "Connection: Upgraded\r\n" KEY VERSION)),
        WRONG(426, BIT(CONNECTION_UPGRADE), NONE, WITH(UPGRADE "Connection: \"Upgrade\"\r\n" KEY VERSION)),
        WRONG(426, BIT(CONNECTION_UPGRADE), NONE, WITH(UPGRADE "Connection:\r\n" KEY VERSION)),
        WRONG(426, BIT(UPGRADE_TOKEN), NONE, WITH(CONNECTION KEY VERSION)),
        WRONG(426, BIT(UPGRADE_TOKEN), NONE, WITH("Upgrade: h2c\r\n" CONNECTION KEY VERSION)),
        WRONG(426, BIT(UPGRADE_TOKEN), NONE, WITH("Upgrade: websockets\r\n" CONNECTION KEY VERSION)),
        WRONG(426, BIT(UPGRADE_TOKEN), NONE, WITH("Upgrade: /websocket\r\n" CONNECTION KEY VERSION)),
        WRONG(426, BIT(CONNECTION_UPGRADE) | BIT(UPGRADE_TOKEN) | BIT(KEY) | BIT(WEBSOCKET_VERSION), NO_UPGRADE,
              WITH("")),
        /* key */
        WRONG(400, BIT(KEY), NONE, WITH(UPGRADE CONNECTION VERSION)),
        WRONG(400, BIT(KEY), DOUBLED, WITH(ALL KEY)),
        WRONG(400, BIT(KEY), EMPTY, WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key:\r\n")),
        WRONG(400, BIT(KEY), KEY_LENGTH, WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: x\r\n")),
        WRONG(400, BIT(KEY), KEY_LENGTH,
              WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n")),
        WRONG(400, BIT(KEY), KEY_LENGTH,
              WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ===\r\n")),
        WRONG(400, BIT(KEY), KEY_BASE64,
              WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n")),
        WRONG(400, BIT(KEY), KEY_BASE64,
              WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=A\r\n")),
        WRONG(400, BIT(KEY), KEY_BASE64,
              WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZS-ub25jZQ==\r\n")),
        WRONG(400, BIT(KEY), KEY_BASE64,
              WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNh XBsZSBub25jZQ==\r\n")),
        WRONG(400, BIT(KEY), KEY_BASE64,
              WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j=Q==\r\n")),
        WRONG(400, BIT(KEY), KEY_LOOSE,
              WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n")),
        WRONG(400, BIT(KEY), KEY_LOOSE,
              WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAA/==\r\n")),
        /* version of the protocol */
        WRONG(426, BIT(WEBSOCKET_VERSION), NONE, WITH(UPGRADE CONNECTION KEY)),
        WRONG(426, BIT(WEBSOCKET_VERSION), NONE, WITH(UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 8\r\n")),
        WRONG(426, BIT(WEBSOCKET_VERSION), NONE,
              WITH(UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 013\r\n")),
        WRONG(426, BIT(WEBSOCKET_VERSION), NONE,
              WITH(UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 13, 8\r\n")),
        WRONG(426, BIT(WEBSOCKET_VERSION), NONE, WITH(UPGRADE CONNECTION KEY "Sec-WebSocket-Version:\r\n")),
        WRONG(426, BIT(WEBSOCKET_VERSION), DOUBLED, WITH(ALL VERSION)),
        /* origin */
        FINE(WITH(ALL "Origin: http://example.com\r\n")),
        FINE(WITH(ALL "Origin: https://example.com\r\n")),
        WRONG(403, BIT(ORIGIN), ORIGIN_OTHER, WITH(ALL "Origin: https://evil.example\r\n")),
        WRONG(403, BIT(ORIGIN), NONE, WITH(ALL "Origin:\r\n")),
        WRONG(403, BIT(ORIGIN), ORIGIN_NULL, WITH(ALL "Origin: null\r\n")),
        WRONG(403, BIT(ORIGIN), DOUBLED,
              WITH(ALL "Origin: http://example.com\r\nOrigin: http://example.com\r\n")),
        /* subprotocols */
        FINE(WITH(ALL "Sec-WebSocket-Protocol: mqtt\r\n")),
        FINE(WITH(ALL "Sec-WebSocket-Protocol: mqtt, chat.example.com,,x\r\nSec-WebSocket-Protocol: y\r\n")),
        WRONG(400, BIT(SUBPROTOCOL), EMPTY, WITH(ALL "Sec-WebSocket-Protocol:\r\n")),
        WRONG(400, BIT(SUBPROTOCOL), EMPTY, WITH(ALL "Sec-WebSocket-Protocol: , ,\r\n")),
        WRONG(400, BIT(SUBPROTOCOL), ELEMENT, WITH(ALL "Sec-WebSocket-Protocol: two words\r\n")),
        WRONG(400, BIT(SUBPROTOCOL), ELEMENT, WITH(ALL "Sec-WebSocket-Protocol: a, \"b\"\r\n")),
        WRONG(400, BIT(SUBPROTOCOL), ELEMENT_TWICE, WITH(ALL "Sec-WebSocket-Protocol: a, b, a\r\n")),
        WRONG(400, BIT(SUBPROTOCOL), ELEMENT_TWICE,
              WITH(ALL "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n")),
        FINE(WITH(ALL "Sec-WebSocket-Protocol: a, A\r\n")),
        /* extensions */
        FINE(WITH(ALL "Sec-WebSocket-Extensions: permessage-deflate\r\n")),
        FINE(WITH(ALL "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")),
        FINE(WITH(ALL
                  "Sec-WebSocket-Extensions: a;b=1;c=\"2\" , d ; e = f\r\nSec-WebSocket-Extensions: g\r\n")),
        FINE(WITH(ALL "Sec-WebSocket-Extensions: a; b=\"\\c\\d\"\r\n")),
        WRONG(400, BIT(EXTENSIONS), EMPTY, WITH(ALL "Sec-WebSocket-Extensions:\r\n")),
        WRONG(400, BIT(EXTENSIONS), ELEMENT, WITH(ALL "Sec-WebSocket-Extensions: a;\r\n")),
        WRONG(400, BIT(EXTENSIONS), ELEMENT, WITH(ALL "Sec-WebSocket-Extensions: ;a\r\n")),
        WRONG(400, BIT(EXTENSIONS), ELEMENT, WITH(ALL "Sec-WebSocket-Extensions: a b\r\n")),
        WRONG(400, BIT(EXTENSIONS), ELEMENT, WITH(ALL "Sec-WebSocket-Extensions: a=1\r\n")),
        WRONG(400, BIT(EXTENSIONS), ELEMENT, WITH(ALL "Sec-WebSocket-Extensions: a;b=\r\n")),
        WRONG(400, BIT(EXTENSIONS), ELEMENT, WITH(ALL "Sec-WebSocket-Extensions: a;b=\"\"\r\n")),
        WRONG(400, BIT(EXTENSIONS), ELEMENT, WITH(ALL "Sec-WebSocket-Extensions: a;b=\"c\r\n")),
        WRONG(400, BIT(EXTENSIONS), ELEMENT, WITH(ALL "Sec-WebSocket-Extensions: a;b=\"c\\\r\n")),
        WRONG(400, BIT(EXTENSIONS), ELEMENT, WITH(ALL "Sec-WebSocket-Extensions: a;b=\"c,d\"\r\n")),
        WRONG(400, BIT(EXTENSIONS), ELEMENT, WITH(ALL "Sec-WebSocket-Extensions: a;b=\"c\"d\r\n")),
        WRONG(400, BIT(EXTENSIONS), ELEMENT, WITH(ALL "Sec-WebSocket-Extensions: ok, {}\r\n")),
    };
    prove(&websocket, rows, sizeof rows / sizeof *rows);
}

static void a_request_to_another_protocol_needs_no_field_of_websocket(void **state) {
    (void)state;
    static const struct row rows[] = {
        FINE(WITH("Upgrade: wye-echo\r\n" CONNECTION)),
        FINE(WITH("Upgrade: WYE-Echo/2\r\n" CONNECTION "Sec-WebSocket-Key: nonsense\r\n")),
        WRONG(426, BIT(UPGRADE_TOKEN), NONE, WITH(ALL)),
        WRONG(426, BIT(CONNECTION_UPGRADE), NONE, WITH("Upgrade: wye-echo\r\n")),
        WRONG(403, BIT(ORIGIN), ORIGIN_OTHER,
              WITH("Upgrade: wye-echo\r\n" CONNECTION "Origin: http://evil.example\r\n")),
        WRONG(405, BIT(METHOD), NONE, "POST / HTTP/1.1\r\n" HOST "Upgrade: wye-echo\r\n" CONNECTION "\r\n"),
    };
    prove(&stream, rows, sizeof rows / sizeof *rows);
}

static void the_classic_request_without_key_is_told_of_the_key_and_of_the_version(void **state) {
    (void)state;
    char text[WYE_REFUSAL_TEXT_MAX];
    assert_int_equal(check(&websocket, WITH(UPGRADE CONNECTION)), -400);
    assert_int_equal(refusal.first, WYE_RULE_KEY);
    assert_true(refusal.failed == (BIT(KEY) | BIT(WEBSOCKET_VERSION)));
    wye_refusal_text(text, sizeof text, &refusal);
    assert_non_null(strstr(text, "400 Bad Request\n"));
    assert_non_null(strstr(text, "Sec-WebSocket-Key is missing"));
    assert_non_null(strstr(text, "Sec-WebSocket-Version is missing"));
}

static void a_proxy_that_drops_the_hop_by_hop_fields_is_told_how_to_be_mended(void **state) {
    (void)state;
    char text[WYE_REFUSAL_TEXT_MAX];
    assert_int_equal(check(&websocket, WITH(UPGRADE "Connection: keep-alive\r\n" KEY VERSION)), -426);
    wye_refusal_text(text, sizeof text, &refusal);
    assert_non_null(
        strstr(text, "Connection must list 'upgrade'; this request says 'keep-alive'. If the client sent "
                     "it, a proxy in between removed it: with nginx, add proxy_http_version 1.1; proxy_set_header "
                     "Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";"));
    /* What nginx sends without proxy_http_version 1.1. */
    assert_int_equal(
        check(&websocket, "GET /chat HTTP/1.0\r\n" HOST "Connection: close\r\n" KEY VERSION "\r\n"), -426);
    assert_true(refusal.failed == (BIT(UPGRADE_VERSION) | BIT(CONNECTION_UPGRADE) | BIT(UPGRADE_TOKEN)));
    wye_refusal_text(text, sizeof text, &refusal);
    assert_non_null(strstr(text, "this request says 'HTTP/1.0'. A proxy in between probably speaks 1.0"));
}

static void an_answer_of_426_names_the_paths_protocol(void **state) {
    (void)state;
    char fields[256];
    check(&websocket, WITH(CONNECTION KEY VERSION));
    wye_refusal_fields(fields, sizeof fields, &refusal);
    assert_string_equal(fields, "Upgrade: websocket\r\nConnection: upgrade, close\r\n");
    check(&stream, WITH(CONNECTION));
    wye_refusal_fields(fields, sizeof fields, &refusal);
    assert_string_equal(fields, "Upgrade: wye-echo\r\nConnection: upgrade, close\r\n");
    check(&websocket, WITH(UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 8\r\n"));
    wye_refusal_fields(fields, sizeof fields, &refusal);
    assert_string_equal(fields,
                        "Upgrade: websocket\r\nConnection: upgrade, close\r\nSec-WebSocket-Version: 13\r\n");
}

static void the_agreement_has_the_accept_value_of_rfc_6455_1_3(void **state) {
    (void)state;
    assert_int_equal(check(&websocket, WITH(ALL)), 101);
    assert_memory_equal(agreement.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28);
    assert_int_equal(agreement.subprotocol.count, 0);
}

static void the_servers_best_subprotocol_of_those_offered_is_agreed_on_or_none(void **state) {
    (void)state;
    static const char *const spoken[] = {"mqtt", "chat", NULL};
    const struct wye_upgrade_terms terms = {.token = "websocket", .websocket = true, .subprotocols = spoken};
    assert_int_equal(check(&terms, WITH(ALL "Sec-WebSocket-Protocol: chat, mqtt\r\n")), 101);
    assert_true(wye_span_equal(agreement.subprotocol, WYE_SPAN("mqtt")));
    assert_int_equal(check(&terms, WITH(ALL "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: chat\r\n")),
                     101);
    assert_true(wye_span_equal(agreement.subprotocol, WYE_SPAN("chat")));
    assert_int_equal(check(&terms, WITH(ALL "Sec-WebSocket-Protocol: MQTT\r\n")), 101);
    assert_int_equal(agreement.subprotocol.count, 0);
    assert_int_equal(check(&terms, WITH(ALL)), 101);
    assert_int_equal(agreement.subprotocol.count, 0);
    assert_int_equal(check(&websocket, WITH(ALL "Sec-WebSocket-Protocol: mqtt\r\n")), 101);
    assert_int_equal(agreement.subprotocol.count, 0);
}

static void more_than_64_subprotocols_are_refused(void **state) {
    (void)state;
    char text[1024] = LINE HOST ALL "Sec-WebSocket-Protocol: p0";
    for (unsigned i = 1; i < 64; i++) sprintf(text + strlen(text), ",p%u", i);
    size_t whole = strlen(text);
    strcat(text, "\r\n\r\n");
    assert_int_equal(check(&websocket, text), 101);
    strcpy(text + whole, ",p64\r\n\r\n");
    assert_int_equal(check(&websocket, text), -400);
    assert_int_equal(refusal.cause[WYE_RULE_SUBPROTOCOL], WYE_CAUSE_ELEMENTS);
}

static void hosts_are_this_nodes_by_address_localhost_or_policy(void **state) {
    (void)state;
    static const char *const names[] = {"node.example.com"};
    const struct wye_policy checked = {.hosts = names, .host_count = 1, .host_is_checked = true};
    static const struct {
        const char *host;
        bool allowed;
    } rows[] = {
        {"localhost", true},
        {"LocalHost:8080", true},
        {"localhost.", true},
        {"127.0.0.1:8080", true},
        {"10.1.2.3", true},
        {"[::1]:8080", true},
        {"[2001:db8::1]", true},
        {"node.example.com", true},
        {"NODE.example.com.:80", true},
        {"example.com", false},
        {"x.node.example.com", false},
        {"node.example.com.evil.example", false},
        {"localhost.evil.example", false},
        {"127.0.0.1.evil.example", false},
        {"127.1", false},
        {"0x7f000001", false},
        {"1.2.3.4.5", false},
        {"evil.example:80", false},
        {".", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (wye_policy_host_allowed(&checked, wye_span_of(rows[i].host)) != rows[i].allowed)
            fail_msg("%s", rows[i].host);
        assert_true(wye_policy_host_allowed(&policy, wye_span_of(rows[i].host)));
    }
    assert_true(wye_policy_host_allowed(&checked, (struct wye_span){0}));
}

struct origin_row {
    const char *origin, *host;
    bool allowed;
};

static void prove_origins(const struct wye_policy *of, const struct origin_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bool allowed = wye_policy_origin_allowed(of, wye_span_of(rows[i].origin), wye_span_of(rows[i].host));
        if (allowed != rows[i].allowed) fail_msg("'%s' at '%s'", rows[i].origin, rows[i].host);
    }
}

static void an_origin_is_welcome_at_its_own_host(void **state) {
    (void)state;
    static const struct origin_row rows[] = {
        {NULL, "example.com", true}, /* no browser */
        {NULL, NULL, true},
        {"http://example.com", "example.com", true},
        {"https://example.com", "example.com", true},
        {"HTTPS://Example.COM", "example.com", true},
        {"http://example.com:80", "example.com", true},
        {"http://example.com", "example.com:80", true},
        {"https://example.com", "example.com:443", true},
        {"https://example.com:443", "example.com:80", true},
        {"http://example.com:8080", "example.com:8080", true},
        {"http://[::1]:8080", "[::1]:8080", true},
        {"http://example.com:8080", "example.com", false},
        {"http://example.com", "example.com:8080", false},
        {"http://example.com:8080", "example.com:8081", false},
        {"http://evil.example", "example.com", false},
        {"http://example.com.evil.example", "example.com", false},
        {"http://evilexample.com", "example.com", false},
        {"http://example.com@evil.example", "example.com", false},
        {"http://example.com/", "example.com", false},
        {"http://example.com ", "example.com", false},
        {"example.com", "example.com", false},
        {"://example.com", "example.com", false},
        {"file://", "example.com", false},
        {"chrome-extension://example.com", "example.com", false},
        {"http://", "example.com", false},
        {"http://example.com", NULL, false},
        {"", "example.com", false},
        {"null", "example.com", false},
        {"null", "null", false},
    };
    prove_origins(&policy, rows, sizeof rows / sizeof *rows);
}

static void an_origin_is_welcome_when_it_matches_a_pattern(void **state) {
    (void)state;
    static const char *const patterns[] = {"https://app.example",       "http://dev.example:3000/",
                                           "https://*.example.com",     "http://*.test:8080",
                                           "chrome-extension://abcdef", "null"};
    const struct wye_policy some = {.origins = patterns, .origin_count = sizeof patterns / sizeof *patterns};
    static const struct origin_row rows[] = {
        {"https://app.example", "x", true},
        {"https://APP.example:443", "x", true},
        {"http://app.example", "x", false},
        {"https://app.example:8443", "x", false},
        {"http://dev.example:3000", "x", true},
        {"http://dev.example", "x", false},
        {"https://a.example.com", "x", true},
        {"https://a.b.example.com", "x", true},
        {"https://example.com", "x", false},
        {"https://.example.com", "x", false},
        {"https://evilexample.com", "x", false},
        {"https://a.example.com.evil.example", "x", false},
        {"http://a.example.com", "x", false},
        {"https://a.example.com:8443", "x", false},
        {"http://a.test:8080", "x", true},
        {"http://a.test", "x", false},
        {"chrome-extension://abcdef", "x", true},
        {"chrome-extension://other", "x", false},
        {"null", "x", false},
        {"http://x", "x", true},
    };
    prove_origins(&some, rows, sizeof rows / sizeof *rows);
}

static void the_star_welcomes_every_origin_even_null(void **state) {
    (void)state;
    static const char *const star[] = {"*"};
    const struct wye_policy any = {.origins = star, .origin_count = 1};
    static const struct origin_row rows[] = {
        {"null", "x", true}, {"https://evil.example", "x", true}, {"garbage", "x", true}, {"", "x", true}};
    prove_origins(&any, rows, sizeof rows / sizeof *rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_to_websocket_keeps_every_rule_or_gets_the_first_ones_status),
        cmocka_unit_test(a_request_to_another_protocol_needs_no_field_of_websocket),
        cmocka_unit_test(the_classic_request_without_key_is_told_of_the_key_and_of_the_version),
        cmocka_unit_test(a_proxy_that_drops_the_hop_by_hop_fields_is_told_how_to_be_mended),
        cmocka_unit_test(an_answer_of_426_names_the_paths_protocol),
        cmocka_unit_test(the_agreement_has_the_accept_value_of_rfc_6455_1_3),
        cmocka_unit_test(the_servers_best_subprotocol_of_those_offered_is_agreed_on_or_none),
        cmocka_unit_test(more_than_64_subprotocols_are_refused),
        cmocka_unit_test(hosts_are_this_nodes_by_address_localhost_or_policy),
        cmocka_unit_test(an_origin_is_welcome_at_its_own_host),
        cmocka_unit_test(an_origin_is_welcome_when_it_matches_a_pattern),
        cmocka_unit_test(the_star_welcomes_every_origin_even_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
