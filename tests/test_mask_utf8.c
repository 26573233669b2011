#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frames/mask_utf8.h"
#include "tests/utf8_samples.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 2048, KINDS = 5 };

static const struct wye_mask_utf8_variant *variant; /* the one under test */

static uint32_t any_number(void) {
    static uint32_t number = 2463534242u; /* xorshift32, Marsaglia 2003 */
    number ^= number << 13;
    number ^= number >> 17;
    number ^= number << 5;
    return number;
}

static void mask_bytes(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase) {
    uint8_t bytes[4];
    memcpy(bytes, &key, sizeof bytes);
    for (size_t i = 0; i < count; i++) to[i] = from[i] ^ bytes[(phase + i) % 4];
}

/* What a text is made of around a sample. */
static void fill(uint8_t *bytes, size_t count, unsigned kind) {
    static const char *const kinds[KINDS] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                             "ab\xd0\xb6\xe4\xb8\xad"};
    size_t size = strlen(kinds[kind]), i = 0;
    for (; i + size <= count; i += size) memcpy(bytes + i, kinds[kind], size);
    memset(bytes + i, '.', count - i);
}

/* Masks `text` at `from`, runs the variant to `to`, and wants text and verdict, and nothing else touched. */
static void check(uint8_t *memory, size_t size, size_t to, size_t from, const uint8_t *text, size_t count) {
    static uint8_t expected[ROOM * 4];
    uint32_t key = any_number();
    unsigned phase = any_number() % 4;
    assert_true(size <= sizeof expected && to <= from && from + count <= size);
    mask_bytes(memory + from, text, count, key, phase);
    memcpy(expected, memory, size);
    memmove(expected + to, text, count);
    size_t got = variant->run(memory + to, memory + from, count, key, phase),
           wanted = slow_prefix(text, count);
    if (got != wanted)
        fail_msg("%s: %zu bytes from %zu to %zu: %zu, not %zu", variant->name, count, from, to, got, wanted);
    if (memcmp(memory, expected, size) != 0)
        fail_msg("%s: %zu bytes from %zu to %zu: not the same", variant->name, count, from, to);
}

static void test_every_length_at_every_alignment_in_place_moved_and_copied(void **state) {
    static _Alignas(64) uint8_t memory[ROOM];
    uint8_t text[420];
    (void)state;
    for (size_t count = 0; count <= sizeof text; count++)
        for (unsigned kind = 0; kind < KINDS; kind++) {
            fill(text, count, kind);
            if (count > 0 && count % 3 == 0) text[any_number() % count] = (uint8_t)any_number();
            for (size_t to = 64; to < 128; to += kind == 0 ? 1 : 1 + any_number() % 7) {
                check(memory, ROOM, to, to, text, count);
                check(memory, ROOM, to, to + 1 + any_number() % 80, text, count);
                check(memory, ROOM, to, 1024 + any_number() % 64, text, count);
            }
        }
}

static void test_every_sample_at_every_place_of_a_text(void **state) {
    enum { PLACES = 330, COUNT = PLACES + 200 };
    static _Alignas(64) uint8_t memory[ROOM];
    static uint8_t text[COUNT];
    (void)state;
    for (unsigned i = 0; i < UTF8_SAMPLES; i++)
        for (unsigned kind = 0; kind < KINDS; kind++)
            for (size_t place = 0; place < PLACES; place += kind == 0 ? 1 : 1 + any_number() % 9) {
                const struct utf8_sample *sample = &utf8_samples[i];
                size_t end = place + sample->count, to = any_number() % 64;
                fill(text, place, kind);
                memcpy(text + place, sample->bytes, sample->count);
                fill(text + end, COUNT - end, kind);
                check(memory, ROOM, to, to + 4 * (place % 2), text, end);
                if (place % 4 == 0) check(memory, ROOM, to, to + 4 * (place % 3), text, COUNT);
            }
}

static void test_mutated_texts(void **state) {
    enum { COUNT = 1500 };
    static _Alignas(64) uint8_t memory[ROOM];
    static uint8_t text[COUNT];
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        size_t count = any_number() % COUNT, at = 0, to = any_number() % 64;
        while (at < count) {
            size_t run = 1 + any_number() % 200;
            if (run > count - at) run = count - at;
            fill(text + at, run, any_number() % KINDS);
            at += run;
        }
        if (count > 0 && any_number() % 2) text[any_number() % count] ^= (uint8_t)(1u << any_number() % 8);
        check(memory, ROOM, to, to + any_number() % 200, text, count);
    }
}

