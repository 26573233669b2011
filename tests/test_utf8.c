#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frames/utf8.h"
#include "tests/utf8_samples.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct wye_utf8_variant *variant; /* the one under test */

static uint32_t any_number(void) {
    static uint32_t number = 2463534242u; /* xorshift32, Marsaglia 2003 */
    number ^= number << 13;
    number ^= number >> 17;
    number ^= number << 5;
    return number;
}

static void check_variant(const uint8_t *bytes, size_t count, size_t expected) {
    size_t got = variant->run(bytes, count);
    if (got != expected) fail_msg("%s: %zu of %zu bytes, not %zu", variant->name, got, count, expected);
}

/*
 * Every sequence of three bytes holds every shorter one: with ASCII behind, and cut off behind the first and
 * the second. Where the vectors' edges are: the sequence begins two bytes before one.
 */
#ifdef __SANITIZE_ADDRESS__
enum { STEP = 257 }; /* it takes minutes, and what is read beyond its end is seen elsewhere */
#else
enum { STEP = 1 };
#endif

static void test_every_sequence_of_up_to_three_bytes_is_judged_as_the_obvious_validator_does(void **state) {
    enum { BEFORE = 30, COUNT = 65 };
    uint8_t bytes[COUNT];
    (void)state;
    memset(bytes, 'a', sizeof bytes);
    for (uint32_t number = 0; number < 1u << 24; number += STEP) {
        uint8_t *at = bytes + BEFORE;
        at[0] = (uint8_t)(number >> 16);
        at[1] = (uint8_t)(number >> 8);
        at[2] = (uint8_t)number;
        size_t cut = slow_prefix(at, 4);
        check_variant(bytes, COUNT, cut == 4 ? COUNT : BEFORE + cut);
        check_variant(at, 3, slow_prefix(at, 3));
        if ((number & 0xff) == 0) check_variant(at, 2, slow_prefix(at, 2));
        if ((number & 0xffff) == 0) check_variant(at, 1, slow_prefix(at, 1));
    }
}

static void test_four_bytes_are_judged_right_at_every_boundary(void **state) {
    static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xf0, 0xff};
    enum { BEFORE = 61, COUNT = 128, EDGES = sizeof edges };
    uint8_t bytes[COUNT];
    (void)state;
    memset(bytes, 'a', sizeof bytes);
    for (unsigned first = 0xe0; first < 0x100; first++)
        for (unsigned second = 0; second < 0x100; second++)
            for (unsigned third = 0; third < EDGES; third++)
                for (unsigned fourth = 0; fourth < EDGES; fourth++) {
                    uint8_t *at = bytes + BEFORE;
                    at[0] = (uint8_t)first;
                    at[1] = (uint8_t)second;
                    at[2] = edges[third];
                    at[3] = edges[fourth];
                    size_t cut = slow_prefix(at, 5);
                    check_variant(bytes, COUNT, cut == 5 ? COUNT : BEFORE + cut);
                    check_variant(at, 4, slow_prefix(at, 4));
                }
}

static void test_the_samples_are_what_they_say(void **state) {
    unsigned valid = 0;
    (void)state;
    for (unsigned i = 0; i < UTF8_SAMPLES; i++) {
        const struct utf8_sample *sample = &utf8_samples[i];
        if ((slow_prefix((const uint8_t *)sample->bytes, sample->count) == sample->count) != sample->valid)
            fail_msg("sample %u, %s", i, sample->name);
        valid += sample->valid;
    }
    assert_true(valid >= 40 && UTF8_SAMPLES - valid >= 60);
}

/* What a text is made of around a sample. */
static void fill(uint8_t *bytes, size_t count, unsigned kind) {
    static const char *const kinds[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                        "ab\xd0\xb6\xe4\xb8\xad"};
    size_t size = strlen(kinds[kind]), i = 0;
    for (; i + size <= count; i += size) memcpy(bytes + i, kinds[kind], size);
    memset(bytes + i, '.', count - i);
}
enum { KINDS = 5 };

