/* What is found in a request head that is in order, and what can be asked of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/request.h"

#include <stdio.h>

#define GET          "GET / HTTP/1.1\r\n"
#define HEAD(fields) GET "Host: example.com\r\n" fields "\r\n"

/* What is read of a text that is a head and maybe more. */
static ptrdiff_t read_text(struct wye_request *request, const char *text) {
    struct wye_refusal refusal = {0};
    return wye_request_read(request, &refusal, (const uint8_t *)text, strlen(text), &(struct wye_request_progress){0});
}

#define EXPECT_SPAN(span, expected) assert_true(wye_span_equal((span), WYE_SPAN(expected)))

static void targets_are_taken_apart(void **state) {
    (void)state;
    static const struct {
        const char *text, *path, *query, *host;
    } cases[] = {
        {"GET /chat?last=5 HTTP/1.1\r\nHost: a:1\r\n\r\n", "/chat", "last=5", "a:1"},
        {"GET /chat? HTTP/1.1\r\nHost: a\r\n\r\n", "/chat", "", "a"},
        {"GET /chat HTTP/1.1\r\nHost: a\r\n\r\n", "/chat", NULL, "a"},
        {"GET /a?b?c HTTP/1.1\r\nHost: a\r\n\r\n", "/a", "b?c", "a"},
        {"GET http://b:8/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "/x", "y", "b:8"},
        {"GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", "/", NULL, "b"},
        {"GET wss://b?y/z HTTP/1.1\r\nHost: a\r\n\r\n", "/", "y/z", "b"},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "*", NULL, "a"},
        {"GET / HTTP/1.0\r\n\r\n", "/", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct wye_request request;
        assert_int_equal(read_text(&request, cases[i].text), strlen(cases[i].text));
        assert_true(wye_span_equal(request.path, wye_span_of(cases[i].path)));
        assert_true(wye_span_equal(request.query, wye_span_of(cases[i].query)));
        assert_int_equal(request.query.bytes != NULL, cases[i].query != NULL);
        assert_true(wye_span_equal(request.host, wye_span_of(cases[i].host)));
        assert_int_equal(request.host.bytes != NULL, cases[i].host != NULL);
    }
}

static void methods_are_known_by_their_case(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum wye_method id;
    } cases[] = {
        {"GET", WYE_METHOD_GET},       {"HEAD", WYE_METHOD_HEAD},      {"POST", WYE_METHOD_POST},
        {"PUT", WYE_METHOD_PUT},       {"DELETE", WYE_METHOD_DELETE},  {"OPTIONS", WYE_METHOD_OPTIONS},
        {"PATCH", WYE_METHOD_OTHER},   {"get", WYE_METHOD_OTHER},      {"GETS", WYE_METHOD_OTHER},
        {"CONNECT", WYE_METHOD_OTHER}, {"OPTIONSX", WYE_METHOD_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct wye_request request;
        char text[64];
        sprintf(text, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].name);
        assert_true(read_text(&request, text) > 0);
        assert_int_equal(request.method_id, cases[i].id);
        assert_true(wye_span_equal(request.method, wye_span_of(cases[i].name)));
    }
}

