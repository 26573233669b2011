#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frames/mask.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT_MAX = 300, ALIGNMENT = 64, APART_MAX = 80, ROOM = 1024 };

static const size_t large[] = {511, 512, 513, 1023, 4096, 4097, 65535, 65536, 65600, (1u << 20) + 3};
enum { LARGE = sizeof large / sizeof *large };

static const struct wye_mask_variant *variant; /* the one under test */

/* The obvious loop that every variant is compared with. */
static void mask_bytes(uint8_t *to, const uint8_t *from, size_t count, uint32_t key, unsigned phase) {
    uint8_t bytes[4];
    memcpy(bytes, &key, sizeof bytes);
    for (size_t i = 0; i < count; i++) to[i] = from[i] ^ bytes[(phase + i) % 4];
}

static uint32_t any_number(void) {
    static uint32_t number = 2463534242u; /* xorshift32, Marsaglia 2003 */
    number ^= number << 13;
    number ^= number >> 17;
    number ^= number << 5;
    return number;
}

static void fill(uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)any_number();
}

/*
 * Masks `count` bytes inside `memory` of `size` bytes, from one place to another, and wants the whole of it,
 * guard bytes included, as the obvious loop leaves it.
 */
static void check_move(uint8_t *memory, size_t size, size_t to, size_t from, size_t count, unsigned phase) {
    static uint8_t expected[ROOM + 2 * ((1 << 20) + 4096)];
    uint32_t key = any_number();
    assert_true(size <= sizeof expected && to + count <= size && from + count <= size);
    memcpy(expected, memory, size);
    mask_bytes(expected + to, expected + from, count, key, phase);
    variant->run(memory + to, memory + from, count, key, phase);
    if (memcmp(memory, expected, size) != 0)
        fail_msg("%s: %zu bytes from %zu to %zu, phase %u", variant->name, count, from, to, phase);
}

static void test_every_length_from_and_to_every_alignment(void **state) {
    static _Alignas(64) uint8_t memory[ROOM];
    enum { FROM = 512 };
    (void)state;
    fill(memory, sizeof memory);
    for (size_t count = 0; count <= COUNT_MAX; count++)
        for (size_t to = 0; to < ALIGNMENT; to++)
            for (size_t from = FROM; from < FROM + ALIGNMENT; from++)
                check_move(memory, sizeof memory, 64 + to, from, count, (unsigned)(count + to + from) & 3);
}

static void test_moving_down_over_itself_by_every_distance(void **state) {
    static _Alignas(64) uint8_t memory[ROOM / 2];
    (void)state;
    fill(memory, sizeof memory);
    for (size_t count = 0; count <= COUNT_MAX; count++)
        for (size_t to = 0; to < ALIGNMENT; to++)
            for (size_t apart = 0; apart <= APART_MAX; apart++)
                check_move(memory, sizeof memory, 16 + to, 16 + to + apart, count,
                           (unsigned)(count + to + apart) & 3);
}

static void test_every_phase_of_every_length(void **state) {
    static _Alignas(64) uint8_t memory[ROOM];
    (void)state;
    fill(memory, sizeof memory);
    for (size_t count = 0; count <= COUNT_MAX; count++)
        for (unsigned phase = 0; phase < 4; phase++)
            for (size_t to = 60; to < 60 + 33; to++) {
                check_move(memory, sizeof memory, to, to, count, phase);
                check_move(memory, sizeof memory, to, to + 4, count, phase);
                check_move(memory, sizeof memory, to, 512, count, phase);
            }
}

static void test_large_payloads_in_place_moved_and_copied(void **state) {
    static const size_t apart[] = {0, 1, 4, 8, 31, 32, 33, 100, 4096};
    size_t size = ROOM + 2 * ((1 << 20) + 4096);
    uint8_t *memory = malloc(size);
    (void)state;
    assert_non_null(memory);
    fill(memory, size);
    for (unsigned i = 0; i < LARGE; i++) {
        for (unsigned d = 0; d < sizeof apart / sizeof *apart; d++)
            check_move(memory, size, 64 + i, 64 + i + apart[d], large[i], i & 3);
        check_move(memory, size, 64 + i, size - large[i] - 5, large[i], i & 3);
    }
    free(memory);
}

static void test_large_payloads_in_every_phase_and_alignment(void **state) {
    enum { SIZE = 16384 };
    static _Alignas(64) uint8_t memory[SIZE];
    (void)state;
    fill(memory, sizeof memory);
    for (size_t to = 64; to < 64 + ALIGNMENT; to++)
        for (unsigned phase = 0; phase < 4; phase++) {
            check_move(memory, SIZE, to, to, 4097, phase);
            check_move(memory, SIZE, to, to + 8, 4097, phase);
            check_move(memory, SIZE, to, 8192 + any_number() % 64, 4097, phase);
        }
}