static void test_not_one_byte_outside_the_range_is_touched(void **state) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t text[600];
    (void)state;
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_READ | PROT_WRITE), 0);
    for (size_t count = 0; count <= sizeof text; count++) {
        fill(text, count, (unsigned)count % KINDS);
        check(pages + page, page, 0, 0, text, count);
        check(pages + page, page, page - count, page - count, text, count);
        check(pages + page, page, page - count - 7, page - count, text, count);
        check(pages + page, page, 0, page - count, text, count);
    }
    munmap(pages, 3 * page);
}

static void test_every_split_is_fed_as_by_two_calls(void **state) {
    (void)state;
    for (unsigned i = 0; i < UTF8_SAMPLES; i++) {
        uint8_t text[300], bytes[300];
        const struct utf8_sample *sample = &utf8_samples[i];
        size_t before = 70 + i % 7, count = before + sample->count + 60;
        uint32_t key = any_number();
        fill(text, before, i % KINDS);
        memcpy(text + before, sample->bytes, sample->count);
        fill(text + before + sample->count, 60, (i + 1) % KINDS);
        for (size_t cut = 0; cut <= count; cut++) {
            struct wye_utf8 one = {0}, two = {0};
            mask_bytes(bytes, text, count, key, 1);
            bool right = wye_utf8_feed(&two, text, cut);
            assert_int_equal(wye_mask_utf8(&one, bytes, bytes, cut, key, 1), right);
            if (right) {
                right = wye_utf8_feed(&two, text + cut, count - cut);
                assert_int_equal(
                    wye_mask_utf8(&one, bytes + cut, bytes + cut, count - cut, key, (1 + cut) & 3), right);
                if (right) assert_int_equal(wye_utf8_may_end(&one), wye_utf8_may_end(&two));
                assert_memory_equal(bytes, text, count);
            }
            assert_memory_equal(bytes, text, cut);
        }
    }
    struct wye_utf8 utf8 = {.left = 1, .low = 0x80, .high = 0xbf};
    assert_true(wye_mask_utf8(&utf8, NULL, NULL, 0, 1, 0));
    assert_false(wye_utf8_may_end(&utf8));
}

/* wye_mask_utf8() chooses its variant once a process, so each has a process of its own. */
static int feed_with(const struct wye_mask_utf8_variant *row) {
    const struct CMUnitTest feed[] = {cmocka_unit_test(test_every_split_is_fed_as_by_two_calls)};
    pid_t child = fork();
    if (child == 0) {
        if (setenv("WYE_VARIANT", row->name, 1)) _exit(1);
        int failures = strcmp(wye_mask_utf8_variant_name(), row->name) != 0;
        failures += cmocka_run_group_tests_name(row->name, feed, NULL, NULL);
        _exit(failures != 0 || strcmp(wye_mask_utf8_variant_name(), row->name) != 0);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

static void test_the_table_ends_with_portable(void **state) {
    const struct wye_mask_utf8_variant *row = wye_mask_utf8_variants;
    (void)state;
    assert_non_null(row->name);
    while (row[1].name) row++;
    assert_string_equal(row->name, "portable");
    assert_true(row->runs_here());
}

int main(void) {
    const struct CMUnitTest once[] = {cmocka_unit_test(test_the_table_ends_with_portable)};
    const struct CMUnitTest each[] = {
        cmocka_unit_test(test_every_length_at_every_alignment_in_place_moved_and_copied),
        cmocka_unit_test(test_every_sample_at_every_place_of_a_text),
        cmocka_unit_test(test_mutated_texts),
        cmocka_unit_test(test_not_one_byte_outside_the_range_is_touched),
    };
    int failures = cmocka_run_group_tests(once, NULL, NULL);
    for (variant = wye_mask_utf8_variants; variant->name; variant++) {
        if (!variant->runs_here()) continue;
        failures += cmocka_run_group_tests_name(variant->name, each, NULL, NULL);
        failures += feed_with(variant);
    }
    return failures;
}