static void test_every_sample_at_every_place_of_a_text_is_judged_right(void **state) {
    enum { PLACES = 330, COUNT = PLACES + 200 };
    static uint8_t bytes[COUNT];
    (void)state;
    for (unsigned i = 0; i < UTF8_SAMPLES; i++)
        for (unsigned kind = 0; kind < KINDS; kind++)
            for (size_t place = 0; place < PLACES; place += kind == 0 ? 1 : 1 + any_number() % 9) {
                const struct utf8_sample *sample = &utf8_samples[i];
                size_t end = place + sample->count;
                fill(bytes, place, kind);
                memcpy(bytes + place, sample->bytes, sample->count);
                fill(bytes + end, COUNT - end, kind);
                check_variant(bytes, end, slow_prefix(bytes, end));
                if (kind == 0 || place % 4 == 0) check_variant(bytes, COUNT, slow_prefix(bytes, COUNT));
            }
}

static void test_mutated_texts_are_judged_right(void **state) {
    enum { COUNT = 1500 };
    static uint8_t bytes[COUNT];
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        size_t count = any_number() % COUNT, at = 0;
        while (at < count) { /* runs of several kinds */
            size_t run = 1 + any_number() % 200;
            if (run > count - at) run = count - at;
            fill(bytes + at, run, any_number() % KINDS);
            at += run;
        }
        for (unsigned faults = any_number() % 3; faults > 0 && count > 0; faults--) {
            size_t place = any_number() % count;
            if (any_number() % 2) bytes[place] = (uint8_t)any_number();
            else bytes[place] ^= (uint8_t)(1u << any_number() % 8);
        }
        size_t from = count ? any_number() % (count < 70 ? count : 70) : 0;
        check_variant(bytes + from, count - from, slow_prefix(bytes + from, count - from));
    }
}

/* Between two pages that nobody may touch, once against each: a read outside the range is a fault. */
static void test_not_one_byte_outside_the_range_is_read(void **state) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_READ | PROT_WRITE), 0);
    uint8_t *first = pages + page;
    for (size_t count = 0; count <= 600; count++)
        for (unsigned kind = 0; kind < KINDS; kind++) {
            fill(first, count, kind);
            check_variant(first, count, count);
            fill(first + page - count, count, kind);
            check_variant(first + page - count, count, count);
            if (count == 0) continue;
            first[page - 1] = 0xf0; /* begun and not ended, at the edge */
            check_variant(first + page - count, count, slow_prefix(first + page - count, count));
            first[page - 1] = 0xff;
            check_variant(first + page - count, count, slow_prefix(first + page - count, count));
        }
    munmap(pages, 3 * page);
}

static void test_the_table_ends_with_portable(void **state) {
    const struct wye_utf8_variant *row = wye_utf8_variants;
    (void)state;
    assert_non_null(row->name);
    while (row[1].name) row++;
    assert_string_equal(row->name, "portable");
    assert_true(row->runs_here());
}

/* Feeds pieces and says how many of the bytes were fed when it failed; count + 1: it didn't. */
static size_t feed_bytewise(const uint8_t *bytes, size_t count, struct wye_utf8 *utf8) {
    for (size_t i = 0; i < count; i++)
        if (!wye_utf8_feed(utf8, bytes + i, 1)) return i + 1;
    return count + 1;
}

/* Byte by byte it fails at the very byte from which nothing could mend it; in pieces, at the piece that has
 * it. */
static void check_splits(const uint8_t *bytes, size_t count) {
    struct wye_utf8 utf8 = {0};
    size_t fails_at = feed_bytewise(bytes, count, &utf8), expected = 1;
    while (expected <= count && slow_may_go_on(bytes, expected)) expected++;
    assert_int_equal(fails_at, expected);
    bool whole = slow_prefix(bytes, count) == count;
    if (fails_at > count) assert_int_equal(wye_utf8_may_end(&utf8), whole);

    for (size_t one = 0; one <= count; one++)
        for (size_t two = one; two <= count; two++) {
            memset(&utf8, 0, sizeof utf8);
            assert_int_equal(wye_utf8_feed(&utf8, bytes, one), one < fails_at);
            if (one >= fails_at) continue;
            assert_int_equal(wye_utf8_feed(&utf8, bytes + one, two - one), two < fails_at);
            if (two >= fails_at) continue;
            assert_int_equal(wye_utf8_feed(&utf8, bytes + two, count - two), count < fails_at);
            if (count < fails_at) assert_int_equal(wye_utf8_may_end(&utf8), whole);
        }
}