static void known_fields_are_known_in_any_case_and_near_misses_are_not(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum wye_field_name known;
    } names[] = {
        {"host", WYE_FIELD_HOST},
        {"connection", WYE_FIELD_CONNECTION},
        {"upgrade", WYE_FIELD_UPGRADE},
        {"sec-websocket-key", WYE_FIELD_SEC_WEBSOCKET_KEY},
        {"sec-websocket-version", WYE_FIELD_SEC_WEBSOCKET_VERSION},
        {"sec-websocket-protocol", WYE_FIELD_SEC_WEBSOCKET_PROTOCOL},
        {"sec-websocket-extensions", WYE_FIELD_SEC_WEBSOCKET_EXTENSIONS},
        {"origin", WYE_FIELD_ORIGIN},
        {"content-length", WYE_FIELD_CONTENT_LENGTH},
        {"content-type", WYE_FIELD_CONTENT_TYPE},
        {"content-encoding", WYE_FIELD_CONTENT_ENCODING},
        {"transfer-encoding", WYE_FIELD_TRANSFER_ENCODING},
        {"expect", WYE_FIELD_EXPECT},
        {"accept", WYE_FIELD_ACCEPT},
        {"authorization", WYE_FIELD_AUTHORIZATION},
        {"cookie", WYE_FIELD_COOKIE},
        {"x-forwarded-for", WYE_FIELD_X_FORWARDED_FOR},
        {"http2-settings", WYE_FIELD_HTTP2_SETTINGS},
    };
    assert_int_equal(sizeof names / sizeof *names, WYE_FIELD_NAME_COUNT - 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i].name);
        /* change 0: as it is; 1: all capital; otherwise, one letter changed to its neighbour. */
        for (size_t change = 0; change < length + 2; change++) {
            static struct wye_request request;
            char name[32], text[128];
            strcpy(name, names[i].name);
            for (size_t at = 0; at < length && change == 1; at++) {
                if (name[at] >= 'a') name[at] = (char)(name[at] - 0x20);
            }
            if (change >= 2) name[change - 2] ^= 1;
            sprintf(text, "GET / HTTP/1.0\r\nA: b\r\n%s: 1\r\n\r\n", name);
            struct wye_refusal refusal = {0};
            wye_request_read(&request, &refusal, (const uint8_t *)text, strlen(text), &(struct wye_request_progress){0});
            if (refusal.first == WYE_RULE_FRAMING) continue;       /* Transfer-Encoding on 1.0 */
            if (refusal.first == WYE_RULE_FIELD_GRAMMAR) continue; /* '-' became ',' */
            assert_int_equal(refusal.failed, 0);
            if (change < 2) assert_int_equal(request.first[names[i].known], 2);
            assert_true((change < 2) == (wye_request_field(&request, names[i].known).bytes != NULL));
            assert_int_equal(wye_request_has(&request, names[i].known), change < 2);
            assert_false(wye_request_repeats(&request, names[i].known));
        }
    }
}

static void values_come_without_the_white_space_around_them(void **state) {
    (void)state;
    static struct wye_request request;
    assert_true(read_text(&request, GET "Host: \t a\t \r\nA: \tb\tc \r\nB:\r\nC: \t \r\n\r\n") > 0);
    EXPECT_SPAN(request.host, "a");
    EXPECT_SPAN(wye_request_name(&request, 1), "A");
    EXPECT_SPAN(wye_request_value(&request, 1), "b\tc");
    EXPECT_SPAN(wye_request_value(&request, 2), "");
    EXPECT_SPAN(wye_request_value(&request, 3), "");
    assert_null(wye_request_field(&request, WYE_FIELD_UPGRADE).bytes);
}

static void the_connection_is_kept_alive_by_version_and_connection(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool keep_alive;
    } cases[] = {
        {HEAD(""), true},
        {HEAD("Connection: close\r\n"), false},
        {HEAD("Connection: Close\r\n"), false},
        {HEAD("Connection: keep-alive, close\r\n"), false},
        {HEAD("Connection: Upgrade\r\nConnection: close\r\n"), false},
        {HEAD("Connection: closed\r\n"), true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct wye_request request;
        assert_true(read_text(&request, cases[i].text) > 0);
        assert_int_equal(request.keep_alive, cases[i].keep_alive);
    }
}

