/* The table of rules, and how a refusal reads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/rule.h"

#include <stdlib.h>

/* Printable ASCII, with at most `most` conversions that are "%s" and no other. */
static void assert_text(const char *text, unsigned most) {
    unsigned conversions = 0;
    assert_non_null(text);
    for (const char *at = text; *at; at++) {
        assert_true(*at >= 0x20 && *at < 0x7f);
        if (at[0] == '%' && at[1] == 's') conversions++;
    }
    assert_true(conversions <= most);
}

static void every_rule_has_an_id_of_its_own_a_source_a_status_and_all_its_texts(void **state) {
    (void)state;
    assert_true(WYE_RULE_COUNT <= 64);
    for (unsigned rule = 1; rule < WYE_RULE_COUNT; rule++) {
        const struct wye_rule_row *row = &wye_rules[rule];
        assert_text(row->id, 0);
        assert_int_equal(strspn(row->id, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(row->id));
        for (unsigned other = 1; other < rule; other++) assert_string_not_equal(row->id, wye_rules[other].id);
        assert_true(row->status >= 400 && row->status <= 599);
        assert_true(strncmp(row->source, "RFC ", 4) == 0 || strncmp(row->source, "PROXY protocol ", 15) == 0);
        assert_text(row->source, 0);
        assert_text(row->must, 0);
        assert_text(row->sentence, 1);
        assert_text(row->absent, 0);
        assert_text(row->mend, 0);
        assert_true(strlen(row->must) > 10 && strlen(row->sentence) > 10 && strlen(row->absent) > 10);
        assert_true(strlen(row->mend) > 10);
        assert_non_null(strstr(row->sentence, "'%s'"));
        assert_int_equal(row->must[strlen(row->must) - 1], '.');
        const char *fields = row->fields;
        assert_non_null(fields);
        if (*fields) assert_string_equal(fields + strlen(fields) - 2, "\r\n");
        if (row->status == 426) {
            assert_non_null(strstr(fields, "Upgrade: {token}\r\n"));
            assert_non_null(strstr(fields, "Connection: upgrade, close\r\n"));
        }
    }
    for (unsigned cause = 1; cause < WYE_CAUSE_COUNT; cause++) {
        assert_text(wye_causes[cause], 0);
        assert_true(strlen(wye_causes[cause]) > 5);
    }
}

static void the_first_rule_in_their_order_gives_the_status_in_whatever_order_they_are_noted(void **state) {
    (void)state;
    struct wye_refusal refusal = {0};
    assert_int_equal(wye_refusal_add(&refusal, WYE_RULE_ORIGIN, WYE_SPAN("http://a")), -403);
    assert_int_equal(wye_refusal_add(&refusal, WYE_RULE_LOAD, (struct wye_span){0}), -403);
    assert_int_equal(wye_refusal_add(&refusal, WYE_RULE_KEY, (struct wye_span){0}), -400);
    assert_int_equal(refusal.first, WYE_RULE_KEY);
    assert_int_equal(refusal.status, 400);
    refusal.status = 409; /* told another */
    assert_int_equal(wye_refusal_add(&refusal, WYE_RULE_EXTENSIONS, WYE_SPAN(";")), -409);
}

static void a_text_has_for_each_rule_its_sentence_its_cause_its_mending_and_its_source(void **state) {
    (void)state;
    char text[WYE_REFUSAL_TEXT_MAX];
    struct wye_refusal refusal = {0};
    wye_refusal_add_cause(&refusal, WYE_RULE_KEY, WYE_SPAN("x'y\r\n"), WYE_CAUSE_KEY_LENGTH);
    wye_refusal_add(&refusal, WYE_RULE_WEBSOCKET_VERSION, (struct wye_span){0});
    size_t count = wye_refusal_text(text, sizeof text, &refusal);
    assert_int_equal(count, strlen(text));
    assert_string_equal(
        text,
        "400 Bad Request\n"
        "\n"
        "Sec-WebSocket-Key must be 16 bytes in base64, 24 characters that end with '=='; this request says "
        "'x\\x27y\\x0D\\x0A'. It doesn't have 24 characters. WebSocket clients add it by themselves, fresh "
        "for "
        "each connection; by hand, Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ== will do.\n"
        "(key: RFC 6455 4.2.1)\n"
        "\n"
        "Sec-WebSocket-Version is missing: it must be 13. WebSocket clients add it by themselves; by hand, "
        "Sec-WebSocket-Version: 13.\n"
        "(websocket-version: RFC 6455 4.2.1)\n");
}

static void what_the_path_offers_is_put_into_texts_and_fields(void **state) {
    (void)state;
    char text[WYE_REFUSAL_TEXT_MAX], fields[256];
    struct wye_refusal refusal = {.token = "wye-echo", .allow = "GET, POST"};
    wye_refusal_add(&refusal, WYE_RULE_METHOD, WYE_SPAN("PUT"));
    wye_refusal_add(&refusal, WYE_RULE_UPGRADE_TOKEN, WYE_SPAN("h2c"));
    wye_refusal_text(text, sizeof text, &refusal);
    assert_non_null(strstr(text, "405 Method Not Allowed\n"));
    assert_non_null(strstr(text, "This path answers to GET, POST; this request says 'PUT'."));
    assert_non_null(strstr(
        text, "Upgrade must list 'wye-echo', which is what this path speaks; this request says 'h2c'."));
    wye_refusal_fields(fields, sizeof fields, &refusal);
    assert_string_equal(fields, "Allow: GET, POST\r\n");
}

static void what_was_seen_is_no_template(void **state) {
    (void)state;
    char text[WYE_REFUSAL_TEXT_MAX];
    struct wye_refusal refusal = {0};
    wye_refusal_add(&refusal, WYE_RULE_PATH, WYE_SPAN("/%s{token}%n"));
    wye_refusal_text(text, sizeof text, &refusal);
    assert_non_null(strstr(text, "'/%s{token}%n'"));
}

static void fields_are_those_of_the_rules_that_share_the_status_each_line_once(void **state) {
    (void)state;
    char fields[256];
    struct wye_refusal refusal = {0};
    wye_refusal_add(&refusal, WYE_RULE_CONNECTION_UPGRADE, (struct wye_span){0});
    wye_refusal_add(&refusal, WYE_RULE_UPGRADE_TOKEN, (struct wye_span){0});
    wye_refusal_add(&refusal, WYE_RULE_KEY, (struct wye_span){0});
    wye_refusal_add(&refusal, WYE_RULE_WEBSOCKET_VERSION, (struct wye_span){0});
    wye_refusal_add(&refusal, WYE_RULE_LOAD, (struct wye_span){0});
    size_t count = wye_refusal_fields(fields, sizeof fields, &refusal);
    assert_string_equal(fields,
                        "Upgrade: websocket\r\nConnection: upgrade, close\r\nSec-WebSocket-Version: 13\r\n");
    assert_int_equal(count, strlen(fields));
    refusal = (struct wye_refusal){0};
    wye_refusal_add(&refusal, WYE_RULE_LOAD, WYE_SPAN("draining"));
    wye_refusal_fields(fields, sizeof fields, &refusal);
    assert_string_equal(fields, "Retry-After: 1\r\n");
    refusal = (struct wye_refusal){0};
    wye_refusal_add(&refusal, WYE_RULE_FIELD_GRAMMAR, WYE_SPAN("a b"));
    assert_int_equal(wye_refusal_fields(fields, sizeof fields, &refusal), 0);
    assert_string_equal(fields, "");
}

/* A reader of JSON (RFC 8259) that only says where a value ends; NULL: it isn't one. */
static const char *json_value(const char *at);

static const char *json_string(const char *at) {
    if (*at++ != '"') return NULL;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e) return NULL;
        if (*at == '\\' && !strchr("\"\\/bfnrtu", *++at)) return NULL;
    }
    return at + 1;
}

