/* Bounded text: what comes from outside is escaped, and nothing is written beyond the room. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/text.h"

#include <stdlib.h>
#include <string.h>

static void a_JSON_string_is_escaped(void **state) {
    (void)state;
    char to[64];
    struct wye_text text = {.to = to, .room = sizeof to};
    wye_text_add_json(&text, WYE_SPAN("a\"b\\c\n\x7f\xff/"));
    const char *expected = "\"a\\\"b\\\\c\\u000a\\u007f\\u00ff/\"";
    assert_int_equal(text.count, strlen(expected));
    assert_memory_equal(to, expected, text.count);
    assert_false(text.cut);
}

static void what_is_seen_is_quoted_escaped_and_cut(void **state) {
    (void)state;
    char to[64];
    struct wye_text text = {.to = to, .room = sizeof to};
    wye_text_add_seen(&text, WYE_SPAN("\033[1m'x'"), 4);
    assert_int_equal(text.count, strlen("'\\x1B[1m...'"));
    assert_memory_equal(to, "'\\x1B[1m...'", text.count);
    text.count = 0;
    wye_text_add_bare(&text, WYE_SPAN("nginx/1.22.1"), 40);
    assert_int_equal(text.count, 12);
    assert_memory_equal(to, "nginx/1.22.1", 12);
}

static void nothing_is_written_beyond_the_room(void **state) {
    (void)state;
    for (size_t room = 0; room < 40; room++) {
        char *exact = malloc(room + 1);
        struct wye_text text = {.to = exact, .room = room};
        exact[room] = '!';
        wye_text_addf(&text, "%s %d", "numbers:", 12345); /* 14 */
        wye_text_add_seen(&text, WYE_SPAN("\x01"), 9);    /* 6 */
        wye_text_add_json(&text, WYE_SPAN("\x01\x02"));   /* 14 */
        assert_int_equal(text.count, room < 34 ? room : 34);
        assert_int_equal(text.cut, room < 34);
        assert_int_equal(exact[room], '!');
        free(exact);
    }
    static char large[3000], long_text[2000];
    memset(long_text, 'a', sizeof long_text - 1);
    struct wye_text text = {.to = large, .room = sizeof large};
    wye_text_addf(&text, "%s", long_text);
    assert_int_equal(text.count, 1023);
    assert_true(text.cut);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_JSON_string_is_escaped),
        cmocka_unit_test(what_is_seen_is_quoted_escaped_and_cut),
        cmocka_unit_test(nothing_is_written_beyond_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