static void a_list_is_one_over_all_lines_of_its_field(void **state) {
    (void)state;
    static struct wye_request request;
    assert_true(read_text(&request, HEAD("Connection: a, b\r\nUpgrade: x, WebSocket/13\r\nConnection:\r\n"
                                         "X: y\r\nConnection: , UPGRADE\r\n")) > 0);
    assert_true(wye_request_lists(&request, WYE_FIELD_CONNECTION, WYE_SPAN("a")));
    assert_true(wye_request_lists(&request, WYE_FIELD_CONNECTION, WYE_SPAN("B")));
    assert_true(wye_request_lists(&request, WYE_FIELD_CONNECTION, WYE_SPAN("upgrade")));
    assert_false(wye_request_lists(&request, WYE_FIELD_CONNECTION, WYE_SPAN("y")));
    assert_false(wye_request_lists(&request, WYE_FIELD_EXPECT, WYE_SPAN("y")));
    assert_true(wye_request_offers(&request, WYE_SPAN("websocket")));
    assert_true(wye_request_offers(&request, WYE_SPAN("X")));
    assert_false(wye_request_offers(&request, WYE_SPAN("websocket/13")));
    struct wye_elements walk = {.name = WYE_FIELD_CONNECTION};
    struct wye_span element;
    unsigned count = 0;
    while (wye_request_next_element(&request, &walk, &element)) count++;
    assert_int_equal(count, 3);
    assert_false(wye_request_next_element(&request, &walk, &element));
}