static const char *json_members(const char *at, char end, bool named) {
    if (*++at == end) return at + 1;
    for (;; at++) {
        if (named) {
            at = json_string(at);
            if (!at || *at++ != ':') return NULL;
        }
        at = json_value(at);
        if (!at || (*at != ',' && *at != end)) return NULL;
        if (*at == end) return at + 1;
    }
}

static const char *json_value(const char *at) {
    if (*at == '{') return json_members(at, '}', true);
    if (*at == '[') return json_members(at, ']', false);
    if (*at == '"') return json_string(at);
    size_t digits = strspn(at, "0123456789");
    return digits > 0 ? at + digits : NULL;
}

static bool is_json(const char *text) {
    const char *end = json_value(text);
    return end && strcmp(end, "\n") == 0;
}

static void a_problem_is_whole_json_with_a_type_and_an_entry_for_each_rule(void **state) {
    (void)state;
    char json[WYE_REFUSAL_TEXT_MAX];
    struct wye_refusal refusal = {0};
    wye_refusal_add(&refusal, WYE_RULE_CONNECTION_UPGRADE, WYE_SPAN("a\"\\\x01"));
    wye_refusal_add(&refusal, WYE_RULE_KEY, (struct wye_span){0});
    size_t count = wye_refusal_problem_json(json, sizeof json, &refusal);
    assert_int_equal(count, strlen(json));
    assert_true(is_json(json));
    const char *start =
        "{\"type\":\"urn:wye:rule:connection-upgrade\",\"title\":\"Connection lists 'upgrade'.\","
        "\"status\":426,\"detail\":\"Connection must list 'upgrade'; this request says "
        "'a\\\\x22\\\\x5C\\\\x01'.\",\"rules\":[{\"id\":\"connection-upgrade\",\"source\":\"RFC 9110 7.8\",";
    assert_memory_equal(json, start, strlen(start));
    assert_non_null(strstr(json, "Connection \\\"upgrade\\\";"));
    assert_non_null(strstr(json, "{\"id\":\"key\""));
}

