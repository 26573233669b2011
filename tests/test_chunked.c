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
    enum wye_cause cause;
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
            outcome.cause = (enum wye_cause)chunked.cause;
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
        {"5;a=\"x;y\\\"\\\\z \t\" ; b = c\t; d ;e\r\nhello\r\n0 ;a=\"\"\r\n\r\n", "hello"},
        {"5 \t\r\nhello\r\n0\r\nA:\r\nB: \xe9\t: c \r\n\r\n", "hello"},
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
    static const struct {
        const char *body;
        enum wye_cause cause;
    } rows[] = {
        {"\r\n", WYE_CAUSE_CHUNK_SIZE}, {"g\r\n", WYE_CAUSE_CHUNK_SIZE}, {"-1\r\n", WYE_CAUSE_CHUNK_SIZE}, {"+1\r\n", WYE_CAUSE_CHUNK_SIZE},
        {"0x5\r\nhello\r\n", WYE_CAUSE_CHUNK_SIZE}, {" 5\r\n", WYE_CAUSE_CHUNK_SIZE}, {";\r\n", WYE_CAUSE_CHUNK_SIZE},
        {"5 junk\r\nhello\r\n", WYE_CAUSE_CHUNK_SIZE}, {"5 5\r\n", WYE_CAUSE_CHUNK_SIZE}, {"5,\r\n", WYE_CAUSE_CHUNK_SIZE},
        {"5\nhello\r\n", WYE_CAUSE_BARE_LF}, {"5 \n", WYE_CAUSE_BARE_LF}, {"5;a\n", WYE_CAUSE_BARE_LF}, {"5;a=b\n", WYE_CAUSE_BARE_LF},
        {"5;\n", WYE_CAUSE_BARE_LF}, {"5;a=\"\n", WYE_CAUSE_BARE_LF}, {"5\r\rhello", WYE_CAUSE_BARE_CR}, {"5;a\rb", WYE_CAUSE_BARE_CR},
        {"fffffffffffffffff\r\n", WYE_CAUSE_CHUNK_LARGE}, {"8000000000000000\r\n", WYE_CAUSE_CHUNK_LARGE},
        {"5\r\nhelloX\n", WYE_CAUSE_CHUNK_DATA}, {"5\r\nhello\r0\r\n\r\n", WYE_CAUSE_CHUNK_DATA}, {"5\r\nhello\n", WYE_CAUSE_CHUNK_DATA},
        {"5;\x01\r\n", WYE_CAUSE_CONTROL_BYTE}, {"5;a=\"\x01\"", WYE_CAUSE_CONTROL_BYTE}, {"5;a=\"\\\x7f\"", WYE_CAUSE_CONTROL_BYTE},
        {"5;\r\n", WYE_CAUSE_CHUNK_EXTENSION}, {"5;a=\r\n", WYE_CAUSE_CHUNK_EXTENSION}, {"5;=a\r\n", WYE_CAUSE_CHUNK_EXTENSION},
        {"5;a=\"b\r\nc\"", WYE_CAUSE_CHUNK_EXTENSION}, {"5;a b\r\n", WYE_CAUSE_CHUNK_EXTENSION}, {"5;a=b c\r\n", WYE_CAUSE_CHUNK_SIZE},
        {"5;\xe9\r\n", WYE_CAUSE_CHUNK_EXTENSION}, {"5;a=\"b\"c\r\n", WYE_CAUSE_CHUNK_SIZE}, {"5;a;;b\r\n", WYE_CAUSE_CHUNK_EXTENSION},
        {"0\r\nTrailer: a\nX", WYE_CAUSE_BARE_LF}, {"0\r\nA: a\rX", WYE_CAUSE_BARE_CR}, {"0\r\n\rX", WYE_CAUSE_BARE_CR}, {"0\r\n\n", WYE_CAUSE_BARE_LF},
        {"0\r\nA: \x7f\r\n", WYE_CAUSE_CONTROL_BYTE}, {"0\r\nA: b\r\n c\r\n\r\n", WYE_CAUSE_FOLD}, {"0\r\n\tA: b\r\n", WYE_CAUSE_FOLD},
        {"0\r\nA : b\r\n", WYE_CAUSE_NAME_SPACE}, {"0\r\n: b\r\n", WYE_CAUSE_NAME_EMPTY}, {"0\r\nGET / HTTP/1.1\r\n\r\n", WYE_CAUSE_NAME_SPACE},
        {"0\r\nA\r\n\r\n", WYE_CAUSE_NAME_BYTE}, {"0\r\nA(: b\r\n", WYE_CAUSE_NAME_BYTE}, {"0\r\n\xe9: b\r\n", WYE_CAUSE_NAME_BYTE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step < 20; step++) {
            struct outcome outcome = outcome_of(rows[i].body, strlen(rows[i].body), step);
            if (!outcome.failed) fail_msg("'%s' in pieces of %zu passes", rows[i].body, step);
            if (outcome.cause != rows[i].cause) fail_msg("'%s' in pieces of %zu: %s", rows[i].body, step, wye_causes[outcome.cause]);
        }
    }
}

/* How many bytes of this, written again and again behind a start, are taken before it is too much; SIZE_MAX: as many as there are. */
static size_t taken_of(const char *start, const char *again, unsigned times) {
    struct wye_chunked chunked = {0};
    size_t taken = 0;
    for (unsigned i = 0; i <= times; i++) {
        const char *piece = i ? again : start;
        for (size_t at = 0, count = strlen(piece); at < count; taken++) {
            struct wye_chunked_run run;
            ptrdiff_t n = wye_chunked_read(&chunked, (const uint8_t *)piece + at, 1, &run);
            if (n < 0) {
                assert_int_equal(chunked.cause, WYE_CAUSE_CHUNK_SPARE);
                return taken;
            }
            at += (size_t)n;
        }
    }
    return SIZE_MAX;
}

static void what_is_no_content_is_bounded_over_the_whole_body(void **state) {
    (void)state;
    assert_int_equal(taken_of("5;a", "a", 20000), WYE_CHUNKED_SPARE_MAX);
    assert_int_equal(taken_of("", "0", 20000), WYE_CHUNKED_SPARE_MAX);
    assert_int_equal(taken_of("0\r\n", "A: b\r\n", 20000), WYE_CHUNKED_SPARE_MAX);
    /* Chunks of a byte pay for their own lines, as anybody writes them, and no further. */
    assert_int_equal(taken_of("", "1\r\na\r\n", 20000), SIZE_MAX);
    assert_int_equal(taken_of("", "000000001;a=b\r\na\r\n", 20000), SIZE_MAX);
    assert_true(taken_of("", "1;a=0123456789012345678901234567890\r\na\r\n", 20000) < 20000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_read_however_they_are_cut_and_no_byte_further),
        cmocka_unit_test(what_is_not_the_coding_is_refused),
        cmocka_unit_test(what_is_no_content_is_bounded_over_the_whole_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
