/* The scanner: every variant says of every byte what an obvious classifier says, and reads no other byte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/scan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, LENGTH_MAX = 330 };

static bool is_control(uint8_t byte) { return byte < 0x20 || byte == 0x7f; }

static bool is_tchar(uint8_t byte) {
    return byte != 0 &&
           strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", byte);
}

/* Compares one scan with the classifier, and that no row behind the last is written. */
static void compare(const struct wye_scan_variant *variant, const uint8_t *bytes, size_t count) {
    struct wye_scan_row rows[PAGE / 64 + 1];
    size_t row_count = (count + 63) / 64;
    memset(rows, 0xa5, sizeof rows);
    variant->run(rows, bytes, count);
    for (size_t row = 0; row < row_count; row++) {
        struct wye_scan_row expected = {0, 0};
        for (size_t i = 0; i < 64 && row * 64 + i < count; i++) {
            uint8_t byte = bytes[row * 64 + i];
            expected.control |= (uint64_t)is_control(byte) << i;
            expected.nontoken |= (uint64_t)!is_tchar(byte) << i;
        }
        if (rows[row].control != expected.control || rows[row].nontoken != expected.nontoken) {
            fail_msg("%s: %zu bytes, row %zu", variant->name, count, row);
        }
    }
    struct wye_scan_row untouched;
    memset(&untouched, 0xa5, sizeof untouched);
    assert_memory_equal(&rows[row_count], &untouched, sizeof untouched);
}

/* A page that may be touched between two that may not. */
static uint8_t *guarded_page(void) {
    uint8_t *pages = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
    return pages + PAGE;
}

static void fill(uint8_t *bytes, size_t count, uint32_t seed) {
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

static int name_of_child(const char *forced, const char *expected) {
    pid_t child = fork();
    if (child == 0) {
        if (forced) {
            setenv("WYE_VARIANT", forced, 1);
        } else {
            unsetenv("WYE_VARIANT");
        }
        _exit(strcmp(wye_scan_variant_name(), expected) == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static const char *best_name(void) {
    const struct wye_scan_variant *row = wye_scan_variants;
    while (!row->runs_here()) row++;
    return row->name;
}

/* First of all: in this process nothing has been chosen yet, and a child inherits that. */
static void the_environment_forces_a_variant_and_otherwise_the_best_runs(void **state) {
    (void)state;
    assert_int_equal(name_of_child("portable", "portable"), 0);
    assert_int_equal(name_of_child(NULL, best_name()), 0);
    assert_int_equal(name_of_child("no-such-variant", best_name()), 0);
}

static void the_last_variant_is_portable_and_runs_everywhere(void **state) {
    (void)state;
    size_t last = 0;
    while (wye_scan_variants[last + 1].name) last++;
    assert_string_equal(wye_scan_variants[last].name, "portable");
    assert_true(wye_scan_variants[last].runs_here());
}

static void every_variant_knows_each_of_the_256_bytes_at_each_place_in_a_row(void **state) {
    (void)state;
    for (const struct wye_scan_variant *variant = wye_scan_variants; variant->name; variant++) {
        if (!variant->runs_here()) continue;
        for (unsigned byte = 0; byte < 256; byte++) {
            for (unsigned place = 0; place < 64; place++) {
                uint8_t bytes[64];
                memset(bytes, 'x', sizeof bytes);
                bytes[place] = (uint8_t)byte;
                compare(variant, bytes, sizeof bytes);
            }
        }
    }
}

static void every_variant_agrees_at_all_alignments_and_lengths_up_to_both_edges_of_a_page(void **state) {
    (void)state;
    uint8_t *page = guarded_page();
    fill(page, PAGE, 7);
    for (const struct wye_scan_variant *variant = wye_scan_variants; variant->name; variant++) {
        if (!variant->runs_here()) continue;
        for (size_t length = 0; length <= LENGTH_MAX; length++) {
            for (size_t shift = 0; shift < 64; shift++) {
                compare(variant, page + shift, length);
                compare(variant, page + PAGE - shift - length, length);
            }
        }
    }
    munmap(page - PAGE, 3 * PAGE);
}

static void every_variant_agrees_on_random_pages(void **state) {
    (void)state;
    uint8_t *page = guarded_page();
    for (uint32_t seed = 0; seed < 200; seed++) {
        fill(page, PAGE, seed);
        for (const struct wye_scan_variant *variant = wye_scan_variants; variant->name; variant++) {
            if (variant->runs_here()) compare(variant, page, PAGE);
        }
    }
    munmap(page - PAGE, 3 * PAGE);
}

static void wye_scan_is_one_of_the_variants(void **state) {
    (void)state;
    const char *text = "GET /chat HTTP/1.1\r\nHost: example.com\r\n\r\n";
    struct wye_scan_row row;
    wye_scan(&row, (const uint8_t *)text, strlen(text));
    assert_int_equal(__builtin_ctzll(row.nontoken), 3);
    assert_int_equal(__builtin_ctzll(row.control), 18);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_forces_a_variant_and_otherwise_the_best_runs),
        cmocka_unit_test(the_last_variant_is_portable_and_runs_everywhere),
        cmocka_unit_test(every_variant_knows_each_of_the_256_bytes_at_each_place_in_a_row),
        cmocka_unit_test(every_variant_agrees_at_all_alignments_and_lengths_up_to_both_edges_of_a_page),
        cmocka_unit_test(every_variant_agrees_on_random_pages),
        cmocka_unit_test(wye_scan_is_one_of_the_variants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
