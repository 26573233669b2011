/* Text that grows in a chunk of its own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/report.h"

#include <stdlib.h>
#include <string.h>

/* Takes the report's text out as a slice, compares it and gives everything back. */
static void check(struct wye_report *report, const char *expected, size_t count) {
    struct wye_slice slice = wye_report_slice(report);
    assert_int_equal(slice.count, count);
    assert_memory_equal(slice.bytes, expected, count);
    assert_int_equal(slice.chunk->references, 1);
    wye_chunk_release(report->pool, slice.chunk);
    wye_chunk_pool_fini(report->pool);
}

static void what_is_added_stands_one_behind_another(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    struct wye_report report = {.pool = &pool};
    wye_report_add(&report, "%s=%d", "a", 1);
    wye_report_add(&report, "%s", "");
    wye_report_add(&report, ";%c", 'z');
    check(&report, "a=1;z", 5);
}

static void it_grows_as_long_as_it_must_and_loses_nothing(void **state) {
    (void)state;
    for (size_t step = 1; step < 30000; step = step * 3 + 1) {
        struct wye_chunk_pool pool = {0};
        struct wye_report report = {.pool = &pool};
        size_t count = 0;
        char *piece = malloc(step + 1), *all = malloc(200000);
        for (unsigned i = 0; count + step < 100000; i++, count += step) {
            memset(piece, 'a' + (int)(i % 26), step);
            piece[step] = 0;
            memcpy(all + count, piece, step);
            wye_report_add(&report, "%s", piece);
        }
        check(&report, all, count);
        free(piece);
        free(all);
    }
}

static void a_json_string_is_quoted_and_escaped(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    struct wye_report report = {.pool = &pool};
    wye_report_add_json(&report, "a\"b\\c\n\x01\x7f/%s", 11);
    const char *expected = "\"a\\\"b\\\\c\\u000a\\u0001\\u007f/%s\"";
    check(&report, expected, strlen(expected));
}

static void what_is_utf_8_stays_as_it_is_in_json(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    struct wye_report report = {.pool = &pool};
    wye_report_add_json(&report, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\x82", 15);
    const char *expected = "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\x82\"";
    check(&report, expected, strlen(expected));
}

static void a_byte_that_is_no_utf_8_becomes_a_replacement_character(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        unsigned replaced; /* of them */
    } rows[] = {
        {"\x80", 1},
        {"\xff", 1},
        {"\xc0\xaf", 2},
        {"\xc1\xbf", 2},
        {"\xc3", 1},
        {"\xe2\x82", 2},
        {"\xe0\x9f\xbf", 3},
        {"\xed\xa0\x80", 3},
        {"\xf0\x8f\xbf\xbf", 4},
        {"\xf4\x90\x80\x80", 4},
        {"\xf5\x80", 2},
        {"\xf0\x9f\x9a", 3},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wye_chunk_pool pool = {0};
        struct wye_report report = {.pool = &pool};
        char in[16] = "<", expected[64] = "\"<";
        strcat(strcat(in, rows[i].bytes), ">");
        for (unsigned j = 0; j < rows[i].replaced; j++) strcat(expected, "\\ufffd");
        strcat(expected, ">\"");
        wye_report_add_json(&report, in, strlen(in));
        check(&report, expected, strlen(expected));
    }
}

static void an_empty_string_is_two_quotes(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    struct wye_report report = {.pool = &pool};
    wye_report_add_json(&report, "", 0);
    check(&report, "\"\"", 2);
}

static void a_report_without_memory_is_a_slice_without_bytes(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    struct wye_report report = {.pool = &pool, .failed = true};
    wye_report_add(&report, "nothing of this is kept");
    wye_report_add_json(&report, "nor of this", 11);
    struct wye_slice slice = wye_report_slice(&report);
    assert_null(slice.bytes);
    assert_null(slice.chunk);
    assert_int_equal(slice.count, 1);
    wye_chunk_pool_fini(&pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_stands_one_behind_another),
        cmocka_unit_test(it_grows_as_long_as_it_must_and_loses_nothing),
        cmocka_unit_test(a_json_string_is_quoted_and_escaped),
        cmocka_unit_test(what_is_utf_8_stays_as_it_is_in_json),
        cmocka_unit_test(a_byte_that_is_no_utf_8_becomes_a_replacement_character),
        cmocka_unit_test(an_empty_string_is_two_quotes),
        cmocka_unit_test(a_report_without_memory_is_a_slice_without_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
