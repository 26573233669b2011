/* The table of what goes wrong with upgrades. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/trouble.h"

#include <string.h>

static void assert_plain(const char *text, bool lines) {
    for (; *text; text++) assert_true((*text >= 0x20 && *text <= 0x7e) || (lines && *text == '\n'));
}

static void every_row_is_complete_and_plain(void **state) {
    (void)state;
    for (unsigned i = 1; i < WYE_TROUBLE_COUNT; i++) {
        const struct wye_trouble_row *row = &wye_troubles[i];
        assert_non_null(row->id);
        assert_true(*row->id && strspn(row->id, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(row->id));
        assert_plain(row->title, false);
        assert_plain(row->means, false);
        assert_plain(row->mend, false);
        assert_true(row->title[strlen(row->title) - 1] == '.');
        assert_true(strchr(".)?", row->mend[strlen(row->mend) - 1]) != NULL);
        assert_plain(wye_trouble_source(row), false);
        for (unsigned j = 1; j < i; j++) assert_string_not_equal(row->id, wye_troubles[j].id);
    }
}

static void lines_are_plain_short_and_there_for_every_proxy(void **state) {
    (void)state;
    for (unsigned i = 1; i < WYE_TROUBLE_COUNT; i++) {
        for (unsigned proxy = 0; wye_troubles[i].lines && proxy < WYE_PROXY_COUNT; proxy++) {
            const char *lines = wye_proxy_lines_of(wye_troubles[i].lines, proxy);
            assert_non_null(lines);
            assert_plain(lines, true);
            for (const char *at = lines; *at; at += strcspn(at, "\n") + (at[strcspn(at, "\n")] == '\n'))
                assert_true(strcspn(at, "\n") <= 84);
        }
    }
    assert_null(wye_proxy_lines_of(wye_troubles[WYE_TROUBLE_PROXY_FIELDS_LOST].lines, WYE_PROXY_COUNT));
}

static void every_fault_of_a_101_has_one_row(void **state) {
    (void)state;
    for (unsigned fault = WYE_ANSWER_VERSION; fault < WYE_ANSWER_FAULT_COUNT; fault++) {
        unsigned rows = 0;
        for (unsigned i = 1; i < WYE_TROUBLE_COUNT; i++) rows += wye_troubles[i].fault == fault;
        assert_int_equal(rows, 1);
    }
}

static void what_a_rule_says_is_said_in_its_words(void **state) {
    (void)state;
    static char text[WYE_TROUBLES_TEXT_MAX];
    size_t count = wye_troubles_markdown(text, sizeof text);
    assert_true(count < sizeof text - 1 && strlen(text) == count);
    assert_plain(text, true);
    for (unsigned i = 1; i < WYE_TROUBLE_COUNT; i++) {
        const struct wye_trouble_row *row = &wye_troubles[i];
        assert_non_null(strstr(text, row->id));
        assert_non_null(strstr(text, row->mend));
        if (row->rule == WYE_RULE_NONE) continue;
        assert_non_null(strstr(text, wye_rules[row->rule].must));
        assert_string_equal(wye_trouble_source(row), wye_rules[row->rule].source);
    }
    char small[64];
    assert_int_equal(wye_troubles_markdown(small, sizeof small), sizeof small - 1);
    assert_int_equal(strlen(small), sizeof small - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete_and_plain),
        cmocka_unit_test(lines_are_plain_short_and_there_for_every_proxy),
        cmocka_unit_test(every_fault_of_a_101_has_one_row),
        cmocka_unit_test(what_a_rule_says_is_said_in_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