static void test_a_payload_cut_anywhere_is_the_same_payload(void **state) {
    uint8_t whole[COUNT_MAX], parts[COUNT_MAX], from[COUNT_MAX];
    uint32_t key = any_number();
    (void)state;
    fill(from, sizeof from);
    mask_bytes(whole, from, sizeof whole, key, 0);
    for (size_t cut = 0; cut <= COUNT_MAX; cut++) {
        variant->run(parts, from, cut, key, 0);
        variant->run(parts + cut, from + cut, COUNT_MAX - cut, key, (unsigned)(cut & 3));
        assert_memory_equal(parts, whole, COUNT_MAX);
    }
}

/* Between two pages that nobody may touch, once against each: a read outside the range is a fault. */
static void test_not_one_byte_outside_the_range_is_touched(void **state) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_READ | PROT_WRITE), 0);
    uint8_t *first = pages + page;
    fill(first, page);
    for (size_t count = 0; count <= COUNT_MAX; count++)
        for (unsigned phase = 0; phase < 4; phase++) {
            check_move(first, page, 0, 0, count, phase);
            check_move(first, page, page - count, page - count, count, phase);
            check_move(first, page, 0, page - count, count, phase);
            check_move(first, page, page - count - 7, page - count, count, phase);
        }
    check_move(first, page, 0, 0, page, 0);
    check_move(first, page, 0, 5, page - 5, 1);
    munmap(pages, 3 * page);
}

static void test_the_table_ends_with_portable(void **state) {
    const struct wye_mask_variant *row = wye_mask_variants;
    (void)state;
    assert_non_null(row->name);
    while (row[1].name) row++;
    assert_string_equal(row->name, "portable");
    assert_true(row->runs_here());
}

/* The choice is made once a process, so each one has a process of its own. */
static void check_choice(const char *forced, const char *expected) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        uint8_t byte = 1;
        if (forced ? setenv("WYE_VARIANT", forced, 1) : unsetenv("WYE_VARIANT")) _exit(2);
        if (strcmp(wye_mask_variant_name(), expected) != 0) _exit(3);
        wye_mask(&byte, &byte, 1, 0x05050505, 0);
        if (byte != 4) _exit(4);
        if (unsetenv("WYE_VARIANT")) _exit(2);
        _exit(strcmp(wye_mask_variant_name(), expected) == 0 ? 0 : 5);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_the_environment_forces_a_variant(void **state) {
    const struct wye_mask_variant *best = wye_mask_variants;
    (void)state;
    while (!best->runs_here()) best++;
    check_choice(NULL, best->name);
    check_choice("", best->name);
    check_choice("no-such-variant", best->name);
    for (const struct wye_mask_variant *row = wye_mask_variants; row->name; row++)
        check_choice(row->name, row->runs_here() ? row->name : best->name);
}

static void *first_call(void *wrong) {
    uint8_t bytes[COUNT_MAX] = {0}, expected[COUNT_MAX] = {0};
    mask_bytes(expected, expected, sizeof expected, 0x01020304, 2);
    wye_mask(bytes, bytes, sizeof bytes, 0x01020304, 2);
    return memcmp(bytes, expected, sizeof bytes) == 0 ? NULL : wrong;
}

static void test_threads_may_meet_in_the_first_call(void **state) {
    pthread_t threads[8];
    enum { THREADS = sizeof threads / sizeof *threads };
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, first_call, threads), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

int main(void) {
    const struct CMUnitTest dispatch[] = {
        cmocka_unit_test(test_the_table_ends_with_portable),
        cmocka_unit_test(test_the_environment_forces_a_variant),
        cmocka_unit_test(test_threads_may_meet_in_the_first_call),
    };
    const struct CMUnitTest each[] = {
        cmocka_unit_test(test_every_length_from_and_to_every_alignment),
        cmocka_unit_test(test_moving_down_over_itself_by_every_distance),
        cmocka_unit_test(test_every_phase_of_every_length),
        cmocka_unit_test(test_large_payloads_in_place_moved_and_copied),
        cmocka_unit_test(test_large_payloads_in_every_phase_and_alignment),
        cmocka_unit_test(test_a_payload_cut_anywhere_is_the_same_payload),
        cmocka_unit_test(test_not_one_byte_outside_the_range_is_touched),
    };
    int failures = cmocka_run_group_tests(dispatch, NULL, NULL);
#ifdef __SANITIZE_THREAD__
    return failures; /* the others are one thread's, and take a minute there */
#endif
    for (variant = wye_mask_variants; variant->name; variant++)
        if (variant->runs_here()) failures += cmocka_run_group_tests_name(variant->name, each, NULL, NULL);
    return failures;
}