static void test_every_split_of_every_sample_ends_at_the_same_byte(void **state) {
    (void)state;
    for (unsigned i = 0; i < UTF8_SAMPLES; i++)
        check_splits((const uint8_t *)utf8_samples[i].bytes, utf8_samples[i].count);
}

static void test_every_split_of_a_sample_inside_a_longer_text_ends_at_the_same_byte(void **state) {
    enum { BEFORE = 67, AFTER = 40 };
    uint8_t bytes[BEFORE + 80 + AFTER];
    (void)state;
    for (unsigned i = 0; i < UTF8_SAMPLES; i++) {
        const struct utf8_sample *sample = &utf8_samples[i];
        fill(bytes, BEFORE, i % KINDS);
        memcpy(bytes + BEFORE, sample->bytes, sample->count);
        fill(bytes + BEFORE + sample->count, AFTER, (i + 1) % KINDS);
        check_splits(bytes, BEFORE + sample->count + AFTER);
    }
}

static void test_every_start_of_a_text_may_go_on_or_fails_at_once(void **state) {
    (void)state;
    for (uint32_t number = 0; number < 1u << 24; number += number < 0xc20000 ? 0x101 : STEP == 1 ? 1 : 7) {
        uint8_t bytes[3] = {(uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
        struct wye_utf8 utf8 = {0};
        size_t fails_at = feed_bytewise(bytes, 3, &utf8), expected = 1;
        while (expected <= 3 && slow_may_go_on(bytes, expected)) expected++;
        if (fails_at != expected) fail_msg("%06x fails at byte %zu, not %zu", number, fails_at, expected);
        if (expected == 4) assert_int_equal(wye_utf8_may_end(&utf8), slow_prefix(bytes, 3) == 3);
    }
}

static void test_empty_pieces_change_nothing(void **state) {
    static const uint8_t euro[] = {0xe2, 0x82, 0xac};
    struct wye_utf8 utf8 = {0};
    (void)state;
    assert_true(wye_utf8_feed(&utf8, NULL, 0));
    assert_true(wye_utf8_may_end(&utf8));
    for (unsigned i = 0; i < 3; i++) {
        assert_true(wye_utf8_feed(&utf8, euro + i, 1));
        assert_true(wye_utf8_feed(&utf8, euro, 0));
        assert_true(wye_utf8_feed(&utf8, NULL, 0));
        assert_int_equal(wye_utf8_may_end(&utf8), i == 2);
    }
}

/* wye_utf8_feed() chooses its variant once a process, so each has a process of its own. */
static int feed_with(const struct wye_utf8_variant *row) {
    const struct CMUnitTest feed[] = {
        cmocka_unit_test(test_every_split_of_every_sample_ends_at_the_same_byte),
        cmocka_unit_test(test_every_split_of_a_sample_inside_a_longer_text_ends_at_the_same_byte),
        cmocka_unit_test(test_every_start_of_a_text_may_go_on_or_fails_at_once),
        cmocka_unit_test(test_empty_pieces_change_nothing),
    };
    pid_t child = fork();
    if (child == 0) {
        if (setenv("WYE_VARIANT", row->name, 1) || strcmp(wye_utf8_variant_name(), row->name) != 0) _exit(1);
        int failures = cmocka_run_group_tests_name(row->name, feed, NULL, NULL);
        _exit(failures != 0 || strcmp(wye_utf8_variant_name(), row->name) != 0);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

int main(void) {
    const struct CMUnitTest once[] = {
        cmocka_unit_test(test_the_table_ends_with_portable),
        cmocka_unit_test(test_the_samples_are_what_they_say),
    };
    const struct CMUnitTest each[] = {
        cmocka_unit_test(test_every_sequence_of_up_to_three_bytes_is_judged_as_the_obvious_validator_does),
        cmocka_unit_test(test_four_bytes_are_judged_right_at_every_boundary),
        cmocka_unit_test(test_every_sample_at_every_place_of_a_text_is_judged_right),
        cmocka_unit_test(test_mutated_texts_are_judged_right),
        cmocka_unit_test(test_not_one_byte_outside_the_range_is_read),
    };
    int failures = cmocka_run_group_tests(once, NULL, NULL);
    for (variant = wye_utf8_variants; variant->name; variant++) {
        if (!variant->runs_here()) continue;
        failures += cmocka_run_group_tests_name(variant->name, each, NULL, NULL);
        failures += feed_with(variant);
    }
    return failures;
}
