/* The chunked coding: however it is cut, the content is the same; what isn't the coding is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/chunked.h"

#include <stdio.h>
#include <string.h>

struct outcome {
    char content[256];
    size_t count, used;
    bool done, failed;
};

/* Reads a body in pieces of at most `step` bytes. */
static struct outcome outcome_of(const char *body, size_t count, size_t step) {
    struct outcome outcome = {0};
    struct wye_chunked chunked = {0};
    while (outcome.used < count && !chunked.done) {
        size_t piece = count - outcome.used < step ? count - outcome.used : step;
        struct wye_chunked_run run;
        ptrdiff_t n = wye_chunked_read(&chunked, (const uint8_t *)body + outcome.used, piece, &run);
        if (n < 0) {
            assert_int_equal(n, -400);
            outcome.failed = true;
            return outcome;
        }
        assert_true(n > 0 && (size_t)n <= piece);
        memcpy(outcome.content + outcome.count, run.bytes, run.count);
        outcome.count += run.count;
        outcome.used += (size_t)n;
    }
    outcome.done = chunked.done;
    return outcome;
}

static void bodies_are_read_however_they_are_cut_and_no_byte_further(void **state) {
    (void)state;
    static const struct {
        const char *body, *content;
    } rows[] = {
        {"0\r\n\r\n", ""},
        {"5\r\nhello\r\n0\r\n\r\n", "hello"},
        {"00005\r\nhello\r\n000\r\n\r\n", "hello"},
        {"1\r\na\r\n2\r\nbc\r\nA\r\n0123456789\r\n0\r\n\r\n", "abc0123456789"},
        {"b;x=1;y=\"z\"\r\nhello world\r\n0;last\r\n\r\n", "hello world"},
        {"3 ;x\r\n\r\n\r\r\n0\r\nTrailer: a\r\nOther: b\r\n\r\n", "\r\n\r"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char with_next[256];
        size_t count = strlen(rows[i].body);
        snprintf(with_next, sizeof with_next, "%sGET / HTTP/1.1\r\n", rows[i].body);
        for (size_t step = 1; step <= count + 5; step++) {
            struct outcome outcome = outcome_of(with_next, strlen(with_next), step);
            assert_true(outcome.done);
            assert_int_equal(outcome.used, count);
            assert_int_equal(outcome.count, strlen(rows[i].content));
            assert_memory_equal(outcome.content, rows[i].content, outcome.count);
        }
        for (size_t cut = 0; cut < count; cut++) {
            struct outcome outcome = outcome_of(rows[i].body, cut, cut + 1);
            assert_false(outcome.done || outcome.failed);
        }
    }
}

static void what_is_not_the_coding_is_refused(void **state) {
    (void)state;
    static const char *const rows[] = {
        "\r\n", "g\r\n", "-1\r\n", "0x5\r\nhello\r\n", "5\nhello\r\n", "5\r\rhello", "5\r\nhelloX\n", "5\r\nhello\r0\r\n\r\n", "5\r\nhello\n",
        ";\r\n", "5;\x01\r\n", "5 junk\r\nhello\r\n", "5 5\r\n", "0\r\nTrailer: a\nX", "0\r\n\rX", "fffffffffffffffff\r\n", "8000000000000000\r\n", "0\r\nA: \x7f\r\n",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step < 20; step++) {
            if (!outcome_of(rows[i], strlen(rows[i]), step).failed) fail_msg("'%s' in pieces of %zu passes", rows[i], step);
        }
    }
}

static void lines_without_content_are_bounded(void **state) {
    (void)state;
    static char body[WYE_CHUNKED_LINES_MAX * 2];
    struct wye_chunked chunked = {0};
    struct wye_chunked_run run;
    memset(body, 'x', sizeof body);
    memcpy(body, "5;", 2);
    assert_int_equal(wye_chunked_read(&chunked, (const uint8_t *)body, sizeof body, &run), -400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_read_however_they_are_cut_and_no_byte_further),
        cmocka_unit_test(what_is_not_the_coding_is_refused),
        cmocka_unit_test(lines_without_content_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