static void a_request_is_of_websocket_by_its_upgrade_or_any_of_its_fields(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool websocket;
    } cases[] = {
        {HEAD(""), false},
        {HEAD("Upgrade: h2c\r\n"), false},
        {HEAD("Upgrade: h2c, WebSocket\r\n"), true},
        {HEAD("Sec-WebSocket-Key: x\r\n"), true},
        {HEAD("sec-websocket-version: 13\r\n"), true},
        {HEAD("Sec-WebSocket-Anything: x\r\n"), true},
        {HEAD("Sec-WebSocket: x\r\n"), false},
        {HEAD("X: websocket\r\n"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct wye_request request;
        assert_true(read_text(&request, cases[i].text) > 0);
        assert_int_equal(wye_request_is_websocket(&request), cases[i].websocket);
    }
}

static void a_media_type_is_accepted_when_it_is_named_with_a_weight_that_is_not_0(void **state) {
    (void)state;
    static const struct {
        const char *accept;
        bool welcome;
    } cases[] = {
        {"a/b", true},          {"A/B", true},         {"x/y, a/b", true}, {"a/b;q=0.1", true},
        {"a/b ; q=1", true},    {"a/b;v=1;q=0", true}, {"a/b;q=0", false}, {"a/b; q=0.000", false},
        {"a/b; Q=0.00", false}, {"a/bc", false},       {"a", false},       {"*/*", false},
        {"a/*", false},         {"", false},           {"x/a/b", false},   {"a/b;q=0, a/b", true},
        {"a/b;q=0.001", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct wye_request request;
        char text[256];
        snprintf(text, sizeof text, HEAD("Accept: %s\r\n"), cases[i].accept);
        assert_true(read_text(&request, text) > 0);
        assert_int_equal(wye_request_accepts(&request, WYE_SPAN("a/b")), cases[i].welcome);
    }
    static struct wye_request request;
    assert_true(read_text(&request, HEAD("")) > 0);
    assert_false(wye_request_accepts(&request, WYE_SPAN("a/b")));
}

static void a_client_awaits_100_when_it_says_so_in_1_1(void **state) {
    (void)state;
    static struct wye_request request;
    assert_true(read_text(&request, HEAD("Expect: 100-Continue\r\n")) > 0);
    assert_true(wye_request_awaits_continue(&request));
    assert_true(read_text(&request, HEAD("Expect: 200-ok\r\n")) > 0);
    assert_false(wye_request_awaits_continue(&request));
    assert_true(read_text(&request, HEAD("")) > 0);
    assert_false(wye_request_awaits_continue(&request));
    assert_true(read_text(&request, "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n") > 0);
    assert_false(wye_request_awaits_continue(&request));
}

static void connection_lists_upgrade_in_any_case_place_and_line(void **state) {
    (void)state;
    static const struct {
        const char *lines;
        bool upgrade;
    } cases[] = {
        {"Connection: Upgrade\r\n", true},
        {"Connection: uPGRADE\r\n", true},
        {"Connection: keep-alive, Upgrade\r\n", true},
        {"Connection: Keep-Alive,upgrade\r\n", true},
        {"Connection: x\r\nConnection: upgrade\r\n", true},
        {"Connection: upgrade\r\nConnection: close\r\n", true},
        {"Connection: upgrades\r\n", false},
        {"Connection: keep-alive\r\n", false},
        {"Connection: keep-alive; upgrade\r\n", false},
        {"Connection: keep-alive  upgrade\r\n", false},
        {"Connection:\r\n", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct wye_request request;
        char text[256];
        snprintf(text, sizeof text, HEAD("%s"), cases[i].lines);
        assert_true(read_text(&request, text) > 0);
        assert_int_equal(request.lists_upgrade, cases[i].upgrade);
        assert_int_equal(request.lists_upgrade,
                         wye_request_lists(&request, WYE_FIELD_CONNECTION, WYE_SPAN("upgrade")));
    }
}

static void percent_decoding_needs_two_hex_digits_and_may_be_done_in_place(void **state) {
    (void)state;
    char to[32] = "a%2Fb+%c3%A9%00";
    struct wye_span in = {to, 15};
    assert_int_equal(wye_percent_decode(to, in), 7);
    assert_memory_equal(to, "a/b+\xc3\xa9\0", 7);
    assert_int_equal(wye_percent_decode(to, WYE_SPAN("")), 0);
    assert_int_equal(wye_percent_decode(to, (struct wye_span){0}), 0);
    static const char *const bad[] = {"%", "%4", "a%", "%4g", "%g4", "%%41", "% 1", "%4\xb0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(wye_percent_decode(to, wye_span_of(bad[i])), -1);
    }
}

static void a_querys_values_are_found_by_name(void **state) {
    (void)state;
    struct wye_span value;
    struct wye_span query = WYE_SPAN("noecho&last=5&last=6&x==1&=y&&tail=");
    assert_true(wye_query_value(query, WYE_SPAN("noecho"), &value));
    EXPECT_SPAN(value, "");
    assert_true(wye_query_value(query, WYE_SPAN("last"), &value));
    EXPECT_SPAN(value, "5");
    assert_true(wye_query_value(query, WYE_SPAN("x"), &value));
    EXPECT_SPAN(value, "=1");
    assert_true(wye_query_value(query, WYE_SPAN("tail"), &value));
    EXPECT_SPAN(value, "");
    assert_false(wye_query_value(query, WYE_SPAN("las"), &value));
    assert_false(wye_query_value(query, WYE_SPAN("lastt"), &value));
    assert_false(wye_query_value((struct wye_span){0}, WYE_SPAN("a"), &value));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_taken_apart),
        cmocka_unit_test(methods_are_known_by_their_case),
        cmocka_unit_test(known_fields_are_known_in_any_case_and_near_misses_are_not),
        cmocka_unit_test(values_come_without_the_white_space_around_them),
        cmocka_unit_test(the_connection_is_kept_alive_by_version_and_connection),
        cmocka_unit_test(a_list_is_one_over_all_lines_of_its_field),
        cmocka_unit_test(a_request_is_of_websocket_by_its_upgrade_or_any_of_its_fields),
        cmocka_unit_test(a_media_type_is_accepted_when_it_is_named_with_a_weight_that_is_not_0),
        cmocka_unit_test(a_client_awaits_100_when_it_says_so_in_1_1),
        cmocka_unit_test(connection_lists_upgrade_in_any_case_place_and_line),
        cmocka_unit_test(percent_decoding_needs_two_hex_digits_and_may_be_done_in_place),
        cmocka_unit_test(a_querys_values_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