/* The longest refusal that can come to pass: every rule of an upgrade, each seeing what is longest when
 * escaped. */
static void refuse_everything(struct wye_refusal *refusal) {
    static char seen[4096];
    memset(seen, 0xff, sizeof seen);
    *refusal = (struct wye_refusal){.token = "websocket", .allow = "GET, HEAD, POST"};
    for (unsigned rule = WYE_RULE_HOST_NAMED; rule < WYE_RULE_COUNT; rule++) {
        wye_refusal_add_cause(refusal, (enum wye_rule)rule, (struct wye_span){seen, sizeof seen},
                              WYE_CAUSE_ORIGIN_NULL);
    }
}

static void a_line_for_a_log_has_the_ids_and_sentences_and_nothing_to_mend(void **state) {
    (void)state;
    struct wye_refusal refusal;
    char line[1024], part[1024];
    wye_refusal_begin(&refusal, NULL, NULL);
    wye_refusal_add(&refusal, WYE_RULE_KEY, WYE_SPAN("two\nlines"));
    wye_refusal_add(&refusal, WYE_RULE_WEBSOCKET_VERSION, (struct wye_span){0});
    size_t count = wye_refusal_line(line, sizeof line, &refusal);
    assert_int_equal(count, strlen(line));
    assert_ptr_equal(strstr(line, "400 key, websocket-version: Sec-WebSocket-Key "), line);
    assert_non_null(strstr(line, "'two\\x0Alines'"));
    assert_non_null(strstr(line, " Sec-WebSocket-Version is missing"));
    assert_null(strchr(line, '\n'));
    assert_null(strstr(line, "RFC"));
    for (size_t room = 0; room <= count + 1; room++) {
        memset(part, 'x', sizeof part);
        size_t fits = room == 0 ? 0 : room - 1;
        assert_int_equal(wye_refusal_line(part, room, &refusal), fits);
        assert_memory_equal(part, line, fits);
        if (room > 0) assert_int_equal(part[fits], '\0');
        assert_int_equal(part[room], 'x');
    }
}

static void the_longest_text_and_json_fit_into_what_the_header_promises(void **state) {
    (void)state;
    static char text[2 * WYE_REFUSAL_TEXT_MAX];
    struct wye_refusal refusal;
    refuse_everything(&refusal);
    assert_true(wye_refusal_text(text, sizeof text, &refusal) < WYE_REFUSAL_TEXT_MAX);
    assert_true(wye_refusal_problem_json(text, sizeof text, &refusal) < WYE_REFUSAL_TEXT_MAX);
    assert_non_null(strstr(text, "\"id\":\"load\""));
}

static void no_room_is_ever_overrun_and_json_and_fields_stay_whole(void **state) {
    (void)state;
    struct wye_refusal refusal;
    char whole[WYE_REFUSAL_TEXT_MAX], whole_fields[512];
    refuse_everything(&refusal);
    size_t whole_count = wye_refusal_text(whole, sizeof whole, &refusal);
    wye_refusal_fields(whole_fields, sizeof whole_fields, &refusal);
    for (size_t room = 0; room <= WYE_REFUSAL_TEXT_MAX; room += room < 600 ? 1 : 37) {
        char *to = malloc(room ? room : 1);
        assert_non_null(to);
        size_t count = wye_refusal_text(to, room, &refusal);
        assert_int_equal(count, room == 0 ? 0 : room - 1 < whole_count ? room - 1 : whole_count);
        assert_memory_equal(to, whole, count);
        if (room > 0) assert_int_equal(to[count], '\0');
        count = wye_refusal_problem_json(to, room, &refusal);
        assert_true(room == 0 || count < room);
        if (count > 0) assert_true(is_json(to));
        count = wye_refusal_fields(to, room, &refusal);
        assert_true(room == 0 || count < room);
        if (count > 0) assert_memory_equal(to + count - 2, "\r\n", 3);
        free(to);
    }
}

static void the_printed_table_has_a_row_a_rule_and_fits_what_the_header_promises(void **state) {
    (void)state;
    static char text[WYE_RULES_TEXT_MAX];
    size_t count = wye_rules_markdown(text, sizeof text);
    assert_true(count < sizeof text - 1 && strlen(text) == count);
    unsigned lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++) lines++;
    assert_int_equal(lines, 2 + WYE_RULE_COUNT - 1);
    assert_int_equal(wye_rules_markdown(text, 10), 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_printed_table_has_a_row_a_rule_and_fits_what_the_header_promises),
        cmocka_unit_test(every_rule_has_an_id_of_its_own_a_source_a_status_and_all_its_texts),
        cmocka_unit_test(the_first_rule_in_their_order_gives_the_status_in_whatever_order_they_are_noted),
        cmocka_unit_test(a_text_has_for_each_rule_its_sentence_its_cause_its_mending_and_its_source),
        cmocka_unit_test(what_the_path_offers_is_put_into_texts_and_fields),
        cmocka_unit_test(what_was_seen_is_no_template),
        cmocka_unit_test(fields_are_those_of_the_rules_that_share_the_status_each_line_once),
        cmocka_unit_test(a_problem_is_whole_json_with_a_type_and_an_entry_for_each_rule),
        cmocka_unit_test(a_line_for_a_log_has_the_ids_and_sentences_and_nothing_to_mend),
        cmocka_unit_test(the_longest_text_and_json_fit_into_what_the_header_promises),
        cmocka_unit_test(no_room_is_ever_overrun_and_json_and_fields_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
